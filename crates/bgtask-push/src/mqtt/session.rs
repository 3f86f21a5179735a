//! The session of one channel: connected as long as that can be, and the same one after every break.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::{Instant, sleep, sleep_until};

use super::connection::{Begin, Connection, PATIENCE, Trouble};
use super::outbox::{Letter, Outbox};
use super::packet::{self, Packet, Properties, Publish, reason_word};
use super::server::Server;
use crate::pause::{FIRST_PAUSE, LASTING_PAUSE, MAX_PAUSE, spread};
use crate::{
    MAX_HEADER_BYTES, MAX_HEADERS, MAX_PAYLOAD_BYTES, MAX_REPLY_BYTES, MAX_REPORTED, MAX_UNACKNOWLEDGED, Message,
    Report, Reports, Status, Ticket,
};

/// A connection that lasted so long was a good one.
const GOOD: Duration = Duration::from_secs(30);

/// What a channel is told.
#[derive(Debug)]
pub(super) enum Order {
    Acknowledge(Vec<Ticket>),
    Send(Box<Letter>),
    Nudge,
    Close,
}

/// What a session needs.
pub(super) struct Session {
    pub(super) server: Server,
    pub(super) client_id: String,
    pub(super) channel: String,
    pub(super) topics: Vec<String>,
    pub(super) uri: String,
    pub(super) reports: Reports,
    pub(super) orders: mpsc::Receiver<Order>,
    pub(super) outbox: Outbox,
}

/// Why a session goes on no longer.
enum End {
    /// It was told to, or nobody listens to it any more.
    Closed,
    /// The connection is lost.
    Lost(Trouble),
}

impl From<Trouble> for End {
    fn from(trouble: Trouble) -> Self {
        Self::Lost(trouble)
    }
}

/// The messages that have been told and are not acknowledged, by their number at the server.
///
/// After a break a server sends them again under the same numbers: whoever has them need not hear them twice.
#[derive(Default)]
struct Unacknowledged {
    by_number: BTreeMap<u16, Entry>,
    last: u64,
}

struct Entry {
    ticket: Ticket,
    /// It was acknowledged while there was no connection to say so.
    done: bool,
}

impl Session {
    /// Runs until it is closed.
    pub(super) async fn run(mut self) {
        let mut unacknowledged = Unacknowledged::default();
        let mut pause = FIRST_PAUSE;
        loop {
            let begun = Instant::now();
            match self.once(&mut unacknowledged).await {
                End::Closed => return self.closed().await,
                End::Lost(trouble) => {
                    tracing::info!(channel = self.channel, "push: {trouble}");
                    let lasting = trouble.lasting;
                    let status = Status::Away { why: trouble.why, help: trouble.help };
                    if !self.report(Report::Status { channel: self.channel.clone(), status }).await {
                        return;
                    }
                    pause = if begun.elapsed() >= GOOD { FIRST_PAUSE } else { pause };
                    let least = if lasting { LASTING_PAUSE } else { Duration::ZERO };
                    if !self.wait(spread(pause.max(least)), &mut unacknowledged).await {
                        return;
                    }
                    pause = (pause * 2).min(MAX_PAUSE);
                }
            }
        }
    }

    fn opened(&self) -> Report {
        Report::Opened { channel: self.channel.clone(), uri: self.uri.clone() }
    }

    async fn closed(&self) {
        let report = Report::Closed { channel: self.channel.clone(), why: "it was closed here".into() };
        self.report(report).await;
    }

    async fn report(&self, report: Report) -> bool {
        self.reports.send(report).await.is_ok()
    }

    /// Waits for the next try; answers whether there is to be one.
    async fn wait(&mut self, pause: Duration, unacknowledged: &mut Unacknowledged) -> bool {
        let until = sleep(pause);
        tokio::pin!(until);
        loop {
            tokio::select! {
                () = &mut until => return true,
                order = self.orders.recv() => match order {
                    Some(Order::Acknowledge(tickets)) => unacknowledged.done_meanwhile(&tickets),
                    Some(Order::Send(letter)) => self.outbox.put(*letter),
                    Some(Order::Nudge) => return true,
                    Some(Order::Close) => {
                        // What the server still keeps of it ends by its expiry, where it cannot be told now.
                        let _told = self.forget().await;
                        self.closed().await;
                        return false;
                    }
                    None => return false,
                },
            }
        }
    }

    /// One connection, from its beginning to its end.
    async fn once(&mut self, unacknowledged: &mut Unacknowledged) -> End {
        match self.connected(unacknowledged).await {
            Ok(never) => match never {},
            Err(end) => end,
        }
    }

    async fn connected(&mut self, unacknowledged: &mut Unacknowledged) -> Result<std::convert::Infallible, End> {
        let session_expiry = self.server.session_expiry;
        let begin = Begin { client_id: &self.client_id, clean_start: false, session_expiry };
        let (mut connection, welcome) = Connection::open(&self.server, &begin).await?;
        if !welcome.session_present {
            // It will not send those again, and their numbers are free.
            unacknowledged.by_number.clear();
        } else if !self.report(self.opened()).await {
            // Its messages come at once, before the subscription is confirmed.
            return Err(End::Closed);
        }
        packet::subscribe(connection.out(), SUBSCRIPTION, &self.topics);
        let window = welcome.receive_maximum;
        self.outbox.again(welcome.session_present, connection.out());
        self.outbox.fill(window, connection.out());
        connection.flush().await?;
        let mut ping = Ping::new(welcome.keep_alive);
        let mut room = Vec::new();
        loop {
            tokio::select! {
                // A server that sends more than it may waits here: not all of them count right.
                packet = connection.receive(), if unacknowledged.have_room() => {
                    let mut next = Some(packet?);
                    while let Some(packet) = next {
                        self.heard(packet, &mut connection, unacknowledged, &mut ping, &mut room).await?;
                        let more = room.len() < MAX_REPORTED && unacknowledged.have_room();
                        next = if more { connection.take()? } else { None };
                    }
                    self.tell(&mut room).await?;
                    // What was sent again and had been acknowledged, and what there is room for now.
                    self.outbox.fill(window, connection.out());
                    connection.flush().await?;
                }
                order = self.orders.recv() => match order {
                    Some(Order::Acknowledge(tickets)) => {
                        unacknowledged.done(&tickets, connection.out());
                        connection.flush().await?;
                        ping.sent();
                    }
                    Some(Order::Send(letter)) => {
                        self.outbox.put(*letter);
                        self.outbox.fill(window, connection.out());
                        connection.flush().await?;
                        ping.sent();
                    }
                    // The connection is tried, so that a dead one is noticed.
                    Some(Order::Nudge) => ping.now(&mut connection).await?,
                    Some(Order::Close) => {
                        connection.close(Some(0)).await?;
                        return Err(End::Closed);
                    }
                    None => {
                        connection.close(None).await?;
                        return Err(End::Closed);
                    }
                },
                () = sleep_until(ping.at) => ping.due(&mut connection, unacknowledged.have_room()).await?,
            }
        }
    }

    async fn heard(
        &mut self,
        packet: Packet,
        connection: &mut Connection,
        unacknowledged: &mut Unacknowledged,
        ping: &mut Ping,
        room: &mut Vec<Message>,
    ) -> Result<(), End> {
        match packet {
            Packet::Publish(publish) => {
                room.extend(unacknowledged.take(*publish, connection.out()));
            }
            Packet::SubAck { id: SUBSCRIPTION, reasons, properties } => {
                if let Some(reason) = reasons.iter().find(|reason| **reason >= 0x80) {
                    let said = properties.reason();
                    return Err(End::Lost(Trouble {
                        why: format!(
                            "{} does not let this machine subscribe to {}: {}{said}",
                            self.server,
                            self.topics.join(", "),
                            reason_word(*reason)
                        ),
                        help: "let it read its own topics in the access rules of the server".into(),
                        lasting: true,
                    }));
                }
                let status = Status::Connected { how: format!("subscribed to {}", self.uri) };
                for report in [self.opened(), Report::Status { channel: self.channel.clone(), status }] {
                    if !self.report(report).await {
                        return Err(End::Closed);
                    }
                }
            }
            Packet::PubAck { id, reason, properties } => {
                if let Some(token) = self.outbox.acknowledged(id) {
                    let refused = (reason >= 0x80).then(|| format!("{}{}", reason_word(reason), properties.reason()));
                    if !self.report(Report::Sent { channel: self.channel.clone(), token, refused }).await {
                        return Err(End::Closed);
                    }
                }
            }
            Packet::PingResp => ping.answered(),
            Packet::Disconnect { reason, properties } => {
                let said = properties.reason();
                let why = format!("{} has ended the connection: {}{said}", self.server, reason_word(reason));
                // Two with one name would take the session from each other for ever.
                let lasting = reason == 0x8e;
                let help = if lasting {
                    "give each machine a name of its own in [push.mqtt]"
                } else {
                    "it is tried again by itself"
                };
                return Err(End::Lost(Trouble { why, help: help.into(), lasting }));
            }
            other @ (Packet::ConnAck { .. } | Packet::SubAck { .. } | Packet::UnsubAck { .. }) => {
                let name = format!("{other:?}");
                let name = name.split([' ', '{']).next().unwrap_or_default();
                return Err(End::Lost(
                    connection.broke_the_rules(&format!("it sends {name}, which nothing asked for")),
                ));
            }
        }
        Ok(())
    }

    async fn tell(&self, messages: &mut Vec<Message>) -> Result<(), End> {
        if messages.is_empty() {
            return Ok(());
        }
        let messages = std::mem::take(messages);
        let heard = self.report(Report::Messages { channel: self.channel.clone(), messages }).await;
        if heard { Ok(()) } else { Err(End::Closed) }
    }

    /// Has the server forget the session.
    async fn forget(&self) -> Result<(), Trouble> {
        let begin = Begin { client_id: &self.client_id, clean_start: true, session_expiry: Duration::ZERO };
        let (connection, _) = Connection::open(&self.server, &begin).await?;
        connection.close(Some(0)).await
    }
}

/// The number of the only subscription of a session.
const SUBSCRIPTION: u16 = 1;

impl Unacknowledged {
    /// The message, unless it was told before.
    fn take(&mut self, publish: Publish, out: &mut Vec<u8>) -> Option<Message> {
        let ticket = match publish.id {
            None => None,
            Some(number) => match self.by_number.get(&number) {
                Some(entry) if publish.dup => {
                    if entry.done {
                        self.by_number.remove(&number);
                        packet::puback(out, number);
                    }
                    return None;
                }
                _ => Some(self.note(number)),
            },
        };
        Some(message(publish, ticket))
    }

    fn have_room(&self) -> bool {
        self.by_number.len() < usize::from(MAX_UNACKNOWLEDGED)
    }

    fn note(&mut self, number: u16) -> Ticket {
        // A number alone may come again.
        self.last += 1;
        let ticket = Ticket(self.last << 16 | u64::from(number));
        self.by_number.insert(number, Entry { ticket, done: false });
        ticket
    }

    fn done(&mut self, tickets: &[Ticket], out: &mut Vec<u8>) {
        for ticket in tickets {
            let number = number_of(*ticket);
            if self.by_number.get(&number).is_some_and(|entry| entry.ticket == *ticket) {
                self.by_number.remove(&number);
                packet::puback(out, number);
            }
        }
    }

    fn done_meanwhile(&mut self, tickets: &[Ticket]) {
        for ticket in tickets {
            if let Some(entry) = self.by_number.get_mut(&number_of(*ticket)).filter(|entry| entry.ticket == *ticket) {
                entry.done = true;
            }
        }
    }
}

#[expect(clippy::cast_possible_truncation, reason = "the lower half is meant")]
const fn number_of(ticket: Ticket) -> u16 {
    ticket.0 as u16
}

/// When to show that the connection lives, and to see whether the server does.
struct Ping {
    every: Duration,
    at: Instant,
    waits: bool,
}

impl Ping {
    /// A server that wants to hear nothing is asked now and then nevertheless: it may be gone.
    fn new(every: Duration) -> Self {
        let every = if every.is_zero() { Duration::from_secs(3_600) } else { every };
        Self { every, at: Instant::now() + every, waits: false }
    }

    fn sent(&mut self) {
        if !self.waits {
            self.at = Instant::now() + self.every;
        }
    }

    fn answered(&mut self) {
        self.waits = false;
        self.at = Instant::now() + self.every;
    }

    /// An answer is missed only where it would have been `read`.
    async fn due(&mut self, connection: &mut Connection, read: bool) -> Result<(), Trouble> {
        if self.waits && read {
            return Err(Trouble::passing("the server does not answer any more"));
        }
        self.waits = false;
        self.now(connection).await
    }

    async fn now(&mut self, connection: &mut Connection) -> Result<(), Trouble> {
        if !self.waits {
            packet::pingreq(connection.out());
            connection.flush().await?;
            self.waits = true;
            self.at = Instant::now() + PATIENCE;
        }
        Ok(())
    }
}

fn message(publish: Publish, ticket: Option<Ticket>) -> Message {
    let content_type = publish.properties.content_type.map(|value| ("content-type".to_owned(), value));
    let fits = |(name, value): &(String, String)| name.len() + value.len() <= MAX_HEADER_BYTES;
    let headers = content_type.into_iter().chain(publish.properties.user).filter(fits).take(MAX_HEADERS).collect();
    let payload = Some(publish.payload).filter(|payload| payload.len() <= MAX_PAYLOAD_BYTES);
    let Properties { response_topic, correlation_data, .. } = publish.properties;
    let reply = response_topic.map(|topic| (topic, correlation_data.unwrap_or_default()));
    let reply = reply.filter(|(topic, data)| topic.len().max(data.len()) <= MAX_REPLY_BYTES);
    Message { payload, headers, ticket, reply }
}
