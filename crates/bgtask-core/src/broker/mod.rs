//! The core itself: one struct that owns the tables, one file for each thing that happens.

mod access;
mod deliver;
mod fire;
mod register;
mod restore;
mod run;
mod schedule;
mod tables;
mod why;

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use crate::activation::Activation;
use crate::config::Config;
use crate::ids::{AppId, IdSource, InstanceId, TaskId};
use crate::input::{Input, Request};
use crate::model::access::BackgroundAccessStatus;
use crate::model::app::App;
use crate::model::condition::Levels;
use crate::model::fact::Fact;
use crate::model::registration::{Registration, Standing};
use crate::output::{Change, Event, EventKind, Output, Wake, WakeReason};
use crate::time::Now;
use tables::{Apps, Facts, Hosts, Mailboxes, Tasks};

pub use schedule::Gate;
pub use why::{GateReading, Why};

/// The broker without its body: all state, all policy, no effects.
///
/// Methods come in three kinds: [`handle`](Self::handle) for what happened, [`poll`](Self::poll) for what to do about it,
/// and getters on `&self` that answer questions without changing anything.
/// Time given to `handle` must not go back on the boot clock.
pub struct Core {
    config: Config,
    ids: IdSource,
    now: Now,
    apps: Apps,
    tasks: Tasks,
    hosts: Hosts,
    facts: Facts,
    mailboxes: Mailboxes,
    outputs: VecDeque<Output>,
    /// Something changed that may let a waiting activation run.
    unsettled: bool,
    /// The broker is to end.
    stopping: bool,
}

impl Core {
    /// An empty broker. The same seed and the same inputs give the same outputs.
    pub fn new(config: Config, seed: u64) -> Self {
        Self {
            config,
            ids: IdSource::new(seed),
            now: Now::ZERO,
            apps: Apps::default(),
            tasks: Tasks::default(),
            hosts: Hosts::default(),
            facts: Facts::default(),
            mailboxes: Mailboxes::default(),
            outputs: VecDeque::new(),
            unsettled: false,
            stopping: false,
        }
    }

    /// Takes in one thing that happened.
    pub fn handle(&mut self, now: Now, input: Input) {
        self.now = now;
        match input {
            Input::Restore(snapshot) => self.restore(*snapshot),
            Input::Tick => self.expire(),
            Input::CaughtUp => self.caught_up(),
            Input::Stop => self.stop(),
            Input::AppInstalled(app) => self.app_installed(app),
            Input::AppRemoved(app) => self.app_removed(&app),
            Input::SourceStatus(fact, status) => self.facts.set_status(fact, status),
            Input::Report(report) => self.report(report),
            Input::Request(id, request) => {
                let reply = match request {
                    Request::Register(app, new) => self.register(&app, new),
                    Request::Unregister { scope, task, cancel } => self.unregister(scope.as_ref(), task, cancel),
                    Request::RequestAccess(app) => self.request_access(&app),
                    Request::RemoveAccess(app) => self.remove_access(&app),
                    Request::Acknowledge(app, sequence) => Ok(self.acknowledge(&app, sequence)),
                };
                self.outputs.push_back(Output::Reply(id, reply));
            }
            Input::Attach(client, app) => self.attach(client, app),
            Input::Detach(client) => self.mailboxes.detach(client),
            Input::HostStarted(host, instance) => self.host_started(host, instance),
            Input::HostProgress(host, instance, value) => self.host_progress(host, instance, value),
            Input::HostFinished(host, instance, result) => {
                self.host_finished(host, instance, result);
            }
            Input::HostExited { host, exit, output_tail } => self.host_exited(host, exit, &output_tail),
        }
        self.schedule();
        self.persist_dirty();
    }

    /// The next thing to do; the last one of every batch is [`Output::Wake`].
    pub fn poll(&mut self) -> Output {
        self.outputs.pop_front().unwrap_or_else(|| Output::Wake(self.next_wake()))
    }

    /// The apps whose manifests are installed.
    pub fn apps(&self) -> impl Iterator<Item = &App> {
        self.apps.installed()
    }

    /// What an app may do.
    pub fn access(&self, app: &AppId) -> BackgroundAccessStatus {
        self.apps.access(app)
    }

    /// The registrations of one app, or of all: those that are listed, oldest first.
    pub fn registrations(&self, app: Option<&AppId>) -> Vec<&Registration> {
        let listed = |registration: &&Registration| {
            registration.standing != Standing::Unregistered && app.is_none_or(|app| *app == registration.app)
        };
        let mut found: Vec<_> = self.tasks.iter().map(|task| &task.registration).filter(listed).collect();
        found.sort_by_key(|registration| (registration.registered_at, registration.id));
        found
    }

    /// One registration with its activation, listed or not.
    pub fn task(&self, id: TaskId) -> Option<(&Registration, Option<&Activation>)> {
        self.tasks.get(id).map(|task| (&task.registration, task.activation.as_ref()))
    }

    /// Every activation without an outcome.
    pub fn activations(&self) -> impl Iterator<Item = (&Registration, &Activation)> {
        self.tasks.iter().filter_map(|task| Some((&task.registration, task.activation.as_ref()?)))
    }

    /// The hosts there are, whatever they do.
    pub fn hosts(&self) -> impl Iterator<Item = &crate::host::Host> {
        self.hosts.iter()
    }

    /// The known levels.
    pub fn levels(&self) -> &Levels {
        self.facts.levels()
    }

    /// The last known time zone, while somebody cares for it.
    pub fn zone(&self) -> Option<&crate::Zone> {
        self.facts.zone.as_ref()
    }

    /// What each watched source says of itself; `None` until it has said something.
    pub fn sources(&self) -> impl Iterator<Item = (Fact, Option<&crate::input::SourceStatus>)> {
        self.facts.watched()
    }

    fn persist(&mut self, change: Change) {
        self.outputs.push_back(Output::Persist(change));
    }

    /// One activation is written once per input, in its last state, however many steps the input made it take.
    fn persist_dirty(&mut self) {
        for id in self.tasks.take_dirty() {
            let change = match self.tasks.get(id).and_then(|task| task.activation.clone()) {
                Some(activation) => Change::PutActivation(id, activation),
                None => Change::DeleteActivation(id),
            };
            self.persist(change);
        }
    }

    fn record(&mut self, id: TaskId, kind: EventKind) {
        let Some(task) = self.tasks.get(id) else {
            return;
        };
        let event = Event {
            at: self.now.wall,
            app: task.registration.app.clone(),
            task: id,
            name: Arc::clone(&task.registration.name),
            instance: task.activation.as_ref().map(|activation| activation.instance),
            kind,
        };
        self.persist(Change::Record(event));
    }

    fn next_wake(&self) -> Option<Wake> {
        let running = self.tasks.occupied().filter_map(|task| {
            let activation = task.activation.as_ref()?;
            let id = task.registration.id;
            let cancelling = matches!(activation.state, crate::ActivationState::Cancelling { .. });
            let why = if cancelling { WakeReason::Grace(id) } else { WakeReason::Budget(id) };
            Some(Wake { at: activation.state.deadline()?, why })
        });
        let hosts = self.hosts.iter().filter_map(|host| {
            let idle = matches!(host.state, crate::HostState::Idle { .. });
            let why = if idle { WakeReason::Linger(host.id) } else { WakeReason::Retirement(host.id) };
            Some(Wake { at: host.state.deadline()?, why })
        });
        running.chain(hosts).min_by_key(|wake| wake.at)
    }

    /// The registration an instance belongs to, if it still runs on that host.
    fn task_of(&self, host: crate::HostId, instance: InstanceId) -> Option<TaskId> {
        let crate::HostState::Busy { task } = self.hosts.get(host)?.state else {
            return None;
        };
        let activation = self.tasks.get(task)?.activation.as_ref()?;
        (activation.instance == instance && activation.state.host() == Some(host)).then_some(task)
    }
}

/// How many instances of each app occupy a host: what fairness counts.
type Occupancy = BTreeMap<AppId, usize>;
