//! Receives what one listener says.

use std::collections::{BTreeMap, VecDeque};
use std::future::Future;
use std::time::{Duration, Instant};

use bgtask_sources::{Event, EventReport, Listening, Status, Subject, listen};
use serde_json::{Map, Value};
use tokio::sync::mpsc;

use super::{DEADLINE, Sysroot};

/// A listener and what it has said.
pub(crate) struct Listener {
    reports: mpsc::Receiver<(u128, EventReport)>,
    waiting: VecDeque<Event>,
    lost: u64,
    status: Option<Status>,
    _listening: Listening,
}

impl Listener {
    pub(crate) fn of(sysroot: &Sysroot, class: &str, properties: &[(&str, &str)]) -> Self {
        let properties: BTreeMap<_, _> =
            properties.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let subject = Subject::read(class, &properties).unwrap();
        let (sender, reports) = mpsc::channel(4);
        let listening = listen(7, subject, &sysroot.world(), sender);
        Self { reports, waiting: VecDeque::new(), lost: 0, status: None, _listening: listening }
    }

    /// The next event, over whatever statuses come before it.
    pub(crate) async fn event(&mut self) -> Map<String, Value> {
        while self.waiting.is_empty() {
            self.hear().await;
        }
        self.waiting.pop_front().unwrap().fields
    }

    /// Waits until the status is one that `matches`. An event before it fails the test.
    pub(crate) async fn status_that(&mut self, matches: impl Fn(&Status) -> bool) -> Status {
        loop {
            if let Some(status) = self.status.take_if(|status| matches(status)) {
                return status;
            }
            self.hear().await;
            assert!(self.waiting.is_empty(), "an event came first: {:?}", self.waiting);
        }
    }

    /// Waits for the next report, whatever it says.
    pub(crate) async fn event_or_loss(&mut self) {
        self.hear().await;
    }

    /// All events that are known and not looked at yet.
    pub(crate) fn take_all(&mut self) -> Vec<Event> {
        self.waiting.drain(..).collect()
    }

    /// How many events were said to be lost.
    pub(crate) fn lost_so_far(&self) -> u64 {
        self.lost
    }

    /// How many events are known and not looked at yet.
    pub(crate) fn waiting(&self) -> usize {
        self.waiting.len()
    }

    async fn hear(&mut self) {
        let report = tokio::time::timeout(DEADLINE, self.reports.recv()).await;
        let (key, report) = report.expect("the listener says nothing").expect("the listener ended");
        assert_eq!(key, 7);
        match report {
            EventReport::Status(status) => self.status = Some(status),
            EventReport::Burst { events, lost } => {
                self.waiting.extend(events);
                self.lost += lost;
            }
        }
    }

    /// Whether it says no event while it has `time` and the means.
    pub(crate) async fn is_silent(&mut self, time: Duration) -> bool {
        let until = Instant::now() + time;
        while Instant::now() < until && self.waiting.is_empty() {
            let _ = tokio::time::timeout(until - Instant::now(), self.hear()).await;
        }
        self.waiting.is_empty()
    }
}

/// Waits on a level.
pub(crate) async fn until<F: Future<Output = bool>>(what: &str, mut holds: impl FnMut() -> F) {
    let deadline = Instant::now() + DEADLINE;
    while !holds().await {
        assert!(Instant::now() < deadline, "still not so: {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

pub(crate) fn is_missing(status: &Status) -> bool {
    matches!(status, Status::Missing { .. })
}

/// The fields of an event as a test writes them.
pub(crate) fn fields(fields: impl IntoIterator<Item = (&'static str, Value)>) -> Map<String, Value> {
    fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}
