//! The task program: what runs out of process.

use std::process::ExitCode;
use std::sync::Arc;

use bgtask::BackgroundWorkCost;
use bgtask::host::{BackgroundTask, Host, TaskError, TaskInstance};

use crate::body;
use crate::notes::Notes;

/// The setting with the arguments of the last request that had any.
const ARGUMENTS_SETTING: &str = "TriggerDetails";

/// Runs the task program: what its `main` does.
#[must_use]
pub fn main() -> ExitCode {
    Host::new()
        .entry_point("Tasks.SampleBackgroundTask", SampleBackgroundTask)
        .entry_point("Tasks.ServicingComplete", ServicingComplete)
        .run()
}

/// Counts, one ten a second.
struct SampleBackgroundTask;

impl BackgroundTask for SampleBackgroundTask {
    async fn run(&self, instance: TaskInstance) -> Result<(), TaskError> {
        eprintln!("Background {} Starting...", instance.task().name());
        let settings = instance.local_settings()?;
        // A task may do less where work costs more; this one only leaves word of it.
        settings.set("BackgroundWorkCost", BackgroundWorkCost::current_background_work_cost().name())?;
        if !instance.trigger_details().is_empty() {
            settings.set(ARGUMENTS_SETTING, instance.trigger_details().clone())?;
        }
        body::start(instance, Arc::new(Notes::Settings(settings)))
    }
}

/// Counts at once, without a deferral.
struct ServicingComplete;

impl BackgroundTask for ServicingComplete {
    async fn run(&self, instance: TaskInstance) -> Result<(), TaskError> {
        eprintln!("ServicingComplete {} starting...", instance.task().name());
        let mut word = "Completed";
        for tens in 0..=10 {
            if instance.cancellation_reason().is_some() {
                word = "Canceled";
                break;
            }
            instance.progress(tens * 10);
        }
        Ok(instance.local_settings()?.set(instance.task().name(), word)?)
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use bgtask::ApplicationDataContainer;
    use bgtask::testing::TaskTest;

    use super::*;

    fn test(task: impl BackgroundTask, data: &Path) -> TaskTest {
        TaskTest::new(task).name("Test").data_dir(data)
    }

    fn left(data: &Path, key: &str) -> Option<String> {
        ApplicationDataContainer::open(data).unwrap().get(key).unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn the_first_body_counts_for_eleven_seconds() {
        let data = tempfile::tempdir().unwrap();
        let start = tokio::time::Instant::now();
        let run = test(SampleBackgroundTask, data.path()).run().await;
        run.check_result().unwrap();
        assert_eq!(run.progress(), [10, 20, 30, 40, 50, 60, 70, 80, 90, 100]);
        assert_eq!(start.elapsed().as_secs(), 11);
        assert_eq!(left(data.path(), "Test").as_deref(), Some("Completed"));
        let cost = left(data.path(), "BackgroundWorkCost").unwrap();
        assert!(["Low", "Medium", "High"].contains(&cost.as_str()), "{cost}");
    }

    #[tokio::test(start_paused = true)]
    async fn the_first_body_ends_well_wherever_it_is_cancelled() {
        let data = tempfile::tempdir().unwrap();
        test(SampleBackgroundTask, data.path()).cancel_everywhere().await.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn the_second_body_counts_at_once() {
        let data = tempfile::tempdir().unwrap();
        let run = test(ServicingComplete, data.path()).run().await;
        assert_eq!(run.progress(), [0, 10, 20, 30, 40, 50, 60, 70, 80, 90, 100]);
        assert_eq!(left(data.path(), "Test").as_deref(), Some("Completed"));
        test(ServicingComplete, data.path()).cancel_everywhere().await.unwrap();
    }
}
