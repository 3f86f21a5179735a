//! The kernel's list of TCP connections, and what it says when one ends: `<linux/inet_diag.h>` in bytes.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::os::fd::OwnedFd;
use std::time::Duration;

use rustix::io::Errno;
use rustix::net::netlink::{SOCK_DIAG, SocketAddrNetlink};
use rustix::net::sockopt::{Timeout, set_socket_recv_buffer_size, set_socket_timeout};
use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, bind, recv, send, socket_with};

/// A connection of TCP, as the kernel tells of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Connection {
    /// Never given to another one in this boot.
    pub(super) cookie: u64,
    /// Of the file that a process has it as; 0 once none has.
    pub(super) inode: u32,
    /// Bytes that the peer has acknowledged, and that came from it.
    pub(super) bytes: u64,
    /// Whether the peer is this machine.
    pub(super) is_loopback: bool,
}

/// Asks for connections.
#[derive(Debug)]
pub(super) struct List(OwnedFd);

/// Hears of connections that end.
#[derive(Debug)]
pub(super) struct Ends(OwnedFd);

/// The most that the kernel puts into one message.
const MESSAGE_BYTES: usize = 64 * 1024;

/// How much may be unheard of what has ended, in bytes; the kernel may allow less.
const UNHEARD_BYTES: usize = 1 << 20;

/// The kernel answers at once; this only says that nothing waits for ever.
const PATIENCE: Duration = Duration::from_secs(1);

const SOCK_DIAG_BY_FAMILY: u16 = 20;
const NLMSG_ERROR: u16 = 2;
const NLMSG_DONE: u16 = 3;
const NLM_F_REQUEST: u16 = 1;
const NLM_F_DUMP: u16 = 0x300;
/// The groups 1 and 3: what ended of TCP, by IPv4 and IPv6.
const ENDED_TCP: u32 = 1 | 1 << 2;
const TCP: u8 = 6;
const INFO: u16 = 2;
/// All states but listening, half open, and waiting for stragglers, of which there is nothing to count.
const STATES: u32 = 0xfff & !(1 << 3) & !(1 << 6) & !(1 << 10);

const HEADER: usize = 16;
const REQUEST: usize = 56;
const CONNECTION: usize = 72;
/// In `tcp_info`.
const BYTES_ACKED: usize = 120;
const BYTES_RECEIVED: usize = 128;

impl List {
    pub(super) fn open() -> io::Result<Self> {
        let socket = open(0, SocketFlags::CLOEXEC)?;
        set_socket_timeout(&socket, Timeout::Recv, Some(PATIENCE))?;
        Ok(Self(socket))
    }

    /// Hands over the connections there are.
    pub(super) fn each(&self, mut found: impl FnMut(Connection)) -> io::Result<()> {
        for family in [libc::AF_INET, libc::AF_INET6] {
            let family = u8::try_from(family).expect("a small number");
            send(&self.0, &request(family), SendFlags::empty())?;
            let mut buffer = vec![0; MESSAGE_BYTES];
            loop {
                let (length, _) = rustix::io::retry_on_intr(|| recv(&self.0, &mut buffer[..], RecvFlags::empty()))?;
                if take(&buffer[..length], &mut found)? == Rest::None {
                    break;
                }
            }
        }
        Ok(())
    }
}

impl Ends {
    pub(super) fn open() -> io::Result<Self> {
        let socket = open(ENDED_TCP, SocketFlags::CLOEXEC | SocketFlags::NONBLOCK)?;
        let _as_much_as_may_be = set_socket_recv_buffer_size(&socket, UNHEARD_BYTES);
        Ok(Self(socket))
    }

    /// Hands over what has ended since this was last asked, as far as the kernel could keep it. It wakes nobody.
    pub(super) fn each(&self, mut found: impl FnMut(Connection)) {
        let mut buffer = vec![0; MESSAGE_BYTES];
        loop {
            match recv(&self.0, &mut buffer[..], RecvFlags::empty()) {
                Ok((length, _)) => drop(take(&buffer[..length], &mut found)),
                // Some were lost, and what is there comes now.
                Err(Errno::INTR | Errno::NOBUFS) => {}
                Err(_none) => return,
            }
        }
    }
}

fn open(groups: u32, flags: SocketFlags) -> io::Result<OwnedFd> {
    let socket = socket_with(AddressFamily::NETLINK, SocketType::RAW, flags, Some(SOCK_DIAG))?;
    bind(&socket, &SocketAddrNetlink::new(0, groups))?;
    Ok(socket)
}

fn request(family: u8) -> [u8; HEADER + REQUEST] {
    let mut request = [0; HEADER + REQUEST];
    let length = u32::try_from(request.len()).expect("a short message");
    request[..4].copy_from_slice(&length.to_ne_bytes());
    request[4..6].copy_from_slice(&SOCK_DIAG_BY_FAMILY.to_ne_bytes());
    request[6..8].copy_from_slice(&(NLM_F_REQUEST | NLM_F_DUMP).to_ne_bytes());
    request[HEADER..HEADER + 3].copy_from_slice(&[family, TCP, 1 << (INFO - 1)]);
    request[HEADER + 4..HEADER + 8].copy_from_slice(&STATES.to_ne_bytes());
    request
}

/// Whether more comes.
#[derive(PartialEq, Eq)]
enum Rest {
    None,
    Some,
}

fn take(mut messages: &[u8], found: &mut impl FnMut(Connection)) -> io::Result<Rest> {
    while let Some((message, rest)) = first_message(messages) {
        match message.get(4..6).and_then(number) {
            Some(NLMSG_DONE) => return Ok(Rest::None),
            Some(NLMSG_ERROR) => return Err(refusal(message)),
            Some(SOCK_DIAG_BY_FAMILY) => message.get(HEADER..).and_then(connection).into_iter().for_each(&mut *found),
            _ => {}
        }
        messages = rest;
    }
    Ok(Rest::Some)
}

fn refusal(message: &[u8]) -> io::Error {
    let errno = message.get(HEADER..HEADER + 4).and_then(|bytes| Some(i32::from_ne_bytes(bytes.try_into().ok()?)));
    io::Error::from_raw_os_error(errno.map_or(libc::EPROTO, |errno| errno.saturating_neg()))
}

/// `None` for what says nothing of bytes.
fn connection(message: &[u8]) -> Option<Connection> {
    let word = |place: usize| Some(u32::from_ne_bytes(message.get(place..place + 4)?.try_into().ok()?));
    let info = attribute(message.get(CONNECTION..)?, INFO)?;
    let count = |place: usize| Some(u64::from_ne_bytes(info.get(place..place + 8)?.try_into().ok()?));
    Some(Connection {
        cookie: u64::from(word(44)?) | u64::from(word(48)?) << 32,
        inode: word(68)?,
        bytes: count(BYTES_ACKED)?.saturating_add(count(BYTES_RECEIVED)?),
        is_loopback: peer(message)?.is_loopback(),
    })
}

fn peer(message: &[u8]) -> Option<IpAddr> {
    let bytes: [u8; 16] = message.get(24..40)?.try_into().ok()?;
    Some(if i32::from(*message.first()?) == libc::AF_INET6 {
        Ipv6Addr::from(bytes).to_canonical()
    } else {
        Ipv4Addr::new(bytes[0], bytes[1], bytes[2], bytes[3]).into()
    })
}

/// The content of the first attribute of this kind.
fn attribute(mut attributes: &[u8], kind: u16) -> Option<&[u8]> {
    while let Some((attribute, rest)) = first_attribute(attributes) {
        if attribute.get(2..4).and_then(number) == Some(kind) {
            return attribute.get(4..);
        }
        attributes = rest;
    }
    None
}

fn first_message(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let length = u32::from_ne_bytes(bytes.get(..4)?.try_into().ok()?);
    cut(bytes, length as usize, HEADER)
}

fn first_attribute(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    cut(bytes, bytes.get(..2).and_then(number)?.into(), 4)
}

/// What is so long, and what follows it on the next multiple of four.
fn cut(bytes: &[u8], length: usize, least: usize) -> Option<(&[u8], &[u8])> {
    let first = bytes.get(..length).filter(|_| length >= least)?;
    Some((first, bytes.get(length.next_multiple_of(4)..).unwrap_or_default()))
}

fn number(bytes: &[u8]) -> Option<u16> {
    Some(u16::from_ne_bytes(bytes.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A message of the kernel about a connection to this machine, cut down to what is read of it.
    fn told() -> Vec<u8> {
        let mut message = vec![0; HEADER + CONNECTION];
        message[4..6].copy_from_slice(&SOCK_DIAG_BY_FAMILY.to_ne_bytes());
        let body = &mut message[HEADER..];
        body[0] = u8::try_from(libc::AF_INET).unwrap();
        body[24..28].copy_from_slice(&[127, 0, 0, 1]);
        body[44..52].copy_from_slice(&7_u64.to_ne_bytes());
        body[68..72].copy_from_slice(&9_u32.to_ne_bytes());
        // An attribute of an odd length before the one that is looked for.
        message.extend([[5_u16, 8].map(u16::to_ne_bytes).as_flattened(), &[1, 0, 0, 0]].concat());
        message.extend([4 + 136, INFO].map(u16::to_ne_bytes).as_flattened());
        message.extend([0; BYTES_ACKED]);
        message.extend([300_u64, 20].map(u64::to_ne_bytes).as_flattened());
        let length = u32::try_from(message.len()).unwrap();
        message[..4].copy_from_slice(&length.to_ne_bytes());
        message
    }

    fn taken(message: &[u8]) -> Vec<Connection> {
        let mut all = Vec::new();
        let _cut_short = take(message, &mut |connection| all.push(connection));
        all
    }

    #[test]
    fn a_connection_is_read_as_the_kernel_writes_it() {
        let connection = Connection { cookie: 7, inode: 9, bytes: 320, is_loopback: true };
        assert_eq!(taken(&[told(), told()].concat()), [connection, connection]);
        let mut mapped = told();
        mapped[HEADER] = u8::try_from(libc::AF_INET6).unwrap();
        let address = "::ffff:192.0.2.1".parse::<Ipv6Addr>().unwrap();
        mapped[HEADER + 24..HEADER + 40].copy_from_slice(&address.octets());
        assert_eq!(taken(&mapped), [Connection { is_loopback: false, ..connection }]);
    }

    #[test]
    fn what_is_cut_short_or_makes_no_sense_says_nothing() {
        let message = told();
        for length in 0..message.len() {
            assert_eq!(taken(&message[..length]), [], "cut at {length}");
        }
        for place in 0..message.len() {
            for value in [0, 1, 0x7f, 0xff] {
                let mut hostile = message.clone();
                hostile[place] = value;
                let _any_answer = taken(&hostile);
            }
        }
    }

    #[test]
    fn a_refusal_is_the_kernels_own() {
        let mut message = vec![0; HEADER + 4];
        message[..4].copy_from_slice(&20_u32.to_ne_bytes());
        message[4..6].copy_from_slice(&NLMSG_ERROR.to_ne_bytes());
        message[HEADER..].copy_from_slice(&(-libc::ENOENT).to_ne_bytes());
        let error = take(&message, &mut |_| ()).err().unwrap();
        assert_eq!(error.raw_os_error(), Some(libc::ENOENT));
    }
}
