//! What to run, and the bounds on it.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use bgtask_confine::Plan;

use crate::HostError;

/// The most bytes that the program, its arguments, environment and directory may take together,
/// as they are sent to the launcher.
///
/// A few times what a login session's environment takes, and small enough for the default send
/// buffer of a socket.
pub const MAX_SPEC_BYTES: usize = 128 * 1024;

/// The most descriptors that a host can be given besides 0 to 3.
pub const MAX_PAYLOAD: usize = 16;

/// What a host is to run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostSpec {
    /// The program, an absolute path. It is also the first element of its argument list.
    pub program: PathBuf,
    /// The arguments that follow the program's name.
    pub args: Vec<OsString>,
    /// The complete environment: nothing is inherited. The last of equal names wins.
    pub env: Vec<(OsString, OsString)>,
    /// The directory to start in, an absolute path.
    pub dir: PathBuf,
    /// What it may do; everything that its user may, where there is no plan.
    pub confine: Option<Plan>,
}

impl HostSpec {
    /// Whether a program can be given this at all.
    pub(crate) fn check(&self) -> Result<(), HostError> {
        absolute("program", &self.program)?;
        absolute("working directory", &self.dir)?;
        passable("program", self.program.as_os_str())?;
        passable("working directory", self.dir.as_os_str())?;
        for arg in &self.args {
            passable("argument", arg)?;
        }
        for (name, value) in &self.env {
            variable(name, value)?;
        }
        Ok(())
    }
}

pub(crate) fn variable(name: &OsStr, value: &OsStr) -> Result<(), HostError> {
    if name.is_empty() || name.as_bytes().contains(&b'=') {
        return Err(unpassable("variable name", name));
    }
    passable("variable name", name)?;
    passable("variable value", value)
}

pub(crate) fn absolute(what: &'static str, path: &Path) -> Result<(), HostError> {
    if path.is_absolute() {
        Ok(())
    } else {
        let path = path.to_owned();
        Err(HostError::NotAbsolute { what, path })
    }
}

pub(crate) fn passable(what: &'static str, text: &OsStr) -> Result<(), HostError> {
    if text.as_bytes().contains(&0) { Err(unpassable(what, text)) } else { Ok(()) }
}

fn unpassable(what: &'static str, text: &OsStr) -> HostError {
    let text = text.to_string_lossy().into_owned();
    HostError::Unpassable { what, text }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec() -> HostSpec {
        HostSpec {
            program: "/bin/true".into(),
            args: vec![],
            env: vec![("HOME".into(), "/root".into())],
            dir: "/".into(),
            confine: None,
        }
    }

    #[test]
    fn what_no_program_can_be_given_is_refused() {
        let refused = |change: fn(&mut HostSpec)| {
            let mut spec = spec();
            change(&mut spec);
            spec.check().unwrap_err().to_string()
        };
        assert!(spec().check().is_ok());
        assert!(refused(|s| s.program = "true".into()).contains("program must be an absolute"));
        assert!(refused(|s| s.dir = "".into()).contains("working directory must be"));
        assert!(refused(|s| s.args.push("a\0b".into())).contains("argument cannot"));
        assert!(refused(|s| s.env.push(("".into(), "".into()))).contains("variable name"));
        assert!(refused(|s| s.env.push(("A=B".into(), "".into()))).contains("variable name"));
        assert!(refused(|s| s.env.push(("A".into(), "\0".into()))).contains("variable value"));
    }
}
