//! Levels that hold a firing back, and that end a run when they are lost.

use bgtask_core::SystemConditionType::{InternetAvailable, InternetNotAvailable, UserNotPresent, UserPresent};
use bgtask_core::{CancellationReason, Outcome};

use crate::harness::{Broker, Run, seconds, zone_task_when};

fn fires(broker: &mut Broker) {
    broker.zone_changes("Europe/Paris", 3_600);
    broker.zone_changes("Europe/London", 0);
}

fn running(cancel_on_condition_loss: bool) -> (Broker, Run) {
    let mut broker = Broker::new();
    let new = zone_task_when("Sync", &[InternetAvailable, UserPresent]);
    broker.register(bgtask_core::NewRegistration { cancel_on_condition_loss, ..new });
    broker.internet(true);
    broker.user(true);
    fires(&mut broker);
    let run = broker.expect_run("Sync");
    run.started(&mut broker);
    (broker, run)
}

#[test]
fn co_1_cnd_1_every_condition_must_hold() {
    let mut broker = Broker::new();
    broker.register(zone_task_when("Sync", &[InternetAvailable, UserPresent]));
    broker.internet(false);
    broker.user(false);
    fires(&mut broker);
    broker.internet(true);
    broker.expect_no_run();
    broker.user(true);
    broker.expect_run("Sync");
}

#[test]
fn co_1_conditions_that_exclude_each_other_are_accepted_and_never_run() {
    let mut broker = Broker::new();
    let task = broker.register(zone_task_when("Never", &[InternetAvailable, InternetNotAvailable]));
    broker.internet(true);
    fires(&mut broker);
    broker.internet(false);
    broker.internet(true);
    broker.expect_no_run();
    assert_eq!(broker.why(task).phase, "latched");
}

#[test]
fn co_2_cnd_2_a_firing_is_held_until_its_condition_holds_and_never_dropped() {
    let mut broker = Broker::new();
    let task = broker.register(zone_task_when("Sync", &[InternetAvailable]));
    broker.internet(false);
    fires(&mut broker);
    broker.passes(seconds(30 * 86_400));
    broker.expect_no_run();
    broker.internet(true);
    broker.expect_run("Sync").finishes(&mut broker, Ok(()));
    assert_eq!(broker.story(task), ["registered", "fired", "latched", "started", "completed"]);
}

#[test]
fn co_2_an_unknown_level_does_not_hold() {
    let mut broker = Broker::new();
    broker.register(zone_task_when("Offline", &[InternetNotAvailable]));
    fires(&mut broker);
    broker.expect_no_run();
    broker.internet(false);
    broker.expect_run("Offline");
}

#[test]
fn co_3_cnd_6_losing_one_condition_cancels_who_asked_for_it() {
    let (mut broker, run) = running(true);
    broker.user(false);
    assert_eq!(run.cancelled(&mut broker), Some(CancellationReason::ConditionLoss));
    broker.internet(false);
    assert_eq!(run.cancelled(&mut broker), None, "it is told once");
    run.finishes(&mut broker, Ok(()));
    let reason = CancellationReason::ConditionLoss;
    assert_eq!(broker.last_outcome(), Outcome::Cancelled { reason, message: None });
}

#[test]
fn cnd_6_without_the_flag_a_lost_condition_changes_nothing() {
    let (mut broker, run) = running(false);
    broker.internet(false);
    broker.user(false);
    assert_eq!(run.cancelled(&mut broker), None);
    run.finishes(&mut broker, Ok(()));
    assert_eq!(broker.last_outcome(), Outcome::Succeeded);
}

#[test]
fn co_3_a_cancelled_run_is_not_repeated_when_the_condition_returns() {
    let (mut broker, run) = running(true);
    broker.internet(false);
    run.finishes(&mut broker, Err("interrupted"));
    broker.internet(true);
    broker.expect_no_run();
}

#[test]
fn a_condition_lost_before_the_host_has_begun_cancels_as_well() {
    let mut broker = Broker::new();
    let new = zone_task_when("Sync", &[InternetAvailable]);
    broker.register(bgtask_core::NewRegistration { cancel_on_condition_loss: true, ..new });
    broker.internet(true);
    fires(&mut broker);
    let run = broker.expect_run("Sync");
    broker.internet(false);
    assert_eq!(run.cancelled(&mut broker), Some(CancellationReason::ConditionLoss));
}

#[test]
fn cnd_3_a_task_for_when_the_user_is_away_waits_until_the_user_leaves() {
    let mut broker = Broker::new();
    broker.register(zone_task_when("Tidy", &[UserNotPresent]));
    broker.user(true);
    fires(&mut broker);
    broker.expect_no_run();
    broker.user(false);
    broker.expect_run("Tidy");
}
