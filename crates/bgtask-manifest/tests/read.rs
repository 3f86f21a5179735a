//! Reading files: only regular ones, only up to the bound, and never waiting.

use std::fs;
use std::os::unix::net::UnixListener;
use std::path::Path;

use bgtask_manifest::{MAX_MANIFEST_BYTES, ReadError, read};

/// One that waited would never come: nobody is at the other end.
fn refusal(path: &Path) -> String {
    read(path).unwrap_err().to_string()
}

#[test]
fn a_regular_file_is_read_whole_up_to_the_bound() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.toml");
    for length in [0, 1, MAX_MANIFEST_BYTES] {
        fs::write(&path, vec![b'#'; length]).unwrap();
        assert_eq!(read(&path).unwrap().len(), length);
    }
    fs::write(&path, vec![b'#'; MAX_MANIFEST_BYTES + 1]).unwrap();
    assert!(matches!(read(&path), Err(ReadError::TooLarge { .. })));
    assert!(refusal(&path).contains("larger than 1048576 bytes"));
}

#[test]
fn a_symbolic_link_to_a_file_is_followed() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("a.toml"), "x").unwrap();
    let link = folder.path().join("link.toml");
    std::os::unix::fs::symlink("a.toml", &link).unwrap();
    assert_eq!(read(&link).unwrap(), b"x");
}

#[test]
fn a_pipe_without_a_writer_does_not_make_us_wait() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("pipe.toml");
    rustix::fs::mkfifoat(rustix::fs::CWD, &path, rustix::fs::Mode::RUSR).unwrap();
    assert!(refusal(&path).contains("it is a pipe"));
}

#[test]
fn folders_devices_and_sockets_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    assert!(refusal(folder.path()).contains("it is a folder"));
    assert!(refusal(Path::new("/dev/zero")).contains("it is a device"));
    let socket = folder.path().join("socket.toml");
    let _listener = UnixListener::bind(&socket).unwrap();
    assert!(matches!(read(&socket), Err(ReadError::Io { .. })));
}

#[test]
fn a_missing_file_is_named() {
    let error = refusal(Path::new("/nonexistent/a.toml"));
    assert!(error.starts_with("cannot read the manifest /nonexistent/a.toml: No such file"), "{error}");
}
