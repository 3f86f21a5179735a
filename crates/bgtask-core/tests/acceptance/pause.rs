//! `bgtask pause` and `bgtask resume`: a task that the user has switched off for a while.

use bgtask_core::{
    Cause, EventKind, Fact, Output, Pace, PathEvents, PathWatch, Report, Request, Subject, SystemTriggerType, Trigger,
};

use crate::harness::{Broker, HOUR, command, every, seconds, when};

#[test]
fn what_is_paused_fires_nothing_and_wakes_nobody() {
    let mut broker = Broker::of_commands();
    let task = broker.add(command("backup", every(seconds(1))));
    broker.pause(task, true);
    assert_eq!(broker.next_wake(), None);
    broker.passes(HOUR);
    broker.expect_no_run();
    assert_eq!(broker.story(task), ["registered", "paused"]);
}

#[test]
fn a_timer_keeps_its_phase_and_makes_up_for_nothing() {
    let mut broker = Broker::of_commands();
    let task = broker.add(command("backup", every(HOUR)));
    broker.passes(HOUR / 2);
    broker.pause(task, true);
    broker.passes(5 * HOUR);
    broker.pause(task, false);
    broker.expect_no_run();
    assert_eq!(broker.next_wake().map(|(left, _)| left), Some(HOUR / 2));
    broker.passes(HOUR / 2);
    assert_eq!(broker.expect_run("backup").order.firing.count, 1);
}

#[test]
fn a_one_shot_whose_time_came_meanwhile_waits_for_the_next() {
    let mut broker = Broker::of_commands();
    let once = Trigger::Interval { every: HOUR, pace: Pace::default(), one_shot: true };
    let task = broker.add(command("once", once));
    broker.pause(task, true);
    broker.passes(3 * HOUR / 2);
    broker.pause(task, false);
    broker.passes(HOUR / 2);
    broker.expect_run("once");
}

#[test]
fn d6_a_one_shot_calendar_that_was_paused_waits_for_its_next_time() {
    let mut broker = Broker::of_commands();
    let calendar = Trigger::Calendar {
        calendar: "daily 3".into(),
        zone: Some("UTC".into()),
        catch_up: true,
        pace: Pace::default(),
        one_shot: true,
    };
    let task = broker.add(command("once", calendar));
    broker.pause(task, true);
    broker.passes(5 * HOUR);
    broker.pause(task, false);
    broker.expect_no_run();
    broker.passes(24 * HOUR);
    broker.expect_run("once");
}

#[test]
fn what_waits_stays_and_what_runs_goes_on() {
    let mut broker = Broker::of_commands();
    let task = broker.add(when(command("backup", every(HOUR)), &["ac-power"]));
    broker.passes(HOUR);
    broker.pause(task, true);
    broker.reads(Report::Level(Fact::ExternalPower, true));
    broker.expect_no_run();
    broker.pause(task, false);
    let run = broker.expect_run("backup");
    run.started(&mut broker);
    broker.pause(task, true);
    assert_eq!(run.cancelled(&mut broker), None);
    run.exits(&mut broker, 0);
    assert_eq!(broker.last_outcome().word(), "succeeded");
}

#[test]
fn it_survives_a_restart() {
    let mut broker = Broker::of_commands();
    let task = broker.add(command("backup", every(HOUR)));
    broker.pause(task, true);
    broker.restarts();
    broker.passes(5 * HOUR);
    broker.expect_no_run();
    assert!(broker.core.task(task).expect("it is there").0.paused);
}

#[test]
fn no_event_of_any_kind_fires_it() {
    let mut broker = Broker::of_commands();
    let word = |word| bgtask_core::Condition::from_name(word).expect("a condition");
    let event = Trigger::CustomSystemEvent {
        id: "jack".into(),
        recurrence: bgtask_core::CustomSystemEventTriggerRecurrence::Always,
    };
    let triggers = [
        Trigger::System { kind: SystemTriggerType::UserAway, one_shot: false },
        Trigger::Condition { condition: word("user-away"), one_shot: true },
        Trigger::SessionStart { one_shot: false },
        event,
    ];
    for (number, trigger) in triggers.into_iter().enumerate() {
        let task = broker.add(command(&number.to_string(), trigger));
        broker.pause(task, true);
    }
    broker.user(true);
    broker.user(false);
    let raised = broker.request(Request::Raise { by: None, event: "jack".into() });
    assert_eq!(raised, Ok(bgtask_core::Reply::Raised(0)));
    broker.durable.session = "another session".into();
    broker.restarts();
    broker.expect_no_run();
    assert_eq!(broker.core.activations().count(), 0);
}

#[test]
fn a_path_is_not_even_watched_meanwhile() {
    let mut broker = Broker::of_commands();
    let on = PathEvents::default();
    let watch = PathWatch { path: "/notes".into(), recursive: false, on, settle: seconds(0) };
    let task = broker.add(command("sync", Trigger::Path { watch: watch.clone(), one_shot: false }));
    broker.orders();
    broker.pause(task, true);
    assert!(broker.orders().contains(&Output::Unlisten(task)));
    broker.restarts();
    assert!(!broker.orders().iter().any(|order| matches!(order, Output::Listen { .. })));
    broker.pause(task, false);
    let listens = |order: &Output| matches!(order, Output::Listen { subject: Subject::Path(its), .. } if *its == watch);
    assert!(broker.orders().iter().any(listens));
}

#[test]
fn pausing_twice_is_pausing_once_and_an_edited_command_stays_paused() {
    let mut broker = Broker::of_commands();
    let task = broker.add(command("backup", every(HOUR)));
    broker.pause(task, true);
    broker.pause(task, true);
    assert_eq!(broker.story(task), ["registered", "paused"]);
    let (edited, _) = broker.edit(command("backup", every(2 * HOUR)));
    assert!(broker.core.task(edited).expect("it is there").0.paused);
    assert_eq!(broker.next_wake(), None);
}

#[test]
fn run_by_hand_it_runs_and_stays_paused() {
    let mut broker = Broker::of_commands();
    let task = broker.add(command("backup", every(HOUR)));
    broker.pause(task, true);
    broker.run_now(task);
    broker.expect_run("backup").exits(&mut broker, 0);
    broker.passes(5 * HOUR);
    broker.expect_no_run();
    let fired = broker.history.iter().filter(|event| matches!(event.kind, EventKind::Fired { cause: Cause::Hand, .. }));
    assert_eq!(fired.count(), 1);
}
