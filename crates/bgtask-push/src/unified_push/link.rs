//! The connector's seat on the session bus.

use std::time::Duration;

use tokio::time::timeout;
use zbus::fdo::{DBusProxy, RequestNameFlags, RequestNameReply};
use zbus::message::Type;
use zbus::{Connection, MatchRule, Message as Call, MessageStream};

use super::{DISTRIBUTOR_PREFIX, SERVICE};

/// How long the bus may take to let the connector in.
const PATIENCE: Duration = Duration::from_secs(20);

/// What a connector has while it is connected.
pub(super) struct Link {
    pub(super) connection: Connection,
    /// Whom channels are registered with, as far as that is known.
    pub(super) distributor: Option<Chosen>,
}

/// A distributor; or what is wrong where it is none, and what to do.
pub(super) type Chosen = Result<String, (String, String)>;

/// Why a connection is used no longer.
pub(super) enum End {
    /// Nobody listens to the connector any more.
    Closed,
    /// It is lost: why, and what to do.
    Lost { why: String, help: String },
}

impl End {
    pub(super) fn lost(why: impl Into<String>) -> Self {
        Self::Lost { why: why.into(), help: "it is tried again by itself".into() }
    }
}

impl Link {
    /// Connects, hears what distributors come and go, and takes the name to which they send.
    pub(super) async fn open(address: &str) -> Result<(Self, MessageStream), End> {
        let silent = || End::lost(format!("the session bus at {address} does not answer"));
        timeout(PATIENCE, Self::open_patiently(address)).await.map_err(|_| silent())?
    }

    async fn open_patiently(address: &str) -> Result<(Self, MessageStream), End> {
        let lost = |error: zbus::Error| End::lost(format!("the session bus at {address} cannot be used: {error}"));
        // Whatever waits for the connector comes as soon as it has its name.
        let calls = zbus::connection::Builder::address(address).build_message_stream().await.map_err(lost)?;
        let connection = Connection::from(&calls);
        let rule = MatchRule::builder()
            .msg_type(Type::Signal)
            .sender("org.freedesktop.DBus")
            .interface("org.freedesktop.DBus")
            .member("NameOwnerChanged")
            .arg0ns(DISTRIBUTOR_PREFIX.trim_end_matches('.'))
            .build()
            .map_err(lost)?;
        let bus = DBusProxy::new(&connection).await.map_err(lost)?;
        bus.add_match_rule(rule).await.map_err(|error| lost(error.into()))?;
        let name = SERVICE.try_into().map_err(lost)?;
        let reply = bus.request_name(name, RequestNameFlags::DO_NOT_QUEUE).await.map_err(|error| lost(error.into()))?;
        if reply != RequestNameReply::PrimaryOwner {
            return Err(End::Lost {
                why: format!("another program has the name {SERVICE} on the session bus"),
                help: "end the other broker, or give it another session bus".into(),
            });
        }
        Ok((Self { connection, distributor: None }, calls))
    }

    pub(super) async fn send(&self, messages: Vec<Call>) -> Result<(), End> {
        let sent = self.connection.send_all(&messages).await;
        sent.map_err(|error| End::lost(format!("the session bus takes nothing any more: {error}")))
    }
}

/// The only one of those that there are.
pub(super) fn only(found: &[String]) -> Chosen {
    match found {
        [] => Err((
            "no distributor of UnifiedPush runs on the session bus, nor can one be started".into(),
            "install one, and sign in to it".into(),
        )),
        [only] => Ok(only.clone()),
        [first, ..] => Err((
            format!("there are several distributors of UnifiedPush: {}", found.join(", ")),
            format!("choose one in config.toml: [push.unified_push] distributor = {first:?}"),
        )),
    }
}
