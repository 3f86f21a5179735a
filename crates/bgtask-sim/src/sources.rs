//! The machine and the fake sources that read it: late, lost, repeated and missing reports, never a wrong level.

use std::collections::BTreeMap;

use bgtask_core::{BootTime, Fact, Input, Report, SourceStatus, Zone};

use crate::agenda::Agenda;
use crate::chance::Chance;

const ZONES: &[(&str, i32)] =
    &[("Europe/Paris", 3_600), ("Europe/Berlin", 3_600), ("Europe/London", 0), ("America/New_York", -18_000)];

#[derive(Clone, Debug)]
enum Act {
    Read,
    Say(SourceStatus),
}

#[derive(Debug)]
pub(crate) struct Sources {
    levels: BTreeMap<Fact, bool>,
    zone: usize,
    /// The sources that run, each with the zone it told last.
    running: BTreeMap<Fact, Option<usize>>,
    agenda: Agenda<(Fact, Act)>,
}

impl Sources {
    /// A machine on external power with room for everything, nobody at it and no network.
    pub(crate) fn new() -> Self {
        let level = |fact: &Fact| (*fact, *fact == Fact::ExternalPower);
        let levels = Fact::ALL.iter().filter(|fact| **fact != Fact::TimeZone).map(level).collect();
        Self { levels, zone: 0, running: BTreeMap::new(), agenda: Agenda::default() }
    }

    pub(crate) fn next(&self) -> Option<BootTime> {
        self.agenda.next()
    }

    pub(crate) fn watch(&mut self, fact: Fact, now: BootTime, chance: &mut Chance) {
        self.running.insert(fact, None);
        self.agenda.plan(now, (fact, Act::Say(available())));
        self.agenda.plan(now + chance.millis(600), (fact, Act::Read));
    }

    pub(crate) fn unwatch(&mut self, fact: Fact) {
        self.running.remove(&fact);
        self.agenda.cancel(|(planned, _)| *planned == fact);
    }

    pub(crate) fn is_running(&self, fact: Fact) -> bool {
        self.running.contains_key(&fact)
    }

    /// Something about the machine changes, and its source hears of it now, later, or twice.
    pub(crate) fn disturb(&mut self, now: BootTime, chance: &mut Chance) -> Fact {
        let fact = *chance.pick(Fact::ALL).expect("there are facts");
        let scarce = matches!(fact, Fact::EnergySaver | Fact::MemoryPressure);
        match self.levels.get_mut(&fact) {
            // A machine that is short of everything all the time would show nothing else.
            Some(level) => *level = !*level && (!scarce || chance.percent(40)),
            None => self.zone = chance.index(ZONES.len()),
        }
        let lost = chance.percent(15);
        let delay = if lost { chance.millis(60_000) } else { chance.millis(200) };
        self.read_later(fact, now + delay);
        if chance.percent(20) {
            self.read_later(fact, now + delay + chance.millis(2_000));
        }
        fact
    }

    /// A service vanishes and comes back: the source says so, and reads again.
    pub(crate) fn restart_one(&mut self, now: BootTime, chance: &mut Chance) {
        let running: Vec<_> = self.running.keys().copied().collect();
        let Some(fact) = chance.pick(&running).copied() else {
            return;
        };
        let missing = SourceStatus::Missing { why: "the service is gone".into(), help: "start it".into() };
        self.agenda.plan(now, (fact, Act::Say(missing)));
        let back = now + chance.millis(20_000);
        self.agenda.plan(back, (fact, Act::Say(available())));
        self.agenda.plan(back, (fact, Act::Read));
    }

    /// The quiet phase has power and memory, brings about each combination of the other levels, and reads everything.
    pub(crate) fn arrange(&mut self, internet: bool, present: bool, now: BootTime) {
        let plenty = [(Fact::ExternalPower, true), (Fact::EnergySaver, false), (Fact::MemoryPressure, false)];
        self.levels.extend(plenty);
        self.levels.extend([(Fact::Internet, internet), (Fact::UserPresence, present)]);
        for fact in self.running.keys().copied().collect::<Vec<_>>() {
            self.read_later(fact, now);
        }
    }

    pub(crate) fn broker_died(&mut self) {
        self.running.clear();
        self.agenda.clear();
    }

    /// The next thing a source says that is due.
    pub(crate) fn speak(&mut self, now: BootTime) -> Option<Input> {
        let (fact, act) = self.agenda.take_due(now)?;
        Some(match act {
            Act::Say(status) => Input::SourceStatus(fact, status),
            Act::Read => Input::Report(self.read(fact)),
        })
    }

    fn read(&mut self, fact: Fact) -> Report {
        let level = self.levels.get(&fact).copied().unwrap_or_default();
        match fact {
            Fact::Internet => Report::Internet(level),
            Fact::UserPresence => Report::UserPresence(level),
            Fact::ExternalPower => Report::ExternalPower(level),
            Fact::EnergySaver => Report::EnergySaver(level),
            Fact::MemoryPressure => Report::MemoryPressure(level),
            Fact::TimeZone => {
                let (identity, offset_seconds) = ZONES[self.zone];
                let zone = Zone { identity: identity.into(), offset_seconds };
                let told = self.running.insert(Fact::TimeZone, Some(self.zone)).flatten();
                Report::TimeZone { zone, previous_offset_seconds: told.map(|told| ZONES[told].1) }
            }
        }
    }

    fn read_later(&mut self, fact: Fact, at: BootTime) {
        if self.running.contains_key(&fact) {
            self.agenda.plan(at, (fact, Act::Read));
        }
    }
}

fn available() -> SourceStatus {
    SourceStatus::Available { how: "the simulator".into() }
}
