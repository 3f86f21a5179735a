//! What the sentence stands on.

use std::time::Duration;

use bgtask_wire::{BrokerProxy, GateInfo, HistoryInfo, HistoryQuery, TaskInfo, WhyInfo};
use serde_json::{Value, json};

use crate::commands::history::durations;
use crate::failure::Failure;
use crate::output::quantity::span;
use crate::output::text::printable;
use crate::output::time::{Clock, rfc3339};
use crate::output::{Screen, json as form, style, task as words};

/// In so many lines of a task's history its last firing and its last run are looked for.
const RECENT: u32 = 200;

/// The facts about one task now.
pub(super) struct Facts {
    fired: Option<HistoryInfo>,
    ended: Option<HistoryInfo>,
    waits_for: Vec<String>,
    since: Option<i64>,
    released_by: Option<String>,
    next: Option<i64>,
    used: Option<Duration>,
    budget: Option<Duration>,
    remedy: Option<String>,
}

impl Facts {
    pub(super) async fn of(task: &TaskInfo, why: &WhyInfo, broker: &BrokerProxy<'_>) -> Result<Self, Failure> {
        let query = HistoryQuery { task: Some(task.id.clone()), limit: Some(RECENT), ..HistoryQuery::default() };
        let lines = broker.history(query).await?;
        let last = |of: fn(&str) -> bool| lines.iter().rev().find(|line| of(&line.event)).cloned();
        let closed: Vec<_> = why.gates.iter().filter(|gate| !gate.open).collect();
        let (waits_for, released_by) = match why.phase.as_str() {
            "idle" => (vec![trigger(task)], Some(release_of_idle(task, why, &closed))),
            "latched" | "buffered" => {
                (closed.iter().map(|gate| gate.name.clone()).collect(), Some(together(closed.iter().copied())))
            }
            _ => (Vec::new(), None),
        };
        let idle_since = || task.last_at.unwrap_or(task.registered_at);
        Ok(Self {
            fired: last(|event| event == "fired"),
            ended: last(|event| matches!(event, "completed" | "retrying")),
            since: if why.phase == "idle" { Some(idle_since()) } else { why.since },
            waits_for,
            released_by: released_by.filter(|text| !text.is_empty()),
            next: why.next,
            used: why.used.map(Duration::from_micros),
            budget: why.budget.map(Duration::from_micros),
            remedy: why.remedy.clone(),
        })
    }

    pub(super) fn write(&self, screen: &mut Screen<'_>) -> std::io::Result<()> {
        let clock = screen.clock.clone();
        let mut rows = Vec::new();
        let mut add = |label: &'static str, value: Option<String>| rows.extend(value.map(|value| (label, value)));
        add("last fired", self.fired.as_ref().map(|line| format!("{}: {}", clock.absolute(line.at), line.text)));
        let since = self.since.map_or_else(String::new, |since| format!(", since {}", clock.absolute(since)));
        add("waits for", (!self.waits_for.is_empty()).then(|| awaited(&self.waits_for) + &since));
        add("released by", self.released_by.clone());
        add("next by time", self.next.map(|next| clock.absolute(next)));
        add(
            "budget",
            self.budget.map(|budget| format!("{} used of {}", span(self.used.unwrap_or_default()), span(budget))),
        );
        add("last run", self.ended.as_ref().map(|line| ended(line, &clock)));
        add("to start it", self.remedy.clone());
        if !rows.is_empty() {
            writeln!(screen.out)?;
        }
        let (heading, width) = (style::HEADING, 13);
        rows.iter().try_for_each(|(label, value)| {
            writeln!(screen.out, "  {heading}{label:<width$}{heading:#} {}", printable(value))
        })
    }

    /// The facts beside what the broker says.
    pub(super) fn to_json(&self, mut why: Value) -> Value {
        why["last_fired"] = self.fired.as_ref().map_or(Value::Null, form::history);
        why["last_run"] = self.ended.as_ref().map_or(Value::Null, form::history);
        why["waits_for"] = json!(self.waits_for);
        why["released_by"] = json!(self.released_by);
        why["waits_since"] = json!(self.since.filter(|_| !self.waits_for.is_empty()).map(rfc3339));
        why["next"] = json!(self.next.map(rfc3339));
        why["used"] = json!(self.used.map(micros));
        why["budget"] = json!(self.budget.map(micros));
        why["remedy"] = json!(self.remedy);
        why
    }
}

/// What fires it, in the word of a task file where the broker knows one.
pub(crate) fn trigger(task: &TaskInfo) -> String {
    if task.word.is_empty() { words::trigger(task) } else { task.word.clone() }
}

/// What is waited for, as people say it.
fn awaited(gates: &[String]) -> String {
    let spoken = gates.iter().map(|gate| match gate.as_str() {
        "Backoff" => "its next try",
        "Running" => "the end of what runs of it",
        "Slot" => "a free slot",
        "Paused" => "`bgtask resume`",
        name => name,
    });
    spoken.collect::<Vec<_>>().join(" and ")
}

fn release_of_idle(task: &TaskInfo, why: &WhyInfo, closed: &[&GateInfo]) -> String {
    let first = match why.next {
        _ if task.paused => "`bgtask resume`".to_owned(),
        Some(_) => "time".to_owned(),
        None => format!("{}, which has to fire", trigger(task)),
    };
    let then = together(closed.iter().copied().filter(|gate| gate.name != "Paused"));
    if then.is_empty() { first } else { format!("{first}; as it is now, it would then wait: {then}") }
}

/// What has to become true of these gates, all of it at once.
fn together<'a>(closed: impl Iterator<Item = &'a GateInfo>) -> String {
    let each = closed.map(|gate| match gate.name.as_str() {
        "Manifest" => "its manifest has to declare it".to_owned(),
        "Access" => "background access has to be allowed".to_owned(),
        "Paused" => "it has to be resumed".to_owned(),
        "EnergySaver" => "energy saving has to end".to_owned(),
        "ExternalPower" => "external power has to come".to_owned(),
        "MemoryPressure" => "memory has to become free".to_owned(),
        "Backoff" => gate.value.clone(),
        "Running" => "what runs of it has to end".to_owned(),
        "Slot" => "another task has to end".to_owned(),
        condition => format!("{condition} has to hold"),
    });
    each.collect::<Vec<_>>().join(" and ")
}

fn ended(line: &HistoryInfo, clock: &Clock) -> String {
    let took = durations(std::slice::from_ref(line)).into_iter().next();
    let took = took.map_or_else(String::new, |took| format!("; it took {}", span(took)));
    format!("{}: {}{took}", clock.absolute(line.at), line.text)
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}
