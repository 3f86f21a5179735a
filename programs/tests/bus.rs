//! Any language: generic D-Bus tools alone register, list and watch, at both doors (§4 of the design).

mod harness;

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};

use bgtask_wire::{AttachOptions, Error, ErrorKind};
use harness::{Home, PATIENCE, SAMPLE, SessionBus, User, eventually, has_program, skipped};

const NAME: &str = "org.bgtask.Broker1";
const PATH: &str = "/org/bgtask/Broker1";

/// A session bus, where the tools are installed that speak on it.
async fn bus_with_tools(home: &Home) -> Option<SessionBus> {
    for program in ["busctl", "gdbus"] {
        if !has_program(program) {
            skipped(&format!("{program} is not installed"));
            return None;
        }
    }
    SessionBus::start(home).await
}

/// A generic tool at one of the doors.
struct Tool<'a> {
    address: &'a str,
}

impl Tool<'_> {
    fn busctl(&self, method: &str, arguments: &[&str]) -> String {
        let mut command = Command::new("busctl");
        command.arg(format!("--address={}", self.address)).args(["call", NAME, PATH, NAME, method]).args(arguments);
        answer(&mut command)
    }

    fn gdbus(&self, method: &str, arguments: &[&str]) -> String {
        let mut command = Command::new("gdbus");
        command.args(["call", "--address", self.address, "--dest", NAME, "-o", PATH]);
        command.arg("-m").arg(format!("{NAME}.{method}")).args(arguments);
        answer(&mut command)
    }

    /// What anybody who has one of the tools can do.
    fn try_everything(&self) {
        assert!(self.busctl("RequestAccess", &["ss", SAMPLE, ""]).starts_with("u 5"));
        let trigger = ["SystemTrigger", "1", "type", "s", "TimeZoneChange"];
        let arguments =
            [&["sss(sa{sv})asa{sv}", SAMPLE, "by busctl", "Tasks.Quick"], &trigger[..], &["0", "0"]].concat();
        let registered = self.busctl("Register", &arguments);
        let id = registered.trim().trim_start_matches("s ").trim_matches('"').to_owned();
        let trigger = "('SystemTrigger', {'type': <'TimeZoneChange'>})";
        let arguments = [SAMPLE, "by gdbus", "Tasks.Quick", trigger, "['InternetAvailable']", "@a{sv} {}"];
        assert!(self.gdbus("Register", &arguments).starts_with("('"));

        for list in [self.busctl("ListTasks", &["s", SAMPLE]), self.gdbus("ListTasks", &[SAMPLE])] {
            assert!(list.contains("by busctl") && list.contains("by gdbus"), "{list}");
        }
        assert!(self.gdbus("Why", &[&id]).contains("sentence"));
        assert!(self.busctl("History", &["a{sv}", "1", "name", "s", "by gdbus"]).contains("registered"));
        assert_eq!(self.gdbus("Unregister", &[&id, "true"]).trim(), "()");
        assert!(self.gdbus("Unregister", &[&id, "true"]).contains("org.bgtask.Error.UnknownTask"));
        self.introspects();
    }

    fn introspects(&self) {
        let mut command = Command::new("gdbus");
        let seen = answer(command.args(["introspect", "--address", self.address, "--dest", NAME, "-o", PATH]));
        assert!(seen.contains("RequestAccess") && seen.contains("Completed"), "{seen}");
        let mut command = Command::new("busctl");
        command.arg(format!("--address={}", self.address)).args(["get-property", NAME, PATH, NAME, "Version"]);
        assert!(answer(&mut command).starts_with("s \""));
    }

    fn monitor(&self) -> Monitor {
        let mut command = Command::new("gdbus");
        command.args(["monitor", "--address", self.address, "--dest", NAME]);
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap());
        let (sender, heard) = channel();
        std::thread::spawn(move || lines.lines().map_while(Result::ok).try_for_each(|line| sender.send(line)));
        Monitor { child, heard }
    }
}

/// A tool that prints every signal.
struct Monitor {
    child: Child,
    heard: Receiver<String>,
}

impl Monitor {
    fn hears(&self, word: &str) {
        while let Ok(line) = self.heard.recv_timeout(PATIENCE) {
            if line.contains(word) {
                return;
            }
        }
        panic!("nothing is heard of {word}");
    }
}

impl Drop for Monitor {
    fn drop(&mut self) {
        let _ended = self.child.kill();
        let _reaped = self.child.wait();
    }
}

/// What a command prints: its output, or its complaint.
fn answer(command: &mut Command) -> String {
    let output = command.stdin(Stdio::null()).output().unwrap();
    String::from_utf8(if output.status.success() { output.stdout } else { output.stderr }).unwrap()
}

/// Registers something new until a monitor says so: only then it is known to listen.
async fn listens(tool: &Tool<'_>, monitor: &Monitor) {
    eventually("the monitor listens", async || {
        let trigger = "('SystemTrigger', {'type': <'TimeZoneChange'>})";
        tool.gdbus("Register", &[SAMPLE, "watched", "Tasks.Quick", trigger, "@as []", "@a{sv} {}"]);
        monitor.heard.try_iter().any(|line| line.contains("watched")).then_some(())
    })
    .await;
}

#[tokio::test]
async fn generic_tools_on_the_session_bus() {
    let (home, _app) = Home::with_sample();
    let Some(bus) = bus_with_tools(&home).await else { return };
    let broker = bus.broker(&home).await;
    let tool = Tool { address: &bus.address };
    tool.try_everything();
    let monitor = tool.monitor();
    listens(&tool, &monitor).await;
    broker.user().await.sources_know().await;
    home.world.zone("Asia/Tokyo");
    monitor.hears("'completed'");
}

#[tokio::test]
async fn generic_tools_on_the_brokers_own_socket() {
    let (home, _app) = Home::with_sample();
    let Some(bus) = bus_with_tools(&home).await else { return };
    let broker = bus.broker(&home).await;
    let address = format!("unix:path={}", home.root("run/bgtask/broker").display());
    let tool = Tool { address: &address };
    tool.try_everything();
    let monitor = tool.monitor();
    listens(&tool, &monitor).await;
    broker.user().await.sources_know().await;
    home.world.zone("Asia/Tokyo");
    monitor.hears("'completed'");
}

/// Somebody else has the name: the broker says so and serves at its own socket.
#[tokio::test]
async fn the_name_is_taken() {
    let (home, _app) = Home::with_sample();
    let Some(bus) = SessionBus::start(&home).await else { return };
    let squatter = zbus::connection::Builder::address(bus.address.as_str()).build().await.unwrap();
    squatter.request_name(NAME).await.unwrap();
    let broker = bus.broker(&home).await;
    assert!(home.log().contains("session bus cannot be used"), "{}", home.log());
    broker.user().await.broker.list_apps().await.unwrap();
}

/// A session bus that ends does not take the broker with it.
#[tokio::test]
async fn the_bus_goes_away() {
    let (home, _app) = Home::with_sample();
    let Some(bus) = SessionBus::start(&home).await else { return };
    let broker = bus.broker(&home).await;
    drop(bus);
    eventually("the broker notices", async || home.log().contains("the session bus is gone").then_some(())).await;
    broker.user().await.broker.list_apps().await.unwrap();
}

/// Signals to one app's client on the bus are addressed to it alone (D4).
#[tokio::test]
async fn a_client_on_the_bus_is_told_of_its_completions() {
    let (home, _app) = Home::with_sample();
    let Some(bus) = SessionBus::start(&home).await else { return };
    let broker = bus.broker(&home).await;
    let user = broker.user().await;
    let task = user.ready(harness::New::default()).await;
    home.world.zone("Asia/Tokyo");
    user.line(&task, "completed", 1).await;
    let mut client = User::on_bus(&bus.address).await;
    client.broker.attach(SAMPLE, AttachOptions::default()).await.unwrap();
    let (sequence, name, outcome) = client.completion().await;
    assert!(name == "task" && outcome.ok);
    client.broker.acknowledge(SAMPLE, sequence).await.unwrap();
    broker.all_acknowledged(SAMPLE).await;
}

/// BLD-9: what runs the app's own tasks is a process the broker can hold on to, and a bus has none of those.
#[tokio::test]
async fn an_app_cannot_run_its_tasks_over_the_bus() {
    let (home, _app) = Home::with_sample();
    let Some(bus) = SessionBus::start(&home).await else { return };
    let _broker = bus.broker(&home).await;
    let client = User::on_bus(&bus.address).await;
    let activates = client.broker.attach(SAMPLE, AttachOptions { activates: Some(true) }).await;
    let refused = Error::from(activates.unwrap_err());
    let socket = home.root("run/bgtask/broker").display().to_string();
    assert_eq!((refused.kind, refused.message.contains(&socket)), (ErrorKind::NotSupported, true), "{refused}");
}
