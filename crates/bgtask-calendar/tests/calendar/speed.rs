//! A next time is found without counting minutes.

use std::time::{Duration, Instant};

use bgtask_calendar::Calendar;

use crate::{at, zone};

/// The best of several runs is compared with some thirty times what was measured, so that a busy machine does not fail
/// it. A scan by minutes would take ten million steps for the first of them, a scan by days fifteen thousand.
#[test]
fn sparse_expressions_are_found_in_well_under_a_millisecond() {
    let bound = if cfg!(debug_assertions) { Duration::from_millis(20) } else { Duration::from_millis(1) };
    let berlin = zone("Europe/Berlin");
    let after = at("2076-03-01 00:00", &berlin);
    for text in ["Mon *-02-29 02:30", "Mon *-02-29 *:0/15", "*-02-30 *:*:*", "2199-12-31 23:59:59", "0 0 31 2 *"] {
        let calendar = Calendar::parse(text).unwrap();
        let best = (0..10).map(|_| timed(|| calendar.next(after, &berlin))).min().expect("ten runs");
        println!("{text}: {best:?}");
        assert!(best < bound, "{text} took {best:?}");
    }
}

fn timed<T>(run: impl FnOnce() -> T) -> Duration {
    let start = Instant::now();
    std::hint::black_box(run());
    start.elapsed()
}
