//! The task program of the Windows guide "Create and register an out-of-process background task".
//!
//! The broker starts it when the trigger has fired and the conditions hold. It is a process of its own, and knows nothing
//! of the app but the settings they share.

use std::process::ExitCode;
use std::time::Duration;

use bgtask::host::{BackgroundTask, Host, TaskError, TaskInstance};

/// What stands for work. Ten of them make one run.
const TICK: Duration = Duration::from_millis(100);

pub(super) fn main() -> ExitCode {
    // One program may hold several entry points. Each name stands in the app's manifest.
    Host::new().entry_point("Tasks.ExampleBackgroundTask", ExampleBackgroundTask).run()
}

/// Create the background task class, steps 3 and 4.
struct ExampleBackgroundTask;

impl BackgroundTask for ExampleBackgroundTask {
    /// Work that is awaited here needs no deferral: the activation ends when `run` does. Work that goes on elsewhere, in
    /// a spawned task for example, holds an `instance.deferral()` until it is done.
    async fn run(&self, instance: TaskInstance) -> Result<(), TaskError> {
        for step in 1..=10 {
            instance.progress(step * 10);
            tokio::select! {
                () = tokio::time::sleep(TICK) => {}
                reason = instance.cancelled() => return Err(format!("told to stop: {reason}").into()),
            }
        }
        leave_message(&instance)?;
        Ok(())
    }
}

/// A completion carries no result. The task writes one where the app reads it.
fn leave_message(instance: &TaskInstance) -> Result<(), TaskError> {
    let settings = instance.local_settings()?;
    let runs: u64 = settings.get("runs")?.unwrap_or(0) + 1;
    settings.set("runs", runs)?;
    settings.set(&instance.task().task_id().to_string(), format!("run {runs}, {}", whereabouts()))?;
    Ok(())
}

/// Proof that this is another process than the app, in a place of its own.
fn whereabouts() -> String {
    let session = rustix::process::getsid(None).map_or(0, |session| session.as_raw_nonzero().get());
    let groups = std::fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    let cgroup = groups.lines().find_map(|line| line.strip_prefix("0::")).unwrap_or("unknown");
    format!("process {}, session {session}, cgroup {cgroup}", std::process::id())
}
