//! How often something may happen.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::time::Instant;

/// At most so many in any minute.
#[derive(Debug)]
pub(crate) struct Rate {
    most: usize,
    /// When those of the last minute happened.
    times: VecDeque<Instant>,
}

const MINUTE: Duration = Duration::from_secs(60);

impl Rate {
    pub(crate) fn a_minute(most: u16) -> Self {
        Self { most: most.into(), times: VecDeque::new() }
    }

    /// Whether one more may happen now, which then counts.
    pub(crate) fn admits(&mut self, now: Instant) -> bool {
        while self.times.front().is_some_and(|first| now.duration_since(*first) >= MINUTE) {
            self.times.pop_front();
        }
        let admitted = self.times.len() < self.most;
        if admitted {
            self.times.push_back(now);
        }
        admitted
    }

    /// When one more may happen; a moment that has passed if it may now.
    pub(crate) fn again(&self) -> Instant {
        match self.times.front() {
            Some(first) if self.times.len() >= self.most => *first + MINUTE,
            _ => Instant::now(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn no_minute_has_more_wherever_it_begins() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut rate = Rate::a_minute(2);
        assert!(rate.admits(at(0)) && rate.admits(at(50)) && !rate.admits(at(59)));
        assert_eq!(rate.again(), at(60));
        assert!(rate.admits(at(60)) && !rate.admits(at(109)) && rate.admits(at(110)));
    }
}
