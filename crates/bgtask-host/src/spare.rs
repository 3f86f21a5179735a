//! A launcher in waiting, and what a launch makes of it.

use std::io::{self, IoSlice, PipeReader, PipeWriter};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::task::Poll;

use rustix::event::{EventfdFlags, PollFd, PollFlags, Timespec, eventfd, poll};
use rustix::io::Errno;
use rustix::net::{
    AddressFamily, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage, SendFlags, SocketFlags, SocketType, recv,
    sendmsg, socketpair,
};

use crate::host::Host;
use crate::launcher::MAX_ORDER_FDS;
use crate::message::{FAILURE_BYTES, Failure, Stage};
use crate::{HostError, HostSpec};

/// A host that has been launched; whether its program has started is still to come.
#[derive(Debug)]
pub struct Launch {
    /// The process.
    pub host: Host,
    /// Whether the program starts.
    pub start: Start,
    /// This end of the channel that the host has as descriptor 3; it does not block.
    pub channel: UnixStream,
    /// What the host writes to standard output and error; reading it does not block.
    pub output: PipeReader,
}

/// Tells whether a launched program has started.
///
/// It is readable (as in `poll`) when it can tell.
#[derive(Debug)]
pub struct Start {
    control: OwnedFd,
    program: PathBuf,
    dir: PathBuf,
    launcher: PathBuf,
}

impl Start {
    /// Ready with `Ok` once the launcher has become the program, and with the error if it could
    /// not. A launcher that was killed counts as started: the [`Exit`](crate::Exit) tells more.
    pub fn outcome(&self) -> Poll<Result<(), HostError>> {
        let mut bytes = [0; FAILURE_BYTES];
        match hear(&self.control, &mut bytes) {
            Err(Errno::AGAIN) => Poll::Pending,
            Ok(0) => Poll::Ready(Ok(())),
            Ok(length) => Poll::Ready(Err(self.error(&bytes[..length]))),
            Err(errno) => {
                let error = HostError::environment("hear from the launcher", &self.launcher, errno);
                Poll::Ready(Err(error))
            }
        }
    }

    fn error(&self, report: &[u8]) -> HostError {
        match Failure::decode(report) {
            Some(Failure { stage: Stage::Execute, error })
                if error.kind() == std::io::ErrorKind::NotFound && self.program.exists() =>
            {
                HostError::Unseen { path: self.program.clone() }
            }
            Some(Failure { stage: Stage::Execute, error: source }) => {
                HostError::Execute { path: self.program.clone(), source }
            }
            Some(Failure { stage: Stage::Directory, error: source }) => {
                HostError::Directory { path: self.dir.clone(), source }
            }
            Some(Failure { stage: Stage::Wall, error: source }) => {
                HostError::Wall { path: self.program.clone(), source }
            }
            other => launcher_failed(&self.launcher, other, Errno::PROTO),
        }
    }
}

impl AsFd for Start {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.control.as_fd()
    }
}

/// What the message says that brings a launcher its bell.
pub(crate) const BELL: &[u8] = b"bell";

/// The same to one that prepares walls while it waits.
pub(crate) const BELL_WITH_WALLS: &[u8] = b"bell with walls";

/// A launcher that waits.
#[derive(Debug)]
pub(crate) struct Spare {
    pub(crate) host: Host,
    ends: Ends,
}

impl Spare {
    /// Whether it waits behind walls, and for whom they are.
    pub(crate) fn has_walls(&self) -> bool {
        self.ends.walls
    }
}

/// The broker's ends of what a launcher is born with.
#[derive(Debug)]
pub(crate) struct Ends {
    control: OwnedFd,
    /// Rung after an order: a socket wakes its reader on the processor of the writer whatever else is idle, an eventfd
    /// does not, and the broker has the commit to do.
    bell: OwnedFd,
    output: PipeReader,
    walls: bool,
}

/// The launcher's ends.
pub(crate) struct Seats {
    pub(crate) control: OwnedFd,
    pub(crate) output: PipeWriter,
    pub(crate) errors: PipeWriter,
}

impl Ends {
    pub(crate) fn with(self, host: Host) -> Spare {
        Spare { host, ends: self }
    }
}

impl Seats {
    pub(crate) fn stdio(&self) -> [BorrowedFd<'_>; 3] {
        [self.control.as_fd(), self.output.as_fd(), self.errors.as_fd()]
    }
}

impl Spare {
    pub(crate) fn order(&self, order: &[u8], fds: &[BorrowedFd<'_>]) -> Result<(), Errno> {
        // Its end of the socket may outlive it for a moment, in a child that another thread was starting when it was made.
        if self.has_ended() {
            return Err(Errno::PIPE);
        }
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MAX_ORDER_FDS))];
        let mut ancillary = SendAncillaryBuffer::new(&mut space);
        let has_room = ancillary.push(SendAncillaryMessage::ScmRights(fds));
        assert!(has_room, "the payload is bounded");
        let flags = SendFlags::NOSIGNAL | SendFlags::DONTWAIT;
        sendmsg(&self.ends.control, &[IoSlice::new(order)], &mut ancillary, flags)?;
        self.host.keep_off_this_processor();
        rustix::io::write(&self.ends.bell, &1_u64.to_ne_bytes()).map(drop)
    }

    fn has_ended(&self) -> bool {
        let mut ended = [PollFd::new(&self.host, PollFlags::IN)];
        poll(&mut ended, Some(&Timespec::default())) == Ok(1)
    }

    pub(crate) fn into_launch(self, channel: UnixStream, spec: &HostSpec, launcher: &Path) -> Launch {
        let start = Start {
            control: self.ends.control,
            program: spec.program.clone(),
            dir: spec.dir.clone(),
            launcher: launcher.to_owned(),
        };
        Launch { host: self.host, start, channel, output: self.ends.output }
    }

    /// Why it did not take an order.
    pub(crate) fn complaint(&self, launcher: &Path, errno: Errno) -> HostError {
        let mut bytes = [0; FAILURE_BYTES];
        let length = hear(&self.ends.control, &mut bytes);
        let report = length.ok().and_then(|length| Failure::decode(&bytes[..length]));
        launcher_failed(launcher, report, errno)
    }
}

/// Reads a launcher's report without waiting; nothing if it has closed its end.
fn hear(control: &OwnedFd, bytes: &mut [u8]) -> Result<usize, Errno> {
    loop {
        match recv(control, &mut *bytes, RecvFlags::DONTWAIT) {
            // A launcher that left its order unread. The kernel says so once, before it hands
            // out what the launcher had sent.
            Err(Errno::CONNRESET | Errno::INTR) => {}
            other => return other.map(|(length, _)| length),
        }
    }
}

fn launcher_failed(launcher: &Path, report: Option<Failure>, errno: Errno) -> HostError {
    match report {
        Some(Failure { stage: Stage::Confine, error }) => HostError::environment("confine", launcher, error),
        other => HostError::Launcher {
            path: launcher.to_owned(),
            source: other.map_or_else(|| errno.into(), |failure| failure.error),
        },
    }
}

/// The broker's end does not block.
pub(crate) fn channel() -> io::Result<(UnixStream, UnixStream)> {
    let (ours, theirs) = UnixStream::pair()?;
    ours.set_nonblocking(true)?;
    Ok((ours, theirs))
}

pub(crate) fn pipes(walls: bool) -> io::Result<(Ends, Seats)> {
    let (control, theirs) = socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)?;
    let (output, write) = io::pipe()?;
    rustix::io::ioctl_fionbio(&output, true)?;
    let bell = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
    hand_over_bell(&control, &bell, walls)?;
    let seats = Seats { control: theirs, errors: write.try_clone()?, output: write };
    Ok((Ends { control, bell, output, walls }, seats))
}

/// The first message a launcher finds.
fn hand_over_bell(control: &OwnedFd, bell: &OwnedFd, walls: bool) -> Result<(), Errno> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut ancillary = SendAncillaryBuffer::new(&mut space);
    let fds = [bell.as_fd()];
    let has_room = ancillary.push(SendAncillaryMessage::ScmRights(&fds));
    assert!(has_room, "one descriptor fits");
    let words = if walls { BELL_WITH_WALLS } else { BELL };
    sendmsg(control, &[IoSlice::new(words)], &mut ancillary, SendFlags::NOSIGNAL).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_is_heard_even_if_the_order_was_not() {
        let (ours, theirs) = pipes(false).unwrap();
        rustix::net::send(&ours.control, b"order", SendFlags::empty()).unwrap();
        rustix::net::send(&theirs.control, b"report", SendFlags::empty()).unwrap();
        drop(theirs);
        let mut bytes = [0; FAILURE_BYTES];
        assert_eq!(hear(&ours.control, &mut bytes), Ok(6));
        assert_eq!(hear(&ours.control, &mut bytes), Ok(0));
    }
}
