//! Which waiting activation runs next, and what each of the others waits for.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use super::Core;
use super::tables::Task;
use crate::activation::{Activation, ActivationEvent};
use crate::host::HostEvent;
use crate::ids::TaskId;
use crate::model::access::BackgroundAccessStatus;
use crate::model::condition::SystemConditionType;
use crate::output::{EventKind, Output, RunOrder};

/// What a waiting activation waits for: the first closed gate in this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Gate {
    /// The app's manifest is not installed (any more).
    NotInstalled,
    /// The installed manifest no longer declares the entry point (LC-11).
    EntryPointGone,
    /// The app may not run in the background (D13).
    Access(BackgroundAccessStatus),
    /// A condition does not hold: the activation is *latched* (CO-2).
    Condition(SystemConditionType),
    /// As many activations run as may (D2).
    Slot,
}

impl fmt::Display for Gate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotInstalled => f.write_str("the app's manifest is not installed"),
            Self::EntryPointGone => f.write_str("the app's manifest no longer declares the entry point"),
            Self::Access(BackgroundAccessStatus::Unspecified) => {
                f.write_str("the app has not asked for background access (BackgroundExecutionManager::request_access)")
            }
            Self::Access(status) => write!(f, "background access of the app is {status}"),
            Self::Condition(condition) => write!(f, "{condition} does not hold"),
            Self::Slot => f.write_str("as many tasks run as may at the same time"),
        }
    }
}

impl Core {
    /// Runs waiting activations while there are free slots: the app that occupies least first, then the oldest firing.
    pub(super) fn schedule(&mut self) {
        if !std::mem::take(&mut self.unsettled) || self.stopping {
            return;
        }
        let mut occupancy = self.tasks.occupancy();
        let mut running: usize = occupancy.values().sum();
        while running < self.config.max_running {
            let candidates = self.tasks.waiting().filter_map(|(app, queue)| {
                let (place, id) = queue.into_iter().find(|(_, id)| self.gate(*id).is_none())?;
                Some((occupancy.get(app).copied().unwrap_or(0), place, id))
            });
            let Some((_, _, id)) = candidates.min() else {
                break;
            };
            *occupancy.entry(self.tasks.get(id).expect("it waits").registration.app.clone()).or_default() += 1;
            running += 1;
            self.launch(id);
        }
        let ready = self.tasks.take_ready();
        if running >= self.config.max_running {
            self.note_full(ready);
        }
    }

    /// The first closed gate of a waiting activation, leaving out the slot.
    pub(super) fn gate(&self, id: TaskId) -> Option<Gate> {
        self.gate_of(self.tasks.get(id)?)
    }

    fn gate_of(&self, task: &Task) -> Option<Gate> {
        let registration = &task.registration;
        let Some(app) = self.apps.get(&registration.app) else {
            return Some(Gate::NotInstalled);
        };
        if app.entry_point(&registration.entry_point).is_none() {
            return Some(Gate::EntryPointGone);
        }
        let access = self.apps.access(&registration.app);
        if !access.allows() {
            return Some(Gate::Access(access));
        }
        self.facts.missing(&registration.conditions).first().copied().map(Gate::Condition)
    }

    /// Tells the history when what a waiting activation waits for has changed.
    pub(super) fn refresh_gates(&mut self) {
        let waiting: Vec<_> = self.tasks.waiting().flat_map(|(_, queue)| queue.map(|(_, id)| id)).collect();
        for id in waiting {
            self.fresh_gate(id);
        }
    }

    pub(super) fn fresh_gate(&mut self, id: TaskId) {
        self.unsettled = true;
        let gate = self.gate(id);
        let Some(task) = self.tasks.get_mut(id) else {
            return;
        };
        let waits = task.activation.as_ref().is_some_and(Activation::is_waiting);
        let waits_for_slot = gate.is_none() && task.gate == Some(Gate::Slot);
        if !waits || waits_for_slot {
            return;
        }
        if gate.is_none() {
            self.tasks.mark_ready(id);
        }
        let Some(task) = self.tasks.get_mut(id) else {
            return;
        };
        if std::mem::replace(&mut task.gate, gate) == gate {
            return;
        }
        let missing = self.facts.missing(&self.tasks.get(id).expect("just seen").registration.conditions);
        match gate {
            None => {}
            Some(Gate::Condition(_)) => self.record(id, EventKind::Latched(missing)),
            Some(gate) => self.record(id, EventKind::Buffered(gate)),
        }
    }

    /// Every slot is taken: whoever is ready and still waits, waits for one.
    fn note_full(&mut self, ready: BTreeSet<TaskId>) {
        for id in ready {
            let Some(task) = self.tasks.get_mut(id) else {
                continue;
            };
            if task.gate.is_none() && task.activation.as_ref().is_some_and(Activation::is_waiting) {
                task.gate = Some(Gate::Slot);
                self.record(id, EventKind::Buffered(Gate::Slot));
            }
        }
    }

    fn launch(&mut self, id: TaskId) {
        let task = self.tasks.get(id).expect("it waits");
        let registration = &task.registration;
        let app = self.apps.get(&registration.app).expect("its gate is open");
        let program = Arc::clone(&app.entry_point(&registration.entry_point).expect("its gate is open").program);
        let deadline = self.now.boot + self.config.wall_budget;
        let (host, warm) = match self.hosts.warm(&app.id, &program) {
            Some(host) => {
                self.hosts.get_mut(host).expect("just found").apply(HostEvent::Assigned { task: id });
                (host, true)
            }
            None => {
                let host = self.hosts.start(app, Arc::clone(&program), id);
                self.outputs.push_back(Output::Launch { host, app: app.id.clone(), program });
                (host, false)
            }
        };
        let task = self.tasks.get_mut(id).expect("it waits");
        task.gate = None;
        let activation = task.activation.as_mut().expect("it waits");
        activation.apply(ActivationEvent::Launched { host, warm, deadline });
        let order = RunOrder {
            instance: activation.instance,
            task: id,
            name: Arc::clone(&task.registration.name),
            entry_point: Arc::clone(&task.registration.entry_point),
            trigger: task.registration.trigger.clone(),
            firing: activation.firing,
            attempt: activation.attempt,
        };
        let attempt = activation.attempt;
        self.tasks.touch(id);
        self.record(id, EventKind::Started { attempt, warm });
        self.outputs.push_back(Output::Run(host, Box::new(order)));
    }
}
