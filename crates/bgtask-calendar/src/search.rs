//! The next instant of a calendar.
//!
//! The time of a zone is cut into stretches of one offset. Within a stretch, local time and instants differ by that
//! offset and nothing else, so the search asks for the next *local* time of the calendar, by sets of bits, and looks
//! at the border of the stretch only when the answer lies beyond it.

use jiff::tz::{Offset, TimeZone};
use jiff::{Timestamp, civil};

use crate::set::Field;
use crate::{Calendar, FIRST_YEAR, LAST_YEAR};

const MICROS: i64 = 1_000_000;
const DAY: i64 = 86_400;

/// Seconds since the Unix epoch, or, for local times, since the local 1970-01-01 00:00.
type Seconds = i64;

/// The first instant of the calendar after `after`; both in microseconds since the Unix epoch.
pub(crate) fn next(calendar: &Calendar, after: i64, zone: &TimeZone) -> Option<i64> {
    let mut at = instant(after).as_second();
    let mut offset = offset_at(zone, at);
    let mut low = at + offset + 1;
    if !calendar.runs_in_both_passes() {
        low = low.max(end_of_first_pass(zone, at));
    }
    let mut found = next_local(calendar, low);
    loop {
        let border = border_after(zone, at);
        match (found, border) {
            (Some(local), None) => return Some((local - offset) * MICROS),
            (Some(local), Some(border)) if local - offset < border => return Some((local - offset) * MICROS),
            (_, None) => return None,
            (_, Some(border)) => {
                let later = offset_at(zone, border);
                let missed = found.is_some_and(|local| local < border + later);
                if missed && calendar.makes_up() {
                    return Some(border * MICROS);
                }
                let first = border + if calendar.runs_in_both_passes() { later } else { later.max(offset) };
                if first < low || missed {
                    found = next_local(calendar, first);
                } else if found.is_none() {
                    return None;
                }
                (at, offset, low) = (border, later, first);
            }
        }
    }
}

/// The local time at which the last change of offset before or at this instant ended the hour it repeats.
fn end_of_first_pass(zone: &TimeZone, at: Seconds) -> Seconds {
    let border = zone.preceding(second(at + 1)).next();
    border.map_or(Seconds::MIN, |border| {
        let border = border.timestamp().as_second();
        border + offset_at(zone, border - 1)
    })
}

/// The first local time of the calendar that is `low` or later.
fn next_local(calendar: &Calendar, low: Seconds) -> Option<Seconds> {
    let low = low.max(0);
    let (day, time) = (low.div_euclid(DAY), low.rem_euclid(DAY));
    let found = next_day(calendar, day)?;
    if found > day {
        return Some(found * DAY + next_time(calendar, 0)?);
    }
    match next_time(calendar, time) {
        Some(time) => Some(day * DAY + time),
        None => Some(next_day(calendar, day + 1)? * DAY + next_time(calendar, 0)?),
    }
}

/// The first second of the day that is `low` or later and has the calendar's hour, minute and second.
fn next_time(calendar: &Calendar, low: Seconds) -> Option<Seconds> {
    let (hour, minute, second) = (low as u32 / 3600, low as u32 / 60 % 60, low as u32 % 60);
    let in_minute = |second| calendar.seconds.from(second);
    let in_hour = |minute: u32, second: u32| {
        let exact = calendar.minutes.has(minute).then(|| in_minute(second)).flatten().map(|second| (minute, second));
        exact.or_else(|| Some((calendar.minutes.from(minute + 1)?, in_minute(0)?)))
    };
    let exact = calendar.hours.has(hour).then(|| in_hour(minute, second)).flatten();
    let (hour, (minute, second)) = match exact {
        Some(time) => (hour, time),
        None => {
            let hour = calendar.hours.from(hour + 1)?;
            (hour, (calendar.minutes.from(0)?, in_minute(0)?))
        }
    };
    Some(Seconds::from(hour * 3600 + minute * 60 + second))
}

/// The first day of the calendar, counted from 1970-01-01, that is `low` or later.
fn next_day(calendar: &Calendar, low: i64) -> Option<i64> {
    let date = second(low * DAY).to_zoned(TimeZone::UTC).date();
    let (mut year, mut month, mut day) = (date.year(), date.month() as u32, date.day() as u32);
    while year <= LAST_YEAR {
        let listed = calendar.years.from((year - FIRST_YEAR) as u32)? as i16 + FIRST_YEAR;
        if listed > year {
            (year, month, day) = (listed, 1, 1);
        }
        match calendar.months.from(month) {
            None => (year, month, day) = (year + 1, 1, 1),
            Some(listed) if listed > month => (month, day) = (listed, 1),
            Some(_) => {
                let first = civil::date(year, month as i8, 1);
                let days = days_of_month(calendar, first) & (u64::MAX << day);
                if days != 0 {
                    let since = Offset::UTC.to_timestamp(first.at(0, 0, 0, 0)).ok()?.as_second() / DAY;
                    return Some(since + i64::from(days.trailing_zeros()) - 1);
                }
                (month, day) = (month + 1, 1);
            }
        }
    }
    None
}

/// The days of a month that are the calendar's, as bits: bit 1 is the first of the month.
fn days_of_month(calendar: &Calendar, first: civil::Date) -> u64 {
    let length = first.days_in_month() as u32;
    let month = ((1u64 << length) - 1) << 1;
    let listed = calendar.days.low();
    // Counted from the end, bit 1 is the last of the month.
    let listed = if calendar.days_from_end { listed.reverse_bits() >> (62 - length) } else { listed };
    let weekday = first.weekday().to_monday_zero_offset() as u32;
    let week = calendar.weekdays.low();
    let week = (week >> weekday | week << (7 - weekday)) & 0x7f;
    let by_weekday = (week | week << 7 | week << 14 | week << 21 | week << 28) << 1;
    month & if calendar.either { listed | by_weekday } else { listed & by_weekday }
}

/// The instant, or the nearest there is.
pub(crate) fn instant(micros: i64) -> Timestamp {
    let nearest = if micros < 0 { Timestamp::MIN } else { Timestamp::MAX };
    Timestamp::from_microsecond(micros).unwrap_or(nearest)
}

fn second(seconds: Seconds) -> Timestamp {
    let nearest = if seconds < 0 { Timestamp::MIN } else { Timestamp::MAX };
    Timestamp::from_second(seconds).unwrap_or(nearest)
}

pub(crate) fn offset_at(zone: &TimeZone, at: Seconds) -> Seconds {
    Seconds::from(zone.to_offset(second(at)).seconds())
}

/// The first instant after this one at which the offset of the zone may change.
pub(crate) fn border_after(zone: &TimeZone, at: Seconds) -> Option<Seconds> {
    zone.following(second(at)).next().map(|border| border.timestamp().as_second())
}

impl Calendar {
    /// Whether a local time that comes twice, because the clock is set back, counts twice.
    fn runs_in_both_passes(&self) -> bool {
        self.repeats
    }

    /// Whether local times that do not come, because the clock is set forward, are made up for.
    fn makes_up(&self) -> bool {
        self.hours != Field::HOUR.all()
    }
}
