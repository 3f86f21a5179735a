//! States: what is more than yes or no. Each change of one is an edge.

use std::sync::Arc;

use super::Core;
use crate::model::fact::Fact;
use crate::model::trigger::SystemTriggerType;
use crate::output::Change;

impl Core {
    /// The first report of a source says nothing about before; where the state of the broker's last life is kept, that decides.
    pub(super) fn state_read(&mut self, fact: Fact, state: &Arc<str>) {
        let before = self.facts.states.insert(fact, Arc::clone(state));
        if before.as_ref() == Some(state) {
            return;
        }
        if fact.is_kept() {
            self.persist(Change::PutState(fact, Arc::clone(state)));
        }
        if let Some(kind) = edge(fact).filter(|_| before.is_some()) {
            self.fire(kind, None);
        }
    }

    pub(super) fn forget_state(&mut self, fact: Fact) {
        if self.facts.states.remove(&fact).is_some() && fact.is_kept() {
            self.persist(Change::DeleteState(fact));
        }
    }

    /// The last known state of a fact that is one, while somebody cares.
    pub fn state_of(&self, fact: Fact) -> Option<&str> {
        self.facts.states.get(&fact).map(|state| &**state)
    }
}

/// The system trigger that every change of a state fires.
const fn edge(fact: Fact) -> Option<SystemTriggerType> {
    match fact {
        Fact::NetworkState => Some(SystemTriggerType::NetworkStateChange),
        Fact::PowerState => Some(SystemTriggerType::PowerStateChange),
        Fact::OnlineAccounts => Some(SystemTriggerType::OnlineIdConnectedStateChange),
        Fact::DefaultAccount => Some(SystemTriggerType::DefaultSignInAccountChange),
        _ => None,
    }
}
