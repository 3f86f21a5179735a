//! Whether an activation was told to stop: known to async code, to blocking code and to handlers.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;

use crate::BackgroundTaskCancellationReason as Reason;

type Handler = Box<dyn FnOnce(Reason) + Send>;

#[derive(Default)]
pub(crate) struct Cancellation {
    state: Mutex<State>,
    blocked: Condvar,
    waiting: Notify,
}

#[derive(Default)]
struct State {
    reason: Option<Reason>,
    ended: bool,
    handlers: Vec<Handler>,
}

impl Cancellation {
    /// Tells everyone. Only the first reason counts.
    pub(crate) fn cancel(&self, reason: Reason) {
        let handlers = {
            let mut state = self.lock();
            if state.reason.is_some() || state.ended {
                return;
            }
            state.reason = Some(reason);
            std::mem::take(&mut state.handlers)
        };
        self.blocked.notify_all();
        self.waiting.notify_waiters();
        for handler in handlers {
            // The panic was reported by the hook; the other handlers and the other activations go on.
            let _ = catch_unwind(AssertUnwindSafe(|| handler(reason)));
        }
    }

    pub(crate) fn reason(&self) -> Option<Reason> {
        self.lock().reason
    }

    pub(super) async fn cancelled(&self) -> Reason {
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
        let pending = |state: &mut State| state.reason.is_none();
        let waited = self.blocked.wait_timeout_while(self.lock(), at_most, pending);
        waited.unwrap_or_else(PoisonError::into_inner).0.reason
    }

    pub(super) fn on_canceled(&self, handler: Handler) {
        let reason = {
            let mut state = self.lock();
            match state.reason {
                Some(reason) => reason,
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
        cancellation.cancel(Reason::ConditionLoss);
        cancellation.cancel(Reason::Abort);
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
        cancellation.cancel(Reason::EnergySaver);
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
        cancellation.cancel(Reason::Abort);
        assert_eq!(cancellation.reason(), None);
    }
}
