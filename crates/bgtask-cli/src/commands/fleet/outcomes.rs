use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use bgtask_push::fleet::Answer;
use bgtask_push::mqtt::{Client, Server, Trouble};
use serde_json::{Value, json};
use tokio::time::sleep;

use super::ledger::Ledger;
use super::operator::{Operator, trouble};
use super::trigger::time;
use super::usage;
use crate::commands::Format;
use crate::failure::Failure;
use crate::output::table::{Cell, Table};
use crate::output::text::{counted, printable};
use crate::output::{Screen, style, time as clock};

/// How long a server is waited for that has nothing more to say.
const QUIET: Duration = Duration::from_secs(1);

/// Between two tries to reach a server that went away.
const PAUSE: Duration = Duration::from_secs(1);

/// The longest that anybody waits.
const MAX_WAIT: Duration = Duration::from_secs(366 * 86_400);

/// What came of an order, machine by machine; or which orders there are
///
/// The exit code is 0 if every machine that has answered has succeeded, and with --expect so many have.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The order; all that were given with --reply where none is named
    order: Option<String>,
    #[command(flatten)]
    wait: Wait,
}

/// For how long and for whom.
#[derive(Debug, clap::Args)]
pub(super) struct Wait {
    /// Show answers as they come, for so long
    #[arg(long, value_name = "TIME")]
    wait: Option<String>,
    /// No longer than until so many machines have answered
    #[arg(long, value_name = "COUNT", requires = "wait")]
    expect: Option<usize>,
}

/// The same, checked.
pub(super) struct Patience {
    until: Instant,
    expect: Option<usize>,
}

impl Wait {
    pub(super) fn checked(&self) -> Result<Option<Patience>, Failure> {
        let wait = self.wait.as_deref().map(|word| time("--wait", word, MAX_WAIT)).transpose()?;
        Ok(wait.map(|wait| Patience { until: Instant::now() + wait, expect: self.expect }))
    }
}

pub(super) async fn run(
    args: &Args,
    format: &Format,
    operator: &Operator,
    screen: &mut Screen<'_>,
) -> Result<(), Failure> {
    let Some(order) = &args.order else {
        return list(&Ledger::all(&operator.folder)?, format, screen);
    };
    bgtask_core::OrderId::new(order).map_err(|error| usage(error.to_string()))?;
    let wait = args.wait.checked()?;
    let mut ledger = Ledger::open(&operator.folder, order)?;
    ledger.answers.values().try_for_each(|answer| tell(answer, format, screen))?;
    let server = operator.server()?;
    let client = operator.listener(&server, &ledger.given).await.map_err(|error| trouble(&error))?;
    let until_quiet = Patience { until: Instant::now(), expect: None };
    follow(client, &server, operator, &mut ledger, &wait.unwrap_or(until_quiet), format, screen).await
}

/// Hears answers and keeps them, each durable before the server may forget it; then says what they come to.
pub(super) async fn follow(
    client: Client,
    server: &Server,
    operator: &Operator,
    ledger: &mut Ledger,
    patience: &Patience,
    format: &Format,
    screen: &mut Screen<'_>,
) -> Result<(), Failure> {
    let mut connected = Ok(client);
    loop {
        let failed = match connected {
            Ok(mut client) => match hear(&mut client, server, ledger, patience, format, screen).await? {
                Ok(()) => {
                    // What it has said is safe, however it takes the goodbye.
                    let _gone = client.close().await;
                    return conclude(ledger, patience, format, screen);
                }
                Err(error) => error,
            },
            Err(error) => error,
        };
        if failed.lasting || Instant::now() >= patience.until {
            return Err(trouble(&failed));
        }
        sleep(PAUSE).await;
        connected = operator.listener(server, &ledger.given).await;
    }
}

async fn hear(
    client: &mut Client,
    server: &Server,
    ledger: &mut Ledger,
    patience: &Patience,
    format: &Format,
    screen: &mut Screen<'_>,
) -> Result<Result<(), Trouble>, Failure> {
    while patience.expect.is_none_or(|count| ledger.answers.len() < count) {
        let left = patience.until.saturating_duration_since(Instant::now()).max(QUIET);
        let batch = match client.next_batch(left).await {
            Ok(batch) if batch.is_empty() => break,
            Ok(batch) => batch,
            Err(error) => return Ok(Err(error)),
        };
        let read = batch.iter().filter_map(|message| {
            // Whoever answers what is no answer has not answered.
            Answer::read(&server.prefix, &message.topic, &message.payload).ok()
        });
        for answer in ledger.take(read.collect())? {
            tell(&answer, format, screen)?;
        }
        screen.out.flush()?;
        if let Err(error) = client.acknowledge().await {
            return Ok(Err(error));
        }
    }
    Ok(Ok(()))
}

fn conclude(ledger: &Ledger, patience: &Patience, format: &Format, screen: &mut Screen<'_>) -> Result<(), Failure> {
    let sums = sums(ledger);
    let count = ledger.answers.len();
    if !format.json {
        let of_each: Vec<_> = sums.iter().map(|(result, count)| format!("{count} {result}")).collect();
        let machines = counted(count, "machine");
        let results = if of_each.is_empty() { String::new() } else { format!(": {}", of_each.join(", ")) };
        writeln!(screen.out, "{machines} answered{results}")?;
    }
    if let Some(expect) = patience.expect.filter(|expect| count < *expect) {
        let order = &ledger.given.order.order;
        return Err(Failure::failed(format!(
            "{} should have answered and {count} did: `bgtask fleet outcomes {order} --wait TIME` waits for the others",
            counted(expect, "machine")
        )));
    }
    let failed = count - sums.get("succeeded").copied().unwrap_or(0);
    if failed > 0 {
        return Err(Failure::failed(format!("{} did not succeed", counted(failed, "machine"))));
    }
    Ok(())
}

fn sums(ledger: &Ledger) -> BTreeMap<String, usize> {
    let mut sums = BTreeMap::new();
    for answer in ledger.answers.values() {
        *sums.entry(printable(&answer.result).into_owned()).or_default() += 1;
    }
    sums
}

fn tell(answer: &Answer, format: &Format, screen: &mut Screen<'_>) -> Result<(), Failure> {
    if format.json {
        let Answer { machine, result, text, at, .. } = answer;
        screen.json_line(&json!({ "machine": machine, "result": result, "text": text, "at": clock::rfc3339(*at) }))?;
        return Ok(());
    }
    let style = if answer.result == "succeeded" { style::GOOD } else { style::BAD };
    writeln!(screen.out, "{}: {style}{}{style:#}", printable(&answer.machine), printable(&answer.text))?;
    Ok(())
}

fn list(ledgers: &[Ledger], format: &Format, screen: &mut Screen<'_>) -> Result<(), Failure> {
    if format.json {
        let all = ledgers.iter().map(|ledger| {
            let given = &ledger.given;
            json!({
                "order": given.order.order, "app": given.order.app, "task": given.order.task, "spread_s": given.order.spread,
                "to": given.to, "at": clock::rfc3339(given.at), "answers": sums(ledger),
            })
        });
        return Ok(screen.json(&all.collect::<Value>())?);
    }
    if ledgers.is_empty() {
        return Ok(writeln!(screen.out, "No order was given from here with --reply.")?);
    }
    let mut table = Table::new(&["ORDER", "GIVEN", "TASK", "TO", "ANSWERS"]);
    for ledger in ledgers {
        let of_each: Vec<_> = sums(ledger).iter().map(|(result, count)| format!("{count} {result}")).collect();
        table.row([
            Cell::styled(&ledger.given.order.order, style::STRONG),
            Cell::new(screen.clock.absolute(ledger.given.at)),
            Cell::new(&ledger.given.order.task),
            Cell::new(&ledger.given.to),
            Cell::new(if of_each.is_empty() { "none yet".to_owned() } else { of_each.join(", ") }),
        ]);
    }
    Ok(table.write(screen, "")?)
}
