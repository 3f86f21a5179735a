use std::fmt;

use zbus::message::Header;
use zbus::{Message, names::OwnedErrorName};

/// An error reply of the broker: whose fault it is by its kind, what is wrong and what to do by its message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error {
    /// What kind of error.
    pub kind: ErrorKind,
    /// One or two sentences for a person.
    pub message: String,
}

macro_rules! kinds {
    ($($(#[$doc:meta])* $kind:ident = $name:literal,)+) => {
        /// The errors of the contract. The name on the wire is stable, the message is not.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum ErrorKind { $($(#[$doc])* $kind,)+ }

        impl ErrorKind {
            /// Every kind.
            pub const ALL: &'static [Self] = &[$(Self::$kind,)+];

            /// Its name on the wire.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$kind => $name,)+ }
            }
        }
    };
}

kinds! {
    /// The caller: no manifest of that app is installed, or it is no app and named none.
    UnknownApp = "org.bgtask.Error.UnknownApp",
    /// The caller: its app has no such task.
    UnknownTask = "org.bgtask.Error.UnknownTask",
    /// The caller: an argument is empty, too long, malformed or does not fit the others.
    InvalidArgument = "org.bgtask.Error.InvalidArgument",
    /// The caller: the manifest does not declare what is registered (MA-1).
    NotDeclared = "org.bgtask.Error.NotDeclared",
    /// The caller: it is an app and asked for what belongs to another one.
    AccessDenied = "org.bgtask.Error.AccessDenied",
    /// The caller: a command of that name is there already.
    NameTaken = "org.bgtask.Error.NameTaken",
    /// The environment: this machine or this version cannot serve it (D16).
    NotSupported = "org.bgtask.Error.NotSupported",
    /// The caller: a bound was reached.
    LimitReached = "org.bgtask.Error.LimitReached",
    /// The environment: the broker cannot make anything durable now.
    StoreUnavailable = "org.bgtask.Error.StoreUnavailable",
    /// The caller: the task failed; its own words are the message. Only on the host channel.
    TaskFailed = "org.bgtask.Error.TaskFailed",
    /// The host program: it has no such entry point. Only on the host channel.
    UnknownEntryPoint = "org.bgtask.Error.UnknownEntryPoint",
    /// The caller: no such object, interface or method.
    UnknownMethod = "org.freedesktop.DBus.Error.UnknownMethod",
    /// The caller: the arguments are of other types.
    InvalidSignature = "org.freedesktop.DBus.Error.InvalidArgs",
    /// The caller: it has handed over a socket of that id already.
    SocketIdTaken = "org.bgtask.Error.SocketIdTaken",
    /// The caller: the descriptor is no socket that can be handed over.
    SocketWrongKind = "org.bgtask.Error.SocketWrongKind",
    /// The caller: the broker has no socket of that id for the app.
    SocketNotFound = "org.bgtask.Error.SocketNotFound",
    /// The caller: the socket's task runs with it now.
    SocketInUse = "org.bgtask.Error.SocketInUse",
    /// Neither: the reply is none of the above, or did not come.
    Other = "org.bgtask.Error.Failed",
}

impl Error {
    /// An error of that kind.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into() }
    }

    /// The error reply to a call.
    ///
    /// # Errors
    ///
    /// The message cannot be built: a bug.
    pub fn reply(&self, to: &Header<'_>) -> zbus::Result<Message> {
        Message::error(to, self.kind.name()).build(&self.message.as_str())
    }

    fn from_name(name: &OwnedErrorName, message: Option<String>) -> Self {
        let found = ErrorKind::ALL.iter().copied().find(|kind| kind.name() == name.as_str());
        let message = message.unwrap_or_default();
        match found {
            Some(kind) => Self { kind, message },
            None => Self { kind: ErrorKind::Other, message: format!("{name}: {message}") },
        }
    }
}

impl From<zbus::Error> for Error {
    fn from(error: zbus::Error) -> Self {
        match error {
            zbus::Error::MethodError(name, message, _) => Self::from_name(&name, message),
            zbus::Error::FDO(error) => match *error {
                zbus::fdo::Error::UnknownMethod(text) => Self::new(ErrorKind::UnknownMethod, text),
                zbus::fdo::Error::InvalidArgs(text) => Self::new(ErrorKind::InvalidSignature, text),
                other => Self::new(ErrorKind::Other, other.to_string()),
            },
            other => Self::new(ErrorKind::Other, other.to_string()),
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Error {}
