//! Whoever is listened to: bursts of events, each with its number, some larger than there is room for.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use bgtask_core::{BootTime, Details, EventClass, Input, SourceStatus, Subject, TaskId};

use crate::agenda::Agenda;
use crate::chance::Chance;

#[derive(Debug, Default)]
pub(crate) struct Listeners {
    listening: BTreeMap<TaskId, Subject>,
    agenda: Agenda<Says>,
    events: u64,
}

#[derive(Debug)]
enum Says {
    Happened { task: TaskId, lines: String, count: u32, lost: u32 },
    Works(TaskId, SourceStatus),
}

impl Listeners {
    pub(crate) fn next(&self) -> Option<BootTime> {
        self.agenda.next()
    }

    pub(crate) fn listen(&mut self, task: TaskId, subject: Subject, now: BootTime, chance: &mut Chance) {
        self.listening.insert(task, subject);
        let status = if chance.percent(90) {
            SourceStatus::Available { how: "the simulator".into() }
        } else {
            SourceStatus::Missing { why: "nobody is there to listen to".into(), help: "start somebody".into() }
        };
        self.agenda.plan(now, Says::Works(task, status));
    }

    /// What was heard before may still be told.
    pub(crate) fn unlisten(&mut self, task: TaskId) {
        self.listening.remove(&task);
    }

    pub(crate) fn tasks(&self) -> impl Iterator<Item = TaskId> + '_ {
        self.listening.keys().copied()
    }

    pub(crate) fn subject(&self, task: TaskId) -> Option<&Subject> {
        self.listening.get(&task)
    }

    pub(crate) fn broker_died(&mut self) {
        self.listening.clear();
        self.agenda.clear();
    }

    /// Something happens, and is told soon, at once with what happens together with it.
    pub(crate) fn disturb(&mut self, now: BootTime, chance: &mut Chance) -> Option<TaskId> {
        // What is pushed comes from a server.
        let is_heard =
            |subject: &Subject| !matches!(subject, Subject::Events { class: EventClass::PushNotification, .. });
        let listening = self.listening.iter().filter(|(_, subject)| is_heard(subject));
        let listening: Vec<_> = listening.map(|(task, _)| *task).collect();
        let task = *chance.pick(&listening)?;
        for _ in 0..=chance.below(4) {
            let burst = self.burst(task, chance);
            self.agenda.plan(now + chance.millis(300), burst);
        }
        Some(task)
    }

    fn burst(&mut self, task: TaskId, chance: &mut Chance) -> Says {
        let count = 1 + u32::try_from(chance.below(5)).unwrap_or(0);
        let most = match chance.below(60) {
            0 => 70_000,
            1..=3 => 30_000,
            _ => 20,
        };
        let padding = "x".repeat(chance.index(most / count as usize + 1));
        let mut lines = String::new();
        for _ in 0..count {
            self.events += 1;
            let _ = writeln!(lines, "{{\"event\":{},\"path\":\"/{padding}\"}}", self.events);
        }
        let lost = if chance.percent(5) { 3 } else { 0 };
        Says::Happened { task, lines, count, lost }
    }

    pub(crate) fn speak(&mut self, now: BootTime) -> Option<Input> {
        Some(match self.agenda.take_due(now)? {
            Says::Happened { task, lines, count, lost } => {
                Input::Happened { task, events: Details(lines.into_bytes().into()), count, lost }
            }
            Says::Works(task, status) => Input::Heard(task, status),
        })
    }
}
