//! `bgtask run`: now, whatever the command waits for.

use bgtask_core::{Cause, EventKind, Fact, Report, Request, Trigger};

use crate::harness::{Broker, HOUR, but, command, every, seconds, when};

fn causes(broker: &Broker) -> Vec<Cause> {
    let causes = broker.history.iter().filter_map(|event| match event.kind {
        EventKind::Fired { cause, .. } => Some(cause),
        _ => None,
    });
    causes.collect()
}

#[test]
fn it_runs_at_once_and_its_timer_keeps_its_phase() {
    let mut broker = Broker::of_commands();
    let task = broker.add(command("backup", every(HOUR)));
    broker.passes(HOUR / 2);
    let instance = broker.run_now(task);
    let run = broker.expect_run("backup");
    assert_eq!((run.instance(), run.order.firing.by_hand), (instance, true));
    run.exits(&mut broker, 0);
    broker.passes(HOUR / 2);
    assert!(!broker.expect_run("backup").order.firing.by_hand);
    assert_eq!(causes(&broker), [Cause::Hand, Cause::Timer { shared: 1 }]);
}

#[test]
fn conditions_energy_memory_unknown_levels_and_a_pause_do_not_hold_it() {
    let mut broker = Broker::of_commands();
    broker.first_levels = None;
    let task = broker.add(when(command("backup", every(HOUR)), &["internet", "ac-power"]));
    broker.run_now(task);
    broker.expect_run("backup").exits(&mut broker, 0);
    broker.reads(Report::Level(Fact::EnergySaver, true));
    broker.reads(Report::Level(Fact::MemoryPressure, true));
    broker.pause(task, true);
    broker.run_now(task);
    let run = broker.expect_run("backup");
    run.started(&mut broker);
    broker.reads(Report::Level(Fact::EnergySaver, false));
    broker.reads(Report::Level(Fact::MemoryPressure, false));
    broker.reads(Report::Level(Fact::EnergySaver, true));
    broker.reads(Report::Level(Fact::MemoryPressure, true));
    assert_eq!(run.cancelled(&mut broker), None, "and what does not hold it does not end it");
    let held = |kind: &EventKind| matches!(kind, EventKind::Buffered(_) | EventKind::Latched(_));
    assert!(!broker.history.iter().any(|event| held(&event.kind)), "nor does the history say that it did");
}

#[test]
fn co_3_a_condition_that_is_lost_does_not_end_it() {
    let mut broker = Broker::of_commands();
    let mut new = when(command("sync", every(HOUR)), &["internet"]);
    new.cancel_on_condition_loss = true;
    let task = broker.add(new);
    broker.internet(true);
    broker.run_now(task);
    let run = broker.expect_run("sync");
    run.started(&mut broker);
    broker.internet(false);
    assert_eq!(run.cancelled(&mut broker), None);
}

#[test]
fn what_waits_for_its_conditions_goes_then() {
    let mut broker = Broker::of_commands();
    let task = broker.add(when(command("backup", every(HOUR)), &["ac-power"]));
    broker.passes(HOUR);
    broker.expect_no_run();
    broker.run_now(task);
    let run = broker.expect_run("backup");
    assert_eq!(run.order.firing.count, 1, "no firing of its own");
    assert_eq!(causes(&broker), [Cause::Timer { shared: 1 }, Cause::Hand]);
    run.exits(&mut broker, 0);
    broker.expect_no_run();
}

#[test]
fn it_may_wait_for_its_conditions_all_the_same() {
    let mut broker = Broker::of_commands();
    let task = broker.add(when(command("backup", every(HOUR)), &["internet"]));
    broker.request(Request::RunNow { task, respect_conditions: true }).expect("it is a command");
    broker.expect_no_run();
    broker.internet(true);
    assert!(!broker.expect_run("backup").order.firing.by_hand);
}

#[test]
fn d2_what_runs_already_is_waited_for_and_asking_often_is_asking_once() {
    let mut broker = Broker::of_commands();
    let task = broker.add(command("backup", every(HOUR)));
    broker.run_now(task);
    let first = broker.expect_run("backup");
    let waiting: Vec<_> = (0..50).map(|_| broker.run_now(task)).collect();
    broker.expect_no_run();
    assert!(waiting.iter().all(|instance| *instance == waiting[0] && *instance != first.instance()));
    first.exits(&mut broker, 0);
    broker.expect_run("backup").exits(&mut broker, 0);
    broker.expect_no_run();
}

#[test]
fn d6_a_one_shot_that_ran_by_hand_is_not_spent() {
    let mut broker = Broker::of_commands();
    let once = Trigger::Interval { every: HOUR, pace: bgtask_core::Pace::default(), one_shot: true };
    let task = broker.add(command("once", once));
    broker.run_now(task);
    broker.expect_run("once").exits(&mut broker, 0);
    broker.passes(HOUR);
    broker.expect_run("once").exits(&mut broker, 0);
    assert_eq!(broker.durable.registrations, [], "now it is");
}

#[test]
fn it_does_not_wait_out_a_pause_between_tries_and_then_pauses_as_told() {
    let mut broker = Broker::of_commands();
    let task = broker.add(but(command("flaky", every(HOUR)), |command| command.retry.times = 9));
    broker.passes(HOUR);
    broker.expect_run("flaky").exits(&mut broker, 1);
    broker.expect_no_run();
    broker.run_now(task);
    let second = broker.expect_run("flaky");
    assert_eq!(second.order.attempt, 2);
    second.exits(&mut broker, 1);
    broker.expect_no_run();
    broker.passes(seconds(119));
    broker.expect_no_run();
    broker.passes(seconds(1));
    assert_eq!(broker.expect_run("flaky").order.attempt, 3, "tries that fail by themselves do not chase each other");
}

#[test]
fn what_was_asked_for_by_hand_survives_a_restart_of_the_broker() {
    let mut broker = Broker::of_commands();
    let task = broker.add(when(command("backup", every(HOUR)), &["internet"]));
    let instance = broker.run_now(task);
    broker.expect_run("backup");
    broker.restarts();
    let again = broker.expect_run("backup");
    assert_eq!((again.instance(), again.order.attempt, again.order.firing.by_hand), (instance, 2, true));
}

#[test]
fn a_broker_that_is_about_to_end_starts_nothing() {
    let mut broker = Broker::of_commands();
    let task = broker.add(command("backup", every(HOUR)));
    broker.tell(bgtask_core::Input::Stop);
    let refusal = broker.request(Request::RunNow { task, respect_conditions: false });
    assert_eq!(refusal, Err(bgtask_core::Refusal::Stopping));
}
