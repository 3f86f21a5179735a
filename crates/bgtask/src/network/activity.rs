//! What happened to a socket that was handed over, and how to get it back.

use std::collections::BTreeMap;
use std::fmt;
use std::os::fd::OwnedFd;

use bgtask_wire::SocketInfo;

use super::socket::{DatagramSocket, Owned, StreamSocket, StreamSocketListener};
use crate::host::TaskInstance;
use crate::session::Session;
use crate::windows_enum::windows_enum;
use crate::{Error, TaskId};

windows_enum! {
    /// What a socket is.
    SocketActivityKind {
        /// It listens for connections.
        StreamSocketListener = 1,
        /// It sends and receives datagrams.
        DatagramSocket = 2,
        /// It is a connection.
        StreamSocket = 3,
    }
}

windows_enum! {
    /// Why the task of a socket runs (NW-3).
    SocketActivityTriggerReason {
        /// There is something to read.
        SocketActivity = 1,
        /// A connection waits to be accepted.
        ConnectionAccepted = 2,
        /// Nothing came for as long as the app wanted to wait.
        KeepAliveTimerExpired = 3,
        /// The other end has closed the connection, or it broke: nothing is left to read. Connect anew.
        SocketClosed = 4,
    }
}

/// What an app gives along with a socket, and its task gets with it: bytes that only the two understand, 4096 at most (SOC-11).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SocketActivityContext(Vec<u8>);

impl SocketActivityContext {
    /// These bytes.
    pub fn new(data: impl Into<Vec<u8>>) -> Self {
        Self(data.into())
    }

    /// The bytes.
    pub fn data(&self) -> &[u8] {
        &self.0
    }

    pub(crate) fn into_data(self) -> Vec<u8> {
        self.0
    }
}

/// What the task of a [`SocketActivityTrigger`](crate::SocketActivityTrigger) runs for.
#[derive(Clone, Debug)]
pub struct SocketActivityTriggerDetails {
    reason: SocketActivityTriggerReason,
    information: SocketActivityInformation,
}

impl SocketActivityTriggerDetails {
    /// What an instance runs for; `None` where another trigger fired.
    pub fn of(instance: &TaskInstance) -> Option<Self> {
        let details = instance.trigger_details();
        let number = |name| details.get::<u32>(name).ok().flatten();
        let context = details.get::<Vec<u8>>("context").ok().flatten().unwrap_or_default();
        Some(Self {
            reason: SocketActivityTriggerReason::from_number(number("reason")?)?,
            information: SocketActivityInformation {
                id: details.get("id").ok().flatten()?,
                task_id: instance.task().task_id(),
                kind: SocketActivityKind::from_number(number("kind")?)?,
                context: SocketActivityContext(context),
                from: From::Instance(instance.clone()),
            },
        })
    }

    /// Why it runs.
    pub const fn reason(&self) -> SocketActivityTriggerReason {
        self.reason
    }

    /// For which socket.
    pub const fn socket_information(&self) -> &SocketActivityInformation {
        &self.information
    }
}

/// A socket that the app has handed over.
#[derive(Clone, Debug)]
pub struct SocketActivityInformation {
    id: String,
    task_id: TaskId,
    kind: SocketActivityKind,
    context: SocketActivityContext,
    from: From,
}

/// Who gives it back.
#[derive(Clone)]
enum From {
    /// The activation that came with it.
    Instance(TaskInstance),
    /// The broker.
    Broker,
}

impl fmt::Debug for From {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Instance(_) => "the instance",
            Self::Broker => "the broker",
        })
    }
}

impl SocketActivityInformation {
    /// The sockets that the broker has of this app, by the app's names for them (SOC-14): a new run of the app finds what an
    /// earlier one left. One that its task runs with is among them, and cannot be taken until that has ended.
    ///
    /// # Errors
    ///
    /// As every call to the broker: no broker answers, or it does not know the app.
    pub async fn all_sockets() -> Result<BTreeMap<String, Self>, Error> {
        let session = Session::current();
        let listed = session.ask("all_sockets", async |broker, app| broker.list_sockets(&app).await).await?;
        listed.into_iter().map(|info| Ok((info.id.clone(), Self::read(info)?))).collect()
    }

    #[cfg(test)]
    pub(super) fn example(id: &str, task_id: TaskId, kind: SocketActivityKind) -> Self {
        Self { id: id.to_owned(), task_id, kind, context: SocketActivityContext::default(), from: From::Broker }
    }

    fn read(info: SocketInfo) -> Result<Self, Error> {
        let kind = SocketActivityKind::from_number(info.kind);
        Ok(Self {
            id: info.id,
            task_id: TaskId::read(&info.task)?,
            kind: kind.ok_or_else(|| Error::protocol(format!("a socket of the kind {}", info.kind)))?,
            context: SocketActivityContext(info.context),
            from: From::Broker,
        })
    }

    /// The app's name for it.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The registration that it was handed over for.
    pub const fn task_id(&self) -> TaskId {
        self.task_id
    }

    /// What was given along with it.
    pub const fn context(&self) -> &SocketActivityContext {
        &self.context
    }

    /// What it is, and so which of the three calls gives it back.
    pub const fn socket_kind(&self) -> SocketActivityKind {
        self.kind
    }

    /// Takes the connection back: from then on it is this program's alone, and the broker has it no more (SOC-13).
    ///
    /// # Errors
    ///
    /// * [`is_wrong_kind`](Error::is_wrong_kind): it is a socket of another [kind](Self::socket_kind)
    /// * [`is_socket_not_found`](Error::is_socket_not_found): it was taken already, or lost with an earlier broker
    /// * [`is_socket_in_use`](Error::is_socket_in_use): its task runs with it
    pub async fn stream_socket(&self) -> Result<StreamSocket, Error> {
        self.take(SocketActivityKind::StreamSocket).await.map(StreamSocket)
    }

    /// The same for a listener.
    ///
    /// # Errors
    ///
    /// As [`stream_socket`](Self::stream_socket).
    pub async fn stream_socket_listener(&self) -> Result<StreamSocketListener, Error> {
        self.take(SocketActivityKind::StreamSocketListener).await.map(StreamSocketListener)
    }

    /// The same for a socket for datagrams.
    ///
    /// # Errors
    ///
    /// As [`stream_socket`](Self::stream_socket).
    pub async fn datagram_socket(&self) -> Result<DatagramSocket, Error> {
        self.take(SocketActivityKind::DatagramSocket).await.map(DatagramSocket)
    }

    async fn take(&self, wanted: SocketActivityKind) -> Result<Owned, Error> {
        if self.kind != wanted {
            let text =
                format!("the socket {:?} is a {}, no {wanted}: see its socket_kind() (SOC-13)", self.id, self.kind);
            return Err(Error::wrong_kind(text));
        }
        let socket = match &self.from {
            From::Instance(instance) => instance.take_socket().ok_or_else(|| {
                Error::socket_not_found(format!(
                    "the socket {:?} was taken already, or the broker has lost it",
                    self.id
                ))
            })?,
            From::Broker => self.reclaim().await?,
        };
        Ok(Owned::new(socket, Some(self.task_id)))
    }

    async fn reclaim(&self) -> Result<OwnedFd, Error> {
        let id = self.id.clone();
        let session = Session::current();
        let reclaim =
            session.order("take a socket back", async move |broker, app| broker.reclaim_socket(&app, &id).await);
        Ok(reclaim.await?.0.into())
    }
}
