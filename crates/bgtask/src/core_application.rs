//! Tasks that run in the app itself.

use std::future::Future;
use std::sync::Arc;

use crate::Error;
use crate::host::{CANCEL_GRACE, Entries, Entry, Host, TaskError, TaskInstance, inherited, serve_socket};
use crate::session::Session;

/// The app as the broker activates it: for tasks that were registered without an entry point, which the app itself runs (BLD-9).
///
/// If the app is running, it is activated where it is; if not, the broker starts it in the background. One `main` serves both:
///
/// ```no_run
/// use bgtask::CoreApplication;
///
/// #[tokio::main(flavor = "current_thread")]
/// async fn main() -> Result<(), Box<dyn std::error::Error>> {
///     CoreApplication::background_activated(async |args| {
///         let instance = args.task_instance();
///         println!("{} runs", instance.task().name());
///         instance.progress(100);
///         Ok(())
///     });
///     if CoreApplication::is_background_start() {
///         CoreApplication::run_background().await?;
///         return Ok(());
///     }
///     // … the app as the user sees it …
///     Ok(())
/// }
/// ```
#[derive(Clone, Copy, Debug)]
pub enum CoreApplication {}

/// What the app is activated for (RUN-8).
#[derive(Clone, Debug)]
pub struct BackgroundActivatedEventArgs {
    instance: TaskInstance,
}

impl CoreApplication {
    /// Sets what runs the app's tasks without an entry point; those in a group are the
    /// [group's](crate::BackgroundTaskRegistrationGroup::background_activated). To be set at every start, before anything else:
    /// from then on, and only where a handler is set, the broker activates the app in this process.
    ///
    /// The activation ends when the future is ready and every deferral is complete, as with
    /// [`BackgroundTask::run`](crate::host::BackgroundTask::run): an error is what the app hears of in the completion. Several
    /// activations may run at the same time. Set again, it replaces the handler. An activation that the app has no handler for fails
    /// and says so.
    ///
    /// A task that is told to stop and does not is ended with the process it runs in: here, with the app.
    pub fn background_activated<R>(handler: impl Fn(BackgroundActivatedEventArgs) -> R + Send + Sync + 'static)
    where
        R: Future<Output = Result<(), TaskError>> + Send + 'static,
    {
        Session::current().on_activated(None, entry(handler));
    }

    /// Whether the broker started this process to run tasks. It then shows nothing, and ends after
    /// [`run_background`](Self::run_background).
    ///
    /// ```
    /// assert!(!bgtask::CoreApplication::is_background_start());
    /// ```
    #[must_use]
    pub fn is_background_start() -> bool {
        Host::is_host()
    }

    /// In a process that the broker started: runs what it activates, until it wants no more of this process or is gone.
    /// What still runs then is cancelled with [`SystemPolicy`](crate::BackgroundTaskCancellationReason::SystemPolicy) and has
    /// [`CANCEL_GRACE`] to end (D7).
    ///
    /// A program that is also a host with entry points uses [`Host::run`] instead, which does the same for both.
    ///
    /// # Errors
    ///
    /// [`is_invalid_argument`](Error::is_invalid_argument): no broker started this process, or it is served already.
    /// [`is_no_broker`](Error::is_no_broker): the channel to the broker cannot be used.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future drops what runs and closes the channel: the broker takes it for the end of the process.
    pub async fn run_background() -> Result<(), Error> {
        let channel = inherited().map_err(Error::invalid)?;
        let Some(channel) = channel else {
            return Err(Error::invalid(
                "no broker started this process; call CoreApplication::run_background only if is_background_start()",
            ));
        };
        let entries = Entries::of(Session::current().activated());
        let ended = serve_socket(entries, channel, CANCEL_GRACE).await;
        ended.map(drop).map_err(|error| Error::channel(&error))
    }
}

impl BackgroundActivatedEventArgs {
    /// The activation.
    pub fn task_instance(&self) -> &TaskInstance {
        &self.instance
    }
}

/// An entry that calls a handler.
pub(crate) fn entry<R>(handler: impl Fn(BackgroundActivatedEventArgs) -> R + Send + Sync + 'static) -> Entry
where
    R: Future<Output = Result<(), TaskError>> + Send + 'static,
{
    let handler = Arc::new(handler);
    Arc::new(move |instance| {
        let handler = Arc::clone(&handler);
        Box::pin(async move { handler(BackgroundActivatedEventArgs { instance }).await })
    })
}
