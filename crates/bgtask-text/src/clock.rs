//! Times: as people say them, as programs read them, and as `--since` takes them.

use jiff::civil::{Date, DateTime, Time};
use jiff::tz::TimeZone;
use jiff::{Span, Timestamp, Unit, Zoned};

/// The moment a command runs, and where.
#[derive(Clone, Debug)]
pub struct Clock {
    /// A fixed moment in tests.
    fixed: Option<Timestamp>,
    zone: TimeZone,
}

impl Clock {
    /// The clock and the zone of this machine.
    pub fn system() -> Self {
        Self { fixed: None, zone: TimeZone::system() }
    }

    /// A clock that stands at this moment since the Unix epoch, in UTC: for tests.
    pub fn fixed(microseconds: i64) -> Self {
        Self { fixed: Some(moment(microseconds)), zone: TimeZone::UTC }
    }

    /// A clock of this zone that stands at the moment it is: everything that is said by it is said of one moment.
    pub fn still(&self) -> Self {
        Self { fixed: Some(self.now()), zone: self.zone.clone() }
    }

    /// The zone it tells the time of.
    pub fn zone(&self) -> &TimeZone {
        &self.zone
    }

    /// The moment it is.
    pub fn now(&self) -> Timestamp {
        self.fixed.unwrap_or_else(Timestamp::now)
    }

    /// `3 min ago`, as one says it.
    pub fn relative(&self, microseconds: i64) -> String {
        const UNITS: [(u64, &str, &str); 4] =
            [(86_400, "day", "days"), (3_600, "h", "h"), (60, "min", "min"), (1, "s", "s")];
        let distance = self.now().as_microsecond().saturating_sub(microseconds);
        let is_ahead = distance < 0;
        let seconds = distance.unsigned_abs() / 1_000_000;
        // What is ahead is rounded: six hours less a moment are "in 6 h".
        let rounded = |size: u64| if is_ahead { (seconds + size / 2) / size } else { seconds / size };
        let smaller = [3_600, 60, 1, 1];
        let is_reached = |size: u64, smaller: u64| rounded(smaller) * smaller >= size;
        let found = UNITS.into_iter().zip(smaller).find(|((size, ..), smaller)| is_reached(*size, *smaller));
        let Some(((size, one, many), _)) = found else {
            return "just now".to_owned();
        };
        let count = rounded(size);
        let unit = if count == 1 { one } else { many };
        if is_ahead { format!("in {count} {unit}") } else { format!("{count} {unit} ago") }
    }

    /// The local time with its offset, to the second, and how long ago that is.
    pub fn absolute(&self, microseconds: i64) -> String {
        let local = self.local(microseconds).strftime("%Y-%m-%d %H:%M:%S %:z");
        format!("{local} ({})", self.relative(microseconds))
    }

    /// The local time for a sentence: `03:12`, `03:12:05`, and with its date where that is not today.
    pub fn spoken(&self, microseconds: i64) -> String {
        let (at, now) = (self.local(microseconds), self.now().to_zoned(self.zone.clone()));
        let time = at.strftime(if at.second() == 0 { "%H:%M" } else { "%H:%M:%S" });
        if at.date() == now.date() { time.to_string() } else { format!("{} {time}", at.strftime("%Y-%m-%d")) }
    }

    /// The local time of day, to the millisecond.
    pub fn time_of_day(&self, microseconds: i64) -> String {
        self.local(microseconds).strftime("%H:%M:%S%.3f").to_string()
    }

    /// The moment `--since` names: so long ago, or a time.
    ///
    /// # Errors
    ///
    /// The text is no time; the error says so, and what is one.
    pub fn since(&self, text: &str) -> Result<Timestamp, String> {
        let text = text.trim();
        let now = self.now().to_zoned(self.zone.clone());
        let found = ago(text, &now).or_else(|| self.at(text, &now));
        found.ok_or_else(|| {
            format!("{text:?} is no time: say how long ago (90s, 15min, \"2 days\"), a time (03:00) or a date (2026-07-28, 2026-07-28T03:00)")
        })
    }

    fn at(&self, text: &str, now: &Zoned) -> Option<Timestamp> {
        if let Ok(exact) = text.parse::<Timestamp>() {
            return Some(exact);
        }
        // A text with a date also parses as a time, and one with both as a date.
        let local = if let Ok(both) = text.parse::<DateTime>() {
            both
        } else if let Ok(day) = text.parse::<Date>() {
            day.to_datetime(Time::midnight())
        } else {
            return latest(text.parse().ok()?, now);
        };
        Some(local.to_zoned(self.zone.clone()).ok()?.timestamp())
    }

    /// A moment in the zone of this clock.
    pub fn local(&self, microseconds: i64) -> Zoned {
        moment(microseconds).to_zoned(self.zone.clone())
    }
}

/// RFC 3339 in UTC with six digits after the second, so that times sort as text and none of the wire's precision is lost.
pub fn rfc3339(microseconds: i64) -> String {
    moment(microseconds).strftime("%Y-%m-%dT%H:%M:%S%.6fZ").to_string()
}

/// A time of the wire; what lies outside the calendar is moved to its end.
fn moment(microseconds: i64) -> Timestamp {
    let edge = if microseconds < 0 { Timestamp::MIN } else { Timestamp::MAX };
    Timestamp::from_microsecond(microseconds).unwrap_or(edge)
}

fn ago(text: &str, now: &Zoned) -> Option<Timestamp> {
    let span = text.parse::<Span>().ok()?.abs();
    Some(now.checked_sub(span).ok()?.timestamp())
}

/// That time of day when it last was.
fn latest(time: Time, now: &Zoned) -> Option<Timestamp> {
    let today = now.with().time(time).build().ok()?;
    let latest = if today > *now { today.checked_sub(Span::new().try_days(1).ok()?).ok()? } else { today };
    latest.round(Unit::Microsecond).ok().map(|zoned| zoned.timestamp())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 2026-07-28T12:00:00Z
    const NOON: i64 = 1_785_240_000_000_000;

    #[test]
    fn a_distance_is_said_in_its_largest_unit() {
        let clock = Clock::fixed(NOON);
        let said = |seconds: i64| clock.relative(NOON - seconds * 1_000_000);
        assert_eq!(said(0), "just now");
        assert_eq!(said(59), "59 s ago");
        assert_eq!(said(60), "1 min ago");
        assert_eq!(said(7_199), "1 h ago");
        assert_eq!(said(86_400), "1 day ago");
        assert_eq!(said(200_000), "2 days ago");
        assert_eq!(said(-120), "in 2 min");
        assert_eq!(said(-3_599), "in 1 h");
        assert_eq!(said(-21_599), "in 6 h");
        assert_eq!(said(-86_399), "in 1 day");
        assert!(clock.relative(i64::MIN).ends_with(" days ago"));
        assert!(clock.relative(i64::MAX).starts_with("in "));
    }

    #[test]
    fn a_time_for_programs_has_one_form() {
        assert_eq!(rfc3339(NOON), "2026-07-28T12:00:00.000000Z");
        assert_eq!(rfc3339(NOON + 1), "2026-07-28T12:00:00.000001Z");
        assert_eq!(rfc3339(-1), "1969-12-31T23:59:59.999999Z");
        assert!(rfc3339(i64::MAX).starts_with("9999-12-30T"));
        assert!(!rfc3339(i64::MIN).is_empty());
    }

    #[test]
    fn a_time_for_people_is_local() {
        let clock = Clock::fixed(NOON);
        assert_eq!(clock.absolute(NOON - 60_000_000), "2026-07-28 11:59:00 +00:00 (1 min ago)");
        assert_eq!(clock.time_of_day(NOON + 1_500), "12:00:00.001");
        assert_eq!(clock.spoken(NOON), "12:00");
        assert_eq!(clock.spoken(NOON - 1_000_000), "11:59:59");
        assert_eq!(clock.spoken(NOON - 86_400_000_000), "2026-07-27 12:00");
    }

    #[test]
    fn since_is_a_distance_or_a_time() {
        let clock = Clock::fixed(NOON);
        let since = |text: &str| clock.since(text).map(|at| at.to_string());
        for (text, expected) in [
            ("90s", "2026-07-28T11:58:30Z"),
            ("15min", "2026-07-28T11:45:00Z"),
            ("2 days", "2026-07-26T12:00:00Z"),
            ("1d 2h", "2026-07-27T10:00:00Z"),
            ("2h ago", "2026-07-28T10:00:00Z"),
            ("03:00", "2026-07-28T03:00:00Z"),
            ("13:30", "2026-07-27T13:30:00Z"),
            ("2026-07-28", "2026-07-28T00:00:00Z"),
            ("2026-07-28T03:00", "2026-07-28T03:00:00Z"),
            ("2026-07-28T03:00:00+02:00", "2026-07-28T01:00:00Z"),
        ] {
            assert_eq!(since(text).as_deref(), Ok(expected), "{text}");
        }
        for text in ["", "yesterday", "-", "99999999999 years", "25:00"] {
            assert!(since(text).is_err(), "{text}");
        }
    }
}
