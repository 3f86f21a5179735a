//! How hosts end, linger and are used again.

use bgtask_core::{CancellationReason, Config, HostExit, Input, Outcome, Output};

use crate::harness::{Broker, MAIL, PHOTOS, Run, app, seconds, zone_task};

fn fire(broker: &mut Broker) {
    let there = broker.history.iter().filter(|event| event.kind.word() == "fired").count() % 2 == 1;
    let (zone, offset) = if there { ("Europe/Paris", 3_600) } else { ("Europe/London", 0) };
    broker.zone_changes(zone, offset);
}

fn running(config: Config) -> (Broker, Run) {
    let mut broker = Broker::with(config);
    broker.register(zone_task("Clock"));
    broker.zone_changes("Europe/Paris", 3_600);
    fire(&mut broker);
    let run = broker.expect_run("Clock");
    broker.orders();
    (broker, run)
}

#[test]
fn d8_a_host_that_dies_without_completing_fails_its_task_with_its_last_words() {
    for exit in [HostExit::Code(0), HostExit::Code(3), HostExit::Signal(11), HostExit::NotStarted("gone".into())] {
        let (mut broker, run) = running(Config::default());
        if !matches!(exit, HostExit::NotStarted(_)) {
            run.started(&mut broker);
        }
        broker.exits(run.host, exit.clone());
        let outcome = broker.last_outcome();
        assert_eq!(outcome, Outcome::HostFailed { exit, output_tail: "last words".into() });
        assert!(!outcome.is_ok());
        assert_eq!(broker.durable.completions.len(), 1, "the app is told");
        broker.expect_no_run();
    }
}

#[test]
fn ev_6_a_task_that_returns_an_error_keeps_its_words() {
    let (mut broker, run) = running(Config::default());
    run.finishes(&mut broker, Err("the disk is full"));
    assert_eq!(broker.last_outcome(), Outcome::TaskFailed { message: "the disk is full".into() });
}

#[test]
fn a_host_lingers_and_runs_the_next_activation() {
    let (mut broker, first) = running(Config::default());
    first.finishes(&mut broker, Ok(()));
    broker.passes(seconds(29));
    fire(&mut broker);
    let second = broker.expect_run("Clock");
    assert_eq!(second.host, first.host);
    assert!(!broker.orders().iter().any(|order| matches!(order, Output::Launch { .. })));
}

#[test]
fn a_host_that_lingered_long_enough_is_asked_to_leave_and_killed_if_it_stays() {
    let (mut broker, run) = running(Config::default());
    run.finishes(&mut broker, Ok(()));
    broker.passes(seconds(30));
    assert_eq!(broker.orders(), [Output::Retire(run.host)]);
    broker.passes(seconds(5));
    assert_eq!(broker.orders(), [Output::Kill(run.host)]);
    broker.exits(run.host, HostExit::Signal(9));
    assert_eq!((broker.core.hosts().count(), broker.next_wake()), (0, None));
}

#[test]
fn a_retiring_host_gets_no_work() {
    let (mut broker, first) = running(Config { warm_linger: seconds(0), ..Config::default() });
    first.finishes(&mut broker, Ok(()));
    assert_eq!(broker.orders(), [Output::Retire(first.host)]);
    fire(&mut broker);
    assert_ne!(broker.expect_run("Clock").host, first.host);
}

#[test]
fn a_cancelled_host_does_not_linger() {
    let (mut broker, run) = running(Config::default());
    broker.passes(seconds(25));
    run.finishes(&mut broker, Ok(()));
    assert!(broker.orders().contains(&Output::Retire(run.host)));
}

#[test]
fn no_more_hosts_linger_than_may_and_the_oldest_goes_first() {
    let mut broker = Broker::with(Config { max_warm_hosts: 1, ..Config::default() });
    broker.register(zone_task("First"));
    broker.register(zone_task("Second"));
    broker.zone_changes("Europe/Paris", 3_600);
    fire(&mut broker);
    let (first, second) = (broker.expect_run("First"), broker.expect_run("Second"));
    broker.orders();
    first.finishes(&mut broker, Ok(()));
    assert_eq!(broker.orders(), []);
    broker.passes(seconds(1));
    second.finishes(&mut broker, Ok(()));
    assert_eq!(broker.orders(), [Output::Retire(first.host)]);
}

#[test]
fn a_lingering_host_that_died_unheard_costs_no_attempt() {
    let (mut broker, first) = running(Config::default());
    first.finishes(&mut broker, Ok(()));
    fire(&mut broker);
    let warm = broker.expect_run("Clock");
    assert_eq!(warm.host, first.host);
    broker.exits(warm.host, HostExit::Signal(9));
    let cold = broker.expect_run("Clock");
    assert_ne!(cold.host, warm.host);
    assert_eq!((cold.instance(), cold.order.attempt), (warm.instance(), 1));
}

#[test]
fn a_warm_host_that_began_and_died_fails_like_any_other() {
    let (mut broker, first) = running(Config::default());
    first.finishes(&mut broker, Ok(()));
    fire(&mut broker);
    let warm = broker.expect_run("Clock");
    warm.started(&mut broker);
    broker.exits(warm.host, HostExit::Signal(6));
    assert_eq!(broker.last_outcome().word(), "host-failed");
}

#[test]
fn a_host_of_the_version_before_retires_idle_or_busy() {
    let (mut broker, idle) = running(Config::default());
    idle.finishes(&mut broker, Ok(()));
    broker.install(app(PHOTOS, "2"));
    assert_eq!(broker.orders(), [Output::Retire(idle.host)]);

    let (mut broker, busy) = running(Config::default());
    broker.install(app(PHOTOS, "2"));
    assert_eq!(busy.cancelled(&mut broker), Some(CancellationReason::ServicingUpdate));
    busy.finishes(&mut broker, Ok(()));
    assert!(broker.orders().contains(&Output::Retire(busy.host)));
}

#[test]
fn lc_6_hosts_are_never_shared_between_apps() {
    let (mut broker, photos) = running(Config::default());
    broker.install(app(MAIL, "1"));
    broker.allow(MAIL);
    broker.try_register(MAIL, zone_task("Mail")).expect("in order");
    photos.finishes(&mut broker, Ok(()));
    fire(&mut broker);
    assert_ne!(broker.expect_run("Mail").host, photos.host);
}

#[test]
fn what_a_host_says_too_late_twice_or_of_something_else_changes_nothing() {
    let (mut broker, run) = running(Config::default());
    let stranger = bgtask_core::InstanceId::from_random(9);
    broker.tell(Input::HostStarted(run.host, stranger));
    broker.tell(Input::HostFinished {
        host: bgtask_core::HostId(99),
        instance: run.instance(),
        result: Ok(()),
        usage: None,
    });
    run.started(&mut broker);
    run.finishes(&mut broker, Ok(()));
    let before = broker.history.len();
    run.finishes(&mut broker, Err("again"));
    run.started(&mut broker);
    run.progress(&mut broker, 5);
    broker.exits(bgtask_core::HostId(99), HostExit::Code(0));
    broker.exits(run.host, HostExit::Code(0));
    broker.exits(run.host, HostExit::Code(0));
    assert_eq!(broker.history.len(), before);
    assert_eq!(broker.core.hosts().count(), 0);
}

#[test]
fn a_task_may_be_complete_before_its_host_said_that_it_began() {
    let (mut broker, run) = running(Config::default());
    run.finishes(&mut broker, Ok(()));
    assert_eq!(broker.last_outcome(), Outcome::Succeeded);
}
