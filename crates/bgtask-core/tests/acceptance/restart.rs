//! The broker dies and starts again.

use bgtask_core::{Config, Fact, Outcome, Output, SystemConditionType};

use crate::harness::{Broker, one_shot, seconds, zone_task, zone_task_when};

fn running() -> (Broker, crate::harness::Run) {
    let mut broker = Broker::new();
    broker.register(zone_task("Clock"));
    broker.zone_changes("Europe/Paris", 3_600);
    broker.zone_changes("Europe/London", 0);
    let run = broker.expect_run("Clock");
    run.started(&mut broker);
    (broker, run)
}

#[test]
fn re_5_registrations_outlive_the_broker() {
    let mut broker = Broker::new();
    let task = broker.register(zone_task("Clock"));
    let before = broker.core.task(task).map(|(registration, _)| registration.clone());
    broker.restarts();
    assert_eq!(broker.core.task(task).map(|(registration, _)| registration.clone()), before);
    assert!(broker.orders().contains(&Output::Watch(Fact::TimeZone)));
}

#[test]
fn d7_what_ran_runs_again_as_the_same_instance_and_the_next_attempt() {
    let (mut broker, first) = running();
    broker.restarts();
    let second = broker.expect_run("Clock");
    assert_eq!((second.instance(), second.order.attempt), (first.instance(), 2));
    assert_eq!(broker.story(first.order.task), ["registered", "fired", "started", "interrupted", "started"]);
    second.finishes(&mut broker, Ok(()));
    assert_eq!(broker.last_outcome(), Outcome::Succeeded);
}

#[test]
fn d7_after_three_attempts_it_is_given_up_with_a_reason() {
    let (mut broker, _) = running();
    for _ in 0..2 {
        broker.restarts();
        broker.expect_run("Clock");
    }
    broker.restarts();
    broker.expect_no_run();
    assert_eq!(broker.last_outcome(), Outcome::Abandoned { attempts: 3 });
    assert_eq!(broker.durable.completions.len(), 1, "the app is told");
}

#[test]
fn what_was_told_to_stop_when_the_broker_died_has_stopped() {
    let (mut broker, run) = running();
    broker.passes(seconds(25));
    broker.restarts();
    broker.expect_no_run();
    assert_eq!(broker.last_outcome().word(), "killed");
    assert_eq!(broker.durable.completions[0].instance, run.instance());
}

#[test]
fn co_2_a_latched_firing_outlives_the_broker() {
    let mut broker = Broker::new();
    broker.register(zone_task_when("Sync", &[SystemConditionType::InternetAvailable]));
    broker.zone_changes("Europe/Paris", 3_600);
    broker.zone_changes("Europe/London", 0);
    broker.restarts();
    broker.expect_no_run();
    broker.internet(true);
    assert_eq!(broker.expect_run("Sync").order.attempt, 1, "waiting is no attempt");
}

#[test]
fn d1_a_firing_that_came_during_the_run_outlives_the_broker() {
    let (mut broker, first) = running();
    broker.zone_changes("Asia/Tokyo", 32_400);
    broker.restarts();
    let again = broker.expect_run("Clock");
    assert_eq!(again.instance(), first.instance());
    again.finishes(&mut broker, Ok(()));
    assert_ne!(broker.expect_run("Clock").instance(), first.instance());
}

#[test]
fn d6_a_spent_one_shot_is_tried_again_and_then_leaves() {
    let mut broker = Broker::new();
    broker.register(one_shot(zone_task("Once")));
    broker.zone_changes("Europe/Paris", 3_600);
    broker.zone_changes("Europe/London", 0);
    broker.restarts();
    broker.expect_run("Once").finishes(&mut broker, Ok(()));
    assert!(broker.durable.registrations.is_empty());
}

#[test]
fn sys_3_a_zone_that_changed_while_the_broker_was_away_is_noticed() {
    let mut broker = Broker::new();
    broker.register(zone_task("Clock"));
    broker.zone_changes("Europe/Paris", 3_600);
    broker.restarts();
    broker.zone_changes("Europe/London", 0);
    broker.expect_run("Clock");
}

#[test]
fn sys_3_the_same_zone_or_the_same_time_after_a_restart_fires_nothing() {
    for (zone, offset) in [("Europe/Paris", 3_600), ("Europe/Berlin", 3_600), ("Europe/Paris", 7_200)] {
        let mut broker = Broker::new();
        broker.register(zone_task("Clock"));
        broker.zone_changes("Europe/Paris", 3_600);
        broker.restarts();
        broker.zone_changes(zone, offset);
        broker.expect_no_run();
    }
}

#[test]
fn an_unfinished_start_is_undone_completely() {
    let mut broker = Broker::with(Config { max_attempts: 1, ..Config::default() });
    broker.register(zone_task("Clock"));
    broker.zone_changes("Europe/Paris", 3_600);
    broker.zone_changes("Europe/London", 0);
    broker.restarts();
    assert_eq!(broker.last_outcome(), Outcome::Abandoned { attempts: 1 });
    assert!(broker.durable.activations.is_empty());
    assert_eq!((broker.core.hosts().count(), broker.next_wake()), (0, None));
}

#[test]
fn a_row_without_its_registration_is_dropped() {
    let (mut broker, run) = running();
    broker.durable.registrations.clear();
    broker.restarts();
    assert!(broker.durable.activations.is_empty());
    assert!(broker.core.task(run.order.task).is_none());
    broker.expect_no_run();
}
