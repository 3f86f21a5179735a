//! The system call that makes a child.

use std::ffi::{c_int, c_long};
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd as _, FromRawFd as _, OwnedFd};

use rustix::process::Pid;

use super::child::{Plan, become_program};
use super::{Birthplace, Child, Network, SpawnError};

// The C library crate has these as `c_int`, which they do not fit.
const CLONE_CLEAR_SIGHAND: u64 = 0x1_0000_0000;
const CLONE_INTO_CGROUP: u64 = 0x2_0000_0000;

/// The kernel's `clone_args`, in which zero means "not used".
#[derive(Default)]
#[repr(C)]
pub(super) struct CloneArgs {
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

/// The two ways to make one.
pub(super) type CloneBy = fn(&mut CloneArgs, &Plan<'_>) -> c_long;

pub(super) fn clone_into(clone: CloneBy, plan: &Plan<'_>, place: Birthplace<'_>) -> Result<Child, SpawnError> {
    let mut pidfd: c_int = -1;
    let mut how = CloneArgs {
        flags: libc::CLONE_PIDFD as u64 | libc::CLONE_VFORK as u64 | CLONE_CLEAR_SIGHAND,
        pidfd: &raw mut pidfd as u64,
        exit_signal: libc::SIGCHLD as u64,
        ..CloneArgs::default()
    };
    if let Some(cgroup) = place.cgroup {
        how.flags |= CLONE_INTO_CGROUP;
        how.cgroup = u64::from(cgroup.as_raw_fd().unsigned_abs());
    }
    how.flags |= match place.network {
        Network::Shared => 0,
        Network::Empty => libc::CLONE_NEWNET as u64,
        Network::EmptyAsUser => libc::CLONE_NEWNET as u64 | libc::CLONE_NEWUSER as u64,
    };
    let number = clone(&mut how, plan);
    if number < 0 {
        let errno = i32::try_from(-number).expect("an errno is a small number");
        return Err(SpawnError::Clone(io::Error::from_raw_os_error(errno)));
    }
    // SAFETY: the kernel has just made this descriptor for us.
    let pidfd = unsafe { OwnedFd::from_raw_fd(pidfd) };
    let pid = i32::try_from(number).ok().and_then(Pid::from_raw);
    Ok(Child { pid: pid.expect("the kernel returned a process number"), pidfd })
}

/// Like `fork`: for machines the assembly below does not know. Costs a copy of the page tables.
#[cfg(any(test, not(target_arch = "x86_64")))]
pub(super) fn clone_copying_memory(how: &mut CloneArgs, plan: &Plan<'_>) -> c_long {
    // SAFETY: without CLONE_VM the child returns here in a copy of the memory, stack included,
    // and `become_program` never returns. `how` names a valid place for the pidfd.
    let number = unsafe { libc::syscall(libc::SYS_clone3, &raw mut *how, size_of::<CloneArgs>()) };
    match number {
        0 => become_program(plan),
        -1 => -c_long::from(io::Error::last_os_error().raw_os_error().unwrap_or(libc::EIO)),
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
pub(super) fn clone_sharing_memory(how: &mut CloneArgs, plan: &Plan<'_>) -> c_long {
    let mut stack = Box::<Stack>::new_uninit();
    how.flags |= libc::CLONE_VM as u64;
    how.stack = stack.as_mut_ptr() as u64;
    how.stack_size = STACK_BYTES as u64;
    let number: c_long;
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
            in("r13") become_program as for<'a> extern "C" fn(*const Plan<'a>) -> !,
            lateout("rcx") _,
            lateout("r11") _,
        );
    }
    drop(stack);
    number
}
