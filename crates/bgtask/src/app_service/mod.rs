//! App services: one app asks, a background task of another answers (HO-6, NEI-1, NEI-2).
//!
//! An app *provides* a service by declaring it in its manifest. Nothing is registered: every connection starts an instance of the
//! declared entry point, side by side with the others, and ends it when the caller is gone.
//!
//! ```toml
//! [[app_service]]
//! name = "org.example.photos.resize"
//! entry_point = "Services.Resize"
//! allow = ["org.example.Mail"]
//! ```
//!
//! The task answers until nobody asks any more:
//!
//! ```
//! use bgtask::ValueSet;
//! use bgtask::host::{BackgroundTask, TaskError, TaskInstance};
//!
//! struct Resize;
//!
//! impl BackgroundTask for Resize {
//!     async fn run(&self, instance: TaskInstance) -> Result<(), TaskError> {
//!         let details = instance.app_service()?;
//!         while let Some(request) = details.connection().next_request().await {
//!             let width: u32 = request.message().get("width")?.unwrap_or(320);
//!             request.send_response(&ValueSet::from([("width", width / 2)]))?;
//!         }
//!         Ok(())
//!     }
//! }
//!
//! // Its test needs no broker.
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let (test, caller) = bgtask::testing::TaskTest::new(Resize).app_service("org.example.photos.resize", "org.example.Mail")?;
//! let ask = async {
//!     let answer = caller.send_message(&ValueSet::from([("width", 640_u32)])).await.unwrap();
//!     assert_eq!(answer.get::<u32>("width"), Ok(Some(320)));
//!     drop(caller);
//! };
//! let (run, ()) = tokio::join!(test.run(), ask);
//! run.check_result()?;
//! # Ok(())
//! # }
//! ```
//!
//! The caller opens a connection and asks:
//!
//! ```no_run
//! use bgtask::{AppServiceConnection, ValueSet};
//!
//! # async fn mail() -> Result<(), Box<dyn std::error::Error>> {
//! let photos = AppServiceConnection::open("org.example.Photos", "org.example.photos.resize").await?;
//! let answer = photos.send_message(&ValueSet::from([("width", 640_u32)])).await?;
//! println!("{:?}", answer.get::<u32>("width")?);
//! # Ok(())
//! # }
//! ```
//!
//! `docs/app-services.md` tells what holds and ends a connection, and how programs in other languages use one.

mod connection;
mod link;
mod request;
#[cfg(test)]
mod tests;

use std::fmt;

use bgtask_wire::app_service_names::{CALLER, SERVICE};

pub use connection::AppServiceConnection;
pub(crate) use connection::Hold;
pub use request::AppServiceRequest;

use crate::BackgroundTaskCancellationReason as Reason;
use crate::host::TaskInstance;
use crate::windows_enum::windows_enum;
use crate::{Error, ValueSet};

/// Most requests one end of a connection has from the other without having answered them. One more is refused with
/// [`ResourceLimitsExceeded`](AppServiceResponseStatus::ResourceLimitsExceeded).
pub const MAX_UNANSWERED_REQUESTS: usize = 64;

windows_enum! {
    /// What became of an attempt to connect to an app service. Those that tell of remote systems and of accounts are Windows's, and
    /// never come.
    AppServiceConnectionStatus {
        /// It is open.
        Success = 0,
        /// The app is not installed.
        AppNotInstalled = 1,
        /// The app cannot run now: it is being updated, or the machine holds background work. Try again later.
        AppUnavailable = 2,
        /// The app has no such service, or no program for it.
        AppServiceUnavailable = 3,
        /// The broker could not be asked, or refused for another reason, which the text tells.
        Unknown = 4,
        /// The other machine cannot be reached.
        RemoteSystemUnavailable = 5,
        /// The service is not for other machines.
        RemoteSystemNotSupportedByApp = 6,
        /// The app's manifest does not allow the caller.
        NotAuthorized = 7,
        /// The account could not be authenticated.
        AuthenticationError = 8,
        /// There is no network.
        NetworkNotAvailable = 9,
        /// The user or the policy does not let the app run.
        DisabledByPolicy = 10,
        /// A service of the web cannot be reached.
        WebServiceUnavailable = 11,
    }
}

windows_enum! {
    /// What became of a message. Those that tell of remote systems and of accounts are Windows's, and never come.
    AppServiceResponseStatus {
        /// It was answered.
        Success = 0,
        /// It was taken and not answered.
        Failure = 1,
        /// The other end has too many messages that it has not answered.
        ResourceLimitsExceeded = 2,
        /// The connection ended before the answer came: the message may or may not have been handled.
        Unknown = 3,
        /// The other machine cannot be reached.
        RemoteSystemUnavailable = 4,
        /// The message, or the answer, is larger than [`MAX_VALUE_SET_BYTES`](crate::MAX_VALUE_SET_BYTES).
        MessageSizeTooLarge = 5,
        /// The app could not be started.
        AppUnavailable = 6,
        /// The account could not be authenticated.
        AuthenticationError = 7,
        /// There is no network.
        NetworkNotAvailable = 8,
        /// The user or the policy does not let the app run.
        DisabledByPolicy = 9,
        /// A service of the web cannot be reached.
        WebServiceUnavailable = 10,
    }
}

windows_enum! {
    /// Why a connection is closed (NEI-3).
    AppServiceClosedStatus {
        /// One end has closed it, or its task has ended well.
        Completed = 0,
        /// Its task was told to stop.
        Canceled = 1,
        /// Its task was told to stop because it had used up what it may use.
        ResourceLimitsExceeded = 2,
        /// The other end is gone without a word.
        Unknown = 3,
    }
}

impl AppServiceClosedStatus {
    /// What the caller is told when the task lets go of it.
    pub(crate) fn at_end(cancelled: Option<Reason>, ok: bool) -> Self {
        match cancelled {
            Some(Reason::ExecutionTimeExceeded | Reason::ResourceRevocation | Reason::IdleTask) => {
                Self::ResourceLimitsExceeded
            }
            Some(_) => Self::Canceled,
            None if ok => Self::Completed,
            None => Self::Unknown,
        }
    }
}

/// Why a connection could not be opened, or a message was not answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AppServiceFailure<S> {
    pub(crate) status: S,
    pub(crate) why: String,
}

impl<S: Copy> AppServiceFailure<S> {
    pub(crate) fn new(status: S, why: impl Into<String>) -> Self {
        Self { status, why: why.into() }
    }

    /// What became of it, as Windows names it.
    pub fn status(&self) -> S {
        self.status
    }

    /// Why, in a sentence for a person.
    pub fn why(&self) -> &str {
        &self.why
    }
}

impl<S: fmt::Display> fmt::Display for AppServiceFailure<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.status, self.why)
    }
}

impl<S: fmt::Display + fmt::Debug> std::error::Error for AppServiceFailure<S> {}

/// What the task of an app service finds in its activation (NEI-1): the connection, and who is at its other end.
#[derive(Debug)]
pub struct AppServiceTriggerDetails {
    name: String,
    caller: Option<String>,
    connection: AppServiceConnection,
}

impl AppServiceTriggerDetails {
    /// Which service was asked for: one entry point may serve several.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The app that asks, as the broker knows it; `None` is a program of the user that is no app, for which the manifest allows
    /// `"*"`. (`CallerPackageFamilyName` of Windows.)
    pub fn caller_app_id(&self) -> Option<&str> {
        self.caller.as_deref()
    }

    /// The connection. It closes when it is dropped, and in any case when the activation ends.
    pub fn connection(&self) -> &AppServiceConnection {
        &self.connection
    }

    /// The connection alone.
    pub fn into_connection(self) -> AppServiceConnection {
        self.connection
    }

    pub(crate) fn of(instance: &TaskInstance) -> Result<Self, Error> {
        let text = |key| instance.trigger_details().get::<String>(key).ok().flatten();
        let Some(name) = text(SERVICE).filter(|_| instance.is_app_service()) else {
            return Err(Error::invalid("this activation serves no caller: an app service was not what started it"));
        };
        let Some(socket) = instance.take_socket() else {
            return Err(Error::invalid("the connection of this activation was taken already: take it once"));
        };
        let connection = AppServiceConnection::of_task(socket.into(), instance.cancellation())?;
        instance.holds(connection.hold());
        Ok(Self { name, caller: text(CALLER), connection })
    }

    /// What an activation is told of its caller.
    pub(crate) fn told(service: &str, caller: &str) -> ValueSet {
        ValueSet::from([(SERVICE, service), (CALLER, caller)])
    }
}
