//! What an import came to: each task with what means something else, and both sides compared.

use std::io;

use bgtask_calendar::Calendar;
use bgtask_core::{Command, Trigger};
use bgtask_import::{CHECKED_DAYS, Difference, Differing, Imported, Side};
use bgtask_taskfile::trigger_word;
use jiff::Timestamp;
use serde_json::{Value, json};

use super::{Form, Report};
use crate::commands::shell_word;
use crate::output::quantity::exact;
use crate::output::text::{counted, printable};
use crate::output::time::rfc3339;
use crate::output::{Screen, style};

/// Most differing times that are shown; `--json` has more.
const MAX_SHOWN: usize = 10;

impl Report<'_> {
    pub(super) fn write(&self, screen: &mut Screen<'_>) -> io::Result<()> {
        let strong = style::STRONG;
        let (name, count) = (printable(&self.source.name), counted(self.import.tasks.len(), "task"));
        writeln!(screen.out, "{strong}{name}{strong:#}: {count}\n")?;
        for (imported, added) in self.import.tasks.iter().zip(self.added) {
            write_task(imported, screen)?;
            match added {
                Some(Ok(update)) => writeln!(screen.out, "  {good}{update}{good:#}", good = style::GOOD)?,
                Some(Err(_)) => writeln!(screen.out, "  {bad}not added{bad:#}", bad = style::BAD)?,
                None => {}
            }
            writeln!(screen.out)?;
        }
        if !self.import.common.is_empty() && !self.import.tasks.is_empty() {
            writeln!(screen.out, "For all of them:")?;
            write_differences(&self.import.common, screen)?;
            writeln!(screen.out)?;
        }
        if !self.import.skipped.is_empty() {
            writeln!(screen.out, "Not taken over:")?;
            for skipped in &self.import.skipped {
                let place = if skipped.line > 0 { format!("line {}: ", skipped.line) } else { String::new() };
                writeln!(screen.out, "  {place}{}", printable(&skipped.why))?;
            }
            writeln!(screen.out)?;
        }
        self.write_check(screen)?;
        match &self.source.still_runs {
            Some(still) if self.added.iter().any(|added| matches!(added, Some(Ok(_)))) => {
                let waiting = style::WAITING;
                writeln!(screen.out, "{waiting}{}{waiting:#}\n", printable(still))
            }
            _ => Ok(()),
        }
    }

    fn write_check(&self, screen: &mut Screen<'_>) -> io::Result<()> {
        let checked = self.checked;
        if checked.compared == 0 && checked.differing.is_empty() {
            return Ok(());
        }
        let differing = checked.differing.len() + checked.more;
        let zone = self.zone.iana_name().unwrap_or("the machine's zone");
        let compared = counted(checked.compared, "time");
        write!(screen.out, "Checked by simulation: {compared} within {CHECKED_DAYS} days in {zone}, ")?;
        match differing {
            0 => writeln!(screen.out, "and bgtask runs them at the same.\n")?,
            count => writeln!(screen.out, "and at {count} only one side runs:")?,
        }
        for found in checked.differing.iter().take(MAX_SHOWN) {
            writeln!(screen.out, "  {}", self.differs(found))?;
        }
        if differing > MAX_SHOWN {
            writeln!(screen.out, "  and {} more", differing - MAX_SHOWN)?;
        }
        if differing > 0 {
            writeln!(screen.out)?;
        }
        if !checked.not_compared.is_empty() {
            let names = checked.not_compared.join(", ");
            writeln!(screen.out, "No calendar to compare: {}\n", printable(&names))?;
        }
        Ok(())
    }

    fn differs(&self, found: &Differing) -> String {
        let at = Timestamp::from_microsecond(found.at).map(|at| at.to_zoned(self.zone.clone()));
        let at = at.map_or_else(|_| "?".to_owned(), |at| at.strftime("%Y-%m-%d %H:%M:%S %:z").to_string());
        let who = match (found.only, self.source.form) {
            (Side::After, _) => "bgtask",
            (Side::Before, Form::SystemdTimer) => "systemd",
            (Side::Before, _) => "cron",
        };
        format!("{at}  {}  only {who} runs it", printable(&found.task))
    }

    pub(super) fn to_json(&self) -> Value {
        let tasks = self.import.tasks.iter().zip(self.added).map(|(imported, added)| {
            json!({
                "name": imported.task.registration.name,
                "line": imported.line,
                "definition": bgtask_taskfile::write(&imported.task),
                "differences": differences(&imported.differences),
                "added": added.as_ref().and_then(|added| added.as_ref().ok()),
                "problem": added.as_ref().and_then(|added| added.as_ref().err()),
            })
        });
        let skipped = self.import.skipped.iter().map(|it| json!({ "line": it.line, "why": it.why }));
        let differing = self.checked.differing.iter().map(|found| {
            let only = if found.only == Side::Before { "before" } else { "after" };
            json!({ "task": found.task, "at": rfc3339(found.at), "only": only })
        });
        json!({
            "source": self.source.name,
            "format": self.source.form.word(),
            "tasks": tasks.collect::<Value>(),
            "common": differences(&self.import.common),
            "skipped": skipped.collect::<Value>(),
            "checked": {
                "days": CHECKED_DAYS,
                "zone": self.zone.iana_name(),
                "compared": self.checked.compared,
                "differing": differing.collect::<Value>(),
                "more": self.checked.more,
                "not_compared": self.checked.not_compared,
            },
        })
    }
}

impl Form {
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Toml => "toml",
            Self::Crontab => "crontab",
            Self::SystemdTimer => "systemd-timer",
            Self::Appxmanifest => "appxmanifest",
        }
    }
}

fn write_task(imported: &Imported, screen: &mut Screen<'_>) -> io::Result<()> {
    let registration = &imported.task.registration;
    let (strong, dim) = (style::STRONG, style::HEADING);
    let name = printable(&registration.name);
    writeln!(screen.out, "{strong}{name}{strong:#} {dim}(line {}){dim:#}", imported.line)?;
    let conditions: Vec<_> = registration.conditions.iter().map(|condition| condition.word()).collect();
    let mut facts = vec![("when", when(&registration.trigger))];
    if !conditions.is_empty() {
        facts.push(("if", conditions.join(", ")));
    }
    facts.extend(registration.entry.command().map(|command| ("command", line(command))));
    for (label, value) in facts {
        writeln!(screen.out, "  {dim}{label:<8}{dim:#} {}", printable(&value))?;
    }
    write_differences(&imported.differences, screen)
}

fn when(trigger: &Trigger) -> String {
    match trigger {
        Trigger::Calendar { calendar, zone, .. } => {
            let read = Calendar::parse(calendar).ok();
            // What cannot be said better is said as it is written.
            let meaning =
                read.map(|read| (read.describe(), read.to_string())).filter(|(said, written)| said != written);
            let meaning = meaning.map_or_else(String::new, |(said, _)| format!(", {said}"));
            let zone = zone.as_ref().map_or_else(String::new, |zone| format!(" in {zone}"));
            format!("at {calendar}{meaning}{zone}")
        }
        Trigger::Interval { every, .. } => format!("every {}", exact(*every)),
        other => format!("on {}", trigger_word(other)),
    }
}

/// The line of a shell, or the words as a shell takes them.
fn line(command: &Command) -> String {
    match &command.argv[..] {
        [shell, option, line] if **shell == *"/bin/sh" && **option == *"-c" => line.to_string(),
        words => words.iter().map(|word| shell_word(word)).collect::<Vec<_>>().join(" "),
    }
}

fn write_differences(differences: &[Difference], screen: &mut Screen<'_>) -> io::Result<()> {
    differences.iter().try_for_each(|difference| {
        let colour = style::of_severity(difference.severity);
        let text = difference.to_string();
        writeln!(screen.out, "  {colour}{:<8}{colour:#} {}", difference.severity.to_string(), printable(&text))
    })
}

fn differences(differences: &[Difference]) -> Value {
    let one = |it: &Difference| json!({ "severity": it.severity.to_string(), "what": it.what, "before": it.before, "after": it.after });
    differences.iter().map(one).collect()
}
