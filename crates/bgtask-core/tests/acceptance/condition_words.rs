//! Conditions beyond Windows, by the words a person writes, as levels (`--when`) and as edges (`--on`).

use bgtask_core::limits::MAX_SOURCES;
use bgtask_core::{Condition, DayWindow, Fact, Limit, NewRegistration, Output, Refusal, Report, SourceStatus, Trigger};

use crate::harness::{Broker, HOUR, PHOTOS, command, every, seconds, when, zone_task};

fn word(word: &str) -> Condition {
    Condition::from_name(word).unwrap_or_else(|| panic!("{word} is a condition"))
}

/// Every word that stands on a fact of its own, and its fact.
fn facts() -> [(&'static str, Fact); 11] {
    [
        ("ac-power", Fact::ExternalPower),
        ("unmetered", Fact::FreeNetwork),
        ("battery-above:50", Fact::BatteryAbove(50)),
        ("idle:10min", Fact::Idle(seconds(600))),
        ("disk-free:10G", Fact::DiskFree(10 << 30)),
        ("load-below:1.5", Fact::LoadBelow(150)),
        ("between:22:00-06:00", Fact::Between(DayWindow { from: 22 * 60, to: 6 * 60 })),
        ("energy-saver", Fact::EnergySaver),
        ("memory-pressure", Fact::MemoryPressure),
        ("cpu-pressure", Fact::CpuPressure),
        ("internet", Fact::Internet),
    ]
}

/// A condition that stands on what holds everything cannot be seen to let a task go.
fn holds_everything(fact: Fact) -> bool {
    matches!(fact, Fact::EnergySaver | Fact::MemoryPressure)
}

#[test]
fn every_word_latches_until_its_fact_reads_so_and_not_is_its_opposite() {
    for (name, fact) in facts().into_iter().filter(|(_, fact)| !holds_everything(*fact)) {
        for (name, opens_at) in [(name.to_owned(), true), (format!("not:{name}"), false)] {
            let mut broker = Broker::of_commands();
            let task = broker.add(when(command("backup", every(HOUR)), &[&name]));
            assert!(broker.orders().contains(&Output::Watch(fact)), "{name}");
            broker.passes(HOUR);
            broker.expect_no_run();
            broker.reads(Report::Level(fact, !opens_at));
            broker.expect_no_run();
            let reading = broker.why(task).gates.into_iter().find(|gate| !gate.open).expect("one is closed");
            assert_eq!((reading.name, reading.value), (word(&name).word().into_owned(), (!opens_at).to_string()));
            broker.reads(Report::Level(fact, opens_at));
            broker.expect_run("backup");
        }
    }
}

#[test]
fn each_value_of_a_parameter_is_a_source_of_its_own_and_stops_with_its_last_task() {
    let mut broker = Broker::of_commands();
    let many = broker.add(when(command("a", every(HOUR)), &["battery-above:20", "not:battery-above:80"]));
    broker.add(when(command("b", every(HOUR)), &["battery-above:20"]));
    let watched: Vec<_> = broker.core.sources().map(|(fact, _)| fact).collect();
    assert!(watched.contains(&Fact::BatteryAbove(20)) && watched.contains(&Fact::BatteryAbove(80)));
    broker.request(bgtask_core::Request::Unregister { scope: None, task: many, cancel: false }).expect("it is listed");
    let orders = broker.orders();
    assert!(orders.contains(&Output::Unwatch(Fact::BatteryAbove(80))));
    assert!(!orders.contains(&Output::Unwatch(Fact::BatteryAbove(20))));
}

#[test]
fn d16_a_condition_without_a_source_is_refused_with_what_would_bring_it() {
    let mut broker = Broker::of_commands();
    broker.add(when(command("a", every(HOUR)), &["load-below:1"]));
    let (why, help) = ("no /proc/loadavg".into(), "mount proc".into());
    broker.source(Fact::LoadBelow(100), SourceStatus::Missing { why, help });
    let refusal = broker.refused(when(command("b", every(HOUR)), &["load-below:1"]));
    assert_eq!(refusal.to_string(), "the condition load-below:1 is not supported here: no /proc/loadavg; mount proc");
}

#[test]
fn the_most_sources() {
    let mut broker = Broker::of_commands();
    let fact = |number: usize| Condition::Fact { fact: Fact::DiskFree(1 + number as u64), holds: true };
    let mut number = 0;
    let refusal = loop {
        let new = command(&number.to_string(), every(HOUR));
        let conditions = (number * 16..number * 16 + 16).map(fact).collect();
        match broker.try_register(bgtask_core::App::COMMANDS, NewRegistration { conditions, ..new }) {
            Ok(_) => number += 1,
            Err(refusal) => break refusal,
        }
    };
    assert_eq!(refusal, Refusal::LimitReached(Limit::Sources));
    let watched = broker.core.sources().count();
    assert!((MAX_SOURCES - 16..=MAX_SOURCES).contains(&watched), "{watched}");
    assert!(refusal.to_string().starts_with("conditions stand on 256 different levels already"), "{refusal}");
    let known = NewRegistration { conditions: vec![fact(0)], ..command("known", every(HOUR)) };
    broker.add(known);
}

#[test]
fn what_a_level_is_derived_from_needs_room_too() {
    let mut broker = Broker::of_commands();
    broker.add(command("first", every(HOUR)));
    let room = MAX_SOURCES - 2 - broker.core.sources().count();
    for number in 0..room as u64 {
        let conditions = vec![Condition::Fact { fact: Fact::DiskFree(1 + number), holds: true }];
        broker.add(NewRegistration { conditions, ..command(&number.to_string(), every(HOUR)) });
    }
    // The cost itself, external power and the screen: energy saving and memory are watched for every task.
    let refusal = broker.refused(when(command("cost", every(HOUR)), &["cost-not-high"]));
    assert_eq!(refusal, Refusal::LimitReached(Limit::Sources));
    broker.add(when(command("power", every(HOUR)), &["ac-power"]));
    broker.add(when(command("screen", every(HOUR)), &["screen"]));
    assert_eq!(broker.core.sources().count(), MAX_SOURCES);
}

#[test]
fn a_condition_that_no_word_names_is_refused() {
    let mut broker = Broker::of_commands();
    for fact in [
        Fact::TimeZone,
        Fact::BatteryAbove(100),
        Fact::Idle(seconds(0)),
        Fact::DiskFree(0),
        Fact::Between(DayWindow { from: 60, to: 60 }),
        Fact::Between(DayWindow { from: 60, to: 1_441 }),
    ] {
        let condition = Condition::Fact { fact, holds: true };
        let level = NewRegistration { conditions: vec![condition], ..command("a", every(HOUR)) };
        let edge = command("a", Trigger::Condition { condition, one_shot: false });
        for new in [level, edge] {
            let refusal = broker.refused(new).to_string();
            assert!(refusal.ends_with("is no condition: `bgtask conditions` lists them"), "{refusal}");
        }
    }
}

#[test]
fn apps_may_require_them_too() {
    let mut broker = Broker::new();
    let new = NewRegistration { conditions: vec![word("ac-power")], ..zone_task("Sync") };
    let task = broker.try_register(PHOTOS, new).expect("it is in order");
    broker.zone_changes("Europe/Paris", 3_600);
    broker.zone_changes("Europe/London", 0);
    assert_eq!(broker.why(task).phase, "latched");
    broker.reads(Report::Level(Fact::ExternalPower, true));
    broker.expect_run("Sync");
}

/// A command that runs when the machine is plugged in.
fn plugged_in(one_shot: bool) -> NewRegistration {
    command("backup", Trigger::Condition { condition: word("ac-power"), one_shot })
}

#[test]
fn a_condition_as_a_trigger_fires_when_it_begins_to_hold_and_only_then() {
    let mut broker = Broker::of_commands();
    let power = |broker: &mut Broker, on| broker.reads(Report::Level(Fact::ExternalPower, on));
    broker.add(plugged_in(false));
    power(&mut broker, true);
    broker.expect_no_run();
    power(&mut broker, true);
    power(&mut broker, false);
    broker.expect_no_run();
    power(&mut broker, true);
    broker.expect_run("backup").exits(&mut broker, 0);
    power(&mut broker, true);
    broker.expect_no_run();
}

#[test]
fn the_first_reading_after_a_restart_is_no_edge_either() {
    let mut broker = Broker::of_commands();
    broker.add(plugged_in(false));
    broker.reads(Report::Level(Fact::ExternalPower, false));
    broker.restarts();
    broker.reads(Report::Level(Fact::ExternalPower, true));
    broker.expect_no_run();
}

#[test]
fn the_end_of_a_condition_fires_its_opposite() {
    let mut broker = Broker::of_commands();
    broker.add(command("report", Trigger::Condition { condition: word("not:between:22:00-06:00"), one_shot: false }));
    let night = Fact::Between(DayWindow { from: 22 * 60, to: 6 * 60 });
    broker.reads(Report::Level(night, true));
    broker.reads(Report::Level(night, false));
    broker.expect_run("report");
}

#[test]
fn d6_one_shot_it_fires_at_the_first_edge() {
    let mut broker = Broker::of_commands();
    broker.add(plugged_in(true));
    broker.reads(Report::Level(Fact::ExternalPower, false));
    broker.reads(Report::Level(Fact::ExternalPower, true));
    broker.expect_run("backup").exits(&mut broker, 0);
    assert_eq!(broker.durable.registrations, []);
    let watched = |fact| broker.core.sources().any(|(it, _)| it == fact);
    assert!(!watched(Fact::ExternalPower), "nobody needs to know any more");
}

#[test]
fn co_3_a_command_may_end_when_its_condition_does() {
    let mut broker = Broker::of_commands();
    let mut new = when(command("backup", every(HOUR)), &["battery-above:20"]);
    new.cancel_on_condition_loss = true;
    broker.add(new);
    broker.reads(Report::Level(Fact::BatteryAbove(20), true));
    broker.passes(HOUR);
    let run = broker.expect_run("backup");
    run.started(&mut broker);
    broker.reads(Report::Level(Fact::BatteryAbove(20), false));
    assert_eq!(run.cancelled(&mut broker), Some(bgtask_core::CancellationReason::ConditionLoss));
}
