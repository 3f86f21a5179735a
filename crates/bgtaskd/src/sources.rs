//! Sources that are watched now, and their words as the core's.

use std::collections::BTreeMap;

use bgtask_convert::{core_status, fact_of, source_of};
use bgtask_core::{Fact, Input, Zone};
use bgtask_sources::{Report, Source, World, start};
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
        if let Some(kind) = source_of(fact) {
            self.running.insert(fact, start(kind, &self.world, self.reports.clone()));
        }
    }

    pub(crate) fn unwatch(&mut self, fact: Fact) {
        self.running.remove(&fact);
    }

    pub(crate) fn input(&mut self, report: Report) -> Input {
        match report {
            Report::Status(kind, status) => Input::SourceStatus(fact_of(kind), core_status(status)),
            Report::State(kind, state) => Input::Report(bgtask_core::Report::State(fact_of(kind), state.into())),
            Report::Level(kind, value) => Input::Report(bgtask_core::Report::Level(fact_of(kind), value)),
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
