//! A client for people and operators: it publishes and waits for the server's word, and may listen for answers.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::time::{Instant, timeout};

use super::connection::{Begin, Connection, PATIENCE, Trouble, Welcome};
use super::packet::{self, Packet, Properties, Publish, reason_word};
use super::server::Server;

/// A connection, without a session that lasts or with one.
pub struct Client {
    connection: Connection,
    server: String,
    session_present: bool,
    /// Messages are acknowledged when that is said, and not when they come.
    by_hand: bool,
    /// After how long of silence the server wants to hear something.
    keep_alive: Duration,
    /// How many messages the server takes before it acknowledges one.
    window: u16,
    last: u16,
    unacknowledged: u16,
    /// Somebody has subscribed to every topic that was sent to.
    heard: bool,
    /// What came while something else was waited for. No more than the server may send without an acknowledgement.
    arrived: VecDeque<(Incoming, Option<u16>)>,
    /// Those that were handed out and are not acknowledged.
    handed_out: Vec<u16>,
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
    /// What the sender of what this answers wants to have with it.
    pub correlation: Option<Vec<u8>>,
    /// For how long the server keeps it for a machine that is away.
    pub expires: Option<Duration>,
}

impl Outgoing {
    /// The same as a packet of QoS 1.
    pub(super) fn publish(&self, id: u16, dup: bool) -> Publish {
        let (response_topic, wanted) = self.reply.clone().unzip();
        let correlation_data = wanted.or_else(|| self.correlation.clone());
        let properties = Properties {
            message_expiry: self.expires.map(|time| u32::try_from(time.as_secs()).unwrap_or(u32::MAX)),
            response_topic,
            correlation_data,
            user: self.headers.clone(),
            ..Properties::default()
        };
        let (topic, payload) = (self.topic.clone(), self.payload.clone());
        Publish { dup, topic, payload, id: Some(id), properties, ..Publish::default() }
    }
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
        Self::open(server, &Begin { client_id, clean_start: true, session_expiry: Duration::ZERO }).await
    }

    /// Connects with a session that the server keeps for so long after the connection: what is sent to it meanwhile comes with the
    /// next one. What comes is not acknowledged before [`acknowledge`](Self::acknowledge): whoever dies first gets it again.
    ///
    /// # Errors
    ///
    /// As [`connect`](Self::connect).
    pub async fn resume(server: &Server, client_id: &str, keep: Duration) -> Result<Self, Trouble> {
        let client = Self::open(server, &Begin { client_id, clean_start: false, session_expiry: keep }).await?;
        Ok(Self { by_hand: true, ..client })
    }

    async fn open(server: &Server, begin: &Begin<'_>) -> Result<Self, Trouble> {
        let (connection, welcome) = Connection::open(server, begin).await?;
        let Welcome { session_present, keep_alive, receive_maximum } = welcome;
        Ok(Self {
            connection,
            server: server.to_string(),
            session_present,
            by_hand: false,
            keep_alive: if keep_alive.is_zero() { SELDOM } else { keep_alive },
            window: receive_maximum,
            last: 0,
            unacknowledged: 0,
            heard: true,
            arrived: VecDeque::new(),
            handed_out: Vec::new(),
        })
    }

    /// Whether the server remembered the session.
    pub fn session_present(&self) -> bool {
        self.session_present
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
        packet::publish(self.connection.out(), &message.publish(self.last, false));
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

    /// Whether every message that was sent went to somebody, as far as the server tells: somebody who is away counts, too.
    pub fn was_heard(&self) -> bool {
        self.heard
    }

    /// The next message that comes; `None` where none has within the time.
    ///
    /// # Errors
    ///
    /// The connection broke.
    pub async fn next(&mut self, within: Duration) -> Result<Option<Incoming>, Trouble> {
        let until = Instant::now() + within;
        loop {
            if let Some((message, number)) = self.arrived.pop_front() {
                self.handed_out.extend(number);
                return Ok(Some(message));
            }
            let rest = until.saturating_duration_since(Instant::now());
            match timeout(rest.min(self.keep_alive), self.connection.receive()).await {
                Ok(packet) => self.take_in(packet?).await?,
                Err(_) if rest <= self.keep_alive => return Ok(None),
                Err(_) => {
                    packet::pingreq(self.connection.out());
                    self.connection.flush().await?;
                }
            }
        }
    }

    /// As [`next`](Self::next), and with it everything that is here already.
    ///
    /// # Errors
    ///
    /// The connection broke.
    pub async fn next_batch(&mut self, within: Duration) -> Result<Vec<Incoming>, Trouble> {
        let mut batch: Vec<_> = self.next(within).await?.into_iter().collect();
        while !batch.is_empty()
            && let Some(packet) = self.connection.take()?
        {
            self.take_in(packet).await?;
        }
        for (message, number) in self.arrived.drain(..) {
            self.handed_out.extend(number);
            batch.push(message);
        }
        Ok(batch)
    }

    /// What was handed out so far is in safe hands.
    ///
    /// # Errors
    ///
    /// The connection broke.
    pub async fn acknowledge(&mut self) -> Result<(), Trouble> {
        for number in self.handed_out.drain(..) {
            packet::puback(self.connection.out(), number);
        }
        self.connection.flush().await
    }

    /// Says goodbye, and waits until the server has heard it and everything before.
    ///
    /// # Errors
    ///
    /// The connection broke before.
    pub async fn close(self) -> Result<(), Trouble> {
        self.connection.close(None).await
    }

    async fn acknowledged(&mut self) -> Result<(), Trouble> {
        if let Packet::PubAck { reason, properties, .. } = self.receive().await? {
            self.unacknowledged = self.unacknowledged.saturating_sub(1);
            self.heard &= reason != NO_SUBSCRIBERS;
            if reason >= 0x80 {
                let said = properties.reason();
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
                let Publish { topic, payload, properties, id, .. } = *publish;
                let number = id.filter(|_| self.by_hand);
                if let (Some(id), None) = (id, number) {
                    packet::puback(self.connection.out(), id);
                    self.connection.flush().await?;
                }
                let (headers, correlation) = (properties.user, properties.correlation_data);
                self.arrived.push_back((Incoming { topic, payload, headers, correlation }, number));
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

/// Nobody has subscribed to the topic.
const NO_SUBSCRIBERS: u8 = 0x10;

/// How often a server is spoken to that wants to hear nothing.
const SELDOM: Duration = Duration::from_secs(3_600);

/// So much is written at once.
const MANY_BYTES: usize = 32 * 1_024;
