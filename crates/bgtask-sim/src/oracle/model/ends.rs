//! What makes running instances stop, and how they end.

use std::sync::Arc;
use std::time::Duration;

use bgtask_core::{CancellationReason, ClientId, HostExit, HostId, InstanceId, Outcome, Usage};

use super::super::{Verdict, check};
use super::held::Held;
use super::{Model, Owed, Place, Run};

/// Less processor time than this is none.
const NOTHING: Duration = Duration::from_millis(2);

impl Model {
    /// Told to stop is whoever was not told before; the first reason stands.
    pub(super) fn cancel_where(
        &mut self,
        owed: &mut Owed,
        reason: CancellationReason,
        chosen: impl Fn(&Self, &Run) -> bool,
    ) {
        let told = |(_, run): &(&InstanceId, &Run)| run.cancelled.is_none() && chosen(self, run);
        let instances: Vec<_> = self.running.iter().filter(told).map(|(instance, _)| *instance).collect();
        instances.into_iter().for_each(|instance| self.cancel_one(instance, reason, owed));
    }

    fn cancel_one(&mut self, instance: InstanceId, reason: CancellationReason, owed: &mut Owed) {
        let run = self.running.get_mut(&instance).expect("it runs");
        run.cancelled = Some(reason);
        run.ends = self.now.boot + self.config.cancel_grace;
        owed.cancels.insert(instance, reason);
    }

    pub(super) fn time_passed(&mut self, owed: &mut Owed) {
        self.next_are_reached(owed);
        let now = self.now.boot;
        let over = |run: &Run| run.ends <= now && !run.killing && !self.is_frozen(run.host);
        let over: Vec<_> = self.running.iter().filter(|(_, run)| over(run)).collect();
        let over: Vec<_> = over.into_iter().map(|(instance, run)| (*instance, run.cancelled.is_some())).collect();
        for (instance, told) in over {
            if told {
                self.grace_over(instance, owed);
            } else {
                self.cancel_one(instance, CancellationReason::ExecutionTimeExceeded, owed);
            }
        }
        self.refills(owed);
        self.keep_alives_end(owed);
        self.channels_expire(owed);
        self.orders_begin(owed);
        self.look_at_silent_hosts(owed);
        self.expire_timers(owed);
    }

    /// CA-4: its whole host goes.
    fn grace_over(&mut self, instance: InstanceId, owed: &mut Owed) {
        let run = self.running.get_mut(&instance).expect("its time is over");
        run.killing = true;
        let (host, name) = (run.host, Arc::clone(&self.registrations[&run.task].name));
        let place = self.hosts.get_mut(&host).expect("it runs there");
        place.condemned_by.get_or_insert(name);
        if !place.killed {
            owed.kills.insert(host);
            place.killed = true;
        }
    }

    /// What is suspended is not silent; what goes on now was silent for as long as before.
    fn look_at_silent_hosts(&mut self, owed: &mut Owed) {
        let Some(after) = self.config.idle_after else { return };
        let silent = |host: &HostId, place: &Place| {
            let busy = self.running.values().any(|run| run.host == *host);
            let can_speak = !place.is_command && !place.killed && self.is_to_be_suspended(*host).is_none();
            busy && can_speak && !place.asked && place.active + self.time_frozen(*host) + after <= self.now.boot
        };
        let silent: Vec<_> = self.hosts.iter().filter(|(host, place)| silent(host, place)).map(|it| *it.0).collect();
        for host in silent {
            self.hosts.get_mut(&host).expect("just seen").asked = true;
            owed.samples.insert(host);
        }
    }

    /// What went out late has its whole time from now.
    pub(super) fn caught_up(&mut self) {
        self.frozen_time_is_counted();
        let now = self.now.boot;
        let budgets: Vec<_> = self.running.values().map(|run| self.budget(&self.registrations[&run.task])).collect();
        for (run, budget) in self.running.values_mut().zip(budgets) {
            match run.cancelled {
                Some(_) if !run.killing => run.ends = now + self.config.cancel_grace,
                None if !run.started => run.ends = now + budget,
                _ => {}
            }
        }
        self.hosts.values_mut().for_each(|place| place.seen = now);
    }

    pub(super) fn started(&mut self, host: HostId, instance: InstanceId) {
        let Some(run) = self.running.get_mut(&instance).filter(|run| run.host == host) else { return };
        if run.cancelled.is_none() && !run.started {
            run.started = true;
            self.heard_of(host);
        }
    }

    /// Whoever looks on hears of it, of what has begun and is not being killed.
    pub(super) fn progressed(&mut self, host: HostId, instance: InstanceId, value: u32, owed: &mut Owed) {
        let known = self.running.get(&instance).filter(|run| run.host == host);
        if let Some(run) = known.filter(|run| !run.killing && (run.started || run.cancelled.is_some())) {
            owed.progress = Some((run.task, instance, value, run.message.clone()));
            self.heard_of(host);
        }
    }

    pub(super) fn heard_of(&mut self, host: HostId) {
        if let Some(place) = self.hosts.get_mut(&host) {
            place.active = self.now.boot;
        }
    }

    pub(super) fn finished(
        &mut self,
        host: HostId,
        instance: InstanceId,
        result: &Result<(), String>,
        usage: Option<Usage>,
        owed: &mut Owed,
    ) {
        let known = self.running.get(&instance).filter(|run| run.host == host && !run.killing);
        let Some(run) = known.cloned() else { return };
        let message = result.as_ref().err().cloned();
        let outcome = match (run.cancelled, message) {
            (Some(reason), message) => Outcome::Cancelled { reason, message },
            (None, None) => Outcome::Succeeded,
            (None, Some(message)) => Outcome::TaskFailed { message },
        };
        self.bill(host, usage, &[instance], owed);
        let spent = usage.and_then(|usage| self.metered(host, usage));
        self.heard_of(host);
        self.running.remove(&instance);
        self.ends(instance, run.held, outcome, owed);
        spent.iter().for_each(|spent| self.pays(spent, owed));
        owed.keeps.insert(run.app.clone());
        let free = !self.running.values().any(|run| run.host == host);
        if self.stopping && free {
            self.hosts.retain(|id, place| *id != host || place.client.is_none() || place.killed);
        }
        self.finish_servicing(&run.app, owed);
    }

    pub(super) fn client_gone(&mut self, client: ClientId, owed: &mut Owed) {
        let host = self.hosts.iter().find(|(_, place)| place.client == Some(client)).map(|(host, _)| *host);
        if let Some(host) = host {
            self.exited(host, &HostExit::Disconnected, "", None, owed);
        }
    }

    /// D8: all that ran in it ends with it; what a warm host had not heard of goes to another.
    pub(super) fn exited(
        &mut self,
        host: HostId,
        exit: &HostExit,
        output_tail: &str,
        usage: Option<Usage>,
        owed: &mut Owed,
    ) {
        if !self.hosts.contains_key(&host) {
            return;
        }
        let on_it: Vec<_> = self.running.iter().filter(|(_, run)| run.host == host).map(|(id, _)| *id).collect();
        let vanishes = |run: &Run| run.cancelled.is_none() && run.warm && !run.started;
        let ended: Vec<_> = on_it.iter().copied().filter(|it| !vanishes(&self.running[it])).collect();
        self.bill(host, usage, &ended, owed);
        let spent = usage.and_then(|usage| self.metered(host, usage));
        let place = self.hosts.remove(&host).expect("just seen");
        let exit = place.condemned_by.map_or(exit.clone(), |by| HostExit::Condemned { by });
        for instance in on_it {
            let run = self.running.remove(&instance).expect("just seen");
            if vanishes(&run) {
                self.waiting.insert(instance, Held { given: true, ..run.held });
                continue;
            }
            let output_tail = output_tail.to_owned();
            let outcome = match run.cancelled {
                _ if place.is_command => self.outcome_of(&run, &exit, &output_tail),
                Some(reason) => Outcome::Killed { reason, output_tail },
                None => Outcome::HostFailed { exit: exit.clone(), output_tail },
            };
            self.ends(instance, run.held, outcome, owed);
        }
        spent.iter().for_each(|spent| self.pays(spent, owed));
        owed.keeps.insert(place.app.clone());
        self.finish_servicing(&place.app, owed);
    }

    /// CA-9: a host that said nothing and used nothing for so long is idle, and every task in it.
    pub(super) fn used(&mut self, host: HostId, usage: Usage, owed: &mut Owed) {
        self.bound_processor_time(host, usage.cpu, owed);
        self.bound_size(host, &usage, owed);
        let spent = self.metered(host, usage);
        spent.iter().for_each(|spent| self.pays(spent, owed));
        let suspended = self.is_to_be_suspended(host).is_some();
        let (cpu, io) = (usage.cpu, usage.io);
        let (Some(place), Some(after)) = (self.hosts.get_mut(&host), self.config.idle_after) else { return };
        if !std::mem::take(&mut place.asked) || suspended {
            return;
        }
        let worked = cpu > place.cpu + NOTHING || io != place.io;
        let spoke = place.active + after > self.now.boot;
        (place.cpu, place.io) = (cpu, io);
        if worked || !spoke {
            place.active = self.now.boot;
        }
        if !worked && !spoke {
            self.cancel_where(owed, CancellationReason::IdleTask, |_, run| run.host == host);
        }
    }

    /// what the broker started for an app is told to stop when it is too large, and ended when it is too many.
    fn bound_size(&mut self, host: HostId, usage: &Usage, owed: &mut Owed) {
        let Some(place) = self.hosts.get(&host).filter(|place| place.program.is_some() && !place.is_command) else {
            return;
        };
        let (budgets, killed) = (&self.config.budgets, place.killed);
        let too_many = usage.processes.zip(budgets.processes).is_some_and(|(is, most)| is > most);
        let too_large = usage.memory_peak.zip(budgets.memory).is_some_and(|(is, most)| is > most);
        if too_many || too_large {
            self.cancel_where(owed, CancellationReason::ResourceRevocation, |_, run| run.host == host);
        }
        if too_many && !killed {
            owed.kills.insert(host);
            self.hosts.get_mut(&host).expect("just seen").killed = true;
        }
    }

    pub(super) fn leaves(&mut self, host: HostId, kill: bool, owed: &mut Owed) -> Verdict {
        let busy = self.running.values().any(|run| run.host == host);
        let place = self.hosts.get_mut(&host).ok_or_else(|| format!("{host:?} is no host and is to leave"))?;
        if kill {
            let late = place.retired.is_some_and(|until| until <= self.now.boot) && !place.killed;
            place.killed = true;
            return check(owed.kills.remove(&host) || late, || format!("{host:?} is killed without a reason"));
        }
        check(!busy && place.retired.is_none() && !place.killed && place.client.is_none(), || {
            format!("{host:?} is asked to leave: {place:?}")
        })?;
        place.retired = Some(self.now.boot + self.config.cancel_grace);
        Ok(())
    }
}
