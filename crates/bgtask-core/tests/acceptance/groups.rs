//! Groups (GRP, GR) and registering by name (D5).

use bgtask_core::limits::MAX_GROUP_BYTES;
use bgtask_core::{Limit, NewRegistration, Refusal, Reply, Request, TaskGroup, Unregistration, Update};

use crate::harness::{Broker, PHOTOS, app_id, zone_task};

fn grouped(name: &str, group: &str) -> NewRegistration {
    let group = Some(TaskGroup { id: group.into(), name: "Library".into() }.into());
    NewRegistration { group, ..zone_task(name) }
}

fn update(broker: &mut Broker, new: NewRegistration) -> (bgtask_core::TaskId, Update) {
    match broker.request(Request::RegisterOrUpdate(app_id(PHOTOS), new)) {
        Ok(Reply::Updated(id, update)) => (id, update),
        other => panic!("{other:?}"),
    }
}

#[test]
fn grp_2_grp_3_gr_2_a_registration_keeps_its_group_and_its_name_over_a_restart() {
    let mut broker = Broker::new();
    let task = broker.register(grouped("Clock", "org.example.lib"));
    broker.restarts();
    let group = broker.core.task(task).and_then(|(it, _)| it.group.clone()).expect("it has a group");
    assert_eq!((&*group.id, &*group.name), ("org.example.lib", "Library"));
}

#[test]
fn grp_1_the_same_name_in_two_groups_and_in_none_are_three_tasks() {
    let mut broker = Broker::new();
    let tasks = [
        update(&mut broker, zone_task("Clock")),
        update(&mut broker, grouped("Clock", "one")),
        update(&mut broker, grouped("Clock", "two")),
    ];
    assert!(tasks.iter().all(|(_, update)| *update == Update::Registered));
    assert_eq!(broker.core.registrations(None).len(), 3);
    assert_eq!(update(&mut broker, grouped("Clock", "two")), (tasks[2].0, Update::Unchanged));
}

#[test]
fn grp_2_a_group_has_an_id_of_reasonable_length() {
    let mut broker = Broker::new();
    let refusal = broker.try_register(PHOTOS, grouped("Clock", "")).expect_err("no id");
    assert!(matches!(refusal, Refusal::InvalidArgument(_)));
    let long = grouped("Clock", &"g".repeat(MAX_GROUP_BYTES + 1));
    assert_eq!(broker.try_register(PHOTOS, long), Err(Refusal::LimitReached(Limit::GroupBytes)));
}

#[test]
fn d5_another_registration_takes_the_place_of_the_one_before_and_its_run_may_finish() {
    let mut broker = Broker::new();
    let (first, _) = update(&mut broker, zone_task("Clock"));
    broker.zone_changes("Europe/Paris", 3_600);
    broker.zone_changes("Europe/London", 0);
    let run = broker.expect_run("Clock");
    let changed = NewRegistration { is_network_requested: true, ..zone_task("Clock") };
    let (second, replaced) = update(&mut broker, changed);
    assert_eq!(replaced, Update::Replaced);
    assert_eq!(run.cancelled(&mut broker), None);
    let listed: Vec<_> = broker.core.registrations(None).iter().map(|it| it.id).collect();
    assert_eq!(listed, [second]);
    run.finishes(&mut broker, Ok(()));
    assert!(broker.core.task(first).is_none());
    let kinds: Vec<_> = broker.history.iter().filter(|event| event.task == first).map(|it| &it.kind).collect();
    assert!(kinds.contains(&&bgtask_core::EventKind::Unregistered(Unregistration::Replaced)));
}

#[test]
fn d5_what_is_wrong_replaces_nothing() {
    let mut broker = Broker::new();
    let (first, _) = update(&mut broker, zone_task("Clock"));
    let wrong = NewRegistration { entry: bgtask_core::Entry::Component("Tasks.None".into()), ..zone_task("Clock") };
    assert!(broker.request(Request::RegisterOrUpdate(app_id(PHOTOS), wrong)).is_err());
    assert_eq!(update(&mut broker, zone_task("Clock")), (first, Update::Unchanged));
}

#[test]
fn tr_1_an_application_trigger_may_take_the_place_of_another() {
    let mut broker = Broker::new();
    let render = |network| NewRegistration {
        trigger: bgtask_core::Trigger::Application,
        is_network_requested: network,
        ..zone_task("Render")
    };
    update(&mut broker, render(false));
    assert_eq!(update(&mut broker, render(true)).1, Update::Replaced);
}

#[test]
fn u_12_any_order_of_registering_and_unregistering_works() {
    let mut broker = Broker::new();
    for _ in 0..50 {
        let first = broker.register(zone_task("Clock"));
        let second = broker.register(zone_task("Clock"));
        broker.unregister(first, true).expect("it is listed");
        broker.register(zone_task("Clock"));
        broker.unregister(second, false).expect("it is listed");
    }
    assert_eq!(broker.core.registrations(None).len(), 50);
}
