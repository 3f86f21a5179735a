//! The durable store of a bgtask broker: atomic batches, load, history.
//!
//! A broker holds its state in memory. Each turn of its loop ends with one [`Store::commit`] of everything
//! that changed; at start it reads everything back with [`Store::load`]. The store knows rows, not what they
//! mean: a `kind`, a `key` and a JSON text are opaque here, and so is the `event` of a history row.
//!
//! ```
//! use bgtask_store::{HistoryQuery, HistoryRow, Row, Store, StoreError};
//!
//! # fn main() -> Result<(), StoreError> {
//! # let folder = tempfile::tempdir().expect("a temporary folder");
//! # let folder = folder.path();
//! let mut store = Store::open(folder)?;
//! store.commit(&[
//!     Row::Put { kind: "registration", key: "task-1".into(), value: r#"{"name":"backup"}"#.into() },
//!     Row::History(HistoryRow {
//!         wall_us: 1_700_000_000_000_000,
//!         app: "org.example.Photos".into(),
//!         task: "task-1".into(),
//!         name: "backup".into(),
//!         instance: None,
//!         event: "registered".into(),
//!         detail: "{}".into(),
//!     }),
//! ])?;
//!
//! let mut names = Vec::new();
//! store.load(|row| {
//!     names.push(row.key.to_owned());
//!     Ok::<(), StoreError>(())
//! })?;
//! assert_eq!(names, ["task-1"]);
//!
//! let page = store.history(&HistoryQuery { task: Some("task-1".into()), ..HistoryQuery::default() })?;
//! assert_eq!(page.entries[0].row.event, "registered");
//! # Ok(())
//! # }
//! ```
//!
//! # What is promised
//!
//! * **Atomic**: of a batch either every row is in the store or none is, whatever happens in between.
//! * **Durable**: when `commit` has returned `Ok`, the batch survives a crash of the program, the kernel or the power.
//!   What [`Store::commit_for_this_boot`] takes survives the program at once, and the machine a moment later.
//! * **After an error** nothing of the batch is visible, the store stays usable, and the same batch may be tried again.
//!   One uncertainty is left to physics: if the *flush* failed and the machine then crashes before the next
//!   commit, the batch may turn up, whole.
//! * **A damaged file is never touched**: [`Store::open`] refuses it and leaves every byte as it was.
//!   What is checked is the structure; a bit flipped inside a stored text is for the reader of that text to notice.
//!
//! # On disk
//!
//! `<folder>/broker.db` is an SQLite database in write-ahead mode, so `sqlite3 broker.db` can look at it while a broker
//! runs. `broker.db-wal` and `broker.db-shm` belong to it while it is open; `broker.lock` keeps a second
//! broker out. A commit writes two or three pages to the log and flushes it once; the log is given its size in advance, so
//! that flush need not also record that a file grew. Moving the log into the database is left to
//! [`Store::maintain`], for when nobody waits.

#![forbid(unsafe_code)]
#![warn(missing_docs)]

mod checkup;
mod error;
mod folder;
mod history;
mod row;
mod store;

pub use checkup::{Checkup, check};
pub use error::{Cause, StoreError};
pub use history::{
    HISTORY_KEPT_WHEN_LARGE, HISTORY_MAX_ROWS, HISTORY_PAGE_MAX, HISTORY_PRUNE_SLICE, HISTORY_SCAN_MAX, HistoryEntry,
    HistoryPage, HistoryQuery,
};
pub use row::{
    HistoryRow, MAX_BATCH_BYTES, MAX_BATCH_ROWS, MAX_DETAIL_BYTES, MAX_KEY_BYTES, MAX_KIND_BYTES, MAX_LABEL_BYTES,
    MAX_VALUE_BYTES, Row, StateRow,
};
pub use store::{
    DATABASE_LARGE_BYTES, DATABASE_MAX_BYTES, LOG_MOVE_BYTES, Maintenance, Statistics, Store, UNFLUSHED_MAX,
};
