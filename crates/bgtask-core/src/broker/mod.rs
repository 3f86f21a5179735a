//! The core itself: one struct that owns the tables, one file for each thing that happens.

mod access;
mod app_service;
mod budget;
mod command;
mod consent;
mod control_channel;
mod cost;
mod deliver;
mod demand;
mod device_use;
mod edges;
mod energy;
mod fire;
mod fleet;
mod freeze;
mod idle;
mod listen;
mod load;
mod look;
mod portions;
mod push;
mod register;
mod restore;
mod run;
mod schedule;
mod servicing;
mod sleep;
mod sockets;
mod state;
mod stop;
mod stretch;
mod tables;
mod timer;
mod wakes;
mod why;

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use crate::activation::Activation;
use crate::config::Config;
use crate::event::{Event, EventKind};
use crate::ids::{AppId, IdSource, InstanceId, RequestId, TaskId};
use crate::input::{Input, Request};
use crate::model::access::{AccessSetting, BackgroundAccessStatus, PolicyEntry};
use crate::model::app::App;
use crate::model::condition::Levels;
use crate::model::fact::Fact;
use crate::model::registration::{Registration, Standing};
use crate::output::{Change, Output, Reply, Wake, WakeReason};
use crate::refusal::Refusal;
use crate::time::{BootTime, Now};
use consent::Asked;
use edges::Edges;
use fleet::Fleet;
use portions::Portions;
use push::Channels;
use tables::{Accounts, Apps, ControlChannels, Facts, Hosts, Mailboxes, Occasion, Sockets, Task, Tasks};

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
    accounts: Accounts,
    sockets: Sockets,
    control_channels: ControlChannels,
    channels: Channels,
    fleet: Fleet,
    /// Requests that wait for the user's consent.
    consents: BTreeMap<RequestId, Asked>,
    /// The activations that serve a caller, and their registrations.
    connections: BTreeMap<InstanceId, TaskId>,
    /// The user's session this broker serves.
    session: Arc<str>,
    outputs: VecDeque<Output>,
    portions: Portions,
    /// What has fired some of those it concerns, and owes it the rest.
    edges: Edges,
    /// When the driver was last told to wake the machine.
    rouse: Option<BootTime>,
    /// Something changed that may let a waiting activation run.
    unsettled: bool,
    /// The past is known: versions of apps can be compared.
    begun: bool,
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
            accounts: Accounts::default(),
            sockets: Sockets::default(),
            control_channels: ControlChannels::default(),
            channels: Channels::default(),
            fleet: Fleet::default(),
            consents: BTreeMap::new(),
            connections: BTreeMap::new(),
            session: "".into(),
            outputs: VecDeque::new(),
            portions: Portions::default(),
            edges: Edges::new(),
            rouse: None,
            unsettled: false,
            begun: false,
            stopping: false,
        }
    }

    /// Takes in one thing that happened.
    pub fn handle(&mut self, now: Now, input: Input) {
        let before = std::mem::replace(&mut self.now, now);
        // What the wall clock would show if nobody had set it, however long nothing was heard.
        let unset = before.wall + now.boot.since(before.boot);
        let first = matches!(input, Input::AppInstalled(_) | Input::Policy(_) | Input::Restore(_));
        if !self.begun && !first {
            self.begin();
        }
        if now.wall + CLOCK_NOISE < unset {
            self.clock_set_back(unset);
            self.keep_alives_anew();
            self.channels_anew();
            self.orders_anew();
            self.accounts_set_back();
        }
        self.begin_turn(matches!(input, Input::Tick));
        match input {
            Input::Restore(snapshot) => self.restore(*snapshot),
            Input::Tick => self.expire(),
            Input::CaughtUp => self.caught_up(),
            Input::Stop => self.stop(),
            Input::AppInstalled(app) => self.app_installed(app),
            Input::AppRemoved(app) => self.app_removed(&app),
            Input::Policy(policy) => self.policy_changed(policy),
            Input::Consent(request, consent) => self.consented(request, &consent),
            Input::SourceStatus(fact, status) => {
                self.facts.set_status(fact, status);
                self.cancel_on_condition_loss();
                self.refresh_gates();
            }
            Input::Report(report) => self.report(&report),
            Input::Request(id, request) => {
                if let Some(reply) = self.request(id, request) {
                    self.outputs.push_back(Output::Reply(id, reply));
                }
            }
            Input::Attach { client, app, activates } => self.attach(client, app, activates),
            Input::Detach(client) => self.detach(client),
            Input::HostStarted(host, instance) => self.host_started(host, instance),
            Input::HostProgress(host, instance, value) => self.host_progress(host, instance, value),
            Input::SocketTaken(host, instance) => self.socket_taken(host, instance),
            Input::HostFinished { host, instance, result, usage } => self.host_finished(host, instance, result, usage),
            Input::HostUsage { host, usage } => self.host_used(host, usage),
            Input::HostExited { host, exit, output_tail, usage } => {
                self.host_exited(host, exit, &output_tail, usage);
            }
            Input::Planned { task, at } => self.planned(task, at),
            Input::Happened { task, events, count, lost } => self.happened(task, events, count, lost),
            Input::Heard(task, status) => self.heard(task, status),
            Input::DeviceGone(task) => self.device_gone(task),
            Input::SocketReady(key, readiness) => self.socket_ready(key, readiness),
            Input::SocketsGone(keys) => self.sockets_gone(keys),
            Input::CallerGone(instance) => self.caller_gone(instance),
            Input::ChannelOpened { app, uri } => self.channel_opened(&app, uri),
            Input::ChannelRefused { app, why, help } => self.channel_refused(&app, &why, &help),
            Input::Pushed { app, messages } => self.pushed(&app, messages),
            Input::ChannelSeen(key, unread) => self.channel_seen(key, unread),
            Input::Ordered(orders) => self.ordered(orders),
            Input::OrderAnswered(id) => self.order_answered(&id),
        }
        self.admit_sockets();
        self.schedule();
        while self.take_in_pushes() | self.take_in_orders() {
            self.schedule();
        }
        self.persist_dirty();
        self.settle_rouse();
    }

    /// The answer, unless it has to wait for the user.
    fn request(&mut self, id: RequestId, request: Request) -> Option<Result<Reply, Refusal>> {
        Some(match request {
            Request::Register(app, new) => self.register(&app, new).map(Reply::Registered),
            Request::RegisterOrUpdate(app, new) => self.register_or_update(&app, new),
            Request::Unregister { scope, task, cancel } => self.unregister(scope.as_ref(), task, cancel),
            Request::RequestAccess { app, application } => self.request_access(&app, &application),
            Request::RequestAccessKind { app, application, kind, standby, reason } => {
                return self.request_access_kind(id, &app, application, kind, standby, &reason);
            }
            Request::RemoveAccess { app, application } => self.remove_access(&app, &application),
            Request::SetAccess(app, setting) => self.set_access(&app, setting),
            Request::SetBackground { enabled } => Ok(self.set_background(enabled)),
            Request::RunNow { task, respect_conditions } => self.run_now(task, respect_conditions),
            Request::SetPaused { task, paused } => self.set_paused(task, paused),
            Request::Cancel(task) => self.cancel_task(task),
            Request::ReportProgress { instance, value, message } => self.report_progress(instance, value, &message),
            Request::Terminate(app) => self.terminate(&app),
            Request::Activate { app, demand, details } => self.activate(&app, demand, details),
            Request::Raise { by, event } => self.raise(by.as_ref(), &event),
            Request::Acknowledge(app, sequence) => Ok(self.acknowledge(&app, sequence)),
            Request::TransferSocket(app, new) => self.transfer_socket(&app, new),
            Request::ReclaimSocket { app, id } => self.reclaim_socket(&app, &id),
            Request::OpenAppService { caller, app, service, socket, details } => {
                self.open_app_service(caller.as_ref(), &app, &service, socket, details)
            }
            Request::CreatePushChannel(app) => return self.create_push_channel(id, app),
            Request::ClosePushChannel(app) => Ok(self.close_push_channel(&app)),
            Request::EnableControlChannel(app, new) => self.enable_control_channel(&app, new),
            Request::CloseControlChannel { app, id } => Ok(self.close_control_channel(&app, &id)),
        })
    }

    /// The next thing to do; the last one of every batch is [`Output::Wake`].
    pub fn poll(&mut self) -> Output {
        self.outputs.pop_front().unwrap_or_else(|| {
            if self.outputs.capacity() > MANY_OUTPUTS {
                self.outputs = VecDeque::new();
            }
            Output::Wake(self.next_wake())
        })
    }

    /// The apps whose manifests are installed.
    pub fn apps(&self) -> impl Iterator<Item = &App> {
        self.apps.installed()
    }

    /// What the first application of an app may do.
    pub fn access(&self, app: &AppId) -> BackgroundAccessStatus {
        self.apps.status(app, "", false)
    }

    /// Whether an app runs by itself now: one of its programs is attached.
    pub fn is_there(&self, app: &AppId) -> bool {
        !self.mailboxes.clients_of(app).is_empty()
    }

    /// What an application of an app may do; `standby` asks for modern standby (ACC-21, ACC-22).
    ///
    /// # Errors
    ///
    /// The app's manifest has no such application (ACC-15).
    pub fn access_of(&self, app: &AppId, application: &str, standby: bool) -> Result<BackgroundAccessStatus, Refusal> {
        self.check_application(app, application)?;
        Ok(self.apps.status(app, application, standby))
    }

    /// What the user decided for an app.
    pub fn access_setting(&self, app: &AppId) -> Option<AccessSetting> {
        self.apps.kept_access(app).and_then(|kept| kept.setting)
    }

    /// Who decides whether an app may run, for people.
    pub fn access_decided_by(&self, app: &AppId) -> String {
        self.apps.decided_by(app)
    }

    /// What the owner of the machine decided for an app, if anything.
    pub fn policy_of(&self, app: &AppId) -> Option<&PolicyEntry> {
        self.apps.policy.entry(app)
    }

    /// Whether the user lets anything run in the background.
    pub fn background_enabled(&self) -> bool {
        !self.apps.switched_off
    }

    /// The registrations of one app, or of all: those that are listed, oldest first.
    pub fn registrations(&self, app: Option<&AppId>) -> Vec<&Registration> {
        let listed = |registration: &&Registration| registration.standing != Standing::Unregistered;
        let all = app.is_none().then(|| self.tasks.iter()).into_iter().flatten();
        let tasks = all.chain(app.into_iter().flat_map(|app| self.tasks.of_app(app)));
        let mut found: Vec<_> = tasks.map(|task| &task.registration).filter(listed).collect();
        found.sort_by_key(|registration| (registration.registered_at, registration.id));
        found
    }

    /// One registration, listed or not, with the activation that runs, else the next that waits.
    pub fn task(&self, id: TaskId) -> Option<(&Registration, Option<&Activation>)> {
        self.tasks.get(id).map(|task| (&task.registration, task.current()))
    }

    /// Every activation without an outcome.
    pub fn activations(&self) -> impl Iterator<Item = (&Registration, &Activation)> {
        self.tasks.iter().flat_map(|task| {
            task.running.iter().chain(&task.waiting).map(|activation| (&task.registration, activation))
        })
    }

    /// The hosts there are, whatever they do.
    pub fn hosts(&self) -> impl Iterator<Item = &crate::host::Host> {
        self.hosts.iter()
    }

    /// How often a registration was looked at so far: what deciding costs, as a number that no machine is slow or quick at.
    /// It does not grow with the registrations that nothing concerns.
    pub fn looks(&self) -> u64 {
        self.tasks.looks()
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

    /// The triggers of registrations that listen, and how well each hears; `None` until its source has said something.
    pub fn listened(&self) -> impl Iterator<Item = (&crate::Trigger, Option<&crate::input::SourceStatus>)> {
        let listens = |task: &&Task| task.registration.fires();
        self.tasks
            .concerned(&Occasion::Listening)
            .filter(listens)
            .map(|task| (&task.registration.trigger, task.heard.as_deref()))
    }

    fn persist(&mut self, change: Change) {
        self.outputs.push_back(Output::Persist(change));
    }

    /// One activation is written once per input, in its last state, however many steps the input made it take.
    fn persist_dirty(&mut self) {
        for (id, instance, activation) in self.tasks.take_dirty() {
            self.persist(match activation {
                Some(activation) => Change::PutActivation(id, activation),
                None => Change::DeleteActivation(instance),
            });
        }
    }

    fn persist_registration(&mut self, id: TaskId) {
        if let Some(task) = self.tasks.get(id) {
            let registration = task.registration.clone();
            self.persist(Change::PutRegistration(registration));
        }
    }

    fn record(&mut self, id: TaskId, instance: Option<InstanceId>, kind: EventKind) {
        let Some(task) = self.tasks.get(id) else {
            return;
        };
        let event = Event {
            at: self.now.wall,
            app: task.registration.app.clone(),
            task: id,
            name: Arc::clone(&task.registration.name),
            instance,
            kind,
        };
        self.persist(Change::Record(event));
    }

    fn next_wake(&self) -> Option<Wake> {
        let running = self.tasks.occupied().filter_map(|(task, activation)| {
            let id = task.registration.id;
            let cancelling = matches!(activation.state, crate::ActivationState::Cancelling { .. });
            let why = if cancelling { WakeReason::Grace(id) } else { WakeReason::Budget(id) };
            Some(Wake { at: self.deadline_of(activation)?, why })
        });
        let hosts = self.hosts.iter().filter_map(|host| {
            let idle = matches!(host.state, crate::HostState::Idle { .. });
            let why = if idle { WakeReason::Linger(host.id) } else { WakeReason::Retirement(host.id) };
            Some(Wake { at: host.state.deadline()?, why })
        });
        let idle = self.hosts.iter().filter_map(|host| self.idle_wake(host));
        let by_time =
            self.timer_wake().into_iter().chain(self.look_wake()).chain(self.refill_wake()).chain(self.next_portion());
        let by_time = by_time.chain(self.keep_alive_wake()).chain(self.channel_wake());
        let by_time = by_time.chain(self.push_channel_wake()).chain(self.order_wake());
        running.chain(hosts).chain(idle).chain(by_time).min_by_key(|wake| wake.at)
    }

    /// The registration an instance belongs to, if it still runs on that host.
    fn task_of(&self, host: crate::HostId, instance: InstanceId) -> Option<TaskId> {
        let (task, activation) = self.tasks.of_running(instance)?;
        (activation.state.host() == Some(host)).then_some(task.registration.id)
    }
}

/// Clocks are corrected by so much all the time.
const CLOCK_NOISE: std::time::Duration = std::time::Duration::from_secs(1);

/// The room of more orders than that is given back once they are taken.
const MANY_OUTPUTS: usize = 1_024;

/// How many instances of each app occupy a host: what fairness counts.
type Occupancy = BTreeMap<AppId, usize>;
