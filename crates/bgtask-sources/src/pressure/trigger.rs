//! The kernel's alarm: a file of pressure stall information that was told how much is too much.

use std::fs::OpenOptions;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::Duration;

use rustix::fs::OFlags;
use tokio::io::Interest;

use crate::pressure::PRESSURE_WINDOW;
use crate::ready::{self, Ready};

/// Arms the pressure file at `path` to tell of so long a `stall`. The alarm lasts as long as the descriptor.
pub(super) fn arm(path: &Path, stall: Duration) -> io::Result<Ready> {
    let flags = OFlags::NONBLOCK.bits() as i32;
    let mut file = OpenOptions::new().read(true).write(true).custom_flags(flags).open(path)?;
    // The kernel wants the whole in one write, with its zero.
    file.write_all(format!("some {} {}\0", stall.as_micros(), PRESSURE_WINDOW.as_micros()).as_bytes())?;
    ready::watch_for(file.into(), Interest::PRIORITY)
}

/// Waits until the alarm goes off, or its cgroup is gone. Cancel safe.
pub(super) async fn fired(trigger: &Ready) {
    match trigger.ready(Interest::PRIORITY).await {
        Ok(mut guard) => guard.clear_ready(),
        // Only at the end of the runtime.
        Err(_) => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests {
    use std::net::{TcpListener, TcpStream};

    use rustix::net::{SendFlags, send};
    use tokio::time::timeout;

    use super::*;
    use crate::pressure::MEMORY_STALL;

    /// Urgent data on a socket is the other thing that the kernel reports in the same way.
    #[tokio::test]
    async fn it_fires_for_what_is_urgent_and_once() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let sender = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let receiver = listener.accept().unwrap().0;
        receiver.set_nonblocking(true).unwrap();
        let trigger = ready::watch_for(receiver.into(), Interest::PRIORITY).unwrap();
        let quiet = Duration::from_millis(50);
        send(&sender, b"ordinary", SendFlags::empty()).unwrap();
        assert!(timeout(quiet, fired(&trigger)).await.is_err());
        for _ in 0..2 {
            send(&sender, b"!", SendFlags::OOB).unwrap();
            timeout(Duration::from_secs(60), fired(&trigger)).await.expect("the alarm is not heard");
            assert!(timeout(quiet, fired(&trigger)).await.is_err());
        }
    }

    #[tokio::test]
    async fn what_is_no_pressure_file_is_refused() {
        let file = tempfile::NamedTempFile::new().unwrap();
        assert!(arm(file.path(), MEMORY_STALL).is_err(), "a plain file never becomes urgent");
        assert!(arm(Path::new("/nonexistent"), MEMORY_STALL).is_err());
    }
}
