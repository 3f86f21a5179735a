//! `--on session-start`: the user's session began, once in each.

use bgtask_core::Trigger;

use crate::harness::{Broker, command};

fn greet(one_shot: bool) -> bgtask_core::NewRegistration {
    command("greet", Trigger::SessionStart { one_shot })
}

/// The user logs out and in again; a broker that serves the new session starts.
fn logs_in(broker: &mut Broker, session: &str) {
    broker.durable.session = session.into();
    broker.restarts();
}

fn broker() -> Broker {
    let mut broker = Broker::of_commands();
    logs_in(&mut broker, "1");
    broker
}

#[test]
fn it_runs_once_in_every_session() {
    let mut broker = broker();
    broker.add(greet(false));
    broker.expect_no_run();
    for session in ["2", "3"] {
        logs_in(&mut broker, session);
        broker.expect_run("greet").exits(&mut broker, 0);
    }
}

#[test]
fn the_session_in_which_it_was_added_has_begun_already() {
    let mut broker = broker();
    broker.add(greet(false));
    broker.restarts();
    broker.expect_no_run();
}

#[test]
fn a_broker_that_restarts_within_a_session_runs_it_no_second_time() {
    let mut broker = broker();
    broker.add(greet(false));
    logs_in(&mut broker, "2");
    broker.expect_run("greet").exits(&mut broker, 0);
    broker.restarts();
    broker.expect_no_run();
}

#[test]
fn a_session_that_began_while_it_was_paused_is_not_made_up_for() {
    let mut broker = broker();
    let task = broker.add(greet(false));
    broker.pause(task, true);
    logs_in(&mut broker, "2");
    broker.pause(task, false);
    broker.restarts();
    broker.expect_no_run();
    logs_in(&mut broker, "3");
    broker.expect_run("greet");
}

#[test]
fn an_edited_one_waits_for_the_next_session_all_the_same() {
    let mut broker = broker();
    broker.add(greet(false));
    broker.edit(crate::harness::but(greet(false), |command| command.nice = true));
    broker.restarts();
    broker.expect_no_run();
    logs_in(&mut broker, "2");
    broker.expect_run("greet");
}

#[test]
fn d6_one_shot_it_is_for_the_next_session_only() {
    let mut broker = broker();
    broker.add(greet(true));
    logs_in(&mut broker, "2");
    broker.expect_run("greet").exits(&mut broker, 0);
    assert_eq!(broker.durable.registrations, []);
}
