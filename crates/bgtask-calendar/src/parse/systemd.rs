//! The form of systemd's `OnCalendar=`: `Mon..Fri *-*-* 09:00:00 Europe/Berlin`.

use super::{number, step};
use crate::error::{Problem, quoted};
use crate::set::{Field, Set};
use crate::words::{self, SHORTHANDS, WEEKDAYS, named, nearest, position};
use crate::{Calendar, FIRST_YEAR};

pub(crate) fn parse(tokens: &[&str]) -> Result<Calendar, Problem> {
    let [first, rest @ ..] = tokens else { return calendar(&[]) };
    match SHORTHANDS.iter().find(|(name, _)| name.eq_ignore_ascii_case(first)) {
        Some((_, long)) => {
            let long: Vec<&str> = long.split(' ').chain(rest.iter().copied()).collect();
            calendar(&long)
        }
        None => calendar(tokens),
    }
}

/// Weekdays, date, time and zone: each may be left out.
fn calendar(tokens: &[&str]) -> Result<Calendar, Problem> {
    let mut rest = tokens;
    let mut take = |wanted: fn(&str) -> bool| match rest {
        [first, tail @ ..] if wanted(first) => {
            rest = tail;
            Some(*first)
        }
        _ => None,
    };
    let weekdays = take(is_weekdays);
    let date = take(is_date);
    let time = take(|word| word.contains(':'));
    let zone = take(|word| words::zone(word).is_some());
    if let [unread, ..] = rest {
        return Err(misplaced(unread, tokens));
    }
    let weekdays = weekdays.map_or(Ok(Field::WEEKDAY.all()), read_weekdays)?;
    let date = date.map_or(Ok(Date::any()), read_date)?;
    let time = time.map_or(Ok(Time::midnight()), read_time)?;
    Ok(Calendar {
        years: date.years,
        months: date.months,
        days: date.days,
        days_from_end: date.days_from_end && date.days != Field::DAY.all(),
        weekdays,
        either: false,
        hours: time.hours,
        repeats: time.repeats,
        minutes: time.minutes,
        seconds: time.seconds,
        zone: zone.and_then(words::zone).map(str::to_owned),
    })
}

/// Letters that are no zone at the beginning can only be meant as weekdays.
fn is_weekdays(word: &str) -> bool {
    word.starts_with(|first: char| first.is_alphabetic()) && words::zone(word).is_none() && !word.contains(':')
}

fn is_date(word: &str) -> bool {
    !word.contains(':') && word.contains(['-', '~']) && !word.starts_with(|first: char| first.is_alphabetic())
}

/// Why a word has no place where it stands.
fn misplaced(word: &str, tokens: &[&str]) -> Problem {
    let is_first = tokens.first() == Some(&word);
    let of_cron = |token: &&str| token.bytes().all(|byte| byte.is_ascii_digit() || b"*/,-".contains(&byte));
    if word.split([',', '.', '-']).any(|part| position(part, &WEEKDAYS).is_some()) {
        return Problem::new(format!("{} stands behind the date or the time", quoted(word)), "weekdays come first");
    }
    if tokens.len() > 1 && tokens.iter().all(of_cron) {
        let wrong = format!("cron has five fields, not {}", tokens.len());
        return Problem::new(wrong, "they are minute, hour, day, month and weekday, as in 0 9 * * 1-5");
    }
    if word.bytes().all(|byte| byte.is_ascii_digit()) {
        let wrong = format!("{word} alone is neither a date nor a time");
        return Problem::new(wrong, format!("write {word}:00 for the hour, *-*-{word} for the day of the month"));
    }
    if is_first || !word.starts_with(|first: char| first.is_alphabetic()) {
        let help = "the parts are weekdays, date, time and zone, as in Mon..Fri *-*-* 09:00 Europe/Berlin";
        return Problem::new(format!("{} is neither a date nor a time", quoted(word)), help);
    }
    Problem::new(format!("{} is not a time zone", quoted(word)), "write UTC or a name as Europe/Berlin")
}

/// `Mon..Wed,Sat`; a range may run over Sunday.
fn read_weekdays(text: &str) -> Result<Set, Problem> {
    let list = text.strip_suffix(',').unwrap_or(text);
    let mut set = Set::default();
    for part in list.split(',') {
        let (from, to) = part.split_once("..").or_else(|| part.split_once('-')).unwrap_or((part, part));
        let (from, to) = (weekday(from, text)?, weekday(to, text)?);
        let to = if to < from { to + 7 } else { to };
        set = (from..=to).map(|day| Field::WEEKDAY.only(day % 7)).fold(set, Set::union);
    }
    Ok(set)
}

fn weekday(word: &str, text: &str) -> Result<u32, Problem> {
    named(word, &WEEKDAYS, "weekday").map(|place| place as u32).map_err(|problem| {
        // A longer word that is alone may as well be a shorthand.
        let shorthands = SHORTHANDS.iter().map(|(name, _)| *name);
        let meant = nearest(word, shorthands.clone().chain(WEEKDAYS));
        match meant.filter(|meant| word == text && shorthands.clone().any(|name| name == *meant)) {
            Some(meant) => {
                Problem::new(format!("{} is not a known word", quoted(word)), format!("did you mean \"{meant}\"?"))
            }
            None => problem,
        }
    })
}

struct Date {
    years: Set,
    months: Set,
    days: Set,
    days_from_end: bool,
}

impl Date {
    fn any() -> Self {
        let (years, months, days) = (Field::YEAR.all(), Field::MONTH.all(), Field::DAY.all());
        Self { years, months, days, days_from_end: false }
    }
}

/// `2027-01-31`, `*-02-29`, `01-31`, and `*-02~3`: the third last day of February.
fn read_date(text: &str) -> Result<Date, Problem> {
    let (rest, days, days_from_end) = match (text.rsplit_once('~'), text.rsplit_once('-')) {
        (Some((rest, days)), _) => (rest, days, true),
        (None, Some((rest, days))) => (rest, days, false),
        (None, None) => ("", text, false),
    };
    let parts: Vec<&str> = rest.split('-').collect();
    let (years, months) = match parts[..] {
        [month] => (Field::YEAR.all(), month),
        [year, month] => (list(year, &Field::YEAR, Open::Up)?.0, month),
        _ => {
            let wrong = format!("{} is not a date", quoted(text));
            return Err(Problem::new(wrong, "a date is year-month-day or month-day, as in 2027-01-31 or *-*-1"));
        }
    };
    let open = if days_from_end { Open::Down } else { Open::Up };
    Ok(Date {
        years,
        months: list(months, &Field::MONTH, Open::Up)?.0,
        days: list(days, &Field::DAY, open)?.0,
        days_from_end,
    })
}

struct Time {
    hours: Set,
    repeats: bool,
    minutes: Set,
    seconds: Set,
}

impl Time {
    fn midnight() -> Self {
        Self {
            hours: Field::HOUR.only(0),
            repeats: false,
            minutes: Field::MINUTE.only(0),
            seconds: Field::SECOND.only(0),
        }
    }
}

/// `09:00`, `09:00:30`, `*:0/15`.
fn read_time(text: &str) -> Result<Time, Problem> {
    let parts: Vec<&str> = text.split(':').collect();
    let (hours, minutes, seconds) = match parts[..] {
        [hours, minutes] => (hours, minutes, "0"),
        [hours, minutes, seconds] => (hours, minutes, seconds),
        _ => {
            let wrong = format!("{} is not a time", quoted(text));
            return Err(Problem::new(wrong, "a time is hour:minute or hour:minute:second, as in 09:00"));
        }
    };
    if text.to_ascii_lowercase().ends_with('m') {
        let wrong = format!("{} is on a clock of twelve hours", quoted(text));
        return Err(Problem::new(wrong, "write the hour from 0 to 23, as in 17:00"));
    }
    if seconds.replace("..", "").contains('.') {
        let wrong = format!("{} has a part of a second", quoted(text));
        return Err(Problem::new(wrong, "calendars are exact to the second; leave it out"));
    }
    let (hours, stepped) = list(hours, &Field::HOUR, Open::Up)?;
    Ok(Time {
        hours,
        repeats: stepped || hours == Field::HOUR.all(),
        minutes: list(minutes, &Field::MINUTE, Open::Up)?.0,
        seconds: list(seconds, &Field::SECOND, Open::Up)?.0,
    })
}

/// Where `a/n` goes on to: the last value of the field, or, for days counted from the end of the month, its last day.
#[derive(Clone, Copy)]
enum Open {
    Up,
    Down,
}

/// A list of values, ranges and steps; and whether a star or a step was among them.
fn list(text: &str, of: &Field, open: Open) -> Result<(Set, bool), Problem> {
    let mut set = Set::default();
    for part in text.split(',') {
        set = set.union(range(part, of, open)?);
    }
    Ok((set, text.contains(['*', '/'])))
}

fn range(text: &str, of: &Field, open: Open) -> Result<Set, Problem> {
    let (range, every) = match text.split_once('/') {
        Some((range, every)) => (range, Some(step(every, of)?)),
        None => (text, None),
    };
    let (from, to) = match (range.split_once(".."), every) {
        _ if range == "*" => (of.first, of.last),
        (Some((from, to)), _) => (value(from, of)?, value(to, of)?),
        (None, None) => return Ok(of.only(value(range, of)?)),
        (None, Some(_)) => match open {
            Open::Up => (value(range, of)?, of.last),
            Open::Down => (of.first, value(range, of)?),
        },
    };
    if from > to {
        let help = format!("write {from}..{},{}..{to}", of.last, of.first);
        return Err(Problem::new(format!("the range {} runs backwards", quoted(range)), help));
    }
    let every = every.unwrap_or(1);
    Ok(match open {
        Open::Up => of.stepped(from, to, every),
        // The days are run through in the order of the month, so from the one farthest from its end.
        Open::Down => of.stepped(from + (to - from) % every, to, every),
    })
}

/// A number of this field; years may have two digits.
fn value(text: &str, of: &Field) -> Result<u32, Problem> {
    let short: Option<u32> = if of.name == "year" && text.len() <= 2 { text.parse().ok() } else { None };
    match short {
        Some(year) if year < 70 => Ok(2000 + year),
        Some(year) => Ok(year - 70 + FIRST_YEAR as u32),
        None => number(text, of),
    }
}
