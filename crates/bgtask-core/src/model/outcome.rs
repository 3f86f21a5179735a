use std::fmt;
use std::sync::Arc;

use super::cancel::CancellationReason;
use crate::ids::{AppId, InstanceId, TaskId};
use crate::input::HostExit;
use crate::time::WallTime;

/// How an activation ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// `run` returned without an error and every deferral was completed (LC-3).
    Succeeded,
    /// `run` returned an error.
    TaskFailed {
        /// The task's own words.
        message: String,
    },
    /// The task was cancelled and ended within the grace: an orderly cancel.
    Cancelled {
        /// Why it was told to stop.
        reason: CancellationReason,
        /// The task's own words if it ended with an error.
        message: Option<String>,
    },
    /// The task was cancelled, did not end within the grace, and its host was killed (CA-4).
    Killed {
        /// Why it was told to stop.
        reason: CancellationReason,
        /// What its host wrote last.
        output_tail: String,
    },
    /// The host ended, or could not be started, before the task was complete (D8).
    HostFailed {
        /// How the host ended.
        exit: HostExit,
        /// What it wrote last.
        output_tail: String,
    },
    /// A command did not end with exit code 0, or could not be started.
    CommandFailed {
        /// How it ended.
        exit: HostExit,
        /// What it wrote last.
        output_tail: String,
    },
    /// The broker died under it too often (D7).
    Abandoned {
        /// How often it was tried.
        attempts: u32,
    },
}

impl Outcome {
    /// Whether `check_result` returns without an error (EVT-6).
    ///
    /// An orderly cancelled task that returned without an error counts: reporting what was left undone is its own job (CA-11).
    pub const fn is_ok(&self) -> bool {
        matches!(self, Self::Succeeded | Self::Cancelled { message: None, .. })
    }

    /// One word for tables and fields.
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Succeeded => "succeeded",
            Self::TaskFailed { .. } | Self::CommandFailed { .. } => "failed",
            Self::Cancelled { .. } => "cancelled",
            Self::Killed { .. } => "killed",
            Self::HostFailed { .. } => "host-failed",
            Self::Abandoned { .. } => "abandoned",
        }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Succeeded => f.write_str("succeeded"),
            Self::TaskFailed { message } => write!(f, "the task failed: {message}"),
            Self::Cancelled { reason, message: None } => write!(f, "cancelled with reason {reason}"),
            Self::Cancelled { reason, message: Some(message) } => {
                write!(f, "cancelled with reason {reason}, then the task failed: {message}")
            }
            Self::Killed { reason, .. } => {
                write!(f, "cancelled with reason {reason}, did not end within the grace, and was killed with its host")
            }
            Self::HostFailed { exit, .. } => write!(f, "{exit}"),
            Self::CommandFailed { exit: HostExit::Code(code), .. } => write!(f, "failed with exit code {code}"),
            Self::CommandFailed { exit: HostExit::Signal(signal), .. } => write!(f, "ended by signal {signal}"),
            Self::CommandFailed { exit: HostExit::NotStarted(why), .. } => write!(f, "could not be started: {why}"),
            Self::CommandFailed { exit, .. } => write!(f, "{exit}"),
            Self::Abandoned { attempts } => {
                write!(f, "given up after {attempts} attempts: the broker ended during each")
            }
        }
    }
}

/// An outcome on its way to the app: kept durably until the app acknowledges it (D4).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Completion {
    /// Its place in the order of all completions of this broker.
    pub sequence: u64,
    /// Whose it is.
    pub app: AppId,
    /// Which registration.
    pub task: TaskId,
    /// The registration's name: the registration may be gone when the app returns.
    pub name: Arc<str>,
    /// Which activation.
    pub instance: InstanceId,
    /// When it ended.
    pub at: WallTime,
    /// How it ended.
    pub outcome: Outcome,
    /// The last progress it reported.
    pub progress: Option<u32>,
}
