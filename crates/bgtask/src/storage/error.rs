//! What can go wrong with settings.

use std::io;
use std::path::PathBuf;

use super::{LOCK_WAIT, MAX_KEY_CHARS, MAX_KEYS};
use crate::WrongType;
use crate::value::MAX_SET_DEPTH;

/// Why a setting could not be read or written. After an error the settings are as they were before.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SettingsError {
    /// The caller's fault: the empty text is no key.
    #[error("a setting's key is empty; give it at least one character")]
    EmptyKey,

    /// The caller's fault: the key is longer than [`MAX_KEY_CHARS`].
    #[error("a setting's key has {chars} characters, at most {MAX_KEY_CHARS} are allowed; choose a shorter one")]
    KeyTooLong {
        /// Characters in the key.
        chars: usize,
    },

    /// The caller's fault: the value is larger than [`MAX_VALUE_BYTES`](super::MAX_VALUE_BYTES), or as a set than
    /// [`MAX_COMPOSITE_BYTES`](super::MAX_COMPOSITE_BYTES).
    #[error(
        "the value of setting {key:?} has {bytes} bytes, at most {most} are allowed; write it to a file of its own and set its path"
    )]
    ValueTooLarge {
        /// The setting.
        key: String,
        /// Bytes in the value.
        bytes: usize,
        /// Which bound.
        most: usize,
    },

    /// The caller's fault: the value is sets within sets, nested deeper than [`MAX_SET_DEPTH`].
    #[error(
        "the value of setting {key:?} is sets within sets, {depth} deep, at most {MAX_SET_DEPTH} are allowed; use several settings"
    )]
    ValueTooDeep {
        /// The setting.
        key: String,
        /// How deep.
        depth: usize,
    },

    /// The caller's fault: the setting would be one more than [`MAX_KEYS`].
    #[error("setting {key:?} would be one more than the {MAX_KEYS} allowed; remove settings that are no longer read")]
    TooManyKeys {
        /// The setting.
        key: String,
    },

    /// The setting holds another type than was asked for.
    #[error("setting {key:?} {wrong}")]
    WrongType {
        /// The setting.
        key: String,
        /// What it holds and what was wanted.
        wrong: WrongType,
    },

    /// The file of this setting does not hold a value. Setting it again repairs it.
    #[error("{}: the setting is damaged ({what}); set it again or remove it", .path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What was found.
        what: String,
    },

    /// Another process has held the lock for [`LOCK_WAIT`]; perhaps it is stopped.
    #[error(
        "{}: another process is still writing settings after {} s; see which one holds this file open, and end it",
        .path.display(),
        LOCK_WAIT.as_secs()
    )]
    Busy {
        /// The lock file.
        path: PathBuf,
    },

    /// The system refused.
    #[error("{}: cannot {operation}: {source}", .path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What was being done.
        operation: &'static str,
        /// What the system said.
        source: io::Error,
    },
}

impl SettingsError {
    /// Whether the file of the setting does not hold a value.
    #[must_use]
    pub fn is_damaged(&self) -> bool {
        matches!(self, Self::Damaged { .. })
    }

    /// Whether the call itself broke a rule, so that the same call can never succeed.
    #[must_use]
    pub fn is_callers_fault(&self) -> bool {
        use SettingsError::{EmptyKey, KeyTooLong, ValueTooDeep, ValueTooLarge, WrongType};
        matches!(self, EmptyKey | KeyTooLong { .. } | ValueTooLarge { .. } | ValueTooDeep { .. } | WrongType { .. })
    }

    /// Whether there is no room: on the file system, in the quota, or for one more key.
    #[must_use]
    pub fn is_full(&self) -> bool {
        use io::ErrorKind::{QuotaExceeded, StorageFull};
        match self {
            Self::TooManyKeys { .. } => true,
            Self::Io { source, .. } => matches!(source.kind(), StorageFull | QuotaExceeded),
            _ => false,
        }
    }
}
