//! The kernel's watches, each of which may serve many of ours.

use std::collections::{BTreeSet, HashMap};
use std::io;
use std::path::Path;

use rustix::fs::inotify::WatchFlags;

use crate::inotify::Inotify;
use crate::watch_path::PathEvents;

/// The number of a path watch, unique while the process lives.
pub(super) type WatchId = u64;

/// The kernel's number of a watched folder.
pub(super) type Mark = i32;

/// One inotify instance and who holds which of its marks.
///
/// The kernel has one mark for a folder, whoever asks for it and by whatever name, so what each holder wants to hear is
/// only ever added, and everyone hears what any of them asked for.
#[derive(Debug)]
pub(super) struct Marks {
    pub(super) inotify: Inotify,
    holders: HashMap<Mark, BTreeSet<WatchId>>,
}

impl Marks {
    pub(super) fn new() -> io::Result<Self> {
        Ok(Self { inotify: Inotify::new()?, holders: HashMap::new() })
    }

    /// Marks the folder at `path` for `watch`.
    pub(super) fn hold(&mut self, watch: WatchId, path: &Path, events: WatchFlags) -> io::Result<Mark> {
        let always = WatchFlags::MASK_ADD | WatchFlags::ONLYDIR | WatchFlags::DONT_FOLLOW | WatchFlags::EXCL_UNLINK;
        let mark = self.inotify.add(path, events | always)?;
        self.holders.entry(mark).or_default().insert(watch);
        Ok(mark)
    }

    /// Ends that, and the mark with its last holder.
    pub(super) fn release(&mut self, watch: WatchId, mark: Mark) {
        let Some(holders) = self.holders.get_mut(&mark) else { return };
        holders.remove(&watch);
        if holders.is_empty() {
            self.holders.remove(&mark);
            self.inotify.remove(mark);
        }
    }

    /// Forgets a mark that the kernel has removed.
    pub(super) fn forget(&mut self, mark: Mark) {
        self.holders.remove(&mark);
    }

    /// Who holds it now.
    pub(super) fn holders(&self, mark: Mark) -> Vec<WatchId> {
        self.holders.get(&mark).into_iter().flatten().copied().collect()
    }
}

/// What is heard of a folder on the way: names that come and go, and permissions.
pub(super) fn on_the_way() -> WatchFlags {
    WatchFlags::CREATE
        | WatchFlags::MOVE
        | WatchFlags::DELETE
        | WatchFlags::ATTRIB
        | WatchFlags::MOVE_SELF
        | WatchFlags::DELETE_SELF
}

/// What is heard of a folder whose content is watched for `events`.
pub(super) fn inside(events: PathEvents) -> WatchFlags {
    let mut flags = WatchFlags::CREATE | WatchFlags::MOVE | WatchFlags::DELETE;
    flags.set(WatchFlags::MODIFY, events.contains(PathEvents::CHANGED));
    flags.set(WatchFlags::CLOSE_WRITE, events.contains(PathEvents::WRITTEN));
    flags
}
