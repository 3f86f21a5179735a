//! Timers (D11): due some time after the registration, released on a tick that all share.

use std::time::Duration;

use super::Core;
use crate::ids::TaskId;
use crate::output::{Wake, WakeReason};
use crate::time::WallTime;

impl Core {
    /// Fires every timer whose tick has come. Ticks missed while the machine was off make one run, the phase stays (D11).
    pub(super) fn expire_timers(&mut self) {
        let now = self.now.wall;
        let due = |(due, _): &(WallTime, TaskId)| self.released_at(*due) <= now;
        let over: Vec<_> = self.tasks.timers().take_while(due).collect();
        for (due, id) in over {
            self.move_on(id, due);
            self.accept(id, None);
        }
    }

    fn move_on(&mut self, id: TaskId, due: WallTime) {
        let Some(trigger) = self.tasks.get(id).map(|task| task.registration.trigger.clone()) else { return };
        let Some(interval) = trigger.interval().filter(|_| !trigger.one_shot()) else {
            return self.tasks.clear_due(id);
        };
        let missed = (self.now.wall - due).as_micros() / interval.as_micros().max(1);
        let steps = u32::try_from(missed).unwrap_or(u32::MAX).saturating_add(1);
        self.tasks.set_due(id, due + interval.saturating_mul(steps));
        self.persist_registration(id);
    }

    pub(super) fn timer_wake(&self) -> Option<Wake> {
        let (due, id) = self.tasks.timers().next()?;
        Some(Wake { at: self.now.boot + (self.released_at(due) - self.now.wall), why: WakeReason::Timer(id) })
    }

    /// The first tick not before `due` (TM-1).
    pub(super) fn released_at(&self, due: WallTime) -> WallTime {
        let tick = i64::try_from(self.config.timer_tick.max(Duration::from_micros(1)).as_micros()).unwrap_or(i64::MAX);
        let over = due.as_micros().rem_euclid(tick);
        if over == 0 { due } else { WallTime::from_micros(due.as_micros().saturating_add(tick - over)) }
    }
}
