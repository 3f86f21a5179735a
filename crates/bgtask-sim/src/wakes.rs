//! How often periodic tasks wake a machine, by how their times are put together: apart, as systemd does it, on slots that all
//! share, and by the core. All are equally fresh: none runs later than its accuracy allows.

use std::collections::BTreeSet;
use std::time::Duration;

use bgtask_core::{App, AppId, Command, Entry, NewRegistration, Pace, Trigger};

use crate::chance::Chance;
use crate::years::world::World;

/// A comparison: so many tasks, each of an interval of its own, for so many days.
#[derive(Clone, Copy, Debug)]
pub struct WakeStudy {
    /// How many periodic tasks, with intervals of 5 minutes to a day.
    pub tasks: usize,
    /// How many days are counted.
    pub days: u32,
    /// How much later than due each may run, less than half of the shortest interval: 1 min is the default of systemd
    /// (`AccuracySec=`).
    pub accuracy: Duration,
    /// Fixes intervals and phases.
    pub seed: u64,
}

/// Wake-ups in all the days, for each way of putting times together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WakeUps {
    /// How often tasks ran, which is the same for all.
    pub runs: usize,
    /// Every task at its own time.
    pub apart: usize,
    /// As the event loop of systemd does it: on the last minute, 10 s, second or 250 ms of the machine's own before the first
    /// has to run, else then.
    pub systemd: usize,
    /// On slots as far apart as the accuracy.
    pub slots: usize,
    /// As the core does it: when the first has to run, for all whose time has come.
    pub ours: usize,
}

const MINUTE: i64 = 60_000_000;

impl WakeStudy {
    /// Lets the core run, and counts for the others what the same times would have come to.
    ///
    /// # Errors
    ///
    /// The core refused a task, or ran one at another time than it may.
    pub fn run(self) -> Result<WakeUps, String> {
        let mut chance = Chance::new(self.seed);
        let mut world = World::new(self.seed);
        for number in 0..self.tasks {
            world.pass(chance.millis(600_000));
            world.register(periodic(number, self.accuracy, &mut chance))?;
        }
        let (begin, days) = (world.wall(), Duration::from_secs(86_400) * self.days);
        world.pass(days + self.accuracy);
        let end = begin + days.as_micros() as i64;
        let accuracy = self.accuracy.as_micros() as i64;
        let mut times = Vec::new();
        for life in world.lives.values() {
            let interval = life.registration.trigger.interval().ok_or("it is an interval")?.as_micros() as i64;
            let first = life.registration.registered_at.as_micros() + interval;
            let due: Vec<i64> = (0..).map(|number| first + number * interval).take_while(|at| *at <= end).collect();
            let late =
                |(due, fired): (&i64, &bgtask_core::WallTime)| !(0..=accuracy).contains(&(fired.as_micros() - due));
            if life.fired.len() < due.len() || due.iter().zip(&life.fired).any(late) {
                return Err(format!("{} is not as fresh as it is to be", life.registration.name));
            }
            times.extend(due.into_iter().filter(|at| *at > begin));
        }
        times.sort_unstable();
        let slot = |at: &i64| at.div_euclid(accuracy.max(1)) + i64::from(at.rem_euclid(accuracy.max(1)) > 0);
        Ok(WakeUps {
            runs: times.len(),
            apart: times.iter().collect::<BTreeSet<_>>().len(),
            systemd: by_windows(&times, accuracy, |first, latest| sleep_between(first, latest, shift_of(self.seed))),
            slots: times.iter().map(slot).collect::<BTreeSet<_>>().len(),
            ours: world.looks().filter(|at| (begin..=end + accuracy).contains(&at.as_micros())).count(),
        })
    }
}

/// So many wake-ups serve all windows that begin at these times, if the next is always chosen between the first that may and
/// the first that has to.
fn by_windows(times: &[i64], accuracy: i64, choose: impl Fn(i64, i64) -> i64) -> usize {
    let (mut place, mut wakes) = (0, 0);
    while let Some(first) = times.get(place) {
        let at = choose(*first, first + accuracy);
        wakes += 1;
        place += times[place..].partition_point(|time| *time <= at);
    }
    wakes
}

/// The moment that systemd chooses (`sleep_between` of sd-event): the latest of a grid with a shift of the machine's own.
fn sleep_between(first: i64, latest: i64, shift: i64) -> i64 {
    for grid in [MINUTE, MINUTE / 6, MINUTE / 60, MINUTE / 240] {
        let at = latest.div_euclid(grid) * grid + shift % grid;
        let at = if at >= latest { at - grid } else { at };
        if at >= first {
            return at;
        }
    }
    latest
}

/// The shift of a machine within the minute.
const fn shift_of(seed: u64) -> i64 {
    (Chance::new(seed ^ 0x5eed).below(MINUTE as u64)) as i64
}

fn periodic(number: usize, accuracy: Duration, chance: &mut Chance) -> (AppId, NewRegistration) {
    const USUAL: [u64; 10] = [5, 10, 15, 20, 30, 60, 120, 240, 720, 1_440];
    let minutes = *chance.pick(&USUAL).expect("some");
    // Half of them have the round intervals that people choose, the others any.
    let every = if chance.percent(50) { minutes * 60 } else { minutes * 60 + chance.below(minutes * 30) };
    let pace = Pace { accuracy, ..Pace::default() };
    let trigger = Trigger::Interval { every: Duration::from_secs(every), pace, one_shot: false };
    let new = NewRegistration {
        name: format!("task{number}"),
        entry: Entry::Command(Command::new(["true"]).into()),
        trigger,
        conditions: Vec::new(),
        cancel_on_condition_loss: false,
        is_network_requested: false,
        group: None,
    };
    (AppId::new(App::COMMANDS).expect("an id"), new)
}
