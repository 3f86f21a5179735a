use bgtask_wire::{BrokerProxy, TaskInfo};
use serde_json::Value;

use super::Format;
use crate::failure::Failure;
use crate::find::{did_you_mean, is_of_commands, quoted, short_id, short_id_length};
use crate::output::table::{Cell, Table};
use crate::output::task::{conditions, entry, phase, trigger};
use crate::output::{Screen, command, json, style};

/// List the registered tasks
///
/// The user's own commands come first: IF is what has to hold, LAST how the last run ended, NEXT when time fires it next.
/// Then the tasks of apps: NEXT is when a timer is released next, ENTRY what runs the task: an entry point of the app's task
/// program, the program of a class, or the app itself. Columns in which no task has anything are left out.
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

/// The tasks as tables, or that there are none.
pub(super) fn write(tasks: &[TaskInfo], screen: &mut Screen<'_>) -> std::io::Result<()> {
    if tasks.is_empty() {
        let hint = "`bgtask add NAME --every 6h -- COMMAND` adds a command.";
        return writeln!(screen.out, "No tasks are registered. {hint}");
    }
    let (mut commands, of_apps): (Vec<_>, Vec<_>) = tasks.iter().partition(|task| is_of_commands(&task.app));
    commands.sort_by_key(|task| &task.name);
    if !commands.is_empty() {
        write_commands(&commands, screen)?;
    }
    if !commands.is_empty() && !of_apps.is_empty() {
        writeln!(screen.out)?;
    }
    if of_apps.is_empty() { Ok(()) } else { write_of_apps(&of_apps, screen) }
}

fn write_commands(tasks: &[&TaskInfo], screen: &mut Screen<'_>) -> std::io::Result<()> {
    let mut table = Table::new(&["NAME", "WHEN", "IF", "STATE", "LAST", "NEXT"]);
    for task in tasks {
        let last = command::last(task, &screen.clock);
        let of_last = if task.last_ok == Some(false) { style::BAD } else { style::GOOD };
        table.row([
            Cell::styled(&task.name, style::STRONG),
            Cell::new(command::when(task)),
            Cell::new(command::conditions(task)),
            Cell::styled(command::state(task), style::of_phase(&task.phase)),
            Cell::styled(last, of_last),
            Cell::new(command::next(task).map(|at| screen.clock.relative(at)).unwrap_or_default()),
        ]);
    }
    table.write(screen, "")
}

fn write_of_apps(tasks: &[&TaskInfo], screen: &mut Screen<'_>) -> std::io::Result<()> {
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
    table.write(screen, "")
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
