use std::fmt;
use std::sync::Arc;

use crate::ids::{HostId, InstanceId, SocketKey};
use crate::model::budget::ThrottleCounts;
use crate::model::cancel::CancellationReason;
use crate::model::trigger::Details;
use crate::time::{BootTime, WallTime};

/// One accepted firing on its way to an outcome.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Activation {
    /// Its id, the same in every attempt.
    pub instance: InstanceId,
    /// What set it off.
    pub firing: Firing,
    /// Which try this is, from 1 (D7).
    pub attempt: u32,
    /// How many of its tries have failed: after each it waits, while the task says so.
    pub failures: u32,
    /// Until when it waits after a failed try.
    pub not_before: Option<WallTime>,
    /// What the task last said beside its progress.
    pub message: Option<Arc<str>>,
    /// How often it was suspended.
    pub throttled: ThrottleCounts,
    /// When its present try was given to a host.
    pub started: Option<BootTime>,
    /// Where it stands.
    pub state: ActivationState,
}

/// One occurrence of a trigger, or several that collapsed into one (D1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Firing {
    /// When the first of them happened.
    pub at: WallTime,
    /// How many there were.
    pub count: u32,
    /// What the trigger carries.
    pub details: Option<Details>,
    /// How many of them left no trace in the details: there was no room.
    pub lost: u32,
    /// The user asked for it by hand: conditions, energy saver and a pause do not hold it.
    pub by_hand: bool,
    /// The descriptor that goes with it, until the task has taken it: such a firing is never one with another.
    pub socket: Option<SocketKey>,
}

/// Where an activation stands. Each state carries what is only true in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ActivationState {
    /// Latched or buffered: a gate is closed. Which one is read from the live levels, never stored.
    Waiting {
        /// Since when.
        since: WallTime,
    },
    /// A host was chosen and told, and has not yet said that `run` began.
    Starting {
        /// The host.
        host: HostId,
        /// Whether it lingered from an earlier activation.
        warm: bool,
        /// When the budget ends.
        deadline: BootTime,
    },
    /// `run` has begun.
    Running {
        /// The host.
        host: HostId,
        /// When `run` began.
        since: WallTime,
        /// When the budget ends.
        deadline: BootTime,
        /// The last progress reported.
        progress: Option<u32>,
    },
    /// The task was told to stop.
    Cancelling {
        /// The host.
        host: HostId,
        /// Why.
        reason: CancellationReason,
        /// When the grace ends.
        kill_at: BootTime,
        /// The last progress reported.
        progress: Option<u32>,
    },
    /// The grace ended; the host is being killed.
    Killing {
        /// The host.
        host: HostId,
        /// Why it was told to stop.
        reason: CancellationReason,
        /// The last progress reported.
        progress: Option<u32>,
    },
    /// It has its outcome.
    Ended,
}

/// What can happen to an activation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ActivationEvent {
    /// Every gate is open: it was given to a host.
    Launched {
        /// The host.
        host: HostId,
        /// Whether it lingered from an earlier activation.
        warm: bool,
        /// When the budget ends.
        deadline: BootTime,
    },
    /// The try failed, and there is another.
    Failed {
        /// Now.
        since: WallTime,
    },
    /// A warm host was gone before it heard of it: try again.
    HostVanished {
        /// Now.
        since: WallTime,
    },
    /// The host says `run` began.
    Started {
        /// Now.
        since: WallTime,
    },
    /// The task reported progress.
    Progressed(u32),
    /// It has to stop.
    Cancelled {
        /// Why.
        reason: CancellationReason,
        /// When the grace ends.
        kill_at: BootTime,
    },
    /// The order to run, or the notice to stop, went out later than it was decided.
    Postponed {
        /// When the budget ends instead.
        deadline: BootTime,
        /// When the grace ends instead.
        kill_at: BootTime,
    },
    /// Its host was suspended for so long: its time stood still.
    Released {
        /// When the budget ends instead.
        deadline: BootTime,
    },
    /// The grace ended.
    GraceOver,
    /// It has its outcome.
    Ended,
    /// The broker died under it; seen on recovery.
    BrokerDied {
        /// Now.
        since: WallTime,
    },
}

/// An event that cannot happen in a state: a broken invariant of the caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IllegalTransition {
    /// The state it was in.
    pub state: ActivationState,
    /// The event that does not fit.
    pub event: ActivationEvent,
}

impl fmt::Display for IllegalTransition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} cannot happen in {:?}", self.event, self.state)
    }
}

impl std::error::Error for IllegalTransition {}

impl ActivationState {
    /// The whole legal transition relation: used live, on recovery and in the simulator.
    ///
    /// # Errors
    ///
    /// The event cannot happen in this state.
    pub fn next(self, event: ActivationEvent) -> Result<Self, IllegalTransition> {
        use ActivationEvent as E;
        Ok(match (self, event) {
            (Self::Waiting { .. }, E::Launched { host, warm, deadline }) => Self::Starting { host, warm, deadline },
            (Self::Waiting { since }, E::BrokerDied { .. }) => Self::Waiting { since },
            (Self::Starting { warm: true, .. }, E::HostVanished { since }) => Self::Waiting { since },
            (
                Self::Starting { .. } | Self::Running { .. } | Self::Cancelling { .. } | Self::Killing { .. },
                E::Failed { since },
            ) => Self::Waiting { since },
            (Self::Starting { host, deadline, .. }, E::Started { since }) => {
                Self::Running { host, since, deadline, progress: None }
            }
            (Self::Running { host, since, deadline, .. }, E::Progressed(value)) => {
                Self::Running { host, since, deadline, progress: Some(value) }
            }
            (Self::Cancelling { host, reason, kill_at, .. }, E::Progressed(value)) => {
                Self::Cancelling { host, reason, kill_at, progress: Some(value) }
            }
            (Self::Starting { host, .. }, E::Cancelled { reason, kill_at }) => {
                Self::Cancelling { host, reason, kill_at, progress: None }
            }
            (Self::Running { host, progress, .. }, E::Cancelled { reason, kill_at }) => {
                Self::Cancelling { host, reason, kill_at, progress }
            }
            (Self::Starting { host, warm, .. }, E::Postponed { deadline, .. }) => {
                Self::Starting { host, warm, deadline }
            }
            (Self::Starting { host, warm, .. }, E::Released { deadline }) => Self::Starting { host, warm, deadline },
            (Self::Running { host, since, progress, .. }, E::Released { deadline }) => {
                Self::Running { host, since, deadline, progress }
            }
            (Self::Cancelling { host, reason, progress, .. }, E::Postponed { kill_at, .. }) => {
                Self::Cancelling { host, reason, kill_at, progress }
            }
            (Self::Cancelling { host, reason, progress, .. }, E::GraceOver) => Self::Killing { host, reason, progress },
            (Self::Starting { .. } | Self::Running { .. }, E::BrokerDied { since }) => Self::Waiting { since },
            (
                Self::Waiting { .. }
                | Self::Starting { .. }
                | Self::Running { .. }
                | Self::Cancelling { .. }
                | Self::Killing { .. },
                E::Ended,
            ) => Self::Ended,
            (state, event) => return Err(IllegalTransition { state, event }),
        })
    }

    /// The host it occupies, if any.
    pub const fn host(&self) -> Option<HostId> {
        match self {
            Self::Waiting { .. } | Self::Ended => None,
            Self::Starting { host, .. }
            | Self::Running { host, .. }
            | Self::Cancelling { host, .. }
            | Self::Killing { host, .. } => Some(*host),
        }
    }

    /// The last progress reported in this attempt.
    pub const fn progress(&self) -> Option<u32> {
        match self {
            Self::Running { progress, .. } | Self::Cancelling { progress, .. } | Self::Killing { progress, .. } => {
                *progress
            }
            Self::Waiting { .. } | Self::Starting { .. } | Self::Ended => None,
        }
    }

    /// When it next needs attention, if time alone brings that about.
    pub(crate) const fn deadline(&self) -> Option<BootTime> {
        match self {
            Self::Starting { deadline, .. } | Self::Running { deadline, .. } => Some(*deadline),
            Self::Cancelling { kill_at, .. } => Some(*kill_at),
            Self::Waiting { .. } | Self::Killing { .. } | Self::Ended => None,
        }
    }
}

impl Activation {
    /// One that waits since now.
    pub(crate) const fn new(instance: InstanceId, firing: Firing, now: WallTime) -> Self {
        let state = ActivationState::Waiting { since: now };
        let throttled = ThrottleCounts { cpu: 0, network: 0 };
        Self {
            instance,
            firing,
            attempt: 1,
            failures: 0,
            not_before: None,
            message: None,
            throttled,
            started: None,
            state,
        }
    }

    /// Applies an event the core has made sure can happen.
    pub(crate) fn apply(&mut self, event: ActivationEvent) {
        self.state = self.state.next(event).unwrap_or_else(|illegal| panic!("{illegal}"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOST: HostId = HostId(1);
    const AT: BootTime = BootTime::from_micros(5);
    const WALL: WallTime = WallTime::from_micros(9);

    fn states() -> [ActivationState; 6] {
        let reason = CancellationReason::Abort;
        [
            ActivationState::Waiting { since: WALL },
            ActivationState::Starting { host: HOST, warm: false, deadline: AT },
            ActivationState::Running { host: HOST, since: WALL, deadline: AT, progress: None },
            ActivationState::Cancelling { host: HOST, reason, kill_at: AT, progress: Some(3) },
            ActivationState::Killing { host: HOST, reason, progress: Some(3) },
            ActivationState::Ended,
        ]
    }

    #[test]
    fn lc_9_an_activation_waits_starts_runs_and_ends() {
        let mut state = ActivationState::Waiting { since: WALL };
        for event in [
            ActivationEvent::Launched { host: HOST, warm: false, deadline: AT },
            ActivationEvent::Started { since: WALL },
            ActivationEvent::Progressed(30),
            ActivationEvent::Cancelled { reason: CancellationReason::Abort, kill_at: AT },
            ActivationEvent::Progressed(40),
            ActivationEvent::GraceOver,
        ] {
            state = state.next(event).expect("legal");
        }
        assert_eq!(state.progress(), Some(40), "the record keeps the last progress");
        assert_eq!(state.next(ActivationEvent::Ended), Ok(ActivationState::Ended));
    }

    #[test]
    fn the_transition_relation_is_exactly_this_table() {
        let reason = CancellationReason::Abort;
        let events = [
            ("launched", ActivationEvent::Launched { host: HOST, warm: false, deadline: AT }),
            ("vanished", ActivationEvent::HostVanished { since: WALL }),
            ("failed", ActivationEvent::Failed { since: WALL }),
            ("started", ActivationEvent::Started { since: WALL }),
            ("progressed", ActivationEvent::Progressed(1)),
            ("cancelled", ActivationEvent::Cancelled { reason, kill_at: AT }),
            ("postponed", ActivationEvent::Postponed { deadline: AT, kill_at: AT }),
            ("released", ActivationEvent::Released { deadline: AT }),
            ("grace over", ActivationEvent::GraceOver),
            ("ended", ActivationEvent::Ended),
            ("broker died", ActivationEvent::BrokerDied { since: WALL }),
        ];
        let legal: Vec<String> = states()
            .iter()
            .map(|state| {
                let names = events.iter().filter(|(_, event)| state.next(*event).is_ok()).map(|(name, _)| *name);
                names.collect::<Vec<_>>().join(", ")
            })
            .collect();
        assert_eq!(
            legal,
            [
                "launched, ended, broker died",
                "failed, started, cancelled, postponed, released, ended, broker died",
                "failed, progressed, cancelled, released, ended, broker died",
                "failed, progressed, postponed, grace over, ended",
                "failed, ended",
                "",
            ]
        );
    }

    #[test]
    fn only_a_warm_host_may_vanish_unheard() {
        let warm = ActivationState::Starting { host: HOST, warm: true, deadline: AT };
        assert_eq!(
            warm.next(ActivationEvent::HostVanished { since: WALL }),
            Ok(ActivationState::Waiting { since: WALL })
        );
    }
}
