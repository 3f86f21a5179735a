//! `bgtask add`: a command line becomes a background task.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use bgtask_core::{Command, CustomSystemEventTriggerRecurrence, Entry, NewRegistration, PathEvents, Retry, Trigger};
use bgtask_taskfile::{Diagnostic, Options, Task, WordError};
use bgtask_wire::{BrokerProxy, TaskInfo};
use serde_json::json;

use super::Format;
use crate::connection::Target;
use crate::failure::{Exit, Failure};
use crate::lint::{self, Around, gather, is_program};
use crate::output::text::printable;
use crate::output::{Screen, json, style};

/// Make any command a background task
///
/// It runs whenever its trigger fires and all its conditions hold, for this user, without a manifest and without root.
/// `bgtask triggers` and `bgtask conditions` list the words, `bgtask why NAME` says why it is not running now.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// What to call it: any text, once
    name: String,
    #[command(flatten)]
    fires: Fires,
    /// What must hold for it to run, all of it: unmetered,ac-power,user-away
    #[arg(long, value_name = "COND,…", value_delimiter = ',')]
    when: Vec<String>,
    /// Stop it when a condition stops holding
    #[arg(long)]
    cancel_on_condition_loss: bool,
    #[command(flatten)]
    bounds: Bounds,
    /// Set a variable of its environment
    #[arg(long, value_name = "NAME=VALUE")]
    env: Vec<String>,
    /// The folder it starts in; this one where nothing is said
    #[arg(long)]
    dir: Option<PathBuf>,
    /// Add it switched off: `bgtask resume` switches it on
    #[arg(long)]
    paused: bool,
    /// Take the place of the command that has this name
    #[arg(long)]
    replace: bool,
    /// Add it although it can never run as it is
    #[arg(long)]
    force: bool,
    /// Only print its task file
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    pub(crate) format: Format,
    /// The program and its arguments
    #[arg(last = true, required = true, value_name = "COMMAND", num_args = 1..)]
    command: Vec<String>,
}

/// What fires it.
#[derive(Debug, clap::Args)]
struct Fires {
    #[command(flatten)]
    one: OneOf,
    /// Only once, then it is gone
    #[arg(long)]
    once: bool,
    /// How much later than due it may fire, so that one wake-up serves several tasks
    #[arg(long, value_name = "TIME")]
    accuracy: Option<String>,
    /// Fire later by a part of this that is always the same on this machine
    #[arg(long, value_name = "TIME")]
    jitter: Option<String>,
    /// Wake the machine from its sleep for it, where that is permitted
    #[arg(long, conflicts_with = "on")]
    wake: bool,
    /// The time zone of --at, such as Europe/Berlin
    #[arg(long, requires = "at")]
    zone: Option<String>,
    /// Make up for a time of --at that was missed while the machine was off or asleep
    #[arg(long, requires = "at")]
    catch_up: bool,
    /// Watch the folders within a path: too
    #[arg(long, requires = "on")]
    recursive: bool,
    /// Which changes at a path: count: created, changed, written, deleted, moved
    #[arg(long, requires = "on", value_delimiter = ',', value_name = "CHANGE,…")]
    changes: Vec<String>,
    /// How long nothing may change at a path: before it fires
    #[arg(long, requires = "on", value_name = "TIME")]
    settle: Option<String>,
}

#[derive(Debug, clap::Args)]
#[group(required = true, multiple = false)]
struct OneOf {
    /// When something happens: time-zone-change, path:~/notes, session-start, ac-power …
    #[arg(long, value_name = "TRIGGER")]
    on: Option<String>,
    /// Again and again, from 1s up: 15min, 6h, 2d
    #[arg(long, value_name = "TIME")]
    every: Option<String>,
    /// At times of a calendar, as cron or systemd writes them: "0 9 * * 1-5", "Mon..Fri 09:00"
    #[arg(long, value_name = "CALENDAR")]
    at: Option<String>,
}

/// What it may take.
#[derive(Debug, clap::Args)]
struct Bounds {
    /// How long one try may take; a day where nothing is said
    #[arg(long, value_name = "TIME")]
    timeout: Option<String>,
    /// How much processor time one try may use
    #[arg(long, value_name = "TIME")]
    cpu: Option<String>,
    /// How much memory it may use: 500M, 2G
    #[arg(long, value_name = "SIZE")]
    memory: Option<String>,
    /// Keep the machine from sleeping while it runs, for the network
    #[arg(long, conflicts_with = "no_network")]
    network: bool,
    /// No network at all
    #[arg(long)]
    no_network: bool,
    /// Let everything else go first
    #[arg(long)]
    nice: bool,
    /// How often to try again after a failure
    #[arg(long, value_name = "N")]
    retry: Option<u32>,
    /// How long to wait after the first failure; twice as long after each further one
    #[arg(long, value_name = "TIME", requires = "retry")]
    backoff: Option<String>,
    /// It has to succeed within this time again and again; what does not is reported
    #[arg(long, value_name = "TIME")]
    fresh_within: Option<String>,
    /// Let it leave a small file for its next try ($BGTASK_CHECKPOINT)
    #[arg(long)]
    checkpoint: bool,
    /// Run it behind walls
    ///
    /// strict: the system read-only, and nothing of yours; home-read and home-write: your home folder, too; no-network: all
    /// files, and no network. It does not run where a wall is missing.
    #[arg(long, value_name = "PROFILE", value_parser = bgtask_taskfile::SANDBOXES)]
    sandbox: Option<String>,
}

const EXAMPLES: &str = "\
Examples:
  bgtask add backup --every 6h --when unmetered,ac-power,user-away -- restic backup ~
  bgtask add tz --on time-zone-change -- notify-send \"New time zone\"
  bgtask add sync --on path:~/notes --when internet -- git push
  bgtask add report --at 'Mon..Fri 09:00' --catch-up --retry 3 -- ./report.sh";

pub(crate) async fn run(args: &Args, target: &Target, screen: &mut Screen<'_>) -> Result<(), Failure> {
    let task = args.task()?;
    let definition = bgtask_taskfile::write(&task);
    if let Err(mistakes) = bgtask_taskfile::parse(&bgtask_taskfile::file_name(&args.name), &definition) {
        return Err(usage(mistakes.iter().map(said).collect::<Vec<_>>().join("\n")));
    }
    if args.dry_run {
        return Ok(write!(screen.out, "{definition}")?);
    }
    let broker = target.connect().await?;
    examine(&task, args.force, &broker, screen).await?;
    let (id, update) = broker.add_task(&args.name, &definition, args.replace).await?;
    if args.paused {
        broker.set_paused(&id, true).await?;
    }
    let info = broker.get_task(&id).await?;
    if args.format.json {
        let mut answer = json::task(&info);
        answer["update"] = json!(update);
        return Ok(screen.json(&answer)?);
    }
    told(&info, &update, &broker, screen).await
}

/// Says what is likely to go wrong with a task, and refuses what can never run.
pub(super) async fn examine(
    task: &Task,
    force: bool,
    broker: &BrokerProxy<'_>,
    screen: &mut Screen<'_>,
) -> Result<(), Failure> {
    let tasks = broker.list_tasks(bgtask_core::App::COMMANDS).await?;
    let around = Around::of(&tasks, &[task], &screen.clock).await;
    let is_known = tasks.iter().any(|known| known.name == task.registration.name);
    let known = if is_known { gather(&around, task, broker).await? } else { around.known(task) };
    let findings = lint::lint(task, &known);
    lint::tell(&findings, screen)?;
    if lint::has_errors(&findings) && !force {
        let text = format!("{} can never run as it is: correct it, or insist with --force", task.registration.name);
        return Err(Failure::failed(text));
    }
    Ok(())
}

/// A mistake in one line.
pub(super) fn said(mistake: &Diagnostic) -> String {
    match &mistake.help {
        Some(help) => format!("{}: {help}", mistake.message),
        None => mistake.message.clone(),
    }
}

/// What will happen, and what holds it now.
async fn told(info: &TaskInfo, update: &str, broker: &BrokerProxy<'_>, screen: &mut Screen<'_>) -> Result<(), Failure> {
    let done = match update {
        "replaced" => "Replaced",
        "unchanged" => "Unchanged:",
        _ => "Added",
    };
    let name = printable(&info.name);
    let strong = style::STRONG;
    writeln!(screen.out, "{done} {strong}{name}{strong:#}.")?;
    let why = broker.why(&info.id).await?;
    writeln!(screen.out, "{}", printable(&why.sentence))?;
    let closed: Vec<_> =
        why.gates.iter().filter(|gate| !gate.open && gate.value != "unknown").map(|gate| gate.name.clone()).collect();
    if why.phase == "idle" && !closed.is_empty() {
        writeln!(screen.out, "It would have to wait now: {}.", printable(&closed.join(", ")))?;
    }
    Ok(())
}

impl Args {
    /// The task these words stand for.
    pub(crate) fn task(&self) -> Result<Task, Failure> {
        let home = home()?;
        let here = std::env::current_dir().map_err(|error| Failure::failed(format!("this folder is gone: {error}")))?;
        let trigger = self.fires.trigger(&home, &here)?;
        let conditions = match self.when.as_slice() {
            [] => Vec::new(),
            words => bgtask_taskfile::conditions(&words.join(",")).map_err(|error| wrong("--when", &error))?,
        };
        Ok(Task {
            registration: NewRegistration {
                name: self.name.clone(),
                entry: Entry::Command(Arc::new(self.command(&here)?)),
                trigger,
                conditions,
                cancel_on_condition_loss: self.cancel_on_condition_loss,
                is_network_requested: self.bounds.network,
                group: None,
            },
            paused: self.paused,
        })
    }

    fn command(&self, here: &Path) -> Result<Command, Failure> {
        let dir = self.dir.as_ref().map_or_else(|| here.to_owned(), |dir| here.join(dir));
        if !dir.is_dir() {
            return Err(usage(format!("--dir: there is no folder {}", printable(&dir.to_string_lossy()))));
        }
        let program = program(&self.command[0], &dir)?;
        let arguments = self.command[1..].iter().map(|argument| Arc::from(argument.as_str()));
        let bounds = &self.bounds;
        let retry = Retry::default();
        Ok(Command {
            env: self.env.iter().map(|pair| variable(pair)).collect::<Result<BTreeMap<_, _>, _>>()?,
            dir: text(&dir)?.into(),
            timeout: time("--timeout", bounds.timeout.as_ref())?.unwrap_or(Command::TIMEOUT),
            cpu: time("--cpu", bounds.cpu.as_ref())?,
            memory: bounds
                .memory
                .as_ref()
                .map(|word| bgtask_taskfile::size(word).map_err(|error| wrong("--memory", &error)))
                .transpose()?,
            network: !bounds.no_network,
            nice: bounds.nice,
            retry: Retry {
                times: bounds.retry.unwrap_or(retry.times),
                backoff: time("--backoff", bounds.backoff.as_ref())?.unwrap_or(retry.backoff),
            },
            fresh_within: time("--fresh-within", bounds.fresh_within.as_ref())?,
            checkpoint: bounds.checkpoint,
            sandbox: bounds.sandbox.as_deref().map(Into::into),
            ..Command::new(std::iter::once(Arc::from(program)).chain(arguments))
        })
    }
}

impl Fires {
    fn trigger(&self, home: &str, here: &Path) -> Result<Trigger, Failure> {
        let options = Options {
            once: self.once,
            accuracy: time("--accuracy", self.accuracy.as_ref())?,
            jitter: time("--jitter", self.jitter.as_ref())?,
            wake: self.wake,
            zone: self.zone.as_deref(),
            catch_up: self.catch_up,
            recursive: self.recursive,
            changes: self.changes()?,
            settle: time("--settle", self.settle.as_ref())?,
            ..Options::at_home(home)
        };
        let (flag, word) = match &self.one {
            OneOf { every: Some(every), .. } => ("--every", format!("every:{every}")),
            OneOf { at: Some(at), .. } => ("--at", format!("at:{at}")),
            OneOf { on, .. } => ("--on", absolute(on.as_deref().unwrap_or_default(), here)?),
        };
        let trigger = bgtask_taskfile::trigger(&word, &options).map_err(|error| wrong(flag, &error))?;
        Ok(match trigger {
            Trigger::CustomSystemEvent { id, .. } if self.once => {
                Trigger::CustomSystemEvent { id, recurrence: CustomSystemEventTriggerRecurrence::Once }
            }
            trigger => trigger,
        })
    }

    fn changes(&self) -> Result<Option<PathEvents>, Failure> {
        let mut events = PathEvents::NONE;
        for name in &self.changes {
            if !events.set(name.trim()) {
                let names = PathEvents::NAMES.join(", ");
                return Err(usage(format!(
                    "--changes: {:?} is no change at a path: it is one of {names}",
                    printable(name)
                )));
            }
        }
        Ok((!self.changes.is_empty()).then_some(events))
    }
}

/// A path is meant from where it is written.
fn absolute(word: &str, here: &Path) -> Result<String, Failure> {
    match word.strip_prefix("path:") {
        Some(path) if !path.is_empty() && !path.starts_with(['/', '~']) => {
            Ok(format!("path:{}", text(&here.join(path))?))
        }
        _ => Ok(word.to_owned()),
    }
}

/// The program, by its absolute path: what is meant now is what runs later.
fn program(name: &str, dir: &Path) -> Result<String, Failure> {
    let candidates: Vec<PathBuf> = if name.contains('/') {
        vec![dir.join(name).components().collect()]
    } else {
        let path = std::env::var_os("PATH").unwrap_or_default();
        std::env::split_paths(&path).map(|folder| folder.join(name)).collect()
    };
    if let Some(found) = candidates.iter().find(|path| is_program(path)) {
        return text(found);
    }
    let shown = printable(name);
    Err(match candidates.iter().find(|path| path.exists()) {
        _ if name.is_empty() => usage("the command is empty: name a program to run".to_owned()),
        Some(path) if path.is_dir() => usage(format!("{shown} is a folder, not a program")),
        Some(path) => {
            let path = printable(&path.to_string_lossy()).into_owned();
            usage(format!(
                "{path} is no program: make it executable with `chmod +x {path}`, or run it with its interpreter"
            ))
        }
        None if name.contains(' ') => {
            usage(format!("there is no program {shown:?}: for a line of shell write -- sh -c '{shown}'"))
        }
        None if name.contains('/') => usage(format!("there is no program {shown}")),
        None => usage(format!("there is no program {shown:?} in $PATH: is it installed, and written like that?")),
    })
}

fn variable(pair: &str) -> Result<(Arc<str>, Arc<str>), Failure> {
    match pair.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.into(), value.into())),
        _ => Err(usage(format!("--env: {:?} is no NAME=VALUE: write --env LANG=C", printable(pair)))),
    }
}

fn time(flag: &str, word: Option<&String>) -> Result<Option<Duration>, Failure> {
    word.map(|word| bgtask_taskfile::duration(word).map_err(|error| wrong(flag, &error))).transpose()
}

fn text(path: &Path) -> Result<String, Failure> {
    let shown = || usage(format!("the path {} is not UTF-8: rename it", printable(&path.to_string_lossy())));
    path.to_str().map(str::to_owned).ok_or_else(shown)
}

fn home() -> Result<String, Failure> {
    std::env::var("HOME").map_err(|_| Failure::failed("$HOME is not set: set it to your home folder"))
}

fn wrong(flag: &str, error: &WordError) -> Failure {
    let option = error.option.map(|option| format!("--{option}"));
    usage(format!("{}: {error}", option.as_deref().unwrap_or(flag)))
}

fn usage(text: String) -> Failure {
    Failure::new(Exit::Usage, text)
}
