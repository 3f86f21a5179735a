pub(super) mod facts;
mod past;
mod sentence;
#[cfg(test)]
mod tests;

use bgtask_wire::{BrokerProxy, WhyInfo};

use super::Format;
use crate::failure::{Exit, Failure};
use crate::find::find_task;
use crate::output::table::{Cell, Table};
use crate::output::text::printable;
use crate::output::{Screen, json, style};
use facts::Facts;

/// Say why a task is not running now, or was not at another time
///
/// One sentence, then the facts it stands on: what it waits for and since when, what would release it, when it can run at the
/// earliest, and the one change that would start it now. With --at, from the history, what was so at that time.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// A task's name, its id, or the first characters of its id; with --at also one that is gone
    task: String,
    /// Say it of that time: 15min (ago), "2 days", 03:00, 2026-07-28, 2026-07-28T03:00
    #[arg(long, value_name = "TIME")]
    at: Option<String>,
    #[command(flatten)]
    pub(crate) format: Format,
}

pub(crate) async fn run(args: &Args, broker: &BrokerProxy<'_>, screen: &mut Screen<'_>) -> Result<(), Failure> {
    if let Some(at) = &args.at {
        let at = screen.clock.since(at).map_err(|problem| Failure::new(Exit::Usage, problem))?;
        return past::run(&args.task, at.as_microsecond(), args.format.json, broker, screen).await;
    }
    let task = find_task(broker, &args.task).await?;
    let why = broker.why(&task.id).await?;
    let facts = Facts::of(&task, &why, broker).await?;
    if args.format.json {
        screen.json(&facts.to_json(json::why(&why)))?;
    } else {
        write_sentence(&why, screen)?;
        facts.write(screen)?;
        write_gates(&why, screen)?;
    }
    Ok(())
}

/// The sentence, then every gate.
pub(super) fn write(why: &WhyInfo, screen: &mut Screen<'_>) -> std::io::Result<()> {
    write_sentence(why, screen)?;
    write_gates(why, screen)
}

fn write_sentence(why: &WhyInfo, screen: &mut Screen<'_>) -> std::io::Result<()> {
    let colour = style::of_phase(&why.phase);
    writeln!(screen.out, "{colour}{}{colour:#}", printable(&why.sentence))
}

fn write_gates(why: &WhyInfo, screen: &mut Screen<'_>) -> std::io::Result<()> {
    if why.gates.is_empty() {
        return Ok(());
    }
    writeln!(screen.out)?;
    let mut table = Table::new(&["GATE", "", "READS", "SINCE", "SOURCE"]);
    for gate in &why.gates {
        let (word, colour) = if gate.open { ("open", style::GOOD) } else { ("closed", style::WAITING) };
        table.row([
            Cell::new(&gate.name),
            Cell::styled(word, colour),
            Cell::new(&gate.value),
            Cell::new(gate.since.map(|since| screen.clock.relative(since)).unwrap_or_default()),
            Cell::new(&gate.source),
        ]);
    }
    table.write(screen, "  ")
}
