//! What a process may know and change of itself and its children.

use std::ffi::c_int;
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd as _, BorrowedFd};
use std::ptr;
use std::time::Duration;

use crate::priority::Scheduling;

/// What a process and the children it waited for have used.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Resources {
    pub(crate) cpu: Duration,
    /// The memory of the largest of them, in bytes. What a child shared with its parent until it executed counts as its own.
    pub(crate) largest: u64,
}

/// The most memory this process had at a time, in bytes.
pub(crate) fn own_peak() -> u64 {
    let mut usage = MaybeUninit::<libc::rusage>::zeroed();
    // SAFETY: the place is as large as what is written, and all zeros are a valid value if nothing is.
    let usage = unsafe {
        libc::getrusage(libc::RUSAGE_SELF, usage.as_mut_ptr());
        usage.assume_init()
    };
    usage.ru_maxrss.unsigned_abs() * 1024
}

/// Of a child that has ended and is not reaped by this.
pub(crate) fn resources_of_ended(child: BorrowedFd<'_>) -> io::Result<Resources> {
    let mut usage = MaybeUninit::<libc::rusage>::zeroed();
    let mut info = MaybeUninit::<libc::siginfo_t>::zeroed();
    let options = libc::WEXITED | libc::WNOHANG | libc::WNOWAIT;
    // SAFETY: both places are as large as the kernel writes. Not the C library's function, which has no place for the usage.
    let result = unsafe {
        libc::syscall(
            libc::SYS_waitid,
            libc::P_PIDFD,
            child.as_raw_fd(),
            info.as_mut_ptr(),
            options,
            usage.as_mut_ptr(),
        )
    };
    if result != 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: all zeros are a valid value, too.
    let usage = unsafe { usage.assume_init() };
    let duration = |time: libc::timeval| {
        let micros = time.tv_sec.saturating_mul(1_000_000).saturating_add(time.tv_usec);
        Duration::from_micros(micros.unsigned_abs())
    };
    Ok(Resources {
        cpu: duration(usage.ru_utime) + duration(usage.ru_stime),
        largest: usage.ru_maxrss.unsigned_abs() * 1024,
    })
}

/// Closes every descriptor from `first` on. For a process that has just begun.
pub(crate) fn close_from(first: u32) -> io::Result<()> {
    // SAFETY: the only caller is the launcher, as the first thing it does; its caller cannot
    // have opened any descriptor that something still owns, because `main` does nothing else.
    let result = unsafe { libc::syscall(libc::SYS_close_range, first, u32::MAX, 0) };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Gives every signal its default disposition, as ignored ones would survive `execve`.
pub(crate) fn default_signals() {
    for signal in 1..=LAST_SIGNAL {
        // Not the C library's function, which keeps its hands off the signals it uses itself: a
        // parent may have left even those ignored. SIGKILL and SIGSTOP are refused, which is fine.
        let default = [0_u64; KERNEL_SIGACTION_WORDS];
        let none: *const u64 = ptr::null();
        // SAFETY: all zeros are a `sigaction` of the kernel with `SIG_DFL`, which installs no
        // code; the array is at least as large as that struct on every architecture.
        unsafe {
            libc::syscall(libc::SYS_rt_sigaction, signal, default.as_ptr(), none, SIGSET_BYTES);
        }
    }
}

/// How long it waits for the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum DiskPriority {
    /// Behind everybody else, but never without end.
    Low,
    /// Until nobody else wants it.
    Idle,
}

/// How long this process waits for the disk. Where the kernel has no such thing it waits as everybody does.
pub(crate) fn set_disk_priority(priority: DiskPriority) {
    let value = match priority {
        DiskPriority::Low => IOPRIO_LOWEST_EFFORT,
        DiskPriority::Idle => IOPRIO_IDLE,
    };
    // SAFETY: only numbers are passed.
    unsafe {
        libc::syscall(libc::SYS_ioprio_set, IOPRIO_WHO_PROCESS, 0, value);
    }
}

/// By which policy this process is scheduled. Where the kernel refuses, it is as before.
pub(crate) fn set_scheduling(scheduling: Scheduling) {
    let policy = match scheduling {
        Scheduling::Normal => libc::SCHED_OTHER,
        Scheduling::Batch => libc::SCHED_BATCH,
        Scheduling::Idle => libc::SCHED_IDLE,
    };
    // SAFETY: all zeros are a `sched_param`, whose priority has to be zero for each of these policies.
    unsafe {
        let no_priority: libc::sched_param = std::mem::zeroed();
        libc::sched_setscheduler(0, policy, &raw const no_priority);
    }
}

const LAST_SIGNAL: c_int = 64;
pub(super) const SIGSET_BYTES: usize = 8;
const KERNEL_SIGACTION_WORDS: usize = 8;

// <linux/ioprio.h>
const IOPRIO_WHO_PROCESS: c_int = 1;
const IOPRIO_LOWEST_EFFORT: c_int = 2 << 13 | 7;
const IOPRIO_IDLE: c_int = 3 << 13;
