//! A cgroup v2 tree: one directory for the broker, in it one for each host.
//!
//! No controller is needed. A bare cgroup already knows all its processes, stops and kills them at once,
//! tells when the last one is gone and counts their CPU time. With controllers it keeps bounds, too.

mod account;
mod bounds;

use std::collections::HashSet;
use std::ffi::OsStr;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::fd::{AsFd as _, BorrowedFd};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{FileExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::time::{Instant, SystemTime};

use rustix::event::{PollFd, PollFlags, poll};
use rustix::process::{Pid, PidfdFlags, Signal, kill_process, pidfd_open, pidfd_send_signal};

use crate::HostError;
use crate::delegation::territory;
use crate::session::remaining;
pub(crate) use bounds::BACKGROUND_WEIGHT;

/// The start of every name this crate gives a tree, so that nothing else is ever killed.
const TREE_PREFIX: &str = "bgtask-hosts-";

/// How often the processes of a cgroup are listed and killed where the kernel cannot do it at
/// once. The cgroup is frozen, so one pass finds all; the rest is for kernels that thaw it.
const KILL_PASSES: usize = 8;

/// The most cgroups that a host may have made below its own, for them to be cleaned away.
const MAX_NESTED: usize = 256;

/// The broker's part of the hierarchy.
#[derive(Debug)]
pub(crate) struct Tree {
    path: PathBuf,
    made: u64,
}

impl Tree {
    /// A place for a new tree: below the cgroup that was delegated, where that is known to be the one above, else below
    /// the cgroup of this process.
    pub(crate) fn place() -> Result<PathBuf, String> {
        let broker = std::process::id();
        // The number of a dead broker may come again, and a process may be two brokers.
        let moment = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        let moment = moment.unwrap_or_default().as_nanos();
        let own = own()?;
        Ok(territory(&own).join(format!("{TREE_PREFIX}{broker}-{moment:x}")))
    }

    pub(crate) fn create(path: PathBuf) -> io::Result<Self> {
        if let Some(above) = path.parent() {
            sweep(above);
        }
        fs::create_dir(&path)?;
        bounds::enable(&path);
        Ok(Self { path, made: 0 })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn add(&mut self) -> io::Result<Cgroup> {
        self.made += 1;
        Cgroup::create(self.path.join(self.made.to_string()))
    }

    /// Fails while a host is in it.
    pub(crate) fn remove(&self) -> io::Result<()> {
        fs::remove_dir(&self.path)
    }
}

/// The directory in which a broker that runs has its hosts' cgroups, if it has.
#[must_use]
pub fn tree_of(broker: u32) -> Option<PathBuf> {
    let own = of_process(&broker.to_string()).ok()?;
    let start = format!("{TREE_PREFIX}{broker}-");
    let places = own.parent().into_iter().chain([own.as_path()]).filter_map(|place| fs::read_dir(place).ok());
    let mut entries = places.flatten().flatten();
    entries.find(|entry| entry.file_name().as_bytes().starts_with(start.as_bytes())).map(|entry| entry.path())
}

/// Whether systemd gave a cgroup to its unit, as it notes on it. With `DelegateSubgroup=` the processes of the unit are in one
/// below, so that there may be controllers beside them.
pub(crate) fn is_delegated(cgroup: &Path) -> bool {
    let mut value = [0; 1];
    rustix::fs::getxattr(cgroup, c"user.delegate", &mut value) == Ok(1) && value == *b"1"
}

/// Removes the empty trees that dead brokers left in a cgroup: those that were killed and never started again. The
/// kernel refuses to remove what is in use, so nothing that lives is touched.
fn sweep(above: &Path) {
    let Ok(entries) = fs::read_dir(above) else { return };
    for entry in entries.flatten() {
        let name = entry.file_name();
        let broker = name.to_str().and_then(|name| name.strip_prefix(TREE_PREFIX)?.split('-').next()?.parse().ok());
        let lives = |pid: u32| Path::new("/proc").join(pid.to_string()).exists();
        if broker.is_some_and(|pid| !lives(pid)) {
            let hosts = fs::read_dir(entry.path()).into_iter().flatten().flatten();
            for host in hosts.filter(|host| host.path().is_dir()) {
                let _in_use = fs::remove_dir(host.path());
            }
            let _in_use = fs::remove_dir(entry.path());
        }
    }
}

/// Kills all that runs in the tree an earlier broker left at `path`, and removes it.
pub(crate) fn clear_tree(path: &Path, deadline: Instant) -> Result<(), HostError> {
    match end_tree(path, deadline) {
        // Another broker swept it away in the meantime.
        Err(_) if !path.exists() => Ok(()),
        ended => ended,
    }
}

fn end_tree(path: &Path, deadline: Instant) -> Result<(), HostError> {
    let failed = |operation| move |error| HostError::environment(operation, path, error);
    let ours = |name: &OsStr| name.as_bytes().starts_with(TREE_PREFIX.as_bytes());
    if !path.file_name().is_some_and(ours) || !path.join("cgroup.procs").exists() {
        return Ok(());
    }
    let cgroup = Cgroup::open(path.to_owned()).map_err(failed("open the cgroup"))?;
    cgroup.kill().map_err(failed("kill the cgroup"))?;
    if !cgroup.wait_until_empty(deadline).map_err(failed("watch the cgroup"))? {
        return Err(HostError::Leftover { path: path.to_owned(), waited: crate::LEFTOVER_WAIT });
    }
    cgroup.remove().map_err(failed("remove the cgroup"))
}

/// The cgroup of one host.
#[derive(Debug)]
pub(crate) struct Cgroup {
    path: PathBuf,
    dir: File,
    events: File,
}

impl Cgroup {
    fn create(path: PathBuf) -> io::Result<Self> {
        fs::create_dir(&path)?;
        Self::open(path)
    }

    fn open(path: PathBuf) -> io::Result<Self> {
        let dir = OpenOptions::new().read(true).custom_flags(libc::O_DIRECTORY).open(&path)?;
        let events = File::open(path.join("cgroup.events"))?;
        Ok(Self { path, dir, events })
    }

    /// Whether a cgroup is this one or below it. Only the end of the path is compared, as a process may see the hierarchy from
    /// below its root; that of a tree and a host in it is like no other.
    pub(crate) fn holds(&self, cgroup: &str) -> bool {
        let mut own = self.path.iter().rev();
        let (Some(name), Some(above)) = (own.next(), own.next()) else { return false };
        let names: Vec<_> = Path::new(cgroup).iter().collect();
        names.windows(2).any(|pair| pair == [above, name])
    }

    /// What a child is spawned into.
    pub(crate) fn dir(&self) -> BorrowedFd<'_> {
        self.dir.as_fd()
    }

    /// Has a priority event whenever [`is_empty`](Self::is_empty) changed since it was last asked.
    pub(crate) fn events(&self) -> BorrowedFd<'_> {
        self.events.as_fd()
    }

    pub(crate) fn is_empty(&self) -> io::Result<bool> {
        let mut text = [0; 64];
        let length = self.events.read_at(&mut text, 0)?;
        let mut lines = text[..length].split(|&byte| byte == b'\n');
        Ok(lines.any(|line| line == b"populated 0"))
    }

    pub(crate) fn wait_until_empty(&self, deadline: Instant) -> io::Result<bool> {
        while !self.is_empty()? {
            let Some(left) = remaining(deadline) else {
                return Ok(false);
            };
            let mut changed = [PollFd::new(&self.events, PollFlags::PRI)];
            match poll(&mut changed, Some(&left)) {
                Ok(_) | Err(rustix::io::Errno::INTR) => {}
                Err(errno) => return Err(errno.into()),
            }
        }
        Ok(true)
    }

    /// Kills every process in it and below; they are gone once it is empty.
    pub(crate) fn kill(&self) -> io::Result<()> {
        if self.is_empty()? {
            return Ok(());
        }
        match write_file(&self.path.join("cgroup.kill"), "1") {
            // Before Linux 5.14.
            Err(error) if error.kind() == io::ErrorKind::NotFound => self.kill_each(),
            other => other,
        }
    }

    fn kill_each(&self) -> io::Result<()> {
        write_file(&self.path.join("cgroup.freeze"), "1")?;
        for _ in 0..KILL_PASSES {
            for dir in self.nested() {
                let list = fs::read_to_string(dir.join("cgroup.procs"))?;
                for pid in list.lines().filter_map(parse_pid) {
                    let _gone = kill_process(pid, Signal::KILL);
                }
            }
            if self.is_empty()? {
                break;
            }
        }
        Ok(())
    }

    /// Sends `signal` to every process in it and below.
    pub(crate) fn signal(&self, signal: Signal) -> io::Result<()> {
        // Once: what a process starts because it was told, such as a shell's trap, is not told itself.
        let held: Vec<_> = self
            .processes()?
            .into_iter()
            .filter_map(|pid| Some((pid, pidfd_open(pid, PidfdFlags::empty()).ok()?)))
            .collect();
        // Who is still listed is who is held: a number that changed its owner in between is not.
        let listed: HashSet<Pid> = self.processes()?.into_iter().collect();
        for (_, process) in held.into_iter().filter(|(pid, _)| listed.contains(pid)) {
            match pidfd_send_signal(process, signal) {
                Ok(()) | Err(rustix::io::Errno::SRCH) => {}
                Err(errno) => return Err(errno.into()),
            }
        }
        Ok(())
    }

    fn processes(&self) -> io::Result<Vec<Pid>> {
        let mut pids = Vec::new();
        for dir in self.nested() {
            match fs::read_to_string(dir.join("cgroup.procs")) {
                Ok(list) => pids.extend(list.lines().filter_map(parse_pid)),
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
        Ok(pids)
    }

    /// Stops all its processes where they are, or lets them go on. The last of them may take a moment more.
    pub(crate) fn freeze(&self, frozen: bool) -> io::Result<()> {
        write_file(&self.path.join("cgroup.freeze"), if frozen { "1" } else { "0" })
    }

    /// Removes it and what was made below it. Fails with `EBUSY` while a process is in it.
    pub(crate) fn remove(&self) -> io::Result<()> {
        if fs::remove_dir(&self.path).is_ok() {
            return Ok(());
        }
        for dir in self.nested().iter().rev() {
            match fs::remove_dir(dir) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        Ok(())
    }

    /// It and the cgroups below it, each behind its parent.
    fn nested(&self) -> Vec<PathBuf> {
        let mut dirs = vec![self.path.clone()];
        let mut next = 0;
        while let Some(dir) = dirs.get(next).cloned() {
            next += 1;
            let Ok(entries) = fs::read_dir(dir) else {
                continue;
            };
            for entry in entries.flatten() {
                if entry.file_type().is_ok_and(|kind| kind.is_dir()) && dirs.len() < MAX_NESTED {
                    dirs.push(entry.path());
                }
            }
        }
        dirs
    }
}

/// The cgroup of this process, or why there is none to be seen.
pub(crate) fn own() -> Result<PathBuf, String> {
    of_process("self")
}

fn of_process(process: &str) -> Result<PathBuf, String> {
    let read = |path: String| fs::read(&path).map_err(|error| format!("cannot read {path}: {error}"));
    let mounts = read("/proc/self/mountinfo".to_owned())?;
    let membership = read(format!("/proc/{process}/cgroup"))?;
    locate(&mounts, &membership)
}

fn locate(mounts: &[u8], membership: &[u8]) -> Result<PathBuf, String> {
    let (root, point) = lines(mounts).find_map(parse_mount).ok_or("no cgroup v2 hierarchy is mounted")?;
    let cgroup =
        lines(membership).find_map(|line| line.strip_prefix(b"0::")).ok_or("this process is in no cgroup v2")?;
    let cgroup = Path::new(OsStr::from_bytes(cgroup));
    let below = cgroup.strip_prefix(&root).map_err(|_| "the cgroup of this process is outside of what is mounted")?;
    if below.starts_with("..") {
        return Err("the cgroup of this process is outside of its namespace".to_owned());
    }
    Ok(point.join(below))
}

/// Root and mount point of a line of mountinfo, if it is a cgroup v2.
fn parse_mount(line: &[u8]) -> Option<(PathBuf, PathBuf)> {
    let mut fields = line.split(|&byte| byte == b' ');
    let root = unescape(fields.nth(3)?);
    let point = unescape(fields.next()?);
    let kind = fields.skip_while(|field| field != b"-").nth(1)?;
    (kind == b"cgroup2").then_some((root, point))
}

/// mountinfo writes blanks and backslashes as three octal digits.
fn unescape(field: &[u8]) -> PathBuf {
    let mut plain = Vec::with_capacity(field.len());
    let mut rest = field;
    while let Some((&first, tail)) = rest.split_first() {
        let octal = (first == b'\\').then(|| tail.split_first_chunk::<3>()).flatten().and_then(|(digits, after)| {
            let digits = str::from_utf8(digits).ok()?;
            Some((u8::from_str_radix(digits, 8).ok()?, after))
        });
        let (byte, after) = octal.unwrap_or((first, tail));
        plain.push(byte);
        rest = after;
    }
    PathBuf::from(OsStr::from_bytes(&plain))
}

fn lines(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    text.split(|&byte| byte == b'\n')
}

fn parse_pid(line: &str) -> Option<Pid> {
    line.parse().ok().and_then(Pid::from_raw)
}

/// Unlike `fs::write` this creates nothing and truncates nothing.
pub(crate) fn write_file(path: &Path, text: &str) -> io::Result<()> {
    let file = OpenOptions::new().write(true).open(path)?;
    file.write_all_at(text.as_bytes(), 0)
}

#[cfg(test)]
pub(crate) mod tests {
    use std::process::Command;

    use super::*;
    use crate::LEFTOVER_WAIT;

    const HOST: &[u8] = b"22 1 0:21 / /proc rw - proc proc rw\n\
        31 23 0:26 / /sys/fs/cgroup rw,nosuid shared:9 - cgroup2 cgroup2 rw\n";
    const HYBRID: &[u8] = b"32 31 0:29 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu\n\
        41 31 0:38 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n";
    const DOCKER: &[u8] = b"41 31 0:38 /docker/a\\040b /sys/fs/cgroup ro - cgroup2 cgroup rw\n";

    fn located(mounts: &[u8], membership: &[u8]) -> Result<String, String> {
        locate(mounts, membership).map(|path| path.to_str().unwrap().to_owned())
    }

    #[test]
    fn the_own_cgroup_is_found_in_every_layout() {
        let unit = b"0::/user.slice/bgtask.service\n";
        let ok = |path: &str| Ok(path.to_owned());
        assert_eq!(located(HOST, unit), ok("/sys/fs/cgroup/user.slice/bgtask.service"));
        assert_eq!(located(HYBRID, b"8:pids:/\n0::/\n"), ok("/sys/fs/cgroup/unified/"));
        assert_eq!(located(DOCKER, b"0::/docker/a b/x\n"), ok("/sys/fs/cgroup/x"));
    }

    #[test]
    fn without_a_visible_cgroup_the_reason_is_told() {
        assert!(located(b"", b"0::/\n").unwrap_err().contains("no cgroup v2"));
        assert!(located(HOST, b"8:pids:/\n").unwrap_err().contains("in no cgroup"));
        assert!(located(DOCKER, b"0::/else\n").unwrap_err().contains("outside"));
        assert!(located(HOST, b"0::/../x\n").unwrap_err().contains("namespace"));
    }

    #[test]
    fn only_a_tree_of_ours_is_ever_cleared() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("cgroup.procs"), "").unwrap();
        clear_tree(dir.path(), Instant::now()).unwrap();
        assert!(dir.path().join("cgroup.procs").exists());
    }

    /// Files as in a cgroup that nothing leaves.
    pub(super) fn undying(dir: &Path) -> PathBuf {
        let path = dir.join(format!("{TREE_PREFIX}test"));
        fs::create_dir(&path).unwrap();
        for file in ["cgroup.procs", "cgroup.kill", "cgroup.freeze"] {
            fs::write(path.join(file), "").unwrap();
        }
        fs::write(path.join("cgroup.events"), "populated 1\nfrozen 0\n").unwrap();
        path
    }

    #[test]
    fn what_does_not_die_is_told_and_not_waited_for_for_ever() {
        let dir = tempfile::tempdir().unwrap();
        let path = undying(dir.path());
        let error = clear_tree(&path, Instant::now()).unwrap_err();
        assert!(matches!(error, HostError::Leftover { .. }), "{error}");
        assert_eq!(fs::read_to_string(path.join("cgroup.kill")).unwrap(), "1");
        Cgroup::open(path).unwrap().kill_each().unwrap();
    }

    #[test]
    fn no_more_than_the_bound_is_cleaned_away() {
        let dir = tempfile::tempdir().unwrap();
        let cgroup = Cgroup::open(undying(dir.path())).unwrap();
        for number in 0..MAX_NESTED {
            fs::create_dir(cgroup.path.join(number.to_string())).unwrap();
        }
        assert_eq!(cgroup.nested().len(), MAX_NESTED);
        assert_eq!(cgroup.remove().unwrap_err().kind(), io::ErrorKind::DirectoryNotEmpty);
    }

    #[test]
    fn what_systemd_delegated_is_known_by_its_mark() {
        let dir = tempfile::tempdir().unwrap();
        assert!(!is_delegated(dir.path()));
        let mark =
            |value: &[u8]| rustix::fs::setxattr(dir.path(), c"user.delegate", value, rustix::fs::XattrFlags::empty());
        if mark(b"0").is_err() {
            eprintln!("this file system has no extended attributes");
            return;
        }
        assert!(!is_delegated(dir.path()));
        mark(b"1").unwrap();
        assert!(is_delegated(dir.path()));
    }

    #[test]
    fn an_older_kernel_kills_one_by_one() {
        let Ok(place) = Tree::place() else {
            return;
        };
        let Ok(mut tree) = Tree::create(place) else {
            return;
        };
        let cgroup = tree.add().unwrap();
        let nested = cgroup.path.join("nested");
        fs::create_dir(&nested).unwrap();
        let mut sleeper = Command::new("sleep").arg("1000").spawn().unwrap();
        write_file(&nested.join("cgroup.procs"), &sleeper.id().to_string()).unwrap();
        assert!(!cgroup.is_empty().unwrap());
        assert_eq!(cgroup.remove().unwrap_err().kind(), io::ErrorKind::ResourceBusy);

        cgroup.kill_each().unwrap();
        assert!(cgroup.wait_until_empty(Instant::now() + LEFTOVER_WAIT).unwrap());
        cgroup.remove().unwrap();
        assert!(!sleeper.wait().unwrap().success());
        tree.remove().unwrap();
    }
}
