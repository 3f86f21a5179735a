//! The work of a connection: what comes is told apart, what goes is written, until one of the ends closes it.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use bgtask_wire::{AppServiceCall, Error, ErrorKind, PeerSocket};
use tokio::sync::{mpsc, watch};
use tokio::time::timeout;
use zbus::Message;
use zbus::connection::socket::{ReadHalf, Socket as _, WriteHalf};
use zbus::message::Type as MessageType;

use super::connection::{Shared, farewell};
use super::{AppServiceClosedStatus as Closed, AppServiceRequest};
use crate::ValueSet;

/// How many messages may wait to be written besides answers; who sends more waits.
pub(super) const MAX_OUTGOING: usize = 64;

/// How long an end that closes waits for the other to take what was sent.
const FAREWELL: Duration = Duration::from_secs(1);

pub(super) struct Link {
    shared: Arc<Shared>,
    closing: watch::Receiver<Option<Closed>>,
    letters: mpsc::Receiver<Message>,
    incoming: mpsc::Sender<AppServiceRequest>,
    answers: (mpsc::Sender<Message>, mpsc::Receiver<Message>),
}

impl Link {
    pub(super) fn new(
        shared: &Arc<Shared>,
        letters: mpsc::Receiver<Message>,
        incoming: mpsc::Sender<AppServiceRequest>,
    ) -> Self {
        Self {
            shared: Arc::clone(shared),
            closing: shared.closing.subscribe(),
            letters,
            incoming,
            // Each request that is taken has a place here for its answer: who answers never waits.
            answers: mpsc::channel(super::MAX_UNANSWERED_REQUESTS),
        }
    }

    pub(super) async fn run(self, socket: PeerSocket) {
        let Self { shared, mut closing, mut letters, incoming, answers: (answer, mut answers) } = self;
        let (read, mut write) = socket.split().take();
        let ended = {
            let mut heard = pin!(hear(read, &shared, incoming, answer));
            let mut written = pin!(write_all(&mut write, &mut letters, &mut answers));
            tokio::select! {
                status = &mut heard => Err(status),
                () = &mut written => Err(Closed::Unknown),
                Ok(status) = closing.wait_for(Option::is_some) => Ok(status.unwrap_or(Closed::Completed)),
            }
        };
        let status = match ended {
            Ok(own) => {
                let _in_time = timeout(FAREWELL, part(&mut write, &mut letters, &mut answers, own)).await;
                own
            }
            Err(theirs) => theirs,
        };
        let _closed_already = write.close().await;
        // In this order: who sends from now on finds it closed, and who waits hears it.
        letters.close();
        shared.closed.send_replace(Some(status));
        shared.waiting.give_up();
    }
}

/// Hears until the other end closes, or is gone.
async fn hear(
    mut read: impl ReadHalf,
    shared: &Shared,
    incoming: mpsc::Sender<AppServiceRequest>,
    answer: mpsc::Sender<Message>,
) -> Closed {
    let mut sequence = 0;
    loop {
        let Ok(message) = read.receive_message(sequence, &mut Vec::new(), &mut Vec::new()).await else {
            return Closed::Unknown;
        };
        sequence += 1;
        if matches!(message.message_type(), MessageType::MethodReturn | MessageType::Error) {
            shared.waiting.answered(&message);
            continue;
        }
        let refused = match AppServiceCall::read(&message) {
            Ok(Some(AppServiceCall::Closed(status))) => return Closed::from_number(status).unwrap_or(Closed::Unknown),
            Ok(Some(AppServiceCall::Request(body))) => {
                let set = ValueSet::from_wire(&body).map_err(|found| Error::new(ErrorKind::InvalidArgument, found));
                set.and_then(|set| take_in(&message, set, &incoming, &answer)).err()
            }
            Ok(None) => None,
            Err(error) => Some(error),
        };
        // While nobody takes the refusals, nothing more is heard.
        if let Some(refusal) = refused.and_then(|error| error.reply(&message.header()).ok()) {
            let _ended = shared.outgoing.send(refusal).await;
        }
    }
}

/// A request with a place for its answer, where there is one left.
fn take_in(
    call: &Message,
    set: ValueSet,
    incoming: &mpsc::Sender<AppServiceRequest>,
    answer: &mpsc::Sender<Message>,
) -> Result<(), Error> {
    let full = || {
        let most = super::MAX_UNANSWERED_REQUESTS;
        Error::new(
            ErrorKind::LimitReached,
            format!("{most} messages wait for an answer already: wait for some of them"),
        )
    };
    let place = answer.clone().try_reserve_owned().map_err(|_| full())?;
    incoming.try_send(AppServiceRequest::new(set, call.clone(), place)).map_err(|_| full())
}

async fn write_all(
    write: &mut impl WriteHalf,
    letters: &mut mpsc::Receiver<Message>,
    answers: &mut mpsc::Receiver<Message>,
) {
    loop {
        let message = tokio::select! {
            Some(message) = answers.recv() => message,
            Some(message) = letters.recv() => message,
            else => return,
        };
        if write.send_message(&message).await.is_err() {
            return;
        }
    }
}

/// Sends what waits to be sent, and the last word.
async fn part(
    write: &mut impl WriteHalf,
    letters: &mut mpsc::Receiver<Message>,
    answers: &mut mpsc::Receiver<Message>,
    status: Closed,
) -> zbus::Result<()> {
    while let Ok(message) = answers.try_recv().or_else(|_| letters.try_recv()) {
        write.send_message(&message).await?;
    }
    write.send_message(&farewell(status)?).await
}
