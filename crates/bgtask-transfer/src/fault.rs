use std::io;
use std::time::Duration;

/// Why an attempt came to nothing, by whose fault it is.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Fault {
    /// The way to the server: tried again for ever.
    #[error("{0}")]
    Network(String),
    /// The server: tried again, not for ever.
    #[error("{text}")]
    Server {
        /// What it did.
        text: String,
        /// When it asks to be asked again.
        retry_after: Option<Duration>,
    },
    /// This machine has no room now: tried again later.
    #[error("{0}")]
    NoRoom(String),
    /// Another attempt would end the same.
    #[error("{0}")]
    Final(String),
}

impl Fault {
    pub(crate) fn server(text: impl Into<String>) -> Self {
        Self::Server { text: text.into(), retry_after: None }
    }

    /// What a file operation failed with, and what was tried.
    pub(crate) fn file(what: &str, path: &std::path::Path, error: &io::Error) -> Self {
        let text = format!("{what} {}: {error}", path.display());
        match error.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Self::NoRoom(text),
            _ => Self::Final(text),
        }
    }
}
