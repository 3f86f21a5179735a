//! Sources that are watched now, and their words as the core's.

use std::collections::BTreeMap;

use bgtask_core::{DayWindow, Fact, Input, SourceStatus, Zone};
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
            Report::Level(kind, value) => Input::Report(bgtask_core::Report::Level(fact(kind), value)),
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
        Fact::FreeNetwork => SourceKind::FreeNetwork,
        Fact::BatteryAbove(percent) => SourceKind::BatteryAbove(percent),
        Fact::Idle(least) => SourceKind::Idle(least),
        Fact::DiskFree(bytes) => SourceKind::DiskFree(bytes),
        Fact::LoadBelow(hundredths) => SourceKind::LoadBelow(hundredths),
        Fact::Between(DayWindow { from, to }) => SourceKind::Between(bgtask_sources::DayWindow { from, to }),
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
        SourceKind::FreeNetwork => Fact::FreeNetwork,
        SourceKind::BatteryAbove(percent) => Fact::BatteryAbove(percent),
        SourceKind::Idle(least) => Fact::Idle(least),
        SourceKind::DiskFree(bytes) => Fact::DiskFree(bytes),
        SourceKind::LoadBelow(hundredths) => Fact::LoadBelow(hundredths),
        SourceKind::Between(window) => Fact::Between(DayWindow { from: window.from, to: window.to }),
    }
}

pub(crate) fn core_status(status: Status) -> SourceStatus {
    match status {
        Status::Available { how } => SourceStatus::Available { how },
        Status::Degraded { how, why, help } => SourceStatus::Degraded { how, why, help },
        Status::Missing { why, help } => SourceStatus::Missing { why, help },
    }
}
