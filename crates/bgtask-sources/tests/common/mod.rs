//! A world of files, private buses, and an inbox that waits.
#![allow(dead_code, reason = "each test program uses its own part of this")]

pub(crate) mod bluez;
pub(crate) mod dbusmock;
pub(crate) mod events;
pub(crate) mod listener;
pub(crate) mod logind;
pub(crate) mod namespaces;
pub(crate) mod service;

use std::collections::VecDeque;
use std::fs;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use bgtask_sources::{
    BusKind, Event, EventReport, Listening, Report, Source, SourceKind, Status, Subject, World, listen, start,
};
use tokio::sync::mpsc;

/// Generous: it is only ever reached by a failing test.
pub(crate) const DEADLINE: Duration = Duration::from_secs(60);

/// Says aloud that something was not tested. In CI everything must be.
pub(crate) fn skip(why: &str) {
    assert!(std::env::var_os("CI").is_none_or(|ci| ci != "true"), "nothing may be skipped in CI: {why}");
    println!("SKIPPED: {why}");
}

/// A root directory with nothing in it but what a test puts there.
pub(crate) struct Sysroot {
    directory: tempfile::TempDir,
}

impl Sysroot {
    pub(crate) fn new() -> Self {
        Self { directory: tempfile::tempdir().unwrap() }
    }

    pub(crate) fn world(&self) -> World {
        World::new(self.directory.path())
    }

    pub(crate) fn path(&self, path: impl AsRef<Path>) -> PathBuf {
        self.directory.path().join(path)
    }

    /// Writes a file in place, with its directories.
    pub(crate) fn write(&self, path: impl AsRef<Path>, content: impl AsRef<[u8]>) {
        let path = self.path(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }

    /// Replaces a link as careful tools do: a new one, renamed over the old.
    pub(crate) fn link(&self, target: &str, path: &str) {
        let path = self.path(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        let new = path.with_extension("new");
        std::os::unix::fs::symlink(target, &new).unwrap();
        fs::rename(new, path).unwrap();
    }

    pub(crate) fn watch(&self, kind: SourceKind) -> Inbox {
        let (sender, reports) = mpsc::channel(4);
        let source = start(kind, &self.world(), sender);
        Inbox { reports, source }
    }

    pub(crate) fn listen(&self, subject: Subject) -> Ear {
        Ear::listen(subject, &self.world())
    }
}

/// Receives what one listener says.
pub(crate) struct Ear {
    reports: mpsc::Receiver<(u128, EventReport)>,
    listening: Listening,
    events: VecDeque<Event>,
    pub(crate) lost: u64,
}

impl Ear {
    pub(crate) fn listen(subject: Subject, world: &World) -> Self {
        let (sender, reports) = mpsc::channel(4);
        let listening = listen(7, subject, world, sender);
        Self { reports, listening, events: VecDeque::new(), lost: 0 }
    }

    pub(crate) async fn next(&mut self) -> EventReport {
        let report = tokio::time::timeout(DEADLINE, self.reports.recv()).await;
        let (key, report) = report.expect("the listener says nothing").expect("the listener ended");
        assert_eq!(key, 7);
        report
    }

    /// The next status; an event before it fails the test.
    pub(crate) async fn status(&mut self) -> Status {
        assert_eq!(self.events.pop_front(), None, "an event before a status");
        match self.next().await {
            EventReport::Status(status) => status,
            other => panic!("expected a status, got {other:?}"),
        }
    }

    /// Skips statuses until one matches; an event in between fails the test.
    pub(crate) async fn status_that(&mut self, matches: impl Fn(&Status) -> bool) -> Status {
        loop {
            let status = self.status().await;
            if matches(&status) {
                return status;
            }
        }
    }

    /// The fields of the next event. What is lost before it is counted.
    pub(crate) async fn event(&mut self) -> serde_json::Value {
        loop {
            if let Some(event) = self.events.pop_front() {
                return serde_json::Value::Object(event.fields);
            }
            if let EventReport::Burst { events, lost } = self.next().await {
                self.events.extend(events);
                self.lost += lost;
            }
        }
    }
}

/// Receives what one source says.
pub(crate) struct Inbox {
    reports: mpsc::Receiver<Report>,
    pub(crate) source: Source,
}

impl Inbox {
    pub(crate) async fn next(&mut self) -> Report {
        let report = tokio::time::timeout(DEADLINE, self.reports.recv()).await;
        report.expect("the source says nothing").expect("the source ended")
    }

    /// A report that waits already.
    pub(crate) fn waiting(&mut self) -> Option<Report> {
        self.reports.try_recv().ok()
    }

    pub(crate) async fn status(&mut self) -> Status {
        match self.next().await {
            Report::Status(kind, status) => {
                assert_eq!(kind, self.source.kind());
                status
            }
            other => panic!("expected a status, got {other:?}"),
        }
    }

    /// Skips statuses until one matches; a level in between fails the test.
    pub(crate) async fn status_that(&mut self, matches: impl Fn(&Status) -> bool) -> Status {
        loop {
            let status = self.status().await;
            if matches(&status) {
                return status;
            }
        }
    }

    /// The next report that is no status.
    pub(crate) async fn level(&mut self) -> Report {
        loop {
            match self.next().await {
                Report::Status(..) => {}
                level => return level,
            }
        }
    }

    /// The next level: whether what the source was asked holds.
    pub(crate) async fn holds(&mut self) -> bool {
        match self.level().await {
            Report::Level(kind, holds) if kind == self.source.kind() => holds,
            other => panic!("expected a level of {:?}, got {other:?}", self.source.kind()),
        }
    }

    /// Whether nothing at all is waiting.
    pub(crate) fn is_empty(&mut self) -> bool {
        self.reports.is_empty()
    }
}

/// Lets time pass for the source without waiting for it, once the source waits for nothing else.
pub(crate) async fn pass(time: Duration) {
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    tokio::time::pause();
    tokio::time::advance(time).await;
    tokio::time::resume();
}

pub(crate) fn is_available(status: &Status) -> bool {
    matches!(status, Status::Available { .. })
}

pub(crate) fn is_degraded(status: &Status) -> bool {
    matches!(status, Status::Degraded { .. })
}

/// A private bus at the place where the world looks for it.
pub(crate) struct TestBus {
    daemon: Child,
    socket: PathBuf,
}

impl TestBus {
    /// Starts the system bus, or says why this test is skipped. In CI a missing daemon fails the test.
    pub(crate) fn start(sysroot: &Sysroot) -> Option<Self> {
        Self::start_on(sysroot, BusKind::System)
    }

    /// The same for the bus of the user.
    pub(crate) fn start_session(sysroot: &Sysroot) -> Option<Self> {
        Self::start_on(sysroot, BusKind::Session)
    }

    /// The same, with the services that can be started by files in this folder.
    pub(crate) fn start_session_with(sysroot: &Sysroot, services: &Path) -> Option<Self> {
        Self::start_with(sysroot, BusKind::Session, Some(services))
    }

    /// Starts either bus.
    pub(crate) fn start_on(sysroot: &Sysroot, bus: BusKind) -> Option<Self> {
        Self::start_with(sysroot, bus, None)
    }

    fn start_with(sysroot: &Sysroot, bus: BusKind, services: Option<&Path>) -> Option<Self> {
        let socket = bus_socket(sysroot, bus);
        fs::create_dir_all(socket.parent().unwrap()).unwrap();
        let config = socket.with_extension("conf");
        fs::write(&config, config_for(&socket, services)).unwrap();
        let spawned = Command::new("dbus-daemon")
            .arg("--config-file")
            .arg(&config)
            .args(["--nofork", "--nopidfile"])
            .stdin(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        match spawned {
            Ok(daemon) => {
                let bus = Self { daemon, socket };
                bus.wait();
                Some(bus)
            }
            Err(error) if std::env::var_os("CI").is_none_or(|ci| ci != "true") => {
                println!("SKIPPED: dbus-daemon not installed ({error})");
                None
            }
            Err(error) => panic!("dbus-daemon cannot be started: {error}"),
        }
    }

    /// A connection that plays a service.
    pub(crate) async fn service(&self, name: &'static str) -> zbus::Connection {
        let connection = self.connect().await;
        connection.request_name(name).await.unwrap();
        connection
    }

    pub(crate) async fn connect(&self) -> zbus::Connection {
        let address = format!("unix:path={}", self.socket.display());
        zbus::connection::Builder::address(address.as_str()).build().await.unwrap()
    }

    fn wait(&self) {
        let deadline = Instant::now() + DEADLINE;
        while UnixStream::connect(&self.socket).is_err() {
            assert!(Instant::now() < deadline, "dbus-daemon does not listen");
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

impl Drop for TestBus {
    fn drop(&mut self) {
        let _ = self.daemon.kill();
        let _ = self.daemon.wait();
        let _ = fs::remove_file(&self.socket);
    }
}

/// Where the world looks for a bus.
pub(crate) fn bus_socket(sysroot: &Sysroot, bus: BusKind) -> PathBuf {
    sysroot.world().bus_address(bus).strip_prefix("unix:path=").unwrap().into()
}

fn config_for(socket: &Path, services: Option<&Path>) -> String {
    // What a test may start on a bus needs no help of the system's.
    let kind = if services.is_some() { "session" } else { "system" };
    let services = services.map(|folder| format!("<servicedir>{}</servicedir>", folder.display())).unwrap_or_default();
    format!(
        r#"<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  <type>{kind}</type>
  {services}
  <listen>unix:path={}</listen>
  <auth>EXTERNAL</auth>
  <policy context="default">
    <allow user="*"/>
    <allow own="*"/>
    <allow send_destination="*"/>
    <allow receive_sender="*"/>
  </policy>
</busconfig>
"#,
        socket.display()
    )
}
