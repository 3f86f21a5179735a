//! The five fields of cron.

use super::{number, step};
use crate::Calendar;
use crate::error::{Problem, quoted};
use crate::set::{Field, Set};
use crate::words::{MONTHS, NICKNAMES, WEEKDAYS, did_you_mean, named, position, zone};

/// The weekday field of cron: 0 and 7 are Sunday.
const CRON_WEEKDAY: Field = Field::CRON_WEEKDAY;

/// Whether these words are cron's: a nickname, or as many fields as systemd's form never has.
pub(crate) fn is_cron(tokens: &[&str]) -> bool {
    let of_systemd = |token: &&str| token.contains([':', '~']) || token.contains("..");
    tokens.first().is_some_and(|first| first.starts_with('@')) || tokens.len() >= 5 && !tokens.iter().any(of_systemd)
}

/// The five fields, as written or as the nickname stands for, and the zone behind them.
pub(crate) fn split<'a>(tokens: &[&'a str]) -> Result<([&'a str; 5], Option<&'a str>), Problem> {
    let (fields, rest) = match tokens {
        [name, rest @ ..] if name.starts_with('@') => (nickname(name)?, rest),
        [minute, hour, day, month, weekday, rest @ ..] => ([*minute, *hour, *day, *month, *weekday], rest),
        _ => return Err(Problem::new(format!("cron has five fields, not {}", tokens.len()), FIELDS)),
    };
    match rest {
        [] => Ok((fields, None)),
        [last] if zone(last).is_some() => Ok((fields, zone(last))),
        [last, ..] => {
            let wrong = format!("{} stands behind the five fields of cron and is not a time zone", quoted(last));
            Err(Problem::new(wrong, "for seconds or years write the systemd form, as *-*-* 09:00:30"))
        }
    }
}

const FIELDS: &str = "they are minute, hour, day, month and weekday, as in 0 9 * * 1-5";

pub(crate) fn parse(tokens: &[&str]) -> Result<Calendar, Problem> {
    let ([minute, hour, day, month, weekday], zone) = split(tokens)?;
    let (minutes, hours) = (field(minute, &Field::MINUTE, &[])?, field(hour, &Field::HOUR, &[])?);
    let (days, months) = (field(day, &Field::DAY, &[])?, field(month, &Field::MONTH, &MONTHS)?);
    let weekdays = weekdays(weekday)?;
    // A field that begins with a star restricts nothing by this rule, even with a step: so it is since Vixie's cron.
    let either = !day.starts_with('*') && !weekday.starts_with('*');
    let always = either && (days == Field::DAY.all() || weekdays == Field::WEEKDAY.all());
    Ok(Calendar {
        years: Field::YEAR.all(),
        months,
        days: if always { Field::DAY.all() } else { days },
        days_from_end: false,
        weekdays: if always { Field::WEEKDAY.all() } else { weekdays },
        either: either && !always,
        hours,
        repeats: hour.contains(['*', '/']) || hours == Field::HOUR.all(),
        minutes,
        seconds: Field::SECOND.only(0),
        zone: zone.map(str::to_owned),
    })
}

fn nickname<'a>(name: &str) -> Result<[&'a str; 5], Problem> {
    if name.eq_ignore_ascii_case("@reboot") {
        let help = "a task that runs once at the start of each session has --on session-start";
        return Err(Problem::new("@reboot is not a time", help));
    }
    let known = NICKNAMES.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
    if let Some((_, fields)) = known {
        let mut fields = fields.split(' ');
        return Ok(std::array::from_fn(|_| fields.next().unwrap_or("*")));
    }
    let help = did_you_mean(name, NICKNAMES.map(|(known, _)| known));
    let help = help.unwrap_or_else(|| format!("there are {}", NICKNAMES.map(|(known, _)| known).join(", ")));
    Err(Problem::new(format!("{} is not a nickname of cron", quoted(name)), help))
}

/// The weekdays with Monday first, from a field that has Sunday first, and last too.
fn weekdays(text: &str) -> Result<Set, Problem> {
    let of_cron = field(text, &CRON_WEEKDAY, &WEEKDAYS)?;
    let weekday = |number| Field::WEEKDAY.only((number + 6) % 7);
    Ok(CRON_WEEKDAY.values(of_cron).into_iter().map(weekday).fold(Set::default(), Set::union))
}

fn field(text: &str, of: &Field, names: &[&str]) -> Result<Set, Problem> {
    text.split(',').map(|part| range(part, of, names)).try_fold(Set::default(), |set, part| Ok(set.union(part?)))
}

fn range(text: &str, of: &Field, names: &[&str]) -> Result<Set, Problem> {
    let (range, every) = match text.split_once('/') {
        Some((range, every)) => (range, Some(step(every, of)?)),
        None => (text, None),
    };
    if range == "*" {
        return Ok(of.stepped(of.first, of.whole(), every.unwrap_or(1)));
    }
    let Some((from, to)) = range.split_once('-') else {
        return match every {
            None => Ok(of.only(value(range, of, names)?)),
            Some(every) => {
                let wrong = format!("in cron a step follows a range or a star, not {}", quoted(range));
                Err(Problem::new(wrong, format!("write {range}-{}/{every}", of.whole())))
            }
        };
    };
    let (first, last) = (value(from, of, names)?, value(to, of, names)?);
    // "Fri-Sun" means the Sunday after.
    let last = if last == 0 && first > 0 && !names.is_empty() && position(to, names).is_some() { 7 } else { last };
    if first > last {
        let help = format!("write {from}-{},{}-{to}", of.whole(), of.first);
        return Err(Problem::new(format!("the range {} runs backwards", quoted(range)), help));
    }
    Ok(of.stepped(first, last, every.unwrap_or(1)))
}

fn value(text: &str, of: &Field, names: &[&str]) -> Result<u32, Problem> {
    let extension = match text.chars().last() {
        Some('L') if of.name == "day" => Some("for the last day of the month write the systemd form, as *-*~1 00:00"),
        Some('W') if of.name == "day" => Some("the weekday nearest to a day cannot be said"),
        Some('L') if of.name == "weekday" => {
            Some("for the last Friday of the month write the systemd form, as Fri *-*~07/1 00:00")
        }
        Some('?') => Some("write * for any"),
        _ if text.contains('#') => {
            Some("for the second Friday of the month write the systemd form, as Fri *-*-8..14 00:00")
        }
        _ => None,
    };
    match extension {
        Some(help) if position(text, names).is_none() => {
            Err(Problem::new(format!("{} is no cron as Unix knows it", quoted(text)), help))
        }
        _ if !names.is_empty() && text.starts_with(|first: char| first.is_alphabetic()) => {
            let place = named(text, names, of.name)? as u32;
            Ok(if of.name == "weekday" { (place + 1) % 7 } else { place + 1 })
        }
        _ => number(text, of),
    }
}
