//! The rules of time for one task alone: TM-1 to TM-3, D11, D12, and what `docs/time.md` says of clocks and zones.

use std::collections::BTreeSet;
use std::time::Duration;

use bgtask_core::{Registration, Trigger, WallTime};

use super::YearsReport;
use super::world::{Life, Look, STRETCH, Stretch, Turn, World, tick, wakes};

const SECOND: i64 = 1_000_000;
/// A calendar that is not made up for may still be so late.
const LATE: i64 = 60 * SECOND;
/// A clock that is set back by so much makes calendars repeat what comes again.
const REPEATED: i64 = 3 * 3_600 * SECOND;

/// Compares every task with its rules, and every look with those it served.
pub(super) fn judge(world: &mut World, report: &mut YearsReport) -> Result<(), String> {
    let mut served = BTreeSet::new();
    let stretches = std::mem::take(&mut world.stretches);
    for life in std::mem::take(&mut world.lives).into_values() {
        let rules = Rules::of(&life.registration, &stretches, world);
        let right = rules.live(&life, &mut served)?;
        let name = format!("{} ({})", life.registration.name, life.registration.trigger);
        if let Some((place, (was, is))) = right.fired.iter().zip(&life.fired).enumerate().find(|(_, (a, b))| a != b) {
            return Err(format!("firing {place} of {name} was at {is:?}, right is {was:?}"));
        }
        let counts = [right.fired.len() as u64, right.missed, right.runs];
        let were = [life.fired.len() as u64, life.missed, life.runs];
        if counts != were {
            return Err(format!("{name} fired, missed and ran {were:?} times, right is {counts:?}"));
        }
        report.firings += counts[0];
        report.missed += counts[1];
        report.runs += counts[2];
    }
    if let Some(at) = world.in_vain {
        return Err(format!("the machine was woken at {at:?} for nobody"));
    }
    report.roused = world.roused;
    let looks = stretches.iter().enumerate().flat_map(|(stretch, its)| {
        its.looks.iter().enumerate().map(move |(place, (at, how))| ((stretch, place), *at, *how))
    });
    for (place, at, how) in looks {
        report.wakes += 1;
        if how == Look::Woken && !served.contains(&place) {
            return Err(format!("the wake-up at {at:?} served nobody"));
        }
    }
    Ok(())
}

/// What the rules make of the moments.
#[derive(Default)]
struct Right {
    fired: Vec<WallTime>,
    missed: u64,
    runs: u64,
}

struct Rules<'a> {
    registration: &'a Registration,
    stretches: &'a [Stretch],
    world: &'a mut World,
    due: Option<WallTime>,
    place: usize,
    on_power: bool,
    saving: bool,
    /// What was stretched until then had to fire then, and not before.
    unstretched: Option<WallTime>,
    /// Maintenance that has fired and not run.
    waits: bool,
}

impl<'a> Rules<'a> {
    fn of(registration: &'a Registration, stretches: &'a [Stretch], world: &'a mut World) -> Self {
        Self {
            registration,
            stretches,
            world,
            due: None,
            place: 0,
            on_power: true,
            saving: false,
            unstretched: None,
            waits: false,
        }
    }

    fn live(mut self, life: &Life, served: &mut BTreeSet<(usize, usize)>) -> Result<Right, String> {
        let mut right = Right::default();
        for (number, stretch) in self.stretches.iter().enumerate() {
            let first = match number.cmp(&life.since.0) {
                std::cmp::Ordering::Less => {
                    self.follow(&stretch.turn);
                    continue;
                }
                std::cmp::Ordering::Equal => {
                    self.follow(&stretch.turn);
                    self.due = self.first_due();
                    life.since.1
                }
                std::cmp::Ordering::Greater => {
                    self.turn(stretch, &mut right);
                    0
                }
            };
            self.look(number, stretch, first, &mut right, served)?;
        }
        Ok(right)
    }

    /// What a turn means before the task is there.
    fn follow(&mut self, turn: &Turn) {
        match turn {
            Turn::Moved(place) => self.place = *place,
            Turn::Power(on) => self.on_power = *on,
            Turn::Saving(on) => self.saving = *on,
            Turn::Begin | Turn::SetBack(_) | Turn::Restarted => {}
        }
    }

    fn first_due(&mut self) -> Option<WallTime> {
        let at = self.registration.registered_at;
        match self.registration.trigger.interval() {
            Some(interval) => Some(at + interval),
            None => self.planned(at),
        }
    }

    fn turn(&mut self, stretch: &Stretch, right: &mut Right) {
        self.follow(&stretch.turn);
        let now = stretch.at;
        match stretch.turn {
            Turn::Begin => {}
            Turn::SetBack(before) => {
                self.due_within_an_interval(now);
                if before.as_micros() - now.as_micros() >= REPEATED {
                    self.plan_what_is_to_come(now);
                }
            }
            Turn::Moved(_) if matches!(self.registration.trigger, Trigger::Calendar { zone: None, .. }) => {
                self.plan_what_is_to_come(now);
            }
            Turn::Moved(_) => {}
            Turn::Saving(on) => self.unstretched = (!on).then_some(now),
            // What waited for power runs when it comes, once (TM-7).
            Turn::Power(on) => right.runs += u64::from(on && std::mem::take(&mut self.waits)),
            Turn::Restarted => {
                self.due_within_an_interval(now);
                self.plan_what_is_to_come(now);
            }
        }
    }

    /// No interval becomes longer because a clock was set back.
    fn due_within_an_interval(&mut self, now: WallTime) {
        if let Some(interval) = self.registration.trigger.interval() {
            self.due = self.due.map(|due| due.min(now + interval));
        }
    }

    fn plan_what_is_to_come(&mut self, now: WallTime) {
        let is_calendar = matches!(self.registration.trigger, Trigger::Calendar { .. });
        if is_calendar && self.due.is_none_or(|due| due > now) {
            self.due = self.planned(now);
        }
    }

    fn planned(&mut self, after: WallTime) -> Option<WallTime> {
        match &self.registration.trigger {
            Trigger::Calendar { calendar, zone, .. } => self.world.next(calendar, zone.as_deref(), self.place, after),
            _ => None,
        }
    }

    /// Everything of one stretch: it fires at the first look that is not before its time.
    fn look(
        &mut self,
        number: usize,
        stretch: &Stretch,
        first: usize,
        right: &mut Right,
        served: &mut BTreeSet<(usize, usize)>,
    ) -> Result<(), String> {
        let looks = &stretch.looks[first..];
        let mut place = 0;
        while let Some(due) = self.due {
            let earliest = self.released(due);
            place += looks[place..].partition_point(|(at, _)| *at < earliest);
            let Some((at, how)) = looks.get(place).copied() else { break };
            served.insert((number, first + place));
            let latest = earliest.max(self.unstretched.unwrap_or(earliest)) + self.accuracy();
            if at > latest && !self.may_be_late(how, at, latest) {
                return Err(format!("{} fired at {at:?}, and had to by {latest:?}", self.registration.name));
            }
            let catch_up = !matches!(self.registration.trigger, Trigger::Calendar { catch_up: false, .. });
            if catch_up || at.as_micros() - latest.as_micros() <= LATE {
                right.fired.push(at);
                self.run(right);
            } else {
                right.missed += 1;
            }
            self.due = self.following(due, at);
        }
        Ok(())
    }

    /// Who wakes the machine is no later for its sleep than clocks differ.
    fn may_be_late(&self, how: Look, at: WallTime, latest: WallTime) -> bool {
        let little = at.as_micros() - latest.as_micros() <= SECOND;
        match how {
            Look::Woken => false,
            Look::Slept => !wakes(self.registration) || little,
            Look::Forced => true,
        }
    }

    /// TM-7: maintenance runs on external power only, and what fires meanwhile is one run (D1).
    fn run(&mut self, right: &mut Right) {
        let held = matches!(self.registration.trigger, Trigger::Maintenance { .. }) && !self.on_power;
        self.waits |= held;
        right.runs += u64::from(!held);
    }

    /// D11: an interval keeps its phase, a calendar goes on from now.
    fn following(&mut self, due: WallTime, at: WallTime) -> Option<WallTime> {
        let Some(interval) = self.registration.trigger.interval() else { return self.planned(at.max(due)) };
        let interval = i64::try_from(interval.as_micros()).unwrap_or(i64::MAX);
        let passed = (at.as_micros() - due.as_micros()).div_euclid(interval) + 1;
        Some(WallTime::from_micros(due.as_micros() + passed * interval))
    }

    /// TM-1: the timers of apps are released on the tick of all.
    fn released(&self, due: WallTime) -> WallTime {
        if self.registration.trigger.pace().is_some() {
            return due;
        }
        let due = due + self.stretched_by();
        let ticks = (due.as_micros() + tick() - 1).div_euclid(tick());
        WallTime::from_micros(ticks * tick())
    }

    /// TM-4: while energy is saved an app's timer leaves out all but every fourth of its times, as long as that is no longer than a
    /// day.
    fn stretched_by(&self) -> Duration {
        let Some(interval) = self.registration.trigger.interval().filter(|_| self.saving) else {
            return Duration::ZERO;
        };
        let in_a_day = 86_400 / interval.as_secs().max(1);
        let times = in_a_day.min(u64::from(STRETCH)).max(1);
        interval * u32::try_from(times - 1).unwrap_or(0)
    }

    fn accuracy(&self) -> Duration {
        self.registration.trigger.pace().unwrap_or_default().accuracy
    }
}
