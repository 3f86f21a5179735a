//! Keeps launchers waiting, and launches.

use std::collections::VecDeque;
use std::ffi::{CString, OsStr, OsString};
use std::fs::File;
use std::io;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, Resource, Rlimit, getrlimit, pidfd_open};

use crate::cgroup::{BACKGROUND_WEIGHT, Cgroup, Tree};
use crate::command::Home;
use crate::host::{Host, Place};
use crate::ledger::{Ledger, Record};
use crate::limits::{Keepers, Limits};
use crate::priority::Priority;
use crate::raw::{self, Birthplace, Image, SpawnError, Step};
use crate::spare::{Launch, Seats, Spare, channel, pipes};
use crate::{HostError, HostSpec, MAX_PAYLOAD, launcher, message};

/// The most launchers that may be kept waiting.
pub const MAX_SPARES: usize = 16;

/// What a [`Spawner`] is made from.
#[derive(Clone, Debug)]
pub struct SpawnerConfig {
    /// The program whose `main` is [`launcher::main`](crate::launcher::main), an absolute path.
    pub launcher: PathBuf,
    /// Its arguments; none for `bgtask-launcher`.
    pub launcher_args: Vec<OsString>,
    /// How many launchers to keep waiting, at most [`MAX_SPARES`]. With none, every launch waits
    /// for a launcher to start.
    pub spares: usize,
    /// A directory for this alone, the same one across restarts of this broker, which is made if
    /// need be: it says what runs, so that a successor can end it. Best on a file system that
    /// does not survive a reboot.
    pub records: PathBuf,
    /// Whether launchers prepare walls while they wait: whether most hosts will be confined ([`HostSpec::confine`]). The others
    /// are launched all the same, but wait for a launcher to start.
    pub walls: bool,
    /// How much hosts give way to everything else.
    pub priority: Priority,
    /// Whether to look for a cgroup at all. `false` is for tests of the other way.
    pub use_cgroups: bool,
}

/// What holds the processes of a host together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Containment {
    /// Each host is born in a cgroup of its own below this one.
    Cgroup {
        /// The directory that holds the hosts' cgroups.
        path: PathBuf,
    },
    /// Only the session of each host; see the crate's documentation for what that lacks.
    Session {
        /// Why there are no cgroups.
        why: String,
    },
}

/// Makes hosts. Outlives them, best: what is dropped after it leaves a directory to its successor.
#[derive(Debug)]
pub struct Spawner {
    spares: VecDeque<Spare>,
    wanted: usize,
    walls: bool,
    launcher: PathBuf,
    launcher_args: Vec<OsString>,
    image: Image,
    tree: Option<RecordedTree>,
    containment: Containment,
    ledger: Ledger,
    /// How many files a host may open: as many as the broker could when this was made.
    open_files: Rlimit,
    /// What the out-of-memory killer is told about a command.
    oom_score: String,
    has_terminal: bool,
    /// `/dev/null`
    nothing: OwnedFd,
    /// Whether the kernel has spawned into a cgroup.
    cgroups_work: bool,
}

impl Spawner {
    /// Ends what a dead predecessor left running, chooses the containment and spawns the spares.
    ///
    /// Hosts get the limit of open files this process has now: the broker may raise its own afterwards, while a program that
    /// uses `select` must not get more than its user gave it.
    ///
    /// Waits at most [`LEFTOVER_WAIT`](crate::LEFTOVER_WAIT) for the predecessor's hosts to die.
    ///
    /// # Errors
    ///
    /// Fails if another broker uses [`SpawnerConfig::records`], if a host of the predecessor
    /// cannot be killed, or if the launcher cannot be run. Lack of a cgroup is no error but a
    /// [`Containment::Session`].
    pub fn new(config: SpawnerConfig) -> Result<Self, HostError> {
        if config.spares > MAX_SPARES {
            return Err(HostError::TooMany { what: "waiting launchers", count: config.spares, max: MAX_SPARES });
        }
        let launcher_args = [config.launcher_args.as_slice(), &config.priority.arguments()].concat();
        let image = image(&config.launcher, &launcher_args)?;
        let ledger = Ledger::open(&config.records)?;
        let tree = match config.use_cgroups {
            true => RecordedTree::create(&ledger),
            false => Err("cgroups are switched off".to_owned()),
        };
        let (tree, containment) = match tree {
            Ok(tree) => {
                let path = tree.tree.path().to_owned();
                (Some(tree), Containment::Cgroup { path })
            }
            Err(why) => (None, Containment::Session { why }),
        };
        let mut spawner = Self {
            spares: VecDeque::new(),
            wanted: config.spares,
            walls: config.walls,
            image,
            launcher: config.launcher,
            launcher_args,
            tree,
            containment,
            ledger,
            open_files: getrlimit(Resource::Nofile),
            oom_score: launcher::raised_oom_score().unwrap_or_default(),
            has_terminal: File::open("/dev/tty").is_ok(),
            nothing: nothing()?,
            cgroups_work: false,
        };
        spawner.refill()?;
        Ok(spawner)
    }

    /// Makes a waiting launcher run `spec`, or a new one if none waits. Call
    /// [`refill`](Self::refill) once there is time.
    ///
    /// The host has `payload` as its descriptors from 4 on, in order, and is bounded by `limits` as far as the kernel does
    /// that here; [`Host::watched`](crate::Host::watched) tells what is left to do.
    ///
    /// # Errors
    ///
    /// Fails if `spec` cannot be run by anybody, or the machine is out of a resource. That the
    /// program is missing is known later, from [`Launch::start`].
    pub fn launch(&mut self, spec: &HostSpec, payload: &[BorrowedFd<'_>], limits: Limits) -> Result<Launch, HostError> {
        let spec = &self.held_together(spec);
        let order = message::encode(spec)?;
        let walls = spec.confine.is_some();
        if payload.len() > MAX_PAYLOAD {
            return Err(HostError::TooMany { what: "descriptors for a host", count: payload.len(), max: MAX_PAYLOAD });
        }
        let (channel, theirs) = channel().map_err(|error| self.failed("make a channel for", error))?;
        let fds = [&[theirs.as_fd()], payload].concat();
        loop {
            let waited = self.take_spare(walls);
            let is_last = waited.is_none();
            let mut spare = match waited {
                Some(spare) => spare,
                None => self.spawn(walls)?,
            };
            spare.host.limit(limits);
            match spare.order(&order, &fds) {
                Ok(()) => return Ok(spare.into_launch(channel, spec, &self.launcher)),
                // It died while it waited: somebody killed it. The next one may do.
                Err(Errno::PIPE | Errno::CONNRESET) if !is_last => {}
                Err(errno) => return Err(spare.complaint(&self.launcher, errno)),
            }
        }
    }

    /// Spawns the launchers that are missing. For when nobody waits: one takes about a
    /// millisecond.
    ///
    /// # Errors
    ///
    /// Fails if the launcher cannot be run or the machine is out of a resource.
    pub fn refill(&mut self) -> Result<(), HostError> {
        while self.spares.len() < self.wanted {
            let spare = self.spawn(self.walls)?;
            self.spares.push_back(spare);
        }
        Ok(())
    }

    /// What holds the processes of a host together. The kernel's word on cgroups is known with
    /// the first launcher that is spawned, for which [`new`](Self::new) sees if spares are wanted.
    #[must_use]
    pub fn containment(&self) -> &Containment {
        &self.containment
    }

    /// Who keeps the [`Limits`] of a host here.
    #[must_use]
    pub fn keepers(&self) -> Keepers {
        self.tree.as_ref().map_or(Keepers::NONE, |recorded| Keepers::of_tree(recorded.tree.path()))
    }

    /// Where a command is going to live. That it can be born there has been seen, or is seen now.
    pub(crate) fn home(&mut self) -> Result<Home, HostError> {
        if self.tree.is_some() && !self.cgroups_work {
            drop(self.spawn_contained(false)?);
        }
        if let Some(recorded) = &mut self.tree {
            let tree = recorded.tree.path().to_owned();
            let cgroup =
                recorded.tree.add().map_err(|error| HostError::environment("make a cgroup in", &tree, error))?;
            return Ok(Home::in_cgroup(cgroup));
        }
        let (record, file) = self.ledger.record_unborn()?;
        Ok(Home::in_session(record, file))
    }

    /// What puts up the walls of a command.
    pub(crate) fn launcher(&self) -> &Path {
        &self.launcher
    }

    /// Standard input of a command.
    pub(crate) fn nothing(&self) -> io::Result<OwnedFd> {
        self.nothing.try_clone()
    }

    /// Whether this process has a terminal, which a command must not find.
    pub(crate) fn has_terminal(&self) -> bool {
        self.has_terminal
    }

    pub(crate) fn open_files(&self) -> Rlimit {
        self.open_files
    }

    pub(crate) fn oom_score(&self) -> &str {
        &self.oom_score
    }

    fn take_spare(&mut self, walls: bool) -> Option<Spare> {
        let fitting = self.spares.iter().position(|spare| spare.has_walls() == walls)?;
        self.spares.remove(fitting)
    }

    /// A session is all that holds the processes of a host together where there is no cgroup: what is confined cannot leave it.
    fn held_together(&self, spec: &HostSpec) -> HostSpec {
        let mut spec = spec.clone();
        if let (Some(plan), Containment::Session { .. }) = (&mut spec.confine, &self.containment) {
            plan.one_session = true;
        }
        spec
    }

    fn spawn(&mut self, walls: bool) -> Result<Spare, HostError> {
        let spare = self.spawn_contained(walls)?;
        spare.host.limit_open_files(self.open_files);
        Ok(spare)
    }

    fn spawn_contained(&mut self, walls: bool) -> Result<Spare, HostError> {
        let (spare, seats) = pipes(walls).map_err(|error| self.failed("make pipes for", error))?;
        if let Some(recorded) = &mut self.tree {
            let tree = recorded.tree.path().to_owned();
            let failed = |error| HostError::environment("make a cgroup in", &tree, error);
            let cgroup = recorded.tree.add().map_err(failed)?;
            cgroup.weigh(BACKGROUND_WEIGHT);
            let [control, output, errors] = seats.stdio();
            let steps = [Step::Seat(control, 0), Step::Seat(output, 1), Step::Seat(errors, 2)];
            let place = Birthplace { cgroup: Some(cgroup.dir()), ..Birthplace::default() };
            match raw::spawn(&self.image, &steps, place) {
                Ok(child) => {
                    self.cgroups_work = true;
                    let host = Host::new(child.pid, child.pidfd, Place::Cgroup(cgroup));
                    return Ok(spare.with(host));
                }
                Err(error) => self.without_cgroup(&cgroup, error)?,
            }
        }
        let host = self.spawn_in_session(seats)?;
        Ok(spare.with(host))
    }

    /// Decides after a spawn into a cgroup has failed: `Ok` is to do without from now on.
    fn without_cgroup(&mut self, cgroup: &Cgroup, error: SpawnError) -> Result<(), HostError> {
        let _leftover = cgroup.remove();
        match error {
            SpawnError::Execute(_, error) | SpawnError::Step(_, error) => {
                Err(self.failed("execute the launcher", error))
            }
            SpawnError::Clone(error) if is_shortage(&error) => Err(self.failed("spawn", error)),
            SpawnError::Clone(error) => {
                if let Some(tree) = self.tree.take() {
                    tree.remove();
                }
                let why = format!("no process can be spawned into a cgroup: {error}");
                self.containment = Containment::Session { why };
                Ok(())
            }
        }
    }

    fn spawn_in_session(&self, seats: Seats) -> Result<Host, HostError> {
        let mut child = Command::new(&self.launcher)
            .args(&self.launcher_args)
            .env_clear()
            .stdin(seats.control)
            .stdout(seats.output)
            .stderr(seats.errors)
            .spawn()
            .map_err(|error| self.failed("execute the launcher", error))?;
        let pid = Pid::from_child(&child);
        let pidfd = pidfd_open(pid, PidfdFlags::empty()).map_err(|errno| {
            let _ended = child.kill().and_then(|()| child.wait());
            self.failed("watch the process of", errno)
        })?;
        let mut host = Host::new(pid, pidfd, Place::Session(None));
        host.record(self.ledger.record_process(pid)?);
        Ok(host)
    }

    fn failed(&self, operation: &'static str, error: impl Into<io::Error>) -> HostError {
        HostError::environment(operation, &self.launcher, error)
    }
}

impl Drop for Spawner {
    fn drop(&mut self) {
        self.spares.clear();
        if let Some(tree) = self.tree.take() {
            tree.remove();
        }
    }
}

/// A tree that a successor would find.
#[derive(Debug)]
struct RecordedTree {
    tree: Tree,
    record: Record,
}

impl RecordedTree {
    fn create(ledger: &Ledger) -> Result<Self, String> {
        let path = Tree::place()?;
        let record = ledger.record_tree(&path).map_err(|error| error.to_string())?;
        match Tree::create(path.clone()) {
            Ok(tree) => Ok(Self { tree, record }),
            Err(error) => {
                let _harmless = record.remove();
                Err(format!("cannot create {}: {error}", path.display()))
            }
        }
    }

    /// Unless a host still runs in it, which a successor has to find.
    fn remove(&self) {
        if self.tree.remove().is_ok() {
            let _harmless = self.record.remove();
        }
    }
}

fn nothing() -> Result<OwnedFd, HostError> {
    const PATH: &str = "/dev/null";
    File::open(PATH).map(OwnedFd::from).map_err(|error| HostError::environment("open", PATH, error))
}

fn image(launcher: &Path, args: &[OsString]) -> Result<Image, HostError> {
    if !launcher.is_absolute() {
        return Err(HostError::NotAbsolute { what: "launcher", path: launcher.to_owned() });
    }
    let passable = |text: &OsStr| {
        CString::new(text.as_bytes())
            .map_err(|_| HostError::Unpassable { what: "launcher", text: text.to_string_lossy().into_owned() })
    };
    let program = passable(launcher.as_os_str())?;
    let args = args.iter().map(|arg| passable(arg));
    let args = std::iter::once(Ok(program.clone())).chain(args);
    Ok(Image { args: args.collect::<Result<_, _>>()?, programs: vec![program], ..Image::default() })
}

/// Whether it may work later, so that there is no reason to do without cgroups.
fn is_shortage(error: &io::Error) -> bool {
    matches!(Errno::from_io_error(error), Some(Errno::AGAIN | Errno::NOMEM | Errno::MFILE | Errno::NFILE))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spawner() -> (Spawner, tempfile::TempDir) {
        let records = tempfile::tempdir().unwrap();
        let spawner = Spawner::new(SpawnerConfig {
            launcher: "/bin/true".into(),
            launcher_args: vec![],
            spares: 0,
            records: records.path().to_owned(),
            walls: false,
            priority: Priority::default(),
            use_cgroups: true,
        });
        (spawner.unwrap(), records)
    }

    #[test]
    fn a_kernel_without_the_call_degrades_openly() {
        let (mut spawner, records) = spawner();
        let Some(recorded) = &mut spawner.tree else {
            return;
        };
        let tree = recorded.tree.path().to_owned();
        let cgroup = recorded.tree.add().unwrap();
        let shortage = SpawnError::Clone(Errno::AGAIN.into());
        assert!(spawner.without_cgroup(&cgroup, shortage).is_err());
        assert!(matches!(spawner.containment(), Containment::Cgroup { .. }));

        let refusal = SpawnError::Clone(Errno::NOSYS.into());
        spawner.without_cgroup(&cgroup, refusal).unwrap();
        let Containment::Session { why } = spawner.containment() else {
            panic!("still believes in cgroups");
        };
        assert!(why.contains("Function not implemented"), "{why}");
        assert!(!tree.exists());
        assert!(!records.path().join("tree").exists());
    }
}
