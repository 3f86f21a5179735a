use std::num::NonZeroUsize;

use bgtask_wire::{BROKER_INTERFACE, BrokerProxy, EventInfo, ProgressInfo};
use futures_util::StreamExt as _;
use serde_json::json;
use zbus::message::Type;
use zbus::{MatchRule, Message, MessageStream};

use super::{Format, list};
use crate::failure::{Exit, Failure};
use crate::find::{is_of_commands, short_id};
use crate::output::live::Live;
use crate::output::progress::bar;
use crate::output::text::printable;
use crate::output::{Screen, json, style};

/// How many changes may wait while the tasks are listed.
const MAX_QUEUED: NonZeroUsize = NonZeroUsize::new(4096).unwrap();

/// Show every task as it stands, then every change as it happens
///
/// On a terminal a bar shows how far everything is that runs. It ends with Ctrl-C. With --json it writes one object per
/// line: {"task": …} for every task there is, then {"event": …} for every change and {"progress": …} for every report.
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
    let mut news = News { json: args.format.json, live: Live::new() };
    while let Some(Ok(signal)) = events.next().await {
        news.tell(&signal, screen)?;
    }
    news.live.clear(screen.err)?;
    Err(Failure::new(Exit::Unreachable, "the broker ended: start `bgtask watch` again when it is back"))
}

/// The proxy's own stream would first ask a bus who the broker is, and there is none.
async fn listen(broker: &BrokerProxy<'_>) -> zbus::Result<MessageStream> {
    let rule = MatchRule::builder().msg_type(Type::Signal).interface(BROKER_INTERFACE).build()?;
    MessageStream::for_match_rule(rule, broker.inner().connection(), Some(MAX_QUEUED)).await
}

/// How what happens is shown.
struct News {
    json: bool,
    live: Live,
}

impl News {
    fn tell(&mut self, signal: &Message, screen: &mut Screen<'_>) -> Result<(), Failure> {
        match signal.header().member().map(|member| member.as_str()) {
            Some("Event") => Ok(self.event(&signal.body().deserialize()?, screen)?),
            Some("Progressed") => Ok(self.progress(&signal.body().deserialize()?, screen)?),
            _ => Ok(()),
        }
    }

    fn event(&mut self, event: &EventInfo, screen: &mut Screen<'_>) -> std::io::Result<()> {
        if self.json {
            return screen.json_line(&json!({ "event": json::event(event) }));
        }
        if let Some(instance) = event.instance.as_deref().filter(|_| ends_a_run(&event.event)) {
            self.live.end(instance);
        }
        self.live.clear(screen.err)?;
        write(event, screen)?;
        self.live.draw(screen.err)
    }

    fn progress(&mut self, progress: &ProgressInfo, screen: &mut Screen<'_>) -> std::io::Result<()> {
        if self.json {
            return screen.json_line(&json!({ "progress": json::progress(progress) }));
        }
        if screen.width.is_some() {
            return self.live.progress(progress, screen.err);
        }
        let (name, bar) = (printable(&progress.name), bar(progress.value, progress.message.as_deref()));
        writeln!(screen.out, "{:12}  {name}  {bar}", "")?;
        screen.out.flush()
    }
}

fn ends_a_run(event: &str) -> bool {
    matches!(event, "completed" | "dropped" | "retrying" | "interrupted")
}

fn write(event: &EventInfo, screen: &mut Screen<'_>) -> std::io::Result<()> {
    let (dim, strong, colour) = (style::HEADING, style::STRONG, style::of_event(&event.event, &event.text));
    let at = screen.clock.time_of_day(event.at);
    let (name, text) = (printable(&event.name), printable(&event.text));
    write!(screen.out, "{dim}{at}{dim:#}  {strong}{name}{strong:#}")?;
    if !is_of_commands(&event.app) {
        let (app, id) = (printable(&event.app), printable(short_id(&event.task, 8)));
        write!(screen.out, " {dim}{app} {id}{dim:#}")?;
    }
    writeln!(screen.out, "  {colour}{text}{colour:#}")?;
    screen.out.flush()
}
