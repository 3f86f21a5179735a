//! A full disk, a damaged file, a second broker: each is named, and nothing is lost by it.

use std::fs::{self, File};
use std::os::unix::fs::{FileExt, PermissionsExt};
use std::path::Path;

use bgtask_store::{Row, Store, StoreError};
use rusqlite::Connection;

use crate::{again, assert_success, delete, event, in_namespace, put, state};

const IN_NAMESPACE: &str = "BGTASK_TEST_FOLDER";

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

/// The three files of a store with `rows` committed, as a crash would leave them: the log not moved.
fn crashed(rows: &[Row]) -> tempfile::TempDir {
    let living = tempfile::tempdir().unwrap();
    let mut store = Store::open(living.path()).unwrap();
    store.commit(rows).unwrap();
    let dead = tempfile::tempdir().unwrap();
    for name in ["broker.db", "broker.db-wal"] {
        fs::copy(living.path().join(name), dead.path().join(name)).unwrap();
    }
    dead
}

/// A cleanly closed store large enough to have many pages of state and of history.
fn closed() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let mut store = Store::open(folder.path()).unwrap();
    let rows: Vec<Row> = (0..200)
        .flat_map(|number| [put(&number.to_string(), &"v".repeat(600)), event("a", number, &"d".repeat(300))])
        .collect();
    store.commit(&rows).unwrap();
    folder
}

/// Opens what must be refused, and checks that not a byte of it changed.
fn refused(folder: &Path) -> StoreError {
    // Merely looking at a database leaves an empty log beside it.
    let read = |name| fs::read(folder.join(name)).unwrap_or_default();
    let before = (read("broker.db"), read("broker.db-wal"));
    let error = Store::open(folder).unwrap_err();
    assert!(before == (read("broker.db"), read("broker.db-wal")), "a refused store was changed: {error}");
    error
}

#[test]
fn missing_folders_are_made_for_the_owner_only() {
    let parent = tempfile::tempdir().unwrap();
    let folder = parent.path().join("state/bgtask");
    let mut store = Store::open(&folder).unwrap();
    store.commit(&[put("a", "1")]).unwrap();
    assert_eq!(mode(&folder), 0o700);
    for name in ["broker.db", "broker.db-wal", "broker.db-shm", "broker.lock"] {
        assert_eq!(mode(&folder.join(name)), 0o600, "{name}");
    }
}

#[test]
fn a_second_broker_is_kept_out() {
    let folder = tempfile::tempdir().unwrap();
    let first = Store::open(folder.path()).unwrap();
    let error = Store::open(folder.path()).unwrap_err();
    assert!(error.is_busy(), "{error}");
    assert!(error.is_worth_retrying());
    drop(first);
    Store::open(folder.path()).unwrap();
}

#[test]
fn a_reader_is_welcome_and_a_foreign_writer_only_delays() {
    let folder = tempfile::tempdir().unwrap();
    let mut store = Store::open(folder.path()).unwrap();
    store.commit(&[put("a", "1")]).unwrap();
    let other = Connection::open(store.path()).unwrap();

    other.execute_batch("BEGIN; SELECT count(*) FROM state;").unwrap();
    store.commit(&[put("a", "2")]).unwrap();
    other.execute_batch("ROLLBACK; BEGIN IMMEDIATE;").unwrap();
    let error = store.commit(&[put("a", "3")]).unwrap_err();
    assert!(error.is_busy(), "{error}");
    assert_eq!(state(&store)["a"], "2");
    other.execute_batch("ROLLBACK").unwrap();
    store.commit(&[put("a", "3")]).unwrap();
    assert_eq!(state(&store)["a"], "3");
}

#[test]
fn a_newer_schema_is_refused_by_number() {
    let folder = crashed(&[put("a", "1")]);
    let connection = Connection::open(folder.path().join("broker.db")).unwrap();
    connection.pragma_update(None, "user_version", 7).unwrap();
    drop(connection);
    let error = refused(folder.path());
    assert!(error.is_newer(), "{error}");
    assert!(error.to_string().contains("written by a newer bgtask (schema 7, this one knows 1): upgrade"), "{error}");
}

#[test]
fn another_programs_database_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let connection = Connection::open(folder.path().join("broker.db")).unwrap();
    connection.execute_batch("CREATE TABLE state (mine)").unwrap();
    drop(connection);
    assert!(refused(folder.path()).is_damaged());
}

#[test]
fn an_emptied_database_is_not_taken_for_a_new_one() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("broker.db"), "").unwrap();
    assert!(refused(folder.path()).is_damaged());
}

#[test]
fn a_lost_database_with_its_log_left_is_not_taken_for_a_new_one() {
    let folder = crashed(&[put("a", "1")]);
    fs::remove_file(folder.path().join("broker.db")).unwrap();
    let error = refused(folder.path());
    assert!(error.is_damaged(), "{error}");
    assert!(!folder.path().join("broker.db").exists());
}

#[test]
fn garbage_instead_of_a_database_is_refused() {
    let folder = closed();
    fs::write(folder.path().join("broker.db"), "not a database ".repeat(1000)).unwrap();
    let error = refused(folder.path());
    assert!(error.is_damaged(), "{error}");
    assert!(error.to_string().contains("nothing in it was changed"), "{error}");
}

#[test]
fn a_database_cut_anywhere_is_refused() {
    let whole = closed();
    let path = whole.path().join("broker.db");
    let pages = fs::metadata(&path).unwrap().len() / 4096;
    for cut in (1..pages).map(|page| page * 4096).chain([100, 4097]) {
        let folder = tempfile::tempdir().unwrap();
        fs::copy(&path, folder.path().join("broker.db")).unwrap();
        File::options().write(true).open(folder.path().join("broker.db")).unwrap().set_len(cut).unwrap();
        let error = refused(folder.path());
        assert!(error.is_damaged(), "cut at {cut}: {error}");
    }
}

#[test]
fn every_overwritten_page_is_found_by_open_or_by_check() {
    let whole = closed();
    let path = whole.path().join("broker.db");
    let pages = fs::metadata(&path).unwrap().len() / 4096;
    let mut at_open = 0;
    for page in 0..pages {
        for garbage in [0x00, 0x5a, 0xff] {
            let folder = tempfile::tempdir().unwrap();
            let copy = folder.path().join("broker.db");
            fs::copy(&path, &copy).unwrap();
            File::options().write(true).open(&copy).unwrap().write_all_at(&[garbage; 4096], page * 4096).unwrap();
            let found = match Store::open(folder.path()) {
                Ok(store) => store.check(),
                Err(error) => {
                    at_open += 1;
                    assert!(fs::read(&copy).unwrap()[page as usize * 4096] == garbage);
                    Err(error)
                }
            };
            assert!(found.as_ref().is_err_and(StoreError::is_damaged), "page {page} of {garbage}: {found:?}");
        }
    }
    assert!(at_open >= pages, "{at_open} of {pages} pages: those of the state are found at open");
}

#[test]
fn what_the_log_holds_is_recovered_and_a_torn_end_of_it_is_dropped() {
    let folder = crashed(&[put("a", "1")]);
    let log = folder.path().join("broker.db-wal");
    let torn = [fs::read(&log).unwrap(), vec![0xaa; 5000]].concat();
    fs::write(&log, torn).unwrap();
    assert_eq!(state(&Store::open(folder.path()).unwrap())["a"], "1");
}

#[test]
fn a_full_disk_refuses_whole_batches_until_there_is_room() {
    if let Some(folder) = std::env::var_os(IN_NAMESPACE) {
        return fill_the_disk(folder.as_ref());
    }
    let folder = tempfile::tempdir().unwrap();
    let test = again("failures::a_full_disk_refuses_whole_batches_until_there_is_room", IN_NAMESPACE, folder.path());
    let script = format!("mount -t tmpfs -o size=6m tmpfs \"${IN_NAMESPACE}\"");
    if let Some(test) = in_namespace(&script, &test) {
        assert_success(test);
    }
}

fn fill_the_disk(folder: &Path) {
    let ballast = folder.join("ballast");
    fs::write(&ballast, vec![1; 1 << 20]).unwrap();
    let mut store = Store::open(folder).unwrap();
    let batch = |number: usize| {
        let row = |part: usize| put(&format!("{number}-{part}"), &"v".repeat(7000));
        [row(0), row(1), event("a", 0, "{}"), row(2)]
    };
    let mut committed = 0;
    let error = loop {
        match store.commit(&batch(committed)) {
            Ok(()) => committed += 1,
            Err(error) => break error,
        }
        // Moving the log needs room too; what cannot be moved yet stays in the log.
        assert!(store.maintain().is_ok() || committed > 10);
    };
    assert!(error.is_full(), "{error}");
    assert!(error.to_string().contains("free space"), "{error}");
    assert!(committed > 10);
    assert!(store.commit(&batch(committed)).unwrap_err().is_full());
    assert_eq!(state(&store).len(), committed * 3);

    fs::remove_file(&ballast).unwrap();
    store.commit(&batch(committed)).unwrap();
    assert_eq!(state(&store).len(), (committed + 1) * 3);
    assert_eq!(store.statistics().unwrap().history_rows as usize, committed + 1);
    store.commit(&[delete("0-0")]).unwrap();
    drop(store);
    let store = Store::open(folder).unwrap();
    store.check().unwrap();
    assert_eq!(state(&store).len(), (committed + 1) * 3 - 1);
}

#[test]
fn a_read_only_file_system_is_named() {
    if let Some(folder) = std::env::var_os(IN_NAMESPACE) {
        let error = Store::open(folder.as_ref()).unwrap_err();
        assert!(error.is_read_only(), "{error:?}");
        return;
    }
    let folder = closed();
    let test = again("failures::a_read_only_file_system_is_named", IN_NAMESPACE, folder.path());
    let script =
        format!("mount --bind \"${IN_NAMESPACE}\" \"${IN_NAMESPACE}\"\nmount -o remount,bind,ro \"${IN_NAMESPACE}\"");
    if let Some(test) = in_namespace(&script, &test) {
        assert_success(test);
    }
}

#[test]
fn a_read_only_file_is_named() {
    if let Some(folder) = std::env::var_os(IN_NAMESPACE) {
        let error = Store::open(folder.as_ref()).unwrap_err();
        assert!(error.is_read_only(), "{error:?}");
        assert!(error.to_string().contains("broker.db"), "{error}");
        return;
    }
    let folder = closed();
    let test = again("failures::a_read_only_file_is_named", IN_NAMESPACE, folder.path());
    let script =
        format!("cd \"${IN_NAMESPACE}\"\nmount --bind broker.db broker.db\nmount -o remount,bind,ro broker.db");
    if let Some(test) = in_namespace(&script, &test) {
        assert_success(test);
    }
}

/// A doctor looks at a store that a broker has open, and at one that none has; it changes neither.
#[test]
fn a_checkup_needs_no_broker_and_disturbs_none() {
    let folder = closed();
    let bytes = fs::read(folder.path().join("broker.db")).unwrap();
    let found = bgtask_store::check(folder.path()).unwrap().unwrap();
    assert_eq!((found.state_rows, found.bytes), (200, bytes.len() as u64));
    assert!(found.newest_us.is_some());
    assert_eq!(fs::read(folder.path().join("broker.db")).unwrap(), bytes);

    let mut store = Store::open(folder.path()).unwrap();
    store.commit(&[put("one more", "v")]).unwrap();
    assert_eq!(bgtask_store::check(folder.path()).unwrap().unwrap().state_rows, 201, "the log counts");
    store.commit(&[delete("one more")]).unwrap();

    let nothing = tempfile::tempdir().unwrap();
    assert_eq!(bgtask_store::check(nothing.path()).unwrap(), None);
    assert_eq!(fs::read_dir(nothing.path()).unwrap().count(), 0);
}

#[test]
fn a_checkup_finds_damage_anywhere() {
    let folder = closed();
    let path = folder.path().join("broker.db");
    let length = fs::metadata(&path).unwrap().len();
    let file = File::options().write(true).open(&path).unwrap();
    for page in 2..length / 4096 {
        file.write_all_at(&[0xa5; 64], page * 4096).unwrap();
    }
    let error = bgtask_store::check(folder.path()).unwrap_err();
    assert!(error.is_damaged(), "{error}");
    fs::write(&path, "").unwrap();
    assert!(bgtask_store::check(folder.path()).unwrap_err().is_damaged(), "empty");
}
