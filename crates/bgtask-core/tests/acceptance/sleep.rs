//! The sleep of the machine: what keeps it awake (NW-1, D15) and what wakes it.

use bgtask_core::{
    Config, Fact, HostExit, NewRegistration, Output, Pace, Refusal, Report, Request, SourceStatus, TaskId, Trigger,
};

use crate::harness::{Broker, HOUR, Run, command, every, seconds, zone_task};

/// An order to keep the machine awake, or not to any more.
#[derive(Debug, PartialEq)]
enum Sleep {
    Kept(bgtask_core::InstanceId),
    Allowed(bgtask_core::InstanceId),
}

fn said_of_sleep(broker: &mut Broker) -> Vec<Sleep> {
    let of_sleep = broker.orders().into_iter().filter_map(|order| match order {
        Output::Inhibit(instance) => Some(Sleep::Kept(instance)),
        Output::Uninhibit(instance) => Some(Sleep::Allowed(instance)),
        _ => None,
    });
    of_sleep.collect()
}

/// A task that asks for the network runs.
fn running() -> (Broker, Run) {
    let mut broker = Broker::new();
    broker.register(NewRegistration { is_network_requested: true, ..zone_task("Sync") });
    fires(&mut broker);
    let run = broker.expect_run("Sync");
    (broker, run)
}

fn fires(broker: &mut Broker) {
    broker.zone_changes("Europe/Paris", 3_600);
    broker.zone_changes("Europe/London", 0);
}

#[test]
fn nw_1_d15_the_machine_is_kept_awake_while_a_task_runs_that_asks_for_the_network() {
    let (mut broker, run) = running();
    assert_eq!(said_of_sleep(&mut broker), [Sleep::Kept(run.instance())]);
    run.started(&mut broker);
    assert_eq!(said_of_sleep(&mut broker), []);
    run.finishes(&mut broker, Ok(()));
    assert_eq!(said_of_sleep(&mut broker), [Sleep::Allowed(run.instance())]);
}

#[test]
fn d15_it_may_sleep_again_when_the_host_dies_whatever_it_was_doing() {
    let (mut broker, run) = running();
    broker.exits(run.host, HostExit::Signal(9));
    assert_eq!(said_of_sleep(&mut broker), [Sleep::Kept(run.instance()), Sleep::Allowed(run.instance())]);
    let (mut broker, run) = running();
    broker.passes(seconds(25));
    broker.passes(seconds(5));
    broker.exits(run.host, HostExit::Signal(9));
    let said = said_of_sleep(&mut broker);
    assert_eq!(said, [Sleep::Kept(run.instance()), Sleep::Allowed(run.instance())], "it was killed at its budget");
}

#[test]
fn d15_a_host_that_dies_before_it_hears_of_its_task_gives_the_lock_back_and_the_next_takes_one() {
    let (mut broker, run) = running();
    run.finishes(&mut broker, Ok(()));
    broker.orders();
    fires(&mut broker);
    let second = broker.expect_run("Sync");
    assert_eq!(second.host, run.host, "it is warm");
    broker.exits(second.host, HostExit::Code(0));
    let again = [Sleep::Kept(second.instance()), Sleep::Allowed(second.instance()), Sleep::Kept(second.instance())];
    assert_eq!(said_of_sleep(&mut broker), again);
}

#[test]
fn d15_who_does_not_ask_for_the_network_keeps_nothing_awake() {
    let mut broker = Broker::new();
    broker.register(zone_task("Clock"));
    fires(&mut broker);
    broker.expect_run("Clock").finishes(&mut broker, Ok(()));
    assert_eq!(said_of_sleep(&mut broker), []);
}

#[test]
fn d15_into_a_sleep_only_what_asks_for_the_network_is_started() {
    let mut broker = Broker::new();
    let clock = broker.register(zone_task("Clock"));
    broker.register(NewRegistration { is_network_requested: true, ..zone_task("Sync") });
    broker.reads(Report::Level(Fact::Standby, true));
    fires(&mut broker);
    broker.expect_run("Sync").finishes(&mut broker, Ok(()));
    broker.expect_no_run();
    let why = broker.why(clock);
    assert!(why.sentence.ends_with("because the machine is going to sleep (since 0 s ago)."), "{}", why.sentence);
    assert_eq!(why.remedy.as_deref(), Some("wait until the machine is awake again"));
    let reading = why.gates.iter().find(|gate| gate.name == "Standby").expect("it is closed");
    assert!(!reading.open);
    broker.reads(Report::Level(Fact::Standby, false));
    broker.expect_run("Clock").finishes(&mut broker, Ok(()));
    assert!(!broker.why(clock).gates.iter().any(|gate| gate.name == "Standby"));
}

#[test]
fn d15_what_runs_when_the_machine_goes_to_sleep_runs_on() {
    let mut broker = Broker::new();
    broker.register(zone_task("Clock"));
    fires(&mut broker);
    let run = broker.expect_run("Clock");
    broker.reads(Report::Level(Fact::Standby, true));
    assert_eq!(run.cancelled(&mut broker), None);
}

#[test]
fn d15_a_machine_that_says_nothing_of_its_sleep_holds_nothing() {
    let mut broker = Broker::new();
    broker.register(zone_task("Clock"));
    let (why, help) = ("there is no logind".into(), "start it".into());
    broker.source(Fact::Standby, SourceStatus::Missing { why, help });
    fires(&mut broker);
    broker.expect_run("Clock");
}

#[test]
fn what_the_user_starts_by_hand_starts_whatever_the_machine_is_about_to_do() {
    let mut broker = may_wake(false);
    let task = broker.add(command("backup", every(HOUR)));
    broker.reads(Report::Level(Fact::Standby, true));
    broker.request(Request::RunNow { task, respect_conditions: false }).expect("it is a command");
    broker.expect_run("backup");
}

fn may_wake(may_wake: bool) -> Broker {
    let mut broker = Broker::empty(Config { may_wake, ..Config::default() });
    broker.install(bgtask_core::App::of_commands());
    broker
}

fn waking(name: &str, hours: u32) -> NewRegistration {
    let pace = Pace { wake: true, accuracy: seconds(600), ..Pace::default() };
    command(name, Trigger::Interval { every: hours * HOUR, pace, one_shot: false })
}

/// In how long the machine is to be woken, as was said last; `None` where nothing was said.
fn roused(broker: &mut Broker) -> Option<Option<std::time::Duration>> {
    let now = broker.now.boot;
    let said = broker.orders().into_iter().filter_map(|order| match order {
        Output::Rouse(at) => Some(at.map(|at| at.since(now))),
        _ => None,
    });
    said.last()
}

#[test]
fn the_machine_is_woken_for_the_first_that_may_wake_it_at_the_latest_moment_it_may_run() {
    let mut broker = may_wake(true);
    broker.add(command("sleeper", every(HOUR)));
    assert_eq!(roused(&mut broker), None, "this one waits until the machine wakes by itself");
    broker.add(waking("later", 5));
    assert_eq!(roused(&mut broker), Some(Some(5 * HOUR + seconds(600))));
    let first = broker.add(waking("first", 2));
    assert_eq!(roused(&mut broker), Some(Some(2 * HOUR + seconds(600))));
    broker.pause(first, true);
    assert_eq!(roused(&mut broker), Some(Some(5 * HOUR + seconds(600))));
    broker.pause(first, false);
    broker.orders();
    broker.passes(2 * HOUR + seconds(600));
    assert_eq!(roused(&mut broker), Some(Some(2 * HOUR)), "its phase is kept");
}

#[test]
fn a_rouse_follows_a_clock_that_is_set_and_is_said_anew_by_another_broker() {
    let mut broker = may_wake(true);
    let task: TaskId = broker.add(waking("backup", 5));
    broker.orders();
    broker.clock_set(3_600);
    assert_eq!(roused(&mut broker), Some(Some(4 * HOUR + seconds(600))));
    broker.restarts();
    assert_eq!(roused(&mut broker), Some(Some(4 * HOUR + seconds(600))));
    let unregister = bgtask_core::Request::Unregister { scope: None, task, cancel: false };
    broker.request(unregister).expect("it is listed");
    assert_eq!(roused(&mut broker), Some(None), "nobody needs to be woken for");
}

#[test]
fn d16_where_the_machine_may_not_be_woken_that_is_said_when_it_is_asked_for() {
    let mut broker = may_wake(false);
    let refusal = broker.refused(waking("backup", 5));
    assert!(matches!(refusal, Refusal::NotSupported { .. }));
    assert!(refusal.to_string().contains("may_wake = true"), "{refusal}");
    let mut allowed = may_wake(true);
    allowed.add(waking("backup", 5));
    allowed.orders();
    allowed.config.may_wake = false;
    allowed.restarts();
    assert_eq!(roused(&mut allowed), None, "what was registered before fires when the machine wakes by itself");
    assert_eq!(allowed.next_wake().map(|(left, _)| left), Some(5 * HOUR + seconds(600)));
}
