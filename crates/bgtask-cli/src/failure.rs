//! Why a command did not do what was asked, and what it tells the shell.

use std::fmt;
use std::io;

use bgtask_wire::ErrorKind;
use serde_json::{Value, json};

/// What a command tells the shell when it did not do what was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    /// It was done, or nobody reads any more what it shows: `bgtask list | head -1`.
    Done = 0,
    /// It was refused, or did not work.
    Failed = 1,
    /// It was asked in a wrong way.
    Usage = 2,
    /// There is no such task, app or file, or nobody to hear.
    Absent = 3,
    /// The broker cannot be reached, or ended meanwhile.
    Unreachable = 4,
    /// It is running already.
    Running = 5,
    /// The user or the policy does not let the app run in the background.
    Denied = 6,
}

/// A command that did not do what was asked: what that was, what is wrong, what to do.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) exit: Exit,
    pub(crate) message: String,
    /// The name of the broker's error, if it was the broker that refused.
    pub(crate) name: Option<&'static str>,
}

impl Failure {
    pub(crate) fn new(exit: Exit, message: impl Into<String>) -> Self {
        Self { exit, message: message.into(), name: None }
    }

    pub(crate) fn failed(message: impl Into<String>) -> Self {
        Self::new(Exit::Failed, message)
    }

    pub(crate) fn absent(message: impl Into<String>) -> Self {
        Self::new(Exit::Absent, message)
    }

    pub(crate) fn to_json(&self) -> Value {
        json!({ "exit_code": self.exit as u8, "name": self.name, "message": self.message })
    }
}

impl From<zbus::Error> for Failure {
    fn from(error: zbus::Error) -> Self {
        if let zbus::Error::InputOutput(cause) = &error {
            return match cause.kind() {
                io::ErrorKind::TimedOut => Self::new(Exit::Unreachable, "the broker did not answer in time"),
                _ => Self::new(Exit::Unreachable, format!("the connection to the broker was lost: {cause}")),
            };
        }
        let refusal = bgtask_wire::Error::from(error);
        let exit = match refusal.kind {
            ErrorKind::UnknownApp | ErrorKind::UnknownTask => Exit::Absent,
            _ => Exit::Failed,
        };
        Self { exit, message: refusal.message, name: Some(refusal.kind.name()) }
    }
}

impl From<io::Error> for Failure {
    /// Of writing the output: every other input or output names its file.
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::BrokenPipe => Self::new(Exit::Done, ""),
            _ => Self::failed(format!("the output cannot be written: {error}")),
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}
