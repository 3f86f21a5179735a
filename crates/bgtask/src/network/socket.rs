//! Sockets as an app has them: thin owners that can hand their socket over.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::time::Duration;

use bgtask_wire::TransferOptions;
use rustix::net::SocketType;
use rustix::net::sockopt::{socket_acceptconn, socket_type};

use super::{SocketActivityContext, SocketActivityKind};
use crate::session::Session;
use crate::windows_enum::windows_enum;
use crate::{Error, TaskId};

windows_enum! {
    /// Whether what arrives at a socket wakes the machine from its sleep.
    SocketActivityConnectedStandbyAction {
        /// It does not: the task runs when the machine is awake again.
        DoNotWake = 0,
        /// It does. Linux wakes no machine for a single connection, so that this is refused (SOC-5).
        Wake = 1,
    }
}

/// What all three kinds have in common.
#[derive(Debug)]
pub(super) struct Owned {
    /// `None` once it was handed over.
    socket: Option<Arc<OwnedFd>>,
    enabled: Option<TaskId>,
}

impl Owned {
    pub(super) fn new(socket: OwnedFd, enabled: Option<TaskId>) -> Self {
        Self { socket: Some(Arc::new(socket)), enabled }
    }

    fn enable(&mut self, task: TaskId, action: SocketActivityConnectedStandbyAction) -> Result<(), Error> {
        if action == SocketActivityConnectedStandbyAction::Wake {
            return Err(Error::not_supported(
                "waking the machine for what arrives at a socket is not supported here: Linux wakes no sleeping machine for a \
                 single connection; enable it with DoNotWake, and its task runs when the machine is awake again (SOC-5)",
            ));
        }
        self.enabled = Some(task);
        Ok(())
    }

    fn there(&self) -> Result<&Arc<OwnedFd>, Error> {
        self.socket.as_ref().ok_or_else(|| {
            Error::invalid(
                "the socket was handed over: its task has it next, or take it back from all_sockets() (SOC-6)",
            )
        })
    }

    async fn transfer(
        &mut self,
        id: &str,
        context: SocketActivityContext,
        keep_alive: Option<Duration>,
    ) -> Result<(), Error> {
        let socket = Arc::clone(self.there()?);
        let task = self.enabled.ok_or_else(|| {
            Error::invalid("the socket has no task to start: call enable_transfer_ownership before (SOC-3)")
        })?;
        #[cfg(feature = "testing")]
        if let Ok(taker) = super::TAKER.try_with(Clone::clone) {
            super::HandOver::to(taker, task, id, socket, context, keep_alive).await?;
            self.socket = None;
            return Ok(());
        }
        let options = TransferOptions {
            context: Some(context.into_data()).filter(|data| !data.is_empty()),
            keep_alive: keep_alive.map(|time| u64::try_from(time.as_micros()).unwrap_or(u64::MAX)),
            wake: None,
        };
        let (task, id) = (task.to_string(), id.to_owned());
        let transferring = Session::current();
        let order = transferring.order("transfer_ownership", async move |broker, app| {
            broker.transfer_socket(&app, &task, &id, socket.as_fd().into(), options).await
        });
        order.await?;
        self.socket = None;
        Ok(())
    }

    /// As if it had been handed over.
    #[cfg(test)]
    pub(super) fn forget(&mut self) {
        self.socket = None;
    }

    fn into_fd(self) -> Result<OwnedFd, Error> {
        let socket = self.socket.ok_or_else(|| Error::invalid("the socket was handed over"))?;
        // A transfer that was given up in the middle may still hold on to it.
        Ok(match Arc::try_unwrap(socket) {
            Ok(socket) => socket,
            Err(shared) => shared.try_clone().map_err(|error| Error::channel(&error))?,
        })
    }
}

impl SocketActivityKind {
    /// What a descriptor is.
    pub(crate) fn of(socket: &OwnedFd) -> io::Result<Self> {
        let stream = matches!(socket_type(socket)?, SocketType::STREAM | SocketType::SEQPACKET);
        Ok(match (stream, stream && socket_acceptconn(socket)?) {
            (true, true) => Self::StreamSocketListener,
            (true, false) => Self::StreamSocket,
            (false, _) => Self::DatagramSocket,
        })
    }
}

macro_rules! sockets {
    ($($(#[$doc:meta])* $name:ident, $kind:ident, [$($own:ty),*], [$($tokio:ty),*];)+) => {$(
        $(#[$doc])*
        #[derive(Debug)]
        pub struct $name(pub(super) Owned);

        impl $name {
            /// Names the task that the broker starts for this socket (SOC-3). The registration has a
            /// [`SocketActivityTrigger`](crate::SocketActivityTrigger), and is one of this app. One that a task got from its
            /// [information](super::SocketActivityInformation) is enabled for that task already.
            ///
            /// # Errors
            ///
            /// [`is_not_supported`](Error::is_not_supported) for
            /// [`Wake`](SocketActivityConnectedStandbyAction::Wake): then try again with `DoNotWake` (SOC-5).
            pub fn enable_transfer_ownership(
                &mut self,
                task_id: TaskId,
                action: SocketActivityConnectedStandbyAction,
            ) -> Result<(), Error> {
                self.0.enable(task_id, action)
            }

            /// The socket itself, for whatever uses such sockets: `std` and `tokio` types are made from it.
            ///
            /// # Errors
            ///
            /// [`is_invalid_argument`](Error::is_invalid_argument): it was handed over.
            pub fn into_fd(self) -> Result<OwnedFd, Error> {
                self.0.into_fd()
            }

            /// The socket, to look at it or set its options.
            ///
            /// # Errors
            ///
            /// [`is_invalid_argument`](Error::is_invalid_argument): it was handed over.
            pub fn as_fd(&self) -> Result<BorrowedFd<'_>, Error> {
                self.0.there().map(|socket| socket.as_fd())
            }
        }

        impl TryFrom<OwnedFd> for $name {
            type Error = Error;

            /// # Errors
            ///
            /// [`is_wrong_kind`](Error::is_wrong_kind): it is another kind of socket, or none.
            fn try_from(socket: OwnedFd) -> Result<Self, Error> {
                match SocketActivityKind::of(&socket) {
                    Ok(SocketActivityKind::$kind) => Ok(Self(Owned::new(socket, None))),
                    Ok(other) => Err(Error::wrong_kind(format!("the descriptor is a {other}, no {}", stringify!($name)))),
                    Err(error) => Err(Error::wrong_kind(format!("the descriptor is no {}: {error}", stringify!($name)))),
                }
            }
        }

        $(
            impl From<$own> for $name {
                fn from(socket: $own) -> Self {
                    Self(Owned::new(socket.into(), None))
                }
            }
        )*

        $(
            impl TryFrom<$tokio> for $name {
                type Error = io::Error;

                /// # Errors
                ///
                /// The runtime does not let go of it.
                fn try_from(socket: $tokio) -> io::Result<Self> {
                    Ok(Self(Owned::new(socket.into_std()?.into(), None)))
                }
            }
        )*
    )+};
}

sockets! {
    /// A connection: of TCP, or of a Unix socket.
    ///
    /// It is a thin owner. Programs read and write with the types they always use, and make one of these when they hand the
    /// connection over: `StreamSocket::from(stream)`. Back they come by [`into_fd`](Self::into_fd):
    /// `TcpStream::from(socket.into_fd()?)`.
    ///
    /// What a program has read already and not used yet, in a `BufReader` for example, does not travel with it: put it into the
    /// [context](super::SocketActivityContext).
    StreamSocket, StreamSocket,
        [std::net::TcpStream, std::os::unix::net::UnixStream], [tokio::net::TcpStream, tokio::net::UnixStream];
    /// A socket that listens for connections: of TCP, or a Unix socket. Its task gets the listener itself and accepts.
    StreamSocketListener, StreamSocketListener,
        [std::net::TcpListener, std::os::unix::net::UnixListener], [tokio::net::TcpListener, tokio::net::UnixListener];
    /// A socket for datagrams: of UDP, or a Unix socket.
    DatagramSocket, DatagramSocket,
        [std::net::UdpSocket, std::os::unix::net::UnixDatagram], [tokio::net::UdpSocket, tokio::net::UnixDatagram];
}

impl StreamSocket {
    /// Hands the connection over under a name of the app's own, with what its task needs to know, and with the time after which
    /// the task runs although nothing came: to write something that keeps the connection alive, say (SOC-12). It is told at most a
    /// tenth of that time later, and a minute, so that one wake-up serves several.
    ///
    /// From then on the app does not touch the connection until a task gets it or the app
    /// [takes it back](super::SocketActivityInformation::all_sockets) (SOC-6): this value has it no more. When the call returns,
    /// the broker has it, also one that is killed at that moment. If it fails, the app still has it.
    ///
    /// A copy of the descriptor elsewhere in the program would share what arrives: there must be none. The call takes the socket
    /// exclusively, so that no read or write of its own is pending (SOC-7).
    ///
    /// # Errors
    ///
    /// * [`is_invalid_argument`](Error::is_invalid_argument): no task was named, it was handed over already, the name is empty or
    ///   the task has another trigger, the time is not between one second and a year
    /// * [`is_socket_id_taken`](Error::is_socket_id_taken): the broker has one of this name (SOC-10)
    /// * [`is_unknown_task`](Error::is_unknown_task): the task is gone, or another app's
    /// * [`is_wrong_kind`](Error::is_wrong_kind): it is not connected, or no such socket
    /// * [`is_limit_reached`](Error::is_limit_reached): the app has too many, or the context is longer than 4096 bytes
    /// * [`is_connection_lost`](Error::is_connection_lost): the broker may or may not have it: see
    ///   [`all_sockets`](super::SocketActivityInformation::all_sockets)
    pub async fn transfer_ownership(
        &mut self,
        socket_id: &str,
        context: SocketActivityContext,
        keep_alive: Option<Duration>,
    ) -> Result<(), Error> {
        self.0.transfer(socket_id, context, keep_alive).await
    }
}

impl DatagramSocket {
    /// As [`StreamSocket::transfer_ownership`].
    ///
    /// # Errors
    ///
    /// As there.
    pub async fn transfer_ownership(
        &mut self,
        socket_id: &str,
        context: SocketActivityContext,
        keep_alive: Option<Duration>,
    ) -> Result<(), Error> {
        self.0.transfer(socket_id, context, keep_alive).await
    }
}

impl StreamSocketListener {
    /// As [`StreamSocket::transfer_ownership`]; a listener has no keep-alive time.
    ///
    /// # Errors
    ///
    /// As there.
    pub async fn transfer_ownership(&mut self, socket_id: &str, context: SocketActivityContext) -> Result<(), Error> {
        self.0.transfer(socket_id, context, None).await
    }
}
