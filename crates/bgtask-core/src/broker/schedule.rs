//! Which waiting activation runs next, and what each of the others waits for.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::{Core, Task};
use crate::activation::ActivationEvent;
use crate::event::EventKind;
use crate::host::HostEvent;
use crate::ids::{AppId, HostId, TaskId};
use crate::model::access::BackgroundAccessStatus;
use crate::model::app::{App, Sharing};
use crate::model::budget::{Budgets, Limits, Resource};
use crate::model::condition::Condition;
use crate::model::fact::Fact;
use crate::model::registration::{Entry, Registration, Standing};
use crate::model::trigger::Trigger;
use crate::output::{Output, RunOrder};

/// What a waiting activation waits for: the first closed gate in this order (LC-10).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Gate {
    /// The app's manifest is not installed (any more).
    NotInstalled,
    /// The app is being updated (RE-6).
    Servicing,
    /// The installed manifest does not declare the entry point.
    EntryPointGone,
    /// The app may not run in the background (D13).
    Access(BackgroundAccessStatus),
    /// The user has switched it off for a while.
    Paused,
    /// A level that holds everything has not been read yet: for a moment after the start.
    Unknown(Fact),
    /// The user saves energy, and the app is not always allowed (AC-6).
    EnergySaver,
    /// A condition does not hold: the activation is *latched* (CO-2).
    Condition(Condition),
    /// Maintenance runs on external power only (TM-7).
    Battery,
    /// The machine is short of memory.
    MemoryPressure,
    /// The app has used up its budget of this window (POL-2).
    Throttled(Resource),
    /// The app has used so much energy that its tasks were ended (POL-7).
    Energy,
    /// The machine goes to sleep, and the task does not ask for the network (D15).
    Standby,
    /// A try has failed, and the next one comes later.
    Backoff,
    /// An instance of the same registration runs (D2).
    Running,
    /// The processors are busy with other work, or too many came due at once: it starts a little later.
    Load,
    /// The process that holds its control channel cannot run it now (CCT-14).
    Holder,
    /// As many activations run as may (D2).
    Slot,
}

impl fmt::Display for Gate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotInstalled => f.write_str("the app's manifest is not installed"),
            Self::Servicing => f.write_str("the app is being updated and its older tasks have not ended"),
            Self::EntryPointGone => f.write_str("the app's manifest no longer declares the entry point"),
            Self::Access(BackgroundAccessStatus::Unspecified) => {
                f.write_str("the app has not asked for background access (BackgroundExecutionManager::request_access)")
            }
            Self::Access(status) => write!(f, "background access of the app is {status}"),
            Self::Unknown(fact) => write!(f, "the source of {fact} has not reported yet"),
            Self::EnergySaver => f.write_str("the machine saves energy and the app is not always allowed to run"),
            Self::Condition(condition) => write!(f, "{condition} does not hold"),
            Self::Battery => f.write_str("maintenance runs on external power only"),
            Self::MemoryPressure => f.write_str("the machine is short of memory"),
            Self::Throttled(resource) => write!(f, "the app has used up its budget of {resource}"),
            Self::Energy => f.write_str("the app has used too much energy"),
            Self::Standby => f.write_str("the machine is going to sleep"),
            Self::Load => f.write_str("the processors are busy, or many tasks came due at once"),
            Self::Paused => f.write_str("it is paused"),
            Self::Backoff => f.write_str("a try has failed and the next one comes later"),
            Self::Running => f.write_str("an instance of it is running"),
            Self::Holder => f.write_str("the process that holds its control channel cannot run it now"),
            Self::Slot => f.write_str("as many tasks run as may at the same time"),
        }
    }
}

impl Core {
    /// Runs waiting activations while there are free slots: first what is critical, then what is urgent, then of the app
    /// that occupies least, and of several such of the one that had its turn longest ago, the oldest firing.
    pub(super) fn schedule(&mut self) {
        if !std::mem::take(&mut self.unsettled) {
            return;
        }
        if self.stopping || self.tasks.line().next().is_none() {
            self.portions.untold = false;
            return;
        }
        while self.tasks.running() < self.config.max_running {
            let critical = self.tasks.critical().find(|id| self.gate(*id).is_none());
            let urgent = critical.or_else(|| self.most_urgent());
            let Some(id) = urgent.or_else(|| self.next_in_line()) else { break };
            self.launch(id);
        }
        let is_full = self.tasks.running() >= self.config.max_running;
        let ready = self.tasks.take_ready();
        self.portions.untold &= is_full;
        if is_full {
            self.note_full(ready);
        }
        if self.tasks.line().next().is_none() {
            self.tasks.forget_turns();
        }
    }

    fn next_in_line(&self) -> Option<TaskId> {
        self.tasks.line().find_map(|(app, occupied)| {
            let most = self.apps.get(app).map_or(usize::MAX, App::slots);
            if occupied >= most {
                return None;
            }
            self.tasks.open_of(app).find(|id| self.gate(*id).is_none())
        })
    }

    /// Of those that promised to succeed within some time and have little of it left, the one with the least (in parts of it).
    fn most_urgent(&self) -> Option<TaskId> {
        let urgency = |task: &Task| {
            let within = task.registration.fresh_within()?;
            let used = self.now.wall - task.registration.fresh_since?;
            let urgent = used >= within / 4 * 3;
            let parts = used.as_micros().saturating_mul(1_000) / within.as_micros().max(1);
            (urgent && self.gate_of(task).is_none()).then_some((parts, task.registration.id))
        };
        self.tasks.promising().filter_map(urgency).max().map(|(_, id)| id)
    }

    /// The first closed gate of a waiting activation, leaving out the slot.
    pub(super) fn gate(&self, id: TaskId) -> Option<Gate> {
        self.gate_of(self.tasks.get(id)?)
    }

    pub(super) fn gate_of(&self, task: &Task) -> Option<Gate> {
        let registration = &task.registration;
        let Some(app) = self.apps.get(&registration.app) else {
            return Some(Gate::NotInstalled);
        };
        if self.apps.in_servicing(&app.id) {
            return Some(Gate::Servicing);
        }
        let Some(server) = app.server(&registration.entry) else {
            return Some(Gate::EntryPointGone);
        };
        if let Some(access) = self.denied(registration) {
            return Some(Gate::Access(access));
        }
        let held = self.held(task, self.status_of(registration));
        let apart = server.sharing == Sharing::Apart || registration.trigger.is_of_manifest();
        let running = !task.running.is_empty() && !apart;
        let held = held.or(running.then_some(Gate::Running)).or_else(|| self.held_by_holder(registration));
        held.or_else(|| self.held_by_load(task))
    }

    /// What holds it besides who it is and what else runs. What the user asked for by hand only waits for its turn, and
    /// between tries.
    fn held(&self, task: &Task, access: BackgroundAccessStatus) -> Option<Gate> {
        let first = task.waiting.front();
        let not_before = first.and_then(|first| first.not_before);
        let backoff = not_before.filter(|at| *at > self.now.wall).map(|_| Gate::Backoff);
        match first {
            Some(first) if first.firing.by_hand => backoff,
            // Who cannot be resumed any more is not paused.
            _ if task.registration.paused && task.registration.standing != Standing::Unregistered => Some(Gate::Paused),
            _ => self.held_by_levels(&task.registration, access).or(backoff),
        }
    }

    fn held_by_levels(&self, registration: &Registration, access: BackgroundAccessStatus) -> Option<Gate> {
        let level = |fact| self.facts.levels().get(fact).map(|(value, _)| value);
        if let Some(unknown) = Fact::OF_EVERY_TASK.into_iter().find(|fact| level(*fact).is_none()) {
            return Some(Gate::Unknown(unknown));
        }
        if level(Fact::EnergySaver) == Some(true) && access != BackgroundAccessStatus::AlwaysAllowed {
            return Some(Gate::EnergySaver);
        }
        if let Some(missing) = self.facts.missing(&registration.conditions).first() {
            return Some(Gate::Condition(*missing));
        }
        if matches!(registration.trigger, Trigger::Maintenance { .. }) && level(Fact::ExternalPower) != Some(true) {
            return Some(Gate::Battery);
        }
        if level(Fact::MemoryPressure) == Some(true) {
            return Some(Gate::MemoryPressure);
        }
        if let Some(held) = self.held_by_budgets(registration) {
            return Some(held);
        }
        self.holds_in_standby(registration).then_some(Gate::Standby)
    }

    fn held_by_budgets(&self, registration: &Registration) -> Option<Gate> {
        if let Some(resource) = self.throttled(&registration.app).filter(|_| self.is_held_by_budgets(registration)) {
            return Some(Gate::Throttled(resource));
        }
        self.is_held_by_energy(registration).then_some(Gate::Energy)
    }

    /// Tells the history when what a waiting activation waits for has changed.
    /// Tells the history when what a waiting activation waits for has changed: of one app.
    pub(super) fn refresh_gates_of(&mut self, app: &AppId) {
        let waiting = self.tasks.of_app(app).filter(|task| !task.waiting.is_empty());
        let waiting: Vec<_> = waiting.map(|task| task.registration.id).collect();
        waiting.into_iter().for_each(|id| self.fresh_gate(id));
    }

    pub(super) fn fresh_gate(&mut self, id: TaskId) {
        self.unsettled = true;
        let Some(task) = self.tasks.get(id) else {
            return;
        };
        let Some(instance) = task.waiting.front().map(|activation| activation.instance) else {
            return;
        };
        let gate = self.gate_of(task);
        let waits_for_slot = gate.is_none() && task.gate() == Some(Gate::Slot);
        if waits_for_slot {
            self.tasks.set_gate(id, Some(Gate::Slot));
            return;
        }
        self.bear_the_load(id, gate);
        let before = self.tasks.set_gate(id, gate);
        if gate.is_none() {
            self.tasks.mark_ready(id);
        }
        if before == gate {
            return;
        }
        match gate {
            // What is known in a moment is no news, and that a try failed was said.
            None | Some(Gate::Unknown(_) | Gate::Backoff) => {}
            Some(Gate::Condition(_)) => {
                let missing = self.facts.missing(&self.tasks.get(id).expect("just seen").registration.conditions);
                self.record(id, Some(instance), EventKind::Latched(missing));
            }
            Some(gate) => self.record(id, Some(instance), EventKind::Buffered(gate)),
        }
    }

    /// Every slot is taken: whoever is ready and still waits, waits for one.
    fn note_full(&mut self, mut ready: BTreeSet<TaskId>) {
        let next = ready.iter().nth(self.portions.to_tell()).copied();
        let rest = next.map(|next| ready.split_off(&next)).unwrap_or_default();
        self.portions.untold = !rest.is_empty();
        self.tasks.put_back_ready(rest);
        for id in ready {
            let Some(task) = self.tasks.get(id).filter(|task| task.gate().is_none()) else { continue };
            if let Some(instance) = task.waiting.front().map(|waiting| waiting.instance) {
                self.tasks.set_gate(id, Some(Gate::Slot));
                self.record(id, Some(instance), EventKind::Buffered(Gate::Slot));
            }
        }
    }

    fn launch(&mut self, id: TaskId) {
        let (host, warm) = self.host_for(id);
        self.release(host);
        self.heard_of(host);
        let budget = self.budget(&self.tasks.get(id).expect("it waits").registration);
        let event = ActivationEvent::Launched { host, warm, deadline: self.now.boot + budget };
        self.sockets.note_room(id);
        let activation = self.tasks.launch(id, event, self.now.boot).expect("it waits");
        let (instance, firing, attempt) = (activation.instance, activation.firing.clone(), activation.attempt);
        let throttled = activation.throttled;
        let firing_socket = firing.socket;
        let registration = &self.tasks.get(id).expect("it runs").registration;
        let order = RunOrder {
            instance,
            task: id,
            name: Arc::clone(&registration.name),
            entry: registration.entry.clone(),
            group: registration.group.as_ref().map(|group| Arc::clone(&group.id)),
            trigger: registration.trigger.clone(),
            firing,
            attempt,
            throttled,
            budget,
            brokered: firing_socket.and_then(|key| self.sockets.get(key)).cloned(),
        };
        self.look_soon(host);
        self.tasks.queue_anew(id);
        self.hosts.get_mut(host).expect("it runs there").serves = Some(id);
        self.record(id, Some(instance), EventKind::Started { attempt, warm });
        self.watch_device(id, order.firing.details.as_ref());
        self.inhibit_sleep(id, instance);
        self.outputs.push_back(Output::Run(host, Box::new(order)));
        self.fresh_gate(id);
    }

    /// Where it runs, and whether that is a host that was there already. A command has one of its own.
    fn host_for(&mut self, id: TaskId) -> (HostId, bool) {
        let registration = &self.tasks.get(id).expect("it waits").registration;
        let entry = registration.entry.clone();
        let app = self.apps.get(&registration.app).expect("its gate is open");
        let server = app.server(&entry).expect("its gate is open").clone();
        let there = match &entry {
            _ if let Some(holder) = self.holder_for(registration) => Some(holder),
            Entry::Command(_) => None,
            Entry::InProcess => self.hosts.running_app(app).or_else(|| self.hosts.fitting(app, &server)),
            Entry::Component(_) | Entry::Class(_) => self.hosts.fitting(app, &server),
        };
        if let Some(host) = there {
            self.hosts.get_mut(host).expect("just found").apply(HostEvent::Assigned);
            return (host, true);
        }
        let (program, app_id) = (Arc::clone(&server.program), app.id.clone());
        let host = self.hosts.start(app, server, self.now.boot);
        if entry.command().is_none() {
            let Budgets { memory, processes, .. } = self.config.budgets;
            let limits = Limits { memory, processes };
            self.outputs.push_back(Output::Launch { host, app: app_id, program, limits });
        }
        (host, false)
    }

    /// How long an instance may run (D10): what the policy makes of the usual, or less, where the manifest asks for less.
    pub(super) fn budget(&self, registration: &Registration) -> Duration {
        if let Some(command) = registration.entry.command() {
            return command.timeout;
        }
        let long = registration.trigger.is_long_running();
        let usual = if long { self.config.long_wall_budget } else { self.config.wall_budget };
        let granted = self.scaled(&registration.app, usual);
        let server = self.apps.get(&registration.app).and_then(|app| app.server(&registration.entry));
        server.and_then(|server| server.budget).map_or(granted, |asked| asked.min(granted))
    }
}
