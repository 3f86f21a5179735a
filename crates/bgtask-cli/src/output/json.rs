//! The JSON of `--json`: the field names of the D-Bus contract, `null` for what is absent, times as RFC 3339.
//!
//! This is a promise: keys may be added, none goes away or changes its meaning. `docs/cli.md` shows it.

use bgtask_wire::{
    AppInfo, BudgetInfo, EnergyUsageInfo, EventInfo, GateInfo, HistoryInfo, ProgressInfo, SourceInfo, TaskInfo,
    TransferInfo, TransferStatus, WhyInfo,
};
use serde_json::{Value, json};

use super::time::rfc3339;

pub(crate) fn task(task: &TaskInfo) -> Value {
    json!({
        "id": task.id,
        "app": task.app,
        "name": task.name,
        "entry_point": task.entry_point,
        "class_id": task.class_id,
        "group": task.group,
        "group_name": task.group_name,
        "trigger": task.trigger,
        "trigger_type": task.trigger_type,
        "trigger_properties": task.trigger_properties,
        "freshness": task.freshness,
        "due": task.due.map(rfc3339),
        "event_id": task.event_id,
        "recurrence": task.recurrence,
        "one_shot": task.one_shot,
        "conditions": task.conditions,
        "cancel_on_condition_loss": task.cancel_on_condition_loss,
        "is_network_requested": task.is_network_requested,
        "registered_at": rfc3339(task.registered_at),
        "phase": task.phase,
        "instance": task.instance,
        "attempt": task.attempt,
        "progress": task.progress,
        "message": task.message,
        "word": task.word,
        "definition": task.definition,
        "file": task.file,
        "log": task.log,
        "paused": task.paused,
        "retry_at": task.retry_at.map(rfc3339),
        "last_at": task.last_at.map(rfc3339),
        "last_ok": task.last_ok,
        "fresh_since": task.fresh_since.map(rfc3339),
        "overdue": task.overdue,
    })
}

pub(crate) fn transfer(transfer: &TransferInfo) -> Value {
    let status = TransferStatus::from_number(transfer.status);
    json!({
        "id": transfer.id,
        "app": transfer.app,
        "kind": transfer.kind,
        "uri": transfer.uri,
        "file": transfer.file,
        "status": transfer.status,
        "status_name": status.map(|status| status.to_string()),
        "done": transfer.done,
        "total": transfer.total,
        "why": transfer.why,
        "answer": transfer.answer,
        "cost": transfer.cost,
        "priority": transfer.priority,
        "group": transfer.group,
        "created": rfc3339(transfer.created),
        "task": transfer.task,
    })
}

/// What an app may use and has left: microseconds and bytes.
pub(crate) fn budget(budget: &BudgetInfo) -> Value {
    json!({
        "percent": budget.percent,
        "window": budget.window,
        "cpu": budget.cpu,
        "cpu_left": budget.cpu_left,
        "network": budget.network,
        "network_left": budget.network_left,
        "throttled": budget.throttled,
        "refill": budget.refill.map(rfc3339),
    })
}

pub(crate) fn energy((percent, level, until): EnergyUsageInfo) -> Value {
    json!({ "percent": percent, "level": level, "until": rfc3339(until) })
}

pub(crate) fn why(why: &WhyInfo) -> Value {
    json!({
        "sentence": why.sentence,
        "phase": why.phase,
        "since": why.since.map(rfc3339),
        "gates": why.gates.iter().map(gate).collect::<Value>(),
    })
}

fn gate(gate: &GateInfo) -> Value {
    json!({
        "name": gate.name,
        "open": gate.open,
        "value": gate.value,
        "since": gate.since.map(rfc3339),
        "source": gate.source,
    })
}

pub(crate) fn history(line: &HistoryInfo) -> Value {
    json!({
        "sequence": line.sequence,
        "at": rfc3339(line.at),
        "app": line.app,
        "task": line.task,
        "name": line.name,
        "instance": line.instance,
        "event": line.event,
        "text": line.text,
        "detail": detail(&line.detail),
    })
}

pub(crate) fn event(event: &EventInfo) -> Value {
    json!({
        "at": rfc3339(event.at),
        "app": event.app,
        "task": event.task,
        "name": event.name,
        "instance": event.instance,
        "event": event.event,
        "text": event.text,
        "detail": detail(&event.detail),
    })
}

pub(crate) fn progress(progress: &ProgressInfo) -> Value {
    json!({
        "app": progress.app,
        "task": progress.task,
        "name": progress.name,
        "instance": progress.instance,
        "value": progress.value,
        "message": progress.message,
    })
}

pub(crate) fn app(app: &AppInfo) -> Value {
    json!({
        "id": app.id,
        "version": app.version,
        "manifest": app.manifest,
        "entry_points": app.entry_points,
        "applications": app.applications,
        "access": app.access,
        "decided_by": app.decided_by,
        "setting": app.setting,
        "policy": app.policy,
        "policy_file": app.policy_file,
    })
}

pub(crate) fn source(source: &SourceInfo) -> Value {
    json!({
        "name": source.name,
        "status": source.status,
        "how": source.how,
        "why": source.why,
        "help": source.help,
        "value": source.value,
    })
}

/// The contract carries this as text; here it is what the text says.
fn detail(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|_| Value::from(text))
}
