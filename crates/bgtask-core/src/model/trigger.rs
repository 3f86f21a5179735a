use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::windows_enum;

windows_enum! {
    /// The kinds of system event (`SystemTriggerType`).
    SystemTriggerType {
        /// A text message arrived.
        SmsReceived = 1,
        /// The user came back to the machine.
        UserPresent = 2,
        /// The user left the machine.
        UserAway = 3,
        /// Connectivity or cost of the network changed.
        NetworkStateChange = 4,
        /// A control channel was reset; one-shot is not allowed (SYS-2).
        ControlChannelReset = 5,
        /// The internet became reachable.
        InternetAvailable = 6,
        /// The user's session was connected.
        SessionConnected = 7,
        /// The app was updated.
        ServicingComplete = 8,
        /// The app was put on the lock screen.
        LockScreenApplicationAdded = 9,
        /// The app was taken off the lock screen.
        LockScreenApplicationRemoved = 10,
        /// The time zone changed so that the wall clock shows another time (SYS-3).
        TimeZoneChange = 11,
        /// The connected online account changed.
        OnlineIdConnectedStateChange = 12,
        /// The cost of background work changed.
        BackgroundWorkCostChange = 13,
        /// The battery status changed.
        PowerStateChange = 14,
        /// The default sign-in account changed.
        DefaultSignInAccountChange = 15,
    }
}

windows_enum! {
    /// How often a custom event may start its task (`CustomSystemEventTriggerRecurrence`, SYS-6).
    CustomSystemEventTriggerRecurrence {
        /// At most once in a session of the user.
        Once = 0,
        /// Every time.
        Always = 1,
    }
}

/// What fires a task: exactly one per registration (LC-1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trigger {
    /// A `SystemTrigger`: an event of the operating system.
    System {
        /// Which event.
        kind: SystemTriggerType,
        /// Whether the registration is spent by its first firing (SYS-1, D6).
        one_shot: bool,
    },
    /// A `TimeTrigger`: some time after the registration, once or again and again (TM-3).
    Time {
        /// The interval in minutes (TM-2).
        freshness: u32,
        /// Whether the registration is spent by its first firing.
        one_shot: bool,
    },
    /// A `MaintenanceTrigger`: as a timer, but only on external power (TM-7).
    Maintenance {
        /// The interval in minutes.
        freshness: u32,
        /// Whether the registration is spent by its first firing.
        one_shot: bool,
    },
    /// An `ApplicationTrigger`: the app asks for it itself (REQ-1).
    Application,
    /// A `MediaProcessingTrigger`: as an application trigger, for work on media (REQ-7).
    MediaProcessing,
    /// A `CustomSystemEventTrigger`: an event another program raises.
    CustomSystemEvent {
        /// The event's id.
        id: Arc<str>,
        /// How often it counts.
        recurrence: CustomSystemEventTriggerRecurrence,
    },
}

impl Trigger {
    /// Whether the first accepted firing spends the registration.
    pub const fn one_shot(&self) -> bool {
        match self {
            Self::System { one_shot, .. } | Self::Time { one_shot, .. } | Self::Maintenance { one_shot, .. } => {
                *one_shot
            }
            Self::Application | Self::MediaProcessing | Self::CustomSystemEvent { .. } => false,
        }
    }

    /// The name of its class in Windows.
    pub const fn class(&self) -> &'static str {
        match self {
            Self::System { .. } => "SystemTrigger",
            Self::Time { .. } => "TimeTrigger",
            Self::Maintenance { .. } => "MaintenanceTrigger",
            Self::Application => "ApplicationTrigger",
            Self::MediaProcessing => "MediaProcessingTrigger",
            Self::CustomSystemEvent { .. } => "CustomSystemEventTrigger",
        }
    }

    /// Whether its tasks may run for the longer budget (D10, Q-10).
    pub const fn is_long_running(&self) -> bool {
        matches!(self, Self::Application | Self::MediaProcessing | Self::Maintenance { .. })
    }

    /// The interval of a trigger that fires by time.
    pub const fn interval(&self) -> Option<Duration> {
        match self {
            Self::Time { freshness, .. } | Self::Maintenance { freshness, .. } => {
                Some(Duration::from_secs(*freshness as u64 * 60))
            }
            _ => None,
        }
    }
}

impl fmt::Display for Trigger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::System { kind, .. } => f.write_str(kind.name()),
            Self::Time { freshness, .. } => write!(f, "the timer of {freshness} min"),
            Self::Maintenance { freshness, .. } => write!(f, "the maintenance timer of {freshness} min"),
            Self::Application => f.write_str("the application trigger"),
            Self::MediaProcessing => f.write_str("the media processing trigger"),
            Self::CustomSystemEvent { id, .. } => write!(f, "the event {id}"),
        }
    }
}

/// What a trigger carries for its task: opaque here, written and read by the two ends (REQ-4).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Details(pub Arc<[u8]>);
