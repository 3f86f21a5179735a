//! Every word there is for a trigger or a condition, with its meaning.

use std::time::Duration;

use bgtask_core::{DayWindow, Fact};

/// One word for a trigger or a condition.
///
/// Whether it works on *this* machine is what the broker says about the source of its [`fact`](Self::fact).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The word, without what stands behind its colon: `battery-above`.
    pub word: &'static str,
    /// How it is written, with capital letters for what is to be filled in: `battery-above:N`.
    pub form: &'static str,
    /// What it means, as one line without a final stop.
    pub meaning: &'static str,
    /// A word that is taken as it stands, and begins a task file's `on` or the items of its `when`.
    pub example: &'static str,
    /// The name Windows has for it; taken too.
    pub windows: Option<&'static str>,
    /// What it stands on, for the example where it has a value; `None` if it needs no source, or there is none.
    pub fact: Option<Fact>,
    /// Why this build cannot serve it on any machine, and what to use instead.
    pub unavailable: Option<&'static str>,
}

impl Entry {
    /// Whether something is to be filled in behind a colon.
    pub const fn takes_value(&self) -> bool {
        self.form.len() > self.word.len()
    }
}

/// The triggers by their words. Beside these, every word of [`conditions`] is a trigger: the moment it begins to hold.
///
/// ```
/// let every = bgtask_taskfile::catalog::triggers().iter().find(|entry| entry.word == "every").unwrap();
/// assert_eq!((every.form, every.example), ("every:TIME", "every:6h"));
/// ```
pub fn triggers() -> &'static [Entry] {
    TRIGGERS
}

/// The conditions by their words.
///
/// ```
/// for entry in bgtask_taskfile::catalog::conditions().iter().filter(|entry| entry.unavailable.is_none()) {
///     assert!(bgtask_taskfile::condition(entry.example).is_ok());
/// }
/// ```
pub fn conditions() -> &'static [Entry] {
    CONDITIONS
}

const fn trigger(form: &'static str, example: &'static str, meaning: &'static str) -> Entry {
    let word = before_colon(form);
    Entry { word, form, meaning, example, windows: None, fact: None, unavailable: None }
}

const fn of_windows(word: &'static str, windows: &'static str, fact: Option<Fact>, meaning: &'static str) -> Entry {
    Entry { windows: Some(windows), fact, ..trigger(word, word, meaning) }
}

const fn absent(word: &'static str, windows: &'static str, meaning: &'static str, why: &'static str) -> Entry {
    Entry { unavailable: Some(why), ..of_windows(word, windows, None, meaning) }
}

const fn level(form: &'static str, example: &'static str, fact: Fact, meaning: &'static str) -> Entry {
    Entry { fact: Some(fact), ..trigger(form, example, meaning) }
}

const fn before_colon(form: &'static str) -> &'static str {
    let mut end = 0;
    while end < form.len() && form.as_bytes()[end] != b':' {
        end += 1;
    }
    form.split_at(end).0
}

const TRIGGERS: &[Entry] = &[
    trigger("every:TIME", "every:6h", "again and again, from one second up"),
    Entry {
        fact: Some(Fact::TimeZone),
        ..trigger("at:CALENDAR", "at:Mon..Fri 09:00", "when a calendar expression, of cron or of systemd, comes true")
    },
    trigger("path:PATH", "path:~/notes", "something is created, written, deleted or moved at a path"),
    trigger("session-start", "session-start", "the user's session begins: a log-in"),
    trigger(
        "event:ID",
        "event:org.example.Photos.imported",
        "a program raises this event; with `once`, at most once in a session",
    ),
    Entry {
        windows: Some("TimeTrigger"),
        ..trigger(
            "timer:MINUTES",
            "timer:15min",
            "the timer of Windows: every 15 minutes or more, on a tick all timers share",
        )
    },
    Entry {
        windows: Some("MaintenanceTrigger"),
        fact: Some(Fact::ExternalPower),
        ..trigger("maintenance:MINUTES", "maintenance:60min", "as timer, but only on external power")
    },
    of_windows("time-zone-change", "TimeZoneChange", Some(Fact::TimeZone), "the wall clock moves to another time zone"),
    of_windows("internet", "InternetAvailable", Some(Fact::Internet), "the internet becomes reachable"),
    of_windows("user-present", "UserPresent", Some(Fact::UserPresence), "the user comes back to the machine"),
    of_windows("user-away", "UserAway", Some(Fact::UserPresence), "the user leaves the machine"),
    of_windows(
        "session-connected",
        "SessionConnected",
        Some(Fact::SessionConnected),
        "the user's session is connected: a log-in, or a switch back to it",
    ),
    of_windows(
        "network-state-change",
        "NetworkStateChange",
        Some(Fact::NetworkState),
        "the connectivity or the cost of the network changes",
    ),
    of_windows("power-state-change", "PowerStateChange", Some(Fact::PowerState), "what the battery does changes"),
    of_windows(
        "background-work-cost-change",
        "BackgroundWorkCostChange",
        Some(Fact::WorkCost),
        "the cost of work in the background changes",
    ),
    of_windows("sms-received", "SmsReceived", None, "a text message arrives"),
    of_windows(
        "online-id-connected-state-change",
        "OnlineIdConnectedStateChange",
        Some(Fact::OnlineAccounts),
        "an online account is connected or disconnected",
    ),
    of_windows(
        "default-sign-in-account-change",
        "DefaultSignInAccountChange",
        Some(Fact::DefaultAccount),
        "another online account is the first",
    ),
    of_windows("control-channel-reset", "ControlChannelReset", None, "a control channel of the user's apps is reset"),
    trigger(
        "unit:UNIT=STATE",
        "unit:backup.service=failed",
        "a unit of systemd reaches a state; manager=user for the user's",
    ),
    trigger(
        "signal:PROPERTIES",
        "signal:bus=system,interface=org.freedesktop.UPower,member=DeviceAdded",
        "a signal on the session bus, or with bus=system on the system's",
    ),
    trigger("device:PROPERTIES", "device:subsystem=block,action=add", "a device appears, changes or goes"),
    trigger("device-connection:ID", "device-connection:AA:BB:CC:DD:EE:FF", "a device is connected or disconnected"),
    trigger("library:NAMES", "library:pictures+documents", "something changes in folders of the user"),
    trigger(
        "folder-changes:PATH",
        "folder-changes:~/notes",
        "something changes in a folder, and what it cannot know is said",
    ),
    trigger("sms:PROPERTIES", "sms:from=+49", "a text message arrives, from such numbers"),
    trigger("smart-card:PROPERTIES", "smart-card:on=added", "a smart card is put into a reader"),
    trigger("sensor:PROPERTIES", "sensor:light,below=10", "a sensor passes a threshold"),
    trigger(
        "location:PROPERTIES",
        "location:latitude=52.52,longitude=13.40,radius=200",
        "the machine enters or leaves an area",
    ),
    trigger("visit:SCOPE", "visit:venue", "the machine arrives somewhere for a while, or departs"),
    trigger(
        "bluetooth-advertisement:PROPERTIES",
        "bluetooth-advertisement:name=Tag",
        "a Bluetooth device advertises itself",
    ),
    trigger(
        "gatt:PROPERTIES",
        "gatt:device=AA:BB:CC:DD:EE:FF,service=180d,characteristic=2a37",
        "a Bluetooth device notifies of a value",
    ),
    trigger("calendar-change:STORE", "calendar-change", "the user's calendars change"),
    trigger("contacts-change:STORE", "contacts-change", "the user's contacts change"),
    absent(
        "notification-action",
        "ToastNotificationActionTrigger",
        "the user acts on a notification of the app",
        "it is for the notifications of an app: wait in the command with notify-send --action",
    ),
    absent(
        "notification-history",
        "ToastNotificationHistoryChangedTrigger",
        "a notification of the app appears or goes",
        "it is for the notifications of an app: wait in the command with notify-send --wait",
    ),
    absent(
        "servicing-complete",
        "ServicingComplete",
        "the app was updated",
        "it is for tasks of apps: a command is never updated by itself",
    ),
    absent(
        "socket",
        "SocketActivityTrigger",
        "something arrives at a socket that the app has handed over",
        "only the app that opened a socket can hand it over: use a socket unit of systemd, which opens one for a command",
    ),
    absent(
        "control-channel",
        "ControlChannelTrigger",
        "something arrives at a connection that the app keeps",
        "only the process that holds a connection can run the tasks of its channel: use a socket unit of systemd, which holds one for a command",
    ),
    absent(
        "lock-screen-application-added",
        "LockScreenApplicationAdded",
        "the app is always allowed to run",
        "it is for tasks of apps: a command is never denied",
    ),
    absent(
        "lock-screen-application-removed",
        "LockScreenApplicationRemoved",
        "the app is not always allowed to run any more",
        "it is for tasks of apps: a command is never denied",
    ),
];

const CONDITIONS: &[Entry] = &[
    of_windows("internet", "InternetAvailable", Some(Fact::Internet), "the internet is reachable"),
    of_windows("no-internet", "InternetNotAvailable", Some(Fact::Internet), "the internet is not reachable"),
    of_windows(
        "unmetered",
        "FreeNetworkAvailable",
        Some(Fact::FreeNetwork),
        "a network that costs nothing is available",
    ),
    of_windows("user-present", "UserPresent", Some(Fact::UserPresence), "the user is at the machine"),
    of_windows("user-away", "UserNotPresent", Some(Fact::UserPresence), "the user is away from the machine"),
    level("idle:TIME", "idle:10min", Fact::Idle(Duration::from_secs(600)), "the user has done nothing for so long"),
    level("ac-power", "ac-power", Fact::ExternalPower, "the machine is on external power, or has no battery"),
    level(
        "battery-above:N",
        "battery-above:50",
        Fact::BatteryAbove(50),
        "the battery has N percent or more, or there is none",
    ),
    level("energy-saver", "energy-saver", Fact::EnergySaver, "the user saves energy"),
    level("disk-free:SIZE", "disk-free:10G", Fact::DiskFree(10 << 30), "the disk of the home folder has so much room"),
    level("load-below:N", "load-below:1.5", Fact::LoadBelow(150), "the load of the last minute is below N"),
    level("memory-pressure", "memory-pressure", Fact::MemoryPressure, "the machine is short of memory"),
    level("cpu-pressure", "cpu-pressure", Fact::CpuPressure, "the processors are busy"),
    level(
        "between:TIME-TIME",
        "between:22:00-06:00",
        Fact::Between(DayWindow { from: 22 * 60, to: 6 * 60 }),
        "it is that time of the day; over midnight where the end is earlier",
    ),
    Entry {
        fact: Some(Fact::ExternalPower),
        ..trigger("not:CONDITION", "not:ac-power", "the opposite of any condition")
    },
    of_windows(
        "session-connected",
        "SessionConnected",
        Some(Fact::SessionConnected),
        "somebody is connected to a session of the user",
    ),
    of_windows(
        "session-disconnected",
        "SessionDisconnected",
        Some(Fact::SessionConnected),
        "nobody is: another user has the seat, or the remote end has gone",
    ),
    of_windows(
        "cost-not-high",
        "BackgroundWorkCostNotHigh",
        Some(Fact::WorkCost),
        "on external power, or on battery with the screen on, and nothing presses",
    ),
    level("screen", "screen", Fact::Screen, "the screen is on, as far as anybody can tell"),
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use bgtask_core::{Condition, Fact, SystemConditionType, SystemTriggerType};

    use super::*;
    use crate::{Options, condition, trigger};

    #[test]
    fn every_entry_is_taken_as_its_example_shows_and_stands_on_the_fact_it_names() {
        let options = Options::at_home("/home/me");
        for entry in TRIGGERS {
            assert_eq!(entry.unavailable.is_some(), trigger(entry.example, &options).is_err(), "{entry:?}");
            if let Ok(trigger) = trigger(entry.example, &options) {
                assert_eq!(Fact::behind(&trigger), entry.fact, "{entry:?}");
            }
        }
        for entry in CONDITIONS {
            assert_eq!(entry.unavailable.is_some(), condition(entry.example).is_err(), "{entry:?}");
            let condition = Condition::from_name(entry.example).unwrap();
            assert_eq!(Some(condition.fact()), entry.fact, "{entry:?}");
        }
    }

    #[test]
    fn every_trigger_and_condition_of_windows_that_a_command_may_have_is_listed() {
        let of = |entries: &[Entry]| entries.iter().filter_map(|entry| entry.windows).collect::<BTreeSet<_>>();
        let of_apps = [
            "ToastNotificationActionTrigger",
            "ToastNotificationHistoryChangedTrigger",
            "SocketActivityTrigger",
            "ControlChannelTrigger",
        ];
        let triggers = SystemTriggerType::ALL.iter().map(|kind| kind.name());
        assert_eq!(of(TRIGGERS), triggers.chain(["TimeTrigger", "MaintenanceTrigger"]).chain(of_apps).collect());
        assert_eq!(of(CONDITIONS), SystemConditionType::ALL.iter().map(|kind| kind.name()).collect());
    }

    #[test]
    fn lines_fit_a_terminal_and_words_are_listed_once() {
        for entries in [TRIGGERS, CONDITIONS] {
            let words: BTreeSet<_> = entries.iter().map(|entry| entry.word).collect();
            assert_eq!(words.len(), entries.len());
            for entry in entries {
                assert!(!entry.meaning.is_empty() && entry.meaning.len() < 90, "{}", entry.meaning);
                assert!(entry.form.starts_with(entry.word) && entry.example.starts_with(entry.word), "{entry:?}");
                assert_eq!(entry.takes_value(), entry.form.contains(':'));
            }
        }
    }
}
