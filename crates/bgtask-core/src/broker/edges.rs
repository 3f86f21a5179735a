//! What fires many at once does so in portions, one in each turn. An edge does not come again, so what is left of it is durable
//! until it is done: whoever waited for it is fired once, whatever becomes of the broker meanwhile.

use std::collections::BTreeMap;

use super::tables::Occasion;
use super::{Core, Task};
use crate::ids::TaskId;
use crate::limits::{MAX_EDGES, MAX_FIRED_PER_TURN, MAX_SPARED};
use crate::model::edge::{Edge, EdgeKind};
use crate::model::registration::Standing;
use crate::model::trigger::Trigger;
use crate::output::Change;

/// What has not fired everybody yet, by number.
pub(super) type Edges = BTreeMap<u64, Edge>;

impl Core {
    /// Something happened: it fires whoever waits for it, some in this turn and the rest in the next ones.
    pub(super) fn edge(&mut self, kind: EdgeKind) {
        let number = self.edges.last_key_value().map_or(1, |(last, _)| last + 1);
        let edge = Edge { number, kind, next: TaskId::from_random(0), spared: Vec::new() };
        if let Some(rest) = self.fire_some(edge, MAX_FIRED_PER_TURN) {
            self.owe(rest);
        }
        if self.edges.len() > MAX_EDGES
            && let Some(first) = self.edges.keys().next().copied()
        {
            self.fire_rest(first);
        }
    }

    /// Goes on with the edge that came first.
    pub(super) fn fire_next(&mut self) {
        let Some((number, edge)) = self.edges.pop_first() else { return };
        match self.fire_some(edge, MAX_FIRED_PER_TURN) {
            Some(rest) => self.owe(rest),
            None => self.persist(Change::DeleteEdge(number)),
        }
    }

    /// Somebody is registered: what happened before does not concern him.
    pub(super) fn spare(&mut self, id: TaskId) {
        self.owing(id).into_iter().for_each(|number| self.spare_from(number, id));
    }

    /// Fires what is owed to one before all others: it is about to be another, or to be switched off.
    pub(super) fn fire_owed(&mut self, id: TaskId) {
        for number in self.owing(id) {
            self.reach(id);
            self.spare_from(number, id);
        }
    }

    /// The edges that have not come to one of those they concern.
    fn owing(&self, id: TaskId) -> Vec<u64> {
        if self.edges.is_empty() {
            return Vec::new();
        }
        let Some(task) = self.tasks.get(id) else { return Vec::new() };
        let owes = |edge: &&Edge| edge.next <= id && !edge.spared.contains(&id) && self.is_fired_by(task, &edge.kind);
        self.edges.values().filter(owes).map(|edge| edge.number).collect()
    }

    /// An edge passes over one of them. What cannot be divided so any longer is not.
    fn spare_from(&mut self, number: u64, id: TaskId) {
        let Some(edge) = self.edges.get_mut(&number) else { return };
        edge.spared.push(id);
        if edge.spared.len() > MAX_SPARED {
            return self.fire_rest(number);
        }
        let edge = edge.clone();
        self.persist(Change::PutEdge(edge));
    }

    fn owe(&mut self, rest: Edge) {
        self.persist(Change::PutEdge(rest.clone()));
        self.edges.insert(rest.number, rest);
    }

    fn fire_rest(&mut self, number: u64) {
        let Some(edge) = self.edges.remove(&number) else { return };
        self.fire_some(edge, usize::MAX);
        self.persist(Change::DeleteEdge(number));
    }

    /// Fires so many; answers what is left.
    fn fire_some(&mut self, edge: Edge, most: usize) -> Option<Edge> {
        let mut ids = self.concerned_by(&edge, most.saturating_add(1));
        let next = (ids.len() > most).then(|| ids.pop()).flatten();
        ids.into_iter().for_each(|id| self.reach(id));
        next.map(|next| Edge { next, ..edge })
    }

    /// The first of those that an edge concerns and has not fired, and not more than so many.
    fn concerned_by(&self, edge: &Edge, most: usize) -> Vec<TaskId> {
        let concerned =
            |task: &&Task| self.is_fired_by(task, &edge.kind) && !edge.spared.contains(&task.registration.id);
        let first = |tasks: &mut dyn Iterator<Item = &Task>| {
            tasks.filter(concerned).take(most).map(|task| task.registration.id).collect()
        };
        match &edge.kind {
            EdgeKind::System(_, Some(app)) => first(&mut self.tasks.of_app_from(app, edge.next)),
            kind => first(&mut self.tasks.concerned_from(&occasion(kind), edge.next)),
        }
    }

    fn is_fired_by(&self, task: &Task, kind: &EdgeKind) -> bool {
        let its = &task.registration;
        let alike = match (kind, &its.trigger) {
            (EdgeKind::System(fired, only), Trigger::System { kind, .. }) => {
                kind == fired && only.as_ref().is_none_or(|app| *app == its.app)
            }
            (EdgeKind::Condition(fact, value), Trigger::Condition { condition, .. }) => {
                condition.fact() == *fact && condition.holds_at(*value)
            }
            (EdgeKind::Custom(event), Trigger::CustomSystemEvent { id, .. }) => event == id && self.hears(task),
            _ => false,
        };
        alike && its.standing == Standing::Active
    }
}

fn occasion(kind: &EdgeKind) -> Occasion {
    match kind {
        EdgeKind::System(fired, _) => Occasion::System(*fired),
        EdgeKind::Condition(..) => Occasion::Condition,
        EdgeKind::Custom(event) => Occasion::Custom(event.clone()),
    }
}
