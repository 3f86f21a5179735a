//! Hosts: one instance at a time, of one app, within the limits and within the budget.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use bgtask_core::{AppId, Core, HostId, HostState, InstanceId, Now, Output, RunOrder};

use super::{Verdict, check};
use crate::hosts::Hosts;

#[derive(Debug)]
pub(super) struct Work {
    max_running: usize,
    max_warm_hosts: usize,
    wall_budget: Duration,
    cancel_grace: Duration,
    launched: BTreeMap<HostId, AppId>,
    killed: BTreeSet<HostId>,
    given: BTreeSet<(HostId, InstanceId)>,
    cancelled: BTreeSet<(HostId, InstanceId)>,
}

impl Work {
    pub(super) fn new(config: &bgtask_core::Config) -> Self {
        Self {
            max_running: config.max_running,
            max_warm_hosts: config.max_warm_hosts,
            wall_budget: config.wall_budget,
            cancel_grace: config.cancel_grace,
            launched: BTreeMap::new(),
            killed: BTreeSet::new(),
            given: BTreeSet::new(),
            cancelled: BTreeSet::new(),
        }
    }

    pub(super) fn performs(&mut self, output: &Output, hosts: &Hosts) -> Verdict {
        match output {
            Output::Launch { host, app, .. } => {
                let before = self.launched.insert(*host, app.clone());
                check(before.is_none(), || format!("{host:?} was launched twice"))
            }
            Output::Cancel(host, instance, _) => {
                let key = (*host, *instance);
                check(self.given.contains(&key), || format!("{key:?} is told to stop before it is told to run"))?;
                check(self.cancelled.insert(key), || format!("{key:?} is told to stop twice"))
            }
            Output::Retire(host) => {
                let idle = hosts.get(*host).is_none_or(|host| host.doing.is_none());
                check(idle, || format!("{host:?} is asked to leave while it works"))
            }
            Output::Kill(host) => check(self.killed.insert(*host), || format!("{host:?} is killed twice")),
            _ => Ok(()),
        }
    }

    pub(super) fn turn_is_over(&self, core: &Core, hosts: &Hosts) -> Verdict {
        let running = core.activations().filter(|(_, activation)| activation.state.host().is_some()).count();
        check(running <= self.max_running, || format!("{running} run, {} may", self.max_running))?;
        let warm = core.hosts().filter(|host| matches!(host.state, HostState::Idle { .. })).count();
        check(warm <= self.max_warm_hosts, || format!("{warm} linger, {} may", self.max_warm_hosts))?;
        let busy = hosts.iter().filter(|(_, host)| host.doing.is_some()).count();
        check(busy <= self.max_running, || format!("{busy} hosts work, {} may", self.max_running))
    }

    pub(super) fn nothing_is_late(&self, hosts: &Hosts, now: Now) -> Verdict {
        hosts.iter().try_for_each(|(id, host)| self.in_time(id, host, now))
    }

    pub(super) fn broker_died(&mut self) {
        self.launched.clear();
        self.killed.clear();
        self.given.clear();
        self.cancelled.clear();
    }

    pub(super) fn runs(&mut self, id: HostId, order: &RunOrder, owner: Option<&AppId>, hosts: &Hosts) -> Verdict {
        let of = self.launched.get(&id);
        check(of == owner, || format!("{id:?} of {of:?} is to run {} of {owner:?}", order.name))?;
        check(self.given.insert((id, order.instance)), || format!("{id:?} is told to run {} twice", order.instance))?;
        let Some(host) = hosts.get(id) else {
            return Ok(());
        };
        check(host.doing.is_none(), || format!("{id:?} is told to run {} while it works", order.instance))?;
        let twin = hosts.iter().find(|(_, other)| {
            other.doing.as_ref().is_some_and(|doing| doing.order.task == order.task && !other.killed)
        });
        check(twin.is_none(), || format!("{} runs twice: on {id:?} and on {:?}", order.name, twin.map(|it| it.0)))
    }

    fn in_time(&self, id: HostId, host: &crate::hosts::FakeHost, now: Now) -> Verdict {
        let Some(doing) = &host.doing else {
            return Ok(());
        };
        let name = &doing.order.name;
        let over = doing.since + self.wall_budget <= now.boot;
        check(!over || doing.cancelled.is_some() || host.killed, || format!("{name} on {id:?} ran past its budget"))?;
        let late = doing.cancelled.is_some_and(|at| at + self.cancel_grace <= now.boot);
        check(!late || host.killed, || format!("{name} on {id:?} was told to stop and outlived its grace"))
    }
}
