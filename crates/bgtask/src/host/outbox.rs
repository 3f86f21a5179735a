//! What a host tells its broker, in order, without ever making a task wait.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bgtask_wire::HostSignal;
use tokio::sync::Notify;
use tokio::time::Instant;
use zbus::connection::socket::WriteHalf;
use zbus::{Connection, Message};

use crate::InstanceId;

/// Most progress values of one activation that wait to be sent, and most that a host sends per [`PROGRESS_INTERVAL`].
/// Of more, the latest replaces the one before it.
pub const MAX_QUEUED_PROGRESS: usize = 32;

/// See [`MAX_QUEUED_PROGRESS`].
pub const PROGRESS_INTERVAL: Duration = Duration::from_millis(100);

/// Where messages go to the broker.
pub(crate) trait Channel: Send + 'static {
    fn send(&mut self, message: &Message) -> impl Future<Output = zbus::Result<()>> + Send;
}

/// The bare socket of a host.
pub(super) struct Socket<W>(pub(super) W);

impl<W: WriteHalf> Channel for Socket<W> {
    async fn send(&mut self, message: &Message) -> zbus::Result<()> {
        self.0.send_message(message).await
    }
}

/// The connection that an app made itself.
impl Channel for Connection {
    async fn send(&mut self, message: &Message) -> zbus::Result<()> {
        Self::send(self, message).await
    }
}

#[derive(Default)]
pub(super) struct Outbox {
    queue: Mutex<VecDeque<Item>>,
    filled: Notify,
}

enum Item {
    Message(Message),
    Progress(InstanceId, u32),
}

impl Outbox {
    /// Sends a message, after everything before it.
    pub(super) fn send(&self, message: Message) {
        self.lock().push_back(Item::Message(message));
        self.filled.notify_one();
    }

    /// The task has taken the descriptor that came with its activation.
    pub(super) fn took(&self, instance: InstanceId) {
        if let Ok(message) = HostSignal::Took(instance.to_string()).message() {
            self.send(message);
        }
    }

    pub(super) fn progress(&self, instance: InstanceId, value: u32) {
        let mut queue = self.lock();
        let same = queue.iter_mut().filter_map(|item| match item {
            Item::Progress(of, value) if *of == instance => Some(value),
            _ => None,
        });
        let (waiting, last) = same.fold((0, None), |(count, _), value| (count + 1, Some(value)));
        match last {
            Some(last) if waiting >= MAX_QUEUED_PROGRESS => *last = value,
            _ => {
                queue.push_back(Item::Progress(instance, value));
                self.filled.notify_one();
            }
        }
    }

    /// Writes until the broker is gone, which whoever reads the other direction notices too.
    pub(super) async fn write_to(&self, mut channel: impl Channel) {
        let mut pace = Pace::new();
        loop {
            let message = match self.next(&mut pace).await {
                Item::Message(message) => Ok(message),
                Item::Progress(instance, value) => HostSignal::Progress(instance.to_string(), value).message(),
            };
            let Ok(message) = message else { return };
            if channel.send(&message).await.is_err() {
                return;
            }
        }
    }

    /// Takes the next item. Progress waits for its pace, unless something follows it that cannot wait.
    async fn next(&self, pace: &mut Pace) -> Item {
        loop {
            let not_before = {
                let mut queue = self.lock();
                let urgent = queue.iter().any(|item| matches!(item, Item::Message(_)));
                match queue.front() {
                    None => None,
                    Some(Item::Progress(..)) if !urgent && !pace.allows() => Some(pace.renewed_at()),
                    Some(_) => {
                        let Some(item) = queue.pop_front() else { unreachable!("there is a front") };
                        return item;
                    }
                }
            };
            match not_before {
                None => self.filled.notified().await,
                Some(time) => {
                    tokio::select! {
                        () = tokio::time::sleep_until(time) => {}
                        () = self.filled.notified() => {}
                    }
                }
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<Item>> {
        // No code of others runs while it is locked, and every state is valid.
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How much progress may still be sent in the current interval.
struct Pace {
    began: Instant,
    sent: usize,
}

impl Pace {
    fn new() -> Self {
        Self { began: Instant::now(), sent: 0 }
    }

    fn allows(&mut self) -> bool {
        if self.began.elapsed() >= PROGRESS_INTERVAL {
            *self = Self::new();
        }
        let allowed = self.sent < MAX_QUEUED_PROGRESS;
        self.sent += usize::from(allowed);
        allowed
    }

    fn renewed_at(&self) -> Instant {
        self.began + PROGRESS_INTERVAL
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(outbox: &Outbox) -> Vec<u32> {
        let queue = outbox.lock();
        queue.iter().filter_map(|item| if let Item::Progress(_, value) = item { Some(*value) } else { None }).collect()
    }

    #[test]
    fn a_flood_keeps_its_order_and_its_last_value() {
        let (outbox, one, other) = (Outbox::default(), InstanceId::new(), InstanceId::new());
        outbox.progress(other, 7);
        for value in 0..1_000_000 {
            outbox.progress(one, value);
        }
        let kept = values(&outbox);
        assert_eq!(kept.len(), 1 + MAX_QUEUED_PROGRESS);
        assert_eq!(kept[0], 7);
        assert!(kept[1..].is_sorted());
        assert_eq!(kept.last(), Some(&999_999));
    }

    #[tokio::test]
    async fn a_flood_is_paced_but_holds_up_nothing_else() {
        let (outbox, one) = (Outbox::default(), InstanceId::new());
        let mut pace = Pace::new();
        pace.began += Duration::from_secs(3600);
        for value in 0..MAX_QUEUED_PROGRESS as u32 {
            outbox.progress(one, value);
            assert!(matches!(outbox.next(&mut pace).await, Item::Progress(_, sent) if sent == value));
        }
        outbox.progress(one, 100);
        let waits = tokio::time::timeout(Duration::ZERO, outbox.next(&mut pace)).await;
        assert!(waits.is_err(), "the interval is used up");
        outbox.send(HostSignal::Started("x".into()).message().unwrap());
        assert!(matches!(outbox.next(&mut pace).await, Item::Progress(_, 100)), "in order");
        assert!(matches!(outbox.next(&mut pace).await, Item::Message(_)));
    }
}
