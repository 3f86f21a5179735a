use std::num::NonZeroUsize;
use std::path::Path;
use std::sync::Arc;

use bgtask_wire::{BROKER_INTERFACE, TransferInfo, TransferOrder};
use futures_util::StreamExt as _;
use zbus::message::Type;
use zbus::{MatchRule, MessageStream};

use super::BackgroundTransferStatus;
use crate::session::{Broker, Session};
use crate::{Error, Uuid};

/// Changes that may wait for the app, before the connection waits for it, too.
const MAX_QUEUED: NonZeroUsize = NonZeroUsize::new(256).unwrap();

/// How far a transfer is (`BackgroundDownloadProgress`, `BackgroundUploadProgress`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BackgroundTransferProgress {
    /// Bytes that have gone over the network and count.
    pub bytes: u64,
    /// Of how many, where that is known.
    pub total_bytes: Option<u64>,
    /// Where it stands.
    pub status: BackgroundTransferStatus,
    /// Why it stands there, for a person. Beyond Windows.
    pub why: String,
    /// What the server answered last, as HTTP numbers it (`ResponseInformation.StatusCode`).
    pub status_code: Option<u32>,
}

/// A transfer, whatever its direction.
#[derive(Clone, Debug)]
pub(super) struct Operation {
    order: TransferOrder,
    id: String,
}

/// Those of the app in one direction.
pub(super) async fn all(kind: &str) -> Result<Vec<Operation>, Error> {
    let known = list().await?;
    Ok(known.into_iter().filter(|info| info.kind == kind).map(Operation::known).collect())
}

pub(super) async fn list() -> Result<Vec<TransferInfo>, Error> {
    Session::current().ask("ListTransfers", |broker, app| async move { broker.list_transfers(&app).await }).await
}

impl Operation {
    pub(super) fn new(order: TransferOrder) -> Self {
        Self { id: order.id.clone().unwrap_or_default(), order }
    }

    pub(super) fn known(info: TransferInfo) -> Self {
        let order = TransferOrder {
            id: Some(info.id.clone()),
            kind: info.kind,
            uri: info.uri,
            file: info.file,
            cost: Some(info.cost),
            priority: Some(info.priority),
            group: Some(info.group).filter(|group| !group.is_empty()),
            ..TransferOrder::default()
        };
        Self { order, id: info.id }
    }

    /// Durable before it answers. The same order twice is one transfer, so it may be repeated.
    async fn start(&self) -> Result<(), Error> {
        let session = Session::current();
        let order = |broker: Broker, app: Arc<str>| {
            let order = self.order.clone();
            async move { broker.create_transfer(&app, order).await }
        };
        session.ask("CreateTransfer", order).await.map(drop)
    }

    async fn control(&self, what: &'static str) -> Result<(), Error> {
        let id = &self.id;
        Session::current()
            .ask("ControlTransfer", |broker, _| async move { broker.control_transfer(id, what).await })
            .await
    }

    /// How far it is; one that is not there any more was cancelled, or its end was heard.
    async fn progress(&self) -> Result<BackgroundTransferProgress, Error> {
        let info = list().await?.into_iter().find(|info| info.id == self.id);
        Ok(info.map_or_else(gone, progress))
    }

    /// Tells of every change until it is over, and that the app has heard its end.
    async fn attach(&self, mut tell: impl FnMut(&BackgroundTransferProgress)) -> Result<(), Error> {
        let mut last = None;
        loop {
            let mut heard = self.listen().await?;
            let mut now = self.progress().await?;
            loop {
                if last.as_ref() != Some(&now) {
                    tell(&now);
                    last = Some(now.clone());
                }
                if now.status.is_over() {
                    return self.end(&now).await;
                }
                // A connection that has ended says nothing more: it is looked again, by a new one.
                let Some(Ok(signal)) = heard.next().await else { break };
                match signal.body().deserialize::<TransferInfo>() {
                    Ok(info) if info.id == self.id => now = progress(info),
                    _ => {}
                }
            }
        }
    }

    async fn end(&self, now: &BackgroundTransferProgress) -> Result<(), Error> {
        match now.status {
            BackgroundTransferStatus::Completed => self.control("forget").await,
            BackgroundTransferStatus::Error => {
                self.control("forget").await?;
                Err(Error::transfer(&self.order.uri, &now.why))
            }
            _ => Err(Error::transfer(&self.order.uri, "It was cancelled.")),
        }
    }

    async fn listen(&self) -> Result<MessageStream, Error> {
        Session::current()
            .ask("Watch", |broker, app| async move {
                let rule = MatchRule::builder().msg_type(Type::Signal).interface(BROKER_INTERFACE);
                let rule = rule.member("TransferChanged").build()?;
                let heard = MessageStream::for_match_rule(rule, broker.inner().connection(), Some(MAX_QUEUED)).await?;
                broker.watch(&app).await?;
                Ok(heard)
            })
            .await
    }
}

fn progress(info: TransferInfo) -> BackgroundTransferProgress {
    BackgroundTransferProgress {
        bytes: info.done,
        total_bytes: info.total,
        status: BackgroundTransferStatus::from_number(info.status).unwrap_or(BackgroundTransferStatus::Idle),
        why: info.why,
        status_code: info.answer,
    }
}

fn gone() -> BackgroundTransferProgress {
    BackgroundTransferProgress {
        bytes: 0,
        total_bytes: None,
        status: BackgroundTransferStatus::Canceled,
        why: "There is no such transfer any more.".to_owned(),
        status_code: None,
    }
}

macro_rules! operation {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Debug)]
        pub struct $name(pub(super) Operation);

        impl $name {
            /// Its id, which another life of the app finds it by.
            #[must_use]
            pub fn guid(&self) -> Uuid {
                self.0.id.parse().unwrap_or_default()
            }

            /// The URI as it was given.
            #[must_use]
            pub fn requested_uri(&self) -> &str {
                &self.0.order.uri
            }

            /// The file on this machine.
            #[must_use]
            pub fn file(&self) -> &Path {
                Path::new(&self.0.order.file)
            }

            /// The name of its group, if it is in one.
            #[must_use]
            pub fn transfer_group(&self) -> Option<&str> {
                self.0.order.group.as_deref()
            }

            /// Starts it without waiting for it. It is durable when this returns: whatever happens then, it goes on. Started
            /// again it is the same transfer. Beyond Windows.
            ///
            /// # Errors
            ///
            /// There is no broker, it does not know this app, the URI or a header is malformed, the file is not the app's, the
            /// app has 200 transfers, or nothing can be transferred on this machine.
            pub async fn start(&self) -> Result<(), Error> {
                self.0.start().await
            }

            /// Starts it and waits until it is over (`StartAsync`), as [`attach_async`](Self::attach_async) does.
            ///
            /// # Errors
            ///
            /// As of [`start`](Self::start); or it failed, or was cancelled.
            pub async fn start_async(&self, tell: impl FnMut(&BackgroundTransferProgress)) -> Result<(), Error> {
                self.0.start().await?;
                self.0.attach(tell).await
            }

            /// Waits until it is over (`AttachAsync`), and tells of every change meanwhile. Then it is forgotten: its place is
            /// free for another. When this is dropped the transfer goes on.
            ///
            /// # Errors
            ///
            /// It failed, which [`Error::is_transfer_failed`] tells, or was cancelled; or there is no broker.
            pub async fn attach_async(&self, tell: impl FnMut(&BackgroundTransferProgress)) -> Result<(), Error> {
                self.0.attach(tell).await
            }

            /// How far it is now.
            ///
            /// # Errors
            ///
            /// There is no broker.
            pub async fn progress(&self) -> Result<BackgroundTransferProgress, Error> {
                self.0.progress().await
            }

            /// Lets it rest, durably; what it has stays.
            ///
            /// # Errors
            ///
            /// There is no broker, or no such transfer any more.
            pub async fn pause(&self) -> Result<(), Error> {
                self.0.control("pause").await
            }

            /// Lets it go on where it was, at once, whatever pause a fault has earned it.
            ///
            /// # Errors
            ///
            /// There is no broker, or no such transfer any more.
            pub async fn resume(&self) -> Result<(), Error> {
                self.0.control("resume").await
            }

            /// Ends it, and forgets it with what it has fetched (as cancelling the operation of `StartAsync`).
            ///
            /// # Errors
            ///
            /// There is no broker, or no such transfer any more.
            pub async fn cancel(&self) -> Result<(), Error> {
                self.0.control("cancel").await
            }
        }
    };
}

operation! {
    /// A download. What [`create_download`](super::BackgroundDownloader::create_download) gave has not begun.
    DownloadOperation
}

operation! {
    /// An upload. What [`create_upload`](super::BackgroundUploader::create_upload) gave has not begun.
    UploadOperation
}
