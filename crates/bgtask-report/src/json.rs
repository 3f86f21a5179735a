//! The report for programs.

use bgtask_text::rfc3339;
use serde_json::{Value, json};

use crate::account::Report;
use crate::text::seconds;
use crate::totals::{Spread, Totals};

/// The report as JSON. It is a promise: keys may be added, none goes away or changes its meaning.
pub fn json(report: &Report) -> Value {
    let app = |app: &crate::AppReport| json!({ "app": app.app.as_str(), "totals": totals(&app.totals) });
    let task = |task: &crate::TaskReport| json!({ "app": task.app.as_str(), "task": task.task.to_string(), "name": task.name, "totals": totals(&task.totals) });
    let day = |day: &crate::Day| json!({ "date": day.date.to_string(), "totals": totals(&day.totals) });
    json!({
        "from": rfc3339(report.from),
        "to": rfc3339(report.to),
        "totals": totals(&report.totals),
        "apps": report.apps.iter().map(app).collect::<Value>(),
        "tasks": report.tasks.iter().map(task).collect::<Value>(),
        "days": report.days.iter().map(day).collect::<Value>(),
    })
}

fn totals(totals: &Totals) -> Value {
    json!({
        "firings": totals.firings,
        "runs": totals.runs(),
        "outcomes": {
            "succeeded": totals.succeeded,
            "failed": totals.failed,
            "cancelled": totals.cancelled,
            "killed": totals.killed,
            "host-failed": totals.host_failed,
            "abandoned": totals.abandoned,
        },
        "dropped": totals.dropped,
        "retries": totals.retries,
        "interrupted": totals.interrupted,
        "missed": totals.missed,
        "wall_seconds": seconds(totals.wall),
        "measured": totals.measured,
        "cpu_seconds": seconds(totals.cpu),
        "io_bytes": totals.io,
        "network_bytes": totals.network,
        "energy_seconds": totals.energy,
        "suspensions": totals.suspensions,
        "memory_peak_bytes": totals.memory_peak,
        "wakeups": totals.wakeups,
        "timer_wakeups": totals.timer_wakeups,
        "timer_firings": totals.timer_firings,
        "shared_firings": totals.shared_firings,
        "duration_seconds": spread(&totals.durations),
        "wait_seconds": spread(&totals.waits),
    })
}

fn spread(spread: &Spread) -> Value {
    json!({
        "count": spread.sorted().len(),
        "median": spread.percentile(50).map(seconds),
        "p95": spread.percentile(95).map(seconds),
    })
}
