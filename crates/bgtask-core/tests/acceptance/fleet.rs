//! Orders of the fleet: each is durable before it is acknowledged, done once, after this machine's share of the spread, and its answer
//! goes out until it has arrived.

use std::collections::BTreeSet;
use std::time::Duration;

use bgtask_core::limits::MAX_FLEET_ORDERS;
use bgtask_core::{
    App, Config, EventKind, FleetOrder, Input, NewOrder, OrderId, OrderResult, OrderState, Outcome, Output, PushTicket,
    Request, SystemTriggerType, TaskId, Trigger, WakeReason,
};

use crate::harness::{Broker, PHOTOS, app_id, but, command, on, one_shot};

const TEN_MINUTES: Duration = Duration::from_secs(600);

fn id(text: &str) -> OrderId {
    OrderId::new(text).expect("an id")
}

/// An order at once, with an answer.
fn order(name: &str, task: &str, ticket: u64) -> NewOrder {
    NewOrder {
        id: id(name),
        app: app_id(App::COMMANDS),
        task: task.into(),
        spread: Duration::ZERO,
        opened: true,
        reply: Some("there".into()),
        ticket: PushTicket(ticket),
    }
}

/// A broker with the command `backup`, which nothing but an order fires here.
fn commanding() -> (Broker, TaskId) {
    let mut broker = Broker::of_commands();
    let task = broker.add(command("backup", Trigger::SessionStart { one_shot: false }));
    broker.orders();
    (broker, task)
}

fn give(broker: &mut Broker, order: NewOrder) {
    broker.tell(Input::Ordered(vec![order]));
}

fn acknowledged(orders: &[Output]) -> Vec<u64> {
    let tickets = orders.iter().filter_map(|order| match order {
        Output::AcknowledgeOrders(tickets) => Some(tickets),
        _ => None,
    });
    tickets.flatten().map(|ticket| ticket.0).collect()
}

/// What was answered since the last look.
fn answers(orders: &[Output]) -> Vec<(String, &'static str)> {
    let answers = orders.iter().filter_map(|order| match order {
        Output::AnswerOrder(order) => Some(&**order),
        _ => None,
    });
    answers
        .map(|FleetOrder { id, state, .. }| match state {
            OrderState::Answering { result, .. } => (id.to_string(), result.word()),
            state => panic!("{state:?} is no answer"),
        })
        .collect()
}

fn state_of(broker: &Broker, name: &str) -> OrderState {
    broker.core.orders().find(|order| order.id == id(name)).expect("it is known").state.clone()
}

#[test]
fn an_order_runs_its_task_as_if_its_trigger_had_fired_and_is_answered_when_it_has_ended() {
    let (mut broker, task) = commanding();
    give(&mut broker, order("a", "backup", 7));
    let run = broker.expect_run("backup");
    let orders = broker.orders();
    assert_eq!(acknowledged(&orders), [7]);
    for order in [Output::AcknowledgeOrders(Vec::new()), orders[0].clone()] {
        assert!(order.needs_commit(), "the driver makes it durable before: {order:?}");
    }
    assert_eq!(answers(&orders), [], "nothing is known yet");
    let fired = broker.history.iter().find(|event| matches!(event.kind, EventKind::Fired { .. })).expect("it fired");
    assert_eq!((fired.task, fired.kind.to_string()), (task, "ordered by the operator of the fleet".to_owned()));
    run.started(&mut broker);
    run.exits(&mut broker, 0);
    assert_eq!(answers(&broker.orders()), [("a".to_owned(), "succeeded")]);
    broker.tell(Input::OrderAnswered(id("a")));
    assert_eq!(state_of(&broker, "a"), OrderState::Over);
}

/// At least once from the server, once for the task: also when the broker was killed before it could acknowledge.
#[test]
fn an_order_that_comes_again_is_acknowledged_and_not_done_again() {
    let (mut broker, _) = commanding();
    give(&mut broker, order("a", "backup", 1));
    let run = broker.expect_run("backup");
    run.started(&mut broker);
    run.exits(&mut broker, 0);
    broker.orders();
    for ticket in 2..4 {
        broker.restarts();
        broker.orders();
        give(&mut broker, order("a", "backup", ticket));
        let orders = broker.orders();
        assert_eq!(acknowledged(&orders), [ticket]);
        assert!(!orders.iter().any(|order| matches!(order, Output::Run(..))), "{orders:?}");
    }
}

/// A fleet never begins all at once: each machine waits for its own share of the spread, evenly, and another one for each order.
#[test]
fn machines_begin_with_an_order_spread_over_the_time() {
    let begins = |machine: u64, name: &str| {
        let mut broker = Broker::of_commands_with(Config { machine, ..Config::default() });
        broker.add(command("backup", Trigger::SessionStart { one_shot: false }));
        give(&mut broker, NewOrder { spread: TEN_MINUTES, ..order(name, "backup", 1) });
        assert_eq!(acknowledged(&broker.orders()), [1], "it is safe here at once");
        broker.expect_no_run();
        let (after, why) = broker.next_wake().expect("it waits for its time");
        assert_eq!(why, WakeReason::Fleet);
        broker.passes(after);
        broker.expect_run("backup");
        after
    };
    let count = 600;
    let shares: Vec<_> = (0..count).map(|machine| begins(machine * 0x1_0001, "a").as_secs()).collect();
    assert!(shares.iter().all(|share| *share <= 600), "{shares:?}");
    let by_minute = (0..10).map(|minute| shares.iter().filter(|share| **share / 60 == minute).count());
    let by_minute: Vec<_> = by_minute.collect();
    assert!(by_minute.iter().all(|begun| (30..=90).contains(begun)), "60 would be even: {by_minute:?}");
    assert_ne!(begins(7, "a"), begins(7, "b"), "who is last once is not always");
    assert_eq!(begins(7, "a"), begins(7, "a"));
}

#[test]
fn an_order_that_waits_for_its_time_survives_the_broker_and_runs_late_rather_than_never() {
    let (mut broker, _) = commanding();
    give(&mut broker, NewOrder { spread: TEN_MINUTES, ..order("a", "backup", 1) });
    broker.orders();
    broker.restarts();
    broker.expect_no_run();
    let (after, why) = broker.next_wake().expect("it waits for its time");
    assert_eq!(why, WakeReason::Fleet);
    broker.tell_after(after + TEN_MINUTES, Input::Tick);
    broker.expect_run("backup");
}

/// The clock of the wall is set back by a day: nobody waits for a day more.
#[test]
fn a_clock_that_is_set_back_does_not_hold_an_order_for_longer_than_its_share() {
    let (mut broker, _) = commanding();
    give(&mut broker, NewOrder { spread: TEN_MINUTES, ..order("a", "backup", 1) });
    let (share, _) = broker.next_wake().expect("it waits");
    broker.clock_set(-86_400);
    let (after, why) = broker.next_wake().expect("it waits");
    assert_eq!((after, why), (share, WakeReason::Fleet));
}

/// It is killed in every state of an order: the answer arrives, and there is one run.
#[test]
fn the_answer_goes_out_until_it_has_arrived() {
    let (mut broker, _) = commanding();
    give(&mut broker, order("a", "backup", 1));
    broker.restarts();
    let run = broker.expect_run("backup");
    assert_eq!(run.order.attempt, 2, "the same activation goes on (D7)");
    run.started(&mut broker);
    run.exits(&mut broker, 3);
    assert_eq!(answers(&broker.orders()), [("a".to_owned(), "failed")]);
    for _ in 0..2 {
        broker.restarts();
        assert_eq!(answers(&broker.orders()), [("a".to_owned(), "failed")]);
    }
    broker.tell(Input::OrderAnswered(id("a")));
    broker.tell(Input::OrderAnswered(id("a")));
    broker.tell(Input::OrderAnswered(id("unheard-of")));
    broker.restarts();
    assert_eq!(answers(&broker.orders()), []);
}

/// Who has lost what was answered gives the order again: it is answered again, after the machine's share, and not done again, over
/// restarts of the broker.
#[test]
fn an_order_that_is_over_is_answered_again_when_it_comes_again() {
    let (mut broker, _) = commanding();
    let spread = |ticket| NewOrder { spread: TEN_MINUTES, ..order("a", "backup", ticket) };
    give(&mut broker, spread(1));
    let (share, _) = broker.next_wake().expect("it waits for its time");
    broker.passes(share);
    let run = broker.expect_run("backup");
    run.started(&mut broker);
    run.exits(&mut broker, 3);
    broker.orders();
    broker.tell(Input::OrderAnswered(id("a")));
    give(&mut broker, NewOrder { reply: None, ..spread(2) });
    assert_eq!(state_of(&broker, "a"), OrderState::Over, "nobody wants to hear it");
    give(&mut broker, spread(3));
    assert_eq!(answers(&broker.orders()), [], "a fleet does not answer all at once");
    broker.restarts();
    broker.orders();
    let (again, why) = broker.next_wake().expect("it waits for its time again");
    assert_eq!((again, why), (share, WakeReason::Fleet));
    broker.passes(again);
    assert_eq!(answers(&broker.orders()), [("a".to_owned(), "failed")]);
    broker.expect_no_run();
    broker.tell(Input::OrderAnswered(id("a")));
    assert_eq!(state_of(&broker, "a"), OrderState::Over);
}

/// It was given without a wish for answers, and is given again with one: before it is known what comes of it, and after.
#[test]
fn an_order_may_be_asked_about_later() {
    let (mut broker, _) = commanding();
    for (name, asks_early) in [("early", true), ("late", false)] {
        let silent = NewOrder { reply: None, ..order(name, "backup", 1) };
        give(&mut broker, silent);
        let run = broker.expect_run("backup");
        run.started(&mut broker);
        if asks_early {
            give(&mut broker, order(name, "backup", 2));
        }
        run.exits(&mut broker, 0);
        if !asks_early {
            assert_eq!(answers(&broker.orders()), []);
            give(&mut broker, order(name, "backup", 2));
        }
        assert_eq!(answers(&broker.orders()), [(name.to_owned(), "succeeded")]);
        broker.expect_no_run();
    }
}

/// Tries that fail are no outcome yet: the last one is.
#[test]
fn a_command_that_tries_again_is_answered_once_at_the_end() {
    let mut broker = Broker::of_commands();
    let new = command("backup", Trigger::SessionStart { one_shot: false });
    broker.add(but(new, |command| command.retry.times = 1));
    give(&mut broker, order("a", "backup", 1));
    let run = broker.expect_run("backup");
    run.started(&mut broker);
    run.exits(&mut broker, 1);
    assert_eq!(answers(&broker.orders()), []);
    broker.passes(Duration::from_secs(120));
    let run = broker.expect_run("backup");
    run.started(&mut broker);
    run.exits(&mut broker, 0);
    assert_eq!(answers(&broker.orders()), [("a".to_owned(), "succeeded")]);
}

#[test]
fn what_cannot_be_done_is_answered_with_why() {
    let (mut broker, task) = commanding();
    let refused = |broker: &mut Broker, order: NewOrder| {
        let name = order.id.to_string();
        give(broker, order);
        broker.expect_no_run();
        match state_of(broker, &name) {
            OrderState::Answering { result: OrderResult::Refused(why), .. } => why.to_string(),
            state => panic!("{state:?}"),
        }
    };
    let closed = NewOrder { opened: false, ..order("closed", "backup", 1) };
    assert!(refused(&mut broker, closed).contains("not opened"));
    assert!(refused(&mut broker, order("none", "restore", 2)).contains("no such task"));
    let elsewhere = NewOrder { app: app_id(PHOTOS), ..order("elsewhere", "backup", 3) };
    assert!(refused(&mut broker, elsewhere).contains("not installed"));
    broker.pause(task, true);
    assert!(refused(&mut broker, order("paused", "backup", 4)).contains("paused"));
}

/// A task of an app runs too, unless it needs what only its trigger brings.
#[test]
fn a_task_of_an_app_runs_unless_its_trigger_carries_what_it_needs() {
    let mut broker = Broker::new();
    broker.register(on(SystemTriggerType::TimeZoneChange, "Zone"));
    give(&mut broker, NewOrder { app: app_id(PHOTOS), ..order("a", "Zone", 1) });
    let run = broker.expect_run("Zone");
    run.started(&mut broker);
    run.finishes(&mut broker, Err("no disk"));
    let answered = broker.orders();
    assert_eq!(answers(&answered), [("a".to_owned(), "failed")]);
    assert!(matches!(state_of(&broker, "a"),
        OrderState::Answering { result: OrderResult::Ran(Outcome::TaskFailed { message }), .. } if message == "no disk"));
}

/// D6: an order is a firing like any other.
#[test]
fn d6_an_order_spends_a_one_shot() {
    let mut broker = Broker::new();
    broker.register(one_shot(on(SystemTriggerType::TimeZoneChange, "Zone")));
    give(&mut broker, NewOrder { app: app_id(PHOTOS), ..order("a", "Zone", 1) });
    let run = broker.expect_run("Zone");
    run.started(&mut broker);
    run.finishes(&mut broker, Ok(()));
    assert_eq!(broker.core.registrations(None), [] as [&bgtask_core::Registration; 0]);
}

/// D1: orders that find an activation waiting are answered by it.
#[test]
fn d1_orders_that_collapse_into_one_activation_are_both_answered() {
    let (mut broker, _) = commanding();
    give(&mut broker, order("first", "backup", 1));
    let run = broker.expect_run("backup");
    give(&mut broker, order("second", "backup", 2));
    give(&mut broker, order("third", "backup", 3));
    run.started(&mut broker);
    broker.orders();
    run.exits(&mut broker, 0);
    let run = broker.expect_run("backup");
    assert_eq!(run.order.firing.count, 2);
    assert_eq!(answers(&broker.orders()), [("first".to_owned(), "succeeded")]);
    run.started(&mut broker);
    run.exits(&mut broker, 1);
    let answers: BTreeSet<_> = answers(&broker.orders()).into_iter().collect();
    assert_eq!(answers, BTreeSet::from([("second".to_owned(), "failed"), ("third".to_owned(), "failed")]));
}

#[test]
fn an_order_whose_task_is_removed_before_it_ran_is_answered() {
    let (mut broker, task) = commanding();
    broker.request(Request::SetBackground { enabled: false }).expect("switched off");
    give(&mut broker, order("a", "backup", 1));
    broker.expect_no_run();
    broker.request(Request::Unregister { scope: None, task, cancel: false }).expect("removed");
    assert_eq!(answers(&broker.orders()), [("a".to_owned(), "dropped")]);
}

/// Where nobody wants an answer none is kept.
#[test]
fn an_order_without_an_answer_is_over_with_its_run() {
    let (mut broker, _) = commanding();
    give(&mut broker, NewOrder { reply: None, ..order("a", "backup", 1) });
    let run = broker.expect_run("backup");
    run.started(&mut broker);
    run.exits(&mut broker, 0);
    assert_eq!(answers(&broker.orders()), []);
    assert_eq!(state_of(&broker, "a"), OrderState::Over);
}

/// The bound: what finds no room is not acknowledged, and taken in as soon as something is over; the oldest that is over is forgotten.
#[test]
fn what_finds_no_room_is_not_acknowledged_until_something_is_over() {
    let (mut broker, _) = commanding();
    let most = MAX_FLEET_ORDERS as u64;
    let held = |number: u64| NewOrder { spread: TEN_MINUTES, ..order(&number.to_string(), "backup", number) };
    broker.tell(Input::Ordered((0..most + 2).map(held).collect()));
    assert_eq!(acknowledged(&broker.orders()), (0..most).collect::<Vec<_>>());
    (0..10).for_each(|_| broker.passes(TEN_MINUTES / 10));
    let run = broker.expect_run("backup");
    run.started(&mut broker);
    run.exits(&mut broker, 0);
    let ended = broker.orders();
    assert_eq!(acknowledged(&ended), [], "their answers are still on their way");
    let (first, _) = answers(&ended).into_iter().next().expect("the first is answered");
    broker.tell(Input::OrderAnswered(id(&first)));
    assert_eq!(acknowledged(&broker.orders()), [most]);
    assert_eq!(broker.core.orders().count(), MAX_FLEET_ORDERS);
    assert!(broker.core.orders().all(|order| order.id != id(&first)), "it has given up its place");
    assert_eq!(broker.durable.orders.len(), MAX_FLEET_ORDERS);
}

/// A broker that is about to end takes nothing in: its server sends it again to the next one.
#[test]
fn a_broker_that_ends_leaves_orders_to_the_next() {
    let (mut broker, _) = commanding();
    give(&mut broker, NewOrder { spread: TEN_MINUTES, ..order("held", "backup", 1) });
    broker.orders();
    broker.tell(Input::Stop);
    give(&mut broker, order("late", "backup", 2));
    assert_eq!(acknowledged(&broker.orders()), []);
    broker.tell_after(TEN_MINUTES, Input::Tick);
    broker.expect_no_run();
    broker.restarts();
    broker.goes_on();
    broker.expect_run("backup");
}
