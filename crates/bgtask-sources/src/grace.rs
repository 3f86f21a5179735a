//! Grace for a service that falls silent.
//!
//! A service that is updated is gone for a moment, and one on a busy machine misses a deadline. To fall back at once to
//! worse means, and forward again a second later, would tell of two changes of a world in which nothing changed. So what
//! a service said last is believed a little longer than the service is heard.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use crate::bus::{CALL_RETRY, CallError};

/// For how long the last good answer of a service is believed after it went away, hung, or began to answer nonsense. One
/// that is restarted is back by then.
pub const SERVICE_GRACE: Duration = Duration::from_secs(5);

/// What a service said last, and until when that is believed.
#[derive(Debug)]
pub(crate) struct Grace<T> {
    last: Option<T>,
    /// Set from the first answer that was not good.
    ends: Option<Instant>,
}

impl<T> Default for Grace<T> {
    fn default() -> Self {
        Self { last: None, ends: None }
    }
}

impl<T: Clone> Grace<T> {
    /// What to go by after `answer`, and after how long to ask again if nothing is heard until then.
    pub(crate) fn judge(&mut self, answer: Result<T, CallError>) -> (Result<T, CallError>, Option<Duration>) {
        match answer {
            Ok(good) => {
                *self = Self { last: Some(good.clone()), ends: None };
                (Ok(good), None)
            }
            Err(error) => match self.last() {
                Some((last, left)) => (Ok(last), Some(left)),
                None => {
                    let again = self.again_after(&error);
                    (Err(error), again)
                }
            },
        }
    }

    /// The same for an answer of a service that says itself that it is still starting.
    pub(crate) fn judge_early(&mut self, answer: T) -> (Result<T, CallError>, Option<Duration>) {
        match self.last() {
            Some((last, left)) => (Ok(last), Some(left)),
            None => (Ok(answer), None),
        }
    }

    /// When to ask again who gave no good answer: one that came just now may not be ready yet, and one that hung may have
    /// recovered.
    fn again_after(&mut self, error: &CallError) -> Option<Duration> {
        if *error == CallError::NoService {
            self.ends = None;
            return None;
        }
        let left = self.left();
        let retry = matches!(error, CallError::Failed(_)).then_some(CALL_RETRY);
        if left.is_zero() { retry } else { Some(left) }
    }

    /// The last good answer while it is believed, and for how long it still is.
    fn last(&mut self) -> Option<(T, Duration)> {
        let last = self.last.take()?;
        let left = self.left();
        if left.is_zero() {
            return None;
        }
        self.last = Some(last.clone());
        Some((last, left))
    }

    /// How much of the grace is left, which begins now if it has not begun.
    fn left(&mut self) -> Duration {
        let now = Instant::now();
        self.ends.get_or_insert(now + SERVICE_GRACE).saturating_duration_since(now)
    }
}

/// Waits so long; for ever if there is nothing to ask again. Cancel safe.
pub(crate) async fn ask_again(after: Option<Duration>) {
    match after {
        Some(pause) => sleep(pause).await,
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::advance;

    use super::*;

    fn gone() -> Result<u8, CallError> {
        Err(CallError::NoService)
    }

    fn hung() -> Result<u8, CallError> {
        Err(CallError::Failed("GetAll took more than 3 s".to_owned()))
    }

    #[tokio::test(start_paused = true)]
    async fn the_last_answer_is_believed_for_the_grace_and_not_longer() {
        let mut grace = Grace::default();
        assert_eq!(grace.judge(Ok(1)), (Ok(1), None));
        assert_eq!(grace.judge(gone()), (Ok(1), Some(SERVICE_GRACE)));
        advance(SERVICE_GRACE - Duration::from_secs(1)).await;
        assert_eq!(grace.judge(hung()), (Ok(1), Some(Duration::from_secs(1))), "another failure does not prolong it");
        advance(Duration::from_secs(1)).await;
        assert_eq!(grace.judge(hung()), (hung(), Some(CALL_RETRY)));
        assert_eq!(grace.judge(gone()), (gone(), None));
        assert_eq!(grace.judge(gone()), (gone(), None), "once over it is over");
        assert_eq!(grace.judge(Ok(2)), (Ok(2), None));
        assert_eq!(grace.judge(gone()), (Ok(2), Some(SERVICE_GRACE)), "each good answer begins it anew");
    }

    #[tokio::test(start_paused = true)]
    async fn a_service_that_was_never_heard_has_none() {
        let mut grace = Grace::default();
        assert_eq!(grace.judge(gone()), (gone(), None));
        assert_eq!(grace.judge(hung()), (hung(), Some(SERVICE_GRACE)), "it may be starting");
        assert_eq!(grace.judge_early(3), (Ok(3), None));
        advance(SERVICE_GRACE).await;
        assert_eq!(grace.judge(hung()), (hung(), Some(CALL_RETRY)));
        assert_eq!(grace.judge(Err(CallError::NoObject)), (Err(CallError::NoObject), None));
        assert_eq!(grace.judge(gone()), (gone(), None));
        assert_eq!(grace.judge(Err(CallError::NoObject)), (Err(CallError::NoObject), Some(SERVICE_GRACE)));
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_said_while_starting_waits_for_the_end_of_the_grace() {
        let mut grace = Grace::default();
        assert_eq!(grace.judge(Ok(1)), (Ok(1), None));
        assert_eq!(grace.judge_early(3), (Ok(1), Some(SERVICE_GRACE)));
        advance(SERVICE_GRACE).await;
        assert_eq!(grace.judge_early(3), (Ok(3), None));
    }
}
