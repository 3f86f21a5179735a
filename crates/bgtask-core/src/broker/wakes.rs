//! The wake ledger: a wake-up of the broker by time is charged to the tasks it serves, in equal parts.
//!
//! A timer is told its part where it fires ([`Cause::Timer`](crate::Cause::Timer)), everything else at the end of the task's
//! next try ([`Used::wakes`](crate::Used::wakes)). Nothing is recorded for it alone: a wake-up must not cost a write.

use std::collections::BTreeSet;

use super::Core;
use super::tables::Alarm;
use crate::host::Look;
use crate::ids::TaskId;

impl Core {
    /// The tasks that time has something for now beside their timers: the end of a budget or of a pause, say.
    pub(super) fn served_beside_timers(&self) -> BTreeSet<TaskId> {
        let now = self.now;
        let over = self.tasks.occupied().filter(|(_, it)| it.state.deadline().is_some_and(|at| at <= now.boot));
        let over = over.map(|(task, _)| task.registration.id);
        let hosts = self.hosts.iter().filter(|host| {
            let look = if let Look::At(at) = host.meter.look { Some(at) } else { None };
            let looked_at = [host.state.deadline(), look, self.idle_wake(host).map(|wake| wake.at)];
            looked_at.into_iter().flatten().any(|at| at <= now.boot)
        });
        let alarms = self.tasks.alarms_until(now.wall).into_iter().filter(|(_, alarm)| *alarm != Alarm::Fire);
        over.chain(hosts.filter_map(|host| host.serves)).chain(alarms.map(|(id, _)| id)).collect()
    }

    /// Charges who is served beside so many timers, and answers among how many the wake-up is shared.
    pub(super) fn charge_wake(&mut self, timers: usize, beside: &BTreeSet<TaskId>) -> u32 {
        let shared = u32::try_from(timers + beside.len()).unwrap_or(u32::MAX);
        for id in beside {
            if let Some(task) = self.tasks.get_mut(*id) {
                task.wakes = task.wakes.saturating_add(WHOLE / shared);
            }
        }
        shared
    }
}

/// A wake-up that serves one task alone, in the unit of [`Used::wakes`](crate::Used::wakes).
const WHOLE: u32 = 1_000;
