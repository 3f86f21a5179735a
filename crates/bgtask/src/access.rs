//! Whether the app may run in the background.

use std::sync::Arc;

use crate::Error;
use crate::session::{Broker, Session};
use crate::windows_enum::windows_enum;

windows_enum! {
    /// Whether an app may run in the background.
    ///
    /// The numbers 1 to 3 belonged to the lock screen of Windows 8 and are not used (ACC-9).
    BackgroundAccessStatus {
        /// Nobody was asked yet; the app does nothing in the background (ACC-8).
        Unspecified = 0,
        /// The user always allows it.
        AlwaysAllowed = 4,
        /// It is allowed as far as the system's policy goes.
        AllowedSubjectToSystemPolicy = 5,
        /// The system's policy denies it.
        DeniedBySystemPolicy = 6,
        /// The user denied it.
        DeniedByUser = 7,
    }
}

impl BackgroundAccessStatus {
    /// Whether tasks may run. Where they may not they can be registered, and wait (D13).
    ///
    /// ```
    /// use bgtask::BackgroundAccessStatus;
    /// assert!(BackgroundAccessStatus::AlwaysAllowed.allows());
    /// assert!(!BackgroundAccessStatus::DeniedByUser.allows());
    /// ```
    #[must_use]
    pub const fn allows(self) -> bool {
        matches!(self, Self::AlwaysAllowed | Self::AllowedSubjectToSystemPolicy)
    }
}

windows_enum! {
    /// How much background access an app asks for (ACC-20).
    BackgroundAccessRequestKind {
        /// To run even while energy is being saved.
        AlwaysAllowed = 0,
        /// To run as far as the user's and the system's limits for the battery go.
        AllowedSubjectToSystemPolicy = 1,
    }
}

/// Asks for background access and gives it back.
///
/// Where a method takes an `application_id`, it is that of an application of the app's own manifest (ACC-15): for an app whose tasks
/// another of its applications declares (ACC-16). The others mean the first application.
#[derive(Clone, Copy, Debug)]
pub enum BackgroundExecutionManager {}

impl BackgroundExecutionManager {
    /// Asks for permission to run in the background; to be called before tasks are registered (ACC-1), and again after an
    /// update of the app (RE-7). No prompt appears (ACC-3). Answers what the user and the policy allow.
    ///
    /// # Errors
    ///
    /// [`is_no_broker`](Error::is_no_broker), [`is_unknown_app`](Error::is_unknown_app),
    /// [`is_store_unavailable`](Error::is_store_unavailable).
    ///
    /// # Cancel safety
    ///
    /// Dropping the future may leave the request made. Asking again is fine.
    ///
    /// ```no_run
    /// # async fn example() -> Result<(), bgtask::Error> {
    /// if !bgtask::BackgroundExecutionManager::request_access().await?.allows() {
    ///     println!("background tasks will wait until they are allowed");
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub async fn request_access() -> Result<BackgroundAccessStatus, Error> {
        Session::current().request_access(FIRST).await
    }

    /// As [`request_access`](Self::request_access), for one of the app's applications.
    ///
    /// # Errors
    ///
    /// As there; [`is_invalid_argument`](Error::is_invalid_argument): the app has no such application.
    ///
    /// # Cancel safety
    ///
    /// As there.
    pub async fn request_access_for(application_id: &str) -> Result<BackgroundAccessStatus, Error> {
        Session::current().request_access(application_id).await
    }

    /// Asks for a level of access (ACC-18). The user may be asked, in the app's own words, which follow "The app says:" (ACC-19);
    /// the answer comes when the user has answered, however long that takes. It is whether the user or the system approved.
    ///
    /// ```no_run
    /// # use bgtask::{BackgroundAccessRequestKind, BackgroundExecutionManager};
    /// # async fn example() -> Result<(), bgtask::Error> {
    /// let kind = BackgroundAccessRequestKind::AlwaysAllowed;
    /// let approved = BackgroundExecutionManager::request_access_kind(kind, "Alarms ring on time only so.").await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// As [`request_access`](Self::request_access). [`is_limit_reached`](Error::is_limit_reached): too many questions wait for the
    /// user. [`is_connection_lost`](Error::is_connection_lost): the broker went away before the user answered; ask again.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future does not take the question back.
    pub async fn request_access_kind(kind: BackgroundAccessRequestKind, reason: &str) -> Result<bool, Error> {
        Session::current().request_access_kind(kind, AWAKE, reason).await
    }

    /// As [`request_access_kind`](Self::request_access_kind), for the time the machine is in modern standby: a grant of its own (ACC-21).
    ///
    /// # Errors
    ///
    /// As there.
    ///
    /// # Cancel safety
    ///
    /// As there.
    pub async fn request_access_kind_for_modern_standby(
        kind: BackgroundAccessRequestKind,
        reason: &str,
    ) -> Result<bool, Error> {
        Session::current().request_access_kind(kind, STANDBY, reason).await
    }

    /// What the user and the policy allow the app now (ACC-22).
    ///
    /// # Errors
    ///
    /// [`is_no_broker`](Error::is_no_broker), [`is_unknown_app`](Error::is_unknown_app).
    ///
    /// # Cancel safety
    ///
    /// Dropping the future has no effect.
    pub async fn get_access_status() -> Result<BackgroundAccessStatus, Error> {
        Session::current().access_status(FIRST, AWAKE).await
    }

    /// As [`get_access_status`](Self::get_access_status), for one of the app's applications.
    ///
    /// # Errors
    ///
    /// As there; [`is_invalid_argument`](Error::is_invalid_argument): the app has no such application.
    ///
    /// # Cancel safety
    ///
    /// As there.
    pub async fn get_access_status_for(application_id: &str) -> Result<BackgroundAccessStatus, Error> {
        Session::current().access_status(application_id, AWAKE).await
    }

    /// What the user and the policy allow the app while the machine is in modern standby (ACC-21).
    ///
    /// # Errors
    ///
    /// As [`get_access_status`](Self::get_access_status).
    ///
    /// # Cancel safety
    ///
    /// As there.
    pub async fn get_access_status_for_modern_standby() -> Result<BackgroundAccessStatus, Error> {
        Session::current().access_status(FIRST, STANDBY).await
    }

    /// As [`get_access_status_for_modern_standby`](Self::get_access_status_for_modern_standby), for one of the app's applications.
    ///
    /// # Errors
    ///
    /// As [`get_access_status_for`](Self::get_access_status_for).
    ///
    /// # Cancel safety
    ///
    /// As there.
    pub async fn get_access_status_for_modern_standby_of(
        application_id: &str,
    ) -> Result<BackgroundAccessStatus, Error> {
        Session::current().access_status(application_id, STANDBY).await
    }

    /// Gives the permission back (ACC-17). Registrations stay, and wait.
    ///
    /// # Errors
    ///
    /// As [`request_access`](Self::request_access).
    ///
    /// # Cancel safety
    ///
    /// Dropping the future may leave it given back. Repeating it is fine.
    pub async fn remove_access() -> Result<(), Error> {
        Session::current().remove_access(FIRST).await
    }

    /// As [`remove_access`](Self::remove_access), for one of the app's applications.
    ///
    /// # Errors
    ///
    /// As [`request_access_for`](Self::request_access_for).
    ///
    /// # Cancel safety
    ///
    /// As there.
    pub async fn remove_access_for(application_id: &str) -> Result<(), Error> {
        Session::current().remove_access(application_id).await
    }
}

/// On the wire, the first application of an app.
const FIRST: &str = "";
const STANDBY: bool = true;
const AWAKE: bool = false;

impl Session {
    pub(crate) async fn request_access(&self, application: &str) -> Result<BackgroundAccessStatus, Error> {
        let request = |broker: Broker, app: Arc<str>| async move { broker.request_access(&app, application).await };
        read(self.ask("RequestAccess", request).await?)
    }

    pub(crate) async fn request_access_kind(
        &self,
        kind: BackgroundAccessRequestKind,
        standby: bool,
        reason: &str,
    ) -> Result<bool, Error> {
        let request = |broker: Broker, app: Arc<str>| async move {
            broker.request_access_kind(&app, FIRST, kind.number(), standby, reason).await
        };
        self.consult("RequestAccessKind", request).await
    }

    pub(crate) async fn access_status(
        &self,
        application: &str,
        standby: bool,
    ) -> Result<BackgroundAccessStatus, Error> {
        let request =
            |broker: Broker, app: Arc<str>| async move { broker.get_access_status(&app, application, standby).await };
        read(self.ask("GetAccessStatus", request).await?)
    }

    pub(crate) async fn remove_access(&self, application: &str) -> Result<(), Error> {
        let request = |broker: Broker, app: Arc<str>| async move { broker.remove_access(&app, application).await };
        self.ask("RemoveAccess", request).await
    }
}

fn read(number: u32) -> Result<BackgroundAccessStatus, Error> {
    BackgroundAccessStatus::from_number(number)
        .ok_or_else(|| Error::protocol(format!("the broker sent {number} as an access status")))
}
