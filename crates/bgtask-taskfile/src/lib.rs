//! Task files, and the words people use for triggers and conditions.
//!
//! A task file is one TOML file for one command a person runs as a task, `~/.config/bgtask/tasks/NAME.toml`:
//!
//! ```toml
//! command = ["restic", "backup", "/home/me"]
//! every = "6h"
//! when = ["unmetered", "ac-power"]
//! ```
//!
//! [`parse`] reads one, with all mistakes at once and the place of each; [`write()`](write()) writes one. The same words are
//! taken by the command line ([`trigger`], [`condition`], [`duration`], [`size`], [`path`]) and listed in the [`catalog`].
//!
#![doc = include_str!("../../../docs/task-file.md")]
#![forbid(unsafe_code)]
#![warn(missing_docs)]

pub mod catalog;
mod error;
mod events;
mod fields;
mod name;
mod parse;
mod quantity;
mod suggest;
mod words;
mod write;

use bgtask_core::NewRegistration;

pub use bgtask_manifest::{Diagnostic, Severity};
pub use error::WordError;
pub use fields::MAX_DIAGNOSTICS;
pub use name::{MAX_FILE_NAME_BYTES, file_name, fingerprint, name_of_file};
pub use parse::{MAX_TASK_FILE_BYTES, SANDBOXES, parse, parse_at_home, sandbox};
pub use quantity::{duration, path, size};
pub use words::{Options, condition, conditions, trigger, trigger_word};
pub use write::write;

/// What stands in a task file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Task {
    /// The command, what fires it and what must hold. Its entry is always [`Entry::Command`](bgtask_core::Entry::Command).
    pub registration: NewRegistration,
    /// Whether it is switched off for a while.
    pub paused: bool,
}
