//! Virtual time: tokio's clock, which the test has paused, shown as the two clocks of a machine.

use std::time::Duration;

use bgtask_core::{BootTime, Now, WallTime};
use tokio::time::Instant;

/// 2030-01-01 00:00:00 UTC, on a tick of the timers; the same in every test, so that every test is always the same.
const BEGIN: WallTime = WallTime::from_micros(1_893_456_000_000_000);

/// Both clocks go as tokio's does: none steps, and the machine does not sleep.
pub(super) struct Clock {
    begin: Instant,
}

impl Clock {
    pub(super) fn new() -> Self {
        Self { begin: Instant::now() }
    }

    pub(super) fn now(&self) -> Now {
        Now { boot: BootTime::default(), wall: BEGIN } + self.begin.elapsed()
    }

    pub(super) fn instant(&self, at: BootTime) -> Instant {
        self.begin + Duration::from_micros(at.as_micros())
    }
}
