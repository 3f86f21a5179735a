use std::time::Duration;

use bgtask::host::{BackgroundTask, Host, TaskError, TaskInstance};
use bgtask::{BackgroundTaskBuilder, SystemTrigger, SystemTriggerType};

struct Hello;

impl BackgroundTask for Hello {
    async fn run(&self, instance: TaskInstance) -> Result<(), TaskError> {
        let settings = instance.local_settings()?;
        for step in 1..=5 {
            tokio::select! {
                () = tokio::time::sleep(Duration::from_millis(500)) => instance.progress(step * 20),
                reason = instance.cancelled() => {
                    settings.set(instance.task().name(), format!("Canceled with reason: {reason}"))?;
                    return Ok(());
                }
            }
        }
        settings.set(instance.task().name(), "Hello from another process")?;
        Ok(())
    }
}

/// What the task program runs.
pub fn host() -> Host {
    Host::new().entry_point("Tasks.Hello", Hello)
}

/// What the app registers.
pub fn hello() -> BackgroundTaskBuilder {
    BackgroundTaskBuilder::new()
        .name("Hello")
        .task_entry_point("Tasks.Hello")
        .trigger(SystemTrigger::new(SystemTriggerType::TimeZoneChange, false))
}
