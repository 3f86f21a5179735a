//! `bgtask top`: what runs now, and what the last hour came to cost.

use std::time::Duration;

use bgtask_report::{Report, account, event_of};
use bgtask_ui::View;
use bgtask_wire::{BrokerProxy, HistoryQuery, TaskInfo, WhyInfo};
use serde_json::{Value, json};

use super::{Format, history, ui};
use crate::connection::Target;
use crate::failure::Failure;
use crate::output::quantity::span;
use crate::output::table::{Cell, Table};
use crate::output::time::rfc3339;
use crate::output::{Screen, style};

/// What is past is forgotten after so many microseconds.
const HOUR: i64 = 3_600_000_000;

/// Show what runs now with its time and its budget, and what each task came to cost in the last hour
///
/// It is one of the views of `bgtask ui` and changes with every event. Processor time, memory and bytes of a run are known
/// when it has ended.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Print it once
    #[arg(long)]
    once: bool,
    #[command(flatten)]
    pub(crate) format: Format,
}

pub(crate) async fn run(args: &Args, target: &Target, screen: &mut Screen<'_>) -> Result<(), Failure> {
    if !args.once && !args.format.json {
        return ui::show(View::Top, false, target).await;
    }
    let broker = target.connect().await?;
    let running = running(&broker).await?;
    let now = screen.clock.now().as_microsecond();
    let query = HistoryQuery { since: Some(now - HOUR), ..HistoryQuery::default() };
    let lines = history::pages(query, u32::MAX, &broker).await?;
    let events: Vec<_> = lines.iter().filter_map(event_of).collect();
    let report = account(&events, screen.clock.zone(), now - HOUR, now);
    if args.format.json {
        let tasks = running.iter().map(|(task, why)| as_json(task, why)).collect::<Value>();
        return Ok(screen.json(&json!({ "running": tasks, "last_hour": bgtask_report::json(&report) }))?);
    }
    Ok(write(&running, &report, screen)?)
}

async fn running(broker: &BrokerProxy<'_>) -> Result<Vec<(TaskInfo, WhyInfo)>, Failure> {
    let mut running = Vec::new();
    for task in broker.list_tasks("").await? {
        if matches!(task.phase.as_str(), "starting" | "running" | "suspended" | "cancelling") {
            // It may have gone meanwhile.
            if let Ok(why) = broker.why(&task.id).await {
                running.push((task, why));
            }
        }
    }
    Ok(running)
}

fn write(running: &[(TaskInfo, WhyInfo)], report: &Report, screen: &mut Screen<'_>) -> std::io::Result<()> {
    if running.is_empty() {
        writeln!(screen.out, "Nothing runs.")?;
    } else {
        let mut table = Table::new(&["RUNNING", "PHASE", "PROGRESS", "TIME", "BUDGET", ""]);
        for (task, why) in running {
            table.row([
                Cell::styled(&task.name, style::STRONG),
                Cell::styled(&task.phase, style::of_phase(&task.phase)),
                Cell::new(task.progress.map(|progress| format!("{progress} %")).unwrap_or_default()),
                Cell::new(why.used.map(time).unwrap_or_default()),
                Cell::new(why.budget.map(time).unwrap_or_default()),
                Cell::new(task.message.clone().unwrap_or_default()),
            ]);
        }
        table.write(screen, "")?;
    }
    writeln!(screen.out, "\nThe last hour:")?;
    screen.out.write_all(bgtask_report::top(report).as_bytes())
}

fn time(micros: u64) -> String {
    span(Duration::from_micros(micros))
}

fn as_json(task: &TaskInfo, why: &WhyInfo) -> Value {
    json!({
        "id": task.id,
        "app": task.app,
        "name": task.name,
        "phase": task.phase,
        "instance": task.instance,
        "attempt": task.attempt,
        "progress": task.progress,
        "message": task.message,
        "since": why.since.map(rfc3339),
        "used_seconds": why.used.map(|used| Duration::from_micros(used).as_secs_f64()),
        "budget_seconds": why.budget.map(|budget| Duration::from_micros(budget).as_secs_f64()),
    })
}
