//! What outlives a broker that is killed: a record of what it may have left running.
//!
//! A record is written before the host it names may run its program and removed after the host
//! is gone, so a new broker finds every host of its dead predecessor, kills it, and only then
//! starts its own: one instance per registration holds across crashes.

use std::cell::Cell;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use bgtask_lock::{Lock, LockError};
use rustix::process::Pid;

use crate::{HostError, cgroup, session};

/// How long a new broker waits, in all, for hosts of its predecessor to die of being killed.
pub const LEFTOVER_WAIT: Duration = Duration::from_secs(10);

/// The records of one broker, which it holds alone.
#[derive(Debug)]
pub(crate) struct Ledger {
    dir: PathBuf,
    boot: String,
    /// How many processes have been recorded, which gives each record its name.
    recorded: Cell<u64>,
    _lock: Lock,
}

impl Ledger {
    /// Takes over `dir` and ends whatever is recorded there.
    pub(crate) fn open(dir: &Path) -> Result<Self, HostError> {
        let failed = |operation| move |error: io::Error| HostError::environment(operation, dir, error);
        DirBuilder::new().recursive(true).mode(0o700).create(dir).map_err(failed("create"))?;
        let lock = Lock::take(&dir.join("lock")).map_err(|error| match error {
            LockError::Held { .. } => HostError::InUse { path: dir.to_owned() },
            LockError::System(error) => failed("lock")(error),
        })?;
        let ledger = Self { dir: dir.to_owned(), boot: boot_id(), recorded: Cell::new(1), _lock: lock };
        ledger.end_leftovers()?;
        Ok(ledger)
    }

    /// Hosts are going to run in the cgroup tree at `path`.
    pub(crate) fn record_tree(&self, path: &Path) -> Result<Record, HostError> {
        self.record("tree", path.as_os_str().as_bytes())
    }

    /// `pid` is going to be a host.
    pub(crate) fn record_process(&self, pid: Pid) -> Result<Record, HostError> {
        let stat =
            session::line_of(pid).map_err(|error| HostError::environment("find in /proc", pid.to_string(), error))?;
        let (record, mut file) = self.record_unborn()?;
        file.write_all(&stat).map_err(|error| HostError::environment("write", &record.0, error))?;
        Ok(record)
    }

    /// A process is going to be born that appends its own line of `/proc/PID/stat` before it runs anything.
    pub(crate) fn record_unborn(&self) -> Result<(Record, File), HostError> {
        let number = self.recorded.get();
        self.recorded.set(number + 1);
        let path = self.dir.join(format!("process-{number}"));
        let failed = |error| HostError::environment("write", &path, error);
        let mut file = OpenOptions::new().append(true).create_new(true).open(&path).map_err(failed)?;
        let record = Record(path.clone());
        file.write_all(format!("{}\n", self.boot).as_bytes()).map_err(failed)?;
        Ok((record, file))
    }

    fn record(&self, name: &str, what: &[u8]) -> Result<Record, HostError> {
        let path = self.dir.join(name);
        let text = [self.boot.as_bytes(), b"\n", what].concat();
        fs::write(&path, text).map_err(|error| HostError::environment("write", &path, error))?;
        Ok(Record(path))
    }

    fn end_leftovers(&self) -> Result<(), HostError> {
        let failed = |error| HostError::environment("list", &self.dir, error);
        let deadline = Instant::now() + LEFTOVER_WAIT;
        for entry in fs::read_dir(&self.dir).map_err(failed)? {
            let path = entry.map_err(failed)?.path();
            let Some(kind) = Kind::of(&path) else {
                continue;
            };
            // One that cannot be read or is torn was being written as the broker died, when no
            // program ran yet; its launcher has left with the broker.
            let text = fs::read(&path).unwrap_or_default();
            let mut parts = text.splitn(2, |&byte| byte == b'\n');
            if parts.next() == Some(self.boot.as_bytes()) {
                match kind {
                    Kind::Tree => end_tree(parts.next().unwrap_or_default(), deadline)?,
                    Kind::Process => end_process(parts.next().unwrap_or_default(), deadline)?,
                }
            }
            Record(path).remove()?;
        }
        Ok(())
    }
}

/// A file that says what runs.
#[derive(Debug)]
pub(crate) struct Record(PathBuf);

impl Record {
    pub(crate) fn remove(&self) -> Result<(), HostError> {
        match fs::remove_file(&self.0) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(HostError::environment("remove", &self.0, error))
            }
            _ => Ok(()),
        }
    }
}

enum Kind {
    Tree,
    Process,
}

impl Kind {
    fn of(path: &Path) -> Option<Self> {
        match path.file_name()?.to_str()? {
            "tree" => Some(Self::Tree),
            name if name.starts_with("process-") => Some(Self::Process),
            _ => None,
        }
    }
}

fn end_tree(path: &[u8], deadline: Instant) -> Result<(), HostError> {
    let path = std::ffi::OsStr::from_bytes(path);
    cgroup::clear_tree(Path::new(path), deadline)
}

fn end_process(line: &[u8], deadline: Instant) -> Result<(), HostError> {
    let Some((pid, start)) = session::parse_line(line) else {
        return Ok(());
    };
    // If the number has another owner by now, its session is none of ours; and if it has none,
    // who is left in the session cannot be told from later owners' sessions.
    if session::start_of(pid) != Some(start) {
        return Ok(());
    }
    session::kill(pid);
    let path = format!("/proc/{}", pid.as_raw_nonzero());
    match session::wait_until_empty(pid, deadline) {
        Ok(true) => Ok(()),
        Ok(false) => Err(HostError::Leftover { path: path.into(), waited: LEFTOVER_WAIT }),
        Err(error) => Err(HostError::environment("wait for", path, error)),
    }
}

/// Process numbers and cgroup paths mean nothing after a reboot. Where it cannot be read it is
/// the same for every broker, and the start time has to tell processes apart.
fn boot_id() -> String {
    let text = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    text.trim().to_owned()
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::CommandExt as _;
    use std::process::{Child, Command};

    use super::*;

    fn sleeper() -> Child {
        let mut command = Command::new("sleep");
        command.arg("1000").process_group(0).spawn().unwrap()
    }

    fn pid(child: &Child) -> Pid {
        Pid::from_child(child)
    }

    #[test]
    fn two_brokers_do_not_share() {
        let dir = tempfile::tempdir().unwrap();
        let _first = Ledger::open(dir.path()).unwrap();
        let second = Ledger::open(dir.path()).unwrap_err();
        assert!(matches!(second, HostError::InUse { .. }), "{second:?}");
    }

    #[test]
    fn a_recorded_process_is_ended_and_forgotten() {
        let dir = tempfile::tempdir().unwrap();
        let mut child = sleeper();
        let ledger = Ledger::open(dir.path()).unwrap();
        let record = ledger.record_process(pid(&child)).unwrap();
        drop(ledger);

        let _next = Ledger::open(dir.path()).unwrap();
        assert!(!child.wait().unwrap().success());
        assert!(!record.0.exists());
    }

    #[test]
    fn a_process_that_merely_has_the_number_is_spared() {
        let dir = tempfile::tempdir().unwrap();
        let mut child = sleeper();
        let (_, start) = session::parse_line(&session::line_of(pid(&child)).unwrap()).unwrap();
        let ledger = Ledger::open(dir.path()).unwrap();
        let (_record, mut file) = ledger.record_unborn().unwrap();
        let other = String::from_utf8(session::line_of(pid(&child)).unwrap()).unwrap();
        file.write_all(other.replace(&format!(" {start} "), &format!(" {} ", start + 1)).as_bytes()).unwrap();
        drop(ledger);

        let _next = Ledger::open(dir.path()).unwrap();
        assert!(child.try_wait().unwrap().is_none());
        child.kill().unwrap();
        child.wait().unwrap();
    }

    #[test]
    fn records_of_another_boot_and_torn_ones_are_forgotten() {
        let dir = tempfile::tempdir().unwrap();
        let own = fs::read_to_string("/proc/self/stat").unwrap();
        fs::write(dir.path().join("process-1"), format!("other\n{own}")).unwrap();
        fs::write(dir.path().join("process-2"), boot_id()).unwrap();
        fs::write(dir.path().join("process-3"), format!("{}\nx", boot_id())).unwrap();
        fs::write(dir.path().join("tree"), format!("{}\n/tmp", boot_id())).unwrap();
        let _ledger = Ledger::open(dir.path()).unwrap();
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1, "only the lock");
    }
}
