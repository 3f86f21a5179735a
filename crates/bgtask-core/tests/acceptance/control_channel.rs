//! `ControlChannelTrigger`: apps keep their connections, the broker watches them, tasks run where they are held (CCT-1 to CCT-15).

use std::time::Duration;

use bgtask_core::limits::{
    FIRST_UNREAD_PAUSE, LAST_UNREAD_PAUSE, MAX_CHANNEL_ID_CHARS, MAX_CONTROL_CHANNELS, MAX_CONTROL_CHANNELS_PER_APP,
};
use bgtask_core::{
    ChannelState, ClientId, ControlChannelTriggerResourceType as Slot, ControlChannelTriggerStatus as Status, Entry,
    EntryPoint, EventClass, Fact, HostExit, HostId, HostState, Input, NewControlChannel, NewRegistration, Output,
    Properties, Refusal, Reply, Report, Request, Server, Sharing, SocketKey, SystemTriggerType, TaskId, TaskType,
    Trigger, WakeReason,
};

use crate::harness::{Broker, EXAMPLE, MAIL, PHOTOS, app, app_id, on, program, seconds, triggered};

const CHANNEL: SocketKey = SocketKey(1);
const CLIENT: u64 = 7;
const MINUTES: Duration = Duration::from_secs(60);

/// A task of the app itself for one side of a channel.
fn task(name: &str, side: &str) -> NewRegistration {
    NewRegistration { entry: Entry::InProcess, ..component_task(name, side) }
}

fn component_task(name: &str, side: &str) -> NewRegistration {
    let properties = [("channel", "mail"), ("on", side)].map(|(name, value)| (name.into(), value.into()));
    let class = EventClass::ControlChannel;
    triggered(name, Trigger::Event { class, properties: Properties::from(properties), one_shot: false })
}

fn channel(key: SocketKey) -> NewControlChannel {
    NewControlChannel {
        key,
        id: "mail".into(),
        client: ClientId(CLIENT),
        host: None,
        keep_alive: 30,
        resource: Slot::RequestSoftwareSlot,
        ended: false,
    }
}

fn enable(broker: &mut Broker, new: NewControlChannel) -> Result<Status, Refusal> {
    match broker.request(Request::EnableControlChannel(app_id(PHOTOS), new))? {
        Reply::ControlChannel { status, .. } => Ok(status),
        other => panic!("{other:?}"),
    }
}

/// A broker with an app that runs by itself, and may.
fn with_app() -> (Broker, HostId) {
    let mut broker = Broker::new();
    let mut declared = app(PHOTOS, "1");
    declared.itself = Some(Server { sharing: Sharing::Together("".into()), ..program("app") });
    declared.entry_points[0].types.push(TaskType::ControlChannel);
    broker.install(declared);
    let host = broker.app_starts(CLIENT, PHOTOS);
    (broker, host)
}

/// The same with an open channel and a task for what arrives.
fn open() -> (Broker, HostId, TaskId) {
    let (mut broker, host) = with_app();
    let push = broker.register(task("Push", "push"));
    assert_eq!(enable(&mut broker, channel(CHANNEL)), Ok(Status::SoftwareSlotAllocated));
    assert_eq!(watched(&mut broker), [CHANNEL]);
    (broker, host, push)
}

fn arrives(broker: &mut Broker, unread: u32) {
    broker.tell(Input::ChannelSeen(CHANNEL, Some(unread)));
}

fn ends(broker: &mut Broker) {
    broker.tell(Input::ChannelSeen(CHANNEL, None));
}

/// What was ordered to be watched since the last look.
fn watched(broker: &mut Broker) -> Vec<SocketKey> {
    let key = |order| if let Output::WatchSocket(key) = order { Some(key) } else { None };
    broker.orders().into_iter().filter_map(key).collect()
}

fn state(broker: &Broker) -> Option<ChannelState> {
    broker.core.control_channels().next().map(|channel| channel.state)
}

fn reset_task(name: &str) -> NewRegistration {
    NewRegistration { entry: Entry::InProcess, ..on(SystemTriggerType::ControlChannelReset, name) }
}

/// What a task with a reset was told, if it runs.
fn reset_reason(broker: &mut Broker, name: &str) -> String {
    let details = broker.expect_run(name).order.firing.details.expect("the reason");
    String::from_utf8(details.0.to_vec()).expect("a word")
}

#[test]
fn cct_4_cct_14_what_arrives_runs_the_task_in_the_process_that_holds_the_connection() {
    let (mut broker, host, _) = open();
    arrives(&mut broker, 5);
    let run = broker.expect_run("Push");
    assert_eq!((run.host, run.order.firing.count), (host, 1));
    run.started(&mut broker);
    assert_eq!(state(&broker), Some(ChannelState::Told), "and it is not watched meanwhile");
    arrives(&mut broker, 9);
    broker.expect_no_run();
    run.finishes(&mut broker, Ok(()));
    assert_eq!(watched(&mut broker), [CHANNEL], "as it is then: what came meanwhile is told at once");
    arrives(&mut broker, 4);
    assert_eq!(broker.expect_run("Push").host, host);
}

/// Of several apps that run, and several processes of one, it is the one with the connection.
#[test]
fn cct_14_another_process_of_the_app_runs_no_task_of_the_channel() {
    let (mut broker, _) = with_app();
    broker.register(task("Push", "push"));
    let second = broker.app_starts(8, PHOTOS);
    enable(&mut broker, NewControlChannel { client: ClientId(8), ..channel(CHANNEL) }).expect("it may");
    arrives(&mut broker, 5);
    assert_eq!(broker.expect_run("Push").host, second);
}

#[test]
fn cct_4_cct_7_the_keep_alive_runs_its_own_task_again_and_again() {
    let (mut broker, host, _) = open();
    let task = broker.register(task("KeepAlive", "keep-alive"));
    let (within, why) = broker.next_wake().expect("it waits");
    assert_eq!(
        (within, why),
        (31 * MINUTES, WakeReason::KeepAlive(task)),
        "a minute later at most (one wake-up serves several)"
    );
    for _ in 0..3 {
        broker.passes(31 * MINUTES);
        let run = broker.expect_run("KeepAlive");
        assert_eq!(run.host, host);
        run.started(&mut broker);
        run.finishes(&mut broker, Ok(()));
    }
    arrives(&mut broker, 1);
    assert_eq!(broker.ran(), ["Push"], "what arrives is for the other task");
}

/// Keep-alives of several channels, and of sockets, share their wake-ups.
#[test]
fn cct_4_keep_alives_that_are_over_at_about_the_same_time_are_one_wake_up() {
    let (mut broker, _, _) = open();
    broker.register(task("KeepAlive", "keep-alive"));
    broker.passes(seconds(30));
    let other = NewControlChannel { id: "chat".into(), ..channel(SocketKey(2)) };
    enable(&mut broker, other).expect("it may");
    broker.passes(31 * MINUTES - seconds(30));
    assert_eq!(broker.ran(), ["KeepAlive"]);
    let due: Vec<_> = broker.core.control_channels().map(|channel| channel.due).collect();
    assert_eq!(due[0], due[1], "both were served, and begin anew together");
}

/// A task that ends without reading is not run in circles, and what it left is not lost on it.
#[test]
fn a_task_that_reads_nothing_runs_again_ever_later() {
    let (mut broker, _) = with_app();
    let push = broker.register(task("Push", "push"));
    enable(&mut broker, NewControlChannel { keep_alive: 1_439, ..channel(CHANNEL) }).expect("it may");
    let mut pause = FIRST_UNREAD_PAUSE;
    arrives(&mut broker, 5);
    for _ in 0..12 {
        broker.expect_run("Push").finishes(&mut broker, Ok(()));
        arrives(&mut broker, 5);
        broker.expect_no_run();
        let sentence = broker.why(push).sentence;
        assert!(sentence.contains("read nothing"), "{sentence}");
        let (within, _) = broker.next_wake().expect("it is looked at again");
        assert_eq!(within, pause);
        watched(&mut broker);
        broker.passes(pause);
        assert_eq!(watched(&mut broker), [CHANNEL]);
        arrives(&mut broker, 5);
        pause = (pause * 2).min(LAST_UNREAD_PAUSE);
    }
    assert_eq!(pause, LAST_UNREAD_PAUSE);
    broker.expect_run("Push").finishes(&mut broker, Ok(()));
    arrives(&mut broker, 3);
    broker.expect_run("Push");
}

#[test]
fn what_arrives_before_there_is_a_task_waits_at_the_connection_for_one() {
    let (mut broker, _) = with_app();
    enable(&mut broker, channel(CHANNEL)).expect("it may");
    watched(&mut broker);
    arrives(&mut broker, 5);
    assert_eq!((state(&broker), watched(&mut broker)), (Some(ChannelState::Unheard), vec![]), "nothing spins");
    broker.register(task("Push", "push"));
    assert_eq!(watched(&mut broker), [CHANNEL]);
    arrives(&mut broker, 5);
    broker.expect_run("Push");
}

/// The end of a connection is told by the same task, which reads it there; nothing of the channel is left to wait for.
#[test]
fn the_end_of_the_connection_is_told_once() {
    let (mut broker, _, push) = open();
    ends(&mut broker);
    broker.expect_run("Push").finishes(&mut broker, Ok(()));
    assert_eq!(watched(&mut broker), []);
    ends(&mut broker);
    broker.expect_no_run();
    assert_eq!(broker.next_wake(), None, "no keep-alive of what has ended");
    let sentence = broker.why(push).sentence;
    assert!(sentence.contains("has ended") && sentence.contains("connect anew"), "{sentence}");
    enable(&mut broker, channel(SocketKey(2))).expect("it is connected anew");
    assert_eq!(watched(&mut broker), [SocketKey(2)]);
}

#[test]
fn cct_1_cct_2_cct_8_what_is_wrong_is_said() {
    let (mut broker, _) = with_app();
    let wrong = [
        (NewControlChannel { id: String::new(), ..channel(CHANNEL) }, "has control characters"),
        (NewControlChannel { id: "é".repeat(MAX_CHANNEL_ID_CHARS + 1), ..channel(CHANNEL) }, "64 characters (CCT-1)"),
        (NewControlChannel { keep_alive: 14, ..channel(CHANNEL) }, "15 to 1439 (CCT-2)"),
        (NewControlChannel { keep_alive: 1_440, ..channel(CHANNEL) }, "15 to 1439 (CCT-2)"),
        (NewControlChannel { resource: Slot::RequestHardwareSlot, ..channel(CHANNEL) }, "wakes no sleeping machine"),
    ];
    for (new, says) in wrong {
        let refusal = enable(&mut broker, new).expect_err("it is wrong").to_string();
        assert!(refusal.contains(says), "{refusal}");
        assert_eq!(broker.orders(), [Output::DropSocket(CHANNEL)], "the broker keeps no copy");
    }
    let longest = NewControlChannel { id: "é".repeat(MAX_CHANNEL_ID_CHARS), keep_alive: 1_439, ..channel(CHANNEL) };
    assert_eq!(enable(&mut broker, longest), Ok(Status::SoftwareSlotAllocated));
    let stranger = Request::EnableControlChannel(app_id(MAIL), channel(SocketKey(2)));
    assert!(matches!(broker.request(stranger), Err(Refusal::UnknownApp(_))));
}

#[test]
fn cct_7_a_trigger_names_its_channel_and_its_side() {
    let (mut broker, _) = with_app();
    let class = EventClass::ControlChannel;
    for (given, says) in [
        (vec![("on", "push")], "channel's id is empty"),
        (vec![("channel", "mail")], "push or keep-alive"),
        (vec![("channel", "mail"), ("on", "close")], "push or keep-alive"),
        (vec![("channel", "mail"), ("on", "push"), ("slot", "hardware")], "no property \"slot\""),
    ] {
        let properties = given.into_iter().map(|(name, value)| (name.into(), value.into())).collect();
        let new = triggered("Push", Trigger::Event { class, properties, one_shot: false });
        let refusal = broker.try_register(PHOTOS, new).expect_err("it is wrong").to_string();
        assert!(refusal.contains(says), "{refusal}");
    }
    let command = crate::harness::command("true", task("", "push").trigger);
    broker.install(bgtask_core::App::of_commands());
    assert!(broker.refused(command).to_string().contains("only the process that holds a connection"));
}

#[test]
fn cct_11_acc_25_an_app_has_so_many_channels_and_needs_access() {
    let (mut broker, _) = with_app();
    let named = |number: usize| NewControlChannel { id: format!("c{number}"), ..channel(SocketKey(number as u64)) };
    for number in 0..MAX_CONTROL_CHANNELS_PER_APP {
        assert_eq!(enable(&mut broker, named(number)), Ok(Status::SoftwareSlotAllocated));
    }
    broker.orders();
    assert_eq!(enable(&mut broker, named(99)), Ok(Status::PolicyError));
    assert_eq!(broker.orders(), [Output::DropSocket(SocketKey(99))]);
    assert_eq!(enable(&mut broker, named(3)), Ok(Status::SoftwareSlotAllocated), "the same anew is none more");
    broker.request(Request::CloseControlChannel { app: app_id(PHOTOS), id: "c0".into() }).expect("it may");
    assert_eq!(enable(&mut broker, named(99)), Ok(Status::SoftwareSlotAllocated));

    broker.request(Request::SetAccess(app_id(PHOTOS), Some(bgtask_core::AccessSetting::Never))).expect("the user may");
    assert_eq!(enable(&mut broker, named(3)), Ok(Status::PolicyError), "ACC-25");
}

#[test]
fn cct_11_the_broker_watches_so_many_channels() {
    let mut broker = Broker::new();
    let apps = MAX_CONTROL_CHANNELS / MAX_CONTROL_CHANNELS_PER_APP;
    for number in 0..=apps {
        let name = format!("org.example.A{number}");
        broker.install(app(&name, "1"));
        broker.allow(&name);
    }
    let mut last = Status::SystemError;
    for number in 0..=MAX_CONTROL_CHANNELS {
        let name = format!("org.example.A{}", number / MAX_CONTROL_CHANNELS_PER_APP);
        let new = NewControlChannel { id: format!("c{number}"), ..channel(SocketKey(number as u64)) };
        match broker.request(Request::EnableControlChannel(app_id(&name), new)) {
            Ok(Reply::ControlChannel { status, .. }) => last = status,
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(last, Status::PolicyError);
    assert_eq!(broker.core.control_channels().count(), MAX_CONTROL_CHANNELS);
}

#[test]
fn a_channel_that_cannot_be_now_is_answered_with_its_status() {
    let (mut broker, _) = with_app();
    let gone = NewControlChannel { ended: true, ..channel(CHANNEL) };
    assert_eq!(enable(&mut broker, gone), Ok(Status::TransportDisconnected));
    broker.register(task("Push", "push"));
    broker.reads(Report::Level(Fact::Standby, true));
    assert_eq!(enable(&mut broker, channel(CHANNEL)), Ok(Status::ServiceUnavailable));
    broker.reads(Report::Level(Fact::Standby, false));
    assert_eq!(enable(&mut broker, channel(CHANNEL)), Ok(Status::SoftwareSlotAllocated));
    let other = NewControlChannel { client: ClientId(8), ..channel(SocketKey(2)) };
    assert!(enable(&mut broker, other).expect_err("it is held").to_string().contains("another process"));
}

#[test]
fn cct_13_a_channel_that_is_closed_is_watched_no_more_and_nobody_is_told() {
    let (mut broker, _, _) = open();
    broker.register(reset_task("Reset"));
    let close = || Request::CloseControlChannel { app: app_id(PHOTOS), id: "mail".into() };
    assert_eq!(broker.request(close()), Ok(Reply::ChannelClosed));
    assert_eq!(broker.orders(), [Output::DropSocket(CHANNEL)]);
    assert_eq!(broker.request(close()), Ok(Reply::ChannelClosed), "again is no error");
    arrives(&mut broker, 5);
    broker.expect_no_run();
    assert_eq!(broker.next_wake(), None);
}

#[test]
fn cct_15_g_6_the_end_of_the_process_resets_its_channels_and_is_told_once_with_the_reason() {
    let (mut broker, _, push) = open();
    broker.register(task("KeepAlive", "keep-alive"));
    let reset = broker.register(reset_task("Reset"));
    enable(&mut broker, NewControlChannel { id: "chat".into(), ..channel(SocketKey(2)) }).expect("it may");
    arrives(&mut broker, 5);
    broker.tell(Input::Detach(ClientId(CLIENT)));
    assert_eq!(reset_reason(&mut broker, "Reset"), "ApplicationRestart");
    assert_eq!(broker.core.control_channels().count(), 0);
    assert_eq!(broker.story(reset).iter().filter(|word| **word == "fired").count(), 1, "one for both");
    let sentence = broker.why(push).sentence;
    assert!(sentence.contains("No process of the app has the control channel \"mail\" open"), "{sentence}");
}

/// What waits for a process that is gone cannot run any more: the one who builds the channel anew is told of what is there then.
#[test]
fn cct_15_what_waited_for_the_process_is_given_up_with_it() {
    let (mut broker, _, push) = open();
    broker.reads(Report::Level(Fact::EnergySaver, true));
    arrives(&mut broker, 5);
    broker.expect_no_run();
    broker.tell(Input::Detach(ClientId(CLIENT)));
    assert_eq!(broker.why(push).phase, "idle");
    assert_eq!(broker.durable.activations, []);
}

#[test]
fn cct_15_several_resets_that_wait_are_one() {
    let (mut broker, _, _) = open();
    let reset = broker.register(reset_task("Reset"));
    broker.reads(Report::Level(Fact::EnergySaver, true));
    for _ in 0..3 {
        broker.tell(Input::Detach(ClientId(CLIENT)));
        broker.app_starts(CLIENT, PHOTOS);
        enable(&mut broker, channel(CHANNEL)).expect("it may");
    }
    broker.tell(Input::Detach(ClientId(CLIENT)));
    assert_eq!(broker.durable.activations.iter().filter(|(task, _)| *task == reset).count(), 1);
    broker.reads(Report::Level(Fact::EnergySaver, false));
    assert_eq!(reset_reason(&mut broker, "Reset"), "ApplicationRestart");
}

#[test]
fn cct_9_cct_15_after_the_machine_has_slept_a_channel_is_looked_at_and_reset_if_its_connection_is_gone() {
    let (mut broker, _, _) = open();
    broker.register(reset_task("Reset"));
    broker.reads(Report::Level(Fact::Standby, true));
    watched(&mut broker);
    broker.reads(Report::Level(Fact::Standby, false));
    assert_eq!(watched(&mut broker), [CHANNEL]);
    arrives(&mut broker, 5);
    broker.expect_run("Push").finishes(&mut broker, Ok(()));
    broker.reads(Report::Level(Fact::Standby, true));
    broker.reads(Report::Level(Fact::Standby, false));
    ends(&mut broker);
    assert_eq!(reset_reason(&mut broker, "Reset"), "LowPowerExit");
    assert_eq!(state(&broker), None);
}

/// The user has gone to another session: on Linux that takes no connection, and nothing is reset.
#[test]
fn cct_15_a_fast_user_switch_resets_nothing() {
    let (mut broker, _, _) = open();
    broker.register(reset_task("Reset"));
    broker.reads(Report::Level(Fact::SessionConnected, true));
    broker.reads(Report::Level(Fact::SessionConnected, false));
    assert_eq!(state(&broker), Some(ChannelState::Watched));
    broker.expect_no_run();
}

#[test]
fn channels_end_with_their_broker_and_what_waited_for_them_too() {
    let (mut broker, _, push) = open();
    arrives(&mut broker, 5);
    broker.expect_run("Push").started(&mut broker);
    broker.restarts();
    assert_eq!((broker.core.control_channels().count(), broker.why(push).phase), (0, "idle"));
    assert_eq!(broker.durable.activations, []);
    broker.app_starts(CLIENT, PHOTOS);
    enable(&mut broker, channel(CHANNEL)).expect("it is opened anew");
    arrives(&mut broker, 5);
    broker.expect_run("Push");
}

#[test]
fn channels_of_an_app_that_is_removed_are_closed() {
    let (mut broker, _, _) = open();
    broker.register(reset_task("Reset"));
    broker.uninstall(PHOTOS);
    assert!(broker.orders().contains(&Output::DropSocket(CHANNEL)));
    assert_eq!(broker.core.control_channels().count(), 0);
}

/// A task program that holds a connection: its host stays for as long as it does, and runs the tasks of the channel in turn.
#[test]
fn cct_14_a_host_that_holds_a_channel_lingers_until_it_is_closed() {
    let mut broker = Broker::new();
    let mut declared = app(PHOTOS, "1");
    let types = vec![TaskType::ControlChannel, TaskType::SystemEvent];
    let entry = |name: &str| EntryPoint { name: name.into(), server: program("tasks"), types: types.clone() };
    declared.entry_points = vec![entry(EXAMPLE), entry("Tasks.Mail")];
    broker.install(declared);
    broker.register(on(SystemTriggerType::TimeZoneChange, "Opens"));
    let entry = || Entry::Component("Tasks.Mail".into());
    broker.register(NewRegistration { entry: entry(), ..component_task("Push", "push") });
    let keep_alive = broker.register(NewRegistration { entry: entry(), ..component_task("KeepAlive", "keep-alive") });
    broker.zone_changes("Europe/Paris", 3_600);
    broker.zone_changes("Europe/London", 0);
    let run = broker.expect_run("Opens");
    run.started(&mut broker);
    let new = NewControlChannel { host: Some(run.host), ..channel(CHANNEL) };
    enable(&mut broker, new).expect("it may");
    run.finishes(&mut broker, Ok(()));
    broker.passes(31 * MINUTES - seconds(10));
    let host = broker.core.hosts().next().expect("it is there").clone();
    assert_eq!((host.id, host.state), (run.host, HostState::Idle { until: None }));

    arrives(&mut broker, 5);
    let push = broker.expect_run("Push");
    assert_eq!(push.host, run.host);
    push.started(&mut broker);
    broker.passes(seconds(10));
    let why = broker.why(keep_alive);
    assert!(why.sentence.contains("runs another task"), "one after the other: {}", why.sentence);
    push.finishes(&mut broker, Ok(()));
    let keep_alive = broker.expect_run("KeepAlive");
    assert_eq!(keep_alive.host, run.host);
    keep_alive.started(&mut broker);
    keep_alive.finishes(&mut broker, Ok(()));

    broker.orders();
    broker.request(Request::CloseControlChannel { app: app_id(PHOTOS), id: "mail".into() }).expect("it may");
    broker.passes(10 * MINUTES);
    assert!(broker.orders().contains(&Output::Retire(run.host)), "then it lingers as any other");
}

/// What the process with the connection cannot run has fired.
pub(crate) fn held_by_another_program() -> (Broker, TaskId) {
    let (mut broker, _) = with_app();
    let push = broker.register(component_task("Push", "push"));
    enable(&mut broker, channel(CHANNEL)).expect("it may");
    arrives(&mut broker, 5);
    (broker, push)
}

/// A task that the process with the connection cannot run is held, with the reason.
#[test]
fn a_task_of_another_program_is_held_and_why_says_so() {
    let (mut broker, push) = held_by_another_program();
    broker.expect_no_run();
    let why = broker.why(push);
    assert!(why.sentence.contains("another than the one this task runs in"), "{}", why.sentence);
    assert_eq!(why.phase, "buffered");
}

/// The connection may be there before the app says that it runs tasks.
#[test]
fn an_app_that_runs_no_tasks_yet_runs_them_once_it_does() {
    let (mut broker, _) = with_app();
    broker.register(task("Push", "push"));
    broker.attach(8, PHOTOS);
    enable(&mut broker, NewControlChannel { client: ClientId(8), ..channel(CHANNEL) }).expect("it may");
    arrives(&mut broker, 5);
    broker.expect_no_run();
    let host = broker.app_starts(8, PHOTOS);
    // The order went out with the answer.
    assert!(broker.core.hosts().any(|its| its.id == host && its.state == HostState::Busy { instances: 1 }));
}

#[test]
fn the_end_of_a_host_leaves_no_channel() {
    let (mut broker, host, push) = open();
    arrives(&mut broker, 5);
    broker.expect_run("Push").started(&mut broker);
    broker.exits(host, HostExit::Disconnected);
    broker.tell(Input::Detach(ClientId(CLIENT)));
    assert_eq!((broker.core.control_channels().count(), broker.why(push).phase), (0, "idle"));
}
