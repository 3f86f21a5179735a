//! From a line of the wire to an event of the core.

use bgtask_core::{AppId, Event, EventKind, WallTime};
use bgtask_record::Record as _;
use bgtask_wire::{EventInfo, HistoryInfo};

/// What a line of history says; `None` where it is not of this version, and so cannot be accounted for.
pub fn event_of(line: &HistoryInfo) -> Option<Event> {
    parse(line.at, &line.app, &line.task, &line.name, line.instance.as_deref(), &line.detail)
}

/// The same of a state change that was just heard.
pub fn event_of_change(change: &EventInfo) -> Option<Event> {
    parse(change.at, &change.app, &change.task, &change.name, change.instance.as_deref(), &change.detail)
}

fn parse(at: i64, app: &str, task: &str, name: &str, instance: Option<&str>, detail: &str) -> Option<Event> {
    Some(Event {
        at: WallTime::from_micros(at),
        app: AppId::new(app).ok()?,
        task: task.parse().ok()?,
        name: name.into(),
        instance: instance.map(str::parse).transpose().ok()?,
        kind: EventKind::from_json(&serde_json::from_str(detail).ok()?).ok()?,
    })
}
