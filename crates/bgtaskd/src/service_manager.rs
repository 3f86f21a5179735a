//! The service manager, where one has started the broker: systemd, or what else speaks its protocol.
//!
//! It hands over the socket it listens on for the broker, hears when the broker is ready, and may watch whether it hangs.
//! Where there is none, all of this is nothing.

use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::time::{Duration, Instant};

use listenfd::ListenFd;
use rustix::io::{FdFlags, fcntl_setfd};
use rustix::net::sockopt::socket_acceptconn;
use rustix::net::{AddressFamily, SocketType};
use sd_notify::NotifyState;

/// How often a broker that works without a rest says that it lives, while the manager waits for a word.
const WORDS_PER_WAIT: u32 = 4;

/// Says that the broker can be reached.
pub(crate) fn ready() {
    tell(&[NotifyState::Ready]);
}

/// The descriptors that the manager hands over, by their names: those it listens on, and those that an earlier broker has put
/// into its store. It says so once: what reads that takes it away from everybody else.
pub(crate) struct HandedOver {
    descriptors: ListenFd,
    names: Vec<String>,
}

impl HandedOver {
    pub(crate) fn take() -> Self {
        let names = std::env::var("LISTEN_FDNAMES").unwrap_or_default();
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
        let patience = sd_notify::watchdog_enabled();
        Self { patience, heard: patience.map(|_| Instant::now()) }
    }

    /// There is something to do: from now on the manager watches. Returns whether it does, so that somebody has to say when
    /// all is done.
    pub(crate) fn work(&mut self) -> bool {
        let Some(patience) = self.patience else { return false };
        if self.heard.is_none_or(|heard| heard.elapsed() >= patience / WORDS_PER_WAIT) {
            tell(&[NotifyState::Watchdog, NotifyState::WatchdogUsec(micros(patience))]);
            self.heard = Some(Instant::now());
        }
        true
    }

    /// There is nothing to do, perhaps for long.
    pub(crate) fn rest(&mut self) {
        if self.heard.take().is_some() {
            tell(&[NotifyState::WatchdogUsec(0)]);
        }
    }
}

fn tell(what: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(what) {
        tracing::warn!("the service manager could not be told {what:?}: {error}");
    }
}

/// What the protocol can say: a little more than an hour at most.
fn micros(time: Duration) -> u32 {
    u32::try_from(time.as_micros()).unwrap_or(u32::MAX)
}
