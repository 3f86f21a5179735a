//! What background work costs the user (D14): derived from power, screen, energy saving and memory; no source of its own.

use bgtask_core::{
    BackgroundWorkCost as Cost, CancellationReason, Fact, NewRegistration, Output, Report, SystemConditionType,
    SystemTriggerType,
};

use crate::harness::{Broker, command, on, when, zone_task, zone_task_when};

/// What it is derived from: external power, the screen, the energy saver, a shortage of memory.
const OF: [Fact; 4] = [Fact::ExternalPower, Fact::Screen, Fact::EnergySaver, Fact::MemoryPressure];
const PLUGGED_IN: [bool; 4] = [true, true, false, false];
const ON_BATTERY: [bool; 4] = [false, true, false, false];
const SCREEN_OFF: [bool; 4] = [false, false, false, false];

/// A broker in which a task waits for changes of the cost, on a machine of which nothing is known.
fn watching() -> Broker {
    let mut broker = Broker::new();
    broker.first_levels = None;
    broker.register(on(SystemTriggerType::BackgroundWorkCostChange, "Look"));
    broker
}

fn read(broker: &mut Broker, levels: [bool; 4]) {
    OF.into_iter().zip(levels).for_each(|(fact, level)| broker.reads(Report::Level(fact, level)));
}

fn fires(broker: &mut Broker) {
    broker.zone_changes("Europe/Paris", 3_600);
    broker.zone_changes("Europe/London", 0);
}

fn not_high(name: &str) -> NewRegistration {
    zone_task_when(name, &[SystemConditionType::BackgroundWorkCostNotHigh])
}

/// External power, screen on, energy saved, memory short: what it costs then. The words of D14, row by row.
#[test]
fn d14_the_whole_table() {
    let table = [
        // On external power it costs nothing, whatever the screen does; a step more while memory is short.
        ([true, true, false, false], Cost::Low),
        ([true, false, false, false], Cost::Low),
        ([true, true, true, false], Cost::Low),
        ([true, false, true, false], Cost::Low),
        ([true, true, false, true], Cost::Medium),
        ([true, false, false, true], Cost::Medium),
        ([true, true, true, true], Cost::Medium),
        ([true, false, true, true], Cost::Medium),
        // On battery it costs something; much with the screen off or while energy is saved; never more than much.
        ([false, true, false, false], Cost::Medium),
        ([false, true, false, true], Cost::High),
        ([false, false, false, false], Cost::High),
        ([false, true, true, false], Cost::High),
        ([false, false, true, false], Cost::High),
        ([false, false, false, true], Cost::High),
        ([false, true, true, true], Cost::High),
        ([false, false, true, true], Cost::High),
    ];
    let mut broker = watching();
    for (levels, cost) in table {
        read(&mut broker, levels);
        assert_eq!(broker.core.work_cost(), Some(cost), "{levels:?}");
        let holds = broker.core.levels().holds(SystemConditionType::BackgroundWorkCostNotHigh);
        assert_eq!(holds, cost != Cost::High, "{levels:?}");
    }
}

/// Of every two combinations: an edge is a change of the cost, not of what it is derived from.
#[test]
fn d14_an_edge_is_a_change_of_the_cost() {
    let combinations = || (0..16).map(|bits| [bits & 1, bits & 2, bits & 4, bits & 8].map(|bit| bit != 0));
    for before in combinations() {
        for place in 0..4 {
            let mut after = before;
            after[place] = !after[place];
            let mut broker = watching();
            read(&mut broker, before);
            let was = broker.core.work_cost();
            let fired = |broker: &Broker| broker.history.iter().filter(|event| event.kind.word() == "fired").count();
            assert_eq!(fired(&broker), 0, "the first reading is no edge: {before:?}");
            broker.reads(Report::Level(OF[place], after[place]));
            let changed = broker.core.work_cost() != was;
            assert_eq!(fired(&broker), usize::from(changed), "{before:?} to {after:?}");
        }
    }
}

#[test]
fn as_long_as_one_of_them_is_not_known_there_is_no_cost() {
    for unknown in 0..4 {
        let mut broker = watching();
        for (place, fact) in OF.into_iter().enumerate().filter(|(place, _)| *place != unknown) {
            broker.reads(Report::Level(fact, PLUGGED_IN[place]));
        }
        assert_eq!(broker.core.work_cost(), None, "{} is not known", OF[unknown]);
        broker.reads(Report::Level(OF[unknown], PLUGGED_IN[unknown]));
        assert_eq!(broker.core.work_cost(), Some(Cost::Low));
        broker.expect_no_run();
    }
}

#[test]
fn nobody_cares_nothing_is_watched_and_there_is_no_cost() {
    let mut broker = Broker::new();
    broker.register(zone_task("Clock"));
    read(&mut broker, PLUGGED_IN);
    assert_eq!(broker.core.work_cost(), None);
    broker.orders();
    let task = broker.register(not_high("Sync"));
    let watch = [Fact::ExternalPower, Fact::Screen].map(Output::Watch);
    let orders = broker.orders();
    assert!(watch.iter().all(|order| orders.contains(order)), "{orders:?}");
    assert!(!orders.contains(&Output::Watch(Fact::WorkCost)), "it has no source of its own");
    read(&mut broker, PLUGGED_IN);
    assert_eq!(broker.core.work_cost(), Some(Cost::Low));
    broker.unregister(task, false).expect("it is listed");
    assert_eq!(broker.core.work_cost(), None);
    let orders = broker.orders();
    assert!(orders.contains(&Output::Unwatch(Fact::Screen)) && !orders.contains(&Output::Unwatch(Fact::WorkCost)));
}

#[test]
fn a_second_who_cares_knows_the_cost_at_once() {
    let mut broker = Broker::new();
    broker.register(not_high("First"));
    read(&mut broker, SCREEN_OFF);
    broker.register(on(SystemTriggerType::BackgroundWorkCostChange, "Look"));
    broker.expect_no_run();
    broker.reads(Report::Level(Fact::Screen, true));
    broker.expect_run("Look");
}

#[test]
fn cnd_2_a_task_waits_until_work_is_cheap_enough() {
    let mut broker = Broker::new();
    let task = broker.register(not_high("Sync"));
    fires(&mut broker);
    broker.expect_no_run();
    read(&mut broker, SCREEN_OFF);
    broker.expect_no_run();
    assert_eq!(broker.why(task).phase, "latched");
    assert!(broker.why(task).sentence.contains("BackgroundWorkCostNotHigh"), "{}", broker.why(task).sentence);
    broker.reads(Report::Level(Fact::Screen, true));
    broker.expect_run("Sync");
}

#[test]
fn co_3_what_asked_for_it_is_told_to_stop_when_work_becomes_dear() {
    let dearer = [(Fact::Screen, false), (Fact::EnergySaver, true), (Fact::MemoryPressure, true)];
    for (fact, level) in dearer {
        let mut broker = Broker::new();
        broker.register(NewRegistration { cancel_on_condition_loss: true, ..not_high("Sync") });
        read(&mut broker, ON_BATTERY);
        fires(&mut broker);
        let run = broker.expect_run("Sync");
        broker.reads(Report::Level(fact, level));
        // What saves energy and what is short of memory stop everything, and say so themselves.
        let reason = match fact {
            Fact::EnergySaver => CancellationReason::EnergySaver,
            Fact::MemoryPressure => CancellationReason::ResourceRevocation,
            _ => CancellationReason::ConditionLoss,
        };
        assert_eq!(run.cancelled(&mut broker), Some(reason), "{fact}");
    }
}

#[test]
fn what_did_not_ask_for_it_goes_on() {
    let mut broker = Broker::new();
    broker.register(not_high("Sync"));
    read(&mut broker, ON_BATTERY);
    fires(&mut broker);
    let run = broker.expect_run("Sync");
    broker.reads(Report::Level(Fact::Screen, false));
    assert_eq!(run.cancelled(&mut broker), None);
}

/// A new broker reads everything anew: neither the cost nor its change is remembered.
#[test]
fn another_cost_at_the_start_of_a_broker_is_no_change() {
    let mut broker = Broker::new();
    broker.register(on(SystemTriggerType::BackgroundWorkCostChange, "Look"));
    read(&mut broker, PLUGGED_IN);
    broker.restarts();
    read(&mut broker, SCREEN_OFF);
    broker.expect_no_run();
    broker.reads(Report::Level(Fact::Screen, true));
    broker.expect_run("Look");
}

/// A user's command may wait for dear times too, and begin with either.
#[test]
fn commands_wait_for_the_word_and_its_opposite() {
    let mut broker = Broker::of_commands();
    let begins = |word: &str| {
        let condition = bgtask_core::Condition::from_name(word).expect("a condition");
        command(word, bgtask_core::Trigger::Condition { condition, one_shot: false })
    };
    broker.add(begins("cost-not-high"));
    broker.add(begins("not:cost-not-high"));
    let sync =
        broker.add(when(command("sync", bgtask_core::Trigger::SessionStart { one_shot: false }), &["cost-not-high"]));
    read(&mut broker, ON_BATTERY);
    assert!(broker.ran().is_empty());
    broker.reads(Report::Level(Fact::Screen, false));
    assert_eq!(broker.ran(), ["not:cost-not-high"]);
    broker.reads(Report::Level(Fact::Screen, true));
    assert_eq!(broker.ran(), ["cost-not-high"]);
    assert!(broker.why(sync).gates.iter().any(|gate| gate.name == "cost-not-high" && gate.open));
}
