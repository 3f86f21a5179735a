//! `bgtask pause`, `resume`, `cancel` and `remove`: what a person does with commands that are there.

use bgtask_wire::{BrokerProxy, TaskInfo};
use serde_json::{Value, json};

use super::Format;
use crate::failure::Failure;
use crate::find::find_task;
use crate::output::Screen;
use crate::output::text::printable;

/// Which commands.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Names, ids, or the first characters of ids
    #[arg(required = true)]
    tasks: Vec<String>,
    #[command(flatten)]
    pub(crate) format: Format,
}

/// What is done with them.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Deed {
    Pause,
    Resume,
    Cancel,
    Remove,
}

pub(crate) async fn run(
    deed: Deed,
    args: &Args,
    broker: &BrokerProxy<'_>,
    screen: &mut Screen<'_>,
) -> Result<(), Failure> {
    let mut done = Vec::new();
    for wanted in &args.tasks {
        let task = find_task(broker, wanted).await?;
        let text = deed.perform(&task, broker).await?;
        if args.format.json {
            done.push(json!({ "id": task.id, "name": task.name, "text": text }));
        } else {
            writeln!(screen.out, "{}: {text}.", printable(&task.name))?;
        }
    }
    if args.format.json { Ok(screen.json(&Value::from(done))?) } else { Ok(()) }
}

impl Deed {
    async fn perform(self, task: &TaskInfo, broker: &BrokerProxy<'_>) -> Result<String, Failure> {
        Ok(match self {
            Self::Pause => {
                broker.set_paused(&task.id, true).await?;
                "paused, it does not fire until `bgtask resume`".to_owned()
            }
            Self::Resume => {
                broker.set_paused(&task.id, false).await?;
                "fires again".to_owned()
            }
            Self::Cancel => match broker.cancel(&task.id).await? {
                0 => "nothing of it runs or waits".to_owned(),
                1 => "one instance was told to stop or given up".to_owned(),
                count => format!("{count} instances were told to stop or given up"),
            },
            Self::Remove => {
                if let Some(file) = &task.file {
                    let file = printable(file);
                    return Err(Failure::failed(format!(
                        "{} stands in {file}: delete that file to remove it, or pause it with `bgtask pause`",
                        task.name
                    )));
                }
                broker.unregister(&task.id, false).await?;
                let rest = if task.instance.is_some() && task.phase != "latched" && task.phase != "buffered" {
                    "; what runs of it may finish"
                } else {
                    ""
                };
                format!("removed{rest}")
            }
        })
    }
}
