//! The operator of a fleet: gives orders, some twice, and hears what came of them. Its server keeps what is not acknowledged, and
//! delivers it again to the next broker.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use bgtask_core::{BootTime, FleetOrder, Input, NewOrder, OrderId, PushTicket};

use crate::agenda::Agenda;
use crate::apps;
use crate::chance::Chance;

#[derive(Debug)]
enum Says {
    Ordered(Vec<OrderId>),
    Answered(OrderId),
}

#[derive(Debug, Default)]
pub(crate) struct Operator {
    given: BTreeMap<OrderId, NewOrder>,
    /// What the server keeps.
    kept: BTreeSet<OrderId>,
    delivered: BTreeMap<PushTicket, OrderId>,
    answered: BTreeSet<OrderId>,
    agenda: Agenda<Says>,
    last_ticket: u64,
}

impl Operator {
    pub(crate) fn next(&self) -> Option<BootTime> {
        self.agenda.next()
    }

    /// A few orders at once, among them some of old.
    pub(crate) fn order(&mut self, now: BootTime, chance: &mut Chance) {
        let mut orders = Vec::new();
        for _ in 0..=chance.below(3) {
            let known: Vec<_> = self.given.keys().cloned().collect();
            let again = chance.pick(&known).cloned().filter(|_| chance.percent(35));
            let id = again.unwrap_or_else(|| self.any_order(chance));
            self.kept.insert(id.clone());
            orders.push(id);
        }
        self.agenda.plan(now + chance.millis(300), Says::Ordered(orders));
    }

    fn any_order(&mut self, chance: &mut Chance) -> OrderId {
        let id = OrderId::new(&format!("order-{}", self.given.len())).expect("an id");
        let of_a_command = chance.percent(75);
        let spread = if chance.percent(50) { Duration::ZERO } else { Duration::from_secs(chance.below(90)) };
        let order = NewOrder {
            id: id.clone(),
            app: if of_a_command { apps::commands() } else { apps::any_name(chance) },
            task: any_task(of_a_command, chance).into(),
            spread,
            opened: chance.percent(90),
            reply: chance.percent(80).then(|| "there".into()),
            ticket: PushTicket(0),
        };
        self.given.insert(id.clone(), order);
        id
    }

    /// The server may forget them.
    pub(crate) fn acknowledged(&mut self, tickets: &[PushTicket]) -> Result<Vec<OrderId>, String> {
        let forget = |ticket| {
            let id = self.delivered.remove(ticket).ok_or_else(|| format!("{ticket:?} was acknowledged before"))?;
            // Delivered twice, it is acknowledged twice.
            if !self.delivered.values().any(|other| *other == id) {
                self.kept.remove(&id);
            }
            Ok(id)
        };
        tickets.iter().map(forget).collect()
    }

    /// It arrives soon, and that is known a little later; of a broker that dies meanwhile nobody knows.
    pub(crate) fn answer(&mut self, order: &FleetOrder, now: BootTime, chance: &mut Chance) {
        self.answered.insert(order.id.clone());
        self.agenda.plan(now + chance.millis(2_000), Says::Answered(order.id.clone()));
    }

    /// The connection is gone with what was on its way. The next broker is told again what is not acknowledged.
    pub(crate) fn broker_died(&mut self, now: BootTime, chance: &mut Chance) {
        self.delivered.clear();
        self.agenda.clear();
        if !self.kept.is_empty() {
            self.agenda.plan(now + chance.millis(4_000), Says::Ordered(self.kept.iter().cloned().collect()));
        }
    }

    pub(crate) fn speak(&mut self, now: BootTime) -> Option<Input> {
        Some(match self.agenda.take_due(now)? {
            Says::Answered(id) => Input::OrderAnswered(id),
            Says::Ordered(ids) => Input::Ordered(ids.iter().map(|id| self.delivery(id)).collect()),
        })
    }

    fn delivery(&mut self, id: &OrderId) -> NewOrder {
        self.last_ticket += 1;
        let ticket = PushTicket(self.last_ticket);
        self.delivered.insert(ticket, id.clone());
        NewOrder { ticket, ..self.given[id].clone() }
    }

    /// In the end every order is with the broker, and who wanted an answer has one, where that is known.
    pub(crate) fn rests(&self, over: &BTreeSet<OrderId>) -> Result<(), String> {
        if let Some(id) = self.kept.first() {
            return Err(format!("the order {id} was never acknowledged"));
        }
        let silent = self
            .given
            .values()
            .find(|it| it.reply.is_some() && over.contains(&it.id) && !self.answered.contains(&it.id));
        silent.map_or(Ok(()), |order| Err(format!("nobody said what came of {order:?}")))
    }
}

/// Often there is such a task.
fn any_task(of_a_command: bool, chance: &mut Chance) -> String {
    match chance.below(10) {
        0 => "nobody".into(),
        _ if of_a_command => format!("command {}", chance.below(8)),
        _ => format!("the same name {}", chance.below(2)),
    }
}
