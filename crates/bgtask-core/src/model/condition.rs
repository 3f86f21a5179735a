use std::collections::BTreeMap;

use super::fact::Fact;
use super::windows_enum;
use crate::time::WallTime;

windows_enum! {
    /// The levels a registration may require (`SystemConditionType`).
    SystemConditionType {
        /// The user is at the machine.
        UserPresent = 1,
        /// The user is away.
        UserNotPresent = 2,
        /// The internet is reachable.
        InternetAvailable = 3,
        /// The internet is not reachable.
        InternetNotAvailable = 4,
        /// The user's session is connected.
        SessionConnected = 5,
        /// The user's session is disconnected; not a log-off (CND-3).
        SessionDisconnected = 6,
        /// A network that costs nothing is available.
        FreeNetworkAvailable = 7,
        /// The cost of background work is not high.
        BackgroundWorkCostNotHigh = 8,
    }
}

impl SystemConditionType {
    /// The value its fact must have for the condition to hold.
    const fn wanted(self) -> bool {
        !matches!(self, Self::UserNotPresent | Self::InternetNotAvailable)
    }
}

/// The last known value of every yes-or-no fact, with the time it was first seen.
#[derive(Clone, Debug, Default)]
pub struct Levels(BTreeMap<Fact, (bool, WallTime)>);

impl Levels {
    /// The value of `fact` and since when, `None` while no source has reported it.
    pub fn get(&self, fact: Fact) -> Option<(bool, WallTime)> {
        self.0.get(&fact).copied()
    }

    /// Notes a report; answers the value before it.
    pub(crate) fn set(&mut self, fact: Fact, value: bool, now: WallTime) -> Option<bool> {
        let before = self.get(fact);
        if before.is_none_or(|(old, _)| old != value) {
            self.0.insert(fact, (value, now));
        }
        before.map(|(old, _)| old)
    }

    /// Forgets a fact nobody watches any more: an old level must not decide later.
    pub(crate) fn forget(&mut self, fact: Fact) {
        self.0.remove(&fact);
    }

    /// Whether the condition holds; an unknown level does not.
    pub fn holds(&self, condition: SystemConditionType) -> bool {
        Fact::of_condition(condition)
            .and_then(|fact| self.get(fact))
            .is_some_and(|(value, _)| value == condition.wanted())
    }
}
