//! Readings at a pace: either the first news is read at once and a flood of it not more often than is useful, or it is read
//! when what flaps has come to rest.

use std::time::Duration;

use tokio::time::{Instant, sleep_until};

/// Keeps readings apart.
#[derive(Debug)]
pub(crate) struct Pace {
    least: Duration,
    next: Option<Instant>,
}

impl Pace {
    /// At least so long from one reading to the next.
    pub(crate) fn new(least: Duration) -> Self {
        Self { least, next: None }
    }

    /// Waits until the next reading may begin: not at all, if the last one was long ago. Not cancel safe.
    pub(crate) async fn wait(&mut self) {
        if let Some(next) = self.next {
            sleep_until(next).await;
        }
        self.next = Some(Instant::now() + self.least);
    }
}

/// What has begun to flap, and when it is read: when it was quiet for a while, or has flapped for long enough.
#[derive(Debug)]
pub(crate) struct Flap {
    quiet: Duration,
    quiet_at: Instant,
    end: Instant,
}

impl Flap {
    /// Begins now: it must be `quiet` for so long, and goes on for `most` of all.
    pub(crate) fn new(quiet: Duration, most: Duration) -> Self {
        let now = Instant::now();
        Self { quiet, quiet_at: now + quiet, end: now + most }
    }

    /// It flapped once more.
    pub(crate) fn again(&mut self) {
        self.quiet_at = Instant::now() + self.quiet;
    }

    /// Waits until it may be read. Cancel safe.
    pub(crate) async fn over(&self) {
        sleep_until(self.quiet_at.min(self.end)).await;
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::{advance, sleep};

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn news_is_read_at_once_and_a_flood_of_it_at_a_pace() {
        let least = Duration::from_millis(100);
        let mut pace = Pace::new(least);
        let start = Instant::now();
        pace.wait().await;
        assert_eq!(start.elapsed(), Duration::ZERO);
        for reading in 1..=3 {
            pace.wait().await;
            assert_eq!(start.elapsed(), reading * least);
        }
        advance(10 * least).await;
        let later = Instant::now();
        pace.wait().await;
        assert_eq!(later.elapsed(), Duration::ZERO);
    }

    /// How long it flaps if it does so once in a `gap`, `times` times.
    async fn flap(gap: Duration, times: u32) -> Duration {
        let start = Instant::now();
        let mut flap = Flap::new(QUIET, MOST);
        let mut left = times;
        loop {
            tokio::select! {
                () = flap.over() => return start.elapsed(),
                () = sleep(gap), if left > 0 => (left, ()) = (left - 1, flap.again()),
            }
        }
    }

    const QUIET: Duration = Duration::from_millis(250);
    const MOST: Duration = Duration::from_secs(1);

    #[tokio::test(start_paused = true)]
    async fn what_flaps_is_read_when_it_rests_or_when_it_never_does() {
        assert_eq!(flap(QUIET, 0).await, QUIET);
        assert_eq!(flap(QUIET / 5, 3).await, 3 * QUIET / 5 + QUIET);
        assert_eq!(flap(QUIET * 2, 1).await, QUIET, "that is another flap");
        assert_eq!(flap(QUIET / 5, 1000).await, MOST);
    }
}
