//! What holds a waiting activation, in words, with the numbers.

use std::time::Duration;

use super::is_command;
use crate::activation::{Activation, ActivationState};
use crate::broker::schedule::Gate;
use crate::broker::{Core, Task};
use crate::ids::AppId;
use crate::model::access::BackgroundAccessStatus;
use crate::model::app::App;
use crate::model::fact::Fact;
use crate::model::registration::Registration;
use crate::time::{Now, Spoken, WallTime};

/// So many apps are named of those that run.
const NAMED: usize = 3;

impl Core {
    pub(super) fn because(&self, registration: &Registration, gate: Gate, now: Now) -> String {
        match gate {
            Gate::Throttled(resource) => self.say_throttled(&registration.app, resource, now),
            Gate::Energy => self.say_energy(&registration.app, now),
            Gate::Access(status) => self.why_denied(registration, status),
            Gate::Servicing => self.say_servicing(&registration.app),
            Gate::EnergySaver if is_command(registration) => {
                format!("the machine saves energy{}", self.since(Fact::EnergySaver, now))
            }
            Gate::EnergySaver => format!("{gate}{}", self.since(Fact::EnergySaver, now)),
            Gate::Battery => format!("{gate}{}", self.since(Fact::ExternalPower, now)),
            Gate::MemoryPressure => format!("{gate}{}", self.since(Fact::MemoryPressure, now)),
            Gate::Standby => format!("{gate}{}", self.since(Fact::Standby, now)),
            Gate::Slot => self.say_full(now),
            Gate::Holder => self.why_held_by_holder(registration).to_owned(),
            Gate::NotInstalled
            | Gate::EntryPointGone
            | Gate::Paused
            | Gate::Unknown(_)
            | Gate::Condition(_)
            | Gate::Load
            | Gate::Backoff
            | Gate::Running => gate.to_string(),
        }
    }

    pub(super) fn why_denied(&self, registration: &Registration, status: BackgroundAccessStatus) -> String {
        let gate = Gate::Access(status);
        let by = self.apps.decided_by(&registration.app);
        match status {
            BackgroundAccessStatus::Unspecified => gate.to_string(),
            _ if is_command(registration) => format!("background access of commands is {status}, says {by}"),
            _ => format!("{gate}, says {by}"),
        }
    }

    /// Since when a level is what it is, where it is known.
    fn since(&self, fact: Fact, now: Now) -> String {
        let since = self.facts.levels().get(fact).map(|(_, since)| Spoken(now.wall - since));
        since.map_or_else(String::new, |since| format!(" (since {since} ago)"))
    }

    fn say_servicing(&self, app: &AppId) -> String {
        let version = self.apps.get(app).map(|app| app.version.to_string()).unwrap_or_default();
        let older = match self.tasks.occupancy().get(app) {
            None => "what is older has not been settled".to_owned(),
            Some(1) => "1 older task has not ended".to_owned(),
            Some(count) => format!("{count} older tasks have not ended"),
        };
        format!("the app is being updated to version {version} and {older}")
    }

    /// `16 tasks run, as many as may at the same time: 9 of org.example.Photos and 7 commands; the first has to end within 20 s`
    fn say_full(&self, now: Now) -> String {
        let mut apps: Vec<_> = self.tasks.occupancy().into_iter().collect();
        let all: usize = apps.iter().map(|(_, count)| count).sum();
        apps.sort_by(|(one, few), (other, many)| many.cmp(few).then(one.cmp(other)));
        let others: usize = apps.iter().skip(NAMED).map(|(_, count)| count).sum();
        let named = apps.iter().take(NAMED).map(|(app, count)| match (app.as_str() == App::COMMANDS, count) {
            (true, 1) => "1 command".to_owned(),
            (true, count) => format!("{count} commands"),
            (false, count) => format!("{count} of {app}"),
        });
        let others = (others > 0).then(|| format!("{others} of other apps"));
        let who: Vec<_> = named.chain(others).collect();
        let run = if all == 1 { "task runs" } else { "tasks run" };
        let first = self.first_end(now).map(|left| format!("; the first has to end within {}", Spoken(left)));
        let first = first.unwrap_or_default();
        format!("{all} {run}, as many as may at the same time: {}{first}", who.join(" and "))
    }

    /// How long it takes at most until one of those that run has ended; unknown while all of them are suspended.
    fn first_end(&self, now: Now) -> Option<Duration> {
        let ends = self.tasks.occupied().filter_map(|(_, activation)| self.end_of(activation, now));
        ends.min()
    }

    /// How long something that runs may take at most until it has ended: its budget, and its grace.
    pub(super) fn end_of(&self, activation: &Activation, now: Now) -> Option<Duration> {
        let left = self.deadline_of(activation)?.since(now.boot);
        let told = matches!(activation.state, ActivationState::Cancelling { .. } | ActivationState::Killing { .. });
        Some(if told { left } else { left + self.config.cancel_grace })
    }

    /// When a slot is free at the latest.
    pub(super) fn slot_free_at(&self, now: Now) -> Option<WallTime> {
        self.first_end(now).map(|left| now.wall + left)
    }

    /// What has fired while an instance runs, and waits for its end.
    pub(super) fn say_next_in_line(&self, task: &Task) -> String {
        let fired: u64 = task.waiting.iter().map(|activation| u64::from(activation.firing.count)).sum();
        match fired {
            0 => String::new(),
            1 => " It has fired once more, and runs again after that.".to_owned(),
            count => format!(" It has fired {count} times more, and runs again after that."),
        }
    }
}
