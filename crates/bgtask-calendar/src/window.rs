//! Windows of the day: `22:00-06:00`.

use std::fmt;

use jiff::tz::TimeZone;

use crate::CalendarError;
use crate::error::{Problem, quoted};
use crate::search::{border_after, instant, offset_at};

const MINUTES: u16 = 24 * 60;
const DAY: i64 = 86_400;

/// A window of every day on the local clock, from a minute up to, and without, another.
///
/// What counts is what a clock on the wall shows. Where the clock is set forward over the beginning, the window begins
/// at that moment; where it is set back, the part of the window in the repeated hour comes twice.
///
/// ```
/// use bgtask_calendar::DayWindow;
/// use jiff::tz::TimeZone;
///
/// let night = DayWindow::parse("22:00-06:00")?;
/// assert!(night.holds(0, &TimeZone::UTC), "the Unix epoch was at midnight");
/// assert_eq!(night.next_change(0, &TimeZone::UTC), 6 * 3_600_000_000);
/// assert_eq!(night.to_string(), "22:00-06:00");
/// # Ok::<(), bgtask_calendar::CalendarError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DayWindow {
    /// The first minute of the window, counted from midnight: 0 to 1439.
    pub from: u16,
    /// The first minute after the window, counted from midnight: 0 to 1439. Less than `from` if midnight is within.
    pub to: u16,
}

impl DayWindow {
    /// A window from and to these minutes after midnight.
    ///
    /// # Errors
    /// When a minute is not of a day (0 to 1439), or both are the same.
    pub fn new(from: u16, to: u16) -> Result<Self, CalendarError> {
        let asked = format!("{}-{}", Clock(from), Clock(to));
        let problem = if from >= MINUTES || to >= MINUTES {
            Problem::new("a day has 1440 minutes", "write minutes from 0 to 1439")
        } else if from == to {
            Problem::new("it begins when it ends", "leave it out for the whole day")
        } else {
            return Ok(Self { from, to });
        };
        Err(CalendarError::new(&asked, problem))
    }

    /// Reads `22:00-06:00`; the end may be `24:00`.
    ///
    /// # Errors
    /// When it is not two times of the day with a `-` between them, or both are the same.
    pub fn parse(text: &str) -> Result<Self, CalendarError> {
        let refused = |problem| CalendarError::new(text, problem);
        let Some((from, to)) = text.split_once('-') else {
            return Err(refused(Problem::new("it has no -", "write a window as 22:00-06:00")));
        };
        let from = minute(from.trim()).map_err(refused)?;
        let to = if to.trim() == "24:00" { 0 } else { minute(to.trim()).map_err(refused)? };
        Self::new(from, to)
    }

    /// Whether the local clock is within the window at this instant, in microseconds since the Unix epoch.
    pub fn holds(&self, at: i64, zone: &TimeZone) -> bool {
        let at = instant(at).as_second();
        self.holds_locally(at + offset_at(zone, at))
    }

    /// The first instant after `after` at which [`holds`](Self::holds) changes; both in microseconds since the Unix
    /// epoch. [`i64::MAX`] if the calendar of the computer ends before that, in the year 9999.
    pub fn next_change(&self, after: i64, zone: &TimeZone) -> i64 {
        let mut at = instant(after).as_second();
        let mut offset = offset_at(zone, at);
        let held = self.holds_locally(at + offset);
        loop {
            let change = self.local_change_after(at + offset) - offset;
            match border_after(zone, at) {
                Some(border) if border <= change => {
                    (at, offset) = (border, offset_at(zone, border));
                    if self.holds_locally(at + offset) != held {
                        return at * 1_000_000;
                    }
                }
                _ if change > jiff::Timestamp::MAX.as_second() => return i64::MAX,
                _ => return change * 1_000_000,
            }
        }
    }

    fn holds_locally(&self, local: i64) -> bool {
        let minute = (local.rem_euclid(DAY) / 60) as u16;
        if self.from < self.to {
            (self.from..self.to).contains(&minute)
        } else {
            minute >= self.from || minute < self.to
        }
    }

    /// The next beginning or end, by a clock that is never set.
    fn local_change_after(&self, local: i64) -> i64 {
        let until = |minute: u16| (i64::from(minute) * 60 - local - 1).rem_euclid(DAY) + 1;
        local + until(self.from).min(until(self.to))
    }
}

impl fmt::Display for DayWindow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", Clock(self.from), Clock(self.to))
    }
}

impl std::str::FromStr for DayWindow {
    type Err = CalendarError;

    fn from_str(text: &str) -> Result<Self, CalendarError> {
        Self::parse(text)
    }
}

/// A minute of the day as a clock shows it.
struct Clock(u16);

impl fmt::Display for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:02}:{:02}", self.0 / 60, self.0 % 60)
    }
}

fn minute(text: &str) -> Result<u16, Problem> {
    let digits = |part: &str| (1..=2).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_digit());
    let read = text.split_once(':').filter(|(hour, minute)| digits(hour) && digits(minute));
    let read = read.and_then(|(hour, minute)| Some((hour.parse().ok()?, minute.parse().ok()?)));
    match read {
        Some((hour @ 0..24, minute @ 0..60)) => Ok(hour * 60 + minute),
        _ => {
            let wrong = format!("{} is not a time of the day", quoted(text));
            Err(Problem::new(wrong, "write hour:minute from 00:00 to 23:59, as in 22:00-06:00"))
        }
    }
}
