//! Bytes as a descriptor that nobody can change.

use std::fs::File;
use std::io::{self, Seek as _, Write as _};
use std::os::fd::OwnedFd;

use rustix::fs::{MemfdFlags, SealFlags, fcntl_add_seals, memfd_create};

/// A file in memory with these bytes, sealed, at offset 0: what a command reads from a descriptor it is given.
///
/// ```
/// use std::io::Read as _;
/// let details = bgtask_host::sealed(b"{}")?;
/// let mut text = String::new();
/// std::fs::File::from(details).read_to_string(&mut text)?;
/// assert_eq!(text, "{}");
/// # Ok::<(), std::io::Error>(())
/// ```
///
/// # Errors
///
/// Fails if there are too many open files, or no memory.
pub fn sealed(bytes: &[u8]) -> io::Result<OwnedFd> {
    let mut file = File::from(memfd_create(c"bgtask", MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING)?);
    file.write_all(bytes)?;
    file.rewind()?;
    fcntl_add_seals(&file, SealFlags::SEAL | SealFlags::SHRINK | SealFlags::GROW | SealFlags::WRITE)?;
    Ok(file.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_cannot_be_changed() {
        let mut file = File::from(sealed(b"details").unwrap());
        assert!(file.write_all(b"x").is_err());
        assert!(file.set_len(0).is_err());
        assert_eq!(io::read_to_string(file).unwrap(), "details");
    }
}
