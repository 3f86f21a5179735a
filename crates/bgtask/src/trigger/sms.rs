//! Text messages.

use super::event::{event_trigger, property};
use crate::events::{EventDetails, TriggerEvent};

event_trigger! {
    /// A trigger that fires when a text message arrives at a modem of the machine, through ModemManager. Its task gets
    /// [`SmsMessageReceivedTriggerDetails`], as that of a [`SystemTrigger`](crate::SystemTrigger) of the type
    /// [`SmsReceived`](crate::SystemTriggerType::SmsReceived) does, which fires on every message.
    ///
    /// Everything that is given must be so: they are the prefixes of Windows' `SmsFilterRule`. Messages are only read: none is
    /// accepted, dropped or deleted.
    ///
    /// ```
    /// use bgtask::SmsMessageReceivedTrigger;
    /// let codes = SmsMessageReceivedTrigger::new().from("+49").text("Your code");
    /// assert!(codes.properties().eq([("from", "+49"), ("text", "Your code")]));
    /// ```
    #[derive(Default)]
    SmsMessageReceivedTrigger
}

impl SmsMessageReceivedTrigger {
    /// A trigger for every message.
    pub fn new() -> Self {
        Self::of([])
    }

    property! {
        /// What the sender's number begins with.
        from: &str;
        /// What the message begins with.
        text: &str;
    }
}

/// A text message.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SmsMessageReceivedTriggerDetails {
    /// The sender's number.
    pub number: String,
    /// The message.
    pub text: String,
    /// When the network took it, in the words of ISO 8601 that ModemManager has it in, as `2030-01-01T12:00:00+01`; empty where the
    /// network does not say.
    pub received_at: String,
    /// The modem, by its object of ModemManager.
    pub modem: String,
    /// The message, by its object of ModemManager.
    pub message: String,
}

impl EventDetails for SmsMessageReceivedTriggerDetails {
    fn read(event: &TriggerEvent) -> Option<Self> {
        Some(Self {
            number: event.word("number")?,
            text: event.text("text"),
            received_at: event.text("received_at"),
            modem: event.text("modem"),
            message: event.text("message"),
        })
    }
}
