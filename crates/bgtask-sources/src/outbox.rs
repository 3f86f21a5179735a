//! What one listener has to tell, and telling it when it is time.

use std::sync::Mutex;
use std::time::Duration;

use tokio::sync::{Notify, mpsc};
use tokio::time::{Instant, sleep_until};

use crate::report::Status;

/// Events that are held until they are told. More are only counted.
pub(crate) const MAX_HELD: usize = 1024;

/// Something that happened.
pub(crate) trait Happening {
    /// Whether it says nothing that the one before did not.
    fn repeats(&self, before: &Self) -> bool;
}

/// What is told.
#[derive(Debug)]
pub(crate) enum Told<T> {
    Status(Status),
    /// What happened, in its order, and how much more did.
    Burst(Vec<T>, u64),
}

/// Filled by a task that reads events, emptied by another, so that who listens slowly keeps nobody else waiting.
#[derive(Debug)]
pub(crate) struct Outbox<T> {
    held: Mutex<Held<T>>,
    news: Notify,
}

#[derive(Debug)]
struct Held<T> {
    status: Option<Status>,
    events: Vec<T>,
    lost: u64,
    /// When the last of them was put in.
    last: Option<Instant>,
}

impl<T> Default for Outbox<T> {
    fn default() -> Self {
        let held = Held { status: None, events: Vec::new(), lost: 0, last: None };
        Self { held: Mutex::new(held), news: Notify::new() }
    }
}

impl<T: Happening> Outbox<T> {
    pub(crate) fn set_status(&self, status: Status) {
        let held = &mut *self.lock();
        if held.status.as_ref() != Some(&status) {
            held.status = Some(status);
            self.news.notify_one();
        }
    }

    /// Appends what happened. What exceeds [`MAX_HELD`] is only counted.
    pub(crate) fn put(&self, events: impl IntoIterator<Item = T>, lost: u64) {
        let held = &mut *self.lock();
        held.last = Some(Instant::now());
        held.lost += lost;
        for event in events {
            if held.events.last().is_some_and(|last| event.repeats(last)) {
                continue;
            }
            match held.events.len() < MAX_HELD {
                true => held.events.push(event),
                false => held.lost += 1,
            }
        }
        self.news.notify_one();
    }

    /// Tells until nobody listens: each status that is news, and each burst when it has been quiet for `settle`.
    pub(crate) async fn deliver<R: From<Told<T>>>(
        &self,
        key: u128,
        settle: Duration,
        reports: mpsc::Sender<(u128, R)>,
    ) {
        let mut told = None;
        loop {
            let due = match self.due(&mut told, settle) {
                Due::Now(report) => match reports.send((key, report.into())).await {
                    Ok(()) => continue,
                    Err(_) => return,
                },
                Due::At(moment) => Some(moment),
                Due::Never => None,
            };
            tokio::select! {
                () = self.news.notified() => {}
                () = sleep_until(due.unwrap_or_else(Instant::now)), if due.is_some() => {}
            }
        }
    }

    fn due(&self, told: &mut Option<Status>, settle: Duration) -> Due<T> {
        let held = &mut *self.lock();
        if let Some(status) = &held.status
            && told.as_ref() != Some(status)
        {
            *told = Some(status.clone());
            return Due::Now(Told::Status(status.clone()));
        }
        let Some(quiet) = held.last.and_then(|last| last.checked_add(settle)).filter(|_| told.is_some()) else {
            return Due::Never;
        };
        if quiet > Instant::now() {
            return Due::At(quiet);
        }
        held.last = None;
        Due::Now(Told::Burst(std::mem::take(&mut held.events), std::mem::take(&mut held.lost)))
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Held<T>> {
        self.held.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

enum Due<T> {
    Now(Told<T>),
    At(Instant),
    Never,
}
