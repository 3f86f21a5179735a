//! One end of a connection, as an app or a task holds it.

use std::collections::HashMap;
use std::fmt;
use std::num::NonZeroU32;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use bgtask_wire::{AppServiceCall, PeerSocket, app_service_names};
use tokio::sync::{mpsc, oneshot, watch};
use zbus::Message;

use super::link::{Link, MAX_OUTGOING};
use super::{
    AppServiceClosedStatus, AppServiceConnectionStatus, AppServiceFailure, AppServiceRequest, AppServiceResponseStatus,
    MAX_UNANSWERED_REQUESTS,
};
use crate::host::Cancellation;
use crate::session::Session;
use crate::{Error, ValueSet};

type OpenFailure = AppServiceFailure<AppServiceConnectionStatus>;
type SendFailure = AppServiceFailure<AppServiceResponseStatus>;

/// One end of a connection to an app service. Both ends can ask and answer.
///
/// It closes when it is dropped: the task at the other end is then told to stop. Its methods take `&self`, so it can be shared in
/// an [`Arc`].
pub struct AppServiceConnection {
    shared: Arc<Shared>,
    /// The other end's messages.
    requests: tokio::sync::Mutex<mpsc::Receiver<AppServiceRequest>>,
    /// Tells the broker, by its end, that nobody wants to be served any more.
    _lifeline: Option<OwnedFd>,
    /// Whether the task that has it was told to stop.
    cancellation: Option<Arc<Cancellation>>,
}

/// What a connection and its link have in common.
pub(super) struct Shared {
    pub(super) outgoing: mpsc::Sender<Message>,
    pub(super) waiting: Waiting,
    pub(super) closed: watch::Sender<Option<AppServiceClosedStatus>>,
    /// With what word this end wants to close.
    pub(super) closing: watch::Sender<Option<AppServiceClosedStatus>>,
}

/// The messages of this end that have not been answered.
#[derive(Default)]
pub(super) struct Waiting(Mutex<HashMap<NonZeroU32, oneshot::Sender<Message>>>);

/// Closes a connection whoever still holds it: an activation has ended.
#[derive(Clone, Default)]
pub(crate) struct Hold(Weak<Shared>);

impl AppServiceConnection {
    /// Connects to a service of an app (`OpenAsync`).
    ///
    /// The connection is open before the task runs: what is sent meanwhile waits for it.
    ///
    /// # Errors
    ///
    /// The [status](AppServiceFailure::status) tells why not; [`Unknown`](AppServiceConnectionStatus::Unknown) where the broker
    /// could not be asked, or the app has as many connections as it may.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future gives the connection up.
    pub async fn open(app_id: &str, service: &str) -> Result<Self, OpenFailure> {
        let unknown = |error: Error| OpenFailure::new(AppServiceConnectionStatus::Unknown, error.to_string());
        let (app_id, service) = (app_id.to_owned(), service.to_owned());
        let session = Session::current();
        let opened = session.order("OpenAppService", |broker, app| async move {
            broker.open_app_service(&app, &app_id, &service).await
        });
        let (status, why, ends) = opened.await.map_err(unknown)?;
        let status = AppServiceConnectionStatus::from_number(status).unwrap_or(AppServiceConnectionStatus::Unknown);
        if status != AppServiceConnectionStatus::Success {
            return Err(OpenFailure::new(status, why));
        }
        let mut ends = ends.into_iter().map(OwnedFd::from);
        match (ends.next(), ends.next()) {
            (Some(connection), Some(lifeline)) => Self::over(connection.into(), Some(lifeline)).map_err(unknown),
            _ => Err(unknown(Error::protocol("the broker answers without a connection"))),
        }
    }

    /// Takes a stream that is connected to another end; to be called within a runtime.
    pub(crate) fn over(stream: UnixStream, lifeline: Option<OwnedFd>) -> Result<Self, Error> {
        if tokio::runtime::Handle::try_current().is_err() {
            return Err(Error::invalid("an app service is used within a tokio runtime, with I/O and time enabled"));
        }
        let socket = PeerSocket::new(stream).map_err(|error| Error::channel(&error))?;
        let (outgoing, letters) = mpsc::channel(MAX_OUTGOING);
        let (incoming, requests) = mpsc::channel(MAX_UNANSWERED_REQUESTS);
        let shared = Arc::new(Shared {
            outgoing,
            waiting: Waiting::default(),
            closed: watch::Sender::new(None),
            closing: watch::Sender::new(None),
        });
        tokio::spawn(Link::new(&shared, letters, incoming).run(socket));
        Ok(Self { shared, requests: tokio::sync::Mutex::new(requests), _lifeline: lifeline, cancellation: None })
    }

    /// The end of a task.
    pub(crate) fn of_task(stream: UnixStream, cancellation: Arc<Cancellation>) -> Result<Self, Error> {
        let mut connection = Self::over(stream, None)?;
        connection.cancellation = Some(cancellation);
        Ok(connection)
    }

    /// Sends a message and waits for its answer (`SendMessageAsync`), for as long as the connection lasts.
    ///
    /// Several may be under way at the same time; the other end takes them in the order in which they were sent.
    ///
    /// # Errors
    ///
    /// The [status](AppServiceFailure::status) tells why there is no answer.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future may or may not have sent the message; its answer is then dropped.
    pub async fn send_message(&self, message: &ValueSet) -> Result<ValueSet, SendFailure> {
        let call = written(message, |body| {
            use app_service_names::{INTERFACE, PATH};
            Message::method_call(PATH, "Request").interface(INTERFACE).build(body)
        })?;
        let (answered, answer) = oneshot::channel();
        let serial = call.primary_header().serial_num();
        let _forgotten = self.shared.waiting.enter(serial, answered);
        if self.shared.outgoing.send(call).await.is_err() {
            return Err(self.gone());
        }
        let Ok(answer) = answer.await else { return Err(self.gone()) };
        super::request::read_answer(&answer)
    }

    /// The next message of the other end (`RequestReceived`); `None` once the connection is closed and none is left, and for a task
    /// that was told to stop.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses nothing.
    pub async fn next_request(&self) -> Option<AppServiceRequest> {
        let next = async { self.requests.lock().await.recv().await };
        match &self.cancellation {
            None => next.await,
            Some(cancellation) => tokio::select! {
                biased;
                _ = cancellation.cancelled() => None,
                next = next => next,
            },
        }
    }

    /// Waits until the connection is closed, and says why (`ServiceClosed`).
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses nothing.
    pub async fn closed(&self) -> AppServiceClosedStatus {
        let mut closed = self.shared.closed.subscribe();
        let status = closed.wait_for(Option::is_some).await.ok().and_then(|status| *status);
        status.unwrap_or(AppServiceClosedStatus::Unknown)
    }

    /// Closes the connection once what was sent is on its way. Dropping it does the same without waiting.
    pub async fn close(self) {
        self.hold().close(self.farewell()).await;
    }

    pub(crate) fn hold(&self) -> Hold {
        Hold(Arc::downgrade(&self.shared))
    }

    fn farewell(&self) -> AppServiceClosedStatus {
        let cancelled = self.cancellation.as_ref().and_then(|cancellation| cancellation.reason());
        AppServiceClosedStatus::at_end(cancelled, true)
    }

    fn gone(&self) -> SendFailure {
        let why = match *self.shared.closed.borrow() {
            Some(status) => format!("the connection is closed ({status})"),
            None => "the connection ended".to_owned(),
        };
        SendFailure::new(AppServiceResponseStatus::Unknown, why)
    }
}

impl Drop for AppServiceConnection {
    fn drop(&mut self) {
        self.shared.ask_to_close(self.farewell());
    }
}

impl Shared {
    /// The first word stands.
    fn ask_to_close(&self, status: AppServiceClosedStatus) {
        self.closing.send_if_modified(|closing| closing.is_none() && closing.replace(status).is_none());
    }
}

impl Hold {
    /// Closes the connection, and waits until what was sent is on its way or nobody takes it.
    pub(crate) async fn close(&self, status: AppServiceClosedStatus) {
        let Some(shared) = self.0.upgrade() else { return };
        shared.ask_to_close(status);
        let mut closed = shared.closed.subscribe();
        drop(closed.wait_for(Option::is_some).await);
    }
}

impl Waiting {
    /// Waits for the answer to a message, until what is returned is dropped.
    fn enter(&self, serial: NonZeroU32, answered: oneshot::Sender<Message>) -> Entered<'_> {
        self.lock().insert(serial, answered);
        Entered(self, serial)
    }

    pub(super) fn answered(&self, answer: &Message) {
        let serial = answer.header().reply_serial();
        if let Some(waiting) = serial.and_then(|serial| self.lock().remove(&serial)) {
            let _not_wanted_any_more = waiting.send(answer.clone());
        }
    }

    /// Nobody answers any more.
    pub(super) fn give_up(&self) {
        self.lock().clear();
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<NonZeroU32, oneshot::Sender<Message>>> {
        // No code of others runs while it is locked, and every state is valid.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A place among those that wait, given back whatever becomes of the wait.
struct Entered<'a>(&'a Waiting, NonZeroU32);

impl Drop for Entered<'_> {
    fn drop(&mut self) {
        self.0.lock().remove(&self.1);
    }
}

/// A set as the body of a message.
pub(super) fn written(
    set: &ValueSet,
    message: impl FnOnce(&HashMap<&str, zbus::OwnedVariant>) -> zbus::Result<Message>,
) -> Result<Message, SendFailure> {
    let failure = |error: Error| {
        let large = error.is_limit_reached();
        let status =
            if large { AppServiceResponseStatus::MessageSizeTooLarge } else { AppServiceResponseStatus::Failure };
        SendFailure::new(status, error.to_string())
    };
    let body = set.to_wire().map_err(failure)?;
    message(&body).map_err(|error| SendFailure::new(AppServiceResponseStatus::Failure, error.to_string()))
}

/// The last word of an end.
pub(super) fn farewell(status: AppServiceClosedStatus) -> zbus::Result<Message> {
    AppServiceCall::Closed(status.number()).message()
}

impl fmt::Debug for AppServiceConnection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AppServiceConnection").field("closed", &*self.shared.closed.borrow()).finish_non_exhaustive()
    }
}
