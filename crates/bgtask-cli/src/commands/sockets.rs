use std::collections::HashMap;
use std::time::Duration;

use bgtask_wire::{BrokerProxy, SocketInfo};
use serde_json::{Value, json};

use super::Format;
use crate::failure::Failure;
use crate::find::check_scope;
use crate::output::table::{Cell, Table};
use crate::output::{Screen, quantity, style};

/// List the sockets that apps have handed over to the broker
///
/// The task of a socket runs when something arrives at it. STATE is `watched` while nothing has; `told` when the task is to run or runs; `kept` when
/// it has ended without taking the socket, which is then the app's to take back; `lost` when the connection ended with an earlier broker.
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
    let sockets = broker.list_sockets(&args.app).await?;
    let tasks = broker.list_tasks(&args.app).await?;
    let names: HashMap<_, _> = tasks.iter().map(|task| (task.id.as_str(), task.name.as_str())).collect();
    // Its registration may be gone.
    let named: Vec<_> = sockets.iter().map(|it| (it, names.get(it.task.as_str()).copied())).collect();
    if args.format.json {
        screen.json(&named.into_iter().map(|(it, name)| socket(it, name)).collect::<Value>())?;
    } else {
        write(&named, screen)?;
    }
    Ok(())
}

fn socket(it: &SocketInfo, name: Option<&str>) -> Value {
    json!({
        "app": it.app, "id": it.id, "task": it.task, "name": name, "kind": kind(it), "state": it.state, "keep_alive_us": it.keep_alive,
    })
}

fn write(sockets: &[(&SocketInfo, Option<&str>)], screen: &mut Screen<'_>) -> std::io::Result<()> {
    if sockets.is_empty() {
        return writeln!(screen.out, "There is none: apps hand them over for a task with a SocketActivityTrigger.");
    }
    let mut table = Table::new(&["APP", "TASK", "KIND", "STATE", "KEEP-ALIVE", "SOCKET"]);
    for (socket, name) in sockets {
        table.row([
            Cell::styled(&socket.app, style::STRONG),
            Cell::new(name.unwrap_or_default()),
            Cell::new(kind(socket)),
            Cell::new(&socket.state),
            Cell::new(socket.keep_alive.map(|time| quantity::span(Duration::from_micros(time))).unwrap_or_default()),
            Cell::new(&socket.id),
        ]);
    }
    table.write(screen, "")
}

/// What it is, in a word for a person.
const fn kind(socket: &SocketInfo) -> &'static str {
    match socket.kind {
        1 => "listener",
        2 => "datagrams",
        3 => "stream",
        _ => "unknown",
    }
}
