//! The one sentence that explains why a task is not running now, with the facts it stands on and what would change it.

mod because;
mod budget;
mod reading;
mod remedy;
mod stretch;

use std::time::Duration;

use super::schedule::Gate;
use super::sockets::wakes_for_sockets;
use super::{Core, Task};
use crate::activation::{Activation, ActivationState};
use crate::ids::TaskId;
use crate::input::SourceStatus;
use crate::model::condition::Condition;
use crate::model::fact::Fact;
use crate::model::registration::Registration;
use crate::model::trigger::Trigger;
use crate::time::{Now, Spoken, WallTime};

pub use reading::GateReading;

/// Why a task is where it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Why {
    /// One sentence for a person.
    pub sentence: String,
    /// One word for programs: `idle`, `latched`, `buffered`, `starting`, `running`, `suspended`, `cancelling`.
    pub phase: &'static str,
    /// Since when the activation waits or runs; `None` without an activation.
    pub since: Option<WallTime>,
    /// Every gate with its live value, open or closed.
    pub gates: Vec<GateReading>,
    /// The one change that would start it now, for a person; `None` where it runs, or where nothing but its trigger would.
    pub remedy: Option<String>,
    /// When time alone can start it at the earliest, or let it go on: its timer is due, the pause after a failure ends, its app
    /// may use something again, the load has held it for long enough, a task that runs has to have ended.
    pub next: Option<WallTime>,
    /// How long the running instance has run; while it was suspended it did not.
    pub used: Option<Duration>,
    /// How long it may run.
    pub budget: Option<Duration>,
}

impl Core {
    /// Explains one task; `None` if there is no such registration.
    pub fn why(&self, id: TaskId, now: Now) -> Option<Why> {
        let task = self.tasks.get(id)?;
        let gates = self.readings(task, now);
        let remedy = self.remedy(task, &gates, now);
        let (since, mut sentence) = match task.current() {
            None => (None, self.say_idle(task, now)),
            Some(activation) => self.say_active(task, activation, now),
        };
        if let Some(broken) = broken_promise(&task.registration, now) {
            sentence.push_str(&broken);
        }
        let running = task.running.first();
        Some(Why {
            sentence,
            phase: self.phase(id)?,
            since,
            gates,
            remedy,
            next: self.next_start(id, now),
            used: running.and_then(|activation| self.has_run(task, activation, now)),
            budget: running.map(|_| self.budget(&task.registration)),
        })
    }

    /// Where a task stands in one word, as [`Why::phase`] has it; `None` if there is no such registration.
    pub fn phase(&self, id: TaskId) -> Option<&'static str> {
        let task = self.tasks.get(id)?;
        Some(match task.current().map(|activation| activation.state) {
            None | Some(ActivationState::Ended) => "idle",
            Some(ActivationState::Waiting { .. }) if matches!(self.waits_for(task), Gate::Condition(_)) => "latched",
            Some(ActivationState::Waiting { .. }) => "buffered",
            Some(state) if state.host().is_some_and(|host| self.frozen_since(host).is_some()) => "suspended",
            Some(ActivationState::Starting { .. }) => "starting",
            Some(ActivationState::Running { .. }) => "running",
            Some(ActivationState::Cancelling { .. } | ActivationState::Killing { .. }) => "cancelling",
        })
    }

    /// When time alone can start a task at the earliest, as [`Why::next`] has it.
    fn next_start(&self, id: TaskId, now: Now) -> Option<WallTime> {
        let task = self.tasks.get(id)?;
        let registration = &task.registration;
        match (task.waiting.front(), task.running.first()) {
            (_, Some(running)) if self.is_suspended(running) => self.throttled_until(&registration.app),
            (Some(first), None) => match self.waits_for(task) {
                Gate::Backoff => first.not_before,
                Gate::Throttled(_) => self.throttled_until(&registration.app),
                Gate::Energy => Some(self.energy(&registration.app, now).until),
                Gate::Load => Some(self.start_after(task)),
                Gate::Slot => self.slot_free_at(now),
                _ => None,
            },
            _ => registration.due.filter(|_| registration.fires()).map(|due| {
                let released = self.released_at(registration, due);
                if released > now.wall { released } else { self.latest(registration, due) }
            }),
        }
    }

    /// What its first waiting activation waits for.
    fn waits_for(&self, task: &Task) -> Gate {
        self.gate_of(task).or(task.gate()).unwrap_or(Gate::Slot)
    }

    fn say_idle(&self, task: &Task, now: Now) -> String {
        let registration = &task.registration;
        let (it, trigger) = (subject(registration), &registration.trigger);
        let past = past(registration, now);
        let sentence = match registration.due {
            _ if registration.paused => format!("{it} is paused and fires nothing until it is resumed; {past}."),
            _ if let Some(blind) = self.blind(task) => format!("{it} cannot run: {blind}."),
            Some(due) => format!("{}; {past}.", self.say_due(registration, due, now)),
            None if matches!(trigger, Trigger::Calendar { .. }) && task.plans == 0 => {
                format!("{it} waits for nothing: {trigger} never comes true again; {past}.")
            }
            None if trigger.is_of_manifest() => format!("{it} waits for a caller; {past}."),
            None => format!("{it} waits for its trigger: {trigger} has to fire; {past}."),
        };
        let sockets = wakes_for_sockets(trigger).then(|| self.say_sockets(registration.id));
        let channel = self.say_channel(registration);
        let more = [
            self.say_stretched(registration, now),
            self.half_blind(task),
            sockets,
            channel,
            self.locked_out(registration),
        ];
        [Some(sentence)].into_iter().chain(more).flatten().collect()
    }

    /// A timer fires on a tick that all share, or with a wake-up that it shares, and not always when it is due.
    fn say_due(&self, registration: &Registration, due: WallTime, now: Now) -> String {
        let (it, trigger) = (subject(registration), &registration.trigger);
        let (released, latest) = (self.released_at(registration, due), self.latest(registration, due));
        let ago = Spoken(now.wall - due);
        match (due <= now.wall, released <= now.wall) {
            (true, false) => {
                let left = Spoken(released - now.wall);
                format!("{it} waits for the tick: {trigger} was due {ago} ago, and fires with all others in {left}")
            }
            (true, true) if latest > now.wall => {
                let left = Spoken(latest - now.wall);
                format!(
                    "{it} waits for a wake-up that it can share: {trigger} was due {ago} ago, and fires in {left} at the latest"
                )
            }
            _ => {
                let left = Spoken(released - now.wall);
                format!("{it} waits for its trigger: {trigger} fires in {left}")
            }
        }
    }

    /// Why its trigger cannot fire on this machine.
    fn blind(&self, task: &Task) -> Option<String> {
        let trigger = &task.registration.trigger;
        if let Some(SourceStatus::Missing { why, help }) = task.heard.as_deref() {
            return Some(format!("{trigger} cannot be seen: {why}; {help}"));
        }
        // A calendar goes on in the zone that was known last.
        let fact = Fact::behind(trigger).filter(|_| !matches!(trigger, Trigger::Calendar { .. }))?;
        match self.facts.status(fact)? {
            SourceStatus::Missing { why, help } => {
                Some(format!("{trigger} has no working source on this machine: {why}; {help}"))
            }
            SourceStatus::Available { .. } | SourceStatus::Degraded { .. } => None,
        }
    }

    fn half_blind(&self, task: &Task) -> Option<String> {
        match task.heard.as_deref() {
            Some(SourceStatus::Degraded { why, help, .. }) => Some(format!(" Not every one is heard: {why}; {help}.")),
            _ => None,
        }
    }

    fn locked_out(&self, registration: &Registration) -> Option<String> {
        let access = self.denied(registration)?;
        Some(format!(" It may not run now: {}.", self.why_denied(registration, access)))
    }

    fn say_active(&self, task: &Task, activation: &Activation, now: Now) -> (Option<WallTime>, String) {
        let it = subject(&task.registration);
        let left = |deadline: crate::BootTime| Spoken(deadline.since(now.boot));
        let whole = if is_command(&task.registration) { "it" } else { "its host" };
        match activation.state {
            ActivationState::Waiting { since } => (Some(since), self.say_waiting(task, activation, since, now)),
            ActivationState::Starting { .. } | ActivationState::Running { .. } if self.is_suspended(activation) => {
                (None, self.say_suspended(task, activation, now))
            }
            ActivationState::Starting { deadline, .. } => {
                (None, format!("{it} is starting; its budget ends in {}.", left(deadline)))
            }
            ActivationState::Running { since, deadline, .. } => {
                let ago = Spoken(now.wall - since);
                let then = self.say_next_in_line(task);
                (Some(since), format!("{it} is running since {ago} ago; its budget ends in {}.{then}", left(deadline)))
            }
            ActivationState::Cancelling { reason, kill_at, .. } => {
                let left = left(kill_at);
                (None, format!("{it} was told to stop ({reason}) and has {left} left before {whole} is killed."))
            }
            ActivationState::Killing { reason, .. } => {
                (None, format!("{it} was told to stop ({reason}), did not, and {whole} is being killed."))
            }
            ActivationState::Ended => (None, format!("{it} has just ended.")),
        }
    }

    fn say_waiting(&self, task: &Task, activation: &Activation, since: WallTime, now: Now) -> String {
        let registration = &task.registration;
        let it = if is_command(registration) { "the command" } else { "it" };
        let fired = fired(registration, activation, now);
        let held = Spoken(now.wall - since);
        match self.waits_for(task) {
            Gate::Backoff => {
                let left = activation.not_before.map_or(Duration::ZERO, |at| at - now.wall);
                let times = match activation.failures {
                    1 => "once".to_owned(),
                    times => format!("{times} times, the last time"),
                };
                format!("{fired}; {it} failed {times} {held} ago, and its next try is in {}.", Spoken(left))
            }
            Gate::Condition(_) => {
                let missing = self.facts.missing(&registration.conditions);
                let spoken = missing.iter().map(|condition| self.spoken_condition(registration, *condition));
                let names: Vec<_> = spoken.collect();
                format!("{fired} and {it} is held since {held} ago until {}.", names.join(" and "))
            }
            Gate::Load => {
                let why = self.why_held_by_load();
                let left = Spoken(self.start_after(task) - now.wall);
                format!("{fired} and {it} is held since {held} ago because {why}; it starts in {left} at the latest.")
            }
            gate => {
                format!("{fired} and {it} is held since {held} ago because {}.", self.because(registration, gate, now))
            }
        }
    }

    fn why_held_by_load(&self) -> &'static str {
        if self.processors_are_busy() { "the processors are busy" } else { "many tasks came due at once" }
    }

    fn spoken_condition(&self, registration: &Registration, condition: Condition) -> String {
        let name = name_for(registration, condition);
        match self.facts.levels().get(condition.fact()) {
            Some(_) => format!("{name} holds"),
            None => format!("{name} holds (its source has not reported yet)"),
        }
    }
}

fn is_command(registration: &Registration) -> bool {
    registration.entry.command().is_some()
}

/// Who a sentence is about.
fn subject(registration: &Registration) -> &'static str {
    if is_command(registration) { "The command" } else { "It" }
}

/// A condition as those write it who read of it.
fn name_for(registration: &Registration, condition: Condition) -> std::borrow::Cow<'static, str> {
    if is_command(registration) { condition.word() } else { condition.name() }
}

fn past(registration: &Registration, now: Now) -> String {
    match registration.last {
        Some(last) => {
            let how = if last.ok { "succeeded" } else { "failed" };
            format!("its last run {how} {} ago", Spoken(now.wall - last.at))
        }
        None => format!("it was registered {} ago", Spoken(now.wall - registration.registered_at)),
    }
}

/// What set a waiting activation off, as the beginning of a sentence.
fn fired(registration: &Registration, activation: &Activation, now: Now) -> String {
    let ago = Spoken(now.wall - activation.firing.at);
    let trigger = capitalized(registration.trigger.to_string());
    match activation.firing.count {
        _ if registration.trigger.is_of_manifest() => format!("{trigger} was opened {ago} ago"),
        _ if activation.firing.by_hand => "It was asked to run by hand".to_owned(),
        1 => format!("{trigger} fired {ago} ago"),
        count => format!("{trigger} fired {count} times, first {ago} ago"),
    }
}

fn broken_promise(registration: &Registration, now: Now) -> Option<String> {
    let (within, since) = registration.fresh_within().zip(registration.fresh_since)?;
    let ago = now.wall - since;
    let broken = registration.fires() && ago >= within;
    broken.then(|| format!(" It has not succeeded for {}, and promised to within {}.", Spoken(ago), Spoken(within)))
}

/// A trigger at the beginning of a sentence.
fn capitalized(mut text: String) -> String {
    if let Some(first) = text.get_mut(..1) {
        first.make_ascii_uppercase();
    }
    text
}
