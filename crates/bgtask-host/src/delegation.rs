//! Where this process stands among the cgroups, and the step aside that makes a delegated one of full use.
//!
//! Below a cgroup that systemd has delegated everything may be done, but a cgroup with a process in it can set no bounds
//! for those below it. So whoever is alone in one goes into another below it, as `DelegateSubgroup=` of systemd 254 does
//! for a service.

use std::fs;
use std::io;
use std::path::Path;

use rustix::fs::{Access, access};

use crate::cgroup::{is_delegated, own, write_file};

/// The cgroup a process goes into that steps aside.
const ASIDE: &str = "broker";

/// Whether this process may make cgroups below its own.
///
/// # Errors
///
/// Why not, for people.
pub fn may_make_cgroups() -> Result<(), String> {
    let own = own()?;
    is_writable(&own).map_err(|error| format!("{} cannot be written to: {error}", own.display()))
}

/// Moves this process into a cgroup below its own, where its own was `delegated` and nobody else is in it. Elsewhere, and
/// where that was done before, this does nothing. To be called before anything is spawned.
///
/// Whether a cgroup was delegated only systemd 254 and later tell by a mark on it; who knows otherwise says so.
///
/// # Errors
///
/// The kernel refuses it. Then hosts can have no bounds; nothing else is different.
pub fn step_aside(delegated: bool) -> io::Result<()> {
    let Ok(own) = own() else { return Ok(()) };
    let is_ours = (delegated || is_delegated(&own)) && is_writable(&own).is_ok();
    if !is_ours || territory(&own) != own || !is_alone(&own, std::process::id())? {
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

/// The cgroup that this process may fill, being in `own`: the one above, where it was delegated or this process has stepped
/// aside in it.
pub(crate) fn territory(own: &Path) -> &Path {
    let is_aside = own.file_name().is_some_and(|name| name == ASIDE);
    own.parent().filter(|above| is_delegated(above) || is_aside && is_writable(above).is_ok()).unwrap_or(own)
}

fn is_writable(cgroup: &Path) -> io::Result<()> {
    let writable =
        access(cgroup, Access::WRITE_OK).and_then(|()| access(cgroup.join("cgroup.procs"), Access::WRITE_OK));
    Ok(writable?)
}

fn is_alone(cgroup: &Path, process: u32) -> io::Result<bool> {
    let processes = fs::read_to_string(cgroup.join("cgroup.procs"))?;
    Ok(processes.lines().eq([process.to_string().as_str()]))
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;

    fn cgroup(path: PathBuf, processes: &str) -> PathBuf {
        fs::create_dir_all(&path).unwrap();
        fs::write(path.join("cgroup.procs"), processes).unwrap();
        path
    }

    #[test]
    fn who_has_stepped_aside_fills_the_cgroup_above() {
        let root = tempfile::tempdir().unwrap();
        let unit = cgroup(root.path().join("bgtask.service"), "");
        assert_eq!(territory(&unit), unit);
        let aside = cgroup(unit.join(ASIDE), "42\n");
        assert_eq!(territory(&aside), unit);
        let other = cgroup(unit.join("other"), "42\n");
        assert_eq!(territory(&other), other, "which was not delegated");
        fs::remove_file(unit.join("cgroup.procs")).unwrap();
        assert_eq!(territory(&aside), aside, "what is above is no cgroup");
    }

    #[test]
    fn who_shares_a_cgroup_is_not_alone() {
        let root = tempfile::tempdir().unwrap();
        let alone = |processes| is_alone(&cgroup(root.path().join("own"), processes), 42).unwrap();
        assert!(alone("42\n"));
        for others in ["", "42\n43\n", "4\n", "442\n"] {
            assert!(!alone(others), "{others:?}");
        }
    }
}
