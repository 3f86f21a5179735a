//! From events to sums: per task, per app, per day.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use bgtask_core::{AppId, Event, EventKind, InstanceId, TaskId, Used, WallTime};
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;

use crate::totals::Totals;

/// What happened between two moments, and what it came to cost.
#[derive(Clone, Debug, PartialEq)]
pub struct Report {
    /// From when, microseconds since the Unix epoch.
    pub from: i64,
    /// To when, microseconds since the Unix epoch.
    pub to: i64,
    /// When the first event of it happened; `None` where there is none.
    pub first: Option<i64>,
    /// The zone the days are counted in.
    pub zone: TimeZone,
    /// Everything together.
    pub totals: Totals,
    /// Every app of which anything is counted, by id.
    pub apps: Vec<AppReport>,
    /// Every task of which anything is counted, by app and name.
    pub tasks: Vec<TaskReport>,
    /// Every day of the zone from the first to the last on which anything is counted.
    pub days: Vec<Day>,
}

/// What all tasks of an app came to.
#[derive(Clone, Debug, PartialEq)]
pub struct AppReport {
    /// Which app.
    pub app: AppId,
    /// Its sums.
    pub totals: Totals,
}

/// What one registration came to.
#[derive(Clone, Debug, PartialEq)]
pub struct TaskReport {
    /// Whose it is.
    pub app: AppId,
    /// Which registration.
    pub task: TaskId,
    /// Its name.
    pub name: String,
    /// Its sums.
    pub totals: Totals,
}

/// What one day came to.
#[derive(Clone, Debug, PartialEq)]
pub struct Day {
    /// Which day of the zone.
    pub date: Date,
    /// Its sums.
    pub totals: Totals,
}

/// Most days of a report: the first of what is older are left out of the days, not of the sums.
pub(crate) const MAX_DAYS: usize = 400;

/// Accounts for events, the oldest first, that happened between two moments (microseconds since the Unix epoch).
///
/// A run counts on the day on which it ended. An activation that fired before the first event has no waiting time.
pub fn account(events: &[Event], zone: &TimeZone, from: i64, to: i64) -> Report {
    let mut ledger = Ledger::default();
    for event in events {
        ledger.add(event, zone);
    }
    ledger.close(zone, from, to)
}

#[derive(Default)]
struct Ledger {
    first: Option<i64>,
    totals: Totals,
    apps: BTreeMap<AppId, Totals>,
    tasks: BTreeMap<(AppId, String, TaskId), Totals>,
    days: BTreeMap<Date, Totals>,
    /// Activations that have no outcome yet.
    open: HashMap<InstanceId, Open>,
}

#[derive(Default)]
struct Open {
    /// When it fired first.
    fired: Option<WallTime>,
    /// Whether it has ever been started: only then does it no longer wait for its moment.
    began: bool,
    /// Since when its present try runs.
    started: Option<WallTime>,
}

impl Ledger {
    fn add(&mut self, event: &Event, zone: &TimeZone) {
        self.first.get_or_insert(event.at.as_micros());
        let wait = self.waited(event);
        let spent = self.spent(event);
        let app = self.apps.entry(event.app.clone()).or_default();
        let task = self.tasks.entry((event.app.clone(), event.name.to_string(), event.task)).or_default();
        let day = self.days.entry(date(event.at, zone)).or_default();
        for totals in [&mut self.totals, app, task, day] {
            totals.count(&event.kind);
            if let Some(wait) = wait {
                totals.waits.add(wait);
            }
            if let Some((wall, used)) = spent {
                totals.spend(wall, used);
            }
        }
    }

    /// How long the activation waited that starts with this event for the first time.
    fn waited(&mut self, event: &Event) -> Option<Duration> {
        let open = self.open.entry(event.instance?).or_default();
        match event.kind {
            EventKind::Fired { .. } => {
                open.fired = open.fired.or(Some(event.at));
                None
            }
            EventKind::Started { .. } => {
                open.started = Some(event.at);
                let is_first = !std::mem::replace(&mut open.began, true);
                open.fired.filter(|_| is_first).map(|fired| event.at - fired)
            }
            _ => None,
        }
    }

    /// What the try came to that ends with this event: as the broker measured it, else by the clock.
    fn spent<'a>(&mut self, event: &'a Event) -> Option<(Duration, Option<&'a Used>)> {
        let (used, is_last) = match &event.kind {
            EventKind::Completed { used, .. } => (used.as_ref(), true),
            EventKind::Retrying { used, .. } => (used.as_ref(), false),
            EventKind::Dropped => (None, true),
            _ => return None,
        };
        let instance = event.instance?;
        let started = self.open.get_mut(&instance).and_then(|open| open.started.take());
        if is_last {
            self.open.remove(&instance);
        }
        let wall = used.map(|used| used.wall).or_else(|| started.map(|started| event.at - started))?;
        Some((wall, used))
    }

    fn close(self, zone: &TimeZone, from: i64, to: i64) -> Report {
        let closed = |mut totals: Totals| {
            totals.durations.sort();
            totals.waits.sort();
            totals
        };
        let apps = self.apps.into_iter().filter(|(_, totals)| !totals.is_empty());
        let tasks = self.tasks.into_iter().filter(|(_, totals)| !totals.is_empty());
        let tasks = tasks.map(|((app, name, task), totals)| TaskReport { app, task, name, totals: closed(totals) });
        let days = self.days.into_iter().filter(|(_, totals)| !totals.is_empty());
        Report {
            from,
            to,
            first: self.first,
            zone: zone.clone(),
            totals: closed(self.totals),
            apps: apps.map(|(app, totals)| AppReport { app, totals: closed(totals) }).collect(),
            tasks: tasks.collect(),
            days: without_gaps(days.map(|(date, totals)| Day { date, totals: closed(totals) })),
        }
    }
}

/// The days with those between them on which nothing happened.
fn without_gaps(days: impl DoubleEndedIterator<Item = Day>) -> Vec<Day> {
    let mut all: Vec<Day> = Vec::new();
    for day in days.rev() {
        while let Some(before) = all.last().and_then(|next| next.date.yesterday().ok())
            && before > day.date
            && all.len() < MAX_DAYS
        {
            all.push(Day { date: before, totals: Totals::default() });
        }
        if all.len() == MAX_DAYS {
            break;
        }
        all.push(day);
    }
    all.reverse();
    all
}

fn date(at: WallTime, zone: &TimeZone) -> Date {
    let moment = Timestamp::from_microsecond(at.as_micros()).unwrap_or(Timestamp::MAX);
    zone.to_datetime(moment).date()
}
