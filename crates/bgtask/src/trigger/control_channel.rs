//! The two triggers of a control channel.

use super::event::event_trigger;

event_trigger! {
    /// One of the two triggers of a [control channel](crate::network::ControlChannelTrigger): something arrives at its connection, or its
    /// server wants to hear something. It fires a task in the process that holds the connection; what it is about is in
    /// [`ControlChannelTriggerEventDetails`](crate::network::ControlChannelTriggerEventDetails).
    ///
    /// It may be registered before the channel is open, and stays registered when it is closed. The manifest declares the entry point with
    /// the type `controlChannel` (or `general`); a task of the app itself needs none.
    ControlChannelTrigger
}

impl ControlChannelTrigger {
    pub(crate) fn side(channel: &str, on: &str) -> Self {
        Self::of([("channel", channel.to_owned()), ("on", on.to_owned())])
    }
}
