use std::fmt;

use super::condition::SystemConditionType;
use super::trigger::{SystemTriggerType, Trigger};

/// One thing a source knows about the machine. A trigger or a condition stands on exactly one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Fact {
    /// The system's time zone.
    TimeZone,
    /// Whether the internet is reachable.
    Internet,
    /// Whether the user is at the machine.
    UserPresence,
    /// Whether the machine is on external power; one without a battery always is.
    ExternalPower,
    /// Whether the user saves energy.
    EnergySaver,
    /// Whether the machine is short of memory.
    MemoryPressure,
}

impl Fact {
    /// Every fact.
    pub const ALL: &'static [Self] = &[
        Self::TimeZone,
        Self::Internet,
        Self::UserPresence,
        Self::ExternalPower,
        Self::EnergySaver,
        Self::MemoryPressure,
    ];

    /// What every registration stands on besides its own trigger and conditions: where they hold, nothing runs (D13).
    pub(crate) const OF_EVERY_TASK: [Self; 2] = [Self::EnergySaver, Self::MemoryPressure];

    /// The word used in messages and on the wire.
    pub const fn name(self) -> &'static str {
        match self {
            Self::TimeZone => "time-zone",
            Self::Internet => "internet",
            Self::UserPresence => "user-presence",
            Self::ExternalPower => "external-power",
            Self::EnergySaver => "energy-saver",
            Self::MemoryPressure => "memory-pressure",
        }
    }

    /// The fact of that [`name`](Self::name).
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|fact| fact.name() == name)
    }

    /// The fact behind any trigger, `None` where it stands on none.
    pub const fn behind(trigger: &Trigger) -> Option<Self> {
        match trigger {
            Trigger::System { kind, .. } => Self::of_trigger(*kind),
            Trigger::Maintenance { .. } => Some(Self::ExternalPower),
            Trigger::Time { .. }
            | Trigger::Application
            | Trigger::MediaProcessing
            | Trigger::CustomSystemEvent { .. } => None,
        }
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
    /// Whether the machine is on external power.
    ExternalPower(bool),
    /// Whether the user saves energy.
    EnergySaver(bool),
    /// Whether the machine is short of memory.
    MemoryPressure(bool),
}

impl Report {
    /// The fact it is about.
    pub const fn fact(&self) -> Fact {
        match self {
            Self::TimeZone { .. } => Fact::TimeZone,
            Self::Internet(_) => Fact::Internet,
            Self::UserPresence(_) => Fact::UserPresence,
            Self::ExternalPower(_) => Fact::ExternalPower,
            Self::EnergySaver(_) => Fact::EnergySaver,
            Self::MemoryPressure(_) => Fact::MemoryPressure,
        }
    }
}
