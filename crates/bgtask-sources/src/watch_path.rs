//! Watching what happens at a path: a file, a folder, or a whole tree of folders.

use std::ops::BitOr;
use std::path::PathBuf;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use crate::report::Status;
use crate::world::World;

/// What to watch, and for what.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PathSpec {
    /// An absolute path of a file or a folder. It need not exist yet.
    pub path: PathBuf,
    /// Whether the folders below count too, and what is in them.
    pub recursive: bool,
    /// The changes that are told.
    pub on: PathEvents,
    /// How long it must be quiet until what happened is told; zero tells at once.
    pub settle: Duration,
}

/// A set of kinds of change.
///
/// ```
/// # use bgtask_sources::PathEvents;
/// let on = PathEvents::CREATED | PathEvents::WRITTEN;
/// assert!(on.contains(PathEvents::CREATED) && !on.contains(PathEvents::DELETED));
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct PathEvents(u8);

impl PathEvents {
    /// None at all.
    pub const NONE: Self = Self(0);
    /// Something was made.
    pub const CREATED: Self = Self(1);
    /// A file's content is changing: told for every write, finished or not.
    pub const CHANGED: Self = Self(1 << 1);
    /// A file was closed by who had it open for writing, or another was put in its place: its content is whole.
    pub const WRITTEN: Self = Self(1 << 2);
    /// Something was deleted.
    pub const DELETED: Self = Self(1 << 3);
    /// Something was moved in or out.
    pub const MOVED: Self = Self(1 << 4);

    /// Whether all of `other` are in it.
    pub const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }
}

impl BitOr for PathEvents {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

/// All but [`Self::CHANGED`], which tells a file that is being written many times.
impl Default for PathEvents {
    fn default() -> Self {
        Self::CREATED | Self::WRITTEN | Self::DELETED | Self::MOVED
    }
}

/// What happened since the last burst, in its order.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct PathBurst {
    /// The changes.
    pub changes: Vec<PathChange>,
    /// Changes that happened and are not listed: they were too many to hold, or the kernel dropped them. It does not say
    /// how many it dropped; each time counts as one.
    pub lost: u64,
}

/// One change.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PathChange {
    /// What changed, named from the path that is watched: links above it are not resolved.
    pub path: PathBuf,
    /// What happened to it.
    pub kind: ChangeKind,
    /// When it was heard of, in microseconds since 1970.
    pub at_micros: i64,
}

/// What happened to a file or folder.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum ChangeKind {
    /// It was made, or came with a folder that appeared.
    Created,
    /// It was written to, and may still be.
    Changed,
    /// It was closed after writing, or replaced as a whole.
    Written,
    /// It is gone.
    Deleted,
    /// It was moved to here.
    MovedIn,
    /// It was moved away from here.
    MovedOut,
}

/// One thing a path watch says.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum PathReport {
    /// How well it can see: the first report, and again whenever that changes. What happens after the first is told.
    Status(Status),
    /// Something happened.
    Burst(PathBurst),
}

/// A running watch of a path. It reports until it is dropped.
#[derive(Debug)]
#[must_use = "dropping a path watch stops it"]
pub struct PathWatching {
    task: JoinHandle<()>,
}

impl Drop for PathWatching {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Starts watching `spec` in `world`. Each report comes with `key`, whose meaning is the caller's.
///
/// # Panics
///
/// Outside a tokio runtime with I/O and time enabled, as [`tokio::spawn`] does.
pub fn watch_path(key: u128, spec: PathSpec, world: &World, reports: mpsc::Sender<(u128, PathReport)>) -> PathWatching {
    let why = format!("{} is not watched yet", world.path(spec.path).display());
    let status = Status::Missing { why, help: "update bgtask".to_owned() };
    let task = tokio::spawn(async move {
        let _ = reports.send((key, PathReport::Status(status))).await;
        reports.closed().await;
    });
    PathWatching { task }
}
