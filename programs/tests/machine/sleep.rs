//! The sleep of the machine: what holds it up, what waits for its end, and what would end it.

use std::fs;
use std::path::Path;

use bgtask_wire::ErrorKind;

use crate::Stage;
use crate::harness::{Broker, Home, Logind, eventually, eventually_now, kind};

/// A command that asks for the network and runs for as long as a file is there, which it makes itself.
fn that_sends(file: &Path, more: &str) -> String {
    let line = format!("touch {0}; while [ -e {0} ]; do sleep 0.02; done", file.display());
    format!("command = {line:?}\non = \"event:org.example.never\"\nnetwork-requested = true\n{more}")
}

async fn runs(stage: &Stage, task: &str, file: &Path) {
    stage.user.broker.run_now(task, false).await.unwrap();
    eventually_now("the command runs", || file.exists().then_some(()));
}

/// NW-1, D15.
#[tokio::test]
async fn d15_sleep_is_delayed_while_a_task_runs_that_asked_for_the_network() {
    let home = Home::new();
    let Some(logind) = Logind::start(&home.world).await else { return };
    let stage = Stage::in_home(home).await;
    let files = ["one", "other"].map(|name| stage.home.root(name));
    for file in &files {
        let name = file.file_name().unwrap().to_str().unwrap();
        let (task, _) = stage.user.broker.add_task(name, &that_sends(file, ""), false).await.unwrap();
        runs(&stage, &task, file).await;
        logind.has_inhibitors(1).await;
    }
    let inhibitors = logind.inhibitors().await;
    let [(what, who, why, mode, ..)] = inhibitors.as_slice() else { panic!("one for all of them: {inhibitors:?}") };
    assert_eq!([what, who, why, mode], ["sleep", "bgtask", "Background tasks use the network", "delay"]);
    fs::remove_file(&files[0]).unwrap();
    eventually("the one has ended", async || {
        let tasks = stage.user.broker.list_tasks("").await.unwrap();
        (tasks.iter().filter(|task| task.phase == "running").count() == 1).then_some(())
    })
    .await;
    assert_eq!(logind.inhibitors().await.len(), 1, "the other still needs it");
    fs::remove_file(&files[1]).unwrap();
    logind.has_inhibitors(0).await;
}

/// D15: its budget bounds it, and so does the end of the broker, however that comes.
#[tokio::test]
async fn d15_the_delay_ends_with_the_budget_and_with_the_broker() {
    let home = Home::new();
    let Some(logind) = Logind::start(&home.world).await else { return };
    home.configure("cancel_grace_seconds = 1\n");
    let stage = Stage::in_home(home).await;
    let file = stage.home.root("sends");
    let definition = that_sends(&file, "timeout = \"2s\"\n");
    let (task, _) = stage.user.broker.add_task("bounded", &definition, false).await.unwrap();
    runs(&stage, &task, &file).await;
    logind.has_inhibitors(1).await;
    logind.has_inhibitors(0).await;
    assert!(file.exists(), "the task would go on");

    fs::remove_file(&file).unwrap();
    let (task, _) = stage.user.broker.add_task("unbounded", &that_sends(&file, ""), false).await.unwrap();
    runs(&stage, &task, &file).await;
    logind.has_inhibitors(1).await;
    stage.broker.kill();
    logind.has_inhibitors(0).await;
}

/// D15: a task that does not ask for the network waits until the machine is awake again.
#[tokio::test]
async fn d15_nothing_is_started_into_a_sleep_that_does_not_ask_for_the_network() {
    let home = Home::new();
    let Some(logind) = Logind::start(&home.world).await else { return };
    logind.sleep(true).await;
    let stage = Stage::in_home(home).await;
    let task = stage.command("patient", "every = \"1s\"\nonce = true").await;
    stage.user.phase(&task, "buffered").await;
    assert_eq!(stage.user.words(&task).await, "registered fired buffered");
    logind.sleep(false).await;
    stage.user.line(&task, "completed", 1).await;
}

/// Once, not for each task.
#[tokio::test]
async fn d15_without_logind_tasks_run_all_the_same_and_the_log_says_once_what_is_missing() {
    let stage = Stage::in_home(Home::new()).await;
    let definition = "command = \"true\"\non = \"event:org.example.never\"\nnetwork-requested = true\n";
    let (task, _) = stage.user.broker.add_task("sends", definition, false).await.unwrap();
    for run in 1..=3 {
        stage.user.broker.run_now(&task, false).await.unwrap();
        stage.user.line(&task, "completed", run).await;
    }
    let complaints = || stage.home.log().matches("sleep cannot be delayed: the system bus cannot be reached").count();
    eventually_now("it is said", || (complaints() > 0).then_some(()));
    assert_eq!(complaints(), 1, "{}", stage.home.log());
}

const WAKES: &str = "command = \"true\"\nevery = \"1h\"\nwake = true\n";

/// D16: refused with what is missing, by a call and as a file.
#[tokio::test]
async fn d16_a_task_that_would_wake_the_machine_is_refused_where_nothing_can() {
    let home = Home::new();
    let stage = Stage::in_home(home).await;
    let refused = stage.user.broker.add_task("backup", WAKES, false).await.unwrap_err().to_string();
    assert!(refused.contains("may_wake"), "{refused}");

    stage.home.configure("may_wake = true\n");
    let stage = stage.after_a_crash(async |_| {}).await;
    let refused = stage.user.broker.add_task("backup", WAKES, false).await;
    assert!(refused.as_ref().unwrap_err().to_string().contains("this machine has no clock that can wake it"));
    assert_eq!(kind(refused), ErrorKind::NotSupported);
    let tasks = stage.home.root("tasks");
    fs::create_dir_all(&tasks).unwrap();
    fs::write(tasks.join("backup.toml"), WAKES).unwrap();
    eventually("the file is read", async || {
        let files = stage.user.broker.list_task_files().await.unwrap();
        files.iter().any(|file| format!("{file:?}").contains("no clock that can wake it")).then_some(())
    })
    .await;
}

/// The timers of a process that wake the machine, which are on the clock of that number: how many nanoseconds are left.
fn alarms(broker: &Broker) -> Vec<bool> {
    let infos = fs::read_dir(format!("/proc/{}/fdinfo", broker.pid())).unwrap().flatten();
    let infos = infos.filter_map(|info| fs::read_to_string(info.path()).ok());
    let alarms = infos.filter(|info| info.contains("clockid: 9\n"));
    alarms.map(|info| !info.contains("it_value: (0, 0)")).collect()
}

#[tokio::test]
async fn a_task_that_may_wakes_the_machine_when_it_is_due() {
    let home = Home::new();
    home.configure("may_wake = true\n");
    fs::create_dir_all(home.world.path("sys/class/rtc/rtc0")).unwrap();
    fs::write(home.world.path("sys/class/rtc/rtc0/wakealarm"), "").unwrap();
    let stage = Stage::in_home(home).await;
    let (armed, added) = (alarms(&stage.broker), stage.user.broker.add_task("backup", WAKES, false).await);
    if armed.is_empty() {
        assert!(added.unwrap_err().to_string().contains("does not let the broker wake the machine"));
        return println!("SKIPPED: the kernel does not let this user wake the machine, and it is said");
    }
    assert_eq!(armed, [false], "no task would be woken for");
    added.unwrap();
    eventually_now("the alarm is armed", || (alarms(&stage.broker) == [true]).then_some(()));
}
