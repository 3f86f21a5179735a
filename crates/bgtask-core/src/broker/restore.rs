//! The first moments of a broker: what the store held becomes live again through the same transitions (D7).

use super::Core;
use crate::activation::{Activation, ActivationEvent, ActivationState};
use crate::event::EventKind;
use crate::ids::TaskId;
use crate::input::Snapshot;
use crate::model::fact::Fact;
use crate::model::outcome::Outcome;
use crate::output::Change;

impl Core {
    pub(super) fn restore(&mut self, snapshot: Snapshot) {
        for (app, access) in snapshot.access {
            self.apps.restore_access(app, access);
        }
        self.apps.switched_off = snapshot.switched_off;
        self.apps.versions.extend(snapshot.versions);
        self.session = snapshot.session;
        self.facts.zone = snapshot.zone;
        self.facts.states = snapshot.states.into_iter().collect();
        self.restore_accounts(snapshot.accounts);
        self.tasks.expect(&snapshot.registrations);
        for registration in snapshot.registrations {
            let id = registration.id;
            self.tasks.insert(registration, &mut self.facts);
            self.arm(id);
            self.listen(id);
        }
        self.mailboxes.continue_after(snapshot.last_sequence);
        for completion in snapshot.completions {
            self.mailboxes.keep(completion);
        }
        self.edges = snapshot.edges.into_iter().map(|edge| (edge.number, edge)).collect();
        self.restore_channels(snapshot.channels);
        self.restore_orders(snapshot.orders);
        self.restore_sockets(snapshot.sockets);
        let mut activations = snapshot.activations;
        // What had been given to a host goes first: it fired first, whatever the clock said then.
        let waited = |it: &Activation| matches!(it.state, ActivationState::Waiting { .. }) && it.attempt == 1;
        activations.sort_by_key(|(id, it)| (waited(it), it.firing.at, *id, it.instance));
        for (id, activation) in activations {
            self.resume(id, activation);
        }
        self.settle_sockets();
        self.settle_orders();
        let tasks: Vec<_> = self.tasks.iter().map(|task| task.registration.id).collect();
        tasks.into_iter().for_each(|id| self.tidy(id));
        self.settle_sources();
        // What the last who cared has taken along before anything was watched.
        let unneeded = Fact::ALL.iter().copied().filter(|fact| !self.facts.is_watched(*fact));
        unneeded.collect::<Vec<_>>().into_iter().for_each(|fact| self.forget_fact(fact));
        self.begin();
        self.begin_anew();
        self.begin_session();
        // What was to be planned when the broker died, and what the clock or the zone has changed since.
        self.plan_again(false);
    }

    fn resume(&mut self, id: TaskId, mut activation: Activation) {
        let instance = activation.instance;
        let attempt = activation.attempt;
        if self.tasks.get(id).is_none() {
            return self.persist(Change::DeleteActivation(instance));
        }
        match activation.state {
            // Both belong to a connection that ended with the broker.
            _ if self.tasks.get(id).is_some_and(|task| {
                let trigger = &task.registration.trigger;
                trigger.is_of_manifest() || trigger.control_channel().is_some()
            }) =>
            {
                self.abandon_connection(id, activation);
            }
            ActivationState::Waiting { .. } => {
                self.tasks.wait(id, activation);
                self.arm(id);
                self.fresh_gate(id);
            }
            ActivationState::Cancelling { reason, .. } | ActivationState::Killing { reason, .. } => {
                let output_tail = String::new();
                self.finish(id, activation, Outcome::Killed { reason, output_tail }, None);
            }
            ActivationState::Starting { .. } | ActivationState::Running { .. }
                if attempt.saturating_sub(activation.failures) >= self.config.max_attempts =>
            {
                // Tries that failed by themselves do not count.
                let attempts = attempt.saturating_sub(activation.failures);
                self.finish(id, activation, Outcome::Abandoned { attempts }, None);
            }
            ActivationState::Starting { .. } | ActivationState::Running { .. } => {
                activation.apply(ActivationEvent::BrokerDied { since: self.now.wall });
                activation.attempt += 1;
                activation.started = None;
                self.tasks.wait(id, activation);
                self.record(id, Some(instance), EventKind::Interrupted { attempt: attempt + 1 });
                self.fresh_gate(id);
            }
            ActivationState::Ended => self.persist(Change::DeleteActivation(instance)),
        }
    }
}
