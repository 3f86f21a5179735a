//! Looking at a store without opening it as its broker.

use std::path::Path;

use rusqlite::{Connection, OpenFlags, OptionalExtension as _};

use crate::StoreError;
use crate::folder::{check_application, first_complaint};

/// What a look at a store found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Checkup {
    /// State rows.
    pub state_rows: u64,
    /// The wall time of the newest row of history, in microseconds since 1970.
    pub newest_us: Option<i64>,
    /// Bytes of the database file.
    pub bytes: u64,
}

/// Checks the structure of the whole store in `folder`, for a doctor: also while a broker has it open, and also one of a later
/// version. It writes nothing, and takes tens of milliseconds when the history is full.
///
/// `None` where there is no store.
///
/// # Errors
///
/// [`Damaged`](StoreError::Damaged) with the first thing found, [`Busy`](StoreError::Busy), [`ReadOnly`](StoreError::ReadOnly)
/// or [`Io`](StoreError::Io) as the system says.
pub fn check(folder: &Path) -> Result<Option<Checkup>, StoreError> {
    let path = folder.join("broker.db");
    let bytes = match std::fs::metadata(&path) {
        Ok(found) => found.len(),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(StoreError::from_system(&path, "look at the store", error)),
    };
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let failed = |error| StoreError::from_sqlite(&path, "check the store", error);
    let connection = Connection::open_with_flags(&path, flags).map_err(failed)?;
    check_application(&connection, &path)?;
    if let Some(what) = first_complaint(&connection, "PRAGMA quick_check(1)").map_err(failed)? {
        return Err(StoreError::Damaged { path, what });
    }
    let state_rows = connection.query_row("SELECT count(*) FROM state", [], |row| row.get(0)).map_err(failed)?;
    let newest = "SELECT wall_us FROM history ORDER BY seq DESC LIMIT 1";
    let newest_us = connection.query_row(newest, [], |row| row.get(0)).optional().map_err(failed)?;
    Ok(Some(Checkup { state_rows, newest_us, bytes }))
}
