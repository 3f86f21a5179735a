//! A client for people and operators: it publishes and waits for the server's word, and may listen for answers.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::time::timeout;

use super::connection::{Begin, Connection, PATIENCE, Trouble, Welcome};
use super::packet::{self, Packet, Properties, Publish, reason_word};
use super::server::Server;

/// A connection without a session that lasts.
pub struct Client {
    connection: Connection,
    server: String,
    /// How many messages the server takes before it acknowledges one.
    window: u16,
    last: u16,
    unacknowledged: u16,
    /// What came while something else was waited for. No more than the server may send without an acknowledgement.
    arrived: VecDeque<Incoming>,
}

/// A message to send.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outgoing {
    /// Where to.
    pub topic: String,
    /// What.
    pub payload: Vec<u8>,
    /// Names and texts beside it.
    pub headers: Vec<(String, String)>,
    /// Where an answer goes, and what it is to have with it.
    pub reply: Option<(String, Vec<u8>)>,
    /// For how long the server keeps it for a machine that is away.
    pub expires: Option<Duration>,
}

/// A message that came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Incoming {
    /// On which topic.
    pub topic: String,
    /// What.
    pub payload: Vec<u8>,
    /// Names and texts beside it.
    pub headers: Vec<(String, String)>,
    /// What its sender was asked to send along.
    pub correlation: Option<Vec<u8>>,
}

impl Client {
    /// Connects.
    ///
    /// # Errors
    ///
    /// The server cannot be reached, does not answer, or refuses.
    pub async fn connect(server: &Server, client_id: &str) -> Result<Self, Trouble> {
        let begin = Begin { client_id, clean_start: true, session_expiry: Duration::ZERO };
        let (connection, Welcome { receive_maximum, .. }) = Connection::open(server, &begin).await?;
        let server = server.to_string();
        Ok(Self { connection, server, window: receive_maximum, last: 0, unacknowledged: 0, arrived: VecDeque::new() })
    }

    /// Hears what is sent to these topics from now on.
    ///
    /// # Errors
    ///
    /// The server does not let it, or the connection broke.
    pub async fn subscribe(&mut self, topics: &[String]) -> Result<(), Trouble> {
        self.last = self.last.checked_add(1).unwrap_or(1);
        packet::subscribe(self.connection.out(), self.last, topics);
        self.connection.flush().await?;
        loop {
            if let Packet::SubAck { reasons, .. } = self.receive().await? {
                return match reasons.iter().find(|reason| **reason >= 0x80) {
                    Some(reason) => Err(self.refused(&format!("to subscribe to {}", topics.join(", ")), *reason)),
                    None => Ok(()),
                };
            }
        }
    }

    /// Sends a message; it may be on its way still. See [`settle`](Self::settle).
    ///
    /// # Errors
    ///
    /// The connection broke.
    pub async fn publish(&mut self, message: Outgoing) -> Result<(), Trouble> {
        while self.unacknowledged >= self.window {
            self.acknowledged().await?;
        }
        self.last = self.last.checked_add(1).unwrap_or(1);
        let (response_topic, correlation_data) = message.reply.unzip();
        let properties = Properties {
            message_expiry: message.expires.map(|time| u32::try_from(time.as_secs()).unwrap_or(u32::MAX)),
            response_topic,
            correlation_data,
            user: message.headers,
            ..Properties::default()
        };
        let (topic, payload) = (message.topic, message.payload);
        let publish = Publish { topic, payload, id: Some(self.last), properties, ..Publish::default() };
        packet::publish(self.connection.out(), &publish);
        self.unacknowledged += 1;
        if self.connection.out().len() < MANY_BYTES && self.unacknowledged < self.window {
            return Ok(());
        }
        self.connection.flush().await
    }

    /// Waits until the server has every message that was sent.
    ///
    /// # Errors
    ///
    /// It does not take one of them, or the connection broke.
    pub async fn settle(&mut self) -> Result<(), Trouble> {
        self.connection.flush().await?;
        while self.unacknowledged > 0 {
            self.acknowledged().await?;
        }
        Ok(())
    }

    /// The next message that comes; `None` where none has within the time.
    ///
    /// # Errors
    ///
    /// The connection broke.
    pub async fn next(&mut self, within: Duration) -> Result<Option<Incoming>, Trouble> {
        let came = async {
            loop {
                if let Some(message) = self.arrived.pop_front() {
                    return Ok(message);
                }
                let packet = self.connection.receive().await?;
                self.take_in(packet).await?;
            }
        };
        timeout(within, came).await.ok().transpose()
    }

    /// Says goodbye.
    ///
    /// # Errors
    ///
    /// The connection broke.
    pub async fn close(mut self) -> Result<(), Trouble> {
        packet::disconnect(self.connection.out(), 0, None);
        self.connection.flush().await
    }

    async fn acknowledged(&mut self) -> Result<(), Trouble> {
        if let Packet::PubAck { reason, properties, .. } = self.receive().await? {
            self.unacknowledged = self.unacknowledged.saturating_sub(1);
            if reason >= 0x80 {
                let said = properties.reason_text.map(|text| format!(" ({text:?})")).unwrap_or_default();
                return Err(self.refused(&format!("to send{said}"), reason));
            }
        }
        Ok(())
    }

    async fn receive(&mut self) -> Result<Packet, Trouble> {
        self.connection.flush().await?;
        let silent = || Trouble::passing(format!("{} does not answer", self.server));
        let packet = timeout(PATIENCE, self.connection.receive()).await.map_err(|_| silent())??;
        match packet {
            Packet::Publish(_) | Packet::Disconnect { .. } => {
                self.take_in(packet).await?;
                Ok(Packet::PingResp)
            }
            other => Ok(other),
        }
    }

    async fn take_in(&mut self, packet: Packet) -> Result<(), Trouble> {
        match packet {
            Packet::Publish(publish) => {
                if let Some(id) = publish.id {
                    packet::puback(self.connection.out(), id);
                    self.connection.flush().await?;
                }
                let Publish { topic, payload, properties, .. } = *publish;
                let (headers, correlation) = (properties.user, properties.correlation_data);
                self.arrived.push_back(Incoming { topic, payload, headers, correlation });
                Ok(())
            }
            Packet::PubAck { .. } => {
                self.unacknowledged = self.unacknowledged.saturating_sub(1);
                Ok(())
            }
            Packet::Disconnect { reason, .. } => {
                let why = format!("{} has ended the connection: {}", self.server, reason_word(reason));
                Err(Trouble::passing(why))
            }
            _ => Ok(()),
        }
    }

    fn refused(&self, what: &str, reason: u8) -> Trouble {
        Trouble {
            why: format!(
                "{} does not let this client {}: {}",
                self.server,
                what.trim_start_matches("to "),
                reason_word(reason)
            ),
            help: "change the access rules of the server, or who this client is".into(),
            lasting: true,
        }
    }
}

/// So much is written at once.
const MANY_BYTES: usize = 32 * 1_024;
