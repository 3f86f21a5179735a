//! Every gate as it reads now.

use super::{is_command, name_for};
use crate::broker::{Core, Task};
use crate::input::SourceStatus;
use crate::model::access::BackgroundAccessStatus;
use crate::model::condition::Condition;
use crate::model::fact::Fact;
use crate::model::registration::Registration;
use crate::model::subject::Subject;
use crate::model::trigger::Trigger;
use crate::time::{Now, Spoken, WallTime};

/// One gate as it reads now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GateReading {
    /// Its name: a condition's name (of a command: its word), `Manifest`, `Access`, `EnergySaver`, `ExternalPower`,
    /// `MemoryPressure`, `Slot`, of an app `Budget` and `Energy`, of a command `Paused`, `Backoff` and `Running`, `Standby`,
    /// `ControlChannel` and `Load` while they are closed, and `Interval` while that of its timer is stretched.
    pub name: String,
    /// Whether it lets the task through.
    pub open: bool,
    /// What it reads.
    pub value: String,
    /// Since when it reads that, where known.
    pub since: Option<WallTime>,
    /// Where that comes from.
    pub source: String,
}

impl Core {
    /// In the order in which they are asked.
    pub(super) fn readings(&self, task: &Task, now: Now) -> Vec<GateReading> {
        let registration = &task.registration;
        let access = self.status_of(registration);
        let saver_open = |saving: bool| !saving || access == BackgroundAccessStatus::AlwaysAllowed;
        let mut readings = Vec::new();
        if !is_command(registration) {
            readings.push(self.manifest_reading(registration));
        }
        readings.push(reading(
            "Access",
            self.denied(registration).is_none(),
            access.to_string(),
            &self.apps.decided_by(&registration.app),
        ));
        if is_command(registration) {
            let paused = registration.paused;
            readings.push(reading("Paused", !paused, paused.to_string(), "the user"));
        }
        readings.push(self.level_reading("EnergySaver", Fact::EnergySaver, saver_open));
        readings.extend(registration.conditions.iter().map(|it| self.condition_reading(registration, *it)));
        if matches!(registration.trigger, Trigger::Maintenance { .. }) {
            readings.push(self.level_reading("ExternalPower", Fact::ExternalPower, |on| on));
        }
        readings.extend(self.stretch_reading(registration, now));
        readings.extend(heard_reading(task));
        readings.push(self.level_reading("MemoryPressure", Fact::MemoryPressure, |short| !short));
        readings.extend(self.budget_readings(registration, now));
        readings.extend(self.standby_reading(registration));
        readings.extend(backoff_reading(task, now));
        if is_command(registration) {
            let running = !task.running.is_empty();
            readings.push(reading("Running", !running, running.to_string(), "the broker"));
        }
        readings.extend(self.channel_reading(task));
        readings.extend(self.load_reading(task, now));
        let (taken, most) = (self.tasks.occupied().count(), self.config.max_running);
        readings.push(reading("Slot", taken < most, format!("{taken} of {most} taken"), "the broker"));
        readings
    }

    /// While an activation waits for it: else there is nothing that the process of the channel could run.
    fn channel_reading(&self, task: &Task) -> Option<GateReading> {
        let registration = &task.registration;
        let closed = !task.waiting.is_empty() && self.held_by_holder(registration).is_some();
        closed.then(|| reading("ControlChannel", false, self.why_held_by_holder(registration).to_owned(), "the app"))
    }

    fn manifest_reading(&self, registration: &Registration) -> GateReading {
        let installed = self.apps.get(&registration.app);
        let declared = installed.is_some_and(|app| app.server(&registration.entry).is_some());
        let servicing = self.apps.in_servicing(&registration.app);
        let value = match (installed, declared) {
            (None, _) => "not installed".to_owned(),
            (Some(_), false) => "entry point not declared".to_owned(),
            (Some(app), true) if servicing => format!("being updated to version {}", app.version),
            (Some(app), true) => format!("version {}", app.version),
        };
        reading("Manifest", declared && !servicing, value, "the apps folder")
    }

    /// A level that closes a gate of every task, also while it is not known.
    fn level_reading(&self, name: &str, fact: Fact, open: impl Fn(bool) -> bool) -> GateReading {
        let level = self.facts.levels().get(fact);
        let open = level.is_some_and(|(value, _)| open(value));
        self.fact_reading(name, fact, open)
    }

    fn standby_reading(&self, registration: &Registration) -> Option<GateReading> {
        let closed = self.holds_in_standby(registration);
        closed.then(|| self.fact_reading("Standby", Fact::Standby, false))
    }

    fn load_reading(&self, task: &Task, now: Now) -> Option<GateReading> {
        let gate = self.held_by_load(task)?;
        let left = Spoken(self.start_after(task) - now.wall);
        let since = self.facts.levels().get(Fact::CpuPressure).filter(|(busy, _)| *busy).map(|(_, since)| since);
        let value = format!("{gate}; held for {left} more at the most");
        Some(GateReading { since, ..reading("Load", false, value, &self.source_of(Fact::CpuPressure)) })
    }

    fn condition_reading(&self, registration: &Registration, condition: Condition) -> GateReading {
        let open = self.facts.holds(condition);
        self.fact_reading(&name_for(registration, condition), condition.fact(), open)
    }

    fn fact_reading(&self, name: &str, fact: Fact, open: bool) -> GateReading {
        let level = self.facts.levels().get(fact);
        let value = level.map_or_else(|| "unknown".to_owned(), |(value, _)| value.to_string());
        GateReading { since: level.map(|(_, since)| since), ..reading(name, open, value, &self.source_of(fact)) }
    }

    fn source_of(&self, fact: Fact) -> String {
        match self.facts.status(fact) {
            Some(SourceStatus::Available { how } | SourceStatus::Degraded { how, .. }) => how.clone(),
            Some(SourceStatus::Missing { why, .. }) => format!("no source: {why}"),
            None => "its source has not reported yet".to_owned(),
        }
    }
}

fn backoff_reading(task: &Task, now: Now) -> Option<GateReading> {
    let at = task.waiting.front()?.not_before.filter(|at| *at > now.wall)?;
    Some(reading("Backoff", false, format!("the next try is in {}", Spoken(at - now.wall)), "the broker"))
}

pub(super) fn reading(name: &str, open: bool, value: String, source: &str) -> GateReading {
    GateReading { name: name.to_owned(), open, value, since: None, source: source.to_owned() }
}

/// Whether what its trigger listens to can be heard.
fn heard_reading(task: &Task) -> Option<GateReading> {
    let trigger = &task.registration.trigger;
    let (name, what) = match trigger {
        Trigger::Path { watch, .. } => ("Path", watch.path.to_string()),
        _ if Subject::is_behind(trigger) => (trigger.class(), trigger.to_string()),
        _ => return None,
    };
    let (open, source) = match task.heard.as_deref() {
        None => (false, "its source has not reported yet".to_owned()),
        Some(SourceStatus::Available { how }) => (true, how.clone()),
        Some(SourceStatus::Degraded { how, why, .. }) => (true, format!("{how}; {why}")),
        Some(SourceStatus::Missing { why, .. }) => (false, format!("no source: {why}")),
    };
    Some(reading(name, open, what, &source))
}
