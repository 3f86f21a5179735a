//! Registering, listing, unregistering, and every refusal.

use bgtask_core::{
    App, Entry, EntryPoint, EventClass, NewRegistration, Properties, Refusal, Reply, Request, Support,
    SystemConditionType, SystemTriggerType, TaskId, TaskType, Trigger,
};

use crate::harness::{Broker, EXAMPLE, MAIL, PHOTOS, app, app_id, on, one_shot, program, triggered, zone_task};

#[test]
fn d5_re_1_bld_12_the_same_name_registered_twice_is_two_registrations() {
    let mut broker = Broker::new();
    let ids = [broker.register(zone_task("Clock")), broker.register(zone_task("Clock"))];
    assert_ne!(ids[0], ids[1]);
    broker.zone_changes("Europe/Paris", 3_600);
    broker.zone_changes("Europe/London", 0);
    broker.expect_run("Clock");
    broker.expect_run("Clock");
}

#[test]
fn reg_1_re_2_an_app_sees_its_own_registrations_oldest_first() {
    let mut broker = Broker::new();
    broker.install(app(MAIL, "1"));
    broker.register(zone_task("First"));
    broker.passes(crate::harness::seconds(1));
    broker.register(zone_task("Second"));
    broker.try_register(MAIL, zone_task("Other")).expect("in order");
    let names = |app: Option<&str>| {
        let app = app.map(app_id);
        broker.core.registrations(app.as_ref()).iter().map(|it| it.name.to_string()).collect::<Vec<_>>()
    };
    assert_eq!(names(Some(PHOTOS)), ["First", "Second"]);
    assert_eq!(names(Some(MAIL)), ["Other"]);
    assert_eq!(names(None).len(), 3, "the user sees all");
}

#[test]
fn reg_3_unregistering_takes_it_off_the_list_and_a_second_time_there_is_nothing() {
    let mut broker = Broker::new();
    let task = broker.register(zone_task("Clock"));
    assert_eq!(broker.unregister(task, false), Ok(Reply::Unregistered));
    assert_eq!(broker.unregister(task, false), Err(Refusal::UnknownTask(task)));
    broker.zone_changes("Europe/Paris", 3_600);
    broker.zone_changes("Europe/London", 0);
    broker.expect_no_run();
}

#[test]
fn an_app_cannot_touch_the_registration_of_another_and_the_user_can() {
    let mut broker = Broker::new();
    let task = broker.register(zone_task("Clock"));
    let by = |scope| Request::Unregister { scope, task, cancel: true };
    assert_eq!(broker.request(by(Some(app_id(MAIL)))), Err(Refusal::UnknownTask(task)));
    assert_eq!(broker.request(by(None)), Ok(Reply::Unregistered));
}

#[test]
fn an_unknown_task_is_no_task() {
    let mut broker = Broker::new();
    let task = TaskId::from_random(7);
    assert_eq!(broker.unregister(task, true), Err(Refusal::UnknownTask(task)));
    assert!(broker.core.why(task, broker.now).is_none());
    assert!(broker.core.task(task).is_none());
}

fn refused(new: NewRegistration) -> String {
    let mut broker = Broker::new();
    let refusal = broker.try_register(PHOTOS, new).expect_err("it is wrong");
    assert!(broker.durable.registrations.is_empty(), "what is refused leaves nothing behind");
    assert!(broker.history.is_empty() && broker.orders().is_empty());
    refusal.to_string()
}

#[test]
fn re_3_bld_5_what_is_wrong_is_said_at_registration() {
    let base = || zone_task("Clock");
    let cases = [
        (NewRegistration { name: String::new(), ..base() }, "has no name"),
        (NewRegistration { name: "two\nlines".into(), ..base() }, "control characters"),
        (NewRegistration { entry: Entry::Component("".into()), ..base() }, "entry point is empty"),
        (
            NewRegistration { entry: Entry::Component("tasks.example".into()), ..base() },
            "does not declare the entry point",
        ),
        (one_shot(on(SystemTriggerType::ControlChannelReset, "Reset")), "cannot be one-shot (SYS-2)"),
    ];
    for (new, expected) in cases {
        let said = refused(new);
        assert!(said.contains(expected), "{said}");
    }
}

#[test]
fn sys_2_a_control_channel_reset_that_is_not_one_shot_is_in_order() {
    let mut broker = Broker::new();
    let task = broker.register(on(SystemTriggerType::ControlChannelReset, "Reset"));
    let why = broker.why(task).sentence;
    assert!(why.contains("ControlChannelReset"), "it explains itself: {why}");
}

#[test]
fn ma_1_the_entry_point_must_be_declared_with_a_type_that_fits_the_trigger() {
    let declares = |types: Vec<TaskType>| {
        let mut broker = Broker::new();
        let entry = EntryPoint { name: EXAMPLE.into(), server: program("tasks"), types };
        broker.install(bgtask_core::App { entry_points: vec![entry], ..app(PHOTOS, "2") });
        broker.try_register(PHOTOS, zone_task("Clock"))
    };
    assert!(declares(vec![TaskType::SystemEvent]).is_ok());
    assert!(declares(vec![TaskType::Timer, TaskType::General]).is_ok(), "§18 no. 9: both words are accepted");
    for types in [vec![], vec![TaskType::Timer], vec![TaskType::Other]] {
        let refusal = declares(types).expect_err("no such type");
        assert!(matches!(&refusal, Refusal::TaskTypeNotDeclared { wanted, .. } if wanted.len() == 2), "{refusal}");
    }
}

#[test]
fn ma_1_an_app_without_a_manifest_registers_nothing() {
    let mut broker = Broker::new();
    let refusal = broker.try_register(MAIL, zone_task("Clock")).expect_err("no manifest");
    assert_eq!(refusal, Refusal::UnknownApp(app_id(MAIL)));
}

/// Every class can be named; what nothing on Linux tells of is refused with one honest sentence, at once.
#[test]
fn d16_every_class_of_trigger_registers_or_says_why_it_cannot() {
    for class in EventClass::ALL.iter().copied() {
        let mut broker = Broker::new();
        let entry = EntryPoint { name: EXAMPLE.into(), server: program("tasks"), types: vec![TaskType::General] };
        broker.install(App { entry_points: vec![entry], ..app(PHOTOS, "2") });
        // That one belongs to a connection, which has to be named.
        let of_channel = [("channel".into(), "mail".into()), ("on".into(), "push".into())];
        let named = class == EventClass::ControlChannel;
        let properties = if named { Properties::from(of_channel) } else { Properties::new() };
        let trigger = Trigger::Event { class, properties, one_shot: false };
        let answer = broker.try_register(PHOTOS, triggered("Any", trigger));
        match class.support() {
            Support::Heard { .. } => assert!(answer.is_ok(), "{class}: {answer:?}"),
            Support::Never { why, help } => {
                let refusal = answer.expect_err("nothing tells of it");
                assert!(!why.trim().is_empty() && !help.trim().is_empty(), "{class}");
                assert_eq!(
                    refusal,
                    Refusal::NotSupported { what: format!("the trigger {class}"), why: why.into(), help: help.into() }
                );
                let said = refusal.to_string();
                assert!(said.contains(why) && said.contains(help), "{said}");
                assert!(broker.durable.registrations.is_empty());
            }
        }
    }
}

#[test]
fn every_system_trigger_and_condition_of_windows_can_be_registered() {
    for kind in SystemTriggerType::ALL {
        let mut broker = Broker::new();
        let trigger = Trigger::System { kind: *kind, one_shot: false };
        let answer = broker.try_register(PHOTOS, NewRegistration { trigger, ..zone_task("Any") });
        assert!(answer.is_ok(), "{kind}: {answer:?}");
    }
    for condition in SystemConditionType::ALL {
        let mut broker = Broker::new();
        let conditions = vec![(*condition).into()];
        let answer = broker.try_register(PHOTOS, NewRegistration { conditions, ..zone_task("Any") });
        assert!(answer.is_ok(), "{condition}: {answer:?}");
    }
}
