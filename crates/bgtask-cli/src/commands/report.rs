//! `bgtask report`: what tasks came to cost, out of the history.

use std::path::PathBuf;

use bgtask_report::{account, event_of};
use bgtask_wire::{BrokerProxy, HistoryQuery};

use super::{Format, history};
use crate::connection::Target;
use crate::failure::{Exit, Failure};
use crate::output::Screen;
use crate::output::text::printable;

/// Say what tasks came to cost: runs and outcomes, wall and processor time, memory, bytes, wake-ups
///
/// Out of the history, which keeps the last 100 000 lines. With --html it writes a page with plots that opens without a
/// network.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Only what is newer: 90s, 15min, "2 days", 03:00, 2026-07-28, 2026-07-28T03:00
    #[arg(long, value_name = "DURATION|TIME", default_value = "30 days")]
    since: String,
    /// Only this app
    #[arg(long, value_name = "APP")]
    app: Option<String>,
    /// Only tasks of this name, also those that are gone
    #[arg(long, value_name = "NAME")]
    task: Option<String>,
    /// Say which tasks wake the broker, how often, and with whom they share that
    #[arg(long, conflicts_with = "html")]
    wakes: bool,
    /// Write it as a page to this file
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) format: Format,
}

pub(crate) async fn run(args: &Args, target: &Target, screen: &mut Screen<'_>) -> Result<(), Failure> {
    let since = screen.clock.since(&args.since).map_err(|problem| Failure::new(Exit::Usage, problem))?;
    let broker = target.connect().await?;
    let report = fetch(args, since.as_microsecond(), &broker, screen).await?;
    if let Some(file) = &args.html {
        let shown = file.to_string_lossy();
        std::fs::write(file, bgtask_report::page(&report))
            .map_err(|error| Failure::failed(format!("{} cannot be written: {error}", printable(&shown))))?;
        if !args.format.json {
            return Ok(writeln!(screen.out, "The report is in {}.", printable(&shown))?);
        }
    }
    if args.format.json {
        return Ok(screen.json(&bgtask_report::json(&report))?);
    }
    let text = if args.wakes { bgtask_report::wakes(&report) } else { bgtask_report::text(&report) };
    Ok(screen.out.write_all(text.as_bytes())?)
}

async fn fetch(
    args: &Args,
    since: i64,
    broker: &BrokerProxy<'_>,
    screen: &Screen<'_>,
) -> Result<bgtask_report::Report, Failure> {
    let query =
        HistoryQuery { app: args.app.clone(), name: args.task.clone(), since: Some(since), ..HistoryQuery::default() };
    let lines = history::pages(query, u32::MAX, broker).await?;
    let events: Vec<_> = lines.iter().filter_map(event_of).collect();
    Ok(account(&events, screen.clock.zone(), since, screen.clock.now().as_microsecond()))
}
