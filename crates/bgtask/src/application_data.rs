//! The app's data, as far as it concerns background tasks.

use std::path::PathBuf;

use bgtask_wire::host_names;

use crate::Error;
use crate::session::Session;
use crate::storage::ApplicationDataContainer;

/// What an app and its tasks share on the disk.
#[derive(Clone, Copy, Debug)]
pub enum ApplicationData {}

impl ApplicationData {
    /// The local settings: small typed values that the app and its tasks share (PR-6).
    ///
    /// In a task program they are found without the broker, and [`TaskInstance::local_settings`](crate::host::TaskInstance::local_settings)
    /// is the same without waiting.
    ///
    /// ```no_run
    /// # async fn example(task: bgtask::BackgroundTaskRegistration) -> Result<(), Box<dyn std::error::Error>> {
    /// let settings = bgtask::ApplicationData::local_settings().await?;
    /// let message: Option<String> = settings.get(task.name())?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// [`is_settings`](Error::is_settings): their folder cannot be made. In an app also [`is_no_broker`](Error::is_no_broker) and
    /// [`is_unknown_app`](Error::is_unknown_app), as it is the broker who knows the folder.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future has no effect.
    pub async fn local_settings() -> Result<ApplicationDataContainer, Error> {
        let folder = match std::env::var_os(host_names::DATA_VARIABLE) {
            Some(folder) => PathBuf::from(folder),
            None => Session::current().info().await?.data_dir.into(),
        };
        ApplicationDataContainer::open(folder).map_err(Error::settings)
    }
}
