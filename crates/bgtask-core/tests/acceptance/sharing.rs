//! Which process an instance runs in (HO-5, LC-6, LC-8).

use bgtask_core::{
    App, CancellationReason, Class, ClassId, ClientId, Config, Entry, HostExit, HostId, Input, NewRegistration,
    Outcome, Output, Refusal, Server, Sharing, SystemTriggerType, Trigger,
};

use crate::harness::{Broker, EXAMPLE, PHOTOS, Run, app, program, seconds, zone_task};

fn shared_as(sharing: Sharing) -> App {
    let mut declared = app(PHOTOS, "1");
    declared.entry_points[0].server.sharing = sharing;
    declared
}

fn broker_with(declared: App) -> Broker {
    let mut broker = Broker::empty(Config::default());
    broker.install(declared);
    broker.allow(PHOTOS);
    broker
}

fn fire(broker: &mut Broker) {
    for (zone, offset) in [("Europe/Paris", 3_600), ("Europe/London", 0)] {
        broker.zone_changes(zone, offset);
    }
}

fn launches(broker: &mut Broker) -> usize {
    broker.orders().iter().filter(|order| matches!(order, Output::Launch { .. })).count()
}

#[test]
fn ho_5_a_resource_group_runs_its_tasks_side_by_side_in_one_process() {
    let mut broker = broker_with(shared_as(Sharing::Together("group".into())));
    broker.register(zone_task("First"));
    broker.register(zone_task("Second"));
    fire(&mut broker);
    let (first, second) = (broker.expect_run("First"), broker.expect_run("Second"));
    assert_eq!(first.host, second.host);
    assert_eq!(launches(&mut broker), 1);
    first.finishes(&mut broker, Ok(()));
    assert_eq!(broker.orders().iter().filter(|it| matches!(it, Output::Retire(_))).count(), 0, "the other still runs");
    second.finishes(&mut broker, Ok(()));
}

#[test]
fn lc_6_without_a_group_tasks_that_run_at_the_same_time_have_processes_of_their_own() {
    let mut broker = broker_with(shared_as(Sharing::InTurn));
    broker.register(zone_task("First"));
    broker.register(zone_task("Second"));
    fire(&mut broker);
    assert_ne!(broker.expect_run("First").host, broker.expect_run("Second").host);
}

#[test]
fn ca_4_a_missed_cancel_takes_everything_that_shares_the_process_and_the_history_says_so() {
    let mut broker = broker_with(shared_as(Sharing::Together("group".into())));
    let task = broker.register(zone_task("Stubborn"));
    broker.register(zone_task("Bystander"));
    fire(&mut broker);
    let (stubborn, bystander) = (broker.expect_run("Stubborn"), broker.expect_run("Bystander"));
    stubborn.started(&mut broker);
    bystander.started(&mut broker);
    broker.unregister(task, true).expect("it is listed");
    broker.passes(seconds(5));
    assert!(broker.orders().contains(&Output::Kill(stubborn.host)));
    broker.exits(stubborn.host, HostExit::Signal(9));
    let outcomes = broker.history.iter().filter_map(|event| match &event.kind {
        bgtask_core::EventKind::Completed { outcome, .. } => Some((&*event.name, outcome.clone())),
        _ => None,
    });
    let outcomes: Vec<_> = outcomes.collect();
    let output_tail = String::from("last words");
    let reason = CancellationReason::Abort;
    assert!(outcomes.contains(&("Stubborn", Outcome::Killed { reason, output_tail: output_tail.clone() })));
    let exit = HostExit::Condemned { by: "Stubborn".into() };
    assert!(outcomes.contains(&("Bystander", Outcome::HostFailed { exit, output_tail })), "{outcomes:?}");
}

#[test]
fn ho_5_a_process_in_which_something_was_cancelled_takes_nothing_new_and_ends_with_its_last_task() {
    let mut broker = broker_with(shared_as(Sharing::Together("group".into())));
    let task = broker.register(zone_task("Left"));
    broker.register(zone_task("Stays"));
    fire(&mut broker);
    let (left, stays) = (broker.expect_run("Left"), broker.expect_run("Stays"));
    broker.unregister(task, true).expect("it is listed");
    broker.register(zone_task("New"));
    broker.zone_changes("Asia/Tokyo", 32_400);
    assert_ne!(broker.expect_run("New").host, stays.host, "it may be killed with what does not stop");
    left.finishes(&mut broker, Ok(()));
    broker.register(zone_task("Newer"));
    broker.zone_changes("Europe/Paris", 3_600);
    assert_ne!(broker.expect_run("Newer").host, stays.host);
    stays.finishes(&mut broker, Ok(()));
    assert!(broker.orders().contains(&Output::Retire(stays.host)));
}

#[test]
fn lc_8_supports_multiple_instances_is_one_process_for_each_firing() {
    let mut broker = broker_with(shared_as(Sharing::Apart));
    let task = broker.register(zone_task("Clock"));
    fire(&mut broker);
    let first = broker.expect_run("Clock");
    broker.zone_changes("Asia/Tokyo", 32_400);
    let second = broker.expect_run("Clock");
    assert_ne!((first.host, first.instance()), (second.host, second.instance()));
    assert_eq!(broker.core.activations().count(), 2);
    first.finishes(&mut broker, Ok(()));
    assert!(broker.orders().contains(&Output::Retire(first.host)), "it is not kept for another");
    broker.unregister(task, true).expect("it is listed");
    assert_eq!(second.cancelled(&mut broker), Some(CancellationReason::Abort));
    second.finishes(&mut broker, Ok(()));
    assert_eq!(broker.durable.registrations, []);
}

#[test]
fn lc_8_instances_side_by_side_survive_a_restart_as_two() {
    let mut broker = broker_with(shared_as(Sharing::Apart));
    broker.register(zone_task("Clock"));
    fire(&mut broker);
    let first = broker.expect_run("Clock").instance();
    broker.zone_changes("Asia/Tokyo", 32_400);
    let second = broker.expect_run("Clock").instance();
    broker.restarts();
    let again = [broker.expect_run("Clock"), broker.expect_run("Clock")];
    let mut instances: Vec<_> = again.iter().map(Run::instance).collect();
    instances.sort();
    let mut before = [first, second];
    before.sort();
    assert_eq!(instances, before);
    assert!(again.iter().all(|run| run.order.attempt == 2), "D7");
}

const CLASS: &str = "14c5882b-35d3-41be-86b2-5106269b97e6";

fn class_task(name: &str) -> NewRegistration {
    NewRegistration { entry: Entry::Class(CLASS.parse().expect("a class id")), ..zone_task(name) }
}

#[test]
fn bld_11_u_16_a_class_is_served_by_the_program_the_manifest_maps_it_to_with_any_trigger() {
    let mut declared = app(PHOTOS, "1");
    let id: ClassId = CLASS.parse().expect("a class id");
    declared.classes = vec![Class { id, server: program("server --embedding") }];
    let mut broker = broker_with(declared);
    broker.register(class_task("Clock"));
    let timer = Trigger::Time { freshness: 15, one_shot: true };
    broker.register(NewRegistration { trigger: timer, ..class_task("Timer") });
    fire(&mut broker);
    let programs = broker.orders().into_iter().filter_map(|order| match order {
        Output::Launch { program, .. } => Some(program),
        _ => None,
    });
    assert_eq!(programs.collect::<Vec<_>>(), ["server --embedding".into()]);
}

#[test]
fn bld_11_a_class_the_manifest_does_not_map_is_refused_with_the_lines_to_add() {
    let mut broker = broker_with(app(PHOTOS, "1"));
    let refusal = broker.try_register(PHOTOS, class_task("Clock")).expect_err("not declared");
    assert!(matches!(refusal, Refusal::ClassNotDeclared { .. }));
    assert!(refusal.to_string().contains("[[class]]"), "{refusal}");
}

fn own_app() -> App {
    let itself = Server {
        program: "photos".into(),
        application: "".into(),
        sharing: Sharing::Together("".into()),
        budget: None,
    };
    App { itself: Some(itself), ..app(PHOTOS, "1") }
}

fn own_task(name: &str) -> NewRegistration {
    NewRegistration { entry: Entry::InProcess, ..zone_task(name) }
}

#[test]
fn bld_9_without_an_entry_point_the_app_is_started_if_it_does_not_run() {
    let mut broker = broker_with(own_app());
    broker.register(own_task("Clock"));
    fire(&mut broker);
    let launched = broker.orders().into_iter().find_map(|order| match order {
        Output::Launch { program, .. } => Some(program),
        _ => None,
    });
    assert_eq!(launched.as_deref(), Some("photos"));
}

#[test]
fn bld_9_an_app_that_runs_gets_its_tasks_itself_side_by_side() {
    let mut broker = broker_with(own_app());
    broker.register(own_task("First"));
    broker.register(own_task("Second"));
    let host = broker.app_starts(7, PHOTOS);
    fire(&mut broker);
    let (first, second) = (broker.expect_run("First"), broker.expect_run("Second"));
    assert_eq!((first.host, second.host), (host, host));
    first.finishes(&mut broker, Ok(()));
    second.finishes(&mut broker, Err("no"));
    assert_eq!(broker.orders().iter().filter(|it| matches!(it, Output::Retire(_) | Output::Kill(_))).count(), 0);
    assert_eq!(broker.next_wake(), None, "an app that runs by itself stays as long as it likes");
}

#[test]
fn lc_16_an_app_that_crashes_ends_its_own_tasks_and_the_next_firing_starts_it_again() {
    let mut broker = broker_with(own_app());
    broker.register(own_task("Clock"));
    broker.app_starts(7, PHOTOS);
    fire(&mut broker);
    broker.expect_run("Clock").started(&mut broker);
    broker.tell(Input::Detach(ClientId(7)));
    let exit = HostExit::Disconnected;
    assert_eq!(broker.last_outcome(), Outcome::HostFailed { exit, output_tail: String::new() });
    broker.zone_changes("Asia/Tokyo", 32_400);
    assert_eq!(launches(&mut broker), 1);
}

#[test]
fn ca_4_d_inp_an_app_whose_task_does_not_stop_is_ended_whole() {
    let mut broker = broker_with(own_app());
    let task = broker.register(own_task("Clock"));
    let host = broker.app_starts(7, PHOTOS);
    fire(&mut broker);
    broker.expect_run("Clock").started(&mut broker);
    broker.unregister(task, true).expect("it is listed");
    broker.passes(seconds(5));
    assert!(broker.orders().contains(&Output::Kill(host)));
}

#[test]
fn a_broker_that_stops_does_not_wait_for_apps_that_run_by_themselves() {
    let mut broker = broker_with(own_app());
    broker.register(own_task("Clock"));
    broker.app_starts(7, PHOTOS);
    fire(&mut broker);
    let run = broker.expect_run("Clock");
    broker.tell(Input::Stop);
    assert_eq!(run.cancelled(&mut broker), Some(CancellationReason::LoggingOff));
    assert_eq!(broker.core.hosts().count(), 1);
    run.finishes(&mut broker, Ok(()));
    assert_eq!(broker.core.hosts().count(), 0);
}

#[test]
fn an_app_without_a_program_cannot_register_a_task_of_its_own() {
    let mut broker = broker_with(app(PHOTOS, "1"));
    let refusal = broker.try_register(PHOTOS, own_task("Clock")).expect_err("no program");
    assert!(refusal.to_string().contains("names no executable"), "{refusal}");
}

#[test]
fn grp_5_an_instance_knows_its_entry_and_its_group() {
    let mut broker = broker_with(own_app());
    let group = bgtask_core::TaskGroup { id: "org.example.lib".into(), name: "Library".into() };
    broker.register(NewRegistration { group: Some(group.into()), ..own_task("Clock") });
    fire(&mut broker);
    let run = broker.expect_run("Clock");
    assert_eq!(run.order.entry, Entry::InProcess);
    assert_eq!(run.order.group.as_deref(), Some("org.example.lib"));
}

#[test]
fn u_16_every_trigger_goes_with_every_kind_of_hosting() {
    let id: ClassId = CLASS.parse().expect("a class id");
    let mut declared = own_app();
    declared.classes = vec![Class { id, server: program("server") }];
    let triggers = [
        Trigger::System { kind: SystemTriggerType::ServicingComplete, one_shot: false },
        Trigger::Time { freshness: 15, one_shot: false },
        Trigger::Maintenance { freshness: 15, one_shot: false },
        Trigger::Application,
        Trigger::MediaProcessing,
        Trigger::CustomSystemEvent {
            id: "e".into(),
            recurrence: bgtask_core::CustomSystemEventTriggerRecurrence::Always,
        },
    ];
    for entry in [Entry::Component(EXAMPLE.into()), Entry::Class(id), Entry::InProcess] {
        let mut broker = broker_with(declared.clone());
        for trigger in &triggers {
            let new = NewRegistration { entry: entry.clone(), trigger: trigger.clone(), ..zone_task("Any") };
            assert!(broker.try_register(PHOTOS, new).is_ok(), "{trigger} in {entry}");
        }
    }
}

#[test]
fn a_host_id_is_never_given_twice() {
    let mut broker = broker_with(own_app());
    let first = broker.app_starts(1, PHOTOS);
    broker.tell(Input::Detach(ClientId(1)));
    assert!(broker.app_starts(2, PHOTOS) > first);
    assert_eq!(broker.core.hosts().map(|host| host.id).collect::<Vec<_>>(), [HostId(first.0 + 1)]);
}

#[test]
fn grp_6_a_task_of_a_group_that_has_an_entry_point_runs_there_and_not_in_the_app() {
    let mut broker = broker_with(own_app());
    let group = bgtask_core::TaskGroup { id: "org.example.lib".into(), name: "Library".into() };
    broker.register(NewRegistration { group: Some(group.into()), ..zone_task("Clock") });
    let own = broker.app_starts(7, PHOTOS);
    fire(&mut broker);
    let run = broker.expect_run("Clock");
    assert_ne!(run.host, own);
    assert_eq!(run.order.entry, Entry::Component(EXAMPLE.into()));
}
