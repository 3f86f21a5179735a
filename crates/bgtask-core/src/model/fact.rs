use std::fmt;

use super::{condition::SystemConditionType, trigger::SystemTriggerType};

/// One thing a source knows about the machine. A trigger or a condition stands on exactly one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Fact {
    /// The system's time zone.
    TimeZone,
    /// Whether the internet is reachable.
    Internet,
    /// Whether the user is at the machine.
    UserPresence,
}

impl Fact {
    /// Every fact.
    pub const ALL: &'static [Self] = &[Self::TimeZone, Self::Internet, Self::UserPresence];

    /// The word used in messages and on the wire.
    pub const fn name(self) -> &'static str {
        match self {
            Self::TimeZone => "time-zone",
            Self::Internet => "internet",
            Self::UserPresence => "user-presence",
        }
    }

    /// The fact of that [`name`](Self::name).
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|fact| fact.name() == name)
    }

    /// The fact behind a system trigger, `None` where this build has no source for it.
    pub const fn of_trigger(kind: SystemTriggerType) -> Option<Self> {
        match kind {
            SystemTriggerType::TimeZoneChange => Some(Self::TimeZone),
            SystemTriggerType::InternetAvailable => Some(Self::Internet),
            SystemTriggerType::UserPresent | SystemTriggerType::UserAway => Some(Self::UserPresence),
            _ => None,
        }
    }

    /// The fact behind a system condition, `None` where this build has no source for it.
    pub const fn of_condition(kind: SystemConditionType) -> Option<Self> {
        match kind {
            SystemConditionType::InternetAvailable | SystemConditionType::InternetNotAvailable => Some(Self::Internet),
            SystemConditionType::UserPresent | SystemConditionType::UserNotPresent => Some(Self::UserPresence),
            _ => None,
        }
    }
}

impl fmt::Display for Fact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The time zone of the machine as a source read it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Zone {
    /// The IANA name, or a fingerprint of the rules where the zone has no name.
    pub identity: String,
    /// Seconds east of UTC at the moment of reading.
    pub offset_seconds: i32,
}

/// What a source says: always the level, read again, never the content of a signal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Report {
    /// The time zone.
    TimeZone {
        /// The zone now.
        zone: Zone,
        /// What the zone before would show on the wall now, in seconds east of UTC; `None` in a source's first report.
        previous_offset_seconds: Option<i32>,
    },
    /// Whether the internet is reachable.
    Internet(bool),
    /// Whether the user is at the machine.
    UserPresence(bool),
}

impl Report {
    /// The fact it is about.
    pub const fn fact(&self) -> Fact {
        match self {
            Self::TimeZone { .. } => Fact::TimeZone,
            Self::Internet(_) => Fact::Internet,
            Self::UserPresence(_) => Fact::UserPresence,
        }
    }
}
