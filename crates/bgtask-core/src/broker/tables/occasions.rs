use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::ids::TaskId;
use crate::model::subject::Subject;
use crate::model::trigger::{SystemTriggerType, Trigger};

/// What several registrations are found by at once, because one thing concerns them all.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::broker) enum Occasion {
    /// The system trigger fires.
    System(SystemTriggerType),
    /// The custom event of that id is raised.
    Custom(Arc<str>),
    /// A condition begins to hold.
    Condition,
    /// A session begins.
    Session,
    /// Calendars come true at another time now.
    Calendar,
    /// What is listened to.
    Listening,
    /// Something happens to a control channel of that id.
    ControlChannel(Arc<str>),
}

impl Occasion {
    fn of(trigger: &Trigger) -> Option<Self> {
        Some(match trigger {
            Trigger::System { kind, .. } => Self::System(*kind),
            Trigger::CustomSystemEvent { id, .. } => Self::Custom(Arc::clone(id)),
            Trigger::Condition { .. } => Self::Condition,
            Trigger::SessionStart { .. } => Self::Session,
            Trigger::Calendar { .. } => Self::Calendar,
            trigger if let Some((id, _)) = trigger.control_channel() => Self::ControlChannel(Arc::clone(id)),
            trigger if Subject::is_behind(trigger) => Self::Listening,
            _ => return None,
        })
    }
}

/// Whom each occasion concerns.
#[derive(Default)]
pub(super) struct Occasions(BTreeMap<Occasion, BTreeSet<TaskId>>);

impl Occasions {
    pub(super) fn insert(&mut self, id: TaskId, trigger: &Trigger) {
        if let Some(occasion) = Occasion::of(trigger) {
            self.0.entry(occasion).or_default().insert(id);
        }
    }

    pub(super) fn remove(&mut self, id: TaskId, trigger: &Trigger) {
        let Some(occasion) = Occasion::of(trigger) else { return };
        let Some(concerned) = self.0.get_mut(&occasion) else { return };
        concerned.remove(&id);
        if concerned.is_empty() {
            self.0.remove(&occasion);
        }
    }

    pub(super) fn concerned(&self, occasion: &Occasion) -> impl Iterator<Item = TaskId> {
        self.0.get(occasion).into_iter().flatten().copied()
    }

    /// Those from an id on.
    pub(super) fn concerned_from(&self, occasion: &Occasion, from: TaskId) -> impl Iterator<Item = TaskId> {
        self.0.get(occasion).into_iter().flat_map(move |ids| ids.range(from..)).copied()
    }
}
