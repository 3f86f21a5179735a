//! One activation as its task sees it.

use std::fmt;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use bgtask_wire::InstanceInfo;
use tokio::sync::watch;

use super::{CancelNotice, Cancellation};
use crate::app_service::Hold;
use crate::event_args::time_of;
use crate::storage::ApplicationDataContainer;
use crate::throttle::Throttles;
use crate::{
    AppServiceClosedStatus, AppServiceTriggerDetails, BackgroundTaskCancellationReason, BackgroundTaskThrottleCounter,
    Error, InstanceId, TaskId, TriggerEvents, Uuid, ValueSet,
};

/// One activation of a task: what `IBackgroundTaskInstance` is on Windows.
///
/// Clones are the same activation. It may be sent to other threads and tasks; what they do with it after the activation
/// ended has no effect.
#[derive(Clone)]
pub struct TaskInstance(Arc<Inner>);

struct Inner {
    parts: InstanceParts,
    progress: Box<dyn Fn(u32) + Send + Sync>,
    cancellation: Arc<Cancellation>,
    deferrals: watch::Sender<usize>,
    data_dir: Option<PathBuf>,
    /// The connection to its caller, where it has taken one.
    connection: Mutex<Hold>,
}

/// What starts the task of an app service, which is no class of Windows: there the manifest alone has a word for it.
const APP_SERVICE_TRIGGER: &str = "AppServiceTrigger";

/// What an instance says about itself.
pub(crate) struct InstanceParts {
    pub(crate) instance_id: InstanceId,
    pub(crate) task: RegisteredTask,
    pub(crate) fired_at: SystemTime,
    pub(crate) fired_count: u32,
    pub(crate) attempt: u32,
    pub(crate) budget: Duration,
    pub(crate) event_id: Option<String>,
    pub(crate) details: ValueSet,
    /// Whether an app service was asked for.
    pub(crate) is_app_service: bool,
    pub(crate) throttles: Arc<Throttles>,
    pub(crate) socket: Handed,
}

/// The descriptor that came with an activation, until the task takes it: it is the broker's as well till then, so that it
/// outlives this process.
#[derive(Default)]
pub(crate) struct Handed {
    socket: Mutex<Option<OwnedFd>>,
    told: Option<Box<dyn Fn() + Send + Sync>>,
}

impl Handed {
    pub(crate) fn new(socket: Option<OwnedFd>) -> Self {
        Self { socket: Mutex::new(socket), told: None }
    }

    /// Has it told when it is taken.
    pub(crate) fn tell(&mut self, told: impl Fn() + Send + Sync + 'static) {
        self.told = Some(Box::new(told));
    }

    fn take(&self) -> Option<OwnedFd> {
        let taken = self.socket.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let (Some(_), Some(told)) = (&taken, &self.told) {
            told();
        }
        taken
    }
}

/// What was registered, as far as its task needs to know (RUN-6).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RegisteredTask {
    pub(crate) task_id: TaskId,
    pub(crate) name: String,
    pub(crate) task_entry_point: String,
    pub(crate) class_id: Option<Uuid>,
    pub(crate) group: Option<String>,
}

/// Keeps an activation open after `run` returned (DEF-2).
///
/// It is complete when [`complete`](Self::complete) is called or it is dropped, whichever way the work ends: an early
/// return, an error or a panic cannot leave it behind. (On Windows one that is never completed lasts until the time
/// budget is spent, so is one here that was given to [`std::mem::forget`].)
#[must_use = "a deferral that is dropped is complete"]
pub struct BackgroundTaskDeferral(Arc<Inner>);

impl TaskInstance {
    pub(crate) fn new(
        parts: InstanceParts,
        cancellation: Arc<Cancellation>,
        data_dir: Option<PathBuf>,
        progress: impl Fn(u32) + Send + Sync + 'static,
    ) -> Self {
        let (deferrals, _) = watch::channel(0);
        let connection = Mutex::default();
        Self(Arc::new(Inner { parts, progress: Box::new(progress), cancellation, deferrals, data_dir, connection }))
    }

    /// Which activation this is. A repeated attempt of it has the same id (RUN-2).
    pub fn instance_id(&self) -> InstanceId {
        self.0.parts.instance_id
    }

    /// What was registered.
    pub fn task(&self) -> &RegisteredTask {
        &self.0.parts.task
    }

    /// What the trigger hands over: the arguments of an [`ApplicationTrigger`](crate::ApplicationTrigger) or
    /// [`MediaProcessingTrigger`](crate::MediaProcessingTrigger) (REQ-4), the
    /// [details](crate::DeviceUseDetails) of a [`DeviceUseTrigger`](crate::DeviceUseTrigger), and of a trigger that listens its
    /// [events](Self::trigger_events). Others hand over nothing, and it is empty (SYS-5).
    pub fn trigger_details(&self) -> &ValueSet {
        &self.0.parts.details
    }

    /// What happened, for a trigger that listens; none for all others.
    pub fn trigger_events(&self) -> TriggerEvents {
        TriggerEvents::of(self.trigger_details())
    }

    /// The connection to its caller, if an [app service](crate::app_service) was asked for (NEI-1). Take it once, in async code.
    ///
    /// # Errors
    ///
    /// [`is_invalid_argument`](Error::is_invalid_argument): something else started the activation, the connection was taken
    /// before, or the caller is not in a tokio runtime, as a [`BlockingTask`](super::BlockingTask) is not.
    pub fn app_service(&self) -> Result<AppServiceTriggerDetails, Error> {
        AppServiceTriggerDetails::of(self)
    }

    /// The id of the event, if a [`CustomSystemEventTrigger`](crate::CustomSystemEventTrigger) fired.
    pub fn event_id(&self) -> Option<&str> {
        self.0.parts.event_id.as_deref()
    }

    /// How long the activation may run before it is told to stop (D10).
    pub fn budget(&self) -> Duration {
        self.0.parts.budget
    }

    /// When the trigger fired, by the wall clock of that moment; the first time, if it
    /// [fired several times](Self::fired_count). The task may have waited since, for a condition for example.
    pub fn fired_at(&self) -> SystemTime {
        self.0.parts.fired_at
    }

    /// How often the trigger fired for this one activation, from 1: what fires again while it waits is not run twice (D1).
    pub fn fired_count(&self) -> u32 {
        self.0.parts.fired_count
    }

    /// Which attempt at this activation this is, from 1. An activation whose process was lost with the broker, in a power
    /// cut for example, is run again (D7).
    pub fn attempt(&self) -> u32 {
        self.0.parts.attempt
    }

    /// The descriptor that came with the activation, once: from then on it is the task's own.
    pub(crate) fn take_socket(&self) -> Option<OwnedFd> {
        self.0.parts.socket.take()
    }

    /// How often the activation was suspended because its app had used up what it may use in the background, and went on when
    /// that was filled again (POL-1). While it is suspended nothing of its process runs, and its [budget](Self::budget) of time
    /// stands still; clocks go on. `docs/budgets.md` has all limits.
    ///
    /// ```
    /// # use bgtask::host::{TaskError, TaskInstance};
    /// async fn run(instance: TaskInstance) -> Result<(), TaskError> {
    ///     for picture in 0..1_000 {
    ///         // … one picture …
    ///         if instance.suspended_count() > 0 {
    ///             println!("the app does too much: the rest of the pictures from {picture} on the next time");
    ///             break;
    ///         }
    ///     }
    ///     Ok(())
    /// }
    /// ```
    pub fn suspended_count(&self) -> u32 {
        self.throttle_count(BackgroundTaskThrottleCounter::All)
    }

    /// How often it was suspended for want of processor time, of the network, or of either (POL-2).
    pub fn throttle_count(&self, counter: BackgroundTaskThrottleCounter) -> u32 {
        self.0.parts.throttles.get(counter)
    }

    /// Tells the app how far the task is, in a number whose meaning is the app's own (PR-1). Whoever listens hears it; it is
    /// kept for nobody (D4), except that the last one stands in the completion.
    ///
    /// Never blocks and never fails. Values arrive in order; a task that reports faster than
    /// [`MAX_QUEUED_PROGRESS`](super::MAX_QUEUED_PROGRESS) values per [`PROGRESS_INTERVAL`](super::PROGRESS_INTERVAL) skips some,
    /// but never the last.
    pub fn progress(&self, value: u32) {
        if !self.0.cancellation.ended() {
            (self.0.progress)(value);
        }
    }

    /// Keeps the activation open until the deferral is complete, even if `run` returns first (DEF-3). Take one for each
    /// operation that goes on elsewhere, before `run` returns.
    ///
    /// It does not extend the time the task may take (LC-4).
    ///
    /// ```
    /// # use bgtask::host::{TaskError, TaskInstance};
    /// async fn run(instance: TaskInstance) -> Result<(), TaskError> {
    ///     let deferral = instance.deferral();
    ///     tokio::spawn(async move {
    ///         // … goes on after `run` has returned …
    ///         deferral.complete();
    ///     });
    ///     Ok(())
    /// }
    /// # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
    /// # struct It;
    /// # impl bgtask::host::BackgroundTask for It {
    /// #     async fn run(&self, instance: TaskInstance) -> Result<(), TaskError> { run(instance).await }
    /// # }
    /// # bgtask::testing::TaskTest::new(It).run().await.check_result().unwrap();
    /// # });
    /// ```
    pub fn deferral(&self) -> BackgroundTaskDeferral {
        self.0.deferrals.send_modify(|open| *open += 1);
        BackgroundTaskDeferral(Arc::clone(&self.0))
    }

    /// Waits until the activation has to stop, and says why. If it has to already, returns at once.
    ///
    /// The task then has [`CANCEL_GRACE`](super::CANCEL_GRACE) to end (CAN-1).
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses nothing: the reason stays.
    pub async fn cancelled(&self) -> BackgroundTaskCancellationReason {
        self.0.cancellation.cancelled().await
    }

    /// Why the activation has to stop, if it has to.
    pub fn cancellation_reason(&self) -> Option<BackgroundTaskCancellationReason> {
        self.0.cancellation.reason()
    }

    /// Why the activation has to stop, if it has to, with the numbers: what it had, has used, and has left (U-9).
    pub fn cancel_notice(&self) -> Option<CancelNotice> {
        self.0.cancellation.notice()
    }

    /// For blocking code: sleeps for that long, or until the activation has to stop, and then says why.
    ///
    /// To be called in a [`BlockingTask`](super::BlockingTask) only: in async code it would hold up the very notice it waits for.
    pub fn wait_cancelled(&self, at_most: Duration) -> Option<BackgroundTaskCancellationReason> {
        self.0.cancellation.wait(at_most)
    }

    /// Has a handler called when the activation has to stop; at once if it has to already (CAN-1).
    ///
    /// The handler runs on the thread that cancel notices arrive on, for a [`BlockingTask`](super::BlockingTask) another than
    /// the task's, and must not block. A panic in it is reported on the standard error stream and has no further effect.
    pub fn on_canceled(&self, handler: impl FnOnce(BackgroundTaskCancellationReason) + Send + 'static) {
        self.0.cancellation.on_canceled(Box::new(handler));
    }

    /// The settings the app and its tasks share (PR-6). Its calls block for the time of a disk access.
    ///
    /// # Errors
    ///
    /// [`is_settings`](Error::is_settings): the app's data folder cannot be written, or in a test none was
    /// [given](crate::testing::TaskTest::data_dir).
    pub fn local_settings(&self) -> Result<ApplicationDataContainer, Error> {
        let Some(folder) = &self.0.data_dir else {
            return Err(Error::settings("this activation has no data folder; in a test, give it one with data_dir"));
        };
        ApplicationDataContainer::open(folder).map_err(Error::settings)
    }

    /// Waits until no deferral is open.
    pub(super) async fn deferred(&self) {
        // The sender lives in `self`, so the wait cannot fail.
        let _ = self.0.deferrals.subscribe().wait_for(|open| *open == 0).await;
    }

    pub(crate) fn is_app_service(&self) -> bool {
        self.0.parts.is_app_service
    }

    pub(crate) fn cancellation(&self) -> Arc<Cancellation> {
        Arc::clone(&self.0.cancellation)
    }

    /// The connection that ends with it.
    pub(crate) fn holds(&self, connection: Hold) {
        *self.0.connection.lock().unwrap_or_else(PoisonError::into_inner) = connection;
    }

    /// Closes the connection to its caller, and says why (NEI-3).
    pub(super) async fn hang_up(&self, ok: bool) {
        let connection = self.0.connection.lock().unwrap_or_else(PoisonError::into_inner).clone();
        connection.close(AppServiceClosedStatus::at_end(self.cancellation_reason(), ok)).await;
    }

    pub(super) fn end(&self) {
        self.0.cancellation.end();
    }
}

impl InstanceParts {
    pub(super) fn read(info: InstanceInfo) -> Result<Self, Error> {
        let details = ValueSet::from_wire(&info.trigger_details)
            .map_err(|found| Error::invalid(format!("in the trigger's details {found}, which no task can be given")))?;
        Ok(Self {
            instance_id: InstanceId::read(&info.instance)?,
            task: RegisteredTask {
                task_id: TaskId::read(&info.task)?,
                name: info.name,
                task_entry_point: info.entry_point,
                class_id: info.class_id.as_deref().map(crate::ids::read_class).transpose()?,
                group: info.group,
            },
            fired_at: time_of(info.fired_at),
            fired_count: info.fired_count,
            attempt: info.attempt,
            budget: Duration::from_micros(info.budget),
            event_id: info.event_id,
            is_app_service: info.trigger == APP_SERVICE_TRIGGER,
            details,
            throttles: Arc::new(Throttles::new(info.throttled_cpu.unwrap_or(0), info.throttled_network.unwrap_or(0))),
            socket: Handed::new(info.socket.map(Into::into)),
        })
    }
}

impl RegisteredTask {
    /// Which registration.
    pub fn task_id(&self) -> TaskId {
        self.task_id
    }

    /// The name it was registered under.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The entry point it was registered with: the one that is running. Empty for a task of a
    /// [class](Self::task_entry_point_clsid), or one that the app itself runs.
    pub fn task_entry_point(&self) -> &str {
        &self.task_entry_point
    }

    /// The class it was registered with (BLD-11).
    pub fn task_entry_point_clsid(&self) -> Option<Uuid> {
        self.class_id
    }

    /// The id of the group it was registered in (GRP-2).
    pub fn group(&self) -> Option<&str> {
        self.group.as_deref()
    }
}

impl BackgroundTaskDeferral {
    /// The operation is done. Dropping does the same; this says it in words.
    pub fn complete(self) {}
}

impl Drop for BackgroundTaskDeferral {
    fn drop(&mut self) {
        self.0.deferrals.send_modify(|open| *open -= 1);
    }
}

impl fmt::Debug for TaskInstance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let InstanceParts { instance_id, task, attempt, .. } = &self.0.parts;
        f.debug_struct("TaskInstance")
            .field("instance_id", instance_id)
            .field("task", task)
            .field("attempt", attempt)
            .field("cancellation_reason", &self.cancellation_reason())
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for BackgroundTaskDeferral {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "BackgroundTaskDeferral(of {})", self.0.parts.instance_id)
    }
}
