//! What clients hear without asking, and what the history keeps of it.

use std::sync::Arc;

use bgtask_core::{EnergyUsage, Event, EventKind, InstanceId, Notice, Outcome, Registration, WallTime};
use bgtask_record::Record as _;
use bgtask_wire::{BROKER_INTERFACE, BROKER_PATH, EnergyUsageInfo, EventInfo, OutcomeInfo, PEER_NAME, ProgressInfo};
use zbus::Message;

/// What everybody who watches hears.
pub fn event_info(event: &Event) -> EventInfo {
    EventInfo {
        at: event.at.as_micros(),
        app: event.app.to_string(),
        task: event.task.to_string(),
        name: event.name.to_string(),
        instance: event.instance.map(|instance| instance.to_string()),
        event: event.kind.word().to_owned(),
        text: event.kind.to_string(),
        detail: event.kind.to_json().to_string(),
    }
}

/// The words of an event, out of what the store keeps of it; the `word` alone where that is not of this version.
pub fn event_text(word: &str, detail: &str) -> String {
    let kind = serde_json::from_str(detail).ok().and_then(|json| EventKind::from_json(&json).ok());
    kind.map_or_else(|| word.to_owned(), |kind| kind.to_string())
}

/// A running task has come further.
///
/// # Errors
///
/// The message cannot be built: a bug.
pub fn progress_message(
    of: &Registration,
    instance: InstanceId,
    value: u32,
    message: Option<&Arc<str>>,
) -> zbus::Result<Message> {
    let info = ProgressInfo {
        app: of.app.to_string(),
        task: of.id.to_string(),
        name: of.name.to_string(),
        instance: instance.to_string(),
        value,
        message: message.map(ToString::to_string),
    };
    Message::signal(BROKER_PATH, BROKER_INTERFACE, "Progressed").sender(PEER_NAME).build(&info)
}

/// What an attached client hears.
///
/// # Errors
///
/// The message cannot be built: a bug.
pub fn notice_message(notice: &Notice) -> zbus::Result<Message> {
    let signal = |member| Message::signal(BROKER_PATH, BROKER_INTERFACE, member);
    match notice {
        Notice::Progress { task, instance, value } => {
            signal("Progress").build(&(task.to_string(), instance.to_string(), value))
        }
        Notice::Energy(usage) => signal("EnergyUsageChanged").build(&energy_info(usage)),
        Notice::Completed(completion) => signal("Completed").build(&(
            completion.sequence,
            completion.task.to_string(),
            &*completion.name,
            completion.instance.to_string(),
            outcome_info(&completion.outcome, completion.progress, completion.at),
        )),
    }
}

/// What an app has used of its energy.
pub fn energy_info(usage: &EnergyUsage) -> EnergyUsageInfo {
    (usage.percent, usage.level.number(), usage.until.as_micros())
}

/// How an activation ended.
pub fn outcome_info(outcome: &Outcome, progress: Option<u32>, at: WallTime) -> OutcomeInfo {
    let (reason, output_tail) = match outcome {
        Outcome::Cancelled { reason, .. } => (Some(*reason), None),
        Outcome::Killed { reason, output_tail } => (Some(*reason), Some(output_tail)),
        Outcome::HostFailed { output_tail, .. } | Outcome::CommandFailed { output_tail, .. } => {
            (None, Some(output_tail))
        }
        Outcome::Succeeded | Outcome::TaskFailed { .. } | Outcome::Abandoned { .. } => (None, None),
    };
    OutcomeInfo {
        outcome: outcome.word().to_owned(),
        ok: outcome.is_ok(),
        message: match outcome {
            Outcome::TaskFailed { message } => message.clone(),
            other => other.to_string(),
        },
        reason: reason.map(|reason| reason.number()),
        progress,
        output_tail: output_tail.filter(|tail| !tail.is_empty()).cloned(),
        at: at.as_micros(),
    }
}
