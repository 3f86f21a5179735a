//! All twelve reasons of a cancellation, each from its cause (CAN-1, CAN-6).
//!
//! `QuietHoursEntered` has no cause: Windows has not raised it since Windows 10.

use bgtask_core::{
    AccessSetting, CancellationReason, Config, EventKind, Fact, Outcome, Output, Report, Request, SystemConditionType,
    Trigger, Usage,
};

use crate::harness::{Broker, PHOTOS, Run, app, app_id, seconds, triggered, zone_task, zone_task_when};

fn fire(broker: &mut Broker) -> Run {
    broker.zone_changes("Europe/Paris", 3_600);
    broker.zone_changes("Europe/London", 0);
    let run = broker.expect_run("Clock");
    run.started(broker);
    broker.orders();
    run
}

fn running() -> (Broker, Run) {
    let mut broker = Broker::new();
    broker.register(zone_task("Clock"));
    let run = fire(&mut broker);
    (broker, run)
}

#[test]
fn can_3_d9_unregistering_with_cancel_is_abort() {
    let mut broker = Broker::new();
    let task = broker.register(zone_task("Clock"));
    let run = fire(&mut broker);
    broker.unregister(task, true).expect("it is listed");
    assert_eq!(run.cancelled(&mut broker), Some(CancellationReason::Abort));
}

#[test]
fn lc_12_can_4_ending_an_app_is_terminating_and_takes_its_lingering_hosts_too() {
    let (mut broker, run) = running();
    broker.register(zone_task("Other"));
    assert_eq!(broker.request(Request::Terminate(app_id(PHOTOS))), Ok(bgtask_core::Reply::Terminated(1)));
    assert_eq!(run.cancelled(&mut broker), Some(CancellationReason::Terminating));
    run.finishes(&mut broker, Ok(()));
    broker.orders();

    broker.zone_changes("Asia/Tokyo", 32_400);
    let other = broker.expect_run("Other");
    other.finishes(&mut broker, Ok(()));
    broker.expect_run("Clock").finishes(&mut broker, Ok(()));
    broker.orders();
    assert_eq!(broker.request(Request::Terminate(app_id(PHOTOS))), Ok(bgtask_core::Reply::Terminated(0)));
    assert!(matches!(broker.orders()[..], [Output::Retire(_), ..]), "who lingers is asked to leave");
}

#[test]
fn can_5_the_end_of_the_session_is_logging_off() {
    let (mut broker, run) = running();
    broker.tell(bgtask_core::Input::Stop);
    assert_eq!(run.cancelled(&mut broker), Some(CancellationReason::LoggingOff));
}

#[test]
fn can_5_re_6_an_update_is_servicing_update() {
    let (mut broker, run) = running();
    broker.install(app(PHOTOS, "2"));
    assert_eq!(run.cancelled(&mut broker), Some(CancellationReason::ServicingUpdate));
}

#[test]
fn can_5_d9_a_removed_app_is_uninstall() {
    let (mut broker, run) = running();
    broker.uninstall(PHOTOS);
    assert_eq!(run.cancelled(&mut broker), Some(CancellationReason::Uninstall));
}

#[test]
fn co_3_a_lost_condition_is_condition_loss() {
    let mut broker = Broker::new();
    let mut new = zone_task_when("Clock", &[SystemConditionType::InternetAvailable]);
    new.cancel_on_condition_loss = true;
    broker.register(new);
    broker.internet(true);
    let run = fire(&mut broker);
    broker.internet(false);
    assert_eq!(run.cancelled(&mut broker), Some(CancellationReason::ConditionLoss));
}

#[test]
fn can_6_a_no_of_the_user_is_system_policy() {
    let (mut broker, run) = running();
    broker.request(Request::SetAccess(app_id(PHOTOS), Some(AccessSetting::Never))).expect("the user may");
    assert_eq!(run.cancelled(&mut broker), Some(CancellationReason::SystemPolicy));

    let (mut broker, run) = running();
    broker.request(Request::SetBackground { enabled: false }).expect("the user may");
    assert_eq!(run.cancelled(&mut broker), Some(CancellationReason::SystemPolicy));
}

#[test]
fn can_6_d10_a_spent_budget_is_execution_time_exceeded_with_its_numbers() {
    let (mut broker, run) = running();
    broker.passes(seconds(25));
    assert_eq!(run.cancelled(&mut broker), Some(CancellationReason::ExecutionTimeExceeded));
    let notice = broker.history.iter().find_map(|event| match event.kind {
        EventKind::Cancelled(notice) => Some(notice),
        _ => None,
    });
    let notice = notice.expect("it is recorded");
    assert_eq!((notice.budget, notice.used, notice.grace), (seconds(25), seconds(25), seconds(5)), "U-9");
}

#[test]
fn can_6_a_machine_short_of_memory_is_resource_revocation_and_nothing_starts_meanwhile() {
    let (mut broker, run) = running();
    broker.reads(Report::Level(Fact::MemoryPressure, true));
    assert_eq!(run.cancelled(&mut broker), Some(CancellationReason::ResourceRevocation));
    run.finishes(&mut broker, Ok(()));
    broker.zone_changes("Asia/Tokyo", 32_400);
    broker.expect_no_run();
    broker.reads(Report::Level(Fact::MemoryPressure, false));
    broker.expect_run("Clock");
}

#[test]
fn ac_6_can_6_saving_energy_is_energy_saver_but_not_for_what_is_always_allowed() {
    let (mut broker, run) = running();
    broker.reads(Report::Level(Fact::EnergySaver, true));
    assert_eq!(run.cancelled(&mut broker), Some(CancellationReason::EnergySaver));
    run.finishes(&mut broker, Ok(()));
    broker.zone_changes("Asia/Tokyo", 32_400);
    broker.expect_no_run();

    broker.request(Request::SetAccess(app_id(PHOTOS), Some(AccessSetting::Always))).expect("the user may");
    let run = broker.expect_run("Clock");
    broker.reads(Report::Level(Fact::EnergySaver, false));
    broker.reads(Report::Level(Fact::EnergySaver, true));
    assert_eq!(run.cancelled(&mut broker), None, "D-OPT: always is always");
}

#[test]
fn tm_8_d9_d12_maintenance_on_battery_is_abort_and_due_again() {
    let mut broker = Broker::new();
    broker.register(triggered("Clock", Trigger::Maintenance { freshness: 15, one_shot: false }));
    broker.reads(Report::Level(Fact::ExternalPower, true));
    broker.passes(seconds(30 * 60));
    let run = broker.expect_run("Clock");
    broker.reads(Report::Level(Fact::ExternalPower, false));
    assert_eq!(run.cancelled(&mut broker), Some(CancellationReason::Abort));
    run.finishes(&mut broker, Ok(()));
    broker.expect_no_run();
    broker.reads(Report::Level(Fact::ExternalPower, true));
    broker.expect_run("Clock");
}

#[test]
fn a_task_that_ends_in_the_grace_was_cancelled_in_order_and_keeps_its_last_progress() {
    let (mut broker, run) = running();
    run.progress(&mut broker, 40);
    broker.request(Request::Terminate(app_id(PHOTOS))).expect("the user may");
    run.finishes(&mut broker, Err("half done"));
    let reason = CancellationReason::Terminating;
    assert_eq!(broker.last_outcome(), Outcome::Cancelled { reason, message: Some("half done".into()) });
    let completed = broker.history.iter().rev().find_map(|event| match event.kind {
        EventKind::Completed { progress, .. } => Some(progress),
        _ => None,
    });
    assert_eq!(completed, Some(Some(40)));
}

fn idle_after(secs: u64) -> Broker {
    let mut broker = Broker::with(Config { idle_after: Some(seconds(secs)), ..Config::default() });
    broker.register(zone_task("Clock"));
    broker
}

fn used(broker: &mut Broker, run: &Run, cpu_ms: u64, io: u64) {
    let sampled = broker.orders().into_iter().any(|order| order == Output::Sample(run.host));
    assert!(sampled, "the broker asks");
    let cpu = std::time::Duration::from_millis(cpu_ms);
    broker.tell(bgtask_core::Input::HostUsage {
        host: run.host,
        usage: Usage { cpu, io, memory_peak: None, network: None, processes: None },
    });
}

#[test]
fn ca_9_can_6_a_task_that_does_nothing_at_all_is_idle_task() {
    let mut broker = idle_after(5);
    let run = fire(&mut broker);
    broker.passes(seconds(5));
    used(&mut broker, &run, 30, 4_096);
    assert_eq!(run.cancelled(&mut broker), None, "it has started, which is work");
    broker.passes(seconds(5));
    used(&mut broker, &run, 31, 4_096);
    assert_eq!(run.cancelled(&mut broker), Some(CancellationReason::IdleTask));
}

#[test]
fn ca_9_processor_time_input_or_output_and_progress_each_count_as_work() {
    let mut broker = idle_after(5);
    let run = fire(&mut broker);
    broker.passes(seconds(5));
    used(&mut broker, &run, 30, 4_096);
    broker.passes(seconds(5));
    used(&mut broker, &run, 40, 4_096);
    broker.passes(seconds(5));
    used(&mut broker, &run, 40, 4_097);
    broker.passes(seconds(4));
    run.progress(&mut broker, 1);
    broker.passes(seconds(4));
    assert!(!broker.orders().contains(&Output::Sample(run.host)), "nobody looks while it was heard of");
    broker.passes(seconds(1));
    used(&mut broker, &run, 40, 4_098);
    assert_eq!(run.cancelled(&mut broker), None);
}

#[test]
fn ca_9_nobody_looks_where_the_owner_switched_it_off() {
    let mut broker = Broker::with(Config { idle_after: None, wall_budget: seconds(3_600), ..Config::default() });
    broker.register(zone_task("Clock"));
    let run = fire(&mut broker);
    broker.passes(seconds(3_000));
    assert_eq!(run.cancelled(&mut broker), None);
}

#[test]
fn d13_what_was_due_when_the_broker_started_waits_until_the_saver_is_known() {
    let mut broker = Broker::new();
    let task = broker.register(zone_task("Clock"));
    broker.request(Request::SetAccess(app_id(PHOTOS), Some(AccessSetting::Never))).expect("the user may");
    broker.zone_changes("Europe/Paris", 3_600);
    broker.zone_changes("Europe/London", 0);
    broker.first_levels = None;
    broker.restarts();
    broker.request(Request::SetAccess(app_id(PHOTOS), None)).expect("the user may");
    broker.expect_no_run();
    assert!(broker.why(task).sentence.contains("energy-saver has not reported yet"), "{}", broker.why(task).sentence);
    broker.reads(Report::Level(Fact::EnergySaver, true));
    broker.reads(Report::Level(Fact::MemoryPressure, false));
    broker.expect_no_run();
    assert!(!broker.story(task).contains(&"cancelled"), "it was not started to be stopped");
    broker.reads(Report::Level(Fact::EnergySaver, false));
    broker.expect_run("Clock");
}

#[test]
fn ca_9_a_program_that_never_says_that_it_began_is_idle_too() {
    let mut broker = idle_after(5);
    broker.zone_changes("Europe/Paris", 3_600);
    broker.zone_changes("Europe/London", 0);
    let run = broker.expect_run("Clock");
    broker.orders();
    broker.passes(seconds(5));
    used(&mut broker, &run, 30, 4_096);
    broker.passes(seconds(5));
    used(&mut broker, &run, 30, 4_096);
    assert_eq!(run.cancelled(&mut broker), Some(CancellationReason::IdleTask));
}
