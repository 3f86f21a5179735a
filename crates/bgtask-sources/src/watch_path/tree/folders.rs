//! The folders whose content is watched, and reading those that appear.

use std::collections::HashSet;
use std::ffi::OsString;
use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use crate::watch_path::MAX_PATH_FOLDERS;
use crate::watch_path::change::Change;
use crate::watch_path::marks::{Mark, Marks, inside};
use crate::watch_path::tree::way::Found;
use crate::watch_path::tree::{Tree, is_gone};

/// A folder whose content is watched.
#[derive(Debug)]
pub(super) struct Folder {
    /// Its place below the folder that is watched, which itself is the empty path.
    pub(super) below: PathBuf,
    /// While it is read, and until the events from before are heard: the names that are told already.
    pub(super) told: Option<HashSet<OsString>>,
}

/// A folder to be read, or being read.
#[derive(Debug)]
pub(super) struct Scan {
    pub(super) mark: Mark,
    pub(super) scope: Scope,
    pub(super) entries: Option<fs::ReadDir>,
}

/// What of it is news.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Scope {
    /// Nothing: it was there before.
    Nothing,
    /// Folders that are not watched yet, and all in them.
    NewFolders,
    /// All of it.
    All,
}

/// What the kernel would not watch.
#[derive(Debug)]
pub(super) struct Refused {
    pub(super) why: String,
    /// Whether another time it may.
    pub(super) again: bool,
}

impl Tree {
    /// Watches the folder at `below`, and reads it as soon as there is time. False if it is watched already, or cannot be.
    pub(super) fn enter(&mut self, marks: &mut Marks, below: PathBuf, scope: Scope) -> bool {
        let Found::Folder(_, root) = &self.found else { return false };
        let mark = match marks.hold(self.id, &root.join(&below), inside(self.spec.on)) {
            Ok(mark) => mark,
            Err(error) => {
                self.is_not_watched(&below, &error);
                return false;
            }
        };
        if let Some(known) = self.folders.get_mut(&mark) {
            known.below = below;
            return false;
        }
        if self.folders.len() == MAX_PATH_FOLDERS {
            self.crowded = true;
            self.let_go(marks, mark);
            return false;
        }
        self.folders.insert(mark, Folder { below, told: (scope == Scope::All).then(HashSet::new) });
        if self.spec.recursive || scope == Scope::All {
            self.scans.push_back(Scan::new(mark, scope));
        }
        true
    }

    /// What is gone by now needs no watch: that it went is an event of what it was in.
    pub(super) fn is_not_watched(&mut self, below: &Path, error: &io::Error) {
        if !is_gone(error) {
            let why = format!("{}: {error}", self.spec.path.join(below).display());
            self.refused = Some(Refused { why, again: error.kind() != ErrorKind::PermissionDenied });
        }
    }

    /// Lets go of the folder at `below` and of all that are in it.
    pub(super) fn leave(&mut self, marks: &mut Marks, below: &Path) {
        let left: Vec<_> = self.folders.extract_if(|_, folder| folder.below.starts_with(below)).collect();
        for (mark, _) in &left {
            self.let_go(marks, *mark);
        }
        if self.folders.is_empty() {
            (self.crowded, self.refused) = (false, None);
        }
        self.must_rescan |= self.crowded && !left.is_empty();
    }

    /// Reads folders that wait for it, up to so many entries. Answers how many of these are left.
    pub(in crate::watch_path) fn scan(&mut self, marks: &mut Marks, mut entries: usize) -> usize {
        while entries > 0
            && let Some(mut scan) = self.scans.pop_front()
        {
            entries -= 1;
            match self.next_entry(&mut scan) {
                Ok(Some(entry)) => {
                    self.meet(marks, &scan, &entry);
                    self.scans.push_front(scan);
                }
                Ok(None) => self.scanned.push(scan.mark),
                Err(error) => {
                    if let Some(folder) = self.folders.remove(&scan.mark) {
                        self.is_not_watched(&folder.below, &error);
                        self.let_go(marks, scan.mark);
                    }
                }
            }
        }
        entries
    }

    fn next_entry(&self, scan: &mut Scan) -> io::Result<Option<fs::DirEntry>> {
        let (Some(folder), Found::Folder(_, root)) = (self.folders.get(&scan.mark), &self.found) else {
            return Ok(None);
        };
        let entries = match &mut scan.entries {
            Some(entries) => entries,
            none => none.insert(fs::read_dir(root.join(&folder.below))?),
        };
        // What cannot be read in the middle of a folder ends it.
        Ok(entries.next().and_then(Result::ok))
    }

    fn meet(&mut self, marks: &mut Marks, scan: &Scan, entry: &fs::DirEntry) {
        let Some(folder) = self.folders.get_mut(&scan.mark) else { return };
        let name = entry.file_name();
        let below = folder.below.join(&name);
        let is_folder = entry.file_type().is_ok_and(|kind| kind.is_dir());
        if scan.scope == Scope::All && folder.told.as_mut().is_some_and(|told| !told.insert(name)) {
            return;
        }
        let inner = if scan.scope == Scope::Nothing { Scope::Nothing } else { Scope::All };
        let entered = is_folder && self.spec.recursive && self.enter(marks, below.clone(), inner);
        if scan.scope == Scope::All || scan.scope == Scope::NewFolders && entered {
            self.tell(self.spec.path.join(&below), Change::CameAlong, is_folder);
        }
    }
}

impl Scan {
    pub(super) fn new(mark: Mark, scope: Scope) -> Self {
        Self { mark, scope, entries: None }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use std::sync::Arc;

    use super::*;
    use crate::report::Status;
    use crate::watch_path::{PathEvents, PathSpec};
    use crate::world::World;

    fn tree() -> Tree {
        let spec = PathSpec { path: "/in".into(), recursive: true, on: PathEvents::default(), settle: Duration::ZERO };
        Tree::new(1, spec, World::new("/nonexistent"), Arc::default())
    }

    /// Nothing is refused to root, as whom tests may run.
    #[test]
    fn what_the_kernel_refuses_is_named_and_tried_again_where_that_may_help() {
        for (error, again) in [(rustix::io::Errno::NOSPC, true), (rustix::io::Errno::ACCESS, false)] {
            let mut tree = tree();
            tree.is_not_watched(Path::new("sub"), &error.into());
            let Status::Degraded { how, why, help } = tree.status() else { panic!("{error}") };
            assert!(why.starts_with("the kernel refused to watch /in/sub: "), "{why}");
            assert_eq!((how.contains("a look every 30 s"), tree.is_refused()), (again, again), "{error}");
            assert!(help.contains("fs.inotify.max_user_watches"), "{help}");
        }
    }

    #[test]
    fn what_is_gone_is_not_refused() {
        let mut tree = tree();
        tree.is_not_watched(Path::new("sub"), &rustix::io::Errno::NOENT.into());
        assert!(tree.refused.is_none());
    }
}
