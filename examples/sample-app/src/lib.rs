//! The `BackgroundTask` sample of Windows, as a terminal app and a task program: six scenarios, each one task.
//!
//! With `--in-process` the app is the `BackgroundActivation` sample, its twin, whose tasks run in the app itself.
//! The README has a walk through all of it by hand; `programs/tests/scenarios` walks it by machine.
#![forbid(unsafe_code)]

mod app;
mod body;
mod notes;
mod scenario;
mod tasks;

pub use app::main as app;
pub use tasks::main as tasks;

/// The app whose tasks run in the task program.
const APP: &str = "org.example.BackgroundTaskSample";

/// Its twin, whose tasks run in the app itself.
const IN_PROCESS_APP: &str = "org.example.BackgroundActivationSample";
