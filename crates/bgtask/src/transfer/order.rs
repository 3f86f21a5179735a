use std::path::{Path, PathBuf};

use bgtask_wire::TransferOrder;

use super::operation::{Operation, all};
use super::{
    BackgroundTransferCompletionGroup, BackgroundTransferCostPolicy, BackgroundTransferPriority, DownloadOperation,
    UploadOperation,
};
use crate::{Error, Uuid};

/// What transfers of one maker have in common.
#[derive(Clone, Debug, Default)]
struct Manner {
    method: Option<String>,
    headers: Vec<(String, String)>,
    cost: Option<BackgroundTransferCostPolicy>,
    priority: Option<BackgroundTransferPriority>,
    group: Option<String>,
    completion_group: Option<Uuid>,
}

impl Manner {
    fn order(&self, kind: &str, uri: String, file: &Path) -> TransferOrder {
        TransferOrder {
            id: Some(Uuid::new_v4().to_string()),
            kind: kind.to_owned(),
            uri,
            file: file.to_string_lossy().into_owned(),
            method: self.method.clone(),
            headers: Some(self.headers.clone()).filter(|headers| !headers.is_empty()),
            cost: self.cost.map(BackgroundTransferCostPolicy::number),
            priority: self.priority.map(BackgroundTransferPriority::number),
            group: self.group.clone(),
            completion_group: self.completion_group.map(|group| group.to_string()),
            sha256: None,
            resumable: None,
        }
    }
}

macro_rules! manner {
    () => {
        /// One that adds nothing to its transfers.
        #[must_use]
        pub fn new() -> Self {
            Self::default()
        }

        /// Sends this header, too; those of HTTP itself, such as `Range`, are refused when the transfer starts.
        #[must_use]
        pub fn request_header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
            self.0.headers.push((name.into(), value.into()));
            self
        }

        /// Over which networks; default is [`BackgroundTransferCostPolicy::Default`].
        #[must_use]
        pub fn cost_policy(mut self, policy: BackgroundTransferCostPolicy) -> Self {
            self.0.cost = Some(policy);
            self
        }

        /// Before or after others; default is [`BackgroundTransferPriority::Default`].
        #[must_use]
        pub fn priority(mut self, priority: BackgroundTransferPriority) -> Self {
            self.0.priority = Some(priority);
            self
        }

        /// The name of the group it belongs to, at most 255 bytes (`BackgroundTransferGroup.Name`).
        #[must_use]
        pub fn transfer_group(mut self, name: impl Into<String>) -> Self {
            self.0.group = Some(name.into());
            self
        }

        /// Adds its transfers to a group whose task hears when all of them have ended. Where the group is enabled already, starting them
        /// is refused (NEI-4).
        #[must_use]
        pub fn completion_group(mut self, group: &BackgroundTransferCompletionGroup) -> Self {
            self.0.completion_group = Some(group.id);
            self
        }
    };
}

/// Makes downloads.
#[derive(Clone, Debug, Default)]
pub struct BackgroundDownloader(Manner, Option<String>);

impl BackgroundDownloader {
    manner!();

    /// The method of the request: `GET`, which is the default, or `POST`.
    #[must_use]
    pub fn method(mut self, method: impl Into<String>) -> Self {
        self.0.method = Some(method.into());
        self
    }

    /// The SHA-256 that the file has to have, as hexadecimal digits: another one is fetched anew, and in the end refused.
    /// Beyond Windows.
    #[must_use]
    pub fn sha256(mut self, digits: impl Into<String>) -> Self {
        self.1 = Some(digits.into());
        self
    }

    /// A download that has not begun: nobody knows of it until it is started.
    pub fn create_download(&self, uri: impl Into<String>, file: impl Into<PathBuf>) -> DownloadOperation {
        let order = self.0.order("download", uri.into(), &file.into());
        DownloadOperation(Operation::new(TransferOrder { sha256: self.1.clone(), ..order }))
    }

    /// Every download of the app that was started and whose end the app has not heard (`GetCurrentDownloadsAsync`): also those
    /// of its former lives. Not attached to, they stay, and count (NW-7, Q-21).
    ///
    /// # Errors
    ///
    /// There is no broker, or it does not know this app.
    pub async fn get_current_downloads() -> Result<Vec<DownloadOperation>, Error> {
        Ok(all("download").await?.into_iter().map(DownloadOperation).collect())
    }
}

/// Makes uploads. HTTP alone has no way to go on with an upload, so one that broke is sent again from its beginning, but where its server
/// can do more: see [`resumable`](Self::resumable).
#[derive(Clone, Debug, Default)]
pub struct BackgroundUploader(Manner, bool);

impl BackgroundUploader {
    manner!();

    /// The method of the request: `PUT`, which is the default, `POST` or `PATCH`.
    #[must_use]
    pub fn method(mut self, method: impl Into<String>) -> Self {
        self.0.method = Some(method.into());
        self
    }

    /// An upload that broke goes on where it was, by [tus 1.0](https://tus.io/protocols/resumable-upload): the URI is where the server has uploads made. It has
    /// no [`method`](Self::method). Beyond Windows.
    ///
    /// ```
    /// use bgtask::transfer::BackgroundUploader;
    /// let film = BackgroundUploader::new().resumable().create_upload("https://example.org/files/", "/home/ada/films/film.mkv");
    /// ```
    #[must_use]
    pub fn resumable(mut self) -> Self {
        self.1 = true;
        self
    }

    /// An upload that has not begun: nobody knows of it until it is started.
    pub fn create_upload(&self, uri: impl Into<String>, file: impl Into<PathBuf>) -> UploadOperation {
        let order = self.0.order("upload", uri.into(), &file.into());
        UploadOperation(Operation::new(TransferOrder { resumable: self.1.then_some(true), ..order }))
    }

    /// Every upload of the app that was started and whose end the app has not heard, as
    /// [`get_current_downloads`](BackgroundDownloader::get_current_downloads).
    ///
    /// # Errors
    ///
    /// There is no broker, or it does not know this app.
    pub async fn get_current_uploads() -> Result<Vec<UploadOperation>, Error> {
        Ok(all("upload").await?.into_iter().map(UploadOperation).collect())
    }
}
