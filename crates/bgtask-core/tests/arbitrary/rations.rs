//! What is suspended and what was charged: what must be true of both after every input.

use std::collections::BTreeSet;
use std::time::Duration;

use bgtask_core::{ActivationState, Config, Core, HostId, HostState, Now, Output};

use crate::store::Store;

#[derive(Default)]
pub(crate) struct Rations {
    frozen: BTreeSet<HostId>,
}

impl Rations {
    pub(crate) fn obey(&mut self, order: &Output) {
        match order {
            Output::Freeze(host) => assert!(self.frozen.insert(*host), "{host:?} is suspended twice"),
            Output::Thaw(host) => assert!(self.frozen.remove(host), "{host:?} is not suspended"),
            Output::Run(host, _) | Output::Cancel(host, ..) | Output::Retire(host) | Output::Kill(host) => {
                assert!(!self.frozen.contains(host), "{host:?} is suspended, and is to hear of {order:?}");
            }
            _ => {}
        }
    }

    pub(crate) fn check(&mut self, core: &Core, config: &Config, now: Now, store: &Store) {
        // What is suspended ends with the broker, or is killed by somebody else.
        self.frozen.retain(|frozen| core.hosts().any(|host| host.id == *frozen));
        let frozen: BTreeSet<_> = core.hosts().filter(|host| host.frozen.is_some()).map(|host| host.id).collect();
        assert_eq!(frozen, self.frozen, "what is suspended, and what is to be");
        for host in core.hosts().filter(|host| host.frozen.is_some()) {
            let left = core.budget_left(&host.app, now);
            assert!(left.throttled.is_some() && matches!(host.state, HostState::Busy { .. }), "{host:?} with {left:?}");
            assert!(store.accounts.contains_key(&host.app), "{host:?} is suspended for what nobody will remember");
        }
        for (registration, activation) in core.activations() {
            let runs = matches!(activation.state, ActivationState::Starting { .. } | ActivationState::Running { .. });
            let suspended = activation.state.host().is_some_and(|host| frozen.contains(&host));
            assert!(runs || !suspended, "{} is told to stop and cannot", registration.name);
        }
        check_pool(core, config, now);
    }
}

/// Nobody borrows before its own is used up, and all together no more than there is.
fn check_pool(core: &Core, config: &Config, now: Now) {
    let mut borrowed = Duration::ZERO;
    for account in core.apps().filter_map(|app| core.account(&app.id, now)) {
        borrowed += account.borrowed_cpu;
        assert!(account.borrowed_cpu <= account.cpu && account.borrowed_network <= account.network, "{account:?}");
    }
    assert!(borrowed <= config.budgets.pool_cpu, "{borrowed:?} is borrowed");
}
