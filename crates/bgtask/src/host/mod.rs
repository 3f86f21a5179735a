//! For task programs: what runs when a trigger fires.
//!
//! A task program is started by the broker when a trigger fires, with a channel to the broker on an inherited socket. It
//! holds one or several *entry points* or *classes*, the names and ids that registrations and the app's manifest use, and
//! may serve several activations, one after the other and, where the manifest lets tasks share a process, side by side.
//!
//! ```no_run
//! use bgtask::host::{BackgroundTask, Host, TaskError, TaskInstance};
//!
//! struct ExampleBackgroundTask;
//!
//! impl BackgroundTask for ExampleBackgroundTask {
//!     async fn run(&self, instance: TaskInstance) -> Result<(), TaskError> {
//!         for step in 1..=10 {
//!             tokio::select! {
//!                 () = tokio::time::sleep(std::time::Duration::from_secs(1)) => instance.progress(step * 10),
//!                 reason = instance.cancelled() => {
//!                     instance.local_settings()?.set(instance.task().name(), format!("Canceled with reason: {reason}"))?;
//!                     return Ok(());
//!                 }
//!             }
//!         }
//!         instance.local_settings()?.set(instance.task().name(), "Completed")?;
//!         Ok(())
//!     }
//! }
//!
//! fn main() -> std::process::ExitCode {
//!     Host::new().entry_point("Tasks.ExampleBackgroundTask", ExampleBackgroundTask).run()
//! }
//! ```
//!
//! # How long a task may run
//!
//! By default 25 s, or 10 min for the triggers of long work: [`TaskInstance::budget`]. Then, or whenever the activation has to stop, [`TaskInstance::cancelled`] tells why, and the task has
//! [`CANCEL_GRACE`] to end before its process is killed (D10, CA-3). A task that only ever awaits need do no more than
//! `select!` on it, as above. What a task wants the app to know after a cancel it writes to the settings first: a killed
//! process says nothing.
//!
//! # One thread
//!
//! All entry points of a program share one thread, on which cancel notices arrive too: a [`BackgroundTask`] must not block
//! it for long. Code that blocks is a [`BlockingTask`], which gets a thread of its own.

mod activation;
mod cancel;
mod channel;
mod entries;
mod instance;
mod outbox;
mod serve;
#[cfg(test)]
mod tests;

use std::error::Error;
use std::future::Future;
use std::process::ExitCode;
use std::time::Duration;

use bgtask_wire::host_names;

pub use activation::MAX_FAILURE_BYTES;
pub(crate) use activation::{Entry, blocking_entry, entry, run_to_end};
pub use cancel::CancelNotice;
pub(crate) use cancel::Cancellation;
pub(crate) use channel::inherited;
pub(crate) use entries::{Activated, Entries};
pub use instance::{BackgroundTaskDeferral, RegisteredTask, TaskInstance};
pub(crate) use instance::{Handed, InstanceParts};
#[cfg(feature = "testing")]
pub(crate) use outbox::Channel;
pub use outbox::{MAX_QUEUED_PROGRESS, PROGRESS_INTERVAL};
pub use serve::MAX_INSTANCES;
pub(crate) use serve::{serve, serve_socket};

use crate::Uuid;
use crate::session::Session;

/// How long a task has to end after it was told to stop; then its process is killed (CA-3).
pub const CANCEL_GRACE: Duration = Duration::from_secs(5);

/// The exit code of a task program that was not started by a broker.
pub const EXIT_NOT_A_HOST: u8 = 2;

/// Why a task failed: any error, `?` converts it. The app reads the whole chain of causes in
/// [`check_result`](crate::BackgroundTaskCompletedEventArgs::check_result), up to [`MAX_FAILURE_BYTES`].
pub type TaskError = Box<dyn Error + Send + Sync>;

/// A task: what `IBackgroundTask` is on Windows.
///
/// The activation ends when `run` has returned and every [deferral](TaskInstance::deferral) taken from the instance is
/// complete (LC-3). It succeeded if `run` returned `Ok`, also after a cancel. A panic fails the activation, not the program.
///
/// `run` is an `async fn` whose future is `Send`. One value serves every activation of its entry point.
pub trait BackgroundTask: Send + Sync + 'static {
    /// Does the work of one activation (RUN-1).
    fn run(&self, instance: TaskInstance) -> impl Future<Output = Result<(), TaskError>> + Send;
}

/// A task whose code blocks. It runs on a thread of its own; otherwise all is as with [`BackgroundTask`].
///
/// ```
/// use std::time::Duration;
/// use bgtask::host::{BlockingTask, TaskError, TaskInstance};
///
/// struct Checksums(Vec<std::path::PathBuf>);
///
/// impl BlockingTask for Checksums {
///     fn run(&self, instance: &TaskInstance) -> Result<(), TaskError> {
///         for (done, file) in self.0.iter().enumerate() {
///             if instance.cancellation_reason().is_some() {
///                 break;
///             }
///             let _sum: u64 = std::fs::read(file)?.iter().map(|&byte| u64::from(byte)).sum();
///             instance.progress(done as u32 + 1);
///         }
///         // To wait, wait for a cancel at the same time:
///         instance.wait_cancelled(Duration::from_millis(1));
///         Ok(())
///     }
/// }
/// ```
pub trait BlockingTask: Send + Sync + 'static {
    /// Does the work of one activation (RUN-1).
    ///
    /// # Errors
    ///
    /// Whatever the app should hear of.
    fn run(&self, instance: &TaskInstance) -> Result<(), TaskError>;
}

/// A task program: its entry points and classes.
///
/// It also runs what the app itself is activated for, if the program has set
/// [handlers](crate::CoreApplication::background_activated) for that before.
#[must_use = "a host does nothing until `run`"]
pub struct Host {
    pub(crate) entries: Entries,
}

impl Host {
    /// A host without entry points.
    pub fn new() -> Self {
        Self { entries: Entries::of(Session::current().activated()) }
    }

    /// Whether a broker started this program as a host. A program that is app and host in one asks this first in its `main`.
    ///
    /// ```
    /// assert!(!bgtask::host::Host::is_host());
    /// ```
    #[must_use]
    pub fn is_host() -> bool {
        std::env::var_os(host_names::CHANNEL_VARIABLE).is_some()
    }

    /// Adds an entry point: the task that runs under this name, which is compared exactly (BLD-7). Of two of one name the
    /// later one stays.
    pub fn entry_point(mut self, name: impl Into<String>, task: impl BackgroundTask) -> Self {
        self.entries.named.insert(name.into(), entry(task));
        self
    }

    /// Adds an entry point whose task blocks.
    pub fn blocking_entry_point(mut self, name: impl Into<String>, task: impl BlockingTask) -> Self {
        self.entries.named.insert(name.into(), blocking_entry(task));
        self
    }

    /// Adds a class: the task that runs for registrations with this
    /// [class id](crate::BackgroundTaskBuilder::set_task_entry_point_clsid) (BLD-11). Of two of one id the later one stays.
    ///
    /// ```
    /// use bgtask::Uuid;
    /// use bgtask::host::{BackgroundTask, Host, TaskError, TaskInstance};
    ///
    /// const SYNC: Uuid = Uuid::from_u128(0x3f2504e0_4f89_41d3_9a0c_0305e82c3301);
    ///
    /// struct Sync;
    ///
    /// impl BackgroundTask for Sync {
    ///     async fn run(&self, instance: TaskInstance) -> Result<(), TaskError> {
    ///         assert_eq!(instance.task().task_entry_point_clsid(), Some(SYNC));
    ///         Ok(())
    ///     }
    /// }
    ///
    /// let host = Host::new().class(SYNC, Sync);
    /// ```
    pub fn class(mut self, id: Uuid, task: impl BackgroundTask) -> Self {
        self.entries.classes.insert(id, entry(task));
        self
    }

    /// Adds a class whose task blocks.
    pub fn blocking_class(mut self, id: Uuid, task: impl BlockingTask) -> Self {
        self.entries.classes.insert(id, blocking_entry(task));
        self
    }

    /// Serves the broker until it is gone or wants no more of this process; `main` returns what it returns.
    ///
    /// It makes the tokio runtime that tasks run in, so it must not be called within one. When the channel ends, what still
    /// runs is cancelled with [`SystemPolicy`](crate::BackgroundTaskCancellationReason::SystemPolicy) and has [`CANCEL_GRACE`]
    /// to end (D7).
    ///
    /// The exit code is 0 if every task had ended, 1 if not or if the channel broke, and [`EXIT_NOT_A_HOST`], with a text
    /// on the standard error stream, if no broker started this program.
    #[must_use = "return it from main"]
    pub fn run(self) -> ExitCode {
        let stream = match inherited() {
            Ok(Some(stream)) => stream,
            Ok(None) => {
                eprint!("{}", self.explanation());
                return ExitCode::from(EXIT_NOT_A_HOST);
            }
            Err(problem) => {
                eprintln!("{problem}");
                return ExitCode::from(EXIT_NOT_A_HOST);
            }
        };
        match serve::run(self.entries, stream) {
            Ok(true) => ExitCode::SUCCESS,
            Ok(false) => ExitCode::FAILURE,
            Err(error) => {
                eprintln!("the channel to the broker failed: {error}");
                ExitCode::FAILURE
            }
        }
    }

    /// What a person reads who starts a task program by hand.
    fn explanation(&self) -> String {
        let mut program = std::env::args().next().unwrap_or_default();
        if program.is_empty() {
            "this program".clone_into(&mut program);
        }
        let mut text = format!("{program} is a task host: the broker (bgtaskd) starts it when a trigger fires.\n");
        match self.entries.is_empty() {
            true => text.push_str("It has no entry points yet; add some with Host::entry_point.\n"),
            false => text.push_str("Its entry points and classes:\n"),
        }
        for name in self.entries.names() {
            text.push_str(&format!("    {name}\n"));
        }
        text.push_str(
            "To try one, install the app's manifest, register a task with that entry point and cause what its trigger waits\n\
             for; `bgtask watch` shows what happens. To run one without a broker, use bgtask::testing in a test.\n",
        );
        text
    }
}

impl Default for Host {
    fn default() -> Self {
        Self::new()
    }
}

impl std::fmt::Debug for Host {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Host").field("entries", &self.entries.names()).finish()
    }
}
