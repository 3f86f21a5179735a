//! The user's own commands: any program as a task.

use bgtask_core::{
    App, CancellationReason, Config, Entry, EventKind, HostExit, Input, InstanceId, LastRun, Outcome, Output, Refusal,
    Request, SystemTriggerType, Trigger, Update, Used, WakeReason,
};

use crate::harness::{Broker, HOUR, MAIL, app, app_id, but, command, every, seconds, when};

const HOURLY: Trigger = every(HOUR);

/// A command that has just been given to its host.
fn running(change: impl FnOnce(&mut bgtask_core::Command)) -> (Broker, bgtask_core::TaskId, crate::harness::Run) {
    running_on(1, change)
}

fn running_on(
    processors: u32,
    change: impl FnOnce(&mut bgtask_core::Command),
) -> (Broker, bgtask_core::TaskId, crate::harness::Run) {
    let mut broker = Broker::of_commands_with(Config { processors, ..Config::default() });
    let task = broker.add(but(command("backup", HOURLY), change));
    broker.passes(HOUR);
    let run = broker.expect_run("backup");
    broker.orders();
    run.started(&mut broker);
    (broker, task, run)
}

/// What the last activation that ended, or failed, came to cost.
fn last_cost(broker: &Broker) -> Option<Used> {
    let costs = broker.history.iter().rev().filter_map(|event| match &event.kind {
        EventKind::Completed { used, .. } | EventKind::Retrying { used, .. } => Some(*used),
        _ => None,
    });
    costs.into_iter().next().flatten()
}

#[test]
fn a_command_needs_no_manifest_and_asks_for_no_access() {
    let mut broker = Broker::of_commands();
    let task = broker.add(command("backup", HOURLY));
    broker.passes(HOUR);
    let run = broker.expect_run("backup");
    assert!(matches!(&run.order.entry, Entry::Command(it) if it.argv == ["backup".into()]));
    let launched = broker.orders().into_iter().find(|order| matches!(order, Output::Launch { .. }));
    assert_eq!(launched, None, "the order to run is what starts it");
    run.exits(&mut broker, 0);
    assert_eq!(broker.last_outcome(), Outcome::Succeeded);
    assert_eq!(broker.story(task), ["registered", "fired", "started", "completed"]);
}

#[test]
fn only_the_user_has_commands_and_only_commands_have_their_triggers() {
    let mut broker = Broker::new();
    let refusal = broker.try_register(crate::harness::PHOTOS, command("backup", HOURLY)).expect_err("no app has any");
    assert!(matches!(refusal, Refusal::OnlyForCommands(_) | Refusal::InvalidArgument(_)), "{refusal}");
    let refusal = broker.try_register(crate::harness::PHOTOS, crate::harness::triggered("Timer", HOURLY));
    assert_eq!(refusal, Err(Refusal::OnlyForCommands("IntervalTrigger".into())));
    let task = broker.register(crate::harness::zone_task("Clock"));
    for request in [
        Request::RunNow { task, respect_conditions: false },
        Request::SetPaused { task, paused: true },
        Request::Cancel(task),
    ] {
        assert_eq!(broker.request(request), Err(Refusal::NotACommand(task)));
    }
}

#[test]
fn the_exit_code_decides() {
    for (exit, words) in [
        (HostExit::Code(3), "failed with exit code 3"),
        (HostExit::Signal(11), "ended by signal 11"),
        (HostExit::NotStarted("no such program".into()), "could not be started: no such program"),
    ] {
        let (mut broker, task, run) = running(|_| {});
        broker.exits(run.host, exit.clone());
        let outcome = broker.last_outcome();
        assert_eq!(outcome, Outcome::CommandFailed { exit, output_tail: "last words".into() });
        assert_eq!((outcome.word(), outcome.to_string().as_str()), ("failed", words));
        let last = broker.core.task(task).and_then(|(it, _)| it.last);
        assert_eq!(last, Some(LastRun { at: broker.now.wall, ok: false }));
    }
}

#[test]
fn d4_nobody_fetches_the_completions_of_commands_so_none_are_kept() {
    let (mut broker, _, run) = running(|_| {});
    broker.attach(1, App::COMMANDS);
    run.exits(&mut broker, 0);
    assert_eq!(broker.delivered(1), []);
    assert_eq!(broker.durable.completions, []);
}

#[test]
fn d10_a_command_has_the_time_it_was_given_and_a_day_where_nothing_was_said() {
    let (mut broker, _, run) = running(|command| command.timeout = seconds(90));
    assert_eq!(run.order.budget, seconds(90));
    broker.passes(seconds(90));
    assert_eq!(run.cancelled(&mut broker), Some(CancellationReason::ExecutionTimeExceeded));
    broker.passes(seconds(5));
    assert!(broker.orders().contains(&Output::Kill(run.host)));
    broker.exits(run.host, HostExit::Signal(9));
    assert_eq!(broker.last_outcome().word(), "killed");
    assert_eq!(running(|_| {}).2.order.budget, seconds(86_400));
}

#[test]
fn ending_by_the_signal_it_was_told_with_is_an_orderly_end() {
    for exit in [HostExit::Code(0), HostExit::Signal(15)] {
        let (mut broker, task, run) = running(|_| {});
        broker.request(Request::Cancel(task)).expect("it runs");
        broker.exits(run.host, exit);
        assert_eq!(broker.last_outcome(), Outcome::Cancelled { reason: CancellationReason::Abort, message: None });
        assert!(!broker.core.task(task).and_then(|(it, _)| it.last).expect("it ran").ok, "it did not succeed either");
    }
    let (mut broker, task, run) = running(|_| {});
    broker.request(Request::Cancel(task)).expect("it runs");
    run.exits(&mut broker, 7);
    let message = Some("failed with exit code 7".into());
    assert_eq!(broker.last_outcome(), Outcome::Cancelled { reason: CancellationReason::Abort, message });
}

#[test]
fn cancelling_ends_what_runs_and_gives_up_what_waits() {
    let (mut broker, task, run) = running(|_| {});
    broker.passes(HOUR);
    assert_eq!(broker.request(Request::Cancel(task)), Ok(bgtask_core::Reply::Terminated(2)));
    assert!(broker.story(task).ends_with(&["dropped", "cancelled"]), "{:?}", broker.story(task));
    run.exits(&mut broker, 0);
    broker.expect_no_run();
    broker.passes(HOUR);
    broker.expect_run("backup");
}

#[test]
fn a_command_may_use_so_much_processor_time_and_is_looked_at_in_time() {
    let (mut broker, _, run) = running_on(4, |command| command.cpu = Some(seconds(8)));
    let used = |broker: &mut Broker, cpu| {
        assert!(broker.orders().contains(&Output::Sample(run.host)), "the broker asks");
        let usage = bgtask_core::Usage { cpu, io: 0, memory_peak: None, network: None, processes: None };
        broker.tell(Input::HostUsage { host: run.host, usage });
    };
    assert_eq!(broker.next_wake(), Some((seconds(2), WakeReason::Usage(run.host))), "four processors could do that");
    broker.passes(seconds(2));
    used(&mut broker, seconds(4));
    assert_eq!(broker.next_wake(), Some((seconds(1), WakeReason::Usage(run.host))));
    broker.passes(seconds(1));
    used(&mut broker, seconds(8));
    let notice = broker.orders().into_iter().find_map(|order| match order {
        Output::Cancel(_, _, notice) => Some(notice.to_string()),
        _ => None,
    });
    assert_eq!(notice.as_deref(), Some("ExecutionTimeExceeded (8 s used of 8 s, 5 s to stop)"));
    assert!(matches!(broker.next_wake(), Some((_, WakeReason::Grace(_)))), "and is looked at no more");
}

#[test]
fn ca_9_a_command_may_be_idle_for_as_long_as_it_likes() {
    let (mut broker, _, run) = running(|_| {});
    broker.passes(seconds(3_000));
    assert!(!broker.orders().contains(&Output::Sample(run.host)));
}

#[test]
fn what_a_run_came_to_cost_is_in_its_record() {
    let (mut broker, _, run) = running(|_| {});
    broker.passes(seconds(30));
    run.exits_after(&mut broker, seconds(12), 4_096);
    let cost = last_cost(&broker).expect("it was seen");
    let usage = cost.usage.expect("it was seen");
    assert_eq!((cost.wall, usage.cpu, usage.io, usage.memory_peak), (seconds(30), seconds(12), 4_096, Some(1 << 20)));
}

#[test]
fn a_host_that_serves_several_is_charged_with_nothing_twice() {
    let mut broker = Broker::new();
    broker.register(crate::harness::zone_task("Clock"));
    broker.zone_changes("Europe/Paris", 3_600);
    let mut costs = Vec::new();
    for (zone, offset, total) in [("Europe/London", 0, 5), ("Europe/Paris", 3_600, 7)] {
        broker.zone_changes(zone, offset);
        let run = broker.expect_run("Clock");
        let (host, instance) = (run.host, run.instance());
        let usage = Some(bgtask_core::Usage {
            cpu: seconds(total),
            io: total * 100,
            memory_peak: None,
            network: None,
            processes: None,
        });
        broker.tell(Input::HostFinished { host, instance, result: Ok(()), usage });
        let usage = last_cost(&broker).and_then(|cost| cost.usage).expect("it was seen");
        costs.push((host, usage.cpu, usage.io));
    }
    assert_eq!(costs, [(costs[0].0, seconds(5), 500), (costs[0].0, seconds(2), 200)], "one host, warm");
}

#[test]
fn a_command_says_how_far_it_is_in_a_number_and_words() {
    let (mut broker, task, run) = running(|_| {});
    let say = |broker: &mut Broker, instance, message: &str| {
        broker.request(Request::ReportProgress { instance, value: 40, message: message.into() })
    };
    assert_eq!(say(&mut broker, run.instance(), "indexing\n\u{1b}[2J"), Ok(bgtask_core::Reply::Noted));
    let told = broker.orders().into_iter().find_map(|order| match order {
        Output::Progressed { value, message, .. } => Some((value, message)),
        _ => None,
    });
    assert_eq!(told, Some((40, Some("indexing  [2J".into()))), "and nothing that moves the cursor of who looks on");
    let (_, activation) = broker.core.task(task).expect("it is there");
    assert_eq!(activation.and_then(|it| it.state.progress()), Some(40));
    let unknown = InstanceId::from_random(7);
    assert_eq!(say(&mut broker, unknown, ""), Err(Refusal::NotRunning(unknown)));
    run.exits(&mut broker, 0);
    assert_eq!(say(&mut broker, run.instance(), ""), Err(Refusal::NotRunning(run.instance())));
}

#[test]
fn a_command_that_speaks_before_its_start_was_seen_has_begun() {
    let mut broker = Broker::of_commands();
    let task = broker.add(command("backup", HOURLY));
    broker.passes(HOUR);
    let run = broker.expect_run("backup");
    let request = Request::ReportProgress { instance: run.instance(), value: 1, message: String::new() };
    broker.request(request).expect("it runs");
    assert_eq!(broker.why(task).phase, "running");
    run.started(&mut broker);
    assert_eq!(broker.core.task(task).and_then(|(_, it)| it?.state.progress()), Some(1));
}

#[test]
fn a_task_of_an_app_reports_its_progress_through_its_host_only() {
    let mut broker = Broker::new();
    broker.register(crate::harness::zone_task("Clock"));
    broker.zone_changes("Europe/Paris", 3_600);
    broker.zone_changes("Europe/London", 0);
    let instance = broker.expect_run("Clock").instance();
    let request = Request::ReportProgress { instance, value: 1, message: String::new() };
    assert_eq!(broker.request(request), Err(Refusal::NotRunning(instance)));
}

#[test]
fn the_name_of_a_command_is_its_own() {
    let mut broker = Broker::of_commands();
    let first = broker.add(command("backup", HOURLY));
    assert_eq!(broker.refused(command("backup", every(seconds(5)))), Refusal::NameTaken("backup".into()));
    broker.request(Request::Unregister { scope: None, task: first, cancel: false }).expect("it is listed");
    broker.add(command("backup", HOURLY));
}

#[test]
fn a_command_that_is_spent_and_still_runs_keeps_its_name_until_another_replaces_it() {
    let mut broker = Broker::of_commands();
    let once = Trigger::Interval { every: HOUR, pace: bgtask_core::Pace::default(), one_shot: true };
    let first = broker.add(command("backup", once.clone()));
    broker.passes(HOUR);
    let run = broker.expect_run("backup");
    assert_eq!(broker.refused(command("backup", HOURLY)), Refusal::NameTaken("backup".into()));
    let (second, update) = broker.edit(command("backup", once));
    assert_eq!(update, Update::Replaced, "the same, but it fires again");
    assert_ne!(first, second);
    assert_eq!(broker.core.registrations(None).len(), 1);
    run.exits(&mut broker, 0);
    assert_eq!(broker.durable.registrations.len(), 1);
}

#[test]
fn d5_an_edited_command_keeps_what_it_has_come_to() {
    let mut broker = Broker::of_commands();
    let promised = |memory| {
        but(command("backup", HOURLY), |command| {
            (command.memory, command.fresh_within) = (memory, Some(HOUR));
        })
    };
    broker.add(promised(None));
    broker.passes(HOUR);
    broker.expect_run("backup").exits(&mut broker, 0);
    broker.passes(HOUR / 2);
    let before = broker.durable.registrations[0].clone();
    let (task, update) = broker.edit(promised(Some(1 << 30)));
    assert_eq!(update, Update::Replaced);
    let after = broker.durable.registrations[0].clone();
    assert_eq!((after.last, after.fresh_since), (before.last, before.fresh_since));
    assert_eq!(after.due, before.due, "what fires it is the same, and so is when");
    broker.passes(HOUR / 2);
    broker.expect_run("backup");
    assert_eq!(broker.edit(promised(Some(1 << 30))), (task, Update::Unchanged));
}

#[test]
fn d5_what_waits_of_a_command_waits_on_while_its_conditions_are_edited() {
    let mut broker = Broker::of_commands();
    let task = broker.add(when(command("backup", HOURLY), &["ac-power"]));
    broker.passes(HOUR);
    assert_eq!(broker.why(task).phase, "latched");
    broker.edit(command("backup", HOURLY));
    let run = broker.expect_run("backup");
    assert_eq!(
        run.order.firing.at,
        bgtask_core::WallTime::from_micros(4_600_000_000),
        "it fired an hour after its start"
    );
    run.exits(&mut broker, 0);
    broker.passes(HOUR);
    broker.expect_run("backup");

    broker.edit(when(command("backup", HOURLY), &["ac-power"]));
    broker.passes(HOUR);
    broker.edit(command("backup", Trigger::System { kind: SystemTriggerType::UserAway, one_shot: false }));
    broker.expect_no_run();
}

#[test]
fn d5_what_an_edited_command_stands_on_stays_known() {
    let mut broker = Broker::of_commands();
    broker.add(when(command("backup", HOURLY), &["ac-power"]));
    broker.reads(bgtask_core::Report::Level(bgtask_core::Fact::ExternalPower, true));
    broker.orders();
    let (task, _) = broker.edit(when(but(command("backup", HOURLY), |command| command.nice = true), &["ac-power"]));
    assert!(!broker.orders().iter().any(|order| matches!(order, Output::Watch(_) | Output::Unwatch(_))));
    broker.run_now(task);
    assert!(broker.why(task).gates.iter().all(|gate| gate.open || gate.name == "Running"));
}

#[test]
fn a_command_may_wait_for_what_apps_wait_for() {
    let mut broker = Broker::of_commands();
    broker.add(command("tz", Trigger::System { kind: SystemTriggerType::TimeZoneChange, one_shot: false }));
    broker.zone_changes("Europe/Paris", 3_600);
    broker.zone_changes("Europe/London", 0);
    broker.expect_run("tz");
    for trigger in [
        Trigger::Application,
        Trigger::MediaProcessing,
        Trigger::System { kind: SystemTriggerType::ServicingComplete, one_shot: false },
    ] {
        let refusal = broker.refused(command("never", trigger)).to_string();
        assert!(refusal.ends_with("a command has none"), "{refusal}");
    }
}

#[test]
fn d2_a_command_runs_once_at_a_time_and_beside_others() {
    let mut broker = Broker::of_commands();
    broker.add(command("slow", every(seconds(60))));
    broker.add(command("quick", every(seconds(60))));
    broker.passes(seconds(60));
    let slow = broker.expect_run("slow");
    broker.expect_run("quick").exits(&mut broker, 0);
    broker.passes(seconds(180));
    broker.expect_run("quick");
    broker.expect_no_run();
    slow.exits(&mut broker, 0);
    assert_eq!(broker.expect_run("slow").order.firing.count, 3, "D1: they are held as one");
}

#[test]
fn the_policy_and_the_switch_of_the_user_hold_commands_as_they_hold_apps() {
    let mut broker = Broker::of_commands();
    let task = broker.add(command("backup", HOURLY));
    broker.request(Request::SetBackground { enabled: false }).expect("it is the user's");
    broker.passes(HOUR);
    broker.expect_no_run();
    broker.run_now(task);
    broker.expect_no_run();
    broker.request(Request::SetBackground { enabled: true }).expect("it is the user's");
    broker.expect_run("backup");
}

#[test]
fn an_update_of_an_app_is_nothing_to_commands() {
    let (mut broker, _, run) = running(|_| {});
    broker.install(app(MAIL, "1"));
    broker.install(app(MAIL, "2"));
    broker.uninstall(MAIL);
    assert_eq!(run.cancelled(&mut broker), None);
    assert_eq!(broker.core.access(&app_id(App::COMMANDS)).number(), 5);
}
