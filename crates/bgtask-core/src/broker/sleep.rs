//! The sleep of the machine: what keeps it awake while it runs (D15), and what wakes it.

use super::Core;
use crate::ids::{InstanceId, TaskId};
use crate::model::fact::Fact;
use crate::model::registration::Registration;
use crate::output::Output;

impl Core {
    /// NW-1, D15: the machine is kept awake for as long as an instance runs that asked for the network.
    pub(super) fn inhibit_sleep(&mut self, id: TaskId, instance: InstanceId) {
        if self.asks_for_network(id) {
            self.outputs.push_back(Output::Inhibit(instance));
        }
    }

    pub(super) fn allow_sleep(&mut self, id: TaskId, instance: InstanceId) {
        if self.asks_for_network(id) {
            self.outputs.push_back(Output::Uninhibit(instance));
        }
    }

    /// D15: into a sleep only what asked for the network is started, for it keeps the machine awake; and what is critical.
    pub(super) fn holds_in_standby(&self, registration: &Registration) -> bool {
        let falls_asleep = self.facts.levels().get(Fact::Standby).is_some_and(|(asleep, _)| asleep);
        falls_asleep && !registration.is_network_requested && !registration.trigger.is_critical()
    }

    fn asks_for_network(&self, id: TaskId) -> bool {
        self.tasks.get(id).is_some_and(|task| task.registration.is_network_requested)
    }

    /// Says when the machine is to be woken, where that has changed by more than the clocks differ.
    pub(super) fn settle_rouse(&mut self) {
        let first = self.tasks.first_rousing().filter(|at| self.config.may_wake && *at > self.now.wall);
        let at = first.map(|at| self.now.boot + (at - self.now.wall));
        let same = match (self.rouse, at) {
            (Some(before), Some(at)) => before.since(at) + at.since(before) < super::CLOCK_NOISE,
            (before, at) => before == at,
        };
        if !same {
            self.rouse = at;
            self.outputs.push_back(Output::Rouse(at));
        }
    }
}
