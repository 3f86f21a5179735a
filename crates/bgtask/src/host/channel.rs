//! The socket a broker leaves open for the program it starts.

use std::os::fd::{FromRawFd, IntoRawFd, OwnedFd, RawFd};
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicBool, Ordering};

use bgtask_wire::host_names::CHANNEL_VARIABLE;
use rustix::io::{FdFlags, fcntl_setfd};
use rustix::net::{AddressFamily, sockopt::socket_domain};

/// Takes the channel; `None` if no broker started this program. What it cannot use it leaves alone and describes.
pub(crate) fn inherited() -> Result<Option<UnixStream>, String> {
    let Some(text) = std::env::var_os(CHANNEL_VARIABLE) else { return Ok(None) };
    let number = text.to_str().and_then(|text| text.parse().ok()).filter(|number| *number >= 0);
    let Some(number) = number else {
        return Err(format!("{CHANNEL_VARIABLE} is {text:?}, which is no descriptor number; only the broker sets it"));
    };
    static TAKEN: AtomicBool = AtomicBool::new(false);
    if TAKEN.swap(true, Ordering::Relaxed) {
        return Err(
            "Host::run or CoreApplication::run_background was called before in this program; a program is one host, with all its tasks".into()
        );
    }
    take(number).map(Some)
}

/// Takes a descriptor over and keeps it from the programs a task starts.
fn take(number: RawFd) -> Result<UnixStream, String> {
    let fd = own(number);
    let usable = socket_domain(&fd).and_then(|family| {
        if family != AddressFamily::UNIX {
            return Err(rustix::io::Errno::AFNOSUPPORT);
        }
        fcntl_setfd(&fd, FdFlags::CLOEXEC)
    });
    match usable {
        Ok(()) => Ok(fd.into()),
        Err(error) => {
            // It is not ours after all: closing it would take it from whoever it belongs to.
            let _ = fd.into_raw_fd();
            Err(format!(
                "{CHANNEL_VARIABLE} is {number}, but descriptor {number} is no Unix socket ({error}); \
                 it was closed or replaced before Host::run or CoreApplication::run_background, which has to come first in main"
            ))
        }
    }
}

#[allow(unsafe_code)]
fn own(number: RawFd) -> OwnedFd {
    // SAFETY: the broker gave this descriptor to the program for this one use and named it in the environment, so nothing
    // else owns it; `inherited` lets only one caller get here. The caller gives it up again if it is not that socket.
    unsafe { OwnedFd::from_raw_fd(number) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::fd::AsRawFd;

    #[test]
    fn a_socket_is_taken_and_not_inherited_further() {
        let (one, mut other) = UnixStream::pair().unwrap();
        rustix::io::fcntl_setfd(&one, FdFlags::empty()).unwrap();
        let mut taken = take(one.into_raw_fd()).unwrap();
        assert_eq!(rustix::io::fcntl_getfd(&taken).unwrap(), FdFlags::CLOEXEC);
        std::io::Write::write_all(&mut taken, b"x").unwrap();
        std::io::Read::read_exact(&mut other, &mut [0]).unwrap();
    }

    #[test]
    fn anything_else_is_left_alone() {
        let file = std::fs::File::open("/dev/null").unwrap();
        let problem = take(file.as_raw_fd()).unwrap_err();
        assert!(problem.contains("no Unix socket"), "{problem}");
        file.metadata().expect("it is still open");
    }
}
