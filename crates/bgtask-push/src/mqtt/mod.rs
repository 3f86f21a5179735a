//! MQTT 5: any server, one session on it for each channel.
//!
//! A session of its own for each channel costs a connection, and gives what a shared one cannot: the server holds the messages of a
//! channel that is full, and nobody else waits for them.

mod client;
mod connection;
mod outbox;
mod packet;
mod server;
mod session;
mod settings;

use std::collections::HashMap;
use std::sync::Arc;

use tokio::sync::{Semaphore, mpsc};

pub use client::{Client, Incoming, Outgoing};
pub use connection::Trouble;
pub use server::{Credentials, InvalidServer, Server, Trust};
pub use settings::Settings;

use crate::{MAX_SENT, MAX_UNACKNOWLEDGED, Reports, Ticket, Transport};
use outbox::Letter;
use session::{Order, Session};

/// The transport. Channels end with it, for now: their sessions stay on the server.
pub struct Mqtt {
    server: Server,
    /// What the name of a session at the server begins with.
    identity: String,
    reports: Reports,
    channels: HashMap<String, Channel>,
}

struct Channel {
    orders: mpsc::Sender<Order>,
    /// For messages on their way.
    room: Arc<Semaphore>,
}

impl Mqtt {
    /// Channels on that server. `identity` is the same in every life of this machine's broker, and another on every other machine.
    ///
    /// It has to be used within a runtime of tokio.
    pub fn new(server: Server, identity: &str, reports: Reports) -> Self {
        Self { server, identity: identity.to_owned(), reports, channels: HashMap::new() }
    }

    /// A channel on a topic of its own choice, and not to be opened by name: see [`Transport::open`].
    pub fn open_on(&mut self, channel: &str, topics: Vec<String>, uri: String) {
        if self.channels.contains_key(channel) {
            return;
        }
        // Every order but the last acknowledges at least one message, or sends one.
        let (sender, orders) = mpsc::channel(usize::from(MAX_UNACKNOWLEDGED) + MAX_SENT + 16);
        let session = Session {
            server: self.server.clone(),
            client_id: format!("{}-{channel}", self.identity),
            channel: channel.to_owned(),
            topics,
            uri,
            reports: self.reports.clone(),
            orders,
            outbox: outbox::Outbox::default(),
        };
        tokio::spawn(session.run());
        let room = Arc::new(Semaphore::new(MAX_SENT));
        self.channels.insert(channel.to_owned(), Channel { orders: sender, room });
    }

    /// Sends a message over the connection of an open channel, at least once; [`Report::Sent`](crate::Report::Sent) follows when the
    /// server has it, however long that takes. Answers whether it is on its way: no more than [`MAX_SENT`] at a time are.
    pub fn send(&mut self, channel: &str, token: u64, message: Outgoing) -> bool {
        let Some(Channel { orders, room }) = self.channels.get(channel) else { return false };
        let Ok(room) = Arc::clone(room).try_acquire_owned() else { return false };
        orders.try_send(Order::Send(Box::new(Letter { token, message, _room: Some(room) }))).is_ok()
    }
}

impl Transport for Mqtt {
    fn open(&mut self, channel: &str) {
        let topic = self.server.topic_of(channel);
        let uri = self.server.uri_of(&topic);
        self.open_on(channel, vec![topic], uri);
    }

    fn close(&mut self, channel: &str) {
        if let Some(Channel { orders, .. }) = self.channels.remove(channel) {
            // A session that takes nothing more ends with its channel.
            let _ended = orders.try_send(Order::Close);
        }
    }

    fn acknowledge(&mut self, channel: &str, tickets: &[Ticket]) {
        let Some(Channel { orders, .. }) = self.channels.get(channel) else { return };
        if orders.try_send(Order::Acknowledge(tickets.to_vec())).is_err() {
            tracing::error!(channel, "acknowledgements were given up: the server will send these messages again");
        }
    }

    fn nudge(&mut self) {
        for Channel { orders, .. } in self.channels.values() {
            // Whoever has that much to do is connected.
            let _busy = orders.try_send(Order::Nudge);
        }
    }
}
