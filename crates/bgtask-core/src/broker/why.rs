//! The one sentence that explains why a task is not running now, with the facts it stands on.

use super::Core;
use super::schedule::Gate;
use crate::activation::{Activation, ActivationState};
use crate::ids::TaskId;
use crate::input::SourceStatus;
use crate::model::access::BackgroundAccessStatus;
use crate::model::condition::Condition;
use crate::model::fact::Fact;
use crate::model::registration::Registration;
use crate::model::trigger::Trigger;
use crate::time::{Now, Spoken, WallTime};

/// Why a task is where it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Why {
    /// One sentence for a person.
    pub sentence: String,
    /// One word for programs: `idle`, `latched`, `buffered`, `starting`, `running`, `cancelling`.
    pub phase: &'static str,
    /// Since when the activation waits or runs; `None` without an activation.
    pub since: Option<WallTime>,
    /// Every gate with its live value, open or closed.
    pub gates: Vec<GateReading>,
    /// The one change that would start it now.
    pub remedy: Option<String>,
    /// When time alone can start it at the earliest.
    pub next: Option<WallTime>,
    /// How long the running instance has run.
    pub used: Option<std::time::Duration>,
    /// How long it may run.
    pub budget: Option<std::time::Duration>,
}

/// One gate as it reads now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GateReading {
    /// Its name: a condition's name, `Manifest`, `Access`, `EnergySaver`, `ExternalPower`, `MemoryPressure` or `Slot`.
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
    /// Explains one task; `None` if there is no such registration.
    pub fn why(&self, id: TaskId, now: Now) -> Option<Why> {
        let task = self.tasks.get(id)?;
        let gates = self.readings(&task.registration);
        Some(match task.current() {
            None => self.why_idle(&task.registration, gates, now),
            Some(activation) => self.why_active(&task.registration, activation, task.gate, gates, now),
        })
    }

    /// Where a task stands in one word, as [`Why::phase`] has it; `None` if there is no such registration.
    pub fn phase(&self, id: TaskId) -> Option<&'static str> {
        let task = self.tasks.get(id)?;
        Some(match task.current().map(|activation| activation.state) {
            None | Some(ActivationState::Ended) => "idle",
            Some(ActivationState::Waiting { .. }) => waiting_phase(self.gate(id).or(task.gate)),
            Some(ActivationState::Starting { .. }) => "starting",
            Some(ActivationState::Running { .. }) => "running",
            Some(ActivationState::Cancelling { .. } | ActivationState::Killing { .. }) => "cancelling",
        })
    }

    fn why_idle(&self, registration: &Registration, gates: Vec<GateReading>, now: Now) -> Why {
        let trigger = &registration.trigger;
        let ago = Spoken(now.wall - registration.registered_at);
        let source = Fact::behind(trigger).and_then(|fact| self.facts.status(fact));
        let mut sentence = match (source, registration.due) {
            (Some(SourceStatus::Missing { why, help }), _) => {
                format!("It cannot run: {trigger} has no working source on this machine: {why}; {help}.")
            }
            (_, Some(due)) => {
                let left = Spoken(self.released_at(registration, due) - now.wall);
                format!("It waits for its trigger: {trigger} fires in {left}; it was registered {ago} ago.")
            }
            (_, None) => format!("It waits for its trigger: {trigger} has to fire; it was registered {ago} ago."),
        };
        let access = self.status_of(registration);
        if !access.allows() {
            sentence.push_str(&format!(" It may not run now: {}.", self.why_denied(registration, access)));
        }
        Why { sentence, phase: "idle", since: None, gates, remedy: None, next: None, used: None, budget: None }
    }

    fn why_active(
        &self,
        registration: &Registration,
        activation: &Activation,
        known: Option<Gate>,
        gates: Vec<GateReading>,
        now: Now,
    ) -> Why {
        let budget = |deadline: crate::BootTime| Spoken(deadline.since(now.boot));
        let (phase, since, sentence) = match activation.state {
            ActivationState::Waiting { since } => {
                let gate = self.gate(registration.id).or(known).unwrap_or(Gate::Slot);
                (waiting_phase(Some(gate)), Some(since), self.why_waiting(registration, activation, gate, since, now))
            }
            ActivationState::Starting { deadline, .. } => {
                ("starting", None, format!("It is starting; its budget ends in {}.", budget(deadline)))
            }
            ActivationState::Running { since, deadline, .. } => {
                let text = format!(
                    "It is running since {} ago; its budget ends in {}.",
                    Spoken(now.wall - since),
                    budget(deadline)
                );
                ("running", Some(since), text)
            }
            ActivationState::Cancelling { reason, kill_at, .. } => {
                let text = format!(
                    "It was told to stop ({reason}) and has {} left before its host is killed.",
                    budget(kill_at)
                );
                ("cancelling", None, text)
            }
            ActivationState::Killing { reason, .. } => {
                ("cancelling", None, format!("It was told to stop ({reason}), did not, and its host is being killed."))
            }
            ActivationState::Ended => ("idle", None, "It has just ended.".to_owned()),
        };
        Why { sentence, phase, since, gates, remedy: None, next: None, used: None, budget: None }
    }

    fn why_waiting(
        &self,
        registration: &Registration,
        activation: &Activation,
        gate: Gate,
        since: WallTime,
        now: Now,
    ) -> String {
        let trigger = capitalized(registration.trigger.to_string());
        let ago = Spoken(now.wall - activation.firing.at);
        let fired = match activation.firing.count {
            1 => format!("{trigger} fired {ago} ago"),
            count => format!("{trigger} fired {count} times, first {ago} ago"),
        };
        let held = Spoken(now.wall - since);
        match gate {
            Gate::Condition(_) => {
                let missing = self.facts.missing(&registration.conditions);
                let names: Vec<_> = missing.iter().map(|condition| self.spoken_condition(*condition)).collect();
                format!("{fired} and it is held since {held} ago until {}.", names.join(" and "))
            }
            Gate::Access(status) => {
                format!("{fired} and it is held since {held} ago because {}.", self.why_denied(registration, status))
            }
            gate => format!("{fired} and it is held since {held} ago because {gate}."),
        }
    }

    fn why_denied(&self, registration: &Registration, status: BackgroundAccessStatus) -> String {
        let gate = Gate::Access(status);
        match status {
            BackgroundAccessStatus::Unspecified => gate.to_string(),
            _ => format!("{gate}, says {}", self.apps.decided_by(&registration.app)),
        }
    }

    fn spoken_condition(&self, condition: Condition) -> String {
        let fact = condition.fact();
        match fact.and_then(|fact| self.facts.levels().get(fact)) {
            Some(_) => format!("{condition} holds"),
            None => format!("{condition} holds (its source has not reported yet)"),
        }
    }

    fn readings(&self, registration: &Registration) -> Vec<GateReading> {
        let access = self.status_of(registration);
        let running = self.tasks.occupied().count();
        let most = self.config.max_running;
        let mut readings = vec![
            self.manifest_reading(registration),
            reading("Access", access.allows(), access.to_string(), &self.apps.decided_by(&registration.app)),
        ];
        let saver_open = |saving: bool| !saving || access == BackgroundAccessStatus::AlwaysAllowed;
        readings.push(self.level_reading("EnergySaver", Fact::EnergySaver, saver_open));
        readings.extend(registration.conditions.iter().map(|condition| self.condition_reading(*condition)));
        if matches!(registration.trigger, Trigger::Maintenance { .. }) {
            readings.push(self.level_reading("ExternalPower", Fact::ExternalPower, |on| on));
        }
        readings.push(self.level_reading("MemoryPressure", Fact::MemoryPressure, |short| !short));
        readings.push(reading("Slot", running < most, format!("{running} of {most} taken"), "the broker"));
        readings
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
        let value = level.map_or_else(|| "unknown".to_owned(), |(value, _)| value.to_string());
        let source = self.source_of(Some(fact));
        let open = level.is_some_and(|(value, _)| open(value));
        GateReading { since: level.map(|(_, since)| since), ..reading(name, open, value, &source) }
    }

    fn source_of(&self, fact: Option<Fact>) -> String {
        match fact.and_then(|fact| self.facts.status(fact)) {
            Some(SourceStatus::Available { how } | SourceStatus::Degraded { how, .. }) => how.clone(),
            Some(SourceStatus::Missing { why, .. }) => format!("no source: {why}"),
            None => "its source has not reported yet".to_owned(),
        }
    }

    fn condition_reading(&self, condition: Condition) -> GateReading {
        let fact = condition.fact();
        let level = fact.and_then(|fact| self.facts.levels().get(fact));
        let source = self.source_of(fact);
        GateReading {
            name: condition.name().into_owned(),
            open: self.facts.levels().holds(condition),
            value: level.map_or_else(|| "unknown".to_owned(), |(value, _)| value.to_string()),
            since: level.map(|(_, since)| since),
            source,
        }
    }
}

fn reading(name: &str, open: bool, value: String, source: &str) -> GateReading {
    GateReading { name: name.to_owned(), open, value, since: None, source: source.to_owned() }
}

const fn waiting_phase(gate: Option<Gate>) -> &'static str {
    if matches!(gate, Some(Gate::Condition(_))) { "latched" } else { "buffered" }
}

/// A trigger at the beginning of a sentence.
fn capitalized(mut text: String) -> String {
    if let Some(first) = text.get_mut(..1) {
        first.make_ascii_uppercase();
    }
    text
}
