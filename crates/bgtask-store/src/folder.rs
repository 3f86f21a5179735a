//! From a folder to an open, checked, locked database.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::ErrorKind;
use std::os::unix::fs::{DirBuilderExt, FileExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use bgtask_lock::{Lock, LockError};
use rusqlite::config::DbConfig;
use rusqlite::{Connection, MAIN_DB, OpenFlags};

use crate::StoreError;
use crate::store::DATABASE_MAX_BYTES;

/// Marks a database as ours, so that another program's file is never written to ("bgtk").
const APPLICATION_ID: i64 = 0x6267_746b;
/// Step `n` leads from schema version `n` to `n + 1`. Never edit one that was released.
const MIGRATIONS: &[&str] = &[
    // The history has no index besides its row number: each would add a page to every commit,
    // and reading it backwards is quick enough for a person.
    "CREATE TABLE state (
         kind TEXT NOT NULL,
         key TEXT NOT NULL,
         value TEXT NOT NULL,
         PRIMARY KEY (kind, key)
     ) STRICT, WITHOUT ROWID;
     CREATE TABLE history (
         seq INTEGER PRIMARY KEY,
         wall_us INTEGER NOT NULL,
         app TEXT NOT NULL,
         task TEXT NOT NULL,
         name TEXT NOT NULL,
         instance TEXT,
         event TEXT NOT NULL,
         detail TEXT NOT NULL
     ) STRICT;",
];
/// Larger and smaller pages measured slower or the same per commit.
pub(crate) const PAGE_BYTES: u64 = 4096;
const CACHE_KIB: i64 = 768;
/// Log pages after which a commit moves the log itself, should nobody have called `maintain` in time. With four times as many that is
/// seldom, and then everybody waits for 40 ms.
const LOG_MOVE_PAGES: i64 = 1000;
/// The log's size in advance: room for what gathers between two calls of `maintain`.
const LOG_RESERVED_BYTES: u64 = 1 << 20;
/// How long a commit waits for a person's `sqlite3` to let go.
const BUSY_WAIT: Duration = Duration::from_millis(250);

/// An open database, and the lock that makes this process its only broker.
#[derive(Debug)]
pub(crate) struct Folder {
    // Declared before the lock: closing writes, and must be done before another broker may start.
    pub(crate) connection: Connection,
    _lock: Lock,
    pub(crate) path: PathBuf,
}

impl Folder {
    pub(crate) fn open(folder: &Path) -> Result<Self, StoreError> {
        create_folder(folder)?;
        let path = folder.join("broker.db");
        refuse_foreign(&path, rustix::process::geteuid().as_raw())?;
        let lock = lock(&folder.join("broker.lock"))?;
        if !exists(&path)? {
            create_database(folder, &path)?;
        }
        let connection = connect(&path)?;
        check_identity(&connection, &path)?;
        configure(&connection).map_err(|error| StoreError::from_sqlite(&path, "configure the store", error))?;
        migrate(&connection).map_err(|error| StoreError::from_sqlite(&path, "upgrade the store", error))?;
        reserve_log(&beside(&path, "-wal"));
        Ok(Self { connection, _lock: lock, path })
    }
}

/// The path of one of SQLite's companion files.
pub(crate) fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

fn create_folder(folder: &Path) -> Result<(), StoreError> {
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(folder)
        .map_err(|error| StoreError::from_system(folder, "create the folder", error))
}

fn refuse_foreign(path: &Path, runs_as: u32) -> Result<(), StoreError> {
    match fs::metadata(path) {
        Ok(found) if found.uid() != runs_as => {
            Err(StoreError::Foreign { path: path.to_owned(), owner: found.uid(), runs_as })
        }
        Ok(_) => Ok(()),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        Err(error) => Err(StoreError::from_system(path, "look at the store", error)),
    }
}

fn lock(path: &Path) -> Result<Lock, StoreError> {
    let operation = "lock the store";
    Lock::take(path).map_err(|error| match error {
        LockError::Held { .. } => StoreError::Busy { path: path.to_owned(), operation },
        LockError::System(error) => StoreError::from_system(path, operation, error),
    })
}

fn exists(path: &Path) -> Result<bool, StoreError> {
    path.try_exists().map_err(|error| StoreError::from_system(path, "look at the store", error))
}

/// Makes an empty database under another name first, so that `broker.db` is at every instant absent or whole
/// and one that was cut to nothing is never taken for a new one.
fn create_database(folder: &Path, path: &Path) -> Result<(), StoreError> {
    if fs::metadata(beside(path, "-wal")).is_ok_and(|log| log.len() > 0) {
        let what = "the database is missing, yet its -wal file is there".to_owned();
        return Err(StoreError::Damaged { path: path.to_owned(), what });
    }
    let new = folder.join("broker.db.new");
    let failed = |error| StoreError::from_system(path, "create the store", error);
    let file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&new).map_err(failed)?;
    initialise(&new).map_err(|error| StoreError::from_sqlite(path, "create the store", error))?;
    file.sync_all().map_err(failed)?;
    fs::rename(&new, path).map_err(failed)?;
    flush_folder(folder).map_err(failed)?;
    // Any of these may be new as well. Those this user may not open existed before.
    folder.ancestors().skip(1).for_each(|above| drop(flush_folder(above)));
    Ok(())
}

fn flush_folder(folder: &Path) -> std::io::Result<()> {
    File::open(folder)?.sync_all()
}

fn initialise(new: &Path) -> rusqlite::Result<()> {
    let connection = Connection::open_with_flags(new, flags())?;
    connection.pragma_update(None, "page_size", PAGE_BYTES)?;
    connection.pragma_update(None, "application_id", APPLICATION_ID)?;
    connection.close().map_err(|(_, error)| error)
}

fn flags() -> OpenFlags {
    OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX
}

/// Opens without writing: until the file has proved sound, even closing must leave it alone.
fn connect(path: &Path) -> Result<Connection, StoreError> {
    let failed = |error| StoreError::from_sqlite(path, "open the store", error);
    let connection = Connection::open_with_flags(path, flags()).map_err(failed)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true).map_err(failed)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true).map_err(failed)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_TRUSTED_SCHEMA, false).map_err(failed)?;
    if connection.is_readonly(MAIN_DB).map_err(failed)? {
        return Err(StoreError::ReadOnly { path: path.to_owned(), operation: "open the store", source: None });
    }
    connection.busy_timeout(BUSY_WAIT).map_err(failed)?;
    connection.pragma_update(None, "cache_size", -CACHE_KIB).map_err(failed)?;
    connection.pragma_update(None, "cell_size_check", true).map_err(failed)?;
    Ok(connection)
}

fn check_identity(connection: &Connection, path: &Path) -> Result<(), StoreError> {
    let failed = |error| StoreError::from_sqlite(path, "check the store", error);
    check_application(connection, path)?;
    let found = number(connection, path, "user_version")?;
    let known = MIGRATIONS.len() as i64;
    if found > known {
        return Err(StoreError::Newer { path: path.to_owned(), found, known });
    }
    if found == 0 {
        return Ok(());
    }
    // Only what the broker cannot start without; the history is walked by `Store::check`.
    match first_complaint(connection, "PRAGMA quick_check('state')").map_err(failed)? {
        None => Ok(()),
        Some(what) => Err(StoreError::Damaged { path: path.to_owned(), what }),
    }
}

/// Whether it is a database of this crate at all.
pub(crate) fn check_application(connection: &Connection, path: &Path) -> Result<(), StoreError> {
    if number(connection, path, "application_id")? == APPLICATION_ID {
        return Ok(());
    }
    let what = "it is empty or belongs to another program".to_owned();
    Err(StoreError::Damaged { path: path.to_owned(), what })
}

fn number(connection: &Connection, path: &Path, pragma: &str) -> Result<i64, StoreError> {
    let found = connection.pragma_query_value(None, pragma, |row| row.get(0));
    found.map_err(|error| StoreError::from_sqlite(path, "check the store", error))
}

/// Runs one of SQLite's checks and returns the first thing it found.
pub(crate) fn first_complaint(connection: &Connection, check: &str) -> rusqlite::Result<Option<String>> {
    let answer: String = connection.query_row(check, [], |row| row.get(0))?;
    Ok((answer != "ok").then_some(answer))
}

fn configure(connection: &Connection) -> rusqlite::Result<()> {
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.pragma_update(None, "wal_autocheckpoint", LOG_MOVE_PAGES)?;
    connection.pragma_update(None, "max_page_count", DATABASE_MAX_BYTES / PAGE_BYTES)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, false)?;
    Ok(())
}

fn migrate(connection: &Connection) -> rusqlite::Result<()> {
    let found: usize = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
    for (version, step) in MIGRATIONS.iter().enumerate().skip(found) {
        let transaction = connection.unchecked_transaction()?;
        transaction.execute_batch(step)?;
        transaction.pragma_update(None, "user_version", version + 1)?;
        transaction.commit()?;
    }
    Ok(())
}

/// Gives the log its size in advance, with zeros, which SQLite reads as "nothing more here".
///
/// A flush of a file that does not grow is a third cheaper. This is for speed only, so a full disk is
/// left for the first commit that needs the room to report.
fn reserve_log(path: &Path) {
    let Ok(log) = OpenOptions::new().write(true).open(path) else { return };
    let Ok(length) = log.metadata().map(|found| found.len()) else { return };
    if length >= LOG_RESERVED_BYTES {
        return;
    }
    let zeros = vec![0; (LOG_RESERVED_BYTES - length) as usize];
    if log.write_all_at(&zeros, length).and_then(|()| log.sync_all()).is_err() {
        // Give back what was taken: the last free block is worth more than speed.
        let _ = log.set_len(length);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_users_file_is_refused_by_name() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("broker.db");
        let me = rustix::process::geteuid().as_raw();
        assert!(refuse_foreign(&path, me).is_ok());
        fs::write(&path, "").unwrap();
        assert!(refuse_foreign(&path, me).is_ok());
        let error = refuse_foreign(&path, me + 1).unwrap_err();
        assert!(error.is_foreign());
        assert!(error.to_string().contains(&format!("belongs to user {me}")), "{error}");
    }
}
