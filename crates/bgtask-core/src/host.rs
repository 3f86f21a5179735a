use std::sync::Arc;
use std::time::Duration;

use crate::ids::{AppId, ClientId, HostId, TaskId};
use crate::model::app::Server;
use crate::model::command::Usage;
use crate::time::BootTime;

/// A process that runs instances of one app, and may linger for the next (U-28).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Host {
    /// Its id.
    pub id: HostId,
    /// Whose it is: hosts are never shared between apps.
    pub app: AppId,
    /// The app's version when it started: a host of an older version does not linger.
    pub version: Arc<str>,
    /// What runs in it.
    pub kind: HostKind,
    /// Where it stands.
    pub state: HostState,
    /// An instance of it was told to stop: it gets no other, and ends with its last one.
    pub worn: bool,
    /// The task whose instance did not stop, for which it is being killed.
    pub condemned_by: Option<Arc<str>>,
    /// What it was last seen to do.
    pub activity: Activity,
    /// What of its use its instances have been charged with.
    pub charged: Usage,
    /// The task it was last given an instance of: who is charged with the wake-ups it causes.
    pub serves: Option<TaskId>,
    /// What it was seen to use, and when to look again.
    pub meter: Meter,
    /// Since when it is suspended; until now, where its time was counted since.
    pub frozen: Option<BootTime>,
}

/// What a host was seen to use, where that is bounded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Meter {
    /// The most of each that was seen; `network` is `None` from when it was seen that it cannot be counted.
    pub used: Usage,
    /// When to look again.
    pub look: Look,
    /// How many looks in a row saw nothing used.
    pub quiet: u32,
}

/// When to look what a host has used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Look {
    /// Nothing of it is bounded, or it does nothing.
    #[default]
    Never,
    /// Then.
    At(BootTime),
    /// It was asked and has not answered.
    Asked,
}

impl Look {
    /// When, where that is settled.
    pub(crate) const fn at(self) -> Option<BootTime> {
        match self {
            Self::At(at) => Some(at),
            Self::Never | Self::Asked => None,
        }
    }
}

impl Default for Meter {
    fn default() -> Self {
        Self { used: Usage { network: Some(0), ..Usage::default() }, look: Look::Never, quiet: 0 }
    }
}

/// What a host is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HostKind {
    /// A process the broker started.
    Launched(Server),
    /// The app itself, which runs by itself and is connected as this client (BLD-9).
    App(ClientId),
}

/// What a host was last seen to do (CA-9).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Activity {
    /// Until when it has done something.
    pub until: BootTime,
    /// What it had used then.
    pub usage: Usage,
    /// Whether it was asked what it has used since.
    pub asked: bool,
}

impl Activity {
    pub(crate) const fn at(now: BootTime) -> Self {
        Self {
            until: now,
            usage: Usage { cpu: Duration::ZERO, io: 0, memory_peak: None, network: None, processes: None },
            asked: false,
        }
    }
}

/// Where a host stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HostState {
    /// It has instances.
    Busy {
        /// How many.
        instances: u32,
    },
    /// It has none.
    Idle {
        /// It lingers until then; `None` is an app that runs by itself, or who holds a control channel.
        until: Option<BootTime>,
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
    Assigned,
    /// One of its instances is complete; after the last it may linger.
    Finished {
        /// Until then.
        until: Option<BootTime>,
    },
    /// It is asked to end.
    Retired {
        /// When it is killed if it has not.
        kill_at: BootTime,
    },
    /// It holds no control channel any more: it lingers as any other.
    Released {
        /// Until then.
        until: BootTime,
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
            (Self::Idle { .. }, HostEvent::Assigned) => Self::Busy { instances: 1 },
            (Self::Busy { instances }, HostEvent::Assigned) => Self::Busy { instances: instances + 1 },
            (Self::Busy { instances: 1 }, HostEvent::Finished { until }) => Self::Idle { until },
            (Self::Busy { instances }, HostEvent::Finished { .. }) => Self::Busy { instances: instances - 1 },
            (Self::Idle { until: None }, HostEvent::Released { until }) => Self::Idle { until: Some(until) },
            (Self::Idle { .. }, HostEvent::Retired { kill_at }) => Self::Retiring { kill_at },
            (Self::Busy { .. } | Self::Idle { .. } | Self::Retiring { .. }, HostEvent::Killed) => Self::Killing,
            (state, event) => return Err((state, event)),
        })
    }

    /// When it next needs attention, if time alone brings that about.
    pub(crate) const fn deadline(&self) -> Option<BootTime> {
        match self {
            Self::Idle { until } => *until,
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

    /// Whether it may be given another instance at all.
    pub(crate) const fn is_open(&self) -> bool {
        !self.worn && matches!(self.state, HostState::Busy { .. } | HostState::Idle { .. })
    }
}
