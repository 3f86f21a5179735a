//! A broker that is killed leaves nothing that its successor would run beside.

mod common;

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::os::fd::OwnedFd;
use std::process::{Child, Command, Stdio};

use bgtask_host::{HostError, Spawner};
use common::{Place, config, testbed, wait_readable};
use rustix::process::{Pid, PidfdFlags, pidfd_open};
use tempfile::TempDir;

/// A broker in a process of its own, its host, the host's child and its spare.
struct Other {
    broker: Child,
    host: OwnedFd,
    child: OwnedFd,
    spare: OwnedFd,
}

impl Other {
    fn start(records: &TempDir, use_cgroups: bool) -> Self {
        Self::with("host", records, use_cgroups)
    }

    /// With a host or a command.
    fn with(what: &str, records: &TempDir, use_cgroups: bool) -> Self {
        let mut broker = Command::new(testbed())
            .args(["broker", what, records.path().join("hosts").to_str().unwrap()])
            .arg(use_cgroups.to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        let mut output = BufReader::new(broker.stdout.take().unwrap());
        output.read_line(&mut line).unwrap();
        let (host, child) = line.trim().split_once(' ').unwrap();
        let spare = children(broker.id()).into_iter().find(|pid| pid != host);
        Self { host: watch(host), child: watch(child), spare: watch(&spare.unwrap()), broker }
    }

    fn kill_broker(&mut self) {
        self.broker.kill().unwrap();
        self.broker.wait().unwrap();
    }
}

fn watch(pid: &str) -> OwnedFd {
    let pid = Pid::from_raw(pid.parse().unwrap()).unwrap();
    pidfd_open(pid, PidfdFlags::empty()).unwrap()
}

fn children(parent: u32) -> Vec<String> {
    fs::read_dir("/proc")
        .unwrap()
        .filter_map(|entry| entry.unwrap().file_name().into_string().ok())
        .filter(|name| name.parse::<u32>().is_ok())
        .filter(|pid| {
            let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
            let mut fields = stat.rsplit(") ").next().unwrap_or_default().split(' ');
            fields.nth(1) == Some(&parent.to_string())
        })
        .collect()
}

fn ways() -> Vec<bool> {
    match Place::with_cgroup() {
        Some(_) => vec![true, false],
        None => vec![false],
    }
}

#[test]
fn a_spare_leaves_with_its_broker() {
    for use_cgroups in ways() {
        let records = tempfile::tempdir().unwrap();
        let mut other = Other::start(&records, use_cgroups);
        other.kill_broker();
        wait_readable(&other.spare);
        let _clean_up = Spawner::new(config(&records, use_cgroups, 0)).unwrap();
    }
}

#[test]
fn a_successor_first_ends_the_hosts_of_its_predecessor() {
    for use_cgroups in ways() {
        // Whatever the successor has, the records tell what the predecessor had.
        for (successor_uses_cgroups, what) in ways().into_iter().flat_map(|way| [(way, "host"), (way, "command")]) {
            let records = tempfile::tempdir().unwrap();
            let mut other = Other::with(what, &records, use_cgroups);
            other.kill_broker();
            let spawner = Spawner::new(config(&records, successor_uses_cgroups, 1)).unwrap();
            for gone in [&other.host, &other.child, &other.spare] {
                let now = rustix::event::Timespec::default();
                let mut exited = [rustix::event::PollFd::new(gone, rustix::event::PollFlags::IN)];
                assert_eq!(rustix::event::poll(&mut exited, Some(&now)).unwrap(), 1);
            }
            drop(spawner);
            let left = fs::read_dir(records.path().join("hosts")).unwrap();
            assert_eq!(left.count(), 1, "only the lock");
        }
    }
}

#[test]
fn a_living_broker_is_left_alone() {
    let records = tempfile::tempdir().unwrap();
    let mut other = Other::start(&records, true);
    let error = Spawner::new(config(&records, true, 1)).unwrap_err();
    assert!(matches!(error, HostError::InUse { .. }), "{error}");
    other.kill_broker();
    let _clean_up = Spawner::new(config(&records, true, 0)).unwrap();
}
