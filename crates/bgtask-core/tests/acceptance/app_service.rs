//! App services (HO-6, NEI-1): one app is served by another's task, a connection at a time or many side by side, for as long as
//! the caller stays. The driver makes the connection and notices its end.

use bgtask_core::{
    AccessSetting, App, AppService, AppServiceConnectionStatus as Status, CancellationReason, Config, Details, Entry,
    EntryPoint, EventKind, Fact, HostExit, Input, InstanceId, Limit, Outcome, Output, Refusal, Reply, Report, Request,
    SocketKey, TaskId, Trigger, WakeReason, limits,
};

use crate::harness::{Broker, MAIL, PHOTOS, Run, app, app_id, program, seconds, zone_task};

const RESIZE: &str = "org.example.photos.resize";

/// Photos, which resizes pictures for Mail.
fn photos(version: &str, allow: Option<&[&str]>) -> App {
    let served = EntryPoint { name: "Services.Resize".into(), server: program("photos"), types: vec![] };
    let service = AppService {
        name: RESIZE.into(),
        entry: Entry::Component("Services.Resize".into()),
        allow: allow.map(|apps| apps.iter().map(|app| app_id(app)).collect()),
    };
    let base = app(PHOTOS, version);
    App { entry_points: [base.entry_points.clone(), vec![served]].concat(), services: vec![service], ..base }
}

fn broker() -> Broker {
    with(Config { max_running: 200, ..Config::default() })
}

fn with(config: Config) -> Broker {
    let mut broker = Broker::empty(config);
    broker.install(photos("1", Some(&[MAIL])));
    broker.install(app(MAIL, "1"));
    broker.reads(Report::Level(Fact::EnergySaver, false));
    broker.reads(Report::Level(Fact::MemoryPressure, false));
    broker
}

fn details() -> Details {
    Details(b"from Mail".as_slice().into())
}

fn open(broker: &mut Broker, caller: Option<&str>, app: &str, service: &str, socket: u64) -> Result<Reply, Refusal> {
    broker.request(Request::OpenAppService {
        caller: caller.map(app_id),
        app: app_id(app),
        service: service.into(),
        socket: SocketKey(socket),
        details: Some(details()),
    })
}

/// Mail connects.
fn connect(broker: &mut Broker, socket: u64) -> InstanceId {
    match open(broker, Some(MAIL), PHOTOS, RESIZE, socket) {
        Ok(Reply::AppService { status: Status::Success, instance: Some(instance), .. }) => instance,
        other => panic!("{other:?}"),
    }
}

#[track_caller]
fn refused(broker: &mut Broker, caller: Option<&str>, app: &str, service: &str, expected: Status) -> String {
    match open(broker, caller, app, service, 99) {
        Ok(Reply::AppService { status, why, instance: None }) if status == expected => {
            assert!(broker.orders().contains(&Output::DropSocket(SocketKey(99))), "the other end is closed");
            why
        }
        other => panic!("{other:?}"),
    }
}

fn serving(broker: &mut Broker) -> Run {
    let run = broker.expect_run(RESIZE);
    run.started(broker);
    run
}

fn service(broker: &Broker) -> TaskId {
    let [only] = &broker.core.registrations(Some(&app_id(PHOTOS)))[..] else { panic!("one registration") };
    only.id
}

#[test]
fn ho_6_nei_1_the_manifest_registers_a_service_and_a_connection_starts_it_with_its_end() {
    let mut broker = broker();
    let instance = connect(&mut broker, 5);
    let run = serving(&mut broker);
    assert_eq!(run.instance(), instance);
    assert_eq!((run.order.firing.socket, &run.order.firing.details), (Some(SocketKey(5)), &Some(details())));
    assert_eq!(run.order.trigger, Trigger::AppService { name: RESIZE.into() });
    assert_eq!(run.order.entry, Entry::Component("Services.Resize".into()));
    broker.tell(Input::SocketTaken(run.host, instance));
    assert!(broker.orders().contains(&Output::DropSocket(SocketKey(5))), "it is the task's own now");
    run.finishes(&mut broker, Ok(()));
    assert!(broker.orders().contains(&Output::ForgetCaller(instance)));
    assert_eq!(broker.last_outcome(), Outcome::Succeeded);
}

#[test]
fn ho_6_every_connection_has_an_instance_of_its_own_side_by_side() {
    let mut broker = broker();
    let first = connect(&mut broker, 1);
    let second = connect(&mut broker, 2);
    let (one, other) = (serving(&mut broker), serving(&mut broker));
    assert_eq!((one.instance(), other.instance()), (first, second));
    assert_eq!((one.order.firing.socket, other.order.firing.socket), (Some(SocketKey(1)), Some(SocketKey(2))));
    assert_ne!(one.host, other.host, "a program that runs its tasks in turn has a process for each");
}

#[test]
fn d10_a_connection_lasts_as_long_as_a_long_task_may() {
    let mut broker = broker();
    connect(&mut broker, 1);
    assert_eq!(serving(&mut broker).order.budget, seconds(600));
}

/// HO-6, CA-9: whoever waits for the next message of his caller is not idle, and nobody looks; one that never began is.
#[test]
fn ho_6_ca_9_a_silent_connection_is_not_idle() {
    let mut broker = with(Config { idle_after: Some(seconds(5)), ..Config::default() });
    connect(&mut broker, 1);
    let run = serving(&mut broker);
    broker.passes(seconds(20));
    assert!(!broker.orders().contains(&Output::Sample(run.host)), "nobody looks");
    assert!(!matches!(broker.next_wake(), Some((_, WakeReason::Idle(_)))));
    connect(&mut broker, 2);
    let mute = broker.expect_run(RESIZE);
    broker.orders();
    broker.passes(seconds(5));
    assert!(broker.orders().contains(&Output::Sample(mute.host)), "it has not even begun");
}

#[test]
fn the_manifest_says_who_may_connect() {
    let mut broker = broker();
    let why = refused(&mut broker, Some("org.example.Other"), PHOTOS, RESIZE, Status::NotAuthorized);
    assert!(why.contains("does not allow org.example.Other"), "{why}");
    refused(&mut broker, None, PHOTOS, RESIZE, Status::NotAuthorized);
    assert!(matches!(
        open(&mut broker, Some(PHOTOS), PHOTOS, RESIZE, 1),
        Ok(Reply::AppService { instance: Some(_), .. })
    ));
    broker.install(photos("1", None));
    assert!(matches!(open(&mut broker, None, PHOTOS, RESIZE, 2), Ok(Reply::AppService { instance: Some(_), .. })));
}

#[test]
fn what_is_not_there_is_told_apart() {
    let mut broker = broker();
    refused(&mut broker, Some(MAIL), "org.example.Gone", RESIZE, Status::AppNotInstalled);
    let why = refused(&mut broker, Some(MAIL), PHOTOS, "org.example.other", Status::AppServiceUnavailable);
    assert!(why.contains("declares no app service \"org.example.other\""), "{why}");
    refused(&mut broker, Some(MAIL), MAIL, RESIZE, Status::AppServiceUnavailable);
}

/// NEI-1: nobody asks for access for a service, but the user and the policy may deny it.
#[test]
fn a_denied_app_serves_nobody() {
    let mut broker = broker();
    broker.request(Request::SetAccess(app_id(PHOTOS), Some(AccessSetting::Never))).expect("granted");
    let why = refused(&mut broker, Some(MAIL), PHOTOS, RESIZE, Status::DisabledByPolicy);
    assert!(why.contains("DeniedByUser"), "{why}");
}

/// Nobody is left waiting: what holds background work for long is told at once.
#[test]
fn ac_6_while_the_machine_saves_energy_a_service_is_not_available() {
    let mut broker = broker();
    broker.reads(Report::Level(Fact::EnergySaver, true));
    let why = refused(&mut broker, Some(MAIL), PHOTOS, RESIZE, Status::AppUnavailable);
    assert!(why.contains("saves energy"), "{why}");
}

#[test]
fn the_end_of_the_caller_is_that_of_the_instance() {
    let mut broker = broker();
    let instance = connect(&mut broker, 1);
    let run = serving(&mut broker);
    broker.tell(Input::CallerGone(instance));
    assert_eq!(run.cancelled(&mut broker), Some(CancellationReason::Abort));
    run.finishes(&mut broker, Ok(()));
    assert_eq!(broker.last_outcome(), Outcome::Succeeded, "that is how most of them end");
    broker.tell(Input::CallerGone(instance));
    connect(&mut broker, 2);
    assert_eq!(serving(&mut broker).host, run.host, "its process is as good as before");
}

/// Whoever serves nobody any more because he died is not said to have been told first.
#[test]
fn d8_a_caller_that_leaves_because_its_instance_died_is_not_the_reason() {
    let mut broker = broker();
    let instance = connect(&mut broker, 1);
    let run = serving(&mut broker);
    broker.tell(Input::CallerGone(instance));
    broker.exits(run.host, HostExit::Code(3));
    assert!(matches!(broker.last_outcome(), Outcome::HostFailed { exit: HostExit::Code(3), .. }));
}

#[test]
fn a_caller_that_leaves_before_it_is_served_costs_no_host() {
    let mut broker = with(Config { max_running: 1, ..Config::default() });
    connect(&mut broker, 1);
    let run = serving(&mut broker);
    let second = connect(&mut broker, 2);
    broker.orders();
    broker.tell(Input::CallerGone(second));
    let orders = broker.orders();
    assert!(orders.contains(&Output::DropSocket(SocketKey(2))) && orders.contains(&Output::ForgetCaller(second)));
    run.finishes(&mut broker, Ok(()));
    broker.expect_no_run();
    assert!(broker.history.iter().any(|event| event.instance == Some(second) && event.kind == EventKind::Dropped));
}

#[test]
fn a_caller_that_stays_when_its_instance_fails_finds_its_connection_closed() {
    let mut broker = broker();
    let instance = connect(&mut broker, 1);
    let run = serving(&mut broker);
    broker.orders();
    broker.exits(run.host, HostExit::Code(1));
    let orders = broker.orders();
    assert!(orders.contains(&Output::DropSocket(SocketKey(1))), "it was not taken yet");
    assert!(orders.contains(&Output::ForgetCaller(instance)));
}

#[test]
fn the_connections_of_an_app_are_bounded() {
    let mut broker = broker();
    for socket in 0..limits::MAX_APP_SERVICE_CONNECTIONS as u64 {
        connect(&mut broker, socket);
    }
    broker.orders();
    let refused = open(&mut broker, Some(MAIL), PHOTOS, RESIZE, 1_000).expect_err("one too many");
    assert_eq!(refused, Refusal::LimitReached(Limit::AppServiceConnections));
    assert!(refused.to_string().contains("64 connections"), "{refused}");
    assert!(broker.orders().contains(&Output::DropSocket(SocketKey(1_000))));
}

/// D7: the caller's end is closed with the broker, so there is nobody to serve after it.
#[test]
fn a_connection_does_not_outlive_the_broker() {
    let mut broker = with(Config { max_running: 1, ..Config::default() });
    let task = service(&broker);
    connect(&mut broker, 1);
    serving(&mut broker);
    connect(&mut broker, 2);
    broker.restarts();
    broker.expect_no_run();
    assert_eq!(service(&broker), task, "the service is the same");
    assert!(broker.durable.activations.is_empty(), "{:?}", broker.durable.activations);
    assert!(broker.story(task).ends_with(&["completed", "dropped"]), "{:?}", broker.story(task));
}

/// RE-6: an update ends what runs, and takes away what it no longer declares.
#[test]
fn re_6_what_the_manifest_no_longer_declares_is_served_no_more() {
    let mut broker = broker();
    connect(&mut broker, 1);
    let run = serving(&mut broker);
    broker.install(App { services: vec![], ..photos("2", None) });
    assert_eq!(run.cancelled(&mut broker), Some(CancellationReason::ServicingUpdate));
    run.finishes(&mut broker, Ok(()));
    assert_eq!(broker.core.registrations(Some(&app_id(PHOTOS))).len(), 0);
    refused(&mut broker, Some(MAIL), PHOTOS, RESIZE, Status::AppServiceUnavailable);
}

#[test]
fn a_service_is_declared_and_never_registered_or_unregistered() {
    let mut broker = broker();
    let new =
        bgtask_core::NewRegistration { trigger: Trigger::AppService { name: "mine".into() }, ..zone_task("Mine") };
    let refused = broker.refused(new);
    assert!(refused.to_string().contains("[[app_service]]"), "{refused}");
    let task = service(&broker);
    let refused = broker.unregister(task, true).expect_err("it stands in the manifest");
    assert!(refused.to_string().contains("stands in the manifest of org.example.Photos"), "{refused}");
}

#[test]
fn why_says_that_it_waits_for_a_caller() {
    let mut broker = broker();
    let task = service(&broker);
    assert!(
        broker.why(task).sentence.starts_with("It waits for a caller; it was registered"),
        "{:?}",
        broker.why(task)
    );
    connect(&mut broker, 1);
    serving(&mut broker);
    assert_eq!(broker.why(task).phase, "running");
    let told: Vec<_> = broker.history.iter().map(|event| event.kind.to_string()).collect();
    assert!(told.contains(&format!("a caller connected to {RESIZE}")), "{told:?}");
}

/// D4: nobody registered it who could want its completion.
#[test]
fn its_end_is_no_mail_for_the_app() {
    let mut broker = broker();
    connect(&mut broker, 1);
    serving(&mut broker).finishes(&mut broker, Ok(()));
    assert!(broker.durable.completions.is_empty());
}
