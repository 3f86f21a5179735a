use bgtask_wire::{BrokerProxy, SourceInfo};
use serde_json::Value;

use super::Format;
use crate::failure::Failure;
use crate::output::table::{Cell, Table};
use crate::output::{Screen, json, style};

/// List the sources that are watched, and how well each works here
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    pub(crate) format: Format,
}

pub(crate) async fn run(args: &Args, broker: &BrokerProxy<'_>, screen: &mut Screen<'_>) -> Result<(), Failure> {
    let sources = broker.list_sources().await?;
    if args.format.json {
        screen.json(&sources.iter().map(json::source).collect::<Value>())?;
    } else {
        write(&sources, screen)?;
    }
    Ok(())
}

fn write(sources: &[SourceInfo], screen: &mut Screen<'_>) -> std::io::Result<()> {
    if sources.is_empty() {
        return writeln!(screen.out, "No source is watched: no registered task needs one.");
    }
    let mut table = Table::new(&["SOURCE", "STATUS", "READS", "HOW"]);
    for source in sources {
        table.row([
            Cell::styled(&source.name, style::STRONG),
            Cell::styled(&source.status, style::of_status(&source.status)),
            Cell::new(source.value.clone().unwrap_or_default()),
            Cell::new(how(source)),
        ]);
    }
    table.write(screen, "")
}

/// From where, else why not; then what would help.
fn how(source: &SourceInfo) -> String {
    let parts = [&source.how, &source.why, &source.help];
    parts.into_iter().flatten().map(String::as_str).collect::<Vec<_>>().join("; ")
}
