//! Timers (D11): due some interval after the registration, released on the next tick, one run for all that was missed.

use bgtask_core::{Now, Registration, Standing, TaskId, WallTime};

use super::super::{Verdict, check};
use super::{Model, Owed};

impl Model {
    pub(super) fn expire_timers(&mut self, owed: &mut Owed) {
        let due: Vec<_> = self.timers().filter(|(_, at)| self.released(*at) <= self.now.wall).collect();
        for (task, at) in due {
            owed.fires(task);
            let next = self.after(&self.registrations[&task], at);
            self.registrations.get_mut(&task).expect("just seen").due = next;
        }
    }

    /// The due time that is written is the one that follows from the interval.
    pub(super) fn due_is_right(&self, new: &Registration) -> Verdict {
        let Some(interval) = new.trigger.interval() else {
            return check(new.due.is_none(), || format!("it is no timer and is due: {new:?}"));
        };
        let right = match self.registrations.get(&new.id) {
            _ if new.standing == Standing::Unregistered => return Ok(()),
            Some(known) => known.due,
            None => Some(self.now.wall + interval),
        };
        check(new.due == right, || format!("{} is due at {:?}, right is {right:?}", new.name, new.due))
    }

    /// No tick is lost: what is due has fired.
    pub(in crate::oracle) fn no_timer_is_late(&self, now: Now) -> Verdict {
        let late = self.timers().find(|(_, due)| self.released(*due) <= now.wall);
        check(late.is_none(), || format!("this timer is due and nobody looked: {late:?}"))
    }

    fn timers(&self) -> impl Iterator<Item = (TaskId, WallTime)> + '_ {
        let active = self.registrations.values().filter(|it| it.standing == Standing::Active);
        active.filter_map(|it| Some((it.id, it.due?)))
    }

    /// The first point of the phase after now; a one-shot timer has none.
    fn after(&self, registration: &Registration, due: WallTime) -> Option<WallTime> {
        let interval = i64::try_from(registration.trigger.interval()?.as_micros()).ok()?;
        let late = self.now.wall.as_micros() - due.as_micros();
        let next = due.as_micros() + interval * (late.div_euclid(interval) + 1);
        (!registration.trigger.one_shot()).then(|| WallTime::from_micros(next))
    }

    fn released(&self, due: WallTime) -> WallTime {
        let tick = i64::try_from(self.config.timer_tick.as_micros()).unwrap_or(i64::MAX);
        let ticks = due.as_micros() / tick + i64::from(due.as_micros() % tick != 0);
        WallTime::from_micros(ticks * tick)
    }
}
