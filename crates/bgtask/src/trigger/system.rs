//! Events of the system.

use crate::windows_enum::windows_enum;

windows_enum! {
    /// The system events a [`SystemTrigger`] can wait for.
    ///
    /// All of them exist in the model; which ones this machine can report is decided when a task is registered, and a
    /// registration for one that it cannot is refused with [`Error::is_not_supported`](crate::Error::is_not_supported).
    SystemTriggerType {
        /// A text message arrived at a modem. Its task gets
        /// [`SmsMessageReceivedTriggerDetails`](crate::SmsMessageReceivedTriggerDetails).
        SmsReceived = 1,
        /// The user is there again.
        UserPresent = 2,
        /// The user went away.
        UserAway = 3,
        /// The network changed: its connectivity, its cost, or which network it is.
        NetworkStateChange = 4,
        /// A control channel was reset: its process or its connection is gone. It cannot be one-shot (SYS-2). Its task gets
        /// [`ControlChannelTriggerResetEventDetails`](crate::network::ControlChannelTriggerResetEventDetails).
        ControlChannelReset = 5,
        /// The Internet became reachable.
        InternetAvailable = 6,
        /// Somebody connected to a session of the user: they logged in, came back to it from another, or from afar. To log off is
        /// not the opposite (CND-3).
        SessionConnected = 7,
        /// The app was updated.
        ServicingComplete = 8,
        /// A tile was added to the lock screen: here, the app became one that is
        /// [always allowed](crate::BackgroundAccessStatus::AlwaysAllowed) to run in the background.
        LockScreenApplicationAdded = 9,
        /// A tile was removed from the lock screen: here, the app is no longer always allowed to run in the background.
        LockScreenApplicationRemoved = 10,
        /// The time zone changed, and with it the local time (SYS-3).
        TimeZoneChange = 11,
        /// The online accounts that are connected changed, as GNOME Online Accounts has them. Also when that was while nothing ran.
        OnlineIdConnectedStateChange = 12,
        /// What background work costs changed: the machine was plugged in or out, its screen went on or off, or energy is to be saved
        /// (D14).
        BackgroundWorkCostChange = 13,
        /// The state of the battery changed: it charges, discharges, is idle, or is not there (SYS-4).
        PowerStateChange = 14,
        /// The first of the online accounts changed.
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
