//! What tasks listen to and which devices they use, in a world where only the test makes something happen.

use std::collections::{BTreeMap, BTreeSet};

use bgtask_core::{Details, Input, SourceStatus, TaskId};

/// The tasks that listen, and the devices that running tasks use.
#[derive(Default)]
pub(super) struct Ears {
    listening: BTreeSet<TaskId>,
    devices: BTreeMap<TaskId, String>,
}

impl Ears {
    /// How well it is heard: always well.
    pub(super) fn listen(&mut self, task: TaskId) -> Input {
        self.listening.insert(task);
        Input::Heard(task, SourceStatus::Available { how: "the test".into() })
    }

    pub(super) fn unlisten(&mut self, task: TaskId) {
        self.listening.remove(&task);
    }

    pub(super) fn is_listening(&self, task: TaskId) -> bool {
        self.listening.contains(&task)
    }

    pub(super) fn watch_device(&mut self, task: TaskId, details: &Details) {
        if let Some(device) = bgtask_convert::device_of(details) {
            self.devices.insert(task, device);
        }
    }

    pub(super) fn unwatch_device(&mut self, task: TaskId) {
        self.devices.remove(&task);
    }

    /// The tasks that use this device now.
    pub(super) fn users(&self, device: &str) -> Vec<TaskId> {
        self.devices.iter().filter(|(_, its)| *its == device).map(|(task, _)| *task).collect()
    }
}
