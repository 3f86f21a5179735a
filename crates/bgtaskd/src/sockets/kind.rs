//! What a descriptor is.

use std::io;
use std::os::fd::OwnedFd;

use bgtask_core::SocketKind;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{FileType, fstat};
use rustix::io::ioctl_fionread;
use rustix::net::sockopt::{socket_acceptconn, socket_domain, socket_type};
use rustix::net::{AddressFamily, SocketType, getpeername};

/// What kind of socket it is.
///
/// # Errors
///
/// It is none that somebody could send to: the text says what is wrong, for the caller.
pub(crate) fn kind_of(socket: &OwnedFd) -> io::Result<SocketKind> {
    let wrong = |text: &str| Err(io::Error::new(io::ErrorKind::InvalidInput, text));
    if FileType::from_raw_mode(fstat(socket)?.st_mode) != FileType::Socket {
        return wrong("the descriptor is no socket: hand over one of TCP, UDP, or a Unix socket");
    }
    if socket_domain(socket)? == AddressFamily::BLUETOOTH {
        let text = "sockets of Bluetooth are not supported: hand over one of TCP, UDP, or a Unix socket";
        return Err(io::Error::new(io::ErrorKind::Unsupported, text));
    }
    let families = [AddressFamily::INET, AddressFamily::INET6, AddressFamily::UNIX];
    if !families.contains(&socket_domain(socket)?) {
        return wrong("the socket is of another family: hand over one of TCP, UDP, or a Unix socket");
    }
    match socket_type(socket)? {
        SocketType::DGRAM => Ok(SocketKind::DatagramSocket),
        SocketType::STREAM | SocketType::SEQPACKET if socket_acceptconn(socket)? => {
            Ok(SocketKind::StreamSocketListener)
        }
        // One whose other end has gone has no peer any more, and has been connected nevertheless.
        SocketType::STREAM | SocketType::SEQPACKET if getpeername(socket).is_ok() || has_ended(socket) => {
            Ok(SocketKind::StreamSocket)
        }
        SocketType::STREAM | SocketType::SEQPACKET => wrong(
            "the socket is not connected and does not listen: connect it, or let it listen, before it is handed over",
        ),
        _ => wrong("the socket carries neither a stream nor datagrams: hand over one of TCP, UDP, or a Unix socket"),
    }
}

/// Whether something is left to read, or to hear, at a socket that is hung up.
pub(super) fn has_more(socket: &OwnedFd, kind: SocketKind) -> bool {
    match kind {
        SocketKind::StreamSocket => ioctl_fionread(socket).is_ok_and(|bytes| bytes > 0),
        SocketKind::StreamSocketListener => false,
        SocketKind::DatagramSocket => true,
    }
}

/// How much there is to read; of what does not say so, whether there is something.
pub(super) fn unread(socket: &OwnedFd, kind: SocketKind) -> u32 {
    match kind {
        SocketKind::StreamSocketListener => 1,
        _ => ioctl_fionread(socket).map_or(1, |bytes| u32::try_from(bytes).unwrap_or(u32::MAX)),
    }
}

/// A connection that was reset or closed, as against a socket that never had one: only the former has an error to tell, or bytes.
pub(super) fn has_ended(socket: &OwnedFd) -> bool {
    // Who was never connected is writable and hung up at once, and has no end of its input.
    seen_now(socket).contains(PollFlags::RDHUP)
}

/// Whether there is nothing to see at it now.
pub(super) fn is_quiet(socket: &OwnedFd) -> bool {
    seen_now(socket).is_empty()
}

fn seen_now(socket: &OwnedFd) -> PollFlags {
    let mut looked = [PollFd::new(socket, PollFlags::IN | PollFlags::RDHUP)];
    let at_once = Timespec { tv_sec: 0, tv_nsec: 0 };
    poll(&mut looked, Some(&at_once)).map_or(PollFlags::empty(), |_| looked[0].revents())
}

#[cfg(test)]
mod tests {
    use std::net::{TcpListener, TcpStream, UdpSocket};
    use std::os::unix::net::{UnixDatagram, UnixStream};

    use super::*;

    fn kind(socket: impl Into<OwnedFd>) -> Result<SocketKind, String> {
        kind_of(&socket.into()).map_err(|error| error.to_string())
    }

    #[test]
    fn soc_15_a_socket_says_itself_what_it_is() {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a listener");
        let client = TcpStream::connect(listener.local_addr().expect("its address")).expect("a connection");
        assert_eq!(kind(client), Ok(SocketKind::StreamSocket));
        assert_eq!(kind(listener), Ok(SocketKind::StreamSocketListener));
        assert_eq!(kind(UdpSocket::bind("127.0.0.1:0").expect("a socket")), Ok(SocketKind::DatagramSocket));
        assert_eq!(kind(UnixDatagram::unbound().expect("a socket")), Ok(SocketKind::DatagramSocket));
        assert_eq!(kind(UnixStream::pair().expect("a pair").0), Ok(SocketKind::StreamSocket));
    }

    /// What was reset on its way to the broker is a connection that is closed, which its task has to hear of.
    #[test]
    fn a_connection_that_is_broken_is_still_a_stream() {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a listener");
        let client = TcpStream::connect(listener.local_addr().expect("its address")).expect("a connection");
        let (server, _) = listener.accept().expect("it connects");
        rustix::net::sockopt::set_socket_linger(&server, Some(std::time::Duration::ZERO)).expect("it is settable");
        drop(server);
        let mut looked = [rustix::event::PollFd::new(&client, rustix::event::PollFlags::RDHUP)];
        rustix::event::poll(&mut looked, None).expect("the reset");
        assert_eq!(kind(client), Ok(SocketKind::StreamSocket));
    }

    #[test]
    fn what_nobody_can_send_to_is_refused_with_a_reason() {
        let file = std::fs::File::open("/dev/null").expect("a file");
        assert!(kind(file).expect_err("it is none").contains("is no socket"));
        let unconnected = rustix::net::socket(AddressFamily::INET, SocketType::STREAM, None).expect("a socket");
        assert!(kind(unconnected).expect_err("nobody is there").contains("is not connected"));
        let netlink = rustix::net::socket(AddressFamily::NETLINK, SocketType::RAW, None).expect("a socket");
        assert!(kind(netlink).expect_err("not for apps").contains("another family"));
    }
}
