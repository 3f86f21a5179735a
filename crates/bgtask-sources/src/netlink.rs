//! What the kernel broadcasts, as edges: messages are thrown away unread.

use std::io;

use rustix::io::Errno;
use rustix::net::netlink::SocketAddrNetlink;
use rustix::net::{AddressFamily, Protocol, RecvFlags, SocketFlags, SocketType, bind, recv, socket_with};

use crate::ready::{self, Ready};

/// Messages are cut to this length. Their content does not matter.
const MESSAGE_BUFFER: usize = 64;

/// Listens to the broadcast `groups` of `protocol`, where `None` is `NETLINK_ROUTE`. Needs no privilege.
pub(crate) fn listen(protocol: Option<Protocol>, groups: u32) -> io::Result<Ready> {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = socket_with(AddressFamily::NETLINK, SocketType::RAW, flags, protocol)?;
    bind(&socket, &SocketAddrNetlink::new(0, groups))?;
    ready::watch(socket)
}

/// Waits for a message, and takes every other that waits with it. Cancel safe.
pub(crate) async fn heard(socket: &Ready) {
    let Ok(mut guard) = socket.readable().await else {
        // Only at the end of the runtime.
        return std::future::pending().await;
    };
    let mut message = [0u8; MESSAGE_BUFFER];
    let mut receive = || recv(socket.get_ref(), &mut message[..], RecvFlags::TRUNC);
    // ENOBUFS says that some were lost, which means "look again" like any message.
    while let Ok(_) | Err(Errno::INTR | Errno::NOBUFS) = receive() {}
    guard.clear_ready();
}
