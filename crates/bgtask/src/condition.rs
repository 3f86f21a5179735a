//! What must hold for a task to run.

use crate::windows_enum::windows_enum;

windows_enum! {
    /// The states a [`SystemCondition`] can require.
    SystemConditionType {
        /// The user is there.
        UserPresent = 1,
        /// The user is away.
        UserNotPresent = 2,
        /// The Internet is reachable.
        InternetAvailable = 3,
        /// The Internet is not reachable.
        InternetNotAvailable = 4,
        /// The user's session is connected.
        SessionConnected = 5,
        /// The user's session is disconnected.
        SessionDisconnected = 6,
        /// The network may be used without counting what it costs.
        FreeNetworkAvailable = 7,
        /// Background work costs little or a medium amount now.
        BackgroundWorkCostNotHigh = 8,
    }
}

/// A state of the system that must hold for a task to run. A task that fires while it does not hold is kept until it
/// does (CND-2); of several conditions every one must hold (CND-1).
///
/// ```
/// use bgtask::{SystemCondition, SystemConditionType};
/// let condition = SystemCondition::new(SystemConditionType::UserPresent);
/// assert_eq!(condition.condition_type().name(), "UserPresent");
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct SystemCondition {
    condition_type: SystemConditionType,
}

impl SystemCondition {
    /// A condition that requires this state.
    pub const fn new(condition_type: SystemConditionType) -> Self {
        Self { condition_type }
    }

    /// The state.
    pub const fn condition_type(&self) -> SystemConditionType {
        self.condition_type
    }
}
