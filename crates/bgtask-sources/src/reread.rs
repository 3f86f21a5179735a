//! Reading again by time what no kernel tells: free space and the load.
//!
//! This is the one exception to "nothing polls", and it lasts only while somebody watches such a level. All that read in
//! the same period do so on the same tick, so that many of them cost one wake-up.

use std::time::Duration;

use tokio::time::sleep;

use crate::up_time::up_time;

/// Waits for the next tick of `period`: a moment when the machine has been up for a whole number of them. Cancel safe.
pub(crate) async fn tick(period: Duration) {
    sleep(until_tick(up_time(), period)).await;
}

fn until_tick(up: Duration, period: Duration) -> Duration {
    let since_tick = up.as_nanos() % period.as_nanos();
    period - Duration::from_nanos(since_tick as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_whole_periods_of_up_time() {
        let period = Duration::from_secs(30);
        for (up, rest) in [(0, 30_000), (1, 29_999), (29_999, 1), (30_000, 30_000), (90_061_001, 28_999)] {
            assert_eq!(until_tick(Duration::from_millis(up), period), Duration::from_millis(rest), "up {up} ms");
        }
    }
}
