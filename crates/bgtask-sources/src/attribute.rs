//! Small text files, such as those in which the kernel shows its state.

use std::fs::OpenOptions;
use std::io::{self, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use rustix::fs::OFlags;

/// Bytes of such a file that are read: a page, the most that the kernel puts into one of sysfs.
const MAX_ATTRIBUTE_BYTES: u64 = 4096;

/// The beginning of the file at `path`, without white space around it.
pub(crate) fn read(path: &Path) -> io::Result<String> {
    read_up_to(MAX_ATTRIBUTE_BYTES, path)
}

/// The same of a file that may be larger.
pub(crate) fn read_up_to(most: u64, path: &Path) -> io::Result<String> {
    // A pipe or a device in this place must not make us wait.
    let flags = OFlags::NONBLOCK | OFlags::NOCTTY;
    let file = OpenOptions::new().read(true).custom_flags(flags.bits() as i32).open(path)?;
    let mut bytes = Vec::new();
    file.take(most).read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).trim().to_owned())
}

#[cfg(test)]
mod tests {
    use rustix::fs::{CWD, FileType, Mode, mknodat};

    use super::*;

    #[test]
    fn it_is_bounded_trimmed_and_never_waits() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        std::fs::write(path("plain"), " Mains\n").unwrap();
        assert_eq!(read(&path("plain")).unwrap(), "Mains");
        std::fs::write(path("huge"), "x".repeat(1 << 20)).unwrap();
        assert_eq!(read(&path("huge")).unwrap().len() as u64, MAX_ATTRIBUTE_BYTES);
        mknodat(CWD, path("pipe"), FileType::Fifo, Mode::RUSR, 0).unwrap();
        assert_eq!(read(&path("pipe")).unwrap(), "");
        assert!(read(&path("none")).is_err());
    }
}
