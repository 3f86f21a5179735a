//! What the machine and its user are like, at every moment of a rehearsal.

use bgtask_core::Fact;
use jiff::tz::TimeZone;

/// What the machine and its user are like when a rehearsal begins.
///
/// The [`Default`] is a machine at rest on a desk: nobody is at it, it has external power, a full battery and an
/// internet that costs nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct World {
    /// Whether the user is at the machine. Who is there is never idle; who is not is idle since the beginning.
    pub user_present: bool,
    /// Whether the internet is reachable.
    pub internet: bool,
    /// Whether the network costs nothing. What counts is this and [`internet`](Self::internet) together.
    pub unmetered: bool,
    /// Whether there is external power.
    pub ac_power: bool,
    /// Whether the user saves energy.
    pub energy_saver: bool,
    /// Whether the machine is short of memory.
    pub memory_pressure: bool,
    /// Whether the processors are busy.
    pub cpu_pressure: bool,
    /// How full the battery is, in percent: 0 to 100. It changes by the scenario only, not by use.
    pub battery: u8,
    /// Bytes free on the file system of the home folder.
    pub disk_free: u64,
    /// The load of the last minute, in hundredths.
    pub load: u32,
}

impl Default for World {
    fn default() -> Self {
        Self {
            user_present: false,
            internet: true,
            unmetered: true,
            ac_power: true,
            energy_saver: false,
            memory_pressure: false,
            cpu_pressure: false,
            battery: 100,
            disk_free: u64::MAX,
            load: 0,
        }
    }
}

/// What a scenario can change about a world.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Level {
    UserPresent,
    Internet,
    Unmetered,
    AcPower,
    EnergySaver,
    MemoryPressure,
    CpuPressure,
    Screen,
    Session,
    Asleep,
    Off,
    /// In percent.
    Battery,
    /// In bytes.
    DiskFree,
    /// In hundredths.
    Load,
    /// An index into the zones of the scenario.
    Zone,
}

const LEVELS: usize = Level::Zone as usize + 1;

/// What a level reads over time, in microseconds since the Unix epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reading {
    Flat(u64),
    /// From one value to another at an even pace, and then that.
    Slope {
        from: u64,
        to: u64,
        begin: i64,
        end: i64,
    },
}

/// One level: what it reads, and what lies over that for a while.
#[derive(Clone, Debug)]
struct Cell {
    base: Reading,
    over: Vec<(usize, Reading)>,
}

impl Cell {
    fn reading(&self) -> Reading {
        self.over.last().map_or(self.base, |(_, reading)| *reading)
    }
}

/// The world while time passes.
pub(crate) struct Moving {
    cells: Vec<Cell>,
    zones: Vec<(String, TimeZone)>,
    /// Since when nobody is there.
    away_since: Option<i64>,
}

impl Moving {
    /// `zones` are those of the scenario; the first is the one at the start.
    pub(crate) fn new(world: &World, zones: Vec<(String, TimeZone)>, now: i64) -> Self {
        let flags = [
            world.user_present,
            world.internet,
            world.unmetered,
            world.ac_power,
            world.energy_saver,
            world.memory_pressure,
            world.cpu_pressure,
            true,
            true,
            false,
            false,
        ];
        let numbers = [u64::from(world.battery.min(100)), world.disk_free, u64::from(world.load), 0];
        let bases = flags.into_iter().map(u64::from).chain(numbers);
        let cells: Vec<_> = bases.map(|base| Cell { base: Reading::Flat(base), over: Vec::new() }).collect();
        debug_assert_eq!(cells.len(), LEVELS);
        Self { cells, zones, away_since: (!world.user_present).then_some(now) }
    }

    /// From now on it reads so.
    pub(crate) fn set(&mut self, level: Level, reading: Reading, now: i64) {
        self.change(now, |world| world.cells[level as usize].base = reading);
    }

    /// It reads so until [`uncover`](Self::uncover) with the same key.
    pub(crate) fn cover(&mut self, level: Level, key: usize, reading: Reading, now: i64) {
        self.change(now, |world| world.cells[level as usize].over.push((key, reading)));
    }

    pub(crate) fn uncover(&mut self, level: Level, key: usize, now: i64) {
        self.change(now, |world| world.cells[level as usize].over.retain(|(its, _)| *its != key));
    }

    fn change(&mut self, now: i64, change: impl FnOnce(&mut Self)) {
        change(self);
        let present = self.flag(Level::UserPresent);
        self.away_since = if present { None } else { self.away_since.or(Some(now)) };
    }

    pub(crate) fn flag(&self, level: Level) -> bool {
        self.cells[level as usize].reading() == Reading::Flat(1)
    }

    /// The machine's time zone, and its name.
    pub(crate) fn zone(&self) -> (&str, &TimeZone) {
        let Reading::Flat(index) = self.cells[Level::Zone as usize].reading() else { unreachable!("a zone is flat") };
        let (name, zone) = &self.zones[usize::try_from(index).expect("it is a place in a list")];
        (name, zone)
    }

    /// What a fact reads that is a state.
    pub(crate) fn state(&self, fact: Fact) -> Option<&'static str> {
        Some(match fact {
            Fact::NetworkState => match (self.flag(Level::Internet), self.flag(Level::Unmetered)) {
                (true, true) => "full unmetered",
                (true, false) => "full metered",
                (false, _) => "none unknown",
            },
            Fact::PowerState if self.flag(Level::AcPower) => "charging",
            Fact::PowerState => "discharging",
            Fact::OnlineAccounts | Fact::DefaultAccount => "none",
            _ => return None,
        })
    }

    /// Whether a fact is so; `None` for the time zone and for states, which are no such facts.
    pub(crate) fn holds(&self, fact: Fact, now: i64) -> Option<bool> {
        Some(match fact {
            Fact::TimeZone
            | Fact::WorkCost
            | Fact::NetworkState
            | Fact::PowerState
            | Fact::OnlineAccounts
            | Fact::DefaultAccount => return None,
            Fact::SessionConnected => self.flag(Level::Session),
            Fact::Screen => self.flag(Level::Screen),
            Fact::Internet => self.flag(Level::Internet),
            Fact::UserPresence => self.flag(Level::UserPresent),
            Fact::ExternalPower => self.flag(Level::AcPower),
            Fact::EnergySaver => self.flag(Level::EnergySaver),
            Fact::MemoryPressure => self.flag(Level::MemoryPressure),
            Fact::CpuPressure => self.flag(Level::CpuPressure),
            Fact::Standby => self.flag(Level::Asleep),
            Fact::FreeNetwork => self.flag(Level::Internet) && self.flag(Level::Unmetered),
            Fact::BatteryAbove(percent) => self.battery().is_above(u64::from(percent), now),
            Fact::Idle(least) => self.idle_at(least).is_some_and(|at| at <= now),
            Fact::DiskFree(bytes) => !self.cells[Level::DiskFree as usize].reading().is_below(bytes),
            Fact::LoadBelow(value) => self.cells[Level::Load as usize].reading().is_below(u64::from(value)),
            Fact::Between(window) => day_window(window).holds(now, self.zone().1),
        })
    }

    /// When time alone may change a fact next.
    pub(crate) fn next_change(&self, fact: Fact, now: i64) -> Option<i64> {
        let at = match fact {
            Fact::Idle(least) => self.idle_at(least),
            Fact::Between(window) => Some(day_window(window).next_change(now, self.zone().1)),
            Fact::BatteryAbove(percent) => self.battery().crosses(u64::from(percent)),
            _ => None,
        };
        at.filter(|at| *at > now)
    }

    fn battery(&self) -> Reading {
        self.cells[Level::Battery as usize].reading()
    }

    fn idle_at(&self, least: std::time::Duration) -> Option<i64> {
        Some(self.away_since?.saturating_add(i64::try_from(least.as_micros()).ok()?))
    }
}

impl Reading {
    fn is_below(self, bound: u64) -> bool {
        matches!(self, Self::Flat(value) if value < bound)
    }

    /// Whether it is more than that.
    fn is_above(self, bound: u64, now: i64) -> bool {
        match self {
            Self::Flat(value) => value > bound,
            Self::Slope { to, end, .. } if now >= end => to > bound,
            Self::Slope { from, to, begin, end } => {
                let (length, gone) = (i128::from(end) - i128::from(begin), i128::from(now) - i128::from(begin));
                let value = i128::from(from) * length + (i128::from(to) - i128::from(from)) * gone;
                value > i128::from(bound) * length
            }
        }
    }

    /// The first moment at which [`is_above`](Self::is_above) is another than at the beginning.
    fn crosses(self, bound: u64) -> Option<i64> {
        let Self::Slope { from, to, begin, end } = self else { return None };
        let length = i128::from(end) - i128::from(begin);
        let gone = if from > bound && bound >= to {
            let (far, all) = (i128::from(from - bound) * length, i128::from(from - to));
            (far + all - 1) / all
        } else if from <= bound && bound < to {
            i128::from(bound - from) * length / i128::from(to - from) + 1
        } else {
            return None;
        };
        i64::try_from(i128::from(begin) + gone).ok()
    }
}

fn day_window(window: bgtask_core::DayWindow) -> bgtask_calendar::DayWindow {
    bgtask_calendar::DayWindow { from: window.from, to: window.to }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: i64 = 3_600_000_000;

    fn world() -> Moving {
        Moving::new(&World::default(), vec![("UTC".into(), TimeZone::UTC)], 0)
    }

    #[test]
    fn a_battery_that_drains_evenly_is_above_a_mark_up_to_the_moment_it_reaches_it() {
        for (from, to, mark, crossing) in
            [(100, 20, 60, 2 * HOUR), (20, 100, 60, 2 * HOUR + 1), (100, 20, 20, 4 * HOUR)]
        {
            let mut world = world();
            world.set(Level::Battery, Reading::Slope { from, to, begin: 0, end: 4 * HOUR }, 0);
            let fact = Fact::BatteryAbove(mark);
            assert_eq!(world.next_change(fact, 0), Some(crossing), "{from} to {to}, {mark}");
            let before = world.holds(fact, crossing - 1);
            assert_ne!(before, world.holds(fact, crossing), "{from} to {to}, {mark}");
            assert_eq!(world.next_change(fact, crossing), None);
        }
    }

    #[test]
    fn what_lies_over_a_level_for_a_while_uncovers_what_became_of_it_meanwhile() {
        let mut world = world();
        world.cover(Level::Internet, 1, Reading::Flat(0), 0);
        world.set(Level::Internet, Reading::Flat(1), 1);
        assert_eq!(world.holds(Fact::Internet, 1), Some(false));
        assert_eq!(world.holds(Fact::FreeNetwork, 1), Some(false), "no network costs nothing where there is none");
        world.uncover(Level::Internet, 1, 2);
        assert_eq!(world.holds(Fact::Internet, 2), Some(true));
    }

    #[test]
    fn a_user_is_idle_that_long_after_leaving() {
        let mut world = world();
        let fact = Fact::Idle(std::time::Duration::from_secs(600));
        world.set(Level::UserPresent, Reading::Flat(1), 5);
        assert_eq!((world.holds(fact, HOUR), world.next_change(fact, HOUR)), (Some(false), None));
        world.set(Level::UserPresent, Reading::Flat(0), HOUR);
        let idle = HOUR + 600_000_000;
        assert_eq!((world.holds(fact, idle - 1), world.next_change(fact, HOUR)), (Some(false), Some(idle)));
        assert_eq!((world.holds(fact, idle), world.next_change(fact, idle)), (Some(true), None));
    }
}
