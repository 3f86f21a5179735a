use std::time::Duration;

use bgtask_wire::{BrokerProxy, ControlChannelInfo};
use serde_json::{Value, json};

use super::Format;
use crate::failure::Failure;
use crate::find::check_scope;
use crate::output::table::{Cell, Table};
use crate::output::{Screen, quantity, style, time};

/// List the control channels of apps: the connections that they keep, and the broker watches
///
/// STATE is `watched` while nothing has arrived; `told` when a task of the channel is to run or runs; `unread` when one has ended and read
/// nothing, which is told again later; `unheard` when no task is registered for what arrived; `ended` when the connection has. NEXT is
/// when the task of the keep-alive runs.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Only those of this app
    #[arg(default_value = "", hide_default_value = true)]
    app: String,
    #[command(flatten)]
    pub(crate) format: Format,
}

pub(crate) async fn run(args: &Args, broker: &BrokerProxy<'_>, screen: &mut Screen<'_>) -> Result<(), Failure> {
    check_scope(broker, &args.app).await?;
    let channels = broker.list_control_channels(&args.app).await?;
    if args.format.json {
        screen.json(&channels.iter().map(channel).collect::<Value>())?;
    } else {
        write(&channels, screen)?;
    }
    Ok(())
}

fn channel(it: &ControlChannelInfo) -> Value {
    json!({
        "app": it.app, "id": it.id, "state": it.state, "keep_alive_us": keep_alive(it).as_micros() as u64, "due": time::rfc3339(it.due),
    })
}

fn write(channels: &[ControlChannelInfo], screen: &mut Screen<'_>) -> std::io::Result<()> {
    if channels.is_empty() {
        return writeln!(
            screen.out,
            "There is none: apps open them with ControlChannelTrigger. `bgtask push` lists those for push messages."
        );
    }
    let mut table = Table::new(&["APP", "STATE", "KEEP-ALIVE", "NEXT", "CHANNEL"]);
    for channel in channels {
        table.row([
            Cell::styled(&channel.app, style::STRONG),
            Cell::new(&channel.state),
            Cell::new(quantity::span(keep_alive(channel))),
            Cell::new(screen.clock.absolute(channel.due)),
            Cell::new(&channel.id),
        ]);
    }
    table.write(screen, "")
}

/// How often the server wants to hear something.
fn keep_alive(channel: &ControlChannelInfo) -> Duration {
    Duration::from_secs(u64::from(channel.keep_alive) * 60)
}
