//! Sleep and load: who is not started into a sleep, what keeps the machine awake, and who waits for the processors.

use std::collections::BTreeSet;
use std::time::Duration;

use bgtask_core::{Fact, Registration, TaskId, WallTime};

use super::super::{Verdict, check};
use super::Model;
use super::starts::{TOO_MUCH_ENERGY, USED_UP};

/// So late is what a sleep has missed.
const LATE: Duration = Duration::from_secs(60);

impl Model {
    /// D15: with the network it would keep the machine awake, without it it may as well wait.
    pub(super) fn is_held_in_standby(&self, its: &Registration) -> bool {
        self.level_is(Fact::Standby) && !its.is_network_requested && !its.trigger.is_critical()
    }

    /// D15, NW-1: the machine is kept awake for what runs and asked for the network, and for nothing else.
    pub(super) fn is_kept_awake_for_the_network(&self) -> Verdict {
        let asks = |task| self.registrations.get(task).is_some_and(|its| its.is_network_requested);
        let wanted: BTreeSet<_> = self.running.iter().filter(|(_, run)| asks(&run.task)).map(|(id, _)| *id).collect();
        check(wanted == self.awake, || format!("kept awake for {:?}, to be is {wanted:?}", self.awake))
    }

    /// Notes since when nothing but the load and the slots holds what waits.
    pub(super) fn note_who_is_ready(&mut self) {
        let waiting: BTreeSet<_> = self.waiting.values().map(|held| held.task).collect();
        self.ready.retain(|task, _| waiting.contains(task));
        self.stormy.retain(|task| waiting.contains(task));
        for task in waiting {
            let Some(its) = self.registrations.get(&task) else { continue };
            match self.gate(its) {
                None => drop(self.ready.entry(task).or_insert(self.now.wall)),
                // At the refill they begin anew.
                Some(USED_UP | TOO_MUCH_ENERGY) => drop(self.ready.remove(&task)),
                Some(_) => {}
            }
        }
    }

    /// More came due late than can run at once. Jitter and accuracy may make it fewer: then they start at once, which they may.
    pub(super) fn storm_comes(&mut self, due: &[(TaskId, WallTime)]) {
        let late: Vec<_> = due.iter().filter(|(_, at)| self.now.wall - *at > LATE).map(|(id, _)| *id).collect();
        if late.len() > self.config.max_running {
            self.stormy.extend(late);
        }
    }

    /// While the processors are busy nothing starts before half of the longest time is over.
    pub(super) fn load_lets_it_start(&self, its: &Registration) -> Verdict {
        let since = self.ready.get(&its.id).copied().unwrap_or(self.now.wall);
        let held = self.is_held_by_processors(its) && self.now.wall < since + self.config.load_delay / 2;
        check(!held, || format!("{} starts while the processors are busy", its.name))
    }

    /// Whether the load may hold it still: no longer than the owner lets it.
    pub(super) fn load_may_hold(&self, its: &Registration, looked_at: WallTime) -> bool {
        let loaded = self.is_held_by_processors(its) || (self.stormy.contains(&its.id) && !self.passes_the_load(its));
        let since = self.ready.get(&its.id).copied().unwrap_or(self.now.wall);
        loaded && looked_at < since + self.config.load_delay
    }

    fn is_held_by_processors(&self, its: &Registration) -> bool {
        let asks = its.conditions.iter().any(|condition| condition.fact() == Fact::CpuPressure);
        self.level_is(Fact::CpuPressure) && !asks && !self.passes_the_load(its)
    }

    fn passes_the_load(&self, its: &Registration) -> bool {
        let by_hand = self.first_of(its.id).is_some_and(|(_, held)| held.firing.by_hand);
        by_hand || its.trigger.is_critical()
    }

    fn level_is(&self, fact: Fact) -> bool {
        self.levels.get(&fact) == Some(&true)
    }
}
