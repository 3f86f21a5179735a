//! The calls that no safe crate offers. All unsafe code of bgtask's host side is in this folder.
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

mod child;
mod clone;
mod process;
mod step;

use std::ffi::{CString, c_char};
use std::io::{self, Read as _};
use std::os::fd::{AsFd as _, AsRawFd as _, BorrowedFd, OwnedFd};
use std::ptr;

use rustix::process::{Pid, WaitId, WaitIdOptions, waitid};

use child::{Excuse, Plan};
use clone::CloneBy;
pub(crate) use process::{
    DiskPriority, close_from, default_signals, own_peak, resources_of_ended, set_disk_priority, set_scheduling,
};
pub(crate) use step::{Resource, Step};

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
    let clone = clone::clone_sharing_memory;
    #[cfg(not(target_arch = "x86_64"))]
    let clone = clone::clone_copying_memory;
    spawn_by(clone, image, steps, place)
}

fn spawn_by(clone: CloneBy, image: &Image, steps: &[Step<'_>], place: Birthplace<'_>) -> Result<Child, SpawnError> {
    // Seats are filled one after the other, so none of the sources may sit in one.
    let above_seats = steps.iter().filter_map(Step::seat).map(|(_, number)| number + 1).max().unwrap_or_default();
    let moved = steps.iter().map(|step| step::moved_source(step, above_seats)).collect::<io::Result<Vec<_>>>();
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
    let child = clone::clone_into(clone, &plan, place)?;
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

/// As `execve` wants them: with a null at the end.
fn pointers(texts: &[CString]) -> Vec<*const c_char> {
    texts.iter().map(|text| text.as_ptr()).chain([ptr::null()]).collect()
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

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::os::fd::AsFd as _;

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
            clone::clone_copying_memory,
            #[cfg(target_arch = "x86_64")]
            clone::clone_sharing_memory,
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
