//! Orders of the fleet: each is done once, at its time, and what came of it is what came of its activation.

use std::collections::{BTreeMap, BTreeSet};

use bgtask_core::{
    Entry, FleetOrder, InstanceId, NewOrder, OrderId, OrderResult, OrderState, Outcome, PushTicket, Standing, TaskId,
    Trigger, WallTime,
};

use super::super::{Verdict, check};
use super::held::{By, Occasion};
use super::{Model, Owed};

/// What one input must bring about for orders.
#[derive(Debug, Default)]
pub(super) struct OwedOrders {
    /// These have just arrived: at which share of their spread they begin is their machine's affair.
    new: BTreeMap<OrderId, NewOrder>,
    /// These fire this task now, or are refused.
    begin: BTreeMap<OrderId, Option<TaskId>>,
    /// These activations came to an end.
    ended: BTreeMap<InstanceId, OrderResult>,
    settled: BTreeSet<OrderId>,
    acknowledge: Vec<PushTicket>,
}

impl OwedOrders {
    pub(super) fn is_settled(&self) -> bool {
        self.new.is_empty() && self.begin.is_empty() && self.acknowledge.is_empty()
    }

    pub(super) fn ended(&mut self, instance: InstanceId, outcome: Option<&Outcome>) {
        self.ended.insert(instance, outcome.cloned().map_or(OrderResult::Dropped, OrderResult::Ran));
    }

    pub(super) fn acknowledged(&mut self, tickets: &[PushTicket]) -> Verdict {
        let right = std::mem::take(&mut self.acknowledge);
        check(right == tickets, || format!("the orders {tickets:?} are acknowledged, to be are {right:?}"))
    }
}

impl Model {
    /// A broker that ends takes in nothing new, and nothing that came after it.
    pub(super) fn ordered(&mut self, orders: &[NewOrder], owed: &mut Owed) {
        self.not_taken_in.extend(orders.iter().cloned());
        while let Some(order) = self.not_taken_in.front() {
            let known = self.orders_of_fleet.contains_key(&order.id) || owed.orders.new.contains_key(&order.id);
            if !known && self.stopping {
                break;
            }
            let order = self.not_taken_in.pop_front().expect("just seen");
            owed.orders.acknowledge.push(order.ticket);
            if known {
                continue;
            }
            if order.spread.is_zero() {
                self.begins(&order, owed);
            }
            owed.orders.new.insert(order.id.clone(), order);
        }
    }

    /// Those whose time has come.
    pub(super) fn orders_begin(&mut self, owed: &mut Owed) {
        let due = |order: &FleetOrder| match order.state {
            OrderState::Held { due } => (due <= self.now.wall && !self.stopping).then_some(due),
            _ => None,
        };
        let mut begin: Vec<_> = self.orders_of_fleet.values().filter_map(|it| Some((due(it)?, it.clone()))).collect();
        begin.sort_by(|one, other| (one.0, &one.1.id).cmp(&(other.0, &other.1.id)));
        for (_, order) in begin {
            let FleetOrder { id, app, task, opened, reply, .. } = order;
            let (spread, ticket) = (order.share, PushTicket(0));
            self.begins(&NewOrder { id, app, task, spread, opened, reply, ticket }, owed);
        }
    }

    /// It fires the oldest task of that name that still fires, as if its trigger had; else it is refused.
    fn begins(&self, order: &NewOrder, owed: &mut Owed) {
        let spent = |task: TaskId| owed.fired.contains_key(&task);
        let its = self.registrations.values().filter(|it| {
            let fires = it.standing == Standing::Active && !(it.trigger.one_shot() && spent(it.id));
            it.app == order.app && it.name == order.task && fires
        });
        let needs = |trigger: &Trigger| matches!(trigger, Trigger::Event { .. } | Trigger::DeviceUse);
        let its = its.min_by_key(|it| (it.registered_at, it.id)).filter(|it| {
            let vain = needs(&it.trigger) && !matches!(it.entry, Entry::Command(_));
            order.opened && !it.paused && !vain
        });
        let task = its.map(|it| it.id);
        owed.orders.begin.insert(order.id.clone(), task);
        task.into_iter().for_each(|task| owed.fires(task, Occasion::once(By::Fleet)));
    }

    pub(super) fn order_written(&mut self, written: &FleetOrder, owed: &mut Owed) -> Verdict {
        let id = &written.id;
        let known = self.orders_of_fleet.get(id);
        if let Some(new) = owed.orders.new.remove(id) {
            let right = (&new.app, &new.task, new.opened, &new.reply, self.now.wall);
            let same = right == (&written.app, &written.task, written.opened, &written.reply, written.at);
            let share = written.share.is_zero() == new.spread.is_zero() || written.share.is_zero();
            check(known.is_none() && same && share && written.share <= new.spread, || {
                format!("{written:?} is written, right is {new:?}")
            })?;
        } else {
            check(known.is_some(), || format!("nobody ordered {written:?}"))?;
        }
        let before = known.map(|it| it.state.clone());
        let right = self.next_state(written, before.as_ref(), owed);
        check(right, || format!("{written:?} is written, and it was {before:?}; owed is {:?}", owed.orders))?;
        self.orders_of_fleet.insert(id.clone(), written.clone());
        Ok(())
    }

    fn next_state(&self, written: &FleetOrder, before: Option<&OrderState>, owed: &mut Owed) -> bool {
        let id = &written.id;
        let now = self.now.wall;
        let answer = |result: Option<&OrderResult>| match (&written.state, result) {
            (OrderState::Answering { at, result }, Some(right)) => {
                *at == now && result == right && written.reply.is_some()
            }
            (OrderState::Over, Some(_)) => written.reply.is_none(),
            _ => false,
        };
        match (before, &written.state) {
            // It begins at once, or the clock was set back.
            (None | Some(OrderState::Held { .. }), OrderState::Held { due }) => {
                *due == now + written.share && written.at == now
            }
            (None | Some(OrderState::Held { .. }), state) => match (owed.orders.begin.remove(id), state) {
                (Some(Some(task)), OrderState::Fired(instance)) => {
                    self.waiting.get(instance).is_some_and(|held| held.task == task)
                }
                (Some(None), OrderState::Answering { at, result: OrderResult::Refused(_) }) => {
                    *at == now && written.reply.is_some()
                }
                (Some(None), OrderState::Over) => written.reply.is_none(),
                _ => false,
            },
            (Some(OrderState::Fired(instance)), _) => answer(owed.orders.ended.get(instance)),
            (Some(OrderState::Answering { .. }), OrderState::Over) => owed.orders.settled.remove(id),
            _ => false,
        }
    }

    pub(super) fn order_answered(&self, id: &OrderId, owed: &mut Owed) {
        owed.orders.settled.insert(id.clone());
    }

    /// What is answered is what is written.
    pub(super) fn answers_the_operator(&self, order: &FleetOrder) -> Verdict {
        let right = self.orders_of_fleet.get(&order.id);
        let same = right == Some(order) && matches!(order.state, OrderState::Answering { .. });
        check(same, || format!("the operator hears {order:?}, right is {right:?}"))
    }

    /// What became of it while no broker ran is known now.
    pub(super) fn orders_restored(&self, owed: &mut Owed) {
        for order in self.orders_of_fleet.values() {
            if let OrderState::Fired(instance) = order.state
                && !self.waiting.contains_key(&instance)
                && !owed.outcomes.contains_key(&instance)
            {
                owed.orders.ended(instance, None);
            }
        }
    }

    /// An order that has fired is what its activation is, for as long as that is there.
    pub(super) fn orders_are_right(&self) -> Verdict {
        let there = |instance: &InstanceId| self.waiting.contains_key(instance) || self.running.contains_key(instance);
        let lost = self.orders_of_fleet.values().find(|it| matches!(&it.state, OrderState::Fired(its) if !there(its)));
        check(lost.is_none(), || format!("its activation has ended: {lost:?}"))
    }

    pub(super) fn no_order_is_late(&self, now: WallTime) -> Verdict {
        let late = |it: &&FleetOrder| matches!(it.state, OrderState::Held { due } if due <= now);
        let late = self.orders_of_fleet.values().find(late).filter(|_| !self.stopping);
        check(late.is_none(), || format!("its time has come: {late:?}"))
    }

    /// In the end nothing is left to do but what waits for what does not come.
    pub(in crate::oracle) fn orders_are_over(&self) -> Verdict {
        let left =
            self.orders_of_fleet.values().find(|it| !matches!(it.state, OrderState::Over | OrderState::Fired(_)));
        check(left.is_none(), || format!("it is not done: {left:?}"))
    }
}
