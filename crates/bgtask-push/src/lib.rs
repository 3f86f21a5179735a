//! Push messages: a server far away says something to an app on this machine.
//!
//! A *channel* is where the messages of one app arrive. A [`Transport`] opens channels, tells what arrives there, and acknowledges a
//! message only when it is told to: whoever uses it makes the message durable first, so that a machine that loses its power between the
//! two is sent the message again.
//!
//! Orders go in by the methods of [`Transport`], reports come out of one channel of messages, as with the sources of events. Nothing
//! here knows of tasks.
#![forbid(unsafe_code)]
#![warn(missing_docs)]

pub mod fleet;
pub mod mqtt;
mod pause;
pub mod unified_push;

use std::fmt;

use tokio::sync::mpsc;

/// The longest payload of a message, in bytes (Q-22: less than 5 KB). A longer one is told without its payload.
pub const MAX_PAYLOAD_BYTES: usize = 5 * 1_024;

/// Most headers of a message that are kept, and the most bytes of one with its name. What is beyond is left out.
pub const MAX_HEADERS: usize = 16;
/// See [`MAX_HEADERS`].
pub const MAX_HEADER_BYTES: usize = 256;

/// Most messages of one channel that are not acknowledged: the server keeps those that follow.
pub const MAX_UNACKNOWLEDGED: u16 = 256;

/// Longest topic and longest data of an answer that is wanted, in bytes: where one is longer, none is.
pub const MAX_REPLY_BYTES: usize = 1_024;

/// Most messages that wait to be sent over one channel.
pub const MAX_SENT: usize = 512;

/// Most messages in one report.
pub const MAX_REPORTED: usize = 256;

/// Names a message for its acknowledgement. Of no meaning besides, and to no other channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ticket(pub u64);

/// A message as it arrived.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// What it carries; `None` where that is longer than [`MAX_PAYLOAD_BYTES`].
    pub payload: Option<Vec<u8>>,
    /// What else its sender said, by name, in the sender's order.
    pub headers: Vec<(String, String)>,
    /// By which it is acknowledged; `None` where nobody waits for that.
    pub ticket: Option<Ticket>,
    /// Where its sender wants an answer, and what that is to have with it, where the transport can say so.
    pub reply: Option<(String, Vec<u8>)>,
}

/// How well a channel works.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Status {
    /// Messages arrive.
    Connected {
        /// By what means.
        how: String,
    },
    /// None arrive now. It is tried again and again.
    Away {
        /// Why not.
        why: String,
        /// What to do about it.
        help: String,
    },
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Connected { how } => f.write_str(how),
            Self::Away { why, help } => write!(f, "{why}; {help}"),
        }
    }
}

/// What a transport says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Report {
    /// The channel has this address: whoever sends to it reaches the app. Said again where the address changes.
    Opened {
        /// Which channel.
        channel: String,
        /// A URI.
        uri: String,
    },
    /// The channel is closed, here or by the other side.
    Closed {
        /// Which channel.
        channel: String,
        /// Why.
        why: String,
    },
    /// Messages have arrived, the oldest first.
    Messages {
        /// On which channel.
        channel: String,
        /// At most [`MAX_REPORTED`].
        messages: Vec<Message>,
    },
    /// How well a channel works has changed.
    Status {
        /// Which channel.
        channel: String,
        /// How well.
        status: Status,
    },
    /// What was sent over the channel is with the server, or will never be.
    Sent {
        /// Which channel.
        channel: String,
        /// What its sender calls it.
        token: u64,
        /// Why the server does not take it, where it does not.
        refused: Option<String>,
    },
}

/// Where the reports of all channels go.
pub type Reports = mpsc::Sender<Report>;

/// Something that brings messages to this machine.
///
/// None of the methods waits. A channel is known by its name, which is the app's id.
pub trait Transport {
    /// Opens the channel of that name, or goes on with the one that was opened in an earlier life: what was sent meanwhile arrives now.
    /// A channel that is open already stays as it is.
    fn open(&mut self, channel: &str);

    /// Gives up the channel of that name for good: the server forgets it, and what waits there.
    fn close(&mut self, channel: &str);

    /// Those messages are in safe hands. The others of the channel may still wait.
    fn acknowledge(&mut self, channel: &str, tickets: &[Ticket]);

    /// Something has changed that may let a channel connect: the network is back, or the machine has woken.
    fn nudge(&mut self);
}
