//! Days and times of a scenario.

use std::ops::Range;

use super::error::{Problem, shown};
use super::tokens::Token;
use super::{Clock, Days};

const DAY: u32 = 86_400;
/// The last day of the longest rehearsal.
const MAX_DAY: u32 = 367;
/// A span over midnight is no longer: one that seems to be is one that ends before it begins.
const LONGEST_NIGHT: u32 = 12 * 3_600;

const WEEKDAYS: [(&str, &str); 7] = [
    ("mon", "monday"),
    ("tue", "tuesday"),
    ("wed", "wednesday"),
    ("thu", "thursday"),
    ("fri", "friday"),
    ("sat", "saturday"),
    ("sun", "sunday"),
];
const EVERY_DAY: u8 = 0b111_1111;

const DAYS_HELP: &str = "write every day, mon-fri, sat,sun, weekdays, weekends, 2026-03-29 or day 2";
const TIME_HELP: &str = "write a time from 00:00 to 23:59";

/// The days at the beginning of some words, and what follows. No days are all days.
pub(super) fn days(words: &[Token]) -> Result<(Days, &[Token]), Problem> {
    let [first, rest @ ..] = words else { return Ok((Days::Weekdays(EVERY_DAY), words)) };
    if first.is("every") && rest.first().is_some_and(|next| next.is("day")) {
        return Ok((Days::Weekdays(EVERY_DAY), &rest[1..]));
    }
    if first.is("daily") {
        return Ok((Days::Weekdays(EVERY_DAY), rest));
    }
    if first.is("day") {
        let Some(number) = rest.first() else {
            return Err(Problem::new(first.span.clone(), "the number of the day is missing", DAYS_HELP));
        };
        return match number.text.parse::<u32>() {
            Ok(day @ 1..=MAX_DAY) => Ok((Days::Nth(day), &rest[1..])),
            _ => {
                let message = format!("{} is no day: they go from day 1 to day {MAX_DAY}", shown(&number.text));
                Err(Problem::new(number.span.clone(), message, DAYS_HELP))
            }
        };
    }
    if first.text.starts_with(|c: char| c.is_ascii_digit()) {
        return date(first)
            .map(|date| date.map_or((Days::Weekdays(EVERY_DAY), words), |date| (Days::Date(date), rest)));
    }
    weekdays(words)
}

/// The date of a word, where it looks like one.
fn date(word: &Token) -> Result<Option<jiff::civil::Date>, Problem> {
    if word.text.contains(':') || word.text.bytes().filter(|byte| *byte == b'-').count() != 2 {
        return Ok(None);
    }
    let read = word.text.parse().map(Some);
    read.map_err(|_| Problem::new(word.span.clone(), format!("{} is no date", shown(&word.text)), DAYS_HELP))
}

fn weekdays(words: &[Token]) -> Result<(Days, &[Token]), Problem> {
    let (mut bits, mut rest) = (0, words);
    while let [word, after @ ..] = rest {
        let Some(more) = weekday_range(&word.text) else { break };
        bits |= more;
        rest = after;
        match after {
            [comma, next, ..] if comma.is_comma() && weekday_range(&next.text).is_some() => rest = &after[1..],
            _ => break,
        }
    }
    Ok((Days::Weekdays(if bits == 0 { EVERY_DAY } else { bits }), rest))
}

fn weekday_range(word: &str) -> Option<u8> {
    let word = word.to_lowercase();
    match word.as_str() {
        "weekdays" => return Some(0b001_1111),
        "weekends" => return Some(0b110_0000),
        _ => {}
    }
    let place = |name: &str| WEEKDAYS.iter().position(|(short, long)| name == *short || name == *long);
    let (from, to) = word.split_once('-').unwrap_or((&word, &word));
    let (from, to) = (place(from)?, place(to)?);
    let within = |day: &usize| if from <= to { (from..=to).contains(day) } else { *day >= from || *day <= to };
    Some((0..7).filter(within).fold(0, |bits, day| bits | 1 << day))
}

/// The time, or the span of time, at the beginning of some words, and what follows.
pub(super) fn time(words: &[Token]) -> Result<(Clock, Option<Clock>, &[Token]), Problem> {
    let words = words.strip_prefix_word("at").strip_prefix_word("from");
    let [first, rest @ ..] = words else {
        return Err(Problem::new(0..0, "the time is missing", TIME_HELP));
    };
    if let Some((from, to)) = first.text.split_once('-') {
        let middle = first.span.start + from.len();
        let from = clock(from, first.span.start..middle)?;
        let to = end(to, middle + 1..first.span.end)?;
        return Ok((from, Some(span(from, to, first.span.clone())?), rest));
    }
    let from = clock(&first.text, first.span.clone())?;
    match rest {
        [dash, to, rest @ ..] if dash.is("-") || dash.is("to") => {
            let until = end(&to.text, to.span.clone())?;
            Ok((from, Some(span(from, until, first.span.start..to.span.end)?), rest))
        }
        _ => Ok((from, None, rest)),
    }
}

/// Whether a span from one time to the other can be meant.
pub(super) fn span(from: Clock, to: Clock, at: Range<usize>) -> Result<Clock, Problem> {
    if from == to {
        return Err(Problem::new(at, "the span ends when it begins", "write the later time second: 12:00-13:00"));
    }
    let over_midnight = to < from;
    if over_midnight && to.0 + DAY - from.0 > LONGEST_NIGHT {
        let help = "write the earlier time first; a span over midnight, as 22:00-06:00, takes 12 hours at most";
        return Err(Problem::new(at, "the span ends before it begins", help));
    }
    Ok(to)
}

/// A time of the day that ends something: 24:00 is one.
pub(super) fn end(text: &str, at: Range<usize>) -> Result<Clock, Problem> {
    if text == "24:00" { Ok(Clock(DAY)) } else { clock(text, at) }
}

fn clock(text: &str, at: Range<usize>) -> Result<Clock, Problem> {
    let number = |part: &str, below: u32| -> Option<u32> {
        let digits = (1..=2).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_digit());
        part.parse().ok().filter(|value| digits && *value < below)
    };
    let mut parts = text.split(':');
    let read = (|| {
        let (hour, minute) = (number(parts.next()?, 24)?, number(parts.next()?, 60)?);
        let second = parts.next().map_or(Some(0), |part| number(part, 60))?;
        parts.next().is_none().then_some(Clock(hour * 3_600 + minute * 60 + second))
    })();
    read.ok_or_else(|| {
        if text.starts_with(|c: char| c.is_ascii_digit()) {
            return Problem::new(at, format!("{} is no time of the day", shown(text)), TIME_HELP);
        }
        let help = "begin the line with at start, a time (09:00), days and a time (mon-fri 09:00), or task NAME";
        Problem::new(at, format!("{} says not when it happens", shown(text)), help)
    })
}

trait Words {
    /// Without that word, where it is the first.
    fn strip_prefix_word(&self, word: &str) -> &Self;
}

impl Words for [Token] {
    fn strip_prefix_word(&self, word: &str) -> &Self {
        match self {
            [first, rest @ ..] if first.is(word) => rest,
            _ => self,
        }
    }
}
