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
//! # The keys
//!
//! | key | value | if left out |
//! |---|---|---|
//! | `name` | the task's name | the file's, without `.toml` |
//! | `command` | a list: a program and its arguments, as they are; or a line for `/bin/sh -c` | **needed** |
//! | `on` | what fires it: a word of [`catalog::triggers`], or a condition that begins to hold | **one of** |
//! | `every` | how long from one firing to the next, 1 s to 366 days | **these three** |
//! | `at` | a calendar expression of cron or of systemd | **is needed** |
//! | `when` | a list of conditions, all of which must hold; or one line with commas | none |
//! | `once` | `true`: it is gone after it fired; with `on = "event:ID"`: once in a session | `false` |
//! | `paused` | `true`: it does not fire | `false` |
//! | `dir` | the folder it starts in | the home folder |
//! | `env` | a table of variables, besides the broker's | none |
//! | `timeout` | how long one try may take | `"1d"` |
//! | `cpu` | how much processor time one try may use | no limit |
//! | `memory` | how much memory it may use, from 1 MiB | no limit |
//! | `network` | `false`: it has no network at all | `true` |
//! | `network-requested` | `true`: the machine is kept from sleeping while it runs (NW-1) | `false` |
//! | `nice` | `true`: it gives way to everything else | `false` |
//! | `retry` | how often a failed try is repeated, up to 1000 | `0` |
//! | `backoff` | how long after the first failure; doubled after each | `"1min"` |
//! | `fresh-within` | how long ago its last success may be | no promise |
//! | `checkpoint` | `true`: it may leave a small file for its next try | `false` |
//! | `cancel-on-condition-loss` | `true`: it is stopped when a condition stops holding (CO-3) | `false` |
//! | `accuracy`, `jitter` | how much later than due it may fire; for `every` and `at` | `"0s"` |
//! | `zone` | the time zone of `at` | the machine's |
//! | `catch-up` | `true`: a missed time of `at` is made up for, once | `false` |
//! | `recursive` | `true`: the folders within a path count too | `false` |
//! | `changes` | which changes at a path count, of `created`, `changed`, `written`, `deleted`, `moved` | all but `changed` |
//! | `settle` | how long nothing may change at a path before it fires | `"0s"` |
//!
//! Times are `"90s"`, `"15min"`, `"6h"`, `"2d"`, `"1h30min"`; sizes `"500M"`, `"10G"`, by powers of 1024. In paths a first
//! `~` is the home folder; in a `command` that is a list nothing is replaced, in one that is a line the shell does it.
//! A key that is not in this table is a mistake.
#![forbid(unsafe_code)]
#![warn(missing_docs)]

pub mod catalog;
mod error;
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
pub use name::{MAX_FILE_NAME_BYTES, file_name, name_of_file};
pub use parse::{MAX_TASK_FILE_BYTES, parse, parse_at_home};
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
