//! The store itself.

use std::fs::File;
use std::path::Path;
use std::time::{Duration, Instant};

use rusqlite::{Connection, Transaction, TransactionBehavior, params};

use crate::folder::{Folder, beside, first_complaint};
use crate::history::{self, Extent, HISTORY_PRUNE_SLICE, HistoryPage, HistoryQuery};
use crate::row::{Row, StateRow, check_batch};
use crate::{StoreError, folder};

/// Bytes the database may grow to; a commit beyond it fails with [`StoreError::Full`] and changes nothing. As many registrations
/// as a broker holds, each with something that waits, and a full history take about 200 MB.
pub const DATABASE_MAX_BYTES: u64 = 256 << 20;
/// Bytes of content above which [`Store::maintain`] shortens the history, so that state always has room.
pub const DATABASE_LARGE_BYTES: u64 = 192 << 20;
/// Bytes of log above which [`Store::maintain`] moves it into the database. Below, moving would cost more flushes
/// than it saves: the first commit after a move flushes twice.
pub const LOG_MOVE_BYTES: u64 = 512 << 10;
/// How long what was [committed for this boot](Store::commit_for_this_boot) may be without a flush, while one such commit follows the other.
pub const UNFLUSHED_MAX: Duration = Duration::from_secs(1);

/// The durable state and history of one broker, in one folder.
///
/// All calls block: a small commit for one flush (about a tenth of a millisecond on a solid-state disk), [`load`](Self::load)
/// and [`history`](Self::history) for a read. While another program is writing to the file, a commit
/// waits a quarter of a second for it and then reports [`StoreError::Busy`].
#[derive(Debug)]
pub struct Store {
    folder: Folder,
    history: Extent,
    commits: u64,
    /// Whether SQLite ends a commit by waiting for the disk.
    waits: bool,
    /// Since when something is written that the disk may not have.
    unflushed: Option<Instant>,
}

impl Store {
    /// Opens the store in `folder`, creating what is missing: the folder with mode 0700, the database with mode 0600.
    ///
    /// The state is checked for structural damage first, which takes a few milliseconds for 10 000 rows.
    ///
    /// # Errors
    ///
    /// [`Damaged`](StoreError::Damaged), [`Newer`](StoreError::Newer) and [`Foreign`](StoreError::Foreign) leave the
    /// file as it is. [`Busy`](StoreError::Busy) if another broker has it open. [`ReadOnly`](StoreError::ReadOnly),
    /// [`Full`](StoreError::Full) and [`Io`](StoreError::Io) as the system says.
    pub fn open(folder: &Path) -> Result<Self, StoreError> {
        let folder = Folder::open(folder)?;
        let history = Extent::read(&folder.connection)
            .map_err(|error| StoreError::from_sqlite(&folder.path, "read the history's extent", error))?;
        Ok(Self { folder, history, commits: 0, waits: true, unflushed: None })
    }

    /// Writes all `rows` in order, or none, and returns when they are durable. An empty batch costs nothing.
    ///
    /// # Errors
    ///
    /// [`TooLarge`](StoreError::TooLarge) if a row or the batch exceeds a bound; anything else as the system says.
    /// After an error nothing of the batch is in the store, and the same batch may be committed later.
    pub fn commit(&mut self, rows: &[Row]) -> Result<(), StoreError> {
        self.write(rows, true)
    }

    /// The same for what means nothing any more after the machine has crashed. When it returns, the batch survives the end of this
    /// process, however that comes. The disk has it after the next [`commit`](Self::commit) or [`maintain`](Self::maintain), and
    /// after [`UNFLUSHED_MAX`] with the next batch of either kind. Batches keep their order: after a crash of the machine the
    /// store is as it was between two of them.
    ///
    /// # Errors
    ///
    /// As [`commit`](Self::commit).
    pub fn commit_for_this_boot(&mut self, rows: &[Row]) -> Result<(), StoreError> {
        let is_long = self.unflushed.is_some_and(|since| since.elapsed() >= UNFLUSHED_MAX);
        if is_long && rows.is_empty() {
            return self.flush();
        }
        self.write(rows, is_long)
    }

    fn write(&mut self, rows: &[Row], flush: bool) -> Result<(), StoreError> {
        check_batch(rows)?;
        if rows.is_empty() {
            return Ok(());
        }
        self.wait_for_the_disk(flush)?;
        let next = write(&mut self.folder.connection, rows, self.history.next)
            .map_err(|error| self.failed("commit a batch", error))?;
        self.history.next = next;
        self.commits += 1;
        self.unflushed = if flush { None } else { self.unflushed.or_else(|| Some(Instant::now())) };
        Ok(())
    }

    /// Also where a commit does not, SQLite writes batches in their order.
    fn wait_for_the_disk(&mut self, waits: bool) -> Result<(), StoreError> {
        if self.waits != waits {
            let word = if waits { "FULL" } else { "NORMAL" };
            let set = self.folder.connection.pragma_update(None, "synchronous", word);
            set.map_err(|error| self.failed("prepare a commit", error))?;
            self.waits = waits;
        }
        Ok(())
    }

    /// The log holds everything that the database file does not.
    fn flush(&mut self) -> Result<(), StoreError> {
        if self.unflushed.is_some() {
            let path = beside(self.path(), "-wal");
            let flushed = File::open(&path).and_then(|log| log.sync_data());
            flushed.map_err(|error| StoreError::from_system(&path, "flush the log", error))?;
            self.unflushed = None;
        }
        Ok(())
    }

    /// Hands every state row to `take`, ordered by kind and key, holding one at a time in memory.
    ///
    /// # Errors
    ///
    /// The first error of `take` ends the walk and is returned. [`Damaged`](StoreError::Damaged) if a row cannot be read.
    pub fn load<E: From<StoreError>>(&self, mut take: impl FnMut(StateRow<'_>) -> Result<(), E>) -> Result<(), E> {
        let failed = |error| self.failed("load the state", error);
        let mut statement =
            self.folder.connection.prepare("SELECT kind, key, value FROM state ORDER BY kind, key").map_err(failed)?;
        let mut rows = statement.query([]).map_err(failed)?;
        while let Some(row) = rows.next().map_err(failed)? {
            let text = |column| row.get_ref(column).and_then(|value| Ok(value.as_str()?)).map_err(failed);
            take(StateRow { kind: text(0)?, key: text(1)?, value: text(2)? })?;
        }
        Ok(())
    }

    /// Reads a page of the history, newest first.
    ///
    /// # Errors
    ///
    /// [`Damaged`](StoreError::Damaged) if a row cannot be read, [`Io`](StoreError::Io) as the system says.
    pub fn history(&self, query: &HistoryQuery) -> Result<HistoryPage, StoreError> {
        history::query(&self.folder.connection, self.history, query)
            .map_err(|error| self.failed("read the history", error))
    }

    /// Does one bounded piece of housekeeping: flushes what was [committed for this boot](Self::commit_for_this_boot), removes up to [`HISTORY_PRUNE_SLICE`] surplus rows of history, and moves
    /// the log into the database if it has grown. Call it when the broker has nothing to do, and again
    /// while [`Maintenance::more`] is set; it takes milliseconds at most.
    ///
    /// # Errors
    ///
    /// As the system says. Nothing is lost by an error, and nothing by never calling this but room and speed.
    pub fn maintain(&mut self) -> Result<Maintenance, StoreError> {
        self.flush()?;
        let (pruned, more) = self.prune()?;
        let log_moved = self.unmoved_log_bytes()? > LOG_MOVE_BYTES;
        if log_moved {
            self.pragma_row("PRAGMA wal_checkpoint(PASSIVE)", "move the log")?;
        }
        Ok(Maintenance { pruned, log_moved, more })
    }

    /// Reads the whole database and checks its structure, for a doctor. Takes tens of milliseconds when the
    /// history is full, more when the disk must be read.
    ///
    /// # Errors
    ///
    /// [`Damaged`](StoreError::Damaged) with the first thing found.
    pub fn check(&self) -> Result<(), StoreError> {
        let found = first_complaint(&self.folder.connection, "PRAGMA integrity_check(1)")
            .map_err(|error| self.failed("check the store", error))?;
        match found {
            None => Ok(()),
            Some(what) => Err(StoreError::Damaged { path: self.path().to_owned(), what }),
        }
    }

    /// The sizes of things, for a status page. Counting the state rows reads them.
    ///
    /// # Errors
    ///
    /// As the system says.
    pub fn statistics(&self) -> Result<Statistics, StoreError> {
        let state_rows = self
            .folder
            .connection
            .query_row("SELECT count(*) FROM state", [], |row| row.get(0))
            .map_err(|error| self.failed("count the state", error))?;
        let (content_bytes, free_bytes) = self.database_bytes()?;
        let log_bytes = std::fs::metadata(beside(self.path(), "-wal")).map_or(0, |log| log.len());
        Ok(Statistics {
            state_rows,
            history_rows: self.history.rows(),
            history_next: self.history.next,
            content_bytes,
            free_bytes,
            log_bytes,
            commits: self.commits,
        })
    }

    /// The database file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.folder.path
    }

    fn prune(&mut self) -> Result<(u64, bool), StoreError> {
        let (content, _) = self.database_bytes()?;
        let surplus = history::surplus(self.history, content > DATABASE_LARGE_BYTES);
        let pruned = surplus.min(HISTORY_PRUNE_SLICE);
        if pruned > 0 {
            let first = self.history.first + pruned;
            history::remove_before(&self.folder.connection, first)
                .map_err(|error| self.failed("shorten the history", error))?;
            self.history.first = first;
        }
        Ok((pruned, surplus > pruned))
    }

    /// Bytes of pages in use, and of pages kept free for reuse.
    fn database_bytes(&self) -> Result<(u64, u64), StoreError> {
        let number = |name| {
            self.folder
                .connection
                .pragma_query_value(None, name, |row| row.get::<_, u64>(0))
                .map_err(|error| self.failed("measure the store", error))
        };
        let (pages, free, size) = (number("page_count")?, number("freelist_count")?, number("page_size")?);
        Ok(((pages - free) * size, free * size))
    }

    fn unmoved_log_bytes(&self) -> Result<u64, StoreError> {
        let (written, moved) = self.pragma_row("PRAGMA wal_checkpoint(NOOP)", "measure the log")?;
        Ok(u64::try_from(written - moved).unwrap_or(0) * folder::PAGE_BYTES)
    }

    fn pragma_row(&self, checkpoint: &str, operation: &'static str) -> Result<(i64, i64), StoreError> {
        self.folder
            .connection
            .query_row(checkpoint, [], |row| Ok((row.get(1)?, row.get(2)?)))
            .map_err(|error| self.failed(operation, error))
    }

    fn failed(&self, operation: &'static str, error: rusqlite::Error) -> StoreError {
        StoreError::from_sqlite(self.path(), operation, error)
    }
}

/// What one call of [`Store::maintain`] did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Maintenance {
    /// Rows of history removed.
    pub pruned: u64,
    /// Whether the log was moved into the database.
    pub log_moved: bool,
    /// Whether more is left to remove: call again when there is time.
    pub more: bool,
}

/// The sizes of a store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Statistics {
    /// State rows.
    pub state_rows: u64,
    /// History rows.
    pub history_rows: u64,
    /// The number the next history row gets.
    pub history_next: u64,
    /// Bytes of the database that hold something.
    pub content_bytes: u64,
    /// Bytes of the database kept for reuse.
    pub free_bytes: u64,
    /// Bytes of the log file, most of it reserved in advance.
    pub log_bytes: u64,
    /// Batches committed since this store was opened.
    pub commits: u64,
}

/// Returns the next history number. Leaving early rolls everything back.
fn write(connection: &mut Connection, rows: &[Row], mut next: u64) -> rusqlite::Result<u64> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    for row in rows {
        match row {
            Row::Put { kind, key, value } => put(&transaction, kind, key, value)?,
            Row::Delete { kind, key } => delete(&transaction, kind, key)?,
            Row::History(row) => {
                history::append(&transaction, next, row)?;
                next += 1;
            }
        }
    }
    transaction.commit()?;
    Ok(next)
}

fn put(transaction: &Transaction<'_>, kind: &str, key: &str, value: &str) -> rusqlite::Result<()> {
    transaction
        .prepare_cached(
            "INSERT INTO state (kind, key, value) VALUES (?1, ?2, ?3)
             ON CONFLICT (kind, key) DO UPDATE SET value = excluded.value",
        )?
        .execute(params![kind, key, value])?;
    Ok(())
}

fn delete(transaction: &Transaction<'_>, kind: &str, key: &str) -> rusqlite::Result<()> {
    transaction.prepare_cached("DELETE FROM state WHERE kind = ?1 AND key = ?2")?.execute([kind, key])?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn batch(value: &str) -> [Row; 1] {
        [Row::Put { kind: "test", key: "key".to_owned(), value: value.to_owned() }]
    }

    /// What SQLite does at the end of a commit: 2 waits for the disk, 1 does not.
    fn waits(store: &Store) -> (u8, bool) {
        let mode = store.folder.connection.pragma_query_value(None, "synchronous", |row| row.get(0));
        (mode.unwrap(), store.unflushed.is_some())
    }

    #[test]
    fn only_what_is_for_this_boot_does_not_wait_for_the_disk_and_not_for_long() {
        let folder = tempfile::tempdir().unwrap();
        let mut store = Store::open(folder.path()).unwrap();
        assert_eq!(waits(&store), (2, false));
        store.commit_for_this_boot(&batch("a")).unwrap();
        assert_eq!(waits(&store), (1, true));
        store.commit(&batch("b")).unwrap();
        assert_eq!(waits(&store), (2, false), "a flush of the log is one of all of it");
        store.commit_for_this_boot(&batch("c")).unwrap();
        store.maintain().unwrap();
        assert_eq!(waits(&store), (1, false));
        store.commit_for_this_boot(&batch("d")).unwrap();
        store.unflushed = store.unflushed.and_then(|since| since.checked_sub(UNFLUSHED_MAX));
        store.commit_for_this_boot(&batch("e")).unwrap();
        assert_eq!(waits(&store), (2, false), "the next batch takes it along when it has waited for long");
        store.commit_for_this_boot(&batch("f")).unwrap();
        store.commit_for_this_boot(&[]).unwrap();
        assert_eq!(waits(&store), (1, true));
        store.unflushed = store.unflushed.and_then(|since| since.checked_sub(UNFLUSHED_MAX));
        store.commit_for_this_boot(&[]).unwrap();
        assert_eq!(waits(&store), (1, false));
    }
}
