use std::collections::VecDeque;
use std::time::Duration;

use bgtask_core::{EventKind, Outcome, Used};
use bgtask_record::Record as _;
use bgtask_wire::{BrokerProxy, HistoryInfo, HistoryQuery, TaskInfo};
use jiff::Timestamp;
use serde_json::Value;

use super::Format;
use crate::connection::Target;
use crate::failure::{Exit, Failure};
use crate::find::{find, is_full_id, is_of_commands, short_id, short_id_length, unknown};
use crate::output::quantity::{amount, span};
use crate::output::table::{Cell, Table};
use crate::output::text::plain;
use crate::output::{Screen, json, style};

/// Most lines of what a failed run wrote last; `bgtask logs` has all of them.
const MAX_TAIL_LINES: usize = 5;

/// Most lines the broker answers with at once.
const PAGE: u32 = 1000;

/// Show what happened, oldest first
///
/// TOOK, CPU and MEMORY are what a run came to, where that is known; below a run that failed stands what it wrote last.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Only this task: a name, an id, or the first characters of an id; also one that is gone
    task: Option<String>,
    /// Only this app
    #[arg(long, value_name = "APP")]
    app: Option<String>,
    /// Only what is newer: 90s, 15min, "2 days", 03:00, 2026-07-28, 2026-07-28T03:00
    #[arg(long, value_name = "DURATION|TIME")]
    since: Option<String>,
    /// At most so many lines, the latest ones
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..))]
    limit: u32,
    #[command(flatten)]
    pub(crate) format: Format,
}

pub(crate) async fn run(args: &Args, target: &Target, screen: &mut Screen<'_>) -> Result<(), Failure> {
    let since = args.since.as_deref().map(|text| screen.clock.since(text)).transpose();
    let since = since.map_err(|problem| Failure::new(Exit::Usage, problem))?;
    let broker = target.connect().await?;
    let lines = fetch(args, since, &broker).await?;
    if args.format.json {
        screen.json(&lines.iter().map(json::history).collect::<Value>())?;
    } else {
        write(&lines, screen)?;
    }
    Ok(())
}

/// The lines about one task that the reader knows the name of.
pub(super) fn write_of_one(lines: &[HistoryInfo], screen: &mut Screen<'_>) -> std::io::Result<()> {
    let mut table = Table::new(&["WHEN", "EVENT", "TOOK", "CPU", "MEMORY", ""]);
    for line in lines {
        let cost = Cost::of(line);
        table.row([when(line, screen), event(line), cost.took, cost.cpu, cost.memory, Cell::new(&line.text)]);
        cost.tail.into_iter().for_each(|line| table.note(line));
    }
    table.write(screen, "  ")
}

fn write(lines: &[HistoryInfo], screen: &mut Screen<'_>) -> std::io::Result<()> {
    if lines.is_empty() {
        return writeln!(screen.out, "Nothing happened.");
    }
    let length = short_id_length(lines.iter().map(|line| line.task.as_str()));
    let mut table = Table::new(&["WHEN", "NAME", "APP", "ID", "EVENT", "TOOK", "CPU", "MEMORY", ""]);
    for line in lines {
        let cost = Cost::of(line);
        // The name alone tells a command.
        let of_app = |text: &str| Cell::new(if is_of_commands(&line.app) { "" } else { text });
        table.row([
            when(line, screen),
            Cell::styled(&line.name, style::STRONG),
            of_app(&line.app),
            of_app(short_id(&line.task, length)),
            event(line),
            cost.took,
            cost.cpu,
            cost.memory,
            Cell::new(&line.text),
        ]);
        cost.tail.into_iter().for_each(|line| table.note(line));
    }
    table.write(screen, "")
}

/// What a line tells of a run that ended.
struct Cost {
    took: Cell,
    cpu: Cell,
    memory: Cell,
    tail: Vec<String>,
}

impl Cost {
    fn of(line: &HistoryInfo) -> Self {
        let (used, outcome) = match ended(&line.detail) {
            Some((used, outcome)) => (used, Some(outcome)),
            None => (None, None),
        };
        let usage = used.and_then(|used| used.usage);
        let cell = |text: Option<String>| Cell::new(text.unwrap_or_default());
        Self {
            took: cell(used.map(|used| span(used.wall))),
            cpu: cell(usage.map(|usage| span(usage.cpu))),
            memory: cell(usage.and_then(|usage| usage.memory_peak).map(amount)),
            tail: outcome.as_ref().map_or_else(Vec::new, tail),
        }
    }
}

/// What a run or a try came to, if the detail of an event tells of one.
fn ended(detail: &str) -> Option<(Option<Used>, Outcome)> {
    match EventKind::from_json(&serde_json::from_str(detail).ok()?).ok()? {
        EventKind::Completed { outcome, used, .. } | EventKind::Retrying { outcome, used, .. } => Some((used, outcome)),
        _ => None,
    }
}

/// The last lines of what a run wrote that failed.
fn tail(outcome: &Outcome) -> Vec<String> {
    let (Outcome::CommandFailed { output_tail: text, .. }
    | Outcome::HostFailed { output_tail: text, .. }
    | Outcome::Killed { output_tail: text, .. }) = outcome
    else {
        return Vec::new();
    };
    let lines: Vec<_> = text.lines().filter(|line| !line.trim().is_empty()).collect();
    let last = lines.len().saturating_sub(MAX_TAIL_LINES);
    lines[last..].iter().map(|line| format!("| {}", plain(line))).collect()
}

/// How long the runs took that ended, of those lines.
pub(crate) fn durations(lines: &[HistoryInfo]) -> Vec<Duration> {
    let used = lines.iter().filter_map(|line| ended(&line.detail)?.0);
    used.map(|used| used.wall).collect()
}

fn when(line: &HistoryInfo, screen: &Screen<'_>) -> Cell {
    Cell::new(screen.clock.relative(line.at))
}

fn event(line: &HistoryInfo) -> Cell {
    Cell::styled(&line.event, style::of_event(&line.event, &line.text))
}

async fn fetch(args: &Args, since: Option<Timestamp>, broker: &BrokerProxy<'_>) -> Result<Vec<HistoryInfo>, Failure> {
    let query = HistoryQuery {
        app: args.app.clone(),
        since: since.map(|since| since.as_microsecond()),
        ..HistoryQuery::default()
    };
    let Some(wanted) = &args.task else {
        return pages(query, args.limit, broker).await;
    };
    let tasks = broker.list_tasks("").await?;
    let query = HistoryQuery { app: query.app, since: query.since, ..meant(wanted, &tasks)? };
    let is_known =
        tasks.iter().any(|task| Some(&task.id) == query.task.as_ref() || Some(&task.name) == query.name.as_ref());
    let lines = pages(query, args.limit, broker).await?;
    if lines.is_empty() && !is_known && since.is_none() { Err(unknown(wanted, &tasks)) } else { Ok(lines) }
}

/// The lines of the task a person means, also of one that is gone. Several registrations may have had its name: all of them
/// are meant.
pub(super) fn meant(wanted: &str, tasks: &[TaskInfo]) -> Result<HistoryQuery, Failure> {
    let of_task = |id: String| HistoryQuery { task: Some(id), ..HistoryQuery::default() };
    let of_name = || HistoryQuery { name: Some(wanted.to_owned()), ..HistoryQuery::default() };
    if is_full_id(wanted) {
        return Ok(of_task(wanted.to_ascii_lowercase()));
    }
    if tasks.iter().any(|task| task.name == *wanted) {
        return Ok(of_name());
    }
    match find(wanted, tasks) {
        Ok(place) => Ok(of_task(tasks[place].id.clone())),
        Err(ambiguous) if ambiguous.exit != Exit::Absent => Err(ambiguous),
        Err(_) => Ok(of_name()),
    }
}

/// The latest lines of a query, oldest first, in as many calls as it takes.
pub(super) async fn pages(
    query: HistoryQuery,
    limit: u32,
    broker: &BrokerProxy<'_>,
) -> Result<Vec<HistoryInfo>, Failure> {
    let mut lines = VecDeque::new();
    let mut before = None;
    let mut missing = limit;
    while missing > 0 {
        let asked = missing.min(PAGE);
        let page = broker.history(HistoryQuery { before, limit: Some(asked), ..query.clone() }).await?;
        before = page.first().map(|line| line.sequence);
        missing -= u32::try_from(page.len()).unwrap_or(asked).min(asked);
        let is_last = page.is_empty();
        page.into_iter().rev().for_each(|line| lines.push_front(line));
        if is_last {
            break;
        }
    }
    Ok(lines.into())
}
