//! What background work costs now (D14), and when that changes.

use super::Core;
use crate::model::fact::{BackgroundWorkCost, Fact};
use crate::model::trigger::SystemTriggerType;

impl Core {
    /// The cost, as soon as all it is derived from is known and somebody cares.
    pub fn work_cost(&self) -> Option<BackgroundWorkCost> {
        let read = |fact| self.facts.levels().get(fact).map(|(value, _)| value);
        let watched = self.facts.is_watched(Fact::WorkCost);
        watched.then_some(())?;
        Some(BackgroundWorkCost::of(
            read(Fact::ExternalPower)?,
            read(Fact::Screen)?,
            read(Fact::EnergySaver)?,
            read(Fact::MemoryPressure)?,
        ))
    }

    /// One of the levels it is derived from has been read.
    pub(super) fn cost_read(&mut self) {
        let Some(cost) = self.work_cost() else { return };
        let before = self.facts.cost.replace(cost);
        if before == Some(cost) {
            return;
        }
        if before.is_some() {
            self.fire(SystemTriggerType::BackgroundWorkCostChange, None);
        }
        self.level_read(Fact::WorkCost, cost != BackgroundWorkCost::High);
    }
}
