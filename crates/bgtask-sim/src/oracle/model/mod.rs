//! Every decision a second time: what one input must bring about, and that nothing else comes of it.
//!
//! It is written from the rules, not from the core: plain sets, everything looked at anew for every input.

mod access;
mod budgets;
mod commands;
mod devices;
pub(super) mod edges;
mod ends;
mod held;
mod levels;
mod load;
mod orders;
mod owed;
mod pushes;
mod registrations;
mod requests;
mod servicing;
mod sockets;
mod starts;
mod timers;
mod writes;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use bgtask_core::{
    Account, Activation, ActivationState, App, AppAccess, AppId, AppVersion, BootTime, CancellationReason, ClientId,
    Config, Details, Fact, FleetOrder, HostId, Input, InstanceId, NewOrder, Notice, Now, OrderId, Output, Policy,
    Registration, RequestId, Snapshot, Socket, SocketKey, SourceStatus, Standing, TaskId, Trigger, Usage, WallTime,
    Zone,
};

use super::{Verdict, check};
use crate::driver::Turn;
use budgets::Purse;
use commands::Words;
use held::{By, Held, Occasion, listens};
use levels::is_about;
use owed::Owed;
use timers::Share;

/// An instance that was given to a host.
#[derive(Clone, Debug)]
struct Run {
    task: TaskId,
    app: AppId,
    host: HostId,
    warm: bool,
    started: bool,
    since: BootTime,
    /// What it was held as, and is again if it is tried again.
    held: Held,
    /// What it last said beside its progress.
    message: Words,
    /// Its budget, later its grace, ends then.
    ends: BootTime,
    cancelled: Option<CancellationReason>,
    killing: bool,
}

/// A host as the core has to know it.
#[derive(Clone, Debug)]
struct Place {
    app: AppId,
    /// The program that was launched; `None` is the app itself.
    program: Option<Arc<str>>,
    client: Option<ClientId>,
    /// It has not had an instance yet.
    fresh: bool,
    /// It was asked to leave, and is killed then.
    retired: Option<BootTime>,
    killed: bool,
    condemned_by: Option<Arc<str>>,
    /// What it had used, and until when it did something.
    cpu: std::time::Duration,
    io: u64,
    active: BootTime,
    asked: bool,
    /// It is a command's process.
    is_command: bool,
    /// What it was last seen to have used.
    used: Usage,
    /// When that was, or when it was last given something to do.
    seen: BootTime,
    /// Since when it is suspended.
    frozen: Option<BootTime>,
    /// What its instances have been charged with.
    charged: Usage,
}

impl Place {
    fn new(app: AppId, now: BootTime) -> Self {
        Self {
            app,
            program: None,
            client: None,
            fresh: false,
            retired: None,
            killed: false,
            condemned_by: None,
            cpu: std::time::Duration::ZERO,
            io: 0,
            active: now,
            asked: false,
            is_command: false,
            used: Usage::default(),
            seen: now,
            frozen: None,
            charged: Usage::default(),
        }
    }
}

/// What is kept besides registrations and activations.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Settings {
    versions: BTreeMap<AppId, AppVersion>,
    access: BTreeMap<AppId, AppAccess>,
    switched_off: bool,
    states: BTreeMap<Fact, Arc<str>>,
    /// The time zone, while somebody cares for it.
    zone: Option<Zone>,
}

#[derive(Debug, Default)]
pub(super) struct Model {
    config: Config,
    now: Now,
    begun: bool,
    stopping: bool,
    apps: BTreeMap<AppId, App>,
    policy: Policy,
    settings: Settings,
    /// The same as the core has written it.
    kept: Settings,
    session: Arc<str>,
    levels: BTreeMap<Fact, bool>,
    states: BTreeMap<Fact, Arc<str>>,
    /// What background work costs, while somebody stands on it.
    cost: Option<u8>,
    wants_cost: bool,
    /// The clients that are attached, each with its app.
    clients: BTreeMap<ClientId, AppId>,
    /// The installed apps that may always run: they are on the lock screen.
    always: BTreeSet<AppId>,
    watched: BTreeSet<Fact>,
    /// Facts whose source says that it cannot know them.
    missing: BTreeSet<Fact>,
    /// Registrations as they have to be, and as they are written.
    registrations: BTreeMap<TaskId, Registration>,
    kept_registrations: BTreeMap<TaskId, Registration>,
    /// For whom it is listened.
    listening: BTreeSet<TaskId>,
    /// Which devices are watched, for whom.
    devices: BTreeMap<TaskId, Details>,
    /// Sockets as they have to be, and as they are written; the descriptors that the broker has, and those it watches.
    sockets: BTreeMap<SocketKey, Socket>,
    kept_sockets: BTreeMap<SocketKey, Socket>,
    descriptors: BTreeSet<SocketKey>,
    watching: BTreeSet<SocketKey>,
    /// Edges that have not come to all they concern; and whether the next turn goes on with what this one has begun.
    edges: edges::Edges,
    goes_on: bool,
    /// What started although something else was to go first: unless that is still to be looked at.
    unfair: Option<String>,
    /// Channels for push messages, and what has arrived there.
    channels: pushes::Channels,
    /// Orders of the fleet as they are written, and those that a broker that ends has not taken in.
    orders_of_fleet: BTreeMap<OrderId, FleetOrder>,
    not_taken_in: VecDeque<NewOrder>,
    /// Plans that were ordered and not answered.
    orders: BTreeMap<TaskId, u32>,
    /// Calendars that do not come true again.
    never_again: BTreeSet<TaskId>,
    /// Which part of its jitter a task of that name waits, as far as was seen.
    shares: BTreeMap<Arc<str>, Share>,
    rows: BTreeMap<InstanceId, (TaskId, Activation)>,
    waiting: BTreeMap<InstanceId, Held>,
    /// Since when nothing but the load and the slots holds what waits.
    ready: BTreeMap<TaskId, WallTime>,
    /// Tasks that came due together with more than can run.
    stormy: BTreeSet<TaskId>,
    /// For what the machine is kept awake.
    awake: BTreeSet<InstanceId>,
    /// How many ever waited.
    places: u64,
    running: BTreeMap<InstanceId, Run>,
    hosts: BTreeMap<HostId, Place>,
    /// What apps have used, and what of that is written.
    purses: BTreeMap<AppId, Purse>,
    kept_accounts: BTreeMap<AppId, Account>,
    questions: BTreeMap<RequestId, (AppId, String, bool)>,
    /// Whether the last start recorded was in a host that was there already.
    warm: bool,
}

impl Model {
    pub(super) fn new(config: Config) -> Self {
        Self { config, ..Self::default() }
    }

    /// Only what is durable is known to a new broker, and what the world tells it.
    pub(super) fn life_begins(&mut self, policy: &Policy, snapshot: &Snapshot) {
        let rows = snapshot.activations.iter().map(|(task, it)| (it.instance, (*task, it.clone())));
        let settings = Settings {
            versions: snapshot.versions.iter().cloned().collect(),
            access: snapshot.access.iter().cloned().collect(),
            switched_off: snapshot.switched_off,
            states: snapshot.states.iter().cloned().collect(),
            zone: snapshot.zone.clone(),
        };
        *self = Self {
            config: self.config.clone(),
            policy: policy.clone(),
            kept: settings.clone(),
            states: settings.states.clone(),
            settings,
            session: Arc::clone(&snapshot.session),
            registrations: snapshot.registrations.iter().map(|it| (it.id, it.clone())).collect(),
            kept_registrations: snapshot.registrations.iter().map(|it| (it.id, it.clone())).collect(),
            sockets: snapshot.sockets.iter().map(|it| (it.key, it.clone())).collect(),
            kept_sockets: snapshot.sockets.iter().map(|it| (it.key, it.clone())).collect(),
            edges: edges::Edges::restored(&snapshot.edges, &snapshot.registrations),
            channels: pushes::Channels::restored(&snapshot.channels),
            orders_of_fleet: snapshot.orders.iter().map(|it| (it.id.clone(), it.clone())).collect(),
            shares: std::mem::take(&mut self.shares),
            rows: rows.collect(),
            purses: snapshot.accounts.iter().map(|(app, it)| (app.clone(), Purse { account: *it, level: 0 })).collect(),
            kept_accounts: snapshot.accounts.iter().cloned().collect(),
            ..Self::default()
        };
    }

    pub(super) fn decided(&mut self, turn: &Turn) -> Verdict {
        let before = std::mem::replace(&mut self.now, turn.now);
        let unset = before.wall + turn.now.boot.since(before.boot);
        let mut owed = Owed::default();
        let (begun, known) = (self.begun, self.apps.clone());
        self.clock_was_set_back(unset, &mut owed);
        self.expect(&turn.input, &mut owed);
        self.lock_screen_changes(begun, &known, &mut owed);
        for output in &turn.outputs {
            self.came(output, &mut owed)?;
        }
        self.unfair.take().filter(|_| !self.goes_on).map_or(Ok(()), Err)?;
        self.forget_what_nobody_needs();
        self.not_yet_due(&owed)?;
        self.note_who_is_ready();
        owed.is_settled()?;
        self.accounts_are_kept(&owed, !matches!(turn.input, Input::Tick))?;
        if self.begun { self.is_consistent() } else { Ok(()) }
    }

    /// What is true whenever everything that waited was handled.
    pub(super) fn turn_is_over(&self) -> Verdict {
        let stays = |it: &&Registration| it.standing != Standing::Unregistered && !self.apps.contains_key(&it.app);
        let stays = self.registrations.values().find(stays);
        check(stays.is_none(), || format!("its app is removed, and it is still listed: {stays:?}"))
    }

    /// Takes in what happened and notes what has to come of it.
    fn expect(&mut self, input: &Input, owed: &mut Owed) {
        match input {
            Input::Restore(_) => self.restored(owed),
            Input::Tick => self.time_passed(owed),
            Input::CaughtUp => self.caught_up(),
            Input::Stop => {
                self.stopping = true;
                self.cancel_where(owed, CancellationReason::LoggingOff, |_, _| true);
                let idle = |host: &HostId| !self.running.values().any(|run| run.host == *host);
                let gone: Vec<_> = self.hosts.keys().copied().filter(idle).collect();
                self.hosts.retain(|host, place| place.client.is_none() || !gone.contains(host));
            }
            Input::AppInstalled(app) => self.installed(app, owed),
            Input::AppRemoved(app) => self.removed(app, owed),
            Input::Policy(policy) => {
                self.policy = policy.clone();
                self.end_what_is_denied(owed);
                self.weigh_everybody(owed);
            }
            Input::Consent(id, consent) => self.consented(*id, consent, owed),
            Input::Report(report) => self.reported(report, owed),
            Input::Request(id, request) => self.requested(*id, request, owed),
            Input::Attach { client, app, activates } => {
                self.clients.insert(*client, app.clone());
                let known = self.hosts.values().any(|place| place.client == Some(*client));
                let adopts = *activates && !self.stopping && !known && self.apps.contains_key(app);
                owed.adopts = adopts.then(|| (*client, app.clone()));
            }
            Input::Detach(client) => {
                self.client_left(*client, owed);
                self.client_gone(*client, owed);
            }
            Input::HostStarted(host, instance) => self.started(*host, *instance),
            Input::HostProgress(host, instance, value) => self.progressed(*host, *instance, *value, owed),
            Input::SocketTaken(host, instance) => self.socket_taken(*host, *instance),
            Input::SocketReady(key, readiness) => self.socket_ready(*key, *readiness, owed),
            Input::SocketsGone(keys) => self.sockets_gone(keys, owed),
            Input::HostFinished { host, instance, result, usage } => {
                self.finished(*host, *instance, result, *usage, owed);
            }
            Input::HostUsage { host, usage } => self.used(*host, *usage, owed),
            Input::HostExited { host, exit, output_tail, usage } => {
                self.exited(*host, exit, output_tail, *usage, owed);
            }
            Input::Planned { task, at } => self.planned(*task, *at),
            Input::Happened { task, events, count, lost } => {
                let its = self.registrations.get(task);
                if its.is_some_and(|it| listens(&it.trigger) && it.standing == Standing::Active) {
                    let (details, count) = (Some(events.clone()), count + lost);
                    self.set_off(*task, Occasion { details, count, lost: *lost, ..Occasion::once(By::World) }, owed);
                }
            }
            // No app offers services in the simulated world, nor keeps a connection.
            Input::Heard(..) | Input::CallerGone(_) | Input::ChannelSeen(..) => {}
            Input::DeviceGone(task) => self.device_gone(*task, owed),
            Input::ChannelOpened { app, uri } => self.channel_opened(app, uri, owed),
            Input::ChannelRefused { app, .. } => self.channel_refused(app, owed),
            Input::Pushed { app, messages } => self.pushed(app, messages, owed),
            Input::Ordered(orders) => self.ordered(orders, owed),
            Input::OrderAnswered(id) => self.order_answered(id, owed),
            Input::SourceStatus(fact, SourceStatus::Missing { .. }) if self.watched.contains(fact) => {
                self.missing.insert(*fact);
                self.end_what_lost_its_condition(owed);
            }
            Input::SourceStatus(fact, _) => drop(self.missing.remove(fact)),
        }
    }

    /// Takes in what the core made of it.
    fn came(&mut self, output: &Output, owed: &mut Owed) -> Verdict {
        match output {
            Output::Persist(change) => self.changed(change, owed),
            Output::Reply(id, reply) => self.answers(*id, reply, owed),
            Output::Plan { task, calendar, zone, after } => {
                let right = self.registrations.get(task).map(|it| &it.trigger);
                let same = matches!(right, Some(Trigger::Calendar { calendar: its, zone: its_zone, .. })
                    if (its, its_zone) == (calendar, zone));
                check(same, || format!("{task} is planned as {calendar} in {zone:?}, it is {right:?}"))?;
                owed.planned(*task, *after)
            }
            Output::Listen { task, app, subject } => {
                let right = self.registrations.get(task);
                let same = right.is_some_and(|its| its.app == *app && is_about(subject, &its.trigger));
                check(same, || format!("{subject:?} of {app} is listened to for {right:?}"))?;
                check(self.listening.insert(*task), || format!("it is listened for {task} twice"))
            }
            Output::Unlisten(task) => check(self.listening.remove(task), || format!("it was not listened for {task}")),
            Output::WatchDevice(task, details) => {
                let before = self.devices.insert(*task, details.clone());
                check(before.is_none(), || format!("the device of {task} is watched twice"))
            }
            Output::UnwatchDevice(task) => {
                let watched = self.devices.remove(task).is_some();
                check(watched, || format!("the device of {task} was not watched"))
            }
            Output::Progressed { task, instance, value, message } => {
                let said = (*task, *instance, *value, message.clone());
                let right = owed.progress.take();
                check(right.as_ref() == Some(&said), || format!("the progress is {said:?}, right is {right:?}"))
            }
            Output::Watch(fact) => check(self.watched.insert(*fact), || format!("{fact} is watched twice")),
            Output::Unwatch(fact) => {
                self.levels.remove(fact);
                self.missing.remove(fact);
                check(self.watched.remove(fact), || format!("{fact} was not watched"))
            }
            Output::WatchSocket(key) => {
                self.watching.insert(*key);
                check(self.descriptors.contains(key), || format!("{key:?} is watched and not held"))
            }
            Output::UnwatchSocket(key) => {
                self.watching.remove(key);
                Ok(())
            }
            Output::DropSocket(key) => {
                self.closes(*key);
                Ok(())
            }
            Output::ForgetCaller(instance) => check(false, || format!("{instance} serves nobody")),
            Output::OpenChannel(app) => {
                check(owed.opens.remove(app), || format!("the channel of {app} is opened without a reason"))
            }
            Output::CloseChannel(app) => {
                check(owed.closes.remove(app), || format!("the channel of {app} is closed without a reason"))
            }
            Output::AcknowledgePushes(app, tickets) => self.pushes_acknowledged(app, tickets),
            Output::AcknowledgeOrders(tickets) => owed.orders.acknowledged(tickets),
            Output::AnswerOrder(order) => self.answers_the_operator(order),
            Output::Freeze(host) => self.freezes(*host, owed),
            Output::Thaw(host) => self.thaws(*host, owed),
            Output::Throttled(host, instance, counts) => {
                let right = owed.told_counts.remove(instance);
                check(right == Some(*counts), || format!("{instance} on {host:?} hears {counts:?}, right is {right:?}"))
            }
            Output::Inhibit(instance) => {
                check(self.awake.insert(*instance), || format!("the machine is kept awake twice for {instance}"))
            }
            Output::Uninhibit(instance) => {
                check(self.awake.remove(instance), || format!("the machine was not kept awake for {instance}"))
            }
            Output::Rouse(at) => check(at.is_none() || self.config.may_wake, || "it may not be woken".into()),
            Output::Launch { host, app, program, .. } => self.launches(*host, app, Some(program), None),
            Output::Adopt { host, client } => match owed.adopts.take() {
                Some((wanted, app)) if wanted == *client => self.launches(*host, &app, None, Some(*client)),
                other => Err(format!("{client:?} is adopted, {other:?} is to be")),
            },
            Output::Run(host, order) => self.runs(*host, order),
            Output::Cancel(host, instance, notice) => {
                if let Some(run) = self.running.get(instance).filter(|run| self.may_end_for_energy(run, notice.reason))
                {
                    let task = run.task;
                    self.cancel_where(owed, notice.reason, |_, run| run.task == task);
                }
                let wanted = owed.cancels.remove(instance);
                check(wanted == Some(notice.reason), || format!("told to stop: {notice}; to be is {wanted:?}"))?;
                let place = self.running.get(instance).map(|run| run.host);
                check(place == Some(*host), || format!("{instance} is told to stop on {host:?} and runs on {place:?}"))
            }
            Output::Sample(host) => {
                let asked = owed.samples.remove(host) || self.may_be_asked(*host);
                check(asked, || format!("{host:?} is asked what it has used, and nobody wants to know"))
            }
            Output::Ask { request, .. } => match owed.answer.take() {
                Some((id, requests::Answer::Question)) if id == *request => Ok(()),
                other => Err(format!("the user is asked about {request:?}, to be is {other:?}")),
            },
            Output::Retire(host) | Output::Kill(host) => self.leaves(*host, matches!(output, Output::Kill(_)), owed),
            Output::Deliver(client, Notice::Energy(usage)) => self.told_of_energy(*client, usage, owed),
            Output::Deliver(..) => Ok(()),
            Output::Wake(wake) => {
                self.goes_on = wake.is_some_and(|wake| wake.at <= self.now.boot);
                Ok(())
            }
        }
    }

    fn is_consistent(&mut self) -> Verdict {
        let waits = |activation: &Activation| matches!(activation.state, ActivationState::Waiting { .. });
        let waiting: BTreeSet<_> = self.rows.values().filter(|(_, it)| waits(it)).map(|(_, it)| it.instance).collect();
        check(waiting.iter().eq(self.waiting.keys()), || {
            format!("written as waiting are {waiting:?}, waiting are {:?}", self.waiting)
        })?;
        let running: Vec<_> = self.rows.values().filter_map(|(_, it)| Some((it.instance, it.state.host()?))).collect();
        check(running.iter().copied().eq(self.running.iter().map(|(id, run)| (*id, run.host))), || {
            format!("written as running are {running:?}, running are {:?}", self.running)
        })?;
        check(self.settings == self.kept, || format!("kept is {:?}, right is {:?}", self.kept, self.settings))?;
        self.registrations_are_right()?;
        self.devices_are_watched()?;
        self.sockets_are_right()?;
        self.edges_are_right()?;
        self.channels_are_right()?;
        self.orders_are_right()?;
        self.nothing_throttled_runs()?;
        self.is_kept_awake_for_the_network()?;
        self.nothing_waits_in_vain(starts::BEFORE_ANY_LOOK)
    }
}
