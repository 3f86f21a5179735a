//! Which session of the user this is (SYS-6).

use std::fs;
use std::io::{self, ErrorKind};
use std::path::Path;

use rustix::rand::{GetRandomFlags, getrandom};

/// The file in the broker's runtime folder that stands for the session.
const MARKER: &str = "session";

/// Tells this start of the machine from every other one.
const BOOT_ID: &str = "/proc/sys/kernel/random/boot_id";

/// Random bytes that tell one session of a start of the machine from the others.
const RANDOM_BYTES: usize = 16;

/// The longest file that can be a marker, in bytes: a boot id is 36 characters.
const MAX_MARKER_BYTES: u64 = 128;

/// The identity of the session that `runtime` belongs to: the same text until the user has logged out everywhere, or the
/// machine was started again.
///
/// The runtime folder of a user goes away with the last log-out, and the marker in it. Where the folder stays, as below
/// `--root`, the marker counts for one start of the machine. Whatever else is found in its place is replaced. At most one
/// caller at a time: who holds the lock of the folder.
///
/// # Errors
///
/// The marker cannot be written; the text names it.
pub(crate) fn identity(runtime: &Path) -> io::Result<String> {
    let path = runtime.join(MARKER);
    let named = |error: io::Error| io::Error::new(error.kind(), format!("{}: {error}", path.display()));
    let boot = fs::read_to_string(BOOT_ID)?;
    if let Some(known) = kept(&path, boot.trim()) {
        return Ok(known);
    }
    let identity = format!("{}.{}", boot.trim(), random()?);
    let new = path.with_extension("new");
    fs::write(&new, &identity).and_then(|()| fs::rename(&new, &path)).map_err(named)?;
    Ok(identity)
}

/// What the marker says, if it is one of this start of the machine.
fn kept(path: &Path, boot: &str) -> Option<String> {
    let marker = fs::symlink_metadata(path).ok().filter(|marker| marker.is_file())?;
    let text = (marker.len() <= MAX_MARKER_BYTES).then(|| fs::read_to_string(path).ok())??;
    let (of_boot, random) = text.split_once('.')?;
    let whole = random.len() == 2 * RANDOM_BYTES && random.bytes().all(|byte| byte.is_ascii_hexdigit());
    (of_boot == boot && whole).then_some(text)
}

fn random() -> io::Result<String> {
    let mut bytes = [0; RANDOM_BYTES];
    if getrandom(&mut bytes, GetRandomFlags::empty())? < RANDOM_BYTES {
        return Err(io::Error::new(ErrorKind::UnexpectedEof, "the system gives too few random numbers"));
    }
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn marker(runtime: &tempfile::TempDir) -> std::path::PathBuf {
        runtime.path().join(MARKER)
    }

    #[test]
    fn a_session_is_the_same_until_its_folder_is_gone() {
        let runtime = tempfile::tempdir().expect("a folder");
        let first = identity(runtime.path()).expect("the first broker");
        assert_eq!(identity(runtime.path()).expect("a broker started again"), first, "SYS-6: once per session");
        fs::remove_file(marker(&runtime)).expect("the last log-out");
        let second = identity(runtime.path()).expect("the next log-in");
        assert_ne!(second, first);
        let other = tempfile::tempdir().expect("another user's folder");
        assert_ne!(identity(other.path()).expect("another session"), second);
    }

    #[test]
    fn a_folder_that_outlives_the_machine_holds_another_session_after_it() {
        let runtime = tempfile::tempdir().expect("a folder");
        let now = identity(runtime.path()).expect("a session");
        let (_, random) = now.split_once('.').expect("boot and session");
        let before = format!("00000000-0000-4000-8000-000000000000.{random}");
        fs::write(marker(&runtime), &before).expect("the marker of an earlier start");
        let after = identity(runtime.path()).expect("a session");
        assert!(after != before && after != now, "{after}");
    }

    #[test]
    fn what_is_no_marker_is_made_anew() {
        let runtime = tempfile::tempdir().expect("a folder");
        let boot = fs::read_to_string(BOOT_ID).expect("the machine's");
        let short = format!("{}.12", boot.trim());
        let foreign: &[&[u8]] = &[b"", b"hello", b"\xff\xfe", short.as_bytes(), &[b'x'; 4096]];
        for content in foreign {
            fs::write(marker(&runtime), content).expect("foreign content");
            let made = identity(runtime.path()).expect("made anew");
            assert_eq!(identity(runtime.path()).expect("kept"), made);
        }
        let elsewhere = runtime.path().join("elsewhere");
        fs::rename(marker(&runtime), &elsewhere).expect("moved");
        std::os::unix::fs::symlink(&elsewhere, marker(&runtime)).expect("a link");
        assert_ne!(identity(runtime.path()).expect("made anew"), fs::read_to_string(&elsewhere).expect("untouched"));
        fs::remove_file(marker(&runtime)).expect("removed");
        fs::create_dir(marker(&runtime)).expect("a folder");
        let error = identity(runtime.path()).expect_err("it is not removed with what may be in it");
        assert!(error.to_string().contains("/session"), "{error}");
    }

    #[test]
    fn a_folder_that_is_not_there_is_named() {
        let runtime = tempfile::tempdir().expect("a folder");
        let error = identity(&runtime.path().join("gone")).expect_err("nowhere to write");
        assert!(error.to_string().contains("gone/session"), "{error}");
    }
}
