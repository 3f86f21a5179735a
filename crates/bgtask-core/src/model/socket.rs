//! Sockets that the broker keeps for apps: what they are, and the life of one.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::trigger::Details;
use super::windows_enum;
use crate::ids::{AppId, SocketKey, TaskId};
use crate::time::WallTime;

windows_enum! {
    /// What a socket is (`SocketActivityKind`).
    SocketKind {
        /// It listens for connections.
        StreamSocketListener = 1,
        /// It sends and receives datagrams.
        DatagramSocket = 2,
        /// It is connected, and carries a stream.
        StreamSocket = 3,
    }
}

windows_enum! {
    /// Why the task of a socket runs (`SocketActivityTriggerReason`, NW-3).
    SocketActivityTriggerReason {
        /// There is something to read.
        SocketActivity = 1,
        /// A connection waits to be accepted.
        ConnectionAccepted = 2,
        /// Nothing came for as long as the app wanted to wait.
        KeepAliveTimerExpired = 3,
        /// The other end has closed it, it broke, or the broker lost it; there is nothing left to read.
        SocketClosed = 4,
    }
}

windows_enum! {
    /// Whether what arrives wakes a sleeping machine (`SocketActivityConnectedStandbyAction`).
    SocketActivityConnectedStandbyAction {
        /// It is told when the machine is awake again.
        DoNotWake = 0,
        /// It wakes the machine: no machine with Linux can for any socket, so that it is refused (SOC-5).
        Wake = 1,
    }
}

/// What was seen at a socket without reading from it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Readiness {
    /// There is something to read or to accept, or an error to be heard.
    Readable,
    /// Nothing is left to read, and nothing will come.
    Closed,
}

/// A socket that an app has handed over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Socket {
    /// The driver's number for its descriptor.
    pub key: SocketKey,
    /// Whose it is.
    pub app: AppId,
    /// The registration that is told.
    pub task: TaskId,
    /// The app's name for it (SOC-10).
    pub id: Arc<str>,
    /// What it is.
    pub kind: SocketKind,
    /// What the app gave along (SOC-11).
    pub context: Details,
    /// How long it is waited before the task runs although nothing came (SOC-12).
    pub keep_alive: Option<Duration>,
    /// When that is over.
    pub due: Option<WallTime>,
    /// Whether it wakes a sleeping machine.
    pub action: SocketActivityConnectedStandbyAction,
    /// Where it stands.
    pub state: SocketState,
}

/// Where a socket stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SocketState {
    /// The broker has it, and watches it.
    Watched,
    /// Something happened to it: an activation that carries it waits or runs.
    Told {
        /// What.
        reason: SocketActivityTriggerReason,
        /// Whether the broker still has it to give: else it got lost.
        held: bool,
    },
    /// The task has it now. What is known of it stays for another try of the same activation.
    Taken,
    /// The broker has it and does not watch it: its task ended without taking it, or is there no more.
    Kept,
    /// The broker has nothing to do with it any more.
    Gone,
}

/// What can happen to a socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SocketEvent {
    /// Its task is to be told.
    Happened(SocketActivityTriggerReason),
    /// The task took it.
    Taken,
    /// The activation that carried it has its outcome, or was given up.
    Ended,
    /// Its task is there no more.
    Orphaned,
    /// The broker has lost its descriptor.
    Lost,
    /// The app took it back, or was removed.
    Released,
}

/// An event that cannot happen in a state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IllegalSocketEvent {
    /// The state it was in.
    pub state: SocketState,
    /// The event that does not fit.
    pub event: SocketEvent,
}

impl fmt::Display for IllegalSocketEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} cannot happen to a socket that is {:?}", self.event, self.state)
    }
}

impl std::error::Error for IllegalSocketEvent {}

impl SocketState {
    /// The whole legal transition relation: used live, on recovery and in the simulator.
    ///
    /// # Errors
    ///
    /// The event cannot happen in this state.
    pub fn next(self, event: SocketEvent) -> Result<Self, IllegalSocketEvent> {
        use SocketActivityTriggerReason::SocketClosed;
        use SocketEvent as E;
        Ok(match (self, event) {
            (Self::Watched, E::Happened(reason)) => Self::Told { reason, held: true },
            (Self::Watched | Self::Told { held: true, .. }, E::Lost) => {
                Self::Told { reason: SocketClosed, held: false }
            }
            (Self::Told { held: true, .. }, E::Taken) => Self::Taken,
            (Self::Told { held: true, .. }, E::Ended) | (Self::Watched, E::Orphaned) => Self::Kept,
            (Self::Told { held: false, .. } | Self::Taken, E::Ended) | (Self::Kept, E::Lost) => Self::Gone,
            (Self::Watched | Self::Told { .. } | Self::Taken | Self::Kept, E::Released) => Self::Gone,
            (state, event) => return Err(IllegalSocketEvent { state, event }),
        })
    }

    /// Whether the broker has its descriptor.
    pub const fn is_held(self) -> bool {
        matches!(self, Self::Watched | Self::Told { held: true, .. } | Self::Kept)
    }

    /// Why its task runs, as a try that begins now hears it: who died with the socket in hand left a closed one.
    pub const fn reason(self) -> Option<SocketActivityTriggerReason> {
        match self {
            Self::Told { reason, .. } => Some(reason),
            Self::Taken => Some(SocketActivityTriggerReason::SocketClosed),
            Self::Watched | Self::Kept | Self::Gone => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const REASON: SocketActivityTriggerReason = SocketActivityTriggerReason::SocketActivity;

    #[test]
    fn the_transition_relation_is_exactly_this_table() {
        let states = [
            SocketState::Watched,
            SocketState::Told { reason: REASON, held: true },
            SocketState::Told { reason: REASON, held: false },
            SocketState::Taken,
            SocketState::Kept,
            SocketState::Gone,
        ];
        let events = [
            ("happened", SocketEvent::Happened(REASON)),
            ("taken", SocketEvent::Taken),
            ("ended", SocketEvent::Ended),
            ("orphaned", SocketEvent::Orphaned),
            ("lost", SocketEvent::Lost),
            ("released", SocketEvent::Released),
        ];
        let legal = states.map(|state| {
            let names = events.iter().filter(|(_, event)| state.next(*event).is_ok()).map(|(name, _)| *name);
            names.collect::<Vec<_>>().join(", ")
        });
        assert_eq!(
            legal,
            [
                "happened, orphaned, lost, released",
                "taken, ended, lost, released",
                "ended, released",
                "ended, released",
                "lost, released",
                "",
            ]
        );
    }

    #[test]
    fn soc_10_nw_2_it_is_watched_told_taken_and_gone_with_the_end_of_its_task() {
        let told = SocketState::Watched.next(SocketEvent::Happened(REASON)).expect("legal");
        assert_eq!((told.reason(), told.is_held()), (Some(REASON), true));
        let taken = told.next(SocketEvent::Taken).expect("legal");
        assert_eq!(taken.reason(), Some(SocketActivityTriggerReason::SocketClosed), "what another try hears");
        assert!(!taken.is_held());
        assert_eq!(taken.next(SocketEvent::Ended), Ok(SocketState::Gone));
    }

    #[test]
    fn the_numbers_are_those_of_windows() {
        assert_eq!(SocketKind::from_number(1), Some(SocketKind::StreamSocketListener));
        assert_eq!(SocketKind::from_number(3), Some(SocketKind::StreamSocket));
        assert_eq!(SocketActivityTriggerReason::SocketClosed.number(), 4);
        assert_eq!(SocketActivityConnectedStandbyAction::Wake.number(), 1);
        assert_eq!(
            (SocketKind::from_number(0), SocketActivityTriggerReason::from_number(0)),
            (None, None),
            "0 is None"
        );
    }
}
