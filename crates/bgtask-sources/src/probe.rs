//! Looking at one facility once.

use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::{Instant, timeout_at};

use crate::{EventReport, Report, SourceKind, Status, Subject, World, listen, start};

/// What one look at a facility gave.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Probe {
    /// How well it can be seen.
    pub status: Status,
    /// The level, or the zone; `None` if none was told in time.
    pub value: Option<Report>,
}

/// Starts watching `kind` in `world`, waits at most `patience` for its first status and its first level, and stops.
///
/// A source that says nothing in time is [`Status::Missing`]. Every answer of a service has a limit of a few seconds, so
/// with a patience of ten seconds only a machine in great trouble gives no value.
///
/// # Panics
///
/// Where [`start`] does.
pub async fn probe(kind: SourceKind, world: &World, patience: Duration) -> Probe {
    let deadline = Instant::now() + patience;
    let (sender, mut reports) = mpsc::channel(2);
    let _source = start(kind, world, sender);
    let mut status = None;
    while let Ok(Some(report)) = timeout_at(deadline, reports.recv()).await {
        match report {
            Report::Status(_, known) => status = Some(known),
            value => return Probe { status: status.unwrap_or_else(|| silent(patience)), value: Some(value) },
        }
    }
    Probe { status: status.unwrap_or_else(|| silent(patience)), value: None }
}

/// Listens to `subject` in `world`, waits at most `patience` for the first word on how well it is heard, and stops.
///
/// # Panics
///
/// Where [`listen`] does.
pub async fn probe_subject(subject: Subject, world: &World, patience: Duration) -> Status {
    let (sender, mut reports) = mpsc::channel(2);
    let _listening = listen(0, subject, world, sender);
    let deadline = Instant::now() + patience;
    while let Ok(Some((_, report))) = timeout_at(deadline, reports.recv()).await {
        if let EventReport::Status(status) = report {
            return status;
        }
    }
    silent(patience)
}

fn silent(patience: Duration) -> Status {
    let why = format!("it did not answer within {} s", patience.as_secs_f64());
    Status::Missing { why, help: "try again when the machine is less busy".to_owned() }
}
