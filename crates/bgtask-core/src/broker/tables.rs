//! What the core remembers, one table per concern. Tables keep their own indices right and decide nothing.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use super::{Gate, Occupancy};
use crate::activation::Activation;
use crate::host::{Host, HostState};
use crate::ids::{AppId, ClientId, HostId, TaskId};
use crate::input::SourceStatus;
use crate::model::access::BackgroundAccessStatus;
use crate::model::app::App;
use crate::model::condition::{Levels, SystemConditionType};
use crate::model::fact::{Fact, Zone};
use crate::model::outcome::Completion;
use crate::model::registration::Registration;
use crate::model::trigger::Trigger;

/// One registration and what is going on with it.
pub(super) struct Task {
    pub(super) registration: Registration,
    pub(super) activation: Option<Activation>,
    /// What its activation was last said to wait for: only a change of it is news.
    pub(super) gate: Option<Gate>,
}

impl Task {
    /// Every fact it stands on; a fact counts once for each use.
    fn facts(&self) -> impl Iterator<Item = Fact> + '_ {
        let Trigger::System { kind, .. } = self.registration.trigger;
        let conditions = self.registration.conditions.iter().copied();
        Fact::of_trigger(kind).into_iter().chain(conditions.filter_map(Fact::of_condition))
    }
}

/// All registrations, and the waiting ones by app in the order they fired.
#[derive(Default)]
pub(super) struct Tasks {
    by_id: BTreeMap<TaskId, Task>,
    per_app: BTreeMap<AppId, usize>,
    waiting: BTreeMap<AppId, BTreeMap<u64, TaskId>>,
    places: BTreeMap<TaskId, u64>,
    last_place: u64,
    occupied: BTreeSet<TaskId>,
    dirty: BTreeSet<TaskId>,
    ready: BTreeSet<TaskId>,
}

impl Tasks {
    pub(super) fn get(&self, id: TaskId) -> Option<&Task> {
        self.by_id.get(&id)
    }

    pub(super) fn get_mut(&mut self, id: TaskId) -> Option<&mut Task> {
        self.by_id.get_mut(&id)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Task> {
        self.by_id.values()
    }

    pub(super) fn len(&self) -> usize {
        self.by_id.len()
    }

    pub(super) fn count_of(&self, app: &AppId) -> usize {
        self.per_app.get(app).copied().unwrap_or(0)
    }

    pub(super) fn insert(&mut self, registration: Registration, facts: &mut Facts) {
        *self.per_app.entry(registration.app.clone()).or_default() += 1;
        let task = Task { registration, activation: None, gate: None };
        facts.need(task.facts());
        self.by_id.insert(task.registration.id, task);
    }

    pub(super) fn remove(&mut self, id: TaskId, facts: &mut Facts) -> Option<Registration> {
        let task = self.by_id.remove(&id)?;
        facts.release(task.facts());
        let app = &task.registration.app;
        if let Some(count) = self.per_app.get_mut(app) {
            *count -= 1;
            if *count == 0 {
                self.per_app.remove(app);
            }
        }
        Some(task.registration)
    }

    /// Puts the indices right after the activation of `id` changed, and remembers to write it.
    pub(super) fn touch(&mut self, id: TaskId) {
        self.dirty.insert(id);
        let activation = self.by_id.get(&id).and_then(|task| task.activation.as_ref());
        let waiting = activation.is_some_and(Activation::is_waiting);
        let occupied = activation.is_some_and(|activation| activation.state.host().is_some());
        if occupied {
            self.occupied.insert(id);
        } else {
            self.occupied.remove(&id);
        }
        if waiting {
            self.enqueue(id);
        } else {
            self.dequeue(id);
        }
    }

    fn enqueue(&mut self, id: TaskId) {
        if self.places.contains_key(&id) {
            return;
        }
        self.last_place += 1;
        let app = self.by_id[&id].registration.app.clone();
        self.places.insert(id, self.last_place);
        self.waiting.entry(app).or_default().insert(self.last_place, id);
    }

    fn dequeue(&mut self, id: TaskId) {
        let Some(place) = self.places.remove(&id) else {
            return;
        };
        let app = &self.by_id[&id].registration.app;
        let Some(queue) = self.waiting.get_mut(app) else {
            return;
        };
        queue.remove(&place);
        if queue.is_empty() {
            self.waiting.remove(&app.clone());
        }
    }

    /// The waiting registrations by app, each app's in the order they fired.
    pub(super) fn waiting(&self) -> impl Iterator<Item = (&AppId, impl Iterator<Item = (u64, TaskId)> + '_)> {
        self.waiting.iter().map(|(app, queue)| (app, queue.iter().map(|(place, id)| (*place, *id))))
    }

    /// Registrations with an instance on a host.
    pub(super) fn occupied(&self) -> impl Iterator<Item = &Task> {
        self.occupied.iter().filter_map(|id| self.by_id.get(id))
    }

    pub(super) fn occupancy(&self) -> Occupancy {
        let mut occupancy = Occupancy::new();
        for task in self.occupied() {
            *occupancy.entry(task.registration.app.clone()).or_default() += 1;
        }
        occupancy
    }

    /// Notes that every gate of a waiting registration is open, so that it runs or waits for a slot.
    pub(super) fn mark_ready(&mut self, id: TaskId) {
        self.ready.insert(id);
    }

    pub(super) fn take_ready(&mut self) -> BTreeSet<TaskId> {
        std::mem::take(&mut self.ready)
    }

    pub(super) fn take_dirty(&mut self) -> BTreeSet<TaskId> {
        std::mem::take(&mut self.dirty)
    }
}

/// Installed apps and what each may do. Access outlives the manifest (RE-8).
#[derive(Default)]
pub(super) struct Apps {
    installed: BTreeMap<AppId, App>,
    access: BTreeMap<AppId, BackgroundAccessStatus>,
}

impl Apps {
    pub(super) fn get(&self, id: &AppId) -> Option<&App> {
        self.installed.get(id)
    }

    pub(super) fn installed(&self) -> impl Iterator<Item = &App> {
        self.installed.values()
    }

    pub(super) fn len(&self) -> usize {
        self.installed.len()
    }

    pub(super) fn install(&mut self, app: App) {
        self.installed.insert(app.id.clone(), app);
    }

    pub(super) fn remove(&mut self, id: &AppId) {
        self.installed.remove(id);
    }

    pub(super) fn access(&self, id: &AppId) -> BackgroundAccessStatus {
        self.access.get(id).copied().unwrap_or(BackgroundAccessStatus::Unspecified)
    }

    pub(super) fn set_access(&mut self, id: &AppId, access: BackgroundAccessStatus) {
        self.access.insert(id.clone(), access);
    }
}

/// The hosts there are.
#[derive(Default)]
pub(super) struct Hosts {
    by_id: BTreeMap<HostId, Host>,
    last: u64,
}

impl Hosts {
    pub(super) fn get(&self, id: HostId) -> Option<&Host> {
        self.by_id.get(&id)
    }

    pub(super) fn get_mut(&mut self, id: HostId) -> Option<&mut Host> {
        self.by_id.get_mut(&id)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Host> {
        self.by_id.values()
    }

    pub(super) fn start(&mut self, app: &App, program: Arc<str>, task: TaskId) -> HostId {
        self.last += 1;
        let id = HostId(self.last);
        let state = HostState::Busy { task };
        self.by_id.insert(id, Host { id, app: app.id.clone(), version: Arc::clone(&app.version), program, state });
        id
    }

    pub(super) fn remove(&mut self, id: HostId) -> Option<Host> {
        self.by_id.remove(&id)
    }

    /// A lingering host of that app and program: the one that would linger longest, as its memory is the warmest.
    pub(super) fn warm(&self, app: &AppId, program: &str) -> Option<HostId> {
        let fits = self.idle().filter(|(_, host)| host.app == *app && *host.program == *program);
        fits.max_by_key(|(until, _)| *until).map(|(_, host)| host.id)
    }

    /// Lingering hosts with the end of their time.
    pub(super) fn idle(&self) -> impl Iterator<Item = (crate::BootTime, &Host)> {
        self.by_id.values().filter_map(|host| match host.state {
            HostState::Idle { until } => Some((until, host)),
            _ => None,
        })
    }
}

/// What is known about the machine, and who needs to know.
#[derive(Default)]
pub(super) struct Facts {
    levels: Levels,
    statuses: BTreeMap<Fact, SourceStatus>,
    needed: BTreeMap<Fact, usize>,
    /// The last zone seen while somebody cared: kept durably, so that a change while the broker was away is noticed.
    pub(super) zone: Option<Zone>,
    watched: BTreeSet<Fact>,
}

impl Facts {
    fn need(&mut self, facts: impl Iterator<Item = Fact>) {
        for fact in facts {
            *self.needed.entry(fact).or_default() += 1;
        }
    }

    fn release(&mut self, facts: impl Iterator<Item = Fact>) {
        for fact in facts {
            if let Some(count) = self.needed.get_mut(&fact) {
                *count -= 1;
                if *count == 0 {
                    self.needed.remove(&fact);
                }
            }
        }
    }

    /// The sources to start and to stop since the last call.
    pub(super) fn settle(&mut self) -> (Vec<Fact>, Vec<Fact>) {
        let started: Vec<_> = self.needed.keys().copied().filter(|fact| !self.watched.contains(fact)).collect();
        let stopped: Vec<_> = self.watched.iter().copied().filter(|fact| !self.needed.contains_key(fact)).collect();
        self.watched.extend(&started);
        for fact in &stopped {
            self.watched.remove(fact);
            self.levels.forget(*fact);
            self.statuses.remove(fact);
        }
        (started, stopped)
    }

    pub(super) fn is_watched(&self, fact: Fact) -> bool {
        self.watched.contains(&fact)
    }

    pub(super) fn watched(&self) -> impl Iterator<Item = (Fact, Option<&SourceStatus>)> {
        self.watched.iter().map(|fact| (*fact, self.statuses.get(fact)))
    }

    pub(super) fn status(&self, fact: Fact) -> Option<&SourceStatus> {
        self.statuses.get(&fact)
    }

    pub(super) fn set_status(&mut self, fact: Fact, status: SourceStatus) {
        if self.watched.contains(&fact) {
            self.statuses.insert(fact, status);
        }
    }

    pub(super) fn levels(&self) -> &Levels {
        &self.levels
    }

    pub(super) fn set_level(&mut self, fact: Fact, value: bool, now: crate::WallTime) -> Option<bool> {
        self.levels.set(fact, value, now)
    }

    /// The conditions that do not hold, in the order given.
    pub(super) fn missing(&self, conditions: &[SystemConditionType]) -> Vec<SystemConditionType> {
        conditions.iter().copied().filter(|condition| !self.levels.holds(*condition)).collect()
    }
}

/// Completions on their way to apps, and the clients that are attached to hear them.
#[derive(Default)]
pub(super) struct Mailboxes {
    completions: BTreeMap<AppId, VecDeque<Completion>>,
    clients: BTreeMap<ClientId, AppId>,
    last_sequence: u64,
}

impl Mailboxes {
    pub(super) fn continue_after(&mut self, last_sequence: u64) {
        self.last_sequence = last_sequence;
    }

    pub(super) fn next_sequence(&mut self) -> u64 {
        self.last_sequence += 1;
        self.last_sequence
    }

    /// Keeps a completion; answers how many the app now has unread.
    pub(super) fn keep(&mut self, completion: Completion) -> usize {
        self.last_sequence = self.last_sequence.max(completion.sequence);
        let box_ = self.completions.entry(completion.app.clone()).or_default();
        box_.push_back(completion);
        box_.len()
    }

    pub(super) fn drop_oldest(&mut self, app: &AppId) -> Option<Completion> {
        self.completions.get_mut(app)?.pop_front()
    }

    pub(super) fn acknowledge(&mut self, app: &AppId, sequence: u64) -> bool {
        let Some(kept) = self.completions.get_mut(app) else {
            return false;
        };
        let before = kept.len();
        kept.retain(|completion| completion.sequence != sequence);
        let found = kept.len() < before;
        if kept.is_empty() {
            self.completions.remove(app);
        }
        found
    }

    pub(super) fn unread(&self, app: &AppId) -> impl Iterator<Item = &Completion> {
        self.completions.get(app).into_iter().flatten()
    }

    pub(super) fn attach(&mut self, client: ClientId, app: AppId) {
        self.clients.insert(client, app);
    }

    pub(super) fn detach(&mut self, client: ClientId) {
        self.clients.remove(&client);
    }

    pub(super) fn clients_of(&self, app: &AppId) -> Vec<ClientId> {
        self.clients.iter().filter(|(_, its)| *its == app).map(|(client, _)| *client).collect()
    }
}
