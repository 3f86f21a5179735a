//! What fires many at once.

use std::sync::Arc;

use super::fact::Fact;
use super::trigger::SystemTriggerType;
use crate::ids::{AppId, TaskId};

/// Something that has fired some of those that wait for it. It does not come again, so the rest is owed to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Edge {
    /// Which: of those that are not done each has its own, in the order they came.
    pub number: u64,
    /// What it was.
    pub kind: EdgeKind,
    /// The first that has not been fired, in the order of ids.
    pub next: TaskId,
    /// Who was registered since, and is not concerned.
    pub spared: Vec<TaskId>,
}

/// Whom an edge concerns.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EdgeKind {
    /// The system trigger fired: for everybody, or for one app.
    System(SystemTriggerType, Option<AppId>),
    /// A level became this: the conditions that begin to hold by it.
    Condition(Fact, bool),
    /// The custom event of that id was raised.
    Custom(Arc<str>),
}
