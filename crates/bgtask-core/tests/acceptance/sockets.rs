//! `SocketActivityTrigger`: apps hand sockets over, the broker watches them, tasks get them back (SOC, NW-2 to NW-5).

use std::time::Duration;

use bgtask_core::limits::{
    MAX_INTERVAL, MAX_SOCKET_CONTEXT_BYTES, MAX_SOCKET_FIRINGS, MAX_SOCKET_ID_BYTES, MAX_SOCKETS, MAX_SOCKETS_PER_APP,
    MIN_KEEP_ALIVE,
};
use bgtask_core::{
    Config, Details, EventClass, Fact, HostExit, Input, Limit, NewRegistration, NewSocket, Output, Properties,
    Readiness, Refusal, Reply, Report, Request, Socket, SocketActivityConnectedStandbyAction,
    SocketActivityTriggerReason as Reason, SocketKey, SocketKind, SocketState, TaskId, Trigger, Update, WakeReason,
};

use crate::harness::{Broker, MAIL, PHOTOS, Run, app, app_id, seconds, triggered, zone_task};

const CHAT: SocketKey = SocketKey(1);

fn task(name: &str) -> NewRegistration {
    let trigger = Trigger::Event { class: EventClass::SocketActivity, properties: Properties::new(), one_shot: false };
    triggered(name, trigger)
}

fn socket(key: SocketKey, task: TaskId) -> NewSocket {
    NewSocket {
        key,
        task,
        id: format!("socket {}", key.0),
        kind: SocketKind::StreamSocket,
        context: Details(b"room 7".as_slice().into()),
        keep_alive: None,
        action: SocketActivityConnectedStandbyAction::DoNotWake,
        again: None,
    }
}

fn hand_over(broker: &mut Broker, socket: NewSocket) -> Result<Reply, Refusal> {
    broker.request(Request::TransferSocket(app_id(PHOTOS), socket))
}

fn reclaim(broker: &mut Broker, id: &str) -> Result<Reply, Refusal> {
    broker.request(Request::ReclaimSocket { app: app_id(PHOTOS), id: id.into() })
}

/// A broker that watches one socket of a task.
fn watching() -> (Broker, TaskId) {
    let mut broker = Broker::new();
    let task = broker.register(task("Chat"));
    hand_over(&mut broker, socket(CHAT, task)).expect("it may");
    assert_eq!(about_sockets(&mut broker), [Output::WatchSocket(CHAT)]);
    (broker, task)
}

fn readable(broker: &mut Broker, key: SocketKey) {
    broker.tell(Input::SocketReady(key, Readiness::Readable));
}

/// Why a task runs, and whether the broker has the socket to give to it.
fn told(run: &Run) -> (Reason, bool) {
    let socket = run.order.brokered.as_ref().expect("it came by a socket");
    (socket.state.reason().expect("a reason"), socket.state.is_held())
}

fn takes(run: &Run, broker: &mut Broker) {
    broker.tell(Input::SocketTaken(run.host, run.instance()));
}

/// What was ordered about sockets since the last look.
fn about_sockets(broker: &mut Broker) -> Vec<Output> {
    let about =
        |order: &Output| matches!(order, Output::WatchSocket(_) | Output::UnwatchSocket(_) | Output::DropSocket(_));
    broker.orders().into_iter().filter(about).collect()
}

fn state(broker: &Broker, key: SocketKey) -> Option<SocketState> {
    broker.core.sockets().find(|socket| socket.key == key).map(|socket| socket.state)
}

#[test]
fn nw_2_soc_11_the_task_gets_the_socket_with_its_context_and_has_to_hand_it_over_again() {
    let (mut broker, task) = watching();
    readable(&mut broker, CHAT);
    let run = broker.expect_run("Chat");
    run.started(&mut broker);
    assert_eq!((run.order.firing.socket, told(&run)), (Some(CHAT), (Reason::SocketActivity, true)));
    let brokered = run.order.brokered.clone().expect("seen");
    assert_eq!((&*brokered.id, &*brokered.context.0), ("socket 1", b"room 7".as_slice()));
    takes(&run, &mut broker);
    assert_eq!(about_sockets(&mut broker), [Output::DropSocket(CHAT)], "from now on it is the task's alone");
    // The same name, the same connection, another descriptor.
    hand_over(&mut broker, NewSocket { id: "socket 1".into(), ..socket(SocketKey(2), task) })
        .expect("it is free again");
    run.finishes(&mut broker, Ok(()));
    assert_eq!((state(&broker, CHAT), state(&broker, SocketKey(2))), (None, Some(SocketState::Watched)));
    readable(&mut broker, SocketKey(2));
    broker.expect_run("Chat");
}

/// That a task has taken its socket is said on another way than that it is handed over again: the second may come first.
#[test]
fn a_socket_that_comes_back_before_word_that_it_was_taken_was_taken() {
    let (mut broker, task) = watching();
    readable(&mut broker, CHAT);
    let run = broker.expect_run("Chat");
    run.started(&mut broker);
    let again = NewSocket { id: "socket 1".into(), again: Some(CHAT), ..socket(SocketKey(2), task) };
    hand_over(&mut broker, again).expect("it is the same one");
    assert_eq!(about_sockets(&mut broker), [Output::DropSocket(CHAT), Output::WatchSocket(SocketKey(2))]);
    takes(&run, &mut broker);
    assert_eq!(about_sockets(&mut broker), [], "the late word is nothing");
    run.finishes(&mut broker, Ok(()));
    assert_eq!((state(&broker, CHAT), state(&broker, SocketKey(2))), (None, Some(SocketState::Watched)));
}

#[test]
fn one_socket_is_not_watched_for_two() {
    let (mut broker, task) = watching();
    let twice = NewSocket { again: Some(CHAT), ..socket(SocketKey(2), task) };
    let refusal = hand_over(&mut broker, twice).expect_err("it is watched").to_string();
    assert!(refusal.contains("socket 1"), "{refusal}");
}

/// SOC-15: a packet for streams and datagrams, a connection for a listener.
#[test]
fn soc_15_the_reason_hangs_on_the_kind() {
    for (kind, readiness, reason) in [
        (SocketKind::StreamSocket, Readiness::Readable, Reason::SocketActivity),
        (SocketKind::DatagramSocket, Readiness::Readable, Reason::SocketActivity),
        (SocketKind::StreamSocketListener, Readiness::Readable, Reason::ConnectionAccepted),
        (SocketKind::StreamSocket, Readiness::Closed, Reason::SocketClosed),
    ] {
        let mut broker = Broker::new();
        let task = broker.register(task("Chat"));
        hand_over(&mut broker, NewSocket { kind, ..socket(CHAT, task) }).expect("it may");
        broker.tell(Input::SocketReady(CHAT, readiness));
        assert_eq!(told(&broker.expect_run("Chat")).0, reason);
    }
}

/// NW-2: it hears nothing more until it is handed over again.
#[test]
fn a_late_or_repeated_word_of_a_socket_is_nothing() {
    let (mut broker, _) = watching();
    readable(&mut broker, CHAT);
    let run = broker.expect_run("Chat");
    readable(&mut broker, CHAT);
    run.finishes(&mut broker, Ok(()));
    readable(&mut broker, CHAT);
    readable(&mut broker, SocketKey(99));
    broker.expect_no_run();
}

/// A task that ends without it has not lost it: the app finds it among `AllSockets`.
#[test]
fn soc_14_what_its_task_did_not_take_stays_with_the_broker_unwatched() {
    let (mut broker, task) = watching();
    readable(&mut broker, CHAT);
    let run = broker.expect_run("Chat");
    run.finishes(&mut broker, Ok(()));
    assert_eq!(state(&broker, CHAT), Some(SocketState::Kept));
    assert_eq!(about_sockets(&mut broker), [], "it is neither watched nor closed");
    assert!(broker.why(task).sentence.contains("1 socket"), "{}", broker.why(task).sentence);
    let Ok(Reply::Socket(back)) = reclaim(&mut broker, "socket 1") else { panic!("it is there") };
    assert_eq!((back.key, &*back.context.0), (CHAT, b"room 7".as_slice()));
    assert_eq!(reclaim(&mut broker, "socket 1"), Err(Refusal::UnknownSocket("socket 1".into())));
}

#[test]
fn soc_13_nw_5_the_app_takes_back_what_is_watched_and_nobody_is_told_of_it() {
    let (mut broker, _) = watching();
    assert_eq!(broker.core.sockets_of(&app_id(PHOTOS)).count(), 1);
    assert!(matches!(reclaim(&mut broker, "socket 1"), Ok(Reply::Socket(_))));
    assert_eq!(broker.core.sockets_of(&app_id(PHOTOS)).count(), 0);
    readable(&mut broker, CHAT);
    broker.expect_no_run();
}

/// SOC-13
#[test]
fn what_waits_with_a_socket_is_given_up_when_the_app_takes_that_back() {
    let mut broker = Broker::new();
    let task = broker.register(task("Chat"));
    broker.reads(Report::Level(Fact::MemoryPressure, true));
    hand_over(&mut broker, socket(CHAT, task)).expect("it may");
    readable(&mut broker, CHAT);
    about_sockets(&mut broker);
    assert!(matches!(reclaim(&mut broker, "socket 1"), Ok(Reply::Socket(_))));
    assert_eq!(
        about_sockets(&mut broker),
        [],
        "the driver gives its descriptor to the app: it may not close it before"
    );
    broker.reads(Report::Level(Fact::MemoryPressure, false));
    broker.expect_no_run();
    assert_eq!(broker.story(task).last(), Some(&"dropped"));
}

#[test]
fn nobody_takes_a_socket_from_under_its_task() {
    let (mut broker, _) = watching();
    readable(&mut broker, CHAT);
    broker.expect_run("Chat");
    assert_eq!(reclaim(&mut broker, "socket 1"), Err(Refusal::SocketInUse("socket 1".into())));
}

/// D7: a host that dies with the broker's copy alone leaves the socket whole for the next attempt; one that had taken it leaves a
/// closed one, and the attempt learns what it was for.
#[test]
fn soc_6_the_socket_outlives_a_task_that_has_not_taken_it() {
    for taken in [false, true] {
        let (mut broker, _) = watching();
        readable(&mut broker, CHAT);
        let run = broker.expect_run("Chat");
        run.started(&mut broker);
        if taken {
            takes(&run, &mut broker);
        }
        broker.restarts();
        let again = broker.expect_run("Chat");
        assert_eq!(again.order.attempt, 2);
        let expected = if taken { (Reason::SocketClosed, false) } else { (Reason::SocketActivity, true) };
        assert_eq!(told(&again), expected);
        again.finishes(&mut broker, Ok(()));
        assert_eq!(state(&broker, CHAT), (!taken).then_some(SocketState::Kept));
    }
}

/// What is watched is watched again by the next broker; what that one no longer has is told as closed.
#[test]
fn sockets_survive_the_broker_as_far_as_somebody_keeps_them() {
    let (mut broker, task) = watching();
    hand_over(&mut broker, socket(SocketKey(2), task)).expect("it may");
    broker.restarts();
    assert_eq!(about_sockets(&mut broker), [Output::WatchSocket(CHAT), Output::WatchSocket(SocketKey(2))]);
    broker.tell(Input::SocketsGone(vec![CHAT]));
    let run = broker.expect_run("Chat");
    assert_eq!((run.order.firing.socket, told(&run)), (Some(CHAT), (Reason::SocketClosed, false)));
    run.finishes(&mut broker, Ok(()));
    assert_eq!((state(&broker, CHAT), state(&broker, SocketKey(2))), (None, Some(SocketState::Watched)));
}

#[test]
fn a_socket_that_got_lost_while_its_task_waited_is_told_as_closed() {
    let mut broker = Broker::new();
    let task = broker.register(task("Chat"));
    broker.reads(Report::Level(Fact::MemoryPressure, true));
    hand_over(&mut broker, socket(CHAT, task)).expect("it may");
    readable(&mut broker, CHAT);
    broker.first_levels = Some(true);
    broker.restarts();
    broker.tell(Input::SocketsGone(vec![CHAT]));
    broker.reads(Report::Level(Fact::EnergySaver, false));
    broker.reads(Report::Level(Fact::MemoryPressure, false));
    assert_eq!(told(&broker.expect_run("Chat")), (Reason::SocketClosed, false));
    broker.expect_no_run();
}

/// SOC-12: when nothing came for so long the task runs; that is one wake-up for all that may wait a little.
#[test]
fn soc_12_keep_alives_share_a_wake_up() {
    let mut broker = Broker::new();
    let task = broker.register(task("Chat"));
    let with =
        |key, minutes: u64| NewSocket { keep_alive: Some(seconds(60 * minutes)), ..socket(SocketKey(key), task) };
    hand_over(&mut broker, with(1, 10)).expect("it may");
    hand_over(&mut broker, with(2, 11)).expect("it may");
    broker.orders();
    assert_eq!(broker.next_wake(), Some((seconds(660), WakeReason::KeepAlive(task))), "a tenth later at most");
    broker.passes(seconds(659));
    broker.expect_no_run();
    broker.passes(seconds(1));
    let run = broker.expect_run("Chat");
    assert_eq!((run.order.firing.socket, told(&run)), (Some(CHAT), (Reason::KeepAliveTimerExpired, true)));
    assert!(about_sockets(&mut broker).contains(&Output::UnwatchSocket(CHAT)), "it is told once");
    run.finishes(&mut broker, Ok(()));
    assert_eq!(told(&broker.expect_run("Chat")).0, Reason::KeepAliveTimerExpired, "the other one shared the wake-up");
}

#[test]
fn soc_12_what_comes_before_ends_the_keep_alive() {
    let mut broker = Broker::new();
    let task = broker.register(task("Chat"));
    hand_over(&mut broker, NewSocket { keep_alive: Some(seconds(60)), ..socket(CHAT, task) }).expect("it may");
    readable(&mut broker, CHAT);
    broker.expect_run("Chat").finishes(&mut broker, Ok(()));
    broker.passes(seconds(3_600));
    broker.expect_no_run();
}

#[test]
fn a_clock_that_is_set_back_lengthens_no_keep_alive() {
    let mut broker = Broker::new();
    let task = broker.register(task("Chat"));
    hand_over(&mut broker, NewSocket { keep_alive: Some(seconds(60)), ..socket(CHAT, task) }).expect("it may");
    broker.clock_set(-86_400);
    broker.tell(Input::Tick);
    broker.passes(seconds(66));
    broker.expect_run("Chat");
}

/// Each socket is an activation of its own (D1), in order; where too many wait, the others wait at their sockets.
#[test]
fn d1_sockets_are_never_told_as_one_and_their_queue_is_bounded() {
    let mut broker = Broker::new();
    let task = broker.register(task("Chat"));
    let many = MAX_SOCKET_FIRINGS as u64 + 10;
    (1..=many).for_each(|key| drop(hand_over(&mut broker, socket(SocketKey(key), task)).expect("it may")));
    (1..=many).for_each(|key| readable(&mut broker, SocketKey(key)));
    assert!(broker.durable.activations.len() <= MAX_SOCKET_FIRINGS + 1);
    for key in 1..=many {
        let run = broker.expect_run("Chat");
        assert_eq!(run.order.firing.socket, Some(SocketKey(key)));
        run.started(&mut broker);
        run.finishes(&mut broker, Ok(()));
    }
    broker.expect_no_run();
}

#[test]
fn a_keep_alive_that_finds_no_room_makes_no_wake_ups() {
    let mut broker = Broker::new();
    let task = broker.register(task("Chat"));
    broker.reads(Report::Level(Fact::MemoryPressure, true));
    let many = MAX_SOCKET_FIRINGS as u64 + 5;
    for key in 1..=many {
        hand_over(&mut broker, NewSocket { keep_alive: Some(seconds(60)), ..socket(SocketKey(key), task) })
            .expect("it may");
    }
    broker.passes(seconds(3_600));
    assert!(!matches!(broker.next_wake(), Some((_, WakeReason::KeepAlive(_)))), "{:?}", broker.next_wake());
}

/// Once the machine is awake again, every socket is looked at again.
#[test]
fn soc_16_after_a_sleep_every_socket_is_looked_at() {
    let (mut broker, _) = watching();
    broker.reads(Report::Level(Fact::Standby, true));
    broker.orders();
    broker.reads(Report::Level(Fact::Standby, false));
    assert_eq!(about_sockets(&mut broker), [Output::WatchSocket(CHAT)]);
}

#[test]
fn soc_5_waking_the_machine_for_a_socket_is_not_supported() {
    let mut broker = Broker::new();
    let task = broker.register(task("Chat"));
    let wake = NewSocket { action: SocketActivityConnectedStandbyAction::Wake, ..socket(CHAT, task) };
    let refusal = hand_over(&mut broker, wake).expect_err("SOC-5");
    assert!(refusal.to_string().contains("DoNotWake"), "{refusal}");
    assert!(about_sockets(&mut broker).contains(&Output::DropSocket(CHAT)), "the broker's copy is closed");
}

#[test]
fn soc_10_an_id_is_one_of_its_app_at_a_time() {
    let (mut broker, task) = watching();
    let again = NewSocket { id: "socket 1".into(), ..socket(SocketKey(2), task) };
    assert_eq!(hand_over(&mut broker, again), Err(Refusal::SocketIdTaken("socket 1".into())));
    assert!(about_sockets(&mut broker).contains(&Output::DropSocket(SocketKey(2))));
    assert_eq!(state(&broker, CHAT), Some(SocketState::Watched));
}

/// SOC-3, SOC-4: only a task of the app's own, and one that waits for sockets.
#[test]
fn soc_3_a_socket_goes_to_a_task_of_the_app_that_waits_for_sockets() {
    let mut broker = Broker::new();
    broker.install(app(MAIL, "1"));
    broker.allow(MAIL);
    let other_apps = broker.try_register(MAIL, task("Chat")).expect("it may");
    let zone = broker.register(zone_task("Zone"));
    let gone = broker.register(task("Gone"));
    broker.unregister(gone, false).expect("it is listed");
    for stranger in [other_apps, gone] {
        assert_eq!(hand_over(&mut broker, socket(CHAT, stranger)), Err(Refusal::UnknownTask(stranger)));
    }
    let refusal = hand_over(&mut broker, socket(CHAT, zone)).expect_err("SOC-3").to_string();
    assert!(refusal.contains("SystemTrigger") && refusal.contains("SocketActivityTrigger"), "{refusal}");
    assert_eq!(broker.core.sockets().count(), 0);
}

#[test]
fn one_app_does_not_get_the_sockets_of_another() {
    let (mut broker, _) = watching();
    broker.install(app(MAIL, "1"));
    let stranger = broker.request(Request::ReclaimSocket { app: app_id(MAIL), id: "socket 1".into() });
    assert_eq!(stranger, Err(Refusal::UnknownSocket("socket 1".into())));
}

#[test]
fn what_is_given_along_is_bounded() {
    let mut broker = Broker::new();
    let task = broker.register(task("Chat"));
    let given = || socket(CHAT, task);
    let long = Details(vec![0; MAX_SOCKET_CONTEXT_BYTES + 1].into());
    let cases = [
        (NewSocket { id: "x".repeat(MAX_SOCKET_ID_BYTES + 1), ..given() }, Some(Limit::SocketIdBytes)),
        (NewSocket { context: long, ..given() }, Some(Limit::SocketContextBytes)),
        (NewSocket { id: String::new(), ..given() }, None),
        (NewSocket { id: "a\nb".into(), ..given() }, None),
        (NewSocket { keep_alive: Some(MIN_KEEP_ALIVE - Duration::from_micros(1)), ..given() }, None),
        (NewSocket { keep_alive: Some(MAX_INTERVAL + seconds(1)), ..given() }, None),
        (NewSocket { keep_alive: Some(seconds(60)), kind: SocketKind::StreamSocketListener, ..given() }, None),
    ];
    for (socket, limit) in cases {
        match (hand_over(&mut broker, socket), limit) {
            (Err(Refusal::LimitReached(reached)), Some(limit)) => assert_eq!(reached, limit),
            (Err(Refusal::InvalidArgument(_)), None) => {}
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn an_app_has_at_most_so_many_sockets_and_all_together_have() {
    let mut broker = Broker::new();
    let apps = [PHOTOS, MAIL, "org.example.Third"];
    let tasks = apps.map(|name| {
        broker.install(app(name, "1"));
        broker.allow(name);
        broker.try_register(name, task("Chat")).expect("it may")
    });
    hand_over(&mut broker, socket(CHAT, tasks[0])).expect("it may");
    let one = broker.durable.sockets.remove(0);
    let of = |number: usize| usize::from(number >= MAX_SOCKETS_PER_APP);
    let kept = (0..MAX_SOCKETS).map(|number| Socket {
        key: SocketKey(number as u64 + 1),
        id: number.to_string().into(),
        app: app_id(apps[of(number)]),
        task: tasks[of(number)],
        ..one.clone()
    });
    broker.durable.sockets = kept.collect();
    broker.restarts();
    assert_eq!(broker.core.sockets().count(), MAX_SOCKETS);
    for (name, task, limit) in [(PHOTOS, tasks[0], Limit::SocketsPerApp), (apps[2], tasks[2], Limit::Sockets)] {
        let more = Request::TransferSocket(app_id(name), socket(SocketKey(MAX_SOCKETS as u64 + 1), task));
        assert_eq!(broker.request(more), Err(Refusal::LimitReached(limit)));
    }
}

/// D5: another version of the task goes on with what was handed over, whether it is watched or waits.
#[test]
fn d5_who_takes_the_place_of_a_task_takes_its_sockets_too() {
    let mut broker = Broker::new();
    let old = broker.register(task("Chat"));
    broker.reads(Report::Level(Fact::MemoryPressure, true));
    hand_over(&mut broker, socket(CHAT, old)).expect("it may");
    hand_over(&mut broker, socket(SocketKey(2), old)).expect("it may");
    readable(&mut broker, CHAT);
    let other = NewRegistration { is_network_requested: true, ..task("Chat") };
    let Ok(Reply::Updated(new, Update::Replaced)) = broker.request(Request::RegisterOrUpdate(app_id(PHOTOS), other))
    else {
        panic!("it is another one")
    };
    broker.reads(Report::Level(Fact::MemoryPressure, false));
    let run = broker.expect_run("Chat");
    assert_eq!(
        (run.order.task, run.order.firing.socket, told(&run)),
        (new, Some(CHAT), (Reason::SocketActivity, true))
    );
    run.finishes(&mut broker, Ok(()));
    readable(&mut broker, SocketKey(2));
    assert_eq!(broker.expect_run("Chat").order.task, new);
}

#[test]
fn the_sockets_of_a_task_that_is_unregistered_wait_for_the_app() {
    let (mut broker, task) = watching();
    broker.unregister(task, false).expect("it is listed");
    assert_eq!(state(&broker, CHAT), Some(SocketState::Kept));
    assert!(about_sockets(&mut broker).contains(&Output::UnwatchSocket(CHAT)));
    broker.restarts();
    assert!(matches!(reclaim(&mut broker, "socket 1"), Ok(Reply::Socket(_))));
}

/// NW-2: a broker that finds that the task of a socket is not tried again keeps the socket, which the task has not taken.
#[test]
fn soc_6_a_socket_outlives_the_last_try_of_its_task() {
    let mut broker = Broker::with(Config { max_attempts: 1, ..Config::default() });
    let task = broker.register(task("Chat"));
    hand_over(&mut broker, socket(CHAT, task)).expect("it may");
    readable(&mut broker, CHAT);
    broker.expect_run("Chat").started(&mut broker);
    about_sockets(&mut broker);
    broker.restarts();
    assert_eq!(about_sockets(&mut broker), [], "the broker does not close what the app can take back");
    assert_eq!(state(&broker, CHAT), Some(SocketState::Kept));
    assert!(matches!(reclaim(&mut broker, "socket 1"), Ok(Reply::Socket(_))));
}

#[test]
fn re_8_the_sockets_of_an_app_that_is_removed_are_closed() {
    let (mut broker, _) = watching();
    broker.uninstall(PHOTOS);
    assert!(about_sockets(&mut broker).contains(&Output::DropSocket(CHAT)));
    assert_eq!((broker.core.sockets().count(), broker.durable.sockets.len()), (0, 0));
}

/// what others wait for goes first and is held by no budget.
#[test]
fn q_6_a_task_of_a_socket_is_critical() {
    assert!(task("Chat").trigger.is_critical());
}

#[test]
fn a_failing_host_hands_the_socket_to_nobody_else() {
    let (mut broker, _) = watching();
    readable(&mut broker, CHAT);
    let run = broker.expect_run("Chat");
    run.started(&mut broker);
    broker.exits(run.host, HostExit::Signal(9));
    assert_eq!(state(&broker, CHAT), Some(SocketState::Kept), "D8: it has its outcome, and the app has its socket");
}
