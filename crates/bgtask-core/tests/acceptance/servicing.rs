//! Install, update, uninstall (RE-6, RE-8, LC-11, LC-12, §16.3).

use bgtask_core::{CancellationReason, EntryPoint, EventKind, SystemTriggerType, TaskType, Unregistration};

use crate::harness::{Broker, MAIL, PHOTOS, Run, app, on, program, zone_task};

fn fire(broker: &mut Broker) -> Run {
    broker.zone_changes("Europe/Paris", 3_600);
    broker.zone_changes("Europe/London", 0);
    broker.expect_run("Clock")
}

fn with_servicing_task() -> Broker {
    let mut broker = Broker::new();
    broker.register(on(SystemTriggerType::ServicingComplete, "Serviced"));
    broker
}

#[test]
fn s16_3_an_update_fires_servicing_complete_once() {
    let mut broker = with_servicing_task();
    broker.install(app(PHOTOS, "2"));
    let run = broker.expect_run("Serviced");
    run.finishes(&mut broker, Ok(()));
    broker.expect_no_run();
    broker.restarts();
    broker.expect_no_run();
}

#[test]
fn s16_3_the_same_version_again_is_nothing_and_a_first_install_is_no_update() {
    let mut broker = with_servicing_task();
    broker.install(app(PHOTOS, "1"));
    broker.install(app(MAIL, "1"));
    broker.expect_no_run();
}

#[test]
fn re_6_an_update_while_the_broker_was_down_is_noticed_once() {
    let mut broker = with_servicing_task();
    broker.replace_while_down(app(PHOTOS, "2"));
    broker.restarts();
    broker.expect_run("Serviced").finishes(&mut broker, Ok(()));
    broker.restarts();
    broker.expect_no_run();
}

#[test]
fn re_6_servicing_complete_waits_until_the_old_version_has_ended_and_firings_are_buffered_meanwhile() {
    let mut broker = with_servicing_task();
    let task = broker.register(zone_task("Clock"));
    let old = fire(&mut broker);
    old.started(&mut broker);
    broker.install(app(PHOTOS, "2"));
    assert_eq!(old.cancelled(&mut broker), Some(CancellationReason::ServicingUpdate));
    broker.zone_changes("Asia/Tokyo", 32_400);
    broker.expect_no_run();
    assert!(broker.why(task).gates.iter().any(|gate| gate.name == "Manifest" && !gate.open), "LC-10 reason 1");
    old.finishes(&mut broker, Ok(()));
    broker.expect_run("Serviced");
    broker.expect_run("Clock");
}

#[test]
fn re_6_a_broker_that_dies_during_an_update_finishes_it() {
    let mut broker = with_servicing_task();
    broker.register(zone_task("Clock"));
    let old = fire(&mut broker);
    old.started(&mut broker);
    broker.install(app(PHOTOS, "2"));
    broker.restarts();
    broker.expect_run("Serviced");
}

#[test]
fn lc_11_re_6_a_registration_whose_entry_point_vanished_goes_with_a_line_of_history() {
    let mut broker = Broker::new();
    let other = EntryPoint { name: "Tasks.Other".into(), server: program("tasks"), types: vec![TaskType::SystemEvent] };
    let mut both = app(PHOTOS, "1");
    both.entry_points.push(other.clone());
    broker.install(both);
    let gone = broker.register(zone_task("Clock"));
    broker.register(bgtask_core::NewRegistration {
        entry: bgtask_core::Entry::Component("Tasks.Other".into()),
        ..on(SystemTriggerType::ServicingComplete, "Stays")
    });
    let mut updated = app(PHOTOS, "2");
    updated.entry_points = vec![other];
    broker.install(updated);
    let names: Vec<_> = broker.core.registrations(None).iter().map(|it| it.name.to_string()).collect();
    assert_eq!(names, ["Stays"]);
    let why = broker.history.iter().rev().find_map(|event| match event.kind {
        EventKind::Unregistered(why) if event.task == gone => Some(why),
        _ => None,
    });
    assert_eq!(why, Some(Unregistration::EntryPointGone));
    broker.expect_run("Stays");
}

#[test]
fn re_8_uninstalling_takes_the_registrations_and_an_install_later_is_no_update() {
    let mut broker = with_servicing_task();
    broker.uninstall(PHOTOS);
    assert!(broker.durable.registrations.is_empty() && broker.durable.versions.is_empty());
    broker.install(app(PHOTOS, "2"));
    broker.register(on(SystemTriggerType::ServicingComplete, "Serviced"));
    broker.expect_no_run();
}

#[test]
fn re_8_nobody_is_left_to_read_the_mail_of_a_removed_app() {
    let mut broker = Broker::new();
    broker.register(zone_task("Clock"));
    fire(&mut broker).finishes(&mut broker, Ok(()));
    assert_eq!(broker.durable.completions.len(), 1);
    broker.zone_changes("Asia/Tokyo", 32_400);
    let run = broker.expect_run("Clock");
    broker.uninstall(PHOTOS);
    run.finishes(&mut broker, Ok(()));
    assert_eq!(broker.durable.completions, []);
}

#[test]
fn another_apps_update_is_nobodys_business() {
    let mut broker = with_servicing_task();
    broker.install(app(MAIL, "1"));
    broker.install(app(MAIL, "2"));
    broker.expect_no_run();
}
