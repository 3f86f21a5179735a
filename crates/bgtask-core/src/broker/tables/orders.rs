use std::collections::{BTreeMap, BTreeSet};

use crate::ids::InstanceId;
use crate::model::fleet::{FleetOrder, OrderEvent, OrderId, OrderState};
use crate::time::WallTime;

/// The orders of the fleet by id, by when their time comes, and by the activation that decides.
#[derive(Default)]
pub(in crate::broker) struct Orders {
    by_id: BTreeMap<OrderId, FleetOrder>,
    due: BTreeSet<(WallTime, OrderId)>,
    fired: BTreeMap<InstanceId, BTreeSet<OrderId>>,
    /// Those that are only remembered, the oldest first.
    over: BTreeSet<(WallTime, OrderId)>,
}

impl Orders {
    pub(in crate::broker) fn get(&self, id: &OrderId) -> Option<&FleetOrder> {
        self.by_id.get(id)
    }

    pub(in crate::broker) fn iter(&self) -> impl Iterator<Item = &FleetOrder> {
        self.by_id.values()
    }

    pub(in crate::broker) fn len(&self) -> usize {
        self.by_id.len()
    }

    pub(in crate::broker) fn insert(&mut self, order: FleetOrder) {
        match &order.state {
            OrderState::Held { due } => drop(self.due.insert((*due, order.id.clone()))),
            OrderState::Fired(instance) => drop(self.fired.entry(*instance).or_default().insert(order.id.clone())),
            OrderState::Answering { .. } => {}
            OrderState::Over => drop(self.over.insert((order.at, order.id.clone()))),
        }
        self.by_id.insert(order.id.clone(), order);
    }

    /// Applies an event; `None` where it cannot happen (any more).
    pub(in crate::broker) fn apply(&mut self, id: &OrderId, event: OrderEvent) -> Option<FleetOrder> {
        let state = self.by_id.get(id)?.state.next(event)?;
        let order = self.remove(id)?;
        let came_of = match &state {
            OrderState::Answering { at, result } => Some((*at, result.clone())),
            _ => order.came_of,
        };
        let order = FleetOrder { state, came_of, ..order };
        self.insert(order.clone());
        Some(order)
    }

    pub(in crate::broker) fn remove(&mut self, id: &OrderId) -> Option<FleetOrder> {
        let order = self.by_id.remove(id)?;
        match &order.state {
            OrderState::Held { due } => drop(self.due.remove(&(*due, id.clone()))),
            OrderState::Fired(instance) => self.forget_fired(*instance, id),
            OrderState::Answering { .. } => {}
            OrderState::Over => drop(self.over.remove(&(order.at, id.clone()))),
        }
        Some(order)
    }

    /// The one that has been remembered for longest.
    pub(in crate::broker) fn oldest_over(&self) -> Option<OrderId> {
        self.over.first().map(|(_, id)| id.clone())
    }

    /// When the time of the first comes.
    pub(in crate::broker) fn first_due(&self) -> Option<WallTime> {
        self.due.first().map(|(at, _)| *at)
    }

    /// The first of those whose time has come.
    pub(in crate::broker) fn due_by(&self, now: WallTime, most: usize) -> Vec<OrderId> {
        let due = self.due.iter().take_while(|(at, _)| *at <= now);
        due.take(most).map(|(_, id)| id.clone()).collect()
    }

    /// Those that an activation decides.
    pub(in crate::broker) fn of_instance(&self, instance: InstanceId) -> Vec<OrderId> {
        self.fired.get(&instance).into_iter().flatten().cloned().collect()
    }

    /// The activations that decide about some.
    pub(in crate::broker) fn instances(&self) -> impl Iterator<Item = InstanceId> {
        self.fired.keys().copied()
    }

    fn forget_fired(&mut self, instance: InstanceId, id: &OrderId) {
        let Some(theirs) = self.fired.get_mut(&instance) else { return };
        theirs.remove(id);
        if theirs.is_empty() {
            self.fired.remove(&instance);
        }
    }
}
