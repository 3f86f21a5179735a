//! `bgtask next`: what will run when.

use std::time::Duration;

use bgtask_wire::{BrokerProxy, TaskInfo, WhyInfo};
use futures_util::{StreamExt as _, TryStreamExt as _};
use serde_json::{Value, json};

use super::Format;
use super::why::facts::trigger;
use crate::failure::Failure;
use crate::find::short_id;
use crate::output::table::{Cell, Table};
use crate::output::text::counted;
use crate::output::time::rfc3339;
use crate::output::{Screen, style};

/// The broker is asked about so many tasks at a time.
const AT_ONCE: usize = 32;

/// Say what will run when
///
/// Timers, calendars, further tries and promises with their time, in that order, each with what does not hold now and would
/// make it wait. Below them what waits for something to happen.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// How far to look: 90min, 24h, 7d
    #[arg(long = "for", value_name = "TIME", default_value = "24h", value_parser = length)]
    length: Duration,
    #[command(flatten)]
    pub(crate) format: Format,
}

/// A length of time from a command line.
pub(crate) fn length(word: &str) -> Result<Duration, String> {
    let found = bgtask_core::words::duration(word).filter(|length| !length.is_zero());
    found.ok_or_else(|| "it is no length of time: write 90min, 24h or 7d".to_owned())
}

pub(crate) async fn run(args: &Args, broker: &BrokerProxy<'_>, screen: &mut Screen<'_>) -> Result<(), Failure> {
    let tasks = broker.list_tasks("").await?;
    let whys: Vec<WhyInfo> = futures_util::stream::iter(&tasks)
        .map(async |task| match broker.why(&task.id).await {
            // It has gone meanwhile, as one that runs once does.
            Err(zbus::Error::MethodError(..)) => Ok(WhyInfo::default()),
            answer => answer.map_err(Failure::from),
        })
        .buffered(AT_ONCE)
        .try_collect()
        .await?;
    let now = screen.clock.now().as_microsecond();
    let until = now.saturating_add(i64::try_from(args.length.as_micros()).unwrap_or(i64::MAX));
    let mut coming: Vec<_> = tasks
        .iter()
        .zip(&whys)
        .filter(|(_, why)| !why.phase.is_empty())
        .flat_map(|(task, why)| entries(task, why))
        .collect();
    coming.iter_mut().filter(|it| it.at.is_some_and(|at| at > until)).for_each(|it| it.kind = Kind::Later);
    coming.sort_by_key(Entry::order);
    if args.format.json {
        let entries = coming.iter().map(Entry::to_json).collect::<Value>();
        return Ok(screen.json(&json!({ "from": rfc3339(now), "until": rfc3339(until), "entries": entries }))?);
    }
    Ok(write(&coming, until, screen)?)
}

/// What comes for one task.
struct Entry<'a> {
    task: &'a TaskInfo,
    kind: Kind,
    at: Option<i64>,
    /// The gates that are closed now.
    waits_for: Vec<&'a str>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    /// Its timer or its calendar is due.
    Due,
    /// The next try after a failure.
    Retry,
    /// It has promised to have succeeded by then.
    Deadline,
    /// It runs.
    Running,
    /// It has fired and is held.
    Held,
    /// Its trigger has no time.
    Trigger,
    /// The user has switched it off.
    Paused,
    /// Of time, but after the one that was asked for.
    Later,
}

impl Kind {
    const fn word(self) -> &'static str {
        match self {
            Self::Due => "due",
            Self::Retry => "retry",
            Self::Deadline => "deadline",
            Self::Running => "running",
            Self::Held => "held",
            Self::Trigger => "trigger",
            Self::Paused => "paused",
            Self::Later => "later",
        }
    }

    const fn is_of_time(self) -> bool {
        matches!(self, Self::Due | Self::Retry | Self::Deadline)
    }
}

fn entries<'a>(task: &'a TaskInfo, why: &'a WhyInfo) -> Vec<Entry<'a>> {
    let closed = why.gates.iter().filter(|gate| !gate.open).map(|gate| gate.name.as_str());
    let own = |name: &&str| !matches!(*name, "Backoff" | "Paused" | "Running");
    let entry = |kind, at| Entry { task, kind, at, waits_for: closed.clone().filter(own).collect() };
    let first = match why.phase.as_str() {
        "idle" if task.paused => entry(Kind::Paused, None),
        "idle" => match why.next {
            Some(at) => entry(Kind::Due, Some(at)),
            None => entry(Kind::Trigger, None),
        },
        "latched" | "buffered" => match why.next {
            Some(at) if closed.clone().any(|name| name == "Backoff") => entry(Kind::Retry, Some(at)),
            at => entry(Kind::Held, at),
        },
        _ => Entry { waits_for: Vec::new(), ..entry(Kind::Running, None) },
    };
    // What runs or is held may have its next time already.
    let due = task.due.filter(|_| !task.paused && first.kind != Kind::Due).map(|at| entry(Kind::Due, Some(at)));
    let deadline = deadline(task).filter(|_| !task.paused).map(|at| entry(Kind::Deadline, Some(at)));
    [Some(first), due, deadline].into_iter().flatten().collect()
}

/// When what a command promises is broken, unless it succeeds before.
fn deadline(task: &TaskInfo) -> Option<i64> {
    let since = task.fresh_since?;
    let registration = bgtask_convert::registration_of(task).ok()?;
    let within = registration.entry.command()?.fresh_within?;
    Some(since.saturating_add(i64::try_from(within.as_micros()).ok()?))
}

impl<'a> Entry<'a> {
    /// What has a time comes first, in the order of time.
    fn order(&self) -> (bool, Option<Kind>, Option<i64>, &'a str, &'a str) {
        let kind = (!self.is_timed()).then_some(self.kind);
        (kind.is_some(), kind, self.at, &self.task.name, &self.task.id)
    }

    /// What is held may have a time, too: when its app may use something again, or a slot is free.
    fn is_timed(&self) -> bool {
        self.kind.is_of_time() || (self.kind == Kind::Held && self.at.is_some())
    }

    fn to_json(&self) -> Value {
        json!({
            "at": self.at.map(rfc3339),
            "kind": self.kind.word(),
            "task": self.task.id,
            "app": self.task.app,
            "name": self.task.name,
            "trigger": trigger(self.task),
            "waits_for": self.waits_for,
        })
    }

    fn what(&self) -> String {
        let trigger = trigger(self.task);
        match self.kind {
            Kind::Due | Kind::Later => trigger,
            Kind::Retry => format!("next try, {trigger}"),
            Kind::Deadline if self.task.overdue => "has to have succeeded, and has not".to_owned(),
            Kind::Deadline => "has to have succeeded by then".to_owned(),
            Kind::Running => format!("runs now, {trigger}"),
            Kind::Held => format!("has fired, {trigger}"),
            Kind::Trigger => format!("waits for {trigger}"),
            Kind::Paused => format!("paused, {trigger}"),
        }
    }
}

fn write(entries: &[Entry<'_>], until: i64, screen: &mut Screen<'_>) -> std::io::Result<()> {
    let timed: Vec<_> = entries.iter().filter(|it| it.is_timed()).collect();
    let later = entries.iter().filter(|it| it.kind == Kind::Later).count();
    let others: Vec<_> = entries.iter().filter(|it| !it.is_timed() && it.kind != Kind::Later).collect();
    match timed.is_empty() {
        true => writeln!(screen.out, "Nothing is due until {}.", screen.clock.spoken(until))?,
        false => write_timed(&timed, screen)?,
    }
    if later > 0 {
        let heading = style::HEADING;
        writeln!(screen.out, "{heading}{} later: --for looks further{heading:#}", counted(later, "more"))?;
    }
    if !others.is_empty() {
        writeln!(screen.out, "\nWithout a time:")?;
        let mut table = Table::new(&["NAME", "APP", "ID", "WHAT", "NOT SO NOW"]);
        for it in others {
            table.row([
                Cell::styled(&it.task.name, style::STRONG),
                app(it),
                id(it),
                Cell::styled(it.what(), style::of_phase(&it.task.phase)),
                waits_for(it),
            ]);
        }
        table.write(screen, "  ")?;
    }
    Ok(())
}

fn write_timed(timed: &[&Entry<'_>], screen: &mut Screen<'_>) -> std::io::Result<()> {
    let mut table = Table::new(&["WHEN", "", "NAME", "APP", "ID", "WHAT", "NOT SO NOW"]);
    for it in timed {
        let at = it.at.unwrap_or_default();
        table.row([
            Cell::new(screen.clock.spoken(at)),
            Cell::new(screen.clock.relative(at)),
            Cell::styled(&it.task.name, style::STRONG),
            app(it),
            id(it),
            Cell::new(it.what()),
            waits_for(it),
        ]);
    }
    table.write(screen, "")
}

/// The user's own commands go without saying.
fn app(entry: &Entry<'_>) -> Cell {
    let is_command = entry.task.app == bgtask_core::App::COMMANDS;
    Cell::new(if is_command { "" } else { entry.task.app.as_str() })
}

/// Names of apps' tasks need not tell them apart.
fn id(entry: &Entry<'_>) -> Cell {
    let is_command = entry.task.app == bgtask_core::App::COMMANDS;
    Cell::new(if is_command { "" } else { short_id(&entry.task.id, 8) })
}

fn waits_for(entry: &Entry<'_>) -> Cell {
    Cell::styled(entry.waits_for.join(", "), style::WAITING)
}

#[cfg(test)]
mod tests {
    use bgtask_wire::GateInfo;

    use super::*;
    use crate::tests::task;

    fn why(phase: &str, next: Option<i64>, closed: &[&str]) -> WhyInfo {
        let gate = |name: &&str| GateInfo {
            name: (*name).into(),
            open: false,
            value: String::new(),
            since: None,
            source: String::new(),
        };
        WhyInfo { phase: phase.into(), next, gates: closed.iter().map(gate).collect(), ..WhyInfo::default() }
    }

    fn kinds(task: &TaskInfo, why: &WhyInfo) -> Vec<(Kind, Option<i64>)> {
        entries(task, why).iter().map(|it| (it.kind, it.at)).collect()
    }

    #[test]
    fn every_way_to_wait_has_its_kind() {
        let plain = task("1", "org.example.A", "a");
        let timer = TaskInfo { due: Some(7), ..plain.clone() };
        let paused = TaskInfo { paused: true, ..timer.clone() };
        assert_eq!(kinds(&plain, &why("idle", None, &[])), [(Kind::Trigger, None)]);
        assert_eq!(kinds(&timer, &why("idle", Some(8), &[])), [(Kind::Due, Some(8))], "when it is released");
        assert_eq!(kinds(&paused, &why("idle", Some(8), &["Paused"])), [(Kind::Paused, None)]);
        let retry = [(Kind::Retry, Some(5)), (Kind::Due, Some(7))];
        assert_eq!(kinds(&timer, &why("buffered", Some(5), &["Backoff"])), retry);
        let refill = [(Kind::Held, Some(5)), (Kind::Due, Some(7))];
        assert_eq!(kinds(&timer, &why("buffered", Some(5), &["Budget"])), refill, "no try of it has failed");
        assert_eq!(kinds(&plain, &why("latched", None, &["user-away"])), [(Kind::Held, None)]);
        assert_eq!(kinds(&timer, &why("running", None, &["Running"])), [(Kind::Running, None), (Kind::Due, Some(7))]);
    }

    #[test]
    fn a_promise_has_its_deadline() {
        let definition = "command = [\"true\"]\nevery = \"6h\"\nfresh-within = \"1d\"\n".to_owned();
        let plain = task("1", bgtask_core::App::COMMANDS, "a");
        let promise = TaskInfo { definition: Some(definition), fresh_since: Some(10), ..plain };
        let day = 86_400_000_000;
        assert_eq!(kinds(&promise, &why("idle", Some(8), &[]))[1], (Kind::Deadline, Some(10 + day)));
        assert_eq!(kinds(&TaskInfo { fresh_since: None, ..promise }, &why("idle", Some(8), &[])).len(), 1);
    }

    #[test]
    fn what_would_make_it_wait_is_no_business_of_its_own() {
        let task = task("1", "org.example.A", "a");
        let why = why("idle", Some(8), &["Backoff", "user-away", "Running", "Slot"]);
        assert_eq!(entries(&task, &why)[0].waits_for, ["user-away", "Slot"]);
    }
}
