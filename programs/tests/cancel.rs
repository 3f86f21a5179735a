//! Every reason for which a task is told to stop, from its real cause to the task, the app and the history (CAN-1, CA rules).

mod harness;

use std::fs;

use bgtask::BackgroundTaskCancellationReason as Reason;
use bgtask_wire::{AttachOptions, HistoryInfo, OutcomeInfo};
use harness::{App, Broker, Home, New, SAMPLE, SystemBus, User};
use serde_json::Value;

/// Nothing ends for another reason than the one a test is about: a budget and a grace that only a broken test reaches.
const PATIENT: &str = "wall_budget_seconds = 600\ncancel_grace_seconds = 300\n";

/// A patient broker would wait very long for a task that does not stop.
const STRICT: &str = "wall_budget_seconds = 600\ncancel_grace_seconds = 1\n";

/// What the tasks of these tests are called.
const NAME: &str = "Running";

/// A world in which a task runs.
struct Stage {
    home: Home,
    app: App,
    broker: Broker,
    user: User,
    task: String,
}

impl Stage {
    /// Runs a task that leaves word of the notice it gets, and is heard of by its app.
    async fn set(config: &str) -> Self {
        let stage = Self::with(Home::with_sample(), config, New { entry: "Tasks.Notices", ..New::default() }).await;
        stage.user.progress(&stage.task, 33).await;
        stage
    }

    /// Runs a task that does not listen and starts a daemon.
    async fn deaf() -> Self {
        let stage = Self::with(Home::with_sample(), STRICT, New { entry: "Tasks.Hangs", ..New::default() }).await;
        stage.user.progress(&stage.task, 1).await;
        stage
    }

    async fn with((home, app): (Home, App), config: &str, new: New<'_>) -> Self {
        home.configure(config);
        let broker = home.start().await;
        let user = broker.user().await;
        user.broker.attach(SAMPLE, AttachOptions::default()).await.unwrap();
        let task = user.ready(New { name: NAME, ..new }).await;
        home.world.zone("Asia/Tokyo");
        Self { home, app, broker, user, task }
    }

    /// CA-11: an orderly cancel. The task, its app and the history are told the same reason with the same numbers.
    async fn is_told(&mut self, reason: Reason) -> Numbers {
        let (_, _, outcome) = self.user.completion().await;
        assert_eq!((outcome.outcome.as_str(), outcome.ok), ("cancelled", true), "{outcome:?}");
        assert_eq!((outcome.reason, outcome.progress), (Some(reason.number()), Some(33)));
        let line = self.user.line(&self.task, "completed", 1).await;
        assert_eq!(line.text, format!("cancelled with reason {reason} (last progress 33)"));
        self.both_know(reason, &self.user.line(&self.task, "cancelled", 1).await)
    }

    /// What the history has of the notice is what the task was told.
    fn both_know(&self, reason: Reason, line: &HistoryInfo) -> Numbers {
        assert!(line.text.starts_with(&format!("told to stop: {reason} (")), "{}", line.text);
        let recorded: Value = serde_json::from_str(&line.detail).unwrap();
        let settings = bgtask::ApplicationDataContainer::open(self.home.data(SAMPLE)).unwrap();
        let left = settings.get::<String>(NAME).unwrap().expect("the task left word");
        let told: Value = serde_json::from_str(&left).unwrap();
        assert_eq!(recorded["Cancelled"]["notice"], told, "U-9: {}", line.detail);
        assert_eq!(told["reason"], reason.to_string());
        let number = |key: &str| told[key].as_u64().unwrap();
        Numbers { budget: number("budget"), used: number("used"), grace: number("grace") }
    }
}

/// The numbers of a notice, in microseconds (U-9).
#[derive(Debug)]
struct Numbers {
    budget: u64,
    used: u64,
    grace: u64,
}

impl Numbers {
    /// A notice before the budget was spent.
    fn are_early(&self) {
        assert_eq!((self.budget, self.grace), (600_000_000, 300_000_000), "CAN-12: {self:?}");
        assert!(0 < self.used && self.used < self.budget, "{self:?}");
    }
}

/// CAN-3: the app takes its registration away, and with it what runs.
#[tokio::test]
async fn abort() {
    let mut stage = Stage::set(PATIENT).await;
    stage.user.broker.unregister(&stage.task, true).await.unwrap();
    stage.is_told(Reason::Abort).await.are_early();
}

/// CAN-4, LC-12: the user ends what runs of the app. Its task stays registered and runs at the next firing.
#[tokio::test]
async fn terminating() {
    let mut stage = Stage::set(PATIENT).await;
    assert_eq!(stage.user.broker.terminate(SAMPLE).await.unwrap(), 1);
    stage.is_told(Reason::Terminating).await.are_early();
    stage.home.world.zone("Europe/Berlin");
    stage.user.line(&stage.task, "started", 2).await;
}

/// CAN-5: the broker is told to end, as at a log-off. It waits for the task, and tells the app when it is back.
#[tokio::test]
async fn logging_off() {
    let mut stage = Stage::set(PATIENT).await;
    assert_eq!(stage.broker.stop(), Some(0));
    stage.broker = stage.home.start().await;
    stage.user = stage.broker.user().await;
    stage.user.broker.attach(SAMPLE, AttachOptions::default()).await.unwrap();
    stage.is_told(Reason::LoggingOff).await.are_early();
    assert_eq!(stage.user.words(&stage.task).await, "registered fired started cancelled completed");
}

/// CAN-5, RE-6: the app is updated.
#[tokio::test]
async fn servicing_update() {
    let mut stage = Stage::set(PATIENT).await;
    fs::write(stage.home.manifest(SAMPLE), stage.app.manifest("2.0.0")).unwrap();
    stage.is_told(Reason::ServicingUpdate).await.are_early();
    let info = stage.user.broker.get_task(&stage.task).await.unwrap();
    assert_eq!(info.phase, "idle", "it is not run again by itself");
}

/// CAN-5, CAN-2: the app is removed.
#[tokio::test]
async fn uninstall() {
    let mut stage = Stage::set(PATIENT).await;
    stage.home.uninstall(SAMPLE);
    stage.is_told(Reason::Uninstall).await.are_early();
    assert!(stage.user.broker.list_tasks("").await.unwrap().is_empty());
}

/// CO-3, CND-6: a condition of a task that asked for that stops holding.
#[tokio::test]
async fn condition_loss() {
    let new = New {
        entry: "Tasks.Notices",
        conditions: &["InternetAvailable"],
        cancel_on_condition_loss: true,
        ..New::default()
    };
    let mut stage = Stage::with(Home::with_sample(), PATIENT, new).await;
    stage.user.progress(&stage.task, 33).await;
    stage.home.world.online(false);
    stage.is_told(Reason::ConditionLoss).await.are_early();
}

/// CAN-6: the user says no to the app.
#[tokio::test]
async fn system_policy_of_the_user() {
    let mut stage = Stage::set(PATIENT).await;
    stage.user.broker.set_access(SAMPLE, "never").await.unwrap();
    stage.is_told(Reason::SystemPolicy).await.are_early();
}

/// CAN-6: the user switches all background work off.
#[tokio::test]
async fn system_policy_of_the_switch() {
    let mut stage = Stage::set(PATIENT).await;
    stage.user.broker.set_background(false).await.unwrap();
    stage.is_told(Reason::SystemPolicy).await.are_early();
}

/// CAN-6, AC-7: the owner of the machine says no in a file, in a folder that was not there before.
#[tokio::test]
async fn system_policy_of_a_file() {
    let mut stage = Stage::set(PATIENT).await;
    stage.home.world.set_policy("50-site.toml", &format!("[background]\nforce_deny = [{SAMPLE:?}]\n"));
    stage.is_told(Reason::SystemPolicy).await.are_early();
}

/// CAN-6, D10: the budget is spent.
#[tokio::test]
async fn execution_time_exceeded() {
    let mut stage = Stage::set("wall_budget_seconds = 1\ncancel_grace_seconds = 300\n").await;
    let numbers = stage.is_told(Reason::ExecutionTimeExceeded).await;
    assert_eq!((numbers.budget, numbers.grace), (1_000_000, 300_000_000));
    assert!(numbers.used >= numbers.budget, "{numbers:?}");
}

/// CA-9: what does nothing at all is idle, what uses the processor is not, although it says as little.
#[tokio::test]
async fn idle_task() {
    let (home, app) = Home::with_sample();
    let config = format!("{PATIENT}idle_after_seconds = 2\n");
    let at_work = New { name: NAME, entry: "Tasks.Works", ..New::default() };
    let mut stage = Stage::with((home, app), &config, at_work).await;
    stage.user.phase(&stage.task, "running").await;
    let works = stage.task.clone();
    stage.task = stage.user.ready(New { name: NAME, entry: "Tasks.Notices", ..New::default() }).await;
    stage.home.world.zone("Europe/Berlin");
    let numbers = stage.is_told(Reason::IdleTask).await;
    numbers.are_early();
    assert!(numbers.used >= 2_000_000, "not before it has been idle for so long: {numbers:?}");
    let info = stage.user.broker.get_task(&works).await.unwrap();
    assert_eq!(info.phase, "running", "it began before the other, and still runs");
    assert_eq!(stage.user.words(&works).await.matches("cancelled").count(), 0);
}

/// CAN-6, CA-6, CAN-7: the machine is short of memory. Nothing starts before it has some again.
#[tokio::test]
async fn resource_revocation() {
    let (home, app) = Home::with_sample();
    home.world.memory_pressure(0);
    let new = New { entry: "Tasks.Notices", ..New::default() };
    let mut stage = Stage::with((home, app), PATIENT, new).await;
    stage.user.progress(&stage.task, 33).await;
    stage.home.world.memory_pressure(50);
    stage.is_told(Reason::ResourceRevocation).await.are_early();

    stage.home.world.zone("Europe/Berlin");
    stage.user.phase(&stage.task, "buffered").await;
    let why = stage.user.broker.why(&stage.task).await.unwrap().sentence;
    assert!(why.contains("the machine is short of memory"), "{why}");
    stage.home.world.memory_pressure(0);
    stage.user.line(&stage.task, "started", 2).await;
}

/// CAN-6, AC-6, ACC-20: the user chooses to save energy. What he always allows goes on, the rest waits until he no longer does.
#[tokio::test]
async fn energy_saver() {
    let (home, app) = Home::with_sample();
    let Some(bus) = SystemBus::start(&home.world).await else { return };
    let always = home.install("org.example.Always");
    let new = New { entry: "Tasks.Notices", ..New::default() };
    let mut stage = Stage::with((home, app), PATIENT, new).await;
    stage.user.progress(&stage.task, 33).await;
    stage.user.broker.set_access(&always.id, "always").await.unwrap();
    let goes_on =
        stage.user.register(New { app: &always.id, entry: "Tasks.Blocking", ..New::default() }).await.unwrap();
    stage.user.sources_know().await;
    stage.home.world.zone("Europe/Berlin");
    stage.user.progress(&goes_on, 1).await;

    bus.choose("power-saver").await;
    stage.is_told(Reason::EnergySaver).await.are_early();
    assert_eq!(stage.user.broker.get_task(&goes_on).await.unwrap().phase, "running");
    stage.user.phase(&stage.task, "buffered").await;
    let why = stage.user.broker.why(&stage.task).await.unwrap();
    assert!(why.sentence.contains("the machine saves energy"), "{}", why.sentence);
    assert!(why.gates.iter().any(|gate| gate.name == "EnergySaver" && !gate.open), "{:?}", why.gates);
    bus.choose("balanced").await;
    stage.user.line(&stage.task, "started", 2).await;
}

/// D9: two causes at almost the same time are one cancel, for the first reason.
#[tokio::test]
async fn the_first_reason_stands() {
    let mut stage = Stage::deaf().await;
    stage.user.broker.terminate(SAMPLE).await.unwrap();
    stage.user.broker.set_access(SAMPLE, "never").await.unwrap();
    stage.user.broker.unregister(&stage.task, true).await.unwrap();
    let (_, _, outcome) = stage.user.completion().await;
    assert_eq!(outcome.reason, Some(Reason::Terminating.number()));
    assert_eq!(stage.user.words(&stage.task).await.matches("cancelled").count(), 1);
}

/// CA-4, CA-5: a task that does not stop is killed with everything it started, and its record keeps what was last heard of it.
fn is_killed(outcome: &OutcomeInfo, reason: Reason, daemon: &Daemon) {
    assert_eq!((outcome.outcome.as_str(), outcome.ok), ("killed", false), "{outcome:?}");
    assert_eq!((outcome.reason, outcome.progress), (Some(reason.number()), Some(1)));
    assert_eq!(outcome.output_tail.as_deref(), Some("not to be stopped\n"));
    daemon.is_gone();
}

#[tokio::test]
async fn a_deaf_task_is_killed_when_its_app_is_ended() {
    let mut stage = Stage::deaf().await;
    let daemon = Daemon::of(&stage.home);
    stage.user.broker.terminate(SAMPLE).await.unwrap();
    let (_, _, outcome) = stage.user.completion().await;
    is_killed(&outcome, Reason::Terminating, &daemon);
    let line = stage.user.line(&stage.task, "completed", 1).await;
    let detail: Value = serde_json::from_str(&line.detail).unwrap();
    let recorded = &detail["Completed"];
    assert_eq!(recorded["progress"], 1, "{}", line.detail);
    assert_eq!(recorded["outcome"]["Killed"]["output_tail"], "not to be stopped\n", "{}", line.detail);
}

#[tokio::test]
async fn a_deaf_task_is_killed_by_the_policy() {
    let mut stage = Stage::deaf().await;
    let daemon = Daemon::of(&stage.home);
    stage.home.world.set_policy("50-site.toml", "[background]\ndefault = \"deny\"\n");
    let (_, _, outcome) = stage.user.completion().await;
    is_killed(&outcome, Reason::SystemPolicy, &daemon);
}

/// The broker does not leave before what it has to kill.
#[tokio::test]
async fn a_deaf_task_is_killed_at_a_log_off() {
    let mut stage = Stage::deaf().await;
    let daemon = Daemon::of(&stage.home);
    assert_eq!(stage.broker.stop(), Some(0));
    daemon.is_gone();
    stage.broker = stage.home.start().await;
    stage.user = stage.broker.user().await;
    stage.user.broker.attach(SAMPLE, AttachOptions::default()).await.unwrap();
    let (_, _, outcome) = stage.user.completion().await;
    is_killed(&outcome, Reason::LoggingOff, &daemon);
}

#[tokio::test]
async fn a_deaf_task_is_killed_when_its_app_is_removed() {
    let mut stage = Stage::deaf().await;
    let daemon = Daemon::of(&stage.home);
    stage.home.uninstall(SAMPLE);
    let (_, _, outcome) = stage.user.completion().await;
    is_killed(&outcome, Reason::Uninstall, &daemon);
}

/// A process of a task in a session of its own, which only its cgroup holds.
struct Daemon {
    process: String,
    held: bool,
}

impl Daemon {
    fn of(home: &Home) -> Self {
        let process = fs::read_to_string(home.data(SAMPLE).join("daemon")).unwrap().trim().to_owned();
        let cgroup = fs::read_to_string(format!("/proc/{process}/cgroup")).unwrap();
        Self { process, held: cgroup.contains("bgtask-hosts-") }
    }

    fn is_gone(&self) {
        if !self.held {
            return harness::skipped("no cgroup can be made here, so a daemon escapes");
        }
        let status = || fs::read_to_string(format!("/proc/{}/status", self.process)).unwrap_or_default();
        let lives =
            |status: String| status.lines().any(|line| line.starts_with("State:") && !line.contains(['Z', 'X']));
        assert!(!lives(status()), "{} lives on", self.process);
    }
}
