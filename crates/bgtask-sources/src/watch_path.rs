//! Watching what happens at a path: a file, a folder, or a whole tree of folders.
//!
//! Here, and only here, what the kernel says is not a nudge but the news itself: that a file was written is no level that
//! could be read again. So every event is passed on, in its order, and where some were lost that is said.
//!
//! * **The path counts, not what was there first.** Every folder on the way to it is watched for the next name on the way.
//!   What is deleted, moved away or replaced is let go, and what appears at the path is taken up: with all that is in it,
//!   which counts as created, whether or not something like it was there before.
//! * **A folder that appears is watched, then read**, so what came into it first is told too, and nothing twice.
//! * **One inotify instance** serves all watches of a world, since the kernel gives a user only 128. One task reads it
//!   (`reader`); each watch has a task of its own that waits until it is quiet and then tells (`outbox`).
//!
//! What cannot be seen: changes made through another name of a file (a hard link, another mount) or on another machine
//! that shares the disk, and something mounted over a folder that is watched.

mod change;
mod marks;
mod reader;
mod tree;

use std::ops::BitOr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use crate::outbox::{Happening, MAX_HELD, Outbox, Told};
use crate::report::Status;
use crate::watch_path::marks::WatchId;
pub(crate) use crate::watch_path::reader::Hub;
use crate::world::World;

/// Changes that are held until they are told. More are counted in [`PathBurst::lost`].
pub const MAX_PATH_CHANGES: usize = MAX_HELD;

/// Folders that one recursive watch hears. What happens in more is not seen, and the status says so. A kernel allows a user
/// 8192 watches at least, and some hundred thousand on a machine of today.
pub const MAX_PATH_FOLDERS: usize = 8192;

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
    /// A file's content is changing: told while it is written, finished or not.
    pub const CHANGED: Self = Self(1 << 1);
    /// A file was closed by who had it open for writing, or another was put in its place: its content is whole.
    pub const WRITTEN: Self = Self(1 << 2);
    /// Something was deleted.
    pub const DELETED: Self = Self(1 << 3);
    /// Something was moved in or out.
    pub const MOVED: Self = Self(1 << 4);
    /// Something was moved within what is watched. Together with [`Self::MOVED`] this is told as one change, which has a
    /// [`PathChange::previous`], and what is in a folder comes along untold. Without it both ends are told.
    pub const RENAMED: Self = Self(1 << 5);

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

/// All but [`Self::CHANGED`], which tells a file that is being written many times, and [`Self::RENAMED`].
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
    /// Where it was before, if it was moved to here and that is known, which takes [`PathEvents::RENAMED`].
    pub previous: Option<PathBuf>,
    /// What happened to it.
    pub kind: ChangeKind,
    /// When it was heard of, in microseconds since 1970.
    pub at_micros: i64,
}

impl Happening for PathChange {
    /// Whether it says once more that the same file is being written.
    fn repeats(&self, before: &Self) -> bool {
        self.kind == ChangeKind::Changed && before.kind == self.kind && before.path == self.path
    }
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
    /// It was moved to here. Where moves are not asked for it counts as created, or else as written.
    MovedIn,
    /// It was moved away from here. Where moves are not asked for it counts as deleted.
    MovedOut,
}

impl ChangeKind {
    /// The set it is asked for with.
    const fn event(self) -> PathEvents {
        match self {
            Self::Created => PathEvents::CREATED,
            Self::Changed => PathEvents::CHANGED,
            Self::Written => PathEvents::WRITTEN,
            Self::Deleted => PathEvents::DELETED,
            Self::MovedIn | Self::MovedOut => PathEvents::MOVED,
        }
    }
}

/// One thing a path watch says.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum PathReport {
    /// How well it can see: the first report, and again whenever that changes. What happens after the first is told.
    Status(Status),
    /// Something happened.
    Burst(PathBurst),
}

impl From<Told<PathChange>> for PathReport {
    fn from(told: Told<PathChange>) -> Self {
        match told {
            Told::Status(status) => Self::Status(status),
            Told::Burst(changes, lost) => Self::Burst(PathBurst { changes, lost }),
        }
    }
}

/// A running watch of a path. It reports until it is dropped.
#[derive(Debug)]
#[must_use = "dropping a path watch stops it"]
pub struct PathWatching {
    id: WatchId,
    hub: Arc<Hub>,
    delivery: JoinHandle<()>,
}

impl Drop for PathWatching {
    fn drop(&mut self) {
        self.delivery.abort();
        self.hub.remove(self.id);
    }
}

/// Starts watching `spec` in `world`. Each report comes with `key`, whose meaning is the caller's.
///
/// The first report is a [`PathReport::Status`]. Whatever happens after it is told; what was there before is not.
///
/// ```no_run
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// use bgtask_sources::{PathEvents, PathReport, PathSpec, World, watch_path};
///
/// let (reports, mut inbox) = tokio::sync::mpsc::channel(16);
/// let on = PathEvents::default();
/// let spec = PathSpec { path: "/home/me/notes".into(), recursive: true, on, settle: std::time::Duration::ZERO };
/// let _watching = watch_path(1, spec, &World::new("/"), reports);
/// while let Some((_, report)) = inbox.recv().await {
///     match report {
///         PathReport::Status(status) => println!("{status}"),
///         PathReport::Burst(burst) => println!("{:?}, and {} more", burst.changes, burst.lost),
///     }
/// }
/// # }
/// ```
///
/// # Panics
///
/// Outside a tokio runtime with I/O and time enabled, as [`tokio::spawn`] does.
pub fn watch_path(key: u128, spec: PathSpec, world: &World, reports: mpsc::Sender<(u128, PathReport)>) -> PathWatching {
    let hub = world.hub().clone();
    let outbox = Arc::new(Outbox::default());
    let settle = spec.settle;
    let id = hub.add(spec, world.clone(), outbox.clone());
    let delivery = tokio::spawn(async move { outbox.deliver(key, settle, reports).await });
    PathWatching { id, hub, delivery }
}
