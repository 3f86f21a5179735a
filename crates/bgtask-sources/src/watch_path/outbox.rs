//! What one watch has to tell, and telling it when it is time.

use std::sync::Mutex;
use std::time::Duration;

use tokio::sync::{Notify, mpsc};
use tokio::time::{Instant, sleep_until};

use crate::report::Status;
use crate::watch_path::{MAX_PATH_CHANGES, PathBurst, PathReport};

/// Filled by the one task that reads events, emptied by a task of the watch's own, so that who reads slowly keeps nobody
/// else waiting.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    held: Mutex<Held>,
    news: Notify,
}

#[derive(Debug, Default)]
struct Held {
    status: Option<Status>,
    burst: PathBurst,
    /// When the last of the burst was put in.
    last: Option<Instant>,
}

impl Outbox {
    pub(super) fn set_status(&self, status: Status) {
        let held = &mut *self.lock();
        if held.status.as_ref() != Some(&status) {
            held.status = Some(status);
            self.news.notify_one();
        }
    }

    /// Appends what happened. What exceeds [`MAX_PATH_CHANGES`] is only counted.
    pub(super) fn put(&self, burst: PathBurst) {
        let held = &mut *self.lock();
        held.last = Some(Instant::now());
        held.burst.lost += burst.lost;
        for change in burst.changes {
            if held.burst.changes.last().is_some_and(|last| change.repeats(last)) {
                continue;
            }
            match held.burst.changes.len() < MAX_PATH_CHANGES {
                true => held.burst.changes.push(change),
                false => held.burst.lost += 1,
            }
        }
        self.news.notify_one();
    }

    /// Tells until nobody listens: each status that is news, and each burst when it has been quiet for `settle`.
    pub(super) async fn deliver(&self, key: u128, settle: Duration, reports: mpsc::Sender<(u128, PathReport)>) {
        let mut told = None;
        loop {
            let due = match self.due(&mut told, settle) {
                Due::Now(report) => match reports.send((key, report)).await {
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

    fn due(&self, told: &mut Option<Status>, settle: Duration) -> Due {
        let held = &mut *self.lock();
        if let Some(status) = &held.status
            && told.as_ref() != Some(status)
        {
            *told = Some(status.clone());
            return Due::Now(PathReport::Status(status.clone()));
        }
        let Some(quiet) = held.last.and_then(|last| last.checked_add(settle)).filter(|_| told.is_some()) else {
            return Due::Never;
        };
        if quiet > Instant::now() {
            return Due::At(quiet);
        }
        held.last = None;
        Due::Now(PathReport::Burst(std::mem::take(&mut held.burst)))
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

enum Due {
    Now(PathReport),
    At(Instant),
    Never,
}
