//! Tasks that use a device: they end with their app and with the device (CA-8).

use super::{Core, Task};
use crate::ids::{AppId, TaskId};
use crate::model::access::BackgroundAccessStatus;
use crate::model::cancel::CancellationReason;
use crate::model::fact::Fact;
use crate::model::trigger::{Details, Trigger};
use crate::output::{DeviceTriggerResult, Output, Reply};
use crate::refusal::Refusal;

impl Core {
    /// REQ-1, AC-10: it fires or it does not, nothing is queued.
    pub(super) fn use_device(&mut self, app: &AppId, details: Option<Details>) -> Result<Reply, Refusal> {
        use DeviceTriggerResult as Result;
        let answer = |result, why: String| Ok(Reply::DeviceUse(result, why));
        let task = match self.demanded(app, &Trigger::DeviceUse) {
            Ok(task) => task,
            Err(why) => return answer(Result::DeniedBySystem, why),
        };
        let id = task.registration.id;
        let status = self.status_of(&task.registration);
        let by = self.apps.decided_by(app);
        match status {
            BackgroundAccessStatus::DeniedBySystemPolicy => {
                return answer(Result::DeniedBySystem, format!("{status}, says {by}"));
            }
            status if !status.allows() => return answer(Result::DeniedByUser, format!("{status}, says {by}")),
            _ => {}
        }
        if let Some(why) = super::demand::busy(task) {
            return answer(Result::DeniedBySystem, why);
        }
        if self.is_low_on_battery() {
            return answer(
                Result::LowBattery,
                format!("the battery has less than {LOW_BATTERY} %: plug the machine in"),
            );
        }
        self.accept(id, super::fire::Occurrence { details, ..Default::default() });
        answer(Result::Allowed, "the trigger fired".to_owned())
    }

    fn is_low_on_battery(&self) -> bool {
        let reads = |fact, value| self.facts.levels().get(fact).is_some_and(|(its, _)| its == value);
        reads(Fact::BatteryAbove(LOW_BATTERY), false) && !reads(Fact::ExternalPower, true)
    }

    /// The device is told of for as long as the task has a host.
    pub(super) fn watch_device(&mut self, id: TaskId, details: Option<&Details>) {
        if let Some(details) = details.filter(|_| self.uses_a_device(id)) {
            self.outputs.push_back(Output::WatchDevice(id, details.clone()));
        }
    }

    pub(super) fn unwatch_device(&mut self, id: TaskId, details: Option<&Details>) {
        if details.is_some() && self.uses_a_device(id) {
            self.outputs.push_back(Output::UnwatchDevice(id));
        }
    }

    fn uses_a_device(&self, id: TaskId) -> bool {
        self.tasks.get(id).is_some_and(uses_a_device)
    }

    pub(super) fn device_gone(&mut self, id: TaskId) {
        self.cancel_where(CancellationReason::ResourceRevocation, |_, task, _| {
            task.registration.id == id && uses_a_device(task)
        });
    }

    /// The last program of an app has gone: what runs for it is told to stop, and what waits is given up.
    pub(super) fn app_gone(&mut self, app: &AppId) {
        self.cancel_where(CancellationReason::Abort, |_, task, _| task.registration.app == *app && uses_a_device(task));
        let its = self.tasks.of_app(app).filter(|task| uses_a_device(task));
        let its: Vec<_> = its.map(|task| task.registration.id).collect();
        its.into_iter().for_each(|id| self.drop_waiting(id));
    }
}

fn uses_a_device(task: &Task) -> bool {
    task.registration.trigger == Trigger::DeviceUse
}

/// With less no device is used on battery, in percent.
const LOW_BATTERY: u8 = 33;

/// The facts that a trigger stands on beside its own.
pub(super) const fn facts_of(trigger: &Trigger) -> &'static [Fact] {
    match trigger {
        Trigger::DeviceUse => &[Fact::BatteryAbove(LOW_BATTERY), Fact::ExternalPower],
        _ => &[],
    }
}
