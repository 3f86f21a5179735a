//! Many registrations: what one of them costs must not grow with the others.

use std::time::{Duration, Instant};

use bgtask_core::limits::MAX_REGISTRATIONS_PER_APP;
use bgtask_core::{App, Config, NewRegistration, WakeReason};

use crate::harness::{Broker, HOUR, app, but, command, every, seconds, triggered, when};

/// As many as one user may have; every second one promises something, every third waits for its condition in vain.
fn thousand() -> Broker {
    let mut broker = Broker::empty(Config { max_running: 16, ..Config::default() });
    broker.install(App::of_commands());
    for number in 0..MAX_REGISTRATIONS_PER_APP {
        let new = command(&format!("task-{number}"), every(HOUR));
        let new = but(new, |command| command.fresh_within = number.is_multiple_of(2).then_some(30 * HOUR));
        broker.add(if number.is_multiple_of(3) { when(new, &["ac-power"]) } else { new });
    }
    broker.orders();
    broker
}

#[test]
fn a_thousand_commands_that_are_due_at_once_all_run_a_few_at_a_time() {
    let mut broker = thousand();
    broker.now = broker.now + 24 * HOUR;
    broker.tell(bgtask_core::Input::Tick);
    let (mut ran, until) = (0, broker.now + broker.config.load_delay);
    loop {
        if let Some((left, WakeReason::Load(_))) = broker.next_wake().filter(|_| broker.busy_host().is_none()) {
            broker.passes(left);
            assert!(broker.now.boot <= until.boot, "none is held for longer");
        }
        let hosts: Vec<_> = broker.core.hosts().map(|host| host.id).collect();
        assert!(hosts.len() <= 16);
        if hosts.is_empty() {
            break;
        }
        for host in hosts {
            broker.exits(host, bgtask_core::HostExit::Code(0));
            ran += 1;
        }
    }
    assert_eq!(ran, MAX_REGISTRATIONS_PER_APP - MAX_REGISTRATIONS_PER_APP.div_ceil(3));
    assert_eq!(broker.core.activations().count(), MAX_REGISTRATIONS_PER_APP.div_ceil(3));
}

/// Ten thousand more that wait for times later that day, in ten apps.
fn crowd(broker: &mut Broker) {
    for number in 0..10 {
        let name = format!("org.example.App{number}");
        broker.install(app(&name, "1"));
        for _ in 0..1_000 {
            let trigger = bgtask_core::Trigger::Time { freshness: 600, one_shot: false };
            broker.try_register(&name, triggered("Timer", trigger)).expect("there is room");
        }
    }
    broker.orders();
}

/// How long five hundred firings and ends of one command take.
fn one_beat(broker: &mut Broker) -> Duration {
    let beat = NewRegistration { ..command("beat", every(seconds(1))) };
    broker.add(beat);
    broker.history.clear();
    let began = Instant::now();
    for _ in 0..500 {
        broker.passes(seconds(1));
        broker.expect_run("beat").exits(broker, 0);
        broker.orders();
    }
    began.elapsed()
}

#[test]
fn a_timer_costs_the_same_among_ten_thousand() {
    let alone = one_beat(&mut Broker::of_commands());
    let mut crowded = Broker::of_commands();
    crowd(&mut crowded);
    // The store that the test plays looks through everything it holds at every change.
    crowded.durable.registrations.clear();
    let among_all = one_beat(&mut crowded);
    let bound = 20 * alone + Duration::from_secs(2);
    assert!(among_all < bound, "{among_all:?} where alone it takes {alone:?}");
}
