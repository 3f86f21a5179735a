use bgtask_wire::{BrokerProxy, WhyInfo};

use super::Format;
use crate::failure::Failure;
use crate::find::find_task;
use crate::output::table::{Cell, Table};
use crate::output::text::printable;
use crate::output::{Screen, json, style};

/// Say why a task is not running now
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// A task's name, its id, or the first characters of its id
    task: String,
    #[command(flatten)]
    pub(crate) format: Format,
}

pub(crate) async fn run(args: &Args, broker: &BrokerProxy<'_>, screen: &mut Screen<'_>) -> Result<(), Failure> {
    let task = find_task(broker, &args.task).await?;
    let why = broker.why(&task.id).await?;
    if args.format.json {
        screen.json(&json::why(&why))?;
    } else {
        write(&why, screen)?;
    }
    Ok(())
}

/// The sentence, then every gate.
pub(super) fn write(why: &WhyInfo, screen: &mut Screen<'_>) -> std::io::Result<()> {
    let colour = style::of_phase(&why.phase);
    writeln!(screen.out, "{colour}{}{colour:#}", printable(&why.sentence))?;
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
