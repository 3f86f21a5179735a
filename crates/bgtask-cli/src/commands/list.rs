use bgtask_wire::{BrokerProxy, TaskInfo};
use serde_json::Value;

use super::Format;
use crate::failure::Failure;
use crate::find::{did_you_mean, quoted, short_id, short_id_length};
use crate::output::table::{Cell, Table};
use crate::output::task::{conditions, entry, phase, trigger};
use crate::output::{Screen, json, style};

/// List the registered tasks
///
/// NEXT is when a timer is released next, ENTRY what runs the task: an entry point of the app's task program, the program of
/// a class, or the app itself. Columns in which no task has anything are left out.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Only those of this app
    #[arg(long, value_name = "APP", default_value = "", hide_default_value = true)]
    app: String,
    /// Only those of the group with this id
    #[arg(long, value_name = "ID")]
    group: Option<String>,
    #[command(flatten)]
    pub(crate) format: Format,
}

pub(crate) async fn run(args: &Args, broker: &BrokerProxy<'_>, screen: &mut Screen<'_>) -> Result<(), Failure> {
    let mut tasks = broker.list_tasks(&args.app).await?;
    let hint = match &args.group {
        Some(wanted) => no_such_group(wanted, &tasks),
        None => nothing_of(&args.app, &tasks),
    };
    if let Some(wanted) = &args.group {
        tasks.retain(|task| task.group.as_ref() == Some(wanted));
    }
    match hint {
        _ if args.format.json => screen.json(&tasks.iter().map(json::task).collect::<Value>())?,
        Some(hint) => writeln!(screen.out, "{hint}")?,
        None => write(&tasks, screen)?,
    }
    Ok(())
}

/// The tasks as a table, or that there are none.
pub(super) fn write(tasks: &[TaskInfo], screen: &mut Screen<'_>) -> std::io::Result<()> {
    if tasks.is_empty() {
        return writeln!(screen.out, "No tasks are registered.");
    }
    let length = short_id_length(tasks.iter().map(|task| task.id.as_str()));
    let headings = &["NAME", "APP", "GROUP", "ID", "ENTRY", "TRIGGER", "NEXT", "CONDITIONS", "PHASE", "REGISTERED"];
    let mut table = Table::new(headings);
    for task in tasks {
        table.row([
            Cell::styled(&task.name, style::STRONG),
            Cell::new(&task.app),
            Cell::new(task.group.clone().unwrap_or_default()),
            Cell::new(short_id(&task.id, length)),
            Cell::new(entry(task)),
            Cell::new(trigger(task)),
            Cell::new(task.due.map(|due| screen.clock.relative(due)).unwrap_or_default()),
            Cell::new(conditions(task)),
            Cell::styled(phase(task), style::of_phase(&task.phase)),
            Cell::new(screen.clock.relative(task.registered_at)),
        ]);
    }
    table.write(screen.out, "")
}

fn nothing_of(app: &str, tasks: &[TaskInfo]) -> Option<String> {
    let nothing = !app.is_empty() && tasks.is_empty();
    nothing.then(|| {
        format!("No tasks of the app {} are registered; `bgtask apps` shows which apps there are.", quoted(app))
    })
}

fn no_such_group(wanted: &str, tasks: &[TaskInfo]) -> Option<String> {
    let groups = || tasks.iter().filter_map(|task| task.group.as_deref());
    if groups().any(|group| group == wanted) {
        return None;
    }
    let end = did_you_mean(wanted, groups()).unwrap_or_else(|| ".".to_owned());
    Some(format!("No tasks of the group {} are registered{end}", quoted(wanted)))
}
