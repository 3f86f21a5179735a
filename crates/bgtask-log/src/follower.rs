//! New lines of a log, as they come.

use std::fs::File;
use std::io::Read as _;
use std::mem::take;
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::path::Path;

use rustix::fs::inotify::{self, CreateFlags, WatchFlags};
use tokio::io::unix::AsyncFd;

use crate::files::{Files, Generations, number_of};
use crate::line::Line;
use crate::{LogError, MAX_LINE_BYTES, Query};

/// How many bytes are read at a time, which bounds what [`Follower::next`] returns.
const READ_BYTES: usize = 64 << 10;

/// The most bytes that a line of a file can have. What is longer is no line.
const MAX_FILE_LINE_BYTES: usize = MAX_LINE_BYTES + 128;

/// Follows the log of one task, over its rotations, and even if it does not exist yet.
///
/// It waits in the kernel and reads only when something was written. What is written faster than it reads is not lost until
/// two generations have been.
#[derive(Debug)]
pub struct Follower {
    watch: Watch,
    files: Files,
    query: Query,
    /// What was there before.
    before: Vec<Line>,
    /// What is to be read, oldest first. The last one may grow.
    reading: Vec<File>,
    /// The beginning of a line.
    partial: Vec<u8>,
}

impl Follower {
    pub(crate) fn new(dir: &Path, files: Files, query: Query) -> Result<Self, LogError> {
        let watch = Watch::new(dir)?;
        let mut follower = Self { watch, files, query, before: vec![], reading: vec![], partial: vec![] };
        follower.look_for_more()?;
        loop {
            let lines = follower.read()?;
            if lines.is_empty() && !follower.look_for_more()? {
                break;
            }
            follower.before.extend(lines);
        }
        let mut before = take(&mut follower.before);
        follower.query.limit(&mut before);
        follower.before = before;
        Ok(follower)
    }

    /// The next lines, at least one: first those that were there before, then those that come. Nothing is lost if the
    /// future is dropped.
    ///
    /// # Errors
    ///
    /// Fails if the log can no longer be read or watched.
    pub async fn next(&mut self) -> Result<Vec<Line>, LogError> {
        loop {
            if !self.before.is_empty() {
                return Ok(take(&mut self.before));
            }
            let lines = self.read()?;
            if !lines.is_empty() {
                return Ok(lines);
            }
            if !self.look_for_more()? {
                self.watch.changed().await?;
            }
        }
    }

    /// Some lines, or none if there are no more yet.
    fn read(&mut self) -> Result<Vec<Line>, LogError> {
        let mut bytes = vec![0; READ_BYTES];
        while let Some(file) = self.reading.first_mut() {
            let length = file.read(&mut bytes).map_err(|error| LogError::system("read", &self.files.newer, error))?;
            if length > 0 {
                let lines = self.complete(&bytes[..length]);
                if !lines.is_empty() {
                    return Ok(lines);
                }
            } else if self.reading.len() > 1 {
                // A line that a file breaks off in is not continued in the next.
                self.partial.clear();
                self.reading.remove(0);
            } else {
                break;
            }
        }
        Ok(vec![])
    }

    fn complete(&mut self, bytes: &[u8]) -> Vec<Line> {
        let mut lines = Vec::new();
        for piece in bytes.split_inclusive(|&byte| byte == b'\n') {
            if self.partial.len() <= MAX_FILE_LINE_BYTES {
                self.partial.extend_from_slice(piece);
            }
            if piece.ends_with(b"\n") {
                let line = take(&mut self.partial);
                let line = line.strip_suffix(b"\n").and_then(Line::parse);
                lines.extend(line.filter(|line| self.query.wants(line)));
            }
        }
        lines
    }

    /// Whether there is a file that was not there when this last looked. To be asked when all has been read.
    fn look_for_more(&mut self) -> Result<bool, LogError> {
        let Generations { older, newer } = self.files.generations()?;
        let mut found: Vec<File> = [older, newer].into_iter().flatten().collect();
        let last = number_of(self.reading.last())?;
        for place in (0..found.len()).rev() {
            if last.is_some() && last == number_of(Some(&found[place]))? {
                found.drain(..=place);
                break;
            }
        }
        let Some(newest) = found.last() else { return Ok(false) };
        self.watch.file(newest)?;
        self.reading.append(&mut found);
        Ok(true)
    }
}

/// Wakes for a folder in which a file appears, and for one file that grows.
#[derive(Debug)]
struct Watch {
    inotify: AsyncFd<OwnedFd>,
    watched: Option<i32>,
}

impl Watch {
    fn new(dir: &Path) -> Result<Self, LogError> {
        let failed = |error: std::io::Error| LogError::system("watch", dir, error);
        let inotify =
            inotify::init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK).map_err(|errno| failed(errno.into()))?;
        let appears = WatchFlags::CREATE | WatchFlags::MOVED_TO | WatchFlags::ONLYDIR;
        inotify::add_watch(&inotify, dir, appears).map_err(|errno| failed(errno.into()))?;
        Ok(Self { inotify: watched_by_runtime(inotify).map_err(failed)?, watched: None })
    }

    /// In place of the one before, which does not grow any more.
    fn file(&mut self, file: &File) -> Result<(), LogError> {
        if let Some(watched) = self.watched.take() {
            let _gone = inotify::remove_watch(self.inotify.get_ref(), watched);
        }
        // By its name it could be another one by now.
        let path = format!("/proc/self/fd/{}", file.as_raw_fd());
        let watched = inotify::add_watch(self.inotify.get_ref(), path.as_str(), WatchFlags::MODIFY);
        self.watched = Some(watched.map_err(|errno| LogError::system("watch", path, errno))?);
        Ok(())
    }

    async fn changed(&self) -> Result<(), LogError> {
        let failed = |error| LogError::system("watch", "a folder of logs", error);
        loop {
            let mut ready = self.inotify.readable().await.map_err(failed)?;
            match ready.try_io(|inotify| drain(inotify.get_ref())) {
                Ok(drained) => return drained.map_err(failed),
                Err(_would_block) => {}
            }
        }
    }
}

#[allow(
    deprecated,
    reason = "the successor is unsafe because of types that may close or swap their descriptor; an OwnedFd cannot"
)]
fn watched_by_runtime(fd: OwnedFd) -> std::io::Result<AsyncFd<OwnedFd>> {
    AsyncFd::new(fd)
}

/// Forgets what happened, as all there is to do about it is to look. Fails with `WouldBlock` if nothing did.
fn drain(inotify: &OwnedFd) -> std::io::Result<()> {
    Ok(rustix::io::read(inotify, &mut [0; 4096]).map(drop)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Logs;

    /// An idle log wakes nobody, however much is written to others.
    #[tokio::test]
    async fn what_is_written_to_another_log_does_not_wake() {
        let dir = tempfile::tempdir().unwrap();
        let logs = Logs::open(dir.path()).unwrap();
        let (mut own, mut other) = (logs.writer("own").unwrap(), logs.writer("other").unwrap());
        own.write(1, "i", b"x\n");
        other.write(1, "i", b"x\n");
        let follower = logs.follow("own", Query::default()).unwrap();
        let happened = || drain(follower.watch.inotify.get_ref()).is_ok();
        other.write(2, "i", b"y\n");
        assert!(!happened());
        own.write(2, "i", b"y\n");
        assert!(happened());
        assert!(!happened());
    }
}
