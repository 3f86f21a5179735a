//! What the budgets of its app mean for a task, in words.

use std::time::Duration;

use super::GateReading;
use super::reading::reading;
use crate::activation::Activation;
use crate::broker::{Core, Task};
use crate::ids::AppId;
use crate::model::budget::Resource;
use crate::model::registration::Registration;
use crate::time::{Now, Spoken, WallTime};

impl Core {
    pub(super) fn is_suspended(&self, activation: &Activation) -> bool {
        activation.state.host().is_some_and(|host| self.frozen_since(host).is_some())
    }

    /// When an app that has used something up gets more of it, if nothing changes.
    pub(super) fn throttled_until(&self, app: &AppId) -> Option<WallTime> {
        self.released_at_latest(app, self.throttled(app)?)
    }

    /// How long an instance has run, without the time it was suspended.
    pub(super) fn has_run(&self, task: &Task, activation: &Activation, now: Now) -> Option<Duration> {
        let since_start = now.boot.since(activation.started?);
        let stopped = activation.state.host().and_then(|host| self.frozen_since(host));
        let left = activation.state.deadline().map(|deadline| deadline.since(stopped.unwrap_or(now.boot)));
        let of_budget = self.budget(&task.registration).saturating_sub(left.unwrap_or_default());
        Some(if activation.throttled == Default::default() { since_start } else { of_budget.min(since_start) })
    }

    pub(super) fn say_suspended(&self, task: &Task, activation: &Activation, now: Now) -> String {
        let app = &task.registration.app;
        let since = activation.state.host().and_then(|host| self.frozen_since(host)).unwrap_or(now.boot);
        let because = self.throttled(app).map(|resource| self.say_throttled(app, resource, now)).unwrap_or_default();
        let left = activation.state.deadline().map_or(Duration::ZERO, |deadline| deadline.since(since));
        let since = Spoken(now.boot.since(since));
        format!("It is suspended since {since} ago because {because}; then it may run for {} yet.", Spoken(left))
    }

    /// `its app has used 120 s of the 120 s of processor time it has in 2 h, and gets more in 45 min`
    pub(super) fn say_throttled(&self, app: &AppId, resource: Resource, now: Now) -> String {
        let used = self.say_used(app, resource, now);
        let until = self.released_at_latest(app, resource);
        let more = until.map_or("no more".to_owned(), |until| format!("more in {}", Spoken(until - now.wall)));
        format!("its app has used {used} it has in {}, and gets {more}", Spoken(self.config.budgets.window))
    }

    fn say_used(&self, app: &AppId, resource: Resource, now: Now) -> String {
        let account = self.account(app, now).unwrap_or_default();
        let allowed = self.allowed(app);
        let of = |used: String, borrowed: Option<String>, own: String| {
            let borrowed = borrowed.map(|borrowed| format!("{borrowed} that all apps share and ")).unwrap_or_default();
            format!("{borrowed}{used} of the {own} of {resource}")
        };
        match resource {
            Resource::Cpu => {
                let borrowed = account.borrowed_cpu;
                let used = Spoken(account.cpu.saturating_sub(borrowed)).to_string();
                let borrowed = (!borrowed.is_zero()).then(|| Spoken(borrowed).to_string());
                of(used, borrowed, Spoken(allowed.cpu.unwrap_or_default()).to_string())
            }
            Resource::Network => {
                let borrowed = account.borrowed_network;
                let used = spoken_bytes(account.network.saturating_sub(borrowed));
                of(
                    used,
                    (borrowed > 0).then(|| spoken_bytes(borrowed)),
                    spoken_bytes(allowed.network.unwrap_or_default()),
                )
            }
        }
    }

    pub(super) fn say_energy(&self, app: &AppId, now: Now) -> String {
        let usage = self.energy(app, now);
        let left = Spoken(usage.until - now.wall);
        format!(
            "its app has used {} % of the energy that is normal in 30 min, and the next 30 min begin in {left}",
            usage.percent
        )
    }

    /// Of a task that no budget holds there is nothing to say.
    pub(super) fn budget_readings(&self, registration: &Registration, now: Now) -> Vec<GateReading> {
        if !self.is_held_by_budgets(registration) {
            return Vec::new();
        }
        let app = &registration.app;
        let allowed = self.allowed(app);
        let bounded = [(Resource::Cpu, allowed.cpu.is_some()), (Resource::Network, allowed.network.is_some())];
        let bounded = bounded.into_iter().filter(|(_, bounded)| *bounded);
        let used: Vec<_> = bounded.map(|(resource, _)| self.say_used(app, resource, now)).collect();
        let budget = (!used.is_empty()).then(|| {
            reading("Budget", self.throttled(app).is_none(), format!("{} used", used.join(", ")), "the broker")
        });
        let usage = self.energy(app, now);
        let energy = format!("{} % of normal, {}", usage.percent, usage.level);
        let energy = reading("Energy", !self.is_held_by_energy(registration), energy, "the broker");
        budget.into_iter().chain([energy]).collect()
    }
}

/// To the nearest, as people say it.
fn spoken_bytes(bytes: u64) -> String {
    let (unit, name) = match bytes {
        0..0x40_0000 => (1 << 10, "KiB"),
        0x40_0000..0x1_0000_0000 => (1 << 20, "MiB"),
        _ => (1 << 30, "GiB"),
    };
    format!("{} {name}", bytes.saturating_add(unit / 2) / unit)
}
