//! inotify as a future: wait until something happened that matters.

use std::ffi::{OsStr, OsString};
use std::io;
use std::mem::MaybeUninit;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::time::Duration;

use futures_util::FutureExt;
use rustix::fs::inotify::{self, CreateFlags, ReadFlags, Reader, WatchFlags};
use rustix::io::Errno;

use crate::ready::{self, Ready};

/// How often a level is read again where the kernel refuses to watch it. Its status says so.
pub(crate) const BLIND_REREAD: Duration = Duration::from_secs(30);

/// What to do when the kernel refuses a watch.
pub(crate) const WATCH_HELP: &str = "raise fs.inotify.max_user_instances and fs.inotify.max_user_watches, and make the \
                                     watched directories readable";

/// Bytes read from the kernel at once: some dozens of events.
const EVENT_BUFFER: usize = 4096;

/// One inotify instance.
#[derive(Debug)]
pub(crate) struct Inotify {
    fd: Ready,
}

/// One event: which watch, what happened, and in a directory to which name.
#[derive(Debug)]
pub(crate) struct Event<'a> {
    pub(crate) watch: i32,
    pub(crate) what: ReadFlags,
    pub(crate) name: Option<&'a OsStr>,
}

/// The same, to keep.
#[derive(Debug)]
pub(crate) struct OwnedEvent {
    pub(crate) watch: i32,
    pub(crate) what: ReadFlags,
    /// The same number for both halves of a move.
    pub(crate) cookie: u32,
    pub(crate) name: Option<OsString>,
}

impl Inotify {
    pub(crate) fn new() -> io::Result<Self> {
        let fd = inotify::init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK)?;
        Ok(Self { fd: ready::watch(fd)? })
    }

    /// Watches `path`. Watching the same file again only replaces what is watched for and answers the same number.
    pub(crate) fn add(&self, path: &Path, what: WatchFlags) -> io::Result<i32> {
        Ok(inotify::add_watch(self.fd.get_ref(), path, what)?)
    }

    /// Stops a watch. One that ended by itself is no error.
    pub(crate) fn remove(&self, watch: i32) {
        let _ = inotify::remove_watch(self.fd.get_ref(), watch);
    }

    /// Waits for an event that `matters`, and takes everything else that waits with it. Lost events always matter.
    /// Cancel safe.
    pub(crate) async fn wait(&self, matters: impl Fn(&Event<'_>) -> bool) {
        loop {
            let Ok(mut guard) = self.fd.readable().await else {
                // Only at the end of the runtime.
                return std::future::pending().await;
            };
            let mattered = self.drain(&matters);
            guard.clear_ready();
            if mattered {
                return;
            }
        }
    }

    /// Waits until there is something to [`Self::take`]. Cancel safe.
    pub(crate) async fn readable(&self) {
        match self.fd.readable().await {
            Ok(mut guard) => guard.retain_ready(),
            // Only at the end of the runtime.
            Err(_) => std::future::pending().await,
        }
    }

    /// Takes the events that wait, up to `most` and a few more, and says whether those were all.
    pub(crate) fn take(&self, most: usize) -> (Vec<OwnedEvent>, bool) {
        // Taken before the first read, so that it does not stand for an event that comes after the last.
        let ready = self.fd.readable().now_or_never();
        let mut buffer = [MaybeUninit::uninit(); EVENT_BUFFER];
        let mut reader = Reader::new(self.fd.get_ref(), &mut buffer);
        let mut events = Vec::new();
        while events.len() < most || !reader.is_buffer_empty() {
            match reader.next() {
                Ok(event) => {
                    let name = event.file_name().map(|name| OsStr::from_bytes(name.to_bytes()).to_owned());
                    let (watch, what, cookie) = (event.wd(), event.events(), event.cookie());
                    events.push(OwnedEvent { watch, what, cookie, name });
                }
                Err(Errno::INTR) => {}
                Err(_) => {
                    if let Some(Ok(mut ready)) = ready {
                        ready.clear_ready();
                    }
                    return (events, true);
                }
            }
        }
        (events, false)
    }

    fn drain(&self, matters: impl Fn(&Event<'_>) -> bool) -> bool {
        let mut buffer = [MaybeUninit::uninit(); EVENT_BUFFER];
        let mut reader = Reader::new(self.fd.get_ref(), &mut buffer);
        let mut mattered = false;
        loop {
            match reader.next() {
                Ok(event) => {
                    let what = event.events();
                    let name = event.file_name().map(|name| OsStr::from_bytes(name.to_bytes()));
                    mattered |=
                        what.contains(ReadFlags::QUEUE_OVERFLOW) || matters(&Event { watch: event.wd(), what, name });
                }
                Err(Errno::INTR) => {}
                Err(Errno::WOULDBLOCK) => return mattered,
                // Nothing of the kind is documented; reading the level again is right whatever it was.
                Err(_) => return true,
            }
        }
    }
}
