//! Orders of the fleet: taken in before they are acknowledged, each done once, and answered when it is known what came of it.
//!
//! An order is held for this machine's share of the spread, so that a fleet never begins all at once; then its task fires, as if
//! its trigger had, and waits for what it always waits for. Refusals come at that time too: answers would be a stampede otherwise.

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;

use super::fire::Occurrence;
use super::tables::Orders;
use super::timer::share_of;
use super::{Core, Task};
use crate::event::Cause;
use crate::ids::{AppId, InstanceId, PushTicket, TaskId};
use crate::limits::{MAX_FLEET_ORDERS, MAX_PER_TURN};
use crate::model::fleet::{FleetOrder, NewOrder, OrderEvent, OrderId, OrderResult, OrderState};
use crate::model::registration::{Entry, Standing};
use crate::model::trigger::Trigger;
use crate::output::{Change, Output, Wake, WakeReason};

/// The orders of this machine, and those that have found no room yet.
#[derive(Default)]
pub(super) struct Fleet {
    orders: Orders,
    /// Not acknowledged, so that the server keeps those that follow: the transport bounds how many.
    held: VecDeque<NewOrder>,
}

impl Core {
    /// The orders of the fleet that are known, those included that are over and only remembered.
    pub fn orders(&self) -> impl Iterator<Item = &FleetOrder> {
        self.fleet.orders.iter()
    }

    pub(super) fn ordered(&mut self, orders: Vec<NewOrder>) {
        self.fleet.held.extend(orders);
    }

    /// Makes room for what has arrived, as far as anything is over, and acknowledges what is taken in or known already. Answers
    /// whether there was any.
    pub(super) fn take_in_orders(&mut self) -> bool {
        let mut tickets: Vec<PushTicket> = Vec::new();
        while let Some(new) = self.fleet.held.front() {
            let known = self.fleet.orders.get(&new.id).is_some();
            if !known && (self.stopping || !self.make_room_for_order()) {
                break;
            }
            let Some(new) = self.fleet.held.pop_front() else { break };
            tickets.push(new.ticket);
            if known {
                self.repeat_order(new);
            } else {
                self.take_in_order(new);
            }
        }
        let any = !tickets.is_empty();
        if any {
            self.outputs.push_back(Output::AcknowledgeOrders(tickets));
        }
        any
    }

    fn make_room_for_order(&mut self) -> bool {
        if self.fleet.orders.len() < MAX_FLEET_ORDERS {
            return true;
        }
        let Some(oldest) = self.fleet.orders.oldest_over() else { return false };
        self.fleet.orders.remove(&oldest);
        self.persist(Change::DeleteOrder(oldest));
        true
    }

    fn take_in_order(&mut self, new: NewOrder) {
        let NewOrder { id, app, task, spread, opened, reply, ticket: _ } = new;
        let share = share_of(spread, self.config.machine, id.as_str());
        let (at, due) = (self.now.wall, self.now.wall + share);
        let order =
            FleetOrder { id, app, task, at, share, opened, reply, state: OrderState::Held { due }, came_of: None };
        self.put_order(order);
    }

    /// It is known and came again. It is not done again, but whoever wants an answer gets one, also where there was one already: a server
    /// that is killed forgets what it took. That, too, waits for the machine's share.
    fn repeat_order(&mut self, new: NewOrder) {
        let Some(order) = self.fleet.orders.get(&new.id).filter(|_| new.reply.is_some()).cloned() else { return };
        let due = self.now.wall + order.share;
        let known = order.came_of.is_some();
        let again = order.state.next(OrderEvent::AskedAgain { due }).filter(|_| known);
        if again.is_some() || order.reply.is_none() {
            let state = again.unwrap_or_else(|| order.state.clone());
            self.put_order(FleetOrder { reply: new.reply, state, ..order });
        }
    }

    fn put_order(&mut self, order: FleetOrder) {
        self.fleet.orders.remove(&order.id);
        self.fleet.orders.insert(order.clone());
        if order.share.is_zero() && matches!(order.state, OrderState::Held { .. }) {
            self.begin_order(&order);
        } else {
            self.persist(Change::PutOrder(order));
        }
    }

    /// Its time has come: the task fires for it, or it is refused. What came of one that is asked for again is known.
    fn begin_order(&mut self, order: &FleetOrder) {
        if let Some((at, result)) = order.came_of.clone() {
            return self.step_order(&order.id, OrderEvent::Known { at, result });
        }
        match self.ordered_task(order) {
            Ok(task) => match self.accept(task, Occurrence { cause: Cause::Fleet, ..Occurrence::default() }) {
                Some(instance) => self.step_order(&order.id, OrderEvent::Fired(instance)),
                None => self.conclude_order(&order.id, OrderResult::Refused("the task is paused there".into())),
            },
            Err(why) => self.conclude_order(&order.id, OrderResult::Refused(why)),
        }
    }

    /// The task of an order: the oldest of that name that still fires.
    fn ordered_task(&self, order: &FleetOrder) -> Result<TaskId, Arc<str>> {
        if !order.opened {
            return Err("the machine's owner has not opened this task to the fleet".into());
        }
        let named = |task: &&Task| {
            let its = &task.registration;
            its.name == order.task && its.standing == Standing::Active
        };
        let found = self.tasks.of_app(&order.app).filter(named);
        let task = found.min_by_key(|task| (task.registration.registered_at, task.registration.id));
        let Some(Task { registration, .. }) = task else {
            return Err(self.why_no_task(&order.app));
        };
        if !matches!(registration.entry, Entry::Command(_)) && carries(&registration.trigger) {
            return Err("the task needs what its trigger brings, which an order cannot".into());
        }
        Ok(registration.id)
    }

    fn why_no_task(&self, app: &AppId) -> Arc<str> {
        let installed = self.apps.get(app).is_some();
        if installed { "there is no such task there" } else { "the app is not installed there" }.into()
    }

    /// An activation has come to its end, and with it the orders it was for.
    pub(super) fn conclude_orders(&mut self, instance: InstanceId, result: &OrderResult) {
        for id in self.fleet.orders.of_instance(instance) {
            self.conclude_order(&id, result.clone());
        }
    }

    fn conclude_order(&mut self, id: &OrderId, result: OrderResult) {
        self.step_order(id, OrderEvent::Known { at: self.now.wall, result });
    }

    /// The operator's server has the answer.
    pub(super) fn order_answered(&mut self, id: &OrderId) {
        self.step_order(id, OrderEvent::Settled);
    }

    fn step_order(&mut self, id: &OrderId, event: OrderEvent) {
        let Some(order) = self.fleet.orders.apply(id, event) else { return };
        let answering = matches!(order.state, OrderState::Answering { .. });
        if answering && order.reply.is_none() {
            return self.step_order(id, OrderEvent::Settled);
        }
        self.persist(Change::PutOrder(order.clone()));
        if answering {
            self.outputs.push_back(Output::AnswerOrder(Box::new(order)));
        }
    }

    /// Before the activations are there again: answers that have not arrived go out once more.
    pub(super) fn restore_orders(&mut self, orders: Vec<FleetOrder>) {
        for order in orders {
            if matches!(order.state, OrderState::Answering { .. }) {
                self.outputs.push_back(Output::AnswerOrder(Box::new(order.clone())));
            }
            self.fleet.orders.insert(order);
        }
    }

    /// After the activations are there again: what became of an order's while no broker ran is known now.
    pub(super) fn settle_orders(&mut self) {
        let mut gone: BTreeSet<_> = self.fleet.orders.instances().collect();
        for (_, activation) in self.activations() {
            gone.remove(&activation.instance);
        }
        gone.into_iter().for_each(|instance| self.conclude_orders(instance, &OrderResult::Dropped));
        self.orders_anew();
    }

    /// Begins with those whose time has come.
    pub(super) fn expire_orders(&mut self) {
        if self.stopping {
            return;
        }
        for id in self.fleet.orders.due_by(self.now.wall, MAX_PER_TURN) {
            let order = self.fleet.orders.get(&id).cloned().expect("its time has come");
            self.begin_order(&order);
        }
    }

    pub(super) fn order_wake(&self) -> Option<Wake> {
        let at = self.fleet.orders.first_due().filter(|_| !self.stopping)?;
        Some(Wake { at: self.now.boot + (at - self.now.wall), why: WakeReason::Fleet })
    }

    /// The clock was set back: what would be waited for longer than was said begins anew.
    pub(super) fn orders_anew(&mut self) {
        let now = self.now.wall;
        let later = |order: &&FleetOrder| matches!(order.state, OrderState::Held { due } if due > now + order.share);
        let later: Vec<_> = self.fleet.orders.iter().filter(later).cloned().collect();
        for order in later {
            self.put_order(FleetOrder { at: now, state: OrderState::Held { due: now + order.share }, ..order });
        }
    }
}

/// Whether an app's task cannot do without what its trigger brings.
const fn carries(trigger: &Trigger) -> bool {
    matches!(trigger, Trigger::Event { .. } | Trigger::DeviceUse | Trigger::AppService { .. })
}
