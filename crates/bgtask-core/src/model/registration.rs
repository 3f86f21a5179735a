use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::command::{Command, LastRun};
use super::condition::Condition;
use super::trigger::Trigger;
use crate::ids::{AppId, ClassId, TaskId};
use crate::time::WallTime;

/// What an app asks for when it registers: the properties of a `BackgroundTaskBuilder`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewRegistration {
    /// The name; need not be unique (RE-1, D5).
    pub name: String,
    /// Who runs it.
    pub entry: Entry,
    /// What fires it.
    pub trigger: Trigger,
    /// What must hold for it to run, all of it (CO-1).
    pub conditions: Vec<Condition>,
    /// Whether a running instance is cancelled when a condition stops holding (CO-3).
    pub cancel_on_condition_loss: bool,
    /// Whether the network must stay up while it runs (NW-1).
    pub is_network_requested: bool,
    /// The group it belongs to (GRP-2).
    pub group: Option<Box<TaskGroup>>,
}

/// Who runs a task.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Entry {
    /// A component program, by the declared entry point.
    Component(Arc<str>),
    /// The program that the manifest maps to this class (BLD-11).
    Class(ClassId),
    /// The app itself (BLD-9).
    InProcess,
    /// Any program, for the user.
    Command(Arc<Command>),
}

impl Entry {
    /// The command, where it is one.
    pub fn command(&self) -> Option<&Command> {
        match self {
            Self::Command(command) => Some(command),
            _ => None,
        }
    }
}

impl fmt::Display for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Component(name) => f.write_str(name),
            Self::Class(class) => write!(f, "{class}"),
            Self::InProcess => f.write_str("in the app"),
            Self::Command(command) => f.write_str(&command.argv.join(" ")),
        }
    }
}

/// A namespace for registrations (GRP-1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TaskGroup {
    /// Its id within the app.
    pub id: Arc<str>,
    /// A name for people, for debugging (GRP-3).
    pub name: Arc<str>,
}

/// A durable registration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Registration {
    /// Its id, for ever.
    pub id: TaskId,
    /// Whose it is.
    pub app: AppId,
    /// See [`NewRegistration::name`].
    pub name: Arc<str>,
    /// See [`NewRegistration::entry`].
    pub entry: Entry,
    /// See [`NewRegistration::trigger`].
    pub trigger: Trigger,
    /// See [`NewRegistration::conditions`].
    pub conditions: Arc<[Condition]>,
    /// See [`NewRegistration::cancel_on_condition_loss`].
    pub cancel_on_condition_loss: bool,
    /// See [`NewRegistration::is_network_requested`].
    pub is_network_requested: bool,
    /// See [`NewRegistration::group`]. Few have one, so what there is none of takes the room of a pointer.
    pub group: Option<Box<TaskGroup>>,
    /// When it was made.
    pub registered_at: WallTime,
    /// When a timer is due next.
    pub due: Option<WallTime>,
    /// The user's session in which a custom event last counted (SYS-6).
    pub counted_in: Option<Arc<str>>,
    /// Whether it still fires.
    pub standing: Standing,
    /// The user has switched it off for a while: it fires nothing, what waits stays, and it promises nothing.
    pub paused: bool,
    /// How its last run ended; kept for commands only.
    pub last: Option<LastRun>,
    /// When it last succeeded, or was registered; kept for commands only.
    pub fresh_since: Option<WallTime>,
    /// That it has not succeeded for too long was reported.
    pub overdue: bool,
}

impl Registration {
    /// Whether a firing of its trigger counts now.
    pub(crate) fn fires(&self) -> bool {
        self.standing == Standing::Active && !self.paused
    }

    /// How long ago its last success may be, where that is promised.
    pub(crate) fn fresh_within(&self) -> Option<Duration> {
        self.entry.command()?.fresh_within
    }

    /// Whether it is what `new` asks for: then registering it again changes nothing (D5).
    pub(crate) fn is(&self, new: &NewRegistration) -> bool {
        self.entry == new.entry
            && self.trigger == new.trigger
            && *self.conditions == *new.conditions
            && self.cancel_on_condition_loss == new.cancel_on_condition_loss
            && self.is_network_requested == new.is_network_requested
            && self.group == new.group
    }
}

/// Where a registration is in its life. It is deleted when it has left `Active` and its last activation has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It fires.
    Active,
    /// It was one-shot and its activation is accepted; still listed until that ends (D6).
    Spent,
    /// It was unregistered while an instance ran; no longer listed (CA-7).
    Unregistered,
}

/// Why a registration went away (LC-11).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unregistration {
    /// The app, or the user, said so.
    Explicit {
        /// Whether a running instance is cancelled (CA-7).
        cancel: bool,
    },
    /// `register_or_update` put another in its place (D5).
    Replaced,
    /// The updated manifest no longer declares its entry point (RE-6).
    EntryPointGone,
    /// The app was removed (RE-8).
    Uninstalled,
}
