//! What an app and its tasks keep for each other: small typed settings in the app's data folder.
//!
//! A task cannot hand a rich result to the app that registered it through a completion, which may arrive much later or in
//! another process. It writes a setting instead, and the app reads it when it hears of the completion. Both open the same
//! [`ApplicationDataContainer`]; it works on files alone, so it works while no broker runs. Who wants to know when another
//! process sets something [hears of it](ApplicationDataContainer::data_changed).
//!
//! ```
//! use bgtask::storage::{ApplicationDataContainer, SettingsError};
//!
//! # fn main() -> Result<(), SettingsError> {
//! # let folder = tempfile::tempdir().expect("a temporary folder");
//! # let data_folder = folder.path();
//! let settings = ApplicationDataContainer::open(data_folder)?;
//!
//! // In the task:
//! settings.set("backup", "Completed")?;
//! settings.update("runs", |runs| {
//!     let runs: u64 = runs.and_then(|runs| runs.try_into().ok()).unwrap_or(0);
//!     Some((runs + 1).into())
//! })?;
//!
//! // In the app:
//! assert_eq!(settings.get::<String>("backup")?.as_deref(), Some("Completed"));
//! assert_eq!(settings.get::<u64>("runs")?, Some(1));
//! assert_eq!(settings.get::<String>("never set")?, None);
//! # Ok(())
//! # }
//! ```

mod changes;
mod container;
mod error;
mod name;

pub use changes::{DataChanged, DataChanges};
pub use container::{ApplicationDataContainer, LOCK_WAIT, MAX_COMPOSITE_BYTES, MAX_KEYS, MAX_VALUE_BYTES};
pub use error::SettingsError;
pub use name::MAX_KEY_CHARS;
