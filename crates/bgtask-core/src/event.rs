use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::broker::Gate;
use crate::ids::{AppId, InstanceId, TaskId};
use crate::model::budget::Resource;
use crate::model::cancel::CancellationReason;
use crate::model::command::Used;
use crate::model::condition::Condition;
use crate::model::outcome::Outcome;
use crate::model::registration::Unregistration;
use crate::model::trigger::Trigger;
use crate::time::{Spoken, WallTime};

/// One line of history: a state change with the names a person asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// When.
    pub at: WallTime,
    /// Whose task.
    pub app: AppId,
    /// Which registration.
    pub task: TaskId,
    /// Its name.
    pub name: Arc<str>,
    /// Which activation, if one is concerned.
    pub instance: Option<InstanceId>,
    /// What happened.
    pub kind: EventKind,
}

/// What happened to a task (the events of LC-9).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EventKind {
    /// It was registered.
    Registered,
    /// It was unregistered.
    Unregistered(Unregistration),
    /// Its trigger fired; `count` tells how many firings are now held in one (D1).
    Fired {
        /// The trigger.
        trigger: Trigger,
        /// How many.
        count: u32,
        /// What made it fire.
        cause: Cause,
    },
    /// It was due at a time that has passed, and that is not made up for.
    Missed {
        /// When it was due.
        due: WallTime,
    },
    /// The activation waits for these conditions.
    Latched(Vec<Condition>),
    /// The activation waits for something else.
    Buffered(Gate),
    /// A host was told to run it.
    Started {
        /// Which try, from 1.
        attempt: u32,
        /// Whether the host lingered from before.
        warm: bool,
    },
    /// The task was told to stop.
    Cancelled(CancelNotice),
    /// The broker died under it; it waits to run again as this attempt.
    Interrupted {
        /// The coming try.
        attempt: u32,
    },
    /// The try failed; the activation waits for another.
    Retrying {
        /// How it ended.
        outcome: Outcome,
        /// The coming try, from 2.
        attempt: u32,
        /// When it may start.
        at: WallTime,
        /// What the failed one came to cost.
        used: Option<Used>,
    },
    /// The task has not succeeded for longer than it may.
    Overdue {
        /// Since when.
        since: WallTime,
    },
    /// Its host was suspended: its app has used up its budget.
    Suspended {
        /// Of what.
        resource: Resource,
        /// Until then, if nothing changes.
        until: WallTime,
    },
    /// Its host goes on.
    Released,
    /// The user switched it off for a while, or on again.
    Paused(bool),
    /// A waiting activation was given up: its task was unregistered, or the user said so.
    Dropped,
    /// The activation has its outcome.
    Completed {
        /// The outcome.
        outcome: Outcome,
        /// The last progress reported.
        progress: Option<u32>,
        /// What its last try came to cost.
        used: Option<Used>,
    },
    /// An unacknowledged completion of this task was given up: the app keeps too many unread.
    CompletionLost {
        /// Which.
        sequence: u64,
    },
}

impl EventKind {
    /// One word for tables and fields.
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Registered => "registered",
            Self::Unregistered(_) => "unregistered",
            Self::Fired { .. } => "fired",
            Self::Latched(_) => "latched",
            Self::Buffered(_) => "buffered",
            Self::Started { .. } => "started",
            Self::Cancelled(_) => "cancelled",
            Self::Interrupted { .. } => "interrupted",
            Self::Missed { .. } => "missed",
            Self::Retrying { .. } => "retrying",
            Self::Overdue { .. } => "overdue",
            Self::Suspended { .. } => "suspended",
            Self::Released => "released",
            Self::Paused(true) => "paused",
            Self::Paused(false) => "resumed",
            Self::Dropped => "dropped",
            Self::Completed { .. } => "completed",
            Self::CompletionLost { .. } => "completion-lost",
        }
    }
}

impl fmt::Display for EventKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Registered => f.write_str("registered"),
            Self::Unregistered(why) => f.write_str(match why {
                Unregistration::Explicit { cancel: true } => "unregistered; what runs of it is told to stop",
                Unregistration::Explicit { cancel: false } => "unregistered",
                Unregistration::Replaced => "unregistered: another registration took its place",
                Unregistration::EntryPointGone => "unregistered: the app's manifest no longer declares its entry point",
                Unregistration::Uninstalled => "unregistered: the app was removed",
            }),
            Self::Fired { cause: Cause::Hand, .. } => f.write_str("asked to run by hand"),
            Self::Fired { cause: Cause::Fleet, .. } => f.write_str("ordered by the operator of the fleet"),
            Self::Fired { trigger: Trigger::AppService { name }, .. } => write!(f, "a caller connected to {name}"),
            Self::Fired { trigger, count: 1, .. } => write!(f, "{trigger} fired"),
            Self::Fired { trigger, count, .. } => {
                write!(f, "{trigger} fired, {count} firings are held as one")
            }
            Self::Missed { .. } => f.write_str("was due while the machine was off or asleep, and is not made up for"),
            Self::Retrying { outcome, attempt, .. } => write!(f, "{outcome}; attempt {attempt} follows"),
            Self::Overdue { .. } => f.write_str("has not succeeded for longer than it may"),
            Self::Suspended { resource, .. } => write!(f, "suspended: the {resource} budget of its app is used up"),
            Self::Released => f.write_str("goes on: the budget of its app was filled again"),
            Self::Paused(true) => f.write_str("paused: it does not fire"),
            Self::Paused(false) => f.write_str("resumed"),
            Self::Latched(missing) => {
                let names: Vec<_> = missing.iter().map(|condition| condition.name()).collect();
                write!(f, "latched until {} holds", names.join(" and "))
            }
            Self::Buffered(gate) => write!(f, "buffered: {gate}"),
            Self::Started { attempt: 1, warm: false } => f.write_str("started"),
            Self::Started { attempt: 1, warm: true } => f.write_str("started in a warm host"),
            Self::Started { attempt, .. } => write!(f, "started, attempt {attempt}"),
            Self::Cancelled(notice) => write!(f, "told to stop: {notice}"),
            Self::Interrupted { attempt } => {
                write!(f, "interrupted by the end of the broker, waits for attempt {attempt}")
            }
            Self::Dropped => f.write_str(
                "dropped before it ran: the task was unregistered or cancelled, or nobody waits for it any more",
            ),
            Self::Completed { outcome, progress: None, .. } => write!(f, "{outcome}"),
            Self::Completed { outcome, progress: Some(progress), .. } => {
                write!(f, "{outcome} (last progress {progress})")
            }
            Self::CompletionLost { sequence } => {
                write!(f, "completion {sequence} was given up: the app did not fetch its completions")
            }
        }
    }
}

/// What made a task fire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// Something in the world.
    World,
    /// Time: one wake-up served so many tasks.
    Timer {
        /// This one included.
        shared: u32,
    },
    /// The user.
    Hand,
    /// An order of the fleet.
    Fleet,
}

/// Why an instance has to stop, with the numbers (U-9).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CancelNotice {
    /// Why.
    pub reason: CancellationReason,
    /// How long it might have run.
    pub budget: Duration,
    /// How long it has run.
    pub used: Duration,
    /// How long it may still take.
    pub grace: Duration,
}

impl fmt::Display for CancelNotice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (used, budget) = (Spoken(self.used), Spoken(self.budget));
        write!(f, "{} ({used} used of {budget}, {} to stop)", self.reason, Spoken(self.grace))
    }
}
