//! The connection to the broker: made, attached, kept, made again.

use std::fmt::Display;
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use bgtask_wire::{Address, AttachInfo, AttachOptions, BrokerProxy, ErrorKind, PeerSocket};
use futures_util::StreamExt;
use tokio::sync::{Mutex, Notify, mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::timeout;
use zbus::connection::Builder;
use zbus::message::Type;
use zbus::proxy::CacheProperties;
use zbus::{Message, MessageStream};

use super::activate::{MAX_WAITING_CALLS, activate};
use super::channels::Channels;
use super::dispatch::dispatch;
use super::{BROKER_WAIT, Broker, Events};
use crate::Error;
use crate::host::{Activated, Entries};

/// The pause after the first failed attempt to connect; each further one is twice as long, up to [`LAST_PAUSE`].
pub(super) const FIRST_PAUSE: Duration = Duration::from_millis(50);
/// The longest pause between two attempts. A call that needs the broker cuts it short.
pub(super) const LAST_PAUSE: Duration = Duration::from_secs(30);

/// Whom to be, and where.
#[derive(Clone)]
pub(super) struct Target {
    pub(super) app: Arc<str>,
    pub(super) address: Option<Address>,
}

/// The session's side of a link.
pub(super) struct App {
    pub(super) target: Target,
    pub(super) events: Arc<Events>,
    pub(super) activated: Arc<Activated>,
    pub(super) activates: watch::Receiver<bool>,
    pub(super) activating: Arc<Mutex<()>>,
    pub(super) channels: Arc<Channels>,
}

#[derive(Clone, Debug)]
pub(super) enum Link {
    /// There is no broker now, for that reason if it was looked for.
    Away(Option<Error>),
    /// There is one, and it knows the app.
    Up(Up),
    /// There is one, and it does not want to act for the app. The next call tries again.
    Refused(Error),
}

#[derive(Clone, Debug)]
pub(super) struct Up {
    pub(super) broker: Broker,
    pub(super) info: AttachInfo,
}

impl Target {
    fn address(&self) -> Result<Address, Error> {
        if let Some(address) = &self.address {
            return Ok(address.clone());
        }
        Address::from_environment(rustix::process::geteuid().as_raw())
            .map_err(|error| Error::invalid(error.to_string()))
    }

    fn refused(&self, error: bgtask_wire::Error) -> Error {
        // The broker asks for an app id; the author of the app needs to know why it is not recognized.
        match error.kind {
            ErrorKind::UnknownApp if self.app.is_empty() => Error::unrecognized(),
            _ => error.into(),
        }
    }

    pub(super) fn absent(&self, problem: impl Display) -> Error {
        match self.address() {
            Ok(address) => Error::no_broker(address.path(), problem),
            Err(error) => error,
        }
    }
}

/// Why there is no link.
enum Failure {
    Absent(Error),
    Refused(Error),
}

/// Keeps the link until it is refused. Sleeps while the broker is away, ever longer, unless it is wanted.
pub(super) async fn run(mut app: App, link: watch::Sender<Link>, wanted: Arc<Notify>) {
    let mut pause = FIRST_PAUSE;
    loop {
        match attach_and_hear(&mut app, &link).await {
            Ok(()) => {
                pause = FIRST_PAUSE;
                link.send_replace(Link::Away(None));
            }
            Err(Failure::Absent(error)) => drop(link.send_replace(Link::Away(Some(error)))),
            Err(Failure::Refused(error)) => {
                link.send_replace(Link::Refused(error));
                return;
            }
        }
        tokio::select! {
            () = tokio::time::sleep(pause) => pause = (pause * 2).min(LAST_PAUSE),
            () = wanted.notified() => pause = FIRST_PAUSE,
        }
    }
}

/// Connects, attaches, and hears until the connection ends.
async fn attach_and_hear(app: &mut App, link: &watch::Sender<Link>) -> Result<(), Failure> {
    let target = &app.target;
    let absent = |problem: &dyn Display| Failure::Absent(target.absent(problem));
    let address = target.address().map_err(Failure::Refused)?;
    let connected = timeout(BROKER_WAIT, connect(address.path())).await;
    let connected = connected.map_err(|_| absent(&"it does not answer"))?;
    let (broker, messages) = connected.map_err(|error| match error {
        zbus::Error::InputOutput(error) => absent(&error),
        error => absent(&error),
    })?;

    // Hears while it attaches: what was missed comes before the answer, and may be more than the connection buffers.
    let (calls, called) = mpsc::channel(MAX_WAITING_CALLS);
    let mut hearing = std::pin::pin!(hear(&app.events, messages, calls));
    let activates = *app.activates.borrow_and_update();
    let info = attach(target, &broker, activates, &mut hearing).await?;

    let mut dispatcher = JoinSet::new();
    dispatcher.spawn(dispatch(Arc::clone(&app.events), broker.clone(), Arc::clone(&target.app)));
    // Not in that set: what runs has to end well when the link is gone.
    let (entries, connection) = (Entries::of(&app.activated), broker.inner().connection().clone());
    tokio::spawn(activate(Arc::clone(&app.activating), entries, info.data_dir.clone(), called, connection));
    link.send_replace(Link::Up(Up { broker: broker.clone(), info }));
    let mut announcing = std::pin::pin!(app.channels.announce(&broker, &target.app));
    tokio::select! {
        () = &mut announcing => {}
        () = &mut hearing => {
            app.events.disconnected();
            return Ok(());
        }
    }
    let ended = loop {
        tokio::select! {
            () = &mut hearing => break Ok(()),
            Ok(()) = app.activates.changed() => {
                let activates = *app.activates.borrow_and_update();
                if let Err(failure) = attach(target, &broker, activates, &mut hearing).await {
                    break Err(failure);
                }
            }
        }
    };
    app.events.disconnected();
    ended
}

/// Attaches, also a second time: then to tell that the broker may activate the app here.
async fn attach(
    target: &Target,
    broker: &Broker,
    activates: bool,
    hearing: &mut Pin<&mut impl Future<Output = ()>>,
) -> Result<AttachInfo, Failure> {
    let absent = |problem: &dyn Display| Failure::Absent(target.absent(problem));
    let options = AttachOptions { activates: Some(activates) };
    let attached = tokio::select! {
        attached = timeout(BROKER_WAIT, broker.attach(&target.app, options)) => attached,
        () = hearing => return Err(absent(&"it hung up")),
    };
    match attached {
        Ok(Ok(info)) => Ok(info),
        Ok(Err(zbus::Error::InputOutput(error))) => Err(absent(&error)),
        Ok(Err(error)) => Err(Failure::Refused(target.refused(error.into()))),
        Err(_) => Err(absent(&"it does not answer")),
    }
}

async fn connect(socket: &Path) -> zbus::Result<(Broker, MessageStream)> {
    let messages = Builder::socket(PeerSocket::connect(socket).await?).p2p().build_message_stream().await?;
    let connection = zbus::Connection::from(&messages);
    let broker = BrokerProxy::builder(&connection).cache_properties(CacheProperties::No).build().await?;
    Ok((broker, messages))
}

async fn hear(events: &Events, mut messages: MessageStream, calls: mpsc::Sender<Message>) {
    while let Some(Ok(message)) = messages.next().await {
        match message.message_type() {
            // It is for whoever serves the link; nobody does any more when its runtime ends.
            Type::MethodCall => drop(calls.send(message).await),
            _ => events.hear(&message),
        }
    }
}
