//! When `OnCalendar=` elapses, by `systemd.time(7)`.

use jiff::tz::TimeZone;

use super::fields::{Form, Local, Table, nameless};
use super::{MAX_COMPARED, minutes};

const FORM: Form = Form { range: "..", open_steps: true };
const WEEKDAYS: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];

/// Weekdays, date and time.
pub(super) struct Pattern {
    /// Monday first.
    weekdays: [bool; 7],
    years: Table,
    months: Table,
    days: Days,
    hours: Table,
    minutes: Table,
    seconds: Table,
}

/// The days of the month.
enum Days {
    FromBeginning(Table),
    /// As written: each part with its ends and its step.
    FromEnd(Vec<(i64, i64, i64)>),
}

impl Pattern {
    /// The pattern, and the zone behind it.
    pub(super) fn read(expression: &str) -> Option<(Self, Option<&str>)> {
        let mut words: Vec<&str> = expression.split_ascii_whitespace().collect();
        let zone = words.pop_if(|word| word.contains(char::is_alphabetic) && (word.contains('/') || is_utc(word)));
        if let [word] = words[..]
            && let Some(long) = shorthand(word)
        {
            words = long.split(' ').collect();
        }
        let mut take = |wanted: fn(&str) -> bool| {
            let is_wanted = words.first().is_some_and(|word| wanted(word));
            is_wanted.then(|| words.remove(0))
        };
        let weekdays = take(|word| word.starts_with(char::is_alphabetic));
        let date = take(|word| !word.contains(':')).unwrap_or("*-*-*");
        let time = take(|_| true).unwrap_or("0:0:0");
        let (dates, days) = days(date)?;
        let (years, months) = dates.rsplit_once('-').unwrap_or(("*", dates));
        let mut times = time.split(':').chain(["0"]);
        let pattern = Self {
            weekdays: weekdays.map_or(Some([true; 7]), read_weekdays)?,
            years: Table::read(&century(years), 1970, 2199, &FORM, nameless)?,
            months: Table::read(months, 1, 12, &FORM, nameless)?,
            days,
            hours: Table::read(times.next()?, 0, 23, &FORM, nameless)?,
            minutes: Table::read(times.next()?, 0, 59, &FORM, nameless)?,
            seconds: Table::read(times.next()?, 0, 59, &FORM, nameless)?,
        };
        words.is_empty().then_some((pattern, zone))
    }

    /// The instants from after `from` up to `until`, in seconds. Local times that do not come are left out, and of those
    /// that come twice the second: that is what systemd does.
    pub(super) fn scan(&self, zone: &TimeZone, from: i64, until: i64) -> Vec<i64> {
        let mut instants = Vec::new();
        let mut latest = i64::MIN;
        for (at, shown) in minutes(zone, from, until) {
            if shown > latest && self.fits(shown) {
                let seconds = (0..60).filter(|second| self.seconds.has(*second) && at + second <= until);
                instants.extend(seconds.map(|second| at + second));
            }
            latest = latest.max(shown);
            if instants.len() >= MAX_COMPARED {
                break;
            }
        }
        instants
    }

    fn fits(&self, shown: i64) -> bool {
        let local = Local::of(shown);
        if !self.minutes.has(local.minute) || !self.hours.has(local.hour) {
            return false;
        }
        let date = local.date();
        self.weekdays[usize::from(date.weekday().to_monday_zero_offset().unsigned_abs())]
            && self.years.has(i64::from(date.year()))
            && self.months.has(i64::from(date.month()))
            && match &self.days {
                Days::FromBeginning(days) => days.has(i64::from(date.day())),
                Days::FromEnd(parts) => {
                    let day = i64::from(date.days_in_month() - date.day()) + 1;
                    parts.iter().any(|(from, to, step)| (*from..=*to).contains(&day) && (to - day) % step == 0)
                }
            }
    }
}

fn is_utc(word: &str) -> bool {
    word.eq_ignore_ascii_case("utc")
}

fn shorthand(word: &str) -> Option<&'static str> {
    Some(match word.to_ascii_lowercase().as_str() {
        "minutely" => "*-*-* *:*:00",
        "hourly" => "*-*-* *:00:00",
        "daily" => "*-*-* 00:00:00",
        "weekly" => "Mon *-*-* 00:00:00",
        "monthly" => "*-*-01 00:00:00",
        "quarterly" => "*-01,04,07,10-01 00:00:00",
        "semiannually" => "*-01,07-01 00:00:00",
        "yearly" | "annually" => "*-01-01 00:00:00",
        _ => return None,
    })
}

/// Two digits are a year of this century, or of the last.
fn century(years: &str) -> String {
    let full = |year: &str| match (year.len(), year.parse::<u32>()) {
        (2, Ok(year @ 0..70)) => format!("20{year:02}"),
        (2, Ok(year)) => format!("19{year}"),
        _ => year.to_owned(),
    };
    let part = |part: &str| {
        let (range, step) =
            part.split_once('/').map_or((part, String::new()), |(range, step)| (range, format!("/{step}")));
        range.split("..").map(full).collect::<Vec<_>>().join("..") + &step
    };
    years.split(',').map(part).collect::<Vec<_>>().join(",")
}

/// What stands before the days, and the days.
fn days(date: &str) -> Option<(&str, Days)> {
    let Some((rest, text)) = date.rsplit_once('~') else {
        let (rest, text) = date.rsplit_once('-')?;
        return Some((rest, Days::FromBeginning(Table::read(text, 1, 31, &FORM, nameless)?)));
    };
    let part = |part: &str| -> Option<(i64, i64, i64)> {
        let (range, step) = part.split_once('/').map_or((part, None), |(range, step)| (range, Some(step)));
        let step = step.map_or(Some(1), |step| step.parse().ok()).filter(|step| *step > 0)?;
        Some(match (range.split_once(".."), part.contains('/')) {
            (Some((from, to)), _) => (from.parse().ok()?, to.parse().ok()?, step),
            (None, true) => (1, range.parse().ok()?, step),
            (None, false) => (range.parse().ok()?, range.parse().ok()?, 1),
        })
    };
    Some((rest, Days::FromEnd(text.split(',').map(part).collect::<Option<_>>()?)))
}

fn read_weekdays(text: &str) -> Option<[bool; 7]> {
    let place = |name: &str| {
        let short = name.get(..3)?.to_ascii_lowercase();
        WEEKDAYS.iter().position(|weekday| *weekday == short)
    };
    let mut weekdays = [false; 7];
    for part in text.trim_end_matches(',').split(',') {
        let (from, to) = part.split_once("..").or_else(|| part.split_once('-')).unwrap_or((part, part));
        let (from, to) = (place(from)?, place(to)?);
        let to = if to < from { to + 7 } else { to };
        (from..=to).for_each(|day| weekdays[day % 7] = true);
    }
    Some(weekdays)
}
