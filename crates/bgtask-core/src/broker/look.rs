//! When to look what a host has used, where that is bounded: as late as may be, and never after it is used up for long.

use std::time::Duration;

use super::Core;
use crate::activation::ActivationState;
use crate::event::CancelNotice;
use crate::host::{Host, HostKind, HostState, Look};
use crate::ids::HostId;
use crate::limits::ENERGY_NORMAL;
use crate::model::budget::EnergyLevel;
use crate::model::cancel::CancellationReason;
use crate::model::command::Usage;
use crate::output::{Output, Wake, WakeReason};

/// Nothing is looked at more often.
const LEAST: Duration = Duration::from_millis(20);

/// How often the memory of a host is looked at that has a bound: the kernel keeps it too, where it can.
const MEMORY: Duration = Duration::from_secs(2);

/// No network is thought to be faster, in bytes in a second.
const FASTEST: f64 = 125e6;

/// Who uses nothing is looked at less often, but so that it overruns its budget by at most such a part.
const OVERRUN: u32 = 20;

impl Core {
    /// When to look next what a host has used.
    pub(super) fn look_wake(&self) -> Option<Wake> {
        let due = self.hosts.iter().filter_map(|host| Some((host.meter.look.at()?, host.id)));
        due.min().map(|(at, id)| Wake { at, why: WakeReason::Usage(id) })
    }

    /// Asks what hosts have used. Those that share a budget are asked together: those of an app, and those of all that borrow.
    pub(super) fn look_at_usage(&mut self) {
        let now = self.now.boot;
        let is_due = |host: &Host| host.meter.look.at().is_some_and(|at| at <= now);
        let apps: Vec<_> = self.hosts.iter().filter(|host| is_due(host)).map(|host| host.app.clone()).collect();
        let borrowing = apps.iter().any(|app| self.borrows(app));
        let with_others = |host: &Host| {
            let looked_at = host.meter.look.at().is_some() && self.is_rationed(&host.app);
            looked_at && (apps.contains(&host.app) || (borrowing && self.borrows(&host.app)))
        };
        let asked: Vec<_> =
            self.hosts.iter().filter(|host| is_due(host) || with_others(host)).map(|host| host.id).collect();
        for id in asked {
            self.hosts.get_mut(id).expect("just seen").meter.look = Look::Asked;
            self.outputs.push_back(Output::Sample(id));
        }
    }

    /// It was looked at: the next time counts from now.
    pub(super) fn look_again(&mut self, id: HostId, used_something: bool) {
        let Some(host) = self.hosts.get_mut(id) else { return };
        host.meter.quiet = if used_something { 0 } else { host.meter.quiet.saturating_add(1) };
        host.meter.look = Look::Never;
        self.look_sooner(id);
    }

    /// It was given something to do: whatever it did before, it may use much now.
    pub(super) fn look_soon(&mut self, id: HostId) {
        if let Some(host) = self.hosts.get_mut(id) {
            host.meter.quiet = 0;
        }
        self.look_sooner(id);
    }

    /// What is left has changed, or what it does: it is looked at in time.
    pub(super) fn look_sooner(&mut self, id: HostId) {
        let at = self.pause_before_look(id).map(|pause| self.now.boot + pause);
        let Some(host) = self.hosts.get_mut(id) else { return };
        host.meter.look = match (host.meter.look, at) {
            (Look::Asked, Some(_)) => Look::Asked,
            (Look::At(before), Some(at)) => Look::At(at.min(before)),
            (Look::Never, Some(at)) => Look::At(at),
            (_, None) => Look::Never,
        };
    }

    /// As long as it takes to use up what is left, with every processor of the machine.
    fn pause_before_look(&self, id: HostId) -> Option<Duration> {
        let host = self.hosts.get(id).filter(|host| host.frozen.is_none())?;
        let instances = self.tasks.on_host(id);
        let running = instances.iter().filter_map(|instance| {
            let (task, activation) = self.tasks.of_running(*instance)?;
            let runs = matches!(activation.state, ActivationState::Starting { .. } | ActivationState::Running { .. });
            runs.then_some(&task.registration)
        });
        let registration = running.into_iter().next()?;
        if let Some(command) = registration.entry.command() {
            let most = command.cpu?;
            return Some(self.pause(host, most.saturating_sub(host.meter.used.cpu), most));
        }
        if !matches!(host.kind, HostKind::Launched(_)) || !self.is_rationed(&host.app) {
            return None;
        }
        let memory = self.config.budgets.memory.map(|_| MEMORY);
        let budget = self.pause_of_budget(host).filter(|_| !self.is_guaranteed(id));
        [memory, budget, self.pause_of_energy(host)].into_iter().flatten().min()
    }

    fn pause_of_budget(&self, host: &Host) -> Option<Duration> {
        if self.throttled(&host.app).is_some() {
            return None;
        }
        let allowed = self.allowed(&host.app);
        let account = self.account(&host.app, self.now).unwrap_or_default();
        let left = if account.borrows(&allowed) { account.left(&allowed) } else { account.own_left(&allowed) };
        let (cpu, network) = left;
        let cpu = cpu.zip(allowed.cpu).map(|(left, own)| self.pause(host, left, own));
        // However many processors there are, the network is one.
        let in_time = |bytes: u64| Duration::from_secs_f64(bytes as f64 / FASTEST) * self.processors();
        let network = network.zip(allowed.network).filter(|_| host.meter.used.network.is_some());
        let network = network.map(|(left, own)| self.pause(host, in_time(left), in_time(own)));
        cpu.into_iter().chain(network).min()
    }

    /// Until the next level of energy, of which the app is told.
    fn pause_of_energy(&self, host: &Host) -> Option<Duration> {
        let usage = self.energy(&host.app, self.now);
        let next = EnergyLevel::ALL.iter().find(|level| level.number() > usage.percent)?;
        let normal = ENERGY_NORMAL * u64::from(self.budget_percent(&host.app)) / 100;
        let in_time = |percent: u32| Duration::from_millis(normal * u64::from(percent) / 100);
        Some(self.pause(host, in_time(next.number() - usage.percent), in_time(100)))
    }

    fn pause(&self, host: &Host, left: Duration, whole: Duration) -> Duration {
        let quiet = LEAST.saturating_mul(1 << host.meter.quiet.min(16));
        let least = quiet.min(whole / OVERRUN / self.processors()).max(LEAST);
        (left / self.processors()).max(least)
    }

    fn processors(&self) -> u32 {
        self.config.processors.max(1)
    }

    /// A command that has used its processor time is told to stop.
    pub(super) fn bound_processor_time(&mut self, host: HostId, usage: Usage) {
        for instance in self.tasks.on_host(host) {
            let Some((task, _)) = self.tasks.of_running(instance) else { continue };
            let Some(most) = task.registration.entry.command().and_then(|command| command.cpu) else { continue };
            if usage.cpu >= most {
                let (reason, grace) = (CancellationReason::ExecutionTimeExceeded, self.config.cancel_grace);
                self.tell_to_stop(instance, CancelNotice { reason, budget: most, used: usage.cpu, grace });
            }
        }
    }

    /// a host that has more memory than it may loses what runs in it, where the kernel did not keep it from that.
    pub(super) fn bound_memory(&mut self, id: HostId, usage: Usage) {
        let over = usage.memory_peak.zip(self.config.budgets.memory).is_some_and(|(peak, most)| peak > most);
        if over && self.is_bounded(id) {
            self.revoke(id);
        }
    }

    /// A host that is more processes than it may be loses what runs in it, at once: of what it is told most of it hears nothing,
    /// and in its grace it would only become more.
    pub(super) fn bound_processes(&mut self, id: HostId, usage: Usage) {
        let over = usage.processes.zip(self.config.budgets.processes).is_some_and(|(count, most)| count > most);
        if over && self.is_bounded(id) {
            self.revoke(id);
            if self.hosts.get(id).is_some_and(|host| host.state != HostState::Killing) {
                self.kill(id);
            }
        }
    }

    fn is_bounded(&self, id: HostId) -> bool {
        let launched = |host: &&Host| matches!(host.kind, HostKind::Launched(_));
        self.hosts.get(id).filter(launched).is_some_and(|host| !self.runs_command(host))
    }

    fn revoke(&mut self, id: HostId) {
        for instance in self.tasks.on_host(id) {
            self.cancel(instance, CancellationReason::ResourceRevocation);
        }
    }
}
