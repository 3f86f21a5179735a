//! The terminals of one user, and when a key was last struck in one of them.
//!
//! The kernel sets a terminal's access time when a program reads input from it (to eight seconds), which is what `w`
//! shows as idle time, and tells inotify about each such read. Output changes neither.

use std::ffi::OsStr;
use std::fs;
use std::io::{self, ErrorKind};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use rustix::fs::inotify::WatchFlags;
use tokio::time::{sleep, timeout};

use crate::inotify::{BLIND_REREAD, Event, Inotify};
use crate::world::World;

/// Terminals of one user that are watched: those last used.
const MAX_TERMINALS: usize = 256;

/// How far ahead of the clock an access time may be. More than that was written before the clock was set back, and
/// says nothing about now.
const AHEAD: Duration = Duration::from_secs(1);

const DEVICES: &str = "dev";
const PSEUDO_TERMINALS: &str = "dev/pts";

/// The terminals of the world's user.
#[derive(Debug)]
pub(crate) struct Terminals {
    world: World,
    /// The terminals as last seen, those last used first.
    seen: Vec<PathBuf>,
    watch: Option<KeyWatch>,
}

/// What is waited for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Awaited {
    /// A key in any terminal, or a new one.
    Key,
    /// A terminal that comes or goes.
    Coming,
}

/// Hears the next key, and new terminals.
#[derive(Debug)]
struct KeyWatch {
    awaited: Awaited,
    inotify: Option<Inotify>,
    problem: Option<String>,
}

impl Terminals {
    pub(crate) fn new(world: &World) -> Self {
        Self { world: world.clone(), seen: Vec::new(), watch: None }
    }

    /// When a key was last struck in any of them; `None` without terminals. While they are watched, new ones are watched
    /// from here on.
    pub(crate) fn last_input(&mut self) -> Option<SystemTime> {
        if let Some(watch) = &mut self.watch {
            watch.arm(&self.world, &paths(find(&self.world)));
        }
        // Read after the watches stand, so that no key falls between.
        let found = find(&self.world);
        let newest = found.first().map(|(input, _)| *input);
        self.seen = paths(found);
        newest
    }

    /// Starts or stops watching for a key and for new terminals. True if it was started just now.
    pub(crate) fn watch(&mut self, wanted: bool) -> bool {
        self.watch_for(wanted.then_some(Awaited::Key))
    }

    /// Starts or stops watching for terminals that come and go.
    pub(crate) fn watch_comings(&mut self, wanted: bool) {
        self.watch_for(wanted.then_some(Awaited::Coming));
    }

    fn watch_for(&mut self, awaited: Option<Awaited>) -> bool {
        if awaited == self.watch.as_ref().map(|watch| watch.awaited) {
            return false;
        }
        self.watch = awaited.map(|awaited| {
            let mut watch = KeyWatch { awaited, inotify: None, problem: None };
            watch.arm(&self.world, &self.seen);
            watch
        });
        awaited.is_some()
    }

    /// Waits for what is watched; for ever while they are not watched. Cancel safe.
    pub(crate) async fn changed(&self) {
        match &self.watch {
            Some(watch) => watch.changed().await,
            None => std::future::pending().await,
        }
    }

    /// Why the next key would not be seen at once, if so.
    pub(crate) fn problem(&self) -> Option<&str> {
        self.watch.as_ref()?.problem.as_deref()
    }

    /// Whether there was no terminal at the last look.
    pub(crate) fn none(&self) -> bool {
        self.seen.is_empty()
    }
}

impl KeyWatch {
    fn arm(&mut self, world: &World, terminals: &[PathBuf]) {
        self.problem = self.try_arm(world, terminals).err().map(|error| error.to_string());
    }

    fn try_arm(&mut self, world: &World, terminals: &[PathBuf]) -> io::Result<()> {
        let inotify = match &mut self.inotify {
            Some(inotify) => inotify,
            none => none.insert(Inotify::new()?),
        };
        let mut appears = WatchFlags::CREATE | WatchFlags::MOVED_TO | WatchFlags::ATTRIB | WatchFlags::ONLYDIR;
        if self.awaited == Awaited::Coming {
            appears |= WatchFlags::DELETE | WatchFlags::MOVED_FROM;
        }
        let struck = WatchFlags::ACCESS | WatchFlags::ATTRIB;
        inotify.add(&world.path(DEVICES), appears)?;
        let struck_in = terminals.iter().filter(|_| self.awaited == Awaited::Key);
        let others = struck_in.map(|path| (path.clone(), struck));
        for (path, events) in others.chain([(world.path(PSEUDO_TERMINALS), appears)]) {
            match inotify.add(&path, events) {
                Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        Ok(())
    }

    async fn changed(&self) {
        let Some(inotify) = &self.inotify else {
            return sleep(BLIND_REREAD).await;
        };
        let key = inotify.wait(concerns_terminals);
        match self.problem {
            None => key.await,
            Some(_) => timeout(BLIND_REREAD, key).await.unwrap_or_default(),
        }
    }
}

/// A watched terminal sends events without a name, the two directories with that of any device.
fn concerns_terminals(event: &Event<'_>) -> bool {
    event.name.is_none_or(|name| name == "pts" || is_console(name) || is_pseudo_terminal(name))
}

/// The user's terminals and when each was last typed in, those last used first.
fn find(world: &World) -> Vec<(SystemTime, PathBuf)> {
    let now = SystemTime::now();
    let consoles = entries(world.path(DEVICES), is_console);
    let pseudo_terminals = entries(world.path(PSEUDO_TERMINALS), is_pseudo_terminal);
    let mut found: Vec<_> = consoles
        .chain(pseudo_terminals)
        .filter_map(|path| Some((last_input(&path, world.uid(), now)?, path)))
        .collect();
    found.sort_by(|(a, _), (b, _)| b.cmp(a));
    found.truncate(MAX_TERMINALS);
    found
}

fn paths(found: Vec<(SystemTime, PathBuf)>) -> Vec<PathBuf> {
    found.into_iter().map(|(_, path)| path).collect()
}

fn entries(directory: PathBuf, wanted: fn(&OsStr) -> bool) -> impl Iterator<Item = PathBuf> {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    entries.filter(move |entry| wanted(&entry.file_name())).map(|entry| entry.path())
}

/// `tty1`, `ttyS0`, `ttyUSB0` …; `tty` itself stands for each process's own.
fn is_console(name: &OsStr) -> bool {
    name.as_encoded_bytes().strip_prefix(b"tty").is_some_and(|rest| !rest.is_empty())
}

fn is_pseudo_terminal(name: &OsStr) -> bool {
    name.as_encoded_bytes().iter().all(u8::is_ascii_digit)
}

fn last_input(path: &Path, uid: u32, now: SystemTime) -> Option<SystemTime> {
    let metadata = fs::symlink_metadata(path).ok()?;
    if metadata.uid() != uid || metadata.is_symlink() {
        return None;
    }
    let input = metadata.accessed().ok()?;
    Some(if input > now + AHEAD { SystemTime::UNIX_EPOCH } else { input })
}

#[cfg(test)]
mod tests {
    use std::fs::{File, FileTimes};

    use super::*;

    fn world() -> (tempfile::TempDir, World) {
        let root = tempfile::tempdir().unwrap();
        let world = World::new(root.path());
        fs::create_dir_all(world.path(PSEUDO_TERMINALS)).unwrap();
        (root, world)
    }

    fn terminal(world: &World, path: &str, typed: SystemTime) {
        let file = File::create(world.path(path)).unwrap();
        file.set_times(FileTimes::new().set_accessed(typed)).unwrap();
    }

    fn ago(seconds: u64) -> SystemTime {
        SystemTime::now() - Duration::from_secs(seconds)
    }

    #[test]
    fn the_newest_key_in_any_terminal_counts() {
        let (_root, world) = world();
        let mut terminals = Terminals::new(&world);
        assert_eq!(terminals.last_input(), None);
        assert!(terminals.none());
        let (old, new) = (ago(500), ago(100));
        terminal(&world, "dev/tty2", old);
        terminal(&world, "dev/pts/7", new);
        for other in ["dev/tty", "dev/null", "dev/pts/ptmx"] {
            terminal(&world, other, ago(0));
        }
        assert_eq!(terminals.last_input(), Some(new));
    }

    #[test]
    fn an_access_time_in_the_future_says_nothing() {
        let (_root, world) = world();
        terminal(&world, "dev/pts/0", SystemTime::now() + Duration::from_secs(3600));
        assert_eq!(Terminals::new(&world).last_input(), Some(SystemTime::UNIX_EPOCH));
    }

    #[test]
    fn of_too_many_terminals_the_last_used_are_kept() {
        let (_root, world) = world();
        for n in 0..=MAX_TERMINALS {
            terminal(&world, &format!("dev/pts/{n}"), ago(1000 - n as u64));
        }
        let found = find(&world);
        assert_eq!(found.len(), MAX_TERMINALS);
        assert!(found.iter().all(|(_, path)| !path.ends_with("pts/0")));
    }
}
