//! What the test does to the machine and to the apps on it.

use bgtask_core::{AccessSetting, AppId, Fact, Input, PolicyEntry, PolicyRule, Report, Request, Zone};

use super::TestBroker;
use super::convert::{self, event};
use crate::{BackgroundAccessStatus, SystemConditionType, SystemTriggerType};

/// How far the time zone moves when it changes.
const ZONE_STEP_SECONDS: i32 = 3_600;

impl TestBroker {
    /// Causes an event of the system:
    ///
    /// * `TimeZoneChange`: the machine moves one zone east, or back. See also [`set_time_zone`](Self::set_time_zone).
    /// * `InternetAvailable`, `UserPresent`, `UserAway`, `SessionConnected`: as [`set`](Self::set) of the condition. Such an event is
    ///   a change, so where it is so already, it first stops being so for an instant, with everything that follows from that.
    /// * `NetworkStateChange`, `PowerStateChange`, `OnlineIdConnectedStateChange`, `DefaultSignInAccountChange`: the state behind it
    ///   becomes another. See also [`set_state`](Self::set_state).
    /// * `BackgroundWorkCostChange`: the machine is taken off external power, or put back on it (D14).
    ///
    /// Other triggers are fired otherwise: timers by [`advance`](Self::advance), `ServicingComplete` by
    /// [`install`](Self::install) of another version, custom events by [`raise`](Self::raise), those of an app by
    /// [`request`](Self::request), `SmsReceived` and whatever else carries something by [`happens`](Self::happens), those of the lock
    /// screen by [`set_access`](Self::set_access) to `AlwaysAllowed` and back.
    ///
    /// # Panics
    ///
    /// For the events that are fired otherwise, and for `ControlChannelReset`, which this version never fires.
    #[track_caller]
    pub fn fire(&mut self, trigger: SystemTriggerType) {
        match trigger {
            SystemTriggerType::TimeZoneChange => match self.world.zone().offset_seconds {
                0 => self.set_time_zone("Etc/GMT-1", ZONE_STEP_SECONDS),
                _ => self.set_time_zone("Etc/UTC", 0),
            },
            SystemTriggerType::InternetAvailable => self.becomes(Fact::Internet, true),
            SystemTriggerType::UserPresent => self.becomes(Fact::UserPresence, true),
            SystemTriggerType::UserAway => self.becomes(Fact::UserPresence, false),
            SystemTriggerType::SessionConnected => self.becomes(Fact::SessionConnected, true),
            SystemTriggerType::BackgroundWorkCostChange => {
                let on = self.world.level(Fact::ExternalPower);
                self.set_external_power(!on);
            }
            SystemTriggerType::ServicingComplete => {
                panic!("ServicingComplete comes of an update: install the manifest with another version")
            }
            SystemTriggerType::SmsReceived => panic!("SmsReceived comes with a message: tell which with `happens`"),
            SystemTriggerType::LockScreenApplicationAdded | SystemTriggerType::LockScreenApplicationRemoved => {
                panic!("{trigger} comes of the app's access: change it with `set_access`")
            }
            SystemTriggerType::ControlChannelReset => {
                panic!("this version has no control channels that could be reset")
            }
            state => {
                let fact = state_behind(state);
                let other = if &*self.world.state(fact) == "one" { "another" } else { "one" };
                self.set_state(state, other);
            }
        }
    }

    /// Makes the state behind a trigger this one, in a word, and fires the trigger where it was another: `NetworkStateChange`,
    /// `PowerStateChange`, `OnlineIdConnectedStateChange` or `DefaultSignInAccountChange`. The words are the test's own.
    ///
    /// # Panics
    ///
    /// For a trigger that comes of no such state.
    #[track_caller]
    pub fn set_state(&mut self, behind: SystemTriggerType, state: &str) {
        let report = self.world.turn(state_behind(behind), state);
        self.tell(Input::Report(report));
    }

    /// Makes a condition hold, or not. At first those hold that are of a user at work: the Internet is available and free, the user
    /// is present and their session connected, background work costs little.
    ///
    /// The cost follows from other levels: `BackgroundWorkCostNotHigh` stops holding as the machine is taken off external power
    /// and its screen goes off, and holds again as both come back (D14).
    pub fn set(&mut self, condition: SystemConditionType, holds: bool) {
        use SystemConditionType::{InternetNotAvailable, SessionDisconnected, UserNotPresent};
        match Fact::of_condition(convert::condition(condition)) {
            Fact::WorkCost => {
                self.set_external_power(holds);
                self.set_screen(holds);
            }
            fact => {
                let negative = matches!(condition, InternetNotAvailable | UserNotPresent | SessionDisconnected);
                self.report(fact, holds != negative);
            }
        }
    }

    /// Moves the machine to a time zone: its name and its offset in seconds east of UTC, from now on. Where the offset is
    /// the same nothing fires (SYS-3). At first the zone is `Etc/UTC`.
    pub fn set_time_zone(&mut self, name: &str, offset_seconds: i32) {
        let report = self.world.move_to(Zone { identity: name.to_owned(), offset_seconds });
        self.tell(Input::Report(report));
    }

    /// Whether the machine is on external power, as it is at first: maintenance runs only then (TM-7).
    pub fn set_external_power(&mut self, on: bool) {
        self.report(Fact::ExternalPower, on);
    }

    /// How much the battery holds, in percent; at first it is full. On battery with less than 33 no device is used (AC-10).
    pub fn set_battery(&mut self, percent: u8) {
        for report in self.world.charge(percent) {
            self.tell(Input::Report(report));
        }
    }

    /// Whether the screen is on, as it is at first: on battery, background work costs much while it is off (D14).
    pub fn set_screen(&mut self, on: bool) {
        self.report(Fact::Screen, on);
    }

    /// Whether the user saves energy, which they do not at first: then only apps run that are
    /// [`AlwaysAllowed`](BackgroundAccessStatus::AlwaysAllowed) (AC-6).
    pub fn set_energy_saver(&mut self, on: bool) {
        self.report(Fact::EnergySaver, on);
    }

    /// Whether the machine is short of memory, which it is not at first: then nothing starts, and what runs is told to stop (CAN-6).
    pub fn set_memory_pressure(&mut self, on: bool) {
        self.report(Fact::MemoryPressure, on);
    }

    /// Makes the access of an app what it says: by the user's own setting, or by the policy of the machine's owner. With
    /// [`Unspecified`](BackgroundAccessStatus::Unspecified) the app has never asked. At first it is
    /// [`AllowedSubjectToSystemPolicy`](BackgroundAccessStatus::AllowedSubjectToSystemPolicy), as if the app had
    /// [asked](crate::BackgroundExecutionManager::request_access) when it was installed.
    ///
    /// # Panics
    ///
    /// The app is not installed, or the broker has [crashed](Self::crash).
    #[track_caller]
    pub fn set_access(&mut self, app: &str, status: BackgroundAccessStatus) {
        let Some(id) = AppId::new(app).ok().filter(|id| self.apps.contains_key(id)) else {
            panic!("{app:?} is not installed");
        };
        let setting = match status {
            BackgroundAccessStatus::DeniedBySystemPolicy => {
                let entry = PolicyEntry { rule: PolicyRule::ForceDeny, file: "of the test".into(), budget: 100 };
                self.policy.apps.insert(id, entry);
                return self.tell(Input::Policy(self.policy.clone()));
            }
            BackgroundAccessStatus::Unspecified => {
                self.must(Request::RemoveAccess { app: id.clone(), application: String::new() });
                None
            }
            BackgroundAccessStatus::AlwaysAllowed => Some(AccessSetting::Always),
            BackgroundAccessStatus::AllowedSubjectToSystemPolicy => Some(AccessSetting::Managed),
            BackgroundAccessStatus::DeniedByUser => Some(AccessSetting::Never),
        };
        self.must(Request::SetAccess(id.clone(), setting));
        // After the user's own setting, so that the app is not allowed in between.
        if self.policy.apps.remove(&id).is_some() {
            self.tell(Input::Policy(self.policy.clone()));
        }
    }

    /// The fact changes to that, now.
    fn becomes(&mut self, fact: Fact, level: bool) {
        if self.world.level(fact) == level {
            self.report(fact, !level);
        }
        self.report(fact, level);
    }

    fn report(&mut self, fact: Fact, level: bool) {
        let report: Report = self.world.set(fact, level);
        self.tell(Input::Report(report));
    }

    #[track_caller]
    fn must(&mut self, request: Request) {
        if let Err(refused) = self.ask(request) {
            panic!("{refused}");
        }
    }
}

#[track_caller]
fn state_behind(trigger: SystemTriggerType) -> Fact {
    let fact = Fact::of_trigger(event(trigger)).filter(|fact| fact.is_state());
    fact.unwrap_or_else(|| panic!("{trigger} comes of no state that has words"))
}
