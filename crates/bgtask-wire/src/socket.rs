use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::path::Path;
use std::sync::Arc;

use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage, SendFlags,
    recvmsg, sendmsg,
};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
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
///
/// It wakes its program when something can be read, and for nothing else. A socket that is watched for room to write as well, as
/// those of tokio are, is woken a second time for each message, when the other end has read it.
#[derive(Debug)]
pub struct PeerSocket {
    reading: AsyncFd<Arc<OwnedFd>>,
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

    /// Connects a client to the broker, which it trusts: messages are as long as those of D-Bus may be. To be called within a tokio
    /// runtime.
    ///
    /// # Errors
    ///
    /// Nobody listens there, or the caller may not connect; and as [`new`](Self::new).
    pub async fn connect(path: &Path) -> io::Result<Self> {
        Self::within(UnixStream::connect(path).await?.into_std()?, usize::MAX)
    }

    fn within(stream: std::os::unix::net::UnixStream, most: usize) -> io::Result<Self> {
        stream.set_nonblocking(true)?;
        Ok(Self { reading: watch(Arc::new(stream.into()), Interest::READABLE)?, most })
    }
}

impl Socket for PeerSocket {
    type ReadHalf = Reading;
    type WriteHalf = Writing;

    fn split(self) -> Split<Reading, Writing> {
        let writing = Writing(Arc::clone(self.reading.get_ref()));
        Split::new(Reading { socket: self.reading, most: self.most }, writing)
    }
}

/// The direction of a [`PeerSocket`] from which messages come.
#[derive(Debug)]
pub struct Reading {
    socket: AsyncFd<Arc<OwnedFd>>,
    most: usize,
}

#[async_trait]
impl ReadHalf for Reading {
    async fn recvmsg(&mut self, buffer: &mut [u8]) -> io::Result<(usize, Vec<OwnedFd>)> {
        // The buffer is as long as the rest of the message claims to be.
        self.check_length(buffer.len() as u64)?;
        let received = self.socket.async_io(Interest::READABLE, |socket| receive(socket, buffer)).await?;
        // Usually the claim can be seen before room is made for it: the beginning of a message is read on its own.
        if buffer.len() == BEGINNING && received.0 == BEGINNING {
            self.check_length(claimed_length(buffer))?;
        }
        Ok(received)
    }

    async fn peer_credentials(&mut self) -> io::Result<ConnectionCredentials> {
        let peer = rustix::net::sockopt::socket_peercred(self.socket.get_ref())?;
        Ok(ConnectionCredentials::default().set_unix_user_id(peer.uid.as_raw()))
    }

    fn can_pass_unix_fd(&self) -> bool {
        true
    }
}

/// The direction of a [`PeerSocket`] to which messages go.
#[derive(Debug)]
pub struct Writing(Arc<OwnedFd>);

#[async_trait]
impl WriteHalf for Writing {
    async fn sendmsg(&mut self, buffer: &[u8], fds: &[BorrowedFd<'_>]) -> io::Result<usize> {
        match send(&self.0, buffer, fds) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                // Watched for as long as there is no room, and as a copy: the runtime watches a descriptor for one thing. Without a
                // descriptor for it, who does not read is cut off.
                let copy = watch(Arc::new(self.0.try_clone()?), Interest::WRITABLE)?;
                copy.async_io(Interest::WRITABLE, |socket| send(socket, buffer, fds)).await
            }
            sent => sent,
        }
    }

    async fn close(&mut self) -> io::Result<()> {
        Ok(rustix::net::shutdown(&self.0, rustix::net::Shutdown::Both)?)
    }

    fn can_pass_unix_fd(&self) -> bool {
        true
    }
}

/// Lets the current runtime watch a socket.
#[allow(
    deprecated,
    reason = "the successor is unsafe because of types that may close or swap their descriptor; this one cannot"
)]
fn watch(socket: Arc<OwnedFd>, interest: Interest) -> io::Result<AsyncFd<Arc<OwnedFd>>> {
    AsyncFd::with_interest(socket, interest)
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

impl Reading {
    fn check_length(&self, length: u64) -> io::Result<()> {
        if length <= self.most as u64 {
            return Ok(());
        }
        let problem = format!("the peer sends a message of {length} bytes, more than {}", self.most);
        Err(io::Error::new(io::ErrorKind::InvalidData, problem))
    }
}

fn receive(socket: &Arc<OwnedFd>, buffer: &mut [u8]) -> io::Result<(usize, Vec<OwnedFd>)> {
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

fn send(socket: &Arc<OwnedFd>, buffer: &[u8], fds: &[BorrowedFd<'_>]) -> io::Result<usize> {
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
    use std::os::fd::AsRawFd;

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

    /// What the kernel was asked to watch a descriptor for, in whatever set it is.
    fn watched_for(socket: &impl AsRawFd) -> u32 {
        let sets = std::fs::read_dir("/proc/self/fdinfo").expect("the process").flatten();
        let texts = sets.filter_map(|set| std::fs::read_to_string(set.path()).ok());
        let events = |line: &str| {
            let mut words = line.strip_prefix("tfd:")?.split_whitespace();
            (words.next()?.parse() == Ok(socket.as_raw_fd())).then_some(())?;
            u32::from_str_radix(words.nth(1)?, 16).ok()
        };
        // The runtime has its set under two numbers.
        texts.flat_map(|text| text.lines().filter_map(events).collect::<Vec<_>>()).fold(0, |all, one| all | one)
    }

    /// That the other end has read something is no news: who is watched for room is woken by it each time.
    #[tokio::test]
    async fn a_socket_is_watched_for_what_can_be_read_alone() {
        const READABLE: u32 = 1;
        const ROOM: u32 = 4;
        let (ours, theirs) = std::os::unix::net::UnixStream::pair().expect("a pair");
        let socket = PeerSocket::new(theirs).expect("a socket");
        assert_eq!(watched_for(&socket.reading) & (READABLE | ROOM), READABLE);
        ours.set_nonblocking(true).expect("it can be");
        let as_usual = UnixStream::from_std(ours).expect("a socket");
        assert_eq!(watched_for(&as_usual) & (READABLE | ROOM), READABLE | ROOM, "the test can tell them apart");
    }

    /// More than the kernel has room for goes out as the other end reads, and with the descriptor at its beginning.
    #[tokio::test]
    async fn a_message_without_room_waits_for_its_reader() {
        let (ours, theirs) = std::os::unix::net::UnixStream::pair().expect("a pair");
        let [writing, reading] = [ours, theirs].map(|end| PeerSocket::within(end, usize::MAX).expect("a socket"));
        let (_, mut writing) = writing.split().take();
        let (mut reading, _) = reading.split().take();
        let text = "x".repeat(8 << 20);
        let file = std::fs::File::open("/dev/null").expect("a file");
        let call = Message::method_call("/a", "B").build(&(zbus::Fd::from(&file), &text)).expect("a message");
        let send = tokio::spawn(async move { writing.send_message(&call).await });
        let came = reading.receive_message(0, &mut Vec::new(), &mut Vec::new()).await.expect("the message");
        send.await.expect("it runs").expect("it is sent");
        let (_, whole): (zbus::OwnedFd, String) = came.body().deserialize().expect("a descriptor and a text");
        assert!(whole == text, "it came in pieces");
    }
}
