//! Where this process stands among the cgroups, and the step aside that makes a delegated one of full use.
//!
//! Below a cgroup that systemd has delegated everything may be done, but a cgroup with a process in it can have no bounds
//! for those below it. So whoever is alone in one goes into another below it, as `DelegateSubgroup=` of systemd 254 does for
//! a service.

use std::fs;
use std::io;
use std::path::Path;

use rustix::fs::{Access, access};

use crate::cgroup::{is_delegated, own, write_file};

/// The cgroup a process goes into that steps aside.
const ASIDE: &str = "broker";

/// What this process may do among the cgroups.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It may make cgroups in one that was delegated, with bounds.
    Delegated,
    /// It may make cgroups below its own, which is somebody else's all the same: nobody promises that they stay.
    Tolerated,
    /// It may make none.
    None {
        /// Why not.
        why: String,
    },
}

/// What this process may do among the cgroups, as things are.
#[must_use]
pub fn standing() -> Standing {
    match own() {
        Ok(own) => standing_of(&own),
        Err(why) => Standing::None { why },
    }
}

/// Moves this process into a cgroup below its own, where its own was delegated and nobody else is in it. Elsewhere, and
/// where that was done before, this does nothing. To be called before anything is spawned.
///
/// # Errors
///
/// The kernel refuses it. Then there are no bounds for hosts; nothing else is different.
pub fn step_aside() -> io::Result<()> {
    let Ok(own) = own() else { return Ok(()) };
    let alone = || is_alone(&own, std::process::id());
    if own.parent().is_some_and(is_delegated) || !is_delegated(&own) || !alone()? {
        return Ok(());
    }
    let aside = own.join(ASIDE);
    match fs::create_dir(&aside) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
        _ => {}
    }
    // Zero is who writes.
    write_file(&aside.join("cgroup.procs"), "0")
}

fn standing_of(own: &Path) -> Standing {
    let delegated = own.parent().into_iter().chain([own]).any(is_delegated);
    match access(own, Access::WRITE_OK).and_then(|()| access(own.join("cgroup.procs"), Access::WRITE_OK)) {
        Ok(()) if delegated => Standing::Delegated,
        Ok(()) => Standing::Tolerated,
        Err(errno) => Standing::None { why: format!("{} cannot be written to: {errno}", own.display()) },
    }
}

fn is_alone(cgroup: &Path, process: u32) -> io::Result<bool> {
    let processes = fs::read_to_string(cgroup.join("cgroup.procs"))?;
    Ok(processes.lines().eq([process.to_string().as_str()]))
}

#[cfg(test)]
mod tests {
    use rustix::fs::{XattrFlags, setxattr};

    use super::*;

    fn cgroup(processes: &str) -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("cgroup.procs"), processes).unwrap();
        dir
    }

    #[test]
    fn what_was_delegated_is_told_from_what_is_only_let_happen() {
        let above = cgroup("");
        let own = above.path().join("own");
        fs::create_dir(&own).unwrap();
        let Standing::None { why } = standing_of(&own) else { panic!("it is no cgroup") };
        assert!(why.ends_with("own cannot be written to: No such file or directory (os error 2)"), "{why}");
        fs::write(own.join("cgroup.procs"), "").unwrap();
        assert_eq!(standing_of(&own), Standing::Tolerated);
        let mark = |cgroup: &Path| setxattr(cgroup, c"user.delegate", b"1", XattrFlags::empty());
        if let Err(errno) = mark(above.path()) {
            return println!("SKIPPED: this file system takes no attributes: {errno}");
        }
        assert_eq!(standing_of(&own), Standing::Delegated, "the one above is");
    }

    #[test]
    fn who_shares_a_cgroup_is_not_alone() {
        assert!(is_alone(cgroup("42\n").path(), 42).unwrap());
        for others in ["", "42\n43\n", "4\n", "442\n"] {
            assert!(!is_alone(cgroup(others).path(), 42).unwrap(), "{others:?}");
        }
    }
}
