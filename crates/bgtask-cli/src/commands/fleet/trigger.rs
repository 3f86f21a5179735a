use std::time::Duration;

use bgtask_core::{AppId, OrderId};
use bgtask_push::fleet::{MAX_SPREAD, Order, To, answers_topic};
use bgtask_push::mqtt::{Client, Outgoing, Trouble};
use serde_json::json;

use super::ledger::{Given, Ledger};
use super::operator::{Operator, trouble};
use super::outcomes::{self, Wait};
use super::usage;
use crate::commands::Format;
use crate::failure::Failure;
use crate::output::Screen;
use crate::output::text::printable;

/// The answers to an order are kept at the server for so much longer than it is itself.
const KEPT_LONGER: Duration = Duration::from_secs(86_400);

/// The longest that a server keeps an order.
const MAX_EXPIRY: Duration = Duration::from_secs(366 * 86_400);

/// Have a task run
///
/// It runs as if its trigger had fired: access, conditions and budgets hold it there as always. Each machine does an order once,
/// however often it comes.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The app; org.bgtask.Commands are the users' own commands
    app: String,
    /// The name of the task
    task: String,
    /// Who is to run it: all, group:NAME or machine:NAME
    #[arg(long, value_name = "WHOM")]
    to: String,
    /// Over how long the machines begin, each after a share of its own
    #[arg(long, value_name = "TIME", default_value = "0s")]
    spread: String,
    /// How long the server keeps the order for machines that are away
    #[arg(long, value_name = "TIME", default_value = "7d")]
    expires: String,
    /// Ask what comes of it: `bgtask fleet outcomes` shows it
    #[arg(long)]
    reply: bool,
    #[command(flatten)]
    wait: Wait,
    /// The order's id, to give an order again of which it is not known whether it went out, or what came of it
    #[arg(long, value_name = "ID")]
    order: Option<String>,
}

pub(super) async fn run(
    args: &Args,
    format: &Format,
    operator: &Operator,
    screen: &mut Screen<'_>,
) -> Result<(), Failure> {
    let to = To::from_word(&args.to).map_err(|error| usage(format!("--to: {error}")))?;
    let order = args.order()?;
    let expires = time("--expires", &args.expires, MAX_EXPIRY)?;
    let wait = args.wait.checked()?;
    let server = operator.server()?;
    let outgoing = |reply| Outgoing {
        topic: to.topic(&server.prefix),
        payload: order.to_json(),
        reply,
        expires: Some(expires),
        ..Outgoing::default()
    };
    let said = |heard: bool| (!heard).then_some("nobody is there who would get it: no machine has subscribed to this");
    if !args.reply && wait.is_none() {
        let sent = give(Client::connect(&server, &format!("bgtask-order-{}", order.order)).await, outgoing(None)).await;
        let (_, heard) = sent.map_err(|error| again(&order, &error))?;
        return announce(&order, &to, said(heard), format, screen);
    }
    let keep = (expires + order.spread() + KEPT_LONGER).as_secs();
    let given = Given { order: order.clone(), to: to.to_string(), at: screen.clock.now().as_microsecond(), keep };
    let mut ledger = Ledger::begin(&operator.folder, given)?;
    let reply = Some((answers_topic(&server.prefix, &order.order), order.order.clone().into_bytes()));
    let client = operator.listener(&server, &ledger.given).await;
    let (client, heard) = give(client, outgoing(reply)).await.map_err(|error| again(&order, &error))?;
    announce(&order, &to, said(heard), format, screen)?;
    match wait {
        Some(wait) => outcomes::follow(client, &server, operator, &mut ledger, &wait, format, screen).await,
        None => client.close().await.map_err(|error| trouble(&error)),
    }
}

impl Args {
    fn order(&self) -> Result<Order, Failure> {
        let id = self.order.clone().unwrap_or_else(new_id);
        OrderId::new(&id).map_err(|error| usage(format!("--order: {error}")))?;
        AppId::new(&self.app).map_err(|error| usage(error.to_string()))?;
        if self.task.is_empty() {
            return Err(usage("the task has no name: write the one that it has on the machines"));
        }
        let spread = time("--spread", &self.spread, MAX_SPREAD)?;
        Ok(Order { order: id, app: self.app.clone(), task: self.task.clone(), spread: spread.as_secs() })
    }
}

/// Sends it; whether anybody is there who gets it.
async fn give(client: Result<Client, Trouble>, outgoing: Outgoing) -> Result<(Client, bool), Trouble> {
    let mut client = client?;
    client.publish(outgoing).await?;
    client.settle().await?;
    let heard = client.was_heard();
    Ok((client, heard))
}

/// It may have gone out: given again under the same id it is done once all the same.
fn again(order: &Order, error: &Trouble) -> Failure {
    let said = if error.lasting { error.to_string() } else { error.why.clone() };
    Failure::failed(format!("the order may not have gone out: {said}\ngive it again with --order {}", order.order))
}

fn announce(
    order: &Order,
    to: &To,
    warning: Option<&str>,
    format: &Format,
    screen: &mut Screen<'_>,
) -> Result<(), Failure> {
    if format.json {
        screen.json_line(&json!({ "order": order.order, "to": to.to_string(), "warning": warning }))?;
    } else {
        writeln!(
            screen.out,
            "order {} to {}: run {}",
            order.order,
            printable(&to.to_string()),
            printable(&order.task)
        )?;
        screen.out.flush()?;
        if let Some(warning) = warning {
            writeln!(screen.err, "bgtask: {warning}")?;
        }
    }
    Ok(())
}

pub(super) fn time(flag: &str, word: &str, most: Duration) -> Result<Duration, Failure> {
    let time = bgtask_taskfile::duration(word).map_err(|error| usage(format!("{flag}: {error}")))?;
    if time > most {
        return Err(usage(format!("{flag} {word}: at most {} days", most.as_secs() / 86_400)));
    }
    Ok(time)
}

fn new_id() -> String {
    let mut bytes = [0; 8];
    let _none = rustix::rand::getrandom(&mut bytes, rustix::rand::GetRandomFlags::empty());
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
