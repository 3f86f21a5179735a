//! Tasks that are active and do nothing (CA-9): looked at only while something runs, and only as often as it may idle.

use std::time::Duration;

use super::{Core, Task};
use crate::activation::{Activation, ActivationState};
use crate::host::{Activity, Host, HostState};
use crate::ids::{HostId, InstanceId};
use crate::model::cancel::CancellationReason;
use crate::model::command::Usage;
use crate::model::trigger::Trigger;
use crate::output::{Output, Wake, WakeReason};

/// Less processor time than this is none: a runtime that turns once to find nothing to do uses as much.
const NOTHING: Duration = Duration::from_millis(2);

impl Core {
    pub(super) fn idle_wake(&self, host: &Host) -> Option<Wake> {
        let after = self.config.idle_after?;
        let busy = matches!(host.state, HostState::Busy { .. }) && !host.activity.asked && host.frozen.is_none();
        let watched = busy && !self.runs_command(host) && self.may_be_idle(host.id).next().is_some();
        watched.then(|| Wake { at: host.activity.until + after, why: WakeReason::Idle(host.id) })
    }

    /// Asks what has been used by hosts from which nothing was heard for so long.
    pub(super) fn sample_silent(&mut self) {
        let now = self.now.boot;
        let silent = |host: &&Host| self.idle_wake(host).is_some_and(|wake| wake.at <= now);
        let silent: Vec<_> = self.hosts.iter().filter(silent).map(|host| host.id).collect();
        for id in silent {
            self.hosts.get_mut(id).expect("just seen").activity.asked = true;
            self.outputs.push_back(Output::Sample(id));
        }
    }

    /// What a host has used so far, because somebody asked: its app pays for it, and it may have been idle.
    pub(super) fn host_used(&mut self, id: HostId, usage: Usage) {
        let Some(app) = self.hosts.get(id).map(|host| host.app.clone()) else { return };
        let spent = self.read_meter(id, usage).expect("it is there");
        self.bound_processor_time(id, usage);
        self.bound_memory(id, usage);
        self.bound_processes(id, usage);
        self.look_again(id, spent.is_something());
        self.pay(&app, &spent);
        self.end_if_idle(id, usage);
    }

    fn end_if_idle(&mut self, id: HostId, usage: Usage) {
        let (Some(host), Some(after)) = (self.hosts.get_mut(id), self.config.idle_after) else { return };
        // While it is suspended it can do nothing.
        if !std::mem::take(&mut host.activity.asked) || host.frozen.is_some() {
            return;
        }
        let before = host.activity;
        let spoke = before.until + after > self.now.boot;
        let worked = usage.cpu > before.usage.cpu + NOTHING || usage.io != before.usage.io;
        let until = if spoke && !worked { before.until } else { self.now.boot };
        host.activity = Activity { until, usage, asked: false };
        if spoke || worked {
            return;
        }
        // One that never even began is as idle: a program that ignores its channel.
        for instance in self.may_be_idle(id).collect::<Vec<_>>() {
            self.cancel(instance, CancellationReason::IdleTask);
        }
    }

    /// What on a host has to do something. Who serves a connection waits for its other end, and lasts for as long as that is there (HO-6).
    fn may_be_idle(&self, host: HostId) -> impl Iterator<Item = InstanceId> {
        let serves = |(task, activation): &(&Task, &Activation)| {
            let begun = matches!(activation.state, ActivationState::Running { .. });
            begun && matches!(task.registration.trigger, Trigger::AppService { .. })
        };
        self.tasks.occupying(host).filter(move |it| !serves(it)).map(|(_, activation)| activation.instance)
    }

    /// A word of a host is activity.
    pub(super) fn heard_of(&mut self, id: HostId) {
        if let Some(host) = self.hosts.get_mut(id) {
            host.activity.until = self.now.boot;
        }
    }
}
