//! UnifiedPush: any distributor on the user's session bus brings the messages, by the D-Bus specification 0.3.0 of
//! <https://unifiedpush.org>.
//!
//! The broker is the connector of all its apps: one name on the bus, one secret token for each channel. The distributor calls
//! `Message`, and the call is answered when the message has been acknowledged, so that a distributor that waits for the answer keeps
//! it until then. A distributor of the older interfaces, `Connector1` and `Distributor1`, is spoken to in their words.

mod channel;
mod connector;
mod link;
mod tokens;
mod words;

#[cfg(test)]
mod tests;

use std::io;
use std::path::PathBuf;

use tokio::sync::mpsc;

use crate::{Reports, Ticket, Transport};
use connector::{Connector, Order};
use tokens::Tokens;

/// The name on the session bus under which a distributor finds the connector. The bus starts the broker for it.
pub const SERVICE: &str = "org.bgtask.Push";

/// What the name of every distributor begins with.
pub const DISTRIBUTOR_PREFIX: &str = "org.unifiedpush.Distributor.";

/// Longest address that a distributor may give a channel, in bytes, as the specification has it.
pub const MAX_ENDPOINT_BYTES: usize = 1_000;

/// Orders that may wait while the session bus does: acknowledgements of all messages of all channels that there may be.
const MAX_ORDERS: usize = 32_768;

/// Where messages come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// The address of the session bus.
    pub address: String,
    /// The name of the distributor; where there is none, the only one on the bus.
    pub distributor: Option<String>,
    /// The file that keeps the tokens of channels.
    pub tokens: PathBuf,
}

/// The transport. What is registered stays so when this value goes.
pub struct UnifiedPush {
    orders: mpsc::Sender<Order>,
}

impl UnifiedPush {
    /// Channels at a distributor.
    ///
    /// It has to be used within a runtime of tokio. It connects when there is something to do, so that whoever opens the channels of an
    /// earlier life right away misses no message of them.
    ///
    /// # Errors
    ///
    /// The file with the tokens cannot be read, or is damaged.
    pub fn new(settings: Settings, reports: Reports) -> io::Result<Self> {
        let tokens = Tokens::read(&settings.tokens)?;
        let (sender, orders) = mpsc::channel(MAX_ORDERS);
        tokio::spawn(Connector::new(settings, tokens, reports, orders).run());
        Ok(Self { orders: sender })
    }

    fn order(&self, order: Order) {
        if self.orders.try_send(order).is_err() {
            tracing::error!(
                "push: an order was given up: the connector of UnifiedPush has ended, or has far too much to do"
            );
        }
    }
}

impl Transport for UnifiedPush {
    fn open(&mut self, channel: &str) {
        self.order(Order::Open(channel.to_owned()));
    }

    fn close(&mut self, channel: &str) {
        self.order(Order::Close(channel.to_owned()));
    }

    fn acknowledge(&mut self, channel: &str, tickets: &[Ticket]) {
        self.order(Order::Acknowledge(channel.to_owned(), tickets.to_vec()));
    }

    fn nudge(&mut self) {
        self.order(Order::Nudge);
    }
}
