//! A file that one process at most holds locked, and not longer than it lives.
//!
//! The system's lock belongs to the open file, and a child shares what its parent has open until it runs its program. So a lock
//! outlives the value that holds it, or the whole process, whenever another thread was starting a child just then. Therefore
//! this one is let go in so many words, and one whose holder is dead is waited for.

use std::fs::{self, File, TryLockError};
use std::io;
use std::os::unix::fs::{FileExt as _, OpenOptionsExt as _};
use std::path::Path;
use std::time::{Duration, Instant};

/// How long the lock of a dead process is waited for: until a child it was starting runs its program.
const DEAD_HOLDER_WAIT: Duration = Duration::from_secs(10);
const LOOK: Duration = Duration::from_millis(5);

/// A lock that is held until this value is dropped.
#[derive(Debug)]
pub struct Lock(File);

/// Why a lock could not be taken.
#[derive(Debug)]
pub enum LockError {
    /// Somebody has it.
    Held {
        /// The process, as far as it is known.
        by: String,
    },
    /// The system refused.
    System(io::Error),
}

impl Lock {
    /// Locks the file at `path`, which is made if it is not there. A living holder is not waited for.
    ///
    /// # Errors
    ///
    /// [`Held`](LockError::Held) if another process, or another value in this one, has it.
    pub fn take(path: &Path) -> Result<Self, LockError> {
        let file = File::options().write(true).create(true).truncate(false).mode(0o600).open(path);
        let file = file.map_err(LockError::System)?;
        let deadline = Instant::now() + DEAD_HOLDER_WAIT;
        while let Err(error) = file.try_lock() {
            if let TryLockError::Error(error) = error {
                return Err(LockError::System(error));
            }
            let holder = fs::read_to_string(path).unwrap_or_default().trim().to_owned();
            if is_alive(&holder) || Instant::now() > deadline {
                return Err(LockError::Held { by: holder });
            }
            std::thread::sleep(LOOK);
        }
        // A full disk is no reason to go without a lock: unnamed, it merely keeps the next one waiting before it is refused.
        let name = format!("{}\n", std::process::id());
        let _unnamed = file.set_len(0).and_then(|()| file.write_all_at(name.as_bytes(), 0));
        Ok(Self(file))
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        // Closing would leave it with whoever shares the open file.
        let _closed_in_any_case = self.0.unlock();
    }
}

/// What is dead and not yet reaped still has a number, but does nothing.
fn is_alive(process: &str) -> bool {
    let status = fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    status.lines().any(|line| line.starts_with("State:") && !line.contains(['Z', 'X']))
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;
    use std::process::{Child, Command, Stdio};

    use tempfile::TempDir;

    use super::*;

    fn place() -> (TempDir, PathBuf) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("lock");
        (dir, path)
    }

    /// A child that shares an open file, as one that is not yet at its program does.
    fn sharer(file: &File) -> Child {
        Command::new("cat").stdin(Stdio::piped()).stdout(file.try_clone().unwrap()).spawn().unwrap()
    }

    fn end(mut child: Child) {
        drop(child.stdin.take());
        assert!(child.wait().unwrap().success());
    }

    #[test]
    fn a_living_holder_is_named() {
        let (_dir, path) = place();
        let _lock = Lock::take(&path).unwrap();
        let error = Lock::take(&path).unwrap_err();
        let own = std::process::id().to_string();
        assert!(matches!(&error, LockError::Held { by } if *by == own), "{error:?}");
    }

    #[test]
    fn a_dropped_lock_is_free_whoever_shares_the_file() {
        let (_dir, path) = place();
        let lock = Lock::take(&path).unwrap();
        let child = sharer(&lock.0);
        drop(lock);
        assert!(Lock::take(&path).is_ok());
        end(child);
    }

    #[test]
    fn the_lock_of_a_dead_process_is_waited_for() {
        let (_dir, path) = place();
        let mut dead = Command::new("true").spawn().unwrap();
        let file = File::create(&path).unwrap();
        file.lock().unwrap();
        fs::write(&path, dead.id().to_string()).unwrap();
        let child = sharer(&file);
        drop(file);
        dead.wait().unwrap();
        let waiting = std::thread::spawn(move || Lock::take(&path).map(drop));
        end(child);
        waiting.join().unwrap().unwrap();
    }

    #[test]
    fn who_is_dead_but_not_reaped_is_dead() {
        let mut child = Command::new("cat").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        assert!(is_alive(&child.id().to_string()));
        drop(child.stdin.take());
        // The end of its output comes before its own.
        let mut output = child.stdout.take().unwrap();
        assert_eq!(io::copy(&mut output, &mut io::sink()).unwrap(), 0);
        while is_alive(&child.id().to_string()) {
            std::thread::sleep(LOOK);
        }
        child.wait().unwrap();
        assert!(!is_alive(""), "a name that was not written yet");
    }
}
