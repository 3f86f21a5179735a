use std::collections::VecDeque;

use bgtask_wire::{BrokerProxy, HistoryInfo, HistoryQuery};
use jiff::Timestamp;
use serde_json::Value;

use super::Format;
use crate::connection::Target;
use crate::failure::{Exit, Failure};
use crate::find::{find, is_full_id, short_id, short_id_length, unknown};
use crate::output::table::{Cell, Table};
use crate::output::{Screen, json, style};

/// Most lines the broker answers with at once.
const PAGE: u32 = 1000;

/// Show what happened, oldest first
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
    let mut table = Table::new(&["WHEN", "EVENT", ""]);
    for line in lines {
        table.row([when(line, screen), event(line), Cell::new(&line.text)]);
    }
    table.write(screen.out, "  ")
}

fn write(lines: &[HistoryInfo], screen: &mut Screen<'_>) -> std::io::Result<()> {
    if lines.is_empty() {
        return writeln!(screen.out, "Nothing happened.");
    }
    let length = short_id_length(lines.iter().map(|line| line.task.as_str()));
    let mut table = Table::new(&["WHEN", "NAME", "APP", "ID", "EVENT", ""]);
    for line in lines {
        table.row([
            when(line, screen),
            Cell::styled(&line.name, style::STRONG),
            Cell::new(&line.app),
            Cell::new(short_id(&line.task, length)),
            event(line),
            Cell::new(&line.text),
        ]);
    }
    table.write(screen.out, "")
}

fn when(line: &HistoryInfo, screen: &Screen<'_>) -> Cell {
    Cell::new(screen.clock.relative(line.at))
}

fn event(line: &HistoryInfo) -> Cell {
    Cell::styled(&line.event, style::of_event(&line.event, &line.text))
}

async fn fetch(args: &Args, since: Option<Timestamp>, broker: &BrokerProxy<'_>) -> Result<Vec<HistoryInfo>, Failure> {
    let mut query = HistoryQuery {
        app: args.app.clone(),
        since: since.map(|since| since.as_microsecond()),
        ..HistoryQuery::default()
    };
    let Some(wanted) = &args.task else {
        return pages(query, args.limit, broker).await;
    };
    // Several registrations may have had this name; all of them are meant.
    let tasks = broker.list_tasks("").await?;
    if is_full_id(wanted) {
        query.task = Some(wanted.to_ascii_lowercase());
    } else if tasks.iter().any(|task| task.name == *wanted) {
        query.name = Some(wanted.clone());
    } else {
        match find(wanted, &tasks) {
            Ok(place) => query.task = Some(tasks[place].id.clone()),
            Err(ambiguous) if ambiguous.exit != Exit::Absent => return Err(ambiguous),
            Err(_) => query.name = Some(wanted.clone()),
        }
    }
    let is_known =
        tasks.iter().any(|task| Some(&task.id) == query.task.as_ref() || Some(&task.name) == query.name.as_ref());
    let lines = pages(query, args.limit, broker).await?;
    if lines.is_empty() && !is_known && since.is_none() { Err(unknown(wanted, &tasks)) } else { Ok(lines) }
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
