//! Moves within what is watched, of which the kernel tells in two events: from where, and to where.

use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::time::Instant;

use crate::watch_path::marks::Marks;
use crate::watch_path::tree::Tree;
use crate::watch_path::{ChangeKind, PathEvents};

/// How long the second event is waited for. The kernel queues it right after the first, but not at once with it.
const OTHER_HALF: Duration = Duration::from_millis(10);

/// Moves whose second event is waited for. The oldest of more is told as one that left.
const MAX_LEAVING: usize = 16;

/// The first half of a move.
#[derive(Debug)]
pub(super) struct Leaving {
    cookie: u32,
    /// From where, below the folder that is watched.
    below: PathBuf,
    is_folder: bool,
    /// Where the change stands that tells it as one that left.
    told: usize,
    until: Instant,
}

impl Tree {
    /// Whether moves are told as one change.
    pub(super) fn pairs_moves(&self) -> bool {
        self.spec.on.contains(PathEvents::RENAMED | PathEvents::MOVED)
    }

    /// Something left, and may come back at once under another name. It was told last.
    pub(super) fn leaves(&mut self, marks: &mut Marks, cookie: u32, below: PathBuf, is_folder: bool) {
        if self.leaving.len() == MAX_LEAVING {
            let oldest = self.leaving.remove(0);
            self.has_left(marks, &oldest);
        }
        let told = self.burst.changes.len() - 1;
        self.leaving.push(Leaving { cookie, below, is_folder, told, until: Instant::now() + OTHER_HALF });
    }

    /// Something came: from where it left just before, if it did. All below it came along.
    pub(super) fn arrives_from(&mut self, cookie: u32, to: &Path) -> Option<PathBuf> {
        let place = self.leaving.iter().position(|leaving| leaving.cookie == cookie)?;
        let left = self.leaving.remove(place);
        let gone = self.burst.changes.remove(left.told);
        for later in self.leaving.iter_mut().filter(|later| later.told > left.told) {
            later.told -= 1;
        }
        for folder in self.folders.values_mut() {
            if let Ok(inner) = folder.below.strip_prefix(&left.below) {
                folder.below = if inner.as_os_str().is_empty() { to.to_owned() } else { to.join(inner) };
            }
        }
        debug_assert_eq!(gone.kind, ChangeKind::MovedOut);
        Some(gone.path)
    }

    /// Until when the other half of a move is waited for, and nothing is told.
    pub(in crate::watch_path) fn waits_until(&self) -> Option<Instant> {
        self.leaving.iter().map(|leaving| leaving.until).min()
    }

    /// Gives up those that were waited for long enough: they went elsewhere.
    pub(in crate::watch_path) fn settle_moves(&mut self, marks: &mut Marks) {
        let now = Instant::now();
        for left in self.leaving.extract_if(.., |leaving| leaving.until <= now).collect::<Vec<_>>() {
            self.has_left(marks, &left);
        }
    }

    fn has_left(&mut self, marks: &mut Marks, left: &Leaving) {
        if left.is_folder && self.spec.recursive {
            self.leave(marks, &left.below);
        }
    }
}
