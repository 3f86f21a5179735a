//! The one change that would start a task now.

use super::{GateReading, is_command, name_for};
use crate::broker::schedule::Gate;
use crate::broker::{Core, Task};
use crate::input::SourceStatus;
use crate::model::access::BackgroundAccessStatus;
use crate::model::condition::Condition;
use crate::model::fact::Fact;
use crate::model::registration::Registration;
use crate::model::words::{duration_word, hundredths_word, minute_word, size_word};
use crate::time::{Now, Spoken, WallTime};

/// What opens a gate.
struct Opening {
    what: String,
    /// Whether the user brings it about at once, and need not wait for it.
    at_once: bool,
}

fn do_this(what: impl Into<String>) -> Opening {
    Opening { what: what.into(), at_once: true }
}

fn wait_for(what: impl Into<String>) -> Opening {
    Opening { what: what.into(), at_once: false }
}

impl Core {
    /// Where several gates are closed: what opens the first of them, and which remain.
    pub(super) fn remedy(&self, task: &Task, gates: &[GateReading], now: Now) -> Option<String> {
        let registration = &task.registration;
        if !task.running.is_empty() {
            return None;
        }
        let Some(first) = task.waiting.front() else { return self.remedy_of_idle(registration, now) };
        let gate = self.waits_for(task);
        let others = |may_pass: bool| {
            let closed = gates.iter().filter(|it| !it.open && it.name != reading_of(registration, gate));
            let closed = closed.filter(|it| !may_pass || !yields_to_the_user(&it.name));
            closed.map(|it| spoken(&it.name).to_owned()).collect::<Vec<_>>()
        };
        let rest = others(first.firing.by_hand);
        let opening = self.opening(registration, gate, now);
        let by_hand =
            is_command(registration) && !first.firing.by_hand && yields_to_the_user(&reading_of(registration, gate));
        if by_hand && !(opening.at_once && rest.is_empty()) {
            return Some(and_then(run_by_hand(registration), &others(true)));
        }
        Some(and_then(opening.what, &rest))
    }

    fn remedy_of_idle(&self, registration: &Registration, now: Now) -> Option<String> {
        if let Some(access) = self.denied(registration) {
            return Some(self.opening(registration, Gate::Access(access), now).what);
        }
        is_command(registration).then(|| run_by_hand(registration))
    }

    fn opening(&self, registration: &Registration, gate: Gate, now: Now) -> Opening {
        let app = &registration.app;
        match gate {
            Gate::NotInstalled => do_this(format!("install the manifest of {app}")),
            Gate::Servicing => wait_for("wait until the older tasks of the app have ended"),
            Gate::EntryPointGone => do_this(format!("declare {} in the manifest of {app}", registration.entry)),
            Gate::Access(status) => self.opening_of_access(registration, status),
            Gate::Paused => do_this(format!("`bgtask resume {}`", shell_word(&registration.name))),
            Gate::Unknown(fact) => match self.facts.status(fact) {
                Some(SourceStatus::Missing { help, .. }) => do_this(help.clone()),
                _ => wait_for(format!("wait a moment: the source of {fact} has not reported yet")),
            },
            Gate::EnergySaver => do_this("switch energy saving off"),
            Gate::Condition(condition) => self.opening_of_condition(registration, condition),
            Gate::Battery => do_this("plug the machine in"),
            Gate::MemoryPressure => do_this("close programs that use much memory"),
            Gate::Throttled(resource) => {
                let wait = spoken_wait(self.throttled_until(app), now);
                wait_for(format!(
                    "{wait} for more {resource}, or have the owner of this machine give {app} a larger budget"
                ))
            }
            Gate::Energy => do_this(format!("`bgtask access set {app} always`")),
            Gate::Standby => wait_for("wait until the machine is awake again"),
            Gate::Load => wait_for("wait until the processors have time"),
            Gate::Backoff => wait_for("wait for the next try"),
            Gate::Running => wait_for("wait until the instance that runs has ended"),
            Gate::Holder => wait_for("wait until the process that holds its control channel has time"),
            Gate::Slot => match self.config.max_running {
                1 => wait_for("wait until the task that runs has ended"),
                most => wait_for(format!("wait until one of the {most} running tasks has ended")),
            },
        }
    }

    fn opening_of_access(&self, registration: &Registration, status: BackgroundAccessStatus) -> Opening {
        let app = &registration.app;
        match self.policy_of(app) {
            Some(policy) if status == BackgroundAccessStatus::DeniedBySystemPolicy => {
                do_this(format!("ask the owner of this machine: {} decides", policy.file))
            }
            _ if !self.background_enabled() => do_this("`bgtask access on`"),
            _ => do_this(format!("`bgtask access set {app} managed`")),
        }
    }

    fn opening_of_condition(&self, registration: &Registration, condition: Condition) -> Opening {
        let status = self.facts.status(condition.fact());
        if let Some(SourceStatus::Missing { help, .. }) = status {
            return do_this(help.clone());
        }
        let known = opening_of_level(condition.fact(), condition.holds_at(true));
        known.unwrap_or_else(|| wait_for(format!("wait until {} holds", name_for(registration, condition))))
    }
}

/// `wait 45 min`
fn spoken_wait(until: Option<WallTime>, now: Now) -> String {
    until.map_or_else(|| "wait".to_owned(), |until| format!("wait {}", Spoken(until - now.wall)))
}

/// What makes a fact read so; `None` where nobody can make it.
fn opening_of_level(fact: Fact, wanted: bool) -> Option<Opening> {
    Some(match (fact, wanted) {
        (Fact::Internet, true) => do_this("connect the machine to the internet"),
        (Fact::Internet, false) => do_this("disconnect the machine from the internet"),
        (Fact::UserPresence, true) => do_this("use the machine"),
        (Fact::UserPresence, false) => wait_for("leave the machine, or lock its screen"),
        (Fact::ExternalPower, true) => do_this("plug the machine in"),
        (Fact::ExternalPower, false) => do_this("unplug the machine"),
        (Fact::EnergySaver, true) => do_this("switch energy saving on"),
        (Fact::EnergySaver, false) => do_this("switch energy saving off"),
        (Fact::FreeNetwork, true) => do_this("connect to a network that costs nothing"),
        (Fact::FreeNetwork, false) => do_this("leave the network that costs nothing"),
        (Fact::SessionConnected, true) => do_this("log in, or switch to the session"),
        (Fact::SessionConnected, false) => wait_for("switch to another user, or disconnect"),
        (Fact::Screen, true) => do_this("switch the screen on"),
        (Fact::Screen, false) => wait_for("switch the screen off"),
        (Fact::WorkCost, true) => do_this("plug the machine in, or switch its screen on and energy saving off"),
        (Fact::MemoryPressure, false) => do_this("close programs that use much memory"),
        (Fact::CpuPressure, false) => wait_for("wait until the processors have time"),
        (Fact::BatteryAbove(percent), true) => wait_for(format!("charge the battery to {percent} %")),
        (Fact::Idle(least), true) => wait_for(format!("leave the machine alone for {}", duration_word(least))),
        (Fact::DiskFree(bytes), true) => {
            do_this(format!("free disk space: {} are wanted where the home folder is", size_word(bytes)))
        }
        (Fact::LoadBelow(value), true) => wait_for(format!("wait until the load is below {}", hundredths_word(value))),
        (Fact::Between(window), true) => wait_for(format!("wait until {}", minute_word(window.from))),
        (Fact::Between(window), false) => wait_for(format!("wait until {}", minute_word(window.to))),
        _ => return None,
    })
}

fn run_by_hand(registration: &Registration) -> String {
    format!("`bgtask run {}` starts it now, whatever it waits for", shell_word(&registration.name))
}

fn and_then(what: String, others: &[String]) -> String {
    if others.is_empty() { what } else { format!("{what}; then it still waits for {}", others.join(" and ")) }
}

/// The name of a gate's reading.
fn reading_of(registration: &Registration, gate: Gate) -> String {
    match gate {
        Gate::NotInstalled | Gate::Servicing | Gate::EntryPointGone => "Manifest".into(),
        Gate::Access(_) => "Access".into(),
        Gate::Paused => "Paused".into(),
        Gate::Unknown(Fact::MemoryPressure) | Gate::MemoryPressure => "MemoryPressure".into(),
        Gate::Unknown(_) | Gate::EnergySaver => "EnergySaver".into(),
        Gate::Condition(condition) => name_for(registration, condition).into_owned(),
        Gate::Battery => "ExternalPower".into(),
        Gate::Throttled(_) => "Budget".into(),
        Gate::Energy => "Energy".into(),
        Gate::Standby => "Standby".into(),
        Gate::Load => "Load".into(),
        Gate::Backoff => "Backoff".into(),
        Gate::Running => "Running".into(),
        Gate::Holder => "ControlChannel".into(),
        Gate::Slot => "Slot".into(),
    }
}

/// Whether running by hand passes the gate of that reading.
fn yields_to_the_user(reading: &str) -> bool {
    !matches!(reading, "Manifest" | "Access" | "Running" | "ControlChannel" | "Slot")
}

fn spoken(reading: &str) -> &str {
    match reading {
        "Manifest" => "its manifest",
        "Access" => "background access",
        "Paused" => "`bgtask resume`",
        "EnergySaver" => "the end of energy saving",
        "ExternalPower" => "external power",
        "MemoryPressure" => "free memory",
        "Budget" => "the budget of its app",
        "Energy" => "the energy of its app",
        "Standby" => "the end of sleep",
        "Load" => "the processors",
        "Backoff" => "its next try",
        "Running" => "the instance that runs",
        "ControlChannel" => "the process of its control channel",
        "Slot" => "a free slot",
        condition => condition,
    }
}

/// A name as a shell reads it as one word.
fn shell_word(name: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "._-+:@/".contains(c);
    if !name.starts_with('-') && name.chars().all(plain) {
        return name.to_owned();
    }
    format!("'{}'", name.replace('\'', r"'\''"))
}
