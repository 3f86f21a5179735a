//! What time alone brings about: timers (D11), calendars, failed tries that may be repeated, promises that are broken.

use std::collections::BTreeSet;
use std::time::Duration;

use super::fire::Occurrence;
use super::tables::{Alarm, Occasion};
use super::{Core, Task};
use crate::event::{Cause, EventKind};
use crate::ids::TaskId;
use crate::model::registration::{Registration, Standing};
use crate::model::trigger::Trigger;
use crate::output::{Output, Wake, WakeReason};
use crate::time::WallTime;

/// A calendar that is not made up for still fires so late: a machine is slow at times.
const LATE: Duration = Duration::from_secs(60);

/// A clock that is set back by less repeats nothing of a calendar.
const SET_BACK: Duration = Duration::from_secs(3 * 3_600);

impl Core {
    /// Does what has become due. Timers missed while the machine was off make one run, the phase stays (D11).
    pub(super) fn expire_timers(&mut self, beside: &BTreeSet<TaskId>) {
        for id in self.timers_of_this_turn(beside) {
            self.fire_timer(id, self.portions.shared, self.portions.storm);
        }
        for (id, alarm) in self.tasks.alarms_until(self.now.wall) {
            match alarm {
                // It may have fired earlier than this, and has by now.
                Alarm::Fire => {}
                Alarm::Retry => self.end_backoff(id),
                Alarm::Overdue => self.note_overdue(id),
                Alarm::Load => self.end_patience(id),
            }
        }
    }

    /// A timer that is due: it fires, or was missed.
    fn fire_timer(&mut self, id: TaskId, shared: u32, storm: bool) {
        let Some(registration) = self.tasks.get(id).map(|task| &task.registration) else { return };
        let Some(due) = registration.due else { return };
        if self.released_at(registration, due) > self.now.wall {
            // Its interval was stretched after it had been armed.
            return self.arm(id);
        }
        let trigger = &registration.trigger;
        let is_late = self.is_late(registration, due);
        let made_up_for = !matches!(trigger, Trigger::Calendar { catch_up: false, .. });
        let missed = !made_up_for && is_late;
        if trigger.one_shot() && !missed {
            self.set_due(id, None);
        } else {
            self.move_on(id, due);
        }
        if missed {
            return self.record(id, None, EventKind::Missed { due });
        }
        self.tasks.get_mut(id).expect("just seen").in_storm |= storm && is_late;
        self.accept(id, Occurrence { cause: Cause::Timer { shared }, ..Occurrence::default() });
    }

    fn is_late(&self, registration: &Registration, due: WallTime) -> bool {
        self.now.wall - self.latest(registration, due) > LATE
    }

    /// Whether more are made up for at once than can run: a machine has slept, or was off, or its clock was wrong.
    pub(super) fn is_storm(&self) -> bool {
        let late = i64::try_from(LATE.as_micros()).unwrap_or(i64::MAX);
        let before = WallTime::from_micros(self.now.wall.as_micros().saturating_sub(late));
        self.tasks.due_by(before) > self.config.max_running
    }

    /// Its next time after one that has come: an interval keeps its phase, a calendar is asked.
    fn move_on(&mut self, id: TaskId, due: WallTime) {
        let interval = self.tasks.get(id).and_then(|task| task.registration.trigger.interval());
        let next = interval.map(|interval| {
            let missed = (self.now.wall - due).as_micros() / interval.as_micros().max(1);
            let steps = u32::try_from(missed).unwrap_or(u32::MAX).saturating_add(1);
            due + interval.saturating_mul(steps)
        });
        self.set_due(id, next);
        self.persist_registration(id);
        self.plan(id, self.now.wall.max(due));
    }

    /// What came while it was paused is past: it goes on with its next time.
    pub(super) fn skip_missed(&mut self, id: TaskId) {
        if let Some(due) = self.due_of(id).filter(|due| *due <= self.now.wall) {
            self.move_on(id, due);
        }
    }

    /// A calendar comes true then, or never again. Only the answer to the last order counts.
    pub(super) fn planned(&mut self, id: TaskId, at: Option<WallTime>) {
        let Some(task) = self.tasks.get_mut(id).filter(|task| task.plans > 0) else { return };
        task.plans -= 1;
        let counts = task.plans == 0 && task.registration.standing == Standing::Active;
        if counts && at != task.registration.due {
            self.set_due(id, at);
            self.persist_registration(id);
        }
    }

    /// Orders the next time of a calendar that still fires.
    pub(super) fn plan(&mut self, id: TaskId, after: WallTime) {
        let Some(task) = self.tasks.get_mut(id) else { return };
        let Registration { trigger: Trigger::Calendar { calendar, zone, .. }, standing: Standing::Active, .. } =
            &task.registration
        else {
            return;
        };
        task.plans = task.plans.saturating_add(1);
        let (calendar, zone) = (calendar.clone(), zone.clone());
        self.outputs.push_back(Output::Plan { task: id, calendar, zone, after });
    }

    /// Calendars come true at another time now: all of them, or those that follow the machine's zone. What is due already
    /// was due.
    pub(super) fn plan_again(&mut self, only_of_the_machine: bool) {
        let now = self.now.wall;
        let concerned = |task: &&Task| {
            let its = &task.registration;
            let Trigger::Calendar { zone, .. } = &its.trigger else { return false };
            its.due.is_none_or(|due| due > now) && (zone.is_none() || !only_of_the_machine)
        };
        let ids: Vec<_> =
            self.tasks.concerned(&Occasion::Calendar).filter(concerned).map(|task| task.registration.id).collect();
        ids.into_iter().for_each(|id| self.plan(id, now));
    }

    /// The wall clock was set back: what counts from a time to come begins anew, calendars repeat what comes again after a
    /// large step.
    pub(super) fn clock_set_back(&mut self, before: WallTime) {
        self.begin_anew();
        if before - self.now.wall >= SET_BACK {
            self.plan_again(false);
        }
    }

    /// What counts from a time that is yet to come counts from now: the clock was set back, perhaps while no broker ran.
    pub(super) fn begin_anew(&mut self) {
        let ids: Vec<_> = self.tasks.iter().map(|task| task.registration.id).collect();
        for id in ids {
            let Some(registration) = self.tasks.get(id).map(|task| &task.registration) else { continue };
            let at_most = registration.trigger.interval().map(|interval| self.now.wall + interval);
            let due = registration.due.map(|due| at_most.map_or(due, |most| due.min(most)));
            let fresh_since = registration.fresh_since.map(|since| since.min(self.now.wall));
            if (due, fresh_since) != (registration.due, registration.fresh_since) {
                let its = &mut self.tasks.get_mut(id).expect("just seen").registration;
                (its.due, its.fresh_since) = (due, fresh_since);
                self.persist_registration(id);
            }
            self.shorten_backoff(id);
            self.shorten_patience(id);
            self.arm(id);
        }
        self.refresh_gates();
    }

    fn shorten_backoff(&mut self, id: TaskId) {
        let Some(task) = self.tasks.get(id) else { return };
        let Some((command, first)) = task.registration.entry.command().zip(task.waiting.front()) else { return };
        let latest = self.now.wall + command.retry.pause_after(first.failures);
        if first.not_before.is_some_and(|at| at > latest) {
            self.tasks.first_waiting_mut(id).expect("just seen").not_before = Some(latest);
        }
    }

    /// When a registration is due next, and what follows from that.
    pub(super) fn set_due(&mut self, id: TaskId, due: Option<WallTime>) {
        if let Some(task) = self.tasks.get_mut(id) {
            task.registration.due = due;
        }
        self.arm(id);
    }

    /// Arms what a registration wants to be woken for by its own state: its timer, its next try, its promise.
    pub(super) fn arm(&mut self, id: TaskId) {
        let Some(task) = self.tasks.get(id) else { return };
        let registration = &task.registration;
        let fires = registration.fires();
        let due = registration.due.filter(|_| fires);
        let timer = due.map(|due| {
            let released = self.released_at(registration, due);
            (released, released + accuracy(registration))
        });
        let promise = registration.fresh_within().zip(registration.fresh_since);
        let overdue = promise.filter(|_| fires && !registration.overdue).map(|(within, since)| since + within);
        let retry = task.waiting.front().and_then(|first| first.not_before);
        self.tasks.set_timer(id, timer);
        self.tasks.set_alarm(id, Alarm::Retry, retry);
        self.tasks.set_alarm(id, Alarm::Overdue, overdue);
    }

    fn due_of(&self, id: TaskId) -> Option<WallTime> {
        self.tasks.get(id)?.registration.due
    }

    /// When the first of those timers has to ring that wait for nothing but time.
    pub(super) fn timer_wake(&self) -> Option<Wake> {
        let (at, id, alarm) = self.tasks.first_alarm()?;
        let why = match alarm {
            Alarm::Fire => WakeReason::Timer(id),
            Alarm::Retry => WakeReason::Retry(id),
            Alarm::Overdue => WakeReason::Overdue(id),
            Alarm::Load => WakeReason::Load(id),
        };
        Some(Wake { at: self.now.boot + (at - self.now.wall), why })
    }

    /// When a timer that is due then may fire: of an app at the first tick not before (TM-1), later where its interval is
    /// stretched (TM-4), of a command with its jitter.
    pub(super) fn released_at(&self, registration: &Registration, due: WallTime) -> WallTime {
        if let Some(pace) = registration.trigger.pace() {
            return due + share_of(pace.jitter, self.config.machine, &registration.name);
        }
        let tick = i64::try_from(self.config.timer_tick.max(Duration::from_micros(1)).as_micros()).unwrap_or(i64::MAX);
        let due = due + self.stretched_by(registration);
        let over = due.as_micros().rem_euclid(tick);
        if over == 0 { due } else { WallTime::from_micros(due.as_micros().saturating_add(tick - over)) }
    }

    /// When it has to fire at the latest.
    pub(super) fn latest(&self, registration: &Registration, due: WallTime) -> WallTime {
        self.released_at(registration, due) + accuracy(registration)
    }

    /// Only here a pause ends: whatever else happens at that moment leaves the alarm as it is.
    fn end_backoff(&mut self, id: TaskId) {
        if let Some(first) = self.tasks.first_waiting_mut(id) {
            first.not_before = None;
        }
        self.arm(id);
        self.fresh_gate(id);
    }

    fn note_overdue(&mut self, id: TaskId) {
        let Some(task) = self.tasks.get_mut(id) else { return };
        task.registration.overdue = true;
        let since = task.registration.fresh_since.unwrap_or(task.registration.registered_at);
        self.arm(id);
        self.persist_registration(id);
        self.record(id, None, EventKind::Overdue { since });
    }
}

fn accuracy(registration: &Registration) -> Duration {
    registration.trigger.pace().map_or(Duration::ZERO, |pace| pace.accuracy)
}

/// A part of `whole` that is always the same for a name on a machine, and evenly spread over names and machines.
pub(super) fn share_of(whole: Duration, machine: u64, name: &str) -> Duration {
    const OFFSET: u64 = 0xcbf2_9ce4_8422_2325;
    const PRIME: u64 = 0x0100_0000_01b3;
    if whole.is_zero() {
        return whole;
    }
    let step = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(PRIME);
    let hash = machine.to_le_bytes().into_iter().chain(name.bytes()).fold(OFFSET, step);
    // The low bits of this hash are its best, the high ones its worst.
    let spread = u128::from(hash.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 11);
    Duration::from_micros(u64::try_from((whole.as_micros() * spread) >> 53).unwrap_or(0))
}
