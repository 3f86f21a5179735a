//! What fires very many at once does so in portions, and whoever waited for it is fired once, whatever happens in between.

use std::collections::BTreeMap;

use bgtask_core::limits::{MAX_EDGES, MAX_FIRED_PER_TURN, MAX_SPARED};
use bgtask_core::{
    Condition, Config, CustomSystemEventTriggerRecurrence, EventKind, Reply, Request, TaskId, Trigger, Update,
    WakeReason,
};

use crate::harness::{Broker, command, triggered};

const EVENT: &str = "org.example.burst";
const MANY: usize = MAX_FIRED_PER_TURN + 8;

fn listener(name: &str) -> bgtask_core::NewRegistration {
    let recurrence = CustomSystemEventTriggerRecurrence::Always;
    triggered(name, Trigger::CustomSystemEvent { id: EVENT.into(), recurrence })
}

/// A broker that runs one task at a time, and so many tasks that wait for the event.
fn crowd(many: usize) -> Broker {
    let mut broker = Broker::with(Config { max_running: 1, ..Config::default() });
    for number in 0..many {
        broker.register(listener(&format!("task {number}")));
    }
    broker
}

fn raise(broker: &mut Broker) -> Result<Reply, bgtask_core::Refusal> {
    broker.request(Request::Raise { by: None, event: EVENT.into() })
}

/// How often each has fired.
fn fired(broker: &Broker) -> BTreeMap<TaskId, usize> {
    let mut times = BTreeMap::new();
    for event in broker.history.iter().filter(|event| matches!(event.kind, EventKind::Fired { .. })) {
        *times.entry(event.task).or_default() += 1;
    }
    times
}

/// One of those that an edge has not come to.
fn owed(broker: &Broker) -> TaskId {
    broker.durable.edges[0].next
}

/// SYS-6: it is answered at once how many hear it, and whoever calls meanwhile does not wait for all of them.
#[test]
fn an_edge_that_concerns_many_fires_some_in_each_turn_and_all_of_them_once() {
    let mut broker = crowd(MANY);
    let heard = u32::try_from(MANY).expect("a number");
    assert_eq!(raise(&mut broker), Ok(Reply::Raised(heard)));
    assert_eq!(fired(&broker).len(), MAX_FIRED_PER_TURN);
    assert!(matches!(broker.next_wake(), Some((after, WakeReason::More)) if after.is_zero()));
    broker.goes_on();
    assert_eq!(fired(&broker).into_values().collect::<Vec<_>>(), [1; MANY]);
    assert!(broker.durable.edges.is_empty());
    assert_eq!(raise(&mut broker), Ok(Reply::Raised(heard)));
    broker.goes_on();
    assert_eq!(fired(&broker).into_values().collect::<Vec<_>>(), [2; MANY]);
}

/// D7: an edge that was accepted is not lost with the broker, and comes to nobody twice.
#[test]
fn the_rest_of_an_edge_outlives_the_broker() {
    let mut broker = crowd(2 * MAX_FIRED_PER_TURN + 8);
    raise(&mut broker).expect("raised");
    for _ in 0..2 {
        broker.restarts();
        broker.tell(bgtask_core::Input::Tick);
    }
    assert!(broker.durable.edges.is_empty());
    assert_eq!(fired(&broker).into_values().collect::<Vec<_>>(), [1; 2 * MAX_FIRED_PER_TURN + 8]);
}

#[test]
fn the_same_again_before_all_have_fired_fires_each_once_more() {
    let mut broker = crowd(MANY);
    for _ in 0..3 {
        raise(&mut broker).expect("raised");
    }
    assert_eq!(broker.durable.edges.len(), 3);
    broker.goes_on();
    assert_eq!(fired(&broker).into_values().collect::<Vec<_>>(), [3; MANY]);
}

#[test]
fn who_is_registered_after_the_edge_is_not_concerned() {
    let mut broker = crowd(MANY);
    raise(&mut broker).expect("raised");
    let late: Vec<_> = (0..50).map(|number| broker.register(listener(&format!("late {number}")))).collect();
    assert!(!broker.durable.edges[0].spared.is_empty(), "of so many ids some are greater than the next");
    broker.restarts();
    broker.goes_on();
    let fired = fired(&broker);
    assert_eq!(fired.len(), MANY);
    assert!(late.iter().all(|task| !fired.contains_key(task)));
}

/// Commands that begin with the internet, which has come, but not to all of them.
fn commands() -> Broker {
    let mut broker = Broker::of_commands();
    let condition = Condition::from_name("internet").expect("a word");
    for number in 0..MANY {
        broker.add(command(&format!("task-{number}"), Trigger::Condition { condition, one_shot: false }));
    }
    broker.internet(false);
    broker.internet(true);
    broker
}

#[test]
fn what_is_owed_to_a_command_goes_on_to_what_takes_its_place() {
    let mut broker = commands();
    let task = owed(&broker);
    let (registration, _) = broker.core.task(task).expect("a task");
    let name = registration.name.to_string();
    let trigger = registration.trigger.clone();
    let mut new = command(&name, trigger);
    new.cancel_on_condition_loss = true;
    let (new, update) = broker.edit(new);
    assert_eq!(update, Update::Replaced);
    broker.goes_on();
    assert_eq!(fired(&broker).len(), MANY, "all but the one that is gone, which fired before it went");
    assert!(broker.core.task(new).is_some_and(|(_, activation)| activation.is_some_and(|it| it.firing.count == 1)));
}

/// What came before it was switched off waits until it is switched on.
#[test]
fn who_is_paused_after_the_edge_has_fired() {
    let mut broker = commands();
    let task = owed(&broker);
    broker.pause(task, true);
    broker.goes_on();
    assert_eq!(fired(&broker).into_values().collect::<Vec<_>>(), [1; MANY]);
    assert!(broker.core.task(task).is_some_and(|(_, activation)| activation.is_some()));
}

/// What happened while it was switched off is past, though it comes to others only after it was switched on again.
#[test]
fn who_was_paused_at_the_edge_has_not_fired() {
    let mut broker = commands();
    let task = owed(&broker);
    broker.goes_on();
    broker.pause(task, true);
    broker.internet(false);
    broker.internet(true);
    broker.pause(task, false);
    broker.goes_on();
    let fired = fired(&broker);
    assert_eq!((fired[&task], fired.values().sum::<usize>()), (1, 2 * MANY - 1), "{fired:?}");
}

/// The same with an event, which nobody hears who is switched off.
#[test]
fn who_was_paused_at_an_event_has_not_fired() {
    let mut broker = Broker::of_commands();
    for number in 0..MANY {
        broker.add(command(&format!("task-{number}"), listener("").trigger));
    }
    raise(&mut broker).expect("raised");
    let task = owed(&broker);
    broker.goes_on();
    broker.pause(task, true);
    raise(&mut broker).expect("raised");
    broker.pause(task, false);
    broker.goes_on();
    let fired = fired(&broker);
    assert_eq!((fired[&task], fired.values().sum::<usize>()), (1, 2 * MANY - 1), "{fired:?}");
}

/// To switch on what is on changes nothing, as a new broker does with the command of every task file.
#[test]
fn who_is_switched_on_already_is_still_owed() {
    let mut broker = commands();
    let task = owed(&broker);
    broker.pause(task, false);
    broker.goes_on();
    assert_eq!(fired(&broker).into_values().collect::<Vec<_>>(), [1; MANY]);
}

#[test]
fn more_edges_than_are_kept_are_not_divided() {
    let mut broker = crowd(MANY);
    for _ in 0..=MAX_EDGES {
        raise(&mut broker).expect("raised");
    }
    assert_eq!(broker.durable.edges.len(), MAX_EDGES);
    assert!(broker.durable.edges.iter().all(|edge| edge.number > 1), "the first is done");
    broker.goes_on();
    assert_eq!(fired(&broker).into_values().collect::<Vec<_>>(), [MAX_EDGES + 1; MANY]);
}

#[test]
fn an_edge_after_which_too_many_come_is_not_divided() {
    const ALL: usize = 3 * MAX_FIRED_PER_TURN;
    let mut broker = crowd(ALL);
    raise(&mut broker).expect("raised");
    let (mut most, mut late) = (0, 0);
    while let Some(edge) = broker.durable.edges.first() {
        most = edge.spared.len();
        broker.register(listener(&format!("late {late}")));
        late += 1;
    }
    assert_eq!(most, MAX_SPARED);
    assert_eq!(fired(&broker).into_values().collect::<Vec<_>>(), [1; ALL], "none that came late");
}
