//! `--fresh-within`: the command must have succeeded within that time, or the breach is reported.

use std::time::Duration;

use bgtask_core::{Config, EventKind, NewRegistration, Request, WakeReason};

use crate::harness::{Broker, HOUR, but, command, every, seconds, when};

const DAY: Duration = seconds(86_400);

fn promising(name: &str, within: Duration) -> NewRegistration {
    but(command(name, every(HOUR)), |command| command.fresh_within = Some(within))
}

fn breaches(broker: &Broker) -> usize {
    broker.history.iter().filter(|event| matches!(event.kind, EventKind::Overdue { .. })).count()
}

#[test]
fn a_breach_is_reported_once_at_its_moment_and_a_success_begins_anew() {
    let mut broker = Broker::of_commands();
    let task = broker.add(when(promising("backup", 5 * HOUR / 2), &["ac-power"]));
    broker.passes(5 * HOUR / 2 - seconds(1));
    assert_eq!(breaches(&broker), 0);
    assert_eq!(broker.next_wake(), Some((seconds(1), WakeReason::Overdue(task))));
    broker.passes(seconds(1));
    broker.passes(DAY);
    assert_eq!(breaches(&broker), 1, "one breach, one report");
    broker.run_now(task);
    broker.expect_run("backup").exits(&mut broker, 0);
    broker.passes(5 * HOUR / 2 - seconds(1));
    assert_eq!(breaches(&broker), 1);
    broker.passes(seconds(1));
    assert_eq!(breaches(&broker), 2);
}

#[test]
fn a_failure_is_no_success() {
    let mut broker = Broker::of_commands();
    broker.add(promising("backup", 3 * HOUR / 2));
    broker.passes(HOUR);
    broker.expect_run("backup").exits(&mut broker, 1);
    broker.passes(HOUR / 2);
    assert_eq!(breaches(&broker), 1);
}

#[test]
fn a_breach_survives_a_restart_and_so_does_a_promise() {
    let mut broker = Broker::of_commands();
    broker.add(when(promising("backup", HOUR), &["ac-power"]));
    broker.passes(HOUR / 2);
    broker.restarts();
    broker.passes(HOUR / 2);
    assert_eq!(breaches(&broker), 1);
    broker.restarts();
    broker.passes(DAY);
    assert_eq!(breaches(&broker), 1);
}

#[test]
fn what_was_broken_while_the_machine_was_off_is_reported_when_it_is_back() {
    let mut broker = Broker::of_commands();
    broker.add(when(promising("backup", HOUR), &["ac-power"]));
    broker.now = broker.now + DAY;
    broker.restarts();
    broker.tell(bgtask_core::Input::Tick);
    assert_eq!(breaches(&broker), 1);
}

#[test]
fn what_is_paused_promises_nothing() {
    let mut broker = Broker::of_commands();
    let task = broker.add(when(promising("backup", HOUR), &["ac-power"]));
    broker.pause(task, true);
    broker.passes(DAY);
    assert_eq!(breaches(&broker), 0);
    assert_eq!(broker.next_wake(), None, "and wakes nobody");
    broker.pause(task, false);
    broker.passes(seconds(0));
    assert_eq!(breaches(&broker), 1, "resumed, it is as stale as it is");
}

#[test]
fn who_has_little_of_its_time_left_goes_before_those_that_waited_longer() {
    let mut broker = Broker::empty(Config { max_running: 1, ..Config::default() });
    broker.install(bgtask_core::App::of_commands());
    let blocker = broker.add(command("blocker", every(DAY)));
    broker.run_now(blocker);
    let blocking = broker.expect_run("blocker");
    broker.add(command("first", every(seconds(60))));
    for (name, within) in [("calm", 100 * DAY), ("soon", 2 * HOUR), ("sooner", 3 * HOUR / 2)] {
        broker.add(promising(name, within));
        broker.passes(seconds(1));
    }
    broker.passes(9 * HOUR / 8);
    broker.expect_no_run();
    blocking.exits(&mut broker, 0);
    broker.expect_run("sooner").exits(&mut broker, 0);
    let mut rest = Vec::new();
    while let Some(name) = broker.ran().pop() {
        rest.push(name);
        let host = broker.core.hosts().next().expect("it runs").id;
        broker.exits(host, bgtask_core::HostExit::Code(0));
    }
    assert_eq!(rest, ["first", "calm", "soon"], "half of its time left is not little");
}

#[test]
fn a_clock_that_is_set_back_makes_no_promise_longer() {
    let mut broker = Broker::of_commands();
    broker.add(when(promising("backup", HOUR), &["ac-power"]));
    broker.clock_set(-30 * 86_400);
    broker.passes(HOUR);
    assert_eq!(breaches(&broker), 1);
}

#[test]
fn another_promise_is_broken_anew() {
    let mut broker = Broker::of_commands();
    broker.add(when(promising("backup", HOUR), &["ac-power"]));
    broker.passes(HOUR);
    broker.edit(when(promising("backup", 2 * HOUR), &["ac-power"]));
    broker.passes(HOUR);
    assert_eq!(breaches(&broker), 2);
}

#[test]
fn a_task_that_left_promises_nothing() {
    let mut broker = Broker::of_commands();
    let task = broker.add(when(promising("backup", HOUR), &["ac-power"]));
    broker.request(Request::Unregister { scope: None, task, cancel: true }).expect("it is listed");
    assert_eq!(broker.next_wake(), None);
}
