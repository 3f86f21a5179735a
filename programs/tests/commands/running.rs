//! What a command finds, what counts as success, and what is kept of it.

use std::fs;

use serde_json::Value;

use crate::harness::eventually;
use crate::{SOME_DAY, Stage, detail};

#[tokio::test]
async fn a_command_learns_who_it_is_and_what_fired() {
    let stage = Stage::set().await;
    let line = "env > $W/env; cat <&$BGTASK_DETAILS_FD > $W/details; echo >> $W/details; pwd > $W/dir";
    let task = stage.add("ein Name mit \u{e4}", line, "every = \"300d\"\ndir = \"/usr\"").await;
    let instance = stage.user.broker.run_now(&task, false).await.unwrap();
    assert_eq!(stage.ended(&task, &instance).await.text, "succeeded");

    let env = fs::read_to_string(stage.word("env")).unwrap();
    let value = |name: &str| env.lines().find_map(|line| line.strip_prefix(&format!("{name}="))).map(str::to_owned);
    assert_eq!(value("BGTASK_TASK").as_deref(), Some("ein Name mit \u{e4}"));
    assert_eq!(value("BGTASK_TASK_ID").as_ref(), Some(&task));
    assert_eq!(value("BGTASK_INSTANCE").as_ref(), Some(&instance));
    assert_eq!(value("BGTASK_ATTEMPT").as_deref(), Some("1"));
    assert_eq!(value("BGTASK_TRIGGER").as_deref(), Some("every:300d"));
    assert_eq!(value("BGTASK_FIRED_COUNT").as_deref(), Some("1"));
    assert_eq!(value("BGTASK_ADDRESS"), Some(stage.home.address()));
    assert_eq!(value("BGTASK_HOST_FD"), None, "a command has no channel");
    assert_eq!(value("NOTIFY_SOCKET"), None, "what is the broker's is not the command's");
    assert_eq!(fs::read_to_string(stage.word("dir")).unwrap(), "/usr\n");

    let details: Value = serde_json::from_str(&stage.left("details").await).unwrap();
    assert_eq!((&details["instance"], &details["by_hand"]), (&Value::from(instance), &Value::from(true)));
    assert_eq!((&details["trigger"], &details["attempt"]), (&Value::from("every:300d"), &Value::from(1)));
}

#[tokio::test]
async fn the_exit_code_decides() {
    let stage = Stage::set().await;
    let fails = stage.add("fails", "echo something is wrong >&2; exit 3", SOME_DAY).await;
    let line = stage.run(&fails).await;
    assert_eq!(line.text, "failed with exit code 3");
    let tail = detail(&line)["Completed"]["outcome"]["CommandFailed"]["output_tail"].clone();
    assert_eq!(tail, Value::from("something is wrong\n"));

    let dies = stage.add("dies", "kill -9 $$", SOME_DAY).await;
    assert_eq!(stage.run(&dies).await.text, "ended by signal 9");
    let info = stage.user.broker.get_task(&dies).await.unwrap();
    assert_eq!((info.last_ok, info.last_at.is_some()), (Some(false), true));

    let missing = "command = [\"/nowhere/at-all\"]\nevery = \"300d\"";
    let (missing, _) = stage.try_add("missing", missing).await.unwrap();
    let line = stage.run(&missing).await;
    assert!(line.text.starts_with("could not be started: ") && line.text.contains("/nowhere/at-all"), "{}", line.text);
}

/// What is used is counted for all of its processes, and kept with its end.
#[tokio::test]
async fn what_a_command_used_is_kept() {
    let stage = Stage::set().await;
    let busy = "i=0; while [ $i -lt 200000 ]; do i=$((i+1)); done";
    let task = stage.add("busy", &format!("sh -c '{busy}' & wait"), SOME_DAY).await;
    let line = stage.run(&task).await;
    let used = &detail(&line)["Completed"]["used"];
    assert!(used["wall"].as_u64().unwrap() > 10_000, "{used}");
    assert!(used["usage"]["cpu"].as_u64().unwrap() > 10_000, "of the child too: {used}");
}

#[tokio::test]
async fn a_running_command_tells_how_far_it_is() {
    let stage = Stage::set().await;
    let task = stage
        .add("long", "echo $BGTASK_INSTANCE > $W/instance; while [ ! -e $W/go ]; do sleep 0.01; done", SOME_DAY)
        .await;
    let instance = stage.user.broker.run_now(&task, false).await.unwrap();
    assert_eq!(stage.left("instance").await.trim(), instance);
    stage.user.broker.report_progress(&instance, 40, "halfway, nearly").await.unwrap();
    let info = stage.user.broker.get_task(&task).await.unwrap();
    assert_eq!((info.progress, info.message.as_deref()), (Some(40), Some("halfway, nearly")));
    assert_eq!(info.phase, "running");

    fs::write(stage.word("go"), "").unwrap();
    assert_eq!(stage.ended(&task, &instance).await.text, "succeeded (last progress 40)");
    let late = stage.user.broker.report_progress(&instance, 50, "").await.map_err(bgtask_wire::Error::from);
    assert!(late.unwrap_err().message.contains("it has ended"));
}

/// D5 of commands: what is asked for while it runs waits, and nothing runs twice at the same time.
#[tokio::test]
async fn a_command_runs_once_at_a_time() {
    let stage = Stage::set().await;
    let line = "mkdir $W/lock || exit 9; while [ ! -e $W/go ]; do sleep 0.01; done; rmdir $W/lock";
    let task = stage.add("alone", line, SOME_DAY).await;
    let first = stage.user.broker.run_now(&task, false).await.unwrap();
    stage.user.phase(&task, "running").await;
    let second = stage.user.broker.run_now(&task, false).await.unwrap();
    let third = stage.user.broker.run_now(&task, false).await.unwrap();
    assert_ne!(first, second);
    assert_eq!(second, third, "what waits already is what is asked for");
    fs::write(stage.word("go"), "").unwrap();
    assert_eq!(stage.ended(&task, &first).await.text, "succeeded");
    assert_eq!(stage.ended(&task, &second).await.text, "succeeded");
}

/// Failed tries are repeated, each later than the one before, and a checkpoint goes from one to the next.
#[tokio::test]
async fn a_failed_command_is_tried_again_where_it_was() {
    let stage = Stage::set().await;
    let line = "cat $BGTASK_CHECKPOINT >> $W/seen 2>/dev/null; echo $BGTASK_ATTEMPT >> $BGTASK_CHECKPOINT; \
                [ $BGTASK_ATTEMPT -eq 3 ] && echo end >> $W/seen";
    let task = stage.add("tries", line, "every = \"300d\"\nretry = 5\nbackoff = \"1s\"\ncheckpoint = true").await;
    let line = stage.run(&task).await;
    assert_eq!(line.text, "succeeded");
    assert_eq!(stage.left("seen").await, "1\n1\n2\nend\n", "the second try finds the first's, the third both");
    let words = stage.user.words(&task).await;
    assert_eq!(words, "registered fired started retrying started retrying started completed");
    let [first, second] = [1, 2].map(|number| stage.user.line(&task, "retrying", number));
    let (first, second) = (first.await, second.await);
    assert_eq!(first.text, "failed with exit code 1; attempt 2 follows");
    let pause = |line: &bgtask_wire::HistoryInfo| detail(line)["Retrying"]["at"].as_i64().unwrap() - line.at;
    assert!((900_000..1_100_000).contains(&pause(&first)), "{}", first.detail);
    assert!((1_900_000..2_100_000).contains(&pause(&second)), "twice as long: {}", second.detail);

    let again = stage.run(&task).await;
    assert_eq!(again.text, "succeeded");
    assert!(stage.left("seen").await.ends_with("end\n1\n1\n2\nend\n"), "a success leaves no checkpoint");
}

/// D7: the broker dies under it, it is killed with everything, and runs again as the next attempt.
#[tokio::test]
async fn a_command_survives_the_death_of_its_broker() {
    let stage = Stage::set().await;
    let line = "echo $BGTASK_ATTEMPT >> $W/attempts; [ $BGTASK_ATTEMPT -gt 1 ] || sleep 1000";
    let task = stage.add("survivor", line, SOME_DAY).await;
    let instance = stage.user.broker.run_now(&task, false).await.unwrap();
    assert_eq!(stage.left("attempts").await, "1\n");
    let stage = stage.after_a_crash().await;
    assert_eq!(stage.ended(&task, &instance).await.text, "succeeded");
    assert_eq!(stage.left("attempts").await, "1\n2\n");
}

/// A timer from one second up, a calendar to the second, and a paused one that does not fire.
#[tokio::test]
async fn timers_of_commands_have_no_floor() {
    let stage = Stage::set().await;
    let every = stage.add("every", "echo x >> $W/every", "every = \"1s\"").await;
    let at = stage.add("at", "echo x >> $W/at", "at = \"*:*:*\"").await;
    let paused = stage.add("paused", "echo x >> $W/paused", "every = \"1s\"").await;
    stage.user.broker.set_paused(&paused, true).await.unwrap();
    for (task, name) in [(&every, "every"), (&at, "at")] {
        eventually("it has run three times", async || {
            let text = fs::read_to_string(stage.word(name)).ok()?;
            (text.lines().count() >= 3).then_some(())
        })
        .await;
        assert!(stage.user.broker.get_task(task).await.unwrap().due.is_some());
    }
    assert!(!stage.word("paused").exists(), "it is paused");
    stage.user.broker.set_paused(&paused, false).await.unwrap();
    stage.left("paused").await;
}

/// Conditions beyond Windows' hold a command as Windows' do; what is run by hand is not held.
#[tokio::test]
async fn conditions_hold_a_command() {
    let stage = Stage::set().await;
    let task = stage
        .add("held", "echo x >> $W/held", "every = \"1s\"\nwhen = [\"not:internet\", \"between:00:00-23:59\"]")
        .await;
    stage.user.phase(&task, "latched").await;
    let why = stage.user.broker.why(&task).await.unwrap();
    assert!(why.sentence.contains("no-internet"), "{}", why.sentence);
    stage.user.broker.run_now(&task, false).await.unwrap();
    stage.left("held").await;
}

/// The edge of a condition fires, and only the edge.
#[tokio::test]
async fn a_condition_that_begins_to_hold_fires() {
    let stage = Stage::set().await;
    let task = stage.add("edge", "echo x >> $W/edge", "on = \"no-internet\"").await;
    stage.user.sources_know().await;
    stage.home.world.online(false);
    stage.user.line(&task, "completed", 1).await;
    stage.home.world.online(true);
    stage.user.reads("internet", "true").await;
    stage.home.world.online(false);
    stage.user.line(&task, "completed", 2).await;
    assert_eq!(fs::read_to_string(stage.word("edge")).unwrap(), "x\nx\n");
}
