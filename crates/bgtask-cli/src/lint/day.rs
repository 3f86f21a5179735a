//! The minutes of a day that the `between` conditions of a task leave.

use std::time::Duration;

use bgtask_core::{Condition, Fact, words};
use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::conditions::wanted;

const MINUTES: usize = 1440;

/// Which minutes of a day remain.
pub(super) struct Day([bool; MINUTES]);

impl Day {
    /// The minutes in which all `between` conditions hold; `None` where there are none.
    pub(super) fn of(conditions: &[Condition]) -> Option<Self> {
        let mut left = [true; MINUTES];
        let mut is_bound = false;
        for condition in conditions {
            let (Fact::Between(window), holds) = wanted(*condition) else { continue };
            is_bound = true;
            let (from, to) = (usize::from(window.from), usize::from(window.to));
            for (minute, left) in left.iter_mut().enumerate() {
                let inside = if from < to { (from..to).contains(&minute) } else { minute >= from || minute < to };
                *left &= inside == holds;
            }
        }
        is_bound.then_some(Self(left))
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.iter().all(|left| !left)
    }

    /// How much of the day it is.
    pub(super) fn share(&self) -> f64 {
        self.0.iter().filter(|left| **left).count() as f64 / MINUTES as f64
    }

    /// Whether that moment (microseconds since the Unix epoch) is in it, on the clock of the machine.
    pub(super) fn has(&self, at: i64, zone: &TimeZone) -> bool {
        let Ok(at) = Timestamp::from_microsecond(at) else { return false };
        let shown = zone.to_datetime(at);
        self.0[usize::from(shown.hour().unsigned_abs()) * 60 + usize::from(shown.minute().unsigned_abs())]
    }

    /// The longest time without a minute of it.
    pub(super) fn longest_gap(&self) -> Duration {
        let (mut longest, mut gap) = (0, 0);
        // Twice, as a gap may go over midnight.
        for left in self.0.iter().chain(&self.0) {
            gap = if *left { 0 } else { gap + 1 };
            longest = longest.max(gap);
        }
        Duration::from_secs(60 * longest.min(MINUTES as u64))
    }

    /// When it begins, if it begins once a day: `22:00`.
    pub(super) fn begins(&self) -> Option<String> {
        let begins = |minute: &usize| self.0[*minute] && !self.0[(*minute + MINUTES - 1) % MINUTES];
        let mut all = (0..MINUTES).filter(begins);
        let first = all.next()?;
        all.next().is_none().then(|| format!("{:02}:{:02}", first / 60, first % 60))
    }
}

/// `30 min`, of a part of a day.
pub(super) fn of_a_day(share: f64) -> String {
    let minutes = (share * MINUTES as f64).round().max(1.0) as u64;
    words::duration_word(Duration::from_secs(60 * minutes))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(words: &[&str]) -> Option<Day> {
        let conditions: Vec<_> = words.iter().map(|word| Condition::from_name(word).unwrap()).collect();
        Day::of(&conditions)
    }

    #[test]
    fn what_remains_of_a_day() {
        assert!(day(&["ac-power"]).is_none());
        let night = day(&["between:22:00-06:00", "ac-power"]).unwrap();
        assert_eq!((night.begins().as_deref(), night.longest_gap()), (Some("22:00"), Duration::from_secs(16 * 3600)));
        assert!((night.share() - 1.0 / 3.0).abs() < 1e-9);
        assert!(day(&["between:22:00-06:00", "between:08:00-12:00"]).unwrap().is_empty());
        assert!(day(&["between:22:00-06:00", "not:between:21:00-07:00"]).unwrap().is_empty());
        let broken = day(&["between:08:00-20:00", "not:between:12:00-13:00"]).unwrap();
        assert_eq!((broken.begins(), broken.longest_gap()), (None, Duration::from_secs(12 * 3600)));
        assert!(broken.has(0, &TimeZone::fixed(jiff::tz::offset(9))) && !broken.has(0, &TimeZone::UTC));
    }
}
