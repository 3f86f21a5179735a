//! Every bound has a test that hits it, and an error that says so.

use bgtask_core::limits::{
    MAX_APP_ID_BYTES, MAX_APPS, MAX_COMPLETIONS_PER_APP, MAX_CONDITIONS, MAX_ENTRY_POINT_BYTES, MAX_ERROR_BYTES,
    MAX_NAME_BYTES, MAX_OUTPUT_TAIL_BYTES, MAX_REGISTRATIONS, MAX_REGISTRATIONS_PER_APP,
};
use bgtask_core::{
    AppId, BackgroundAccessRequestKind, Config, Entry, EntryPoint, HostExit, Input, Limit, NewRegistration, Outcome,
    Refusal, Registration, Reply, Request, Snapshot, SystemConditionType, TaskId, TaskType,
};

use crate::harness::{Broker, PHOTOS, Run, app, app_id, program, zone_task};

fn refusal(new: NewRegistration) -> Refusal {
    Broker::new().try_register(PHOTOS, new).expect_err("it is over the bound")
}

fn running() -> (Broker, Run) {
    let mut broker = Broker::new();
    broker.register(zone_task("Clock"));
    broker.zone_changes("Europe/Paris", 3_600);
    broker.zone_changes("Europe/London", 0);
    let run = broker.expect_run("Clock");
    (broker, run)
}

#[test]
fn the_longest_app_id() {
    assert!(AppId::new(&"a".repeat(MAX_APP_ID_BYTES)).is_ok());
    let error = AppId::new(&"a".repeat(MAX_APP_ID_BYTES + 1)).expect_err("too long");
    assert!(error.to_string().contains("1 to 255 letters"), "{error}");
}

#[test]
fn bld_21_the_longest_name() {
    let named = |bytes: usize| NewRegistration { name: "é".repeat(bytes / 2), ..zone_task("") };
    assert!(Broker::new().try_register(PHOTOS, named(MAX_NAME_BYTES)).is_ok());
    let refusal = refusal(named(MAX_NAME_BYTES + 1));
    assert_eq!(refusal, Refusal::LimitReached(Limit::NameBytes));
    assert_eq!(refusal.to_string(), "the name is longer than 255 bytes");
}

#[test]
fn the_longest_entry_point() {
    let entry_point = "e".repeat(MAX_ENTRY_POINT_BYTES);
    let mut broker = Broker::new();
    let entry = EntryPoint { name: entry_point.clone(), server: program("tasks"), types: vec![TaskType::General] };
    broker.install(bgtask_core::App { entry_points: vec![entry], ..app(PHOTOS, "2") });
    let new = NewRegistration { entry: Entry::Component(entry_point.into()), ..zone_task("Clock") };
    assert!(broker.try_register(PHOTOS, new).is_ok());

    let new =
        NewRegistration { entry: Entry::Component("e".repeat(MAX_ENTRY_POINT_BYTES + 1).into()), ..zone_task("Clock") };
    assert_eq!(refusal(new), Refusal::LimitReached(Limit::EntryPointBytes));
}

#[test]
fn the_most_conditions() {
    let with = |count| NewRegistration {
        conditions: vec![SystemConditionType::UserPresent.into(); count],
        ..zone_task("Clock")
    };
    assert!(Broker::new().try_register(PHOTOS, with(MAX_CONDITIONS)).is_ok());
    assert_eq!(refusal(with(MAX_CONDITIONS + 1)), Refusal::LimitReached(Limit::Conditions));
}

#[test]
fn the_most_registrations_of_one_app() {
    let mut broker = Broker::new();
    let first = broker.register(zone_task("Clock"));
    for _ in 1..MAX_REGISTRATIONS_PER_APP {
        broker.register(zone_task("Clock"));
    }
    let refusal = broker.try_register(PHOTOS, zone_task("Clock")).expect_err("it has enough");
    assert_eq!(refusal, Refusal::LimitReached(Limit::RegistrationsPerApp));
    assert!(refusal.to_string().contains("look through all_tasks()"), "{refusal}");
    broker.unregister(first, false).expect("it is listed");
    broker.register(zone_task("Clock"));
}

#[test]
fn d5_what_cannot_be_replaced_for_want_of_room_stays() {
    let (mut broker, _run) = running();
    for number in 1..MAX_REGISTRATIONS_PER_APP {
        broker.register(zone_task(&format!("Clock {number}")));
    }
    let new = NewRegistration { cancel_on_condition_loss: true, ..zone_task("Clock") };
    let refusal = broker.request(Request::RegisterOrUpdate(app_id(PHOTOS), new)).expect_err("the old one still runs");
    assert_eq!(refusal, Refusal::LimitReached(Limit::RegistrationsPerApp));
    assert_eq!(broker.core.registrations(None).len(), MAX_REGISTRATIONS_PER_APP);
    let new = NewRegistration { cancel_on_condition_loss: true, ..zone_task("Clock 1") };
    assert!(broker.request(Request::RegisterOrUpdate(app_id(PHOTOS), new)).is_ok(), "what does not run makes room");
}

#[test]
fn the_most_registrations_of_one_broker() {
    let mut broker = Broker::new();
    broker.register(zone_task("Clock"));
    let one = broker.core.registrations(None)[0].clone();
    let apps = MAX_REGISTRATIONS / MAX_REGISTRATIONS_PER_APP;
    let registrations = (0..MAX_REGISTRATIONS).map(|number| Registration {
        id: TaskId::from_random(number as u128),
        app: app_id(&format!("org.example.App{}", number / MAX_REGISTRATIONS_PER_APP)),
        ..one.clone()
    });
    let snapshot = Snapshot { registrations: registrations.collect(), ..Snapshot::default() };
    let mut broker = Broker::empty(Config::default());
    broker.install(app(&format!("org.example.App{apps}"), "1"));
    broker.tell(Input::Restore(Box::new(snapshot)));
    let last = format!("org.example.App{apps}");
    let refusal = broker.try_register(&last, zone_task("Clock")).expect_err("the broker is full");
    assert_eq!(refusal, Refusal::LimitReached(Limit::Registrations));
}

#[test]
fn the_most_apps() {
    let mut broker = Broker::empty(Config::default());
    for number in 0..=MAX_APPS {
        broker.tell(Input::AppInstalled(app(&format!("org.example.App{number}"), "1")));
    }
    assert_eq!(broker.core.apps().count(), MAX_APPS);
    let over = app_id(&format!("org.example.App{MAX_APPS}"));
    let refusal =
        broker.request(Request::RequestAccess { app: over, application: String::new() }).expect_err("it is not known");
    assert_eq!(refusal, Refusal::LimitReached(Limit::Apps));
    broker.tell(Input::AppInstalled(app("org.example.App0", "2")));
    assert_eq!(broker.core.apps().next().map(|app| &*app.version), Some("2"), "a known app may still be updated");
}

#[test]
fn the_most_apps_whose_access_is_kept() {
    let mut broker = Broker::empty(Config::default());
    for number in 0..=MAX_APPS {
        let name = format!("org.example.App{number}");
        broker.tell(Input::AppInstalled(app(&name, "1")));
        let kind = BackgroundAccessRequestKind::AllowedSubjectToSystemPolicy;
        let (app, application, reason) = (app_id(&name), String::new(), String::new());
        let request = Request::RequestAccessKind { app, application, kind, standby: false, reason };
        assert_eq!(broker.request(request), Ok(Reply::Approved(true)));
        broker.tell(Input::AppRemoved(app_id(&name)));
    }
    assert_eq!(broker.durable.access.len(), MAX_APPS, "that of an app that is gone made room");
}

#[test]
fn the_most_unread_completions() {
    let (mut broker, mut run) = running();
    let first = run.instance();
    for number in 0..MAX_COMPLETIONS_PER_APP {
        run.finishes(&mut broker, Ok(()));
        let offset = if number % 2 == 0 { 3_600 } else { 0 };
        broker.zone_changes(&format!("UTC{offset}"), offset);
        run = broker.expect_run("Clock");
    }
    assert_eq!(broker.durable.completions.len(), MAX_COMPLETIONS_PER_APP);
    run.finishes(&mut broker, Ok(()));
    assert_eq!(broker.durable.completions.len(), MAX_COMPLETIONS_PER_APP, "the oldest makes room");
    let lost = broker.history.iter().find(|event| event.kind.word() == "completion-lost").expect("it is recorded");
    assert_eq!(lost.instance, Some(first));
}

#[test]
fn the_longest_error_text() {
    let (mut broker, run) = running();
    run.finishes(&mut broker, Err(&"é".repeat(MAX_ERROR_BYTES)));
    let Outcome::TaskFailed { message } = broker.last_outcome() else {
        panic!("it failed");
    };
    assert_eq!(message, "é".repeat(MAX_ERROR_BYTES / 2));
}

#[test]
fn the_longest_output_tail() {
    let (mut broker, run) = running();
    let output_tail = format!("x{}", "é".repeat(MAX_OUTPUT_TAIL_BYTES));
    broker.tell(Input::HostExited { host: run.host, exit: HostExit::Code(1), output_tail, usage: None });
    let Outcome::HostFailed { output_tail, .. } = broker.last_outcome() else {
        panic!("it failed");
    };
    assert_eq!(output_tail, "é".repeat(MAX_OUTPUT_TAIL_BYTES / 2), "the end is kept");
}

#[test]
fn every_limit_says_what_it_is() {
    let limits = [
        Limit::RegistrationsPerApp,
        Limit::Registrations,
        Limit::Apps,
        Limit::NameBytes,
        Limit::EntryPointBytes,
        Limit::Conditions,
    ];
    for limit in limits {
        assert!(limit.to_string().contains(|c: char| c.is_ascii_digit()), "{limit} names its number");
    }
}
