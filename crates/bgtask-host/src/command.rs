//! Commands: any program, run for a person.
//!
//! A command needs no launcher: it is spawned as what it is, in two halves. [`Spawner::prepare`] takes all that the broker
//! has to give, [`Prepared::start`] waits for the program's file system and may do so on another thread.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::ffi::{CStr, CString, OsStr, OsString};
use std::fs::File;
use std::io::{self, PipeReader, PipeWriter};
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt as _;
use std::path::PathBuf;

use bgtask_confine::Plan;
use rustix::io::Errno;
use rustix::process::{Rlimit, getegid, geteuid, getpriority_process};

use crate::cgroup::Cgroup;
use crate::host::{Host, Place};
use crate::ledger::Record;
use crate::priority::NICE;
use crate::raw::{self, Birthplace, Child, Image, Network, Resource, SpawnError, Step};
use crate::search::{self, SHELL, c_string};
use crate::spec::{absolute, passable, variable};
use crate::{Containment, HostError, MAX_PAYLOAD, MAX_SPEC_BYTES, Spawner, launcher, sealed};

/// The number of the first descriptor that a command is given besides 0 to 2.
pub const FIRST_DESCRIPTOR: u32 = 3;

/// What a command is to run, and how.
#[derive(Debug)]
pub struct CommandSpec {
    /// The program and its arguments. A program without a `/` is looked for in the `PATH` of [`env`](Self::env), one with
    /// a `/` from [`dir`](Self::dir) on; a script without a `#!` line is run by `/bin/sh`. As `execvpe` does.
    pub argv: Vec<OsString>,
    /// The complete environment: nothing is inherited. The last of equal names wins.
    pub env: Vec<(OsString, OsString)>,
    /// The directory to start in, an absolute path.
    pub dir: PathBuf,
    /// Descriptors for the command, at most [`MAX_PAYLOAD`], each with the variable that tells it the number:
    /// `("BGTASK_DETAILS_FD", details)`. They are numbered from [`FIRST_DESCRIPTOR`] on, in order.
    pub descriptors: Vec<(OsString, OwnedFd)>,
    /// Whether everything else goes first: a nice value of [`NICE`], and the disk only when it is idle.
    pub nice: bool,
    /// Whether it sees the network. If not it is in a network namespace that has no interface but a loopback that is down.
    /// Where the broker is not privileged that takes a user namespace, in which the command is only itself: `sudo` and
    /// the like do not work in it.
    pub network: bool,
    /// The most memory that it may have, in bytes; [`Running::memory`] tells what that means on this machine.
    pub memory: Option<u64>,
    /// The walls it is behind; none where there is no plan. The launcher puts them up: that it cannot, or that there is no such
    /// program, is an exit with [`NOT_EXECUTED`] then, and said on standard error.
    pub confine: Option<Plan>,
}

/// The exit status of a confined command that could not be executed, as of a shell.
pub const NOT_EXECUTED: i32 = launcher::FAILED;

/// How a bound on memory is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MemoryBound {
    /// For all processes together, files in the cache included; the kernel ends the whole command if it needs more.
    Together,
    /// For the private memory of each process by itself; it is refused more. The broker's cgroup has no memory controller.
    EachProcess,
}

/// A command that has started.
#[derive(Debug)]
pub struct Running {
    /// The process.
    pub host: Host,
    /// What it writes to standard output and error; reading it does not block.
    pub output: PipeReader,
    /// How the bound on its memory is kept; `None` if there is none.
    pub memory: Option<MemoryBound>,
}

/// A command with everything it needs from the broker. Dropping it gives all of it back.
#[derive(Debug)]
pub struct Prepared {
    image: Image,
    dir: CString,
    descriptors: Vec<OwnedFd>,
    stdin: OwnedFd,
    output: (PipeReader, PipeWriter),
    home: Home,
    own_session: bool,
    nice: bool,
    network: bool,
    memory: Option<(u64, MemoryBound)>,
    open_files: Rlimit,
    oom_score: Vec<u8>,
    /// For the error: what was looked for, and where.
    sought: (OsString, Option<OsString>),
}

/// Where a command that is not yet born will live; given back if it never is.
#[derive(Debug)]
pub(crate) struct Home {
    place: Option<Place>,
    /// Gets the line of `/proc/self/stat`.
    record: Option<File>,
}

impl CommandSpec {
    /// A command with the network and without any bound or extra descriptor.
    #[must_use]
    pub fn new(argv: Vec<OsString>, env: Vec<(OsString, OsString)>, dir: PathBuf) -> Self {
        Self { argv, env, dir, descriptors: vec![], nice: false, network: true, memory: None, confine: None }
    }
}

impl CommandSpec {
    fn check(&self) -> Result<(), HostError> {
        absolute("working directory", &self.dir)?;
        passable("working directory", self.dir.as_os_str())?;
        if self.argv.first().is_none_or(|program| program.is_empty()) {
            return Err(HostError::NoProgram);
        }
        for arg in &self.argv {
            passable("argument", arg)?;
        }
        for (name, value) in &self.env {
            variable(name, value)?;
        }
        for (name, _) in &self.descriptors {
            variable(name, "".as_ref())?;
        }
        bounded("descriptors for a command", self.descriptors.len(), MAX_PAYLOAD)?;
        bounded("bytes of program, arguments and environment", self.bytes(), MAX_SPEC_BYTES)
    }

    /// As the kernel counts them: each with its zero, and a variable with its equals sign.
    fn bytes(&self) -> usize {
        let args = self.argv.iter().map(|arg| arg.len() + 1);
        let env = self.env.iter().map(|(name, value)| name.len() + value.len() + 2);
        self.dir.as_os_str().len() + args.chain(env).sum::<usize>()
    }
}

fn bounded(what: &'static str, count: usize, max: usize) -> Result<(), HostError> {
    if count > max { Err(HostError::TooMany { what, count, max }) } else { Ok(()) }
}

impl Spawner {
    /// Makes everything that a command needs but its process.
    ///
    /// # Errors
    ///
    /// Fails if `spec` cannot be run by anybody, or the machine is out of a resource. That the program is missing is known
    /// later, from [`Prepared::start`].
    pub fn prepare(&mut self, mut spec: CommandSpec) -> Result<Prepared, HostError> {
        spec.check()?;
        let wrapped = spec.confine.take().map(|plan| self.behind_walls(&mut spec, plan)).transpose()?;
        let failed = |error: io::Error| HostError::environment("make pipes for", &spec.argv[0], error);
        let output = pipe().map_err(failed)?;
        let stdin = self.nothing().map_err(failed)?;
        let home = self.home()?;
        let memory = spec.memory.map(|bytes| (bytes, home.bound_memory(bytes)));
        let path = search::path_for(&spec.argv[0], &spec.env);
        let programs = search::candidates(&spec.argv[0], path.as_deref());
        let image = Image {
            programs: programs.iter().map(|program| c_string(program.as_os_str())).collect(),
            args: spec.argv.iter().map(|arg| c_string(arg)).collect(),
            env: environment(&spec.env, &spec.descriptors),
            shell: Some(c_string(SHELL.as_ref())),
        };
        Ok(Prepared {
            image,
            dir: c_string(spec.dir.as_os_str()),
            descriptors: spec.descriptors.into_iter().map(|(_, fd)| fd).chain(wrapped).collect(),
            stdin,
            output,
            // A session takes the kernel longer than all the rest. It is worth that where it is what holds the command
            // together, and where the command would find the terminal of the broker without it.
            own_session: home.cgroup().is_none() || self.has_terminal(),
            home,
            nice: spec.nice,
            network: spec.network,
            memory,
            open_files: self.open_files(),
            oom_score: self.oom_score().into(),
            sought: (spec.argv.into_iter().next().unwrap_or_default(), path),
        })
    }
}

impl Spawner {
    /// Makes the launcher what is run: it finds the plan in a descriptor behind the others, and then executes the command.
    fn behind_walls(&self, spec: &mut CommandSpec, mut plan: Plan) -> Result<OwnedFd, HostError> {
        // One network less is enough.
        plan.network &= std::mem::replace(&mut spec.network, true);
        plan.one_session |= matches!(self.containment(), Containment::Session { .. });
        bounded("descriptors for a confined command", spec.descriptors.len() + 1, MAX_PAYLOAD)?;
        let number = FIRST_DESCRIPTOR as usize + spec.descriptors.len();
        let launcher = [self.launcher().into(), launcher::COMMAND.into(), number.to_string().into()];
        spec.argv.splice(0..0, launcher);
        sealed(&plan.encode()).map_err(|error| HostError::environment("hand over the plan of", &spec.argv[0], error))
    }
}

/// The broker's end does not block.
fn pipe() -> io::Result<(PipeReader, PipeWriter)> {
    let (read, write) = io::pipe()?;
    rustix::io::ioctl_fionbio(&read, true)?;
    Ok((read, write))
}

/// `NAME=VALUE` each, every name once, with the numbers of the descriptors.
fn environment(env: &[(OsString, OsString)], descriptors: &[(OsString, OwnedFd)]) -> Vec<CString> {
    let names = descriptors.iter().map(|(name, _)| name.as_os_str());
    let numbers = names.zip(FIRST_DESCRIPTOR..).map(|(name, number)| (name, Cow::Owned(number.to_string().into())));
    let given = env.iter().map(|(name, value)| (name.as_os_str(), Cow::Borrowed(value.as_os_str())));
    let variables: BTreeMap<&OsStr, Cow<'_, OsStr>> = given.chain(numbers).collect();
    variables.into_iter().map(|(name, value)| c_string(&[name, value.as_ref()].join("=".as_ref()))).collect()
}

impl Prepared {
    /// Starts it; it has begun to execute its program when this returns.
    ///
    /// That takes as long as the file systems of the working directory and the program do, which one on a network may
    /// draw out for ever. Only the calling thread waits: a broker that has more to do calls this on another one.
    ///
    /// # Errors
    ///
    /// Fails if the directory or the program cannot be used, if the network cannot be taken away though it was to be, or
    /// if the machine is out of a resource. Nothing is left of the command then.
    pub fn start(mut self) -> Result<Running, HostError> {
        let child = match self.network {
            true => self.spawn(Network::Shared)?,
            false => self.spawn_without_network()?,
        };
        let place = self.home.move_in();
        let host = Host::new(child.pid, child.pidfd, place);
        Ok(Running { host, output: self.output.0, memory: self.memory.map(|(_, bound)| bound) })
    }

    /// As root without a user namespace, in which even root would be less; else, or where root is confined, with one.
    fn spawn_without_network(&self) -> Result<Child, HostError> {
        if geteuid().is_root() {
            match self.spawn(Network::Empty) {
                Err(HostError::NetworkKept { .. }) => {}
                other => return other,
            }
        }
        self.spawn(Network::EmptyAsUser)
    }

    fn spawn(&self, network: Network) -> Result<Child, HostError> {
        let maps = (network == Network::EmptyAsUser).then(Maps::of_this_user);
        let (steps, stages) = self.steps(maps.as_ref()).into_iter().unzip::<_, _, Vec<_>, Vec<_>>();
        let place = Birthplace { cgroup: self.home.cgroup(), network };
        raw::spawn(&self.image, &steps, place).map_err(|error| match error {
            SpawnError::Clone(source) if network != Network::Shared && is_refusal(&source) => {
                HostError::NetworkKept { source }
            }
            SpawnError::Clone(error) => self.failed("spawn", error),
            SpawnError::Step(number, error) => self.step_failed(stages[number], error),
            SpawnError::Execute(number, error) => self.not_executed(number, error),
        })
    }

    /// What the child does before it executes, each with what its failure means. What it writes to comes first, while the
    /// descriptors are still the broker's.
    fn steps<'a>(&'a self, maps: Option<&'a Maps>) -> Vec<(Step<'a>, Stage)> {
        let mut steps = Vec::with_capacity(16 + self.descriptors.len());
        if let Some(record) = &self.home.record {
            steps.push((Step::Copy(c"/proc/self/stat", record.as_fd()), Stage::Confine));
        }
        let (soft, hard) = (self.open_files.current, self.open_files.maximum);
        let unlimited = |limit: Option<u64>| limit.unwrap_or(libc::RLIM_INFINITY);
        let mut confine = vec![
            if self.own_session { Step::Session } else { Step::Group },
            Step::DefaultSignals,
            Step::Limit(Resource::Files, unlimited(soft), unlimited(hard)),
            Step::Try(c"/proc/self/oom_score_adj", &self.oom_score),
        ];
        if let Some((bytes, MemoryBound::EachProcess)) = self.memory {
            confine.push(Step::Limit(Resource::Data, bytes, bytes));
        }
        if self.nice {
            let own = getpriority_process(None).unwrap_or_default();
            confine.extend([Step::Nice(own.max(NICE)), Step::Try(c"/proc/self/autogroup", b"10"), Step::IdleDisk]);
        }
        steps.extend(confine.into_iter().map(|step| (step, Stage::Confine)));
        if let Some(maps) = maps {
            steps.extend(maps.writes().map(|step| (step, Stage::Network)));
        }
        let output = self.output.1.as_fd();
        let seats =
            [self.stdin.as_fd(), output, output].into_iter().chain(self.descriptors.iter().map(|fd| fd.as_fd()));
        steps.extend((0..).zip(seats).map(|(number, fd)| (Step::Seat(fd, number), Stage::Confine)));
        let above = FIRST_DESCRIPTOR + u32::try_from(self.descriptors.len()).expect("descriptors are bounded");
        steps.push((Step::CloseFrom(above), Stage::Confine));
        steps.push((Step::Enter(&self.dir), Stage::Directory));
        steps
    }

    fn step_failed(&self, stage: Stage, source: io::Error) -> HostError {
        match stage {
            Stage::Confine => self.failed("confine", source),
            Stage::Network => HostError::NetworkKept { source },
            Stage::Directory => HostError::Directory { path: path_of(&self.dir), source },
        }
    }

    fn not_executed(&self, number: usize, source: io::Error) -> HostError {
        let (program, searched) = &self.sought;
        let tried = self.image.programs.get(number).map(|program| path_of(program));
        let path = path_of(&self.dir).join(tried.unwrap_or_else(|| program.into()));
        let missing = source.kind() == io::ErrorKind::NotFound;
        // The kernel says the same of a script that is there and of what is to run it.
        if missing && let Some((path, interpreter)) = self.missing_interpreter() {
            return HostError::Interpreter { path, interpreter };
        }
        match searched {
            Some(path) if missing => HostError::NotInPath {
                program: program.to_string_lossy().into_owned(),
                path: path.to_string_lossy().into_owned(),
            },
            _ => HostError::Execute { path, source },
        }
    }

    fn missing_interpreter(&self) -> Option<(PathBuf, String)> {
        let paths = self.image.programs.iter().map(|program| path_of(&self.dir).join(path_of(program)));
        paths.into_iter().find_map(|path| search::missing_interpreter(&path).map(|interpreter| (path, interpreter)))
    }

    fn failed(&self, operation: &'static str, error: io::Error) -> HostError {
        HostError::environment(operation, &self.sought.0, error)
    }
}

fn path_of(text: &CStr) -> PathBuf {
    OsStr::from_bytes(text.to_bytes()).into()
}

/// What the failure of a step means.
#[derive(Clone, Copy, Debug)]
enum Stage {
    Confine,
    Network,
    Directory,
}

/// What makes a user the same one in a user namespace, and nobody else anybody.
struct Maps {
    user: String,
    group: String,
}

impl Maps {
    fn of_this_user() -> Self {
        let same = |number: u32| format!("{number} {number} 1\n");
        Self { user: same(geteuid().as_raw()), group: same(getegid().as_raw()) }
    }

    /// The kernel allows the map of groups only to who cannot drop any.
    fn writes(&self) -> impl Iterator<Item = Step<'_>> {
        [
            Step::Write(c"/proc/self/setgroups", b"deny"),
            Step::Write(c"/proc/self/uid_map", self.user.as_bytes()),
            Step::Write(c"/proc/self/gid_map", self.group.as_bytes()),
        ]
        .into_iter()
    }
}

/// Whether a kernel that refuses to make a namespace says this: not allowed, too many of them, or not built with them.
fn is_refusal(error: &io::Error) -> bool {
    let errno = Errno::from_io_error(error);
    matches!(errno, Some(Errno::PERM | Errno::NOSPC | Errno::USERS | Errno::INVAL))
}

impl Home {
    pub(crate) fn in_cgroup(cgroup: Cgroup) -> Self {
        Self { place: Some(Place::Cgroup(cgroup)), record: None }
    }

    pub(crate) fn in_session(record: Record, file: File) -> Self {
        Self { place: Some(Place::Session(Some(record))), record: Some(file) }
    }

    fn cgroup(&self) -> Option<BorrowedFd<'_>> {
        match &self.place {
            Some(Place::Cgroup(cgroup)) => Some(cgroup.dir()),
            _ => None,
        }
    }

    fn bound_memory(&self, bytes: u64) -> MemoryBound {
        match &self.place {
            Some(Place::Cgroup(cgroup)) if cgroup.bound_memory(bytes).is_ok() => MemoryBound::Together,
            _ => MemoryBound::EachProcess,
        }
    }

    fn move_in(&mut self) -> Place {
        self.place.take().expect("a command moves in once")
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        let _left_to_the_next_broker = match &self.place {
            Some(Place::Cgroup(cgroup)) => cgroup.remove().is_ok(),
            Some(Place::Session(Some(record))) => record.remove().is_ok(),
            Some(Place::Session(None)) | None => true,
        };
    }
}
