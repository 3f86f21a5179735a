//! Transfers that are started together, and the task that hears when all of them have ended (NEI-4, NEI-5).

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::operation::{Operation, list};
use super::{DownloadOperation, UploadOperation};
use crate::host::TaskInstance;
use crate::session::{Broker, Session};
use crate::trigger::BackgroundTransferCompletionGroupTrigger;
use crate::{Error, Uuid};

/// Transfers whose end one task hears of (`BackgroundTransferCompletionGroup`): it runs once, when all of them have ended, well or not.
///
/// ```no_run
/// use bgtask::BackgroundTaskBuilder;
/// use bgtask::transfer::{BackgroundDownloader, BackgroundTransferCompletionGroup};
///
/// # async fn example() -> Result<(), bgtask::Error> {
/// let group = BackgroundTransferCompletionGroup::new();
/// let builder = BackgroundTaskBuilder::new().name("Season is there").task_entry_point("Tasks.Season");
/// builder.trigger(group.trigger()).register().await?;
///
/// let downloader = BackgroundDownloader::new().completion_group(&group);
/// for number in 1..=8 {
///     let (uri, file) = (format!("https://example.org/{number}.mkv"), format!("/home/ada/films/{number}.mkv"));
///     downloader.create_download(uri, file).start().await?;
/// }
/// group.enable().await?;
/// # Ok(())
/// # }
/// ```
///
/// The order of the calls is free, but nothing is added to a group that is enabled. The task needs no access, only to be declared
/// in the manifest, for `systemEvent` or `general` (ACC-27). It reads [`BackgroundTransferCompletionGroupTriggerDetails`].
///
/// A group is known by this value and by those cloned from it; another life of the app makes another. A group whose app ended before
/// it was enabled never tells its task anything: what was started in it is found by `get_current_downloads` and `get_current_uploads`.
#[derive(Clone, Debug)]
pub struct BackgroundTransferCompletionGroup {
    pub(super) id: Uuid,
    enabled: Arc<AtomicBool>,
}

impl BackgroundTransferCompletionGroup {
    /// A group with nothing in it.
    #[must_use]
    #[expect(clippy::new_without_default, reason = "each is another group")]
    pub fn new() -> Self {
        Self { id: Uuid::new_v4(), enabled: Arc::default() }
    }

    /// What its task is registered with: one task only (BLD-16).
    #[must_use]
    pub fn trigger(&self) -> BackgroundTransferCompletionGroupTrigger {
        BackgroundTransferCompletionGroupTrigger::of_group(self.id)
    }

    /// Says that nothing is added to it any more, durably: from now on its task runs as soon as everything in it has ended. Without this
    /// it never does. To be called once, after its task was registered or the first transfer in it was started.
    ///
    /// # Errors
    ///
    /// It is enabled already, it has neither a task nor a transfer, or there is no broker.
    pub async fn enable(&self) -> Result<(), Error> {
        let group = self.id.to_string();
        let enable = |broker: Broker, app: Arc<str>| async move { broker.enable_transfer_group(&app, &group).await };
        Session::current().order("EnableTransferGroup", enable).await?;
        self.enabled.store(true, Ordering::Relaxed);
        Ok(())
    }

    /// Whether it was enabled here (`IsEnabled`).
    #[must_use]
    pub fn is_enabled(&self) -> bool {
        self.enabled.load(Ordering::Relaxed)
    }
}

/// What the task of a group of transfers finds: all that was in it.
///
/// ```
/// use bgtask::host::{TaskError, TaskInstance};
/// use bgtask::transfer::BackgroundTransferCompletionGroupTriggerDetails;
///
/// async fn run(instance: TaskInstance) -> Result<(), TaskError> {
///     let group = BackgroundTransferCompletionGroupTriggerDetails::of(&instance).await?;
///     for download in group.downloads() {
///         println!("{}: {}", download.file().display(), download.progress().await?.status);
///     }
///     Ok(())
/// }
/// ```
///
/// When the task has succeeded, all of it is forgotten, and its place is free for other transfers (Q-21). When it has not, the
/// transfers stay, for the app to [find](super::BackgroundDownloader::get_current_downloads).
#[derive(Clone, Debug)]
pub struct BackgroundTransferCompletionGroupTriggerDetails {
    downloads: Vec<DownloadOperation>,
    uploads: Vec<UploadOperation>,
}

impl BackgroundTransferCompletionGroupTriggerDetails {
    /// What has ended, of the group whose trigger has started this activation. Only there it can be had (NEI-5): where something else
    /// has started it, there is nothing in it.
    ///
    /// # Errors
    ///
    /// There is no broker.
    pub async fn of(instance: &TaskInstance) -> Result<Self, Error> {
        let ended: Vec<_> = instance.trigger_events().events().iter().map(|event| event.text("id")).collect();
        let mut details = Self { downloads: Vec::new(), uploads: Vec::new() };
        for info in list().await?.into_iter().filter(|info| ended.contains(&info.id)) {
            match info.kind.as_str() {
                "download" => details.downloads.push(DownloadOperation(Operation::known(info))),
                _ => details.uploads.push(UploadOperation(Operation::known(info))),
            }
        }
        Ok(details)
    }

    /// Its downloads, oldest first. One that was cancelled is not there any more.
    #[must_use]
    pub fn downloads(&self) -> &[DownloadOperation] {
        &self.downloads
    }

    /// Its uploads, oldest first.
    #[must_use]
    pub fn uploads(&self) -> &[UploadOperation] {
        &self.uploads
    }
}
