//! The machine around the broker, as the test says it is.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bgtask_core::{Fact, Report, Zone};

/// Every fact, whether or not somebody watches it.
pub(super) struct World {
    levels: BTreeMap<Fact, bool>,
    states: BTreeMap<Fact, Arc<str>>,
    zone: Zone,
    /// In percent.
    battery: u8,
    watched: BTreeSet<Fact>,
}

impl World {
    /// A desktop at work: plugged in, online, its user present at a screen that is on.
    pub(super) fn new() -> Self {
        let levels = [
            (Fact::Internet, true),
            (Fact::FreeNetwork, true),
            (Fact::UserPresence, true),
            (Fact::SessionConnected, true),
            (Fact::Screen, true),
            (Fact::ExternalPower, true),
            (Fact::EnergySaver, false),
            (Fact::MemoryPressure, false),
            (Fact::CpuPressure, false),
            (Fact::Standby, false),
        ];
        let states = [
            (Fact::NetworkState, "full unmetered test".into()),
            (Fact::PowerState, "not-present".into()),
            (Fact::OnlineAccounts, "".into()),
            (Fact::DefaultAccount, "".into()),
        ];
        let zone = Zone { identity: "Etc/UTC".into(), offset_seconds: 0 };
        Self { levels: levels.into(), states: states.into(), zone, battery: 100, watched: BTreeSet::new() }
    }

    pub(super) fn level(&self, fact: Fact) -> bool {
        match fact {
            Fact::BatteryAbove(percent) => self.battery >= percent,
            fact => self.levels.get(&fact).copied().unwrap_or_default(),
        }
    }

    pub(super) fn zone(&self) -> &Zone {
        &self.zone
    }

    /// The fact becomes that; what its source says of it.
    pub(super) fn set(&mut self, fact: Fact, level: bool) -> Report {
        self.levels.insert(fact, level);
        self.report(fact)
    }

    pub(super) fn state(&self, fact: Fact) -> Arc<str> {
        self.states.get(&fact).cloned().unwrap_or_default()
    }

    /// The state becomes that; what its source says of it.
    pub(super) fn turn(&mut self, fact: Fact, state: &str) -> Report {
        self.states.insert(fact, state.into());
        self.report(fact)
    }

    /// The battery holds so many percent; what its sources say of it.
    pub(super) fn charge(&mut self, percent: u8) -> Vec<Report> {
        self.battery = percent;
        let its = self.watched.iter().filter(|fact| matches!(fact, Fact::BatteryAbove(_)));
        its.map(|fact| self.report(*fact)).collect()
    }

    /// The zone becomes that; what its source says of it.
    pub(super) fn move_to(&mut self, zone: Zone) -> Report {
        let previous_offset_seconds = Some(self.zone.offset_seconds);
        self.zone = zone.clone();
        Report::TimeZone { zone, previous_offset_seconds }
    }

    /// Somebody watches; what the source says first.
    pub(super) fn watch(&mut self, fact: Fact) -> Report {
        self.watched.insert(fact);
        self.report(fact)
    }

    pub(super) fn unwatch(&mut self, fact: Fact) {
        self.watched.remove(&fact);
    }

    fn report(&self, fact: Fact) -> Report {
        match fact {
            fact if fact.is_state() => Report::State(fact, self.state(fact)),
            Fact::TimeZone => Report::TimeZone { zone: self.zone.clone(), previous_offset_seconds: None },
            fact => Report::Level(fact, self.level(fact)),
        }
    }
}
