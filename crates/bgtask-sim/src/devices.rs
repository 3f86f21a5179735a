//! The devices that tasks use: some go while they are used, and now and then one is told to have gone too late.

use std::collections::BTreeMap;

use bgtask_core::{BootTime, Details, Input, TaskId};

use crate::agenda::Agenda;
use crate::chance::Chance;

#[derive(Debug, Default)]
pub(crate) struct Devices {
    watched: BTreeMap<TaskId, Details>,
    goes: Agenda<TaskId>,
    /// In the quiet phase every device stays.
    pub(crate) tame: bool,
}

impl Devices {
    pub(crate) fn next(&self) -> Option<BootTime> {
        self.goes.next()
    }

    pub(crate) fn watch(&mut self, task: TaskId, device: Details, now: BootTime, chance: &mut Chance) {
        self.watched.insert(task, device);
        if !self.tame && chance.percent(70) {
            self.goes.plan(now + chance.millis(1_200), task);
        }
    }

    /// What was noticed before may still be told.
    pub(crate) fn unwatch(&mut self, task: TaskId, chance: &mut Chance) {
        self.watched.remove(&task);
        if chance.percent(80) {
            self.goes.cancel(|its| *its == task);
        }
    }

    pub(crate) fn is_any_watched(&self) -> bool {
        !self.watched.is_empty()
    }

    pub(crate) fn broker_died(&mut self) {
        self.watched.clear();
        self.goes.clear();
    }

    pub(crate) fn speak(&mut self, now: BootTime) -> Option<Input> {
        self.goes.take_due(now).map(Input::DeviceGone)
    }
}
