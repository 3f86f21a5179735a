use std::fmt;

use crate::activation::Activation;
use crate::ids::{AppId, ClientId, HostId, InstanceId, RequestId, TaskId};
use crate::model::access::BackgroundAccessStatus;
use crate::model::app::App;
use crate::model::fact::{Fact, Report, Zone};
use crate::model::outcome::Completion;
use crate::model::registration::{NewRegistration, Registration};

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
    /// A source says how well it works.
    SourceStatus(Fact, SourceStatus),
    /// A source read its fact.
    Report(Report),
    /// A client asks for something and waits for the [`Reply`](crate::Reply).
    Request(RequestId, Request),
    /// A client of an app wants to hear progress and completions.
    Attach(ClientId, AppId),
    /// That client is gone.
    Detach(ClientId),
    /// A host says that `run` began.
    HostStarted(HostId, InstanceId),
    /// A task reported progress.
    HostProgress(HostId, InstanceId, u32),
    /// A task is complete: `Err` has the task's own words.
    HostFinished(HostId, InstanceId, Result<(), String>),
    /// A host ended, or could not be started. After this nothing of it is left.
    HostExited {
        /// Which.
        host: HostId,
        /// How.
        exit: HostExit,
        /// What it wrote last.
        output_tail: String,
    },
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
    pub access: Vec<(AppId, BackgroundAccessStatus)>,
    /// The last zone seen while somebody cared.
    pub zone: Option<Zone>,
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
    /// `BackgroundExecutionManager.RequestAccessAsync`.
    RequestAccess(AppId),
    /// `BackgroundExecutionManager.RemoveAccess`.
    RemoveAccess(AppId),
    /// The app has handled a completion.
    Acknowledge(AppId, u64),
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
}

impl fmt::Display for HostExit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Code(code) => write!(f, "the host exited with code {code} before the task was complete"),
            Self::Signal(signal) => write!(f, "the host was ended by signal {signal} before the task was complete"),
            Self::NotStarted(why) => write!(f, "the host could not be started: {why}"),
        }
    }
}
