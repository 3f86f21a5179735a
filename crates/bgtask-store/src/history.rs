//! Reading the history, and keeping it from growing for ever.

use rusqlite::{Connection, Row as SqlRow, Transaction, params};

use crate::row::HistoryRow;

/// Rows of history kept; [`Store::maintain`](crate::Store::maintain) removes the oldest beyond it.
pub const HISTORY_MAX_ROWS: u64 = 100_000;
/// Rows of history kept even if the database is larger than [`DATABASE_LARGE_BYTES`](crate::DATABASE_LARGE_BYTES).
pub const HISTORY_KEPT_WHEN_LARGE: u64 = 1000;
/// Rows removed by one call of [`Store::maintain`](crate::Store::maintain), so that it never holds up a loop for long.
pub const HISTORY_PRUNE_SLICE: u64 = 1000;
/// Entries in one [`HistoryPage`].
pub const HISTORY_PAGE_MAX: usize = 1000;
/// Rows one [`Store::history`](crate::Store::history) call looks at, so that a rare event does not make it read everything.
pub const HISTORY_SCAN_MAX: u64 = 20_000;

/// Which part of the history is wanted. Fields that are `None` do not restrict.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HistoryQuery {
    /// Only of this app.
    pub app: Option<String>,
    /// Only of this registration.
    pub task: Option<String>,
    /// Only of registrations with this name.
    pub name: Option<String>,
    /// Only of this run.
    pub instance: Option<String>,
    /// Only at or after this wall time, in microseconds since 1970.
    pub since: Option<i64>,
    /// Only before this wall time, in microseconds since 1970.
    pub until: Option<i64>,
    /// Only entries older than this one: [`HistoryPage::next`] of the page before.
    pub before_seq: Option<u64>,
    /// How many entries at most: 1 to [`HISTORY_PAGE_MAX`], a value outside is moved to the nearer end. 100 by default.
    pub limit: usize,
    /// How many rows to look at, at most: up to [`HISTORY_SCAN_MAX`], which it is by default.
    pub scan: u64,
}

impl Default for HistoryQuery {
    fn default() -> Self {
        Self {
            app: None,
            task: None,
            name: None,
            instance: None,
            since: None,
            until: None,
            before_seq: None,
            limit: 100,
            scan: HISTORY_SCAN_MAX,
        }
    }
}

/// An answer to a [`HistoryQuery`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HistoryPage {
    /// What was found, newest first.
    pub entries: Vec<HistoryEntry>,
    /// Where to go on: the `before_seq` of the next query, `None` when everything was looked at.
    /// A page can be short or empty and still have a `next`: one call looks at no more than [`HISTORY_SCAN_MAX`] rows.
    pub next: Option<u64>,
}

/// One row of history and its place in the order of commits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HistoryEntry {
    /// Grows by one with each row, and is never used again.
    pub seq: u64,
    /// What happened.
    pub row: HistoryRow,
}

/// The sequence numbers in the table. It is appended to at one end and cut at the other, so there are no holes
/// and the extent tells the count without counting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Extent {
    /// The oldest row kept.
    pub(crate) first: u64,
    /// The number the next row gets.
    pub(crate) next: u64,
}

impl Extent {
    pub(crate) fn read(connection: &Connection) -> rusqlite::Result<Self> {
        // Two statements: SQLite answers min or max alone from one end of the tree, but both together by a full scan.
        let first: Option<u64> = connection.query_row("SELECT min(seq) FROM history", [], |row| row.get(0))?;
        let last: Option<u64> = connection.query_row("SELECT max(seq) FROM history", [], |row| row.get(0))?;
        Ok(match (first, last) {
            (Some(first), Some(last)) => Self { first, next: last + 1 },
            _ => Self { first: 1, next: 1 },
        })
    }

    pub(crate) fn rows(self) -> u64 {
        self.next - self.first
    }
}

pub(crate) fn append(transaction: &Transaction<'_>, seq: u64, row: &HistoryRow) -> rusqlite::Result<()> {
    let HistoryRow { wall_us, app, task, name, instance, event, detail } = row;
    transaction
        .prepare_cached(
            "INSERT INTO history (seq, wall_us, app, task, name, instance, event, detail)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
        )?
        .execute(params![seq, wall_us, app, task, name, instance, event, detail])?;
    Ok(())
}

pub(crate) fn query(connection: &Connection, extent: Extent, query: &HistoryQuery) -> rusqlite::Result<HistoryPage> {
    let before = query.before_seq.unwrap_or(extent.next).min(extent.next);
    let floor = before.saturating_sub(query.scan.min(HISTORY_SCAN_MAX)).max(extent.first);
    let limit = query.limit.clamp(1, HISTORY_PAGE_MAX);
    let mut statement = connection.prepare_cached(
        "SELECT seq, wall_us, app, task, name, instance, event, detail FROM history
         WHERE seq >= ?1 AND seq < ?2
           AND (?3 IS NULL OR app = ?3)
           AND (?4 IS NULL OR task = ?4)
           AND (?5 IS NULL OR name = ?5)
           AND (?6 IS NULL OR instance = ?6)
           AND (?7 IS NULL OR wall_us >= ?7)
           AND (?8 IS NULL OR wall_us < ?8)
         ORDER BY seq DESC LIMIT ?9",
    )?;
    let HistoryQuery { app, task, name, instance, since, until, .. } = query;
    let entries = statement
        .query_map(params![floor, before, app, task, name, instance, since, until, limit], entry)?
        .collect::<rusqlite::Result<Vec<_>>>()?;
    let looked_down_to = match entries.last() {
        Some(last) if entries.len() == limit => last.seq,
        _ => floor,
    };
    Ok(HistoryPage { entries, next: (looked_down_to > extent.first).then_some(looked_down_to) })
}

/// How many of the oldest rows to remove now.
pub(crate) fn surplus(extent: Extent, database_is_large: bool) -> u64 {
    let kept = if database_is_large { HISTORY_KEPT_WHEN_LARGE } else { HISTORY_MAX_ROWS };
    extent.rows().saturating_sub(kept)
}

pub(crate) fn remove_before(connection: &Connection, seq: u64) -> rusqlite::Result<()> {
    connection.prepare_cached("DELETE FROM history WHERE seq < ?1")?.execute([seq])?;
    Ok(())
}

fn entry(row: &SqlRow<'_>) -> rusqlite::Result<HistoryEntry> {
    Ok(HistoryEntry {
        seq: row.get(0)?,
        row: HistoryRow {
            wall_us: row.get(1)?,
            app: row.get(2)?,
            task: row.get(3)?,
            name: row.get(4)?,
            instance: row.get(5)?,
            event: row.get(6)?,
            detail: row.get(7)?,
        },
    })
}
