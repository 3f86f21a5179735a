//! For the tests of app and task authors: everything a broker does, without a broker, without processes, without waiting.
//!
//! * [`TaskTest`] runs one task as its host would, and cancels it at every point.
//! * `TestBroker`, with the cargo feature `testing`, is a whole broker in the test process, on virtual time: it installs the
//!   app's own manifest, registers with the app's own builders, fires triggers, changes conditions, lets hours pass in no time,
//!   and tells what became of it.
//!
//! ```toml
//! [dev-dependencies]
//! bgtask = { version = "…", features = ["testing"] }
//! tokio = { version = "1", features = ["macros", "rt", "test-util"] }
//! ```
//!
//! # One task
//!
//! [`TaskTest`] tells what a task reported, cancels it at a chosen point, and holds it to the limits: [`RUN_BUDGET`], then a
//! cancel notice, then [`CANCEL_GRACE`](crate::host::CANCEL_GRACE). With tokio's paused clock (its feature `test-util`) a task that
//! takes ten seconds is tested in no time:
//!
//! ```
//! use bgtask::host::{BackgroundTask, TaskError, TaskInstance};
//! use bgtask::testing::TaskTest;
//! use std::time::Duration;
//!
//! struct Steps;
//!
//! impl BackgroundTask for Steps {
//!     async fn run(&self, instance: TaskInstance) -> Result<(), TaskError> {
//!         for step in 1..=10 {
//!             tokio::select! {
//!                 () = tokio::time::sleep(Duration::from_secs(1)) => instance.progress(step * 10),
//!                 _ = instance.cancelled() => return Ok(()),
//!             }
//!         }
//!         Ok(())
//!     }
//! }
//!
//! # tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap().block_on(async {
//! // in a #[tokio::test(start_paused = true)]:
//! let test = TaskTest::new(Steps);
//!
//! let run = test.run().await;
//! run.check_result()?;
//! assert_eq!(run.progress().last(), Some(&100));
//!
//! // Cancelled before it begins, and after each of its ten reports, it ends in time:
//! assert_eq!(test.cancel_everywhere().await?.len(), 11);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! # }).unwrap();
//! ```

#[cfg(feature = "testing")]
mod broker;
mod task;

#[cfg(feature = "testing")]
pub use broker::{ActivationPhase, TestActivation, TestBroker, TestEvent};
pub use task::{MAX_CANCEL_POINTS, RUN_BUDGET, TaskTest, TestFailure, TestRun};
