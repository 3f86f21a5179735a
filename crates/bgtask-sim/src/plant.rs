use std::sync::Arc;

use bgtask_core::{Details, Fact, HostExit, Input, Report, Request, Snapshot, SocketKey, TaskId};

/// A mistake planted into the model of the driver, or into what the core is told, to see that the simulator can fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bug {
    /// `Run` does not wait for the commit.
    RunsBeforeCommit,
    /// Replies do not wait for the commit.
    AnswersBeforeCommit,
    /// The store comes back with a row less.
    LosesARow,
    /// A completion goes to a client of another app.
    DeliversToTheWrongApp,
    /// What an attaching client missed is not sent.
    ForgetsToRedeliver,
    /// A host hears the same order twice.
    RunsTwice,
    /// The alarm is never set.
    ForgetsTheWake,
    /// Every life draws the same identifiers.
    ReusesTheSeed,
    /// An app that runs by itself is not made a host.
    ForgetsToAdopt,
    /// The versions of apps are not kept.
    LosesVersions,
    /// Nobody looks what a silent host has used.
    IgnoresTheSample,
    /// The user is not asked.
    ForgetsToAsk,
    /// The user is asked twice.
    AsksTwice,
    /// A host that should leave is not asked to.
    ForgetsToRetire,
    /// Nobody notices that the wall clock was set.
    MissesTheClock,
    /// The policy is not read at the start.
    StartsWithoutPolicy,
    /// Apps that were removed while no broker ran are not noticed.
    MissesTheRemoved,
    /// A calendar is not planned.
    ForgetsToPlan,
    /// Nobody is listened to.
    ForgetsToListen,
    /// Nothing is killed.
    SparesWhatIsToBeKilled,
    /// The end of a command is not told.
    SwallowsTheExit,
    /// A command that is paused goes on.
    IgnoresThePause,
    /// What is run by hand waits for its conditions.
    HoldsWhatIsByHand,
    /// What is not wanted any more is listened to all the same.
    ForgetsToUnlisten,
    /// Of several events the last is neither told nor counted.
    LosesAnEventUncounted,
    /// What a source says that it lost is counted as told.
    ForgetsWhatWasLost,
    /// A new life takes the first state it reads for a change.
    InventsAnEdge,
    /// A new life does not know which accounts there were.
    ForgetsTheAccounts,
    /// One combination of power, screen, energy and memory costs something else.
    MistakesOneCost,
    /// A device that is gone is used all the same.
    IgnoresTheLostDevice,
    /// A device that is used no more is watched all the same.
    ForgetsToUnwatchADevice,
    /// Of several events the last is not told.
    LosesAnEvent,
    /// Events are told the wrong way round.
    ShufflesEvents,
    /// A command that failed counts as one that succeeded.
    TakesFailureForSuccess,
    /// A new life does not know that a failed try has to wait.
    ForgetsTheBackoff,
    /// A new life does not know when a command last succeeded.
    ForgetsTheSuccess,
    /// Half of what was used is charged.
    ChargesHalf,
    /// Nobody sees that a command uses the processor.
    OverlooksTheProcessor,
    /// Nobody sees how large a host is, and how many processes.
    OverlooksTheSize,
    /// A new session is not noticed.
    MissesTheSession,
    /// Facts with a parameter are read the wrong way round.
    ReadsFactsBackwards,
    /// The wall clock is never set back.
    MissesTheSetBack,
    /// What is to be suspended goes on.
    ForgetsToSuspend,
    /// What is to go on stays suspended.
    ForgetsToRelease,
    /// A new life does not know what apps have used.
    ForgetsWhatWasUsed,
    /// Nobody sees that something happens at a socket.
    OverlooksASocket,
    /// A new life does not know the sockets that were handed over.
    ForgetsTheSockets,
    /// Of several push messages the last gets lost.
    LosesAMessage,
    /// A new life does not know which orders were done.
    ForgetsTheOrders,
    /// A new life does not go on with what has fired some of those it concerns.
    ForgetsTheEdges,
}

impl Bug {
    /// Every planted mistake.
    pub const ALL: &'static [Self] = &[
        Self::RunsBeforeCommit,
        Self::AnswersBeforeCommit,
        Self::LosesARow,
        Self::DeliversToTheWrongApp,
        Self::ForgetsToRedeliver,
        Self::RunsTwice,
        Self::ForgetsTheWake,
        Self::ReusesTheSeed,
        Self::ForgetsToAdopt,
        Self::LosesVersions,
        Self::IgnoresTheSample,
        Self::ForgetsToAsk,
        Self::AsksTwice,
        Self::ForgetsToRetire,
        Self::MissesTheClock,
        Self::StartsWithoutPolicy,
        Self::MissesTheRemoved,
        Self::ForgetsToPlan,
        Self::ForgetsToListen,
        Self::ForgetsToUnlisten,
        Self::LosesAnEventUncounted,
        Self::ForgetsWhatWasLost,
        Self::InventsAnEdge,
        Self::ForgetsTheAccounts,
        Self::MistakesOneCost,
        Self::IgnoresTheLostDevice,
        Self::ForgetsToUnwatchADevice,
        Self::SparesWhatIsToBeKilled,
        Self::SwallowsTheExit,
        Self::IgnoresThePause,
        Self::HoldsWhatIsByHand,
        Self::LosesAnEvent,
        Self::ShufflesEvents,
        Self::TakesFailureForSuccess,
        Self::ForgetsTheBackoff,
        Self::ForgetsTheSuccess,
        Self::ChargesHalf,
        Self::OverlooksTheProcessor,
        Self::OverlooksTheSize,
        Self::MissesTheSession,
        Self::ReadsFactsBackwards,
        Self::MissesTheSetBack,
        Self::ForgetsToSuspend,
        Self::ForgetsToRelease,
        Self::ForgetsWhatWasUsed,
        Self::OverlooksASocket,
        Self::ForgetsTheSockets,
        Self::LosesAMessage,
        Self::ForgetsTheOrders,
        Self::ForgetsTheEdges,
    ];

    /// What the core is told instead, as if it had the mistake itself.
    pub(crate) fn garbled(self, mut input: Input) -> Input {
        match (self, &mut input) {
            (Self::IgnoresThePause, Input::Request(_, Request::SetPaused { paused, .. })) => *paused = false,
            (Self::HoldsWhatIsByHand, Input::Request(_, Request::RunNow { respect_conditions, .. })) => {
                *respect_conditions = true;
            }
            (Self::LosesAnEvent, Input::Happened { events, count: 2.., .. }) => {
                *events = rearranged(events, |lines| lines.truncate(lines.len() - 1));
            }
            (Self::LosesAnEventUncounted, Input::Happened { events, count: count @ 2.., .. }) => {
                *events = rearranged(events, |lines| lines.truncate(lines.len() - 1));
                *count -= 1;
            }
            (Self::ForgetsWhatWasLost, Input::Happened { count, lost, .. }) => *count += std::mem::take(lost),
            // On battery, with the screen off, nothing saved and memory enough.
            (Self::MistakesOneCost, Input::Report(Report::Level(Fact::Screen, on))) => *on = true,
            (Self::IgnoresTheLostDevice, Input::DeviceGone(task)) => *task = TaskId::from_random(1),
            (Self::ShufflesEvents, Input::Happened { events, .. }) => {
                *events = rearranged(events, |lines| lines.reverse());
            }
            (Self::TakesFailureForSuccess, Input::HostExited { exit: exit @ HostExit::Code(1), .. }) => {
                *exit = HostExit::Code(0);
            }
            (
                Self::ChargesHalf,
                Input::HostExited { usage: Some(usage), .. } | Input::HostFinished { usage: Some(usage), .. },
            ) => usage.cpu /= 2,
            (Self::OverlooksTheProcessor, Input::HostUsage { usage, .. }) => usage.cpu = std::time::Duration::ZERO,
            (Self::OverlooksTheSize, Input::HostUsage { usage, .. }) => {
                (usage.memory_peak, usage.processes) = (None, None);
            }
            (Self::ReadsFactsBackwards, Input::Report(Report::Level(Fact::BatteryAbove(_), value))) => *value = !*value,
            (Self::OverlooksASocket, Input::SocketReady(key, _)) => *key = SocketKey(u64::MAX),
            (Self::LosesAMessage, Input::Pushed { messages, .. }) if messages.len() > 1 => drop(messages.pop()),
            (_, Input::Restore(snapshot)) => self.misremember(snapshot),
            _ => {}
        }
        input
    }

    fn misremember(self, snapshot: &mut Snapshot) {
        match self {
            Self::ForgetsTheBackoff => snapshot.activations.iter_mut().for_each(|(_, it)| it.not_before = None),
            Self::ForgetsTheSuccess => snapshot.registrations.iter_mut().for_each(|it| it.fresh_since = None),
            Self::InventsAnEdge => snapshot.states.push((Fact::NetworkState, "no state".into())),
            Self::ForgetsTheAccounts => snapshot.states.clear(),
            Self::ForgetsTheSockets => snapshot.sockets.clear(),
            Self::ForgetsTheOrders => snapshot.orders.clear(),
            Self::ForgetsTheEdges => snapshot.edges.clear(),
            Self::ForgetsWhatWasUsed => snapshot.accounts.clear(),
            Self::MissesTheSession => snapshot.session = "1".into(),
            _ => {}
        }
    }
}

fn rearranged(events: &Details, how: impl Fn(&mut Vec<&[u8]>)) -> Details {
    let mut lines: Vec<_> = events.0.split_inclusive(|byte| *byte == b'\n').collect();
    how(&mut lines);
    Details(Arc::from(lines.concat()))
}
