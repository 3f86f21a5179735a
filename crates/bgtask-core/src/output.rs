use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::activation::{Activation, Firing};
use crate::broker::Gate;
use crate::ids::{AppId, ClassId, ClientId, HostId, InstanceId, RequestId, TaskId};
use crate::input::AppVersion;
use crate::limits::{
    MAX_APPS, MAX_CONDITIONS, MAX_CONSENTS, MAX_DETAILS_BYTES, MAX_ENTRY_POINT_BYTES, MAX_EVENT_ID_BYTES,
    MAX_GROUP_BYTES, MAX_NAME_BYTES, MAX_REGISTRATIONS, MAX_REGISTRATIONS_PER_APP,
};
use crate::model::access::{AppAccess, BackgroundAccessStatus};
use crate::model::app::TaskType;
use crate::model::cancel::CancellationReason;
use crate::model::condition::SystemConditionType;
use crate::model::fact::{Fact, Zone};
use crate::model::outcome::{Completion, Outcome};
use crate::model::registration::{Entry, Registration, Unregistration};
use crate::model::trigger::Trigger;
use crate::model::windows_enum;
use crate::time::{BootTime, Spoken, WallTime};

/// Everything the core can order. Closed, like [`Input`](crate::Input).
///
/// Within one batch the driver makes every [`Persist`](Self::Persist) durable in one transaction before it performs the rest
/// in the order given; [`Launch`](Self::Launch) and [`Kill`](Self::Kill) need not wait for it.
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
    /// Start a host.
    Launch {
        /// Its id.
        host: HostId,
        /// Whose it is.
        app: AppId,
        /// The program of the app to run.
        program: Arc<str>,
    },
    /// This client is a host from now on: what goes to the host goes to it, and killing the host kills its process.
    Adopt {
        /// The host's id.
        host: HostId,
        /// The client.
        client: ClientId,
    },
    /// Give a host an instance to run.
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
    /// Ask a host without work to end.
    Retire(HostId),
    /// Kill a host and everything it started.
    Kill(HostId),
    /// Tell a client.
    Deliver(ClientId, Notice),
    /// Nothing more to do until an input comes, or until then.
    Wake(Option<Wake>),
}

impl Output {
    /// Whether it must not be performed before its batch is durable.
    ///
    /// A [`Cancel`](Self::Cancel) could, but then it would overtake the [`Run`](Self::Run) of the same batch.
    pub const fn needs_commit(&self) -> bool {
        !matches!(
            self,
            Self::Launch { .. }
                | Self::Adopt { .. }
                | Self::Kill(_)
                | Self::Sample(_)
                | Self::Watch(_)
                | Self::Unwatch(_)
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
    /// Append to the history; the driver also announces it to everybody who watches.
    Record(Event),
}

/// One line of history: a state change with the names a person asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// When.
    pub at: WallTime,
    /// Whose task.
    pub app: AppId,
    /// Which registration.
    pub task: TaskId,
    /// Its name.
    pub name: Arc<str>,
    /// Which activation, if one is concerned.
    pub instance: Option<InstanceId>,
    /// What happened.
    pub kind: EventKind,
}

/// What happened to a task (the events of LC-9).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EventKind {
    /// It was registered.
    Registered,
    /// It was unregistered.
    Unregistered(Unregistration),
    /// Its trigger fired; `count` tells how many firings are now held in one (D1).
    Fired {
        /// The trigger.
        trigger: Trigger,
        /// How many.
        count: u32,
    },
    /// The activation waits for these conditions.
    Latched(Vec<SystemConditionType>),
    /// The activation waits for something else.
    Buffered(Gate),
    /// A host was told to run it.
    Started {
        /// Which try, from 1.
        attempt: u32,
        /// Whether the host lingered from before.
        warm: bool,
    },
    /// The task was told to stop.
    Cancelled(CancelNotice),
    /// The broker died under it; it waits to run again as this attempt.
    Interrupted {
        /// The coming try.
        attempt: u32,
    },
    /// A waiting activation was given up because its task was unregistered.
    Dropped,
    /// The activation has its outcome.
    Completed {
        /// The outcome.
        outcome: Outcome,
        /// The last progress reported.
        progress: Option<u32>,
    },
    /// An unacknowledged completion of this task was given up: the app keeps too many unread.
    CompletionLost {
        /// Which.
        sequence: u64,
    },
}

impl EventKind {
    /// One word for tables and fields.
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Registered => "registered",
            Self::Unregistered(_) => "unregistered",
            Self::Fired { .. } => "fired",
            Self::Latched(_) => "latched",
            Self::Buffered(_) => "buffered",
            Self::Started { .. } => "started",
            Self::Cancelled(_) => "cancelled",
            Self::Interrupted { .. } => "interrupted",
            Self::Dropped => "dropped",
            Self::Completed { .. } => "completed",
            Self::CompletionLost { .. } => "completion-lost",
        }
    }
}

impl fmt::Display for EventKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Registered => f.write_str("registered"),
            Self::Unregistered(why) => f.write_str(match why {
                Unregistration::Explicit { cancel: true } => "unregistered, a running instance is cancelled",
                Unregistration::Explicit { cancel: false } => "unregistered",
                Unregistration::Replaced => "unregistered: another registration took its place",
                Unregistration::EntryPointGone => "unregistered: the app's manifest no longer declares its entry point",
                Unregistration::Uninstalled => "unregistered: the app was removed",
            }),
            Self::Fired { trigger, count: 1 } => write!(f, "{trigger} fired"),
            Self::Fired { trigger, count } => {
                write!(f, "{trigger} fired, {count} firings are held as one")
            }
            Self::Latched(missing) => {
                let names: Vec<_> = missing.iter().map(|condition| condition.name()).collect();
                write!(f, "latched until {} holds", names.join(" and "))
            }
            Self::Buffered(gate) => write!(f, "buffered: {gate}"),
            Self::Started { attempt: 1, warm: false } => f.write_str("started"),
            Self::Started { attempt: 1, warm: true } => f.write_str("started in a warm host"),
            Self::Started { attempt, .. } => write!(f, "started, attempt {attempt}"),
            Self::Cancelled(notice) => write!(f, "told to stop: {notice}"),
            Self::Interrupted { attempt } => {
                write!(f, "interrupted by the end of the broker, waits for attempt {attempt}")
            }
            Self::Dropped => f.write_str("dropped before it ran: the task was unregistered"),
            Self::Completed { outcome, progress: None } => write!(f, "{outcome}"),
            Self::Completed { outcome, progress: Some(progress) } => write!(f, "{outcome} (last progress {progress})"),
            Self::CompletionLost { sequence } => {
                write!(f, "completion {sequence} was given up: the app did not fetch its completions")
            }
        }
    }
}

/// Why an instance has to stop, with the numbers (U-9).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CancelNotice {
    /// Why.
    pub reason: CancellationReason,
    /// How long it might have run.
    pub budget: Duration,
    /// How long it has run.
    pub used: Duration,
    /// How long it may still take.
    pub grace: Duration,
}

impl fmt::Display for CancelNotice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (used, budget) = (Spoken(self.used), Spoken(self.budget));
        write!(f, "{} ({used} used of {budget}, {} to stop)", self.reason, Spoken(self.grace))
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
    /// How long it may run.
    pub budget: Duration,
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
    /// How many registrations heard the event.
    Raised(u32),
    /// The completion will not be delivered again.
    Acknowledged,
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

/// The answer to a request that was not granted: what was asked, what is wrong, what to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// No manifest of that app is installed.
    UnknownApp(AppId),
    /// The caller's app has no such registration.
    UnknownTask(TaskId),
    /// The app's manifest has no such application (ACC-15).
    UnknownApplication(AppId, String),
    /// The manifest does not declare the class (BLD-11).
    ClassNotDeclared {
        /// The app.
        app: AppId,
        /// What was asked for.
        class: ClassId,
    },
    /// The manifest names no program for the app itself, so that nothing could run a task without an entry point.
    NoProgram(AppId),
    /// The manifest does not let the app raise the event.
    MayNotRaise {
        /// The app.
        app: AppId,
        /// The event.
        event: String,
    },
    /// A property is empty, too long or does not fit the others.
    InvalidArgument(String),
    /// The manifest does not declare the entry point (MA-1).
    EntryPointNotDeclared {
        /// The app.
        app: AppId,
        /// What was asked for.
        entry_point: String,
        /// Task types that would do.
        wanted: Vec<TaskType>,
        /// What is declared.
        declared: Vec<String>,
    },
    /// The manifest declares the entry point, but not for this kind of trigger (MA-1).
    TaskTypeNotDeclared {
        /// The app.
        app: AppId,
        /// The entry point.
        entry_point: String,
        /// Task types that would do.
        wanted: Vec<TaskType>,
    },
    /// This machine or this build cannot serve it (D16).
    NotSupported {
        /// What was asked for.
        what: String,
        /// Why it cannot be served.
        why: String,
        /// What would bring it.
        help: String,
    },
    /// A bound was reached.
    LimitReached(Limit),
}

/// A bound a request can reach.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Limit {
    /// [`MAX_REGISTRATIONS_PER_APP`]
    RegistrationsPerApp,
    /// [`MAX_REGISTRATIONS`]
    Registrations,
    /// [`MAX_APPS`]
    Apps,
    /// [`MAX_NAME_BYTES`]
    NameBytes,
    /// [`MAX_ENTRY_POINT_BYTES`]
    EntryPointBytes,
    /// [`MAX_CONDITIONS`]
    Conditions,
    /// [`MAX_GROUP_BYTES`]
    GroupBytes,
    /// [`MAX_EVENT_ID_BYTES`]
    EventIdBytes,
    /// [`MAX_DETAILS_BYTES`]
    DetailsBytes,
    /// One `ApplicationTrigger` for each app (TR-1).
    ApplicationTriggers,
    /// One `MediaProcessingTrigger` for each app (TR-1).
    MediaProcessingTriggers,
    /// [`MAX_CONSENTS`]
    Consents,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnknownApp(app) => write!(
                f,
                "no manifest of the app {app} is installed: put {app}.toml or a Package.appxmanifest into the broker's apps folder"
            ),
            Self::UnknownTask(task) => {
                write!(f, "there is no task {task} of this app: it may have been unregistered, see `bgtask list`")
            }
            Self::UnknownApplication(app, application) => {
                write!(f, "the manifest of {app} has no application {application:?}: name one of its own, or none")
            }
            Self::ClassNotDeclared { app, class } => write!(
                f,
                "the manifest of {app} declares no program for the class {class}: add [[class]] with \
                 id = \"{class}\" and executable = \"the program\""
            ),
            Self::NoProgram(app) => write!(
                f,
                "the manifest of {app} names no executable for the app itself: add one, or register the task with an entry point"
            ),
            Self::MayNotRaise { app, event } => {
                write!(f, "the manifest of {app} does not let it raise the event {event:?}: add raises = [{event:?}]")
            }
            Self::InvalidArgument(what) => f.write_str(what),
            Self::EntryPointNotDeclared { app, entry_point, declared, .. } => {
                write!(f, "the manifest of {app} does not declare the entry point {entry_point:?}; ")?;
                match declared.as_slice() {
                    [] => f.write_str("it declares none"),
                    names => write!(f, "it declares {}", names.join(", ")),
                }
            }
            Self::TaskTypeNotDeclared { app, entry_point, wanted } => write!(
                f,
                "the manifest of {app} declares the entry point {entry_point:?}, but not with the task type {}",
                wanted.iter().map(|kind| kind.name()).collect::<Vec<_>>().join(" or ")
            ),
            Self::NotSupported { what, why, help } => {
                write!(f, "{what} is not supported here: {why}; {help}")
            }
            Self::LimitReached(limit) => write!(f, "{limit}"),
        }
    }
}

impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::RegistrationsPerApp => write!(
                f,
                "the app has {MAX_REGISTRATIONS_PER_APP} registrations, the most one app may have: \
                 look through all_tasks() before registering, and unregister what is not needed"
            ),
            Self::Registrations => write!(f, "the broker holds {MAX_REGISTRATIONS} registrations, the most it holds"),
            Self::Apps => write!(f, "the broker knows {MAX_APPS} apps, the most it knows"),
            Self::NameBytes => write!(f, "the name is longer than {MAX_NAME_BYTES} bytes"),
            Self::EntryPointBytes => write!(f, "the entry point is longer than {MAX_ENTRY_POINT_BYTES} bytes"),
            Self::Conditions => write!(f, "more than {MAX_CONDITIONS} conditions"),
            Self::GroupBytes => write!(f, "the group's id or name is longer than {MAX_GROUP_BYTES} bytes"),
            Self::EventIdBytes => write!(f, "the event's id is longer than {MAX_EVENT_ID_BYTES} bytes"),
            Self::DetailsBytes => write!(f, "the arguments are longer than {MAX_DETAILS_BYTES} bytes"),
            Self::ApplicationTriggers => f.write_str(
                "the app has a task with an ApplicationTrigger already, and may have one: unregister that first",
            ),
            Self::MediaProcessingTriggers => f.write_str(
                "the app has a task with a MediaProcessingTrigger already, and may have one: unregister that first",
            ),
            Self::Consents => {
                write!(f, "{MAX_CONSENTS} questions wait for the user already: ask again when one is answered")
            }
        }
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
}
