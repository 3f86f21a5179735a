//! Reading a manifest file without trusting what stands at its path.

use std::fs::OpenOptions;
use std::io::{self, Read};
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::OFlags;

/// Largest manifest, in bytes. The largest known Windows manifests are some tens of kilobytes.
pub const MAX_MANIFEST_BYTES: usize = 1 << 20;

/// Why a manifest file was not read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The path leads to a folder, a pipe, a device or a socket.
    #[error("cannot read the manifest {}: it is {found}; a manifest is a regular file", path.display())]
    NotAFile {
        /// The path that was asked for.
        path: PathBuf,
        /// What is there, with its article.
        found: &'static str,
    },
    /// The file is larger than [`MAX_MANIFEST_BYTES`].
    #[error(
        "cannot read the manifest {}: it is larger than {MAX_MANIFEST_BYTES} bytes; keep only what a manifest needs in it",
        path.display()
    )]
    TooLarge {
        /// The path that was asked for.
        path: PathBuf,
    },
    /// The operating system refused.
    #[error("cannot read the manifest {}: {source}", path.display())]
    Io {
        /// The path that was asked for.
        path: PathBuf,
        /// Its reason.
        source: io::Error,
    },
}

/// The bytes of a manifest file, at most [`MAX_MANIFEST_BYTES`] of them.
///
/// # Errors
///
/// The path leads nowhere, to something that is no regular file, or to a file that is too large.
/// It never waits: not for a pipe that nobody writes to, not for a device.
///
/// ```no_run
/// let path = std::path::Path::new("/usr/share/bgtask/apps/org.example.Photos.toml");
/// let parsed = bgtask_manifest::parse("org.example.Photos.toml", &bgtask_manifest::read(path)?);
/// # Ok::<(), bgtask_manifest::ReadError>(())
/// ```
pub fn read(path: &Path) -> Result<Vec<u8>, ReadError> {
    let io_error = |source| ReadError::Io { path: path.to_owned(), source };
    // Opening a pipe for reading blocks until a writer comes; looking first and opening then would leave a gap.
    let flags = (OFlags::NONBLOCK | OFlags::NOCTTY).bits();
    let file = OpenOptions::new().read(true).custom_flags(flags.cast_signed()).open(path).map_err(io_error)?;
    let metadata = file.metadata().map_err(io_error)?;
    if !metadata.is_file() {
        return Err(ReadError::NotAFile { path: path.to_owned(), found: kind(metadata.file_type()) });
    }
    // The size in the metadata may be outdated or zero, as under /proc: the bound holds for what is read.
    let mut bytes = Vec::new();
    file.take(MAX_MANIFEST_BYTES as u64 + 1).read_to_end(&mut bytes).map_err(io_error)?;
    if bytes.len() > MAX_MANIFEST_BYTES {
        return Err(ReadError::TooLarge { path: path.to_owned() });
    }
    Ok(bytes)
}

fn kind(file_type: std::fs::FileType) -> &'static str {
    if file_type.is_dir() {
        "a folder"
    } else if file_type.is_fifo() {
        "a pipe"
    } else if file_type.is_char_device() || file_type.is_block_device() {
        "a device"
    } else {
        "no file"
    }
}
