//! `--every`: again and again, from one second up.

use std::collections::BTreeSet;
use std::time::Duration;

use bgtask_core::{Cause, Config, EventKind, NewRegistration, Pace, Trigger, WakeReason};

use crate::harness::{Broker, HOUR, command, every, seconds};

fn paced(name: &str, every: Duration, accuracy: Duration, jitter: Duration) -> NewRegistration {
    command(name, Trigger::Interval { every, pace: Pace { accuracy, jitter, wake: false }, one_shot: false })
}

#[test]
fn it_fires_every_second_and_keeps_no_tick_of_apps() {
    let mut broker = Broker::of_commands();
    broker.add(command("beat", every(seconds(1))));
    for _ in 0..5 {
        broker.passes(seconds(1));
        broker.expect_run("beat").exits(&mut broker, 0);
    }
}

#[test]
fn d11_what_a_sleep_missed_is_made_up_for_once_and_the_phase_is_kept() {
    let mut broker = Broker::of_commands();
    broker.add(command("backup", every(HOUR)));
    broker.tell_after(seconds(10 * 3_600 + 60), bgtask_core::Input::Tick);
    let run = broker.expect_run("backup");
    assert_eq!(run.order.firing.count, 1);
    run.exits(&mut broker, 0);
    assert_eq!(broker.next_wake().map(|(left, _)| left), Some(seconds(3_540)));
}

#[test]
fn one_shot_it_fires_once_after_its_time() {
    let mut broker = Broker::of_commands();
    let once = Trigger::Interval { every: HOUR, pace: Pace::default(), one_shot: true };
    broker.add(command("once", once));
    broker.passes(HOUR);
    broker.expect_run("once").exits(&mut broker, 0);
    assert_eq!(broker.durable.registrations, []);
    assert_eq!(broker.next_wake(), None);
}

#[test]
fn accuracy_lets_one_wake_serve_several() {
    let mut broker = Broker::of_commands();
    for (name, minutes) in [("a", 50), ("b", 54), ("c", 58)] {
        broker.add(paced(name, seconds(minutes * 60), seconds(600), seconds(0)));
    }
    let (left, why) = broker.next_wake().expect("three timers");
    assert_eq!(left, seconds(3_600), "the first has to fire by now, and all may");
    assert!(matches!(why, WakeReason::Timer(_)));
    broker.passes(left);
    let causes: Vec<_> = broker
        .history
        .iter()
        .filter_map(|event| match event.kind {
            EventKind::Fired { cause, .. } => Some(cause),
            _ => None,
        })
        .collect();
    assert_eq!(causes, [Cause::Timer { shared: 3 }; 3]);
}

#[test]
fn a_timer_that_may_wait_goes_with_whatever_wakes_the_broker() {
    let mut broker = Broker::of_commands();
    broker.add(paced("lazy", seconds(100), seconds(60), seconds(0)));
    broker.add(command("exact", every(seconds(130))));
    broker.passes(seconds(130));
    assert_eq!(broker.ran(), ["lazy", "exact"]);
}

#[test]
fn a_timer_never_fires_before_it_is_due() {
    let mut broker = Broker::of_commands();
    broker.add(paced("lazy", seconds(100), seconds(60), seconds(0)));
    broker.add(command("exact", every(seconds(99))));
    broker.passes(seconds(99));
    assert_eq!(broker.ran(), ["exact"]);
    broker.passes(seconds(61));
    assert_eq!(broker.ran(), ["lazy"]);
}

/// When a command of that name on that machine fires first.
fn first_firing(machine: u64, name: &str) -> Duration {
    let mut broker = Broker::empty(Config { machine, ..Config::default() });
    broker.install(bgtask_core::App::of_commands());
    broker.add(paced(name, HOUR, seconds(0), HOUR));
    broker.next_wake().expect("a timer").0
}

#[test]
fn jitter_is_the_same_for_a_task_on_a_machine_and_spread_over_both() {
    assert_eq!(first_firing(1, "backup"), first_firing(1, "backup"));
    let spread = |firings: Vec<Duration>| {
        assert!(firings.iter().all(|at| (HOUR..2 * HOUR).contains(at)), "{firings:?}");
        // Ten parts of the hour, each hit by some of two hundred.
        firings.iter().map(|at| (*at - HOUR).as_secs() / 360).collect::<BTreeSet<_>>().len()
    };
    assert_eq!(spread((0..200).map(|machine| first_firing(machine, "backup")).collect()), 10);
    assert_eq!(spread((0..200).map(|number| first_firing(1, &format!("backup-{number}"))).collect()), 10);
}

#[test]
fn jitter_moves_every_firing_alike_and_survives_a_restart() {
    let mut broker = Broker::of_commands();
    broker.add(paced("backup", HOUR, seconds(0), HOUR));
    let (first, _) = broker.next_wake().expect("a timer");
    broker.passes(first);
    broker.expect_run("backup").exits(&mut broker, 0);
    assert_eq!(broker.next_wake().map(|(left, _)| left), Some(HOUR));
    broker.passes(HOUR / 2);
    broker.restarts();
    assert_eq!(broker.next_wake().map(|(left, _)| left), Some(HOUR / 2));
}

#[test]
fn a_clock_that_was_set_back_while_no_broker_ran_makes_no_interval_longer() {
    let mut broker = Broker::of_commands();
    broker.add(command("backup", every(HOUR)));
    broker.now.wall = bgtask_core::WallTime::from_micros(0);
    broker.restarts();
    broker.passes(HOUR);
    broker.expect_run("backup");
}

#[test]
fn a_clock_that_jumps_forward_fires_once() {
    let mut broker = Broker::of_commands();
    broker.add(command("backup", every(seconds(1))));
    broker.clock_set(50 * 365 * 86_400);
    broker.expect_run("backup").exits(&mut broker, 0);
    broker.expect_no_run();
    assert_eq!(broker.next_wake().map(|(left, _)| left), Some(seconds(1)));
}
