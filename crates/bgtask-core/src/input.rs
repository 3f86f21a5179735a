use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::activation::Activation;
use crate::ids::{AppId, ClientId, HostId, InstanceId, RequestId, SocketKey, TaskId};
use crate::model::access::{AccessSetting, AppAccess, BackgroundAccessRequestKind, Consent, Policy};
use crate::model::app::App;
use crate::model::budget::Account;
use crate::model::command::Usage;
use crate::model::control_channel::ControlChannelTriggerResourceType;
use crate::model::edge::Edge;
use crate::model::fact::{Fact, Report, Zone};
use crate::model::fleet::{FleetOrder, NewOrder, OrderId};
use crate::model::outcome::Completion;
use crate::model::push::{Push, PushChannel};
use crate::model::registration::{NewRegistration, Registration};
use crate::model::socket::{Readiness, Socket, SocketActivityConnectedStandbyAction, SocketKind};
use crate::model::trigger::{Demand, Details};
use crate::time::WallTime;

/// Everything that can happen to a broker. Closed: one place lists all that can wake it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Input {
    /// The state a broker starts from, given once and before anything else but apps.
    Restore(Box<Snapshot>),
    /// Time passed: the wake the core asked for.
    Tick,
    /// For a while nothing could be made durable, and no tick was given; now what waited for it has been performed.
    CaughtUp,
    /// The broker is to end: running tasks are told, nothing new starts.
    Stop,
    /// An app's manifest appeared or changed.
    AppInstalled(App),
    /// An app's manifest went away.
    AppRemoved(AppId),
    /// The owner of the machine decides which apps may run; given before anything runs, and at every change.
    Policy(Policy),
    /// The user answered, or nobody could be asked.
    Consent(RequestId, Consent),
    /// A source says how well it works.
    SourceStatus(Fact, SourceStatus),
    /// A source read its fact.
    Report(Report),
    /// A client asks for something and waits for the [`Reply`](crate::Reply).
    Request(RequestId, Request),
    /// A client of an app wants to hear progress and completions.
    Attach {
        /// Which client.
        client: ClientId,
        /// Whose it is.
        app: AppId,
        /// Whether it is the app's own program and runs tasks without an entry point itself (BLD-9).
        activates: bool,
    },
    /// That client is gone.
    Detach(ClientId),
    /// A host says that `run` began.
    HostStarted(HostId, InstanceId),
    /// A task reported progress.
    HostProgress(HostId, InstanceId, u32),
    /// A task has taken the descriptor that its activation came with.
    SocketTaken(HostId, InstanceId),
    /// A task is complete: `Err` has the task's own words.
    HostFinished {
        /// Where it ran.
        host: HostId,
        /// Which.
        instance: InstanceId,
        /// How it ended.
        result: Result<(), String>,
        /// What the host has used so far, where that could be seen.
        usage: Option<Usage>,
    },
    /// What a host has used so far: the answer to [`Output::Sample`](crate::Output::Sample).
    HostUsage {
        /// Which.
        host: HostId,
        /// What it has used so far.
        usage: Usage,
    },
    /// A host ended, or could not be started. After this nothing of it is left.
    HostExited {
        /// Which.
        host: HostId,
        /// How.
        exit: HostExit,
        /// What it wrote last.
        output_tail: String,
        /// What it has used, where that could be seen.
        usage: Option<Usage>,
    },
    /// When a calendar comes true next: the answer to [`Output::Plan`](crate::Output::Plan).
    Planned {
        /// Whose.
        task: TaskId,
        /// When; `None` is never again.
        at: Option<WallTime>,
    },
    /// Something happened that is listened to.
    Happened {
        /// For whom.
        task: TaskId,
        /// What, one line of JSON each.
        events: Details,
        /// How many they are.
        count: u32,
        /// How many more there were that nobody can tell.
        lost: u32,
    },
    /// How well it is listened for a registration.
    Heard(TaskId, SourceStatus),
    /// The device that a task uses is gone (CA-8).
    DeviceGone(TaskId),
    /// Something was seen at a socket that is watched, for the first time since it was ordered.
    SocketReady(SocketKey, Readiness),
    /// The driver has these sockets no more: it was started anew, and nobody has kept them for it.
    SocketsGone(Vec<SocketKey>),
    /// The caller that this instance serves has closed its end of the connection, or is gone.
    CallerGone(InstanceId),
    /// Push: a channel has this address.
    ChannelOpened {
        /// Whose.
        app: AppId,
        /// What to send to.
        uri: Arc<str>,
    },
    /// A channel cannot be opened now.
    ChannelRefused {
        /// Whose.
        app: AppId,
        /// Why not.
        why: String,
        /// What to do about it.
        help: String,
    },
    /// Messages have arrived on a channel, the oldest first.
    Pushed {
        /// Whose.
        app: AppId,
        /// Which.
        messages: Vec<Push>,
    },
    /// Something was seen at the connection of a control channel that is watched: so many bytes are there to read, or, where it is
    /// `None`, it has ended and nothing is left.
    ChannelSeen(SocketKey, Option<u32>),
    /// Orders of the fleet have arrived, the oldest first.
    Ordered(Vec<NewOrder>),
    /// The answer to an order has arrived where it was to go, or never will.
    OrderAnswered(OrderId),
}

/// What the store held when the broker started.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Snapshot {
    /// Every registration.
    pub registrations: Vec<Registration>,
    /// Every activation without an outcome.
    pub activations: Vec<(TaskId, Activation)>,
    /// Every completion that was not acknowledged, in order.
    pub completions: Vec<Completion>,
    /// The highest sequence ever given to a completion: a late acknowledgement must not meet another completion.
    pub last_sequence: u64,
    /// What apps may do.
    pub access: Vec<(AppId, AppAccess)>,
    /// Whether the user switched all background work off.
    pub switched_off: bool,
    /// The apps seen installed, with their versions.
    pub versions: Vec<(AppId, AppVersion)>,
    /// The last zone seen while somebody cared.
    pub zone: Option<Zone>,
    /// The last states seen of what is compared over the lives of a broker.
    pub states: Vec<(Fact, Arc<str>)>,
    /// What each app has used of its budget.
    pub accounts: Vec<(AppId, Account)>,
    /// The sockets that apps have handed over.
    pub sockets: Vec<Socket>,
    /// The channels for push messages.
    pub channels: Vec<PushChannel>,
    /// What has fired some of those it concerns.
    pub edges: Vec<Edge>,
    /// The orders of the fleet.
    pub orders: Vec<FleetOrder>,
    /// The user's session this broker serves: it changes when the user has logged out and in again.
    pub session: Arc<str>,
}

/// Which version of an app is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AppVersion {
    /// The version, as written.
    pub version: Arc<str>,
    /// Whether the app is being updated to it: `ServicingComplete` is still owed (RE-6).
    pub servicing: bool,
    /// When it was last seen to run by itself, within an hour; kept where it counts who is rarely used (TM-4).
    pub used: Option<WallTime>,
}

/// How well a source works on this machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SourceStatus {
    /// It knows its fact.
    Available {
        /// From where.
        how: String,
    },
    /// It knows its fact only roughly.
    Degraded {
        /// From where.
        how: String,
        /// What is missing.
        why: String,
        /// What would improve it.
        help: String,
    },
    /// It cannot know its fact.
    Missing {
        /// Why not.
        why: String,
        /// What would bring it.
        help: String,
    },
}

/// What a client may ask. Whether it may ask for *this app* was settled by the driver from the caller's identity.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Request {
    /// `BackgroundTaskBuilder.Register`.
    Register(AppId, NewRegistration),
    /// `BackgroundTaskRegistration.Unregister`.
    Unregister {
        /// The caller's app; `None` is the user, who may name any task.
        scope: Option<AppId>,
        /// Which registration.
        task: TaskId,
        /// Whether a running instance is cancelled (CA-7).
        cancel: bool,
    },
    /// The same name again: nothing, where it is the same; one for the other, where it is not (D5).
    RegisterOrUpdate(AppId, NewRegistration),
    /// `BackgroundExecutionManager.RequestAccessAsync`.
    RequestAccess {
        /// Whose.
        app: AppId,
        /// Which of its applications; empty is the first (ACC-15).
        application: String,
    },
    /// `RequestAccessKindAsync` and `RequestAccessKindForModernStandbyAsync` (ACC-18, ACC-21).
    RequestAccessKind {
        /// Whose.
        app: AppId,
        /// Which of its applications; empty is the first.
        application: String,
        /// What is asked for.
        kind: BackgroundAccessRequestKind,
        /// Whether for modern standby.
        standby: bool,
        /// The app's own words to the user (ACC-19).
        reason: String,
    },
    /// `BackgroundExecutionManager.RemoveAccess`.
    RemoveAccess {
        /// Whose.
        app: AppId,
        /// Which of its applications; empty is the first.
        application: String,
    },
    /// The user decides about an app; `None` takes the decision back (AC-7).
    SetAccess(AppId, Option<AccessSetting>),
    /// The user switches all background work on or off (AC-7).
    SetBackground {
        /// Whether it may run.
        enabled: bool,
    },
    /// The user runs a command now, whatever it waits for.
    RunNow {
        /// Which.
        task: TaskId,
        /// Whether it is as if its trigger had fired: then conditions, a pause and energy hold it nevertheless.
        respect_conditions: bool,
    },
    /// The user switches a task off for a while, or on again.
    SetPaused {
        /// Which.
        task: TaskId,
        /// Whether it is off.
        paused: bool,
    },
    /// The user ends what runs of a task, and gives up what waits.
    Cancel(TaskId),
    /// A command says how far it is.
    ReportProgress {
        /// Which activation.
        instance: InstanceId,
        /// The value.
        value: u32,
        /// Its words.
        message: String,
    },
    /// The user ends everything of an app that runs in the background (LC-12).
    Terminate(AppId),
    /// `RequestAsync` of an `ApplicationTrigger`, a `MediaProcessingTrigger` or a `DeviceUseTrigger`.
    Activate {
        /// Whose trigger.
        app: AppId,
        /// Which of them.
        demand: Demand,
        /// What it carries.
        details: Option<Details>,
    },
    /// A program raises a custom event.
    Raise {
        /// The caller's app; `None` is the user, who may raise any.
        by: Option<AppId>,
        /// Which event.
        event: String,
    },
    /// The app has handled a completion.
    Acknowledge(AppId, u64),
    /// `CreatePushNotificationChannelForApplicationAsync`: the same again is a longer life.
    CreatePushChannel(AppId),
    /// `PushNotificationChannel.Close`.
    ClosePushChannel(AppId),
    /// `AppServiceConnection.OpenAsync`: somebody wants to be served by an app (HO-6).
    OpenAppService {
        /// Who asks; `None` is a program of the user that is no app.
        caller: Option<AppId>,
        /// Whose service.
        app: AppId,
        /// Its name.
        service: String,
        /// The task's end of the connection.
        socket: SocketKey,
        /// What the task hears of its caller.
        details: Option<Details>,
    },
    /// `TransferOwnership` of a socket. Where it is refused, [`Output::DropSocket`](crate::Output::DropSocket) follows.
    TransferSocket(AppId, NewSocket),
    /// An app takes a socket back (`AllSockets`, SOC-13).
    ReclaimSocket {
        /// Whose.
        app: AppId,
        /// The app's name for it.
        id: String,
    },
    /// `ControlChannelTrigger.WaitForPushEnabled`. Where there is no channel then, [`Output::DropSocket`](crate::Output::DropSocket)
    /// follows.
    EnableControlChannel(AppId, NewControlChannel),
    /// `ControlChannelTrigger.Close`.
    CloseControlChannel {
        /// Whose.
        app: AppId,
        /// The app's name for it.
        id: String,
    },
}

/// A connection that a control channel is opened for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewControlChannel {
    /// The driver's number for its descriptor.
    pub key: SocketKey,
    /// The app's name for the channel.
    pub id: String,
    /// The client that holds the connection.
    pub client: ClientId,
    /// The host that this client is in, where the broker started it.
    pub host: Option<HostId>,
    /// How often its server wants to hear something, in minutes.
    pub keep_alive: u32,
    /// What is asked for.
    pub resource: ControlChannelTriggerResourceType,
    /// Whether the connection has ended already.
    pub ended: bool,
}

/// A socket that is handed over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewSocket {
    /// The driver's number for its descriptor.
    pub key: SocketKey,
    /// The registration to tell.
    pub task: TaskId,
    /// The app's name for it.
    pub id: String,
    /// What it is.
    pub kind: SocketKind,
    /// What is given along.
    pub context: Details,
    /// How long it is waited before the task runs although nothing came.
    pub keep_alive: Option<Duration>,
    /// Whether what arrives wakes the machine.
    pub action: SocketActivityConnectedStandbyAction,
    /// The number of another descriptor of the same socket that the driver has.
    pub again: Option<SocketKey>,
}

/// How a host ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HostExit {
    /// It exited with this code.
    Code(i32),
    /// A signal ended it.
    Signal(i32),
    /// It never became the program: the text says what was tried and what is wrong.
    NotStarted(String),
    /// It was the app itself, and its connection closed.
    Disconnected,
    /// It was killed because another task that ran in it did not stop (CA-4).
    Condemned {
        /// The other task's name.
        by: Arc<str>,
    },
}

impl fmt::Display for HostExit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Code(code) => write!(f, "the host exited with code {code} before the task was complete"),
            Self::Signal(signal) => write!(f, "the host was ended by signal {signal} before the task was complete"),
            Self::NotStarted(why) => write!(f, "the host could not be started: {why}"),
            Self::Disconnected => f.write_str("the app went away before the task was complete"),
            Self::Condemned { by } => {
                write!(f, "the host was killed because {by}, which ran in it too, was told to stop and did not")
            }
        }
    }
}
