//! A world of files, a private system bus, and an inbox that waits.
#![allow(dead_code, reason = "each test program uses its own part of this")]

pub(crate) mod bluez;
pub(crate) mod listener;
pub(crate) mod logind;

use std::fs;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use bgtask_sources::{Report, Source, SourceKind, Status, World, start};
use tokio::sync::mpsc;

/// Generous: it is only ever reached by a failing test.
pub(crate) const DEADLINE: Duration = Duration::from_secs(60);

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
    /// Starts a system bus, or says why this test is skipped. In CI a missing daemon fails the test.
    pub(crate) fn start(sysroot: &Sysroot) -> Option<Self> {
        Self::start_at(sysroot.path("run/dbus/system_bus_socket"), sysroot)
    }

    /// The same for the bus of the user.
    pub(crate) fn start_session(sysroot: &Sysroot) -> Option<Self> {
        Self::start_at(sysroot.path(format!("run/user/{}/bus", sysroot.world().uid())), sysroot)
    }

    fn start_at(socket: PathBuf, sysroot: &Sysroot) -> Option<Self> {
        fs::create_dir_all(socket.parent().unwrap()).unwrap();
        let config = sysroot.path("bus.conf");
        fs::write(&config, config_for(&socket)).unwrap();
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

fn config_for(socket: &Path) -> String {
    format!(
        r#"<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  <type>system</type>
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
