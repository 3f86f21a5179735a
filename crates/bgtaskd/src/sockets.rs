//! The descriptors that the broker holds for others. What they are, and when they go where, is the core's.

use std::collections::HashMap;
use std::os::fd::OwnedFd;

use bgtask_core::SocketKey;

/// Descriptors by their keys. How many there are is bounded by the core, which knows each of them.
#[derive(Default)]
pub(crate) struct Sockets {
    held: HashMap<SocketKey, OwnedFd>,
    last: u64,
}

impl Sockets {
    /// Takes one in.
    #[allow(dead_code, reason = "called by what is handed over")]
    pub(crate) fn keep(&mut self, socket: OwnedFd) -> SocketKey {
        self.last += 1;
        let key = SocketKey(self.last);
        self.held.insert(key, socket);
        key
    }

    /// A copy to hand out, where it is still there and the system has a descriptor left.
    pub(crate) fn lend(&self, key: SocketKey) -> Option<OwnedFd> {
        let socket = self.held.get(&key)?;
        let copy = socket.try_clone();
        copy.inspect_err(|error| tracing::error!("a socket cannot be handed to its task: {error}")).ok()
    }

    /// Closes the broker's own.
    pub(crate) fn drop(&mut self, key: SocketKey) {
        self.held.remove(&key);
    }
}
