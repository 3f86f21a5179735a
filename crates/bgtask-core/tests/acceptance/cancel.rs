//! Budgets, cancelling, and what is left when a task does not listen.

use bgtask_core::{CancelNotice, CancellationReason, HostExit, Input, Outcome, Output, TaskId};

use crate::harness::{Broker, PHOTOS, Run, app, seconds, zone_task};

fn running() -> (Broker, TaskId, Run) {
    let mut broker = Broker::new();
    let task = broker.register(zone_task("Clock"));
    broker.zone_changes("Europe/Paris", 3_600);
    broker.zone_changes("Europe/London", 0);
    let run = broker.expect_run("Clock");
    run.started(&mut broker);
    broker.orders();
    (broker, task, run)
}

#[test]
fn d10_ca_3_a_task_has_25_s_then_a_notice_then_5_s_then_its_host_is_killed() {
    let (mut broker, _, run) = running();
    broker.passes(seconds(24));
    assert_eq!(broker.orders(), []);
    broker.passes(seconds(1));
    let reason = CancellationReason::ExecutionTimeExceeded;
    assert_eq!(run.cancelled(&mut broker), Some(reason));
    broker.passes(seconds(4));
    assert_eq!(broker.orders(), []);
    broker.passes(seconds(1));
    assert_eq!(broker.orders(), [Output::Kill(run.host)]);

    broker.exits(run.host, HostExit::Signal(9));
    assert_eq!(broker.last_outcome(), Outcome::Killed { reason, output_tail: "last words".into() });
}

#[test]
fn ca_2_a_task_that_listens_ends_in_order() {
    for (result, ok) in [(Ok(()), true), (Err("half done"), false)] {
        let (mut broker, task, run) = running();
        broker.unregister(task, true).expect("it is listed");
        assert_eq!(run.cancelled(&mut broker), Some(CancellationReason::Abort));
        broker.passes(seconds(3));
        run.finishes(&mut broker, result);
        let message = result.err().map(str::to_owned);
        let outcome = broker.last_outcome();
        assert_eq!(outcome, Outcome::Cancelled { reason: CancellationReason::Abort, message });
        assert_eq!(outcome.is_ok(), ok, "CA-11: what was left undone is the task's own business");
    }
}

#[test]
fn ca_4_ca_5_a_host_that_does_not_listen_takes_its_program_with_it() {
    let (mut broker, task, run) = running();
    broker.unregister(task, true).expect("it is listed");
    broker.orders();
    broker.passes(seconds(5));
    assert_eq!(broker.orders(), [Output::Kill(run.host)]);
    run.finishes(&mut broker, Ok(()));
    assert_eq!(broker.story(task).last(), Some(&"cancelled"), "too late: its host is being killed");
    broker.exits(run.host, HostExit::Signal(9));
    assert_eq!(broker.story(task).last(), Some(&"completed"));
    assert_eq!(broker.last_outcome().word(), "killed");
}

#[test]
fn ca_7_can_3_unregistering_with_cancel_stops_and_without_lets_finish() {
    let (mut broker, task, run) = running();
    broker.unregister(task, false).expect("it is listed");
    assert!(broker.core.registrations(None).is_empty(), "it is no longer listed");
    assert_eq!(run.cancelled(&mut broker), None);
    broker.zone_changes("Europe/Paris", 3_600);
    run.finishes(&mut broker, Ok(()));
    assert_eq!(broker.last_outcome(), Outcome::Succeeded);
    broker.expect_no_run();
    assert!(broker.durable.registrations.is_empty());
}

#[test]
fn ca_7_what_was_pending_behind_the_running_instance_goes_with_the_registration() {
    let (mut broker, task, run) = running();
    broker.zone_changes("Europe/Paris", 3_600);
    broker.unregister(task, true).expect("it is listed");
    run.finishes(&mut broker, Ok(()));
    broker.expect_no_run();
    assert!(broker.durable.activations.is_empty());
}

#[test]
fn ca_7_unregistering_what_waits_gives_no_completion() {
    let mut broker = Broker::empty(Default::default());
    broker.install(app(PHOTOS, "1"));
    let task = broker.register(zone_task("Clock"));
    broker.zone_changes("Europe/Paris", 3_600);
    broker.zone_changes("Europe/London", 0);
    broker.unregister(task, true).expect("it is listed");
    assert_eq!(broker.story(task), ["registered", "fired", "buffered", "unregistered", "dropped"]);
    assert!(broker.durable.completions.is_empty() && broker.durable.activations.is_empty());
}

#[test]
fn can_5_re_8_uninstalling_tells_what_runs_and_removes_every_registration() {
    let (mut broker, task, run) = running();
    broker.register(zone_task("Idle"));
    broker.uninstall(PHOTOS);
    assert_eq!(run.cancelled(&mut broker), Some(CancellationReason::Uninstall), "D9: the specific reason");
    assert!(broker.core.registrations(None).is_empty());
    run.finishes(&mut broker, Ok(()));
    assert!(broker.durable.registrations.is_empty());
    assert_eq!(broker.story(task).last(), Some(&"completed"));
}

#[test]
fn re_8_an_app_that_went_away_while_the_broker_was_away_can_be_removed_after_the_start() {
    let mut broker = Broker::new();
    broker.register(zone_task("Clock"));
    broker.core = bgtask_core::Core::new(broker.config.clone(), 2);
    let snapshot = broker.durable.clone();
    broker.tell(bgtask_core::Input::Restore(Box::new(snapshot)));
    assert_eq!(broker.core.registrations(None).len(), 1);
    broker.uninstall(PHOTOS);
    assert!(broker.durable.registrations.is_empty());
}

#[test]
fn can_5_an_uninstall_stops_what_an_unregistration_let_go_on() {
    let (mut broker, task, run) = running();
    broker.unregister(task, false).expect("it is listed");
    broker.uninstall(PHOTOS);
    assert_eq!(run.cancelled(&mut broker), Some(CancellationReason::Uninstall));
    assert_eq!(broker.story(task), ["registered", "fired", "started", "unregistered", "cancelled"]);
}

#[test]
fn can_5_at_a_log_off_what_runs_is_told_and_nothing_new_starts() {
    let (mut broker, task, run) = running();
    broker.tell(bgtask_core::Input::Stop);
    assert_eq!(run.cancelled(&mut broker), Some(CancellationReason::LoggingOff));
    broker.zone_changes("Europe/Paris", 3_600);
    run.finishes(&mut broker, Ok(()));
    assert_eq!(broker.orders(), [Output::Retire(run.host)], "its host does not linger");
    broker.exits(run.host, HostExit::Code(0));
    assert_eq!(broker.next_wake(), None);

    broker.restarts();
    assert_ne!(broker.expect_run("Clock").instance(), run.instance(), "what fired meanwhile runs in the next life");
    assert_eq!(broker.story(task).iter().filter(|word| **word == "completed").count(), 1);
}

#[test]
fn can_5_at_a_log_off_lingering_hosts_leave_at_once() {
    let (mut broker, _, run) = running();
    run.finishes(&mut broker, Ok(()));
    broker.tell(bgtask_core::Input::Stop);
    assert_eq!(broker.orders(), [Output::Retire(run.host)]);
    broker.tell(bgtask_core::Input::Stop);
    assert_eq!(broker.orders(), [], "being told twice changes nothing");
}

#[test]
fn the_first_reason_stands() {
    let (mut broker, task, run) = running();
    broker.passes(seconds(25));
    broker.unregister(task, true).expect("it is listed");
    assert_eq!(run.cancelled(&mut broker), Some(CancellationReason::ExecutionTimeExceeded));
    run.finishes(&mut broker, Ok(()));
    let reason = CancellationReason::ExecutionTimeExceeded;
    assert_eq!(broker.last_outcome(), Outcome::Cancelled { reason, message: None });
}

#[test]
fn a_notice_never_overtakes_the_order_it_belongs_to() {
    let (_, _, run) = running();
    let zero = seconds(0);
    let notice = CancelNotice { reason: CancellationReason::Abort, budget: zero, used: zero, grace: zero };
    let cancel = Output::Cancel(run.host, run.instance(), notice);
    assert!(cancel.needs_commit(), "a run waits for its commit, so its cancel must wait as well");
    assert!(Output::Run(run.host, Box::new(run.order)).needs_commit());
}

#[test]
fn d10_a_budget_begins_again_when_the_order_to_run_was_held_up_by_the_store() {
    let mut broker = Broker::new();
    broker.register(zone_task("Clock"));
    broker.zone_changes("Europe/Paris", 3_600);
    broker.zone_changes("Europe/London", 0);
    let run = broker.expect_run("Clock");
    broker.orders();
    // The driver gives no tick while nothing can be made durable; the order goes out a minute late.
    broker.tell_after(seconds(60), Input::CaughtUp);
    broker.passes(seconds(24));
    assert_eq!(run.cancelled(&mut broker), None, "the whole budget is there");
    broker.passes(seconds(1));
    let reason = CancellationReason::ExecutionTimeExceeded;
    assert_eq!(run.cancelled(&mut broker), Some(reason));
}
