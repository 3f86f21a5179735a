//! A folder to work in, and what a watch of it says.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use bgtask_sources::{
    ChangeKind, PathBurst, PathEvents, PathReport, PathSpec, PathWatching, Status, World, watch_path,
};
use tokio::sync::mpsc;
use tokio::time::timeout;

use crate::common::DEADLINE;

pub(crate) const KEY: u128 = 7;

/// A root with nothing in it.
pub(crate) struct Scene {
    root: tempfile::TempDir,
    pub(crate) world: World,
}

impl Scene {
    pub(crate) fn new() -> Self {
        let root = tempfile::tempdir().unwrap();
        let world = World::new(root.path());
        Self { root, world }
    }

    pub(crate) fn path(&self, path: impl AsRef<Path>) -> PathBuf {
        self.root.path().join(path)
    }

    pub(crate) fn make(&self, folder: &str) {
        fs::create_dir_all(self.path(folder)).unwrap();
    }

    /// Makes or empties a file, writes to it and closes it.
    pub(crate) fn write(&self, file: &str) {
        fs::write(self.path(file), file).unwrap();
    }

    pub(crate) fn rename(&self, from: &str, to: &str) {
        fs::rename(self.path(from), self.path(to)).unwrap();
    }

    pub(crate) fn remove(&self, path: &str) {
        let path = self.path(path);
        match path.is_dir() {
            true => fs::remove_dir_all(path).unwrap(),
            false => fs::remove_file(path).unwrap(),
        }
    }

    /// Watches `spec`, and waits until it is watched.
    pub(crate) async fn watch(&self, spec: PathSpec) -> Inbox {
        let mut inbox = self.start(spec);
        inbox.first_status = inbox.status().await;
        inbox
    }

    pub(crate) fn start(&self, spec: PathSpec) -> Inbox {
        let (sender, reports) = mpsc::channel(16);
        let first_status = Status::Available { how: String::new() };
        Inbox { watching: watch_path(KEY, spec, &self.world, sender), reports, first_status }
    }
}

/// A watch of `path` for everything but writes that are not finished, at once.
pub(crate) fn spec(path: &str) -> PathSpec {
    PathSpec { path: path.into(), recursive: false, on: PathEvents::default(), settle: Duration::ZERO }
}

pub(crate) fn recursive(path: &str) -> PathSpec {
    PathSpec { recursive: true, ..spec(path) }
}

pub(crate) struct Inbox {
    #[allow(dead_code, reason = "dropping it stops the watch")]
    pub(crate) watching: PathWatching,
    pub(crate) reports: mpsc::Receiver<(u128, PathReport)>,
    pub(crate) first_status: Status,
}

impl Inbox {
    pub(crate) async fn next(&mut self) -> PathReport {
        let report = timeout(DEADLINE, self.reports.recv()).await.expect("the watch says nothing");
        let (key, report) = report.expect("the watch ended");
        assert_eq!(key, KEY);
        report
    }

    /// The next status, whatever happens before.
    pub(crate) async fn status(&mut self) -> Status {
        loop {
            if let PathReport::Status(status) = self.next().await {
                return status;
            }
        }
    }

    /// The next burst, whatever the status.
    pub(crate) async fn burst(&mut self) -> PathBurst {
        loop {
            if let PathReport::Burst(burst) = self.next().await {
                return burst;
            }
        }
    }

    /// What is told until `last` is.
    pub(crate) async fn until(&mut self, last: (ChangeKind, &str)) -> Vec<(ChangeKind, String)> {
        let mut changes = Vec::new();
        while changes.last().is_none_or(|(kind, path): &(_, String)| (*kind, path.as_str()) != last) {
            let burst = self.burst().await;
            assert_eq!(burst.lost, 0);
            changes.extend(burst.changes.into_iter().map(|change| (change.kind, text(&change.path))));
        }
        changes
    }

    /// Asserts that exactly these are told, in this order.
    pub(crate) async fn expect(&mut self, expected: &[(ChangeKind, &str)]) {
        let told = self.until(*expected.last().unwrap()).await;
        let told: Vec<_> = told.iter().map(|(kind, path)| (*kind, path.as_str())).collect();
        assert_eq!(told, expected);
    }

    /// Asserts that these are told, each once, whatever the order; the last of them last.
    pub(crate) async fn expect_in_any_order(&mut self, expected: &[(ChangeKind, &str)]) {
        let mut told = self.until(*expected.last().unwrap()).await;
        let mut expected: Vec<_> = expected.iter().map(|(kind, path)| (*kind, (*path).to_owned())).collect();
        let order = |(kind, path): &(ChangeKind, String)| (path.clone(), *kind as u8);
        told.sort_by_key(order);
        expected.sort_by_key(order);
        assert_eq!(told, expected);
    }
}

pub(crate) fn text(path: &Path) -> String {
    path.to_str().unwrap().to_owned()
}
