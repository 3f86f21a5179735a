//! Crontabs and systemd timers as tasks, with a report of everything that means something else afterwards.
//!
//! [`crontab`] and [`systemd_timer`] translate a text; [`check`] then plays both sides through more than a year, the days
//! on which the clock is set included, and lists each instant at which only one of them would run.
//!
//! ```
//! use bgtask_import::{CrontabKind, check, crontab};
//! use jiff::tz::TimeZone;
//!
//! let import = crontab("MAILTO=me\n30 2 * * 1-5  backup --all\n@reboot  sync.sh\n", CrontabKind::User);
//! let names: Vec<_> = import.tasks.iter().map(|it| it.task.registration.name.as_str()).collect();
//! assert_eq!(names, ["backup", "sync"]);
//! println!("{}", bgtask_taskfile::write(&import.tasks[0].task));
//! for difference in import.common.iter().chain(&import.tasks[1].differences) {
//!     println!("{difference}");
//! }
//! assert!(check(&import, &TimeZone::UTC, 0).differing.is_empty());
//! ```
#![forbid(unsafe_code)]
#![warn(missing_docs)]

mod check;
mod crontab;
mod name;
mod shell;
mod systemd;

use std::fmt;

use bgtask_taskfile::Task;

pub use bgtask_taskfile::Severity;
pub use check::{CHECKED_DAYS, Checked, Differing, MAX_COMPARED, MAX_DIFFERING, Side, check};
pub use crontab::{CrontabKind, crontab};
pub use systemd::{UnitKind, UnitNames, systemd_service_name, systemd_timer};

/// Largest text that is translated, in bytes.
pub const MAX_TEXT_BYTES: usize = 1 << 20;
/// Most tasks that one text is translated to: what a user can have.
pub const MAX_TASKS: usize = bgtask_core::limits::MAX_REGISTRATIONS_PER_APP;

/// What became of a text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Import {
    /// The tasks, in the order of the text, each with a name of its own.
    pub tasks: Vec<Imported>,
    /// What is different for all of them.
    pub common: Vec<Difference>,
    /// What was not translated.
    pub skipped: Vec<Skipped>,
}

/// One task and where it comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Imported {
    /// The task: [`bgtask_taskfile::parse`] takes what [`bgtask_taskfile::write()`] makes of it.
    pub task: Task,
    /// What it means otherwise than before, besides what is [common](Import::common) to all.
    pub differences: Vec<Difference>,
    /// What said when it runs.
    pub original: Original,
    /// The line it was translated from, from 1; the trigger's, of a timer.
    pub line: usize,
}

/// What said when a task runs, before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Original {
    /// Five fields of cron or a nickname, and the zone of `CRON_TZ`.
    Cron {
        /// As written.
        expression: String,
        /// As written.
        zone: Option<String>,
    },
    /// A line of `OnCalendar=`, as written.
    OnCalendar(String),
    /// Something else than a calendar.
    Other,
}

/// Something that means something else than before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// What it is about: the setting of the original, such as `MAILTO` or `Persistent=`, or a short name.
    pub what: String,
    /// What the original means, as a clause.
    pub before: String,
    /// What the task means, as a clause.
    pub after: String,
    /// A note: the command does the same. A warning: it may do something else, or at another time. An error: it will
    /// probably not work as it is.
    pub severity: Severity,
}

impl Difference {
    fn new(severity: Severity, what: &str, before: impl Into<String>, after: impl Into<String>) -> Self {
        Self { what: what.to_owned(), before: before.into(), after: after.into(), severity }
    }

    fn note(what: &str, before: impl Into<String>, after: impl Into<String>) -> Self {
        Self::new(Severity::Note, what, before, after)
    }

    fn warning(what: &str, before: impl Into<String>, after: impl Into<String>) -> Self {
        Self::new(Severity::Warning, what, before, after)
    }

    fn error(what: &str, before: impl Into<String>, after: impl Into<String>) -> Self {
        Self::new(Severity::Error, what, before, after)
    }
}

impl fmt::Display for Difference {
    /// One sentence: `MAILTO: cron mails what it writes to me; bgtask keeps it in the task's log.`
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}; {}.", self.what, self.before, self.after)
    }
}

/// A part of the text that became no task.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Skipped {
    /// Where it stands, from 1; 0 is the text as a whole.
    pub line: usize,
    /// Why, as a sentence without a final stop.
    pub why: String,
}

impl Import {
    /// Adds a task, if a task file can hold it.
    fn add(&mut self, mut task: Task, differences: Vec<Difference>, original: Original, line: usize) {
        if self.tasks.len() == MAX_TASKS {
            return self.skip(line, format!("there are more than {MAX_TASKS} tasks"));
        }
        let taken = self.tasks.iter().map(|other| other.task.registration.name.as_str()).collect();
        task.registration.name = name::unique(&task.registration.name, &taken);
        match bgtask_taskfile::parse_at_home("task.toml", &bgtask_taskfile::write(&task), "/") {
            Ok(task) => self.tasks.push(Imported { task, differences, original, line }),
            Err(mistakes) => {
                let why = mistakes.first().map_or_else(String::new, |mistake| mistake.message.clone());
                self.skip(line, why);
            }
        }
    }

    fn skip(&mut self, line: usize, why: impl Into<String>) {
        self.skipped.push(Skipped { line, why: why.into() });
    }

    /// Nothing but the reason, where the text cannot be one.
    fn refused(text: &str) -> Option<Self> {
        let why = if text.len() > MAX_TEXT_BYTES {
            format!("the text is larger than {MAX_TEXT_BYTES} bytes")
        } else if text.contains('\0') {
            "the text has a NUL character: it is no text file".to_owned()
        } else {
            return None;
        };
        Some(Self { skipped: vec![Skipped { line: 0, why }], ..Self::default() })
    }
}

/// What all tasks have in common that somebody else started before.
fn common(who: &str) -> Vec<Difference> {
    vec![
        Difference::warning(
            "when nobody is logged in",
            format!("{who} runs it whether or not anybody is logged in"),
            "bgtask runs it while you are logged in, or always after `loginctl enable-linger`",
        ),
        Difference::note(
            "time limit",
            format!("{who} lets it run as long as it wants"),
            "bgtask stops it after a day, unless timeout says otherwise",
        ),
        Difference::note(
            "what it leaves behind",
            format!("{who} may leave what it started in the background running"),
            "bgtask ends all that is left when the command has ended",
        ),
    ]
}

/// The task that this trigger starts this command, with nothing else.
fn task_of(name: String, trigger: bgtask_core::Trigger, command: bgtask_core::Command) -> Task {
    let registration = bgtask_core::NewRegistration {
        name,
        entry: bgtask_core::Entry::Command(std::sync::Arc::new(command)),
        trigger,
        conditions: Vec::new(),
        cancel_on_condition_loss: false,
        is_network_requested: false,
        group: None,
    };
    Task { registration, paused: false }
}
