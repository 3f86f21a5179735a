//! Sockets that are handed over to the broker in the test, by the test or by the tasks it plays.

use std::collections::BTreeMap;
use std::os::fd::OwnedFd;
use std::time::Duration;

use bgtask_core::{
    Details, Input, NewSocket, Readiness, Refusal, Reply, Request, SocketActivityConnectedStandbyAction, SocketKey,
    SocketKind,
};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::ioctl_fionread;
use rustix::net::sockopt::socket_cookie;
use tokio::sync::mpsc;

use super::convert::{core_id, refused, same};
use super::{TestBroker, app_id};
use crate::network::{HandOver, SocketActivityContext, SocketActivityKind, Taker};
use crate::{Error, TaskId};

/// The descriptors of one life of the broker, and what tasks hand over.
pub(super) struct Sockets {
    held: BTreeMap<SocketKey, Held>,
    last: u64,
    taker: Taker,
    handed: mpsc::UnboundedReceiver<HandOver>,
}

struct Held {
    socket: OwnedFd,
    kind: SocketActivityKind,
    cookie: Option<u64>,
    watched: bool,
    of_channel: Option<Unread>,
}

/// What there was to read at the connection of a control channel when it was looked at last.
#[derive(Default)]
struct Unread {
    bytes: u32,
    /// How often that was another number than before: as many bytes again are news.
    changes: u32,
}

impl Sockets {
    pub(super) fn new() -> Self {
        let (taker, handed) = mpsc::unbounded_channel();
        Self { held: BTreeMap::new(), last: 0, taker, handed }
    }

    /// What the tasks of a process hand their sockets to.
    pub(super) fn taker(&self) -> Taker {
        self.taker.clone()
    }

    /// The next socket that a task hands over; there is always more to wait for.
    pub(super) async fn handed(&mut self) -> Option<HandOver> {
        self.handed.recv().await
    }

    /// One that is there already.
    pub(super) fn handed_now(&mut self) -> Option<HandOver> {
        self.handed.try_recv().ok()
    }

    /// They end with the broker.
    pub(super) fn close(&mut self) {
        self.held.clear();
    }

    pub(super) fn missing(&self, known: impl Iterator<Item = SocketKey>) -> Vec<SocketKey> {
        known.filter(|key| !self.held.contains_key(key)).collect()
    }

    /// Keeps one that nobody watches: the task's end of a connection to an app service.
    pub(super) fn keep(&mut self, socket: OwnedFd) -> SocketKey {
        self.take(socket, SocketActivityKind::StreamSocket).0
    }

    /// Keeps a copy of the connection of a control channel. Answers whether that has ended already.
    pub(super) fn watch_over(&mut self, transport: OwnedFd) -> Result<(SocketKey, bool), Error> {
        let kind = SocketActivityKind::of(&transport)
            .map_err(|error| Error::wrong_kind(format!("the connection cannot be watched: {error}")))?;
        let (key, _) = self.take(transport, kind);
        let held = self.held.get_mut(&key).expect("it was taken");
        held.of_channel = Some(Unread::default());
        Ok((key, held.readiness() == Some(Readiness::Closed)))
    }

    /// A copy for the task.
    pub(super) fn lend(&self, key: SocketKey) -> Option<OwnedFd> {
        self.held.get(&key).map(|held| held.socket.try_clone().expect("a descriptor is left"))
    }

    pub(super) fn drop(&mut self, key: SocketKey) {
        self.held.remove(&key);
    }

    pub(super) fn watch(&mut self, key: SocketKey, watched: bool) {
        if let Some(held) = self.held.get_mut(&key) {
            held.watched = watched;
            held.look();
        }
    }

    /// What can be seen at those that are watched, each once.
    pub(super) fn seen(&mut self) -> Vec<Input> {
        self.held.values_mut().for_each(Held::look);
        let watched = self.held.iter_mut().filter(|(_, held)| held.watched);
        let seen = watched.filter_map(|(key, held)| {
            let readiness = held.readiness()?;
            held.watched = false;
            Some(match &held.of_channel {
                None => Input::SocketReady(*key, readiness),
                Some(unread) => Input::ChannelSeen(*key, (readiness == Readiness::Readable).then(|| unread.number())),
            })
        });
        seen.collect()
    }

    /// Takes one in. Answers its key, and that of another descriptor of the same socket.
    fn take(&mut self, socket: OwnedFd, kind: SocketActivityKind) -> (SocketKey, Option<SocketKey>) {
        let cookie = socket_cookie(&socket).ok();
        let again =
            self.held.iter().find(|(_, held)| held.cookie.is_some() && held.cookie == cookie).map(|(key, _)| *key);
        self.last += 1;
        let key = SocketKey(self.last);
        self.held.insert(key, Held { socket, kind, cookie, watched: false, of_channel: None });
        (key, again)
    }
}

impl Unread {
    /// The same as before only if nothing was read and nothing came.
    fn number(&self) -> u64 {
        u64::from(self.changes) << 32 | u64::from(self.bytes)
    }
}

impl Held {
    /// Looks how much there is to read at the connection of a control channel.
    fn look(&mut self) {
        let Some(unread) = &mut self.of_channel else { return };
        let bytes = ioctl_fionread(&self.socket).map_or(1, |bytes| u32::try_from(bytes).unwrap_or(u32::MAX));
        unread.changes += u32::from(bytes != unread.bytes);
        unread.bytes = bytes;
    }

    fn readiness(&self) -> Option<Readiness> {
        let mut looked = [PollFd::new(&self.socket, PollFlags::IN | PollFlags::RDHUP)];
        let at_once = Timespec { tv_sec: 0, tv_nsec: 0 };
        poll(&mut looked, Some(&at_once)).ok().filter(|ready| *ready > 0)?;
        let ended = looked[0].revents().intersects(PollFlags::RDHUP | PollFlags::HUP | PollFlags::ERR);
        let is_stream = self.kind == SocketActivityKind::StreamSocket;
        let has_more = is_stream && ioctl_fionread(&self.socket).is_ok_and(|bytes| bytes > 0);
        Some(if ended && !has_more { Readiness::Closed } else { Readiness::Readable })
    }
}

impl TestBroker {
    /// Hands a socket over for a task, as the `transfer_ownership` of [`network`](crate::network)'s sockets do. What arrives at it is seen when the
    /// test lets the broker go on, by [`settle`](Self::settle) or [`advance`](Self::advance); the task gets the socket itself, and may hand it
    /// over again within its `run`.
    ///
    /// ```
    /// # use bgtask::testing::TestBroker;
    /// use std::io::Write as _;
    /// use std::os::unix::net::UnixStream;
    /// use bgtask::network::SocketActivityContext;
    ///
    /// # async fn example(broker: &mut TestBroker, task: bgtask::TaskId) -> Result<(), Box<dyn std::error::Error>> {
    /// let (ours, mut peer) = UnixStream::pair()?;
    /// broker.transfer_ownership(task, "chat", ours, SocketActivityContext::new(*b"room 7"), None)?;
    /// peer.write_all(b"hello")?;
    /// broker.settle().await; // the task runs
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// As [`StreamSocket::transfer_ownership`](crate::network::StreamSocket::transfer_ownership).
    pub fn transfer_ownership(
        &mut self,
        task: TaskId,
        socket_id: &str,
        socket: impl Into<OwnedFd>,
        context: SocketActivityContext,
        keep_alive: Option<Duration>,
    ) -> Result<(), Error> {
        let socket = socket.into();
        let kind = SocketActivityKind::of(&socket)
            .map_err(|error| Error::wrong_kind(format!("the descriptor cannot be handed over: {error}")))?;
        let all = self.core.as_ref().ok_or_else(Self::has_crashed)?.registrations(None);
        let its = all.into_iter().find(|its| its.id == core_id(task));
        let app = its.ok_or_else(|| refused(&Refusal::UnknownTask(core_id(task)), None, ""))?.app.clone();
        let (key, again) = self.sockets.take(socket, kind);
        let new = NewSocket {
            key,
            task: core_id(task),
            id: socket_id.to_owned(),
            kind: same(SocketKind::from_number(kind.number())),
            context: Details(context.into_data().into()),
            keep_alive,
            action: SocketActivityConnectedStandbyAction::DoNotWake,
            again,
        };
        match self.ask(Request::TransferSocket(app, new))? {
            Reply::Transferred => Ok(()),
            other => unreachable!("a socket was handed over, answered {other:?}"),
        }
    }

    /// The app's names for the sockets that the broker has of it, in their order: what
    /// [`all_sockets`](crate::network::SocketActivityInformation::all_sockets) would find. A task itself cannot ask that here.
    ///
    /// # Errors
    ///
    /// [`is_invalid_argument`](Error::is_invalid_argument): that is no app id; [`is_no_broker`](Error::is_no_broker) after a crash.
    pub fn sockets(&self, app: &str) -> Result<Vec<String>, Error> {
        let core = self.core.as_ref().ok_or_else(Self::has_crashed)?;
        Ok(core.sockets_of(&app_id(app)?).map(|socket| socket.id.to_string()).collect())
    }

    /// A task hands one over.
    pub(super) fn take_over(&mut self, handed: HandOver) {
        let HandOver { task, id, socket, context, keep_alive, answer } = handed;
        let copy = socket.try_clone().map_err(|error| Error::channel(&error));
        let taken = copy.and_then(|copy| self.transfer_ownership(task, &id, copy, context, keep_alive));
        // A task that waits no longer was killed.
        let _ = answer.send(taken);
    }

    /// What has arrived at sockets becomes known.
    pub(super) fn look_at_sockets(&mut self) -> bool {
        let seen = self.sockets.seen();
        let any = !seen.is_empty();
        seen.into_iter().for_each(|input| self.tell(input));
        any
    }
}
