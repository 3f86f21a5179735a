//! Devices that tasks use: when one goes away, its task is told (CA-8).

use std::collections::{BTreeMap, HashMap};

use bgtask_core::{Details, EventClass, Input, TaskId};
use bgtask_sources::{DeviceId, EventReport, Listening, Subject, World, is_connected, listen};
use tokio::sync::mpsc;

/// The devices in use.
pub(crate) struct Devices {
    world: World,
    reports: mpsc::Sender<(u128, EventReport)>,
    used: HashMap<u128, Used>,
    last: u128,
}

/// A device that a task uses.
struct Used {
    task: TaskId,
    device: String,
    _listening: Listening,
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
        if !self.is_there(&device) {
            return Some(Input::DeviceGone(task));
        }
        let properties = BTreeMap::from([("device_id".to_owned(), device.clone())]);
        match Subject::read(EventClass::DeviceConnectionChange.name(), &properties) {
            Ok(subject) => {
                self.last += 1;
                let _listening = listen(self.last, subject, &self.world, self.reports.clone());
                self.used.insert(self.last, Used { task, device, _listening });
            }
            Err(error) => tracing::info!(%task, "the device it uses cannot be watched: {error}"),
        }
        None
    }

    pub(crate) fn unwatch(&mut self, task: TaskId) {
        self.used.retain(|_, used| used.task != task);
    }

    /// Between the first look at a device and the first word of who listens to it, and where words were lost, it is looked at
    /// again.
    pub(crate) fn came(&self, key: u128, report: &EventReport) -> Option<Input> {
        let used = self.used.get(&key)?;
        let is_gone = match report {
            EventReport::Status(_) | EventReport::Burst { lost: 1.., .. } => !self.is_there(&used.device),
            EventReport::Burst { events, .. } => {
                events.iter().any(|event| event.fields.get("connected") == Some(&false.into()))
            }
        };
        is_gone.then_some(Input::DeviceGone(used.task))
    }

    /// Whether a device is there, as far as that can be seen without listening.
    fn is_there(&self, device: &str) -> bool {
        DeviceId::read(device).map_or(true, |id| is_connected(&id, &self.world))
    }
}
