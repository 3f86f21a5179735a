use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

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
        !matches!(self, Self::UserNotPresent | Self::InternetNotAvailable | Self::SessionDisconnected)
    }
}

/// Something that must hold for a task to run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Condition {
    /// One of the eight of Windows.
    System(SystemConditionType),
    /// Beyond Windows: a fact of the machine reads so.
    Fact {
        /// Which.
        fact: Fact,
        /// What it has to read.
        holds: bool,
    },
}

/// The short words of Windows' conditions.
const WORDS: [(&str, SystemConditionType); 8] = [
    ("user-present", SystemConditionType::UserPresent),
    ("user-away", SystemConditionType::UserNotPresent),
    ("internet", SystemConditionType::InternetAvailable),
    ("no-internet", SystemConditionType::InternetNotAvailable),
    ("session-connected", SystemConditionType::SessionConnected),
    ("session-disconnected", SystemConditionType::SessionDisconnected),
    ("unmetered", SystemConditionType::FreeNetworkAvailable),
    ("cost-not-high", SystemConditionType::BackgroundWorkCostNotHigh),
];

impl Condition {
    /// The fact it stands on.
    pub const fn fact(self) -> Fact {
        match self {
            Self::System(kind) => Fact::of_condition(kind),
            Self::Fact { fact, .. } => fact,
        }
    }

    /// Whether it holds while its fact reads `value`.
    pub const fn holds_at(self, value: bool) -> bool {
        match self {
            Self::System(kind) => value == kind.wanted(),
            Self::Fact { holds, .. } => value == holds,
        }
    }

    /// Its opposite.
    #[must_use]
    pub fn opposite(self) -> Self {
        use SystemConditionType as S;
        match self {
            Self::System(S::UserPresent) => Self::System(S::UserNotPresent),
            Self::System(S::UserNotPresent) => Self::System(S::UserPresent),
            Self::System(S::InternetAvailable) => Self::System(S::InternetNotAvailable),
            Self::System(S::InternetNotAvailable) => Self::System(S::InternetAvailable),
            Self::System(S::SessionConnected) => Self::System(S::SessionDisconnected),
            Self::System(S::SessionDisconnected) => Self::System(S::SessionConnected),
            Self::System(S::FreeNetworkAvailable) => Self::Fact { fact: Fact::FreeNetwork, holds: false },
            Self::System(S::BackgroundWorkCostNotHigh) => Self::Fact { fact: Fact::WorkCost, holds: false },
            Self::Fact { fact: Fact::FreeNetwork, holds: false } => Self::System(S::FreeNetworkAvailable),
            Self::Fact { fact: Fact::WorkCost, holds: false } => Self::System(S::BackgroundWorkCostNotHigh),
            Self::Fact { fact, holds } => Self::Fact { fact, holds: !holds },
        }
    }

    /// The name Windows gives it, or else its word.
    pub fn name(self) -> Cow<'static, str> {
        match self {
            Self::System(kind) => kind.name().into(),
            Self::Fact { .. } => self.word(),
        }
    }

    /// The word a person writes: `user-away`, `ac-power`, `battery-above:50`, `not:unmetered`.
    pub fn word(self) -> Cow<'static, str> {
        let of_windows = |wanted| WORDS.iter().find(|(_, kind)| *kind == wanted).map(|(word, _)| *word);
        match self {
            Self::System(kind) => of_windows(kind).unwrap_or_else(|| kind.name()).into(),
            Self::Fact { fact: Fact::ExternalPower, holds: true } => "ac-power".into(),
            Self::Fact { fact, holds: true } => fact.name(),
            Self::Fact { holds: false, .. } => format!("not:{}", self.opposite().word()).into(),
        }
    }

    /// The condition of that name of Windows, or of that [`word`](Self::word).
    ///
    /// ```
    /// use bgtask_core::{Condition, SystemConditionType};
    /// assert_eq!(Condition::from_name("user-away"), Some(Condition::System(SystemConditionType::UserNotPresent)));
    /// assert_eq!(Condition::from_name("not:battery-above:50").unwrap().word(), "not:battery-above:50");
    /// assert_eq!(Condition::from_name("rainy"), None);
    /// ```
    pub fn from_name(name: &str) -> Option<Self> {
        if let Some(opposite) = name.strip_prefix("not:") {
            let condition = Self::from_name(opposite).filter(|_| !opposite.starts_with("not:"))?;
            return Some(condition.opposite()).filter(|it| *it != condition);
        }
        let of_windows = WORDS.iter().find(|(word, _)| *word == name).map(|(_, kind)| *kind);
        if let Some(kind) = of_windows.or_else(|| SystemConditionType::from_name(name)) {
            return Some(Self::System(kind));
        }
        let fact = match name {
            "ac-power" => Some(Fact::ExternalPower),
            _ => Fact::from_name(name).filter(|fact| fact.is_condition()),
        };
        fact.map(|fact| Self::Fact { fact, holds: true })
    }
}

impl From<SystemConditionType> for Condition {
    fn from(kind: SystemConditionType) -> Self {
        Self::System(kind)
    }
}

impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name())
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
    pub fn holds(&self, condition: impl Into<Condition>) -> bool {
        let condition = condition.into();
        self.get(condition.fact()).is_some_and(|(value, _)| condition.holds_at(value))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_condition_is_read_again_from_its_name_and_its_word() {
        let words = [
            "ac-power",
            "battery-above:20",
            "idle:10min",
            "disk-free:10G",
            "load-below:1.5",
            "between:22:00-06:00",
            "energy-saver",
            "memory-pressure",
            "cpu-pressure",
            "screen",
            "not:cost-not-high",
        ];
        let of_windows = SystemConditionType::ALL.iter().map(|kind| Condition::System(*kind));
        let beyond = words.iter().map(|word| Condition::from_name(word).unwrap_or_else(|| panic!("{word}")));
        for condition in of_windows.chain(beyond.clone()).chain(beyond.map(Condition::opposite)) {
            assert_eq!(Condition::from_name(&condition.name()), Some(condition));
            assert_eq!(Condition::from_name(&condition.word()), Some(condition));
        }
    }

    #[test]
    fn not_turns_a_condition_round() {
        let named = |name| Condition::from_name(name);
        assert_eq!(named("not:internet"), named("InternetNotAvailable"));
        assert_eq!(named("not:user-away"), named("user-present"));
        assert_eq!(named("not:unmetered").map(|it| it.word().into_owned()), Some("not:unmetered".into()));
        assert_eq!(named("not:unmetered").map(Condition::opposite), named("unmetered"));
        for wrong in [
            "not:",
            "not:not:internet",
            "online-accounts",
            "power-state",
            "time-zone",
            "free-network",
            "standby",
            "battery-above:101",
            "idle:0s",
        ] {
            assert_eq!(named(wrong), None, "{wrong}");
        }
    }
}
