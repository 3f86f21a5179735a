//! The way to a path, and what is at its end.

use std::collections::HashSet;
use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use crate::path::{End, MAX_LOOKS, Walk, walk};
use crate::watch_path::change::Change;
use crate::watch_path::marks::{Mark, Marks, inside, on_the_way};
use crate::watch_path::tree::folders::{Scan, Scope};
use crate::watch_path::tree::{Tree, is_gone};

/// The folders on the way, each with the name that leads on.
#[derive(Default, Debug)]
pub(super) struct Way {
    pub(super) steps: Vec<(Mark, OsString)>,
    /// Whether the last of the names is what the path itself names, there or not.
    pub(super) arrives: bool,
    /// Whether an event told what became of that since it was looked for.
    pub(super) explained: bool,
    /// That it appeared or went, where that was told without an event, though one may still come.
    pub(super) told: Option<Change>,
    /// Whether it is a file, after all that was heard.
    pub(super) is_file: bool,
    pub(super) refused: Option<String>,
}

/// What is at the path.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Found {
    /// Nothing was looked for yet.
    Unknown,
    Nothing,
    Blocked(String),
    File(Identity),
    Folder(Identity, PathBuf),
}

/// Device and inode.
pub(super) type Identity = (u64, u64);

impl Tree {
    /// Looks for what the path names, if something happened on the way.
    pub(in crate::watch_path) fn look_again(&mut self, marks: &mut Marks) {
        if std::mem::take(&mut self.must_look) {
            self.look(marks);
        }
        if std::mem::take(&mut self.must_rescan) {
            (self.crowded, self.refused) = (false, None);
            let waiting: HashSet<Mark> = self.scans.iter().map(|scan| scan.mark).collect();
            let others = self.folders.keys().filter(|mark| !waiting.contains(mark));
            self.scans.extend(others.map(|mark| Scan::new(*mark, Scope::NewFolders)));
        }
    }

    fn look(&mut self, marks: &mut Marks) {
        let mut seen = walk(&self.world, &self.spec.path);
        for _ in 0..MAX_LOOKS {
            self.take_way(marks, &seen);
            let again = walk(&self.world, &self.spec.path);
            if again == seen {
                break;
            }
            seen = again;
        }
        let now = Found::at(seen.end);
        let before = std::mem::replace(&mut self.found, now.clone());
        let explained = std::mem::take(&mut self.way.explained);
        self.way.is_file = matches!(now, Found::File(_));
        let is_folder = matches!(now, Found::Folder(..));
        let is_watched = !is_folder || self.folders.values().any(|folder| folder.below.as_os_str().is_empty());
        if before == now && is_watched {
            return;
        }
        self.leave(marks, Path::new(""));
        if !explained && let Some(change) = before.became(&now) {
            self.way.told = Some(change);
            self.tell(self.spec.path.clone(), change, is_folder);
        }
        if is_folder {
            let scope = if before == Found::Unknown { Scope::Nothing } else { Scope::All };
            self.enter(marks, PathBuf::new(), scope);
        }
    }

    /// Watches each folder on the way.
    fn take_way(&mut self, marks: &mut Marks, seen: &Walk) {
        let may_be_file = !matches!(&seen.end, End::Found(path) if path.is_dir());
        let before = std::mem::take(&mut self.way.steps);
        self.way.refused = None;
        self.way.arrives = seen.arrived;
        for (left, step) in seen.steps.iter().rev().enumerate().rev() {
            let mut events = on_the_way();
            if left == 0 && seen.arrived && may_be_file {
                events |= inside(self.spec.on);
            }
            match marks.hold(self.id, &self.world.path(&step.directory), events) {
                Ok(mark) => self.way.steps.push((mark, step.name.clone())),
                Err(error) => {
                    self.way.arrives &= left > 0;
                    // What is gone by now, the next look will see.
                    if !is_gone(&error) {
                        self.way.refused = Some(format!("{}: {error}", step.directory.display()));
                    }
                }
            }
        }
        for (mark, _) in before {
            self.let_go(marks, mark);
        }
    }

    /// Releases a mark that is of no use any more.
    pub(super) fn let_go(&self, marks: &mut Marks, mark: Mark) {
        let is_used = self.folders.contains_key(&mark) || self.way.steps.iter().any(|(used, _)| *used == mark);
        if !is_used {
            marks.release(self.id, mark);
        }
    }
}

impl Found {
    pub(super) fn at(end: End) -> Self {
        let path = match end {
            End::Found(path) => path,
            End::Absent => return Self::Nothing,
            End::Blocked(why) => return Self::Blocked(why),
        };
        match fs::symlink_metadata(&path) {
            Ok(metadata) if metadata.is_dir() => Self::Folder((metadata.dev(), metadata.ino()), path),
            Ok(metadata) => Self::File((metadata.dev(), metadata.ino())),
            Err(_) => Self::Nothing,
        }
    }

    /// What happened, where no event said it.
    pub(super) fn became(&self, now: &Self) -> Option<Change> {
        let is_there = |found: &Self| matches!(found, Self::File(_) | Self::Folder(..));
        match (is_there(self), is_there(now)) {
            _ if *self == Self::Unknown => None,
            (true, true) => Some(Change::Replaced),
            (true, false) => Some(Change::Deleted),
            (false, true) => Some(Change::Created),
            (false, false) => None,
        }
    }
}
