//! Which settings change, as the kernel tells.

use std::io;
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::path::Path;

use rustix::fs::inotify::{self, CreateFlags, ReadFlags, Reader, WatchFlags};
use rustix::io::Errno;
use tokio::io::unix::AsyncFd;
use tokio::runtime::Handle;

use super::name::{Named, key_of};

/// Bytes taken from the kernel at once: one event of the longest name at least.
const EVENT_BUFFER: usize = 4096;

/// Changes of settings, from [`ApplicationDataContainer::data_changed`](super::ApplicationDataContainer::data_changed).
#[derive(Debug)]
pub struct DataChanges {
    kernel: AsyncFd<OwnedFd>,
    /// Heard and not yet told, the last one first.
    heard: Vec<DataChanged>,
}

/// What changed.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum DataChanged {
    /// The setting of this key was set or removed.
    Setting(String),
    /// Something that is not known: more changed at once than the kernel remembers, or a setting whose key is too long for
    /// the name of a file. Read again what matters.
    Unknown,
}

impl DataChanges {
    pub(super) fn of(folder: &Path) -> io::Result<Self> {
        let kernel = inotify::init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK)?;
        // A setting is set by renaming over it.
        inotify::add_watch(&kernel, folder, WatchFlags::MOVED_TO | WatchFlags::DELETE | WatchFlags::ONLYDIR)?;
        Ok(Self { kernel: watched(kernel)?, heard: Vec::new() })
    }

    /// Waits for the next change. A setting that changes several times in a row may be told less often.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses nothing.
    pub async fn next(&mut self) -> DataChanged {
        loop {
            if let Some(change) = self.heard.pop() {
                return change;
            }
            let Ok(mut ready) = self.kernel.readable().await else {
                // Only at the end of the runtime.
                return std::future::pending().await;
            };
            if let Drained::Everything = drain(self.kernel.get_ref(), &mut self.heard) {
                ready.clear_ready();
            }
        }
    }
}

#[allow(
    deprecated,
    reason = "the successor is unsafe because of types that may close or swap their descriptor; an OwnedFd cannot"
)]
fn watched(kernel: OwnedFd) -> io::Result<AsyncFd<OwnedFd>> {
    Handle::try_current().map_err(io::Error::other)?;
    AsyncFd::new(kernel)
}

enum Drained {
    Everything,
    /// There may be more: the kernel keeps it, up to its own bound.
    OneBuffer,
}

/// Takes what waits, one buffer of it at most.
fn drain(kernel: &OwnedFd, heard: &mut Vec<DataChanged>) -> Drained {
    let mut buffer = [MaybeUninit::uninit(); EVENT_BUFFER];
    let mut reader = Reader::new(kernel, &mut buffer);
    let drained = loop {
        match reader.next() {
            Ok(event) if event.events().contains(ReadFlags::QUEUE_OVERFLOW) => heard.push(DataChanged::Unknown),
            Ok(event) => heard.extend(event.file_name().and_then(|name| name.to_str().ok()).and_then(change_of)),
            Err(Errno::INTR) => continue,
            Err(Errno::WOULDBLOCK) => break Drained::Everything,
            Err(_) => {
                heard.push(DataChanged::Unknown);
                break Drained::Everything;
            }
        }
        if reader.is_buffer_empty() {
            break Drained::OneBuffer;
        }
    };
    heard.dedup();
    heard.reverse();
    drained
}

fn change_of(name: &str) -> Option<DataChanged> {
    match key_of(name) {
        Named::Key(key) => Some(DataChanged::Setting(key)),
        Named::Inside => Some(DataChanged::Unknown),
        Named::Nothing => None,
    }
}
