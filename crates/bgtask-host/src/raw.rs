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

use std::ffi::{CStr, CString, c_char, c_int, c_long};
use std::io::{self, Read as _};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd as _, AsRawFd as _, BorrowedFd, FromRawFd as _, OwnedFd};
use std::ptr;
use std::time::Duration;

use rustix::process::{Pid, WaitId, WaitIdOptions, waitid};

/// A program, its arguments (the first is its name) and its environment.
#[derive(Debug, Default)]
pub(crate) struct Image {
    /// Tried in order until one exists and may be executed, as `execvp` does.
    pub(crate) programs: Vec<CString>,
    pub(crate) args: Vec<CString>,
    /// `NAME=VALUE` each.
    pub(crate) env: Vec<CString>,
    /// The shell that runs a script without a first line that says who does; none fails on it.
    pub(crate) shell: Option<CString>,
}

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
pub(crate) const COPY_BYTES: usize = 1024;

/// Where a child begins.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Birthplace<'a> {
    pub(crate) cgroup: Option<BorrowedFd<'a>>,
    pub(crate) network: Network,
}

/// The network a child sees.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Network {
    /// That of the parent.
    #[default]
    Shared,
    /// None. Takes the privilege to administer the system.
    Empty,
    /// None, in a user namespace of its own whose maps are still to be written.
    EmptyAsUser,
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
    /// There was one, and the step of this number failed.
    Step(usize, io::Error),
    /// There was one, and it could not become any of the programs; this one says most about why.
    Execute(usize, io::Error),
}

/// Runs `image` after `steps`.
///
/// The child keeps the signal mask, ignored signals and inheritable descriptors of the caller, as far as the steps do not
/// change them. The caller waits until the child has executed: for as long as the file systems of the working directory
/// and the program take.
pub(crate) fn spawn(image: &Image, steps: &[Step<'_>], place: Birthplace<'_>) -> Result<Child, SpawnError> {
    #[cfg(target_arch = "x86_64")]
    let clone = clone_sharing_memory;
    #[cfg(not(target_arch = "x86_64"))]
    let clone = clone_copying_memory;
    spawn_by(clone, image, steps, place)
}

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

const LAST_SIGNAL: c_int = 64;
const SIGSET_BYTES: usize = 8;
const KERNEL_SIGACTION_WORDS: usize = 8;

// <linux/ioprio.h>
const IOPRIO_WHO_PROCESS: c_int = 1;
const IOPRIO_IDLE: c_int = 3 << 13;

// The C library crate has these as `c_int`, which they do not fit.
const CLONE_CLEAR_SIGHAND: u64 = 0x1_0000_0000;
const CLONE_INTO_CGROUP: u64 = 0x2_0000_0000;

/// What the child reads, from the parent's memory.
struct Plan<'a> {
    steps: &'a [Step<'a>],
    programs: &'a [CString],
    args: *const *const c_char,
    env: *const *const c_char,
    /// The arguments of a shell, with a gap for the script; null if there is no shell.
    shell: *mut *const c_char,
    /// Where it writes what failed if it cannot execute; closed by `execve`.
    excuse: c_int,
}

/// What failed, and the errno.
type Excuse = [u32; 2];

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

type CloneBy = fn(&mut CloneArgs, &Plan<'_>) -> c_long;

fn spawn_by(clone: CloneBy, image: &Image, steps: &[Step<'_>], place: Birthplace<'_>) -> Result<Child, SpawnError> {
    // Seats are filled one after the other, so none of the sources may sit in one.
    let above_seats = steps.iter().filter_map(Step::seat).map(|(_, number)| number + 1).max().unwrap_or_default();
    let moved = steps.iter().map(|step| moved_source(step, above_seats)).collect::<io::Result<Vec<_>>>();
    let moved = moved.map_err(SpawnError::Clone)?;
    let steps: Vec<Step<'_>> = steps.iter().zip(&moved).map(|(step, moved)| step.seated_from(moved.as_ref())).collect();
    let (excuse, theirs) = io::pipe().map_err(SpawnError::Clone)?;
    let theirs =
        rustix::io::fcntl_dupfd_cloexec(theirs, above_seats).map_err(|errno| SpawnError::Clone(errno.into()))?;
    let args = pointers(&image.args);
    let env = pointers(&image.env);
    let mut shell = image.shell.as_ref().map(|shell| {
        let rest = args.iter().skip(1).copied();
        [shell.as_ptr(), ptr::null()].into_iter().chain(rest).collect::<Vec<_>>()
    });
    let plan = Plan {
        steps: &steps,
        programs: &image.programs,
        args: args.as_ptr(),
        env: env.as_ptr(),
        shell: shell.as_mut().map_or(ptr::null_mut(), |shell| shell.as_mut_ptr()),
        excuse: theirs.as_raw_fd(),
    };
    let child = clone_into(clone, &plan, place)?;
    // The child has executed or exited by now, so what it had to say has been said.
    drop(theirs);
    match failure_in(excuse, steps.len()) {
        None => Ok(child),
        Some(failure) => {
            let _reaped = waitid(WaitId::PidFd(child.pidfd.as_fd()), WaitIdOptions::EXITED);
            Err(failure)
        }
    }
}

impl<'a> Step<'a> {
    fn seat(&self) -> Option<(BorrowedFd<'a>, c_int)> {
        match *self {
            Self::Seat(source, number) => Some((source, number)),
            _ => None,
        }
    }

    fn seated_from<'b>(&self, moved: Option<&'b OwnedFd>) -> Step<'b>
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
fn moved_source(step: &Step<'_>, above_seats: c_int) -> io::Result<Option<OwnedFd>> {
    match step.seat() {
        Some((source, _)) if source.as_raw_fd() < above_seats => {
            Ok(Some(rustix::io::fcntl_dupfd_cloexec(source, above_seats)?))
        }
        _ => Ok(None),
    }
}

/// As `execve` wants them: with a null at the end.
fn pointers(texts: &[CString]) -> Vec<*const c_char> {
    texts.iter().map(|text| text.as_ptr()).chain([ptr::null()]).collect()
}

fn clone_into(clone: CloneBy, plan: &Plan<'_>, place: Birthplace<'_>) -> Result<Child, SpawnError> {
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

fn failure_in(mut excuse: io::PipeReader, steps: usize) -> Option<SpawnError> {
    let mut bytes = [0; size_of::<Excuse>()];
    excuse.read_exact(&mut bytes).ok()?;
    let (place, errno) = bytes.split_at(size_of::<u32>());
    let number = |bytes: &[u8]| bytes.try_into().map(u32::from_ne_bytes).expect("four bytes");
    let place = number(place) as usize;
    let error = io::Error::from_raw_os_error(number(errno).cast_signed());
    Some(match place.checked_sub(steps) {
        None => SpawnError::Step(place, error),
        Some(program) => SpawnError::Execute(program, error),
    })
}

/// The child's whole life before it is the program.
extern "C" fn become_program(plan: *const Plan<'_>) -> ! {
    // SAFETY: `plan` and all that it points to outlive this function, because the parent is
    // stopped, or because this is a copy of its memory. Nothing else uses it meanwhile.
    let plan = unsafe { &*plan };
    let excuse = excuse_of(plan);
    // SAFETY: async-signal-safe calls on valid arguments.
    unsafe {
        libc::write(plan.excuse, excuse.as_ptr().cast(), size_of::<Excuse>());
        libc::_exit(crate::launcher::FAILED)
    }
}

/// Returns only if the child cannot become the program.
fn excuse_of(plan: &Plan<'_>) -> Excuse {
    let mut place = 0;
    for step in plan.steps {
        if let Err(errno) = perform(step, plan.excuse) {
            return [place, errno.cast_unsigned()];
        }
        place += 1;
    }
    let mut telling = [place, libc::ENOENT.cast_unsigned()];
    for program in plan.programs {
        let errno = execute(program, plan);
        match errno {
            libc::ENOENT | libc::ENOTDIR | libc::ESTALE | libc::ENODEV | libc::ETIMEDOUT => {}
            // One further down the path may do.
            libc::EACCES => telling = [place, errno.cast_unsigned()],
            _ => return [place, errno.cast_unsigned()],
        }
        place += 1;
    }
    telling
}

fn execute(program: &CStr, plan: &Plan<'_>) -> c_int {
    // SAFETY: the arrays and what they point to are valid and end with a null. The gap in the shell's arguments is theirs
    // at 1, and only this child uses it.
    unsafe {
        libc::execve(program.as_ptr(), plan.args, plan.env);
        if errno() == libc::ENOEXEC && !plan.shell.is_null() {
            *plan.shell.add(1) = program.as_ptr();
            libc::execve(*plan.shell, plan.shell, plan.env);
        }
    }
    errno()
}

/// Only system calls on prepared arguments: nothing here takes a lock or allocates.
fn perform(step: &Step<'_>, excuse: c_int) -> Result<(), c_int> {
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
                libc::syscall(libc::SYS_ioprio_set, IOPRIO_WHO_PROCESS, 0, IOPRIO_IDLE);
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

fn errno() -> c_int {
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

/// Like `fork`: for machines the assembly below does not know. Costs a copy of the page tables.
#[cfg(any(test, not(target_arch = "x86_64")))]
fn clone_copying_memory(how: &mut CloneArgs, plan: &Plan<'_>) -> c_long {
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
fn clone_sharing_memory(how: &mut CloneArgs, plan: &Plan<'_>) -> c_long {
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

#[cfg(test)]
mod tests {
    use std::fs::File;

    use super::*;

    fn sh(script: &str) -> Image {
        let args = ["sh", "-c", script].map(|arg| CString::new(arg).unwrap());
        Image { programs: vec![c"/bin/sh".to_owned()], args: args.to_vec(), ..Image::default() }
    }

    /// Runs `image` in the test's own cgroup; `None` where there is no cgroup v2.
    fn output(clone: CloneBy, image: &Image) -> Option<Result<String, SpawnError>> {
        let cgroup = File::open(crate::cgroup::own().ok()?).unwrap();
        let null = File::open("/dev/null").unwrap();
        let (mut read, write) = io::pipe().unwrap();
        let null = null.as_fd();
        let steps = [Step::Seat(null, 0), Step::Seat(write.as_fd(), 1), Step::Seat(null, 2)];
        let place = Birthplace { cgroup: Some(cgroup.as_fd()), ..Birthplace::default() };
        let child = match spawn_by(clone, image, &steps, place) {
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

    /// Each of two descriptors is wanted where the other one is.
    #[test]
    fn seats_may_be_where_other_sources_are() {
        let (mut read, write) = io::pipe().unwrap();
        let (first, second) = (crate::sealed(b"first ").unwrap(), crate::sealed(b"second").unwrap());
        let steps = [
            Step::Seat(write.as_fd(), 1),
            Step::Seat(first.as_fd(), second.as_raw_fd()),
            Step::Seat(second.as_fd(), first.as_raw_fd()),
        ];
        let script = format!("cat /dev/fd/{} /dev/fd/{}", second.as_raw_fd(), first.as_raw_fd());
        for clone in clones() {
            let child = spawn_by(clone, &sh(&script), &steps, Birthplace::default()).unwrap();
            let mut text = [0; 12];
            read.read_exact(&mut text).unwrap();
            assert_eq!(&text, b"first second");
            let status = waitid(WaitId::PidFd(child.pidfd.as_fd()), WaitIdOptions::EXITED).unwrap();
            assert_eq!(status.unwrap().exit_status(), Some(0));
        }
    }

    #[test]
    fn a_step_that_fails_is_told_by_its_number() {
        for clone in clones() {
            let steps = [Step::Group, Step::Try(c"/nowhere/file", b"x"), Step::Enter(c"/nowhere")];
            match spawn_by(clone, &sh("exit"), &steps, Birthplace::default()) {
                Err(SpawnError::Step(2, error)) => assert_eq!(error.raw_os_error(), Some(libc::ENOENT)),
                other => panic!("{other:?}"),
            }
        }
    }

    #[test]
    fn a_missing_program_is_an_errno() {
        let programs = vec![c"/nowhere/launcher".to_owned()];
        let image = Image { programs, args: vec![c"launcher".to_owned()], ..Image::default() };
        for clone in clones() {
            match output(clone, &image) {
                Some(Err(SpawnError::Execute(0, error))) => {
                    assert_eq!(error.raw_os_error(), Some(libc::ENOENT));
                }
                None => {}
                other => panic!("{other:?}"),
            }
        }
    }
}
