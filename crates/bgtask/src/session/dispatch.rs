//! Calls the handlers, one after the other, and acknowledges what they handled.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use super::Broker;
use super::events::{Event, Events};

/// Runs while the link is up.
pub(super) async fn dispatch(events: Arc<Events>, broker: Broker, app: Arc<str>) {
    // The dispatcher of the link before may still be in a handler.
    let _alone = events.dispatching.lock().await;
    loop {
        match events.next().await {
            Event::Progress(task, progress, only) => {
                for handler in events.progress_handlers(task, only) {
                    guarded(|| handler(progress.clone()));
                }
            }
            Event::Completed(sequence, completed) => {
                let handlers = events.completed_handlers(completed.task_id());
                if handlers.is_empty() {
                    // The last one was removed while it was queued.
                    events.keep(sequence, completed);
                    continue;
                }
                for handler in handlers {
                    guarded(|| handler(completed.clone()));
                }
                events.handled(sequence, completed.instance_id());
                acknowledge(&broker, &app, sequence).await;
            }
            Event::Energy(usage) => {
                for handler in events.energy_handlers() {
                    guarded(|| handler(usage));
                }
            }
            Event::HandledBefore(sequence) => acknowledge(&broker, &app, sequence).await,
        }
    }
}

/// Nobody waits for the answer: where it is not done, the broker delivers the completion again at the next attach, and it
/// is acknowledged again.
async fn acknowledge(broker: &Broker, app: &str, sequence: u64) {
    if let Err(error) = broker.inner().call_noreply("Acknowledge", &(app, sequence)).await {
        tracing::debug!(sequence, %error, "a completion could not be acknowledged");
    }
}

/// The panic hook has reported a panic; the session and the other handlers go on.
fn guarded(handler: impl FnOnce()) {
    let _ = catch_unwind(AssertUnwindSafe(handler));
}
