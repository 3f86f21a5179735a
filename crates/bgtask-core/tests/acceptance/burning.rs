//! Hosts that use the processors, and tell what they have used as the broker asks.

use std::time::Duration;

use bgtask_core::{BootTime, HostId, Input, Output, Usage};

use crate::harness::{Broker, Run};

/// A host that uses so many percent of a processor while it is not suspended.
pub(crate) struct Burning {
    pub(crate) host: HostId,
    pub(crate) percent: u32,
    pub(crate) used: Usage,
    pub(crate) frozen: bool,
    counted: BootTime,
}

impl Burning {
    pub(crate) fn new(broker: &Broker, run: &Run, percent: u32) -> Self {
        let used = Usage { network: Some(0), ..Usage::default() };
        Self { host: run.host, percent, used, frozen: false, counted: broker.now.boot }
    }

    fn count(&mut self, now: BootTime) {
        if !self.frozen {
            self.used.cpu += now.since(self.counted) * self.percent / 100;
        }
        self.counted = now;
    }

    pub(crate) fn told(&self) -> Input {
        Input::HostUsage { host: self.host, usage: self.used }
    }
}

/// Lets time pass while hosts burn; answers what else was ordered meanwhile, in order.
pub(crate) fn burn(broker: &mut Broker, time: Duration, hosts: &mut [Burning]) -> Vec<Output> {
    let end = broker.now + time;
    let mut ordered = obey(broker, hosts);
    for looks in 0.. {
        assert!(looks < 10_000, "the broker asks again and again");
        let wake = broker.next_wake().map(|(after, _)| broker.now + after).filter(|at| at.boot <= end.boot);
        broker.now = wake.unwrap_or(end);
        if wake.is_none() {
            break;
        }
        broker.tell(Input::Tick);
        ordered.extend(obey(broker, hosts));
    }
    hosts.iter_mut().for_each(|host| host.count(end.boot));
    ordered
}

fn obey(broker: &mut Broker, hosts: &mut [Burning]) -> Vec<Output> {
    let mut ordered = Vec::new();
    hosts.iter_mut().for_each(|host| host.count(broker.now.boot));
    loop {
        let orders = broker.orders();
        if orders.is_empty() {
            return ordered;
        }
        for order in orders {
            let (Output::Sample(id) | Output::Freeze(id) | Output::Thaw(id)) = &order else {
                ordered.push(order);
                continue;
            };
            let host = hosts.iter_mut().find(|host| host.host == *id).expect("it burns");
            match order {
                Output::Sample(_) => broker.tell(host.told()),
                Output::Freeze(_) => assert!(!std::mem::replace(&mut host.frozen, true), "it is suspended twice"),
                _ => assert!(std::mem::take(&mut host.frozen), "it was not suspended"),
            }
            if !matches!(order, Output::Sample(_)) {
                ordered.push(order);
            }
        }
    }
}
