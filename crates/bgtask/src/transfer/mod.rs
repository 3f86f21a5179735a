//! Background transfers (NW-7): files that are fetched and sent by the broker, however often that takes.
//!
//! An app orders a transfer and may end: it goes on without the app, over restarts of the broker and of the machine, and over
//! networks that come and go. When the app is there again it finds its transfers, and waits for them.
//!
//! ```no_run
//! use bgtask::transfer::{BackgroundDownloader, BackgroundTransferCostPolicy};
//!
//! # async fn example() -> Result<(), bgtask::Error> {
//! let downloader = BackgroundDownloader::new().cost_policy(BackgroundTransferCostPolicy::UnrestrictedOnly);
//! let film = downloader.create_download("https://example.org/film.mkv", "/home/ada/films/film.mkv");
//! film.start_async(|progress| println!("{} bytes of {:?}", progress.bytes, progress.total_bytes)).await?;
//!
//! // In another life of the app.
//! for download in BackgroundDownloader::get_current_downloads().await? {
//!     println!("{}: {}", download.requested_uri(), download.progress().await?.status);
//!     download.attach_async(|_| {}).await?;
//! }
//! # Ok(())
//! # }
//! ```
//!
//! An app has at most 200 transfers that are not over and attached to (Q-21): one whose end was told to the app is forgotten.
//! The file is one in the app's data folder, `ApplicationData`. `docs/transfers.md` tells what happens when.

mod group;
mod operation;
mod order;

pub use group::{BackgroundTransferCompletionGroup, BackgroundTransferCompletionGroupTriggerDetails};
pub use operation::{BackgroundTransferProgress, DownloadOperation, UploadOperation};
pub use order::{BackgroundDownloader, BackgroundUploader};

use crate::windows_enum::windows_enum;

windows_enum! {
    /// Over which networks (NW-7).
    BackgroundTransferCostPolicy {
        /// Over any, where the machine is on the internet.
        Default = 0,
        /// Only over one that costs nothing; it rests on a metered one.
        UnrestrictedOnly = 1,
        /// Over any, also where nobody knows whether the machine is on the internet.
        Always = 2,
    }
}

windows_enum! {
    /// Before or after others.
    BackgroundTransferPriority {
        /// As any other task.
        Default = 0,
        /// As the default: what runs is not taken back for it.
        High = 1,
        /// It gives way to everything else on this machine.
        Low = 2,
    }
}

windows_enum! {
    /// Where a transfer stands.
    BackgroundTransferStatus {
        /// It waits for its turn.
        Idle = 0,
        /// It is carried.
        Running = 1,
        /// The app wants it to rest.
        PausedByApplication = 2,
        /// The network costs something, and it may not.
        PausedCostedNetwork = 3,
        /// There is no network.
        PausedNoNetwork = 4,
        /// It is done.
        Completed = 5,
        /// It was given up.
        Canceled = 6,
        /// It will never be done.
        Error = 7,
        /// The server, or the way to it, failed, and is asked again.
        PausedRecoverableWebErrorStatus = 8,
        /// The machine, or its owner, does not want it now.
        PausedSystemPolicy = 32,
    }
}

impl BackgroundTransferStatus {
    /// Whether nothing more comes.
    #[must_use]
    pub const fn is_over(self) -> bool {
        matches!(self, Self::Completed | Self::Canceled | Self::Error)
    }
}
