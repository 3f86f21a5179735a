//! Which of many that are ready goes first (D2, Q-6).

use bgtask_core::limits::MAX_REGISTRATIONS_PER_APP;
use bgtask_core::{
    Activation, ActivationState, Config, EventClass, Firing, InstanceId, Properties, SystemTriggerType, TaskId,
    ThrottleCounts, Trigger, WallTime,
};

use crate::budget::{config, spinning, start};
use crate::burning::{Burning, burn};
use crate::harness::{Broker, HOUR, MAIL, PHOTOS, Run, app, app_id, command, every, seconds, triggered, zone_task};

/// A broker with one slot, which something of the mail app takes.
fn full() -> (Broker, Run) {
    let mut broker = Broker::with(Config { max_running: 1, ..Config::default() });
    broker.install(app(MAIL, "1"));
    broker.allow(MAIL);
    let first = Trigger::Time { freshness: 15, one_shot: true };
    broker.try_register(MAIL, triggered("First", first)).expect("it is in order");
    broker.passes(seconds(3_600));
    let run = broker.expect_run("First");
    (broker, run)
}

#[test]
fn q_6_which_triggers_are_critical() {
    let system = |kind| Trigger::System { kind, one_shot: false };
    assert!(system(SystemTriggerType::ControlChannelReset).is_critical());
    let others = SystemTriggerType::ALL.iter().filter(|kind| **kind != SystemTriggerType::ControlChannelReset);
    assert!(others.into_iter().all(|kind| !system(*kind).is_critical()));
    let critical = [&CRITICAL[..], &[EventClass::ControlChannel]].concat();
    assert!(critical.iter().all(|class| event(*class).is_critical()));
    let classes = EventClass::ALL.iter().filter(|class| !critical.contains(class));
    assert!(classes.into_iter().all(|class| !event(*class).is_critical()), "nor is any other event");
    assert!(!Trigger::Application.is_critical());
    assert!(!Trigger::Time { freshness: 15, one_shot: false }.is_critical());
}

/// Those that need nothing else to run than what fired. Of a control channel's tasks see `control_channel.rs`.
const CRITICAL: [EventClass; 2] = [EventClass::SocketActivity, EventClass::PushNotification];

fn event(class: EventClass) -> Trigger {
    Trigger::Event { class, properties: Properties::default(), one_shot: false }
}

/// An activation as a store has it that waits since its trigger fired.
pub(crate) fn fired_at(at: WallTime, instance: InstanceId) -> Activation {
    Activation {
        instance,
        firing: Firing { at, count: 1, details: None, lost: 0, by_hand: false, socket: None },
        attempt: 1,
        failures: 0,
        not_before: None,
        message: None,
        throttled: ThrottleCounts::default(),
        started: None,
        state: ActivationState::Waiting { since: at },
    }
}

/// A task of the photos app that something critical has fired is in the store, whatever tells of that.
fn fires_critically(broker: &mut Broker, number: u128, class: EventClass) -> TaskId {
    let task = broker.register(zone_task(class.name()));
    let its = broker.durable.registrations.iter_mut().find(|its| its.id == task).expect("it is durable");
    its.trigger = event(class);
    let activation = fired_at(broker.now.wall, InstanceId::from_random(number));
    broker.durable.activations.push((task, activation));
    task
}

/// what pushes and sockets tell goes before everything that fired earlier, also before what is late with its promise.
#[test]
fn q_6_socket_activity_and_push_notifications_go_first() {
    let mut broker = Broker::with(Config { max_running: 1, ..Config::default() });
    broker.install(bgtask_core::App::of_commands());
    let late = crate::harness::but(command("late", every(HOUR)), |command| command.fresh_within = Some(HOUR));
    broker.add(late);
    for number in 0..20 {
        broker.register(triggered(&format!("Early{number}"), Trigger::Time { freshness: 15, one_shot: true }));
    }
    broker.now = broker.now + 2 * HOUR;
    for (number, class) in (1..).zip(CRITICAL) {
        fires_critically(&mut broker, number, class);
    }
    broker.restarts();
    let mut ran = broker.ran();
    while let Some(host) = broker.busy_host().filter(|_| ran.len() < 3) {
        broker.exits(host, bgtask_core::HostExit::Code(0));
        ran.extend(broker.ran());
    }
    assert_eq!(ran[..2], ["SocketActivityTrigger", "PushNotificationTrigger"], "{ran:?}");
}

/// they run though their app has used up its budget, are not suspended however much they use, and nobody else pays.
#[test]
fn q_6_socket_activity_and_push_notifications_are_never_throttled() {
    for class in CRITICAL {
        let (mut broker, _, mut host) = spinning(config());
        burn(&mut broker, seconds(30), &mut host);
        fires_critically(&mut broker, 7, class);
        broker.durable.activations.retain(|(_, its)| its.instance == InstanceId::from_random(7));
        broker.restarts();
        assert!(broker.core.budget_left(&app_id(PHOTOS), broker.now).throttled.is_some());
        let run = start(&mut broker, class.name());
        let mut host = [Burning::new(&broker, &run, 100)];
        let before = broker.core.account(&app_id(PHOTOS), broker.now).expect("it is remembered").cpu;
        let orders = burn(&mut broker, seconds(50), &mut host);
        assert!(crate::budget::frozen(&orders).is_empty() && !host[0].frozen, "{class:?}: {orders:?}");
        broker.tell(host[0].told());
        let after = broker.core.account(&app_id(PHOTOS), broker.now).expect("it is remembered").cpu;
        assert_eq!(after, before, "{class:?}");
    }
}

#[test]
fn d2_an_app_with_a_thousand_ready_tasks_does_not_starve_one_with_a_single_task() {
    let (mut broker, first) = full();
    let soon = || Trigger::Time { freshness: 15, one_shot: true };
    for number in 0..MAX_REGISTRATIONS_PER_APP {
        broker.register(triggered(&format!("Many{number}"), soon()));
    }
    broker.passes(seconds(1));
    broker.try_register(MAIL, triggered("Single", soon())).expect("there is room");
    broker.passes(seconds(2_700));
    let mut ran: Vec<String> = Vec::new();
    let mut host = Some(first.host);
    while let Some(ended) = host.take().filter(|_| !ran.iter().any(|name| name == "Single")) {
        broker.exits(ended, bgtask_core::HostExit::Code(0));
        ran.extend(broker.ran());
        host = broker.busy_host();
    }
    assert!(ran.len() <= 2, "at most one of the many goes before it: {ran:?}");
}

#[test]
fn what_is_late_with_its_promise_goes_before_what_is_not() {
    let mut broker = Broker::empty(Config { max_running: 1, ..Config::default() });
    broker.install(bgtask_core::App::of_commands());
    broker.add(command("slow", every(HOUR)));
    broker.add(command("early", every(HOUR)));
    let late = crate::harness::but(command("late", every(HOUR)), |command| command.fresh_within = Some(HOUR));
    broker.add(late);
    broker.passes(HOUR);
    let mut ran = broker.ran();
    while let Some(host) = broker.busy_host() {
        broker.exits(host, bgtask_core::HostExit::Code(0));
        ran.extend(broker.ran());
    }
    assert_eq!(ran[0], "late", "{ran:?}");
}
