//! What one small durable commit costs: this store beside the bare floor and beside plain uses of SQLite.
//!
//! `cargo bench -p bgtask-store [-- FOLDER]` measures on the file system of FOLDER, or of the temporary folder. All rows of the table
//! are measured in turn within one run, so the ratios hold even where absolute times wander. "Apart" waits
//! between commits, as a broker does, and so includes waking up; "at once" does not wait.

use std::fs::File;
use std::io::{self, Write};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::time::{Duration, Instant};

use bgtask_store::{HistoryRow, Row, Store, StoreError};
use rusqlite::{Connection, params};

type Outcome = Result<(), Box<dyn std::error::Error>>;
/// Durably writes the batch of this number.
type Contestant = Box<dyn FnMut(usize) -> Outcome>;

const ROUNDS: usize = 10;
const COMMITS: usize = 100;
const PAUSE: Duration = Duration::from_millis(5);
const REGISTRATIONS: usize = 10_000;
const HISTORY: usize = 100_000;
/// About what one batch amounts to.
const BATCH_BYTES: usize = 1200;

fn main() -> Outcome {
    // Without this flag it is a test run of the benchmark itself, which has to be quick.
    let measuring = std::env::args().any(|argument| argument == "--bench");
    let (rounds, registrations, history) = if measuring { (ROUNDS, REGISTRATIONS, HISTORY) } else { (1, 100, 1000) };
    let parent = std::env::args().skip(1).find(|argument| !argument.starts_with('-'));
    let folder = match parent {
        Some(parent) => tempfile::tempdir_in(parent)?,
        None => tempfile::tempdir()?,
    };
    start(&folder.path().join("start"), registrations, history)?;
    commits(folder.path(), rounds)
}

/// Prints how long a broker with much to remember takes to get its state back, and the memory it then has.
fn start(folder: &Path, registrations: usize, history: usize) -> Outcome {
    let mut store = Store::open(folder)?;
    // In small batches, so that the memory measured below is not what the filling left behind.
    for first in (0..registrations).step_by(100) {
        store.commit(&(first..first + 100).map(put).collect::<Vec<_>>())?;
    }
    for first in (0..history).step_by(100) {
        store.commit(&(first..first + 100).map(event).collect::<Vec<_>>())?;
    }
    drop(store);

    let empty = memory_kib()?;
    let begun = Instant::now();
    let store = Store::open(folder)?;
    let opened = begun.elapsed();
    let mut bytes = 0;
    store.load(|row| {
        bytes += row.value.len();
        Ok::<(), StoreError>(())
    })?;
    let loaded = begun.elapsed() - opened;
    store.check()?;
    let checked = begun.elapsed() - opened - loaded;
    println!("{registrations} state rows ({bytes} bytes) and {history} of history: open with its check {opened:.1?}, ");
    println!("load {loaded:.1?}, full check {checked:.1?}; resident {empty} KiB closed, {} KiB open\n", memory_kib()?);
    Ok(())
}

fn commits(folder: &Path, rounds: usize) -> Outcome {
    let mut contestants: Vec<(&str, Contestant)> = vec![
        ("append + fdatasync (the floor)", append(folder)?),
        ("overwrite + fdatasync", overwrite(folder)?),
        ("SQLite, WAL, row by row", row_by_row(folder)?),
        ("SQLite, WAL, one transaction", one_transaction(folder)?),
        ("bgtask-store", this_store(folder)?),
    ];
    let mut times = vec![(Vec::new(), Vec::new()); contestants.len()];
    for round in 0..rounds {
        for ((_, commit), (at_once, apart)) in contestants.iter_mut().zip(&mut times) {
            for number in round * COMMITS..(round + 1) * COMMITS {
                at_once.push(timed(|| commit(number))?);
            }
            for number in 0..COMMITS / 5 {
                std::thread::sleep(PAUSE);
                apart.push(timed(|| commit(number))?);
            }
        }
    }
    println!(
        "{:32} {:>17} {:>8} {:>8}   {:>17} {:>8}",
        "one batch of 3 rows", "at once", "ratio", "p99", "apart", "ratio"
    );
    let floor = (percentile(&mut times[0].0, 50), percentile(&mut times[0].1, 50));
    for ((name, _), (at_once, apart)) in contestants.iter().zip(&mut times) {
        let (once, late, lone) = (percentile(at_once, 50), percentile(at_once, 99), percentile(apart, 50));
        println!(
            "{name:32} {once:>14.1} µs {:>8.2} {late:>8.0}   {lone:>14.1} µs {:>8.2}",
            once / floor.0,
            lone / floor.1
        );
    }
    Ok(())
}

fn append(folder: &Path) -> io::Result<Contestant> {
    let mut file = File::create(folder.join("appended"))?;
    let batch = vec![b'x'; BATCH_BYTES];
    Ok(Box::new(move |_| {
        file.write_all(&batch)?;
        Ok(file.sync_data()?)
    }))
}

fn overwrite(folder: &Path) -> io::Result<Contestant> {
    let file = File::create(folder.join("overwritten"))?;
    file.write_all_at(&vec![0; 2000 * BATCH_BYTES], 0)?;
    file.sync_all()?;
    let batch = vec![b'x'; BATCH_BYTES];
    Ok(Box::new(move |number| {
        file.write_all_at(&batch, (number % 2000 * BATCH_BYTES) as u64)?;
        Ok(file.sync_data()?)
    }))
}

fn plain_sqlite(path: &Path) -> rusqlite::Result<Connection> {
    let connection = Connection::open(path)?;
    connection.execute_batch(
        "PRAGMA journal_mode = WAL;
         PRAGMA synchronous = FULL;
         CREATE TABLE state (kind TEXT, key TEXT, value TEXT, UNIQUE (kind, key));
         CREATE TABLE history (seq INTEGER PRIMARY KEY, wall_us INTEGER, app TEXT, task TEXT, name TEXT, instance TEXT,
                               event TEXT, detail TEXT);
         CREATE INDEX history_by_task ON history (task);",
    )?;
    Ok(connection)
}

fn row_by_row(folder: &Path) -> rusqlite::Result<Contestant> {
    let connection = plain_sqlite(&folder.join("row-by-row.db"))?;
    Ok(Box::new(move |number| Ok(insert(&connection, number)?)))
}

fn one_transaction(folder: &Path) -> rusqlite::Result<Contestant> {
    let connection = plain_sqlite(&folder.join("one-transaction.db"))?;
    Ok(Box::new(move |number| {
        let transaction = connection.unchecked_transaction()?;
        insert(&transaction, number)?;
        Ok(transaction.commit()?)
    }))
}

fn insert(connection: &Connection, number: usize) -> rusqlite::Result<()> {
    for row in batch(number) {
        match row {
            Row::Put { kind, key, value } => {
                connection.execute("REPLACE INTO state VALUES (?1, ?2, ?3)", params![kind, key, value])?
            }
            Row::Delete { .. } => unreachable!("the batch has none"),
            Row::History(HistoryRow { wall_us, app, task, name, instance, event, detail }) => connection.execute(
                "INSERT INTO history (wall_us, app, task, name, instance, event, detail) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
                params![wall_us, app, task, name, instance, event, detail],
            )?,
        };
    }
    Ok(())
}

fn this_store(folder: &Path) -> Result<Contestant, StoreError> {
    let mut store = Store::open(&folder.join("store"))?;
    let mut idle = 0;
    Ok(Box::new(move |number| {
        store.commit(&batch(number))?;
        // A broker does this when it has nothing to do; here its cost is spread over the commits.
        idle += 1;
        if idle % 50 == 0 {
            store.maintain()?;
        }
        Ok(())
    }))
}

fn batch(number: usize) -> [Row; 3] {
    [put(number), event(number), event(number + 1)]
}

fn put(number: usize) -> Row {
    // Neighbouring commits of a broker touch unrelated registrations.
    let key = format!("0190cafe-0000-7000-8000-{:012x}", number * 7919 % REGISTRATIONS);
    Row::Put { kind: "registration", key, value: format!("{{{}}}", "x".repeat(600)) }
}

fn event(number: usize) -> Row {
    Row::History(HistoryRow {
        wall_us: number as i64,
        app: "org.example.Photos".to_owned(),
        task: format!("0190cafe-0000-7000-8000-{number:012x}"),
        name: "backup".to_owned(),
        instance: Some(format!("0190cafe-0001-7000-8000-{number:012x}")),
        event: "started".to_owned(),
        detail: r#"{"trigger":"time","late_us":12345}"#.to_owned(),
    })
}

fn timed(act: impl FnOnce() -> Outcome) -> Result<f64, Box<dyn std::error::Error>> {
    let begun = Instant::now();
    act()?;
    Ok(begun.elapsed().as_secs_f64() * 1e6)
}

fn percentile(times: &mut [f64], percent: usize) -> f64 {
    times.sort_by(f64::total_cmp);
    times[(times.len() - 1) * percent / 100]
}

fn memory_kib() -> io::Result<u64> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    Ok(line.and_then(|line| line.split_whitespace().next()?.parse().ok()).unwrap_or(0))
}
