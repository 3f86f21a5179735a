//! The parts that the scenarios share (§16.0): the manifest, the two bodies, the registration helper, the status text.

use std::time::Duration;

use bgtask::host::{BackgroundTask, Host, TaskError, TaskInstance};
use bgtask::testing::TestBroker;
use bgtask::{BackgroundTaskBuilder, SystemCondition, TaskId, Trigger};

pub(crate) const APP: &str = "org.example.Sample";

/// The manifest of that version.
pub(crate) fn manifest(version: &str) -> String {
    format!(
        r#"
        [app]
        id = "{APP}"
        version = "{version}"
        executable = "sample"
        capabilities = ["internetClient"]

        [[task]]
        entry_point = "Tasks.SampleBackgroundTask"
        executable = "sample-tasks"
        types = ["systemEvent", "timer"]

        [[task]]
        entry_point = "Tasks.ServicingComplete"
        executable = "sample-tasks"
        types = ["systemEvent"]
        "#
    )
}

/// `Tasks.SampleBackgroundTask`: a report each second up to 100; a cancel is noticed at the next second.
pub(crate) struct SampleBackgroundTask;

impl BackgroundTask for SampleBackgroundTask {
    async fn run(&self, instance: TaskInstance) -> Result<(), TaskError> {
        let settings = instance.local_settings()?;
        let name = instance.task().name();
        let mut progress = 0;
        loop {
            tokio::time::sleep(Duration::from_secs(1)).await;
            if instance.cancellation_reason().is_none() && progress < 100 {
                progress += 10;
                instance.progress(progress);
                continue;
            }
            let words = match instance.cancellation_reason() {
                Some(reason) if progress < 100 => format!("Canceled with reason: {reason}"),
                _ => "Completed".to_owned(),
            };
            settings.set(name, words)?;
            return Ok(());
        }
    }
}

/// `Tasks.ServicingComplete`: eleven reports without a delay.
pub(crate) struct ServicingComplete;

impl BackgroundTask for ServicingComplete {
    async fn run(&self, instance: TaskInstance) -> Result<(), TaskError> {
        let mut words = "Completed";
        for progress in (0..=100).step_by(10) {
            if instance.cancellation_reason().is_some() {
                words = "Canceled";
                break;
            }
            instance.progress(progress);
        }
        instance.local_settings()?.set(instance.task().name(), words)?;
        Ok(())
    }
}

pub(crate) fn host() -> Host {
    Host::new()
        .entry_point("Tasks.SampleBackgroundTask", SampleBackgroundTask)
        .entry_point("Tasks.ServicingComplete", ServicingComplete)
}

/// A broker with the sample in version 1.
pub(crate) fn broker() -> TestBroker {
    let mut broker = TestBroker::new();
    broker.install(&manifest("1.0.0")).expect("the manifest is in order");
    broker.implement(host());
    broker
}

/// What the registration helper builds.
pub(crate) fn builder(
    name: &str,
    trigger: impl Into<Trigger>,
    condition: Option<SystemCondition>,
) -> BackgroundTaskBuilder {
    let builder =
        BackgroundTaskBuilder::new().name(name).task_entry_point("Tasks.SampleBackgroundTask").trigger(trigger);
    match condition {
        Some(condition) => builder.condition(condition).cancel_on_condition_loss(true),
        None => builder,
    }
}

/// The registration helper: registers, then deletes the setting of that name.
pub(crate) fn register(broker: &mut TestBroker, builder: &BackgroundTaskBuilder, name: &str) -> TaskId {
    let task = broker.register(APP, builder).expect("it can be registered");
    broker.local_settings(APP).expect("settings").remove(name).expect("settings");
    task
}

/// `Registered - Completed`, as the sample shows it.
pub(crate) fn status(broker: &TestBroker, name: &str) -> String {
    let registered = broker.registrations(APP).iter().any(|task| task.name() == name);
    let word = if registered { "Registered" } else { "Unregistered" };
    let settings = broker.local_settings(APP).expect("settings");
    match settings.get::<String>(name).expect("a text") {
        Some(setting) => format!("{word} - {setting}"),
        None => word.to_owned(),
    }
}

pub(crate) const fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

pub(crate) const fn minutes(minutes: u64) -> Duration {
    Duration::from_secs(60 * minutes)
}

/// 10, 20, … 100.
pub(crate) fn all_progress() -> Vec<u32> {
    (10..=100).step_by(10).collect()
}
