//! The ends of connections to app services that the driver holds, and the callers it looks for, after every input.

use std::collections::BTreeSet;

use bgtask_core::limits::MAX_APP_SERVICE_CONNECTIONS;
use bgtask_core::{Activation, Core, InstanceId, Output, Registration, Reply, SocketKey};

#[derive(Default)]
pub(crate) struct Callers {
    last: u64,
    held: BTreeSet<SocketKey>,
    looked_for: BTreeSet<InstanceId>,
    /// All there ever were: some are told to be gone that have been served.
    pub(crate) instances: Vec<InstanceId>,
}

impl Callers {
    /// The task's end of a new connection.
    pub(crate) fn keep(&mut self) -> SocketKey {
        self.last += 1;
        let key = SocketKey(1_000_000 + self.last);
        self.held.insert(key);
        key
    }

    /// The broker died: its descriptors are closed.
    pub(crate) fn die(&mut self) {
        self.held.clear();
        self.looked_for.clear();
    }

    pub(crate) fn obey(&mut self, order: &Output) {
        match order {
            Output::Reply(_, Ok(Reply::AppService { instance: Some(instance), .. })) => {
                assert!(self.looked_for.insert(*instance), "{instance} has a caller already");
                self.instances.push(*instance);
            }
            Output::ForgetCaller(instance) => {
                // It may have begun and ended before its caller was answered.
                self.looked_for.remove(instance);
            }
            Output::DropSocket(key) => drop(self.held.remove(key)),
            _ => {}
        }
    }

    pub(crate) fn check(&self, core: &Core) {
        let serving = || core.activations().filter(|(registration, _)| registration.trigger.is_of_manifest());
        let instances: BTreeSet<_> = serving().map(|(_, activation)| activation.instance).collect();
        assert_eq!(instances, self.looked_for, "a caller is looked for while it is served, or waits for it");
        let held: BTreeSet<_> = serving().filter_map(|(_, activation)| activation.firing.socket).collect();
        assert_eq!(held, self.held, "an end is held until it is taken, or nobody will take it");
        for app in core.apps() {
            let its = |(registration, _): &(&Registration, &Activation)| registration.app == app.id;
            assert!(serving().filter(its).count() <= MAX_APP_SERVICE_CONNECTIONS);
        }
    }
}
