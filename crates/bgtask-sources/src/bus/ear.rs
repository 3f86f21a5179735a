//! A connection that is listened to.

use std::collections::VecDeque;

use futures_util::StreamExt;
use zbus::{Connection, Message, MessageStream, connection, message};

use crate::bus::{CALL_TIMEOUT, CallError, Object};

/// The signals that are held while a service is asked something, in bytes: some ten thousand small ones. More are only
/// counted.
const MAX_HELD_BYTES: usize = 8 * 1024 * 1024;
/// What holding a signal takes beside the bytes it was sent in, about.
const HOLDING_BYTES: usize = 256;
/// The largest signal that is held, in bytes. What is larger is only counted.
pub(crate) const MAX_SIGNAL_BYTES: usize = 64 * 1024;

const BUS: Object<'static> =
    Object { service: "org.freedesktop.DBus", path: "/org/freedesktop/DBus", interface: "org.freedesktop.DBus" };

/// Hears the signals of a bus in the order in which the bus sent them.
///
/// Whoever holds one has to come back to it: what is not heard keeps the connection waiting. So a call is made
/// [during](Self::during) the hearing.
#[derive(Debug)]
pub(crate) struct Ear {
    connection: Connection,
    messages: MessageStream,
    held: VecDeque<Message>,
    held_bytes: usize,
    missed: u64,
}

/// What was heard.
#[derive(Debug)]
pub(crate) enum Heard {
    /// A signal. One that is [directed](is_directed) at us may come from anybody on the bus.
    Signal(Message),
    /// So many signals that could not be held, at least one of which came before what is heard next.
    Missed(u64),
}

impl Ear {
    /// Connects, and hears what matches any of `rules`.
    pub(crate) async fn open(address: &str, rules: &[String]) -> zbus::Result<Self> {
        let connection = connection::Builder::address(address).method_timeout(CALL_TIMEOUT).build().await?;
        let messages = MessageStream::from(&connection);
        let mut ear = Self { connection, messages, held: VecDeque::new(), held_bytes: 0, missed: 0 };
        for rule in rules {
            // The bus knows why it does not want a rule, and a person reads it in the log.
            ear.hear(rule).await.map_err(|error| zbus::Error::Failure(error.to_string()))?;
        }
        Ok(ear)
    }

    pub(crate) fn connection(&self) -> &Connection {
        &self.connection
    }

    /// Hears what matches this rule, too.
    pub(crate) async fn hear(&mut self, rule: &str) -> Result<(), CallError> {
        let connection = self.connection.clone();
        self.during(BUS.call(&connection, "AddMatch", Some(rule))).await
    }

    /// Waits for an answer without ceasing to hear. What the bus sent before the answer is heard before this returns.
    pub(crate) async fn during<T>(&mut self, call: impl Future<Output = T>) -> T {
        tokio::pin!(call);
        loop {
            tokio::select! {
                biased;
                Some(message) = self.messages.next() => self.hold(message),
                answer = &mut call => return answer,
            }
        }
    }

    /// What was heard while something was asked.
    pub(crate) fn held(&mut self) -> Vec<Heard> {
        let missed = std::mem::take(&mut self.missed);
        let missed = (missed > 0).then_some(Heard::Missed(missed));
        self.held_bytes = 0;
        missed.into_iter().chain(self.held.drain(..).map(Heard::Signal)).collect()
    }

    /// What comes next; `None` once the connection is lost. Cancel safe.
    pub(crate) async fn next(&mut self) -> Option<Heard> {
        if self.missed > 0 {
            return Some(Heard::Missed(std::mem::take(&mut self.missed)));
        }
        if let Some(message) = self.held.pop_front() {
            self.held_bytes -= cost(&message);
            return Some(Heard::Signal(message));
        }
        loop {
            let message = self.messages.next().await?.ok()?;
            if is_signal(&message) {
                return Some(Heard::Signal(message));
            }
        }
    }

    fn hold(&mut self, message: zbus::Result<Message>) {
        // Where the connection is lost, the call fails by itself.
        let Some(message) = message.ok().filter(is_signal) else { return };
        let cost = cost(&message);
        if message.data().len() > MAX_SIGNAL_BYTES || self.held_bytes + cost > MAX_HELD_BYTES {
            self.missed += 1;
            return;
        }
        self.held_bytes += cost;
        self.held.push_back(message);
    }
}

fn cost(message: &Message) -> usize {
    message.data().len() + HOLDING_BYTES
}

fn is_signal(message: &Message) -> bool {
    message.message_type() == message::Type::Signal
}

/// Whether it was sent to us alone, which anybody may do, whatever we asked the bus for. What is not directed was found by
/// the bus to match a rule, with the sender that the rule names.
pub(crate) fn is_directed(message: &Message) -> bool {
    message.header().destination().is_some()
}
