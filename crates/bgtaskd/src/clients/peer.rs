//! The door without a bus: a socket on which every connection is D-Bus peer to peer.

use std::collections::VecDeque;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bgtask_core::ClientId;
use bgtask_wire::PeerSocket;
use futures_util::StreamExt as _;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, pidfd_open};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{mpsc, oneshot};
use tokio::task::AbortHandle;
use zbus::{Connection, Guid, Message, MessageStream};

use super::entrance::next_client;
use super::{Door, Entrance, MAX_OUTBOX, Process, Visitor};
use crate::failure::Failure;
use crate::inbox::Incoming;
use crate::service_manager::HandedOver;

/// How long a peer may take to introduce itself.
const HANDSHAKE: Duration = Duration::from_secs(5);

/// How many peers may be introducing themselves at the same time.
const MAX_STRANGERS: usize = 64;

/// How long the listener rests when the system has no descriptors left.
const RESPITE: Duration = Duration::from_millis(100);

/// Opens the door, unless the service manager holds it open already.
pub(crate) fn listen(path: &Path, entrance: Entrance, handed_over: &mut HandedOver) -> Result<(), Failure> {
    let listener = match handed_over.listener(path) {
        Ok(Some(opened)) => UnixListener::from_std(opened),
        Ok(None) => open(path),
        Err(error) => Err(error),
    };
    let cannot = |error| Failure::new(format!("the socket {} cannot be opened", path.display()), error);
    tokio::spawn(accept(listener.map_err(cannot)?, entrance));
    Ok(())
}

/// The caller holds the lock, so a socket that is there is left over from a dead broker.
fn open(path: &Path) -> io::Result<UnixListener> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let listener = UnixListener::bind(path)?;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600))?;
    Ok(listener)
}

async fn accept(listener: UnixListener, entrance: Entrance) {
    let guid = Guid::generate();
    let mut strangers: VecDeque<AbortHandle> = VecDeque::new();
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                strangers.retain(|stranger| !stranger.is_finished());
                // An introduction takes a moment: who has taken longest makes room for who has just come.
                if strangers.len() >= MAX_STRANGERS
                    && let Some(slowest) = strangers.pop_front()
                {
                    slowest.abort();
                }
                let introduction = introduce(stream, guid.clone(), entrance.clone());
                strangers.push_back(tokio::spawn(introduction).abort_handle());
            }
            Err(error) => {
                tracing::warn!("a connection could not be accepted: {error}");
                tokio::time::sleep(RESPITE).await;
            }
        }
    }
}

/// From a stranger to a client.
async fn introduce(stream: UnixStream, guid: Guid<'static>, entrance: Entrance) {
    match shake_hands(stream, guid).await {
        Ok((peer, messages)) => {
            let Some(place) = entrance.place() else { return };
            tokio::spawn(async move {
                serve(peer, messages, entrance.inbox).await;
                drop(place);
            });
        }
        Err(error) => tracing::debug!("a stranger was sent away: {error}"),
    }
}

async fn shake_hands(stream: UnixStream, guid: Guid<'static>) -> zbus::Result<(Peer, MessageStream)> {
    let io = |error| zbus::Error::InputOutput(Arc::new(error));
    let stream = stream.into_std().map_err(io)?;
    let peer = Peer::of(&stream).ok_or_else(|| zbus::Error::Handshake("its process has ended".into()))?;
    let handshake = connect(PeerSocket::new(stream).map_err(io)?, guid);
    let messages = tokio::time::timeout(HANDSHAKE, handshake)
        .await
        .map_err(|_| zbus::Error::Handshake("the peer did not introduce itself in time".into()))??;
    Ok((peer, messages))
}

async fn serve(peer: Peer, messages: MessageStream, inbox: mpsc::Sender<Incoming>) {
    let connection = Connection::from(&messages);
    let (outbox, letters) = mpsc::channel(MAX_OUTBOX);
    let (hold, cut_off) = oneshot::channel();
    let id = next_client();
    let Peer { process, held } = peer;
    let visitor = Visitor { process, door: Door::Socket, held, outbox, hold };
    if inbox.send(Incoming::Client(id, visitor)).await.is_ok() {
        tokio::select! {
            () = write(&connection, letters) => {}
            () = read(messages, &inbox, id) => {}
            _ = cut_off => {}
        }
        let _stopping = inbox.send(Incoming::ClientGone(id)).await;
    }
    let _closed_already = connection.close().await;
}

async fn connect(socket: PeerSocket, guid: Guid<'static>) -> zbus::Result<MessageStream> {
    zbus::connection::Builder::socket(socket).server(guid).p2p().build_message_stream().await
}

/// Calls, and what a client that is a host says as one.
async fn read(mut messages: MessageStream, inbox: &mpsc::Sender<Incoming>, id: ClientId) {
    while let Some(Ok(message)) = messages.next().await {
        if inbox.send(Incoming::Said(id, message)).await.is_err() {
            return;
        }
    }
}

/// Writes what waits, many messages at a time.
pub(super) async fn write(connection: &Connection, mut letters: mpsc::Receiver<Message>) {
    let mut waiting = Vec::new();
    while letters.recv_many(&mut waiting, MAX_OUTBOX).await > 0 {
        if connection.send_all(&waiting).await.is_err() {
            return;
        }
        waiting.clear();
    }
}

/// The process at the other end.
struct Peer {
    process: Process,
    /// Holds on to it: what is killed by this is never another process that has its number by now.
    held: Option<OwnedFd>,
}

impl Peer {
    /// `None` where it has ended, and somebody else goes on with its connection: nobody knows for whom.
    fn of(stream: &std::os::unix::net::UnixStream) -> Option<Self> {
        let pid = rustix::net::sockopt::socket_peercred(stream).ok().map(|peer| peer.pid);
        let held = pid.and_then(|pid: Pid| pidfd_open(pid, PidfdFlags::empty()).ok());
        let process = match pid {
            Some(pid) => Process::read(pid.as_raw_nonzero().get())?,
            None => Process::default(),
        };
        // A number is free for another process when its own has ended: what was read may be of that one.
        if held.as_ref().is_some_and(has_ended) {
            return None;
        }
        Some(Self { process, held })
    }
}

fn has_ended(process: &OwnedFd) -> bool {
    let at_once = Timespec { tv_sec: 0, tv_nsec: 0 };
    poll(&mut [PollFd::new(process, PollFlags::IN)], Some(&at_once)) != Ok(0)
}

#[cfg(test)]
mod tests {
    use std::process::{Command, Stdio};

    use super::*;

    #[test]
    fn a_process_that_has_ended_is_told_from_one_that_runs() {
        let mut child = Command::new("cat").stdin(Stdio::piped()).stdout(Stdio::null()).spawn().expect("a process");
        let held = pidfd_open(Pid::from_child(&child), PidfdFlags::empty()).expect("a process descriptor");
        assert!(!has_ended(&held));
        drop(child.stdin.take());
        child.wait().expect("its end");
        assert!(has_ended(&held), "although its number may be another one's now");
    }
}
