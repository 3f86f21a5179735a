//! `DeviceUseTrigger`: an app asks for some minutes with a device (REQ-1, CA-8). The driver watches the device.

use bgtask_core::{
    AccessSetting, CancellationReason, ClientId, Config, Demand, Details, DeviceTriggerResult as Answer, Entry,
    EntryPoint, EventKind, Fact, HostExit, Input, Limit, NewRegistration, Outcome, Output, Policy, PolicyEntry,
    PolicyRule, Refusal, Reply, Report, Request, SystemConditionType, TaskId, TaskType, Trigger,
};

use crate::harness::{Broker, EXAMPLE, MAIL, PHOTOS, Run, app, app_id, program, seconds, triggered};

const CAMERA: &str = "/sys/devices/usb1/camera";

fn task() -> NewRegistration {
    triggered("Copy", Trigger::DeviceUse)
}

/// A broker with an app that may use devices.
fn broker() -> Broker {
    with(Config::default())
}

fn with(config: Config) -> Broker {
    let mut broker = Broker::with(config);
    broker.install(an_app(PHOTOS));
    broker
}

fn an_app(name: &str) -> bgtask_core::App {
    let entry = EntryPoint { name: EXAMPLE.into(), server: program("tasks"), types: vec![TaskType::DeviceUse] };
    bgtask_core::App { entry_points: vec![entry], ..app(name, "1") }
}

fn device(name: &str) -> Details {
    Details(name.as_bytes().into())
}

/// The app asks; the answer comes with a reason.
fn ask(broker: &mut Broker) -> (Answer, String) {
    let request = Request::Activate { app: app_id(PHOTOS), demand: Demand::DeviceUse, details: Some(device(CAMERA)) };
    match broker.request(request) {
        Ok(Reply::DeviceUse(answer, why)) => (answer, why),
        other => panic!("{other:?}"),
    }
}

/// The task runs with the camera.
fn running(broker: &mut Broker) -> (TaskId, Run) {
    let task = broker.register(task());
    assert_eq!(ask(broker).0, Answer::Allowed);
    let run = broker.expect_run("Copy");
    run.started(broker);
    (task, run)
}

/// What was ordered about devices since the last look.
fn watches(broker: &mut Broker) -> Vec<Output> {
    let about_devices = |order: &Output| matches!(order, Output::WatchDevice(..) | Output::UnwatchDevice(_));
    broker.orders().into_iter().filter(about_devices).collect()
}

#[test]
fn req_1_the_app_asks_and_its_task_gets_the_device() {
    let mut broker = broker();
    let task = broker.register(task());
    broker.orders();
    assert_eq!(ask(&mut broker), (Answer::Allowed, "the trigger fired".into()));
    let run = broker.expect_run("Copy");
    assert_eq!(run.order.firing.details, Some(device(CAMERA)));
    assert_eq!(watches(&mut broker), [Output::WatchDevice(task, device(CAMERA))], "its end is noticed");
    run.finishes(&mut broker, Ok(()));
    assert_eq!(watches(&mut broker), [Output::UnwatchDevice(task)]);
    assert_eq!(broker.last_outcome(), Outcome::Succeeded);
}

#[test]
fn q_12_d10_it_may_take_ten_minutes() {
    let mut broker = broker();
    let (_, run) = running(&mut broker);
    assert_eq!(run.order.budget, seconds(600));
}

#[test]
fn tr_1_an_app_has_one_at_a_time_and_another_app_its_own() {
    let mut broker = broker();
    broker.install(an_app(MAIL));
    let first = broker.register(task());
    let second = broker.try_register(PHOTOS, triggered("Other", Trigger::DeviceUse));
    assert_eq!(second, Err(Refusal::LimitReached(Limit::DeviceUseTriggers)));
    assert!(broker.try_register(MAIL, task()).is_ok());
    broker.unregister(first, false).expect("it is listed");
    assert!(broker.try_register(PHOTOS, triggered("Other", Trigger::DeviceUse)).is_ok());
}

#[test]
fn co_6_it_takes_no_conditions() {
    let mut broker = broker();
    let conditions = vec![SystemConditionType::UserPresent.into()];
    let refusal = broker.try_register(PHOTOS, NewRegistration { conditions, ..task() }).expect_err("CO-6");
    assert!(refusal.to_string().contains("takes no conditions (CO-6)"), "{refusal}");
}

#[test]
fn bld_19_it_runs_in_a_program_of_its_own() {
    let mut broker = broker();
    broker.install(bgtask_core::App { itself: Some(program("photos")), ..an_app(PHOTOS) });
    let refusal = broker.try_register(PHOTOS, NewRegistration { entry: Entry::InProcess, ..task() });
    let refusal = refusal.expect_err("BLD-19").to_string();
    assert!(refusal.contains("takes a task with an entry point"), "{refusal}");
}

#[test]
fn ma_1_the_manifest_declares_it_as_device_use() {
    let mut broker = Broker::new();
    let refusal = broker.try_register(PHOTOS, task()).expect_err("it declares system events only");
    assert!(refusal.to_string().contains("deviceUse"), "{refusal}");
}

/// ACC-23: nobody has to ask for access before, but who may not run may not use devices either.
#[test]
fn ac_10_the_user_says_no() {
    let mut broker = broker();
    broker.register(task());
    broker.request(Request::SetAccess(app_id(PHOTOS), Some(AccessSetting::Never))).expect("the user may");
    let (answer, why) = ask(&mut broker);
    assert_eq!(answer, Answer::DeniedByUser);
    assert!(why.contains("the user"), "{why}");
    broker.expect_no_run();
    broker.request(Request::SetAccess(app_id(PHOTOS), None)).expect("the user may");
    assert_eq!(ask(&mut broker).0, Answer::Allowed, "nothing was queued, and nothing is held against the app");
}

#[test]
fn ac_10_the_policy_says_no() {
    let mut broker = broker();
    broker.register(task());
    let deny = PolicyEntry { rule: PolicyRule::ForceDeny, file: "10-site.toml".into(), budget: 100 };
    broker.tell(Input::Policy(Policy { apps: [(app_id(PHOTOS), deny)].into(), ..Policy::default() }));
    let (answer, why) = ask(&mut broker);
    assert_eq!(answer, Answer::DeniedBySystem);
    assert!(why.contains("10-site.toml"), "{why}");
}

#[test]
fn d3_while_it_runs_there_is_no_other_and_nothing_is_queued() {
    let mut broker = broker();
    let (_, run) = running(&mut broker);
    assert_eq!(ask(&mut broker), (Answer::DeniedBySystem, "the task runs already".into()));
    run.finishes(&mut broker, Ok(()));
    broker.expect_no_run();
}

#[test]
fn an_app_without_such_a_task_is_told_to_register_one() {
    let (answer, why) = ask(&mut broker());
    assert_eq!(answer, Answer::DeniedBySystem);
    assert!(why.contains("register one"), "{why}");
}

/// The battery is low below a third of it, and only where it is what the machine runs on.
#[test]
fn ac_10_the_battery_is_low() {
    let mut broker = broker();
    broker.register(task());
    let cases = [
        (None, None, Answer::Allowed),
        (Some(false), Some(true), Answer::Allowed),
        (Some(false), Some(false), Answer::LowBattery),
        (Some(false), None, Answer::LowBattery),
        (Some(true), Some(false), Answer::Allowed),
    ];
    for (full, plugged_in, expected) in cases {
        let mut broker = self::broker();
        broker.register(task());
        let levels = [(Fact::BatteryAbove(33), full), (Fact::ExternalPower, plugged_in)];
        for (fact, level) in levels.into_iter().filter_map(|(fact, level)| Some((fact, level?))) {
            broker.reads(Report::Level(fact, level));
        }
        let (answer, why) = ask(&mut broker);
        assert_eq!(answer, expected, "full {full:?}, plugged in {plugged_in:?}");
        assert!(answer != Answer::LowBattery || why.contains("plug the machine in"), "{why}");
    }
}

#[test]
fn the_battery_is_watched_for_as_long_as_somebody_may_ask() {
    let mut broker = broker();
    let task = broker.register(task());
    let watched = |broker: &Broker| broker.core.sources().any(|(fact, _)| fact == Fact::BatteryAbove(33));
    assert!(watched(&broker));
    broker.unregister(task, false).expect("it is listed");
    assert!(!watched(&broker));
}

#[test]
fn ca_8_it_ends_with_its_device() {
    let mut broker = broker();
    let (task, run) = running(&mut broker);
    broker.tell(Input::DeviceGone(task));
    assert_eq!(run.cancelled(&mut broker), Some(CancellationReason::ResourceRevocation));
    run.finishes(&mut broker, Ok(()));
    assert_eq!(watches(&mut broker), [Output::UnwatchDevice(task)]);
}

#[test]
fn ca_8_a_device_that_goes_before_or_after_ends_nothing() {
    let mut broker = broker();
    let task = broker.register(task());
    broker.tell(Input::DeviceGone(task));
    broker.tell(Input::DeviceGone(TaskId::from_random(9)));
    assert_eq!(ask(&mut broker).0, Answer::Allowed);
    let run = broker.expect_run("Copy");
    assert_eq!(run.cancelled(&mut broker), None);
}

/// "The app exits": its last client is gone. Hosts of its tasks are no clients.
#[test]
fn ca_8_it_ends_with_its_app() {
    let mut broker = broker();
    broker.attach(1, PHOTOS);
    broker.attach(2, PHOTOS);
    broker.attach(3, MAIL);
    let (_, run) = running(&mut broker);
    broker.tell(Input::Detach(ClientId(1)));
    broker.tell(Input::Detach(ClientId(3)));
    assert_eq!(run.cancelled(&mut broker), None, "one of its clients is still there");
    broker.tell(Input::Detach(ClientId(2)));
    assert_eq!(run.cancelled(&mut broker), Some(CancellationReason::Abort));
}

#[test]
fn ca_8_what_waits_for_its_turn_is_given_up_with_its_app() {
    let mut broker = with(Config { max_running: 0, ..Config::default() });
    broker.attach(1, PHOTOS);
    let task = broker.register(task());
    assert_eq!(ask(&mut broker).0, Answer::Allowed);
    broker.tell(Input::Detach(ClientId(1)));
    assert_eq!(broker.story(task).last(), Some(&EventKind::Dropped.word()));
    assert_eq!(broker.durable.activations, []);
}

#[test]
fn other_tasks_of_the_app_go_on_without_it() {
    let mut broker = Broker::new();
    broker.attach(1, PHOTOS);
    broker.register(triggered("Render", Trigger::Application));
    let request = Request::Activate { app: app_id(PHOTOS), demand: Demand::Application, details: None };
    broker.request(request).expect("it is its own");
    let run = broker.expect_run("Render");
    broker.tell(Input::Detach(ClientId(1)));
    assert_eq!(run.cancelled(&mut broker), None);
}

#[test]
fn ca_8_ten_minutes_are_all() {
    let mut broker = broker();
    let (_, run) = running(&mut broker);
    broker.passes(seconds(599));
    assert_eq!(run.cancelled(&mut broker), None);
    broker.passes(seconds(1));
    assert_eq!(run.cancelled(&mut broker), Some(CancellationReason::ExecutionTimeExceeded));
}

#[test]
fn each_watch_of_a_device_has_its_end_wherever_the_task_ends() {
    let mut broker = broker();
    let (task, run) = running(&mut broker);
    let watch = Output::WatchDevice(task, device(CAMERA));
    assert_eq!(watches(&mut broker), std::slice::from_ref(&watch));
    broker.exits(run.host, HostExit::Signal(9));
    assert_eq!(watches(&mut broker), [Output::UnwatchDevice(task)]);
    assert_eq!(ask(&mut broker).0, Answer::Allowed);
    let run = broker.expect_run("Copy");
    assert_eq!(watches(&mut broker), [watch]);
    broker.unregister(task, true).expect("it is listed");
    run.finishes(&mut broker, Ok(()));
    assert_eq!(watches(&mut broker), [Output::UnwatchDevice(task)], "unregistered while it ran");
}

/// A host that lingered may be gone before it hears of the task: the task gets another, and its device one watch at a time.
#[test]
fn a_host_that_vanishes_takes_the_watch_with_it() {
    let mut broker = broker();
    let (task, run) = running(&mut broker);
    run.finishes(&mut broker, Ok(()));
    broker.orders();
    assert_eq!(ask(&mut broker).0, Answer::Allowed);
    let warm = broker.expect_run("Copy");
    assert_eq!(warm.host, run.host, "it lingered");
    broker.exits(warm.host, HostExit::Code(0));
    let watch = || Output::WatchDevice(task, device(CAMERA));
    assert_eq!(watches(&mut broker), [watch(), Output::UnwatchDevice(task), watch()]);
}

/// What an earlier life watched ended with it.
#[test]
fn a_new_broker_unwatches_nothing_it_has_not_watched() {
    let mut broker = with(Config { max_attempts: 1, ..Config::default() });
    let (_, _) = running(&mut broker);
    broker.restarts();
    assert_eq!(broker.last_outcome(), Outcome::Abandoned { attempts: 1 });
    assert_eq!(watches(&mut broker), []);
}
