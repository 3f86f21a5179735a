//! What one watch sees: the way to its path, what is there, and the folders below.

use std::collections::{HashMap, HashSet, VecDeque};
use std::ffi::{OsStr, OsString};
use std::fs;
use std::io::{self, ErrorKind};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use rustix::fs::inotify::ReadFlags;

use crate::inotify::{BLIND_REREAD, OwnedEvent, WATCH_HELP};
use crate::path::{End, MAX_LOOKS, Walk, walk};
use crate::report::Status;
use crate::watch_path::change::Change;
use crate::watch_path::marks::{Mark, Marks, WatchId, inside, on_the_way};
use crate::watch_path::outbox::Outbox;
use crate::watch_path::{ChangeKind, MAX_PATH_FOLDERS, PathBurst, PathChange, PathSpec};
use crate::world::World;

/// One path watch.
#[derive(Debug)]
pub(super) struct Tree {
    id: WatchId,
    spec: PathSpec,
    world: World,
    outbox: Arc<Outbox>,
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
    /// Whether there were more folders than may be watched.
    crowded: bool,
    refused: Option<Refused>,
}

/// The folders on the way, each with the name that leads on.
#[derive(Default, Debug)]
struct Way {
    steps: Vec<(Mark, OsString)>,
    /// Whether the last of the names is what the path itself names, there or not.
    arrives: bool,
    /// Whether an event told what became of that since it was looked for.
    explained: bool,
    /// Whether it was told that it appeared, though an event may still say so.
    told: bool,
    /// Whether it is a file, after all that was heard.
    is_file: bool,
    refused: Option<String>,
}

/// What is at the path.
#[derive(Clone, PartialEq, Eq, Debug)]
enum Found {
    /// Nothing was looked for yet.
    Unknown,
    Nothing,
    Blocked(String),
    File(Identity),
    Folder(Identity, PathBuf),
}

/// Device and inode.
type Identity = (u64, u64);

/// A folder whose content is watched.
#[derive(Debug)]
struct Folder {
    /// Its place below the folder that is watched, which itself is the empty path.
    below: PathBuf,
    /// While it is read, and until the events from before are heard: the names that are told already.
    told: Option<HashSet<OsString>>,
}

/// A folder to be read, or being read.
#[derive(Debug)]
struct Scan {
    mark: Mark,
    scope: Scope,
    entries: Option<fs::ReadDir>,
}

/// What of it is news.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Scope {
    /// Nothing: it was there before.
    Nothing,
    /// Folders that are not watched yet, and all in them.
    NewFolders,
    /// All of it.
    All,
}

/// What the kernel would not watch.
#[derive(Debug)]
struct Refused {
    why: String,
    /// Whether another time it may.
    again: bool,
}

impl Tree {
    pub(super) fn new(id: WatchId, spec: PathSpec, world: World, outbox: Arc<Outbox>) -> Self {
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
        self.way.told = false;
        for mark in self.scanned.drain(..) {
            if let Some(folder) = self.folders.get_mut(&mark) {
                folder.told = None;
            }
        }
    }

    /// Hands over what there is to tell.
    pub(super) fn publish(&mut self) {
        if self.burst != PathBurst::default() {
            self.outbox.put(std::mem::take(&mut self.burst));
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
            self.burst.changes.push(PathChange { path, kind, at_micros: now.as_micros() as i64 });
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
            self.hear_inside(marks, event.watch, name, change, is_folder);
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
        let told = std::mem::take(&mut self.way.told);
        if !(appears && told) {
            self.tell(self.spec.path.clone(), change, is_folder);
        }
    }

    /// Something happened in a folder.
    fn hear_inside(&mut self, marks: &mut Marks, mark: Mark, name: &OsStr, change: Change, is_folder: bool) {
        let Some(folder) = self.folders.get_mut(&mark) else { return };
        let below = folder.below.join(name);
        if let Some(told) = &mut folder.told {
            match change {
                _ if change.appears() && !told.insert(name.to_owned()) => return,
                Change::Deleted | Change::MovedOut => drop(told.remove(name)),
                _ => {}
            }
        }
        self.tell(self.spec.path.join(&below), change, is_folder);
        if is_folder && self.spec.recursive {
            match change {
                Change::MovedOut => self.leave(marks, &below),
                _ if change.appears() => drop(self.enter(marks, below, Scope::All)),
                _ => {}
            }
        }
    }
}

/// The way, and what is at its end.
impl Tree {
    /// Looks for what the path names, if something happened on the way.
    pub(super) fn look_again(&mut self, marks: &mut Marks) {
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
            self.way.told = change.appears();
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
    fn let_go(&self, marks: &mut Marks, mark: Mark) {
        let is_used = self.folders.contains_key(&mark) || self.way.steps.iter().any(|(used, _)| *used == mark);
        if !is_used {
            marks.release(self.id, mark);
        }
    }
}

/// Folders.
impl Tree {
    /// Watches the folder at `below`, and reads it as soon as there is time. False if it is watched already, or cannot be.
    fn enter(&mut self, marks: &mut Marks, below: PathBuf, scope: Scope) -> bool {
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
    fn is_not_watched(&mut self, below: &Path, error: &io::Error) {
        if !is_gone(error) {
            let why = format!("{}: {error}", self.spec.path.join(below).display());
            self.refused = Some(Refused { why, again: error.kind() != ErrorKind::PermissionDenied });
        }
    }

    /// Lets go of the folder at `below` and of all that are in it.
    fn leave(&mut self, marks: &mut Marks, below: &Path) {
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
    pub(super) fn scan(&mut self, marks: &mut Marks, mut entries: usize) -> usize {
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
    fn new(mark: Mark, scope: Scope) -> Self {
        Self { mark, scope, entries: None }
    }
}

impl Found {
    fn at(end: End) -> Self {
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
    fn became(&self, now: &Self) -> Option<Change> {
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

fn is_gone(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory)
}
