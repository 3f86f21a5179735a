//! A broker with an app that serves and two that ask.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};

use serde_json::{Value, json};

use crate::harness::{Broker, Home, PATIENCE, User, copy_program, eventually, example};

pub(crate) const PHOTOS: &str = "org.example.Photos";
pub(crate) const MAIL: &str = "org.example.Mail";
pub(crate) const OTHER: &str = "org.example.Other";
/// The service that Photos offers to Mail.
pub(crate) const RESIZE: &str = "org.example.photos.resize";

/// What Photos does for Mail itself.
pub(crate) const INSIDE: &str = "org.example.photos.inside";

const SERVICES: &str = r#"
[[app_service]]
name = "org.example.photos.resize"
entry_point = "Services.Answers"
allow = ["org.example.Mail"]

[[app_service]]
name = "org.example.photos.open"
entry_point = "Services.Answers"
allow = ["*"]

[[app_service]]
name = "org.example.photos.inside"
allow = ["org.example.Mail"]
"#;

pub(crate) struct Stage {
    // Before its home, whose files it has.
    broker: Option<Broker>,
    pub(crate) user: User,
    home: Home,
}

impl Stage {
    pub(crate) async fn set() -> Self {
        Self::with("").await
    }

    pub(crate) async fn with(config: &str) -> Self {
        let home = Home::new();
        home.configure(config);
        for app in [PHOTOS, MAIL, OTHER] {
            let program = program(&home, app);
            std::fs::create_dir_all(program.parent().unwrap()).unwrap();
            copy_program(&example("app_services"), &program);
            install(&home, app, "1.0.0", if app == PHOTOS { SERVICES } else { "" });
        }
        let broker = home.start().await;
        let user = broker.user().await;
        let stage = Self { broker: Some(broker), user, home };
        stage.user.sources_know().await;
        stage
    }

    pub(crate) fn installs_photos(&self, version: &str, services: &str) {
        install(&self.home, PHOTOS, version, services);
    }

    /// As `kill -9`, and another one starts.
    pub(crate) async fn broker_dies(&mut self) {
        self.broker.take().unwrap().kill();
        let broker = self.home.start().await;
        self.user = broker.user().await;
        self.broker = Some(broker);
    }

    /// The tasks of app services, which only the user sees.
    pub(crate) async fn services(&self) -> Vec<(String, String)> {
        let tasks = self.user.broker.list_tasks("").await.unwrap();
        let services = tasks.into_iter().filter(|task| task.trigger == "AppServiceTrigger");
        services.map(|task| (task.name, task.id)).collect()
    }

    pub(crate) async fn service_named(&self, name: &str) -> String {
        eventually("the service is there", async || {
            self.services().await.into_iter().find(|(its, _)| its == name).map(|(_, task)| task)
        })
        .await
    }

    pub(crate) async fn service(&self) -> String {
        self.service_named(RESIZE).await
    }

    /// The user opens Photos.
    pub(crate) fn opens_photos(&self) -> Asking {
        let mut command = Command::new(program(&self.home, PHOTOS));
        command.arg("serve").env("BGTASK_ADDRESS", self.home.address()).env_remove("BGTASK_APP_ID");
        Asking::start(command)
    }

    /// An app connects.
    pub(crate) fn asks(&self, caller: &str, provider: &str, service: &str) -> Asking {
        Asking::start(self.command(caller, provider, service))
    }

    /// The same, and says that it is another app.
    pub(crate) fn asks_as(&self, caller: &str, claimed: &str, provider: &str, service: &str) -> Asking {
        let mut command = self.command(caller, provider, service);
        command.env("BGTASK_APP_ID", claimed);
        Asking::start(command)
    }

    fn command(&self, caller: &str, provider: &str, service: &str) -> Command {
        let mut command = Command::new(program(&self.home, caller));
        command.args(["ask", provider, service]);
        command.env("BGTASK_ADDRESS", self.home.address()).env_remove("BGTASK_APP_ID");
        command
    }
}

fn program(home: &Home, app: &str) -> PathBuf {
    home.root("bin").join(app).join("app_services")
}

fn install(home: &Home, app: &str, version: &str, services: &str) {
    let program = program(home, app);
    let text = format!("[app]\nid = {app:?}\nversion = {version:?}\nexecutable = {program:?}\n{services}");
    std::fs::write(home.manifest(app), text).unwrap();
}

/// An app with a connection.
pub(crate) struct Asking {
    child: Child,
    input: Option<ChildStdin>,
    lines: Receiver<Value>,
}

impl Asking {
    fn start(mut command: Command) -> Self {
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let output = BufReader::new(child.stdout.take().unwrap());
        let (sender, lines) = channel();
        std::thread::spawn(move || {
            for line in output.lines().map_while(Result::ok) {
                let _closed = sender.send(serde_json::from_str(&line).unwrap());
            }
        });
        Self { input: child.stdin.take(), child, lines }
    }

    pub(crate) fn process(&self) -> i32 {
        self.child.id().try_into().unwrap()
    }

    /// The next line it says.
    pub(crate) fn next(&self) -> Value {
        self.lines.recv_timeout(PATIENCE).expect("the app says something")
    }

    pub(crate) fn is_open(&self) {
        assert_eq!(self.next(), json!({ "open": true }));
    }

    /// Why there is no connection.
    pub(crate) fn refused(&self) -> String {
        text(&self.next(), "error").to_owned()
    }

    pub(crate) fn sends(&mut self, what: &str) {
        writeln!(self.input.as_mut().unwrap(), "{what}").unwrap();
    }

    pub(crate) fn ask(&mut self, what: &str) -> Value {
        self.sends(what);
        self.next()
    }

    /// Connects, and hears who answers.
    pub(crate) fn who(&mut self) -> Value {
        self.is_open();
        self.ask("who")
    }

    /// Closes the connection, and ends.
    pub(crate) fn hangs_up(&mut self) {
        drop(self.input.take());
        assert!(self.child.wait().unwrap().success());
    }
}

impl Drop for Asking {
    fn drop(&mut self) {
        let _ended = self.child.kill();
        let _reaped = self.child.wait();
    }
}

#[track_caller]
pub(crate) fn text<'a>(line: &'a Value, key: &str) -> &'a str {
    line[key].as_str().unwrap_or_else(|| panic!("{key} is not in {line}"))
}

#[track_caller]
pub(crate) fn number(line: &Value, key: &str) -> u64 {
    line[key].as_u64().unwrap_or_else(|| panic!("{key} is not in {line}"))
}
