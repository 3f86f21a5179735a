//! Hosts as they are: what was really started, told, asked and killed, within the limits and within the budget.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use bgtask_core::{
    AppId, BootTime, CancellationReason, ClientId, Core, HostId, HostState, Input, InstanceId, Now, Output, RunOrder,
    Sharing,
};

use super::{Verdict, check};
use crate::apps;
use crate::hosts::{FakeHost, Hosts};

/// What a host asked what it has used answers within.
const SAMPLE_PATIENCE: Duration = Duration::from_secs(2);

#[derive(Debug)]
pub(super) struct Work {
    max_running: usize,
    max_warm_hosts: usize,
    cancel_grace: Duration,
    places: BTreeMap<HostId, (AppId, Sharing)>,
    killed: BTreeSet<HostId>,
    retired: BTreeSet<HostId>,
    given: BTreeSet<(HostId, InstanceId)>,
    cancelled: BTreeSet<(HostId, InstanceId)>,
    sampled: BTreeMap<HostId, BootTime>,
    clients: BTreeMap<ClientId, AppId>,
}

impl Work {
    pub(super) fn new(config: &bgtask_core::Config) -> Self {
        Self {
            max_running: config.max_running,
            max_warm_hosts: config.max_warm_hosts,
            cancel_grace: config.cancel_grace,
            places: BTreeMap::new(),
            killed: BTreeSet::new(),
            retired: BTreeSet::new(),
            given: BTreeSet::new(),
            cancelled: BTreeSet::new(),
            sampled: BTreeMap::new(),
            clients: BTreeMap::new(),
        }
    }

    pub(super) fn told(&mut self, input: &Input) {
        match input {
            Input::HostUsage { host, .. } => drop(self.sampled.remove(host)),
            Input::Attach { client, app, .. } => drop(self.clients.insert(*client, app.clone())),
            _ => {}
        }
    }

    pub(super) fn performs(&mut self, output: &Output, hosts: &Hosts, now: Now) -> Verdict {
        match output {
            Output::Launch { host, app, program, .. } => {
                let before = self.places.insert(*host, (app.clone(), apps::sharing(program)));
                check(before.is_none(), || format!("{host:?} was launched twice"))
            }
            Output::Adopt { host, client } => {
                let app = self.clients.get(client).ok_or_else(|| format!("{client:?} never attached"))?;
                let before = self.places.insert(*host, (app.clone(), Sharing::Together("".into())));
                check(before.is_none(), || format!("{host:?} is adopted and was a host before"))
            }
            Output::Cancel(host, instance, notice) => {
                let suspended = hosts.get(*host).is_some_and(|host| host.frozen.is_some());
                check(!suspended, || format!("{host:?} is told to stop and is suspended"))?;
                let key = (*host, *instance);
                check(self.given.contains(&key), || format!("{key:?} is told to stop before it is told to run"))?;
                check(self.cancelled.insert(key), || format!("{key:?} is told to stop twice"))?;
                let busy = hosts.get(*host).is_some_and(|host| host.is_working(*instance));
                check(!busy || notice.reason != CancellationReason::IdleTask, || {
                    format!("{key:?} works and is called idle")
                })
            }
            Output::Sample(host) => {
                self.sampled.insert(*host, now.boot);
                Ok(())
            }
            Output::Retire(host) => {
                self.retired.insert(*host);
                let idle = hosts.get(*host).is_none_or(|host| host.doing.is_empty() && host.client.is_none());
                check(idle, || format!("{host:?} is asked to leave while it works or runs by itself"))
            }
            Output::Kill(host) => {
                check(self.killed.insert(*host), || format!("{host:?} is killed twice"))?;
                let idle = hosts.get(*host).is_some_and(|host| host.doing.is_empty());
                // Without any grace the kill follows at once, and need not wait for the commit as asking has to.
                let asked = self.retired.contains(host) || self.cancelled.iter().any(|(its, _)| its == host);
                let asked = asked || self.cancel_grace.is_zero();
                check(!idle || asked, || format!("{host:?} is killed and was not asked to leave before"))
            }
            _ => Ok(()),
        }
    }

    pub(super) fn turn_is_over(&self, core: &Core, hosts: &Hosts) -> Verdict {
        let running = core.activations().filter(|(_, activation)| activation.state.host().is_some()).count();
        check(running <= self.max_running, || format!("{running} run, {} may", self.max_running))?;
        let warm = core.hosts().filter(|host| matches!(host.state, HostState::Idle { until: Some(_) })).count();
        check(warm <= self.max_warm_hosts, || format!("{warm} linger, {} may", self.max_warm_hosts))?;
        let busy: usize = hosts.iter().map(|(_, host)| host.doing.len()).sum();
        check(busy <= self.max_running, || format!("{busy} instances run, {} may", self.max_running))
    }

    pub(super) fn nothing_is_late(&self, hosts: &Hosts, now: Now) -> Verdict {
        hosts.iter().try_for_each(|(id, host)| self.in_time(id, host, now))
    }

    pub(super) fn broker_died(&mut self) {
        self.places.clear();
        self.killed.clear();
        self.retired.clear();
        self.given.clear();
        self.cancelled.clear();
        self.sampled.clear();
    }

    pub(super) fn runs(&mut self, id: HostId, order: &RunOrder, owner: Option<&AppId>, hosts: &Hosts) -> Verdict {
        if order.entry.command().is_some() {
            let before = self.places.insert(id, (apps::commands(), Sharing::InTurn));
            check(before.is_none(), || format!("{id:?} is to run a command and was a host before"))?;
        }
        let place = self.places.get(&id).ok_or_else(|| format!("{id:?} is to run {} and is no host", order.name))?;
        let (of, sharing) = place;
        check(Some(of) == owner, || format!("{id:?} of {of} is to run {} of {owner:?}", order.name))?;
        check(self.given.insert((id, order.instance)), || format!("{id:?} is told to run {} twice", order.instance))?;
        let twin = hosts
            .iter()
            .find(|(_, other)| other.doing.values().any(|doing| doing.order.task == order.task) && !other.killed);
        check(twin.is_none() || *sharing == Sharing::Apart, || {
            format!("{} runs twice: on {id:?} and on {:?}", order.name, twin.map(|it| it.0))
        })?;
        let Some(host) = hosts.get(id) else {
            return Ok(());
        };
        let alone = host.doing.is_empty() || matches!(sharing, Sharing::Together(_));
        check(alone, || format!("{id:?} is told to run {} while it works", order.instance))?;
        let fresh = *sharing != Sharing::Apart || self.given.iter().filter(|(its, _)| *its == id).count() == 1;
        check(fresh, || format!("{id:?} is for one instance only and is told to run {}", order.instance))
    }

    fn in_time(&self, id: HostId, host: &FakeHost, now: Now) -> Verdict {
        let late = self.sampled.get(&id).is_some_and(|at| *at + SAMPLE_PATIENCE <= now.boot);
        check(!late || host.killed, || format!("{id:?} was asked what it has used, and nobody answered"))?;
        for doing in host.doing.values() {
            let name = &doing.order.name;
            let over = doing.since + doing.order.budget <= now.boot && host.frozen.is_none();
            let told = doing.cancelled.is_some() || host.killed;
            check(!over || told, || format!("{name} on {id:?} ran past its budget"))?;
            let late = doing.cancelled.is_some_and(|at| at + self.cancel_grace <= now.boot);
            check(!late || host.killed, || format!("{name} on {id:?} was told to stop and outlived its grace"))?;
        }
        Ok(())
    }
}
