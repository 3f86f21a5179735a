//! What fires many at once: each of those that waited for it once, some in each turn.

use std::collections::{BTreeMap, BTreeSet};

use bgtask_core::{
    CustomSystemEventTriggerRecurrence as Recurrence, Edge, EdgeKind, Registration, Standing, TaskId, Trigger, limits,
};

use super::super::{Verdict, check};
use super::held::{By, Occasion};
use super::{Model, Owed};

/// The edges that have not come to all they concern, with those that are left, and the same as they are written.
#[derive(Debug, Default)]
pub(super) struct Edges {
    left: BTreeMap<u64, BTreeSet<TaskId>>,
    kept: BTreeSet<u64>,
}

impl Edges {
    pub(super) fn restored(edges: &[Edge], registrations: &[Registration]) -> Self {
        let waits = |edge: &Edge, its: &Registration| {
            concerns(&edge.kind, its) && its.id >= edge.next && !edge.spared.contains(&its.id)
        };
        let left = |edge: &Edge| registrations.iter().filter(|its| waits(edge, its)).map(|its| its.id).collect();
        let left: BTreeMap<_, _> = edges.iter().map(|edge| (edge.number, left(edge))).collect();
        Self { kept: left.keys().copied().collect(), left }
    }

    pub(super) fn written(&mut self, number: u64) {
        self.kept.insert(number);
    }

    pub(super) fn deleted(&mut self, number: u64) {
        self.kept.remove(&number);
    }
}

impl Model {
    /// It concerns these, in the order of their ids.
    pub(super) fn edge_comes(&mut self, concerned: impl IntoIterator<Item = TaskId>, owed: &mut Owed) {
        let left = self.some_are_reached(concerned.into_iter().collect(), owed);
        if !left.is_empty() {
            let number = self.edges.left.last_key_value().map_or(1, |(last, _)| last + 1);
            self.edges.left.insert(number, left);
        }
    }

    /// What came first goes on.
    pub(super) fn next_are_reached(&mut self, owed: &mut Owed) {
        let Some((number, mut left)) = self.edges.left.pop_first() else { return };
        left.retain(|task| self.registrations.get(task).is_some_and(|its| self.still_waits(its)));
        let left = self.some_are_reached(left, owed);
        if !left.is_empty() {
            self.edges.left.insert(number, left);
        }
    }

    fn some_are_reached(&mut self, mut concerned: BTreeSet<TaskId>, owed: &mut Owed) -> BTreeSet<TaskId> {
        let left = concerned.iter().nth(limits::MAX_FIRED_PER_TURN).copied();
        let left = left.map(|next| concerned.split_off(&next)).unwrap_or_default();
        concerned.into_iter().for_each(|task| self.is_reached(task, owed));
        left
    }

    fn is_reached(&mut self, task: TaskId, owed: &mut Owed) {
        let session = self.session.clone();
        let its = self.registrations.get_mut(&task).expect("it waits for this");
        if is_once(&its.trigger) {
            its.counted_in = Some(session);
        }
        self.set_off(task, Occasion::once(By::World), owed);
    }

    /// It is about to be another, or to be switched off: it is fired before all others.
    pub(super) fn is_reached_first(&mut self, task: TaskId, owed: &mut Owed) {
        let numbers: Vec<_> = self.edges.left.keys().copied().collect();
        for number in numbers {
            if self.edges.left.get_mut(&number).expect("just seen").remove(&task) {
                self.is_reached(task, owed);
            }
        }
    }

    /// It was switched off when that happened, and does not wait for it.
    pub(super) fn is_spared(&mut self, task: TaskId) {
        for left in self.edges.left.values_mut() {
            left.remove(&task);
        }
    }

    fn still_waits(&self, its: &Registration) -> bool {
        let heard = is_once(&its.trigger) && its.counted_in.as_ref() == Some(&self.session);
        its.standing == Standing::Active && !heard
    }

    /// An edge that is done is gone.
    pub(super) fn edges_are_right(&mut self) -> Verdict {
        let Edges { left, kept } = &self.edges;
        check(left.keys().eq(kept), || format!("written are the edges {kept:?}, right are {left:?}"))
    }
}

pub(in crate::oracle) fn concerns(kind: &EdgeKind, its: &Registration) -> bool {
    let alike = match (kind, &its.trigger) {
        (EdgeKind::System(fired, only), Trigger::System { kind, .. }) => {
            kind == fired && only.as_ref().is_none_or(|app| *app == its.app)
        }
        (EdgeKind::Condition(fact, value), Trigger::Condition { condition, .. }) => {
            condition.fact() == *fact && super::access::wanted(*condition) == *value
        }
        (EdgeKind::Custom(event), Trigger::CustomSystemEvent { id, .. }) => id == event,
        _ => false,
    };
    alike && its.standing == Standing::Active
}

const fn is_once(trigger: &Trigger) -> bool {
    matches!(trigger, Trigger::CustomSystemEvent { recurrence: Recurrence::Once, .. })
}
