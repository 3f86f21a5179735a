//! What the kernel has not sent yet.

use std::ffi::c_int;
use std::os::fd::OwnedFd;

use rustix::ioctl::{Getter, Opcode, ioctl};

/// `SIOCOUTQ`, which has the number of `TIOCOUTQ`.
const SIOCOUTQ: Opcode = 0x5411;

/// How many bytes wait in a socket to be sent, and on TCP to be confirmed; `None` where it does not say.
#[allow(unsafe_code)]
pub(super) fn unsent(socket: &OwnedFd) -> Option<u32> {
    // SAFETY: the number is that of SIOCOUTQ (asm-generic/ioctls.h), which writes one int and reads nothing; what does not know it fails.
    let asked = unsafe { ioctl(socket, Getter::<SIOCOUTQ, c_int>::new()) };
    asked.ok().and_then(|bytes| u32::try_from(bytes).ok())
}
