//! The body that both forms of the sample share: it counts to 100 in ten ticks.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use bgtask::host::{TaskError, TaskInstance};
use tokio::time::sleep;

use crate::notes::Notes;

/// The setting with another length of a tick than a second, in milliseconds.
pub(crate) const TICK_SETTING: &str = "TickMilliseconds";

const SECOND: Duration = Duration::from_secs(1);

/// Takes a deferral and returns. A timer then counts, and leaves `Completed` or `Canceled with reason: …` under the task's name.
pub(crate) fn start(instance: TaskInstance, notes: Arc<Notes>) -> Result<(), TaskError> {
    let tick = instance.local_settings()?.get(TICK_SETTING)?.map_or(SECOND, Duration::from_millis);
    let cancelled = Arc::new(OnceLock::new());
    let cancel = Arc::clone(&cancelled);
    instance.on_canceled(move |reason| {
        cancel.get_or_init(|| reason);
    });
    let deferral = instance.deferral();
    tokio::spawn(async move {
        let mut progress = 0;
        loop {
            sleep(tick).await;
            if cancelled.get().is_some() || progress >= 100 {
                break;
            }
            progress += 10;
            instance.progress(progress);
        }
        // What was cancelled after its last step is complete all the same.
        let word = match cancelled.get() {
            Some(reason) if progress < 100 => format!("Canceled with reason: {reason}"),
            _ => "Completed".to_owned(),
        };
        if let Err(error) = notes.set(instance.task().name(), word) {
            eprintln!("{}: {error}", instance.task().name());
        }
        deferral.complete();
    });
    Ok(())
}
