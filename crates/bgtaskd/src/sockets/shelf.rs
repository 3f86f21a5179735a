//! The descriptor store of the service manager: what is put there comes back to the next broker, however this one ends.
//!
//! Where there is no service manager, or its unit has no room for descriptors, the sockets end with the broker.

use std::env;
use std::io::{self, IoSlice};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, OwnedFd};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};

use bgtask_core::SocketKey;
use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags, sendmsg};

use crate::service_manager::HandedOver;

/// What its descriptors are called there; the number follows.
const NAME: &str = "bgtask-socket-";

/// The way to the service manager, where there is one.
pub(super) struct Shelf {
    manager: Option<UnixDatagram>,
}

impl Shelf {
    pub(super) fn new() -> Self {
        let manager = env::var("NOTIFY_SOCKET").ok().and_then(|path| {
            connect(&path).inspect_err(|error| tracing::warn!("sockets end with this broker: {path}: {error}")).ok()
        });
        Self { manager }
    }

    /// What an earlier broker has put there.
    pub(super) fn take(handed_over: &mut HandedOver) -> Vec<(SocketKey, OwnedFd)> {
        handed_over.named(key)
    }

    pub(super) fn put(&self, key: SocketKey, socket: &OwnedFd) {
        // A connection that is closed has to be told, too: the manager must not throw it away.
        let words = format!("FDSTORE=1\nFDPOLL=0\nFDNAME={NAME}{}\n", key.0);
        self.say(&words, Some(socket));
    }

    pub(super) fn remove(&self, key: SocketKey) {
        self.say(&format!("FDSTOREREMOVE=1\nFDNAME={NAME}{}\n", key.0), None);
    }

    fn say(&self, words: &str, socket: Option<&OwnedFd>) {
        let Some(manager) = &self.manager else { return };
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut control = SendAncillaryBuffer::new(&mut space);
        let sockets = socket.map(AsFd::as_fd);
        if sockets.is_some() {
            control.push(SendAncillaryMessage::ScmRights(sockets.as_slice()));
        }
        let said = sendmsg(manager, &[IoSlice::new(words.as_bytes())], &mut control, SendFlags::NOSIGNAL);
        if let Err(error) = said {
            tracing::warn!("the service manager could not be told of a socket: {error}");
        }
    }
}

fn connect(path: &str) -> io::Result<UnixDatagram> {
    let manager = UnixDatagram::unbound()?;
    let address = match path.strip_prefix('@') {
        Some(name) => SocketAddr::from_abstract_name(name)?,
        None => SocketAddr::from_pathname(path)?,
    };
    manager.connect_addr(&address)?;
    Ok(manager)
}

fn key(name: &str) -> Option<SocketKey> {
    name.strip_prefix(NAME)?.parse().ok().map(SocketKey)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_leads_back_to_its_key() {
        assert_eq!(key("bgtask-socket-17"), Some(SocketKey(17)));
        assert_eq!((key("bgtask.socket"), key("bgtask-socket-"), key("bgtask-socket--1")), (None, None, None));
    }
}
