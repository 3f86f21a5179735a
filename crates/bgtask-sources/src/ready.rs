//! Waiting until a file descriptor is ready.

use std::io;
use std::os::fd::OwnedFd;

use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// A descriptor the runtime watches.
pub(crate) type Ready = AsyncFd<OwnedFd>;

/// Lets the current runtime watch when `fd` can be read.
pub(crate) fn watch(fd: OwnedFd) -> io::Result<Ready> {
    watch_for(fd, Interest::READABLE)
}

/// Lets the current runtime watch `fd` for nothing but `interest`.
#[allow(
    deprecated,
    reason = "the successor is unsafe because of types that may close or swap their descriptor; an OwnedFd cannot"
)]
pub(crate) fn watch_for(fd: OwnedFd, interest: Interest) -> io::Result<Ready> {
    AsyncFd::with_interest(fd, interest)
}
