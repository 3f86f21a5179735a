//! What the kernel broadcasts: as edges, thrown away unread, or message by message.

use std::io;

use futures_util::FutureExt;
use rustix::io::Errno;
use rustix::net::netlink::SocketAddrNetlink;
use rustix::net::{AddressFamily, Protocol, RecvFlags, SocketFlags, SocketType, bind, recv, recvfrom, socket_with};

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

/// Waits until there may be something to [`receive`]. Cancel safe.
pub(crate) async fn readable(socket: &Ready) {
    match socket.readable().await {
        Ok(mut guard) => guard.retain_ready(),
        // Only at the end of the runtime.
        Err(_) => std::future::pending().await,
    }
}

/// What [`receive`] gave.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Received {
    /// Nothing waits.
    Nothing,
    /// The kernel dropped some, for want of room.
    Lost,
    /// One message: its length, of which no more than fits was stored; the port of who sent it, where 0 is the kernel; and
    /// the group it was sent to, where 0 is this socket alone.
    Message { length: usize, port: u32, groups: u32 },
}

/// Takes one message that waits.
pub(crate) fn receive(socket: &Ready, buffer: &mut [u8]) -> Received {
    // Taken before the first read, so that it does not stand for a message that comes after the last.
    let ready = socket.readable().now_or_never();
    loop {
        match recvfrom(socket.get_ref(), &mut buffer[..], RecvFlags::TRUNC) {
            Ok((_, length, from)) => {
                let from = from.and_then(|from| SocketAddrNetlink::try_from(from).ok());
                let (port, groups) = from.map_or((0, 0), |from| (from.pid(), from.groups()));
                return Received::Message { length, port, groups };
            }
            Err(Errno::INTR) => {}
            Err(Errno::NOBUFS) => return Received::Lost,
            Err(_) => {
                if let Some(Ok(mut ready)) = ready {
                    ready.clear_ready();
                }
                return Received::Nothing;
            }
        }
    }
}
