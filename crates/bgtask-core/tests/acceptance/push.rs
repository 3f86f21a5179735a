//! Push messages: in an activation before they are acknowledged, held while there is no room, lost only where nobody keeps them.

use std::time::Duration;

use bgtask_core::limits::{MAX_DETAILS_BYTES, MAX_HELD_PUSHES, MAX_PUSH_CHANNELS};
use bgtask_core::{
    AccessSetting, Details, EventClass, Fact, Input, Limit, Output, Properties, Push, PushChannel, PushTicket, Refusal,
    Reply, Report, Request, RequestId, TaskId, TaskType, Trigger, WakeReason,
};

use crate::harness::{Broker, PHOTOS, Run, app, app_id, triggered};

const URI: &str = "mqtt://h/bgtask/m/photos";

/// A broker whose app has a channel and a task for what arrives there.
fn pushing() -> (Broker, TaskId) {
    let mut broker = Broker::new();
    install(&mut broker);
    open(&mut broker);
    let task = broker.register(triggered("Mail", trigger()));
    broker.orders();
    (broker, task)
}

fn install(broker: &mut Broker) {
    let mut photos = app(PHOTOS, "1");
    photos.entry_points[0].types.push(TaskType::PushNotification);
    broker.install(photos);
    broker.allow(PHOTOS);
}

fn trigger() -> Trigger {
    Trigger::Event { class: EventClass::PushNotification, properties: Properties::new(), one_shot: false }
}

fn ask(broker: &mut Broker, request: u64) {
    broker.tell(Input::Request(RequestId(request), Request::CreatePushChannel(app_id(PHOTOS))));
}

fn open(broker: &mut Broker) -> Vec<Output> {
    ask(broker, 1_000);
    broker.tell(Input::ChannelOpened { app: app_id(PHOTOS), uri: URI.into() });
    broker.orders()
}

fn push(broker: &mut Broker, numbers: std::ops::Range<u64>, size: usize) {
    let line = |number: u64| format!("{number:0width$}\n", width = size - 1).into_bytes();
    let message = |number| Push { line: Some(Details(line(number).into())), ticket: Some(PushTicket(number)) };
    broker.tell(Input::Pushed { app: app_id(PHOTOS), messages: numbers.map(message).collect() });
}

/// What a run was told, by its numbers.
fn told(run: &Run) -> Vec<u64> {
    let details = run.order.firing.details.as_ref().expect("it carries messages");
    let text = String::from_utf8(details.0.to_vec()).expect("text");
    text.lines().map(|line| line.parse().expect("a number")).collect()
}

/// What was acknowledged since the last look.
fn acknowledged(orders: &[Output]) -> Vec<u64> {
    let tickets = orders.iter().filter_map(|order| match order {
        Output::AcknowledgePushes(app, tickets) if *app == app_id(PHOTOS) => Some(tickets),
        _ => None,
    });
    tickets.flatten().map(|ticket| ticket.0).collect()
}

#[test]
fn a_message_is_in_an_activation_before_it_is_acknowledged() {
    let (mut broker, _) = pushing();
    push(&mut broker, 0..3, 10);
    assert!(Output::AcknowledgePushes(app_id(PHOTOS), vec![]).needs_commit(), "the driver makes it durable before");
    let run = broker.expect_run("Mail");
    assert_eq!((told(&run), run.order.firing.count), (vec![0, 1, 2], 3));
    assert_eq!(acknowledged(&broker.orders()), [0, 1, 2]);
    push(&mut broker, 3..5, 10);
    push(&mut broker, 5..6, 10);
    assert_eq!(acknowledged(&broker.orders()), [3, 4, 5], "they wait with the next run");
    broker.restarts();
    broker.tell(Input::Report(Report::Level(Fact::Standby, false)));
    let orders = broker.orders();
    assert!(orders.contains(&Output::OpenChannel(app_id(PHOTOS))), "{orders:?}");
    let runs: Vec<_> = orders
        .iter()
        .filter_map(|order| match order {
            Output::Run(_, order) => order.firing.details.clone(),
            _ => None,
        })
        .collect();
    assert_eq!(runs.len(), 1, "the second waits for the first: {orders:?}");
}

/// What is more than an activation has room for is not acknowledged, and its server keeps what follows; in order all the same.
#[test]
fn what_finds_no_room_is_held_and_not_acknowledged() {
    let (mut broker, _) = pushing();
    push(&mut broker, 0..1, 1_024);
    let mut run = broker.expect_run("Mail");
    let fits = (MAX_DETAILS_BYTES / 1_024) as u64;
    push(&mut broker, 1..200, 1_024);
    assert_eq!(acknowledged(&broker.orders()), (0..=fits).collect::<Vec<_>>());
    assert_eq!(broker.core.push_channels().map(|(_, held)| held).collect::<Vec<_>>(), [200 - 1 - fits as usize]);
    let (mut all, mut seen) = (told(&run), vec![]);
    while all.len() < 200 {
        run.started(&mut broker);
        run.finishes(&mut broker, Ok(()));
        run = broker.expect_run("Mail");
        all.extend(told(&run));
        seen.extend(acknowledged(&broker.orders()));
    }
    assert_eq!(all, (0..200).collect::<Vec<_>>());
    assert_eq!(seen, (fits + 1..200).collect::<Vec<_>>(), "each as soon as it has found room");
}

/// A sender who waits for no word keeps nothing: what there is no room for is counted.
#[test]
fn what_nobody_keeps_is_lost_and_told() {
    let (mut broker, _) = pushing();
    let big = Push { line: Some(Details(vec![b'\n'; MAX_DETAILS_BYTES].into())), ticket: None };
    let push = |broker: &mut Broker, count: usize| {
        broker.tell(Input::Pushed { app: app_id(PHOTOS), messages: vec![big.clone(); count] });
    };
    push(&mut broker, 2);
    let run = broker.expect_run("Mail");
    push(&mut broker, MAX_HELD_PUSHES + 3);
    run.started(&mut broker);
    run.finishes(&mut broker, Ok(()));
    let second = broker.expect_run("Mail");
    assert_eq!(second.order.firing.lost, 3, "it is told with what waits");
}

#[test]
fn a_message_without_its_payload_is_counted() {
    let (mut broker, _) = pushing();
    let too_large = Push { line: None, ticket: Some(PushTicket(7)) };
    broker.tell(Input::Pushed { app: app_id(PHOTOS), messages: vec![too_large] });
    let run = broker.expect_run("Mail");
    assert_eq!((run.order.firing.count, run.order.firing.lost), (1, 1));
    assert_eq!(acknowledged(&broker.orders()), [7]);
}

/// A raw notification for which no task is registered runs nothing.
#[test]
fn without_a_task_or_a_channel_a_message_is_taken_and_runs_nothing() {
    let (mut broker, task) = pushing();
    broker.unregister(task, false).expect("it is there");
    push(&mut broker, 0..2, 10);
    assert_eq!(acknowledged(&broker.orders()), [0, 1]);
    broker.register(triggered("Mail", trigger()));
    assert_eq!(broker.request(Request::ClosePushChannel(app_id(PHOTOS))), Ok(Reply::ChannelClosed));
    assert!(broker.orders().contains(&Output::CloseChannel(app_id(PHOTOS))));
    push(&mut broker, 2..3, 10);
    assert_eq!(acknowledged(&broker.orders()), [2]);
    broker.expect_no_run();
}

/// POL-11, AC-6: they are not given up as on Windows.
#[test]
fn pol_11_in_battery_saver_messages_wait_but_for_who_is_always_allowed() {
    let (mut broker, _) = pushing();
    broker.reads(Report::Level(Fact::EnergySaver, true));
    push(&mut broker, 0..2, 10);
    assert_eq!(acknowledged(&broker.orders()), [0, 1], "they are in safe hands");
    broker.reads(Report::Level(Fact::EnergySaver, false));
    assert_eq!(told(&broker.expect_run("Mail")), [0, 1]);
    let (mut broker, _) = pushing();
    let always = Request::SetAccess(app_id(PHOTOS), Some(AccessSetting::Always));
    broker.request(always).expect("the user may");
    broker.reads(Report::Level(Fact::EnergySaver, true));
    push(&mut broker, 0..1, 10);
    broker.expect_run("Mail");
}

#[test]
fn a_channel_keeps_its_address_and_lasts_for_thirty_days_more_each_time_it_is_asked_for() {
    let mut broker = Broker::new();
    install(&mut broker);
    let orders = open(&mut broker);
    let answer = |orders: &[Output]| {
        orders.iter().find_map(|order| match order {
            Output::Reply(_, Ok(Reply::Channel(channel))) => Some(channel.clone()),
            _ => None,
        })
    };
    let first = answer(&orders).expect("it has an address");
    assert_eq!(first.uri.as_deref(), Some(URI));
    broker.passes(Duration::from_secs(29 * 86_400));
    ask(&mut broker, 1_001);
    let again = answer(&broker.orders()).expect("at once");
    assert_eq!(again.expires, first.expires + Duration::from_secs(29 * 86_400));
    assert_eq!(broker.next_wake(), Some((PushChannel::LIFETIME, WakeReason::ChannelExpiry)), "counted anew");
}

/// Nobody has to send anything for that: the server is told to forget the channel.
#[test]
fn a_channel_is_closed_when_its_time_is_over_and_what_it_held_with_it() {
    let (mut broker, _) = pushing();
    broker.reads(Report::Level(Fact::EnergySaver, true));
    push(&mut broker, 0..100, 1_024);
    let taken = acknowledged(&broker.orders()).len() as u64;
    assert_eq!(broker.next_wake(), Some((PushChannel::LIFETIME, WakeReason::ChannelExpiry)));
    broker.passes(PushChannel::LIFETIME);
    let orders = broker.orders();
    assert!(orders.contains(&Output::CloseChannel(app_id(PHOTOS))), "{orders:?}");
    assert_eq!(acknowledged(&orders), (taken..100).collect::<Vec<_>>(), "what it held is given up");
    assert_eq!((broker.core.push_channels().count(), broker.next_wake()), (0, None), "and nothing is waited for");
    push(&mut broker, 100..101, 10);
    assert_eq!(acknowledged(&broker.orders()), [100], "a message that comes late runs nothing");
}

/// While the broker was away, or the machine off.
#[test]
fn a_channel_whose_time_ran_out_unseen_is_closed_at_once() {
    let (mut broker, _) = pushing();
    broker.restarts();
    broker.clock_set(31 * 86_400);
    broker.passes(Duration::ZERO);
    let orders = broker.orders();
    assert!(orders.contains(&Output::CloseChannel(app_id(PHOTOS))), "{orders:?}");
    assert_eq!(broker.core.push_channels().count(), 0);
}

#[test]
fn who_waits_for_an_address_hears_why_there_is_none() {
    let mut broker = Broker::new();
    install(&mut broker);
    ask(&mut broker, 1_000);
    ask(&mut broker, 1_001);
    broker.orders();
    let refused = Input::ChannelRefused { app: app_id(PHOTOS), why: "away".into(), help: "wait".into() };
    broker.tell(refused.clone());
    let orders = broker.orders();
    let told =
        |order: &&Output| matches!(order, Output::Reply(_, Err(Refusal::NotSupported { why, .. })) if why == "away");
    assert_eq!(orders.iter().filter(told).count(), 2, "{orders:?}");
    assert_eq!(broker.core.push_channels().count(), 0, "it never had one");
    open(&mut broker);
    broker.tell(refused);
    assert_eq!(broker.core.push_channels().count(), 1, "one that has an address stays");
    broker.uninstall(PHOTOS);
    assert_eq!(broker.core.push_channels().count(), 0, "it goes with its app");
}

#[test]
fn there_are_so_many_channels_and_no_more() {
    let mut broker = Broker::new();
    for number in 0..=MAX_PUSH_CHANNELS as u64 {
        let name = format!("org.example.App{number}");
        broker.install(app(&name, "1"));
        broker.tell(Input::Request(RequestId(2_000 + number), Request::CreatePushChannel(app_id(&name))));
    }
    let refused = broker.orders().into_iter().find_map(|order| match order {
        Output::Reply(_, Err(refusal)) => Some(refusal),
        _ => None,
    });
    assert_eq!(refused, Some(Refusal::LimitReached(Limit::PushChannels)));
}
