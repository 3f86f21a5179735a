//! The calls that no safe crate offers. All unsafe code of bgtask's host side is in this file.
//!
//! `clone3` is used for what `posix_spawn` cannot do: the child is *born* in its cgroup (moving it
//! afterwards costs milliseconds and leaves a gap) and its pidfd is made with it. The child shares
//! the parent's memory until it executes, so the cost does not grow with the broker.
//!
//! Sharing memory is sound because of four things together:
//! * `CLONE_VFORK`: the calling thread is stopped until the child executes or exits, so nothing it
//!   lent to the child goes away, and its thread-local `errno` has one user at a time;
//! * a stack of its own: the child's frames overwrite none of the parent's;
//! * `CLONE_CLEAR_SIGHAND`: no handler of the parent ever runs in the child, so signals need not
//!   be blocked around the call;
//! * the child makes a handful of system calls on prepared arguments, takes no lock and allocates nothing.
#![allow(unsafe_code)]

use std::ffi::{CString, c_char, c_int};
use std::io::{self, Read as _};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd as _, AsRawFd as _, BorrowedFd, FromRawFd as _, OwnedFd};
use std::ptr;

use rustix::process::{Pid, WaitId, WaitIdOptions, waitid};

/// A program and its arguments (the first is its name), to be executed with an empty environment.
#[derive(Debug)]
pub(crate) struct Image {
    pub(crate) program: CString,
    pub(crate) args: Vec<CString>,
}

#[derive(Debug)]
pub(crate) struct Child {
    pub(crate) pid: Pid,
    pub(crate) pidfd: OwnedFd,
}

#[derive(Debug)]
pub(crate) enum SpawnError {
    /// There is no child.
    Clone(io::Error),
    /// There was one, and it could not become the program.
    Execute(io::Error),
}

/// Runs `image` in `cgroup` with `stdio` as its descriptors 0 to 2.
///
/// The child keeps the signal mask, ignored signals and inheritable descriptors of the caller;
/// the image is expected to begin with [`default_signals`] and [`close_from`].
pub(crate) fn spawn(image: &Image, stdio: [BorrowedFd<'_>; 3], cgroup: BorrowedFd<'_>) -> Result<Child, SpawnError> {
    #[cfg(target_arch = "x86_64")]
    let clone = clone_sharing_memory;
    #[cfg(not(target_arch = "x86_64"))]
    let clone = clone_copying_memory;
    spawn_by(clone, image, stdio, cgroup)
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

const LAST_SIGNAL: c_int = 64;
const SIGSET_BYTES: usize = 8;
const KERNEL_SIGACTION_WORDS: usize = 8;

// The C library crate has these as `c_int`, which they do not fit.
const CLONE_CLEAR_SIGHAND: u64 = 0x1_0000_0000;
const CLONE_INTO_CGROUP: u64 = 0x2_0000_0000;

/// What the child reads, from the parent's memory.
#[repr(C)]
struct Plan {
    program: *const c_char,
    args: *const *const c_char,
    env: *const *const c_char,
    stdio: [c_int; 3],
    /// Where it writes the errno if it cannot execute; closed by `execve`.
    excuse: c_int,
}

/// The kernel's `clone_args`, in which zero means "not used".
#[derive(Default)]
#[repr(C)]
struct CloneArgs {
    flags: u64,
    pidfd: u64,
    child_tid: u64,
    parent_tid: u64,
    exit_signal: u64,
    stack: u64,
    stack_size: u64,
    tls: u64,
    set_tid: u64,
    set_tid_size: u64,
    cgroup: u64,
}

type CloneBy = fn(&mut CloneArgs, &Plan) -> libc::c_long;

fn spawn_by(
    clone: CloneBy,
    image: &Image,
    stdio: [BorrowedFd<'_>; 3],
    cgroup: BorrowedFd<'_>,
) -> Result<Child, SpawnError> {
    // Seats 0 to 2 are filled one after the other, so none of the sources may sit in one.
    let sources = stdio
        .iter()
        .map(|fd| rustix::io::fcntl_dupfd_cloexec(fd, 3))
        .collect::<Result<Vec<_>, _>>()
        .map_err(|errno| SpawnError::Clone(errno.into()))?;
    let (mut excuse, theirs) = io::pipe().map_err(SpawnError::Clone)?;
    let theirs = rustix::io::fcntl_dupfd_cloexec(theirs, 3).map_err(|errno| SpawnError::Clone(errno.into()))?;
    let mut args: Vec<*const c_char> = image.args.iter().map(|arg| arg.as_ptr()).collect();
    args.push(ptr::null());
    let env = [ptr::null()];
    let plan = Plan {
        program: image.program.as_ptr(),
        args: args.as_ptr(),
        env: env.as_ptr(),
        stdio: [0, 1, 2].map(|seat: usize| sources[seat].as_raw_fd()),
        excuse: theirs.as_raw_fd(),
    };

    let mut pidfd: c_int = -1;
    let mut how = CloneArgs {
        flags: libc::CLONE_PIDFD as u64 | libc::CLONE_VFORK as u64 | CLONE_CLEAR_SIGHAND | CLONE_INTO_CGROUP,
        pidfd: &raw mut pidfd as u64,
        exit_signal: libc::SIGCHLD as u64,
        cgroup: u64::from(cgroup.as_raw_fd().unsigned_abs()),
        ..CloneArgs::default()
    };
    let number = clone(&mut how, &plan);
    if number < 0 {
        let errno = i32::try_from(-number).expect("an errno is a small number");
        return Err(SpawnError::Clone(io::Error::from_raw_os_error(errno)));
    }
    // SAFETY: the kernel has just made this descriptor for us.
    let pidfd = unsafe { OwnedFd::from_raw_fd(pidfd) };
    let pid = i32::try_from(number).ok().and_then(Pid::from_raw);
    let pid = pid.expect("the kernel returned a process number");
    let child = Child { pid, pidfd };

    // The child has executed or exited by now, so what it had to say has been said.
    drop(theirs);
    let mut errno = [0; size_of::<c_int>()];
    match excuse.read_exact(&mut errno) {
        Err(_) => Ok(child),
        Ok(()) => {
            let _reaped = waitid(WaitId::PidFd(child.pidfd.as_fd()), WaitIdOptions::EXITED);
            let error = io::Error::from_raw_os_error(c_int::from_ne_bytes(errno));
            Err(SpawnError::Execute(error))
        }
    }
}

/// The child's whole life before it is the program.
extern "C" fn become_program(plan: *const Plan) -> ! {
    // SAFETY: `plan` and all that it points to outlive this function, because the parent is
    // stopped, or because this is a copy of its memory. The calls are async-signal-safe; `errno`
    // is the stopped parent's. Only the child's own descriptor table is changed.
    unsafe {
        let mut seat = 0;
        while seat < 3 {
            let source = *(&raw const (*plan).stdio).cast::<c_int>().add(seat);
            if libc::dup2(source, seat as c_int) < 0 {
                break;
            }
            seat += 1;
        }
        if seat == 3 {
            libc::execve((*plan).program, (*plan).args, (*plan).env);
        }
        let errno = libc::__errno_location();
        libc::write((*plan).excuse, errno.cast(), size_of::<c_int>());
        libc::_exit(crate::launcher::FAILED)
    }
}

/// Like `fork`: for machines the assembly below does not know. Costs a copy of the page tables.
#[cfg(any(test, not(target_arch = "x86_64")))]
fn clone_copying_memory(how: &mut CloneArgs, plan: &Plan) -> libc::c_long {
    // SAFETY: without CLONE_VM the child returns here in a copy of the memory, stack included,
    // and `become_program` never returns. `how` names a valid place for the pidfd.
    let number = unsafe { libc::syscall(libc::SYS_clone3, &raw mut *how, size_of::<CloneArgs>()) };
    match number {
        0 => become_program(plan),
        -1 => -libc::c_long::from(io::Error::last_os_error().raw_os_error().unwrap_or(libc::EIO)),
        number => number,
    }
}

/// Much more than the child needs, as the dynamic loader may resolve `execve` on it.
#[cfg(target_arch = "x86_64")]
const STACK_BYTES: usize = 64 * 1024;

#[cfg(target_arch = "x86_64")]
#[repr(C, align(16))]
struct Stack([MaybeUninit<u8>; STACK_BYTES]);

#[cfg(target_arch = "x86_64")]
fn clone_sharing_memory(how: &mut CloneArgs, plan: &Plan) -> libc::c_long {
    let mut stack = Box::<Stack>::new_uninit();
    how.flags |= libc::CLONE_VM as u64;
    how.stack = stack.as_mut_ptr() as u64;
    how.stack_size = STACK_BYTES as u64;
    let number: libc::c_long;
    // SAFETY: the parent's path is one system call with its documented clobbers; memory counts
    // as changed. The child starts behind it with the same registers but its own, 16-byte aligned
    // stack, and calls a function that never returns, so nothing here is executed twice.
    // `stack`, `how` and `plan` live until the parent goes on, which is after the child is done
    // with them. This cannot be a call to `libc::syscall`, as the child would return from it
    // through a stack that is not its own.
    unsafe {
        std::arch::asm!(
            "syscall",
            "test rax, rax",
            "jnz 2f",
            "xor ebp, ebp",
            "mov rdi, r12",
            "call r13",
            "ud2",
            "2:",
            inlateout("rax") libc::SYS_clone3 => number,
            in("rdi") &raw mut *how,
            in("rsi") size_of::<CloneArgs>(),
            in("r12") &raw const *plan,
            in("r13") become_program as extern "C" fn(*const Plan) -> !,
            lateout("rcx") _,
            lateout("r11") _,
        );
    }
    drop(stack);
    number
}

#[cfg(test)]
mod tests {
    use std::fs::File;

    use super::*;

    fn sh(script: &str) -> Image {
        let args = ["sh", "-c", script].map(|arg| CString::new(arg).unwrap());
        Image { program: c"/bin/sh".to_owned(), args: args.to_vec() }
    }

    /// Runs `image` in the test's own cgroup; `None` where there is no cgroup v2.
    fn output(clone: CloneBy, image: &Image) -> Option<Result<String, SpawnError>> {
        let cgroup = File::open(crate::cgroup::own().ok()?).unwrap();
        let null = File::open("/dev/null").unwrap();
        let (mut read, write) = io::pipe().unwrap();
        let stdio = [null.as_fd(), write.as_fd(), null.as_fd()];
        let child = match spawn_by(clone, image, stdio, cgroup.as_fd()) {
            Ok(child) => child,
            Err(error) => return Some(Err(error)),
        };
        drop(write);
        let mut text = String::new();
        read.read_to_string(&mut text).unwrap();
        let exited = WaitIdOptions::EXITED;
        let status = waitid(WaitId::PidFd(child.pidfd.as_fd()), exited).unwrap();
        assert_eq!(status.unwrap().exit_status(), Some(0));
        Some(Ok(text))
    }

    fn clones() -> Vec<CloneBy> {
        vec![
            clone_copying_memory,
            #[cfg(target_arch = "x86_64")]
            clone_sharing_memory,
        ]
    }

    #[test]
    fn a_child_runs_with_an_empty_environment() {
        for clone in clones() {
            if let Some(text) = output(clone, &sh("cat /proc/$$/environ; echo hello")) {
                assert_eq!(text.unwrap(), "hello\n");
            }
        }
    }

    #[test]
    fn a_missing_program_is_an_errno() {
        let image = Image { program: c"/nowhere/launcher".to_owned(), args: vec![c"launcher".to_owned()] };
        for clone in clones() {
            match output(clone, &image) {
                Some(Err(SpawnError::Execute(error))) => {
                    assert_eq!(error.raw_os_error(), Some(libc::ENOENT));
                }
                None => {}
                other => panic!("{other:?}"),
            }
        }
    }
}
