//! Whether the app may run in the background.

use crate::Error;
use crate::session::Session;
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

/// Asks for background access and gives it back.
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
        Session::current().request_access().await
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
        Session::current().access_status().await
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
        Session::current().remove_access().await
    }
}

impl Session {
    pub(crate) async fn request_access(&self) -> Result<BackgroundAccessStatus, Error> {
        read(self.ask("RequestAccess", |broker, app| async move { broker.request_access(&app, "").await }).await?)
    }

    pub(crate) async fn access_status(&self) -> Result<BackgroundAccessStatus, Error> {
        read(
            self.ask("GetAccessStatus", |broker, app| async move { broker.get_access_status(&app, "", false).await })
                .await?,
        )
    }

    pub(crate) async fn remove_access(&self) -> Result<(), Error> {
        self.ask("RemoveAccess", |broker, app| async move { broker.remove_access(&app, "").await }).await
    }
}

fn read(number: u32) -> Result<BackgroundAccessStatus, Error> {
    BackgroundAccessStatus::from_number(number)
        .ok_or_else(|| Error::protocol(format!("the broker sent {number} as an access status")))
}
