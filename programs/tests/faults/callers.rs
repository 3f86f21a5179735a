//! Programs that are killed in the middle of a call, for every call there is: what they asked for happens whole or not at all.

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::io::Write as _;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use bgtask_wire::{AttachOptions, BROKER_INTERFACE, BROKER_PATH, HistoryQuery, RegisterOptions, TaskInfo};
use rustix::process::{Pid, Signal, getpid, kill_process};
use zbus::export::serde::Serialize;
use zbus::{Message, OwnedVariant, Type, Variant};

use super::{own_copy, program};
use crate::harness::{Broker, Home, New, Raw, SAMPLE, User, eventually, eventually_now};

/// The numbers of `BackgroundAccessStatus`.
const UNSPECIFIED: u32 = 0;
const ALWAYS: u32 = 4;
const ALLOWED: u32 = 5;
const DENIED_BY_USER: u32 = 7;

/// A world in which an app has something of everything that a call can change.
struct Stage {
    home: Home,
    broker: Broker,
    user: User,
    /// The app's program, which is also this one.
    app: PathBuf,
    /// By their names.
    tasks: BTreeMap<&'static str, String>,
    /// A completion that the app has not acknowledged.
    unread: u64,
}

impl Stage {
    async fn set() -> Self {
        let (home, sample) = Home::with_sample();
        home.configure("wall_budget_seconds = 600\n");
        let app = own_copy(&home);
        let manifest = sample.manifest("1.0.0").replace(sample.program().to_str().unwrap(), app.to_str().unwrap());
        let manifest = manifest.replacen("version", "raises = [\"org.example.event\"]\nversion", 1);
        fs::write(home.manifest(SAMPLE), manifest).unwrap();
        let broker = home.start().await;
        let mut user = broker.user().await;
        user.broker.attach(SAMPLE, AttachOptions::default()).await.unwrap();
        let mut tasks = BTreeMap::new();
        tasks.insert("zone", user.ready(New { name: "zone", ..New::default() }).await);
        home.world.zone("Asia/Tokyo");
        let (unread, _, _) = user.completion().await;
        user.phase(&tasks["zone"], "idle").await;
        let register = async |name: &'static str, trigger: (&str, HashMap<&str, OwnedVariant>)| {
            user.broker.register(SAMPLE, name, "Tasks.Quick", trigger, &[], RegisterOptions::default()).await.unwrap()
        };
        tasks.insert("demand", register("demand", ("ApplicationTrigger", HashMap::new())).await);
        let event = (
            "CustomSystemEventTrigger",
            HashMap::from([("id", text("org.example.event")), ("recurrence", text("Always"))]),
        );
        tasks.insert("event", register("event", event).await);
        tasks.insert("goes", user.register(New { name: "goes", ..New::default() }).await.unwrap());
        tasks.insert("changes", user.register(New { name: "changes", ..New::default() }).await.unwrap());
        Self { home, broker, user, app, tasks, unread }
    }

    /// Every call of the contract, and whether it is the user's alone.
    fn calls(&self) -> Vec<(Message, bool)> {
        let task = self.tasks["zone"].as_str();
        let trigger = || ("SystemTrigger", HashMap::from([("type", text("UserPresent"))]));
        let new = |name: &'static str| {
            (SAMPLE, name, "Tasks.Quick", trigger(), vec!["InternetAvailable"], RegisterOptions::default())
        };
        vec![
            (call("Attach", &(SAMPLE, AttachOptions::default())), false),
            (call("Watch", &SAMPLE), false),
            (call("Register", &new("new")), false),
            (call("RegisterOrUpdate", &new("changes")), false),
            (call("Unregister", &(self.tasks["goes"].as_str(), true)), false),
            (call("ListTasks", &SAMPLE), false),
            (call("GetTask", &task), false),
            (call("Why", &task), false),
            (call("History", &HistoryQuery::default()), false),
            (
                call("RequestTrigger", &(SAMPLE, "ApplicationTrigger", HashMap::from([("album", text("Berlin"))]))),
                false,
            ),
            (call("Raise", &"org.example.event"), false),
            (call("Acknowledge", &(SAMPLE, self.unread)), false),
            (call("ListSources", &()), false),
            (call("ListApps", &()), false),
            (call("GetAccessStatus", &(SAMPLE, "", false)), false),
            (call("RequestAccessKind", &(SAMPLE, "", 1u32, true, "please")), false),
            (call("RequestAccess", &(SAMPLE, "")), false),
            (call("RemoveAccess", &(SAMPLE, "")), false),
            (call("Terminate", &SAMPLE), true),
            (call("SetAccess", &(SAMPLE, "always")), true),
            (call("SetBackground", &false), true),
        ]
    }

    /// Starts a program that sends the first `bytes` bytes and is killed before it can read an answer.
    fn dies_after(&self, message: &Message, bytes: usize, by_user: bool) {
        let own = std::env::current_exe().unwrap();
        let exe = if by_user { &own } else { &self.app };
        let mut caller = self.caller(exe, "callers::one_that_dies", &message.data()[..bytes]);
        let ended = eventually_now("the caller dies", || caller.try_wait().unwrap());
        assert_eq!(ended.code(), None, "it was killed: {ended}");
    }

    fn caller(&self, exe: &Path, name: &str, bytes: &[u8]) -> Child {
        let file = self.home.root("call");
        fs::write(&file, bytes).unwrap();
        let mut caller = program(exe, name);
        caller.env("SOCKET", self.home.socket()).env("CALL", file).env("HEARD", self.home.root("heard"));
        caller.stdin(Stdio::null()).spawn().unwrap()
    }

    /// Everything a call can change, as the broker shows it.
    async fn state(&mut self) -> State {
        let mut tasks = self.user.broker.list_tasks(SAMPLE).await.unwrap();
        tasks.iter_mut().for_each(|task| task.attempt = None);
        let broker = &self.user.broker;
        let standby = broker.get_access_status(SAMPLE, "", true).await.unwrap();
        let apps = broker.list_apps().await.unwrap();
        let mut words = BTreeMap::new();
        for (name, task) in &self.tasks {
            words.insert(*name, self.user.words(task).await);
        }
        let unread = self.broker.user().await.unread(SAMPLE).await.len();
        State { tasks, access: (apps[0].access.clone(), apps[0].setting.clone(), standby), words, unread }
    }

    /// Waits until nothing runs: then the state is at rest.
    async fn rests(&self) {
        eventually("nothing runs", async || {
            let tasks = self.user.broker.list_tasks(SAMPLE).await.unwrap();
            tasks.iter().all(|task| !["starting", "running"].contains(&&*task.phase)).then_some(())
        })
        .await;
    }
}

#[derive(Debug, PartialEq, Eq)]
struct State {
    tasks: Vec<TaskInfo>,
    access: (String, Option<String>, u32),
    words: BTreeMap<&'static str, String>,
    unread: usize,
}

impl State {
    fn named(&self, name: &str) -> Vec<&TaskInfo> {
        self.tasks.iter().filter(|task| task.name == name).collect()
    }
}

fn call(member: &str, arguments: &(impl Serialize + Type)) -> Message {
    Message::method_call(BROKER_PATH, member).interface(BROKER_INTERFACE).build(arguments).unwrap()
}

fn text(value: &'static str) -> OwnedVariant {
    OwnedVariant::try_from(Variant::from(value)).unwrap()
}

/// Who dies before the whole of a call is written has called nothing.
#[tokio::test]
async fn a_caller_is_killed_in_the_middle_of_every_call() {
    let mut stage = Stage::set().await;
    let before = stage.state().await;
    for (message, by_user) in stage.calls() {
        let length = message.data().len();
        for bytes in [length / 2, length - 1] {
            stage.dies_after(&message, bytes, by_user);
        }
    }
    assert_eq!(stage.state().await, before);
}

/// Who dies before it is answered has called or has not, and never half of it; what it has brought about is durable.
#[tokio::test]
async fn a_caller_is_killed_before_the_answer_of_every_call() {
    let mut stage = Stage::set().await;
    let before = stage.state().await;
    for (message, by_user) in stage.calls() {
        stage.dies_after(&message, message.data().len(), by_user);
        stage.rests().await;
    }
    let after = stage.state().await;
    check(&before, &after);

    // The next broker knows exactly what this one showed.
    let next = stage.home.socket();
    let Stage { home, broker, user, app, tasks, unread } = stage;
    drop(user);
    broker.kill();
    let broker = home.start().await;
    let user = User::connect(&next).await.unwrap();
    let mut stage = Stage { home, broker, user, app, tasks, unread };
    stage.user.sources_know().await;
    assert_eq!(stage.state().await, after);
}

/// Each effect on its own: there, or not there.
fn check(before: &State, after: &State) {
    let registered = after.named("new");
    assert!(registered.len() <= 1);
    if let [new] = registered[..] {
        assert_eq!((&*new.trigger_type, &new.conditions[..]), ("UserPresent", &["InternetAvailable".to_owned()][..]));
    }
    let [changed] = after.named("changes")[..] else { panic!("one took the place of the other: {after:?}") };
    let replaced = changed.trigger_type == "UserPresent";
    assert_eq!(changed.conditions.len(), usize::from(replaced), "{changed:?}");
    let told = |name: &str| after.words[name].as_str();
    let unregistered = after.named("goes").is_empty();
    assert_eq!(told("goes"), if unregistered { "registered unregistered" } else { "registered" });
    assert_eq!(told("changes"), if replaced { "registered unregistered" } else { "registered" });
    for name in ["demand", "event"] {
        assert!(["registered", "registered fired started completed"].contains(&told(name)), "{name}: {}", told(name));
    }
    let ran = ["demand", "event"].iter().filter(|name| told(name).ends_with("completed")).count();
    assert!([before.unread - 1 + ran, before.unread + ran].contains(&after.unread), "{} unread", after.unread);
    let (access, setting, standby) = &after.access;
    let consistent = match (setting.as_deref(), &**access) {
        (_, "DeniedByUser") => *standby == DENIED_BY_USER,
        (Some("always"), "AlwaysAllowed") => *standby == ALWAYS,
        (None, "Unspecified" | "AllowedSubjectToSystemPolicy") => [UNSPECIFIED, ALLOWED].contains(standby),
        _ => false,
    };
    assert!(consistent, "{:?}", after.access);
}

/// An app whose process ends before anybody has looked who it is, and whose connection a child goes on with, does not become the user
/// by that: it is nobody.
#[tokio::test]
async fn an_app_that_is_gone_is_not_the_user() {
    let mut stage = Stage::set().await;
    let before = stage.state().await;
    let broker = Pid::from_raw(stage.broker.pid().cast_signed()).unwrap();
    for message in [call("SetAccess", &(SAMPLE, "always")), call("SetBackground", &false)] {
        // While the broker is stopped, the system lets callers in for it.
        kill_process(broker, Signal::STOP).unwrap();
        let mut caller = stage.caller(&stage.app, "callers::one_that_leaves_its_child_to_call", message.data());
        let ended = eventually_now("the caller dies", || caller.try_wait().unwrap());
        kill_process(broker, Signal::CONT).unwrap();
        assert_eq!(ended.code(), None, "it was killed: {ended}");
        // The child ends when it is answered, or sent away.
        let heard = stage.home.root("heard");
        let heard = eventually("the child ends", async || fs::read(&heard).ok()).await;
        let told = String::from_utf8_lossy(&heard);
        assert!(!told.contains("OK") && !told.contains("org.bgtask"), "{told}");
        fs::remove_file(stage.home.root("heard")).unwrap();
    }
    assert_eq!(stage.state().await, before);
}

#[test]
#[ignore = "not a test: the program of another test"]
fn one_that_dies() {
    let (Some(socket), Some(call)) = (std::env::var_os("SOCKET"), std::env::var_os("CALL")) else { return };
    let bytes = fs::read(call).unwrap();
    Raw::introduced(Path::new(&socket)).0.write_all(&bytes).unwrap();
    kill_process(getpid(), Signal::KILL).unwrap();
}

#[test]
#[ignore = "not a test: the program of another test"]
fn one_that_leaves_its_child_to_call() {
    let (Some(socket), Some(call)) = (std::env::var_os("SOCKET"), std::env::var_os("CALL")) else { return };
    let bytes = fs::read(call).unwrap();
    let mut peer = Raw::hurried(Path::new(&socket));
    peer.0.write_all(&bytes).unwrap();
    let channel = OwnedFd::from(peer.0);
    let mut child = Command::new("sh");
    child.args(["-c", r#"(cat > "$0.new"; mv "$0.new" "$0") <&0 &"#]).arg(std::env::var_os("HEARD").unwrap());
    child.stdin(channel).stderr(Stdio::null()).status().unwrap();
    kill_process(getpid(), Signal::KILL).unwrap();
}
