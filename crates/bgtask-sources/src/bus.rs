//! A message bus: kept connected, heard as edges, asked for levels.
//!
//! Of a level's signals none is ever read. Each only moves a [`watch`] channel on, so a flood of them becomes one re-read,
//! and the socket is always drained. Who listens to events hears them by an [`ear::Ear`].

mod connector;
pub(crate) mod ear;

use std::collections::HashMap;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::{JoinHandle, yield_now};
use tokio::time::{Instant, sleep_until, timeout};
use zbus::proxy::{CacheProperties, MethodFlags};
use zbus::wire::{DynamicDeserialize, DynamicType, OwnedObjectPath, OwnedVariant};
use zbus::{Connection, Message, Proxy, fdo};

pub(crate) use crate::bus::connector::Connector;
use crate::bus::ear::Heard;
use crate::world::World;

/// How long a service may take to answer before it counts as hung.
pub(crate) const CALL_TIMEOUT: Duration = Duration::from_secs(3);
/// How long after a call failed although its service is there, it is tried again without any edge.
pub(crate) const CALL_RETRY: Duration = Duration::from_secs(60);

/// When a service is asked again that does not answer.
#[derive(Default, Debug)]
pub(crate) struct Retry(Option<Instant>);

impl Retry {
    /// What an answer means for that.
    pub(crate) fn after<T>(&mut self, answer: &Result<T, CallError>) {
        self.0 = matches!(answer, Err(CallError::Failed(_))).then(|| Instant::now() + CALL_RETRY);
    }

    /// Whether the last answer was none.
    pub(crate) fn is_pending(&self) -> bool {
        self.0.is_some()
    }

    /// Waits until it is time; for ever where nothing failed. Cancel safe.
    pub(crate) async fn due(&self) {
        match self.0 {
            Some(moment) => sleep_until(moment).await,
            None => std::future::pending().await,
        }
    }
}

/// D-Bus match rules of the signals a source wants to hear.
///
/// A sender in a rule is a well-known name: the bus matches it for whoever owns it, now and later, and starts nothing.
pub(crate) type Rules = &'static [&'static str];

/// Which of the two message buses.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum BusKind {
    /// The machine's.
    System,
    /// The user's.
    Session,
}

impl BusKind {
    /// What people call it: "system bus".
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::System => "system bus",
            Self::Session => "session bus",
        }
    }
}

/// A source's view of a bus.
#[derive(Debug)]
pub(crate) struct Bus {
    link: watch::Receiver<Link>,
    keeper: JoinHandle<()>,
}

/// Whether the bus is there.
#[derive(Clone, Debug)]
pub(crate) enum Link {
    Connecting,
    Absent,
    Up(Connection),
}

impl Link {
    /// The connection; without one, no service runs as far as anybody here can tell.
    pub(crate) fn connection(&self) -> Result<&Connection, CallError> {
        match self {
            Self::Up(connection) => Ok(connection),
            Self::Connecting | Self::Absent => Err(CallError::NoService),
        }
    }
}

impl Bus {
    /// Connects to the system bus, and connects again whenever needed, hearing the signals that match any of `rules`.
    pub(crate) fn open(world: &World, rules: &[&str]) -> Self {
        Self::open_on(BusKind::System, world, rules.iter().map(|rule| (*rule).to_owned()).collect())
    }

    /// The same on any bus.
    pub(crate) fn open_on(bus: BusKind, world: &World, rules: Vec<String>) -> Self {
        Self::open_where(bus, world, rules, |_| true)
    }

    /// The same for who hears other signals on the connection, too: an edge is only what `matters`.
    pub(crate) fn open_where(bus: BusKind, world: &World, rules: Vec<String>, matters: fn(&Message) -> bool) -> Self {
        let (sender, link) = watch::channel(Link::Connecting);
        Self { link, keeper: tokio::spawn(keep(Connector::new(bus, world), rules, matters, sender)) }
    }

    /// The link as it is now; at the very start, as it is after the first attempt to connect. Every later edge ends
    /// [`Self::edge`].
    pub(crate) async fn link(&mut self) -> Link {
        // An error means the keeper is gone, which happens only when the runtime ends.
        let _ = self.link.wait_for(|link| !matches!(link, Link::Connecting)).await;
        self.link.borrow_and_update().clone()
    }

    /// Waits until the bus came, went or sent a signal since the last [`Self::link`]. Cancel safe.
    pub(crate) async fn edge(&mut self) {
        if self.link.changed().await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}

impl Drop for Bus {
    fn drop(&mut self) {
        self.keeper.abort();
    }
}

/// One object of a service on the bus.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Object<'a> {
    pub(crate) service: &'a str,
    pub(crate) path: &'a str,
    pub(crate) interface: &'a str,
}

/// Why a service gave no answer that can be used.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub(crate) enum CallError {
    /// The service does not run, or the bus is gone. Its return is an edge.
    #[error("it is not running")]
    NoService,
    /// The service runs, but the object was not found: it went away between two calls.
    #[error("it does not know the object that was asked for")]
    NoObject,
    /// The service is there and did not answer. Worth another try after [`CALL_RETRY`].
    #[error("it does not answer: {0}")]
    Failed(String),
    /// It answered something that means nothing here. Only an edge can change that.
    #[error("{0}")]
    Nonsense(String),
}

impl CallError {
    /// Whether the service is there and does not want to.
    pub(crate) fn is_denial(&self) -> bool {
        matches!(self, Self::Failed(why) if why.contains("AccessDenied") || why.contains("NotAuthorized"))
    }
}

impl Object<'_> {
    /// All properties, in one consistent reading.
    pub(crate) async fn properties(&self, connection: &Connection) -> Result<Properties, CallError> {
        let interface = "org.freedesktop.DBus.Properties";
        let all = Object { interface, ..*self }.call(connection, "GetAll", Some(self.interface)).await?;
        Ok(Properties(all))
    }

    /// All objects below this one.
    pub(crate) async fn objects(&self, connection: &Connection) -> Result<Objects, CallError> {
        let interface = "org.freedesktop.DBus.ObjectManager";
        Object { interface, ..*self }.call(connection, "GetManagedObjects", None).await
    }

    /// Calls `method` with one string or nothing as argument. Never starts the service for it.
    pub(crate) async fn call<R>(
        &self,
        connection: &Connection,
        method: &'static str,
        argument: Option<&str>,
    ) -> Result<R, CallError>
    where
        R: for<'d> DynamicDeserialize<'d>,
    {
        match argument {
            Some(argument) => self.call_with(connection, method, &(argument,)).await,
            None => self.call_with(connection, method, &()).await,
        }
    }

    /// Calls `method` with any arguments, a tuple. Never starts the service for it.
    pub(crate) async fn call_with<B, R>(
        &self,
        connection: &Connection,
        method: &'static str,
        arguments: &B,
    ) -> Result<R, CallError>
    where
        B: serde::Serialize + DynamicType,
        R: for<'d> DynamicDeserialize<'d>,
    {
        self.call_within(CALL_TIMEOUT, connection, method, arguments).await
    }

    /// The same, with another patience: for what a person has to be asked first.
    pub(crate) async fn call_within<B, R>(
        &self,
        patience: Duration,
        connection: &Connection,
        method: &'static str,
        arguments: &B,
    ) -> Result<R, CallError>
    where
        B: serde::Serialize + DynamicType,
        R: for<'d> DynamicDeserialize<'d>,
    {
        let call = async {
            let proxy: Proxy<'_> = zbus::proxy::Builder::new(connection)
                .destination(self.service)
                .path(self.path)
                .interface(self.interface)
                .cache_properties(CacheProperties::No)
                .build()
                .await?;
            proxy.call_with_flags(method, MethodFlags::NO_AUTO_START, arguments).await
        };
        // The connection's own method timeout does not cover calls with flags.
        match timeout(patience, call).await {
            Ok(Ok(Some(reply))) => Ok(reply),
            Ok(Ok(None)) => Err(CallError::Nonsense(format!("{method} sent no reply"))),
            Ok(Err(error)) => Err(classify(method, &error)),
            Err(_) => Err(CallError::Failed(format!("{method} took more than {} s", patience.as_secs()))),
        }
    }
}

fn classify(method: &str, error: &zbus::Error) -> CallError {
    match error {
        zbus::Error::FDO(error) => match **error {
            // The last is what the bus answers for a service that went away meanwhile.
            fdo::Error::ServiceUnknown(_) | fdo::Error::NameHasNoOwner(_) | fdo::Error::NoReply(_) => {
                CallError::NoService
            }
            fdo::Error::UnknownObject(_) | fdo::Error::UnknownInterface(_) | fdo::Error::UnknownMethod(_) => {
                CallError::NoObject
            }
            ref other => CallError::Failed(format!("{method} failed: {other}")),
        },
        zbus::Error::InputOutput(_) => CallError::NoService,
        zbus::Error::MethodError(name, ..) if name.ends_with(".NoSuchUnit") => CallError::NoObject,
        zbus::Error::MethodError(name, why, _) => {
            CallError::Failed(format!("{method} failed: {name} {}", why.as_deref().unwrap_or_default()))
        }
        other => CallError::Nonsense(format!("{method} answered what cannot be read: {other}")),
    }
}

/// The properties of an object, read with their types checked.
#[derive(Debug, serde::Deserialize, zbus::wire::Type)]
pub(crate) struct Properties(HashMap<String, OwnedVariant>);

/// The interfaces of an object.
pub(crate) type Interfaces = HashMap<String, Properties>;
/// The objects of a service that has an `ObjectManager`.
pub(crate) type Objects = HashMap<OwnedObjectPath, Interfaces>;

impl Properties {
    /// The interface and what it says of its properties, of a signal `PropertiesChanged`.
    pub(crate) fn changed(signal: &Message) -> Option<(String, Self)> {
        let body = signal.body();
        let (interface, changed, _): (String, HashMap<String, OwnedVariant>, Vec<String>) = body.deserialize().ok()?;
        Some((interface, Self(changed)))
    }

    /// Properties that a signal or a list of objects brought.
    pub(crate) fn of(properties: HashMap<String, OwnedVariant>) -> Self {
        Self(properties)
    }

    pub(crate) fn is_without(&self, name: &str) -> bool {
        !self.0.contains_key(name)
    }

    /// The property, or `None` where this version of the service has none of that name.
    pub(crate) fn get<T>(&self, name: &str) -> Result<Option<T>, CallError>
    where
        T: TryFrom<OwnedVariant>,
    {
        let Some(value) = self.0.get(name) else { return Ok(None) };
        let read = value.try_clone().ok().and_then(|value| T::try_from(value).ok());
        read.map(Some).ok_or_else(|| {
            let signature = value.value_signature();
            CallError::Nonsense(format!("its property {name} has the type '{signature}', which it never should"))
        })
    }

    /// The property, which every version of the service has.
    pub(crate) fn require<T>(&self, name: &str) -> Result<T, CallError>
    where
        T: TryFrom<OwnedVariant>,
    {
        self.get(name)?.ok_or_else(|| CallError::Nonsense(format!("it has no property {name}")))
    }
}

/// Keeps one connection, and moves `link` on at every edge.
async fn keep(mut connector: Connector, rules: Vec<String>, matters: fn(&Message) -> bool, link: watch::Sender<Link>) {
    loop {
        let mut ear = connector.connect(&rules, || set_absent(&link)).await;
        link.send_replace(Link::Up(ear.connection().clone()));
        while let Some(heard) = ear.next().await {
            if !matches!(&heard, Heard::Signal(signal) if !matters(signal)) {
                link.send_modify(|_| {});
            }
            // A flood must not keep the rest of a single-threaded runtime waiting.
            yield_now().await;
        }
        tracing::debug!("bus lost");
        set_absent(&link);
    }
}

fn set_absent(link: &watch::Sender<Link>) {
    link.send_if_modified(|link| match link {
        Link::Absent => false,
        Link::Connecting | Link::Up(_) => {
            *link = Link::Absent;
            true
        }
    });
}
