//! Running instances: what hosts say, what time brings, and how an activation ends.

use super::Core;
use crate::activation::{Activation, ActivationEvent, ActivationState};
use crate::host::{Host, HostEvent, HostState};
use crate::ids::{HostId, InstanceId, TaskId};
use crate::input::HostExit;
use crate::limits::{MAX_ERROR_BYTES, MAX_OUTPUT_TAIL_BYTES, cut, cut_front};
use crate::model::cancel::CancellationReason;
use crate::model::outcome::Outcome;
use crate::model::registration::Standing;
use crate::output::{EventKind, Output};

impl Core {
    pub(super) fn host_started(&mut self, host: HostId, instance: InstanceId) {
        let since = self.now.wall;
        self.step(host, instance, ActivationEvent::Started { since });
    }

    pub(super) fn host_progress(&mut self, host: HostId, instance: InstanceId, value: u32) {
        if let Some(id) = self.step(host, instance, ActivationEvent::Progressed(value)) {
            self.deliver_progress(id, instance, value);
        }
    }

    /// The task is complete: an outcome, and a host that may linger. Once its host is being killed it is too late for that.
    pub(super) fn host_finished(&mut self, host: HostId, instance: InstanceId, result: Result<(), String>) {
        let Some(id) = self.task_of(host, instance) else {
            return;
        };
        let message = result.err().map(|text| cut(&text, MAX_ERROR_BYTES));
        let state = self.tasks.get(id).and_then(|task| task.activation.as_ref()).expect("task_of found it").state;
        let outcome = match (state, message) {
            (ActivationState::Cancelling { reason, .. }, message) => Outcome::Cancelled { reason, message },
            (_, None) => Outcome::Succeeded,
            (_, Some(message)) => Outcome::TaskFailed { message },
        };
        let reusable = !matches!(state, ActivationState::Cancelling { .. });
        self.end(id, outcome);
        self.let_linger(host, reusable);
    }

    /// The host is gone with everything in it: whatever it had to do ends, or is tried again if it never heard of it.
    pub(super) fn host_exited(&mut self, host: HostId, exit: HostExit, output_tail: &str) {
        let Some(gone) = self.hosts.remove(host) else {
            return;
        };
        let output_tail = cut_front(output_tail, MAX_OUTPUT_TAIL_BYTES);
        let Some(id) = self
            .tasks
            .occupied()
            .find(|task| occupies(task.activation.as_ref(), host))
            .map(|task| task.registration.id)
        else {
            return;
        };
        debug_assert!(matches!(gone.state, HostState::Busy { .. } | HostState::Killing), "{gone:?}");
        let state = self.tasks.get(id).and_then(|task| task.activation.as_ref()).expect("just found").state;
        match state {
            ActivationState::Starting { warm: true, .. } => self.step_back(id),
            ActivationState::Cancelling { reason, .. } | ActivationState::Killing { reason, .. } => {
                self.end(id, Outcome::Killed { reason, output_tail });
            }
            _ => self.end(id, Outcome::HostFailed { exit, output_tail }),
        }
    }

    /// Tells a running instance to stop, once: the first reason stands.
    pub(super) fn cancel(&mut self, id: TaskId, reason: CancellationReason) {
        let kill_at = self.now.boot + self.config.cancel_grace;
        let Some(activation) = self.tasks.get_mut(id).and_then(|task| task.activation.as_mut()) else {
            return;
        };
        let event = ActivationEvent::Cancelled { reason, kill_at };
        let (Ok(state), Some(host)) = (activation.state.next(event), activation.state.host()) else {
            return;
        };
        activation.state = state;
        let instance = activation.instance;
        self.tasks.touch(id);
        self.record(id, EventKind::Cancelled(reason));
        self.outputs.push_back(Output::Cancel(host, instance, reason));
    }

    /// Time passed: budgets, graces, lingering and retiring hosts.
    pub(super) fn expire(&mut self) {
        let now = self.now.boot;
        let due = |activation: &Activation| activation.state.deadline().is_some_and(|deadline| deadline <= now);
        let over: Vec<_> = self
            .tasks
            .occupied()
            .filter_map(|task| Some((task.registration.id, task.activation.as_ref().filter(|it| due(it))?.state)))
            .collect();
        for (id, state) in over {
            match state {
                ActivationState::Cancelling { host, .. } => self.grace_over(id, host),
                _ => self.cancel(id, CancellationReason::ExecutionTimeExceeded),
            }
        }
        let hosts: Vec<_> = self
            .hosts
            .iter()
            .filter(|host| host.state.deadline().is_some_and(|at| at <= now))
            .map(|host| host.id)
            .collect();
        for host in hosts {
            match self.hosts.get(host).expect("just seen").state {
                HostState::Idle { .. } => self.retire(host),
                _ => self.kill(host),
            }
        }
    }

    /// Orders to run and notices to stop went out late: their time begins now.
    pub(super) fn caught_up(&mut self) {
        let postponed = ActivationEvent::Postponed {
            deadline: self.now.boot + self.config.wall_budget,
            kill_at: self.now.boot + self.config.cancel_grace,
        };
        let waiting: Vec<_> = self.tasks.occupied().map(|task| task.registration.id).collect();
        for id in waiting {
            let Some(activation) = self.tasks.get_mut(id).and_then(|task| task.activation.as_mut()) else { continue };
            if let Ok(state) = activation.state.next(postponed) {
                activation.state = state;
            }
        }
    }

    /// The broker is to end: every running task is told, as at a log-off (CAN-5), and every other host ends at once.
    pub(super) fn stop(&mut self) {
        self.stopping = true;
        let running: Vec<_> = self.tasks.occupied().map(|task| task.registration.id).collect();
        for id in running {
            self.cancel(id, CancellationReason::LoggingOff);
        }
        let idle: Vec<_> = self.hosts.idle().map(|(_, host)| host.id).collect();
        for host in idle {
            self.retire(host);
        }
    }

    fn grace_over(&mut self, id: TaskId, host: HostId) {
        let task = self.tasks.get_mut(id).expect("it occupies a host");
        task.activation.as_mut().expect("it occupies a host").apply(ActivationEvent::GraceOver);
        self.tasks.touch(id);
        self.kill(host);
    }

    /// Applies an event a host reported, if it can still happen; a late or repeated report is no error.
    fn step(&mut self, host: HostId, instance: InstanceId, event: ActivationEvent) -> Option<TaskId> {
        let id = self.task_of(host, instance)?;
        let activation = self.tasks.get_mut(id)?.activation.as_mut()?;
        activation.state = activation.state.next(event).ok()?;
        Some(id)
    }

    /// A lingering host was gone before it heard of the instance: it waits again and gets another host at once.
    fn step_back(&mut self, id: TaskId) {
        let since = self.now.wall;
        let task = self.tasks.get_mut(id).expect("it occupies a host");
        task.activation.as_mut().expect("it occupies a host").apply(ActivationEvent::HostVanished { since });
        self.tasks.touch(id);
        self.fresh_gate(id);
    }

    /// Gives an activation its outcome, and starts the next one if another firing waits.
    pub(super) fn end(&mut self, id: TaskId, outcome: Outcome) {
        let Some(task) = self.tasks.get_mut(id) else {
            return;
        };
        let Some(activation) = task.activation.as_mut() else {
            return;
        };
        let (instance, progress, next) = (activation.instance, activation.state.progress(), activation.next);
        activation.apply(ActivationEvent::Ended);
        self.record(id, EventKind::Completed { outcome: outcome.clone(), progress });
        self.keep_completion(id, instance, outcome, progress);
        self.clear_activation(id);
        self.unsettled = true;
        match self.tasks.get(id).map(|task| task.registration.standing) {
            Some(Standing::Active) => {
                if let Some(firing) = next {
                    self.begin_next(id, firing);
                }
            }
            Some(Standing::Spent | Standing::Unregistered) => self.forget(id),
            None => {}
        }
    }

    fn begin_next(&mut self, id: TaskId, firing: crate::Firing) {
        let instance = self.ids.instance();
        let state = ActivationState::Waiting { since: self.now.wall };
        let task = self.tasks.get_mut(id).expect("it is active");
        task.activation = Some(Activation { instance, firing, attempt: 1, state, next: None });
        self.tasks.touch(id);
        self.fresh_gate(id);
    }

    pub(super) fn clear_activation(&mut self, id: TaskId) {
        if let Some(task) = self.tasks.get_mut(id) {
            task.activation = None;
            task.gate = None;
        }
        self.tasks.touch(id);
    }

    /// A host without work lingers, unless it was cancelled, lingering is off, or others linger already.
    fn let_linger(&mut self, host: HostId, reusable: bool) {
        let reusable = reusable && !self.stopping && self.hosts.get(host).is_some_and(|host| self.is_current(host));
        if !reusable || self.config.warm_linger.is_zero() || self.config.max_warm_hosts == 0 {
            return self.retire(host);
        }
        let until = self.now.boot + self.config.warm_linger;
        self.hosts.get_mut(host).expect("it just finished").apply(HostEvent::Finished { until });
        if self.hosts.idle().count() > self.config.max_warm_hosts {
            let oldest = self.hosts.idle().min_by_key(|(until, host)| (*until, host.id)).map(|(_, host)| host.id);
            self.retire(oldest.expect("there are too many"));
        }
    }

    /// Ends the lingering hosts of an app whose manifest changed or went away: they run the old program.
    pub(super) fn retire_outdated(&mut self) {
        let outdated: Vec<_> =
            self.hosts.idle().filter(|(_, host)| !self.is_current(host)).map(|(_, host)| host.id).collect();
        for host in outdated {
            self.retire(host);
        }
    }

    fn is_current(&self, host: &Host) -> bool {
        self.apps.get(&host.app).is_some_and(|app| app.version == host.version)
    }

    fn retire(&mut self, host: HostId) {
        let kill_at = self.now.boot + self.config.cancel_grace;
        self.hosts.get_mut(host).expect("it is there").apply(HostEvent::Retired { kill_at });
        self.outputs.push_back(Output::Retire(host));
    }

    fn kill(&mut self, host: HostId) {
        self.hosts.get_mut(host).expect("it is there").apply(HostEvent::Killed);
        self.outputs.push_back(Output::Kill(host));
    }
}

fn occupies(activation: Option<&Activation>, host: HostId) -> bool {
    activation.is_some_and(|activation| activation.state.host() == Some(host))
}
