//! What a person can get wrong with a command and with the triggers that only commands have.

use std::time::Duration;

use crate::limits::{
    MAX_ARGUMENTS, MAX_CALENDAR_BYTES, MAX_COMMAND_BYTES, MAX_INTERVAL, MAX_PATH_BYTES, MAX_RETRIES, MAX_SETTLE,
    MIN_INTERVAL,
};
use crate::model::command::Command;
use crate::model::subject::EventClass;
use crate::model::trigger::{PathEvents, PathWatch, SystemTriggerType, Trigger};
use crate::model::words::duration_word;
use crate::refusal::{Limit, Refusal};

pub(super) fn check(command: &Command, trigger: &Trigger) -> Result<(), Refusal> {
    check_program(command)?;
    check_bounds(command)?;
    if let Some(pace) = trigger.pace() {
        most("the accuracy", pace.accuracy, MAX_SETTLE)?;
        most("the jitter", pace.jitter, MAX_SETTLE)?;
    }
    match trigger {
        Trigger::Interval { every, pace, .. } => {
            within("the interval", *every, MIN_INTERVAL, MAX_INTERVAL)?;
            most("the accuracy", pace.accuracy, *every)?;
            most("the jitter", pace.jitter, *every)
        }
        Trigger::Calendar { calendar, zone, .. } => {
            let zone = zone.as_ref().map_or(0, |zone| zone.len());
            if calendar.len() > MAX_CALENDAR_BYTES || zone > MAX_CALENDAR_BYTES {
                return Err(Refusal::LimitReached(Limit::CalendarBytes));
            }
            Ok(())
        }
        Trigger::Path { watch, .. } => check_path(watch),
        Trigger::Application | Trigger::MediaProcessing | Trigger::DeviceUse => {
            invalid(format!("a {} is fired by its app: a command has none", trigger.class()))
        }
        Trigger::System { kind, .. } if is_of_apps(*kind) => {
            invalid(format!("{kind} is fired for an app it happens to: a command has none"))
        }
        Trigger::Event { class, .. } if is_of_notifications(*class) => {
            invalid(format!("a {class} is for the notifications of an app: a command has none"))
        }
        _ => Ok(()),
    }
}

/// What happens to one app.
const fn is_of_apps(kind: SystemTriggerType) -> bool {
    use SystemTriggerType as Kind;
    matches!(kind, Kind::ServicingComplete | Kind::LockScreenApplicationAdded | Kind::LockScreenApplicationRemoved)
}

const fn is_of_notifications(class: EventClass) -> bool {
    matches!(class, EventClass::ToastNotificationAction | EventClass::ToastNotificationHistoryChanged)
}

fn check_program(command: &Command) -> Result<(), Refusal> {
    if command.argv.first().is_none_or(|program| program.is_empty()) {
        return invalid("the command is empty: name a program to run".into());
    }
    if command.argv.len() > MAX_ARGUMENTS {
        return Err(Refusal::LimitReached(Limit::Arguments));
    }
    let env = command.env.iter().flat_map(|(name, value)| [name, value]);
    let texts = || command.argv.iter().chain(env.clone()).chain([&command.dir]).chain(&command.file);
    if texts().map(|text| text.len() + 1).sum::<usize>() > MAX_COMMAND_BYTES {
        return Err(Refusal::LimitReached(Limit::CommandBytes));
    }
    if texts().any(|text| text.contains('\0')) {
        return invalid("the command has a NUL character: no program can be given one".into());
    }
    if let Some(name) = command.env.keys().find(|name| name.is_empty() || name.contains('=')) {
        return invalid(format!("{name:?} is no name of an environment variable: it is not empty and has no '='"));
    }
    if !command.dir.is_empty() && !command.dir.starts_with('/') {
        return invalid(format!("the folder {:?} is not absolute: begin it with '/'", command.dir));
    }
    Ok(())
}

fn check_bounds(command: &Command) -> Result<(), Refusal> {
    let least = MIN_INTERVAL;
    within("the timeout", command.timeout, least, MAX_INTERVAL)?;
    if let Some(cpu) = command.cpu {
        within("the processor time", cpu, least, MAX_INTERVAL)?;
    }
    if let Some(fresh) = command.fresh_within {
        within("the promised freshness", fresh, least, MAX_INTERVAL)?;
    }
    within("the pause before another try", command.retry.backoff, least, MAX_INTERVAL)?;
    if command.retry.times > MAX_RETRIES {
        return invalid(format!("{} tries are too many: at most {MAX_RETRIES}", command.retry.times));
    }
    if command.memory.is_some_and(|bytes| bytes < MIN_MEMORY) {
        return invalid(format!("less memory than {MIN_MEMORY} bytes starts no program: allow more"));
    }
    Ok(())
}

/// The least memory a program can be started with at all: 1 MiB.
const MIN_MEMORY: u64 = 1 << 20;

fn check_path(watch: &PathWatch) -> Result<(), Refusal> {
    if !watch.path.starts_with('/') || watch.path.contains('\0') {
        return invalid(format!("the path {:?} is not absolute: begin it with '/'", watch.path));
    }
    if watch.path.len() > MAX_PATH_BYTES {
        return Err(Refusal::LimitReached(Limit::PathBytes));
    }
    if watch.on == PathEvents::NONE {
        return invalid(format!("no change counts: name some of {}", PathEvents::NAMES.join(", ")));
    }
    most("the time to settle", watch.settle, MAX_SETTLE)
}

fn within(what: &str, value: Duration, least: Duration, most: Duration) -> Result<(), Refusal> {
    if (least..=most).contains(&value) {
        return Ok(());
    }
    let [value, least, most] = [value, least, most].map(duration_word);
    invalid(format!("{what} of {value} is out of range: it takes {least} to {most}"))
}

fn most(what: &str, value: Duration, most: Duration) -> Result<(), Refusal> {
    within(what, value, Duration::ZERO, most)
}

fn invalid(text: String) -> Result<(), Refusal> {
    Err(Refusal::InvalidArgument(text))
}
