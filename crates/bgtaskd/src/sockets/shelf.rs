//! What the sockets of apps are called in the store of the service manager, out of which the next broker gets them back.

use std::os::fd::OwnedFd;

use bgtask_core::SocketKey;

use crate::service_manager::{self, HandedOver};

/// The number follows.
const NAME: &str = "bgtask-socket-";

/// What an earlier broker has put there.
pub(super) fn take(handed_over: &mut HandedOver) -> Vec<(SocketKey, OwnedFd)> {
    handed_over.named(key)
}

pub(super) fn put(key: SocketKey, socket: &OwnedFd) {
    service_manager::keep(&name(key), socket);
}

pub(super) fn remove(key: SocketKey) {
    service_manager::keep_no_more(&name(key));
}

fn name(key: SocketKey) -> String {
    format!("{NAME}{}", key.0)
}

fn key(name: &str) -> Option<SocketKey> {
    name.strip_prefix(NAME)?.parse().ok().map(SocketKey)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_leads_back_to_its_key() {
        assert_eq!(key(&name(SocketKey(17))), Some(SocketKey(17)));
        assert_eq!((key("bgtask.socket"), key("bgtask-socket-"), key("bgtask-socket--1")), (None, None, None));
    }
}
