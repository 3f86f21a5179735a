//! Windows of the day: whether the local time is within one, and until when.

use std::time::SystemTime;

use bgtask_calendar::DayWindow;
use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::path::PathWatch;
use crate::report::{Teller, Unheard};
use crate::wall_timer;
use crate::world::World;
use crate::zone::{self, Doubt, LOCALTIME, Zone};

const MINUTES: u16 = 24 * 60;

/// Whether `now` is in a window, and the next moment when that changes, if it ever does. A window that ends where it begins
/// is the whole day; minutes count modulo a day, so that an end of 24:00 (1440) is midnight.
fn look(window: DayWindow, zone: &TimeZone, now: Timestamp) -> (bool, Option<Timestamp>) {
    let Ok(window) = DayWindow::new(window.from % MINUTES, window.to % MINUTES) else { return (true, None) };
    let now = now.as_microsecond();
    (window.holds(now, zone), Timestamp::from_microsecond(window.next_change(now, zone)).ok())
}

/// Watches until nobody listens.
pub(crate) async fn run(window: DayWindow, world: &World, mut teller: Teller) -> Unheard {
    let mut watch = PathWatch::new(world, LOCALTIME);
    let mut doubt = Doubt::default();
    let mut current: Option<Zone> = None;
    loop {
        let seen = Zone::read(&watch.look());
        let settling = doubt.of(&seen);
        if settling.is_none() {
            let status = zone::status(&watch, false, &seen);
            current = Some(Zone::believed(seen, current.as_ref()));
            if let Err(unheard) = teller.status(status).await {
                return unheard;
            }
        }
        let mut next = None;
        if let Some(zone) = &current {
            let within;
            (within, next) = look(window, &zone.rules, Timestamp::now());
            if let Err(unheard) = teller.level(within).await {
                return unheard;
            }
        }
        tokio::select! {
            () = watch.changed() => {}
            () = wall_timer::until(next.map(SystemTime::from)) => {}
            () = zone::until(settling) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use jiff::civil::time;
    use jiff::tz::offset;

    use super::*;

    const NIGHT: DayWindow = DayWindow { from: 22 * 60, to: 6 * 60 };

    fn moment(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    /// Rows: the window, the moment, whether it is within, and the next edge.
    #[test]
    fn a_window_begins_at_its_first_minute_and_ends_before_its_last() {
        let (lunch, evening) = (DayWindow { from: 720, to: 780 }, DayWindow { from: 1200, to: 1440 });
        let table = [
            (NIGHT, "2026-01-10T21:59:59.999Z", false, "2026-01-10T22:00:00Z"),
            (NIGHT, "2026-01-10T22:00:00Z", true, "2026-01-11T06:00:00Z"),
            (NIGHT, "2026-01-11T00:00:00Z", true, "2026-01-11T06:00:00Z"),
            (NIGHT, "2026-01-11T05:59:59.5Z", true, "2026-01-11T06:00:00Z"),
            (NIGHT, "2026-01-11T06:00:00Z", false, "2026-01-11T22:00:00Z"),
            (lunch, "2026-01-11T11:00:00Z", false, "2026-01-11T12:00:00Z"),
            (lunch, "2026-01-11T12:30:00Z", true, "2026-01-11T13:00:00Z"),
            (lunch, "2026-01-11T13:00:00Z", false, "2026-01-12T12:00:00Z"),
            (evening, "2026-01-11T23:59:59Z", true, "2026-01-12T00:00:00Z"),
            (evening, "2026-01-12T00:00:00Z", false, "2026-01-12T20:00:00Z"),
            (NIGHT, "1969-12-31T23:00:00.5Z", true, "1970-01-01T06:00:00Z"),
        ];
        for (window, now, within, next) in table {
            assert_eq!(look(window, &TimeZone::UTC, moment(now)), (within, Some(moment(next))), "{window:?} at {now}");
        }
    }

    #[test]
    fn a_window_that_ends_where_it_begins_is_the_whole_day() {
        for window in [DayWindow { from: 0, to: 1440 }, DayWindow { from: 90, to: 90 }] {
            assert_eq!(look(window, &TimeZone::UTC, Timestamp::now()), (true, None));
        }
    }

    #[test]
    fn any_numbers_are_a_window() {
        for minute in [1440, 1441, u16::MAX] {
            let (_, next) = look(DayWindow { from: minute, to: 7 }, &TimeZone::UTC, moment("2026-01-10T00:00:00Z"));
            assert!(next.is_some());
        }
        for end_of_time in [Timestamp::MIN, Timestamp::MAX] {
            look(NIGHT, &TimeZone::fixed(offset(14)), end_of_time);
        }
    }

    /// In Berlin the clock was put forward at 2:00 on 29 March 2026, and back at 3:00 on 25 October.
    #[test]
    fn what_a_clock_on_the_wall_shows_counts() {
        let berlin = TimeZone::posix("CET-1CEST,M3.5.0,M10.5.0/3").unwrap();
        let early = DayWindow { from: 2 * 60 + 30, to: 3 * 60 + 30 };
        let follow = |mut now: Timestamp, until: Timestamp| {
            let mut edges = Vec::new();
            let mut before = look(early, &berlin, now).0;
            while now < until {
                let (within, next) = look(early, &berlin, now);
                if within != before {
                    edges.push(berlin.to_datetime(now).time());
                }
                (before, now) = (within, next.unwrap());
            }
            edges
        };
        let spring = follow(moment("2026-03-28T22:00:00Z"), moment("2026-03-29T10:00:00Z"));
        assert_eq!(spring, [time(3, 0, 0, 0), time(3, 30, 0, 0)], "it began when 2:30 was skipped");
        let autumn = follow(moment("2026-10-24T22:00:00Z"), moment("2026-10-25T10:00:00Z"));
        let expected = [(2, 30), (2, 0), (2, 30), (3, 30)].map(|(hour, minute)| time(hour, minute, 0, 0));
        assert_eq!(autumn, expected, "half past two was shown twice");
    }
}
