use bgtask_wire::BrokerProxy;
use serde_json::json;

use super::Format;
use crate::failure::Failure;
use crate::find::find_task;
use crate::output::Screen;
use crate::output::text::printable;

/// Unregister a task: it never runs again
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// A task's name, its id, or the first characters of its id
    task: String,
    /// Tell a running instance to stop, instead of letting it finish
    #[arg(long)]
    cancel: bool,
    #[command(flatten)]
    pub(crate) format: Format,
}

pub(crate) async fn run(args: &Args, broker: &BrokerProxy<'_>, screen: &mut Screen<'_>) -> Result<(), Failure> {
    let task = find_task(broker, &args.task).await?;
    broker.unregister(&task.id, args.cancel).await?;
    if args.format.json {
        let answer = json!({ "id": task.id, "app": task.app, "name": task.name, "cancel": args.cancel });
        return Ok(screen.json(&answer)?);
    }
    let rest = match (task.phase.as_str(), args.cancel) {
        ("starting" | "running" | "suspended", true) => "; its running instance was told to stop",
        ("starting" | "running" | "suspended", false) => "; its running instance may finish",
        ("latched" | "buffered", _) => "; its waiting activation was dropped",
        _ => "",
    };
    let (name, app) = (printable(&task.name), printable(&task.app));
    writeln!(screen.out, "Unregistered {name} ({}) of {app}{rest}.", task.id)?;
    Ok(())
}
