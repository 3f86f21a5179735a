//! Registrations: how many a second when each is durable before its answer, and what ten thousand of them cost.
//!
//! The peer is SQLite in the usual way: one transaction for each registration, WAL, `synchronous=FULL`.

#[allow(dead_code, reason = "each benchmark uses a part of it")]
mod common;

use std::collections::HashMap;
use std::time::{Duration, Instant};

use bgtask_wire::{BrokerProxy, RegisterOptions};
use common::{Broker, row};
use zbus::{OwnedVariant, Variant};

const CLIENTS: usize = 32;
const APPS: usize = 16;
const ALL: usize = 10_000;
const IDLE: Duration = Duration::from_secs(60);

fn main() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(measure());
}

async fn measure() {
    println!("registrations (one run, this machine)\n");
    let apps: Vec<String> = (0..APPS).map(|i| format!("org.example.App{i}")).collect();
    let programs: Vec<_> = apps.iter().map(|app| (app.as_str(), std::path::Path::new("/bin/true"))).collect();
    let mut broker = Broker::start(&programs, "");
    row("resident, no registration", &megabytes(&broker), "", "≤ 12 MB");

    let peer = one_by_one();
    let ours = register_all(&broker, &apps).await;
    let against = format!("{peer:.0}/s one by one in SQLite: {:.2}×", ours / peer);
    row(&format!("{ALL} registrations, {CLIENTS} clients at once"), &format!("{ours:.0}/s"), &against, "≥ 2×");
    row("resident after that", &megabytes(&broker), "", "");

    let starts: Vec<_> = (0..5).map(|_| broker.restart()).collect();
    row(&format!("start-up with {ALL} registrations"), &format!("{:.0?}", common::median(starts)), "", "≤ 0.3 s");
    row("resident after start-up", &megabytes(&broker), "", "≤ 20 MB");

    // Whatever the start left to be tidied is done before the idle time begins.
    tokio::time::sleep(Duration::from_secs(2)).await;
    let before = switches(&broker);
    tokio::time::sleep(IDLE).await;
    let woken = switches(&broker) - before;
    row(&format!("wake-ups in {} s idle, {ALL} registrations", IDLE.as_secs()), &woken.to_string(), "", "0");
}

async fn register_all(broker: &Broker, apps: &[String]) -> f64 {
    let mut clients = Vec::new();
    for _ in 0..CLIENTS {
        clients.push(broker.connect().await);
    }
    let begin = Instant::now();
    let mut working = Vec::new();
    for (i, client) in clients.into_iter().enumerate() {
        let app = apps[i % apps.len()].clone();
        let share = ALL / CLIENTS + usize::from(i < ALL % CLIENTS);
        working.push(tokio::spawn(async move { register_some(&client, &app, share).await }));
    }
    for client in working {
        client.await.expect("no client fails");
    }
    ALL as f64 / begin.elapsed().as_secs_f64()
}

async fn register_some(client: &BrokerProxy<'static>, app: &str, share: usize) {
    for i in 0..share {
        let value = |value: Variant<'_>| value.try_to_owned().expect("no descriptors");
        let properties: HashMap<&str, OwnedVariant> =
            HashMap::from([("type", value("TimeZoneChange".into())), ("one_shot", value(false.into()))]);
        let trigger = ("SystemTrigger", properties);
        let name = format!("task {i}");
        let conditions = ["InternetAvailable"];
        let options = RegisterOptions::default();
        client.register(app, &name, "Bench.Task", trigger, &conditions, options).await.expect("registered");
    }
}

/// Registrations a second in a database of the same machine, each its own durable transaction.
fn one_by_one() -> f64 {
    let dir = tempfile::Builder::new().prefix("bgtask-bench").tempdir().expect("a folder");
    let database = rusqlite::Connection::open(dir.path().join("peer.db")).expect("a database");
    let schema = "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;
        CREATE TABLE task (id TEXT PRIMARY KEY, value TEXT); CREATE TABLE history (at INTEGER, text TEXT);";
    database.execute_batch(schema).expect("a schema");
    let value = "x".repeat(400);
    let begin = Instant::now();
    const ROUNDS: usize = 2_000;
    for i in 0..ROUNDS {
        let transaction = database.unchecked_transaction().expect("a transaction");
        let id = format!("{i:036}");
        transaction
            .prepare_cached("INSERT INTO task VALUES (?1, ?2)")
            .and_then(|mut it| it.execute((&id, &value)))
            .expect("a row");
        transaction
            .prepare_cached("INSERT INTO history VALUES (?1, ?2)")
            .and_then(|mut it| it.execute((i, &id)))
            .expect("a row");
        transaction.commit().expect("durable");
    }
    ROUNDS as f64 / begin.elapsed().as_secs_f64()
}

fn megabytes(broker: &Broker) -> String {
    format!("{:.1} MB", broker.status("VmRSS") as f64 / 1024.0)
}

fn switches(broker: &Broker) -> u64 {
    broker.status("voluntary_ctxt_switches")
}
