use std::fmt;

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
}

impl Trigger {
    /// Whether the first accepted firing spends the registration.
    pub const fn one_shot(&self) -> bool {
        match self {
            Self::System { one_shot, .. } => *one_shot,
        }
    }
}

impl fmt::Display for Trigger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::System { kind, .. } => f.write_str(kind.name()),
        }
    }
}
