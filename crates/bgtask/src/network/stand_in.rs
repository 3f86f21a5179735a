//! Whoever takes sockets in the place of a broker: the one of a test.

use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};

use super::SocketActivityContext;
use crate::{Error, TaskId};

tokio::task_local! {
    /// Where the task that runs hands its sockets to.
    pub(crate) static TAKER: Taker;
}

pub(crate) type Taker = mpsc::UnboundedSender<HandOver>;

/// A socket on its way.
pub(crate) struct HandOver {
    pub(crate) task: TaskId,
    pub(crate) id: String,
    pub(crate) socket: Arc<OwnedFd>,
    pub(crate) context: SocketActivityContext,
    pub(crate) keep_alive: Option<Duration>,
    pub(crate) answer: oneshot::Sender<Result<(), Error>>,
}

impl HandOver {
    /// Waits until it is taken, or refused.
    pub(super) async fn to(
        taker: Taker,
        task: TaskId,
        id: &str,
        socket: Arc<OwnedFd>,
        context: SocketActivityContext,
        keep_alive: Option<Duration>,
    ) -> Result<(), Error> {
        let (answer, answered) = oneshot::channel();
        let lost = || Error::connection_lost("transfer_ownership");
        taker.send(Self { task, id: id.to_owned(), socket, context, keep_alive, answer }).map_err(|_| lost())?;
        answered.await.map_err(|_| lost())?
    }
}
