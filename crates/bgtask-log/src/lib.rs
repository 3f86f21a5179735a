//! The logs of tasks: what commands wrote, one bounded log for each task in one folder.
//!
//! The broker writes with a [`Writer`] for each task; everybody else reads the files, without asking the broker:
//! [`Logs::read`] for what is there, [`Logs::follow`] for what comes.
//!
//! ```
//! use bgtask_log::{Logs, Query};
//! # let dir = tempfile::tempdir()?;
//! let logs = Logs::open(dir.path())?;
//! let mut writer = logs.writer("backup")?;
//! writer.write(1_700_000_000_000_000, "8d7f", b"scanning\n17 files");
//! writer.end(1_700_000_000_500_000, "8d7f", "succeeded");
//!
//! let lines = logs.read("backup", &Query::default())?;
//! assert_eq!(lines[1].text(), "17 files");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # The files
//!
//! `TASK.log` and, before it, `TASK.log.1`: two generations, each of at most [`MAX_FILE_BYTES`]. All files of the folder
//! together have at most [`MAX_FOLDER_BYTES`]; what was written to least recently goes first. The folder is for its owner
//! alone, and so is each file.
//!
//! A line of a file is, and will be,
//!
//! ```text
//! <time> <instance><kind><text>
//! ```
//!
//! with the time in microseconds since 1970 and, as *kind*, one of
//!
//! | kind | what the text is |
//! |---|---|
//! | ` ` (a blank) | a line that the command wrote |
//! | `+` | a part of such a line, which goes on in the instance's next |
//! | `[` | a word on the beginning of the instance |
//! | `]` | a word on its end |
//! | `!` | a word of the log itself: lines were lost |
//!
//! Text is what was written, byte for byte, be it UTF-8 or not. Lines of different instances may be mixed. A line that looks
//! otherwise was torn by a crash, and is skipped.
#![forbid(unsafe_code)]

mod files;
mod follower;
mod line;
mod reader;
mod writer;

use std::fs::DirBuilder;
use std::io;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

pub use follower::Follower;
pub use line::{Kind, Line, MAX_INSTANCE_BYTES};
pub use reader::Query;
pub use writer::{MAX_INSTANCES, Trouble, Writer};

use files::{Files, Folder};

/// The most bytes of one generation of a task's log.
pub const MAX_FILE_BYTES: u64 = 1 << 20;

/// The most bytes of all logs of a folder.
pub const MAX_FOLDER_BYTES: u64 = 256 << 20;

/// The most bytes of text of a line; a longer one is kept in parts.
pub const MAX_LINE_BYTES: usize = 16 << 10;

/// The most bytes of a task's name in the folder.
pub const MAX_NAME_BYTES: usize = 128;

/// The bounds of a folder. What they are without another word is in the constants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// See [`MAX_FILE_BYTES`].
    pub file: u64,
    /// See [`MAX_FOLDER_BYTES`].
    pub folder: u64,
    /// See [`MAX_LINE_BYTES`].
    pub line: usize,
}

impl Default for Bounds {
    fn default() -> Self {
        Self { file: MAX_FILE_BYTES, folder: MAX_FOLDER_BYTES, line: MAX_LINE_BYTES }
    }
}

/// Why there is no log.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// A name that can be no file's.
    #[error(
        "{name:?} cannot be the name of a log: up to {MAX_NAME_BYTES} letters, digits, `-`, `_` and `.` can, with a letter or digit first"
    )]
    Name {
        /// The name.
        name: String,
    },

    /// The folder or a file cannot be used.
    #[error("cannot {operation} {}", path.display())]
    System {
        /// What was attempted, as a verb phrase that the path completes.
        operation: &'static str,
        /// What it was attempted on.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

impl LogError {
    pub(crate) fn system(operation: &'static str, path: impl AsRef<Path>, source: impl Into<io::Error>) -> Self {
        Self::System { operation, path: path.as_ref().to_owned(), source: source.into() }
    }
}

/// A folder of logs.
#[derive(Clone, Debug)]
pub struct Logs {
    folder: Arc<Folder>,
}

impl Logs {
    /// The logs in `dir`, which is made if need be.
    ///
    /// # Errors
    ///
    /// Fails if the folder cannot be made or listed.
    pub fn open(dir: impl Into<PathBuf>) -> Result<Self, LogError> {
        Self::with_bounds(dir, Bounds::default())
    }

    /// The same with other bounds, for whoever writes.
    ///
    /// # Errors
    ///
    /// As [`open`](Self::open).
    pub fn with_bounds(dir: impl Into<PathBuf>, bounds: Bounds) -> Result<Self, LogError> {
        let dir = dir.into();
        let made = DirBuilder::new().recursive(true).mode(0o700).create(&dir);
        made.map_err(|error| LogError::system("create", &dir, error))?;
        Ok(Self { folder: Arc::new(Folder::new(dir, bounds)?) })
    }

    /// The newer of the files of a task, for people. It may not be there yet.
    ///
    /// # Errors
    ///
    /// Fails if the name is none.
    pub fn path(&self, task: &str) -> Result<PathBuf, LogError> {
        Ok(self.files(task)?.newer)
    }

    /// The one writer of a task's log. Nothing is made before something is written.
    ///
    /// # Errors
    ///
    /// Fails if the name is none.
    pub fn writer(&self, task: &str) -> Result<Writer, LogError> {
        Ok(Writer::new(Arc::clone(&self.folder), self.files(task)?))
    }

    /// What is in a task's log, oldest first. A task that has none has written nothing.
    ///
    /// # Errors
    ///
    /// Fails if the name is none, or its files cannot be read.
    pub fn read(&self, task: &str, query: &Query) -> Result<Vec<Line>, LogError> {
        reader::read(&self.files(task)?, query)
    }

    /// The end of what an instance wrote, as text of at most `max_bytes` bytes: whole lines, unless the last is longer.
    ///
    /// # Errors
    ///
    /// As [`read`](Self::read).
    pub fn tail(&self, task: &str, instance: &str, max_bytes: usize) -> Result<String, LogError> {
        reader::tail(&self.files(task)?, instance, max_bytes)
    }

    /// What is in a task's log, and then what comes, as it comes. Must be called in a tokio runtime with I/O.
    ///
    /// # Errors
    ///
    /// Fails if the name is none, or the folder cannot be watched.
    pub fn follow(&self, task: &str, query: Query) -> Result<Follower, LogError> {
        Follower::new(self.folder.dir(), self.files(task)?, query)
    }

    /// Removes the log of a task. To remove what is not there is no error.
    ///
    /// # Errors
    ///
    /// Fails if the name is none, or a file cannot be removed.
    pub fn remove(&self, task: &str) -> Result<(), LogError> {
        self.folder.remove(&self.files(task)?)
    }

    fn files(&self, task: &str) -> Result<Files, LogError> {
        Files::of(self.folder.dir(), task)
    }
}
