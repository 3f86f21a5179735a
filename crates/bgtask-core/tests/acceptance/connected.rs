//! `SessionConnected` and `SessionDisconnected`: somebody sits at a session of the user, or nobody does (CND-3).

use bgtask_core::SystemConditionType::{SessionConnected, SessionDisconnected};
use bgtask_core::{
    App, CancellationReason, Condition, Fact, LOGGED_OFF, NewRegistration, Report, SystemTriggerType, Trigger,
};

use crate::harness::{Broker, command, on, one_shot, zone_task_when};

fn connected(broker: &mut Broker, value: bool) {
    broker.reads(Report::Level(Fact::SessionConnected, value));
}

fn fires(broker: &mut Broker) {
    broker.zone_changes("Europe/Paris", 3_600);
    broker.zone_changes("Europe/London", 0);
}

#[test]
fn the_trigger_fires_when_somebody_connects_and_not_when_he_leaves() {
    let mut broker = Broker::new();
    broker.register(on(SystemTriggerType::SessionConnected, "Greet"));
    connected(&mut broker, true);
    broker.expect_no_run();
    connected(&mut broker, false);
    broker.expect_no_run();
    connected(&mut broker, true);
    broker.expect_run("Greet").finishes(&mut broker, Ok(()));
    connected(&mut broker, true);
    broker.expect_no_run();
}

#[test]
fn d6_one_shot_greets_once() {
    let mut broker = Broker::new();
    broker.register(one_shot(on(SystemTriggerType::SessionConnected, "Greet")));
    for value in [false, true, false, true] {
        connected(&mut broker, value);
    }
    broker.expect_run("Greet").finishes(&mut broker, Ok(()));
    broker.expect_no_run();
}

#[test]
fn cnd_3_a_task_waits_until_somebody_connects() {
    let mut broker = Broker::new();
    let task = broker.register(zone_task_when("Show", &[SessionConnected]));
    connected(&mut broker, false);
    fires(&mut broker);
    broker.expect_no_run();
    assert_eq!(broker.why(task).phase, "latched");
    connected(&mut broker, true);
    broker.expect_run("Show");
}

#[test]
fn cnd_3_a_task_waits_until_nobody_is_connected() {
    let mut broker = Broker::new();
    let task = broker.register(zone_task_when("Tidy", &[SessionDisconnected]));
    connected(&mut broker, true);
    fires(&mut broker);
    broker.expect_no_run();
    assert!(broker.why(task).sentence.contains("until SessionDisconnected holds"), "{}", broker.why(task).sentence);
    connected(&mut broker, false);
    broker.expect_run("Tidy");
}

/// Neither holds before the source has said anything: what is not known is not taken for either.
#[test]
fn co_2_before_the_first_reading_neither_holds() {
    for condition in [SessionConnected, SessionDisconnected] {
        let mut broker = Broker::new();
        broker.register(zone_task_when("Wait", &[condition]));
        fires(&mut broker);
        broker.expect_no_run();
    }
}

#[test]
fn co_3_what_asked_for_it_is_told_to_stop_when_the_user_switches_away() {
    let mut broker = Broker::new();
    let new = zone_task_when("Show", &[SessionConnected]);
    broker.register(NewRegistration { cancel_on_condition_loss: true, ..new });
    connected(&mut broker, true);
    fires(&mut broker);
    let run = broker.expect_run("Show");
    connected(&mut broker, false);
    assert_eq!(run.cancelled(&mut broker), Some(CancellationReason::ConditionLoss));
}

fn logs_off(broker: &mut Broker) {
    broker.reads(Report::State(Fact::SessionConnected, LOGGED_OFF.into()));
}

/// CND-3: to log off is not to disconnect: nothing fires for it, nothing that waits is let go, nothing that runs is told to
/// stop; and who logs in again is greeted.
#[test]
fn cnd_3_a_log_in_after_a_log_off_connects_and_nothing_is_disconnected_between() {
    let mut broker = Broker::new();
    broker.install(App::of_commands());
    broker.register(on(SystemTriggerType::SessionConnected, "Greet"));
    broker.register(zone_task_when("Tidy", &[SessionDisconnected]));
    let show = NewRegistration { cancel_on_condition_loss: true, ..zone_task_when("Show", &[SessionConnected]) };
    let shown = broker.register(show);
    let condition = Condition::from_name("session-disconnected").expect("a condition");
    broker.add(command("leave", Trigger::Condition { condition, one_shot: false }));
    connected(&mut broker, true);
    fires(&mut broker);
    broker.expect_run("Show").started(&mut broker);
    logs_off(&mut broker);
    logs_off(&mut broker);
    broker.expect_no_run();
    connected(&mut broker, true);
    broker.expect_run("Greet").finishes(&mut broker, Ok(()));
    assert_eq!(broker.why(shown).phase, "running");
    connected(&mut broker, true);
    broker.expect_no_run();
    connected(&mut broker, false);
    assert_eq!(broker.ran(), ["leave", "Tidy"], "a switch to another user is");
}

/// Who logs in while another user is in front is not connected.
#[test]
fn cnd_3_a_log_in_behind_another_user_is_no_connection() {
    let mut broker = Broker::new();
    broker.register(on(SystemTriggerType::SessionConnected, "Greet"));
    logs_off(&mut broker);
    connected(&mut broker, true);
    broker.expect_no_run();
    logs_off(&mut broker);
    connected(&mut broker, false);
    broker.expect_no_run();
    connected(&mut broker, true);
    broker.expect_run("Greet");
}
