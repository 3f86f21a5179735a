//! Namespaces of its own, made before anybody waits for them.

use std::fs::{self, File};
use std::io;
use std::os::fd::{AsFd as _, OwnedFd};

use rustix::mount::{MountPropagationFlags, mount_change};
use rustix::process::{getegid, geteuid};
use rustix::thread::{ThreadNameSpaceType, UnshareFlags, gettid, move_into_thread_name_spaces};

/// What was got.
#[derive(Debug)]
pub(crate) struct Namespaces {
    /// Whether there is a user namespace: as root there need not be one.
    pub(crate) of_user: bool,
    /// A network in which nothing is, to be entered by who must have none.
    empty_network: io::Result<OwnedFd>,
}

impl Namespaces {
    /// A mount namespace, one for old-style shared memory and queues, and an empty network beside it.
    ///
    /// The network is made by a thread of its own, as there would be no way back: making one takes half a millisecond, entering
    /// one that is there takes three microseconds.
    pub(crate) fn new() -> io::Result<Self> {
        let of_user = !geteuid().is_root();
        let (user, group) = (geteuid().as_raw(), getegid().as_raw());
        let wanted = UnshareFlags::NEWNS | UnshareFlags::NEWIPC;
        unshare(if of_user { wanted | UnshareFlags::NEWUSER } else { wanted })?;
        if of_user {
            fs::write("/proc/self/setgroups", "deny")?;
            fs::write("/proc/self/uid_map", format!("{user} {user} 1\n"))?;
            fs::write("/proc/self/gid_map", format!("{group} {group} 1\n"))?;
        }
        mount_change("/", MountPropagationFlags::REC | MountPropagationFlags::PRIVATE)?;
        Ok(Self { of_user, empty_network: empty_network() })
    }

    pub(crate) fn has_empty_network(&self) -> Result<(), String> {
        self.empty_network.as_ref().map(drop).map_err(ToString::to_string)
    }

    pub(crate) fn leave_network(&self) -> io::Result<()> {
        match &self.empty_network {
            Ok(network) => Ok(move_into_thread_name_spaces(network.as_fd(), ThreadNameSpaceType::NETWORK)?),
            Err(error) => Err(io::Error::new(error.kind(), error.to_string())),
        }
    }
}

fn empty_network() -> io::Result<OwnedFd> {
    let made = std::thread::spawn(|| {
        unshare(UnshareFlags::NEWNET)?;
        let thread = gettid().as_raw_nonzero();
        File::open(format!("/proc/self/task/{thread}/ns/net")).map(OwnedFd::from)
    });
    made.join().unwrap_or_else(|_| Err(io::ErrorKind::Other.into()))
}

/// The library calls this unsafe for one flag, which would part the threads' descriptors, and none of the callers sets it.
#[expect(deprecated, reason = "the safe way to call it, and no caller shares descriptors")]
fn unshare(flags: UnshareFlags) -> io::Result<()> {
    debug_assert!(!flags.contains(UnshareFlags::FILES));
    Ok(rustix::thread::unshare(flags)?)
}
