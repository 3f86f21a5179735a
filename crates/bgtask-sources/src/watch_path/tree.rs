//! What one watch sees: the way to its path, what is there, and the folders below.

mod folders;
mod moves;
mod way;

use std::collections::{HashMap, VecDeque};
use std::ffi::OsStr;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use rustix::fs::inotify::ReadFlags;

use crate::inotify::{BLIND_REREAD, OwnedEvent, WATCH_HELP};
use crate::outbox::Outbox;
use crate::report::Status;
use crate::watch_path::change::Change;
use crate::watch_path::marks::{Mark, Marks, WatchId};
use crate::watch_path::tree::folders::{Folder, Refused, Scan, Scope};
use crate::watch_path::tree::moves::Leaving;
use crate::watch_path::tree::way::{Found, Way};
use crate::watch_path::{ChangeKind, MAX_PATH_FOLDERS, PathBurst, PathChange, PathSpec};
use crate::world::World;

/// One path watch.
#[derive(Debug)]
pub(super) struct Tree {
    id: WatchId,
    spec: PathSpec,
    world: World,
    outbox: Arc<Outbox<PathChange>>,
    /// Told at the end of the turn.
    burst: PathBurst,
    way: Way,
    found: Found,
    /// Whether it must be looked for again.
    must_look: bool,
    /// Whether every folder must be read again for folders that are not watched.
    must_rescan: bool,
    folders: HashMap<Mark, Folder>,
    scans: VecDeque<Scan>,
    /// Folders that were read to their end since everything was heard.
    scanned: Vec<Mark>,
    /// Moves of which one half was heard.
    leaving: Vec<Leaving>,
    /// Whether there were more folders than may be watched.
    crowded: bool,
    refused: Option<Refused>,
}

impl Tree {
    pub(super) fn new(id: WatchId, spec: PathSpec, world: World, outbox: Arc<Outbox<PathChange>>) -> Self {
        Self {
            id,
            spec,
            world,
            outbox,
            burst: PathBurst::default(),
            way: Way::default(),
            found: Found::Unknown,
            must_look: true,
            must_rescan: false,
            folders: HashMap::new(),
            scans: VecDeque::new(),
            scanned: Vec::new(),
            leaving: Vec::new(),
            crowded: false,
            refused: None,
        }
    }

    /// Lets go of everything.
    pub(super) fn release(mut self, marks: &mut Marks) {
        self.leave(marks, Path::new(""));
        for (mark, _) in std::mem::take(&mut self.way.steps) {
            marks.release(self.id, mark);
        }
    }

    /// Whether there is more to do at once.
    pub(super) fn has_work(&self) -> bool {
        self.must_look || self.must_rescan || !self.scans.is_empty()
    }

    /// Whether something is not watched that may be another time.
    pub(super) fn is_refused(&self) -> bool {
        self.way.refused.is_some() || self.refused.as_ref().is_some_and(|refused| refused.again)
    }

    /// Looks again for everything that should be watched, and may not be.
    pub(super) fn rescan(&mut self) {
        (self.must_look, self.must_rescan) = (true, true);
    }

    /// The kernel dropped events: nobody knows which.
    pub(super) fn lost_some(&mut self) {
        self.burst.lost += 1;
        self.rescan();
    }

    /// Everything that waited was heard, and so nothing is left that a scan told before.
    pub(super) fn all_is_heard(&mut self) {
        self.way.told = None;
        for mark in self.scanned.drain(..) {
            if let Some(folder) = self.folders.get_mut(&mark) {
                folder.told = None;
            }
        }
    }

    /// Hands over what there is to tell.
    pub(super) fn publish(&mut self) {
        if self.burst != PathBurst::default() && self.leaving.is_empty() {
            let PathBurst { changes, lost } = std::mem::take(&mut self.burst);
            self.outbox.put(changes, lost);
        }
        if !self.has_work() {
            self.outbox.set_status(self.status());
        }
    }

    fn status(&self) -> Status {
        let path = self.spec.path.display();
        let how = "inotify".to_owned();
        if let Found::Blocked(why) = &self.found {
            return Status::Degraded { how, why: why.clone(), help: "correct the path, or its permissions".to_owned() };
        }
        let refused = self.way.refused.as_ref().or(self.refused.as_ref().map(|refused| &refused.why));
        if let Some(refused) = refused {
            let how = match self.is_refused() {
                true => format!("{how}, and a look every {} s", BLIND_REREAD.as_secs()),
                false => how,
            };
            let why = format!("the kernel refused to watch {refused}");
            return Status::Degraded { how, why, help: WATCH_HELP.to_owned() };
        }
        if self.crowded {
            let why = format!("{path} has more than {MAX_PATH_FOLDERS} folders: what happens in the rest is not seen");
            return Status::Degraded { how, why, help: "watch a folder with fewer folders in it".to_owned() };
        }
        match self.found {
            Found::Nothing => Status::Available { how: format!("{how}, waiting for {path} to appear") },
            _ => Status::Available { how },
        }
    }

    fn tell(&mut self, path: PathBuf, change: Change, is_folder: bool) {
        let asked = |kind: &&ChangeKind| self.spec.on.contains(kind.event());
        if let Some(kind) = change.told_as(is_folder).iter().find(asked).copied() {
            let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
            let at_micros = now.as_micros() as i64;
            self.burst.changes.push(PathChange { path, previous: None, kind, at_micros });
        }
    }
}

/// Events.
impl Tree {
    /// Takes in one event of a mark it holds.
    pub(super) fn hear(&mut self, marks: &mut Marks, event: &OwnedEvent) {
        let Some(name) = &event.name else {
            return self.hear_of_mark(event);
        };
        let change = Change::of(event.what);
        let is_folder = event.what.contains(ReadFlags::ISDIR);
        if let Some(step) = self.way.steps.iter().position(|(mark, next)| *mark == event.watch && next == name) {
            self.must_look |= !matches!(change, Some(Change::Changed | Change::Written));
            let is_last = step + 1 == self.way.steps.len();
            if let Some(change) = change.filter(|_| is_last && self.way.arrives) {
                self.hear_of_itself(change, is_folder);
            }
        }
        if let Some(change) = change {
            self.hear_inside(marks, event, name, change);
        }
    }

    /// A folder itself went, or the watch of it.
    fn hear_of_mark(&mut self, event: &OwnedEvent) {
        let gone = event.what.intersects(ReadFlags::IGNORED | ReadFlags::UNMOUNT);
        let left = gone || event.what.intersects(ReadFlags::MOVE_SELF | ReadFlags::DELETE_SELF);
        self.must_look |= left && self.way.steps.iter().any(|(mark, _)| *mark == event.watch);
        if gone && self.folders.remove(&event.watch).is_some() {
            self.must_rescan |= self.crowded;
        }
    }

    /// Something happened to what the path names.
    fn hear_of_itself(&mut self, change: Change, is_folder: bool) {
        let change = match change {
            Change::MovedIn if self.way.is_file && !is_folder => Change::Replaced,
            change => change,
        };
        if matches!(change, Change::Changed | Change::Written) {
            if self.way.is_file {
                self.tell(self.spec.path.clone(), change, false);
            }
            return;
        }
        let appears = change.appears();
        self.way.is_file = appears && !is_folder;
        self.way.explained = true;
        let told = self.way.told.take();
        if told.is_none_or(|told| told.appears() != appears) {
            self.tell(self.spec.path.clone(), change, is_folder);
        }
    }

    /// Something happened in a folder.
    fn hear_inside(&mut self, marks: &mut Marks, event: &OwnedEvent, name: &OsStr, change: Change) {
        let is_folder = event.what.contains(ReadFlags::ISDIR);
        let Some(folder) = self.folders.get_mut(&event.watch) else { return };
        let below = folder.below.join(name);
        if let Some(told) = &mut folder.told {
            match change {
                _ if change.appears() && !told.insert(name.to_owned()) => return,
                Change::Deleted | Change::MovedOut => drop(told.remove(name)),
                _ => {}
            }
        }
        self.tell(self.spec.path.join(&below), change, is_folder);
        match change {
            Change::MovedOut if self.pairs_moves() => return self.leaves(marks, event.cookie, below, is_folder),
            Change::MovedIn if self.pairs_moves() => {
                if let Some(previous) = self.arrives_from(event.cookie, &below) {
                    self.burst.changes.last_mut().expect("it was told above").previous = Some(previous);
                    // What was moved before it could be watched is as new as ever.
                    if self.folders.values().any(|folder| folder.below == below) {
                        return;
                    }
                }
            }
            _ => {}
        }
        if is_folder && self.spec.recursive {
            match change {
                Change::MovedOut => self.leave(marks, &below),
                _ if change.appears() => drop(self.enter(marks, below, Scope::All)),
                _ => {}
            }
        }
    }
}

fn is_gone(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory)
}
