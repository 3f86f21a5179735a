//! Which of many that are ready goes first (D2, Q-6).

use bgtask_core::limits::MAX_REGISTRATIONS_PER_APP;
use bgtask_core::{Config, SystemTriggerType, Trigger};

use crate::harness::{Broker, HOUR, MAIL, Run, app, command, every, seconds, triggered};

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
    assert!(!Trigger::Application.is_critical());
    assert!(!Trigger::Time { freshness: 15, one_shot: false }.is_critical());
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
