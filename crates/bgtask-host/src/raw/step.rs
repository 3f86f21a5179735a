//! What a child does before it is the program.

use std::ffi::{CStr, c_int, c_long};
use std::io;
use std::os::fd::{AsFd as _, AsRawFd as _, BorrowedFd, OwnedFd};
use std::ptr;

use super::process::{DiskPriority, SIGSET_BYTES, default_signals, set_disk_priority};

/// What the child does, in order, before it is the program. Everything but [`Step::Try`] has to work.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Step<'a> {
    /// The descriptor becomes this number.
    Seat(BorrowedFd<'a>, c_int),
    /// Closes every descriptor from this number on.
    CloseFrom(u32),
    /// A session of its own, and a process group with it.
    Session,
    /// A process group of its own.
    Group,
    /// Every signal does what it does by default, and none is blocked.
    DefaultSignals,
    /// Soft and hard limit.
    Limit(Resource, u64, u64),
    /// The nice value.
    Nice(c_int),
    /// Waits for the disk until nobody else does.
    IdleDisk,
    /// Writes into a file that exists, with one call.
    Write(&'a CStr, &'a [u8]),
    /// The same; it does not matter whether it works.
    Try(&'a CStr, &'a [u8]),
    /// Appends the first [`COPY_BYTES`] of a file to what is open.
    Copy(&'a CStr, BorrowedFd<'a>),
    /// The working directory.
    Enter(&'a CStr),
}

/// A limit of a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Resource {
    /// Open files.
    Files,
    /// Private memory: data, heap and anonymous mappings.
    Data,
}

/// The most that [`Step::Copy`] copies.
const COPY_BYTES: usize = 1024;

impl<'a> Step<'a> {
    pub(super) fn seat(&self) -> Option<(BorrowedFd<'a>, c_int)> {
        match *self {
            Self::Seat(source, number) => Some((source, number)),
            _ => None,
        }
    }

    pub(super) fn seated_from<'b>(&self, moved: Option<&'b OwnedFd>) -> Step<'b>
    where
        'a: 'b,
    {
        match (*self, moved) {
            (Step::Seat(_, number), Some(moved)) => Step::Seat(moved.as_fd(), number),
            (step, _) => step,
        }
    }
}

/// The source of a seat, where it is no seat; nothing if it is there already.
pub(super) fn moved_source(step: &Step<'_>, above_seats: c_int) -> io::Result<Option<OwnedFd>> {
    match step.seat() {
        Some((source, _)) if source.as_raw_fd() < above_seats => {
            Ok(Some(rustix::io::fcntl_dupfd_cloexec(source, above_seats)?))
        }
        _ => Ok(None),
    }
}

/// Only system calls on prepared arguments: nothing here takes a lock or allocates.
pub(super) fn perform(step: &Step<'_>, excuse: c_int) -> Result<(), c_int> {
    // SAFETY: the calls are async-signal-safe and their arguments valid for them; `errno` is the stopped parent's, and
    // only the child's own descriptors, signals, limits and directory are changed.
    unsafe {
        match *step {
            Step::Seat(source, number) => done(libc::dup2(source.as_raw_fd(), number).into()),
            Step::CloseFrom(first) => close_all_but(excuse.cast_unsigned(), first),
            Step::Session => done(libc::setsid().into()),
            Step::Group => done(libc::setpgid(0, 0).into()),
            Step::DefaultSignals => {
                default_signals();
                let none = 0_u64;
                let before: *mut u64 = ptr::null_mut();
                done(libc::syscall(libc::SYS_rt_sigprocmask, libc::SIG_SETMASK, &raw const none, before, SIGSET_BYTES))
            }
            Step::Limit(resource, soft, hard) => {
                let limit = libc::rlimit { rlim_cur: soft, rlim_max: hard };
                let resource = match resource {
                    Resource::Files => libc::RLIMIT_NOFILE,
                    Resource::Data => libc::RLIMIT_DATA,
                };
                done(libc::setrlimit(resource, &raw const limit).into())
            }
            Step::Nice(value) => done(libc::setpriority(libc::PRIO_PROCESS, 0, value).into()),
            Step::IdleDisk => {
                set_disk_priority(DiskPriority::Idle);
                Ok(())
            }
            Step::Write(path, text) => write_into(path, text),
            Step::Try(path, text) => {
                let _either_way = write_into(path, text);
                Ok(())
            }
            Step::Copy(path, target) => copy(path, target.as_raw_fd()),
            Step::Enter(dir) => done(libc::chdir(dir.as_ptr()).into()),
        }
    }
}

fn done(result: c_long) -> Result<(), c_int> {
    if result < 0 { Err(errno()) } else { Ok(()) }
}

pub(super) fn errno() -> c_int {
    // SAFETY: it always points to the calling thread's.
    unsafe { *libc::__errno_location() }
}

fn close_all_but(kept: u32, first: u32) -> Result<(), c_int> {
    let close = |from: u32, to: u32| {
        // SAFETY: the child's descriptors are a copy in which nobody but it has an interest.
        done(unsafe { libc::syscall(libc::SYS_close_range, from, to, 0) })
    };
    if kept < first {
        return close(first, u32::MAX);
    }
    if kept > first {
        close(first, kept - 1)?;
    }
    close(kept + 1, u32::MAX)
}

fn write_into(path: &CStr, text: &[u8]) -> Result<(), c_int> {
    // SAFETY: `path` ends with a null and `text` is as long as it says.
    unsafe {
        let file = libc::open(path.as_ptr(), libc::O_WRONLY | libc::O_CLOEXEC);
        done(file.into())?;
        let written = done(libc::write(file, text.as_ptr().cast(), text.len()) as c_long);
        libc::close(file);
        written
    }
}

fn copy(path: &CStr, target: c_int) -> Result<(), c_int> {
    let mut bytes = [0_u8; COPY_BYTES];
    // SAFETY: as many bytes are written as were read, and the buffer holds as many as were asked for.
    unsafe {
        let file = libc::open(path.as_ptr(), libc::O_RDONLY | libc::O_CLOEXEC);
        done(file.into())?;
        let length = libc::read(file, bytes.as_mut_ptr().cast(), bytes.len());
        let copied = match usize::try_from(length) {
            Err(_) => Err(errno()),
            Ok(length) => done(libc::write(target, bytes.as_ptr().cast(), length) as c_long),
        };
        libc::close(file);
        copied
    }
}
