use std::sync::Arc;
use std::time::Duration;

use crate::activation::{Activation, Firing};
use crate::event::{CancelNotice, Event};
use crate::ids::{AppId, ClientId, HostId, InstanceId, PushTicket, RequestId, SocketKey, TaskId};
use crate::input::AppVersion;
use crate::model::access::{AppAccess, BackgroundAccessStatus};
use crate::model::budget::{Account, EnergyUsage, Limits, ThrottleCounts};
use crate::model::control_channel::ControlChannelTriggerStatus;
use crate::model::edge::Edge;
use crate::model::fact::{Fact, Zone};
use crate::model::fleet::{FleetOrder, OrderId};
use crate::model::outcome::Completion;
use crate::model::push::PushChannel;
use crate::model::registration::{Entry, Registration};
use crate::model::socket::Socket;
use crate::model::subject::Subject;
use crate::model::trigger::{Details, Trigger};
use crate::model::windows_enum;
use crate::refusal::Refusal;
use crate::time::{BootTime, WallTime};

/// Everything the core can order. Closed, like [`Input`](crate::Input).
///
/// Within one batch the driver makes every [`Persist`](Self::Persist) durable in one transaction before it performs the rest
/// in the order given; [`Launch`](Self::Launch) need not wait for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// Make this durable.
    Persist(Change),
    /// Answer a request.
    Reply(RequestId, Result<Reply, Refusal>),
    /// Somebody needs this fact: start its source.
    Watch(Fact),
    /// Nobody needs this fact any more: stop its source.
    Unwatch(Fact),
    /// Say when this calendar comes true next, by [`Input::Planned`](crate::Input::Planned).
    Plan {
        /// Whose.
        task: TaskId,
        /// The expression.
        calendar: Arc<str>,
        /// The time zone it is read in; the machine's where there is none.
        zone: Option<Arc<str>>,
        /// After this.
        after: WallTime,
    },
    /// Tell of what happens, by [`Input::Happened`](crate::Input::Happened).
    Listen {
        /// To whom.
        task: TaskId,
        /// Whose it is: some events belong to an app.
        app: AppId,
        /// Of what.
        subject: Subject,
    },
    /// Tell no more.
    Unlisten(TaskId),
    /// Tell when the device that is named in what the trigger carries is gone, by
    /// [`Input::DeviceGone`](crate::Input::DeviceGone).
    WatchDevice(TaskId, Details),
    /// Tell no more.
    UnwatchDevice(TaskId),
    /// Start a host. A command has none before it runs: its [`Run`](Self::Run) starts it.
    Launch {
        /// Its id.
        host: HostId,
        /// Whose it is.
        app: AppId,
        /// The program of the app to run.
        program: Arc<str>,
        /// What bounds it.
        limits: Limits,
    },
    /// This client is a host from now on: what goes to the host goes to it, and killing the host kills its process.
    Adopt {
        /// The host's id.
        host: HostId,
        /// The client.
        client: ClientId,
    },
    /// Give a host an instance to run; where that is a command, start it.
    Run(HostId, Box<RunOrder>),
    /// Tell a host that its instance has to stop.
    Cancel(HostId, InstanceId, CancelNotice),
    /// Tell what a host has used so far, by [`Input::HostUsage`](crate::Input::HostUsage).
    Sample(HostId),
    /// Ask the user, and give the answer to [`Input::Consent`](crate::Input::Consent).
    Ask {
        /// For this request.
        request: RequestId,
        /// Which app asks.
        app: AppId,
        /// In which words.
        reason: String,
    },
    /// Suspend everything in a host: it gets no processor time until it is thawed (POL-1).
    Freeze(HostId),
    /// Let a suspended host go on.
    Thaw(HostId),
    /// Tell a host how often its instance was suspended so far (POL-2).
    Throttled(HostId, InstanceId, ThrottleCounts),
    /// Keep the machine from sleeping, as far as it lets itself be kept, while this runs (D15).
    Inhibit(InstanceId),
    /// Keep it no longer for this.
    Uninhibit(InstanceId),
    /// Ask a host without work to end.
    Retire(HostId),
    /// Kill a host and everything it started.
    Kill(HostId),
    /// Tell a client.
    Deliver(ClientId, Notice),
    /// Tell whoever looks on that a task has come further. Not durable.
    Progressed {
        /// Which registration.
        task: TaskId,
        /// Which activation.
        instance: InstanceId,
        /// The value, the task's own scale.
        value: u32,
        /// Its words.
        message: Option<Arc<str>>,
    },
    /// Close the broker's own copy of this descriptor: the task has taken it, or nobody will.
    DropSocket(SocketKey),
    /// Tell once of a socket that there is something to read or to accept, or that it is closed, without reading, by
    /// [`Input::SocketReady`](crate::Input::SocketReady), or of the connection of a control channel by
    /// [`Input::ChannelSeen`](crate::Input::ChannelSeen): at once, where it is so already. Ordered again, it is looked at again.
    WatchSocket(SocketKey),
    /// Tell no more.
    UnwatchSocket(SocketKey),
    /// The activation has ended, or never ran: look no longer whether its caller is gone.
    ForgetCaller(InstanceId),
    /// Wake the machine then, if it sleeps; ordered whenever that changes, `None` is not at all.
    Rouse(Option<BootTime>),
    /// Open the channel of this app, or go on with it; the answer is an [`Input::ChannelOpened`](crate::Input::ChannelOpened).
    OpenChannel(AppId),
    /// Give it up.
    CloseChannel(AppId),
    /// Those messages of its channel are durable: their server may forget them.
    AcknowledgePushes(AppId, Vec<PushTicket>),
    /// Those orders of the fleet are durable, or were before: their server may forget them.
    AcknowledgeOrders(Vec<PushTicket>),
    /// Tell the operator what came of an order; then an [`Input::OrderAnswered`](crate::Input::OrderAnswered). Ordered again by every
    /// broker that starts before that.
    AnswerOrder(Box<FleetOrder>),
    /// Nothing more to do until an input comes, or until then.
    Wake(Option<Wake>),
}

impl Output {
    /// Whether it must not be performed before its batch is durable.
    ///
    /// A [`Cancel`](Self::Cancel) and a [`Kill`](Self::Kill) could, but then they would overtake the [`Run`](Self::Run) of the
    /// same batch, which is what starts a command.
    pub const fn needs_commit(&self) -> bool {
        !matches!(
            self,
            Self::Launch { .. }
                | Self::Adopt { .. }
                | Self::Sample(_)
                | Self::Watch(_)
                | Self::Unwatch(_)
                | Self::Plan { .. }
                | Self::Listen { .. }
                | Self::Unlisten(_)
                | Self::WatchDevice(..)
                | Self::UnwatchDevice(_)
                | Self::Progressed { .. }
                | Self::Rouse(_)
                | Self::Wake(_)
        )
    }
}

/// One change of the durable state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// Insert or replace.
    PutRegistration(Registration),
    /// Remove.
    DeleteRegistration(TaskId),
    /// Insert or replace, by its instance.
    PutActivation(TaskId, Activation),
    /// Remove.
    DeleteActivation(InstanceId),
    /// Insert. Its sequence is never given again, see [`Snapshot::last_sequence`](crate::Snapshot::last_sequence).
    PutCompletion(Completion),
    /// Remove.
    DeleteCompletion(u64),
    /// Replace: the highest sequence ever given to a completion.
    PutSequence(u64),
    /// Insert or replace.
    PutAccess(AppId, AppAccess),
    /// Remove.
    DeleteAccess(AppId),
    /// Replace: whether the user switched all background work off.
    PutSwitchedOff(bool),
    /// Insert or replace.
    PutVersion(AppId, AppVersion),
    /// Remove.
    DeleteVersion(AppId),
    /// Insert or replace.
    PutZone(Zone),
    /// Remove.
    DeleteZone,
    /// Insert or replace: the last state of something.
    PutState(Fact, Arc<str>),
    /// Remove.
    DeleteState(Fact),
    /// Insert or replace: what an app has used of its budget.
    PutAccount(AppId, Account),
    /// Remove.
    DeleteAccount(AppId),
    /// Insert or replace, by its key.
    PutSocket(Socket),
    /// Remove.
    DeleteSocket(SocketKey),
    /// Insert or replace: a channel for push messages.
    PutChannel(PushChannel),
    /// Remove.
    DeleteChannel(AppId),
    /// Insert or replace, by its number: what has fired some of those it concerns.
    PutEdge(Edge),
    /// Remove.
    DeleteEdge(u64),
    /// Insert or replace: an order of the fleet.
    PutOrder(FleetOrder),
    /// Remove.
    DeleteOrder(OrderId),
    /// Append to the history; the driver also announces it to everybody who watches.
    Record(Event),
}

impl Change {
    /// Whether it means something after the machine has crashed, so that what follows from it has to wait for the disk. A socket, and an
    /// activation that carries one, end with the machine; a line of history goes with the change that it tells of.
    pub fn outlives_the_machine(&self) -> bool {
        match self {
            Self::PutSocket(_) | Self::DeleteSocket(_) | Self::Record(_) => false,
            Self::PutActivation(_, activation) => activation.firing.socket.is_none(),
            _ => true,
        }
    }
}

/// What a host needs to run an instance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunOrder {
    /// The activation.
    pub instance: InstanceId,
    /// The registration.
    pub task: TaskId,
    /// Its name.
    pub name: Arc<str>,
    /// What to call.
    pub entry: Entry,
    /// The group it was registered in: in the app itself, the group hears of it instead (GRP-5).
    pub group: Option<Arc<str>>,
    /// What fired.
    pub trigger: Trigger,
    /// When, and how often.
    pub firing: Firing,
    /// Which try, from 1.
    pub attempt: u32,
    /// How often it was suspended so far.
    pub throttled: ThrottleCounts,
    /// How long it may run.
    pub budget: Duration,
    /// What the broker knows of the socket that comes with the firing, where an app has handed it over.
    pub brokered: Option<Socket>,
}

/// What an attached client hears.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Notice {
    /// A task reported progress. Not durable: a client that is away misses it (D4).
    Progress {
        /// Which registration.
        task: TaskId,
        /// Which activation.
        instance: InstanceId,
        /// The value, the app's own scale (EVT-5).
        value: u32,
    },
    /// The app uses more energy than before, or little again (POL-8).
    Energy(EnergyUsage),
    /// An activation ended. Repeated at every attach until acknowledged (D4).
    Completed(Completion),
}

/// The answer to a request that was granted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply {
    /// The registration is durable and has this id.
    Registered(TaskId),
    /// The registration no longer fires.
    Unregistered,
    /// What `register_or_update` came to.
    Updated(TaskId, Update),
    /// What the app may do now.
    Access(BackgroundAccessStatus),
    /// Whether the user or the system approved (ACC-18).
    Approved(bool),
    /// The user's decision is in force.
    Set,
    /// How many running instances were told to stop.
    Terminated(u32),
    /// What became of a trigger the app asked for, and why.
    Activated(ApplicationTriggerResult, String),
    /// The same of a `DeviceUseTrigger`.
    DeviceUse(DeviceTriggerResult, String),
    /// How many registrations heard the event.
    Raised(u32),
    /// The activation that runs by hand, or will.
    Running(InstanceId),
    /// The completion will not be delivered again.
    Acknowledged,
    /// The progress is noted.
    Noted,
    /// The socket is the broker's now.
    Transferred,
    /// The socket is the app's again: the driver gives it its descriptor.
    Socket(Box<Socket>),
    /// What became of a connection to an app service.
    AppService {
        /// The answer.
        status: AppServiceConnectionStatus,
        /// Why.
        why: String,
        /// The activation that serves it, where it is open.
        instance: Option<InstanceId>,
    },
    /// The channel for push messages, with its address.
    Channel(PushChannel),
    /// There is none any more.
    ChannelClosed,
    /// What became of a control channel.
    ControlChannel {
        /// The answer.
        status: ControlChannelTriggerStatus,
        /// Why.
        why: String,
    },
}

/// What `register_or_update` came to (D5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Update {
    /// There was none of that name: it is registered.
    Registered,
    /// It is as it was, its phase kept.
    Unchanged,
    /// Another took its place.
    Replaced,
}

windows_enum! {
    /// What became of a trigger the app asked for (`ApplicationTriggerResult`, `MediaProcessingTriggerResult`).
    ApplicationTriggerResult {
        /// It fired: the task will run.
        Allowed = 0,
        /// It did not fire: an earlier request still runs, or waits to (D3).
        CurrentlyRunning = 1,
        /// The user or the policy does not let the app run.
        DisabledByPolicy = 2,
        /// It did not fire for another reason.
        UnknownError = 3,
    }
}

windows_enum! {
    /// What became of a `DeviceUseTrigger` the app asked for (`DeviceTriggerResult`, AC-10).
    DeviceTriggerResult {
        /// It fired: the task will run.
        Allowed = 0,
        /// The user does not let the app run.
        DeniedByUser = 1,
        /// It did not fire for another reason: the policy, or the task runs already.
        DeniedBySystem = 2,
        /// The battery is low.
        LowBattery = 3,
    }
}

windows_enum! {
    /// What became of a connection to an app service (`AppServiceConnectionStatus`). What only remote systems and online accounts
    /// bring about is never answered.
    AppServiceConnectionStatus {
        /// It is open.
        Success = 0,
        /// The app is not installed.
        AppNotInstalled = 1,
        /// The app cannot run now: it is being updated, or the machine holds background work. Try again later.
        AppUnavailable = 2,
        /// The app has no such service.
        AppServiceUnavailable = 3,
        /// It is not open for another reason.
        Unknown = 4,
        /// The other machine cannot be reached.
        RemoteSystemUnavailable = 5,
        /// The service is not for other machines.
        RemoteSystemNotSupportedByApp = 6,
        /// The app's manifest does not allow the caller.
        NotAuthorized = 7,
        /// The account could not be authenticated.
        AuthenticationError = 8,
        /// There is no network.
        NetworkNotAvailable = 9,
        /// The user or the policy does not let the app run.
        DisabledByPolicy = 10,
        /// A service of the web cannot be reached.
        WebServiceUnavailable = 11,
    }
}

/// When the core wants to be called again, and why.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wake {
    /// When.
    pub at: BootTime,
    /// Why.
    pub why: WakeReason,
}

/// What time alone will bring about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WakeReason {
    /// The budget of a running activation ends.
    Budget(TaskId),
    /// The grace of a cancelled activation ends.
    Grace(TaskId),
    /// A host has lingered long enough.
    Linger(HostId),
    /// A host that was asked to end has had its time.
    Retirement(HostId),
    /// It is time to look whether a host does anything.
    Idle(HostId),
    /// A timer is due.
    Timer(TaskId),
    /// A failed try may be repeated.
    Retry(TaskId),
    /// A task will have gone without a success for too long.
    Overdue(TaskId),
    /// It is time to look what a host has used.
    Usage(HostId),
    /// The window of an app's budget, or its period of energy, ends.
    Refill,
    /// A task has been held long enough because the processors are busy.
    Load(TaskId),
    /// The keep-alive time of a socket or of a control channel is over.
    KeepAlive(TaskId),
    /// The time of an order of the fleet comes.
    Fleet,
    /// More of what the last turn began is left: see [`MAX_PER_TURN`](crate::limits::MAX_PER_TURN).
    More,
    /// The time of a channel for push messages is over.
    ChannelExpiry,
}
