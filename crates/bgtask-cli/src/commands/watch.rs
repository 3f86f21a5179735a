use std::num::NonZeroUsize;

use bgtask_wire::{BROKER_INTERFACE, BrokerProxy, EventInfo};
use futures_util::StreamExt as _;
use serde_json::json;
use zbus::message::Type;
use zbus::{MatchRule, MessageStream};

use super::{Format, list};
use crate::failure::{Exit, Failure};
use crate::find::short_id;
use crate::output::text::printable;
use crate::output::{Screen, json, style};

/// How many changes may wait while the tasks are listed.
const MAX_QUEUED: NonZeroUsize = NonZeroUsize::new(4096).unwrap();

/// Show every task as it stands, then every change as it happens
///
/// It ends with Ctrl-C. With --json it writes one object per line: {"task": …} for every task there is, then
/// {"event": …} for every change.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Only this app
    #[arg(long, value_name = "APP", default_value = "", hide_default_value = true)]
    app: String,
    #[command(flatten)]
    pub(crate) format: Format,
}

pub(crate) async fn run(args: &Args, broker: &BrokerProxy<'_>, screen: &mut Screen<'_>) -> Result<(), Failure> {
    // In this order nothing that happens meanwhile is missed.
    let mut events = listen(broker).await?;
    broker.watch(&args.app).await?;
    let tasks = broker.list_tasks(&args.app).await?;
    if args.format.json {
        for task in &tasks {
            screen.json_line(&json!({ "task": json::task(task) }))?;
        }
    } else {
        list::write(&tasks, screen)?;
        writeln!(screen.out)?;
        screen.out.flush()?;
    }
    while let Some(Ok(signal)) = events.next().await {
        let event: EventInfo = signal.body().deserialize()?;
        if args.format.json {
            screen.json_line(&json!({ "event": json::event(&event) }))?;
        } else {
            write(&event, screen)?;
        }
    }
    Err(Failure::new(Exit::Unreachable, "the broker ended: start `bgtask watch` again when it is back"))
}

/// The proxy's own stream would first ask a bus who the broker is, and there is none.
async fn listen(broker: &BrokerProxy<'_>) -> zbus::Result<MessageStream> {
    let rule = MatchRule::builder().msg_type(Type::Signal).interface(BROKER_INTERFACE).member("Event").build()?;
    MessageStream::for_match_rule(rule, broker.inner().connection(), Some(MAX_QUEUED)).await
}

fn write(event: &EventInfo, screen: &mut Screen<'_>) -> std::io::Result<()> {
    let (heading, strong, colour) = (style::HEADING, style::STRONG, style::of_event(&event.event, &event.text));
    let at = screen.clock.time_of_day(event.at);
    let (name, app, id) = (printable(&event.name), printable(&event.app), printable(short_id(&event.task, 8)));
    let text = printable(&event.text);
    writeln!(
        screen.out,
        "{heading}{at}{heading:#}  {strong}{name}{strong:#} {heading}{app} {id}{heading:#}  {colour}{text}{colour:#}"
    )?;
    screen.out.flush()
}
