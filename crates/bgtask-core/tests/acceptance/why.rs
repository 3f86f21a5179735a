//! `why` has one sentence for every registration at every moment.

use bgtask_core::SystemConditionType::{InternetAvailable, UserNotPresent};
use bgtask_core::{Config, Fact, HostExit, SourceStatus};

use crate::harness::{Broker, PHOTOS, app, seconds, zone_task, zone_task_when};

fn fires(broker: &mut Broker) {
    broker.zone_changes("Europe/Paris", 3_600);
    broker.passes(seconds(60));
    broker.zone_changes("Europe/London", 0);
}

#[test]
fn d_why_follows_a_task_through_its_life() {
    let mut broker = Broker::new();
    let task = broker.register(zone_task_when("Sync", &[InternetAvailable]));
    broker.passes(seconds(7_200));
    let mut told = Vec::new();
    let mut tell = |broker: &Broker| {
        let why = broker.why(task);
        told.push(format!("{}: {}", why.phase, why.sentence));
    };
    tell(&broker);
    fires(&mut broker);
    broker.passes(seconds(30));
    tell(&broker);
    broker.internet(false);
    broker.zone_changes("Europe/Paris", 3_600);
    tell(&broker);
    broker.internet(true);
    let run = broker.expect_run("Sync");
    broker.passes(seconds(5));
    tell(&broker);
    run.started(&mut broker);
    broker.passes(seconds(10));
    tell(&broker);
    broker.passes(seconds(12));
    tell(&broker);
    broker.passes(seconds(3));
    tell(&broker);
    broker.exits(run.host, HostExit::Signal(9));
    tell(&broker);
    let expected = [
        "idle: It waits for its trigger: TimeZoneChange has to fire; it was registered 2 h ago.",
        "latched: TimeZoneChange fired 30 s ago and it is held since 30 s ago until InternetAvailable holds (its source has not reported yet).",
        "latched: TimeZoneChange fired 2 times, first 30 s ago and it is held since 30 s ago until InternetAvailable holds.",
        "starting: It is starting; its budget ends in 20 s.",
        "running: It is running since 10 s ago; its budget ends in 10 s.",
        "cancelling: It was told to stop (ExecutionTimeExceeded) and has 3 s left before its host is killed.",
        "cancelling: It was told to stop (ExecutionTimeExceeded), did not, and its host is being killed.",
        "idle: It waits for its trigger: TimeZoneChange has to fire; it was registered 2 h ago.",
    ];
    assert_eq!(told, expected);
}

#[test]
fn d13_every_gate_that_buffers_has_its_sentence() {
    let mut broker = Broker::empty(Config { max_running: 1, ..Config::default() });
    broker.install(app(PHOTOS, "1"));
    let task = broker.register(zone_task("Clock"));
    fires(&mut broker);
    let because = |broker: &Broker, task| {
        let why = broker.why(task);
        assert_eq!((why.phase, broker.core.phase(task)), ("buffered", Some("buffered")));
        let (_, because) = why.sentence.split_once("because ").expect("it gives a reason");
        because.to_owned()
    };
    let expected = "the app has not asked for background access (BackgroundExecutionManager::request_access).";
    assert_eq!(because(&broker, task), expected);

    let mut edited = app(PHOTOS, "1");
    edited.entry_points.clear();
    broker.install(edited);
    assert_eq!(because(&broker, task), "the app's manifest no longer declares the entry point.");
    assert!(broker.story(task).ends_with(&["buffered", "buffered"]), "LC-10: a new reason is news");

    broker.install(app(PHOTOS, "1"));
    broker.allow(PHOTOS);
    broker.expect_run("Clock");
    let second = broker.register(zone_task("Second"));
    broker.zone_changes("Asia/Tokyo", 32_400);
    let expected =
        "1 task runs, as many as may at the same time: 1 of org.example.Photos; the first has to end within 30 s.";
    assert_eq!(because(&broker, second), expected);
    assert_eq!(broker.story(second), ["registered", "fired", "buffered"]);
}

#[test]
fn a_task_that_may_not_run_says_so_before_its_trigger_fires() {
    let mut broker = Broker::empty(Config::default());
    broker.install(app(PHOTOS, "1"));
    let task = broker.register(zone_task("Clock"));
    let expected = "It waits for its trigger: TimeZoneChange has to fire; it was registered 0 s ago. \
                    It may not run now: the app has not asked for background access (BackgroundExecutionManager::request_access).";
    assert_eq!(broker.why(task).sentence, expected);
    broker.allow(PHOTOS);
    assert!(!broker.why(task).sentence.contains("may not run"));
}

#[test]
fn a_restored_task_whose_app_is_gone_says_so() {
    let mut broker = Broker::empty(Config::default());
    broker.install(app(PHOTOS, "1"));
    let task = broker.register(zone_task("Clock"));
    fires(&mut broker);
    let snapshot = broker.durable.clone();
    broker.core = bgtask_core::Core::new(Config::default(), 2);
    broker.tell(bgtask_core::Input::Restore(Box::new(snapshot)));
    assert!(broker.why(task).sentence.ends_with("because the app's manifest is not installed."));
}

#[test]
fn every_gate_shows_its_live_value() {
    let mut broker = Broker::new();
    let task = broker.register(zone_task_when("Sync", &[InternetAvailable, UserNotPresent]));
    broker.internet(true);
    broker.user(true);
    broker.source(Fact::Internet, SourceStatus::Available { how: "NetworkManager".into() });
    let gates: Vec<_> = broker.why(task).gates.into_iter().map(|gate| (gate.name, gate.open, gate.value)).collect();
    let gate = |name: &str, open, value: &str| (name.to_owned(), open, value.to_owned());
    let expected = [
        gate("Manifest", true, "version 1"),
        gate("Access", true, "AllowedSubjectToSystemPolicy"),
        gate("EnergySaver", true, "false"),
        gate("InternetAvailable", true, "true"),
        gate("UserNotPresent", false, "true"),
        gate("MemoryPressure", true, "false"),
        gate("Budget", true, "0 s of the 2 min of processor time used"),
        gate("Energy", true, "0 % of normal, Low"),
        gate("Slot", true, "0 of 16 taken"),
    ];
    assert_eq!(gates, expected);
}

#[test]
fn d16_a_task_whose_source_vanished_says_that_it_cannot_run() {
    let mut broker = Broker::new();
    let task = broker.register(zone_task("Clock"));
    let missing = SourceStatus::Missing { why: "no inotify".into(), help: "raise the limit".into() };
    broker.source(Fact::TimeZone, missing);
    let expected = "It cannot run: TimeZoneChange has no working source on this machine: no inotify; raise the limit.";
    assert_eq!(broker.why(task).sentence, expected);
}
