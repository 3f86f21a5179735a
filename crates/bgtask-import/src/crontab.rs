//! Crontabs: those of a user, and those of the system with a user in each line.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bgtask_core::{Command, Trigger};
use bgtask_taskfile::{Options, trigger};

use crate::{Difference, Import, Original, common, name, shell, task_of};

/// Whose crontab it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CrontabKind {
    /// A user's own, as `crontab -l` prints it.
    User,
    /// `/etc/crontab` and the files of `/etc/cron.d`: each line names a user.
    System,
}

/// The shells that know here-documents.
const POSIX_SHELLS: [&str; 7] = ["sh", "bash", "dash", "zsh", "ksh", "mksh", "ash"];

/// Variables that are for cron itself, or that it sets whatever the crontab says.
const OF_CRON: [&str; 8] =
    ["SHELL", "CRON_TZ", "RANDOM_DELAY", "MAILFROM", "CONTENT_TYPE", "CONTENT_TRANSFER_ENCODING", "LOGNAME", "USER"];

/// The tasks of a crontab, by the rules of Vixie's cron, Debian's and cronie's.
///
/// A line that cannot be translated is skipped with its reason; the others are not touched by that.
pub fn crontab(text: &str, kind: CrontabKind) -> Import {
    if let Some(refused) = Import::refused(text) {
        return refused;
    }
    let mut import = Import { common: of_every_crontab(), ..Import::default() };
    let mut settings = Settings::default();
    for (number, line) in (1..).zip(text.lines()) {
        let line = line.trim_start();
        if line.trim_end().is_empty() || line.starts_with('#') {
            continue;
        }
        match assignment(line) {
            Some((name, value)) => settings.set(name, value),
            None => entry(&mut import, &settings, number, line, kind),
        }
    }
    if import.tasks.is_empty() {
        import.common.clear();
    }
    import
}

fn of_every_crontab() -> Vec<Difference> {
    let mut all = common("cron");
    all.push(Difference::warning(
        "overlap",
        "cron starts it again while the last run goes on",
        "bgtask runs one at a time: the next waits for the last, and several that wait are one",
    ));
    all.push(Difference::note(
        "environment",
        "cron gives it hardly more than HOME, LOGNAME, SHELL and PATH=/usr/bin:/bin",
        "bgtask gives it the environment of your session",
    ));
    all.push(Difference::note(
        "output",
        "cron mails what it writes, unless MAILTO is empty",
        "bgtask keeps it in the task's log, which `bgtask logs` shows",
    ));
    all
}

/// What the lines so far say about those that follow.
#[derive(Default)]
struct Settings {
    env: BTreeMap<String, String>,
}

impl Settings {
    fn set(&mut self, name: &str, value: &str) {
        self.env.insert(name.to_owned(), value.to_owned());
    }

    fn get(&self, name: &str) -> Option<&str> {
        self.env.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }
}

/// `NAME = value`, either perhaps in quotation marks.
fn assignment(line: &str) -> Option<(&str, &str)> {
    let (name, rest) = match line.chars().next()? {
        quote @ ('"' | '\'') => line[1..].split_once(quote)?,
        _ => line.split_at(line.find(|c: char| c == '=' || c.is_whitespace())?),
    };
    let value = rest.trim_start().strip_prefix('=')?.trim();
    let unquoted = ['"', '\''].into_iter().find_map(|quote| value.strip_prefix(quote)?.strip_suffix(quote));
    (!name.is_empty()).then_some((name, unquoted.unwrap_or(value)))
}

/// One line that runs something.
fn entry(import: &mut Import, settings: &Settings, number: usize, line: &str, kind: CrontabKind) {
    let fields = if line.starts_with('@') { 1 } else { 5 };
    let Some((expression, rest)) = split(line, fields) else {
        return import.skip(number, format!("it has less than the {fields} fields of a time, and a command"));
    };
    let (user, command) = match kind {
        CrontabKind::User => (None, rest),
        CrontabKind::System => match split(rest, 1) {
            Some((user, command)) => (Some(user), command),
            None => return import.skip(number, "a line of a system crontab has a user before the command"),
        },
    };
    let mut differences = Vec::new();
    let trigger = match trigger_of(&expression, settings, &mut differences) {
        Ok(trigger) => trigger,
        Err(why) => return import.skip(number, why),
    };
    let command = match command_of(command, settings, &mut differences) {
        Ok(command) => command,
        Err(why) => return import.skip(number, why),
    };
    if let Some(user) = user {
        differences.push(Difference::error(
            "user",
            format!("cron runs it as {user}"),
            "bgtask runs it as you, who may have fewer rights",
        ));
    }
    let original = match trigger {
        Trigger::Calendar { .. } => Original::Cron { expression, zone: settings.get("CRON_TZ").map(ToOwned::to_owned) },
        _ => Original::Other,
    };
    let name = name::of_command(command.argv.last().map_or("", |line| line));
    import.add(task_of(name, trigger, command), differences, original, number);
}

/// So many fields with single blanks between them, and what follows.
fn split(line: &str, fields: usize) -> Option<(String, &str)> {
    let mut rest = line;
    let mut taken = Vec::new();
    for _ in 0..fields {
        let (field, after) = rest.split_once([' ', '\t'])?;
        taken.push(field);
        rest = after.trim_start_matches([' ', '\t']);
    }
    (!rest.trim_end().is_empty()).then(|| (taken.join(" "), rest))
}

fn trigger_of(expression: &str, settings: &Settings, differences: &mut Vec<Difference>) -> Result<Trigger, String> {
    if expression.eq_ignore_ascii_case("@reboot") {
        differences.push(Difference::warning(
            "@reboot",
            "cron runs it once when the machine has started",
            "bgtask runs it each time you log in, and not before",
        ));
        return trigger("session-start", &Options::default()).map_err(|error| error.to_string());
    }
    let delay = settings.get("RANDOM_DELAY").and_then(|minutes| minutes.parse::<u32>().ok()).filter(|it| *it > 0);
    if let Some(minutes) = delay {
        differences.push(Difference::note(
            "RANDOM_DELAY",
            format!("cron starts it up to {minutes} minutes later, by a part that is drawn when cron starts"),
            "bgtask starts it later by a part of that which is always the same on this machine",
        ));
    }
    let zone = settings.get("CRON_TZ");
    if let Some(zone) = zone {
        differences.push(Difference::note(
            "CRON_TZ",
            format!("cronie reads the time in {zone}, and Debian's cron ignores that"),
            format!("bgtask reads it in {zone}"),
        ));
    }
    let jitter = delay.map(|minutes| Duration::from_secs(u64::from(minutes) * 60));
    let options = Options { zone, jitter, ..Options::default() };
    trigger(&format!("at:{expression}"), &options).map_err(|error| error.to_string())
}

/// What cron gives to the shell, with the environment of the lines above.
fn command_of(text: &str, settings: &Settings, differences: &mut Vec<Difference>) -> Result<Command, String> {
    let shell = settings.get("SHELL").unwrap_or("/bin/sh");
    let (mut script, input) = unescaped(text.trim_end());
    if let Some(input) = input {
        if !POSIX_SHELLS.contains(&shell.rsplit('/').next().unwrap_or_default()) {
            return Err(format!("what follows the % is its standard input, which cannot be given to it by {shell}"));
        }
        script = shell::with_input(&script, &input);
        differences.push(Difference::note(
            "%",
            "cron gives what follows the % to the command as standard input",
            "the shell does that now, from a here-document in the command",
        ));
    }
    let mut command = Command::new([shell, "-c", &script]);
    for (name, value) in &settings.env {
        match name.as_str() {
            name if OF_CRON.contains(&name) => {}
            "MAILTO" if value.is_empty() => {}
            "MAILTO" => differences.push(Difference::note(
                "MAILTO",
                format!("cron mails what it writes to {value}"),
                "bgtask keeps it in the task's log",
            )),
            "HOME" => command.dir = value.as_str().into(),
            _ => drop(command.env.insert(Arc::from(name.as_str()), Arc::from(value.as_str()))),
        }
    }
    if let Some(home) = settings.get("HOME") {
        command.env.insert("HOME".into(), home.into());
    }
    Ok(command)
}

/// The command, and what follows its first `%` that has no backslash, with newlines for the others.
fn unescaped(text: &str) -> (String, Option<String>) {
    let mut parts = vec![String::new()];
    let mut characters = text.chars().peekable();
    while let Some(character) = characters.next() {
        let is_escape = character == '\\' && characters.peek() == Some(&'%');
        let current = parts.last_mut().expect("there is always one");
        match character {
            '%' => parts.push(String::new()),
            _ if is_escape => current.extend(characters.next()),
            other => current.push(other),
        }
    }
    let input = (parts.len() > 1).then(|| parts[1..].join("\n"));
    (parts.swap_remove(0), input)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_assignment_is_told_from_a_line_that_runs_something() {
        assert_eq!(assignment("PATH=/bin:/usr/bin"), Some(("PATH", "/bin:/usr/bin")));
        assert_eq!(assignment("  A B = c".trim_start()), None);
        assert_eq!(assignment("MAILTO = \"\""), Some(("MAILTO", "")));
        assert_eq!(assignment("'odd name' = ' kept '"), Some(("odd name", " kept ")));
        assert_eq!(assignment("A='it"), Some(("A", "'it")));
        for line in ["* * * * * A=b cmd", "@daily A=b cmd", "=x", "0 9 * * * x", "\"open = x", ""] {
            assert_eq!(assignment(line), None, "{line}");
        }
    }

    #[test]
    fn a_percent_sign_begins_the_input() {
        assert_eq!(unescaped("date +\\%F"), ("date +%F".to_owned(), None));
        assert_eq!(unescaped("mail x%Hi,%%bye"), ("mail x".to_owned(), Some("Hi,\n\nbye".to_owned())));
        assert_eq!(unescaped("a\\b"), ("a\\b".to_owned(), None));
    }
}
