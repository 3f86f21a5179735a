//! Events of the system.

use crate::windows_enum::windows_enum;

windows_enum! {
    /// The system events a [`SystemTrigger`] can wait for.
    ///
    /// All of them exist in the model; which ones this machine can report is decided when a task is registered, and a
    /// registration for one that it cannot is refused with [`Error::is_not_supported`](crate::Error::is_not_supported).
    SystemTriggerType {
        /// A text message arrived at a mobile broadband device.
        SmsReceived = 1,
        /// The user is there again.
        UserPresent = 2,
        /// The user went away.
        UserAway = 3,
        /// The network changed: its cost, its connectivity.
        NetworkStateChange = 4,
        /// A control channel was reset. It cannot be one-shot (SYS-2).
        ControlChannelReset = 5,
        /// The Internet became reachable.
        InternetAvailable = 6,
        /// The user's session was connected.
        SessionConnected = 7,
        /// The app was updated.
        ServicingComplete = 8,
        /// A tile was added to the lock screen.
        LockScreenApplicationAdded = 9,
        /// A tile was removed from the lock screen.
        LockScreenApplicationRemoved = 10,
        /// The time zone changed, and with it the local time (SYS-3).
        TimeZoneChange = 11,
        /// The account that apps are connected to changed.
        OnlineIdConnectedStateChange = 12,
        /// What background work costs changed.
        BackgroundWorkCostChange = 13,
        /// The state of the battery changed (SYS-4).
        PowerStateChange = 14,
        /// The default sign-in account changed.
        DefaultSignInAccountChange = 15,
    }
}

/// A trigger that fires on an event of the system.
///
/// ```
/// use bgtask::{SystemTrigger, SystemTriggerType};
/// let trigger = SystemTrigger::new(SystemTriggerType::TimeZoneChange, false);
/// assert_eq!(trigger.trigger_type(), SystemTriggerType::TimeZoneChange);
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct SystemTrigger {
    trigger_type: SystemTriggerType,
    one_shot: bool,
}

impl SystemTrigger {
    /// A trigger for this event. With `one_shot` the registration is spent by its first firing and leaves
    /// [`all_tasks`](crate::BackgroundTaskRegistration::all_tasks) when that activation ends, else it fires every time (SYS-1).
    pub const fn new(trigger_type: SystemTriggerType, one_shot: bool) -> Self {
        Self { trigger_type, one_shot }
    }

    /// The event.
    pub const fn trigger_type(&self) -> SystemTriggerType {
        self.trigger_type
    }

    /// Whether it fires only once.
    pub const fn one_shot(&self) -> bool {
        self.one_shot
    }
}
