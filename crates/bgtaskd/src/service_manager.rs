//! The service manager, where one has started the broker: systemd, or what else speaks its protocol.
//!
//! It hands over the socket it listens on for the broker, hears when the broker is ready, and may watch whether it hangs.
//! Where there is none, all of this is nothing.

use std::env;
use std::io::{self, IoSlice};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, OwnedFd};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram, UnixListener};
use std::path::Path;
use std::time::{Duration, Instant};

use listenfd::ListenFd;
use rustix::io::{FdFlags, fcntl_setfd};
use rustix::net::sockopt::socket_acceptconn;
use rustix::net::{AddressFamily, SendAncillaryBuffer, SendAncillaryMessage, SendFlags, SocketType, sendmsg};

/// How often a broker that works without a rest says that it lives, while the manager waits for a word.
const WORDS_PER_WAIT: u32 = 4;

/// Says that the broker can be reached.
pub(crate) fn ready() {
    tell("READY=1", None);
}

/// Puts a copy of a socket into the manager's store: it comes back to the next broker under this name, however this one ends. Where there is
/// no manager, or its unit has no room for descriptors, the socket ends with the broker.
pub(crate) fn keep(name: &str, socket: &OwnedFd) {
    // A connection that is closed has to be told, too: the manager must not throw it away.
    tell(&format!("FDSTORE=1\nFDPOLL=0\nFDNAME={name}"), Some(socket));
}

/// Takes what has this name out of the store.
pub(crate) fn keep_no_more(name: &str) {
    tell(&format!("FDSTOREREMOVE=1\nFDNAME={name}"), None);
}

/// The descriptors that the manager hands over, by their names: those it listens on, and those that an earlier broker has put
/// into its store. It says so once: what reads that takes it away from everybody else.
pub(crate) struct HandedOver {
    descriptors: ListenFd,
    names: Vec<String>,
}

impl HandedOver {
    pub(crate) fn take() -> Self {
        let names = env::var("LISTEN_FDNAMES").unwrap_or_default();
        Self { descriptors: ListenFd::from_env(), names: names.split(':').map(str::to_owned).collect() }
    }

    /// The listening socket at `path`, where the manager has made it: who connects while no broker runs waits in it, and is
    /// served by the next one.
    ///
    /// # Errors
    ///
    /// What the manager handed over cannot be taken.
    pub(crate) fn listener(&mut self, path: &Path) -> io::Result<Option<UnixListener>> {
        for place in 0..self.descriptors.len() {
            let Some(listener) = self.descriptors.take_unix_listener(place)? else { continue };
            fcntl_setfd(&listener, FdFlags::CLOEXEC)?;
            if listener.local_addr()?.as_pathname() == Some(path) && socket_acceptconn(&listener)? {
                listener.set_nonblocking(true)?;
                return Ok(Some(listener));
            }
            tracing::warn!("a socket of the service manager is not used: it does not listen at {}", path.display());
        }
        Ok(None)
    }

    /// The sockets whose names mean something to `key`, whatever sockets they are.
    pub(crate) fn named<K>(&mut self, key: impl Fn(&str) -> Option<K>) -> Vec<(K, OwnedFd)> {
        let ours: Vec<_> =
            self.names.iter().enumerate().filter_map(|(place, name)| Some((place, key(name)?))).collect();
        ours.into_iter().filter_map(|(place, key)| Some((key, self.socket(place)?))).collect()
    }

    fn socket(&mut self, place: usize) -> Option<OwnedFd> {
        let families = [AddressFamily::INET, AddressFamily::INET6, AddressFamily::UNIX];
        let types = [SocketType::STREAM, SocketType::DGRAM, SocketType::SEQPACKET];
        let socket =
            families.into_iter().flat_map(|family| types.map(|kind| (family, kind))).find_map(|(family, kind)| {
                let (family, kind) = (i32::from(family.as_raw()), kind.as_raw().cast_signed());
                self.descriptors.take_custom::<OwnedFd>(place, family, kind, "a socket").ok().flatten()
            })?;
        fcntl_setfd(&socket, FdFlags::CLOEXEC).ok()?;
        Some(socket)
    }
}

/// The manager's watchdog, which ends a broker that hangs and starts it again.
///
/// It watches only while the broker works. A broker that waits cannot hang, and it makes no wake-ups only to say so.
pub(crate) struct Watchdog {
    /// How long the manager waits for a word; `None` where nobody watches.
    patience: Option<Duration>,
    /// When it last heard one, while it watches.
    heard: Option<Instant>,
}

impl Watchdog {
    /// The manager begins to watch when it hears that the broker is ready.
    pub(crate) fn new() -> Self {
        let patience = patience();
        Self { patience, heard: patience.map(|_| Instant::now()) }
    }

    /// There is something to do: from now on the manager watches. Returns whether it does, so that somebody has to say when
    /// all is done.
    pub(crate) fn work(&mut self) -> bool {
        let Some(patience) = self.patience else { return false };
        if self.heard.is_none_or(|heard| heard.elapsed() >= patience / WORDS_PER_WAIT) {
            tell(&format!("WATCHDOG=1\nWATCHDOG_USEC={}", patience.as_micros()), None);
            self.heard = Some(Instant::now());
        }
        true
    }

    /// There is nothing to do, perhaps for long.
    pub(crate) fn rest(&mut self) {
        if self.heard.take().is_some() {
            tell("WATCHDOG_USEC=0", None);
        }
    }
}

/// How long the manager waits for a word of this process, if it watches at all.
fn patience() -> Option<Duration> {
    let number = |name| env::var(name).ok()?.parse::<u64>().ok();
    let is_ours = number("WATCHDOG_PID").is_none_or(|process| process == u64::from(std::process::id()));
    number("WATCHDOG_USEC").filter(|time| is_ours && *time > 0).map(Duration::from_micros)
}

/// Says something to the manager, where there is one, with a descriptor or without.
fn tell(words: &str, socket: Option<&OwnedFd>) {
    let Ok(manager) = env::var("NOTIFY_SOCKET") else { return };
    if let Err(error) = send(&manager, words, socket) {
        tracing::warn!("the service manager could not be told {words:?}: {error}");
    }
}

/// Each time over a socket of its own: a manager that was started anew may listen at another one of the same name.
fn send(manager: &str, words: &str, socket: Option<&OwnedFd>) -> io::Result<()> {
    let address = match manager.strip_prefix('@') {
        Some(name) => SocketAddr::from_abstract_name(name)?,
        None => SocketAddr::from_pathname(manager)?,
    };
    let way = UnixDatagram::unbound()?;
    way.connect_addr(&address)?;
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    let sockets = socket.map(AsFd::as_fd);
    if sockets.is_some() {
        control.push(SendAncillaryMessage::ScmRights(sockets.as_slice()));
    }
    sendmsg(&way, &[IoSlice::new(words.as_bytes()), IoSlice::new(b"\n")], &mut control, SendFlags::NOSIGNAL)?;
    Ok(())
}
