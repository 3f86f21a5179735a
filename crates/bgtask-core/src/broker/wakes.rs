//! The wake ledger: a wake-up of the broker by time is charged to the tasks it serves, in equal parts.
//!
//! A timer is told its part where it fires ([`Cause::Timer`](crate::Cause::Timer)), everything else at the end of the task's
//! next try ([`Used::wakes`](crate::Used::wakes)). Nothing is recorded for it alone: a wake-up must not cost a write.

use std::collections::BTreeSet;

use super::tables::Alarm;
use super::{Core, Gate};
use crate::ids::TaskId;

impl Core {
    /// The tasks that time has something for now beside their timers: the end of a budget or of a pause, say.
    pub(super) fn served_beside_timers(&self) -> BTreeSet<TaskId> {
        let now = self.now;
        let over = self.tasks.occupied().filter(|(_, it)| self.deadline_of(it).is_some_and(|at| at <= now.boot));
        let over = over.map(|(task, _)| task.registration.id);
        let hosts = self.hosts.iter().filter(|host| {
            let times = [host.state.deadline(), host.meter.look.at(), self.idle_wake(host).map(|wake| wake.at)];
            times.into_iter().flatten().any(|at| at <= now.boot)
        });
        let alarms = self.tasks.alarms_until(now.wall).into_iter().filter(|(_, alarm)| *alarm != Alarm::Fire);
        let hosts = hosts.filter_map(|host| host.serves);
        over.chain(hosts).chain(alarms.map(|(id, _)| id)).chain(self.waiting_for_refill()).collect()
    }

    /// Whoever waits for a window or a period that ends now.
    fn waiting_for_refill(&self) -> Vec<TaskId> {
        let apps = self.accounts.alarms_until(self.now.wall);
        if apps.is_empty() {
            return Vec::new();
        }
        let frozen = self.hosts.iter().filter(|host| host.frozen.is_some() && apps.contains(&host.app));
        let theirs = apps.iter().flat_map(|app| self.tasks.of_app(app));
        let held = theirs.filter(|task| matches!(task.gate(), Some(Gate::Throttled(_) | Gate::Energy)));
        frozen.filter_map(|host| host.serves).chain(held.map(|task| task.registration.id)).collect()
    }

    /// Charges who is served beside so many timers, and answers among how many the wake-up is shared. It costs none of them
    /// energy: the broker looks and waits for its own sake, and an app looked at often would only be looked at more often.
    pub(super) fn share_wake(&mut self, timers: usize, beside: &BTreeSet<TaskId>) -> u32 {
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
