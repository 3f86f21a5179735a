use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::condition::SystemConditionType;
use super::trigger::{SystemTriggerType, Trigger};
use super::{windows_enum, words};

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
    /// Whether the processors are busy.
    CpuPressure,
    /// Whether the machine is going to sleep, or sleeps.
    Standby,
    /// Whether a network that costs nothing is available.
    FreeNetwork,
    /// Whether somebody is connected to a session of the user.
    SessionConnected,
    /// Whether the screen is on; what cannot be known to be off is.
    Screen,
    /// Whether the cost of background work is not high: derived from four others (D14), no source of its own.
    WorkCost,
    /// Connectivity and cost of the network: a state, no level.
    NetworkState,
    /// What the battery does: a state, no level.
    PowerState,
    /// The connected online accounts: a state, no level.
    OnlineAccounts,
    /// The default online account: a state, no level.
    DefaultAccount,
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

windows_enum! {
    /// What background work costs the user (`BackgroundWorkCostValue`, D14).
    BackgroundWorkCost {
        /// Nothing that he would notice.
        Low = 0,
        /// Something: do what is needed now.
        Medium = 1,
        /// Much: do what cannot wait.
        High = 2,
    }
}

impl BackgroundWorkCost {
    /// D14: on external power it is low, on battery medium, with the screen off or while energy is saved high; one step more
    /// while the machine is short of memory.
    pub(crate) const fn of(external_power: bool, screen: bool, energy_saver: bool, memory_pressure: bool) -> Self {
        match (external_power, screen && !energy_saver, memory_pressure) {
            (true, _, false) => Self::Low,
            (true, _, true) | (false, true, false) => Self::Medium,
            (false, false, _) | (false, true, true) => Self::High,
        }
    }
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
        Self::CpuPressure,
        Self::Standby,
        Self::FreeNetwork,
        Self::SessionConnected,
        Self::Screen,
        Self::WorkCost,
        Self::NetworkState,
        Self::PowerState,
        Self::OnlineAccounts,
        Self::DefaultAccount,
    ];

    /// What it is derived from; nothing of what has a source.
    pub const fn ingredients(self) -> &'static [Self] {
        match self {
            Self::WorkCost => &[Self::ExternalPower, Self::Screen, Self::EnergySaver, Self::MemoryPressure],
            _ => &[],
        }
    }

    /// Whether it is a state, which is more than yes or no.
    pub const fn is_state(self) -> bool {
        matches!(self, Self::NetworkState | Self::PowerState | Self::OnlineAccounts | Self::DefaultAccount)
    }

    /// Whether a change of it while the broker is away is one all the same, so that the last state is kept.
    pub(crate) const fn is_kept(self) -> bool {
        matches!(self, Self::OnlineAccounts | Self::DefaultAccount)
    }

    /// What every registration stands on besides its own trigger and conditions: where they hold, nothing runs (D13).
    pub(crate) const OF_EVERY_TASK: [Self; 2] = [Self::EnergySaver, Self::MemoryPressure];

    /// What every registration stands on as well, where it is known: what nobody can know holds nothing.
    pub(crate) const OF_EVERY_START: [Self; 2] = [Self::Standby, Self::CpuPressure];

    /// The word used in messages and on the wire: `internet`, `battery-above:50`.
    pub fn name(self) -> Cow<'static, str> {
        match self {
            Self::TimeZone => "time-zone".into(),
            Self::Internet => "internet".into(),
            Self::UserPresence => "user-presence".into(),
            Self::ExternalPower => "external-power".into(),
            Self::EnergySaver => "energy-saver".into(),
            Self::MemoryPressure => "memory-pressure".into(),
            Self::CpuPressure => "cpu-pressure".into(),
            Self::Standby => "standby".into(),
            Self::FreeNetwork => "free-network".into(),
            Self::SessionConnected => "session-connected".into(),
            Self::Screen => "screen".into(),
            Self::WorkCost => "work-cost".into(),
            Self::NetworkState => "network-state".into(),
            Self::PowerState => "power-state".into(),
            Self::OnlineAccounts => "online-accounts".into(),
            Self::DefaultAccount => "default-account".into(),
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

    /// Whether its name is the word of a condition; the others have words of their own, are no level, or hold while nothing
    /// could run that waits for them.
    pub(crate) const fn is_condition(self) -> bool {
        let named_otherwise = matches!(
            self,
            Self::Internet
                | Self::UserPresence
                | Self::ExternalPower
                | Self::FreeNetwork
                | Self::SessionConnected
                | Self::WorkCost
        );
        !named_otherwise && !self.is_state() && !matches!(self, Self::TimeZone | Self::Standby)
    }

    /// The fact behind any trigger, `None` where it stands on none.
    pub const fn behind(trigger: &Trigger) -> Option<Self> {
        match trigger {
            Trigger::System { kind, .. } => Self::of_trigger(*kind),
            Trigger::Maintenance { .. } => Some(Self::ExternalPower),
            Trigger::Condition { condition, .. } => Some(condition.fact()),
            // A calendar without a zone of its own follows the machine's.
            Trigger::Calendar { zone: None, .. } => Some(Self::TimeZone),
            Trigger::Time { .. }
            | Trigger::Application
            | Trigger::MediaProcessing
            | Trigger::DeviceUse
            | Trigger::Event { .. }
            | Trigger::CustomSystemEvent { .. }
            | Trigger::Interval { .. }
            | Trigger::Calendar { .. }
            | Trigger::Path { .. }
            | Trigger::AppService { .. }
            | Trigger::SessionStart { .. } => None,
        }
    }

    /// The fact behind a system trigger, `None` where it stands on none.
    pub const fn of_trigger(kind: SystemTriggerType) -> Option<Self> {
        match kind {
            SystemTriggerType::TimeZoneChange => Some(Self::TimeZone),
            SystemTriggerType::InternetAvailable => Some(Self::Internet),
            SystemTriggerType::UserPresent | SystemTriggerType::UserAway => Some(Self::UserPresence),
            SystemTriggerType::SessionConnected => Some(Self::SessionConnected),
            SystemTriggerType::NetworkStateChange => Some(Self::NetworkState),
            SystemTriggerType::PowerStateChange => Some(Self::PowerState),
            SystemTriggerType::BackgroundWorkCostChange => Some(Self::WorkCost),
            SystemTriggerType::OnlineIdConnectedStateChange => Some(Self::OnlineAccounts),
            SystemTriggerType::DefaultSignInAccountChange => Some(Self::DefaultAccount),
            // The first is listened to, the others are the broker's own news.
            SystemTriggerType::SmsReceived
            | SystemTriggerType::ServicingComplete
            | SystemTriggerType::ControlChannelReset
            | SystemTriggerType::LockScreenApplicationAdded
            | SystemTriggerType::LockScreenApplicationRemoved => None,
        }
    }

    /// The fact behind a system condition.
    pub const fn of_condition(kind: SystemConditionType) -> Self {
        match kind {
            SystemConditionType::InternetAvailable | SystemConditionType::InternetNotAvailable => Self::Internet,
            SystemConditionType::UserPresent | SystemConditionType::UserNotPresent => Self::UserPresence,
            SystemConditionType::SessionConnected | SystemConditionType::SessionDisconnected => Self::SessionConnected,
            SystemConditionType::FreeNetworkAvailable => Self::FreeNetwork,
            SystemConditionType::BackgroundWorkCostNotHigh => Self::WorkCost,
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

/// The word of [`Fact::SessionConnected`] for the end of the last session of the user: neither connected nor disconnected.
pub const LOGGED_OFF: &str = "logged-off";

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
    /// A fact that is a level: whether it is so.
    Level(Fact, bool),
    /// A fact that is a state: which. Of [`Fact::SessionConnected`] it is [`LOGGED_OFF`], beside its level.
    State(Fact, Arc<str>),
}

impl Report {
    /// The fact it is about.
    pub const fn fact(&self) -> Fact {
        match self {
            Self::TimeZone { .. } => Fact::TimeZone,
            Self::Level(fact, _) | Self::State(fact, _) => *fact,
        }
    }
}
