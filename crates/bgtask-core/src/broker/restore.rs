//! The first moments of a broker: what the store held becomes live again through the same transitions (D7).

use super::Core;
use crate::activation::{Activation, ActivationEvent, ActivationState};
use crate::ids::TaskId;
use crate::input::Snapshot;
use crate::model::outcome::Outcome;
use crate::model::registration::Standing;
use crate::output::{Change, EventKind};

impl Core {
    pub(super) fn restore(&mut self, snapshot: Snapshot) {
        for (app, access) in snapshot.access {
            self.apps.set_access(&app, access);
        }
        self.facts.zone = snapshot.zone;
        for registration in snapshot.registrations {
            self.tasks.insert(registration, &mut self.facts);
        }
        self.mailboxes.continue_after(snapshot.last_sequence);
        for completion in snapshot.completions {
            self.mailboxes.keep(completion);
        }
        let mut activations = snapshot.activations;
        activations.sort_by_key(|(id, activation)| (activation.firing.at, *id));
        for (id, activation) in activations {
            self.resume(id, activation);
        }
        self.settle_sources();
    }

    fn resume(&mut self, id: TaskId, mut activation: Activation) {
        let Some(task) = self.tasks.get_mut(id) else {
            return self.persist(Change::DeleteActivation(id));
        };
        let before = activation.state;
        let attempt = activation.attempt;
        activation.next = activation.next.filter(|_| task.registration.standing == Standing::Active);
        match before {
            ActivationState::Waiting { .. } => {
                task.activation = Some(activation);
                self.tasks.touch(id);
                self.fresh_gate(id);
            }
            ActivationState::Cancelling { reason, .. } | ActivationState::Killing { reason, .. } => {
                task.activation = Some(activation);
                let output_tail = String::new();
                self.end(id, Outcome::Killed { reason, output_tail });
            }
            ActivationState::Starting { .. } | ActivationState::Running { .. }
                if attempt >= self.config.max_attempts =>
            {
                task.activation = Some(activation);
                self.end(id, Outcome::Abandoned { attempts: attempt });
            }
            ActivationState::Starting { .. } | ActivationState::Running { .. } => {
                activation.apply(ActivationEvent::BrokerDied { since: self.now.wall });
                activation.attempt += 1;
                task.activation = Some(activation);
                self.tasks.touch(id);
                self.record(id, EventKind::Interrupted { attempt: attempt + 1 });
                self.fresh_gate(id);
            }
            ActivationState::Ended => self.persist(Change::DeleteActivation(id)),
        }
    }
}
