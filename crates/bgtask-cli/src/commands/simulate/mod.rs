//! `bgtask simulate`: the tasks of this user on a virtual day.

mod cast;
mod form;
mod now;

use std::path::{Path, PathBuf};
use std::time::Duration;

use bgtask_core::WallTime;
use bgtask_rehearse::{Rehearsal, Scenario, Timeline};
use bgtask_wire::BrokerProxy;
use jiff::tz::TimeZone;

use super::Format;
use super::next::length;
use crate::connection::Target;
use crate::failure::{Exit, Failure};
use crate::output::Screen;
use crate::output::text::printable;
use crate::output::time::Clock;

/// Columns where nobody says how many there are.
const WIDTH: usize = 100;

/// Rehearse a day, or a month, with the tasks there are
///
/// Takes the registrations as they stand and lets the broker's own rules decide when each fires, waits, runs and ends; nothing
/// is really run. The machine stays as it is now, unless a scenario says what happens. The same input gives the same answer.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// When it begins: 03:00 (the last one), 2026-07-28, 2026-07-28T03:00; now where nothing is said
    #[arg(long, value_name = "TIME")]
    from: Option<String>,
    /// How long it plays: 90min, 24h, 30d; a leap year at most
    #[arg(long = "for", value_name = "TIME", default_value = "24h", value_parser = length)]
    length: Duration,
    /// What happens meanwhile: a file such as "09:00 user leaves"
    #[arg(long, value_name = "FILE", conflicts_with = "working_day")]
    scenario: Option<PathBuf>,
    /// An ordinary working day happens, Monday to Friday
    #[arg(long)]
    working_day: bool,
    /// Only this task: a name, an id, or the first characters of an id
    #[arg(long = "task", value_name = "TASK")]
    task: Vec<String>,
    /// A task file to rehearse with them, before it is added
    #[arg(long = "file", value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Draw it into this file
    #[arg(long, value_name = "FILE")]
    svg: Option<PathBuf>,
    /// At most so many moments of the list
    #[arg(long, value_name = "N", default_value_t = 200)]
    limit: usize,
    #[command(flatten)]
    pub(crate) format: Format,
}

const EXAMPLES: &str = "\
Examples:
  bgtask simulate --working-day --svg day.svg
  bgtask simulate --from 2026-03-29 --for 7d --task backup --scenario holiday.txt
  bgtask simulate --file new.toml --for 30d

A line of a scenario says when, and what happens:
  at start: user present, wifi metered until 10:30, ac power
  mon-fri 09:00-12:00 user away
  18:00-22:00 battery 100% to 40%
  day 2 14:00 path /home/me/notes changes 5 times
  task backup takes 20min";

pub(crate) async fn run(args: &Args, target: &Target, screen: &mut Screen<'_>) -> Result<(), Failure> {
    let scenario = args.scenario()?;
    let rehearsal = args.rehearsal(scenario, target, &screen.clock).await?;
    if rehearsal.tasks.is_empty() {
        let message =
            "there is nothing to rehearse: no task is registered; `bgtask add` adds one, --file takes a task file";
        return Err(Failure::absent(message));
    }
    let timeline = rehearsal.play().map_err(|error| Failure::new(Exit::Usage, error.to_string()))?;
    if let Some(path) = &args.svg {
        draw(&timeline, path)?;
    }
    if args.format.json {
        return Ok(form::write(&timeline, screen)?);
    }
    write!(screen.out, "{}", timeline.text(screen.width.unwrap_or(WIDTH), args.limit))?;
    if !args.has_scenario() {
        writeln!(
            screen.out,
            "\nThe machine stays as it is now; --working-day or --scenario FILE lets something happen."
        )?;
    }
    if let Some(path) = &args.svg {
        writeln!(screen.out, "Drawn in {}.", printable(&path.to_string_lossy()))?;
    }
    Ok(())
}

impl Args {
    fn has_scenario(&self) -> bool {
        self.working_day || self.scenario.is_some()
    }

    fn scenario(&self) -> Result<Scenario, Failure> {
        let Some(path) = &self.scenario else {
            return Ok(if self.working_day { Scenario::working_day() } else { Scenario::unchanged() });
        };
        let text = read(path, bgtask_rehearse::MAX_SCENARIO_BYTES, "a scenario")?;
        Scenario::parse(&text).map_err(|errors| {
            let errors = errors.to_string().replace('\n', "\n  ");
            Failure::failed(format!("{} is no scenario:\n  {errors}", path.display()))
        })
    }

    /// The user's tasks, on the machine as it is now.
    async fn rehearsal(&self, scenario: Scenario, target: &Target, clock: &Clock) -> Result<Rehearsal, Failure> {
        let now = WallTime::from_micros(clock.now().as_microsecond());
        let from = self.from(clock)?;
        let mut rehearsal = Rehearsal::new(from, self.length, scenario);
        rehearsal.zone = clock.zone().clone();
        rehearsal.zone_name = clock.zone().iana_name().unwrap_or("local time").to_owned();
        rehearsal.zones = |name| TimeZone::get(name).ok();
        match target.connect().await {
            Ok(broker) => self.engage(&broker, now, &mut rehearsal).await?,
            // New tasks can be rehearsed before there is a broker.
            Err(absent) if self.files.is_empty() || !self.task.is_empty() || absent.exit != Exit::Unreachable => {
                return Err(absent);
            }
            Err(_) => {}
        }
        for path in &self.files {
            let new = cast::from_file(path)?;
            // It takes the place of what it would replace.
            rehearsal.tasks.retain(|task| (&task.app, &task.new.name) != (&new.app, &new.new.name));
            rehearsal.tasks.push(new);
        }
        Ok(rehearsal)
    }

    async fn engage(&self, broker: &BrokerProxy<'_>, now: WallTime, rehearsal: &mut Rehearsal) -> Result<(), Failure> {
        let tasks = cast::chosen(broker.list_tasks("").await?, &self.task)?;
        let apps = broker.list_apps().await?;
        let lasting = cast::durations(broker).await?;
        rehearsal.world = now::world(&broker.list_sources().await?);
        rehearsal.access = cast::access(&apps);
        rehearsal.apps = cast::apps(&apps, &tasks);
        rehearsal.tasks =
            tasks.iter().map(|task| cast::rehearsed(task, now, rehearsal.from, &lasting)).collect::<Result<_, _>>()?;
        Ok(())
    }

    /// Now without its seconds, where nothing is said: nobody reads them.
    fn from(&self, clock: &Clock) -> Result<WallTime, Failure> {
        const MINUTE: i64 = 60_000_000;
        match &self.from {
            None => Ok(WallTime::from_micros(clock.now().as_microsecond().div_euclid(MINUTE) * MINUTE)),
            Some(text) => {
                let from = clock.since(text).map_err(|problem| Failure::new(Exit::Usage, problem))?;
                Ok(WallTime::from_micros(from.as_microsecond()))
            }
        }
    }
}

fn draw(timeline: &Timeline, path: &Path) -> Result<(), Failure> {
    let cannot = |error| Failure::failed(format!("{} cannot be written: {error}", path.display()));
    std::fs::write(path, timeline.svg()).map_err(cannot)
}

/// A text file of at most so many bytes.
fn read(path: &Path, most: usize, what: &str) -> Result<String, Failure> {
    use std::io::Read as _;
    let shown = path.display();
    let mut bytes = Vec::new();
    let file =
        std::fs::File::open(path).map_err(|error| Failure::absent(format!("{shown} cannot be read: {error}")))?;
    let read = file.take(most as u64 + 1).read_to_end(&mut bytes);
    read.map_err(|error| Failure::failed(format!("{shown} cannot be read: {error}")))?;
    if bytes.len() > most {
        return Err(Failure::failed(format!("{shown} has more than {most} bytes, too many for {what}")));
    }
    String::from_utf8(bytes).map_err(|_| Failure::failed(format!("{shown} is not UTF-8 text")))
}
