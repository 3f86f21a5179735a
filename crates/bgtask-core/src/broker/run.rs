//! Running instances: what hosts say, what time brings, and how an activation ends.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::Core;
use crate::activation::{Activation, ActivationEvent, ActivationState};
use crate::event::{CancelNotice, EventKind};
use crate::host::{Host, HostEvent, HostKind, HostState};
use crate::ids::{HostId, InstanceId, TaskId};
use crate::input::HostExit;
use crate::limits::{MAX_ERROR_BYTES, MAX_OUTPUT_TAIL_BYTES, cut, cut_front};
use crate::model::app::Sharing;
use crate::model::cancel::CancellationReason;
use crate::model::command::{Usage, Used};
use crate::model::fleet::OrderResult;
use crate::model::outcome::Outcome;
use crate::model::registration::Standing;
use crate::model::socket::SocketEvent;
use crate::output::Output;

const SIGTERM: i32 = 15;

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
    pub(super) fn host_finished(
        &mut self,
        host: HostId,
        instance: InstanceId,
        result: Result<(), String>,
        usage: Option<Usage>,
    ) {
        let Some(id) = self.task_of(host, instance) else {
            return;
        };
        let message = result.err().map(|text| cut(&text, MAX_ERROR_BYTES));
        let state = self.tasks.of_running(instance).expect("task_of found it").1.state;
        let outcome = match (state, message) {
            (ActivationState::Killing { .. }, _) => return,
            // That its caller is gone is how most of them end.
            (ActivationState::Cancelling { reason: CancellationReason::Abort, .. }, None) if self.serves(instance) => {
                Outcome::Succeeded
            }
            (ActivationState::Cancelling { reason, .. }, message) => Outcome::Cancelled { reason, message },
            (_, None) => Outcome::Succeeded,
            (_, Some(message)) => Outcome::TaskFailed { message },
        };
        self.heard_of(host);
        let spent = usage.and_then(|usage| self.read_meter(host, usage));
        let used = self.charge(host, instance, usage);
        let app = self.tasks.get(id).expect("it runs").registration.app.clone();
        self.end(id, instance, outcome, used);
        self.let_linger(host);
        self.settle(&app, spent);
    }

    /// The task has taken the descriptor that came with its activation: from now on it is the task's own.
    pub(super) fn socket_taken(&mut self, host: HostId, instance: InstanceId) {
        let Some(id) = self.task_of(host, instance) else { return };
        let Some(activation) = self.tasks.running_mut(instance) else { return };
        let Some(socket) = activation.firing.socket else { return };
        if self.sockets.get(socket).is_none() {
            activation.firing.socket = None;
            self.tasks.touch(id, instance);
        } else if self.step_socket(socket, SocketEvent::Taken).is_none() {
            return;
        }
        self.heard_of(host);
        self.outputs.push_back(Output::DropSocket(socket));
    }

    /// The host is gone with everything in it: whatever it had to do ends, or is tried again if it never heard of it.
    pub(super) fn host_exited(&mut self, host: HostId, exit: HostExit, output_tail: &str, usage: Option<Usage>) {
        let spent = usage.and_then(|usage| self.read_meter(host, usage));
        let used: BTreeMap<_, _> =
            self.tasks.on_host(host).into_iter().map(|it| (it, self.charge_ended(host, it, usage))).collect();
        let Some(gone) = self.hosts.remove(host) else {
            return;
        };
        let output_tail = cut_front(output_tail, MAX_OUTPUT_TAIL_BYTES);
        let exit = gone.condemned_by.clone().map_or(exit, |by| HostExit::Condemned { by });
        for (instance, used) in used {
            let (task, activation) = self.tasks.of_running(instance).expect("just found");
            let (id, state) = (task.registration.id, activation.state);
            let is_command = task.registration.entry.command().is_some();
            let (exit, output_tail) = (exit.clone(), output_tail.clone());
            let outcome = match state {
                ActivationState::Starting { warm: true, .. } => {
                    self.step_back(id, instance);
                    continue;
                }
                ActivationState::Cancelling { reason, .. } if is_command => {
                    // The signal is how it was told.
                    let orderly = matches!(exit, HostExit::Code(0) | HostExit::Signal(SIGTERM));
                    let failed = (!orderly).then_some(Outcome::CommandFailed { exit, output_tail });
                    Outcome::Cancelled { reason, message: failed.map(|failed| failed.to_string()) }
                }
                // That is why its caller is gone, as often as not.
                ActivationState::Cancelling { reason: CancellationReason::Abort, .. } if self.serves(instance) => {
                    Outcome::HostFailed { exit, output_tail }
                }
                ActivationState::Cancelling { reason, .. } | ActivationState::Killing { reason, .. } => {
                    Outcome::Killed { reason, output_tail }
                }
                _ if is_command && exit == HostExit::Code(0) => Outcome::Succeeded,
                _ if is_command => Outcome::CommandFailed { exit, output_tail },
                _ => Outcome::HostFailed { exit, output_tail },
            };
            self.end(id, instance, outcome, used);
        }
        self.settle(&gone.app, spent);
    }

    /// Tells a running instance to stop, once: the first reason stands. Answers whether it was told.
    pub(super) fn cancel(&mut self, instance: InstanceId, reason: CancellationReason) -> bool {
        // It needs its time to stop.
        if let Some(host) = self.tasks.of_running(instance).and_then(|(_, activation)| activation.state.host()) {
            self.release(host);
        }
        let Some((task, activation)) = self.tasks.of_running(instance) else { return false };
        let budget = self.budget(&task.registration);
        let used = activation.state.deadline().map_or(budget, |deadline| {
            budget.saturating_sub(deadline.since(self.now.boot)) + self.now.boot.since(deadline)
        });
        self.tell_to_stop(instance, CancelNotice { reason, budget, used, grace: self.config.cancel_grace })
    }

    /// The same, with the numbers of a budget.
    pub(super) fn tell_to_stop(&mut self, instance: InstanceId, notice: CancelNotice) -> bool {
        let Some((task, activation)) = self.tasks.of_running(instance) else { return false };
        let event = ActivationEvent::Cancelled { reason: notice.reason, kill_at: self.now.boot + notice.grace };
        let (Ok(state), Some(host)) = (activation.state.next(event), activation.state.host()) else {
            return false;
        };
        let id = task.registration.id;
        let by_its_caller = notice.reason == CancellationReason::Abort && self.serves(instance);
        self.tasks.running_mut(instance).expect("just seen").state = state;
        self.tasks.touch(id, instance);
        if let Some(host) = self.hosts.get_mut(host) {
            host.worn |= matches!(host.kind, HostKind::Launched(_)) && !by_its_caller;
        }
        self.record(id, Some(instance), EventKind::Cancelled(notice));
        self.outputs.push_back(Output::Cancel(host, instance, notice));
        self.look_sooner(host);
        true
    }

    /// Time passed: budgets, graces, lingering and retiring hosts, silent hosts, timers.
    pub(super) fn expire(&mut self) {
        let now = self.now.boot;
        let beside_timers = self.served_beside_timers();
        let due = |activation: &Activation| self.deadline_of(activation).is_some_and(|deadline| deadline <= now);
        let over: Vec<_> =
            self.tasks.occupied().filter(|(_, it)| due(it)).map(|(_, it)| (it.instance, it.state)).collect();
        for (instance, state) in over {
            match state {
                ActivationState::Cancelling { host, .. } => self.grace_over(instance, host),
                _ => drop(self.cancel(instance, CancellationReason::ExecutionTimeExceeded)),
            }
        }
        let late = |host: &&Host| host.state.deadline().is_some_and(|at| at <= now);
        let hosts: Vec<_> = self.hosts.iter().filter(late).map(|host| host.id).collect();
        for host in hosts {
            match self.hosts.get(host).expect("just seen").state {
                HostState::Idle { .. } => self.retire(host),
                _ => self.kill(host),
            }
        }
        self.refill();
        self.expire_sockets();
        self.expire_push_channels();
        self.expire_channels();
        self.expire_orders();
        self.sample_silent();
        self.look_at_usage();
        self.expire_timers(&beside_timers);
    }

    /// Orders to run and notices to stop went out late: their time begins now.
    pub(super) fn caught_up(&mut self) {
        let kill_at = self.now.boot + self.config.cancel_grace;
        let frozen: Vec<_> = self.hosts.iter().filter(|host| host.frozen.is_some()).map(|host| host.id).collect();
        frozen.into_iter().for_each(|host| self.count_frozen(host));
        let waiting: Vec<_> = self
            .tasks
            .occupied()
            .map(|(task, activation)| (activation.instance, self.now.boot + self.budget(&task.registration)))
            .collect();
        for (instance, deadline) in waiting {
            let Some(activation) = self.tasks.running_mut(instance) else { continue };
            if let Ok(state) = activation.state.next(ActivationEvent::Postponed { deadline, kill_at }) {
                activation.state = state;
            }
        }
    }

    /// CA-4: the whole host goes, whatever else runs in it.
    fn grace_over(&mut self, instance: InstanceId, host: HostId) {
        let (task, _) = self.tasks.of_running(instance).expect("it occupies a host");
        let (id, name) = (task.registration.id, Arc::clone(&task.registration.name));
        self.tasks.running_mut(instance).expect("just seen").apply(ActivationEvent::GraceOver);
        self.tasks.touch(id, instance);
        let host_now = self.hosts.get_mut(host).expect("it is there");
        host_now.condemned_by.get_or_insert(name);
        if host_now.state != HostState::Killing {
            self.kill(host);
        }
    }

    /// Applies an event a host reported, if it can still happen; a late or repeated report is no error.
    fn step(&mut self, host: HostId, instance: InstanceId, event: ActivationEvent) -> Option<TaskId> {
        let id = self.task_of(host, instance)?;
        let activation = self.tasks.running_mut(instance)?;
        activation.state = activation.state.next(event).ok()?;
        self.heard_of(host);
        Some(id)
    }

    /// A host was gone before it heard of the instance: it waits again and gets another host at once.
    fn step_back(&mut self, id: TaskId, instance: InstanceId) {
        let since = self.now.wall;
        let details = self.tasks.of_running(instance).and_then(|(_, activation)| activation.firing.details.clone());
        self.unwatch_device(id, details.as_ref());
        self.allow_sleep(id, instance);
        self.tasks.wait_again(instance, ActivationEvent::HostVanished { since });
        self.fresh_gate(id);
    }

    /// Gives an activation its outcome, and lets the next one of its task go.
    pub(super) fn end(&mut self, id: TaskId, instance: InstanceId, outcome: Outcome, used: Option<Used>) {
        self.unsettled = true;
        let Some(activation) = self.tasks.end(instance, id) else {
            return;
        };
        self.unwatch_device(id, activation.firing.details.as_ref());
        self.allow_sleep(id, instance);
        self.finish(id, activation, outcome, used);
        self.queue_again(id);
    }

    /// An activation that is in no table (any more) has come to this: another try, or its outcome.
    pub(super) fn finish(&mut self, id: TaskId, activation: Activation, outcome: Outcome, used: Option<Used>) {
        self.note_run(id, outcome == Outcome::Succeeded);
        match self.next_try(id, &activation, &outcome) {
            Some(at) => self.try_again(id, activation, outcome, at, used),
            None => self.conclude(id, activation, outcome, used),
        }
    }

    /// An instance has left its host: the next one of its task may go, and an update may have waited for this.
    fn queue_again(&mut self, id: TaskId) {
        let app = self.tasks.get(id).map(|task| task.registration.app.clone());
        self.tasks.queue_anew(id);
        self.fresh_gate(id);
        self.tidy(id);
        if let Some(app) = app.filter(|app| self.apps.in_servicing(app)) {
            self.finish_servicing(&app);
        }
    }

    /// It has its outcome, which the history and the app hear of.
    fn conclude(&mut self, id: TaskId, mut activation: Activation, outcome: Outcome, used: Option<Used>) {
        let (instance, progress) = (activation.instance, activation.state.progress());
        activation.apply(ActivationEvent::Ended);
        self.tasks.touch(id, instance);
        self.let_go(&mut activation);
        self.channel_served(id);
        self.record(id, Some(instance), EventKind::Completed { outcome: outcome.clone(), progress, used });
        self.keep_completion(id, instance, outcome.clone(), progress);
        self.conclude_orders(instance, &OrderResult::Ran(outcome));
    }

    /// A registration that no longer fires goes with its last activation (D6).
    pub(super) fn tidy(&mut self, id: TaskId) {
        let over = |task: &super::Task| task.registration.standing != Standing::Active && task.is_quiet();
        if self.tasks.get(id).is_some_and(over) {
            self.forget(id);
        }
    }

    /// A host without work lingers, unless it was cancelled, lingering is off, or others linger already.
    fn let_linger(&mut self, id: HostId) {
        let lingers = !self.config.warm_linger.is_zero() && self.config.max_warm_hosts > 0 && !self.stopping;
        let now = self.now.boot;
        let linger = self.config.warm_linger;
        let Some(host) = self.hosts.get_mut(id) else { return };
        if matches!(host.state, HostState::Killing) {
            return;
        }
        let own = matches!(host.kind, HostKind::App(_));
        let stays = own || self.control_channels.are_in(id);
        host.apply(HostEvent::Finished { until: (!stays).then_some(now + linger) });
        let host = host.clone();
        if matches!(host.state, HostState::Busy { .. }) {
            return;
        }
        // It was done before it was suspended.
        self.release(id);
        if own {
            if self.stopping {
                self.hosts.remove(id);
            }
            return self.holder_is_free(id);
        }
        let lingers = lingers || (stays && !self.stopping);
        if host.worn || !lingers || !self.is_current(&host) {
            return self.retire(id);
        }
        self.holder_is_free(id);
        if self.hosts.idle().count() > self.config.max_warm_hosts {
            let oldest = self.hosts.idle().min_by_key(|(until, host)| (*until, host.id)).map(|(_, host)| host.id);
            self.retire(oldest.expect("there are too many"));
        }
    }

    /// Ends the lingering hosts of an app whose manifest changed or went away: they run the old program.
    pub(super) fn retire_outdated(&mut self) {
        let outdated: Vec<_> = self.hosts.resting().filter(|host| !self.is_current(host)).map(|host| host.id).collect();
        for host in outdated {
            self.retire(host);
        }
    }

    fn is_current(&self, host: &Host) -> bool {
        let HostKind::Launched(server) = &host.kind else { return true };
        let apart = server.sharing == Sharing::Apart;
        !apart && self.apps.get(&host.app).is_some_and(|app| app.version == host.version)
    }

    pub(super) fn retire(&mut self, host: HostId) {
        let kill_at = self.now.boot + self.config.cancel_grace;
        self.hosts.get_mut(host).expect("it is there").apply(HostEvent::Retired { kill_at });
        self.outputs.push_back(Output::Retire(host));
    }

    pub(super) fn kill(&mut self, host: HostId) {
        self.hosts.get_mut(host).expect("it is there").apply(HostEvent::Killed);
        self.outputs.push_back(Output::Kill(host));
    }
}
