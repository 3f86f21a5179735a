//! From an edge to a run.

use bgtask_core::{Entry, EventKind, Outcome, SystemTriggerType};

use crate::harness::{Broker, MAIL, app, on, one_shot, seconds, zone_task};

#[test]
fn lc_1_lc_2_a_trigger_fires_and_the_entry_point_is_called() {
    let mut broker = Broker::new();
    let task = broker.register(zone_task("Clock"));
    broker.zone_changes("Europe/Paris", 3_600);
    broker.expect_no_run();

    broker.zone_changes("Europe/London", 0);
    let run = broker.expect_run("Clock");
    assert_eq!(run.order.task, task);
    assert_eq!(run.order.entry, Entry::Component("Tasks.Example".into()));
    assert_eq!((run.order.attempt, run.order.firing.count), (1, 1));
}

#[test]
fn lc_3_it_is_complete_when_its_host_says_so_and_not_before() {
    let mut broker = Broker::new();
    let task = broker.register(zone_task("Clock"));
    broker.zone_changes("Europe/Paris", 3_600);
    broker.zone_changes("Europe/London", 0);
    let run = broker.expect_run("Clock");
    run.started(&mut broker);
    broker.passes(seconds(20));
    assert_eq!(broker.story(task), ["registered", "fired", "started"]);

    run.finishes(&mut broker, Ok(()));
    assert_eq!(broker.story(task), ["registered", "fired", "started", "completed"]);
    assert_eq!(broker.last_outcome(), Outcome::Succeeded);
}

#[test]
fn lc_7_d1_firings_during_a_run_collapse_into_one_run_after_it() {
    let mut broker = Broker::new();
    let task = broker.register(zone_task("Clock"));
    broker.zone_changes("Europe/Paris", 3_600);
    broker.zone_changes("Europe/London", 0);
    let first = broker.expect_run("Clock");
    for (zone, offset) in [("America/New_York", -18_000), ("Asia/Tokyo", 32_400), ("Europe/Paris", 3_600)] {
        broker.zone_changes(zone, offset);
    }
    broker.expect_no_run();

    first.finishes(&mut broker, Ok(()));
    let second = broker.expect_run("Clock");
    assert_ne!(second.instance(), first.instance(), "every activation has its own id (RUN-2)");
    assert_eq!(second.order.firing.count, 3);
    second.finishes(&mut broker, Ok(()));
    broker.expect_no_run();
    let fired = ["registered", "fired", "started", "fired", "buffered", "fired", "fired"];
    assert_eq!(broker.story(task), [&fired[..], &["completed", "started", "completed"]].concat());
}

#[test]
fn d1_firings_while_latched_collapse_into_one_activation() {
    let mut broker = Broker::empty(Default::default());
    broker.install(app(crate::harness::PHOTOS, "1"));
    broker.register(zone_task("Clock"));
    broker.zone_changes("Europe/Paris", 3_600);
    for (zone, offset) in [("Europe/London", 0), ("Asia/Tokyo", 32_400)] {
        broker.passes(seconds(60));
        broker.zone_changes(zone, offset);
    }
    broker.allow(crate::harness::PHOTOS);
    let run = broker.expect_run("Clock");
    assert_eq!(run.order.firing.count, 2);
    let fired_at: Vec<_> = broker
        .history
        .iter()
        .filter(|event| matches!(event.kind, EventKind::Fired { .. }))
        .map(|event| event.at)
        .collect();
    assert_eq!(run.order.firing.at, fired_at[0], "the details tell of the first of them");
}

#[test]
fn sys_1_d6_a_one_shot_is_spent_by_its_first_firing_and_leaves_when_it_ends() {
    let mut broker = Broker::new();
    let task = broker.register(one_shot(zone_task("Once")));
    broker.zone_changes("Europe/Paris", 3_600);
    broker.zone_changes("Europe/London", 0);
    let run = broker.expect_run("Once");
    assert_eq!(broker.core.registrations(None).len(), 1, "it is listed until it ends");
    broker.zone_changes("Europe/Paris", 3_600);

    run.finishes(&mut broker, Ok(()));
    assert!(broker.core.registrations(None).is_empty());
    assert!(broker.durable.registrations.is_empty() && broker.durable.activations.is_empty());
    broker.expect_no_run();
    assert_eq!(broker.story(task), ["registered", "fired", "started", "completed"], "the second change found it spent");
}

#[test]
fn d2_different_registrations_run_side_by_side() {
    let mut broker = Broker::new();
    broker.register(zone_task("First"));
    broker.register(zone_task("Second"));
    broker.zone_changes("Europe/Paris", 3_600);
    broker.zone_changes("Europe/London", 0);
    let (first, second) = (broker.expect_run("First"), broker.expect_run("Second"));
    assert_ne!(first.host, second.host, "a host has one instance at a time");
}

#[test]
fn d2_slots_are_shared_fairly_between_apps() {
    let mut broker = Broker::with(bgtask_core::Config { max_running: 2, ..Default::default() });
    broker.install(app(MAIL, "1"));
    broker.allow(MAIL);
    for name in ["Photos 1", "Photos 2", "Photos 3"] {
        broker.register(zone_task(name));
    }
    broker.try_register(MAIL, zone_task("Mail")).expect("in order");
    broker.zone_changes("Europe/Paris", 3_600);
    broker.zone_changes("Europe/London", 0);
    let mail = broker.expect_run("Mail");
    let runs: Vec<_> = broker.orders().into_iter().filter(|it| matches!(it, bgtask_core::Output::Run(..))).collect();
    assert_eq!(runs.len(), 1, "one slot for each app: {runs:?}");

    mail.finishes(&mut broker, Ok(()));
    assert!(broker.orders().iter().any(|it| matches!(it, bgtask_core::Output::Run(..))), "a free slot is used");
}

#[test]
fn sys_3_only_a_zone_that_moves_the_wall_clock_fires() {
    let mut broker = Broker::new();
    broker.register(zone_task("Clock"));
    broker.zone_changes("Europe/Paris", 3_600);
    broker.zone_changes("Europe/Berlin", 3_600);
    broker.zone_changes("Europe/Berlin", 3_600);
    broker.expect_no_run();
    broker.zone_changes("Europe/London", 0);
    broker.expect_run("Clock");
}

#[test]
fn levels_fire_when_they_change_and_not_when_they_are_first_read_or_repeated() {
    for (kind, report) in [
        (SystemTriggerType::InternetAvailable, Broker::internet as fn(&mut Broker, bool)),
        (SystemTriggerType::UserPresent, Broker::user),
    ] {
        let mut broker = Broker::new();
        broker.register(on(kind, "Edge"));
        report(&mut broker, true);
        report(&mut broker, true);
        report(&mut broker, false);
        broker.expect_no_run();
        report(&mut broker, true);
        broker.expect_run("Edge");
    }
}

#[test]
fn the_user_going_away_is_an_edge_of_its_own() {
    let mut broker = Broker::new();
    broker.register(on(SystemTriggerType::UserAway, "Away"));
    broker.user(true);
    broker.expect_no_run();
    broker.user(false);
    broker.expect_run("Away");
}
