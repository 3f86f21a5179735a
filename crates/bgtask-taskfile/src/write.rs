//! A task to a task file.

use std::time::Duration;

use bgtask_core::words::{duration_word, size_word};
use bgtask_core::{Command, CustomSystemEventTriggerRecurrence as Recurrence, PathEvents, Retry, Trigger};

use crate::parse::SHELL;
use crate::{Task, trigger_word};

/// The task file of a task: its name, and what differs from the defaults, always in the same order.
///
/// [`parse`](crate::parse) reads the same task again. What a task of the user never has is not written: a group, the
/// file it stands in, and who runs it where that is no command, which leaves a file that is refused.
///
/// ```
/// let text = "command = \"restic backup ~\"\nevery = \"360min\"\nretry = 0\n";
/// let task = bgtask_taskfile::parse_at_home("backup.toml", text, "/home/me").unwrap();
/// assert_eq!(
///     bgtask_taskfile::write(&task),
///     "name = \"backup\"\ncommand = \"restic backup ~\"\nevery = \"6h\"\n",
/// );
/// ```
pub fn write(task: &Task) -> String {
    let registration = &task.registration;
    let mut file = File(String::new());
    file.text("name", &registration.name);
    if let Some(command) = registration.entry.command() {
        file.argv(command);
    }
    file.trigger(&registration.trigger);
    if !registration.conditions.is_empty() {
        file.texts("when", registration.conditions.iter().map(|condition| condition.word()));
    }
    file.flag("cancel-on-condition-loss", registration.cancel_on_condition_loss);
    file.flag("paused", task.paused);
    file.flag("network-requested", registration.is_network_requested);
    if let Some(command) = registration.entry.command() {
        file.command(command);
    }
    file.0
}

struct File(String);

impl File {
    fn argv(&mut self, command: &Command) {
        let argv: Vec<&str> = command.argv.iter().map(|argument| &**argument).collect();
        match argv[..] {
            [shell, option, line] if [shell, option] == SHELL && !line.trim().is_empty() => self.text("command", line),
            _ => self.texts("command", argv),
        }
    }

    fn trigger(&mut self, trigger: &Trigger) {
        match trigger {
            Trigger::Interval { every, .. } => self.text("every", &duration_word(*every)),
            Trigger::Calendar { calendar, zone, catch_up, .. } => {
                self.text("at", calendar);
                zone.iter().for_each(|zone| self.text("zone", zone));
                self.flag("catch-up", *catch_up);
            }
            _ => self.text("on", &trigger_word(trigger)),
        }
        if let Some(pace) = trigger.pace() {
            self.time("accuracy", pace.accuracy, Duration::ZERO);
            self.time("jitter", pace.jitter, Duration::ZERO);
            self.flag("wake", pace.wake);
        }
        if let Trigger::Path { watch, .. } = trigger {
            self.flag("recursive", watch.recursive);
            if watch.on != PathEvents::default() {
                self.texts("changes", watch.on.names());
            }
            self.time("settle", watch.settle, Duration::ZERO);
        }
        let once = matches!(trigger, Trigger::CustomSystemEvent { recurrence: Recurrence::Once, .. });
        self.flag("once", once || trigger.one_shot());
    }

    fn command(&mut self, command: &Command) {
        if !command.dir.is_empty() {
            self.text("dir", &command.dir);
        }
        self.time("timeout", command.timeout, Command::TIMEOUT);
        command.cpu.iter().for_each(|cpu| self.text("cpu", &duration_word(*cpu)));
        command.memory.iter().for_each(|bytes| self.text("memory", &size_word(*bytes)));
        if !command.network {
            self.line("network", "false");
        }
        self.flag("nice", command.nice);
        if command.retry.times > 0 {
            self.line("retry", &command.retry.times.to_string());
        }
        self.time("backoff", command.retry.backoff, Retry::default().backoff);
        command.fresh_within.iter().for_each(|time| self.text("fresh-within", &duration_word(*time)));
        self.flag("checkpoint", command.checkpoint);
        command.sandbox.iter().for_each(|sandbox| self.text("sandbox", sandbox));
        if !command.env.is_empty() {
            self.0.push_str("\n[env]\n");
            command.env.iter().for_each(|(name, value)| self.text(&key(name), value));
        }
    }

    fn time(&mut self, key: &str, value: Duration, default: Duration) {
        if value != default {
            self.text(key, &duration_word(value));
        }
    }

    fn flag(&mut self, key: &str, value: bool) {
        if value {
            self.line(key, "true");
        }
    }

    fn texts(&mut self, key: &str, values: impl IntoIterator<Item = impl AsRef<str>>) {
        let values: Vec<_> = values.into_iter().map(|value| string(value.as_ref())).collect();
        self.line(key, &format!("[{}]", values.join(", ")));
    }

    fn text(&mut self, key: &str, value: &str) {
        self.line(key, &string(value));
    }

    fn line(&mut self, key: &str, value: &str) {
        self.0.extend([key, " = ", value, "\n"]);
    }
}

fn key(name: &str) -> String {
    let is_bare = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    if !name.is_empty() && name.chars().all(is_bare) {
        return name.to_owned();
    }
    // A key has one line, where a string may have several.
    let escaped = name.chars().map(|c| match c {
        '"' | '\\' => format!("\\{c}"),
        c if c.is_control() => format!("\\U{:08X}", u32::from(c)),
        c => c.to_string(),
    });
    format!("\"{}\"", escaped.collect::<String>())
}

fn string(text: &str) -> String {
    toml::Value::from(text).to_string()
}
