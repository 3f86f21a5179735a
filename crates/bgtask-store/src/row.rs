//! The rows a store takes and gives, and how large they may be.

use crate::StoreError;

/// Bytes of a [`Row`]'s `kind`.
pub const MAX_KIND_BYTES: usize = 64;
/// Bytes of a [`Row`]'s `key`.
pub const MAX_KEY_BYTES: usize = 1024;
/// Bytes of a [`Row`]'s `value`.
pub const MAX_VALUE_BYTES: usize = 256 << 10;
/// Bytes of each short text of a [`HistoryRow`]: app, task, name, instance and event.
pub const MAX_LABEL_BYTES: usize = 1024;
/// Bytes of a [`HistoryRow`]'s `detail`.
pub const MAX_DETAIL_BYTES: usize = 16 << 10;
/// Rows in one batch: four for each registration of a broker that an edge fires all at once. A batch is never split, for then it
/// would not be atomic.
pub const MAX_BATCH_ROWS: usize = 524_288;
/// Bytes of all texts in one batch.
pub const MAX_BATCH_BYTES: usize = 192 << 20;

/// One change in a batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Row {
    /// Create the state row `(kind, key)`, or replace its value.
    Put {
        /// The family of rows; opaque.
        kind: &'static str,
        /// The row within its family; opaque.
        key: String,
        /// The value, JSON text by convention; opaque.
        value: String,
    },
    /// Remove the state row `(kind, key)`. No error if there is none.
    Delete {
        /// The family of rows.
        kind: &'static str,
        /// The row within its family.
        key: String,
    },
    /// Append to the history.
    History(HistoryRow),
}

/// One thing that happened. Only compared and returned, never interpreted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HistoryRow {
    /// When, in microseconds of wall time since 1970. May run backwards from row to row when the clock was set.
    pub wall_us: i64,
    /// The app id.
    pub app: String,
    /// The id of the registration.
    pub task: String,
    /// The name of the registration.
    pub name: String,
    /// The id of the run, if it concerns one.
    pub instance: Option<String>,
    /// What happened: `"registered"`, `"fired"`, `"completed"`...
    pub event: String,
    /// The particulars, JSON text by convention.
    pub detail: String,
}

/// A state row as [`Store::load`](crate::Store::load) hands it out, valid during that call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StateRow<'a> {
    /// The family of rows.
    pub kind: &'a str,
    /// The row within its family.
    pub key: &'a str,
    /// The value last put.
    pub value: &'a str,
}

/// Refuses a batch that exceeds a bound, before anything of it is written.
pub(crate) fn check_batch(rows: &[Row]) -> Result<(), StoreError> {
    check("the number of rows in a batch", rows.len(), MAX_BATCH_ROWS)?;
    let mut total = 0;
    for row in rows {
        total += check_row(row)?;
    }
    check("the size of a batch in bytes", total, MAX_BATCH_BYTES)
}

fn check_row(row: &Row) -> Result<usize, StoreError> {
    match row {
        Row::Put { kind, key, value } => {
            check_address(kind, key)?;
            check("the size of a value in bytes", value.len(), MAX_VALUE_BYTES)?;
            Ok(kind.len() + key.len() + value.len())
        }
        Row::Delete { kind, key } => {
            check_address(kind, key)?;
            Ok(kind.len() + key.len())
        }
        Row::History(row) => check_history(row),
    }
}

fn check_address(kind: &str, key: &str) -> Result<(), StoreError> {
    check("the size of a kind in bytes", kind.len(), MAX_KIND_BYTES)?;
    check("the size of a key in bytes", key.len(), MAX_KEY_BYTES)
}

fn check_history(row: &HistoryRow) -> Result<usize, StoreError> {
    let HistoryRow { wall_us: _, app, task, name, instance, event, detail } = row;
    let labels = [
        ("the size of a history row's app in bytes", app.len()),
        ("the size of a history row's task in bytes", task.len()),
        ("the size of a history row's name in bytes", name.len()),
        ("the size of a history row's instance in bytes", instance.as_ref().map_or(0, String::len)),
        ("the size of a history row's event in bytes", event.len()),
    ];
    let mut total = detail.len();
    for (what, size) in labels {
        check(what, size, MAX_LABEL_BYTES)?;
        total += size;
    }
    check("the size of a history row's detail in bytes", detail.len(), MAX_DETAIL_BYTES)?;
    Ok(total)
}

fn check(what: &'static str, size: usize, limit: usize) -> Result<(), StoreError> {
    if size > limit { Err(StoreError::TooLarge { what, size, limit }) } else { Ok(()) }
}
