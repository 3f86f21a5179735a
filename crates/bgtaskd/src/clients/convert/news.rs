//! What clients hear without asking, and what the history keeps of it.

use bgtask_core::{Completion, Event, EventKind, Notice, Outcome};
use bgtask_record::Record as _;
use bgtask_store::HistoryEntry;
use bgtask_wire::{BROKER_INTERFACE, BROKER_PATH, EventInfo, HistoryInfo, OutcomeInfo};
use zbus::Message;

/// What everybody who watches hears.
pub(crate) fn event_info(event: &Event) -> EventInfo {
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

pub(crate) fn history_info(entry: HistoryEntry) -> HistoryInfo {
    let row = entry.row;
    let kind = serde_json::from_str(&row.detail).ok().and_then(|json| EventKind::from_json(&json).ok());
    HistoryInfo {
        sequence: entry.seq,
        at: row.wall_us,
        app: row.app,
        task: row.task,
        name: row.name,
        instance: row.instance,
        text: kind.map_or_else(|| row.event.clone(), |kind| kind.to_string()),
        event: row.event,
        detail: row.detail,
    }
}

pub(in crate::clients) fn notice_message(notice: &Notice) -> zbus::Result<Message> {
    let signal = |member| Message::signal(BROKER_PATH, BROKER_INTERFACE, member);
    match notice {
        Notice::Progress { task, instance, value } => {
            signal("Progress").build(&(task.to_string(), instance.to_string(), value))
        }
        Notice::Completed(completion) => signal("Completed").build(&(
            completion.sequence,
            completion.task.to_string(),
            &*completion.name,
            completion.instance.to_string(),
            outcome_info(completion),
        )),
    }
}

fn outcome_info(completion: &Completion) -> OutcomeInfo {
    let (reason, output_tail) = match &completion.outcome {
        Outcome::Cancelled { reason, .. } => (Some(*reason), None),
        Outcome::Killed { reason, output_tail } => (Some(*reason), Some(output_tail)),
        Outcome::HostFailed { output_tail, .. } => (None, Some(output_tail)),
        Outcome::Succeeded | Outcome::TaskFailed { .. } | Outcome::Abandoned { .. } => (None, None),
    };
    OutcomeInfo {
        outcome: completion.outcome.word().to_owned(),
        ok: completion.outcome.is_ok(),
        message: match &completion.outcome {
            Outcome::TaskFailed { message } => message.clone(),
            other => other.to_string(),
        },
        reason: reason.map(|reason| reason.number()),
        progress: completion.progress,
        output_tail: output_tail.filter(|tail| !tail.is_empty()).cloned(),
        at: completion.at.as_micros(),
    }
}
