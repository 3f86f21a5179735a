//! Failed commands are tried again, after pauses that double (`--retry`, `--backoff`).

use std::time::Duration;

use bgtask_core::limits::MAX_BACKOFF;
use bgtask_core::{HostExit, NewRegistration, Outcome, Request, Retry};

use crate::harness::{Broker, HOUR, but, command, every, seconds};

fn flaky(times: u32, backoff: Duration) -> NewRegistration {
    but(command("flaky", every(300 * 24 * HOUR)), |command| command.retry = Retry { times, backoff })
}

/// A broker in which the command runs for the first time.
fn broker(times: u32, backoff: Duration) -> (Broker, bgtask_core::TaskId) {
    let mut broker = Broker::of_commands();
    let task = broker.add(flaky(times, backoff));
    broker.run_now(task);
    (broker, task)
}

/// Fails the command until it is tried no more; answers the pauses before each further try.
fn pauses(broker: &mut Broker, most: usize) -> Vec<Duration> {
    let mut pauses = Vec::new();
    while pauses.len() < most {
        broker.expect_run("flaky").exits(broker, 1);
        let Some((pause, bgtask_core::WakeReason::Retry(_))) = broker.next_wake() else { break };
        pauses.push(pause);
        broker.passes(pause);
    }
    pauses
}

#[test]
fn it_is_tried_again_so_often_after_pauses_that_double() {
    let (mut broker, task) = broker(3, seconds(30));
    assert_eq!(pauses(&mut broker, 9), [seconds(30), seconds(60), seconds(120)]);
    assert!(matches!(broker.last_outcome(), Outcome::CommandFailed { exit: HostExit::Code(1), .. }));
    let tries = ["started", "retrying"].repeat(3);
    let expected = [&["registered", "fired"], tries.as_slice(), &["started", "completed"]].concat();
    assert_eq!(broker.story(task), expected);
}

#[test]
fn a_pause_stops_doubling_at_its_bound_unless_the_first_is_longer() {
    let (mut broker, _) = broker(1_000, HOUR);
    let longest = MAX_BACKOFF;
    assert_eq!(pauses(&mut broker, 6), [HOUR, 2 * HOUR, 4 * HOUR, longest, longest, longest]);
    let (mut broker, _) = self::broker(1_000, 20 * HOUR);
    assert_eq!(pauses(&mut broker, 2), [20 * HOUR, 20 * HOUR]);
}

#[test]
fn one_activation_has_one_instance_whose_attempts_are_counted() {
    let (mut broker, _) = broker(2, seconds(30));
    let first = broker.expect_run("flaky");
    first.exits(&mut broker, 1);
    broker.passes(seconds(30));
    let second = broker.expect_run("flaky");
    assert_eq!((first.order.attempt, second.order.attempt), (1, 2));
    assert_eq!(first.instance(), second.instance());
    second.exits(&mut broker, 0);
    assert_eq!(broker.last_outcome(), Outcome::Succeeded);
    assert_eq!(broker.durable.activations, []);
}

#[test]
fn without_retry_the_first_failure_is_the_outcome() {
    let (mut broker, _) = broker(0, seconds(30));
    broker.expect_run("flaky").exits(&mut broker, 1);
    assert_eq!(broker.last_outcome().word(), "failed");
}

#[test]
fn a_try_that_took_too_long_is_repeated_and_one_that_the_user_ended_is_not() {
    let (mut broker, task) = broker(5, seconds(30));
    broker.expect_run("flaky");
    broker.passes(seconds(86_400));
    let host = broker.core.hosts().next().expect("it runs").id;
    broker.exits(host, HostExit::Signal(15));
    assert_eq!(broker.story(task).last(), Some(&"retrying"));
    broker.passes(seconds(30));
    let run = broker.expect_run("flaky");
    broker.request(Request::Cancel(task)).expect("it runs");
    broker.exits(run.host, HostExit::Signal(15));
    assert_eq!(broker.last_outcome().word(), "cancelled");
    broker.passes(seconds(300));
    broker.expect_no_run();
}

#[test]
fn cancelling_gives_up_the_tries_that_are_to_come() {
    let (mut broker, task) = broker(5, seconds(30));
    broker.expect_run("flaky").exits(&mut broker, 1);
    assert_eq!(broker.request(Request::Cancel(task)), Ok(bgtask_core::Reply::Terminated(1)));
    broker.passes(seconds(3_600));
    broker.expect_no_run();
}

#[test]
fn a_pause_between_tries_survives_a_restart_of_the_broker() {
    let (mut broker, _) = broker(3, seconds(60));
    broker.expect_run("flaky").exits(&mut broker, 1);
    broker.passes(seconds(20));
    broker.restarts();
    broker.expect_no_run();
    assert_eq!(broker.next_wake().map(|(left, _)| left), Some(seconds(40)));
    broker.passes(seconds(40));
    assert_eq!(broker.expect_run("flaky").order.attempt, 2);
}

#[test]
fn the_pause_of_the_first_holds_though_another_waits_behind_it_and_a_broker_restarts() {
    let mut broker = Broker::of_commands();
    let task = broker.add(flaky(3, seconds(3_600)));
    broker.run_now(task);
    let first = broker.expect_run("flaky");
    broker.run_now(task);
    first.exits(&mut broker, 1);
    broker.expect_no_run();
    broker.restarts();
    broker.passes(seconds(3_599));
    broker.expect_no_run();
    broker.passes(seconds(1));
    broker.expect_run("flaky").exits(&mut broker, 0);
    assert_eq!(broker.expect_run("flaky").order.attempt, 1, "and then the other goes");
}

#[test]
fn d7_tries_in_which_the_broker_died_are_counted_apart_from_those_that_failed() {
    let (mut broker, _) = broker(9, seconds(60));
    for _ in 0..4 {
        broker.expect_run("flaky").exits(&mut broker, 1);
        broker.passes(seconds(3_600));
    }
    assert_eq!(broker.expect_run("flaky").order.attempt, 5, "four have failed");
    for attempt in [6, 7] {
        broker.restarts();
        assert_eq!(broker.expect_run("flaky").order.attempt, attempt);
    }
    broker.restarts();
    broker.expect_no_run();
    assert_eq!(broker.last_outcome(), Outcome::Abandoned { attempts: 3 });
    let last = broker.durable.registrations[0].last.expect("it has run");
    assert!(!last.ok, "and that is how its last run ended");
}

#[test]
fn a_try_that_was_being_killed_when_the_broker_died_is_repeated_too() {
    let (mut broker, _) = broker(1, seconds(60));
    broker.expect_run("flaky");
    broker.passes(seconds(86_400));
    broker.restarts();
    broker.expect_no_run();
    broker.passes(seconds(60));
    assert_eq!(broker.expect_run("flaky").order.attempt, 2);
}

#[test]
fn a_clock_that_is_set_back_makes_no_pause_longer() {
    let (mut broker, _) = broker(1, seconds(60));
    broker.expect_run("flaky").exits(&mut broker, 1);
    broker.clock_set(-86_400);
    broker.passes(seconds(60));
    broker.expect_run("flaky");
}

#[test]
fn what_fires_during_a_pause_is_held_with_the_try_that_is_to_come() {
    let mut broker = Broker::of_commands();
    let retry = Retry { times: 1, backoff: seconds(300) };
    broker.add(but(command("flaky", every(seconds(60))), |command| command.retry = retry));
    broker.passes(seconds(60));
    broker.expect_run("flaky").exits(&mut broker, 1);
    broker.passes(seconds(300));
    let again = broker.expect_run("flaky");
    assert_eq!((again.order.attempt, again.order.firing.count), (2, 6));
}
