//! A fake calendar: when an expression comes true next, told soon after the order, in the order of the orders.

use bgtask_core::{BootTime, Input, TaskId, WallTime};

use crate::agenda::Agenda;
use crate::chance::Chance;

/// How far east of UTC the one zone is that expressions name, in seconds.
pub(crate) const PARIS: i32 = 3_600;

const SECOND: i64 = 1_000_000;

/// What the driver answers to plans.
#[derive(Debug, Default)]
pub(crate) struct Planner {
    agenda: Agenda<(TaskId, Option<WallTime>)>,
    /// No answer overtakes another.
    last: BootTime,
}

impl Planner {
    pub(crate) fn next(&self) -> Option<BootTime> {
        self.agenda.next()
    }

    /// Mostly at once; a slow driver shows what a core makes of an answer that comes late.
    pub(crate) fn order(&mut self, task: TaskId, at: Option<WallTime>, now: BootTime, chance: &mut Chance) {
        let delay = if chance.percent(70) { 0 } else { 400 };
        self.last = self.last.max(now + chance.millis(delay));
        self.agenda.plan(self.last, (task, at));
    }

    pub(crate) fn broker_died(&mut self) {
        self.agenda.clear();
    }

    pub(crate) fn speak(&mut self, now: BootTime) -> Option<Input> {
        let (task, at) = self.agenda.take_due(now)?;
        Some(Input::Planned { task, at })
    }
}

/// An expression comes true every so many seconds of the day of its zone, some of them only until some time.
pub(crate) fn any_calendar(chance: &mut Chance) -> String {
    let period = 5 + chance.below(120);
    match chance.below(5) {
        0 => format!("{period} until {}", 1_800_000_000 + chance.below(300)),
        _ => period.to_string(),
    }
}

/// The first time after `after`, in a zone so many seconds east of UTC; `None` is never again.
pub(crate) fn next_time(calendar: &str, offset_seconds: i32, after: WallTime) -> Option<WallTime> {
    let mut numbers = calendar.split(" until ").filter_map(|word| word.parse::<i64>().ok());
    let period = numbers.next()? * SECOND;
    let offset = i64::from(offset_seconds) * SECOND;
    let local = after.as_micros() + offset;
    let next = (local.div_euclid(period) + 1) * period - offset;
    let end = numbers.next().map_or(i64::MAX, |seconds| seconds * SECOND);
    (next <= end).then(|| WallTime::from_micros(next))
}
