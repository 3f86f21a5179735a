//! The scenarios of the Windows sample, as far as they are the core's (§16.1, §16.2).

use bgtask_core::{CancellationReason, NewRegistration, Outcome, SystemConditionType};

use crate::harness::{Broker, PHOTOS, Run, seconds, zone_task, zone_task_when};

const SAMPLE: &str = "SampleBackgroundTask";

/// The body of the sample: a report each second up to 100, then done; a cancel is noticed at the next second.
fn body(broker: &mut Broker, run: &Run) -> (u32, Option<CancellationReason>) {
    run.started(broker);
    for progress in (10..=100).step_by(10) {
        broker.passes(seconds(1));
        if let Some(reason) = run.cancelled(broker) {
            run.finishes(broker, Ok(()));
            return (progress - 10, Some(reason));
        }
        run.progress(broker, progress);
    }
    broker.passes(seconds(1));
    run.finishes(broker, Ok(()));
    (100, None)
}

#[test]
fn scenario_1_steps_1_to_6_register_run_run_again_and_restart_the_app() {
    let mut broker = Broker::new();
    broker.attach(1, PHOTOS);
    assert!(broker.core.registrations(None).is_empty());
    let task = broker.register(zone_task(SAMPLE));
    broker.zone_changes("Europe/Paris", 3_600);
    for (zone, offset) in [("Europe/London", 0), ("Asia/Tokyo", 32_400)] {
        broker.zone_changes(zone, offset);
        let run = broker.expect_run(SAMPLE);
        assert_eq!(body(&mut broker, &run), (100, None));
        assert_eq!(broker.delivered(1).len(), 1);
        assert_eq!(broker.last_outcome(), Outcome::Succeeded);
    }
    broker.tell(bgtask_core::Input::Detach(bgtask_core::ClientId(1)));
    broker.attach(2, PHOTOS);
    assert_eq!(broker.core.registrations(None)[0].id, task, "the app finds it by its name");
    assert_eq!(broker.delivered(2).len(), 2, "nobody has acknowledged yet");
}

#[test]
fn scenario_1_step_7_after_unregistering_a_zone_change_does_nothing() {
    let mut broker = Broker::new();
    let task = broker.register(zone_task(SAMPLE));
    broker.zone_changes("Europe/Paris", 3_600);
    broker.unregister(task, true).expect("it is listed");
    broker.zone_changes("Europe/London", 0);
    broker.expect_no_run();
}

#[test]
fn scenario_1_step_8_unregistering_during_the_run_cancels_with_abort() {
    let mut broker = Broker::new();
    let task = broker.register(zone_task(SAMPLE));
    broker.zone_changes("Europe/Paris", 3_600);
    broker.zone_changes("Europe/London", 0);
    let run = broker.expect_run(SAMPLE);
    run.started(&mut broker);
    broker.passes(seconds(3));
    run.progress(&mut broker, 30);
    broker.unregister(task, true).expect("it is listed");
    assert_eq!(run.cancelled(&mut broker), Some(CancellationReason::Abort));
    broker.passes(seconds(1));
    run.finishes(&mut broker, Ok(()));
    let reason = CancellationReason::Abort;
    assert_eq!(broker.last_outcome(), Outcome::Cancelled { reason, message: None });
    assert_eq!(broker.durable.completions[0].progress, Some(30));
}

#[test]
fn sys_3_scenario_1_step_9_a_zone_with_the_same_offset_must_not_run() {
    let mut broker = Broker::new();
    broker.register(zone_task(SAMPLE));
    broker.zone_changes("Europe/Paris", 3_600);
    broker.zone_changes("Europe/Berlin", 3_600);
    broker.expect_no_run();
}

fn with_condition() -> (Broker, NewRegistration) {
    let new = zone_task_when("SampleBackgroundTaskWithCondition", &[SystemConditionType::InternetAvailable]);
    (Broker::new(), NewRegistration { cancel_on_condition_loss: true, ..new })
}

#[test]
fn scenario_2_steps_1_and_2_online_it_runs_and_offline_it_waits() {
    let (mut broker, new) = with_condition();
    let name = new.name.clone();
    broker.register(new);
    broker.internet(true);
    broker.zone_changes("Europe/Paris", 3_600);
    broker.zone_changes("Europe/London", 0);
    let run = broker.expect_run(&name);
    assert_eq!(body(&mut broker, &run), (100, None));

    broker.internet(false);
    broker.zone_changes("Europe/Paris", 3_600);
    broker.expect_no_run();
    broker.passes(seconds(3_600));
    broker.internet(true);
    let run = broker.expect_run(&name);
    assert_eq!(body(&mut broker, &run), (100, None));
}

#[test]
fn scenario_2_step_3_going_offline_during_the_run_cancels_with_condition_loss() {
    let (mut broker, new) = with_condition();
    let name = new.name.clone();
    broker.register(new);
    broker.internet(true);
    broker.zone_changes("Europe/Paris", 3_600);
    broker.zone_changes("Europe/London", 0);
    let run = broker.expect_run(&name);
    run.started(&mut broker);
    broker.passes(seconds(4));
    run.progress(&mut broker, 40);
    broker.internet(false);
    assert_eq!(run.cancelled(&mut broker), Some(CancellationReason::ConditionLoss));
    run.finishes(&mut broker, Ok(()));
    assert_eq!(broker.durable.completions[0].progress, Some(40));
}

#[test]
fn scenario_2_step_4_co_7_several_changes_while_offline_are_one_run() {
    let (mut broker, new) = with_condition();
    let name = new.name.clone();
    broker.register(new);
    broker.internet(false);
    broker.zone_changes("Europe/Paris", 3_600);
    for (zone, offset) in [("Europe/London", 0), ("Asia/Tokyo", 32_400), ("Europe/Paris", 3_600)] {
        broker.zone_changes(zone, offset);
    }
    broker.internet(true);
    let run = broker.expect_run(&name);
    assert_eq!(run.order.firing.count, 3);
    run.finishes(&mut broker, Ok(()));
    broker.expect_no_run();
}
