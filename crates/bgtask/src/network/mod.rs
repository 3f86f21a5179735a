//! Sockets that outlive the program which opened them: the broker holds them, and starts a task when something arrives.
//!
//! An app with a connection that is quiet most of the time need not run to keep it. It hands the socket over to the broker and
//! ends. When something arrives, the broker starts the app's task, which gets the socket itself back: the very connection, with all
//! that has arrived still unread. When the task is done, it hands the socket over again.
//!
//! The broker never reads from a socket, writes to one, or accepts on one. What a program reads is what the other end sent, in its
//! order; what it has written, the kernel goes on sending.
//!
//! ```no_run
//! use std::net::TcpStream;
//! use std::time::Duration;
//!
//! use bgtask::network::{
//!     SocketActivityConnectedStandbyAction, SocketActivityContext, SocketActivityTriggerDetails,
//!     SocketActivityTriggerReason, StreamSocket,
//! };
//! use bgtask::host::{TaskError, TaskInstance};
//! use bgtask::TaskId;
//!
//! /// The app, before it ends:
//! async fn leave(connection: TcpStream, task: TaskId) -> Result<(), bgtask::Error> {
//!     let mut socket = StreamSocket::from(connection);
//!     socket.enable_transfer_ownership(task, SocketActivityConnectedStandbyAction::DoNotWake)?;
//!     let context = SocketActivityContext::new(*b"room 7");
//!     socket.transfer_ownership("chat", context, Some(Duration::from_secs(15 * 60))).await
//! }
//!
//! /// The task, when something has arrived:
//! async fn run(instance: TaskInstance) -> Result<(), TaskError> {
//!     let details = SocketActivityTriggerDetails::of(&instance).ok_or("another trigger")?;
//!     let information = details.socket_information();
//!     match details.reason() {
//!         SocketActivityTriggerReason::SocketClosed => println!("{} is closed: connect anew", information.id()),
//!         _ => {
//!             let stream = TcpStream::from(information.stream_socket().await?.into_fd()?);
//!             // … read what there is, and answer …
//!             leave(stream, instance.task().task_id()).await?;
//!         }
//!     }
//!     Ok(())
//! }
//! ```
//!
//! A connection with a session that lives on in a program, of HTTP or a WebSocket, is kept by the program itself, and runs its tasks by a
//! [`ControlChannelTrigger`].
//!
//! `docs/sockets.md` has the whole of it: what a task can rely on, TLS, what becomes of sockets when a broker is started anew, and
//! the bounds.

mod activity;
mod control_channel;
mod socket;
#[cfg(feature = "testing")]
mod stand_in;
#[cfg(test)]
mod tests;
mod unsent;

pub use crate::trigger::ControlChannelTrigger as ControlChannelEventTrigger;
pub use activity::{
    SocketActivityContext, SocketActivityInformation, SocketActivityKind, SocketActivityTriggerDetails,
    SocketActivityTriggerReason,
};
pub(crate) use control_channel::enable;
pub use control_channel::{
    ControlChannelTrigger, ControlChannelTriggerEventDetails, ControlChannelTriggerResetEventDetails,
    ControlChannelTriggerResetReason, ControlChannelTriggerResourceType, ControlChannelTriggerStatus, FLUSH_TIMEOUT,
};
pub use socket::{DatagramSocket, SocketActivityConnectedStandbyAction, StreamSocket, StreamSocketListener};
#[cfg(feature = "testing")]
pub(crate) use stand_in::{HandOver, TAKER, Taker};
