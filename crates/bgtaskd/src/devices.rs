//! Devices that tasks use: when one goes away, its task is told (CA-8).

use std::collections::{BTreeMap, HashMap};

use bgtask_core::{Details, EventClass, Input, TaskId};
use bgtask_sources::{DeviceId, EventReport, Listening, Subject, World, is_connected, listen};
use tokio::sync::mpsc;

/// The devices in use.
pub(crate) struct Devices {
    world: World,
    reports: mpsc::Sender<(u128, EventReport)>,
    used: HashMap<u128, (TaskId, Listening)>,
    last: u128,
}

impl Devices {
    pub(crate) fn new(world: World, reports: mpsc::Sender<(u128, EventReport)>) -> Self {
        Self { world, reports, used: HashMap::new(), last: 0 }
    }

    /// A device that is not there is gone already. One that is named in no way that could be watched stays until the task ends by
    /// itself.
    pub(crate) fn watch(&mut self, task: TaskId, details: &Details) -> Option<Input> {
        self.unwatch(task);
        let device = bgtask_convert::device_of(details)?;
        if DeviceId::read(&device).is_ok_and(|id| !is_connected(&id, &self.world)) {
            return Some(Input::DeviceGone(task));
        }
        let properties = BTreeMap::from([("device_id".to_owned(), device)]);
        match Subject::read(EventClass::DeviceConnectionChange.name(), &properties) {
            Ok(subject) => {
                self.last += 1;
                let listening = listen(self.last, subject, &self.world, self.reports.clone());
                self.used.insert(self.last, (task, listening));
            }
            Err(error) => tracing::info!(%task, "the device it uses cannot be watched: {error}"),
        }
        None
    }

    pub(crate) fn unwatch(&mut self, task: TaskId) {
        self.used.retain(|_, (its, _)| *its != task);
    }

    pub(crate) fn came(&self, key: u128, report: &EventReport) -> Option<Input> {
        let (task, _) = self.used.get(&key)?;
        let EventReport::Burst { events, .. } = report else { return None };
        let is_gone = events.iter().any(|event| event.fields.get("connected") == Some(&false.into()));
        is_gone.then_some(Input::DeviceGone(*task))
    }
}
