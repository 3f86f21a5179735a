//! How a command is told to stop, and what is left of it.

use std::fs;

use crate::harness::{eventually, kind};
use crate::{SOME_DAY, Stage, detail};
use bgtask_wire::ErrorKind;

const STRICT: &str = "cancel_grace_seconds = 1\n";

/// CA-3 for commands: SIGTERM to all of it, with the reason in a file.
#[tokio::test]
async fn a_command_is_told_why_it_has_to_stop() {
    let stage = Stage::set().await;
    let line =
        "trap 'cat $BGTASK_CANCEL_REASON > $W/reason; exit 0' TERM; echo up > $W/up; while :; do sleep 0.01; done";
    let task = stage.add("told", line, SOME_DAY).await;
    let instance = stage.user.broker.run_now(&task, false).await.unwrap();
    stage.left("up").await;
    assert_eq!(stage.user.broker.cancel(&task).await.unwrap(), 1);
    assert_eq!(stage.ended(&task, &instance).await.text, "cancelled with reason Abort");
    assert_eq!(stage.left("reason").await, "Abort\n");
}

/// CA-4: after the grace everything it ever started is killed.
#[tokio::test]
async fn a_command_that_does_not_stop_is_killed_with_all_it_started() {
    let stage = Stage::configured(STRICT).await;
    let line = "trap '' TERM; setsid sh -c 'trap \"\" TERM; echo $$ > $W/daemon; while :; do sleep 1; done' & \
                echo up > $W/up; while :; do sleep 1; done";
    let task = stage.add("deaf", line, SOME_DAY).await;
    let instance = stage.user.broker.run_now(&task, false).await.unwrap();
    let daemon = stage.left("daemon").await;
    stage.left("up").await;
    stage.user.broker.cancel(&task).await.unwrap();
    let line = stage.ended(&task, &instance).await;
    assert!(line.text.contains("was killed"), "{}", line.text);
    let gone = format!("/proc/{}", daemon.trim());
    eventually("the daemon is gone", async || (!fs::exists(&gone).unwrap()).then_some(())).await;
}

/// What a command leaves behind when it ends is ended with it.
#[tokio::test]
async fn nothing_outlives_a_command() {
    let stage = Stage::set().await;
    let task = stage
        .add(
            "leaves",
            "setsid sh -c 'echo $$ > $W/left; exec sleep 1000' & while [ ! -s $W/left ]; do :; done",
            SOME_DAY,
        )
        .await;
    assert_eq!(stage.run(&task).await.text, "succeeded");
    let left = format!("/proc/{}", stage.left("left").await.trim());
    eventually("what it left is gone", async || (!fs::exists(&left).unwrap()).then_some(())).await;
}

#[tokio::test]
async fn a_command_that_takes_too_long_is_told_to_stop() {
    let stage = Stage::set().await;
    let task = stage.add("slow", "sleep 1000", "every = \"300d\"\ntimeout = \"1s\"").await;
    let line = stage.run(&task).await;
    assert_eq!(line.text, "cancelled with reason ExecutionTimeExceeded");
}

#[tokio::test]
async fn a_command_that_uses_too_much_processor_time_is_told_to_stop() {
    let stage = Stage::set().await;
    let task = stage.add("greedy", "while :; do :; done", "every = \"300d\"\ncpu = \"1s\"").await;
    let line = stage.run(&task).await;
    assert!(line.text.starts_with("cancelled with reason ExecutionTimeExceeded"), "{}", line.text);
    let cpu = detail(&line)["Completed"]["used"]["usage"]["cpu"].as_u64().unwrap();
    assert!(cpu >= 1_000_000, "{cpu}");
}

/// D15: without the network there is none at all, not even the loopback.
#[tokio::test]
async fn a_command_without_network_has_none() {
    let stage = Stage::set().await;
    let look = "ls /sys/class/net > /dev/null; tail -n +3 /proc/net/dev | cut -d: -f1 > $W/NAME; echo end >> $W/NAME";
    let with = stage.add("with", &look.replace("NAME", "with"), SOME_DAY).await;
    let without = stage.add("without", &look.replace("NAME", "without"), "every = \"300d\"\nnetwork = false").await;
    assert_eq!(stage.run(&with).await.text, "succeeded");
    assert_eq!(stage.run(&without).await.text, "succeeded");
    let names = |text: String| text.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
    assert_eq!(names(stage.left("without").await), ["lo", "end"]);
    assert!(!names(stage.left("with").await).is_empty());
}

/// Only the user has commands: an app cannot make the broker run anything.
#[tokio::test]
async fn an_unknown_command_is_nobodys() {
    let stage = Stage::set().await;
    let nobody = "00000000-0000-4000-8000-000000000000";
    assert_eq!(kind(stage.user.broker.run_now(nobody, false).await), ErrorKind::UnknownTask);
    assert_eq!(kind(stage.user.broker.cancel(nobody).await), ErrorKind::UnknownTask);
    assert_eq!(kind(stage.user.broker.set_paused("x", true).await), ErrorKind::InvalidArgument);
    assert_eq!(kind(stage.user.broker.report_progress(nobody, 1, "").await), ErrorKind::UnknownTask);
}
