use std::path::PathBuf;

use bgtask_wire::{BrokerProxy, TaskInfo};

use super::import::BETWEEN;
use crate::failure::Failure;
use crate::find::find_task;
use crate::output::Screen;
use crate::output::text::printable;

/// Print the task files of commands
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Names, ids, or the first characters of ids; all commands where none is given
    tasks: Vec<String>,
    /// Write them into this folder, one file each; it is made if need be
    #[arg(short, long, value_name = "DIR")]
    output: Option<PathBuf>,
}

pub(crate) async fn run(args: &Args, broker: &BrokerProxy<'_>, screen: &mut Screen<'_>) -> Result<(), Failure> {
    let mut tasks = Vec::new();
    for wanted in &args.tasks {
        tasks.push(find_task(broker, wanted).await?);
    }
    if args.tasks.is_empty() {
        tasks = broker.list_tasks("").await?;
        tasks.retain(|task| task.definition.is_some());
    }
    for (place, task) in tasks.iter().enumerate() {
        let definition = task.definition.as_ref().ok_or_else(|| of_an_app(task))?;
        match &args.output {
            Some(folder) => save(folder, task, definition, screen)?,
            None => {
                if place > 0 {
                    writeln!(screen.out, "{BETWEEN}")?;
                }
                write!(screen.out, "{definition}")?;
            }
        }
    }
    Ok(())
}

fn save(folder: &std::path::Path, task: &TaskInfo, definition: &str, screen: &mut Screen<'_>) -> Result<(), Failure> {
    let path = folder.join(bgtask_taskfile::file_name(&task.name));
    let cannot = |error| Failure::failed(format!("{} cannot be written: {error}", printable(&path.to_string_lossy())));
    std::fs::create_dir_all(folder).map_err(cannot)?;
    let mut file = std::fs::File::create_new(&path).map_err(cannot)?;
    std::io::Write::write_all(&mut file, definition.as_bytes()).map_err(cannot)?;
    Ok(writeln!(screen.out, "{}", printable(&path.to_string_lossy()))?)
}

fn of_an_app(task: &TaskInfo) -> Failure {
    Failure::failed(format!("{} belongs to the app {}: only commands have a task file", task.name, task.app))
}
