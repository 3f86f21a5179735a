//! Triggers that listen to events: each carries something, all are told in order, within a bound, and none is lost uncounted.

use bgtask_core::limits::{MAX_DETAILS_BYTES, MAX_EVENT_ID_BYTES, MAX_PATH_BYTES, MAX_PROPERTIES};
use bgtask_core::{
    App, Details, EntryPoint, EventClass, Input, Limit, NewRegistration, Output, Properties, Refusal, SourceStatus,
    Subject, SystemConditionType, SystemTriggerType, TaskId, TaskType, Trigger,
};

use crate::harness::{Broker, EXAMPLE, PHOTOS, Run, app, app_id, command, on, program, triggered};

fn properties(pairs: &[(&str, &str)]) -> Properties {
    pairs.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect()
}

fn trigger(class: EventClass, pairs: &[(&str, &str)]) -> Trigger {
    Trigger::Event { class, properties: properties(pairs), one_shot: false }
}

fn backup() -> Trigger {
    trigger(EventClass::UnitState, &[("unit", "backup.service"), ("state", "failed")])
}

fn task() -> NewRegistration {
    triggered("Tell", backup())
}

fn listen(task: TaskId, class: EventClass, pairs: &[(&str, &str)]) -> Output {
    Output::Listen { task, app: app_id(PHOTOS), subject: Subject::Events { class, properties: properties(pairs) } }
}

/// The order to listen for [`task`].
fn listen_for(task: TaskId) -> Output {
    listen(task, EventClass::UnitState, &[("unit", "backup.service"), ("state", "failed")])
}

fn happens(broker: &mut Broker, task: TaskId, lines: &str, lost: u32) {
    let count = u32::try_from(lines.lines().count()).expect("few");
    broker.tell(Input::Happened { task, events: Details(lines.as_bytes().into()), count, lost });
}

fn told(run: &Run) -> String {
    let details = run.order.firing.details.as_ref().expect("it carries events");
    String::from_utf8(details.0.to_vec()).expect("text")
}

/// The broker is told of a task's listening, without anything else it may have ordered.
fn listening(broker: &mut Broker) -> Vec<Output> {
    let about = |order: &Output| matches!(order, Output::Listen { .. } | Output::Unlisten(_));
    broker.orders().into_iter().filter(about).collect()
}

#[test]
fn a_registration_is_listened_for_and_its_first_event_runs_it() {
    let mut broker = Broker::new();
    let task = broker.register(task());
    assert_eq!(listening(&mut broker), [listen_for(task)]);
    happens(&mut broker, task, "{\"state\":\"failed\"}\n", 0);
    let run = broker.expect_run("Tell");
    assert_eq!(told(&run), "{\"state\":\"failed\"}\n");
    assert_eq!((run.order.firing.count, run.order.firing.lost), (1, 0));
}

/// Beyond D1: what carries something is not only counted.
#[test]
fn what_happens_while_it_waits_is_gathered_in_order() {
    let mut broker = Broker::new();
    let conditions = vec![SystemConditionType::InternetAvailable.into()];
    let task = broker.register(NewRegistration { conditions, ..task() });
    broker.internet(false);
    for lines in ["1\n2\n", "3\n", "4\n5\n6\n"] {
        happens(&mut broker, task, lines, 0);
    }
    broker.expect_no_run();
    broker.internet(true);
    let run = broker.expect_run("Tell");
    assert_eq!((told(&run).as_str(), run.order.firing.count), ("1\n2\n3\n4\n5\n6\n", 6));
}

#[test]
fn d2_what_happens_while_it_runs_is_for_the_next_run() {
    let mut broker = Broker::new();
    let task = broker.register(task());
    happens(&mut broker, task, "1\n", 0);
    let run = broker.expect_run("Tell");
    happens(&mut broker, task, "2\n", 0);
    happens(&mut broker, task, "3\n", 0);
    run.finishes(&mut broker, Ok(()));
    assert_eq!(told(&broker.expect_run("Tell")), "2\n3\n");
}

#[test]
fn what_finds_no_room_and_what_the_source_could_not_tell_is_counted_as_lost() {
    let mut broker = Broker::new();
    let conditions = vec![SystemConditionType::InternetAvailable.into()];
    let task = broker.register(NewRegistration { conditions, ..task() });
    let line = format!("{}\n", "x".repeat(127));
    let room = MAX_DETAILS_BYTES / 128;
    happens(&mut broker, task, &line.repeat(room), 0);
    happens(&mut broker, task, &line.repeat(3), 2);
    happens(&mut broker, task, "", 4);
    broker.internet(true);
    let run = broker.expect_run("Tell");
    assert_eq!((told(&run).len(), told(&run).lines().count()), (MAX_DETAILS_BYTES, room));
    assert_eq!((run.order.firing.count as usize, run.order.firing.lost), (room + 9, 9), "none is lost uncounted");
}

#[test]
fn no_event_is_no_firing() {
    let mut broker = Broker::new();
    let task = broker.register(task());
    happens(&mut broker, task, "", 0);
    broker.expect_no_run();
}

#[test]
fn d6_one_shot_the_first_event_is_the_last() {
    let mut broker = Broker::new();
    let Trigger::Event { class, properties, .. } = backup() else { unreachable!() };
    let task = broker.register(triggered("Tell", Trigger::Event { class, properties, one_shot: true }));
    assert_eq!(listening(&mut broker), [listen_for(task)]);
    happens(&mut broker, task, "1\n", 0);
    let run = broker.expect_run("Tell");
    assert_eq!(listening(&mut broker), [Output::Unlisten(task)]);
    happens(&mut broker, task, "2\n", 0);
    run.finishes(&mut broker, Ok(()));
    broker.expect_no_run();
    assert_eq!(broker.durable.registrations, []);
}

#[test]
fn who_is_unregistered_is_listened_for_no_more() {
    let mut broker = Broker::new();
    let task = broker.register(task());
    broker.orders();
    broker.unregister(task, false).expect("it is listed");
    assert_eq!(listening(&mut broker), [Output::Unlisten(task)]);
    happens(&mut broker, task, "late\n", 0);
    broker.expect_no_run();
}

#[test]
fn who_is_paused_is_not_listened_for_and_misses_what_happens() {
    let mut broker = Broker::of_commands();
    let task = broker.add(command("tell", backup()));
    let heard = |broker: &mut Broker| listening(broker).len();
    assert_eq!(heard(&mut broker), 1);
    broker.pause(task, true);
    assert_eq!(listening(&mut broker), [Output::Unlisten(task)]);
    happens(&mut broker, task, "1\n", 0);
    broker.expect_no_run();
    broker.pause(task, false);
    assert_eq!(heard(&mut broker), 1);
    broker.expect_no_run();
    happens(&mut broker, task, "2\n", 0);
    assert_eq!(told(&broker.expect_run("tell")), "2\n");
}

#[test]
fn re_1_a_new_broker_listens_again_and_what_waited_waits_still() {
    let mut broker = Broker::new();
    let conditions = vec![SystemConditionType::InternetAvailable.into()];
    let task = broker.register(NewRegistration { conditions, ..task() });
    happens(&mut broker, task, "1\n", 3);
    broker.restarts();
    assert_eq!(listening(&mut broker), [listen_for(task)]);
    happens(&mut broker, task, "2\n", 0);
    broker.internet(true);
    let run = broker.expect_run("Tell");
    assert_eq!((told(&run).as_str(), run.order.firing.count, run.order.firing.lost), ("1\n2\n", 5, 3));
}

#[test]
fn d5_another_of_the_same_name_is_listened_for_in_its_place() {
    let mut broker = Broker::new();
    let first = broker.register(task());
    broker.orders();
    let other = triggered("Tell", trigger(EventClass::UnitState, &[("unit", "other.service"), ("state", "failed")]));
    broker.request(bgtask_core::Request::RegisterOrUpdate(app_id(PHOTOS), other)).expect("in order");
    let second = broker.durable.registrations[0].id;
    let named = [("unit", "other.service"), ("state", "failed")];
    assert_eq!(
        listening(&mut broker),
        [listen(second, EventClass::UnitState, &named), Output::Unlisten(first)],
        "first the new one"
    );
}

#[test]
fn re_8_with_its_app_its_listeners_go() {
    let mut broker = Broker::new();
    let task = broker.register(task());
    broker.orders();
    broker.uninstall(PHOTOS);
    assert_eq!(listening(&mut broker), [Output::Unlisten(task)]);
}

#[test]
fn d16_where_nobody_can_be_listened_to_why_says_so_and_what_would_help() {
    let mut broker = Broker::new();
    let task = broker.register(task());
    let reading = |broker: &Broker| {
        let why = broker.why(task);
        why.gates.into_iter().find(|gate| gate.name == "UnitStateTrigger").expect("it is one of its gates")
    };
    assert_eq!((reading(&broker).open, reading(&broker).source.as_str()), (false, "its source has not reported yet"));
    let missing = SourceStatus::Missing { why: "systemd does not run here".into(), help: "boot with systemd".into() };
    broker.tell(Input::Heard(task, missing));
    let sentence = broker.why(task).sentence;
    assert!(sentence.contains("cannot be seen: systemd does not run here; boot with systemd"), "{sentence}");
    assert!(!reading(&broker).open);
    broker.tell(Input::Heard(task, SourceStatus::Available { how: "systemd".into() }));
    assert!(broker.why(task).sentence.starts_with("It waits for its trigger"), "{}", broker.why(task).sentence);
    assert_eq!((reading(&broker).open, reading(&broker).source.as_str()), (true, "systemd"));
}

#[test]
fn a_late_word_about_who_is_paused_is_nothing() {
    let mut broker = Broker::of_commands();
    let task = broker.add(command("tell", backup()));
    broker.pause(task, true);
    let missing = SourceStatus::Missing { why: "systemd does not run here".into(), help: "boot with systemd".into() };
    broker.tell(Input::Heard(task, missing));
    broker.pause(task, false);
    let sentence = broker.why(task).sentence;
    assert!(!sentence.contains("cannot be seen"), "that was about another time: {sentence}");
}

/// The system trigger for text messages carries them (G-6), as the class of its own does.
#[test]
fn sys_5_g_6_sms_received_listens_to_text_messages() {
    let mut broker = Broker::new();
    let task = broker.register(on(SystemTriggerType::SmsReceived, "Read"));
    assert_eq!(listening(&mut broker), [listen(task, EventClass::SmsMessageReceived, &[])]);
    happens(&mut broker, task, "{\"text\":\"hello\"}\n", 0);
    let run = broker.expect_run("Read");
    assert_eq!(told(&run), "{\"text\":\"hello\"}\n");
    happens(&mut broker, task, "{\"text\":\"again\"}\n", 0);
    happens(&mut broker, task, "{\"text\":\"and again\"}\n", 0);
    run.finishes(&mut broker, Ok(()));
    assert_eq!(told(&broker.expect_run("Read")).lines().count(), 2);
}

#[test]
fn events_of_who_does_not_listen_are_nothing() {
    let mut broker = Broker::new();
    let task = broker.register(on(SystemTriggerType::UserAway, "Away"));
    happens(&mut broker, task, "1\n", 0);
    happens(&mut broker, TaskId::from_random(5), "1\n", 0);
    broker.tell(Input::Heard(TaskId::from_random(5), SourceStatus::Available { how: "nobody".into() }));
    broker.expect_no_run();
}

#[test]
fn ma_1_a_class_has_its_own_task_type() {
    let mut broker = Broker::new();
    let near = triggered("Near", trigger(EventClass::Location, &[("latitude", "52"), ("longitude", "13")]));
    let refusal = broker.try_register(PHOTOS, near.clone()).expect_err("it declares system events");
    assert!(refusal.to_string().contains("location"), "{refusal}");
    let entry = EntryPoint { name: EXAMPLE.into(), server: program("tasks"), types: vec![TaskType::Location] };
    broker.install(App { entry_points: vec![entry], ..app(PHOTOS, "2") });
    assert!(broker.try_register(PHOTOS, near).is_ok());
}

fn refused(class: EventClass, properties: Properties) -> Refusal {
    let mut broker = Broker::new();
    let entry = EntryPoint { name: EXAMPLE.into(), server: program("tasks"), types: vec![TaskType::General] };
    broker.install(App { entry_points: vec![entry], ..app(PHOTOS, "2") });
    let trigger = Trigger::Event { class, properties, one_shot: false };
    let refusal = broker.try_register(PHOTOS, triggered("Any", trigger)).expect_err("something is wrong with it");
    assert!(broker.durable.registrations.is_empty() && broker.orders().is_empty());
    refusal
}

#[test]
fn re_3_a_property_that_its_class_does_not_have_is_refused_with_those_it_has() {
    let said = refused(EventClass::UnitState, properties(&[("unit", "a.service"), ("sate", "failed")])).to_string();
    assert_eq!(said, "a UnitStateTrigger has no property \"sate\": it has unit, state, manager");
    let said = refused(EventClass::ToastNotificationAction, properties(&[("app", "other")])).to_string();
    assert_eq!(said, "a ToastNotificationActionTrigger has no property \"app\": it has none at all");
}

/// A device has any property that its driver gives it; those are written in capitals.
#[test]
fn a_device_is_chosen_by_whatever_it_tells_of_itself() {
    let mut broker = Broker::new();
    let named = [("subsystem", "block"), ("ID_FS_LABEL", "BACKUP*")];
    let task = broker.register(triggered("Copy", trigger(EventClass::DeviceWatcher, &named)));
    assert_eq!(listening(&mut broker), [listen(task, EventClass::DeviceWatcher, &named)]);
    for wrong in ["Id_Fs_Label", "id_fs_label", ""] {
        let refusal = refused(EventClass::DeviceWatcher, properties(&[(wrong, "x")]));
        assert!(matches!(refusal, Refusal::InvalidArgument(_)), "{wrong:?}: {refusal}");
    }
    let refusal = refused(EventClass::UnitState, properties(&[("UNIT", "x")]));
    assert!(matches!(refusal, Refusal::InvalidArgument(_)), "{refusal}");
}

#[test]
fn properties_are_shown_to_people() {
    for named in [("ID_FS_LABEL", "two\nlines"), ("ID\u{1b}[31m", "red")] {
        let said = refused(EventClass::DeviceWatcher, properties(&[named])).to_string();
        assert!(said.contains("control characters"), "{said}");
    }
}

#[test]
fn the_most_properties() {
    let many = |count: usize| (0..count).map(|n| (format!("KEY_{n}").into(), "x".into())).collect::<Properties>();
    let mut broker = Broker::new();
    let trigger = |properties| Trigger::Event { class: EventClass::DeviceWatcher, properties, one_shot: false };
    assert!(broker.try_register(PHOTOS, triggered("Any", trigger(many(MAX_PROPERTIES)))).is_ok());
    let refusal = refused(EventClass::DeviceWatcher, many(MAX_PROPERTIES + 1));
    assert_eq!(refusal, Refusal::LimitReached(Limit::Properties));
}

#[test]
fn the_longest_property() {
    let named = |name: usize, value: usize| properties(&[(&"K".repeat(name), &"v".repeat(value))]);
    let mut broker = Broker::new();
    let trigger = |properties| Trigger::Event { class: EventClass::DeviceWatcher, properties, one_shot: false };
    let longest = named(MAX_EVENT_ID_BYTES, MAX_PATH_BYTES);
    assert!(broker.try_register(PHOTOS, triggered("Any", trigger(longest))).is_ok());
    for too_long in [named(MAX_EVENT_ID_BYTES + 1, 1), named(1, MAX_PATH_BYTES + 1)] {
        assert_eq!(refused(EventClass::DeviceWatcher, too_long), Refusal::LimitReached(Limit::PropertyBytes));
    }
}

/// The notifications of a command are nobody's: it has no app that could have sent one.
#[test]
fn commands_listen_to_everything_but_the_notifications_of_apps() {
    let mut broker = Broker::of_commands();
    broker.add(command("tell", backup()));
    for class in [EventClass::ToastNotificationAction, EventClass::ToastNotificationHistoryChanged] {
        let said = broker.refused(command("acted", trigger(class, &[]))).to_string();
        assert!(said.contains("a command has none"), "{said}");
    }
}
