//! The door without a bus: a socket on which every connection is D-Bus peer to peer.

use std::collections::VecDeque;
use std::os::fd::OwnedFd;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bgtask_core::ClientId;
use bgtask_wire::PeerSocket;
use futures_util::StreamExt as _;
use rustix::process::{Pid, PidfdFlags, pidfd_open};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{Semaphore, mpsc, oneshot};
use tokio::task::AbortHandle;
use zbus::{Connection, Guid, Message, MessageStream};

use super::{MAX_CLIENTS, MAX_OUTBOX, Process, Visitor};
use crate::failure::Failure;
use crate::inbox::Incoming;

/// How long a peer may take to introduce itself.
const HANDSHAKE: Duration = Duration::from_secs(5);

/// How many peers may be introducing themselves at the same time.
const MAX_STRANGERS: usize = 64;

/// How long the listener rests when the system has no descriptors left.
const RESPITE: Duration = Duration::from_millis(100);

/// Numbers clients, at every door.
static LAST_CLIENT: AtomicU64 = AtomicU64::new(0);

pub(super) fn next_client() -> ClientId {
    ClientId(LAST_CLIENT.fetch_add(1, Ordering::Relaxed) + 1)
}

/// Opens the door. The caller holds the lock, so a socket that is there is left over from a dead broker.
pub(crate) fn listen(path: &Path, inbox: mpsc::Sender<Incoming>) -> Result<(), Failure> {
    let cannot = |error| Failure::new(format!("the socket {} cannot be opened", path.display()), error);
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(cannot(error)),
        _ => {}
    }
    let listener = UnixListener::bind(path).map_err(cannot)?;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600)).map_err(cannot)?;
    tokio::spawn(accept(listener, inbox));
    Ok(())
}

async fn accept(listener: UnixListener, inbox: mpsc::Sender<Incoming>) {
    let guid = Guid::generate();
    let places = Arc::new(Semaphore::new(MAX_CLIENTS));
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
                let introduction = introduce(stream, guid.clone(), Arc::clone(&places), inbox.clone());
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
async fn introduce(stream: UnixStream, guid: Guid<'static>, places: Arc<Semaphore>, inbox: mpsc::Sender<Incoming>) {
    match shake_hands(stream, guid).await {
        Ok((process, messages)) => {
            let Ok(place) = places.try_acquire_owned() else {
                tracing::warn!("a client was turned away: {MAX_CLIENTS} are connected, the most the broker serves");
                return;
            };
            tokio::spawn(async move {
                serve(process, messages, inbox).await;
                drop(place);
            });
        }
        Err(error) => tracing::debug!("a stranger was sent away: {error}"),
    }
}

async fn shake_hands(stream: UnixStream, guid: Guid<'static>) -> zbus::Result<(Process, MessageStream)> {
    let io = |error| zbus::Error::InputOutput(Arc::new(error));
    let stream = stream.into_std().map_err(io)?;
    let (process, _held) = process_of(&stream);
    let handshake = connect(PeerSocket::new(stream).map_err(io)?, guid);
    let messages = tokio::time::timeout(HANDSHAKE, handshake)
        .await
        .map_err(|_| zbus::Error::Handshake("the peer did not introduce itself in time".into()))??;
    Ok((process, messages))
}

async fn serve(process: Process, messages: MessageStream, inbox: mpsc::Sender<Incoming>) {
    let connection = Connection::from(&messages);
    let (outbox, letters) = mpsc::channel(MAX_OUTBOX);
    let (hold, cut_off) = oneshot::channel();
    let id = next_client();
    if inbox.send(Incoming::Client(id, Visitor { process, outbox, hold })).await.is_ok() {
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

async fn read(mut messages: MessageStream, inbox: &mpsc::Sender<Incoming>, id: ClientId) {
    while let Some(Ok(message)) = messages.next().await {
        let is_call = message.message_type() == zbus::message::Type::MethodCall;
        if is_call && inbox.send(Incoming::Call(id, message)).await.is_err() {
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

/// The process at the other end, held by a descriptor while its number is looked up.
fn process_of(stream: &std::os::unix::net::UnixStream) -> (Process, Option<OwnedFd>) {
    let peer = rustix::net::sockopt::socket_peercred(stream).ok().map(|peer| peer.pid);
    let held = peer.and_then(|pid: Pid| pidfd_open(pid, PidfdFlags::empty()).ok());
    (peer.map(|pid| Process::read(pid.as_raw_nonzero().get())).unwrap_or_default(), held)
}
