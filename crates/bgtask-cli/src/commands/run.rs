//! `bgtask run`: a command now, whatever it waits for.

use std::io::IsTerminal as _;
use std::num::NonZeroUsize;

use bgtask_wire::{BROKER_INTERFACE, BrokerProxy, EventInfo, ProgressInfo};
use futures_util::StreamExt as _;
use serde_json::{Value, json};
use zbus::message::Type;
use zbus::{MatchRule, MessageStream};

use super::Format;
use crate::failure::{Exit, Failure};
use crate::find::find_task;
use crate::output::Screen;
use crate::output::progress::bar;
use crate::output::text::printable;

/// How many changes may wait while one is shown.
const MAX_QUEUED: NonZeroUsize = NonZeroUsize::new(4096).unwrap();

/// Run a command now, whatever it waits for
///
/// With --wait the exit code tells how it ended: 0 succeeded, 1 did not. Ctrl-C ends the waiting, not the command.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// A command's name, its id, or the first characters of its id
    task: String,
    /// Wait until it has ended, and show how far it is
    #[arg(long)]
    wait: bool,
    /// Run it only if its conditions hold, and otherwise as soon as they do
    #[arg(long)]
    if_conditions: bool,
    #[command(flatten)]
    pub(crate) format: Format,
}

pub(crate) async fn run(args: &Args, broker: &BrokerProxy<'_>, screen: &mut Screen<'_>) -> Result<(), Failure> {
    let task = find_task(broker, &args.task).await?;
    let mut news = None;
    if args.wait {
        // In this order nothing that happens meanwhile is missed.
        let rule = MatchRule::builder().msg_type(Type::Signal).interface(BROKER_INTERFACE).build()?;
        news = Some(MessageStream::for_match_rule(rule, broker.inner().connection(), Some(MAX_QUEUED)).await?);
        broker.watch(&task.app).await?;
    }
    let instance = broker.run_now(&task.id, args.if_conditions).await?;
    let Some(mut news) = news else {
        if args.format.json {
            return Ok(screen.json(&json!({ "task": task.id, "name": task.name, "instance": instance }))?);
        }
        return Ok(writeln!(screen.out, "{} runs, as {instance}.", printable(&task.name))?);
    };
    let end = follow(&mut news, &instance, args.format.json, screen).await?;
    if args.format.json {
        let answer =
            json!({ "task": task.id, "name": task.name, "instance": instance, "ok": end.ok, "text": end.text });
        screen.json(&answer)?;
    } else if end.ok {
        writeln!(screen.out, "{}: {}", printable(&task.name), printable(&end.text))?;
    }
    screen.out.flush()?;
    if end.ok { Ok(()) } else { Err(Failure::failed(format!("{}: {}", task.name, end.text))) }
}

struct End {
    ok: bool,
    text: String,
}

async fn follow(
    news: &mut MessageStream,
    instance: &str,
    quiet: bool,
    screen: &mut Screen<'_>,
) -> Result<End, Failure> {
    let draws = !quiet && std::io::stderr().is_terminal();
    while let Some(Ok(signal)) = news.next().await {
        match signal.header().member().map(|member| member.as_str()) {
            Some("Progressed") if draws => {
                let progress: ProgressInfo = signal.body().deserialize()?;
                if progress.instance == instance {
                    eprint!("\r{}", bar(progress.value, progress.message.as_deref()));
                }
            }
            Some("Event") => {
                let event: EventInfo = signal.body().deserialize()?;
                let its = event.instance.as_deref() == Some(instance);
                match event.event.as_str() {
                    "completed" if its => {
                        clear(draws);
                        return Ok(End { ok: succeeded(&event), text: event.text });
                    }
                    "dropped" if its => return Ok(End { ok: false, text: event.text }),
                    "retrying" | "latched" | "buffered" if its && !quiet => {
                        clear(draws);
                        writeln!(screen.out, "{}: {}", printable(&event.name), printable(&event.text))?;
                        screen.out.flush()?;
                    }
                    _ => {}
                }
            }
            _ => {}
        }
    }
    Err(Failure::new(Exit::Unreachable, "the broker ended; what ran goes on as its next attempt when it is back"))
}

fn succeeded(event: &EventInfo) -> bool {
    let detail: Value = serde_json::from_str(&event.detail).unwrap_or_default();
    detail["Completed"]["outcome"] == "Succeeded"
}

fn clear(draws: bool) {
    if draws {
        eprint!("\r\x1b[K");
    }
}
