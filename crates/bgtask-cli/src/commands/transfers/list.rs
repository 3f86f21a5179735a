use anstyle::Style;
use bgtask_wire::{BrokerProxy, TransferInfo, TransferStatus};
use serde_json::Value;

use super::Format;
use crate::failure::Failure;
use crate::find::{is_of_commands, short_id, short_id_length};
use crate::output::quantity::amount;
use crate::output::table::{Cell, Table};
use crate::output::{Screen, json, style};

pub(super) async fn run(format: &Format, broker: &BrokerProxy<'_>, screen: &mut Screen<'_>) -> Result<(), Failure> {
    let all = broker.list_transfers("").await?;
    if format.json {
        screen.json(&all.iter().map(json::transfer).collect::<Value>())?;
    } else {
        write(&all, screen)?;
    }
    Ok(())
}

fn write(all: &[TransferInfo], screen: &mut Screen<'_>) -> std::io::Result<()> {
    if all.is_empty() {
        return writeln!(screen.out, "No transfers: `bgtask transfers add URI` orders one.");
    }
    let length = short_id_length(all.iter().map(|it| it.id.as_str()));
    let mut table = Table::new(&["ID", "FILE", "STATUS", "DONE", "APP", "WHY"]);
    for it in all {
        let status = TransferStatus::from_number(it.status);
        let sign = if it.kind == "upload" { "\u{2191} " } else { "\u{2193} " };
        table.row([
            Cell::styled(short_id(&it.id, length), style::HEADING),
            Cell::styled(format!("{sign}{}", it.file), style::STRONG),
            Cell::styled(status.map_or_else(|| it.status.to_string(), |status| status.to_string()), colour(status)),
            Cell::new(done(it)),
            Cell::new(if is_of_commands(&it.app) { "" } else { &it.app }),
            Cell::new(&it.why),
        ]);
    }
    table.write(screen, "")
}

/// `12 MiB of 1.0 GiB`
pub(super) fn done(it: &TransferInfo) -> String {
    match it.total {
        Some(total) if total == it.done => amount(total),
        Some(total) => format!("{} of {}", amount(it.done), amount(total)),
        None if it.done == 0 => String::new(),
        None => amount(it.done),
    }
}

fn colour(status: Option<TransferStatus>) -> Style {
    match status {
        Some(TransferStatus::Completed) => style::GOOD,
        Some(TransferStatus::Error | TransferStatus::Canceled) => style::BAD,
        Some(TransferStatus::Running) => style::ACTIVE,
        _ => style::WAITING,
    }
}
