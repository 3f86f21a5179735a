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

    pub(crate) fn watch(&mut self, fact: Fact) {
        self.zone_known &= fact != Fact::TimeZone;
        self.running.insert(fact, start(kind(fact), &self.world, self.reports.clone()));
    }

    pub(crate) fn unwatch(&mut self, fact: Fact) {
        self.running.remove(&fact);
    }

    pub(crate) fn input(&mut self, report: Report) -> Input {
        match report {
            Report::Status(kind, status) => Input::SourceStatus(fact(kind), core_status(status)),
            Report::Internet(value) => Input::Report(bgtask_core::Report::Internet(value)),
            Report::UserPresent(value) => Input::Report(bgtask_core::Report::UserPresence(value)),
            Report::ExternalPower(value) => Input::Report(bgtask_core::Report::ExternalPower(value)),
            Report::EnergySaver(value) => Input::Report(bgtask_core::Report::EnergySaver(value)),
            Report::MemoryPressure(value) => Input::Report(bgtask_core::Report::MemoryPressure(value)),
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

const fn kind(fact: Fact) -> SourceKind {
    match fact {
        Fact::TimeZone => SourceKind::TimeZone,
        Fact::Internet => SourceKind::Internet,
        Fact::UserPresence => SourceKind::UserPresence,
        Fact::ExternalPower => SourceKind::ExternalPower,
        Fact::EnergySaver => SourceKind::EnergySaver,
        Fact::MemoryPressure => SourceKind::MemoryPressure,
    }
}

fn fact(kind: SourceKind) -> Fact {
    match kind {
        SourceKind::TimeZone => Fact::TimeZone,
        SourceKind::Internet => Fact::Internet,
        SourceKind::UserPresence => Fact::UserPresence,
        SourceKind::ExternalPower => Fact::ExternalPower,
        SourceKind::EnergySaver => Fact::EnergySaver,
        SourceKind::MemoryPressure => Fact::MemoryPressure,
    }
}

fn core_status(status: Status) -> SourceStatus {
    match status {
        Status::Available { how } => SourceStatus::Available { how },
        Status::Degraded { how, why, help } => SourceStatus::Degraded { how, why, help },
        Status::Missing { why, help } => SourceStatus::Missing { why, help },
    }
}
