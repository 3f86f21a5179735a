//! What makes running instances stop before their time.

use super::fire::Occurrence;
use super::{Core, Task};
use crate::activation::Activation;
use crate::host::{HostKind, HostState};
use crate::ids::{AppId, InstanceId};
use crate::model::access::BackgroundAccessStatus;
use crate::model::cancel::CancellationReason;
use crate::model::registration::Standing;
use crate::model::trigger::Trigger;
use crate::output::Reply;
use crate::refusal::Refusal;

impl Core {
    /// CO-3, CND-6: running instances that asked for it end with the first condition that stops holding.
    pub(super) fn cancel_on_condition_loss(&mut self) {
        self.cancel_where(CancellationReason::ConditionLoss, |core, task, activation| {
            let registration = &task.registration;
            let held = !activation.firing.by_hand;
            held && registration.cancel_on_condition_loss && !core.facts.missing(&registration.conditions).is_empty()
        });
    }

    /// AC-6: saving energy ends all but what is always allowed.
    pub(super) fn cancel_for_energy_saver(&mut self) {
        self.cancel_where(CancellationReason::EnergySaver, |core, task, activation| {
            !activation.firing.by_hand && core.status_of(&task.registration) != BackgroundAccessStatus::AlwaysAllowed
        });
    }

    /// The machine takes back what background work holds (CAN-6), and not what the user asked for by hand.
    pub(super) fn cancel_for_memory(&mut self) {
        self.cancel_where(CancellationReason::ResourceRevocation, |_, _, activation| !activation.firing.by_hand);
    }

    /// TM-8, D12: maintenance ends with external power, and is due again unless it was unregistered meanwhile.
    pub(super) fn cancel_maintenance(&mut self) {
        for (id, instance) in self.running_where(|_, task, it| {
            !it.firing.by_hand && matches!(task.registration.trigger, Trigger::Maintenance { .. })
        }) {
            let listed = self.tasks.get(id).is_some_and(|task| task.registration.standing != Standing::Unregistered);
            if self.cancel(instance, CancellationReason::Abort) && listed {
                self.accept(id, Occurrence::default());
            }
        }
    }

    /// LC-12: everything of an app that runs in the background ends, its lingering hosts too.
    pub(super) fn terminate(&mut self, app: &AppId) -> Result<Reply, Refusal> {
        if self.apps.get(app).is_none() {
            return Err(Refusal::UnknownApp(app.clone()));
        }
        let count = self.cancel_all_of(app, CancellationReason::Terminating);
        let idle: Vec<_> = self.hosts.resting().filter(|host| host.app == *app).map(|host| host.id).collect();
        idle.into_iter().for_each(|host| self.retire(host));
        Ok(Reply::Terminated(count))
    }

    /// The broker is to end: every running task is told, as at a log-off (CAN-5), and every other host ends at once.
    pub(super) fn stop(&mut self) {
        self.stopping = true;
        self.cancel_where(CancellationReason::LoggingOff, |_, _, _| true);
        let idle: Vec<_> = self.hosts.resting().map(|host| host.id).collect();
        idle.into_iter().for_each(|host| self.retire(host));
        let own = |host: &&crate::Host| matches!((&host.kind, host.state), (HostKind::App(_), HostState::Idle { .. }));
        let own: Vec<_> = self.hosts.iter().filter(own).map(|host| host.id).collect();
        own.into_iter().for_each(|host| drop(self.hosts.remove(host)));
    }

    pub(super) fn cancel_all_of(&mut self, app: &AppId, reason: CancellationReason) -> u32 {
        self.cancel_where(reason, |_, task, _| task.registration.app == *app)
    }

    /// Answers how many were told.
    pub(super) fn cancel_where(
        &mut self,
        reason: CancellationReason,
        chosen: impl Fn(&Self, &Task, &Activation) -> bool,
    ) -> u32 {
        let told = self.running_where(chosen).into_iter().filter(|(_, instance)| self.cancel(*instance, reason));
        told.count().try_into().unwrap_or(u32::MAX)
    }

    fn running_where(&self, chosen: impl Fn(&Self, &Task, &Activation) -> bool) -> Vec<(crate::TaskId, InstanceId)> {
        let found = |(task, activation): (&Task, &Activation)| (task.registration.id, activation.instance);
        self.tasks.occupied().filter(|(task, activation)| chosen(self, task, activation)).map(found).collect()
    }
}
