//! The other end: the tiny, single-threaded program that confines itself and becomes a host.
//!
//! It is started ahead of time, does all that it can do without knowing the task, and waits on the
//! control socket that is its standard input. What remains on the way to the task is: receive,
//! change directory, execute.
//!
//! When the control socket closes without a message, the broker is gone or has no use for it, and
//! it leaves silently. When it fails, it says where and why on that socket; when it succeeds, the
//! socket closes by `execve`.

use std::convert::Infallible;
use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::io::{self, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Command, exit};

use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::fcntl_dupfd_cloexec;
use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, ReturnFlags, SendFlags, recvmsg, send};
use rustix::process::{Resource, Rlimit, chdir, getppid, setrlimit, setsid};
use rustix::thread::{sched_getaffinity, sched_setaffinity, set_no_new_privs};

use bgtask_confine::{Plan, Prepared};

use crate::message::{self, Failure, Stage};
use crate::priority::Priority;
use crate::spare::{BELL, BELL_WITH_WALLS};
use crate::spec::{HostSpec, MAX_PAYLOAD, MAX_SPEC_BYTES};
use crate::{host, raw, search};

/// The exit status of a launcher that failed, as a shell has it for a command it cannot run.
pub(crate) const FAILED: i32 = 127;

/// The most descriptors in an order: the channel, then the payload.
pub(crate) const MAX_ORDER_FDS: usize = 1 + MAX_PAYLOAD;

/// How much sooner than the broker the out-of-memory killer takes a host.
const OOM_HANDICAP: i32 = 200;
const OOM_FILE: &str = "/proc/self/oom_score_adj";

/// The argument that makes it tell which walls there are, instead of waiting for an order.
pub const TELL_WALLS: &str = "walls";

/// The argument that makes it confine and execute what follows, by the plan in the descriptor of the number between.
pub(crate) const COMMAND: &str = "command";

/// Runs the launcher; the whole `main` of its program.
pub fn main() -> ! {
    let words: Vec<OsString> = std::env::args_os().skip_while(|word| word != TELL_WALLS && word != COMMAND).collect();
    match words.as_slice() {
        [word] if word == TELL_WALLS => {
            print!("{}", Prepared::new().report().lines());
            exit(0)
        }
        [word, number, program, arguments @ ..] if word == COMMAND => {
            let error = become_command(number, program, arguments);
            eprintln!("bgtask-launcher: {error}");
            exit(FAILED)
        }
        _ => {}
    }
    raw::default_signals();
    if let Err(error) = raw::close_from(host::CHANNEL_SEAT) {
        give_up(&error);
    }
    let control = match control_socket() {
        Ok(control) => control,
        Err(error) => give_up(&error),
    };
    let priority = Priority::from_arguments(&std::env::args_os().collect::<Vec<_>>());
    let prepared = confine(priority).and_then(|()| receive_bell(&control)).and_then(|bell| {
        let prepared = bell.as_ref().is_some_and(|bell| bell.walls).then(prepare).transpose()?;
        wait(&control, bell.as_ref().map(|bell| &bell.bell)).map(|()| prepared)
    });
    let received = prepared.and_then(|prepared| Ok(receive(&control)?.map(|order| (order, prepared))));
    let failure = match received {
        Ok(None) => exit(0),
        Ok(Some((order, prepared))) => match become_host(&order.spec, prepared) {
            Err(failure) => failure,
        },
        Err(failure) => failure,
    };
    match send(&control, &failure.encode(), SendFlags::NOSIGNAL) {
        Ok(_) => exit(FAILED),
        Err(_) => give_up(&failure.error),
    }
}

/// Moves the control socket away from the descriptors a host has, and closes on exec.
fn control_socket() -> io::Result<OwnedFd> {
    let above_all = host::CHANNEL_SEAT as usize + MAX_ORDER_FDS;
    let above_all = i32::try_from(above_all).expect("a few descriptors");
    let control = fcntl_dupfd_cloexec(io::stdin(), above_all)?;
    rustix::stdio::dup2_stdin(File::open("/dev/null")?)?;
    Ok(control)
}

/// All confinement that no task has a say in.
fn confine(priority: Priority) -> Result<(), Failure> {
    let failed = |errno: rustix::io::Errno| failure(Stage::Confine, errno);
    setsid().map_err(failed)?;
    set_no_new_privs(true).map_err(failed)?;
    let nothing = Rlimit { current: Some(0), maximum: Some(0) };
    setrlimit(Resource::Core, nothing).map_err(failed)?;
    chdir("/").map_err(failed)?;
    priority.assume();
    volunteer_for_oom();
    Ok(())
}

/// A preference, not a protection: a container without a writable `/proc` does without.
fn volunteer_for_oom() {
    if let Some(score) = raised_oom_score() {
        let _unsupported = fs::write(OOM_FILE, score);
    }
}

/// The score of what this process starts, if it is to be sooner than this process.
pub(crate) fn raised_oom_score() -> Option<String> {
    let inherited = fs::read_to_string(OOM_FILE).ok()?;
    let score = inherited.trim().parse::<i32>().ok()?;
    Some((score + OOM_HANDICAP).min(1000).to_string())
}

/// All that walls need before it is known what for, out of the way of the descriptors a host has.
fn prepare() -> Result<Prepared, Failure> {
    let taken: io::Result<Vec<_>> = (0..MAX_ORDER_FDS).map(|_| File::open("/dev/null")).collect();
    let taken = taken.map_err(|error| Failure { stage: Stage::Confine, error })?;
    let prepared = Prepared::new();
    drop(taken);
    Ok(prepared)
}

struct Bell {
    bell: OwnedFd,
    /// Whether what comes will be confined.
    walls: bool,
}

/// What the broker rings after an order; out of the way of the descriptors a host has.
fn receive_bell(control: &OwnedFd) -> Result<Option<Bell>, Failure> {
    let failed = |errno| failure(Stage::Receive, errno);
    let mut bytes = [0; BELL_WITH_WALLS.len()];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut ancillary = RecvAncillaryBuffer::new(&mut space);
    let mut iov = [IoSliceMut::new(&mut bytes)];
    let flags = RecvFlags::CMSG_CLOEXEC;
    let message = rustix::io::retry_on_intr(|| recvmsg(control, &mut iov, &mut ancillary, flags)).map_err(failed)?;
    if message.bytes == 0 {
        return Ok(None);
    }
    let mut fds = ancillary.drain().filter_map(|message| match message {
        RecvAncillaryMessage::ScmRights(mut fds) => fds.next(),
        _ => None,
    });
    let bell = fds.next().ok_or_else(|| failed(rustix::io::Errno::PROTO))?;
    let above_all = i32::try_from(host::CHANNEL_SEAT as usize + MAX_ORDER_FDS).expect("a few descriptors");
    let bell = fcntl_dupfd_cloexec(bell, above_all).map_err(failed)?;
    debug_assert!(BELL.len() < BELL_WITH_WALLS.len());
    Ok(Some(Bell { bell, walls: bytes == BELL_WITH_WALLS }))
}

/// Waits for the bell, or for the end of the broker: then there is nothing to receive, which says the same.
fn wait(control: &OwnedFd, bell: Option<&OwnedFd>) -> Result<(), Failure> {
    let Some(bell) = bell else { return Ok(()) };
    let mut watched = [PollFd::new(bell, PollFlags::IN), PollFd::new(control, PollFlags::empty())];
    let woken = rustix::io::retry_on_intr(|| poll(&mut watched, None));
    woken.map(drop).map_err(|errno| failure(Stage::Receive, errno))
}

struct Order {
    spec: HostSpec,
    /// Held open, in their places, until `execve`.
    _seated: Vec<OwnedFd>,
}

/// Waits for the order; `None` if there will be none.
fn receive(control: &OwnedFd) -> Result<Option<Order>, Failure> {
    let mut bytes = vec![0; MAX_SPEC_BYTES];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MAX_ORDER_FDS))];
    let mut ancillary = RecvAncillaryBuffer::new(&mut space);
    let mut iov = [IoSliceMut::new(&mut bytes)];
    let message = rustix::io::retry_on_intr(|| recvmsg(control, &mut iov, &mut ancillary, RecvFlags::empty()))
        .map_err(|errno| failure(Stage::Receive, errno))?;
    if message.bytes == 0 {
        return Ok(None);
    }

    let seated: Vec<OwnedFd> = ancillary
        .drain()
        .filter_map(|message| match message {
            RecvAncillaryMessage::ScmRights(fds) => Some(fds),
            _ => None,
        })
        .flatten()
        .collect();
    let cut = ReturnFlags::TRUNC | ReturnFlags::CTRUNC;
    let spec = message::decode(&bytes[..message.bytes]);
    match spec {
        Some(spec) if !message.flags.intersects(cut) && are_seated(&seated) => {
            Ok(Some(Order { spec, _seated: seated }))
        }
        _ => Err(failure(Stage::Receive, rustix::io::Errno::PROTO)),
    }
}

/// The kernel hands out the lowest free numbers, in order, and only 0 to 2 and one far above were
/// taken: so the channel is where a host looks for it, and the payload follows.
fn are_seated(fds: &[OwnedFd]) -> bool {
    let seats = host::CHANNEL_SEAT..;
    let numbers = fds.iter().map(|fd| fd.as_raw_fd().unsigned_abs());
    !fds.is_empty() && numbers.eq(seats.take(fds.len()))
}

fn become_host(spec: &HostSpec, prepared: Option<Prepared>) -> Result<Infallible, Failure> {
    // The broker kept it off its own processor for the wake-up only, perhaps before this program had begun: what it could have
    // noted then of its own processors would be too few.
    if let Ok(processors) = sched_getaffinity(getppid()) {
        let _refused = sched_setaffinity(None, &processors);
    }
    match (&spec.confine, prepared) {
        (None, None) => {}
        (Some(plan), Some(prepared)) => prepared
            .confine(plan)
            .map_err(|breach| Failure { stage: Stage::Wall, error: io::Error::other(breach.to_string()) })?,
        // There is no way back from the one, and the other is too late for its wait.
        (Some(_), None) | (None, Some(_)) => return Err(failure(Stage::Receive, rustix::io::Errno::PROTO)),
    }
    chdir(&spec.dir).map_err(|errno| failure(Stage::Directory, errno))?;
    // Besides executing, this empties the signal mask.
    let error = Command::new(&spec.program)
        .args(&spec.args)
        .env_clear()
        .envs(spec.env.iter().map(|(name, value)| (name, value)))
        .exec();
    Err(Failure { stage: Stage::Execute, error })
}

/// Becomes a command behind walls; whatever comes back is why not.
fn become_command(number: &OsStr, program: &OsStr, arguments: &[OsString]) -> io::Error {
    let confined = plan_at(number).and_then(|plan| Prepared::new().confine(&plan).map_err(io::Error::other));
    if let Err(error) = confined {
        return error;
    }
    let env: Vec<_> = std::env::vars_os().collect();
    let path = search::path_for(program, &env);
    let mut last = io::Error::from_raw_os_error(libc::ENOENT);
    for candidate in search::candidates(program, path.as_deref()) {
        let error = Command::new(&candidate).arg0(program).args(arguments).exec();
        let error = match error.raw_os_error() {
            // A script that does not say who runs it.
            Some(libc::ENOEXEC) => Command::new(search::SHELL).arg(&candidate).args(arguments).exec(),
            _ => error,
        };
        if error.kind() != io::ErrorKind::NotFound {
            last = error;
        }
    }
    io::Error::other(format!("cannot execute {}: {last}", program.display()))
}

/// The plan does not outlive its reading: the descriptor is the last of those that the command gets.
fn plan_at(number: &OsStr) -> io::Result<Plan> {
    let plan = fs::read(Path::new("/proc/self/fd").join(number))?;
    let number = number.to_str().and_then(|number| number.parse().ok()).ok_or(io::ErrorKind::InvalidInput)?;
    raw::close_from(number)?;
    Plan::decode(&plan).ok_or_else(|| io::ErrorKind::InvalidData.into())
}

fn failure(stage: Stage, errno: rustix::io::Errno) -> Failure {
    let error = errno.into();
    Failure { stage, error }
}

/// Nobody listens: this was not started by a broker, or the broker has died.
fn give_up(error: &io::Error) -> ! {
    eprintln!("bgtask-launcher is started by the broker of bgtask, not by hand: {error}");
    exit(FAILED)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_expected_seats_are_accepted() {
        let high = fcntl_dupfd_cloexec(io::stdin(), 100).unwrap();
        assert!(!are_seated(&[high]));
        assert!(!are_seated(&[]));
    }
}
