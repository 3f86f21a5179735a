use std::borrow::Cow;
use std::fmt;
use std::time::Duration;

use super::condition::SystemConditionType;
use super::trigger::{SystemTriggerType, Trigger};
use super::words;

/// The shortest time a user can be idle for.
const IDLE_LEAST: Duration = Duration::from_secs(1);
/// The longest time a user can be idle for: a week.
const IDLE_MOST: Duration = Duration::from_secs(7 * 86_400);

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
    /// Whether a network that costs nothing is available.
    FreeNetwork,
    /// Whether the battery has so many percent or more; a machine without one always has.
    BatteryAbove(u8),
    /// Whether the user has done nothing for so long.
    Idle(Duration),
    /// Whether the file system of the home folder has so many bytes free.
    DiskFree(u64),
    /// Whether the load of the last minute is below so many hundredths.
    LoadBelow(u32),
    /// Whether it is that time of the day.
    Between(DayWindow),
}

/// A part of every day, on the wall clock of the machine's time zone: from the first minute to before the last, over
/// midnight where that is earlier.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DayWindow {
    /// Minutes after midnight.
    pub from: u16,
    /// Minutes after midnight; never the same as `from`.
    pub to: u16,
}

impl DayWindow {
    /// The window of that word, `22:00-06:00`.
    pub fn from_word(word: &str) -> Option<Self> {
        let (from, to) = word.split_once('-')?;
        let window = Self { from: words::minute(from)?, to: words::minute(to)? };
        (window.from != window.to).then_some(window)
    }
}

impl fmt::Display for DayWindow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", words::minute_word(self.from), words::minute_word(self.to))
    }
}

impl Fact {
    /// Every fact that has no parameter.
    pub const ALL: &'static [Self] = &[
        Self::TimeZone,
        Self::Internet,
        Self::UserPresence,
        Self::ExternalPower,
        Self::EnergySaver,
        Self::MemoryPressure,
        Self::FreeNetwork,
    ];

    /// What every registration stands on besides its own trigger and conditions: where they hold, nothing runs (D13).
    pub(crate) const OF_EVERY_TASK: [Self; 2] = [Self::EnergySaver, Self::MemoryPressure];

    /// The word used in messages and on the wire: `internet`, `battery-above:50`.
    pub fn name(self) -> Cow<'static, str> {
        match self {
            Self::TimeZone => "time-zone".into(),
            Self::Internet => "internet".into(),
            Self::UserPresence => "user-presence".into(),
            Self::ExternalPower => "external-power".into(),
            Self::EnergySaver => "energy-saver".into(),
            Self::MemoryPressure => "memory-pressure".into(),
            Self::FreeNetwork => "free-network".into(),
            Self::BatteryAbove(percent) => format!("battery-above:{percent}").into(),
            Self::Idle(least) => format!("idle:{}", words::duration_word(least)).into(),
            Self::DiskFree(bytes) => format!("disk-free:{}", words::size_word(bytes)).into(),
            Self::LoadBelow(value) => format!("load-below:{}", words::hundredths_word(value)).into(),
            Self::Between(window) => format!("between:{window}").into(),
        }
    }

    /// The fact of that [`name`](Self::name).
    pub fn from_name(name: &str) -> Option<Self> {
        let plain = Self::ALL.iter().copied().find(|fact| fact.name() == name);
        plain.or_else(|| {
            let (kind, value) = name.split_once(':')?;
            Some(match kind {
                "battery-above" => Self::BatteryAbove(value.parse().ok().filter(|percent| *percent < 100)?),
                "idle" => Self::Idle(words::duration(value).filter(|least| (IDLE_LEAST..=IDLE_MOST).contains(least))?),
                "disk-free" => Self::DiskFree(words::size(value).filter(|bytes| *bytes > 0)?),
                "load-below" => Self::LoadBelow(words::hundredths(value).filter(|value| *value > 0)?),
                "between" => Self::Between(DayWindow::from_word(value)?),
                _ => return None,
            })
        })
    }

    /// Whether its name is the word of a condition; the others have words of their own, or are no level.
    pub(crate) const fn is_condition(self) -> bool {
        let named_otherwise =
            matches!(self, Self::Internet | Self::UserPresence | Self::ExternalPower | Self::FreeNetwork);
        !named_otherwise && !matches!(self, Self::TimeZone)
    }

    /// The fact behind any trigger, `None` where it stands on none.
    pub const fn behind(trigger: &Trigger) -> Option<Self> {
        match trigger {
            Trigger::System { kind, .. } => Self::of_trigger(*kind),
            Trigger::Maintenance { .. } => Some(Self::ExternalPower),
            Trigger::Condition { condition, .. } => condition.fact(),
            // A calendar without a zone of its own follows the machine's.
            Trigger::Calendar { zone: None, .. } => Some(Self::TimeZone),
            Trigger::Time { .. }
            | Trigger::Application
            | Trigger::MediaProcessing
            | Trigger::CustomSystemEvent { .. }
            | Trigger::Interval { .. }
            | Trigger::Calendar { .. }
            | Trigger::Path { .. }
            | Trigger::SessionStart { .. } => None,
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
            SystemConditionType::FreeNetworkAvailable => Some(Self::FreeNetwork),
            _ => None,
        }
    }
}

impl fmt::Display for Fact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name())
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
    /// Any other fact: whether it is so.
    Level(Fact, bool),
}

impl Report {
    /// The fact it is about.
    pub const fn fact(&self) -> Fact {
        match self {
            Self::TimeZone { .. } => Fact::TimeZone,
            Self::Level(fact, _) => *fact,
        }
    }
}
