//! Years of periodic tasks on a machine that sleeps, is switched off, travels and has its clock set: every task has to fire at
//! exactly the times the rules say, and no wake-up may serve nobody.
//!
//! The core runs through the whole time, and what it did is kept as one list of moments and one of firings for each task. Then
//! each task is looked at alone: the rules of its trigger, applied to the moments, give the firings it must have had.

mod rules;
mod tasks;
pub(crate) mod world;

use std::time::Duration;

use crate::chance::Chance;
use rules::judge;
use tasks::periodic;
use world::World;

/// How long, how much of it, and by which chance.
#[derive(Clone, Copy, Debug)]
pub struct Years {
    /// How many years.
    pub years: u32,
    /// How many periodic tasks: timers and maintenance of apps, intervals and calendars of the user.
    pub tasks: usize,
    /// The shortest interval of any; the longest is 30 days.
    pub shortest: Duration,
    /// Fixes everything that is left to chance.
    pub seed: u64,
}

/// What happened in these years.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct YearsReport {
    /// Firings of all tasks: as many as the rules say.
    pub firings: u64,
    /// Activations that ran; those of maintenance on battery are fewer than its firings.
    pub runs: u64,
    /// Times of calendars that are not made up for and were missed.
    pub missed: u64,
    /// Wake-ups by time: each served somebody.
    pub wakes: u64,
    /// How often the machine slept.
    pub sleeps: u64,
    /// How often it was woken from that: each time for a task that may wake it, which was never late for a sleep.
    pub roused: u64,
    /// How often the clock was set, back or forward.
    pub steps: u64,
    /// How often the machine moved to another time zone.
    pub moves: u64,
    /// How often the user began to save energy, or saved it no longer.
    pub savings: u64,
    /// How often the machine was switched off and on.
    pub restarts: u64,
}

impl Years {
    /// Lives through the years and compares what was with what the rules say.
    ///
    /// # Errors
    ///
    /// The first task that fired at another time, more or less often, or the first wake-up that served nobody.
    pub fn run(self) -> Result<YearsReport, String> {
        let mut chance = Chance::new(self.seed);
        let mut world = World::new(chance.number());
        for number in 0..self.tasks {
            world.pass(chance.millis(600_000));
            world.register(periodic(number, self.shortest, &mut chance))?;
        }
        let mut report = YearsReport::default();
        for _ in 0..u64::from(self.years) * 365 {
            day(&mut world, &mut chance, &mut report);
        }
        judge(&mut world, &mut report)?;
        Ok(report)
    }
}

/// A day with what happens on it.
fn day(world: &mut World, chance: &mut Chance, report: &mut YearsReport) {
    let mut left = Duration::from_secs(86_400);
    for hour in 0..6 {
        let part = (left / (6 - hour)).min(left);
        let (before, after) = (chance.millis(3_600_000).min(part), chance.percent(2));
        world.pass(before);
        left -= before;
        match chance.below(1_000) {
            0..=250 => {
                let asleep = chance.millis(8 * 3_600_000).min(left);
                world.sleep(asleep);
                left -= asleep;
                report.sleeps += 1;
            }
            251..=253 => {
                // A battery that runs empty on a holiday.
                world.sleep(Duration::from_secs(3_600) + chance.millis(20 * 86_400_000));
                report.sleeps += 1;
            }
            254..=269 => {
                world.set_clock(step(chance));
                report.steps += 1;
            }
            270..=272 => {
                world.move_zone(chance);
                report.moves += 1;
            }
            273..=287 => {
                let off = chance.millis(10 * 3_600_000).min(left);
                let step = if chance.percent(20) { step(chance) } else { 0 };
                world.switch_off(off, step);
                left -= off;
                report.restarts += 1;
            }
            288..=400 => world.power(chance.percent(50)),
            401..=430 => {
                world.save(chance.percent(50));
                report.savings += 1;
            }
            _ => {}
        }
        if after {
            world.power(true);
        }
        let rest = part.saturating_sub(before).min(left);
        world.pass(rest);
        left -= rest;
    }
    world.pass(left);
}

/// By how many microseconds a clock is set: mostly by little, now and then by days.
fn step(chance: &mut Chance) -> i64 {
    let most: u64 = *chance.pick(&[60, 3_600, 6 * 3_600, 3 * 86_400]).expect("four");
    let micros = i64::try_from(2_000_000 + chance.below(most * 1_000_000)).unwrap_or(2_000_000);
    if chance.percent(50) { micros } else { -micros }
}
