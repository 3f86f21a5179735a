//! The few colours there are. They are stripped where nobody sees them.

use anstyle::{AnsiColor, Style};
use bgtask_manifest::Severity;

/// Column headings and labels.
pub(crate) const HEADING: Style = Style::new().dimmed();
/// What it is about.
pub(crate) const STRONG: Style = Style::new().bold();
/// Good.
pub(crate) const GOOD: Style = AnsiColor::Green.on_default();
/// Waits.
pub(crate) const WAITING: Style = AnsiColor::Yellow.on_default();
/// Bad.
pub(crate) const BAD: Style = AnsiColor::Red.on_default();
/// Moves.
pub(crate) const ACTIVE: Style = AnsiColor::Cyan.on_default();

/// The colour of a phase of a task.
pub(crate) fn of_phase(phase: &str) -> Style {
    match phase {
        "latched" | "buffered" | "suspended" => WAITING,
        "starting" | "running" => ACTIVE,
        "cancelling" => BAD,
        _ => Style::new(),
    }
}

/// The colour of what happened to a task: one word, and the text that tells a good end from a bad one.
pub(crate) fn of_event(event: &str, text: &str) -> Style {
    match event {
        "latched" | "buffered" | "suspended" | "interrupted" | "retrying" | "paused" => WAITING,
        "started" | "released" | "fired" => ACTIVE,
        "cancelled" | "dropped" | "completion-lost" | "overdue" | "missed" => BAD,
        "completed" if text.starts_with("succeeded") => GOOD,
        "completed" => BAD,
        _ => Style::new(),
    }
}

/// The colour of what an app may do.
pub(crate) fn of_access(access: &str) -> Style {
    match access {
        "AlwaysAllowed" | "AllowedSubjectToSystemPolicy" => GOOD,
        "Unspecified" => WAITING,
        _ => BAD,
    }
}

/// The colour of how well a source works.
pub(crate) fn of_status(status: &str) -> Style {
    match status {
        "available" => GOOD,
        "degraded" | "starting" => WAITING,
        _ => BAD,
    }
}

/// The colour of how bad a finding is.
pub(crate) fn of_severity(severity: Severity) -> Style {
    match severity {
        Severity::Note => ACTIVE,
        Severity::Warning => WAITING,
        Severity::Error => BAD,
    }
}
