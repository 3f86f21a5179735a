use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus};

use rustix::process::{Pid, Signal, kill_process};

use super::{Home, User, eventually, eventually_now, leftovers};

/// A running broker. It ends with this value, and leaves no process and no cgroup behind.
pub(crate) struct Broker {
    child: Child,
    root: PathBuf,
    socket: PathBuf,
    log: PathBuf,
    ended: Option<ExitStatus>,
}

impl Broker {
    pub(crate) async fn start(home: &Home, command: &mut Command) -> Self {
        let mut broker = Self::spawn(home, command);
        broker.answers().await;
        broker
    }

    /// Starts it without waiting for it.
    pub(crate) fn spawn(home: &Home, command: &mut Command) -> Self {
        let child = command.spawn().expect("bgtaskd can be started");
        Self { child, root: home.root(""), socket: home.socket(), log: home.log_file(), ended: None }
    }

    /// The socket of a broker that was not started with a root.
    pub(crate) fn at(mut self, socket: PathBuf) -> Self {
        self.socket = socket;
        self
    }

    pub(crate) async fn answers(&mut self) -> User {
        eventually("the broker answers", async || {
            if let Some(status) = self.child.try_wait().unwrap() {
                panic!("the broker ended with {status}: {}", self.log());
            }
            let user = User::connect(&self.socket).await.ok()?;
            user.broker.list_sources().await.ok().map(|_| user)
        })
        .await
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// A new connection that acts for the user.
    pub(crate) async fn user(&self) -> User {
        User::connect(&self.socket).await.expect("the broker accepts")
    }

    /// Waits until an app has acknowledged everything: a newcomer is told of nothing.
    pub(crate) async fn all_acknowledged(&self, app: &str) {
        eventually("every completion is acknowledged", async || {
            self.user().await.unread(app).await.is_empty().then_some(())
        })
        .await;
    }

    /// As `kill -9`: no destructor runs.
    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.ended = Some(self.child.wait().unwrap());
    }

    /// Asks it to stop, and gives its exit code.
    pub(crate) fn stop(&mut self) -> Option<i32> {
        let status = self.ended.unwrap_or_else(|| {
            let pid = Pid::from_child(&self.child);
            kill_process(pid, Signal::TERM).unwrap();
            eventually_now("the broker stops", || self.child.try_wait().unwrap())
        });
        self.ended = Some(status);
        status.code()
    }

    /// Waits until it has ended by itself, and gives its exit code.
    pub(crate) fn ends(&mut self) -> Option<i32> {
        let status = eventually_now("the broker ends", || self.child.try_wait().unwrap());
        self.ended = Some(status);
        status.code()
    }

    /// Resident memory in KiB.
    pub(crate) fn resident(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        line.trim().trim_end_matches(" kB").parse().unwrap()
    }

    fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let _ = self.child.kill();
            let _ = self.child.wait();
            eprintln!("--- the broker's log\n{}---", self.log());
            return;
        }
        if self.ended.is_none() {
            let code = self.stop();
            assert_eq!(code, Some(0), "an orderly stop: {}", self.log());
            eventually_now("nothing of the broker is left", || {
                let left = leftovers(&self.root, self.pid());
                if left.is_empty() { Some(()) } else { eprintln_once(&left) }
            });
        }
    }
}

fn eprintln_once(left: &[String]) -> Option<()> {
    static TOLD: std::sync::Once = std::sync::Once::new();
    TOLD.call_once(|| eprintln!("still there after the broker's end: {left:#?}"));
    None
}
