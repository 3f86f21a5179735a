//! What a listener says.

use std::collections::BTreeMap;

use bgtask_sources::{Event, EventReport, Listening, Status, Subject, World, listen};
use serde_json::Value;
use tokio::sync::mpsc;
use tokio::time::timeout;

use super::DEADLINE;

const KEY: u128 = 11;

/// The subject of a trigger of this class.
pub(crate) fn subject(class: &str, properties: &[(&str, &str)]) -> Subject {
    let properties = properties.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    Subject::read(class, &BTreeMap::from_iter(properties)).unwrap()
}

/// Receives what one listener says.
pub(crate) struct Ear {
    #[allow(dead_code, reason = "dropping it stops the listener")]
    listening: Listening,
    reports: mpsc::Receiver<(u128, EventReport)>,
    pub(crate) events: std::collections::VecDeque<Event>,
    /// Events that were said to be lost.
    pub(crate) lost: u64,
    /// The last status.
    pub(crate) status: Status,
}

impl Ear {
    pub(crate) fn new(subject: Subject, world: &World) -> Self {
        let (sender, reports) = mpsc::channel(16);
        let status = Status::Available { how: String::new() };
        Self { listening: listen(KEY, subject, world, sender), reports, events: [].into(), lost: 0, status }
    }

    /// Listens, and waits for the first report, which is a status.
    pub(crate) async fn ready(subject: Subject, world: &World) -> (Self, Status) {
        let mut ear = Self::new(subject, world);
        match ear.report().await {
            EventReport::Status(status) => (ear, status),
            EventReport::Burst { .. } => panic!("the first report must be a status"),
        }
    }

    async fn report(&mut self) -> EventReport {
        let report = timeout(DEADLINE, self.reports.recv()).await.expect("the listener says nothing");
        let (key, report) = report.expect("the listener ended");
        assert_eq!(key, KEY);
        if let EventReport::Status(status) = &report {
            self.status = status.clone();
        }
        report
    }

    /// The next status that matches, whatever happens before, which is kept.
    pub(crate) async fn status_that(&mut self, matches: impl Fn(&Status) -> bool) -> Status {
        loop {
            match self.report().await {
                EventReport::Status(status) if matches(&status) => return status,
                EventReport::Status(_) => {}
                EventReport::Burst { events, lost } => self.keep(events, lost),
            }
        }
    }

    /// The next event, whatever the status.
    pub(crate) async fn event(&mut self) -> Event {
        loop {
            if let Some(event) = self.events.pop_front() {
                return event;
            }
            if let EventReport::Burst { events, lost } = self.report().await {
                self.keep(events, lost);
            }
        }
    }

    /// The next event, as the values of these fields.
    pub(crate) async fn fields<const N: usize>(&mut self, names: [&str; N]) -> [Value; N] {
        let event = self.event().await;
        names.map(|name| event.fields.get(name).cloned().unwrap_or_default())
    }

    /// Whether nothing more was told.
    pub(crate) fn is_quiet(&self) -> bool {
        self.events.is_empty() && self.reports.is_empty()
    }

    fn keep(&mut self, events: Vec<Event>, lost: u64) {
        self.events.extend(events);
        self.lost += lost;
    }
}
