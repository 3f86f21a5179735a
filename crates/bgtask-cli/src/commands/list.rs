use bgtask_wire::{BrokerProxy, TaskInfo};
use serde_json::Value;

use super::Format;
use crate::failure::Failure;
use crate::find::{short_id, short_id_length};
use crate::output::table::{Cell, Table};
use crate::output::{Screen, json, style};

/// List the registered tasks
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Only those of this app
    #[arg(long, value_name = "APP", default_value = "", hide_default_value = true)]
    app: String,
    #[command(flatten)]
    pub(crate) format: Format,
}

pub(crate) async fn run(args: &Args, broker: &BrokerProxy<'_>, screen: &mut Screen<'_>) -> Result<(), Failure> {
    let tasks = broker.list_tasks(&args.app).await?;
    if args.format.json {
        screen.json(&tasks.iter().map(json::task).collect::<Value>())?;
    } else {
        write(&tasks, screen)?;
    }
    Ok(())
}

/// The tasks as a table, or that there are none.
pub(super) fn write(tasks: &[TaskInfo], screen: &mut Screen<'_>) -> std::io::Result<()> {
    if tasks.is_empty() {
        return writeln!(screen.out, "No tasks are registered.");
    }
    let length = short_id_length(tasks.iter().map(|task| task.id.as_str()));
    let mut table = Table::new(&["NAME", "APP", "ID", "TRIGGER", "CONDITIONS", "PHASE", "REGISTERED"]);
    for task in tasks {
        table.row([
            Cell::styled(&task.name, style::STRONG),
            Cell::new(&task.app),
            Cell::new(short_id(&task.id, length)),
            Cell::new(trigger(task)),
            Cell::new(conditions(task)),
            Cell::styled(phase(task), style::of_phase(&task.phase)),
            Cell::new(screen.clock.relative(task.registered_at)),
        ]);
    }
    table.write(screen.out, "")
}

/// The event of a system trigger, else the trigger's class.
pub(super) fn trigger(task: &TaskInfo) -> String {
    let event = if task.trigger_type.is_empty() { &task.trigger } else { &task.trigger_type };
    if task.one_shot { format!("{event} (once)") } else { event.clone() }
}

pub(super) fn conditions(task: &TaskInfo) -> String {
    if task.conditions.is_empty() { "–".to_owned() } else { task.conditions.join(", ") }
}

/// The phase with what is known of the activation: `running, progress 40, attempt 2`.
pub(super) fn phase(task: &TaskInfo) -> String {
    let mut text = task.phase.clone();
    if let Some(progress) = task.progress {
        text.push_str(&format!(", progress {progress}"));
    }
    if let Some(attempt) = task.attempt.filter(|attempt| *attempt > 1) {
        text.push_str(&format!(", attempt {attempt}"));
    }
    text
}
