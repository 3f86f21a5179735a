//! What handlers are told.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bgtask_wire::OutcomeInfo;

use crate::{BackgroundTaskCancellationReason, InstanceId, TaskId};

/// How far an activation is (EVT-5).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BackgroundTaskProgressEventArgs {
    instance_id: InstanceId,
    progress: u32,
}

/// How an activation ended (EVT-5, PR-5). Clones are cheap.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BackgroundTaskCompletedEventArgs(Arc<Completion>);

#[derive(Debug, PartialEq, Eq)]
struct Completion {
    task_id: TaskId,
    task_name: String,
    instance_id: InstanceId,
    outcome: OutcomeInfo,
}

/// Why an activation failed: what [`check_result`](BackgroundTaskCompletedEventArgs::check_result) gives in place of
/// the exception it throws on Windows (EVT-6).
#[derive(Clone, PartialEq, Eq)]
pub struct TaskFailure(Arc<Completion>);

/// In which way an activation failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum TaskFailureKind {
    /// The task returned an error or panicked.
    Failed,
    /// It was told to stop, and then returned an error.
    Cancelled,
    /// It was told to stop, did not end in time, and its process was killed (CA-4).
    Killed,
    /// Its process could not be started, ended, or was lost (D8).
    HostFailed,
    /// The broker ended during every attempt (D7).
    Abandoned,
    /// A way this version does not know.
    Other,
}

impl BackgroundTaskProgressEventArgs {
    pub(crate) const fn new(instance_id: InstanceId, progress: u32) -> Self {
        Self { instance_id, progress }
    }

    /// Which activation.
    pub fn instance_id(&self) -> InstanceId {
        self.instance_id
    }

    /// The number the task reported. Its meaning is the app's own (PR-8).
    pub fn progress(&self) -> u32 {
        self.progress
    }
}

impl BackgroundTaskCompletedEventArgs {
    pub(crate) fn new(task_id: TaskId, task_name: String, instance_id: InstanceId, outcome: OutcomeInfo) -> Self {
        Self(Arc::new(Completion { task_id, task_name, instance_id, outcome }))
    }

    /// Which activation.
    pub fn instance_id(&self) -> InstanceId {
        self.0.instance_id
    }

    /// Of which registration. It may be gone by now.
    pub fn task_id(&self) -> TaskId {
        self.0.task_id
    }

    /// The name it was registered under.
    pub fn task_name(&self) -> &str {
        &self.0.task_name
    }

    /// Whether the activation succeeded (EVT-6). A task that was cancelled and returned without an error did.
    ///
    /// # Errors
    ///
    /// Why it failed.
    ///
    /// ```no_run
    /// # fn example(args: bgtask::BackgroundTaskCompletedEventArgs) {
    /// match args.check_result() {
    ///     Ok(()) => println!("{} is done", args.task_name()),
    ///     Err(failure) => println!("{}: {failure}", args.task_name()),
    /// }
    /// # }
    /// ```
    pub fn check_result(&self) -> Result<(), TaskFailure> {
        if self.0.outcome.ok { Ok(()) } else { Err(TaskFailure(Arc::clone(&self.0))) }
    }

    /// Why it was told to stop, if it was.
    pub fn cancellation_reason(&self) -> Option<BackgroundTaskCancellationReason> {
        self.0.cancellation_reason()
    }

    /// The last progress it reported.
    pub fn progress(&self) -> Option<u32> {
        self.0.outcome.progress
    }

    /// When it ended, by the wall clock of that moment. It may be long ago: what completes while the app is closed is told
    /// when it comes back.
    pub fn completed_at(&self) -> SystemTime {
        time_of(self.0.outcome.at)
    }
}

impl TaskFailure {
    /// In which way.
    pub fn kind(&self) -> TaskFailureKind {
        match self.0.outcome.outcome.as_str() {
            "failed" => TaskFailureKind::Failed,
            "cancelled" => TaskFailureKind::Cancelled,
            "killed" => TaskFailureKind::Killed,
            "host-failed" => TaskFailureKind::HostFailed,
            "abandoned" => TaskFailureKind::Abandoned,
            _ => TaskFailureKind::Other,
        }
    }

    /// Why it was told to stop, if it was.
    pub fn cancellation_reason(&self) -> Option<BackgroundTaskCancellationReason> {
        self.0.cancellation_reason()
    }

    /// What its process wrote last to its standard output and error streams, if it died.
    pub fn output_tail(&self) -> Option<&str> {
        self.0.outcome.output_tail.as_deref().filter(|tail| !tail.is_empty())
    }
}

impl Completion {
    fn cancellation_reason(&self) -> Option<BackgroundTaskCancellationReason> {
        self.outcome.reason.and_then(BackgroundTaskCancellationReason::from_number)
    }
}

impl fmt::Display for TaskFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.outcome.message)
    }
}

impl fmt::Debug for TaskFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TaskFailure({:?}, {:?})", self.kind(), self.0.outcome.message)
    }
}

impl std::error::Error for TaskFailure {}

/// A time on the wire, in microseconds since the Unix epoch.
pub(crate) fn time_of(micros: i64) -> SystemTime {
    let distance = Duration::from_micros(micros.unsigned_abs());
    let time = match micros < 0 {
        true => SystemTime::UNIX_EPOCH.checked_sub(distance),
        false => SystemTime::UNIX_EPOCH.checked_add(distance),
    };
    time.unwrap_or(SystemTime::UNIX_EPOCH)
}
