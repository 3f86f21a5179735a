//! Watching very many sockets by one descriptor, without reading from any of them.

use std::io;
use std::os::fd::OwnedFd;

use bgtask_core::{Readiness, SocketKey};
use rustix::event::Timespec;
use rustix::event::epoll::{self, CreateFlags, Event, EventData, EventFlags};
use rustix::io::Errno;

use crate::inbox::MAX_BATCH;
use crate::ready::{self, Ready};

/// An epoll instance. Each socket in it is told once and then no more until it is armed again: what its app does not want to
/// read costs nothing.
pub(super) struct Watcher {
    epoll: Ready,
}

const SEEN: EventFlags = EventFlags::IN.union(EventFlags::RDHUP).union(EventFlags::ONESHOT);

impl Watcher {
    pub(super) fn new() -> io::Result<Self> {
        Ok(Self { epoll: ready::watch(epoll::create(CreateFlags::CLOEXEC)?)? })
    }

    /// Makes room for one that will be watched.
    pub(super) fn add(&self, key: SocketKey, socket: &OwnedFd) -> io::Result<()> {
        Ok(epoll::add(self.epoll.get_ref(), socket, EventData::new_u64(key.0), EventFlags::ONESHOT)?)
    }

    /// Tells of it once, at once if there is something to see already.
    pub(super) fn arm(&self, key: SocketKey, socket: &OwnedFd) -> io::Result<()> {
        Ok(epoll::modify(self.epoll.get_ref(), socket, EventData::new_u64(key.0), SEEN)?)
    }

    /// Tells of it again and again, each time that more comes, and at once if there is something to see already.
    pub(super) fn arm_for_more(&self, key: SocketKey, socket: &OwnedFd) -> io::Result<()> {
        let flags = EventFlags::IN | EventFlags::RDHUP | EventFlags::ET;
        Ok(epoll::modify(self.epoll.get_ref(), socket, EventData::new_u64(key.0), flags)?)
    }

    /// Tells of it no more, but for its end, which the kernel tells once more.
    pub(super) fn disarm(&self, key: SocketKey, socket: &OwnedFd) -> io::Result<()> {
        Ok(epoll::modify(self.epoll.get_ref(), socket, EventData::new_u64(key.0), EventFlags::ONESHOT)?)
    }

    /// Other processes may have copies of it: closing the broker's does not take it out.
    pub(super) fn remove(&self, socket: &OwnedFd) {
        if let Err(error) = epoll::delete(self.epoll.get_ref(), socket) {
            tracing::error!("a socket cannot be taken out of those that are watched: {error}");
        }
    }

    pub(super) async fn seen(&self) -> io::Result<Vec<(SocketKey, Readiness)>> {
        loop {
            let mut ready = self.epoll.readable().await?;
            let mut events = Vec::with_capacity(MAX_BATCH);
            let at_once = Timespec { tv_sec: 0, tv_nsec: 0 };
            match epoll::wait(self.epoll.get_ref(), rustix::buffer::spare_capacity(&mut events), Some(&at_once)) {
                Ok(0) => ready.clear_ready(),
                Ok(_) => return Ok(events.iter().map(seen).collect()),
                Err(Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
}

fn seen(event: &Event) -> (SocketKey, Readiness) {
    // They are packed: a reference to a field would not be aligned.
    let (flags, data) = (event.flags, event.data);
    let closed = flags.intersects(EventFlags::RDHUP | EventFlags::HUP | EventFlags::ERR);
    (SocketKey(data.u64()), if closed { Readiness::Closed } else { Readiness::Readable })
}
