//! Noticing that the policy changed, also when its folder appears, goes away, or comes back.

use std::collections::BTreeSet;
use std::io;
use std::mem::MaybeUninit;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::fs::inotify::{self, CreateFlags, Reader, WatchFlags};
use rustix::io::Errno;
use tokio::sync::mpsc;

use super::FOLDER;
use crate::failure::Failure;
use crate::inbox::Incoming;
use crate::ready::{self, Ready};

/// The folder is read again this long after its last change: an administrator's tools write several files.
const SETTLE: Duration = Duration::from_millis(50);

/// Bytes taken from the kernel at once: some dozens of events.
const EVENT_BUFFER: usize = 4_096;

/// What happens in a folder.
const CONTENT: WatchFlags = WatchFlags::CLOSE_WRITE
    .union(WatchFlags::CREATE)
    .union(WatchFlags::DELETE)
    .union(WatchFlags::MOVED_FROM)
    .union(WatchFlags::MOVED_TO)
    .union(WatchFlags::ATTRIB);

/// What happens to a folder.
const END: WatchFlags = WatchFlags::DELETE_SELF.union(WatchFlags::MOVE_SELF);

/// Sends [`Incoming::Policies`] after every change in the folder, [`FOLDER`] of some root, which need not exist yet.
pub(crate) fn watch(folder: &Path, inbox: mpsc::Sender<Incoming>) -> Result<(), Failure> {
    let cannot = |error| Failure::new(format!("the policy folder {} cannot be watched", folder.display()), error);
    let mut watcher = Watcher::new(folder).map_err(cannot)?;
    tokio::spawn(async move {
        loop {
            match watcher.changed().await {
                Ok(false) => {}
                Ok(true) if inbox.send(Incoming::Policies).await.is_err() => return,
                Ok(true) => {}
                Err(error) => {
                    tracing::error!(
                        "changes of the policy are not noticed any more until the broker is started again: {error}"
                    );
                    return;
                }
            }
        }
    });
    Ok(())
}

/// Watches what is in the folder; while that does not exist, what appears in the deepest folder above it that does. Of the
/// others only their own end is watched, so that what happens in `/etc` wakes nobody.
struct Watcher {
    inotify: Ready,
    folder: PathBuf,
    watches: BTreeSet<i32>,
    found: bool,
}

impl Watcher {
    fn new(folder: &Path) -> io::Result<Self> {
        let inotify = ready::watch(inotify::init(CreateFlags::NONBLOCK | CreateFlags::CLOEXEC)?)?;
        let mut watcher =
            Self { inotify, folder: std::path::absolute(folder)?, watches: BTreeSet::new(), found: false };
        watcher.arm()?;
        Ok(watcher)
    }

    /// Waits until something happened, and tells whether it may have been in the folder.
    async fn changed(&mut self) -> io::Result<bool> {
        let mut ready = self.inotify.readable().await?;
        tokio::time::sleep(SETTLE).await;
        ready.clear_ready();
        self.take()
    }

    fn take(&mut self) -> io::Result<bool> {
        if !self.drain()? {
            return Ok(false);
        }
        let was_there = self.found;
        self.arm()?;
        Ok(was_there || self.found)
    }

    /// Takes what the kernel has, and tells whether it had anything: what came while the folder settled wakes once more, and
    /// has been taken then.
    fn drain(&self) -> io::Result<bool> {
        let mut buffer = [MaybeUninit::uninit(); EVENT_BUFFER];
        let mut reader = Reader::new(self.inotify.get_ref(), &mut buffer);
        let mut any = false;
        loop {
            match reader.next() {
                Ok(_) => any = true,
                Err(Errno::INTR) => {}
                Err(Errno::WOULDBLOCK) => return Ok(any),
                Err(errno) => return Err(errno.into()),
            }
        }
    }

    /// From the root of the system down to the folder. A folder gets no more events than it has to, not even while this runs:
    /// others live there too.
    fn arm(&mut self) -> io::Result<()> {
        let below_root = Path::new(FOLDER).components().count();
        let mut chain: Vec<_> = self.folder.ancestors().take(below_root + 1).collect();
        chain.reverse();
        let mut watches = BTreeSet::new();
        let mut above = None;
        self.found = true;
        for folder in chain {
            let wanted = if folder == self.folder { CONTENT | END } else { END };
            let mut watch = self.add(folder, wanted)?;
            if let (None, Some(above)) = (watch, above) {
                self.add(above, CONTENT | END)?;
                // From now on its appearing is an event; it may have appeared before.
                watch = self.add(folder, wanted)?;
            }
            let Some(watch) = watch else {
                self.found = false;
                break;
            };
            watches.insert(watch);
            above = Some(folder);
        }
        for old in self.watches.difference(&watches) {
            // A folder that ended has ended its watch.
            let _ended = inotify::remove_watch(self.inotify.get_ref(), *old);
        }
        self.watches = watches;
        Ok(())
    }

    /// Watches a folder, or replaces what it is watched for; `None` if it is not there.
    fn add(&self, folder: &Path, what: WatchFlags) -> io::Result<Option<i32>> {
        match inotify::add_watch(self.inotify.get_ref(), folder, what | WatchFlags::ONLYDIR) {
            Ok(watch) => Ok(Some(watch)),
            Err(Errno::NOENT | Errno::NOTDIR | Errno::ACCESS) => Ok(None),
            Err(errno) => Err(errno.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use rustix::event::{PollFd, PollFlags, Timespec, poll};

    use super::*;

    /// Whether anything happened that wakes the broker, and whether it then says so to the driver.
    fn happened(watcher: &mut Watcher) -> (bool, bool) {
        let now = Timespec { tv_sec: 0, tv_nsec: 0 };
        let mut fds = [PollFd::new(watcher.inotify.get_ref(), PollFlags::IN)];
        let woken = poll(&mut fds, Some(&now)).expect("a descriptor") > 0;
        (woken, watcher.take().expect("watched"))
    }

    const TOLD: (bool, bool) = (true, true);

    #[tokio::test]
    async fn each_change_wakes_and_nothing_else_does() {
        let root = tempfile::tempdir().expect("a folder");
        let (etc, folder) = (root.path().join("etc"), root.path().join("etc/bgtask/policy.d"));
        let file = folder.join("50-site.toml");
        let write = |path: &Path| fs::write(path, "").expect("written");
        let mut watcher = Watcher::new(&folder).expect("watched before it exists");
        write(&root.path().join("unrelated"));
        assert_eq!(happened(&mut watcher), (true, false), "what appears where the folder could is looked at");
        for _ in 0..2 {
            fs::create_dir(&etc).expect("made");
            assert_eq!(happened(&mut watcher), (true, false));
            fs::create_dir_all(&folder).expect("made");
            assert_eq!(happened(&mut watcher), TOLD);

            write(&root.path().join("unrelated"));
            write(&etc.join("resolv.conf"));
            write(&etc.join("bgtask/unrelated"));
            let (woken, _) = happened(&mut watcher);
            assert!(!woken, "the life of /etc wakes nobody");

            write(&file);
            assert_eq!(happened(&mut watcher), TOLD);
            fs::set_permissions(&file, fs::metadata(&file).expect("there").permissions()).expect("chmod");
            assert_eq!(happened(&mut watcher), TOLD);
            fs::rename(&file, folder.join("60-site.toml")).expect("renamed");
            assert_eq!(happened(&mut watcher), TOLD);
            fs::remove_file(folder.join("60-site.toml")).expect("removed");
            assert_eq!(happened(&mut watcher), TOLD);
            assert_eq!(happened(&mut watcher), (false, false), "what was told is not told again");

            fs::remove_dir(&folder).expect("removed");
            assert_eq!(happened(&mut watcher), TOLD);
            fs::create_dir(&folder).expect("made again");
            assert_eq!(happened(&mut watcher), TOLD);
            fs::rename(etc.join("bgtask"), etc.join("bgtask.old")).expect("moved with what is in it");
            assert_eq!(happened(&mut watcher), TOLD);
            let _the_end_of_its_watch = happened(&mut watcher);
            write(&etc.join("bgtask.old/policy.d/50-site.toml"));
            let (woken, _) = happened(&mut watcher);
            assert!(!woken, "what was moved away is watched no more");
            fs::remove_dir_all(&etc).expect("removed");
            let _the_end_of_etc = happened(&mut watcher);
            let _the_end_of_its_watches = happened(&mut watcher);
        }
    }
}
