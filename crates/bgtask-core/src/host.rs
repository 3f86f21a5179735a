use std::sync::Arc;

use crate::ids::{AppId, HostId, TaskId};
use crate::time::BootTime;

/// A process that runs instances of one app, one at a time, and may linger for the next (U-28).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Host {
    /// Its id.
    pub id: HostId,
    /// Whose it is: hosts are never shared between apps.
    pub app: AppId,
    /// The app's version when it started: a host of an older version does not linger.
    pub version: Arc<str>,
    /// The program it runs.
    pub program: Arc<str>,
    /// Where it stands.
    pub state: HostState,
}

/// Where a host stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HostState {
    /// It has an instance of this registration.
    Busy {
        /// Which.
        task: TaskId,
    },
    /// It lingers.
    Idle {
        /// Until then.
        until: BootTime,
    },
    /// It was asked to end.
    Retiring {
        /// When it is killed if it has not.
        kill_at: BootTime,
    },
    /// It is being killed.
    Killing,
}

/// What can happen to a host, besides its exit, which removes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HostEvent {
    /// It was given an instance.
    Assigned {
        /// Of which registration.
        task: TaskId,
    },
    /// Its instance is complete; it may linger.
    Finished {
        /// Until then.
        until: BootTime,
    },
    /// It is asked to end.
    Retired {
        /// When it is killed if it has not.
        kill_at: BootTime,
    },
    /// It is killed.
    Killed,
}

impl HostState {
    /// The whole legal transition relation.
    ///
    /// # Errors
    ///
    /// The event, where it cannot happen in this state.
    pub fn next(self, event: HostEvent) -> Result<Self, (Self, HostEvent)> {
        Ok(match (self, event) {
            (Self::Idle { .. }, HostEvent::Assigned { task }) => Self::Busy { task },
            (Self::Busy { .. }, HostEvent::Finished { until }) => Self::Idle { until },
            (Self::Busy { .. } | Self::Idle { .. }, HostEvent::Retired { kill_at }) => Self::Retiring { kill_at },
            (Self::Busy { .. } | Self::Retiring { .. }, HostEvent::Killed) => Self::Killing,
            (state, event) => return Err((state, event)),
        })
    }

    /// When it next needs attention, if time alone brings that about.
    pub(crate) const fn deadline(&self) -> Option<BootTime> {
        match self {
            Self::Idle { until } => Some(*until),
            Self::Retiring { kill_at } => Some(*kill_at),
            Self::Busy { .. } | Self::Killing => None,
        }
    }
}

impl Host {
    /// Applies an event the core has made sure can happen.
    pub(crate) fn apply(&mut self, event: HostEvent) {
        self.state = self.state.next(event).unwrap_or_else(|illegal| panic!("host {:?}: {illegal:?}", self.id));
    }
}
