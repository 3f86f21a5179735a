//! A timeline as JSON.

use std::io;

use bgtask_core::WallTime;
use bgtask_rehearse::{Ending, Hold, Lane, Timeline, Totals};
use serde_json::{Value, json};

use crate::output::Screen;
use crate::output::time::rfc3339;

/// One object, a task at a time: a month of many tasks is hundreds of megabytes.
pub(super) fn write(timeline: &Timeline, screen: &mut Screen<'_>) -> io::Result<()> {
    let whole = format!("{:#}", without_tasks(timeline));
    let begun = whole.strip_suffix("\n}").expect("an object ends so");
    write!(screen.out, "{begun},\n  \"tasks\": [")?;
    for (place, of_task) in timeline.lanes.iter().enumerate() {
        let before = if place == 0 { "\n    " } else { ",\n    " };
        write!(screen.out, "{before}{}", lane(of_task))?;
    }
    writeln!(screen.out, "\n  ]\n}}")
}

fn without_tasks(timeline: &Timeline) -> Value {
    let bands = timeline.bands.iter().map(|band| json!({ "name": band.name, "spans": spans(&band.spans) }));
    let notes = timeline.notes.iter().map(|note| json!({ "line": note.line, "text": note.text }));
    json!({
        "from": time(timeline.from),
        "to": time(timeline.to),
        "zone": timeline.zone_name,
        "cut_short": timeline.cut_short.map(time),
        "bands": bands.collect::<Value>(),
        "totals": totals(&timeline.totals),
        "findings": timeline.findings(),
        "notes": notes.collect::<Value>(),
    })
}

fn lane(lane: &Lane) -> Value {
    let fired = lane.firings.iter().map(|it| json!({ "at": time(it.at), "count": it.count, "by_hand": it.by_hand }));
    let waits = lane.waits.iter().map(|it| {
        let phase = if matches!(it.hold, Hold::Latched(_)) { "latched" } else { "buffered" };
        json!({ "from": time(it.from), "to": time(it.to), "phase": phase, "text": it.hold.to_string() })
    });
    let runs = lane.runs.iter().map(
        |it| json!({ "from": time(it.from), "to": time(it.to), "attempt": it.attempt, "ending": ending(it.ending) }),
    );
    json!({
        "app": lane.app.as_str(),
        "name": &*lane.name,
        "trigger": lane.trigger,
        "conditions": lane.conditions.iter().map(|it| it.word()).collect::<Vec<_>>(),
        "refused": lane.refused,
        "fired": fired.collect::<Value>(),
        "waits": waits.collect::<Value>(),
        "runs": runs.collect::<Value>(),
        "missed": lane.missed.iter().map(|at| time(*at)).collect::<Vec<_>>(),
        "overdue": spans(&lane.overdue),
        "paused": spans(&lane.paused),
    })
}

const fn ending(ending: Ending) -> &'static str {
    match ending {
        Ending::Unended => "unended",
        Ending::Succeeded => "succeeded",
        Ending::Failed => "failed",
        Ending::Retried { .. } => "retried",
        Ending::Cancelled(_) => "cancelled",
    }
}

fn totals(totals: &Totals) -> Value {
    json!({
        "fired": totals.firings,
        "runs": totals.runs,
        "succeeded": totals.succeeded,
        "failed": totals.failed,
        "cancelled": totals.cancelled,
        "missed": totals.missed,
        "overdue": totals.overdue,
        "wake_ups": totals.wake_ups,
        "waited": micros(totals.waited),
        "longest_wait": micros(totals.longest_wait),
        "ran": micros(totals.ran),
    })
}

fn spans(spans: &[(WallTime, WallTime)]) -> Value {
    spans.iter().map(|(from, to)| json!({ "from": time(*from), "to": time(*to) })).collect()
}

fn time(at: WallTime) -> String {
    rfc3339(at.as_micros())
}

fn micros(time: std::time::Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}
