//! What can go wrong with a store, sorted by who can do something about it.

use std::error::Error;
use std::path::{Path, PathBuf};

use rusqlite::ErrorCode;

/// The lower-level error behind a [`StoreError`], for logs.
pub type Cause = Box<dyn Error + Send + Sync>;

/// Why the store could not do what was asked.
///
/// Each message names the file, the operation and what to do. A caller that decides by kind uses the predicates.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// No room: the file system, the quota or [`DATABASE_MAX_BYTES`](crate::DATABASE_MAX_BYTES) is used up.
    #[error(
        "{}: no room to {operation}; free space on that file system, then try again (the database itself may grow to {} MiB)",
        .path.display(),
        crate::DATABASE_MAX_BYTES >> 20
    )]
    Full {
        /// The database.
        path: PathBuf,
        /// What was being done.
        operation: &'static str,
        /// What SQLite or the system said.
        source: Cause,
    },

    /// The file, its folder or its file system cannot be written.
    #[error("{}: cannot {operation}, writing is not allowed; make the file and its folder writable for this user", .path.display())]
    ReadOnly {
        /// The file or folder that cannot be written.
        path: PathBuf,
        /// What was being done.
        operation: &'static str,
        /// What SQLite or the system said.
        source: Option<Cause>,
    },

    /// The file is not a sound store. It was left exactly as it is.
    #[error(
        "{}: the file is damaged ({what}); nothing in it was changed. Restore it from a backup, or move it and its -wal file away to start empty",
        .path.display()
    )]
    Damaged {
        /// The database.
        path: PathBuf,
        /// What was found.
        what: String,
    },

    /// The file was written by a later version of this crate.
    #[error("{}: written by a newer bgtask (schema {found}, this one knows {known}): upgrade bgtask, or move the file away to start empty", .path.display())]
    Newer {
        /// The database.
        path: PathBuf,
        /// The schema version in the file.
        found: i64,
        /// The latest schema version this crate knows.
        known: i64,
    },

    /// Another program holds the store.
    #[error("{}: cannot {operation}, another program holds it; stop that other broker or close that other reader, then try again", .path.display())]
    Busy {
        /// The file that is held.
        path: PathBuf,
        /// What was being done.
        operation: &'static str,
    },

    /// The file belongs to another user; opening it would leave files behind that its owner cannot use.
    #[error("{}: belongs to user {owner}, this broker runs as user {runs_as}; run the broker as that user, or hand the folder over with chown", .path.display())]
    Foreign {
        /// The database.
        path: PathBuf,
        /// The user id the file belongs to.
        owner: u32,
        /// The user id of this process.
        runs_as: u32,
    },

    /// The caller's fault: one of the bounds of this crate is exceeded. Nothing was written.
    #[error("{what} is {size}, at most {limit} is kept; make it smaller")]
    TooLarge {
        /// Which bound, with its unit.
        what: &'static str,
        /// What was given.
        size: usize,
        /// The bound.
        limit: usize,
    },

    /// Anything else the system refused.
    #[error("{}: cannot {operation}: {source}", .path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What was being done.
        operation: &'static str,
        /// What SQLite or the system said.
        source: Cause,
    },
}

impl StoreError {
    /// Whether room must be freed first.
    #[must_use]
    pub fn is_full(&self) -> bool {
        matches!(self, Self::Full { .. })
    }

    /// Whether the file or folder cannot be written.
    #[must_use]
    pub fn is_read_only(&self) -> bool {
        matches!(self, Self::ReadOnly { .. })
    }

    /// Whether the file is not a sound store.
    #[must_use]
    pub fn is_damaged(&self) -> bool {
        matches!(self, Self::Damaged { .. })
    }

    /// Whether a later version wrote the file.
    #[must_use]
    pub fn is_newer(&self) -> bool {
        matches!(self, Self::Newer { .. })
    }

    /// Whether another program holds the store.
    #[must_use]
    pub fn is_busy(&self) -> bool {
        matches!(self, Self::Busy { .. })
    }

    /// Whether the file belongs to another user.
    #[must_use]
    pub fn is_foreign(&self) -> bool {
        matches!(self, Self::Foreign { .. })
    }

    /// Whether the caller exceeded a bound of this crate.
    #[must_use]
    pub fn is_too_large(&self) -> bool {
        matches!(self, Self::TooLarge { .. })
    }

    /// Whether the same call may succeed later with nothing changed in this program.
    #[must_use]
    pub fn is_worth_retrying(&self) -> bool {
        matches!(self, Self::Full { .. } | Self::Busy { .. } | Self::Io { .. })
    }

    #[cold]
    pub(crate) fn from_sqlite(path: &Path, operation: &'static str, error: rusqlite::Error) -> Self {
        let path = path.to_owned();
        match error.sqlite_error_code() {
            Some(ErrorCode::DiskFull) => Self::Full { path, operation, source: error.into() },
            Some(ErrorCode::ReadOnly | ErrorCode::PermissionDenied) => {
                Self::ReadOnly { path, operation, source: Some(error.into()) }
            }
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => {
                Self::Damaged { path, what: error.to_string() }
            }
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => Self::Busy { path, operation },
            Some(_) => Self::Io { path, operation, source: error.into() },
            // Not SQLite but the row mapping complained: a stored value has a type this schema cannot contain.
            None => Self::Damaged { path, what: error.to_string() },
        }
    }

    #[cold]
    pub(crate) fn from_system(path: &Path, operation: &'static str, error: std::io::Error) -> Self {
        use std::io::ErrorKind as Kind;
        let path = path.to_owned();
        match error.kind() {
            Kind::StorageFull | Kind::QuotaExceeded => Self::Full { path, operation, source: error.into() },
            Kind::PermissionDenied | Kind::ReadOnlyFilesystem => {
                Self::ReadOnly { path, operation, source: Some(error.into()) }
            }
            _ => Self::Io { path, operation, source: error.into() },
        }
    }
}
