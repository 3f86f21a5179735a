//! The descriptors that the broker holds for others. What they are for, and when they go where, is the core's.
//!
//! None of them is ever read from, written to, or accepted on: all that arrives is there for whoever gets it.

mod kind;
mod shelf;
mod watcher;

use std::collections::{HashMap, HashSet};
use std::io;
use std::os::fd::OwnedFd;

use rustix::net::sockopt::socket_cookie;

use bgtask_core::{Input, Readiness, SocketKey, SocketKind};

use self::kind::kind_of;
use self::watcher::Watcher;
use crate::service_manager::HandedOver;

/// Descriptors by their keys. How many there are is bounded by the core, which knows each of them.
pub(crate) struct Sockets {
    held: HashMap<SocketKey, Held>,
    /// Those that can be watched, by the kernel's number for the socket: several descriptors may be of one.
    by_cookie: HashMap<u64, SocketKey>,
    watcher: Watcher,
    last: u64,
}

struct Held {
    socket: OwnedFd,
    /// What it is, where it is one to be watched, and the kernel's number for it.
    kind: Option<(SocketKind, u64)>,
    watched: bool,
    /// Its app holds the connection itself: it is a copy, of a control channel.
    of_channel: bool,
}

impl Sockets {
    /// With those that the service manager has kept for this broker.
    pub(crate) fn new(handed_over: &mut HandedOver) -> io::Result<Self> {
        let mut sockets = Self { held: HashMap::new(), by_cookie: HashMap::new(), watcher: Watcher::new()?, last: 0 };
        for (key, socket) in shelf::take(handed_over) {
            sockets.last = sockets.last.max(key.0);
            if let Err(error) = kind_of(&socket).and_then(|kind| sockets.enter(key, socket, kind)) {
                tracing::error!("a socket that the service manager has kept is of no use: {error}");
                shelf::remove(key);
            }
        }
        Ok(sockets)
    }

    /// The numbers up to this one have been given.
    pub(crate) fn continue_after(&mut self, last: u64) {
        self.last = self.last.max(last);
    }

    /// Takes in one that is only kept until its task has it, and ends with the broker.
    pub(crate) fn keep(&mut self, socket: OwnedFd) -> SocketKey {
        self.last += 1;
        let key = SocketKey(self.last);
        self.held.insert(key, Held { socket, kind: None, watched: false, of_channel: false });
        key
    }

    /// Takes in one that can be watched, and outlives the broker where somebody keeps it. Answers its key, its kind, and the key of
    /// another descriptor of the same socket.
    ///
    /// # Errors
    ///
    /// It is no socket that can be watched, or the system has no room.
    pub(crate) fn take_over(&mut self, socket: OwnedFd) -> io::Result<(SocketKey, SocketKind, Option<SocketKey>)> {
        let kind = kind_of(&socket)?;
        let again = self.by_cookie.get(&socket_cookie(&socket)?).copied();
        let key = SocketKey(self.last + 1);
        shelf::put(key, &socket);
        if let Err(error) = self.enter(key, socket, kind) {
            shelf::remove(key);
            return Err(error);
        }
        self.last = key.0;
        Ok((key, kind, again))
    }

    /// Takes in a copy of a connection that its app goes on using. Answers its key, and whether it has ended already.
    ///
    /// # Errors
    ///
    /// As [`take_over`](Self::take_over).
    pub(crate) fn watch_over(&mut self, socket: OwnedFd) -> io::Result<(SocketKey, bool)> {
        let kind = kind_of(&socket)?;
        let (cookie, ended) = (socket_cookie(&socket)?, kind::has_ended(&socket));
        let key = SocketKey(self.last + 1);
        self.watcher.add(key, &socket)?;
        self.held.insert(key, Held { socket, kind: Some((kind, cookie)), watched: false, of_channel: true });
        self.last = key.0;
        Ok((key, ended))
    }

    fn enter(&mut self, key: SocketKey, socket: OwnedFd, kind: SocketKind) -> io::Result<()> {
        let cookie = socket_cookie(&socket)?;
        self.watcher.add(key, &socket)?;
        self.by_cookie.insert(cookie, key);
        self.held.insert(key, Held { socket, kind: Some((kind, cookie)), watched: false, of_channel: false });
        Ok(())
    }

    /// Which of these are not there.
    pub(crate) fn missing(&self, keys: impl Iterator<Item = SocketKey>) -> Vec<SocketKey> {
        keys.filter(|key| !self.held.contains_key(key)).collect()
    }

    /// Closes what nobody knows of.
    pub(crate) fn retain(&mut self, known: &HashSet<SocketKey>) {
        let strange: Vec<_> = self.held.keys().copied().filter(|key| !known.contains(key)).collect();
        strange.into_iter().for_each(|key| self.drop(key));
    }

    /// A copy to hand out, where it is still there and the system has a descriptor left.
    pub(crate) fn lend(&self, key: SocketKey) -> Option<OwnedFd> {
        let held = self.held.get(&key)?;
        let copy = held.socket.try_clone();
        copy.inspect_err(|error| tracing::error!("a socket cannot be handed to its task: {error}")).ok()
    }

    /// The descriptor itself: from now on the broker has none.
    pub(crate) fn give(&mut self, key: SocketKey) -> Option<OwnedFd> {
        let held = self.held.remove(&key)?;
        if let Some((_, cookie)) = held.kind {
            if self.by_cookie.get(&cookie) == Some(&key) {
                self.by_cookie.remove(&cookie);
            }
            self.watcher.remove(&held.socket);
            if !held.of_channel {
                shelf::remove(key);
            }
        }
        Some(held.socket)
    }

    /// Closes the broker's own.
    pub(crate) fn drop(&mut self, key: SocketKey) {
        drop(self.give(key));
    }

    /// Tells once when there is something to see at it, which may be so already.
    pub(crate) fn watch(&mut self, key: SocketKey) {
        let Some(held) = self.held.get_mut(&key).filter(|held| held.kind.is_some()) else { return };
        match self.watcher.arm(key, &held.socket) {
            Ok(()) => held.watched = true,
            Err(error) => tracing::error!("a socket cannot be watched: {error}"),
        }
    }

    /// Tells no more.
    pub(crate) fn unwatch(&mut self, key: SocketKey) {
        if let Some(held) = self.held.get_mut(&key) {
            held.watched = false;
        }
    }

    /// Waits until there is something to see. At most [`MAX_BATCH`](crate::inbox::MAX_BATCH) at once: the others next time.
    pub(crate) async fn seen(&mut self) -> io::Result<Vec<(SocketKey, Readiness)>> {
        let mut seen = self.watcher.seen().await?;
        seen.retain_mut(|(key, readiness)| {
            let Some(held) = self.held.get_mut(key) else { return false };
            // What is ready may have been told closed although something is left to read.
            if *readiness == Readiness::Closed && held.kind.is_some_and(|(kind, _)| kind::has_more(&held.socket, kind))
            {
                *readiness = Readiness::Readable;
            }
            // Its app was quicker, and has read it: that is no news.
            if held.of_channel && held.watched && kind::is_quiet(&held.socket) {
                return self.watcher.arm(*key, &held.socket).is_err();
            }
            std::mem::take(&mut held.watched)
        });
        Ok(seen)
    }

    /// What was seen, for the core.
    pub(crate) fn input(&self, key: SocketKey, readiness: Readiness) -> Input {
        match self.held.get(&key).filter(|held| held.of_channel) {
            Some(held) => {
                let unread = held.kind.filter(|_| readiness == Readiness::Readable);
                Input::ChannelSeen(key, unread.map(|(kind, _)| kind::unread(&held.socket, kind)))
            }
            None => Input::SocketReady(key, readiness),
        }
    }
}
