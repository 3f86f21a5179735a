//! What time brings about: timers (D11), calendars, promises that are broken, tries that may be repeated.

use std::time::Duration;

use bgtask_core::{Fact, Now, Registration, Standing, TaskId, Trigger, WallTime};

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
        // What something else has just spent fires no more.
        let spent = |id: TaskId| self.registrations[&id].trigger.one_shot() && owed.fired.contains_key(&id);
        let due: Vec<_> = self.timers().filter(|(id, _)| !spent(*id)).collect();
        let sure: Vec<_> = due.iter().filter(|(id, at)| self.fires_at(*id, *at) == Some(true)).map(|it| it.0).collect();
        let unsure = due.iter().filter(|(id, at)| self.fires_at(*id, *at).is_none());
        owed.may_come_due = unsure.map(|(id, at)| (*id, *at)).collect();
        // A wake-up may serve what runs, what waits for another try, what promises and hosts without work, too.
        let others = self.running.len() + self.waiting.len() + self.hosts.len() + self.registrations.len();
        let most = sure.len() + owed.may_come_due.len() + others;
        owed.served = (u32::try_from(sure.len()).unwrap_or(u32::MAX), u32::try_from(most).unwrap_or(u32::MAX));
        self.storm_comes(&due);
        sure.into_iter().for_each(|id| self.comes_due(id, owed));
        self.promises_break(owed);
        // What is over stays over, wherever the clock goes.
        for held in self.waiting.values_mut() {
            held.not_before = held.not_before.filter(|at| *at > self.now.wall);
        }
    }

    /// Whether a timer fires now; `None` where its jitter is not known well enough.
    fn fires_at(&self, id: TaskId, due: WallTime) -> Option<bool> {
        let its = &self.registrations[&id];
        let now = self.now.wall;
        let Some(pace) = its.trigger.pace() else { return Some(self.tick_of(self.stretched(its, due)) <= now) };
        if now < due || now >= due + pace.jitter {
            return Some(now >= due);
        }
        let share = self.shares.get(&its.name).copied().unwrap_or_default();
        let part = part(now - due, pace.jitter);
        if part >= share.most { Some(true) } else { (part <= share.least).then_some(false) }
    }

    /// It is due: it fires, unless it is too late, and is due again if it is to be.
    pub(super) fn comes_due(&mut self, id: TaskId, owed: &mut Owed) {
        let its = &self.registrations[&id];
        let due = its.due.expect("it is a timer that is due");
        if let Some(pace) = its.trigger.pace().filter(|_| owed.may_come_due.remove(&id).is_some()) {
            let share = self.shares.entry(its.name.clone()).or_default();
            share.most = share.most.min(part(self.now.wall - due, pace.jitter));
            // What is spent promises nothing any more.
            if its.trigger.one_shot() && owed.overdue.remove(&id).is_some() {
                self.registrations.get_mut(&id).expect("just seen").overdue = false;
            }
        }
        let its = &self.registrations[&id];
        let late = self.now.wall - due;
        let is_often = matches!(its.trigger, Trigger::Interval { every, .. } if every.as_secs() < 900);
        let missed = match &its.trigger {
            Trigger::Calendar { catch_up: false, pace, .. } => late > pace.accuracy + pace.jitter + LATE,
            _ => false,
        };
        if missed {
            owed.missed.insert(id, due);
        } else if is_often && owed.fired.contains_key(&id) {
            owed.fires(id, Occasion { silent: true, ..Occasion::once(By::Timer) });
        } else if is_often && self.first_of(id).is_some() {
            self.joins(id);
        } else {
            owed.fires(id, Occasion::once(By::Timer));
        }
        let its = &self.registrations[&id];
        if its.trigger.one_shot() && !missed {
            self.registrations.get_mut(&id).expect("just seen").due = None;
        } else {
            self.is_due_again(id, due, owed);
        }
    }

    /// What was due then is due at its next time: an interval keeps its phase, a calendar is planned.
    pub(super) fn is_due_again(&mut self, id: TaskId, due: WallTime, owed: &mut Owed) {
        let next = self.after(&self.registrations[&id], due);
        let its = self.registrations.get_mut(&id).expect("it is due");
        its.due = next;
        if matches!(its.trigger, Trigger::Calendar { .. }) && its.standing == Standing::Active {
            self.order_plan(id, self.now.wall.max(due), owed);
        }
    }

    /// Whoever may have come due and did not has more of its jitter to wait.
    pub(super) fn not_yet_due(&mut self, owed: &Owed) -> Verdict {
        for (id, due) in &owed.may_come_due {
            let Some(its) = self.registrations.get(id) else { continue };
            let jitter = its.trigger.pace().unwrap_or_default().jitter;
            let share = self.shares.entry(its.name.clone()).or_default();
            share.least = share.least.max(part(self.now.wall - *due, jitter));
            check(share.least < share.most, || {
                format!("the jitter of {} is not always the same: {share:?}", its.name)
            })?;
        }
        Ok(())
    }

    /// No tick is lost: what is due has fired, what was promised and not kept was said, what may be tried again is.
    pub(in crate::oracle) fn no_timer_is_late(&self, now: Now) -> Verdict {
        let latest = |id: TaskId, due: WallTime| match self.registrations[&id].trigger.pace() {
            Some(pace) => due + pace.jitter + pace.accuracy,
            None => self.tick_of(self.stretched(&self.registrations[&id], due)),
        };
        let late = self.timers().find(|(id, due)| latest(*id, *due) <= now.wall);
        check(late.is_none(), || format!("this timer is due and nobody looked: {late:?}"))?;
        let broken = self.registrations.values().find(|it| self.breaks_at(it).is_some_and(|at| at <= now.wall));
        check(broken.is_none(), || format!("this promise is broken and nobody says so: {broken:?}"))?;
        self.no_keep_alive_is_late(now.wall)?;
        self.no_order_is_late(now.wall)?;
        self.nothing_waits_in_vain(now.wall)
    }

    /// The wall clock was set back: what comes again and again comes within its interval all the same, and a failed try
    /// within its pause; calendars repeat what comes again.
    pub(super) fn clock_was_set_back(&mut self, before: WallTime, owed: &mut Owed) {
        if self.now.wall + NOISE >= before {
            return;
        }
        self.nothing_is_too_far();
        self.keep_alives_are_near();
        self.purses_set_back(owed);
        if before - self.now.wall >= REPEATED {
            self.plan_again(|_| true, owed);
        }
    }

    pub(super) fn nothing_is_too_far(&mut self) {
        let now = self.now.wall;
        for its in self.registrations.values_mut() {
            if let Some(interval) = its.trigger.interval() {
                its.due = its.due.map(|due| due.min(now + interval));
            }
            its.fresh_since = its.fresh_since.map(|since| since.min(now));
        }
        self.ready.values_mut().for_each(|since| *since = (*since).min(now));
        for held in self.waiting.values_mut() {
            let its = self.registrations.get(&held.task).and_then(|its| its.entry.command());
            let Some(pause) = its.map(|command| super::commands::pause(command.retry, held.failures)) else { continue };
            held.not_before = held.not_before.map(|at| at.min(now + pause));
        }
    }

    /// The answer to a plan: the one to the last order counts.
    pub(super) fn planned(&mut self, id: TaskId, at: Option<WallTime>) {
        let Some(orders) = self.orders.get_mut(&id).filter(|orders| **orders > 0) else { return };
        *orders -= 1;
        let last = *orders == 0;
        let active = |it: &&mut Registration| it.standing == Standing::Active && last;
        let Some(its) = self.registrations.get_mut(&id).filter(active) else { return };
        its.due = at;
        if at.is_none() {
            self.never_again.insert(id);
        } else {
            self.never_again.remove(&id);
        }
    }

    /// Calendars come true at other times now; what is due already stays due.
    pub(super) fn plan_again(&mut self, chosen: impl Fn(&Registration) -> bool, owed: &mut Owed) {
        let active = self.registrations.values().filter(|it| it.standing == Standing::Active && chosen(it));
        let to_come = active.filter(|it| it.due.is_none_or(|due| due > self.now.wall));
        let calendars = to_come.filter(|it| matches!(it.trigger, Trigger::Calendar { .. }));
        let calendars: Vec<_> = calendars.map(|it| it.id).collect();
        calendars.into_iter().for_each(|id| self.order_plan(id, self.now.wall, owed));
    }

    pub(super) fn order_plan(&mut self, id: TaskId, after: WallTime, owed: &mut Owed) {
        *self.orders.entry(id).or_default() += 1;
        owed.plans.entry(id).or_default().push(after);
    }

    fn promises_break(&mut self, owed: &mut Owed) {
        let fires = |it: &Registration| it.trigger.one_shot() && owed.fired.contains_key(&it.id);
        let spent = |it: &Registration| it.standing != Standing::Active || fires(it);
        let broken = |it: &&Registration| self.breaks_at(it).is_some_and(|at| at <= self.now.wall) && !spent(it);
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
        let since = its.fresh_since.filter(|_| its.standing == Standing::Active && !its.paused && !its.overdue)?;
        Some(since + within)
    }

    fn timers(&self) -> impl Iterator<Item = (TaskId, WallTime)> + '_ {
        let active = self.registrations.values().filter(|it| it.standing == Standing::Active && !it.paused);
        active.filter_map(|it| Some((it.id, it.due?)))
    }

    /// The first point of the phase after now; a calendar has to be planned.
    fn after(&self, registration: &Registration, due: WallTime) -> Option<WallTime> {
        let interval = i64::try_from(registration.trigger.interval()?.as_micros()).ok()?;
        let late = self.now.wall.as_micros() - due.as_micros();
        Some(WallTime::from_micros(due.as_micros() + interval * (late.div_euclid(interval) + 1)))
    }

    /// While energy is saved, what fires again and again does so at the last of so many of its times that fit a day (TM-4).
    fn stretched(&self, its: &Registration, due: WallTime) -> WallTime {
        let (Trigger::Time { freshness, one_shot: false } | Trigger::Maintenance { freshness, one_shot: false }) =
            its.trigger
        else {
            return due;
        };
        let saving = self.levels.get(&Fact::EnergySaver) == Some(&true);
        let times = if saving { self.config.stretch.saving.min(24 * 60 / freshness) } else { 1 };
        let minutes = u64::from(freshness) * u64::from(times.max(1) - 1);
        due + Duration::from_secs(minutes * 60)
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
