//! Control channels: connections that an app keeps, and whose arrivals the broker tells its tasks of.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::subject::EventClass;
use super::trigger::Trigger;
use super::windows_enum;
use crate::ids::{AppId, ClientId, HostId, SocketKey};
use crate::limits::MAX_CHANNEL_ID_CHARS;
use crate::refusal::Refusal;
use crate::time::WallTime;

windows_enum! {
    /// What became of a channel (`ControlChannelTriggerStatus`). What only hardware slots bring about is never answered.
    ControlChannelTriggerStatus {
        /// A hardware slot is asked for.
        HardwareSlotRequested = 0,
        /// The channel is open, in a software slot.
        SoftwareSlotAllocated = 1,
        /// The channel is open, in a hardware slot.
        HardwareSlotAllocated = 2,
        /// The app may not have it: it has as many as it may, or may not run in the background.
        PolicyError = 3,
        /// The hardware slot cannot be set up.
        SystemError = 4,
        /// The connection has ended already.
        TransportDisconnected = 5,
        /// The machine goes to sleep. Try again when it is awake.
        ServiceUnavailable = 6,
    }
}

windows_enum! {
    /// What a channel asks for (`ControlChannelTriggerResourceType`).
    ControlChannelTriggerResourceType {
        /// It is told of while the machine is awake.
        RequestSoftwareSlot = 0,
        /// What arrives wakes the machine: no machine with Linux can for a single connection, so that it is refused (CCT-8).
        RequestHardwareSlot = 1,
    }
}

windows_enum! {
    /// Why channels were reset (`ControlChannelTriggerResetReason`).
    ControlChannelTriggerResetReason {
        /// Another user came to the machine: on Linux that takes no connection.
        FastUserSwitched = 0,
        /// The machine has slept, and the connection did not survive it.
        LowPowerExit = 1,
        /// Quiet hours are over: on Linux they take no connection.
        QuietHoursExit = 2,
        /// The process that held the connection is gone.
        ApplicationRestart = 3,
    }
}

/// What of a channel fires a task.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ChannelSide {
    /// Something arrived (`PushNotificationTrigger`).
    Push,
    /// The time of the server's keep-alive is over (`KeepAliveTrigger`).
    KeepAlive,
}

impl ChannelSide {
    /// The word for it in the properties of a trigger.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Push => "push",
            Self::KeepAlive => "keep-alive",
        }
    }

    /// The side of that [`word`](Self::word).
    pub fn from_word(word: &str) -> Option<Self> {
        [Self::Push, Self::KeepAlive].into_iter().find(|side| side.word() == word)
    }
}

/// A connection of an app that is watched for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ControlChannel {
    /// The driver's number for its descriptor.
    pub key: SocketKey,
    /// Whose it is.
    pub app: AppId,
    /// The app's name for it (CCT-1).
    pub id: Arc<str>,
    /// The client that holds the connection: its tasks run in that process, and it ends with it.
    pub client: ClientId,
    /// The host that this client is in, where the broker started it.
    pub host: Option<HostId>,
    /// How often its server wants to hear something (CCT-2).
    pub keep_alive: Duration,
    /// When that is over next.
    pub due: WallTime,
    /// How many bytes were there to read when its tasks were last told.
    pub unread: Option<u32>,
    /// How long was waited the last time because a task had read nothing.
    pub pause: Duration,
    /// Whether the machine has slept since something arrived last.
    pub slept: bool,
    /// Where it stands.
    pub state: ChannelState,
}

/// Where a channel stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChannelState {
    /// It is watched.
    Watched,
    /// Something arrived: its tasks wait or run, and it is not watched.
    Told,
    /// Its tasks have read nothing: it is looked at again then.
    Paused {
        /// When.
        until: WallTime,
    },
    /// Something arrived, and no task is registered for it.
    Unheard,
    /// The connection has ended, which was told.
    Over,
}

/// What can happen to a channel, besides its reset or its close, which remove it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChannelEvent {
    /// Something arrived, and its tasks are told.
    Arrived,
    /// What arrived is what its tasks were told of before: they have read nothing.
    LeftUnread {
        /// When they are told again.
        until: WallTime,
    },
    /// Something arrived for which no task is registered.
    Ignored,
    /// Nothing is left to read, and nothing will come.
    Closed,
    /// No task of it waits or runs any more.
    Ended,
    /// It is to be watched again: the pause is over, or there is a task for it now.
    Resumed,
}

/// An event that cannot happen in a state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IllegalChannelEvent {
    /// The state it was in.
    pub state: ChannelState,
    /// The event that does not fit.
    pub event: ChannelEvent,
}

impl fmt::Display for IllegalChannelEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} cannot happen to a control channel that is {:?}", self.event, self.state)
    }
}

impl std::error::Error for IllegalChannelEvent {}

impl ChannelState {
    /// The whole legal transition relation.
    ///
    /// # Errors
    ///
    /// The event cannot happen in this state.
    pub fn next(self, event: ChannelEvent) -> Result<Self, IllegalChannelEvent> {
        use ChannelEvent as E;
        Ok(match (self, event) {
            (Self::Watched, E::Arrived) => Self::Told,
            (Self::Watched, E::LeftUnread { until }) => Self::Paused { until },
            (Self::Watched, E::Ignored) => Self::Unheard,
            (Self::Watched, E::Closed) => Self::Over,
            (Self::Told, E::Ended) | (Self::Paused { .. } | Self::Unheard, E::Resumed) => Self::Watched,
            (state, event) => return Err(IllegalChannelEvent { state, event }),
        })
    }

    /// One word for programs.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Watched => "watched",
            Self::Told => "told",
            Self::Paused { .. } => "unread",
            Self::Unheard => "unheard",
            Self::Over => "ended",
        }
    }
}

/// The property of a trigger with the id of its channel.
pub(crate) const CHANNEL: &str = "channel";
/// The property of a trigger with its side, in a [word](ChannelSide::word).
pub(crate) const ON: &str = "on";

/// CCT-1: the app's name for a channel.
pub(crate) fn check_channel_id(id: &str) -> Result<(), Refusal> {
    let invalid = |text: String| Err(Refusal::InvalidArgument(text));
    if id.is_empty() || id.chars().any(char::is_control) {
        return invalid("the channel's id is empty or has control characters: give it a name of its own".into());
    }
    if id.chars().count() > MAX_CHANNEL_ID_CHARS {
        return invalid(format!("the channel's id is longer than {MAX_CHANNEL_ID_CHARS} characters (CCT-1)"));
    }
    Ok(())
}

impl Trigger {
    /// The channel that a trigger belongs to, and what of it fires.
    pub fn control_channel(&self) -> Option<(&Arc<str>, ChannelSide)> {
        let Self::Event { class: EventClass::ControlChannel, properties, .. } = self else { return None };
        Some((properties.get(CHANNEL)?, ChannelSide::from_word(properties.get(ON)?)?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_transition_relation_is_exactly_this_table() {
        let until = WallTime::from_micros(1);
        let states = [
            ChannelState::Watched,
            ChannelState::Told,
            ChannelState::Paused { until },
            ChannelState::Unheard,
            ChannelState::Over,
        ];
        let events = [
            ("arrived", ChannelEvent::Arrived),
            ("left unread", ChannelEvent::LeftUnread { until }),
            ("ignored", ChannelEvent::Ignored),
            ("closed", ChannelEvent::Closed),
            ("ended", ChannelEvent::Ended),
            ("resumed", ChannelEvent::Resumed),
        ];
        let legal = states.map(|state| {
            let names = events.iter().filter(|(_, event)| state.next(*event).is_ok()).map(|(name, _)| *name);
            names.collect::<Vec<_>>().join(", ")
        });
        assert_eq!(legal, ["arrived, left unread, ignored, closed", "ended", "resumed", "resumed", ""]);
    }

    #[test]
    fn the_numbers_are_those_of_windows() {
        assert_eq!(ControlChannelTriggerStatus::ALL.len(), 7);
        assert_eq!(ControlChannelTriggerStatus::TransportDisconnected.number(), 5);
        assert_eq!(ControlChannelTriggerResourceType::RequestHardwareSlot.number(), 1);
        assert_eq!(ControlChannelTriggerResetReason::ApplicationRestart.number(), 3);
    }
}
