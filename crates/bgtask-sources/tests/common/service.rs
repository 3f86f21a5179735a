//! A service on a bus that answers whatever a test wants, well or not.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use futures_util::StreamExt;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use zbus::fdo::RequestNameFlags;
use zbus::message::{Message, Type};
use zbus::wire::{ObjectPath, OwnedObjectPath, Variant};
use zbus::{Connection, MessageStream};

use super::TestBus;

/// A value on the bus.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Value {
    Bool(bool),
    I32(i32),
    U32(u32),
    U64(u64),
    F64(f64),
    Text(&'static str),
}

/// What the properties of the service's one object are, or what its one method answers.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Answer {
    Properties(&'static [(&'static str, Value)]),
    Method(bool),
}

/// Who a service is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Identity {
    pub(crate) name: &'static str,
    pub(crate) path: &'static str,
    pub(crate) interface: &'static str,
    /// The signal that tells of a change, if it is not `PropertiesChanged`.
    pub(crate) signal: Option<&'static str>,
}

/// How it answers.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Mood {
    Well,
    /// Not until it is well again.
    Hung,
    /// With values of types that it should never have.
    Mad,
}

/// A running service.
pub(crate) struct Service {
    pub(crate) connection: Connection,
    identity: Identity,
    answers: watch::Sender<(Answer, Mood)>,
    asked: Arc<AtomicUsize>,
    task: JoinHandle<()>,
}

impl Service {
    /// Starts one that gives its name to whoever wants it, and waits to have it back.
    pub(crate) async fn start(bus: &TestBus, identity: Identity, answer: Answer) -> Self {
        let connection = bus.connect().await;
        let (answers, current) = watch::channel((answer, Mood::Well));
        let asked = Arc::default();
        let calls = MessageStream::from(&connection);
        let task = tokio::spawn(serve(connection.clone(), calls, current, Arc::clone(&asked)));
        let flags = RequestNameFlags::ALLOW_REPLACEMENT | RequestNameFlags::REPLACE_EXISTING;
        connection.request_name_with_flags(identity.name, flags).await.unwrap();
        Self { connection, identity, answers, asked, task }
    }

    /// Answers so from now on.
    pub(crate) fn set(&self, answer: Answer, mood: Mood) {
        self.answers.send_replace((answer, mood));
    }

    /// How often it was asked anything.
    pub(crate) fn asked(&self) -> usize {
        self.asked.load(Ordering::Relaxed)
    }

    /// Says that something changed.
    pub(crate) async fn signal(&self) {
        let Identity { path, interface, signal, .. } = self.identity;
        let sent = match signal {
            Some(signal) => self.connection.emit_signal(None::<&str>, path, interface, signal, &(true,)).await,
            None => {
                let body = (interface, HashMap::<&str, Variant<'_>>::new(), Vec::<&str>::new());
                let properties = "org.freedesktop.DBus.Properties";
                self.connection.emit_signal(None::<&str>, path, properties, "PropertiesChanged", &body).await
            }
        };
        sent.unwrap();
    }

    /// Ends it, as its process would end.
    pub(crate) async fn stop(self) {
        self.connection.clone().close().await.unwrap();
        self.task.abort();
    }
}

async fn serve(
    connection: Connection,
    mut calls: MessageStream,
    current: watch::Receiver<(Answer, Mood)>,
    asked: Arc<AtomicUsize>,
) {
    while let Some(Ok(call)) = calls.next().await {
        if call.message_type() == Type::MethodCall {
            asked.fetch_add(1, Ordering::Relaxed);
            tokio::spawn(answer(connection.clone(), call, current.clone()));
        }
    }
}

async fn answer(connection: Connection, call: Message, mut current: watch::Receiver<(Answer, Mood)>) {
    let awake = current.wait_for(|(_, mood)| *mood != Mood::Hung).await.map(|current| *current);
    // Whoever asked may be gone, and so may the service.
    let _ = match awake {
        Ok((answer, Mood::Mad)) => go_mad(&connection, &call, answer).await,
        Ok((answer, _)) => reply(&connection, &call, answer).await,
        Err(_) => Ok(()),
    };
}

async fn reply(connection: &Connection, call: &Message, answer: Answer) -> zbus::Result<()> {
    let header = call.header();
    let member = header.member().unwrap().to_string();
    match answer {
        Answer::Method(answer) if member == "GetActive" => connection.reply(&header, &answer).await,
        Answer::Properties(properties) if member == "GetAll" => {
            connection.reply(&header, &properties.iter().copied().map(variant).collect::<HashMap<_, _>>()).await
        }
        _ if member == "ListSessions" => connection.reply(&header, &vec![session_row()]).await,
        _ => connection.reply_error(&header, "org.freedesktop.DBus.Error.UnknownMethod", &"no such method").await,
    }
}

/// Every value is a structure of two texts, and every list is a number.
async fn go_mad(connection: &Connection, call: &Message, answer: Answer) -> zbus::Result<()> {
    let header = call.header();
    match answer {
        Answer::Properties(properties) if header.member().is_some_and(|member| member == "GetAll") => {
            let mad = properties.iter().map(|(name, _)| (*name, Variant::new(("it", "is all the same"))));
            connection.reply(&header, &mad.collect::<HashMap<_, _>>()).await
        }
        _ => connection.reply(&header, &42u64).await,
    }
}

fn variant((name, value): (&'static str, Value)) -> (&'static str, Variant<'static>) {
    let variant = match value {
        Value::Bool(value) => Variant::new(value),
        Value::I32(value) => Variant::new(value),
        Value::U32(value) => Variant::new(value),
        Value::U64(value) => Variant::new(value),
        Value::F64(value) => Variant::new(value),
        Value::Text(value) => Variant::new(value),
    };
    (name, variant)
}

/// Session id, user, user name, seat, object.
fn session_row() -> (&'static str, u32, &'static str, &'static str, OwnedObjectPath) {
    let uid = std::fs::metadata("/proc/self").map(|own| std::os::unix::fs::MetadataExt::uid(&own)).unwrap();
    let path = ObjectPath::try_from("/org/freedesktop/login1/session/c1").unwrap();
    ("c1", uid, "somebody", "seat0", path.into())
}
