//! The door on the session bus: the same contract under the name `org.bgtask.Broker1`.

use std::collections::HashMap;

use bgtask_wire::BUS_NAME;
use futures_util::StreamExt as _;
use tokio::sync::{mpsc, oneshot};
use zbus::fdo::{DBusProxy, RequestNameFlags, RequestNameReply};
use zbus::names::{BusName, OwnedUniqueName};
use zbus::{Connection, Message, MessageStream};

use super::entrance::{Place, next_client};
use super::peer::write;
use super::{Door, Entrance, MAX_OUTBOX, Process, Visitor};
use crate::inbox::Incoming;

/// How many calls of one sender may wait while the bus tells who it is.
const MAX_UNIDENTIFIED: usize = 64;

/// The broker's seat on the bus.
pub(crate) struct SessionBus {
    broadcasts: mpsc::Sender<Message>,
}

impl SessionBus {
    /// Takes the name, if there is a session bus and the name is free. Without one the other door does.
    pub(crate) async fn open(entrance: Entrance) -> Option<Self> {
        std::env::var_os("DBUS_SESSION_BUS_ADDRESS")?;
        match Self::take(entrance).await {
            Ok(seat) => Some(seat),
            Err(error) => {
                tracing::warn!("the session bus cannot be used, clients have the broker's own socket: {error}");
                None
            }
        }
    }

    async fn take(entrance: Entrance) -> zbus::Result<Self> {
        let messages = zbus::connection::Builder::session().build_message_stream().await?;
        let connection = Connection::from(&messages);
        let bus = DBusProxy::new(&connection).await?;
        let reply = bus.request_name(BUS_NAME.try_into()?, RequestNameFlags::DO_NOT_QUEUE).await?;
        if reply != RequestNameReply::PrimaryOwner {
            return Err(zbus::Error::NameTaken);
        }
        let (broadcasts, letters) = mpsc::channel(MAX_OUTBOX);
        let writing = connection.clone();
        tokio::spawn(async move { write(&writing, letters).await });
        tokio::spawn(attend(connection, messages, entrance));
        Ok(Self { broadcasts })
    }

    /// Sends a signal to everybody on the bus; a bus that does not read misses it.
    pub(super) fn broadcast(&self, message: Message) {
        let _full_or_gone = self.broadcasts.try_send(message);
    }
}

async fn attend(connection: Connection, mut messages: MessageStream, entrance: Entrance) {
    let mut senders: HashMap<OwnedUniqueName, mpsc::Sender<Message>> = HashMap::new();
    while let Some(Ok(message)) = messages.next().await {
        forward(&connection, &mut senders, message, &entrance);
    }
    tracing::warn!("the session bus is gone, clients have the broker's own socket");
}

fn forward(
    connection: &Connection,
    senders: &mut HashMap<OwnedUniqueName, mpsc::Sender<Message>>,
    message: Message,
    entrance: &Entrance,
) {
    let header = message.header();
    let is_call = header.message_type() == zbus::message::Type::MethodCall;
    let Some(sender) = header.sender().filter(|_| is_call).map(|sender| OwnedUniqueName::from(sender.to_owned()))
    else {
        return;
    };
    senders.retain(|_, calls| !calls.is_closed());
    if !senders.contains_key(sender.as_str()) {
        let Some(place) = entrance.place() else { return };
        let (calls, waiting) = mpsc::channel(MAX_UNIDENTIFIED);
        tokio::spawn(serve(connection.clone(), sender.clone(), waiting, entrance.inbox.clone(), place));
        senders.insert(sender.clone(), calls);
    }
    drop(header);
    // A caller that floods the broker before it is known loses calls, and hears so from its own time-out.
    let _flooded = senders[sender.as_str()].try_send(message);
}

/// One sender, from its first call until it leaves the bus.
async fn serve(
    connection: Connection,
    sender: OwnedUniqueName,
    mut calls: mpsc::Receiver<Message>,
    inbox: mpsc::Sender<Incoming>,
    _place: Place,
) {
    // Who leaves before the bus could tell who he is needs no answer.
    let Ok((process, mut departure)) = identify(&connection, &sender).await else { return };
    let (outbox, letters) = mpsc::channel(MAX_OUTBOX);
    let (hold, cut_off) = oneshot::channel();
    let id = next_client();
    let visitor = Visitor { process, door: Door::SessionBus, held: None, outbox, hold };
    if inbox.send(Incoming::Client(id, visitor)).await.is_err() {
        return;
    }
    let reading = async {
        while let Some(call) = calls.recv().await {
            if inbox.send(Incoming::Said(id, call)).await.is_err() {
                return;
            }
        }
    };
    tokio::select! {
        () = reading => {}
        () = address(&connection, &sender, letters) => {}
        _ = cut_off => {}
        _ = departure.next() => {}
    }
    let _stopping = inbox.send(Incoming::ClientGone(id)).await;
}

/// Writes to one sender: replies know their way, signals are addressed to it.
async fn address(connection: &Connection, sender: &OwnedUniqueName, mut letters: mpsc::Receiver<Message>) {
    while let Some(letter) = letters.recv().await {
        let is_signal = letter.message_type() == zbus::message::Type::Signal;
        let addressed = if is_signal { readdress(&letter, sender) } else { Ok(letter) };
        match addressed {
            Ok(letter) if connection.send(&letter).await.is_ok() => {}
            _ => return,
        }
    }
}

fn readdress(signal: &Message, to: &OwnedUniqueName) -> zbus::Result<Message> {
    let header = signal.header();
    let body = signal.body();
    let (Some(path), Some(interface), Some(member)) = (header.path(), header.interface(), header.member()) else {
        return Err(zbus::Error::InvalidReply);
    };
    let builder = Message::signal(path.to_owned(), interface.to_owned(), member.to_owned()).destination(to.as_str());
    builder.build(&body.deserialize::<zbus::Structure<'_>>()?)
}

/// The sender's process, and the moment it leaves the bus: only that one is asked for, so that others who come and go
/// do not wake the broker. Asked first, so that the lookup fails if it has left before.
async fn identify(
    connection: &Connection,
    sender: &OwnedUniqueName,
) -> zbus::Result<(Process, zbus::fdo::NameOwnerChangedStream)> {
    let bus = DBusProxy::new(connection).await?;
    let departure = bus.receive_name_owner_changed_with_args(&[(0, sender.as_str())]).await?;
    let pid = bus.get_connection_unix_process_id(BusName::Unique(sender.clone().into())).await?;
    let pid = i32::try_from(pid).map_err(|_| zbus::Error::InvalidReply)?;
    let process = Process::read(pid).ok_or(zbus::Error::InvalidReply)?;
    Ok((process, departure))
}
