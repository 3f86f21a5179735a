//! What time alone brings about: timers (D11), calendars, failed tries that may be repeated, promises that are broken.

use std::time::Duration;

use super::fire::Occurrence;
use super::tables::Alarm;
use super::{Core, Task};
use crate::event::{Cause, EventKind};
use crate::ids::TaskId;
use crate::limits::MAX_SETTLE;
use crate::model::registration::{Registration, Standing};
use crate::model::trigger::{Details, Trigger};
use crate::output::{Output, Wake, WakeReason};
use crate::time::WallTime;

/// A calendar that is not made up for still fires so late: a machine is slow at times.
const LATE: Duration = Duration::from_secs(60);

/// A clock that is set back by less repeats nothing of a calendar.
const SET_BACK: Duration = Duration::from_secs(3 * 3_600);

impl Core {
    /// Does what has become due. Timers missed while the machine was off make one run, the phase stays (D11).
    pub(super) fn expire_timers(&mut self) {
        let now = self.now.wall;
        let ahead = now + MAX_SETTLE;
        let mut due = Vec::new();
        for (at, id, alarm) in self.tasks.alarms().take_while(|(at, _, _)| *at <= ahead) {
            match alarm {
                Alarm::Fire if self.earliest(id).is_some_and(|earliest| earliest <= now) => due.push(id),
                Alarm::Fire => {}
                _ if at > now => {}
                Alarm::Retry | Alarm::Overdue => due.push(id),
            }
        }
        let shared = due.iter().filter(|id| self.tasks.alarm(**id, Alarm::Fire).is_some()).count();
        for id in due {
            self.fire_timer(id, u32::try_from(shared).unwrap_or(u32::MAX));
            self.end_backoff(id);
            self.note_overdue(id);
        }
    }

    fn fire_timer(&mut self, id: TaskId, shared: u32) {
        let now = self.now.wall;
        let Some((due, earliest)) = self.due_of(id).zip(self.earliest(id)).filter(|(_, earliest)| *earliest <= now)
        else {
            return;
        };
        let registration = &self.tasks.get(id).expect("it is due").registration;
        let (trigger, paused) = (registration.trigger.clone(), registration.paused);
        self.move_on(id, due);
        if paused {
            return;
        }
        let late = now - earliest;
        let accuracy = trigger.pace().map_or(Duration::ZERO, |pace| pace.accuracy);
        if matches!(trigger, Trigger::Calendar { catch_up: false, .. }) && late > accuracy + LATE {
            return self.record(id, None, EventKind::Missed { due });
        }
        self.accept(id, Occurrence { cause: Cause::Timer { shared }, ..Occurrence::default() });
    }

    fn move_on(&mut self, id: TaskId, due: WallTime) {
        let Some(trigger) = self.tasks.get(id).map(|task| task.registration.trigger.clone()) else { return };
        if trigger.one_shot() {
            return self.set_due(id, None);
        }
        if let Trigger::Calendar { calendar, zone, .. } = trigger {
            let after = self.now.wall.max(due);
            self.set_due(id, None);
            return self.outputs.push_back(Output::Plan { task: id, calendar, zone, after });
        }
        let Some(interval) = trigger.interval() else { return self.set_due(id, None) };
        let missed = (self.now.wall - due).as_micros() / interval.as_micros().max(1);
        let steps = u32::try_from(missed).unwrap_or(u32::MAX).saturating_add(1);
        self.set_due(id, Some(due + interval.saturating_mul(steps)));
        self.persist_registration(id);
    }

    /// A calendar comes true then; never again, for a registration that waits for nothing else, is the end of it.
    pub(super) fn planned(&mut self, id: TaskId, at: Option<WallTime>) {
        let is_calendar = |task: &Task| matches!(task.registration.trigger, Trigger::Calendar { .. });
        if self.tasks.get(id).is_some_and(is_calendar) && at != self.due_of(id) {
            self.set_due(id, at);
            self.persist_registration(id);
        }
    }

    /// Calendars that follow the machine's zone, or all of them, come true at another time now.
    pub(super) fn plan_again(&mut self, only_of_the_machine: bool, after: WallTime) {
        let concerned = |task: &&Task| match &task.registration.trigger {
            Trigger::Calendar { zone, .. } => zone.is_none() || !only_of_the_machine,
            _ => false,
        };
        let ids: Vec<_> = self.tasks.iter().filter(concerned).map(|task| task.registration.id).collect();
        ids.into_iter().for_each(|id| self.plan(id, after));
    }

    /// A broker that died in the moment between a firing and the next plan has calendars that wait for nothing.
    pub(super) fn plan_unplanned(&mut self) {
        let unplanned = |task: &&Task| task.registration.due.is_none();
        let ids: Vec<_> = self.tasks.iter().filter(unplanned).map(|task| task.registration.id).collect();
        ids.into_iter().for_each(|id| self.plan(id, self.now.wall));
    }

    /// Orders the next time of a calendar that still fires.
    pub(super) fn plan(&mut self, id: TaskId, after: WallTime) {
        let Some(Registration {
            trigger: Trigger::Calendar { calendar, zone, .. }, standing: Standing::Active, ..
        }) = self.tasks.get(id).map(|task| &task.registration)
        else {
            return;
        };
        let (calendar, zone) = (calendar.clone(), zone.clone());
        self.outputs.push_back(Output::Plan { task: id, calendar, zone, after });
    }

    /// The wall clock was set back: intervals begin anew, calendars repeat what comes again after a large step.
    pub(super) fn clock_set_back(&mut self, before: WallTime) {
        let now = self.now.wall;
        let too_far = |task: &&Task| {
            let interval = task.registration.trigger.interval();
            interval.zip(task.registration.due).is_some_and(|(interval, due)| due > now + interval)
        };
        let far: Vec<_> = self.tasks.iter().filter(too_far).map(|task| task.registration.id).collect();
        for id in far {
            let interval = self.tasks.get(id).and_then(|task| task.registration.trigger.interval());
            self.set_due(id, interval.map(|interval| now + interval));
            self.persist_registration(id);
        }
        if before - now >= SET_BACK {
            self.plan_again(false, now);
        }
    }

    /// When a registration is due next, and what follows from that.
    pub(super) fn set_due(&mut self, id: TaskId, due: Option<WallTime>) {
        if let Some(task) = self.tasks.get_mut(id) {
            task.registration.due = due;
        }
        self.arm(id);
    }

    /// Arms what a registration wants to be woken for by its own state: its timer, its promise.
    pub(super) fn arm(&mut self, id: TaskId) {
        let Some(registration) = self.tasks.get(id).map(|task| &task.registration) else { return };
        let fire = registration.due.map(|due| self.latest(registration, due));
        let promise = registration.entry.command().and_then(|command| command.fresh_within);
        let active = registration.standing == Standing::Active && !registration.overdue;
        let overdue = promise.zip(registration.fresh_since).filter(|_| active).map(|(within, since)| since + within);
        self.tasks.set_alarm(id, Alarm::Fire, fire);
        self.tasks.set_alarm(id, Alarm::Overdue, overdue);
    }

    fn due_of(&self, id: TaskId) -> Option<WallTime> {
        self.tasks.get(id)?.registration.due
    }

    fn earliest(&self, id: TaskId) -> Option<WallTime> {
        let registration = &self.tasks.get(id)?.registration;
        Some(self.released_at(registration, registration.due?))
    }

    /// When the first of those timers has to ring that wait for nothing but time.
    pub(super) fn timer_wake(&self) -> Option<Wake> {
        let (at, id, alarm) = self.tasks.alarms().next()?;
        let why = match alarm {
            Alarm::Fire => WakeReason::Timer(id),
            Alarm::Retry => WakeReason::Retry(id),
            Alarm::Overdue => WakeReason::Overdue(id),
        };
        Some(Wake { at: self.now.boot + (at - self.now.wall), why })
    }

    /// When a timer that is due then may fire: of an app at the first tick not before (TM-1), of a command with its jitter.
    pub(super) fn released_at(&self, registration: &Registration, due: WallTime) -> WallTime {
        if let Some(pace) = registration.trigger.pace() {
            return due + share_of(pace.jitter, self.config.machine, &registration.name);
        }
        let tick = i64::try_from(self.config.timer_tick.max(Duration::from_micros(1)).as_micros()).unwrap_or(i64::MAX);
        let over = due.as_micros().rem_euclid(tick);
        if over == 0 { due } else { WallTime::from_micros(due.as_micros().saturating_add(tick - over)) }
    }

    /// When it has to fire at the latest.
    fn latest(&self, registration: &Registration, due: WallTime) -> WallTime {
        let accuracy = registration.trigger.pace().map_or(Duration::ZERO, |pace| pace.accuracy);
        self.released_at(registration, due) + accuracy
    }

    fn end_backoff(&mut self, id: TaskId) {
        let over = self.tasks.alarm(id, Alarm::Retry).is_some_and(|at| at <= self.now.wall);
        if over {
            self.tasks.set_alarm(id, Alarm::Retry, None);
            self.fresh_gate(id);
        }
    }

    fn note_overdue(&mut self, id: TaskId) {
        if self.tasks.alarm(id, Alarm::Overdue).is_none_or(|at| at > self.now.wall) {
            return;
        }
        let Some(task) = self.tasks.get_mut(id) else { return };
        task.registration.overdue = true;
        let since = task.registration.fresh_since.unwrap_or(task.registration.registered_at);
        self.arm(id);
        self.persist_registration(id);
        self.record(id, None, EventKind::Overdue { since });
    }

    /// Something changed at a path; who is away is told with the next change.
    pub(super) fn path_changed(&mut self, id: TaskId, changes: Details, count: u32, lost: u32) {
        let fires = |task: &Task| {
            let its = &task.registration;
            matches!(its.trigger, Trigger::Path { .. }) && its.standing == Standing::Active && !its.paused
        };
        if self.tasks.get(id).is_some_and(fires) {
            self.accept(id, Occurrence { details: Some(changes), count, lost, cause: Cause::World });
        }
    }
}

/// A part of `whole` that is always the same for a name on a machine, and evenly spread over names and machines.
fn share_of(whole: Duration, machine: u64, name: &str) -> Duration {
    const OFFSET: u64 = 0xcbf2_9ce4_8422_2325;
    const PRIME: u64 = 0x0100_0000_01b3;
    let step = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(PRIME);
    let hash = machine.to_le_bytes().into_iter().chain(name.bytes()).fold(OFFSET, step);
    // The low bits of this hash are its best, the high ones its worst.
    let spread = u128::from(hash.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 11);
    Duration::from_micros(u64::try_from((whole.as_micros() * spread) >> 53).unwrap_or(0))
}
