//! Paths that are watched for commands, and what happens there as the core's.

use std::collections::HashMap;

use bgtask_convert::core_status;
use bgtask_core::{Details, Input, PathWatch, TaskId};
use bgtask_sources::{ChangeKind, PathChange, PathEvents, PathReport, PathSpec, PathWatching, World, watch_path};
use serde_json::json;
use tokio::sync::mpsc;

/// The watched paths.
pub(crate) struct Paths {
    world: World,
    reports: mpsc::Sender<(u128, PathReport)>,
    watched: HashMap<TaskId, (u128, PathWatching)>,
    /// What a watch is known by: never the same again, so that the last words of an ended one are not taken for another's.
    tasks: HashMap<u128, TaskId>,
    last: u128,
}

impl Paths {
    pub(crate) fn new(world: World, reports: mpsc::Sender<(u128, PathReport)>) -> Self {
        Self { world, reports, watched: HashMap::new(), tasks: HashMap::new(), last: 0 }
    }

    pub(crate) fn watch(&mut self, task: TaskId, watch: &PathWatch) {
        self.unwatch(task);
        self.last += 1;
        let spec = PathSpec {
            path: watch.path.as_ref().into(),
            recursive: watch.recursive,
            on: events(watch.on),
            settle: watch.settle,
        };
        let watching = watch_path(self.last, spec, &self.world, self.reports.clone());
        self.watched.insert(task, (self.last, watching));
        self.tasks.insert(self.last, task);
    }

    pub(crate) fn unwatch(&mut self, task: TaskId) {
        if let Some((key, _)) = self.watched.remove(&task) {
            self.tasks.remove(&key);
        }
    }

    /// What a watch said, as the core hears it; nothing where nobody watches there any more.
    pub(crate) fn input(&self, key: u128, report: PathReport) -> Option<Input> {
        let task = *self.tasks.get(&key)?;
        Some(match report {
            PathReport::Status(status) => Input::PathStatus(task, core_status(status)),
            PathReport::Burst(burst) => Input::PathChanged {
                task,
                changes: Details(burst.changes.iter().flat_map(line).collect::<Vec<_>>().into()),
                count: u32::try_from(burst.changes.len()).unwrap_or(u32::MAX),
                lost: u32::try_from(burst.lost).unwrap_or(u32::MAX),
            },
        })
    }
}

/// A change as one line of JSON: what the core gathers without reading it.
fn line(change: &PathChange) -> Vec<u8> {
    let word = match change.kind {
        ChangeKind::Created => "created",
        ChangeKind::Changed => "changed",
        ChangeKind::Written => "written",
        ChangeKind::Deleted => "deleted",
        ChangeKind::MovedIn => "moved-in",
        ChangeKind::MovedOut => "moved-out",
    };
    let json = json!({"path": change.path.to_string_lossy(), "change": word, "at": change.at_micros});
    format!("{json}\n").into_bytes()
}

fn events(on: bgtask_core::PathEvents) -> PathEvents {
    let all = [
        (on.created, PathEvents::CREATED),
        (on.changed, PathEvents::CHANGED),
        (on.written, PathEvents::WRITTEN),
        (on.deleted, PathEvents::DELETED),
        (on.moved, PathEvents::MOVED),
    ];
    all.into_iter().filter(|(counts, _)| *counts).fold(PathEvents::NONE, |sum, (_, one)| sum | one)
}
