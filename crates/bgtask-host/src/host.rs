//! A process that was born as a launcher, with everything it starts.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, epoll, poll};
use rustix::process::{
    Pid, Resource, Rlimit, Signal, WaitId, WaitIdOptions, kill_process_group, pidfd_send_signal, prlimit, waitid,
};

use rustix::thread::{sched_getaffinity, sched_getcpu, sched_setaffinity};

use crate::cgroup::Cgroup;
use crate::ledger::Record;
use crate::session::{self, remaining};
use crate::usage::{RESIDENT_ERROR, io_of};
use crate::{FinalUsage, HostError, Limits, Usage, raw};

/// How long dropping a [`Host`] waits for its processes to die of being killed.
pub const KILL_WAIT: Duration = Duration::from_secs(2);

/// The descriptor at which a host finds its channel.
pub(crate) const CHANNEL_SEAT: u32 = 3;

/// A host, from its launch until nothing of it is left.
///
/// It is readable (as in `poll`) once its program has exited. Its end is: [`try_exit`] tells how,
/// [`kill`] ends what it left behind, [`try_close`] confirms that nothing is left. Until then its
/// process number belongs to nobody else. Dropping it does the same, and waits for it.
///
/// [`try_exit`]: Self::try_exit
/// [`kill`]: Self::kill
/// [`try_close`]: Self::try_close
#[derive(Debug)]
pub struct Host {
    pid: Pid,
    pidfd: OwnedFd,
    place: Place,
    /// The limits that the kernel does not keep.
    watched: Limits,
    closed: bool,
    final_usage: Option<FinalUsage>,
}

/// What holds the processes of a host together.
#[derive(Debug)]
pub(crate) enum Place {
    Cgroup(Cgroup),
    Session(Option<Record>),
}

/// How a program ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// It returned this status.
    Code(i32),
    /// This signal ended it.
    Signal(i32),
}

impl Host {
    pub(crate) fn new(pid: Pid, pidfd: OwnedFd, place: Place) -> Self {
        Self { pid, pidfd, place, watched: Limits::default(), closed: false, final_usage: None }
    }

    /// Whether a process of this cgroup (as in `/proc/PID/cgroup`) and session belongs to it.
    ///
    /// For whoever knows a process only by its number, which may be another's by the time it is read.
    #[must_use]
    pub fn holds(&self, cgroup: &str, session: Option<i32>) -> bool {
        match &self.place {
            Place::Cgroup(own) => own.holds(cgroup),
            Place::Session(_) => session == Some(self.pid.as_raw_nonzero().get()),
        }
    }

    pub(crate) fn record(&mut self, record: Record) {
        self.place = Place::Session(Some(record));
    }

    /// Sends a signal to the process group that the program leads, as a terminal would: a shell
    /// that waits for a command does not act on a signal that only the shell gets.
    ///
    /// To send one to a host that has exited is no error.
    ///
    /// # Errors
    ///
    /// Fails if the kernel forbids it, as for a program that runs as another user.
    pub fn signal(&self, signal: Signal) -> Result<(), HostError> {
        if self.closed {
            return Ok(());
        }
        match kill_process_group(self.pid, signal) {
            // A launcher that has only just been spawned does not lead a group yet.
            Err(rustix::io::Errno::SRCH) => match pidfd_send_signal(&self.pidfd, signal) {
                Ok(()) | Err(rustix::io::Errno::SRCH) => Ok(()),
                Err(errno) => Err(self.failed("signal", errno)),
            },
            other => other.map_err(|errno| self.failed("signal", errno)),
        }
    }

    /// Asks all its processes to end: SIGTERM to every one that containment holds.
    ///
    /// To ask a host that has ended is no error.
    ///
    /// # Errors
    ///
    /// Fails if the kernel forbids it, as for a program that runs as another user, or if the cgroup was tampered with.
    pub fn terminate(&self) -> Result<(), HostError> {
        if self.closed {
            return Ok(());
        }
        match &self.place {
            Place::Cgroup(cgroup) => cgroup.signal(Signal::TERM).map_err(|error| self.failed("signal", error)),
            Place::Session(_) => {
                session::signal(self.pid, Signal::TERM);
                Ok(())
            }
        }
    }

    /// Kills the program and everything that containment holds with it. They are gone once
    /// [`try_close`](Self::try_close) says so.
    ///
    /// # Errors
    ///
    /// Fails if the cgroup was tampered with.
    pub fn kill(&self) -> Result<(), HostError> {
        if self.closed {
            return Ok(());
        }
        match &self.place {
            Place::Cgroup(cgroup) => cgroup.kill().map_err(|error| self.failed("kill", error)),
            Place::Session(_) => {
                session::kill(self.pid);
                Ok(())
            }
        }
    }

    /// Suspends all its processes: they get no processor time until [`thaw`](Self::thaw). The last of them may take a moment
    /// more. Killing it works all the same; what else it is told waits.
    ///
    /// In a session that is SIGSTOP and SIGCONT, which a process may send to another one, and of which a parent hears.
    ///
    /// # Errors
    ///
    /// Fails if the cgroup was tampered with.
    pub fn freeze(&self) -> Result<(), HostError> {
        self.set_frozen(true)
    }

    /// Lets a suspended host go on. One that is not suspended goes on anyway.
    ///
    /// # Errors
    ///
    /// Fails if the cgroup was tampered with.
    pub fn thaw(&self) -> Result<(), HostError> {
        self.set_frozen(false)
    }

    fn set_frozen(&self, frozen: bool) -> Result<(), HostError> {
        if self.closed {
            return Ok(());
        }
        match (&self.place, frozen) {
            (Place::Cgroup(cgroup), _) => cgroup.freeze(frozen).map_err(|error| self.failed("suspend", error))?,
            (Place::Session(_), true) => session::stop(self.pid),
            (Place::Session(_), false) => session::signal(self.pid, Signal::CONT),
        }
        Ok(())
    }

    /// How many processes and threads it is, where the kernel does not keep that within its limit and it is more. For whoever
    /// has to end it then: without a controller nobody else does.
    #[must_use]
    pub fn crowd(&self) -> Option<u32> {
        let most = self.watched.processes?;
        let count = match &self.place {
            Place::Cgroup(cgroup) => cgroup.threads(),
            Place::Session(_) => session::usage(self.pid).processes,
        };
        (count > most).then_some(count)
    }

    /// The limits it has that the kernel does not keep here.
    #[must_use]
    pub fn watched(&self) -> Limits {
        self.watched
    }

    /// How the program ended, if it has.
    ///
    /// # Errors
    ///
    /// Fails if something else in this process has reaped it.
    pub fn try_exit(&self) -> Result<Option<Exit>, HostError> {
        // It stays a zombie, which keeps its number from being used again.
        let status = self.wait_status(WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT)?;
        Ok(status.map(|status| match status.terminating_signal() {
            Some(signal) => Exit::Signal(signal),
            None => Exit::Code(status.exit_status().unwrap_or_default()),
        }))
    }

    /// Reaps the program and frees what held it, if it and all its processes are gone; tells
    /// whether that is so. Call [`try_exit`](Self::try_exit) before, it does not know afterwards.
    ///
    /// # Errors
    ///
    /// Fails if something else in this process has reaped it, or the cgroup cannot be removed.
    pub fn try_close(&mut self) -> Result<bool, HostError> {
        if self.closed {
            return Ok(true);
        }
        if self.try_exit()?.is_none() || !self.is_empty()? {
            return Ok(false);
        }
        self.final_usage = self.used_in_all();
        match &self.place {
            Place::Cgroup(cgroup) => {
                let removed = cgroup.remove();
                removed.map_err(|error| self.failed("remove the cgroup of", error))?;
            }
            Place::Session(Some(record)) => record.remove()?,
            Place::Session(None) => {}
        }
        self.wait_status(WaitIdOptions::empty())?;
        self.closed = true;
        Ok(true)
    }

    /// Something that is readable when it is worth while to ask [`try_close`](Self::try_close)
    /// again, after it said no.
    ///
    /// # Errors
    ///
    /// Fails if there are too many open files.
    pub fn closing(&self) -> Result<Closing, HostError> {
        let failed = |errno| self.failed("watch", errno);
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC).map_err(failed)?;
        let add =
            |fd: BorrowedFd<'_>, events| epoll::add(&epoll, fd, epoll::EventData::new_u64(0), events).map_err(failed);
        let members = match &self.place {
            Place::Cgroup(cgroup) => {
                add(cgroup.events(), epoll::EventFlags::PRI)?;
                vec![]
            }
            Place::Session(_) => session::members(self.pid),
        };
        if let Some(member) = members.first() {
            add(member.as_fd(), epoll::EventFlags::IN)?;
        } else if self.try_exit()?.is_none() || matches!(self.place, Place::Session(_)) {
            add(self.pidfd.as_fd(), epoll::EventFlags::IN)?;
        }
        Ok(Closing { epoll, _members: members })
    }

    /// What its processes have used so far; `None` if the cgroup was tampered with.
    ///
    /// In a session, which the kernel keeps no account of, a process that ended counts only if another one waited for it.
    #[must_use]
    pub fn usage(&self) -> Option<Usage> {
        match &self.place {
            Place::Cgroup(cgroup) => cgroup.usage().ok(),
            Place::Session(_) => Some(session::usage(self.pid)),
        }
    }

    /// What it used in all, once [`try_close`](Self::try_close) has said that nothing of it is left.
    #[must_use]
    pub fn final_usage(&self) -> Option<FinalUsage> {
        self.final_usage
    }

    /// While the program is a zombie that nobody has reaped.
    fn used_in_all(&self) -> Option<FinalUsage> {
        let io = io_of(self.pid.as_raw_nonzero().get());
        let resources = raw::resources_of_ended(self.pidfd.as_fd()).ok()?;
        let largest = (resources.largest > raw::own_peak() + RESIDENT_ERROR).then_some(resources.largest);
        Some(match &self.place {
            Place::Cgroup(cgroup) => FinalUsage {
                used: Usage { cpu: cgroup.cpu_time().ok()?, io, ..Usage::default() },
                memory_peak: cgroup.memory_peak().or(largest),
                out_of_memory: cgroup.was_out_of_memory(),
            },
            Place::Session(_) => {
                let used = Usage { cpu: resources.cpu, io, ..Usage::default() };
                FinalUsage { used, memory_peak: largest, out_of_memory: false }
            }
        })
    }

    /// Its processes, of so many as are looked at.
    pub(crate) fn pids(&self) -> Vec<i32> {
        match &self.place {
            Place::Cgroup(cgroup) => cgroup.pids(),
            Place::Session(_) => session::pids(self.pid),
        }
    }

    /// To be called before the program is there.
    pub(crate) fn limit(&mut self, limits: Limits) {
        self.watched = match &self.place {
            Place::Cgroup(cgroup) => cgroup.bound(limits),
            Place::Session(_) => limits,
        };
    }

    /// The process number of the program.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.pid.as_raw_nonzero().get().unsigned_abs()
    }

    /// Lets the launcher wake on another processor than the one that wakes it, where there is one: the broker goes on
    /// with the commit here. The launcher itself takes the restriction off before it becomes the host.
    pub(crate) fn keep_off_this_processor(&self) {
        let Ok(mut others) = sched_getaffinity(None) else { return };
        others.unset(sched_getcpu());
        if others.count() > 0 {
            let _gone_or_refused = sched_setaffinity(Some(self.pid), &others);
        }
    }

    /// To be called while the launcher waits.
    pub(crate) fn limit_open_files(&self, limit: Rlimit) {
        let _gone = prlimit(Some(self.pid), Resource::Nofile, limit);
    }

    fn is_empty(&self) -> Result<bool, HostError> {
        match &self.place {
            Place::Cgroup(cgroup) => cgroup.is_empty().map_err(|error| self.failed("look into the cgroup of", error)),
            Place::Session(_) => Ok(session::members(self.pid).is_empty()),
        }
    }

    fn wait_status(&self, options: WaitIdOptions) -> Result<Option<rustix::process::WaitIdStatus>, HostError> {
        let options = options | WaitIdOptions::EXITED;
        rustix::io::retry_on_intr(|| waitid(WaitId::PidFd(self.pidfd.as_fd()), options))
            .map_err(|errno| self.failed("wait for", errno))
    }

    /// Kills and waits. What is still there at the deadline is left to the ledger.
    fn end(&mut self, deadline: Instant) -> Result<bool, HostError> {
        self.kill()?;
        let failed = |error| self.failed("wait for", error);
        while let (None, Some(left)) = (self.try_exit()?, remaining(deadline)) {
            let mut exited = [PollFd::new(&self.pidfd, PollFlags::IN)];
            match poll(&mut exited, Some(&left)) {
                Ok(_) | Err(rustix::io::Errno::INTR) => {}
                Err(errno) => return Err(failed(errno.into())),
            }
        }
        match &self.place {
            Place::Cgroup(cgroup) => cgroup.wait_until_empty(deadline),
            Place::Session(_) => session::wait_until_empty(self.pid, deadline),
        }
        .map_err(failed)?;
        self.try_close()
    }

    fn failed(&self, operation: &'static str, error: impl Into<io::Error>) -> HostError {
        HostError::environment(operation, format!("/proc/{}", self.pid()), error)
    }
}

/// Readable like a [`Host`] by its program's end, for `poll`.
impl AsFd for Host {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.pidfd.as_fd()
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        if !self.closed {
            // Nobody is left to be told. Should a process survive this, its record survives too.
            let _ended = self.end(Instant::now() + KILL_WAIT);
        }
    }
}

/// Becomes readable when a host may have got rid of its last process.
#[derive(Debug)]
pub struct Closing {
    epoll: OwnedFd,
    /// An epoll forgets what is closed.
    _members: Vec<OwnedFd>,
}

impl AsFd for Closing {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.epoll.as_fd()
    }
}
