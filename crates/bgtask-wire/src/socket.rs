use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::sync::Arc;

use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage, SendFlags,
    recvmsg, sendmsg,
};
use tokio::io::Interest;
use tokio::net::UnixStream;
use zbus::connection::socket::{ReadHalf, Socket, Split, WriteHalf};
use zbus::export::async_trait::async_trait;
use zbus::fdo::ConnectionCredentials;

use crate::{MAX_MESSAGE_BYTES, MAX_ORDER_BYTES};

/// Most descriptors one message may carry.
const MAX_FDS: usize = 16;

/// A Unix socket as a D-Bus connection uses it, with a bound on the messages that it takes.
///
/// With [`Builder::authenticated_socket`](zbus::connection::Builder::authenticated_socket) it carries a host channel:
/// both ends were made by the broker, so there is no round trip before the first message.
#[derive(Debug)]
pub struct PeerSocket {
    stream: UnixStream,
    most: usize,
}

impl PeerSocket {
    /// Takes over a connected stream, for messages of at most [`MAX_MESSAGE_BYTES`]; to be called within a tokio runtime.
    ///
    /// # Errors
    ///
    /// The stream cannot be switched to non-blocking mode or registered.
    pub fn new(stream: std::os::unix::net::UnixStream) -> io::Result<Self> {
        Self::within(stream, MAX_MESSAGE_BYTES)
    }

    /// The host's end of its channel, for messages of at most [`MAX_ORDER_BYTES`].
    ///
    /// # Errors
    ///
    /// As [`new`](Self::new).
    pub fn of_host(stream: std::os::unix::net::UnixStream) -> io::Result<Self> {
        Self::within(stream, MAX_ORDER_BYTES)
    }

    fn within(stream: std::os::unix::net::UnixStream, most: usize) -> io::Result<Self> {
        stream.set_nonblocking(true)?;
        Ok(Self { stream: UnixStream::from_std(stream)?, most })
    }
}

impl Socket for PeerSocket {
    type ReadHalf = Half;
    type WriteHalf = Half;

    fn split(self) -> Split<Half, Half> {
        let half = |stream| Half { stream, most: self.most };
        let shared = Arc::new(self.stream);
        Split::new(half(Arc::clone(&shared)), half(shared))
    }
}

/// One direction of a [`PeerSocket`].
#[derive(Debug)]
pub struct Half {
    stream: Arc<UnixStream>,
    most: usize,
}

#[async_trait]
impl ReadHalf for Half {
    async fn recvmsg(&mut self, buffer: &mut [u8]) -> io::Result<(usize, Vec<OwnedFd>)> {
        // The buffer is as long as the rest of the message claims to be.
        self.check_length(buffer.len() as u64)?;
        let received = self.stream.async_io(Interest::READABLE, || receive(&self.stream, buffer)).await?;
        // Usually the claim can be seen before room is made for it: the beginning of a message is read on its own.
        if buffer.len() == BEGINNING && received.0 == BEGINNING {
            self.check_length(claimed_length(buffer))?;
        }
        Ok(received)
    }

    async fn peer_credentials(&mut self) -> io::Result<ConnectionCredentials> {
        let peer = rustix::net::sockopt::socket_peercred(&*self.stream)?;
        Ok(ConnectionCredentials::default().set_unix_user_id(peer.uid.as_raw()))
    }

    fn can_pass_unix_fd(&self) -> bool {
        true
    }
}

#[async_trait]
impl WriteHalf for Half {
    async fn sendmsg(&mut self, buffer: &[u8], fds: &[BorrowedFd<'_>]) -> io::Result<usize> {
        self.stream.async_io(Interest::WRITABLE, || send(&self.stream, buffer, fds)).await
    }

    async fn close(&mut self) -> io::Result<()> {
        Ok(rustix::net::shutdown(&*self.stream, rustix::net::Shutdown::Both)?)
    }

    fn can_pass_unix_fd(&self) -> bool {
        true
    }
}

/// The bytes of a message up to and including the length of its header fields.
const BEGINNING: usize = 16;

/// The length a message claims in its first 16 bytes, in either byte order; padding left out.
fn claimed_length(beginning: &[u8]) -> u64 {
    let number = |at: usize| {
        let bytes: [u8; 4] = beginning[at..at + 4].try_into().expect("four bytes");
        u64::from(if beginning[0] == b'B' { u32::from_be_bytes(bytes) } else { u32::from_le_bytes(bytes) })
    };
    number(4) + number(12)
}

impl Half {
    fn check_length(&self, length: u64) -> io::Result<()> {
        if length <= self.most as u64 {
            return Ok(());
        }
        let problem = format!("the peer sends a message of {length} bytes, more than {}", self.most);
        Err(io::Error::new(io::ErrorKind::InvalidData, problem))
    }
}

fn receive(socket: &UnixStream, buffer: &mut [u8]) -> io::Result<(usize, Vec<OwnedFd>)> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MAX_FDS))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let received = recvmsg(socket, &mut [IoSliceMut::new(buffer)], &mut control, RecvFlags::CMSG_CLOEXEC)?;
    let mut fds = Vec::new();
    for message in control.drain() {
        if let RecvAncillaryMessage::ScmRights(more) = message {
            fds.extend(more);
        }
    }
    Ok((received.bytes, fds))
}

fn send(socket: &UnixStream, buffer: &[u8], fds: &[BorrowedFd<'_>]) -> io::Result<usize> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MAX_FDS))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    if !fds.is_empty() && !control.push(SendAncillaryMessage::ScmRights(fds)) {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "more descriptors than one message may carry"));
    }
    Ok(sendmsg(socket, &[IoSlice::new(buffer)], &mut control, SendFlags::NOSIGNAL)?)
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use zbus::connection::Builder;
    use zbus::{Guid, Message, MessageStream};

    use super::*;

    #[test]
    fn a_message_says_how_long_it_is_in_either_byte_order() {
        let beginning = |order: u8, body: [u8; 4], fields: [u8; 4]| {
            let mut bytes = [order, 1, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0];
            bytes[4..8].copy_from_slice(&body);
            bytes[12..].copy_from_slice(&fields);
            claimed_length(&bytes)
        };
        assert_eq!(beginning(b'l', [1, 1, 0, 0], [3, 0, 0, 0]), 260);
        assert_eq!(beginning(b'B', [0, 0, 1, 1], [0, 0, 0, 3]), 260);
    }

    #[tokio::test]
    async fn a_message_over_the_bound_ends_the_connection() {
        use futures_util::StreamExt as _;
        let connect = async |take: fn(_) -> io::Result<PeerSocket>, body: usize| -> Option<zbus::Result<Message>> {
            let (mut ours, theirs) = std::os::unix::net::UnixStream::pair().expect("a pair");
            let socket = take(theirs).expect("a socket");
            let connection = Builder::authenticated_socket(socket, Guid::generate()).p2p();
            let mut messages: MessageStream = connection.build_message_stream().await.expect("a connection");
            let call = Message::method_call("/a", "B").build(&"x".repeat(body)).expect("a message");
            let bytes = call.data().bytes().to_vec();
            std::thread::spawn(move || ours.write_all(&bytes).map(|()| ours));
            messages.next().await
        };
        let ends: [(fn(_) -> _, usize); 2] =
            [(PeerSocket::new, MAX_MESSAGE_BYTES), (PeerSocket::of_host, MAX_ORDER_BYTES)];
        for (take, most) in ends {
            assert!(connect(take, most - 100).await.is_some_and(|message| message.is_ok()));
            assert!(connect(take, most + 1).await.is_none_or(|message| message.is_err()));
        }
    }
}
