//! Whether an activation was told to stop: known to async code, to blocking code and to handlers.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;

use crate::BackgroundTaskCancellationReason as Reason;

/// Why a running task was told to stop, and how much time it had, has used and has left (U-9).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CancelNotice {
    pub(crate) reason: Reason,
    pub(crate) budget: Duration,
    pub(crate) used: Duration,
    pub(crate) grace: Duration,
}

impl CancelNotice {
    /// Why.
    pub fn reason(&self) -> Reason {
        self.reason
    }

    /// How long the activation might have run.
    pub fn budget(&self) -> Duration {
        self.budget
    }

    /// How long it had run.
    pub fn used(&self) -> Duration {
        self.used
    }

    /// How long it may still take, from the notice on.
    pub fn grace(&self) -> Duration {
        self.grace
    }
}

impl fmt::Display for CancelNotice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { reason, budget, used, grace } = self;
        write!(f, "{reason} ({used:.1?} used of {budget:.1?}, {grace:.1?} to stop)")
    }
}

type Handler = Box<dyn FnOnce(Reason) + Send>;

#[derive(Default)]
pub(crate) struct Cancellation {
    state: Mutex<State>,
    blocked: Condvar,
    waiting: Notify,
}

#[derive(Default)]
struct State {
    notice: Option<CancelNotice>,
    ended: bool,
    handlers: Vec<Handler>,
}

impl Cancellation {
    /// Tells everyone. Only the first notice counts.
    pub(crate) fn cancel(&self, notice: CancelNotice) {
        let handlers = {
            let mut state = self.lock();
            if state.notice.is_some() || state.ended {
                return;
            }
            state.notice = Some(notice);
            std::mem::take(&mut state.handlers)
        };
        self.blocked.notify_all();
        self.waiting.notify_waiters();
        for handler in handlers {
            // The panic was reported by the hook; the other handlers and the other activations go on.
            let _ = catch_unwind(AssertUnwindSafe(|| handler(notice.reason)));
        }
    }

    pub(crate) fn notice(&self) -> Option<CancelNotice> {
        self.lock().notice
    }

    pub(crate) fn reason(&self) -> Option<Reason> {
        self.notice().map(|notice| notice.reason)
    }

    pub(crate) async fn cancelled(&self) -> Reason {
        loop {
            let mut waiting = std::pin::pin!(self.waiting.notified());
            waiting.as_mut().enable();
            if let Some(reason) = self.reason() {
                return reason;
            }
            waiting.await;
        }
    }

    pub(super) fn wait(&self, at_most: Duration) -> Option<Reason> {
        let pending = |state: &mut State| state.notice.is_none();
        let waited = self.blocked.wait_timeout_while(self.lock(), at_most, pending);
        waited.unwrap_or_else(PoisonError::into_inner).0.notice.map(|notice| notice.reason)
    }

    pub(super) fn on_canceled(&self, handler: Handler) {
        let reason = {
            let mut state = self.lock();
            match state.notice {
                Some(notice) => notice.reason,
                None if state.ended => return,
                None => return state.handlers.push(handler),
            }
        };
        handler(reason);
    }

    /// The activation is over. Handlers go: they may hold the instance, which holds them.
    pub(super) fn end(&self) {
        let handlers = {
            let mut state = self.lock();
            state.ended = true;
            std::mem::take(&mut state.handlers)
        };
        drop(handlers);
    }

    pub(super) fn ended(&self) -> bool {
        self.lock().ended
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // No code of others runs while it is locked, and every state is valid.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU32, Ordering};

    fn notice(reason: Reason) -> CancelNotice {
        let seconds = Duration::from_secs;
        CancelNotice { reason, budget: seconds(25), used: seconds(25), grace: seconds(5) }
    }

    #[test]
    fn a_notice_is_a_sentence() {
        let text = notice(Reason::ExecutionTimeExceeded).to_string();
        assert_eq!(text, "ExecutionTimeExceeded (25.0s used of 25.0s, 5.0s to stop)", "U-9");
    }

    #[test]
    fn handlers_hear_the_first_reason_once_and_late_ones_at_once() {
        let cancellation = Cancellation::default();
        let heard = Arc::new(AtomicU32::new(0));
        let handler = || -> Handler {
            let heard = Arc::clone(&heard);
            Box::new(move |reason| {
                heard.fetch_add(reason.number(), Ordering::Relaxed);
            })
        };
        cancellation.on_canceled(handler());
        cancellation.on_canceled(Box::new(|_| std::panic::resume_unwind(Box::new("a bad handler"))));
        cancellation.on_canceled(handler());
        cancellation.cancel(notice(Reason::ConditionLoss));
        cancellation.cancel(notice(Reason::Abort));
        assert_eq!(heard.load(Ordering::Relaxed), 12);
        cancellation.on_canceled(handler());
        assert_eq!(heard.load(Ordering::Relaxed), 18);
        assert_eq!(cancellation.reason(), Some(Reason::ConditionLoss));
    }

    #[test]
    fn blocking_code_is_woken() {
        let cancellation = Arc::new(Cancellation::default());
        assert_eq!(cancellation.wait(Duration::ZERO), None);
        let waiting = std::thread::spawn({
            let cancellation = Arc::clone(&cancellation);
            move || cancellation.wait(Duration::from_secs(60))
        });
        cancellation.cancel(notice(Reason::EnergySaver));
        assert_eq!(waiting.join().unwrap(), Some(Reason::EnergySaver));
    }

    #[test]
    fn an_activation_that_is_over_keeps_no_handlers_and_is_not_cancelled() {
        let cancellation = Cancellation::default();
        let held = Arc::new(());
        let in_handler = Arc::clone(&held);
        cancellation.on_canceled(Box::new(move |_| drop(in_handler)));
        cancellation.end();
        assert_eq!(Arc::strong_count(&held), 1);
        cancellation.cancel(notice(Reason::Abort));
        assert_eq!(cancellation.reason(), None);
    }
}
