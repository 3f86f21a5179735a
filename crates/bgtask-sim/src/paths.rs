//! The watched paths of the machine: bursts of changes, each with its number, some larger than there is room for.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use bgtask_core::{BootTime, Details, Input, TaskId};

use crate::agenda::Agenda;
use crate::chance::Chance;

#[derive(Debug, Default)]
pub(crate) struct Paths {
    watched: BTreeSet<TaskId>,
    agenda: Agenda<Burst>,
    changes: u64,
}

#[derive(Debug)]
struct Burst {
    task: TaskId,
    lines: String,
    count: u32,
    lost: u32,
}

impl Paths {
    pub(crate) fn next(&self) -> Option<BootTime> {
        self.agenda.next()
    }

    pub(crate) fn watch(&mut self, task: TaskId) {
        self.watched.insert(task);
    }

    /// What was seen before may still be told.
    pub(crate) fn unwatch(&mut self, task: TaskId) {
        self.watched.remove(&task);
    }

    pub(crate) fn is_watched(&self, task: TaskId) -> bool {
        self.watched.contains(&task)
    }

    pub(crate) fn broker_died(&mut self) {
        self.watched.clear();
        self.agenda.clear();
    }

    /// Something changes at a path, and is told soon, at once with what changes together with it.
    pub(crate) fn disturb(&mut self, now: BootTime, chance: &mut Chance) -> Option<TaskId> {
        let watched: Vec<_> = self.watched.iter().copied().collect();
        let task = *chance.pick(&watched)?;
        for _ in 0..=chance.below(4) {
            let burst = self.burst(task, chance);
            self.agenda.plan(now + chance.millis(300), burst);
        }
        Some(task)
    }

    fn burst(&mut self, task: TaskId, chance: &mut Chance) -> Burst {
        let count = 1 + u32::try_from(chance.below(5)).unwrap_or(0);
        let most = match chance.below(60) {
            0 => 70_000,
            1..=3 => 30_000,
            _ => 20,
        };
        let padding = "x".repeat(chance.index(most / count as usize + 1));
        let mut lines = String::new();
        for _ in 0..count {
            self.changes += 1;
            let _ = writeln!(lines, "{{\"change\":{},\"path\":\"/{padding}\"}}", self.changes);
        }
        let lost = if chance.percent(5) { 3 } else { 0 };
        Burst { task, lines, count, lost }
    }

    pub(crate) fn speak(&mut self, now: BootTime) -> Option<Input> {
        let Burst { task, lines, count, lost } = self.agenda.take_due(now)?;
        Some(Input::PathChanged { task, changes: Details(lines.into_bytes().into()), count, lost })
    }
}
