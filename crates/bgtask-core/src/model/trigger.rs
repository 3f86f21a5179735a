use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::condition::Condition;
use super::subject::{EventClass, Properties, Subject};
use super::windows_enum;
use super::words::duration_word;

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

windows_enum! {
    /// How often a custom event may start its task (`CustomSystemEventTriggerRecurrence`, SYS-6).
    CustomSystemEventTriggerRecurrence {
        /// At most once in a session of the user.
        Once = 0,
        /// Every time.
        Always = 1,
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
    /// A `TimeTrigger`: some time after the registration, once or again and again (TM-3).
    Time {
        /// The interval in minutes (TM-2).
        freshness: u32,
        /// Whether the registration is spent by its first firing.
        one_shot: bool,
    },
    /// A `MaintenanceTrigger`: as a timer, but only on external power (TM-7).
    Maintenance {
        /// The interval in minutes.
        freshness: u32,
        /// Whether the registration is spent by its first firing.
        one_shot: bool,
    },
    /// An `ApplicationTrigger`: the app asks for it itself (REQ-1).
    Application,
    /// A `MediaProcessingTrigger`: as an application trigger, for work on media (REQ-7).
    MediaProcessing,
    /// A `CustomSystemEventTrigger`: an event another program raises.
    CustomSystemEvent {
        /// The event's id.
        id: Arc<str>,
        /// How often it counts.
        recurrence: CustomSystemEventTriggerRecurrence,
    },
    /// A `DeviceUseTrigger`: the app asks for it, to use a device for some minutes (REQ-1, CA-8).
    DeviceUse,
    /// An app asks for the app service of this name: the manifest registers it, and no app can (HO-6).
    AppService {
        /// Its name.
        name: Arc<str>,
    },
    /// Any other class of trigger: it listens to events, each of which carries something.
    Event {
        /// Which class.
        class: EventClass,
        /// Which events of it.
        properties: Properties,
        /// Whether the registration is spent by its first firing.
        one_shot: bool,
    },
    /// Beyond Windows, as all that follow: again and again, from 1 s up. For the user's own commands.
    Interval {
        /// How long from one firing to the next.
        every: Duration,
        /// How exactly.
        pace: Pace,
        /// Whether the registration is spent by its first firing.
        one_shot: bool,
    },
    /// A calendar expression comes true: the driver knows when (`bgtask-calendar`).
    Calendar {
        /// The expression, in the form of cron or of systemd.
        calendar: Arc<str>,
        /// The time zone it is read in; the machine's where there is none.
        zone: Option<Arc<str>>,
        /// Whether a time missed while the machine was off or asleep is made up for, once.
        catch_up: bool,
        /// How exactly.
        pace: Pace,
        /// Whether the registration is spent by its first firing.
        one_shot: bool,
    },
    /// Something changed at a path.
    Path {
        /// What is watched.
        watch: PathWatch,
        /// Whether the registration is spent by its first firing.
        one_shot: bool,
    },
    /// A condition begins to hold.
    Condition {
        /// Which.
        condition: Condition,
        /// Whether the registration is spent by its first firing.
        one_shot: bool,
    },
    /// The user's session began: a log-in, or the machine's start.
    SessionStart {
        /// Whether the registration is spent by its first firing.
        one_shot: bool,
    },
}

/// How exactly something fires by time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pace {
    /// How much later than due it may fire, so that one wake-up serves several.
    pub accuracy: Duration,
    /// It fires later by a part of this that is always the same for this task on this machine.
    pub jitter: Duration,
    /// Whether the machine is woken from its sleep for it, where that is permitted.
    pub wake: bool,
}

/// What is watched at a path.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct PathWatch {
    /// An absolute path of a file or a folder; it need not exist.
    pub path: Arc<str>,
    /// Whether the folders within count too.
    pub recursive: bool,
    /// Which changes count.
    pub on: PathEvents,
    /// How long nothing may have changed before it fires; zero fires at the first change.
    pub settle: Duration,
}

/// Which changes at a path count. At least one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct PathEvents {
    /// Something was created.
    pub created: bool,
    /// Something was written to.
    pub changed: bool,
    /// Something was closed after it had been written.
    pub written: bool,
    /// Something was deleted.
    pub deleted: bool,
    /// Something was moved in or out.
    pub moved: bool,
}

impl Default for PathEvents {
    /// Everything but a write that is not complete.
    fn default() -> Self {
        Self { created: true, changed: false, written: true, deleted: true, moved: true }
    }
}

impl PathEvents {
    /// The names of the changes.
    pub const NAMES: [&str; 5] = ["created", "changed", "written", "deleted", "moved"];

    /// None at all: to add some [`by name`](Self::set).
    pub const NONE: Self = Self { created: false, changed: false, written: false, deleted: false, moved: false };

    /// Makes the change of that name count; `false` where there is no such name.
    pub fn set(&mut self, name: &str) -> bool {
        let place = Self::NAMES.iter().position(|its| *its == name);
        let flags = [&mut self.created, &mut self.changed, &mut self.written, &mut self.deleted, &mut self.moved];
        place.and_then(|place| flags.into_iter().nth(place)).map(|flag| *flag = true).is_some()
    }

    /// The names of those that count.
    pub fn names(self) -> impl Iterator<Item = &'static str> {
        let flags = [self.created, self.changed, self.written, self.deleted, self.moved];
        Self::NAMES.into_iter().zip(flags).filter(|(_, counts)| *counts).map(|(name, _)| name)
    }
}

impl Trigger {
    /// Whether the first accepted firing spends the registration.
    pub const fn one_shot(&self) -> bool {
        match self {
            // SYS-9: what all its transfers have ended with comes once, however it was registered.
            Self::Event { class: EventClass::BackgroundTransferCompletionGroup, .. } => true,
            Self::System { one_shot, .. }
            | Self::Time { one_shot, .. }
            | Self::Maintenance { one_shot, .. }
            | Self::Interval { one_shot, .. }
            | Self::Calendar { one_shot, .. }
            | Self::Event { one_shot, .. }
            | Self::Path { one_shot, .. }
            | Self::Condition { one_shot, .. }
            | Self::SessionStart { one_shot } => *one_shot,
            Self::Application
            | Self::MediaProcessing
            | Self::DeviceUse
            | Self::AppService { .. }
            | Self::CustomSystemEvent { .. } => false,
        }
    }

    /// The name of its class in Windows.
    pub const fn class(&self) -> &'static str {
        match self {
            Self::System { .. } => "SystemTrigger",
            Self::Time { .. } => "TimeTrigger",
            Self::Maintenance { .. } => "MaintenanceTrigger",
            Self::Application => "ApplicationTrigger",
            Self::MediaProcessing => "MediaProcessingTrigger",
            Self::CustomSystemEvent { .. } => "CustomSystemEventTrigger",
            Self::DeviceUse => "DeviceUseTrigger",
            Self::AppService { .. } => "AppServiceTrigger",
            Self::Event { class, .. } => class.name(),
            Self::Interval { .. } => "IntervalTrigger",
            Self::Calendar { .. } => "CalendarTrigger",
            Self::Path { .. } => "PathTrigger",
            Self::Condition { .. } => "ConditionTrigger",
            Self::SessionStart { .. } => "SessionStartTrigger",
        }
    }

    /// Whether its tasks may run for the longer budget (D10, Q-10).
    pub const fn is_long_running(&self) -> bool {
        matches!(
            self,
            Self::Application
                | Self::MediaProcessing
                | Self::DeviceUse
                | Self::AppService { .. }
                | Self::Maintenance { .. }
        )
    }

    /// Whether others wait for what it tells: its tasks go first and have a budget of their own.
    pub const fn is_critical(&self) -> bool {
        matches!(
            self,
            Self::System { kind: SystemTriggerType::ControlChannelReset, .. }
                | Self::Event {
                    class: EventClass::PushNotification | EventClass::SocketActivity | EventClass::ControlChannel,
                    ..
                }
        )
    }

    /// How exactly it fires by time.
    pub const fn pace(&self) -> Option<Pace> {
        match self {
            Self::Interval { pace, .. } | Self::Calendar { pace, .. } => Some(*pace),
            _ => None,
        }
    }

    /// Whether it is only for the user's own commands: no app may register it.
    pub const fn is_for_commands(&self) -> bool {
        matches!(
            self,
            Self::Interval { .. }
                | Self::Calendar { .. }
                | Self::Path { .. }
                | Self::Condition { .. }
                | Self::SessionStart { .. }
        )
    }

    /// Whether its tasks run although their app has not asked for access.
    pub const fn needs_no_request(&self) -> bool {
        self.is_of_manifest()
            || matches!(self, Self::Event { class: EventClass::BackgroundTransferCompletionGroup, .. })
    }

    /// Whether the manifest registers it, for as long as it declares it.
    pub const fn is_of_manifest(&self) -> bool {
        matches!(self, Self::AppService { .. })
    }

    /// Whether what it carries is gathered while an activation waits, in order, instead of counting only (D1).
    pub const fn gathers(&self) -> bool {
        Subject::is_behind(self)
    }

    /// The interval of a trigger that fires by time.
    pub const fn interval(&self) -> Option<Duration> {
        match self {
            Self::Time { freshness, .. } | Self::Maintenance { freshness, .. } => {
                Some(Duration::from_secs(*freshness as u64 * 60))
            }
            Self::Interval { every, .. } => Some(*every),
            _ => None,
        }
    }
}

impl fmt::Display for Trigger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::System { kind, .. } => f.write_str(kind.name()),
            Self::Time { freshness, .. } => write!(f, "the timer of {freshness} min"),
            Self::Maintenance { freshness, .. } => write!(f, "the maintenance timer of {freshness} min"),
            Self::Application => f.write_str("the application trigger"),
            Self::MediaProcessing => f.write_str("the media processing trigger"),
            Self::CustomSystemEvent { id, .. } => write!(f, "the event {id}"),
            Self::DeviceUse => f.write_str("the device use trigger"),
            Self::AppService { name } => write!(f, "a connection to {name}"),
            Self::Event { class, properties, .. } => {
                f.write_str(class.name())?;
                let mut between = " of ";
                for (name, value) in properties {
                    write!(f, "{between}{name}={value}")?;
                    between = ", ";
                }
                Ok(())
            }
            Self::Interval { every, one_shot: false, .. } => write!(f, "the timer of {}", duration_word(*every)),
            Self::Interval { every, .. } => write!(f, "the timer after {}", duration_word(*every)),
            Self::Calendar { calendar, zone: None, .. } => write!(f, "the calendar {calendar:?}"),
            Self::Calendar { calendar, zone: Some(zone), .. } => write!(f, "the calendar {calendar:?} in {zone}"),
            Self::Path { watch, .. } => write!(f, "a change at {}", watch.path),
            Self::Condition { condition, .. } => write!(f, "the beginning of {}", condition.word()),
            Self::SessionStart { .. } => f.write_str("the start of the session"),
        }
    }
}

/// A trigger that its app fires itself, by `RequestAsync` (REQ-1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Demand {
    /// The `ApplicationTrigger`.
    Application,
    /// The `MediaProcessingTrigger`.
    MediaProcessing,
    /// The `DeviceUseTrigger`: which device is in what it carries.
    DeviceUse,
}

impl Demand {
    /// The trigger of the registration that it fires.
    pub const fn trigger(self) -> Trigger {
        match self {
            Self::Application => Trigger::Application,
            Self::MediaProcessing => Trigger::MediaProcessing,
            Self::DeviceUse => Trigger::DeviceUse,
        }
    }
}

/// What a trigger carries for its task: opaque here, written and read by the two ends (REQ-4).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Details(pub Arc<[u8]>);
