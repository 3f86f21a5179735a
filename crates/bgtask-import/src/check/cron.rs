//! When cron runs something, by the rules of `crontab(5)` of Debian.

use jiff::tz::TimeZone;

use super::fields::{Form, Local, Table};
use super::{MAX_COMPARED, MINUTE, minutes};

/// From how far on a change of the clock is a correction, and not daylight saving.
const CORRECTION: i64 = 3 * 3600;

const FORM: Form = Form { range: "-", open_steps: false };

/// Five fields.
struct Line {
    minutes: Table,
    hours: Table,
    days: Table,
    months: Table,
    weekdays: Table,
    /// The day of the month, or the weekday, begins with a star: then both must fit, otherwise one of them.
    both: bool,
    /// The minute or the hour begins with a star: it goes by the real time, and not by the clock on the wall.
    is_wild: bool,
}

/// The instants from after `from` up to `until`, in seconds.
///
/// "Local time changes of less than three hours, such as those caused by DST, are handled in a special way. This only applies to
/// jobs that run at a specific time and jobs that are run with a granularity greater than one hour. … If time has moved forward,
/// those jobs that would have run in the interval that has been skipped will be run immediately. Conversely, if time has moved
/// backward, care is taken to avoid running jobs twice."
pub(super) fn scan(expression: &str, zone: &TimeZone, from: i64, until: i64) -> Option<Vec<i64>> {
    let line = Line::read(expression)?;
    let mut instants = Vec::new();
    // The minute on the wall up to which everything has run.
    let mut done: Option<i64> = None;
    for (at, shown) in minutes(zone, from, until) {
        let last = done.filter(|done| (shown - done).abs() < CORRECTION).unwrap_or(shown - MINUTE);
        if line.is_wild {
            instants.extend(line.fits(shown).then_some(at));
        } else {
            let skipped = (last + MINUTE..=shown).step_by(MINUTE as usize);
            instants.extend(skipped.filter(|minute| line.fits(*minute)).map(|_| at));
        }
        done = Some(shown.max(last));
        if instants.len() >= MAX_COMPARED {
            break;
        }
    }
    Some(instants)
}

impl Line {
    fn read(expression: &str) -> Option<Self> {
        let long = match expression {
            "@yearly" | "@annually" => "0 0 1 1 *",
            "@monthly" => "0 0 1 * *",
            "@weekly" => "0 0 * * 0",
            "@daily" | "@midnight" => "0 0 * * *",
            "@hourly" => "0 * * * *",
            other => other,
        };
        let fields: Vec<&str> = long.split_ascii_whitespace().collect();
        let [minute, hour, day, month, weekday] = fields[..] else { return None };
        let star = |field: &str| field.starts_with('*');
        Some(Self {
            minutes: Table::read(minute, 0, 59, &FORM, super::fields::nameless)?,
            hours: Table::read(hour, 0, 23, &FORM, super::fields::nameless)?,
            days: Table::read(day, 1, 31, &FORM, super::fields::nameless)?,
            months: Table::read(month, 1, 12, &FORM, month_name)?,
            weekdays: Table::read(weekday, 0, 7, &FORM, weekday_name)?,
            both: star(day) || star(weekday),
            is_wild: star(minute) || star(hour),
        })
    }

    fn fits(&self, shown: i64) -> bool {
        let local = Local::of(shown);
        if !self.minutes.has(local.minute) || !self.hours.has(local.hour) {
            return false;
        }
        let date = local.date();
        let day = self.days.has(i64::from(date.day()));
        let number = date.weekday().to_sunday_zero_offset();
        let weekday = self.weekdays.has(i64::from(number)) || number == 0 && self.weekdays.has(7);
        self.months.has(i64::from(date.month())) && if self.both { day && weekday } else { day || weekday }
    }
}

fn month_name(text: &str) -> Option<usize> {
    named(text, &["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"]).map(|it| it + 1)
}

fn weekday_name(text: &str) -> Option<usize> {
    named(text, &["sun", "mon", "tue", "wed", "thu", "fri", "sat"])
}

fn named(text: &str, names: &[&str]) -> Option<usize> {
    let short = text.get(..3)?.to_ascii_lowercase();
    names.iter().position(|name| *name == short)
}
