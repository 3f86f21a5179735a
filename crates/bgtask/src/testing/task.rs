//! One task under test, run as its host would.

use std::fmt;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use crate::host::{
    BackgroundTask, BlockingTask, CANCEL_GRACE, CancelNotice, Cancellation, Entry, Handed, InstanceParts,
    RegisteredTask, TaskInstance, blocking_entry, entry, run_to_end,
};
use crate::throttle::Throttles;
use crate::{
    AppServiceConnection, AppServiceTriggerDetails, BackgroundTaskCancellationReason, Error, InstanceId, PropertyValue,
    TaskId, ValueSet,
};

/// How long a task may run before it is told to stop, where its manifest and trigger say nothing else (D10).
pub const RUN_BUDGET: Duration = Duration::from_secs(25);

/// Most points [`TaskTest::cancel_everywhere`] cancels a task at; a task with more reports is cancelled at the first ones.
pub const MAX_CANCEL_POINTS: usize = 256;

/// A task under test. Every run is an activation of its own of the same value.
#[must_use = "it does nothing until `run`"]
pub struct TaskTest {
    entry: Entry,
    task: RegisteredTask,
    attempt: u32,
    fired_count: u32,
    details: ValueSet,
    throttled: (u32, u32),
    data_dir: Option<PathBuf>,
    cancel: Option<(usize, BackgroundTaskCancellationReason)>,
    /// The task's end of a connection, for its next run.
    connection: Mutex<Option<UnixStream>>,
    is_app_service: bool,
}

/// What one run of a task did.
#[derive(Clone, Debug)]
pub struct TestRun {
    result: Result<(), TestFailure>,
    progress: Vec<u32>,
    cancelled: Option<BackgroundTaskCancellationReason>,
}

/// How a task failed its run.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TestFailure {
    /// It returned an error or panicked; the text as the app would get it.
    Failed(String),
    /// It was told to stop and had not ended by the end of the grace: its process would have been killed.
    Killed {
        /// Why it had to stop.
        reason: BackgroundTaskCancellationReason,
    },
}

impl TaskTest {
    /// A test of this task. Its activations have the name `Test`, the entry point `Tests.Test`, attempt 1, and no data folder.
    pub fn new(task: impl BackgroundTask) -> Self {
        Self::of(entry(task))
    }

    /// A test of this blocking task. It runs in real time, so tokio's clock must not be paused.
    pub fn blocking(task: impl BlockingTask) -> Self {
        Self::of(blocking_entry(task))
    }

    fn of(entry: Entry) -> Self {
        let task = RegisteredTask {
            task_id: TaskId::new(),
            name: "Test".into(),
            task_entry_point: "Tests.Test".into(),
            class_id: None,
            group: None,
        };
        Self {
            entry,
            task,
            attempt: 1,
            fired_count: 1,
            details: ValueSet::new(),
            throttled: (0, 0),
            data_dir: None,
            cancel: None,
            connection: Mutex::default(),
            is_app_service: false,
        }
    }

    /// Its next run serves a caller of that app, with this end of the connection: see [`app_service`](crate::app_service).
    ///
    /// # Errors
    ///
    /// It is not called within a tokio runtime, or the system has no descriptors left.
    pub fn app_service(mut self, service: &str, caller: &str) -> Result<(Self, AppServiceConnection), Error> {
        let (own, its) = UnixStream::pair().map_err(|error| Error::channel(&error))?;
        let caller_end = AppServiceConnection::over(own, None)?;
        self.details = AppServiceTriggerDetails::told(service, caller);
        (self.connection, self.is_app_service) = (Mutex::new(Some(its)), true);
        Ok((self, caller_end))
    }

    /// The name the task is registered under.
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.task.name = name.into();
        self
    }

    /// The number of the attempt, from 1.
    pub fn attempt(mut self, attempt: u32) -> Self {
        self.attempt = attempt;
        self
    }

    /// How many firings the activation stands for, from 1.
    pub fn fired_count(mut self, count: u32) -> Self {
        self.fired_count = count;
        self
    }

    /// The app's data folder, where [`local_settings`](TaskInstance::local_settings) are. Give each test its own.
    pub fn data_dir(mut self, folder: impl Into<PathBuf>) -> Self {
        self.data_dir = Some(folder.into());
        self
    }

    /// How often the activation [was suspended](TaskInstance::suspended_count) already, for want of processor time and of the network.
    pub fn throttled(mut self, cpu: u32, network: u32) -> Self {
        self.throttled = (cpu, network);
        self
    }

    /// What the trigger hands over, as with [`request_async_with`](crate::ApplicationTrigger::request_async_with); by default nothing.
    pub fn trigger_details(mut self, details: ValueSet) -> Self {
        self.details = details;
        self
    }

    /// Something that its trigger listens to has happened, with these fields: one more of the
    /// [events](TaskInstance::trigger_events) that it is told.
    ///
    /// ```
    /// # use bgtask::host::{BackgroundTask, TaskError, TaskInstance};
    /// # struct Index;
    /// # impl BackgroundTask for Index {
    /// #     async fn run(&self, _: TaskInstance) -> Result<(), TaskError> { Ok(()) }
    /// # }
    /// use bgtask::ValueSet;
    /// use bgtask::testing::TaskTest;
    /// let test = TaskTest::new(Index)
    ///     .happens(ValueSet::from([("change", "created"), ("path", "/home/me/a")]))
    ///     .happens(ValueSet::from([("change", "deleted"), ("path", "/home/me/a")]));
    /// # drop(test);
    /// ```
    pub fn happens(mut self, event: impl Into<ValueSet>) -> Self {
        let mut event = event.into();
        let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        event.insert("at", i64::try_from(since.as_micros()).unwrap_or(i64::MAX));
        let mut events: Vec<PropertyValue> = self.details.get("events").ok().flatten().unwrap_or_default();
        events.push(event.into());
        self.details.insert("events", events);
        self.details.insert("lost", 0_u32);
        self
    }

    /// Cancels the task as soon as it has reported progress that many times: in the midst of that report, before
    /// [`progress`](TaskInstance::progress) returns. With 0 it is cancelled before it begins.
    pub fn cancel_after(mut self, reports: usize, reason: BackgroundTaskCancellationReason) -> Self {
        self.cancel = Some((reports, reason));
        self
    }

    /// Runs the task to its end, or as long as a host would let it.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future drops the task's own; a blocking task runs on.
    pub async fn run(&self) -> TestRun {
        self.run_once(self.cancel).await
    }

    /// Runs the task once undisturbed, then once more for "before it begins" and for each report it made, cancelled at that
    /// point with [`Abort`](BackgroundTaskCancellationReason::Abort). Returns the cancelled runs, in that order.
    ///
    /// # Errors
    ///
    /// How the first run that failed did so. A task that was cancelled should end well: it did what it was told.
    ///
    /// # Cancel safety
    ///
    /// As [`run`](Self::run).
    pub async fn cancel_everywhere(&self) -> Result<Vec<TestRun>, TestFailure> {
        let undisturbed = self.run_once(None).await;
        undisturbed.check_result()?;
        let points = undisturbed.progress.len().min(MAX_CANCEL_POINTS - 1);
        let mut runs = Vec::with_capacity(points + 1);
        for reports in 0..=points {
            let run = self.run_once(Some((reports, BackgroundTaskCancellationReason::Abort))).await;
            run.check_result()?;
            runs.push(run);
        }
        Ok(runs)
    }

    async fn run_once(&self, cancel: Option<(usize, BackgroundTaskCancellationReason)>) -> TestRun {
        let cancellation = Arc::new(Cancellation::default());
        let reports = Arc::new(Mutex::new(Vec::new()));
        let report = reporter(Arc::clone(&reports), Arc::clone(&cancellation), cancel);
        let instance = TaskInstance::new(self.parts(), Arc::clone(&cancellation), self.data_dir.clone(), report);
        if let Some((0, reason)) = cancel {
            cancellation.cancel(notice(reason, Duration::ZERO));
        }
        let result = self.within_limits(&cancellation, instance).await;
        let progress = reports.lock().unwrap_or_else(PoisonError::into_inner).clone();
        TestRun { result, progress, cancelled: cancellation.reason() }
    }

    async fn within_limits(&self, cancellation: &Cancellation, instance: TaskInstance) -> Result<(), TestFailure> {
        let begun = tokio::time::Instant::now();
        let mut run = std::pin::pin!(run_to_end(&self.entry, instance.clone()));
        let reason = tokio::select! {
            biased;
            result = &mut run => return result.map_err(TestFailure::Failed),
            reason = instance.cancelled() => reason,
            () = tokio::time::sleep(RUN_BUDGET) => BackgroundTaskCancellationReason::ExecutionTimeExceeded,
        };
        cancellation.cancel(notice(reason, begun.elapsed()));
        match tokio::time::timeout(CANCEL_GRACE, run).await {
            Ok(result) => result.map_err(TestFailure::Failed),
            Err(_) => Err(TestFailure::Killed { reason }),
        }
    }

    fn parts(&self) -> InstanceParts {
        InstanceParts {
            instance_id: InstanceId::new(),
            task: self.task.clone(),
            fired_at: SystemTime::now(),
            fired_count: self.fired_count,
            attempt: self.attempt,
            budget: RUN_BUDGET,
            event_id: None,
            details: self.details.clone(),
            throttles: Arc::new(Throttles::new(self.throttled.0, self.throttled.1)),
            is_app_service: self.is_app_service,
            socket: Handed::new(self.connection.lock().unwrap_or_else(PoisonError::into_inner).take().map(Into::into)),
        }
    }
}

/// Notes every report, and cancels at the chosen one.
fn reporter(
    reports: Arc<Mutex<Vec<u32>>>,
    cancellation: Arc<Cancellation>,
    cancel: Option<(usize, BackgroundTaskCancellationReason)>,
) -> impl Fn(u32) + Send + Sync {
    let begun = tokio::time::Instant::now();
    move |value| {
        let count = {
            let mut reports = reports.lock().unwrap_or_else(PoisonError::into_inner);
            reports.push(value);
            reports.len()
        };
        if let Some((after, reason)) = cancel
            && after == count
        {
            cancellation.cancel(notice(reason, begun.elapsed()));
        }
    }
}

fn notice(reason: BackgroundTaskCancellationReason, used: Duration) -> CancelNotice {
    CancelNotice { reason, budget: RUN_BUDGET, used, grace: CANCEL_GRACE }
}

impl TestRun {
    /// Whether the activation succeeded, as [`check_result`](crate::BackgroundTaskCompletedEventArgs::check_result) would tell the app.
    ///
    /// # Errors
    ///
    /// How it failed.
    pub fn check_result(&self) -> Result<(), TestFailure> {
        self.result.clone()
    }

    /// Every value it reported, in order.
    pub fn progress(&self) -> &[u32] {
        &self.progress
    }

    /// Why it was told to stop, if it was.
    pub fn cancellation_reason(&self) -> Option<BackgroundTaskCancellationReason> {
        self.cancelled
    }
}

impl fmt::Display for TestFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Failed(text) => f.write_str(text),
            Self::Killed { reason } => {
                let grace = CANCEL_GRACE.as_secs();
                write!(
                    f,
                    "it was told to stop ({reason}) and had not ended {grace} s later, so its process would be killed"
                )
            }
        }
    }
}

impl std::error::Error for TestFailure {}

impl fmt::Debug for TaskTest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TaskTest").field("task", &self.task).field("cancel", &self.cancel).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::BackgroundTaskCancellationReason as Reason;
    use crate::host::TaskError;

    /// Reports 1, 2, 3 with an hour in between, so it ends only by being cancelled or killed.
    struct Slow {
        heeds_cancel: bool,
    }

    impl BackgroundTask for Slow {
        async fn run(&self, instance: TaskInstance) -> Result<(), TaskError> {
            for value in 1..=3 {
                instance.progress(value);
                tokio::select! {
                    () = tokio::time::sleep(Duration::from_secs(3600)) => {}
                    _ = instance.cancelled(), if self.heeds_cancel => return Ok(()),
                }
            }
            Ok(())
        }
    }

    #[tokio::test(start_paused = true)]
    async fn the_budget_ends_a_task_that_heeds_it() {
        let run = TaskTest::new(Slow { heeds_cancel: true }).run().await;
        run.check_result().unwrap();
        assert_eq!(run.cancellation_reason(), Some(Reason::ExecutionTimeExceeded));
        assert_eq!(run.progress(), [1]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_task_that_ignores_the_notice_is_killed_after_the_grace() {
        let begun = tokio::time::Instant::now();
        let test = TaskTest::new(Slow { heeds_cancel: false }).cancel_after(1, Reason::ConditionLoss);
        let failure = test.run().await.check_result().unwrap_err();
        assert_eq!(failure, TestFailure::Killed { reason: Reason::ConditionLoss });
        assert_eq!(begun.elapsed(), CANCEL_GRACE);
    }

    struct Reports(u32);

    impl BackgroundTask for Reports {
        async fn run(&self, instance: TaskInstance) -> Result<(), TaskError> {
            for value in 0..self.0 {
                if instance.cancellation_reason().is_some() {
                    return Ok(());
                }
                instance.progress(value);
            }
            Ok(())
        }
    }

    #[tokio::test]
    async fn a_task_is_cancelled_at_every_point_up_to_a_bound() {
        let runs = TaskTest::new(Reports(3)).cancel_everywhere().await.unwrap();
        let reports: Vec<_> = runs.iter().map(|run| run.progress().len()).collect();
        assert_eq!(reports, [0, 1, 2, 3]);
        let runs = TaskTest::new(Reports(MAX_CANCEL_POINTS as u32 * 2)).cancel_everywhere().await.unwrap();
        assert_eq!(runs.len(), MAX_CANCEL_POINTS);
    }

    struct Blocks;

    impl BlockingTask for Blocks {
        fn run(&self, instance: &TaskInstance) -> Result<(), TaskError> {
            let reason = instance.wait_cancelled(Duration::from_secs(60)).ok_or("never cancelled")?;
            instance.local_settings()?.set(instance.task().name(), reason.name())?;
            Err("cancelled".into())
        }
    }

    #[tokio::test]
    async fn a_blocking_task_is_run_and_its_failure_told() {
        let folder = tempfile::tempdir().unwrap();
        let test = TaskTest::blocking(Blocks).name("Job").data_dir(folder.path()).cancel_after(0, Reason::Abort);
        let failure = test.run().await.check_result().unwrap_err();
        assert_eq!(failure, TestFailure::Failed("cancelled".into()));
        let settings = crate::storage::ApplicationDataContainer::open(folder.path()).unwrap();
        assert_eq!(settings.get::<String>("Job").unwrap().as_deref(), Some("Abort"));
    }

    #[tokio::test]
    async fn what_happened_is_told_in_its_order() {
        struct Tells;
        impl BackgroundTask for Tells {
            async fn run(&self, instance: TaskInstance) -> Result<(), TaskError> {
                let happened = instance.trigger_events();
                let changes: Vec<crate::StorageLibraryChange> = happened.details();
                let paths: Vec<_> = changes.iter().map(|change| change.path.display().to_string()).collect();
                let is_now = happened.events().iter().all(|event| event.at() > SystemTime::UNIX_EPOCH);
                Err(format!("{} {is_now} {}", paths.join(" "), happened.lost()).into())
            }
        }
        let created = |path| ValueSet::from([("change", "created"), ("path", path)]);
        let test = TaskTest::new(Tells).happens(created("/a")).happens(created("/b"));
        assert_eq!(test.run().await.check_result(), Err(TestFailure::Failed("/a /b true 0".into())));
    }

    #[tokio::test]
    async fn without_a_data_folder_there_are_no_settings() {
        struct Asks;
        impl BackgroundTask for Asks {
            async fn run(&self, instance: TaskInstance) -> Result<(), TaskError> {
                instance.local_settings()?;
                Ok(())
            }
        }
        let failure = TaskTest::new(Asks).run().await.check_result().unwrap_err();
        assert!(failure.to_string().contains("data_dir"), "{failure}");
    }
}
