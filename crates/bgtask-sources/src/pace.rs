//! Readings at a pace: the first news is read at once, and a flood of it is not read more often than is useful.

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

#[cfg(test)]
mod tests {
    use tokio::time::advance;

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
}
