//! The core asks to be woken when time alone brings something about, and never otherwise.

use std::time::Duration;

use bgtask_core::{HostExit, Now, SystemConditionType, WakeReason, WallTime};

use crate::harness::{Broker, PHOTOS, app, seconds, zone_task, zone_task_when};

#[test]
fn a_quiet_broker_never_wakes() {
    let mut broker = Broker::new();
    assert_eq!(broker.next_wake(), None);
    broker.register(zone_task("Clock"));
    broker.register(zone_task_when("Sync", &[SystemConditionType::InternetAvailable]));
    assert_eq!(broker.next_wake(), None, "waiting for a trigger needs no clock");
    broker.install(app(PHOTOS, "2"));
    broker.attach(1, PHOTOS);
    assert_eq!(broker.next_wake(), None);
}

#[test]
fn a_latched_task_needs_no_clock() {
    let mut broker = Broker::new();
    broker.register(zone_task_when("Sync", &[SystemConditionType::InternetAvailable]));
    broker.zone_changes("Europe/Paris", 3_600);
    broker.zone_changes("Europe/London", 0);
    assert_eq!(broker.core.activations().count(), 1);
    broker.orders();
    assert_eq!(broker.next_wake(), None);
}

#[test]
fn d10_every_wake_has_its_reason() {
    let mut broker = Broker::new();
    let task = broker.register(zone_task("Clock"));
    broker.zone_changes("Europe/Paris", 3_600);
    broker.zone_changes("Europe/London", 0);
    let run = broker.expect_run("Clock");
    assert_eq!(broker.next_wake(), Some((seconds(25), WakeReason::Budget(task))), "starting counts");
    broker.passes(seconds(10));
    run.started(&mut broker);
    assert_eq!(broker.next_wake(), Some((seconds(15), WakeReason::Budget(task))), "and is not given back");
    broker.passes(seconds(15));
    assert_eq!(broker.next_wake(), Some((seconds(5), WakeReason::Grace(task))));
    broker.passes(seconds(5));
    assert_eq!(broker.next_wake(), None, "a killed host ends by itself");
    broker.exits(run.host, HostExit::Signal(9));
    assert_eq!(broker.next_wake(), None);
}

#[test]
fn a_lingering_and_a_retiring_host_have_their_time() {
    let mut broker = Broker::new();
    broker.register(zone_task("Clock"));
    broker.zone_changes("Europe/Paris", 3_600);
    broker.zone_changes("Europe/London", 0);
    let run = broker.expect_run("Clock");
    run.finishes(&mut broker, Ok(()));
    assert_eq!(broker.next_wake(), Some((seconds(30), WakeReason::Linger(run.host))));
    broker.passes(seconds(30));
    assert_eq!(broker.next_wake(), Some((seconds(5), WakeReason::Retirement(run.host))));
    broker.exits(run.host, HostExit::Code(0));
    assert_eq!(broker.next_wake(), None);
}

#[test]
fn the_earliest_of_several_is_asked_for() {
    let mut broker = Broker::new();
    let first = broker.register(zone_task("First"));
    broker.zone_changes("Europe/Paris", 3_600);
    broker.zone_changes("Europe/London", 0);
    broker.passes(seconds(3));
    broker.register(zone_task("Second"));
    broker.zone_changes("Asia/Tokyo", 32_400);
    broker.orders();
    assert_eq!(broker.next_wake(), Some((seconds(22), WakeReason::Budget(first))));
}

#[test]
fn a_step_of_the_wall_clock_moves_no_deadline() {
    let mut broker = Broker::new();
    let task = broker.register(zone_task("Clock"));
    broker.zone_changes("Europe/Paris", 3_600);
    broker.zone_changes("Europe/London", 0);
    let run = broker.expect_run("Clock");
    broker.now = Now { wall: WallTime::from_micros(-5_000_000), ..broker.now };
    run.started(&mut broker);
    assert_eq!(broker.next_wake(), Some((seconds(25), WakeReason::Budget(task))));
    assert!(broker.why(task).sentence.contains("running since 0 s ago"), "{}", broker.why(task).sentence);
}

#[test]
fn a_wake_that_came_hours_late_is_made_up_for_at_once() {
    let mut broker = Broker::new();
    broker.register(zone_task("Clock"));
    broker.zone_changes("Europe/Paris", 3_600);
    broker.zone_changes("Europe/London", 0);
    let run = broker.expect_run("Clock");
    broker.now = broker.now + Duration::from_secs(8 * 3_600);
    broker.tell(bgtask_core::Input::Tick);
    assert!(run.cancelled(&mut broker).is_some(), "the machine slept through the budget");
    broker.tell(bgtask_core::Input::Tick);
    assert_eq!(broker.orders(), [], "but the task gets its grace");
}
