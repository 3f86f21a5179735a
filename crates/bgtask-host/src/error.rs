//! What can go wrong, and whose business it is.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Why a host could not be launched or handled.
#[derive(Debug, thiserror::Error)]
pub enum HostError {
    /// The program cannot be executed: it is missing, not executable, or its interpreter is.
    #[error("cannot execute {}", path.display())]
    Execute {
        /// The program.
        path: PathBuf,
        /// What `execve` said.
        source: io::Error,
    },

    /// A command without a program.
    #[error("there is no program to run: the command is empty")]
    NoProgram,

    /// A program that is in none of the directories that are searched.
    #[error("there is no program {program:?} in the PATH {path:?}: install it, or give its full path")]
    NotInPath {
        /// The program, lossily.
        program: String,
        /// The `PATH` that was searched, lossily.
        path: String,
    },

    /// A script whose first line names a program that does not exist.
    #[error("cannot execute {}: its first line asks for {interpreter:?}, which does not exist", path.display())]
    Interpreter {
        /// The script.
        path: PathBuf,
        /// What its first line names, lossily.
        interpreter: String,
    },

    /// A program that is there, and that the kernel does not find all the same: what is to run it is not there for it.
    #[error(
        "cannot execute {}: it is there, but what its first line names, or its loader, is not there for it; what is not part of \
         the system is declared in `[sandbox] read` of the manifest",
        path.display()
    )]
    Unseen {
        /// The program.
        path: PathBuf,
    },

    /// A command was to run without the network, and the kernel does not let this user take it away. It was not run.
    #[error("this system does not let a command run without the network (it takes user namespaces); it was not run")]
    NetworkKept {
        /// What the kernel said.
        source: io::Error,
    },

    /// The directory the program is to start in cannot be entered.
    #[error("cannot enter the working directory {}", path.display())]
    Directory {
        /// The directory.
        path: PathBuf,
        /// What `chdir` said.
        source: io::Error,
    },

    /// A wall that the program has to be behind does not stand. It was not run.
    #[error("{} has to run confined, and cannot; it was not run", path.display())]
    Wall {
        /// The program.
        path: PathBuf,
        /// Which wall, and why.
        source: io::Error,
    },

    /// A path that has to be absolute is not.
    #[error("the {what} must be an absolute path: {}", path.display())]
    NotAbsolute {
        /// Which path.
        what: &'static str,
        /// The path given.
        path: PathBuf,
    },

    /// Something no program can be given: a NUL byte, or a variable name that is empty or has `=`.
    #[error("the {what} cannot be passed to a program: {text:?}")]
    Unpassable {
        /// What it is.
        what: &'static str,
        /// The offending text, lossily.
        text: String,
    },

    /// A bound was exceeded.
    #[error("{count} {what}: the most is {max}")]
    TooMany {
        /// What was counted.
        what: &'static str,
        /// How many there are.
        count: usize,
        /// How many there may be.
        max: usize,
    },

    /// The machine refused something that has nothing to do with the program.
    #[error("cannot {operation} {}", path.display())]
    Environment {
        /// What was attempted, as a verb phrase that the path completes.
        operation: &'static str,
        /// What it was attempted on.
        path: PathBuf,
        /// What the kernel said.
        source: io::Error,
    },

    /// Hosts of an earlier, dead broker survived being killed.
    #[error("a host of an earlier broker still runs {waited:?} after it was killed: {}", path.display())]
    Leftover {
        /// The cgroup or the `/proc` directory of what runs.
        path: PathBuf,
        /// How long it was waited for.
        waited: Duration,
    },

    /// Another broker that is alive uses the same runtime directory.
    #[error("another broker uses {}", path.display())]
    InUse {
        /// The runtime directory.
        path: PathBuf,
    },

    /// Launcher and broker do not understand each other: a mixed installation, or a bug here.
    #[error("the launcher {} does not understand the broker", path.display())]
    Launcher {
        /// The launcher.
        path: PathBuf,
        /// What it said.
        source: io::Error,
    },
}

/// Who has to act on a [`HostError`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Blame {
    /// Whoever asked: what is to run cannot run, and trying again will not help.
    Program,
    /// Whoever runs the machine; trying again later may help.
    Environment,
    /// bgtask, or its installation.
    Broker,
}

impl HostError {
    /// Who has to act.
    #[must_use]
    pub fn blame(&self) -> Blame {
        match self {
            Self::Execute { .. }
            | Self::Directory { .. }
            | Self::NotAbsolute { .. }
            | Self::Unpassable { .. }
            | Self::NoProgram
            | Self::NotInPath { .. }
            | Self::Interpreter { .. }
            | Self::Unseen { .. }
            | Self::TooMany { .. } => Blame::Program,
            Self::NetworkKept { .. }
            | Self::Wall { .. }
            | Self::Environment { .. }
            | Self::Leftover { .. }
            | Self::InUse { .. } => Blame::Environment,
            Self::Launcher { .. } => Blame::Broker,
        }
    }

    pub(crate) fn environment(operation: &'static str, path: impl AsRef<Path>, source: impl Into<io::Error>) -> Self {
        Self::Environment { operation, path: path.as_ref().to_owned(), source: source.into() }
    }
}

#[cfg(test)]
mod tests {
    use std::error::Error as _;

    use super::*;

    #[test]
    fn an_error_names_operation_path_and_errno() {
        let error = HostError::environment("create", "/run/bgtask", io::Error::from_raw_os_error(libc::EACCES));
        assert_eq!(error.to_string(), "cannot create /run/bgtask");
        assert!(error.source().unwrap().to_string().contains("os error 13"));
        assert_eq!(error.blame(), Blame::Environment);
    }

    #[test]
    fn the_program_is_to_blame_for_what_it_asks() {
        let error = HostError::NotAbsolute { what: "program", path: "restic".into() };
        assert_eq!(error.to_string(), "the program must be an absolute path: restic");
        assert_eq!(error.blame(), Blame::Program);
    }
}
