//! A distributor of UnifiedPush, as its authors would write one: it knows the specification, and nothing of the connector.

use std::collections::HashMap;
use std::time::Duration;

use futures_util::StreamExt as _;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use zbus::export::serde::Serialize;
use zbus::message::Type;
use zbus::wire::{OwnedVariant, Variant};
use zbus::{Connection, Message as Call, MessageStream};

/// Where the connector is.
const CONNECTOR: &str = "org.bgtask.Push";
const CONNECTOR_PATH: &str = "/org/unifiedpush/Connector";

/// Whoever waits longer than that waits in vain, on any machine.
const PATIENCE: Duration = Duration::from_secs(60);

async fn soon<T>(what: &str, future: impl Future<Output = T>) -> T {
    timeout(PATIENCE, future).await.unwrap_or_else(|_| panic!("in vain: {what}"))
}

/// How a distributor behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Manner {
    /// As the specification has it.
    Second,
    /// As its first version had it.
    First,
    /// It refuses everybody, for that reason.
    Refuses(&'static str),
}

/// What it was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Asked {
    Register(String),
    Unregister(String),
}

pub(crate) struct Distributor {
    connection: Connection,
    asked: mpsc::UnboundedReceiver<Asked>,
    task: JoinHandle<()>,
    manner: Manner,
}

impl Distributor {
    pub(crate) async fn start(address: &str, name: &str, manner: Manner) -> Self {
        let calls = zbus::connection::Builder::address(address).build_message_stream();
        let calls = soon("a connection", calls).await.unwrap();
        let connection = Connection::from(&calls);
        let (sender, asked) = mpsc::unbounded_channel();
        let task = tokio::spawn(serve(connection.clone(), calls, manner, sender));
        soon("its name", connection.request_name(name)).await.unwrap();
        Self { connection, asked, task, manner }
    }

    pub(crate) async fn asked(&mut self) -> Asked {
        soon("the distributor is asked", self.asked.recv()).await.expect("it runs")
    }

    /// The token of the channel that is registered next.
    pub(crate) async fn registers(&mut self) -> String {
        match self.asked().await {
            Asked::Register(token) => token,
            other => panic!("{other:?}"),
        }
    }

    /// Sends a message; the answer comes when it is acknowledged.
    pub(crate) fn sends(&self, token: &str, payload: &str, id: &str) -> JoinHandle<zbus::Result<Call>> {
        let (connection, manner) = (self.connection.clone(), self.manner);
        let [token, payload, id] = [token, payload, id].map(str::to_owned);
        tokio::spawn(async move {
            if manner == Manner::First {
                return say(&connection, 1, "Message", &(token, payload.into_bytes(), id)).await;
            }
            let (token, payload, id) = (token.as_str(), payload.as_bytes().to_vec(), id.as_str());
            let said =
                [("token", Variant::from(token)), ("message", Variant::from(payload)), ("id", Variant::from(id))];
            say(&connection, 2, "Message", &HashMap::from(said)).await
        })
    }

    pub(crate) async fn gives_up(&self, token: &str) {
        say(&self.connection, 2, "Unregistered", &HashMap::from([("token", Variant::from(token))])).await.unwrap();
    }

    pub(crate) async fn stop(self) {
        self.task.abort();
        self.connection.close().await.unwrap();
    }
}

async fn say<B>(connection: &Connection, version: u8, method: &str, body: &B) -> zbus::Result<Call>
where
    B: Serialize + zbus::DynamicType,
{
    let interface = format!("org.unifiedpush.Connector{version}");
    connection.call_method(Some(CONNECTOR), CONNECTOR_PATH, Some(interface.as_str()), method, body).await
}

/// Answers what a distributor is asked, and tells an address for each token.
async fn serve(connection: Connection, mut calls: MessageStream, manner: Manner, asked: mpsc::UnboundedSender<Asked>) {
    while let Some(Ok(call)) = calls.next().await {
        let header = call.header();
        let (Some(interface), Some(member)) = (header.interface(), header.member()) else { continue };
        if call.message_type() != Type::MethodCall || !interface.starts_with("org.unifiedpush.Distributor") {
            continue;
        }
        let first = interface.ends_with('1');
        if first != (manner == Manner::First) {
            connection.reply_error(&header, "org.freedesktop.DBus.Error.UnknownMethod", &"no").await.unwrap();
            continue;
        }
        let token = match (first, member.as_str()) {
            (true, "Register") => call.body().deserialize::<(String, String, String)>().unwrap().1,
            (true, _) => call.body().deserialize().unwrap(),
            (false, _) => {
                let mut said: HashMap<String, OwnedVariant> = call.body().deserialize().unwrap();
                String::try_from(said.remove("token").unwrap()).unwrap()
            }
        };
        if member == "Unregister" {
            let empty = HashMap::<&str, Variant<'_>>::new();
            if first {
                connection.reply(&header, &()).await.unwrap();
            } else {
                connection.reply(&header, &empty).await.unwrap();
            }
            asked.send(Asked::Unregister(token)).unwrap();
            continue;
        }
        let endpoint = format!("https://push.example.org/{token}");
        match manner {
            Manner::Refuses(reason) => {
                let said = [("success", Variant::from("REGISTRATION_FAILED")), ("reason", Variant::from(reason))];
                connection.reply(&header, &HashMap::from(said)).await.unwrap();
            }
            Manner::First => {
                connection.reply(&header, &("REGISTRATION_SUCCEEDED", "")).await.unwrap();
                let (connection, token) = (connection.clone(), token.clone());
                tokio::spawn(async move { say(&connection, 1, "NewEndpoint", &(token, endpoint)).await });
            }
            Manner::Second => {
                let said = HashMap::from([("success", Variant::from("REGISTRATION_SUCCEEDED"))]);
                connection.reply(&header, &said).await.unwrap();
                let (connection, token) = (connection.clone(), token.clone());
                tokio::spawn(async move {
                    let said = [("token", Variant::from(&token)), ("endpoint", Variant::from(&endpoint))];
                    say(&connection, 2, "NewEndpoint", &HashMap::from(said)).await
                });
            }
        }
        asked.send(Asked::Register(token)).unwrap();
    }
}
