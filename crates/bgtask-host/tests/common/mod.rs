//! What the tests with real processes share.
#![allow(dead_code, unreachable_pub, reason = "each test program uses a part of it")]

use std::ffi::{OsStr, OsString};
use std::io::{Read as _, Write as _};
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::task::Poll;
use std::thread::sleep;
use std::time::{Duration, Instant};

use bgtask_host::{
    Containment, Exit, Host, HostError, HostSpec, Launch, Limits, Priority, Spawner, SpawnerConfig, Start,
};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, test_kill_process};
use tempfile::TempDir;

/// Long enough for any of this on a busy machine; only a failing test waits for it.
const PATIENCE: Timespec = Timespec { tv_sec: 60, tv_nsec: 0 };

pub fn testbed() -> PathBuf {
    env!("CARGO_BIN_EXE_bgtask-host-testbed").into()
}

/// Writes a program by another process: one that this process has open for writing while another test spawns something
/// cannot be executed, as the child holds it open too until it executes (ETXTBSY).
pub fn install(path: &Path, mode: u32, text: &str) {
    let mut writer = Command::new("sh")
        .args(["-c", "cat >\"$0\" && chmod \"$1\" \"$0\""])
        .args([path.as_os_str(), OsStr::new(&format!("{mode:o}"))])
        .stdin(Stdio::piped())
        .spawn()
        .unwrap();
    writer.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    assert!(writer.wait().unwrap().success());
}

/// A spawner with records of its own.
pub struct Place {
    pub spawner: Spawner,
    pub records: TempDir,
}

impl Place {
    pub fn new(use_cgroups: bool, spares: usize) -> Self {
        let records = tempfile::tempdir().unwrap();
        let spawner = Spawner::new(config(&records, use_cgroups, spares)).unwrap();
        Self { spawner, records }
    }

    /// Both ways of containment, as far as this machine has them.
    pub fn each() -> Vec<Self> {
        let mut places = vec![Self::new(false, 1)];
        places.extend(Self::with_cgroup());
        places
    }

    /// `None` where no cgroup can be made, which is an error in CI.
    pub fn with_cgroup() -> Option<Self> {
        let place = Self::new(true, 1);
        let found = place.cgroup().is_some();
        assert!(found || std::env::var_os("CI").is_none_or(|ci| ci != "true"), "cannot run in CI without cgroups");
        found.then_some(place)
    }

    /// One whose hosts give way so much.
    pub fn with_priority(priority: Priority) -> Self {
        let records = TempDir::new().unwrap();
        let spawner = Spawner::new(SpawnerConfig { priority, ..config(&records, true, 1) }).unwrap();
        Self { spawner, records }
    }

    pub fn cgroup(&self) -> Option<PathBuf> {
        match self.spawner.containment() {
            Containment::Cgroup { path } => Some(path.clone()),
            Containment::Session { why } => {
                eprintln!("without cgroups: {why}");
                None
            }
        }
    }

    pub fn launch(&mut self, spec: &HostSpec) -> Launch {
        self.spawner.launch(spec, &[], Limits::default()).unwrap()
    }

    /// Runs `spec` to its end.
    pub fn run(&mut self, spec: &HostSpec) -> (Result<(), HostError>, Exit, String) {
        let mut launch = self.launch(spec);
        let text = read_all(&mut launch);
        (started(&launch.start), exit(&launch.host), text)
    }
}

pub fn config(records: &TempDir, use_cgroups: bool, spares: usize) -> SpawnerConfig {
    SpawnerConfig {
        launcher: testbed(),
        launcher_args: vec!["launcher".into()],
        spares,
        records: records.path().join("hosts"),
        walls: false,
        priority: Priority::default(),
        use_cgroups,
    }
}

pub fn sh(script: &str) -> HostSpec {
    let args = ["-c", script].map(OsString::from);
    HostSpec {
        program: "/bin/sh".into(),
        args: args.to_vec(),
        env: vec![("PATH".into(), "/usr/bin:/bin".into())],
        dir: "/".into(),
        confine: None,
    }
}

/// A host that runs a part of the testbed.
pub fn part(args: &[&str]) -> HostSpec {
    let args = args.iter().map(OsString::from).collect();
    HostSpec {
        program: testbed(),
        args,
        env: vec![("PATH".into(), "/usr/bin:/bin".into())],
        dir: "/".into(),
        confine: None,
    }
}

/// Looks again and again until it is so.
pub fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while !holds() {
        assert!(Instant::now() < deadline, "not within a minute: {what}");
        sleep(Duration::from_millis(10));
    }
}

pub fn wait_readable(fd: &impl AsFd) {
    let ready = poll(&mut [PollFd::new(fd, PollFlags::IN)], Some(&PATIENCE)).unwrap();
    assert_eq!(ready, 1, "nothing happened");
}

pub fn is_alive(pid: &str) -> bool {
    test_kill_process(Pid::from_raw(pid.parse().unwrap()).unwrap()).is_ok()
}

pub fn started(start: &Start) -> Result<(), HostError> {
    wait_readable(start);
    match start.outcome() {
        Poll::Ready(outcome) => outcome,
        Poll::Pending => panic!("readable, but has nothing to tell"),
    }
}

pub fn exit(host: &Host) -> Exit {
    wait_readable(host);
    host.try_exit().unwrap().expect("readable, but running")
}

pub fn read_line(launch: &mut Launch) -> String {
    let mut line = String::new();
    let mut byte = [0];
    loop {
        wait_readable(&launch.output);
        assert_eq!(launch.output.read(&mut byte).unwrap(), 1, "ended in {line:?}");
        match byte[0] {
            b'\n' => return line,
            letter => line.push(letter.into()),
        }
    }
}

pub fn read_all(launch: &mut Launch) -> String {
    let mut bytes = Vec::new();
    let mut some = [0; 4096];
    loop {
        wait_readable(&launch.output);
        match launch.output.read(&mut some).unwrap() {
            0 => return String::from_utf8(bytes).unwrap(),
            length => bytes.extend_from_slice(&some[..length]),
        }
    }
}

/// Kills the host and waits as a driver does, until nothing is left.
pub fn kill_and_close(host: &mut Host) {
    host.kill().unwrap();
    exit(host);
    while !host.try_close().unwrap() {
        wait_readable(&host.closing().unwrap());
    }
}
