//! Sources that are watched now, and their words as the core's.

use std::collections::BTreeMap;

use bgtask_core::{Fact, Input, SourceStatus, Zone};
use bgtask_sources::{Report, Source, SourceKind, Status, World, start};
use tokio::sync::mpsc;

/// The running sources.
pub(crate) struct Sources {
    world: World,
    reports: mpsc::Sender<Report>,
    running: BTreeMap<Fact, Source>,
    /// Whether the zone source has given its first reading, which says nothing about the zone before.
    zone_known: bool,
}

impl Sources {
    pub(crate) fn new(world: World, reports: mpsc::Sender<Report>) -> Self {
        Self { world, reports, running: BTreeMap::new(), zone_known: false }
    }

    /// Starts a source. What there is none for is answered at once.
    pub(crate) fn watch(&mut self, fact: Fact) -> Option<Input> {
        self.zone_known &= fact != Fact::TimeZone;
        let Some(kind) = kind(fact) else {
            let why = "not built into this broker".to_owned();
            let help = "use a version of bgtask that has it".to_owned();
            return Some(Input::SourceStatus(fact, SourceStatus::Missing { why, help }));
        };
        self.running.insert(fact, start(kind, &self.world, self.reports.clone()));
        None
    }

    pub(crate) fn unwatch(&mut self, fact: Fact) {
        self.running.remove(&fact);
    }

    pub(crate) fn input(&mut self, report: Report) -> Input {
        match report {
            Report::Status(kind, status) => Input::SourceStatus(fact(kind), core_status(status)),
            Report::Internet(value) => Input::Report(bgtask_core::Report::Internet(value)),
            Report::UserPresent(value) => Input::Report(bgtask_core::Report::UserPresence(value)),
            Report::TimeZone(reading) => {
                let unmoved = std::mem::replace(&mut self.zone_known, true).then_some(reading.offset_seconds);
                let moved_from = reading.changed.map(|change| change.from_offset_seconds);
                Input::Report(bgtask_core::Report::TimeZone {
                    zone: Zone { identity: reading.identity, offset_seconds: reading.offset_seconds },
                    previous_offset_seconds: moved_from.or(unmoved),
                })
            }
        }
    }
}

const fn kind(fact: Fact) -> Option<SourceKind> {
    match fact {
        Fact::TimeZone => Some(SourceKind::TimeZone),
        Fact::Internet => Some(SourceKind::Internet),
        Fact::UserPresence => Some(SourceKind::UserPresence),
        Fact::ExternalPower | Fact::EnergySaver | Fact::MemoryPressure => None,
    }
}

fn fact(kind: SourceKind) -> Fact {
    match kind {
        SourceKind::TimeZone => Fact::TimeZone,
        SourceKind::Internet => Fact::Internet,
        SourceKind::UserPresence => Fact::UserPresence,
    }
}

fn core_status(status: Status) -> SourceStatus {
    match status {
        Status::Available { how } => SourceStatus::Available { how },
        Status::Degraded { how, why, help } => SourceStatus::Degraded { how, why, help },
        Status::Missing { why, help } => SourceStatus::Missing { why, help },
    }
}
