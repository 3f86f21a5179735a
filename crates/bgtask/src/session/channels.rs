//! The control channels of this process, which are announced anew to every broker that it finds.

use std::collections::BTreeMap;
use std::os::fd::OwnedFd;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::{Broker, Session};
use crate::Error;
use crate::network::{ControlChannelTriggerStatus as Status, enable};

/// What the broker answers where it is open.
const OPEN: Status = Status::SoftwareSlotAllocated;

/// What a channel was opened with.
#[derive(Clone, Debug)]
pub(crate) struct Enabled {
    pub(crate) transport: Arc<OwnedFd>,
    pub(crate) keep_alive: u32,
    pub(crate) resource: u32,
}

/// Those that are open, by id.
#[derive(Default)]
pub(super) struct Channels(Mutex<BTreeMap<Arc<str>, Enabled>>);

impl Channels {
    fn open(&self) -> MutexGuard<'_, BTreeMap<Arc<str>, Enabled>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Opens them with a broker that does not know them: they ended with the one before.
    pub(super) async fn announce(&self, broker: &Broker, app: &str) {
        let open = self.open().clone();
        for (id, enabled) in open {
            match enable(broker, app, &id, &enabled).await {
                Ok((status, _)) if Status::from_number(status) == Some(OPEN) => {}
                Ok((_, why)) => tracing::warn!(channel = &*id, "a control channel is not open any more: {why}"),
                Err(error) => tracing::warn!(channel = &*id, "a control channel is not open any more: {error}"),
            }
        }
    }
}

impl Session {
    /// Opens a channel, and has it opened again wherever the broker is started anew.
    pub(crate) async fn enable(&self, id: Arc<str>, enabled: Enabled) -> Result<(Status, String), Error> {
        let call = |broker: Broker, app: Arc<str>| {
            let (id, enabled) = (Arc::clone(&id), enabled.clone());
            async move { enable(&broker, &app, &id, &enabled).await }
        };
        let (number, why) = self.ask("EnableControlChannel", call).await?;
        let status = Status::from_number(number);
        if status == Some(OPEN) {
            self.channels.open().insert(id, enabled);
        } else {
            self.forget(&id);
        }
        let unknown = || Error::protocol(format!("the status {number} of a control channel"));
        Ok((status.ok_or_else(unknown)?, why))
    }

    /// Closes a channel.
    pub(crate) async fn disable(&self, id: Arc<str>) -> Result<(), Error> {
        self.forget(&id);
        let call = |broker: Broker, app: Arc<str>| {
            let id = Arc::clone(&id);
            async move { broker.close_control_channel(&app, &id).await }
        };
        self.ask("CloseControlChannel", call).await
    }

    /// No further broker hears of it.
    pub(crate) fn forget(&self, id: &str) {
        self.channels.open().remove(id);
    }
}
