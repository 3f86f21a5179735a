//! What is known about a task: from the broker, from the machine, from the file system.

use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use bgtask_core::{Command, Fact, NewRegistration};
use bgtask_sources::{Probe, Status};
use bgtask_taskfile::Task;
use bgtask_wire::{BrokerProxy, HistoryQuery, TaskInfo};

use super::{Known, program_of};
use crate::commands::history::durations;
use crate::failure::Failure;
use crate::machine;
use crate::output::time::Clock;

/// How many lines of history tell how long its runs take.
const LINES: u32 = 200;

/// What is known to all tasks that are looked at together.
pub(crate) struct Around {
    clock: Clock,
    commands: Vec<NewRegistration>,
    seen: BTreeMap<Fact, Probe>,
    /// By the names of those that listen.
    heard: BTreeMap<String, Status>,
}

impl Around {
    /// `tasks` is what is registered, `looked_at` what is looked at.
    pub(crate) async fn of(tasks: &[TaskInfo], looked_at: &[&Task], clock: &Clock) -> Self {
        let commands = tasks.iter().filter_map(|info| Some(parsed(info)?.registration)).collect();
        let facts: BTreeSet<_> = looked_at.iter().flat_map(|task| facts_of(&task.registration)).collect();
        Self { clock: clock.clone(), commands, seen: machine::look(facts).await, heard: BTreeMap::new() }
    }

    /// With how well each of them hears what its trigger listens to. A task that is about to be added is tried by the broker.
    pub(crate) async fn listening(mut self, looked_at: &[&Task]) -> Self {
        for task in looked_at {
            let status = machine::hear(&task.registration.trigger).await;
            self.heard.extend(status.map(|status| (task.registration.name.clone(), status)));
        }
        self
    }

    /// What is known about one of them, without the past.
    pub(crate) fn known(&self, task: &Task) -> Known {
        let name = &task.registration.name;
        let command = task.registration.entry.command();
        Known {
            now: self.clock.now().as_microsecond(),
            zone: self.clock.zone().clone(),
            others: self.commands.iter().filter(|other| other.name != *name).cloned().collect(),
            durations: Vec::new(),
            seen: self.seen.clone(),
            heard: self.heard.get(name).cloned(),
            absent_dir: command.and_then(absent_dir),
            absent_program: command.and_then(absent_program),
        }
    }
}

/// As [`Around::known`], with how long its runs took so far.
pub(crate) async fn gather(around: &Around, task: &Task, broker: &BrokerProxy<'_>) -> Result<Known, Failure> {
    Ok(Known { durations: past(&task.registration.name, broker).await?, ..around.known(task) })
}

async fn past(name: &str, broker: &BrokerProxy<'_>) -> Result<Vec<Duration>, Failure> {
    let app = Some(bgtask_core::App::COMMANDS.to_owned());
    let query = HistoryQuery { app, name: Some(name.to_owned()), limit: Some(LINES), ..HistoryQuery::default() };
    Ok(durations(&broker.history(query).await?))
}

/// The command that the broker has.
pub(crate) fn parsed(info: &TaskInfo) -> Option<Task> {
    bgtask_taskfile::parse(&info.name, info.definition.as_deref()?).ok()
}

fn facts_of(task: &NewRegistration) -> Vec<Fact> {
    let of_conditions = task.conditions.iter().map(|condition| condition.fact());
    Fact::behind(&task.trigger).into_iter().chain(of_conditions).collect()
}

fn absent_dir(command: &Command) -> Option<String> {
    let dir = Path::new(&*command.dir);
    (!command.dir.is_empty() && !dir.is_dir()).then(|| command.dir.to_string())
}

fn absent_program(command: &Command) -> Option<String> {
    let program = program_of(command);
    let candidates: Vec<PathBuf> = if program.contains('/') {
        vec![Path::new(&*command.dir).join(program)]
    } else {
        let own = command.env.get("PATH").map(|path| path.to_string().into());
        let path = own.or_else(|| std::env::var_os("PATH")).unwrap_or_default();
        std::env::split_paths(&path).map(|folder| folder.join(program)).collect()
    };
    if candidates.iter().any(|path| is_program(path)) {
        return None;
    }
    Some(match candidates.iter().find(|path| path.exists()) {
        Some(path) if path.is_dir() => format!("{} is a folder", path.display()),
        Some(path) => format!("{} is not executable", path.display()),
        None if program.contains('/') => format!("there is no program {program}"),
        None => format!("there is no program {program} in $PATH"),
    })
}

/// Whether a file can be run.
pub(crate) fn is_program(path: &Path) -> bool {
    path.metadata().is_ok_and(|data| data.is_file() && data.permissions().mode() & 0o111 != 0)
}
