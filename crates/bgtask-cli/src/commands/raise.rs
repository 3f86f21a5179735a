use bgtask_wire::{BrokerProxy, TaskInfo};
use clap::builder::NonEmptyStringValueParser;
use serde_json::json;

use super::Format;
use crate::failure::Failure;
use crate::find::{did_you_mean, quoted};
use crate::output::Screen;
use crate::output::text::{counted, printable};

const NOTES: &str = "\
Every task with a CustomSystemEventTrigger of this id fires, of whatever app.
One that counts the event once a session does not hear it again until the user
has logged out and in again.

Exit code 3 says that no task heard it. Where that is fine, in a hook:
  bgtask raise org.example.jack-plugged || test $? = 3";

/// Raise a custom event: the tasks that wait for it fire
#[derive(Debug, clap::Args)]
#[command(after_help = NOTES)]
pub(crate) struct Args {
    /// The event's id, such as org.example.jack-plugged
    #[arg(value_parser = NonEmptyStringValueParser::new())]
    event: String,
    #[command(flatten)]
    pub(crate) format: Format,
}

pub(crate) async fn run(args: &Args, broker: &BrokerProxy<'_>, screen: &mut Screen<'_>) -> Result<(), Failure> {
    let count = broker.raise(&args.event).await?;
    if args.format.json {
        screen.json(&json!({ "event": args.event, "count": count }))?;
    }
    if count == 0 {
        return Err(unheard(&args.event, &broker.list_tasks("").await?));
    }
    if !args.format.json {
        let heard = counted(usize::try_from(count).unwrap_or(usize::MAX), "task");
        writeln!(screen.out, "{heard} heard {}.", printable(&args.event))?;
    }
    Ok(())
}

/// Nobody heard it: nobody waits for it, or who does has heard it in this session.
fn unheard(event: &str, tasks: &[TaskInfo]) -> Failure {
    let events = || tasks.iter().filter_map(|task| task.event_id.as_deref());
    let waiting = events().filter(|id| *id == event).count();
    let why = match (waiting, did_you_mean(event, events())) {
        (0, Some(hint)) => format!(": none waits for it{hint}"),
        (0, None) => ": none waits for it, `bgtask list` shows what tasks wait for".to_owned(),
        (_, _) => {
            let tasks = counted(waiting, "task");
            format!(": {tasks} with that trigger heard it earlier in this session, and once a session is enough")
        }
    };
    Failure::absent(format!("no task heard the event {}{why}", quoted(event)))
}
