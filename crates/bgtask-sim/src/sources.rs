//! The machine and the fake sources that read it: late, lost, repeated and missing reports, never a wrong level.

use std::collections::BTreeMap;

use bgtask_core::{BootTime, DayWindow, Fact, Input, Report, SourceStatus, Zone};

use crate::agenda::Agenda;
use crate::chance::Chance;

const ZONES: &[(&str, i32)] =
    &[("Europe/Paris", 3_600), ("Europe/Berlin", 3_600), ("Europe/London", 0), ("America/New_York", -18_000)];

/// Facts with a parameter that something stands on here.
pub(crate) const BATTERY: Fact = Fact::BatteryAbove(50);
pub(crate) const LOW_BATTERY: Fact = Fact::BatteryAbove(33);
pub(crate) const DISK: Fact = Fact::DiskFree(10 << 30);
pub(crate) const NIGHT: Fact = Fact::Between(DayWindow { from: 22 * 60, to: 6 * 60 });

/// The facts of which the quiet phase brings about every combination.
const ARRANGED: [Fact; 6] =
    [Fact::Internet, Fact::UserPresence, Fact::SessionConnected, Fact::FreeNetwork, BATTERY, NIGHT];
pub(crate) const ARRANGEMENTS: u32 = 1 << ARRANGED.len();

#[derive(Clone, Debug)]
enum Act {
    Read,
    Say(SourceStatus),
}

#[derive(Debug)]
pub(crate) struct Sources {
    levels: BTreeMap<Fact, bool>,
    /// Which of its words each state is.
    states: BTreeMap<Fact, u64>,
    zone: usize,
    /// The sources that run, each with the zone it told last.
    running: BTreeMap<Fact, Option<usize>>,
    agenda: Agenda<(Fact, Act)>,
}

impl Sources {
    /// A machine on external power with room for everything, nobody at it and no network.
    pub(crate) fn new() -> Self {
        let level = |fact: Fact| (fact, [Fact::ExternalPower, Fact::Screen, LOW_BATTERY, DISK].contains(&fact));
        let is_level = |fact: &Fact| *fact != Fact::TimeZone && !fact.is_state();
        let levels = facts().filter(is_level).map(level).collect();
        let states = facts().filter(|fact| fact.is_state()).map(|fact| (fact, 0)).collect();
        Self { levels, states, zone: 0, running: BTreeMap::new(), agenda: Agenda::default() }
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
        let facts: Vec<_> = facts().collect();
        let fact = *chance.pick(&facts).expect("there are facts");
        let scarce = matches!(fact, Fact::EnergySaver | Fact::MemoryPressure | Fact::CpuPressure | Fact::Standby);
        match (self.levels.get_mut(&fact), self.states.get_mut(&fact)) {
            // A machine that is short of everything all the time would show nothing else.
            (Some(level), _) => *level = !*level && (!scarce || chance.percent(40)),
            (None, Some(state)) => *state = chance.below(3),
            (None, None) => self.zone = chance.index(ZONES.len()),
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

    /// The quiet phase has power, memory, processors, room and no sleep, and brings about each combination of the other levels.
    pub(crate) fn arrange(&mut self, arrangement: u32, everything: bool, now: BootTime) {
        let plenty = [(Fact::ExternalPower, true), (DISK, true), (Fact::EnergySaver, false)];
        let others = ARRANGED.into_iter().enumerate().map(|(place, fact)| (fact, arrangement & (1 << place) != 0));
        let calm = [Fact::MemoryPressure, Fact::CpuPressure, Fact::Standby].map(|fact| (fact, false));
        let wanted: Vec<_> = plenty.into_iter().chain(calm).chain(others).collect();
        for (fact, level) in wanted {
            if self.levels.insert(fact, level) != Some(level) || everything {
                self.read_later(fact, now);
            }
        }
    }

    /// How far east of UTC the machine is, in seconds.
    pub(crate) fn zone_offset(&self) -> i32 {
        ZONES[self.zone].1
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
            Fact::TimeZone => {
                let (identity, offset_seconds) = ZONES[self.zone];
                let zone = Zone { identity: identity.into(), offset_seconds };
                let told = self.running.insert(Fact::TimeZone, Some(self.zone)).flatten();
                Report::TimeZone { zone, previous_offset_seconds: told.map(|told| ZONES[told].1) }
            }
            fact => match self.states.get(&fact) {
                Some(state) => Report::State(fact, format!("state {state}").into()),
                None => Report::Level(fact, level),
            },
        }
    }

    fn read_later(&mut self, fact: Fact, at: BootTime) {
        if self.running.contains_key(&fact) {
            self.agenda.plan(at, (fact, Act::Read));
        }
    }
}

fn facts() -> impl Iterator<Item = Fact> {
    let with_source = Fact::ALL.iter().copied().filter(|fact| fact.ingredients().is_empty());
    with_source.chain([BATTERY, LOW_BATTERY, DISK, NIGHT])
}

fn available() -> SourceStatus {
    SourceStatus::Available { how: "the simulator".into() }
}
