//! What time brings about: timers (D11), calendars, promises that are broken, tries that may be repeated.

use std::time::Duration;

use bgtask_core::{Now, Registration, Standing, TaskId, Trigger, WallTime};

use super::super::{Verdict, check};
use super::held::{By, Occasion};
use super::{Model, Owed};

/// Clocks are corrected by less all the time.
const NOISE: Duration = Duration::from_secs(1);
/// A clock that is set back by so much makes the same times of the day come again.
const REPEATED: Duration = Duration::from_secs(3 * 3_600);
/// What is not made up for may still be so late.
const LATE: Duration = Duration::from_secs(60);

/// Between which parts of its jitter a task of that name must fire, as far as was seen.
#[derive(Clone, Copy, Debug)]
pub(super) struct Share {
    least: f64,
    most: f64,
}

impl Default for Share {
    fn default() -> Self {
        Self { least: -1.0, most: 1.0 }
    }
}

impl Model {
    pub(super) fn expire_timers(&mut self, owed: &mut Owed) {
        let due: Vec<_> = self.timers().collect();
        let sure: Vec<_> = due.iter().filter(|(id, at)| self.fires_at(*id, *at) == Some(true)).map(|it| it.0).collect();
        let unsure = due.iter().filter(|(id, at)| self.fires_at(*id, *at).is_none());
        owed.may_come_due = unsure.map(|(id, at)| (*id, *at)).collect();
        owed.served = (0, u32::try_from(sure.len() + owed.may_come_due.len()).unwrap_or(u32::MAX));
        let before = owed.fired.len();
        sure.into_iter().for_each(|id| self.comes_due(id, owed));
        owed.served.0 = u32::try_from(owed.fired.len() - before).unwrap_or(u32::MAX).max(1);
        self.promises_break(owed);
        for held in self.waiting.values_mut() {
            held.not_before = held.not_before.filter(|at| *at > self.now.wall);
        }
    }

    /// Whether a timer fires now; `None` where its jitter is not known well enough.
    fn fires_at(&self, id: TaskId, due: WallTime) -> Option<bool> {
        let its = &self.registrations[&id];
        let now = self.now.wall;
        let Some(pace) = its.trigger.pace() else { return Some(self.tick_of(due) <= now) };
        if now < due || now >= due + pace.jitter {
            return Some(now >= due);
        }
        let share = self.shares.get(&its.name).copied().unwrap_or_default();
        let part = part(now - due, pace.jitter);
        if part >= share.most { Some(true) } else { (part <= share.least).then_some(false) }
    }

    /// It is due: it fires, unless it is paused or too late, and is due again if it is to be.
    pub(super) fn comes_due(&mut self, id: TaskId, owed: &mut Owed) {
        let its = &self.registrations[&id];
        let due = its.due.expect("it is a timer that is due");
        if let Some(pace) = its.trigger.pace().filter(|_| owed.may_come_due.remove(&id).is_some()) {
            let share = self.shares.entry(its.name.clone()).or_default();
            share.most = share.most.min(part(self.now.wall - due, pace.jitter));
        }
        let its = &self.registrations[&id];
        let late = self.now.wall - due;
        let missed = match &its.trigger {
            Trigger::Calendar { catch_up: false, pace, .. } => late > pace.accuracy + pace.jitter + LATE,
            _ => false,
        };
        let fires = !missed && !its.paused;
        let spent = fires && its.trigger.one_shot();
        let next = if spent { None } else { self.after(its, due) };
        if matches!(its.trigger, Trigger::Calendar { .. }) && !spent {
            owed.plans.entry(id).or_default().push(self.now.wall.max(due));
        }
        if missed && !its.paused {
            owed.missed.insert(id, due);
        }
        if fires {
            owed.fires(id, Occasion::once(By::Timer));
        }
        self.registrations.get_mut(&id).expect("just seen").due = next;
    }

    /// Whoever may have come due and did not has more of its jitter to wait.
    pub(super) fn not_yet_due(&mut self, owed: &Owed) -> Verdict {
        for (id, due) in &owed.may_come_due {
            let Some(its) = self.registrations.get(id) else { continue };
            let jitter = its.trigger.pace().unwrap_or_default().jitter;
            let share = self.shares.entry(its.name.clone()).or_default();
            share.least = share.least.max(part(self.now.wall - *due, jitter));
            check(share.least < share.most, || format!("the jitter of {} is not always the same: {share:?}", its.name))?;
        }
        Ok(())
    }

    /// No tick is lost: what is due has fired, what was promised and not kept was said, what may be tried again is.
    pub(in crate::oracle) fn no_timer_is_late(&self, now: Now) -> Verdict {
        let latest = |id: TaskId, due: WallTime| match self.registrations[&id].trigger.pace() {
            Some(pace) => due + pace.jitter + pace.accuracy,
            None => self.tick_of(due),
        };
        let late = self.timers().find(|(id, due)| latest(*id, *due) <= now.wall);
        check(late.is_none(), || format!("this timer is due and nobody looked: {late:?}"))?;
        let broken = self.registrations.values().find(|it| self.breaks_at(it).is_some_and(|at| at <= now.wall));
        check(broken.is_none(), || format!("this promise is broken and nobody says so: {broken:?}"))?;
        let held = self.waiting.values().find(|held| held.not_before.is_some_and(|at| at <= now.wall));
        check(held.is_none(), || format!("this may be tried again and nobody looked: {held:?}"))
    }

    /// The wall clock was set back: what comes again and again comes within its interval all the same, and a failed try
    /// within its pause; calendars repeat what comes again.
    pub(super) fn clock_was_set_back(&mut self, before: WallTime, owed: &mut Owed) {
        if self.now.wall + NOISE >= before {
            return;
        }
        self.nothing_is_too_far();
        if before - self.now.wall >= REPEATED {
            let active = self.registrations.values().filter(|it| it.standing == Standing::Active);
            for its in active.filter(|it| matches!(it.trigger, Trigger::Calendar { .. })) {
                owed.plans.entry(its.id).or_default().push(self.now.wall);
            }
        }
    }

    pub(super) fn nothing_is_too_far(&mut self) {
        let now = self.now.wall;
        for its in self.registrations.values_mut() {
            if let Some(interval) = its.trigger.interval() {
                its.due = its.due.map(|due| due.min(now + interval));
            }
        }
        for held in self.waiting.values_mut() {
            let its = self.registrations.get(&held.task).and_then(|its| its.entry.command());
            let Some(pause) = its.map(|command| super::commands::pause(command.retry, held.failures)) else { continue };
            held.not_before = held.not_before.map(|at| at.min(now + pause));
        }
    }

    /// The answer to a plan; what is due already stays due.
    pub(super) fn planned(&mut self, id: TaskId, at: Option<WallTime>, owed: &mut Owed) {
        let orders = self.orders.entry(id).or_default();
        if *orders == 0 {
            owed.odd = Some(format!("{id} was planned once and has two answers"));
        }
        *orders = orders.saturating_sub(1);
        let Some(its) = self.registrations.get_mut(&id).filter(|it| it.standing == Standing::Active) else { return };
        if at.is_none() {
            self.never_again.insert(id);
        } else {
            self.never_again.remove(&id);
        }
        if its.due.is_none_or(|due| due > self.now.wall) {
            its.due = at;
        }
    }

    pub(super) fn plan_all(&self, chosen: impl Fn(&Registration) -> bool, owed: &mut Owed) {
        let active = self.registrations.values().filter(|it| it.standing == Standing::Active && chosen(it));
        for its in active.filter(|it| matches!(it.trigger, Trigger::Calendar { .. })) {
            owed.plans.entry(its.id).or_default().push(self.now.wall);
        }
    }

    fn promises_break(&mut self, owed: &mut Owed) {
        let broken = |it: &&Registration| self.breaks_at(it).is_some_and(|at| at <= self.now.wall);
        let broken: Vec<_> = self.registrations.values().filter(broken).map(|it| it.id).collect();
        for id in broken {
            let its = self.registrations.get_mut(&id).expect("just seen");
            its.overdue = true;
            owed.overdue.insert(id, its.fresh_since.expect("it promises"));
        }
    }

    /// When a promise is broken that is not said to be broken yet.
    fn breaks_at(&self, its: &Registration) -> Option<WallTime> {
        let within = its.entry.command()?.fresh_within?;
        let since = its.fresh_since.filter(|_| its.standing == Standing::Active && !its.overdue)?;
        Some(since + within)
    }

    fn timers(&self) -> impl Iterator<Item = (TaskId, WallTime)> + '_ {
        let active = self.registrations.values().filter(|it| it.standing == Standing::Active);
        active.filter_map(|it| Some((it.id, it.due?)))
    }

    /// The first point of the phase after now; a calendar has to be planned.
    fn after(&self, registration: &Registration, due: WallTime) -> Option<WallTime> {
        let interval = i64::try_from(registration.trigger.interval()?.as_micros()).ok()?;
        let late = self.now.wall.as_micros() - due.as_micros();
        Some(WallTime::from_micros(due.as_micros() + interval * (late.div_euclid(interval) + 1)))
    }

    fn tick_of(&self, due: WallTime) -> WallTime {
        let tick = i64::try_from(self.config.timer_tick.as_micros()).unwrap_or(i64::MAX);
        let ticks = due.as_micros() / tick + i64::from(due.as_micros() % tick != 0);
        WallTime::from_micros(ticks * tick)
    }
}

fn part(of: Duration, whole: Duration) -> f64 {
    of.as_secs_f64() / whole.as_secs_f64().max(1e-9)
}
