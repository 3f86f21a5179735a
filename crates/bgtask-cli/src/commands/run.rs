//! `bgtask run`: a command now, whatever it waits for.

use std::num::NonZeroUsize;
use std::time::Duration;

use bgtask_log::{Follower, Line, LogError, Logs, Query};
use bgtask_wire::{BROKER_INTERFACE, BrokerProxy, EventInfo, ProgressInfo, TaskInfo};
use futures_util::{FutureExt as _, StreamExt as _};
use serde_json::{Value, json};
use tokio::time::{Instant, sleep_until};
use zbus::message::Type;
use zbus::{MatchRule, Message, MessageStream};

use super::{Format, logs};
use crate::failure::{Exit, Failure};
use crate::find::find_task;
use crate::output::Screen;
use crate::output::live::Live;
use crate::output::text::{plain, printable};

/// From then on what a run writes is followed. One that ends sooner is read when it has ended: to give up a watch of files
/// takes the kernel longer than a short run.
const SOON: Duration = Duration::from_millis(100);

/// How many changes may wait while one is shown.
const MAX_QUEUED: NonZeroUsize = NonZeroUsize::new(4096).unwrap();

/// Run a command now, whatever it waits for
///
/// With --wait it shows what the command writes and how far it is, and the exit code tells how it ended: 0 succeeded, 1 did
/// not. Ctrl-C ends the waiting, not the command.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// A command's name, its id, or the first characters of its id
    task: String,
    /// Wait until it has ended, and show what it writes and how far it is
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
    let Some(news) = news else {
        if args.format.json {
            return Ok(screen.json(&json!({ "task": task.id, "name": task.name, "instance": instance }))?);
        }
        return Ok(writeln!(screen.out, "{} runs, as {instance}.", printable(&task.name))?);
    };
    let mut run = Run { log: Output::of(&task, &instance), instance, quiet: args.format.json, live: Live::new() };
    let end = run.follow(news, screen).await?;
    if args.format.json {
        let answer = json!({
            "task": task.id, "name": task.name, "instance": run.instance, "ok": end.ok, "text": end.text,
        });
        screen.json(&answer)?;
    } else if end.ok {
        writeln!(screen.out, "{}: {}", printable(&task.name), printable(&end.text))?;
    }
    screen.out.flush()?;
    if end.ok { Ok(()) } else { Err(Failure::failed(format!("{}: {}", task.name, end.text))) }
}

/// A run that is waited for.
struct Run {
    instance: String,
    log: Option<Output>,
    quiet: bool,
    live: Live,
}

struct End {
    ok: bool,
    text: String,
}

impl Run {
    async fn follow(&mut self, mut news: MessageStream, screen: &mut Screen<'_>) -> Result<End, Failure> {
        loop {
            tokio::select! {
                lines = next_lines(&mut self.log) => self.show(&lines, screen)?,
                signal = news.next() => {
                    let Some(Ok(signal)) = signal else {
                        let text = "the broker ended; what ran goes on as its next attempt when it is back";
                        return Err(Failure::new(Exit::Unreachable, text));
                    };
                    if let Some(end) = self.hear(&signal, screen)? {
                        // The log is complete before the end is told.
                        let rest = self.log.as_mut().map(Output::rest).unwrap_or_default();
                        self.show(&rest, screen)?;
                        return Ok(end);
                    }
                }
            }
        }
    }

    /// The end, if that is what the signal tells.
    fn hear(&mut self, signal: &Message, screen: &mut Screen<'_>) -> Result<Option<End>, Failure> {
        match signal.header().member().map(|member| member.as_str()) {
            Some("Progressed") if !self.quiet => {
                let progress: ProgressInfo = signal.body().deserialize()?;
                if progress.instance == self.instance {
                    self.live.progress(&progress, screen.err)?;
                }
                Ok(None)
            }
            Some("Event") => {
                let event: EventInfo = signal.body().deserialize()?;
                if event.instance.as_ref() != Some(&self.instance) {
                    return Ok(None);
                }
                self.happened(event, screen)
            }
            _ => Ok(None),
        }
    }

    fn happened(&mut self, event: EventInfo, screen: &mut Screen<'_>) -> Result<Option<End>, Failure> {
        match event.event.as_str() {
            "completed" => {
                self.live.clear(screen.err)?;
                self.live.end(&self.instance);
                Ok(Some(End { ok: succeeded(&event), text: event.text }))
            }
            "dropped" => Ok(Some(End { ok: false, text: event.text })),
            "retrying" | "latched" | "buffered" | "cancelled" if !self.quiet => {
                self.live.clear(screen.err)?;
                writeln!(screen.out, "{}: {}", printable(&event.name), printable(&event.text))?;
                screen.out.flush()?;
                self.live.draw(screen.err)?;
                Ok(None)
            }
            _ => Ok(None),
        }
    }

    fn show(&mut self, lines: &[Line], screen: &mut Screen<'_>) -> Result<(), Failure> {
        if self.quiet {
            return Ok(());
        }
        self.live.clear(screen.err)?;
        for line in lines.iter().filter(|line| line.is_output()) {
            writeln!(screen.out, "{}", plain(&line.text()))?;
        }
        screen.out.flush()?;
        Ok(self.live.draw(screen.err)?)
    }
}

/// What a run writes. It is shown for convenience: that it cannot be is no reason to fail.
struct Output {
    logs: Logs,
    name: String,
    query: Query,
    follow_from: Instant,
    follower: Option<Follower>,
}

impl Output {
    fn of(task: &TaskInfo, instance: &str) -> Option<Self> {
        let (logs, name) = logs::log_of(task).ok()?;
        let query = Query { instance: Some(instance.to_owned()), ..Query::default() };
        Some(Self { logs, name, query, follow_from: Instant::now() + SOON, follower: None })
    }

    async fn next(&mut self) -> Result<Vec<Line>, LogError> {
        let follower = match &mut self.follower {
            Some(follower) => follower,
            none => {
                sleep_until(self.follow_from).await;
                none.insert(self.logs.follow(&self.name, self.query.clone())?)
            }
        };
        follower.next().await
    }

    /// What has not been shown of a run that has ended.
    fn rest(&mut self) -> Vec<Line> {
        let Some(follower) = &mut self.follower else {
            return self.logs.read(&self.name, &self.query).unwrap_or_default();
        };
        let more = std::iter::from_fn(|| follower.next().now_or_never()?.ok());
        more.flatten().collect()
    }
}

/// The next lines of the log; none ever come where there is none, or it cannot be read any more.
async fn next_lines(log: &mut Option<Output>) -> Vec<Line> {
    if let Some(output) = log {
        match output.next().await {
            Ok(lines) => return lines,
            Err(_gone) => *log = None,
        }
    }
    std::future::pending().await
}

fn succeeded(event: &EventInfo) -> bool {
    let detail: Value = serde_json::from_str(&event.detail).unwrap_or_default();
    detail["Completed"]["outcome"] == "Succeeded"
}
