//! The machine around the broker, as the test says it is.

use std::collections::BTreeMap;

use bgtask_core::{Fact, Report, Zone};

/// Every fact, whether or not somebody watches it.
pub(super) struct World {
    levels: BTreeMap<Fact, bool>,
    zone: Zone,
}

impl World {
    /// A desktop at work: plugged in, online, its user present.
    pub(super) fn new() -> Self {
        let levels = [
            (Fact::Internet, true),
            (Fact::FreeNetwork, true),
            (Fact::UserPresence, true),
            (Fact::ExternalPower, true),
            (Fact::EnergySaver, false),
            (Fact::MemoryPressure, false),
        ];
        Self { levels: levels.into(), zone: Zone { identity: "Etc/UTC".into(), offset_seconds: 0 } }
    }

    pub(super) fn level(&self, fact: Fact) -> bool {
        self.levels.get(&fact).copied().unwrap_or_default()
    }

    pub(super) fn zone(&self) -> &Zone {
        &self.zone
    }

    /// The fact becomes that; what its source says of it.
    pub(super) fn set(&mut self, fact: Fact, level: bool) -> Report {
        self.levels.insert(fact, level);
        self.report(fact)
    }

    /// The zone becomes that; what its source says of it.
    pub(super) fn move_to(&mut self, zone: Zone) -> Report {
        let previous_offset_seconds = Some(self.zone.offset_seconds);
        self.zone = zone.clone();
        Report::TimeZone { zone, previous_offset_seconds }
    }

    /// What a source says first.
    pub(super) fn report(&self, fact: Fact) -> Report {
        let level = self.level(fact);
        match fact {
            Fact::TimeZone => Report::TimeZone { zone: self.zone.clone(), previous_offset_seconds: None },
            fact => Report::Level(fact, level),
        }
    }
}
