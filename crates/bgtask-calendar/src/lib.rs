//! Calendar expressions and windows of the day, as values: [`Calendar`] and [`DayWindow`].
//!
//! Nothing here reads a clock, a file or the zone of the machine. Instants are microseconds since the Unix epoch, and
//! who asks brings the time zone.
//!
//! ```
//! use bgtask_calendar::Calendar;
//! use jiff::tz::TimeZone;
//!
//! let calendar = Calendar::parse("Mon..Fri 09:00 UTC")?;
//! assert_eq!(calendar.describe(), "every weekday at 09:00 (UTC)");
//! assert_eq!(calendar.zone(), Some("UTC"));
//!
//! let saturday = 1_798_848_000_000_000; // 2027-01-02 00:00
//! let monday_at_nine = 1_799_053_200_000_000;
//! assert_eq!(calendar.next(saturday, &TimeZone::UTC), Some(monday_at_nine));
//! # Ok::<(), bgtask_calendar::CalendarError>(())
//! ```
//!
#![doc = include_str!("../../../docs/calendar.md")]
//!
//! # Bounds
//!
//! [`MAX_EXPRESSION_BYTES`], [`MAX_ZONE_BYTES`], and the years from [`FIRST_YEAR`] to [`LAST_YEAR`]. A search goes by
//! months and by changes of the clock, never by days or minutes: some thousand steps at most, when nothing ever comes.
#![forbid(unsafe_code)]
#![warn(missing_docs)]

pub mod cron;
mod describe;
mod display;
mod error;
mod parse;
mod search;
mod set;
mod window;
mod words;

use jiff::tz::TimeZone;

pub use error::CalendarError;
use set::Set;
pub use window::DayWindow;

/// The longest expression that is read, in bytes. Every normalized form is shorter.
pub const MAX_EXPRESSION_BYTES: usize = 2048;
/// The longest name of a time zone in an expression, in bytes.
pub const MAX_ZONE_BYTES: usize = 64;
/// The first year of calendars.
pub const FIRST_YEAR: i16 = 1970;
/// The last year of calendars, as with systemd: what would come later never comes.
pub const LAST_YEAR: i16 = 2199;

/// When something happens again and again, on the clock and the calendar of people: a read expression.
///
/// Two calendars are equal if they name the same times in the same way of counting, however they were written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Calendar {
    /// Counted from [`FIRST_YEAR`].
    years: Set,
    months: Set,
    /// Counted from 1; from the end of the month if `days_from_end`.
    days: Set,
    days_from_end: bool,
    /// Monday is 0.
    weekdays: Set,
    /// The rule of cron: one of `days` *or* one of `weekdays`, where otherwise it takes both.
    either: bool,
    hours: Set,
    /// The hours were written with a star or a step: in an hour that the clock repeats it runs both times.
    repeats: bool,
    minutes: Set,
    seconds: Set,
    zone: Option<String>,
}

impl Calendar {
    /// Reads an expression of cron or of systemd.
    ///
    /// ```
    /// use bgtask_calendar::Calendar;
    ///
    /// assert_eq!(Calendar::parse("0 9 * * mon-fri")?, Calendar::parse("Mon..Fri 09:00")?);
    /// # Ok::<(), bgtask_calendar::CalendarError>(())
    /// ```
    ///
    /// # Errors
    /// When it is neither, with the part that is wrong and what to write instead.
    pub fn parse(text: &str) -> Result<Self, CalendarError> {
        parse::parse(text).map_err(|problem| CalendarError::new(text, problem))
    }

    /// The time zone the expression names, which is the one to give to [`next`](Self::next). Whether it exists is not
    /// known here. `None` means the zone of the machine.
    pub fn zone(&self) -> Option<&str> {
        self.zone.as_deref()
    }

    /// The first instant strictly after `after`, both in microseconds since the Unix epoch, on the clock of `zone`.
    /// `None` if there is none before the end of the year [`LAST_YEAR`].
    ///
    /// ```
    /// use bgtask_calendar::Calendar;
    /// use jiff::tz::TimeZone;
    ///
    /// let daily = Calendar::parse("daily")?;
    /// assert_eq!(daily.next(0, &TimeZone::UTC), Some(24 * 3_600_000_000));
    /// # Ok::<(), bgtask_calendar::CalendarError>(())
    /// ```
    pub fn next(&self, after: i64, zone: &TimeZone) -> Option<i64> {
        search::next(self, after, zone)
    }

    /// The calendar for people: "every weekday at 09:00", or the normalized expression where that cannot be said well.
    ///
    /// ```
    /// use bgtask_calendar::Calendar;
    ///
    /// assert_eq!(Calendar::parse("Sat *-*-1..7 18:00")?.describe(), "on the first Saturday of every month at 18:00");
    /// # Ok::<(), bgtask_calendar::CalendarError>(())
    /// ```
    pub fn describe(&self) -> String {
        describe::describe(self).unwrap_or_else(|| self.to_string())
    }
}

impl std::str::FromStr for Calendar {
    type Err = CalendarError;

    fn from_str(text: &str) -> Result<Self, CalendarError> {
        Self::parse(text)
    }
}
