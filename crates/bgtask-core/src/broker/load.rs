//! Starts that wait for the load: while the processors are busy, and after a sleep that many have missed their time in.
//!
//! Each waits for a part of [`Config::load_delay`](crate::Config::load_delay) of its own, counted from the moment on which only
//! this holds it; so many that are held together do not start together either, and none is held for longer than that.

use std::time::Duration;

use super::tables::Alarm;
use super::timer::share_of;
use super::{Core, Gate, Task};
use crate::ids::TaskId;
use crate::model::fact::Fact;
use crate::time::WallTime;

impl Core {
    /// Whether the load holds what waits first. What the user asked for and what is critical starts at once.
    pub(super) fn held_by_load(&self, task: &Task) -> Option<Gate> {
        let first = task.waiting.front()?;
        let at_once = first.firing.by_hand || task.registration.trigger.is_critical();
        (!at_once && self.start_after(task) > self.now.wall).then_some(Gate::Load)
    }

    /// When the load holds it no longer: while the processors are busy in the second half of the longest time, each at its
    /// own moment; of a storm at any moment of it.
    pub(super) fn start_after(&self, task: &Task) -> WallTime {
        let since = task.ready_since.unwrap_or(self.now.wall);
        let whole = self.config.load_delay;
        // Whole seconds: so many starts are no more wake-ups than there are seconds.
        let share = |part| Duration::from_secs(share_of(part, self.config.machine, &task.registration.name).as_secs());
        // Whoever waits for a word about the processors has said himself what he wants.
        let asks = task.registration.conditions.iter().any(|condition| condition.fact() == Fact::CpuPressure);
        match self.processors_are_busy() && !asks {
            true => since + whole / 2 + share(whole / 2),
            false if task.in_storm => since + share(whole),
            false => since,
        }
    }

    pub(super) fn processors_are_busy(&self) -> bool {
        self.facts.levels().get(Fact::CpuPressure).is_some_and(|(busy, _)| busy)
    }

    /// Nothing but the load holds it, perhaps: wakes the broker when it does so no longer.
    pub(super) fn bear_the_load(&mut self, id: TaskId, gate: Option<Gate>) {
        let now = self.now.wall;
        let Some(task) = self.tasks.get_mut(id) else { return };
        match gate {
            None | Some(Gate::Load) => drop(task.ready_since.get_or_insert(now)),
            // All tasks of an app go on at its refill: that is when the load begins to spread them.
            Some(Gate::Throttled(_) | Gate::Energy) => task.ready_since = None,
            Some(_) => {}
        }
        let held = gate == Some(Gate::Load);
        let until = held.then(|| self.tasks.get(id).map(|task| self.start_after(task))).flatten();
        self.tasks.set_alarm(id, Alarm::Load, until);
    }

    /// It has been held for long enough.
    pub(super) fn end_patience(&mut self, id: TaskId) {
        self.tasks.set_alarm(id, Alarm::Load, None);
        self.fresh_gate(id);
    }

    /// The clock was set back: nobody is held for longer because of that.
    pub(super) fn shorten_patience(&mut self, id: TaskId) {
        let now = self.now.wall;
        if let Some(task) = self.tasks.get_mut(id) {
            task.ready_since = task.ready_since.map(|since| since.min(now));
        }
    }
}
