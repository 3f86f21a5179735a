//! How an activation ends, whatever its host does (D8, D10, CA rules), and what a host finds when it starts.

mod harness;

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use bgtask_wire::{AttachOptions, OutcomeInfo};
use harness::{App, Broker, Home, New, SAMPLE, User, copy_program, eventually};
use serde_json::Value;

/// The numbers of `BackgroundTaskCancellationReason`.
const EXECUTION_TIME_EXCEEDED: u32 = 9;
const ABORT: u32 = 0;

/// Longer than anything takes on a busy machine, in seconds.
const LONG: u64 = 600;

/// A home, a broker with a budget and a grace of so many seconds, and a client attached to the sample app.
async fn begin(budget: u64, grace: u64) -> (Home, App, Broker, User) {
    let (home, app) = Home::with_sample();
    home.configure(&format!("wall_budget_seconds = {budget}\ncancel_grace_seconds = {grace}\n"));
    let broker = home.start().await;
    let user = broker.user().await;
    user.broker.attach(SAMPLE, AttachOptions::default()).await.unwrap();
    (home, app, broker, user)
}

/// Runs an entry point once and gives what the app is told.
async fn outcome_of(entry: &str) -> OutcomeInfo {
    let (home, _app, _broker, mut user) = begin(LONG, LONG).await;
    let task = user.ready(New { entry, ..New::default() }).await;
    home.world.zone("Asia/Tokyo");
    let (_, _, outcome) = user.completion().await;
    let line = user.line(&task, "completed", 1).await;
    assert!(
        line.text.contains(&outcome.message),
        "history and app hear the same: {:?}, {:?}",
        line.text,
        outcome.message
    );
    assert_eq!(user.words(&task).await.matches("completed").count(), 1);
    outcome
}

/// What a failed run is told with.
async fn failure_of(entry: &str, kind: &str) -> OutcomeInfo {
    let outcome = outcome_of(entry).await;
    assert_eq!((outcome.outcome.as_str(), outcome.ok, outcome.reason), (kind, false, None), "{outcome:?}");
    outcome
}

#[tokio::test]
async fn success() {
    let outcome = outcome_of("Tasks.Quick").await;
    assert!(outcome.ok && outcome.outcome == "succeeded", "{outcome:?}");
}

/// EVT-6: the task's own words reach the app.
#[tokio::test]
async fn an_error_from_run() {
    assert_eq!(failure_of("Tasks.Fails", "failed").await.message, "the server said no");
}

/// A panic fails its activation, not its host.
#[tokio::test]
async fn a_panic() {
    assert_eq!(failure_of("Tasks.Panics", "failed").await.message, "the task panicked: out of cheese");
}

#[tokio::test]
async fn a_crash_by_signal() {
    let outcome = failure_of("Tasks.Crashes", "host-failed").await;
    assert!(outcome.message.contains("signal 6"), "{outcome:?}");
    assert_eq!(outcome.output_tail.as_deref(), Some("about to crash\n"));
}

/// D8: the exit code is told, and the end of what the host wrote to both of its streams.
#[tokio::test]
async fn an_exit_code() {
    let outcome = failure_of("Tasks.Writes", "host-failed").await;
    assert!(outcome.message.contains('3'), "{outcome:?}");
    let tail = outcome.output_tail.unwrap();
    assert!(tail.ends_with("line 999\nline 1000\nno more paper\n"), "{tail}");
    assert!(tail.starts_with("line ") && tail.len() <= 4_096, "whole lines, and no more than the bound: {tail}");
}

/// LC-3: a host that ends as if all were well has still not completed its task.
#[tokio::test]
async fn an_exit_without_completing() {
    let outcome = failure_of("Tasks.Exits", "host-failed").await;
    assert_eq!(outcome.message, "the host exited with code 0 before the task was complete");
}

#[tokio::test]
async fn a_program_that_is_missing() {
    let outcome = failure_of("Tasks.Missing", "host-failed").await;
    assert!(outcome.message.contains("no-such-program"), "{outcome:?}");
    assert!(outcome.message.contains("No such file"), "{outcome:?}");
}

#[tokio::test]
async fn a_program_that_is_not_executable() {
    let (home, app, _broker, mut user) = begin(LONG, LONG).await;
    let program = app.program().with_file_name("not-executable");
    fs::write(&program, "#!/bin/sh\n").unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o644)).unwrap();
    user.ready(New { entry: "Tasks.NotExecutable", ..New::default() }).await;
    home.world.zone("Asia/Tokyo");
    let (_, _, outcome) = user.completion().await;
    assert_eq!(outcome.outcome, "host-failed");
    assert!(outcome.message.contains("Permission denied") && outcome.message.contains("not-executable"), "{outcome:?}");
}

/// BLD-7: the manifest declares an entry point that the program does not have.
#[tokio::test]
async fn an_entry_point_the_program_does_not_have() {
    let outcome = failure_of("Tasks.NotInTheProgram", "failed").await;
    assert!(outcome.message.contains("\"Tasks.NotInTheProgram\""), "{outcome:?}");
    assert!(outcome.message.contains("Tasks.Quick"), "it says what there is: {outcome:?}");
}

/// D10, CA-3: when the budget ends the task is told so, and one that ends within the grace has ended in good order (CA-11).
#[tokio::test]
async fn an_orderly_cancel_inside_the_grace() {
    let (home, app, _broker, mut user) = begin(1, LONG).await;
    let task = user.ready(New { name: "Slow", entry: "Tasks.Blocking", ..New::default() }).await;
    home.world.zone("Asia/Tokyo");
    let (_, _, outcome) = user.completion().await;
    assert_eq!((outcome.outcome.as_str(), outcome.ok), ("cancelled", true), "{outcome:?}");
    assert_eq!(outcome.reason, Some(EXECUTION_TIME_EXCEEDED));
    assert_eq!(user.words(&task).await, "registered fired started cancelled completed");
    assert_eq!(app.status("Slow"), "Registered - Canceled with reason: ExecutionTimeExceeded");
}

/// CA-4: a task that does not listen is killed after the grace.
#[tokio::test]
async fn a_task_that_hangs_is_killed() {
    let (home, _app, _broker, mut user) = begin(1, 1).await;
    let task = user.ready(New { entry: "Tasks.Hangs", ..New::default() }).await;
    home.world.zone("Asia/Tokyo");
    let (_, _, outcome) = user.completion().await;
    assert_eq!((outcome.outcome.as_str(), outcome.ok), ("killed", false), "{outcome:?}");
    assert_eq!(outcome.reason, Some(EXECUTION_TIME_EXCEEDED));
    let lines = user.history(&task).await;
    let at = |event: &str| lines.iter().find(|line| line.event == event).unwrap().at;
    // Deadlines are of another clock than the history.
    assert!(at("cancelled") - at("started") >= 900_000, "not before the budget has ended");
    assert!(at("completed") - at("cancelled") >= 900_000, "not before the grace has ended");
}

/// Where no cgroup can be made, a daemon escapes.
fn is_in_cgroup(process: &str) -> bool {
    fs::read_to_string(format!("/proc/{process}/cgroup")).is_ok_and(|cgroup| cgroup.contains("bgtask-hosts-"))
}

/// What is dead and not yet reaped by its adopter still has a number, but does nothing.
fn is_alive(process: &str) -> bool {
    let status = fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    status.lines().any(|line| line.starts_with("State:") && !line.contains(['Z', 'X']))
}

/// CAN-3, CA-7: unregistering with cancel does not wait for the end of the instance, whose outcome is told all the same. CA-4: what
/// is killed is killed with everything it ever started.
#[tokio::test]
async fn unregister_with_cancel_kills_what_hangs_with_its_daemon() {
    let (home, _app, _broker, mut user) = begin(LONG, 1).await;
    let task = user.ready(New { entry: "Tasks.Hangs", ..New::default() }).await;
    home.world.zone("Asia/Tokyo");
    user.progress(&task, 1).await;
    let daemon = fs::read_to_string(home.data(SAMPLE).join("daemon")).unwrap();
    let daemon = daemon.trim();
    let in_cgroup = is_in_cgroup(daemon);
    user.broker.unregister(&task, true).await.unwrap();
    assert!(user.broker.list_tasks("").await.unwrap().is_empty());
    let (_, _, outcome) = user.completion().await;
    assert_eq!((outcome.outcome.as_str(), outcome.reason), ("killed", Some(ABORT)), "{outcome:?}");
    if in_cgroup {
        assert!(!is_alive(daemon), "a daemon that forked twice in a session of its own is killed too");
    } else {
        harness::skipped("no cgroup can be made here, so a daemon escapes");
    }
}

/// D7: a broker that dies takes its hosts with it, their daemons too; the activation runs again with the next attempt, three times
/// in all, and is then given up with a reason.
#[tokio::test]
async fn a_task_whose_broker_dies_is_tried_three_times() {
    let (home, _app) = Home::with_sample();
    let mut broker = home.start().await;
    let mut user = broker.user().await;
    let task = user.ready(New { entry: "Tasks.Hangs", ..New::default() }).await;
    home.world.zone("Asia/Tokyo");
    for attempt in 1..=3 {
        user.progress(&task, 1).await;
        let info = user.broker.get_task(&task).await.unwrap();
        assert_eq!((info.phase.as_str(), info.attempt), ("running", Some(attempt)));
        let daemon = fs::read_to_string(home.data(SAMPLE).join("daemon")).unwrap();
        let in_cgroup = is_in_cgroup(daemon.trim());
        broker.kill();
        broker = home.start().await;
        user = broker.user().await;
        assert!(!in_cgroup || !is_alive(daemon.trim()), "the next broker ends what the last one left");
    }
    user.broker.attach(SAMPLE, AttachOptions::default()).await.unwrap();
    let (_, _, outcome) = user.completion().await;
    assert_eq!((outcome.outcome.as_str(), outcome.ok), ("abandoned", false));
    assert!(outcome.message.contains("3 attempts"), "{outcome:?}");
    let words = user.words(&task).await;
    assert_eq!(words, "registered fired started interrupted started interrupted started completed");
    let instances: Vec<_> = user.history(&task).await.into_iter().filter_map(|line| line.instance).collect();
    assert!(instances.windows(2).all(|pair| pair[0] == pair[1]), "one activation, whatever its attempt (RUN-2)");
}

/// What a task saw of its own process.
async fn inspection(home: &Home, user: &mut User, zone: &str) -> Value {
    home.world.zone(zone);
    let (_, name, outcome) = user.completion().await;
    assert!(outcome.ok, "{outcome:?}");
    let settings = bgtask::ApplicationDataContainer::open(home.data(SAMPLE)).unwrap();
    serde_json::from_str(&settings.get::<String>(&name).unwrap().unwrap()).unwrap()
}

/// No new privileges, a session of its own, no signal blocked, a clean environment, and only the descriptors it is given.
#[tokio::test]
async fn what_a_host_finds() {
    let (home, _app) = Home::with_sample();
    let _open = fs::File::open("/dev/zero").unwrap();
    let mut broker = Broker::spawn(&home, home.command().env("SECRET", "x").env("LC_ALL", "C"));
    let mut user = broker.answers().await;
    user.broker.attach(SAMPLE, AttachOptions::default()).await.unwrap();
    user.ready(New { name: "Inspects", entry: "Tasks.Inspects", ..New::default() }).await;
    let seen = inspection(&home, &mut user, "Asia/Tokyo").await;

    assert_eq!(seen["no_new_privs"], "1");
    assert_eq!(seen["session"], seen["pid"]);
    assert_eq!(seen["blocked_signals"], "0000000000000000");
    let environment: Vec<_> = seen["environment"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
    assert!(!environment.contains(&"SECRET") && environment.contains(&"LC_ALL"), "{environment:?}");
    for name in ["BGTASK_ADDRESS", "BGTASK_APP_ID", "BGTASK_APP_DATA", "BGTASK_HOST_FD"] {
        assert!(environment.contains(&name), "{name} of {environment:?}");
    }
    let descriptors: Vec<_> = seen["descriptors"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
    let count = |kind: &str| descriptors.iter().filter(|target| target.starts_with(kind)).count();
    assert_eq!((count("/dev/null"), count("pipe:")), (1, 2), "input, output, errors: {descriptors:?}");
    assert!(count("socket:") >= 1, "the channel: {descriptors:?}");
    let own = count("/dev/null") + count("pipe:") + count("socket:") + count("anon_inode:") + count("/proc/");
    assert_eq!(own, descriptors.len(), "nothing of the broker's: {descriptors:?}");
    assert!(!descriptors.iter().any(|target| target.contains(home.root("").to_str().unwrap())), "{descriptors:?}");
}

/// A host that has ended its work lingers for the next activation of its app, until its program is replaced.
#[tokio::test]
async fn a_warm_host_is_used_again_until_its_program_changes() {
    let (home, app) = Home::with_sample();
    home.configure("warm_linger_seconds = 600\n");
    let broker = home.start().await;
    let mut user = broker.user().await;
    user.broker.attach(SAMPLE, AttachOptions::default()).await.unwrap();
    let task = user.ready(New { name: "Inspects", entry: "Tasks.Inspects", ..New::default() }).await;
    let first = inspection(&home, &mut user, "Asia/Tokyo").await;
    let second = inspection(&home, &mut user, "Europe/Berlin").await;
    assert_eq!(first["pid"], second["pid"]);
    assert_eq!(user.line(&task, "started", 1).await.text, "started");
    assert_eq!(user.line(&task, "started", 2).await.text, "started in a warm host");

    let new = app.task_program().with_extension("new");
    copy_program(&app.task_program(), &new);
    fs::rename(new, app.task_program()).unwrap();
    let third = inspection(&home, &mut user, "Asia/Tokyo").await;
    assert_ne!(second["pid"], third["pid"], "the replaced program does not run again");
    assert_eq!(third["attempt"], 1, "nothing was tried twice: the old host never heard of it");
    let old = format!("/proc/{}", second["pid"]);
    eventually("the old host is gone", async || (!Path::new(&old).exists()).then_some(())).await;
}

/// A host lingers no longer than it is configured to.
#[tokio::test]
async fn lingering_can_be_switched_off() {
    let (home, _app) = Home::with_sample();
    home.configure("warm_linger_seconds = 0\n");
    let broker = home.start().await;
    let mut user = broker.user().await;
    user.broker.attach(SAMPLE, AttachOptions::default()).await.unwrap();
    user.ready(New { name: "Inspects", entry: "Tasks.Inspects", ..New::default() }).await;
    let first = inspection(&home, &mut user, "Asia/Tokyo").await;
    let host = format!("/proc/{}", first["pid"]);
    eventually("the host is gone", async || (!Path::new(&host).exists()).then_some(())).await;
}
