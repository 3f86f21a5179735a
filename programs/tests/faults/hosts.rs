//! Hosts that break every rule of their channel (`examples/rogue_tasks.rs`): each has an outcome, exactly one.

use std::collections::HashMap;
use std::fs;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use bgtask_wire::{AttachOptions, BrokerProxy, HostCall, HostSignal, OutcomeInfo, RegisterOptions};
use futures_util::StreamExt as _;
use futures_util::future::join_all;
use zbus::Message;
use zbus::proxy::CacheProperties;

use super::program;
use crate::harness::{self, Broker, Home, New, Raw, SAMPLE, User, eventually, eventually_now, example};

/// The numbers of `BackgroundTaskCancellationReason`.
const TERMINATING: u32 = 1;
const EXECUTION_TIME_EXCEEDED: u32 = 9;

/// How much progress `Rogue.Floods` reports.
const FLOOD: u32 = 20_000;

/// How much `Rogue.CompletesAndIsGone` reports.
const LAST: u32 = 300;

/// No honest broker of these tests grows beyond this.
const MAX_RESIDENT_KIB: u64 = 96 * 1024;

/// How soon others are answered while somebody misbehaves; generous, the machine is busy.
const SOON: Duration = Duration::from_secs(20);

const ENTRY_POINTS: &[&str] = &[
    "Rogue.Floods",
    "Rogue.CompletesTwice",
    "Rogue.CompletesAfterCancel",
    "Rogue.CompletesAndIsGone",
    "Rogue.CompletesAtTheKill",
    "Rogue.Victim",
    "Rogue.Impostor",
    "Rogue.LeavesDaemon",
    "Rogue.DiesBesideDaemon",
    "Rogue.HangsUp",
    "Rogue.Babbles",
];

async fn begin(config: &str) -> (Home, Broker, User) {
    let home = Home::new();
    home.configure(config);
    let program = example("rogue_tasks");
    let mut manifest = format!("[app]\nid = {SAMPLE:?}\nversion = \"1\"\nexecutable = \"/no/such/program\"\n");
    for entry in ENTRY_POINTS {
        manifest +=
            &format!("[[task]]\nentry_point = {entry:?}\ntypes = [\"systemEvent\"]\nexecutable = {program:?}\n");
    }
    fs::write(home.manifest(SAMPLE), manifest).unwrap();
    let broker = home.start().await;
    let user = broker.user().await;
    (home, broker, user)
}

const PATIENT: &str = "wall_budget_seconds = 600\ncancel_grace_seconds = 300\n";

/// Registers it and lets it run.
async fn run(home: &Home, user: &User, entry: &str) -> String {
    let task = user.ready(New { name: entry, entry, ..New::default() }).await;
    home.world.zone("Asia/Tokyo");
    task
}

/// The one completion of a task that an app is told.
async fn outcome(broker: &Broker, user: &User, task: &str) -> OutcomeInfo {
    user.line(task, "completed", 1).await;
    let mut app = broker.user().await;
    app.broker.attach(SAMPLE, AttachOptions::default()).await.unwrap();
    let (_, _, outcome) = app.completion().await;
    outcome
}

async fn is_served(user: &User) {
    let began = Instant::now();
    user.broker.list_tasks("").await.unwrap();
    assert!(began.elapsed() < SOON, "answered only after {:?}", began.elapsed());
}

/// EVT-1, D4: progress is for whoever reads it. A client that does not is cut off, the broker serves the others meanwhile and stays
/// small, and the completion is lost for nobody.
#[tokio::test]
async fn a_flood_of_progress() {
    let (home, broker, user) = begin(PATIENT).await;
    let mut deaf = Raw::introduced(&home.socket());
    deaf.call_with("Attach", &(SAMPLE, AttachOptions::default()));
    let task = run(&home, &user, "Rogue.Floods").await;
    let mut asked = 0;
    while !user.words(&task).await.ends_with("completed") {
        is_served(&user).await;
        asked += 1;
    }
    assert!(asked > 0, "it was asked while the flood came");
    assert!(tokio::task::spawn_blocking(move || deaf.is_cut_off()).await.unwrap());
    assert!(broker.resident() < MAX_RESIDENT_KIB, "{} KiB", broker.resident());
    let outcome = outcome(&broker, &user, &task).await;
    assert_eq!((outcome.ok, outcome.progress), (true, Some(FLOOD)), "{outcome:?}");
    assert_eq!(user.words(&task).await, "registered fired started completed", "progress is no history");
}

/// The first word counts; the second is about nothing, and takes nothing from the next run in the same host.
#[tokio::test]
async fn a_host_completes_twice() {
    let (home, broker, user) = begin(&format!("{PATIENT}warm_linger_seconds = 600\n")).await;
    let task = run(&home, &user, "Rogue.CompletesTwice").await;
    assert!(outcome(&broker, &user, &task).await.ok);
    user.phase(&task, "idle").await;
    home.world.zone("Europe/Berlin");
    assert_eq!(user.line(&task, "completed", 2).await.text, "succeeded");
    let words = user.words(&task).await;
    assert_eq!(words, "registered fired started completed fired started completed");
    assert_eq!(user.line(&task, "started", 2).await.text, "started in a warm host");
    assert_eq!(broker.user().await.unread(SAMPLE).await.len(), 2);
}

/// A host that ends with its completion has completed: that its process is gone may be seen before its last messages are read.
#[tokio::test]
async fn a_host_completes_with_its_last_breath() {
    let (home, broker, user) = begin(PATIENT).await;
    let task = run(&home, &user, "Rogue.CompletesAndIsGone").await;
    let outcome = outcome(&broker, &user, &task).await;
    assert_eq!((outcome.ok, outcome.progress), (true, Some(LAST)), "{outcome:?}");
    assert_eq!(user.words(&task).await, "registered fired started completed");
}

/// CA-11: what a task says in its grace is what it ended with, and only the first of it.
#[tokio::test]
async fn a_host_completes_after_a_cancel() {
    let (home, broker, user) = begin(PATIENT).await;
    let task = run(&home, &user, "Rogue.CompletesAfterCancel").await;
    user.phase(&task, "running").await;
    assert_eq!(user.broker.terminate(SAMPLE).await.unwrap(), 1);
    let outcome = outcome(&broker, &user, &task).await;
    assert_eq!((outcome.outcome.as_str(), outcome.ok, outcome.reason), ("cancelled", false, Some(TERMINATING)));
    assert!(outcome.message.contains("half of it is done"), "{outcome:?}");
    assert_eq!(outcome.progress, Some(50), "told in the grace");
    assert_eq!(user.words(&task).await, "registered fired started cancelled completed");
    assert_eq!(broker.user().await.unread(SAMPLE).await.len(), 1);
}

/// CA-4: at the end of the grace either the task was in time or it is killed: one of the two, once, whichever was first.
#[tokio::test]
async fn hosts_complete_at_the_very_moment_they_are_killed() {
    let (home, broker, user) = begin("wall_budget_seconds = 600\ncancel_grace_seconds = 1\n").await;
    user.broker.request_access(SAMPLE, "").await.unwrap();
    let names: Vec<_> = (0..10).map(|place| (place * 15).to_string()).collect();
    let new = |name| New { name, entry: "Rogue.CompletesAtTheKill", ..New::default() };
    let tasks = join_all(names.iter().map(|name| user.register(new(name)))).await;
    let tasks: Vec<_> = tasks.into_iter().map(Result::unwrap).collect();
    user.sources_know().await;
    home.world.zone("Asia/Tokyo");
    for task in &tasks {
        user.phase(task, "running").await;
    }
    assert_eq!(user.broker.terminate(SAMPLE).await.unwrap(), 10);
    let mut ends = HashMap::<bool, u32>::new();
    for task in &tasks {
        let line = user.line(task, "completed", 1).await;
        let killed = line.text.starts_with("cancelled with reason Terminating, did not end within the grace");
        assert!(killed || line.text == "cancelled with reason Terminating", "{}", line.text);
        *ends.entry(killed).or_default() += 1;
        assert_eq!(user.words(task).await, "registered fired started cancelled completed");
    }
    println!("in time and killed: {ends:?}");
    assert_eq!(broker.user().await.unread(SAMPLE).await.len(), 10);
}

/// A host speaks for what it was told to run: what it says of another's instance is not heard.
#[tokio::test]
async fn a_host_completes_the_instance_of_another() {
    let (home, broker, user) = begin(PATIENT).await;
    let victim = run(&home, &user, "Rogue.Victim").await;
    user.progress(&victim, 5).await;
    user.broker.unregister(&victim, false).await.unwrap();
    let witness = user.broker.list_tasks(SAMPLE).await.unwrap();
    assert!(witness.is_empty(), "it finishes what it runs, and runs nothing more");
    let impostor = user.register(New { name: "Impostor", entry: "Rogue.Impostor", ..New::default() }).await.unwrap();
    home.world.zone("Europe/Berlin");
    user.progress(&impostor, 1).await;
    let words = "registered fired started unregistered";
    assert_eq!(user.words(&victim).await, words, "after all the impostor said it still runs");

    assert_eq!(user.broker.terminate(SAMPLE).await.unwrap(), 2);
    for (task, progress) in [(&victim, 5), (&impostor, 1)] {
        let line = user.line(task, "completed", 1).await;
        assert_eq!(line.text, format!("cancelled with reason Terminating (last progress {progress})"));
    }
    assert_eq!(broker.user().await.unread(SAMPLE).await.len(), 2);
}

/// A process of a host in a session of its own.
struct Daemon {
    process: String,
    held: bool,
}

impl Daemon {
    async fn of(home: &Home) -> Self {
        let file = home.data(SAMPLE).join("daemon");
        let process = eventually("the daemon runs", async || fs::read_to_string(&file).ok()).await.trim().to_owned();
        let cgroup = fs::read_to_string(format!("/proc/{process}/cgroup"));
        // It may be gone by now, and only a cgroup can have seen to that.
        let held = cgroup.map_or(true, |cgroup| cgroup.contains("bgtask-hosts-") || cgroup.trim().is_empty());
        Self { process, held }
    }

    async fn is_killed(&self) {
        if !self.held {
            return harness::skipped("no cgroup can be made here, so a daemon escapes");
        }
        let status = || fs::read_to_string(format!("/proc/{}/status", self.process)).unwrap_or_default();
        let lives =
            |status: String| status.lines().any(|line| line.starts_with("State:") && !line.contains(['Z', 'X']));
        eventually("the daemon is killed", async || (!lives(status())).then_some(())).await;
    }
}

/// A host takes with it whatever it started, although its task succeeded.
#[tokio::test]
async fn a_daemon_does_not_outlive_its_host() {
    let (home, broker, user) = begin(PATIENT).await;
    let task = run(&home, &user, "Rogue.LeavesDaemon").await;
    let outcome = outcome(&broker, &user, &task).await;
    assert!(outcome.ok, "{outcome:?}");
    Daemon::of(&home).await.is_killed().await;
}

/// D8: a daemon that keeps the channel and the output of its dead host open does not hide that end.
#[tokio::test]
async fn a_daemon_does_not_hide_the_end_of_its_host() {
    let (home, broker, user) = begin(PATIENT).await;
    let task = run(&home, &user, "Rogue.DiesBesideDaemon").await;
    let outcome = outcome(&broker, &user, &task).await;
    assert_eq!(outcome.outcome, "host-failed", "{outcome:?}");
    assert_eq!(outcome.message, "the host exited with code 4 before the task was complete");
    assert_eq!(outcome.output_tail.as_deref(), Some("last words\n"));
    Daemon::of(&home).await.is_killed().await;
}

/// CA-4: a host that closes its channel, or says what is no message, can neither complete nor be told to stop. Its task has its budget
/// like any other, and ends with its host.
#[tokio::test]
async fn a_host_that_cannot_be_spoken_to() {
    for entry in ["Rogue.HangsUp", "Rogue.Babbles"] {
        let (home, broker, user) = begin("wall_budget_seconds = 1\ncancel_grace_seconds = 1\n").await;
        let task = run(&home, &user, entry).await;
        let outcome = outcome(&broker, &user, &task).await;
        assert_eq!(
            (outcome.outcome.as_str(), outcome.reason),
            ("killed", Some(EXECUTION_TIME_EXCEEDED)),
            "{outcome:?}"
        );
        assert_eq!(outcome.progress, Some(9), "what it said before counts: {outcome:?}");
        assert_eq!(user.words(&task).await, "registered fired started cancelled completed");
        home.world.zone("Europe/Berlin");
        user.line(&task, "started", 2).await;
    }
}

/// CA-4, BLD-9: an app that runs its own task and is killed has ended, although a process it started has its connection and says that
/// all went well.
#[tokio::test]
async fn an_app_completes_after_it_is_killed() {
    let (home, broker, user) = begin("long_wall_budget_seconds = 600\ncancel_grace_seconds = 1\n").await;
    user.broker.request_access(SAMPLE, "").await.unwrap();
    let trigger = ("ApplicationTrigger", HashMap::new());
    let task = user.broker.register(SAMPLE, "own", "", trigger, &[], RegisterOptions::default()).await.unwrap();
    let said = home.root("said");
    let mut app = program(&std::env::current_exe().unwrap(), "hosts::an_app_with_a_mouthpiece");
    let mut app = app.env("SOCKET", home.socket()).env("SAID", &said).stdin(Stdio::null()).spawn().unwrap();
    eventually("the app is attached", async || said.with_extension("attached").exists().then_some(())).await;
    let (result, why) = user.broker.request_trigger(SAMPLE, "ApplicationTrigger", HashMap::new()).await.unwrap();
    assert_eq!(result, 0, "{why}");
    user.progress(&task, 1).await;
    user.broker.terminate(SAMPLE).await.unwrap();
    assert_eq!(eventually_now("the app is killed", || app.try_wait().unwrap()).code(), None);
    eventually("its mouthpiece has spoken", async || said.exists().then_some(())).await;
    let outcome = outcome(&broker, &user, &task).await;
    assert_eq!((outcome.outcome.as_str(), outcome.reason), ("killed", Some(TERMINATING)), "{outcome:?}");
    assert_eq!(user.words(&task).await, "registered fired started cancelled completed");
}

#[tokio::test]
#[ignore = "not a test: the program of another test"]
async fn an_app_with_a_mouthpiece() {
    let (Some(socket), Some(said)) = (std::env::var_os("SOCKET"), std::env::var_os("SAID")) else { return };
    let said = PathBuf::from(said);
    let stream = UnixStream::connect(socket).unwrap();
    let mouth = OwnedFd::from(stream.try_clone().unwrap());
    stream.set_nonblocking(true).unwrap();
    let builder = zbus::connection::Builder::unix_stream(stream).p2p();
    let mut messages = builder.build_message_stream().await.unwrap();
    let connection = zbus::Connection::from(&messages);
    let broker = BrokerProxy::builder(&connection).cache_properties(CacheProperties::No).build().await.unwrap();
    broker.attach(SAMPLE, AttachOptions { activates: Some(true) }).await.unwrap();
    fs::write(said.with_extension("attached"), "").unwrap();
    let run = loop {
        let message = messages.next().await.unwrap().unwrap();
        if message.header().member().is_some_and(|member| member == "Run") {
            break message;
        }
    };
    let reply = Message::method_return(&run.header()).build(&()).unwrap();
    fs::write(said.with_extension("reply"), &reply.data()[..]).unwrap();
    let wait = r#"(while kill -0 "$1" 2> /dev/null; do sleep 0.02; done; cat "$0.reply" >&0; : > "$0") <&0 &"#;
    let mut mouthpiece = Command::new("sh");
    mouthpiece.args(["-c", wait]).arg(&said).arg(std::process::id().to_string()).stdin(mouth);
    mouthpiece.stderr(Stdio::null()).status().unwrap();
    let HostCall::Run(info) = HostCall::read(&run).unwrap() else { panic!("{run:?}") };
    for signal in [HostSignal::Started(info.instance.clone()), HostSignal::Progress(info.instance, 1)] {
        connection.send(&signal.message().unwrap()).await.unwrap();
    }
    std::future::pending::<()>().await;
}
