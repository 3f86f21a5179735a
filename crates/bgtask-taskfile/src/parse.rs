//! A task file to a task.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use bgtask_core::limits::{MAX_ARGUMENTS, MAX_COMMAND_BYTES, MAX_INTERVAL, MAX_NAME_BYTES, MAX_RETRIES, MIN_INTERVAL};
use bgtask_core::{Command, Condition, Entry, NewRegistration, PathEvents, Retry, Trigger};
use toml::de::DeTable;

use crate::error::{WordError, quoted};
use crate::fields::{Fields, Text};
use crate::quantity::{self, within};
use crate::suggest::nearest;
use crate::words::{Options, condition, few_enough, trigger};
use crate::{Diagnostic, Task, name_of_file};

/// Largest task file, in bytes: room for the largest command, each character of it escaped.
pub const MAX_TASK_FILE_BYTES: usize = 512 * 1024;

/// The least memory a program can be started with at all: 1 MiB.
const MIN_MEMORY: u64 = 1 << 20;

/// What runs a command that is one line.
pub(crate) const SHELL: [&str; 2] = ["/bin/sh", "-c"];

pub(crate) const KEYS: [&str; 30] = [
    "name",
    "command",
    "on",
    "every",
    "at",
    "when",
    "once",
    "paused",
    "dir",
    "env",
    "timeout",
    "cpu",
    "memory",
    "network",
    "network-requested",
    "nice",
    "retry",
    "backoff",
    "fresh-within",
    "checkpoint",
    "sandbox",
    "cancel-on-condition-loss",
    "accuracy",
    "jitter",
    "wake",
    "zone",
    "catch-up",
    "recursive",
    "changes",
    "settle",
];

/// As [`parse_at_home`], for the user who runs this program: `~` is `$HOME`.
///
/// # Errors
/// As [`parse_at_home`].
pub fn parse(file_name: &str, text: &str) -> Result<Task, Vec<Diagnostic>> {
    let home = std::env::home_dir().and_then(|home| home.into_os_string().into_string().ok());
    parse_at_home(file_name, text, &home.unwrap_or_default())
}

/// The task in a file of that name (the task's own name, where it has none), for a user with that home folder.
///
/// ```
/// let text = "command = \"restic backup ~\"\nevery = \"6h\"\nwen = [\"ac-power\"]\n";
/// let mistakes = bgtask_taskfile::parse_at_home("backup.toml", text, "/home/me").unwrap_err();
/// assert_eq!(mistakes[0].message, "a task has no key \"wen\"");
/// assert_eq!(mistakes[0].help.as_deref(), Some("did you mean \"when\"?"));
/// assert_eq!(&text[mistakes[0].span.clone().unwrap()], "wen");
/// ```
///
/// # Errors
/// Every mistake, with its place in `text`. There is always at least one, and never one that the broker would accept; what it
/// may refuse beyond is what this machine cannot serve.
pub fn parse_at_home(file_name: &str, text: &str, home: &str) -> Result<Task, Vec<Diagnostic>> {
    if text.len() > MAX_TASK_FILE_BYTES {
        let message = format!("the task file is larger than {MAX_TASK_FILE_BYTES} bytes");
        return Err(vec![Diagnostic::error("task/too-large", message).help("put a long command into a script")]);
    }
    let document = DeTable::parse(text).map_err(|error| {
        let message = format!("the task file is not well-formed TOML: {}", error.message());
        let help = "correct the text at this place; nothing after it was read";
        vec![Diagnostic::error("task/malformed", message).help(help).at(error.span().map(|span| clamped(text, &span)))]
    })?;
    let fields = Fields::new(document.get_ref());
    let task = read(&fields, file_name, home);
    match task {
        Some(task) if !fields.has_mistakes() => Ok(task),
        _ => {
            let mut mistakes = fields.into_mistakes();
            for mistake in &mut mistakes {
                mistake.span = mistake.span.take().map(|span| clamped(text, &span));
            }
            Err(mistakes)
        }
    }
}

/// The reader of TOML gives up counting exactly on absurd input, such as thousands of blanks around a `=`.
fn clamped(text: &str, span: &Range<usize>) -> Range<usize> {
    let floor = |at: usize| (0..=at.min(text.len())).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
    let start = floor(span.start);
    start..floor(span.end).max(start)
}

/// The task, unless a part of it is missing; its mistakes are noted in `fields`.
fn read(fields: &Fields<'_>, file_name: &str, home: &str) -> Option<Task> {
    only_known_keys(fields);
    // Every part is read before one that is missing ends it, so that all mistakes are found.
    let (name, command, trigger) = (name(fields, file_name), command(fields, home), trigger_of(fields, home));
    let conditions = conditions(fields);
    let cancel_on_condition_loss = fields.flag("cancel-on-condition-loss");
    let is_network_requested = fields.flag("network-requested");
    let paused = fields.flag("paused");
    let (entry, trigger) = (Entry::Command(Arc::new(command?)), trigger?);
    let registration = NewRegistration {
        name,
        entry,
        trigger,
        conditions,
        cancel_on_condition_loss,
        is_network_requested,
        group: None,
    };
    Some(Task { registration, paused })
}

fn only_known_keys(fields: &Fields<'_>) {
    for (key, span) in fields.keys().filter(|(key, _)| !KEYS.contains(key)) {
        let meant = nearest(key, KEYS).map(|known| format!("did you mean \"{known}\"?"));
        let help = meant.unwrap_or_else(|| format!("its keys are {}", KEYS.join(", ")));
        let message = format!("a task has no key {}", quoted(key));
        fields.push(Diagnostic::error("task/unknown-key", message).help(help).at(Some(span)));
    }
}

fn name(fields: &Fields<'_>, file_name: &str) -> String {
    let of_file = file_name.rsplit('/').next().unwrap_or_default();
    let written = fields.text("name", "a string");
    let span = written.as_ref().map(Text::span);
    let name = written.map_or_else(|| name_of_file(of_file).unwrap_or_else(|| of_file.to_owned()), Text::into_inner);
    let wrong = if name.is_empty() {
        "the task has no name".to_owned()
    } else if name.chars().any(char::is_control) {
        format!("the name {} has control characters", quoted(&name))
    } else if name.len() > MAX_NAME_BYTES {
        format!("the name has {} bytes", name.len())
    } else {
        return name;
    };
    let help = format!("a name has 1 to {MAX_NAME_BYTES} bytes on one line: people read it");
    fields.push(Diagnostic::error("task/name", wrong).help(help).at(span));
    name
}

fn command(fields: &Fields<'_>, home: &str) -> Option<Command> {
    let argv = argv(fields);
    let of = |key, example, what: &'static str| {
        fields.word(key, example, |word| within(what, quantity::duration(word)?, MIN_INTERVAL, MAX_INTERVAL))
    };
    let default = Command::new(argv.clone().unwrap_or_default());
    let times = fields.number("retry", MAX_RETRIES).unwrap_or_default();
    let command = Command {
        env: env(fields),
        dir: fields.word("dir", "~/notes", |word| quantity::path(word, home)).unwrap_or_default().into(),
        timeout: of("timeout", "1h", "a timeout").unwrap_or(Command::TIMEOUT),
        cpu: of("cpu", "10min", "an amount of processor time"),
        memory: fields.word("memory", "500M", memory),
        network: !fields.has("network") || fields.flag("network"),
        nice: fields.flag("nice"),
        retry: Retry { times, backoff: of("backoff", "1min", "a backoff").unwrap_or(Retry::default().backoff) },
        fresh_within: of("fresh-within", "24h", "a promise of freshness"),
        checkpoint: fields.flag("checkpoint"),
        sandbox: fields.word("sandbox", "strict", sandbox).map(Into::into),
        ..default
    };
    few_enough_bytes(fields, &command);
    argv.map(|_| command)
}

/// The walls a command can be behind, from the highest; `docs/confinement.md` says what each is.
pub const SANDBOXES: [&str; 4] = ["strict", "home-read", "home-write", "no-network"];

/// A word of [`SANDBOXES`].
///
/// # Errors
///
/// It is another one.
pub fn sandbox(word: &str) -> Result<String, WordError> {
    let known = SANDBOXES.contains(&word).then(|| word.to_owned());
    known.ok_or_else(|| {
        let help = nearest(word, SANDBOXES)
            .map(|known| format!("did you mean {known:?}?"))
            .unwrap_or_else(|| format!("say one of {}", SANDBOXES.join(", ")));
        WordError::new(format!("there is no sandbox {word:?}"), help)
    })
}

fn argv(fields: &Fields<'_>) -> Option<Vec<Arc<str>>> {
    const WANTED: &str = "a list such as [\"restic\", \"backup\", \"/home/me\"], or a line for the shell";
    if !fields.has("command") {
        let help = "say what to run, such as command = [\"restic\", \"backup\", \"/home/me\"]";
        fields.push(Diagnostic::error("task/missing", "the task has no command").help(help));
        return None;
    }
    let span = fields.span("command");
    let refuse = |message: String, help: &str, at| {
        fields.push(Diagnostic::error("task/command", message).help(help).at(at));
        None
    };
    match fields.texts_or_text("command", WANTED)? {
        Ok(list) if list.first().is_none_or(|program| program.get_ref().is_empty()) => {
            refuse("the command is empty".into(), "name a program to run", span)
        }
        Ok(list) if list.len() > MAX_ARGUMENTS => {
            let message = format!("the command has {} arguments", list.len());
            refuse(message, &format!("at most {MAX_ARGUMENTS} are taken; put them into a script"), span)
        }
        Ok(list) => match list.iter().find(|text| text.get_ref().contains('\0')) {
            Some(text) => refuse("an argument has a NUL character".into(), NO_NUL, Some(text.span())),
            None => Some(list.into_iter().map(|text| text.into_inner().into()).collect()),
        },
        Err(line) if line.get_ref().trim().is_empty() => {
            refuse("the command is empty".into(), "write a line for the shell", span)
        }
        Err(line) if line.get_ref().contains('\0') => refuse("the command has a NUL character".into(), NO_NUL, span),
        Err(line) => Some(SHELL.into_iter().chain([line.get_ref().as_str()]).map(Into::into).collect()),
    }
}

const NO_NUL: &str = "take it out: no program can be given one";

fn env(fields: &Fields<'_>) -> BTreeMap<Arc<str>, Arc<str>> {
    let mut env = BTreeMap::new();
    for (name, value) in fields.table("env", "a table of strings, such as { LANG = \"C\" }") {
        let wrong = if name.get_ref().is_empty() || name.get_ref().contains(['=', '\0']) {
            Some((format!("{} is no name of a variable", quoted(name.get_ref())), name.span()))
        } else if value.get_ref().contains('\0') {
            Some((format!("the variable {} has a NUL character", quoted(name.get_ref())), value.span()))
        } else {
            None
        };
        match wrong {
            Some((message, span)) => {
                let help = "a name is not empty and has no =, and nothing has a NUL character";
                fields.push(Diagnostic::error("task/env", message).help(help).at(Some(span)));
            }
            None => drop(env.insert(name.into_inner().into(), value.into_inner().into())),
        }
    }
    env
}

fn memory(word: &str) -> Result<u64, WordError> {
    let bytes = quantity::size(word)?;
    if bytes >= MIN_MEMORY {
        return Ok(bytes);
    }
    Err(WordError::new(format!("{} starts no program", quoted(word)), "allow 1M or more"))
}

fn few_enough_bytes(fields: &Fields<'_>, command: &Command) {
    let env = command.env.iter().flat_map(|(name, value)| [name, value]);
    let texts = command.argv.iter().chain(env).chain([&command.dir]);
    let bytes: usize = texts.map(|text| text.len() + 1).sum();
    if bytes > MAX_COMMAND_BYTES {
        let message = format!("the command and its environment have {bytes} bytes");
        let help = format!("at most {MAX_COMMAND_BYTES} are taken; put them into a script");
        fields.push(Diagnostic::error("task/command", message).help(help).at(fields.span("command")));
    }
}

fn trigger_of(fields: &Fields<'_>, home: &str) -> Option<Trigger> {
    const ONE: &str = "write one of on = \"session-start\", every = \"6h\" or at = \"Mon..Fri 09:00\"";
    let zone = fields.text("zone", "a string, such as \"Europe/Berlin\"");
    let mut options = Options {
        home,
        once: fields.flag("once"),
        accuracy: fields.word("accuracy", "1min", quantity::duration),
        jitter: fields.word("jitter", "5min", quantity::duration),
        wake: fields.flag("wake"),
        catch_up: fields.flag("catch-up"),
        zone: zone.as_ref().map(|zone| zone.get_ref().as_str()),
        recursive: fields.flag("recursive"),
        changes: changes(fields),
        settle: fields.word("settle", "2s", quantity::duration),
    };
    let given: Vec<_> = ["on", "every", "at"].into_iter().filter(|key| fields.has(key)).collect();
    let [key] = given[..] else {
        let (message, at) = match given.get(1) {
            Some(second) => ("the task has more than one trigger", fields.span(second)),
            None => ("the task has no trigger", None),
        };
        fields.push(Diagnostic::error("task/trigger", message).help(ONE).at(at));
        return None;
    };
    let value = fields.text(key, "a string, such as \"6h\" for every, \"Mon..Fri 09:00\" for at")?;
    let word = match key {
        "on" => value.get_ref().clone(),
        key => format!("{key}:{}", value.get_ref()),
    };
    loop {
        match trigger(&word, &options) {
            Ok(trigger) => return Some(trigger),
            Err(error) => {
                let option = error.option;
                let span = option.map_or_else(|| Some(value.span()), |option| fields.span(option));
                fields.refuse("task/trigger", error, span);
                options.clear(option?);
            }
        }
    }
}

fn changes(fields: &Fields<'_>) -> Option<PathEvents> {
    let names = fields.texts("changes", "a list such as [\"created\", \"written\"]")?;
    let mut events = PathEvents::NONE;
    let mut all_known = true;
    for name in names {
        if !events.set(name.get_ref()) {
            all_known = false;
            let meant = nearest(name.get_ref(), PathEvents::NAMES).map(|known| format!("did you mean \"{known}\"?"));
            let help = meant.unwrap_or_else(|| format!("they are {}", PathEvents::NAMES.join(", ")));
            let error = WordError::new(format!("{} is no change at a path", quoted(name.get_ref())), help);
            fields.refuse("task/value", error, Some(name.span()));
        }
    }
    all_known.then_some(events)
}

fn conditions(fields: &Fields<'_>) -> Vec<Condition> {
    const WANTED: &str = "a list such as [\"unmetered\", \"ac-power\"]";
    let words: Vec<(String, Range<usize>)> = match fields.texts_or_text("when", WANTED) {
        None => return Vec::new(),
        Some(Ok(list)) => list.into_iter().map(|text| (text.get_ref().clone(), text.span())).collect(),
        Some(Err(line)) => line.get_ref().split(',').map(|word| (word.trim().to_owned(), line.span())).collect(),
    };
    if let Err(error) = few_enough(words.len()) {
        fields.refuse("task/condition", error, fields.span("when"));
        return Vec::new();
    }
    let read = |(word, span): (String, Range<usize>)| {
        condition(&word).map_err(|error| fields.refuse("task/condition", error, Some(span))).ok()
    };
    words.into_iter().filter_map(read).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_is_documented() {
        let documentation = include_str!("../../../docs/task-file.md");
        for key in KEYS {
            let row = |line: &str| line.starts_with('|') && line.contains(&format!("`{key}`"));
            assert!(documentation.lines().any(row), "{key}");
        }
    }
}
