//! What can go wrong on the app's side.

use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bgtask_wire::ErrorKind;

/// Why a call failed. Its text says what was asked, what is wrong and what to do; the predicates say whose fault it is.
///
/// ```no_run
/// # async fn example(builder: bgtask::BackgroundTaskBuilder) -> Result<(), bgtask::Error> {
/// match builder.register().await {
///     Err(error) if error.is_not_declared() => eprintln!("the manifest lacks an entry: {error}"),
///     other => drop(other?),
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Error(Arc<Repr>);

#[derive(Debug, PartialEq, Eq)]
struct Repr {
    kind: Kind,
    message: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// No broker answers.
    NoBroker,
    /// The connection ended while a call that must not be repeated was under way.
    ConnectionLost,
    /// The broker refused.
    Refused(ErrorKind),
    /// This library refused.
    Invalid,
    /// The broker does not keep to the contract.
    Protocol,
    /// The app's settings cannot be opened.
    Settings,
    /// A transfer is over, and not done.
    Transfer,
}

impl Error {
    /// The environment: no broker could be reached, or it does not answer. Try again once it runs.
    #[must_use]
    pub fn is_no_broker(&self) -> bool {
        self.0.kind == Kind::NoBroker
    }

    /// The broker went away after a registration was sent and before its answer came, so it may or may not have been made:
    /// look through [`all_tasks`](crate::BackgroundTaskRegistration::all_tasks) before trying again.
    #[must_use]
    pub fn is_connection_lost(&self) -> bool {
        self.0.kind == Kind::ConnectionLost
    }

    /// The set-up: no installed manifest names this program, or the app that it says it is.
    #[must_use]
    pub fn is_unknown_app(&self) -> bool {
        self.refused(ErrorKind::UnknownApp)
    }

    /// The caller: the app has no such registration, or no longer.
    #[must_use]
    pub fn is_unknown_task(&self) -> bool {
        self.refused(ErrorKind::UnknownTask)
    }

    /// The caller: an argument is missing, too long, malformed, or does not fit the others.
    #[must_use]
    pub fn is_invalid_argument(&self) -> bool {
        self.0.kind == Kind::Invalid || self.refused(ErrorKind::InvalidArgument)
    }

    /// The set-up: the app's manifest does not declare the entry point, or not for this kind of trigger. The text
    /// shows the lines to add.
    #[must_use]
    pub fn is_not_declared(&self) -> bool {
        self.refused(ErrorKind::NotDeclared)
    }

    /// The caller: what was asked for belongs to another app.
    #[must_use]
    pub fn is_access_denied(&self) -> bool {
        self.refused(ErrorKind::AccessDenied)
    }

    /// The environment: this machine, or this version of the broker, cannot do it.
    #[must_use]
    pub fn is_not_supported(&self) -> bool {
        self.refused(ErrorKind::NotSupported)
    }

    /// The caller: one more than is allowed.
    #[must_use]
    pub fn is_limit_reached(&self) -> bool {
        self.refused(ErrorKind::LimitReached)
    }

    /// The environment: the broker cannot make anything durable now, because the disk is full or read-only.
    #[must_use]
    pub fn is_store_unavailable(&self) -> bool {
        self.refused(ErrorKind::StoreUnavailable)
    }

    /// The environment: the folder of the app's settings cannot be opened.
    #[must_use]
    pub fn is_settings(&self) -> bool {
        self.0.kind == Kind::Settings
    }

    /// The caller: the app has handed over a socket of that id already.
    #[must_use]
    pub fn is_socket_id_taken(&self) -> bool {
        self.refused(ErrorKind::SocketIdTaken)
    }

    /// The caller: the socket is of another kind than was asked for, or is none that can be handed over.
    #[must_use]
    pub fn is_wrong_kind(&self) -> bool {
        self.refused(ErrorKind::SocketWrongKind)
    }

    /// The broker has no such socket: it was taken already, taken back, or lost.
    #[must_use]
    pub fn is_socket_not_found(&self) -> bool {
        self.refused(ErrorKind::SocketNotFound)
    }

    /// The socket's task runs with it: it can be taken back when that has ended.
    #[must_use]
    pub fn is_socket_in_use(&self) -> bool {
        self.refused(ErrorKind::SocketInUse)
    }

    /// The server, or the file on this machine: the transfer will never be done, or was cancelled. The text has the reason.
    #[must_use]
    pub fn is_transfer_failed(&self) -> bool {
        self.0.kind == Kind::Transfer
    }

    fn refused(&self, kind: ErrorKind) -> bool {
        self.0.kind == Kind::Refused(kind)
    }

    #[cold]
    fn new(kind: Kind, message: String) -> Self {
        Self(Arc::new(Repr { kind, message }))
    }

    pub(crate) fn invalid(message: impl Into<String>) -> Self {
        Self::new(Kind::Invalid, message.into())
    }

    pub(crate) fn transfer(uri: &str, why: &str) -> Self {
        Self::new(Kind::Transfer, format!("{uri} was not transferred: {why}"))
    }

    pub(crate) fn limit(message: impl Into<String>) -> Self {
        Self::new(Kind::Refused(ErrorKind::LimitReached), message.into())
    }

    pub(crate) fn not_supported(message: impl Into<String>) -> Self {
        Self::new(Kind::Refused(ErrorKind::NotSupported), message.into())
    }

    pub(crate) fn wrong_kind(message: impl Into<String>) -> Self {
        Self::new(Kind::Refused(ErrorKind::SocketWrongKind), message.into())
    }

    pub(crate) fn socket_not_found(message: impl Into<String>) -> Self {
        Self::new(Kind::Refused(ErrorKind::SocketNotFound), message.into())
    }

    pub(crate) fn protocol(message: impl fmt::Display) -> Self {
        Self::new(Kind::Protocol, format!("{message}, which no broker of this version sends; are both of one version?"))
    }

    pub(crate) fn settings(message: impl fmt::Display) -> Self {
        Self::new(Kind::Settings, format!("cannot open the app's local settings: {message}"))
    }

    pub(crate) fn no_broker(socket: &Path, problem: impl fmt::Display) -> Self {
        let message = format!(
            "no broker answers at {} ({problem}); start it with `systemctl --user start bgtask` or by running `bgtaskd`, \
             or set {} if it listens elsewhere",
            socket.display(),
            bgtask_wire::ADDRESS_VARIABLE
        );
        Self::new(Kind::NoBroker, message)
    }

    pub(crate) fn channel(problem: &std::io::Error) -> Self {
        Self::new(Kind::NoBroker, format!("the channel to the broker that started this process failed: {problem}"))
    }

    pub(crate) fn unrecognized() -> Self {
        let program = std::env::current_exe().map_or_else(|_| "this program".into(), |path| path.display().to_string());
        let message = format!(
            "the broker does not know whose program {program} is: no installed manifest names it as an executable; install \
             one that does, or say whom it acts for with bgtask::act_for or {}",
            bgtask_wire::host_names::APP_VARIABLE
        );
        Self::new(Kind::Refused(ErrorKind::UnknownApp), message)
    }

    pub(crate) fn no_answer(call: &str, waited: Duration) -> Self {
        let message = format!("the broker did not answer {call} within {} s; see what it logs", waited.as_secs());
        Self::new(Kind::NoBroker, message)
    }

    pub(crate) fn connection_lost(call: &str) -> Self {
        let message = format!(
            "the connection to the broker ended before it answered {call}; it may or may not have been done: look before \
             trying again"
        );
        Self::new(Kind::ConnectionLost, message)
    }
}

impl From<bgtask_wire::Error> for Error {
    fn from(error: bgtask_wire::Error) -> Self {
        Self::new(Kind::Refused(error.kind), error.message)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.message)
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // What `main` prints for an error it returns: so the text stays readable.
        write!(f, "{:?}: {}", self.0.kind, self.0.message)
    }
}

impl std::error::Error for Error {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kind_is_told_by_predicates_and_the_text_is_the_brokers() {
        let refused = |kind| Error::from(bgtask_wire::Error::new(kind, "words of the broker"));
        assert!(refused(ErrorKind::UnknownApp).is_unknown_app());
        assert!(refused(ErrorKind::UnknownTask).is_unknown_task());
        assert!(refused(ErrorKind::InvalidArgument).is_invalid_argument());
        assert!(refused(ErrorKind::NotDeclared).is_not_declared());
        assert!(refused(ErrorKind::AccessDenied).is_access_denied());
        assert!(refused(ErrorKind::NotSupported).is_not_supported());
        assert!(refused(ErrorKind::LimitReached).is_limit_reached());
        assert!(refused(ErrorKind::StoreUnavailable).is_store_unavailable());
        assert!(refused(ErrorKind::SocketIdTaken).is_socket_id_taken());
        assert!(refused(ErrorKind::SocketWrongKind).is_wrong_kind());
        assert!(refused(ErrorKind::SocketNotFound).is_socket_not_found());
        assert!(refused(ErrorKind::SocketInUse).is_socket_in_use());
        assert!(!refused(ErrorKind::StoreUnavailable).is_no_broker());
        assert_eq!(refused(ErrorKind::Other).to_string(), "words of the broker");
        assert_eq!(size_of::<Error>(), size_of::<usize>());
    }
}
