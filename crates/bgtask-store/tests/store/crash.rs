//! A writer killed at any moment has written whole batches, among them every one it was told about.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use bgtask_store::{HistoryQuery, Row, Store};
use rustix::process::{Pid, Signal, kill_process};

use crate::{again, event, put, state};

const WRITER: &str = "BGTASK_TEST_WRITER";
const KILLS: u64 = 50;
/// Batch `n` writes the slots below `n % SLOTS`, so that neighbours differ in extent.
const SLOTS: u64 = 9;

#[test]
fn a_killed_writer_leaves_whole_batches() {
    if let Some(folder) = std::env::var_os(WRITER) {
        write_for_ever(folder.as_ref());
    }
    let folder = tempfile::tempdir().unwrap();
    let mut committed = 0;
    for round in 1..=KILLS {
        let acknowledged = write_until_killed(folder.path(), round).unwrap_or(committed);
        let store = Store::open(folder.path()).unwrap();
        committed = store.statistics().unwrap().history_rows;
        assert!(committed >= acknowledged, "round {round}: {acknowledged} acknowledged, {committed} found");
        assert_eq!(state(&store), expected(committed), "round {round}: batch {committed} is not whole");
        let last = store.history(&HistoryQuery { limit: 1, ..HistoryQuery::default() }).unwrap();
        assert!(last.entries.iter().all(|entry| entry.row.detail == committed.to_string()), "{last:?}");
        store.check().unwrap();
    }
    assert!(committed > KILLS);
}

/// Returns the last batch the writer said was durable.
fn write_until_killed(folder: &Path, round: u64) -> Option<u64> {
    let mut writer = again("crash::a_killed_writer_leaves_whole_batches", WRITER, folder)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut said = BufReader::new(writer.stdout.take().unwrap()).lines().map_while(Result::ok);
    // Scattered over the length of a commit by the golden ratio; which moment is hit decides nothing but what is tested.
    let commits = 1 + round * 7 % 23;
    let within = Duration::from_nanos(round * 618_034 % 400_000);
    let mut acknowledged = said.by_ref().filter_map(|line| line.parse().ok()).take(commits as usize).last();
    let spun = Instant::now();
    while spun.elapsed() < within {
        std::hint::spin_loop();
    }
    kill_process(Pid::from_child(&writer), Signal::KILL).unwrap();
    writer.wait().unwrap();
    if let Some(last) = said.filter_map(|line| line.parse().ok()).last() {
        acknowledged = Some(last);
    }
    acknowledged
}

fn write_for_ever(folder: &Path) -> ! {
    let mut store = Store::open(folder).unwrap();
    let mut said = std::io::stdout().lock();
    // The test harness has begun a line of its own.
    said.write_all(b"\n").unwrap();
    loop {
        let number = store.statistics().unwrap().history_next;
        // A program that is killed makes no difference between the two.
        let commit = if number.is_multiple_of(3) { Store::commit } else { Store::commit_for_this_boot };
        commit(&mut store, &batch(number)).unwrap();
        said.write_all(format!("{number}\n").as_bytes()).unwrap();
        store.maintain().unwrap();
    }
}

fn batch(number: u64) -> Vec<Row> {
    let value = format!("{number} {}", "x".repeat(number as usize * 97 % 9000));
    let mut rows = vec![event("a", 0, &number.to_string())];
    rows.extend((0..=number % SLOTS).map(|slot| put(&slot.to_string(), &value)));
    rows
}

fn expected(committed: u64) -> BTreeMap<String, String> {
    let mut expected = BTreeMap::new();
    for number in committed.saturating_sub(SLOTS)..=committed {
        for row in batch(number) {
            if let (Row::Put { key, value, .. }, 1..) = (row, number) {
                expected.insert(key, value);
            }
        }
    }
    expected
}
