//! Hosts of an app that has used up its budget are suspended, and go on when it is filled again (POL-1).

use super::Core;
use crate::activation::{ActivationEvent, ActivationState};
use crate::event::EventKind;
use crate::host::{HostKind, HostState, Look};
use crate::ids::{AppId, HostId};
use crate::model::budget::Resource;
use crate::output::Output;
use crate::time::BootTime;

impl Core {
    /// Suspends the hosts of an app that has used up its budget, lets those of others go on, and sees when to look again.
    pub(super) fn ration_hosts(&mut self, app: &AppId) {
        let throttled = self.throttled(app);
        let hosts: Vec<_> = self.hosts.iter().filter(|host| host.app == *app).map(|host| host.id).collect();
        for id in hosts {
            let resource = throttled.filter(|_| self.may_freeze(id));
            match (resource, self.hosts.get(id).expect("just seen").frozen) {
                (Some(resource), None) => self.freeze(id, resource),
                (None, Some(_)) => self.release(id),
                _ => {}
            }
            self.look_sooner(id);
        }
    }

    /// Not the app itself, nor who runs something critical, nor who was told to stop and needs its grace.
    fn may_freeze(&self, id: HostId) -> bool {
        let host = self.hosts.get(id).expect("it is there");
        let busy = matches!((&host.kind, host.state), (HostKind::Launched(_), HostState::Busy { .. }));
        let runs = |instance| {
            let state = self.tasks.of_running(instance).map(|(_, activation)| activation.state);
            matches!(state, Some(ActivationState::Starting { .. } | ActivationState::Running { .. }))
        };
        busy && !self.is_guaranteed(id) && self.tasks.on_host(id).into_iter().all(runs)
    }

    fn freeze(&mut self, id: HostId, resource: Resource) {
        let host = self.hosts.get_mut(id).expect("it is there");
        (host.frozen, host.meter.look) = (Some(self.now.boot), Look::Never);
        let app = host.app.clone();
        let until = self.released_at_latest(&app, resource).unwrap_or(self.now.wall);
        self.outputs.push_back(Output::Freeze(id));
        for instance in self.tasks.on_host(id) {
            let activation = self.tasks.running_mut(instance).expect("just seen");
            match resource {
                Resource::Cpu => activation.throttled.cpu = activation.throttled.cpu.saturating_add(1),
                Resource::Network => activation.throttled.network = activation.throttled.network.saturating_add(1),
            }
            let task = self.tasks.of_running(instance).expect("just seen").0.registration.id;
            self.tasks.touch(task, instance);
            self.record(task, Some(instance), EventKind::Suspended { resource, until });
        }
    }

    /// Lets a suspended host go on; nothing where it is not suspended.
    pub(super) fn release(&mut self, id: HostId) {
        self.count_frozen(id);
        if self.hosts.get_mut(id).and_then(|host| host.frozen.take()).is_none() {
            return;
        }
        self.outputs.push_back(Output::Thaw(id));
        for instance in self.tasks.on_host(id) {
            let (task, activation) = self.tasks.of_running(instance).expect("just seen");
            let (task, counts) = (task.registration.id, activation.throttled);
            self.tasks.touch(task, instance);
            self.record(task, Some(instance), EventKind::Released);
            self.outputs.push_back(Output::Throttled(id, instance, counts));
        }
    }

    /// The time of what is suspended stands still: whatever it may take yet, it may take later.
    pub(super) fn count_frozen(&mut self, id: HostId) {
        let Some(host) = self.hosts.get_mut(id) else { return };
        let Some(since) = host.frozen else { return };
        host.frozen = Some(self.now.boot);
        let frozen = self.now.boot.since(since);
        host.activity.until = host.activity.until + frozen;
        for instance in self.tasks.on_host(id) {
            let activation = self.tasks.running_mut(instance).expect("just seen");
            let deadline = activation.state.deadline().map(|deadline| deadline + frozen);
            let released = deadline.map(|deadline| activation.state.next(ActivationEvent::Released { deadline }));
            if let Some(Ok(state)) = released {
                activation.state = state;
            }
        }
    }

    /// Since when a host is suspended.
    pub(super) fn frozen_since(&self, id: HostId) -> Option<BootTime> {
        self.hosts.get(id)?.frozen
    }

    /// When what is on a host needs attention, if time alone brings that about: not while it is suspended.
    pub(super) fn deadline_of(&self, activation: &crate::Activation) -> Option<BootTime> {
        let frozen = activation.state.host().and_then(|host| self.frozen_since(host));
        activation.state.deadline().filter(|_| frozen.is_none())
    }
}
