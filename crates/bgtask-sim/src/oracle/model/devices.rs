//! Tasks that use a device: what their apps are answered (AC-10), and what ends them (CA-8).

use std::collections::BTreeMap;

use bgtask_core::{
    AppId, BackgroundAccessStatus as Status, CancellationReason, ClientId, Details, DeviceTriggerResult, Fact,
    Registration, TaskId, Trigger,
};

use super::super::{Verdict, check};
use super::held::{By, Occasion};
use super::requests::Answer;
use super::{Model, Owed, Run};

impl Model {
    /// It fires, or it does not and that is the end of it.
    pub(super) fn device_asked(
        &self,
        task: Option<&Registration>,
        details: Option<&Details>,
        owed: &mut Owed,
    ) -> Answer {
        use DeviceTriggerResult as Result;
        let Some(its) = task else { return Answer::DeviceUse(Result::DeniedBySystem) };
        let busy = self.rows.values().any(|(task, _)| *task == its.id);
        let result = match self.status_of(its) {
            _ if self.stopping => Result::DeniedBySystem,
            Status::DeniedBySystemPolicy => Result::DeniedBySystem,
            Status::DeniedByUser | Status::Unspecified => Result::DeniedByUser,
            _ if busy => Result::DeniedBySystem,
            _ if self.battery_is_low() => Result::LowBattery,
            _ => Result::Allowed,
        };
        if result == Result::Allowed {
            self.set_off(its.id, Occasion { details: details.cloned(), ..Occasion::once(By::World) }, owed);
        }
        Answer::DeviceUse(result)
    }

    fn battery_is_low(&self) -> bool {
        let full = self.levels.get(&Fact::BatteryAbove(33)).copied().unwrap_or(true);
        let plugged_in = self.levels.get(&Fact::ExternalPower).copied().unwrap_or(false);
        !full && !plugged_in
    }

    pub(super) fn device_gone(&mut self, task: TaskId, owed: &mut Owed) {
        let uses = |model: &Self, run: &Run| run.task == task && model.uses_a_device(run);
        self.cancel_where(owed, CancellationReason::ResourceRevocation, uses);
    }

    /// With the last program of an app its use of a device ends, and what waits for its turn is given up.
    pub(super) fn client_left(&mut self, client: ClientId, owed: &mut Owed) {
        let Some(app) = self.clients.remove(&client) else { return };
        if !self.clients.values().any(|its: &AppId| *its == app) {
            let uses = |model: &Self, run: &Run| run.app == app && model.uses_a_device(run);
            self.cancel_where(owed, CancellationReason::Abort, uses);
            let its = |task: &TaskId| {
                self.registrations.get(task).is_some_and(|it| it.app == app && it.trigger == Trigger::DeviceUse)
            };
            let waiting = self.waiting.iter().filter(|(_, held)| its(&held.task));
            owed.drops.extend(waiting.map(|(instance, _)| *instance));
        }
    }

    fn uses_a_device(&self, run: &Run) -> bool {
        self.registrations[&run.task].trigger == Trigger::DeviceUse
    }

    /// A device is watched for as long as a task uses it.
    pub(super) fn devices_are_watched(&self) -> Verdict {
        let uses = self.running.values().filter(|run| self.uses_a_device(run));
        let used: BTreeMap<_, _> = uses.filter_map(|run| Some((run.task, run.held.firing.details.clone()?))).collect();
        check(used == self.devices, || format!("watched are the devices {:?}, used are {used:?}", self.devices))
    }
}
