//! Tasks without a component: the app runs them itself, attached or started for it, or a program that serves their class does.

mod harness;

use std::collections::HashMap;
use std::fs;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use bgtask_wire::{
    AttachOptions, BrokerProxy, Error, ErrorKind, HostCall, HostSignal, InstanceInfo, RegisterOptions, host_names,
};
use futures_util::StreamExt as _;
use harness::{Broker, Home, PATIENCE, User, eventually, kind, write_program};
use rustix::process::{Pid, test_kill_process};
use tokio::net::UnixStream;
use tokio::time::timeout;
use zbus::proxy::CacheProperties;
use zbus::{Message, MessageStream, OwnedVariant, Variant};

const APP: &str = "org.example.Own";
const CLASS: &str = "87654321-1234-1234-1234-1234567890ae";

/// A home with an app of this manifest, besides its id and version.
fn home(manifest: &str) -> Home {
    let home = Home::new();
    home.configure("wall_budget_seconds = 1\nlong_wall_budget_seconds = 1\ncancel_grace_seconds = 1\n");
    let head = format!("[app]\nid = {APP:?}\nversion = \"1\"\n");
    fs::write(home.manifest(APP), head + manifest).unwrap();
    home
}

/// A program that notes how it was started and ends.
fn script(home: &Home) -> PathBuf {
    let path = home.root("program");
    let text = "#!/bin/sh\nfor word; do echo \"$word\"; done > \"$BGTASK_APP_DATA/started\"\n\
                env | grep ^BGTASK_ | sort >> \"$BGTASK_APP_DATA/started\"\n";
    write_program(&path, text);
    path
}

fn value(value: impl Into<Variant<'static>>) -> OwnedVariant {
    OwnedVariant::try_from(value.into()).unwrap()
}

/// Registers a task that the app fires itself.
async fn register(broker: &BrokerProxy<'_>, class: Option<&str>) -> Result<String, Error> {
    let options = RegisterOptions { class_id: class.map(Into::into), ..RegisterOptions::default() };
    broker.request_access(APP, "").await.unwrap();
    let trigger = ("ApplicationTrigger", HashMap::new());
    broker.register(APP, "own", "", trigger, &[], options).await.map_err(Error::from)
}

/// An app that is attached and runs its tasks itself.
struct Own {
    broker: BrokerProxy<'static>,
    messages: MessageStream,
}

impl Own {
    async fn attach(socket: PathBuf) -> Self {
        let stream = UnixStream::connect(socket).await.unwrap().into_std().unwrap();
        let builder = zbus::connection::Builder::unix_stream(stream).p2p().method_timeout(PATIENCE);
        let messages = builder.build_message_stream().await.unwrap();
        let connection = zbus::Connection::from(&messages);
        let broker = BrokerProxy::builder(&connection).cache_properties(CacheProperties::No).build().await.unwrap();
        broker.attach(APP, AttachOptions { activates: Some(true) }).await.unwrap();
        Self { broker, messages }
    }

    /// The next message of this name.
    async fn next(&mut self, member: &str) -> Message {
        let found = async {
            loop {
                let message = self.messages.next().await.expect("the connection stays").unwrap();
                if message.header().member().is_some_and(|its| its == member) {
                    return message;
                }
            }
        };
        timeout(PATIENCE, found).await.unwrap_or_else(|_| panic!("no {member} comes"))
    }

    async fn run(&mut self) -> (Message, InstanceInfo) {
        let message = self.next("Run").await;
        assert_eq!(message.header().path().unwrap().as_str(), host_names::PATH);
        let HostCall::Run(info) = HostCall::read(&message).unwrap() else { panic!("{message:?}") };
        (message, *info)
    }

    async fn send(&self, message: &Message) {
        self.broker.inner().connection().send(message).await.unwrap();
    }
}

/// BLD-9, REQ-4: the details of the trigger reach the app, its words reach its own handlers.
#[tokio::test]
async fn an_app_that_is_attached_runs_its_own_task() {
    let home = home("executable = \"/no/such/program\"\n");
    let broker = home.start().await;
    let mut app = Own::attach(home.socket()).await;
    let task = register(&app.broker, None).await.unwrap();
    let details = HashMap::from([("album", value("Berlin"))]);
    let (result, why) = app.broker.request_trigger(APP, "ApplicationTrigger", details).await.unwrap();
    assert_eq!(result, 0, "{why}");

    let (call, info) = app.run().await;
    assert_eq!((info.task, info.entry_point.as_str(), info.trigger.as_str()), (task, "", "ApplicationTrigger"));
    assert_eq!(*info.trigger_details["album"], Variant::from("Berlin"));
    let (result, why) = app.broker.request_trigger(APP, "ApplicationTrigger", HashMap::new()).await.unwrap();
    assert_eq!(result, 1, "D3: {why}");
    app.send(&HostSignal::Started(info.instance.clone()).message().unwrap()).await;
    app.send(&HostSignal::Progress(info.instance.clone(), 50).message().unwrap()).await;
    let heard: (String, String, u32) = app.next("Progress").await.body().deserialize().unwrap();
    assert_eq!((heard.1, heard.2), (info.instance, 50));
    app.send(&Error::new(ErrorKind::TaskFailed, "no such album").reply(&call.header()).unwrap()).await;
    let completed = app.next("Completed").await;
    let (sequence, _, _, _, outcome): (u64, String, String, String, bgtask_wire::OutcomeInfo) =
        completed.body().deserialize().unwrap();
    assert_eq!((outcome.outcome.as_str(), outcome.message.as_str()), ("failed", "no such album"));
    app.broker.acknowledge(APP, sequence).await.unwrap();

    let (result, _) = app.broker.request_trigger(APP, "ApplicationTrigger", HashMap::new()).await.unwrap();
    assert_eq!(result, 0, "the same process runs it again");
    let (_, info) = app.run().await;
    assert!(info.trigger_details.is_empty());
    app.send(&HostSignal::Started(info.instance.clone()).message().unwrap()).await;
    let user = broker.user().await;
    user.phase(&info.task, "running").await;
    drop(app);
    let last = user.line(&info.task, "completed", 2).await;
    assert!(last.text.contains("the app went away"), "D8: {}", last.text);
}

/// CA-4: an app that does not stop a task loses its process, and nothing but that.
#[tokio::test]
async fn an_app_that_does_not_stop_is_killed() {
    let home = home("executable = \"/no/such/program\"\n");
    let broker = home.start().await;
    let user = broker.user().await;
    let task = register(&user.broker, None).await.unwrap();
    let mut app = Hanging::start(&home);
    eventually("the app is attached", async || home.root("attached").exists().then_some(())).await;
    let (result, why) = user.broker.request_trigger(APP, "ApplicationTrigger", HashMap::new()).await.unwrap();
    assert_eq!(result, 0, "{why}");
    let killed = user.line(&task, "completed", 1).await;
    assert!(killed.text.contains("did not end within the grace"), "{}", killed.text);
    let words = user.words(&task).await;
    assert_eq!(words, "registered fired started cancelled completed");
    assert_eq!(app.ends(), None, "a signal ended it");
}

/// An app in a process of its own that takes an order to run and does nothing about it.
struct Hanging(Child);

impl Hanging {
    fn start(home: &Home) -> Self {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["--exact", "a_hanging_app", "--ignored"]).env("SOCKET", home.socket());
        command.env("ATTACHED", home.root("attached")).stdin(Stdio::null()).stdout(Stdio::null());
        Self(command.spawn().unwrap())
    }

    fn ends(&mut self) -> Option<i32> {
        harness::eventually_now("the app ends", || self.0.try_wait().unwrap()).code()
    }
}

impl Drop for Hanging {
    fn drop(&mut self) {
        let _ended = self.0.kill();
        let _reaped = self.0.wait();
    }
}

#[tokio::test]
#[ignore = "not a test: the program of another test"]
async fn a_hanging_app() {
    let Some(socket) = std::env::var_os("SOCKET") else { return };
    let mut app = Own::attach(socket.into()).await;
    fs::write(std::env::var_os("ATTACHED").unwrap(), "").unwrap();
    let (_call, info) = app.run().await;
    app.send(&HostSignal::Started(info.instance).message().unwrap()).await;
    std::future::pending::<()>().await;
}

/// CA-9: what an app uses is seen, so a task that does nothing at all is told to stop.
#[tokio::test]
async fn an_app_that_does_nothing_is_idle() {
    let home = home("executable = \"/no/such/program\"\n");
    home.configure("idle_after_seconds = 1\ncancel_grace_seconds = 1\n");
    let broker = home.start().await;
    let user = broker.user().await;
    let task = register(&user.broker, None).await.unwrap();
    let _app = Hanging::start(&home);
    eventually("the app is attached", async || home.root("attached").exists().then_some(())).await;
    user.broker.request_trigger(APP, "ApplicationTrigger", HashMap::new()).await.unwrap();
    let told = user.line(&task, "cancelled", 1).await;
    assert!(told.text.contains("IdleTask"), "{}", told.text);
}

/// BLD-11, BLD-9: nobody is attached, so the program of the class is started with its arguments, and the app without any; both
/// find what every host finds.
#[tokio::test]
async fn the_program_of_a_class_or_of_the_app_is_started() {
    for (class, arguments) in [(Some(CLASS), "--serve\ntwo words\n"), (None, "")] {
        let home = home(
            "executable = \"../program\"\n[[class]]\nid = \"87654321-1234-1234-1234-1234567890AE\"\n\
                         executable = \"../program\"\narguments = '--serve \"two words\"'\n",
        );
        script(&home);
        let broker = home.start().await;
        let user = broker.user().await;
        let task = register(&user.broker, class).await.unwrap();
        assert_eq!(user.broker.get_task(&task).await.unwrap().class_id.as_deref(), class);
        user.broker.request_trigger(APP, "ApplicationTrigger", HashMap::new()).await.unwrap();
        user.line(&task, "completed", 1).await;
        let told = fs::read_to_string(home.data(APP).join("started")).unwrap();
        let rest = told.strip_prefix(arguments).unwrap_or_else(|| panic!("{arguments:?} {told:?}"));
        let names: Vec<_> = rest.lines().filter_map(|line| line.split('=').next()).collect();
        assert_eq!(names, ["BGTASK_ADDRESS", "BGTASK_APP_DATA", "BGTASK_APP_ID", "BGTASK_HOST_FD"]);
    }
}

/// What the manifest does not have is refused when it is registered.
#[tokio::test]
async fn a_task_that_nothing_runs_is_refused() {
    let home = home("");
    let broker = home.start().await;
    let user = broker.user().await;
    let none = register(&user.broker, None).await.unwrap_err();
    assert_eq!((none.kind, none.message.contains("executable")), (ErrorKind::NotDeclared, true), "{none}");
    let class = register(&user.broker, Some(CLASS)).await.unwrap_err();
    assert_eq!((class.kind, class.message.contains("[[class]]")), (ErrorKind::NotDeclared, true), "{class}");
}

/// AC-7, LC-12: an app does not decide about itself, and raises only what its manifest names. This very program is the app.
#[tokio::test]
async fn an_app_may_not_do_what_is_the_users() {
    let own = std::env::current_exe().unwrap();
    let home = home(&format!("executable = {own:?}\nraises = [\"org.example.event\"]\n"));
    let broker = home.start().await;
    let app = broker.user().await.broker.clone();
    assert_eq!(kind(app.set_access("", "always").await), ErrorKind::AccessDenied);
    assert_eq!(kind(app.set_background(false).await), ErrorKind::AccessDenied);
    assert_eq!(kind(app.terminate("").await), ErrorKind::AccessDenied);
    assert_eq!(kind(app.raise("org.example.other").await), ErrorKind::AccessDenied);
    assert_eq!(app.raise("org.example.event").await.unwrap(), 0, "nobody waits for it");
    assert_eq!(kind(app.request_access("", "Second").await), ErrorKind::InvalidArgument);
    assert_eq!(app.request_access("", APP).await.unwrap(), 5, "ACC-15: the first application by its own id");
    assert_eq!(app.get_access_status("", "", false).await.unwrap(), 5);
    assert_eq!(app.get_access_status("", "", true).await.unwrap(), 0, "ACC-22: not for standby");
    assert_eq!(kind(app.request_access_kind("", "", 9, false, "").await), ErrorKind::InvalidArgument);
    assert!(app.request_access_kind("", "", 1, true, "").await.unwrap());
    let refused = Error::from(app.request_trigger("", "TimeTrigger", HashMap::new()).await.unwrap_err());
    assert!(refused.message.contains("MediaProcessingTrigger"), "{refused}");
}

/// AC-7: the user decides, takes it back, and switches everything off.
#[tokio::test]
async fn the_user_decides() {
    let home = home("executable = \"/no/such/program\"\n");
    let broker = home.start().await;
    let user = broker.user().await;
    let decided = async |user: &User| {
        let app = user.apps().await.remove(0);
        (app.access, app.setting)
    };
    let never = || ("DeniedByUser".to_owned(), Some("never".to_owned()));
    user.broker.set_access(APP, "never").await.unwrap();
    assert_eq!(decided(&user).await, never());
    assert_eq!(kind(user.broker.set_access(APP, "perhaps").await), ErrorKind::InvalidArgument);
    user.broker.set_access(APP, "default").await.unwrap();
    assert_eq!(decided(&user).await, ("Unspecified".into(), None));
    let enabled = async |broker: &Broker| {
        let user = broker.user().await;
        let properties = zbus::fdo::PropertiesProxy::builder(user.broker.inner().connection());
        let properties = properties.destination("org.bgtask.Broker1").path("/org/bgtask/Broker1");
        let properties = properties.cache_properties(CacheProperties::No).build().await.unwrap();
        let interface = "org.bgtask.Broker1".try_into().unwrap();
        bool::try_from(properties.get(interface, "BackgroundEnabled").await.unwrap()).unwrap()
    };
    assert!(enabled(&broker).await);
    user.broker.set_background(false).await.unwrap();
    assert!(!enabled(&broker).await);
    assert_eq!(user.broker.terminate(APP).await.unwrap(), 0, "nothing runs");
}

/// D5: the same again changes nothing, another takes its place.
#[tokio::test]
async fn a_name_that_is_taken_is_updated() {
    let home = home("executable = \"/no/such/program\"\n");
    let broker = home.start().await;
    let user = broker.user().await;
    let update = async |freshness: u32| {
        let trigger = ("TimeTrigger", HashMap::from([("freshness", value(freshness))]));
        let options = RegisterOptions { group: Some("sync".into()), ..RegisterOptions::default() };
        user.broker.register_or_update(APP, "hourly", "", trigger, &[], options).await.unwrap()
    };
    let (first, word) = update(60).await;
    assert_eq!(word, "registered");
    let info = user.broker.get_task(&first).await.unwrap();
    assert_eq!((info.trigger.as_str(), info.freshness, info.one_shot), ("TimeTrigger", Some(60), false));
    assert_eq!((info.group.as_deref(), info.group_name.as_deref()), (Some("sync"), Some("sync")));
    assert!(info.due.is_some_and(|due| due > info.registered_at));
    assert_eq!(update(60).await, (first.clone(), "unchanged".to_owned()));
    let (second, word) = update(120).await;
    assert_eq!((word.as_str(), second == first), ("replaced", false));
    assert_eq!(kind(user.broker.get_task(&first).await), ErrorKind::UnknownTask);
}

/// A thousand apps are attached at the same time, each with a connection of its own, and all of them are served.
#[tokio::test]
async fn a_thousand_apps_are_attached() {
    let home = home("executable = \"/no/such/program\"\n");
    let broker = home.start().await;
    let mut apps = Vec::new();
    for _ in 0..1_000 {
        apps.push(Own::attach(home.socket()).await);
    }
    let first = &mut apps[0];
    register(&first.broker, None).await.unwrap();
    first.broker.request_trigger(APP, "ApplicationTrigger", HashMap::new()).await.unwrap();
    let (call, _) = first.run().await;
    first.send(&Message::method_return(&call.header()).build(&()).unwrap()).await;
    for app in &mut apps {
        app.next("Completed").await;
    }
    let alive = Pid::from_raw(broker.pid().cast_signed()).unwrap();
    test_kill_process(alive).unwrap();
}

/// A thousand apps are attached, the task of one ends: nothing is sent to the others, so none of them is woken.
#[tokio::test]
async fn the_end_of_a_task_wakes_its_own_app_only() {
    let home = home("executable = \"/no/such/program\"\n");
    let others: Vec<String> = (1..1_000).map(|i| format!("org.example.Other{i}")).collect();
    for other in &others {
        fs::write(home.manifest(other), format!("[app]\nid = {other:?}\nversion = \"1\"\n")).unwrap();
    }
    let broker = home.start().await;
    let mut attached = Vec::new();
    for other in &others {
        let user = broker.user().await;
        user.broker.attach(other, AttachOptions::default()).await.unwrap();
        attached.push(user);
    }
    let mut app = Own::attach(home.socket()).await;
    register(&app.broker, None).await.unwrap();
    app.broker.request_trigger(APP, "ApplicationTrigger", HashMap::new()).await.unwrap();
    let (call, _) = app.run().await;
    app.send(&Message::method_return(&call.header()).build(&()).unwrap()).await;
    app.next("Completed").await;
    for other in &mut attached {
        let heard = other.so_far().await;
        assert!(heard.is_empty(), "{heard:?}");
    }
}
