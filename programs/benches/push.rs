//! Push messages on their way: so many that wait on a real Mosquitto, drained into a warm task, each durable before it is
//! acknowledged. Needs the Debian package `mosquitto`.
//!
//! This program is the sender and the task.

#[allow(dead_code, reason = "each benchmark uses a part of it")]
mod common;
#[allow(dead_code, reason = "the tests use the other part")]
#[path = "../../crates/bgtask-push/tests/mosquitto/server.rs"]
mod server;

use std::collections::HashMap;
use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use bgtask::RawNotification;
use bgtask::host::{BackgroundTask, Host, TaskError, TaskInstance};
use bgtask_push::mqtt::{Client, Outgoing, Server};
use bgtask_wire::RegisterOptions;
use common::{Broker, Programs, durable_append, millis, row};
use server::Mosquitto;
use tempfile::TempDir;

const APP: &str = "org.example.Bench";
const MESSAGES: u64 = 50_000;
const PAYLOAD: usize = 100;
const ROUNDS: usize = 3;

fn main() -> ExitCode {
    if Host::is_host() {
        return Host::new().entry_point("Bench.Task", Counts::new()).run();
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(measure());
    ExitCode::SUCCESS
}

/// Counts the messages and the runs, in a file: nobody is woken by that.
struct Counts(Option<File>, Mutex<[u64; 2]>);

impl Counts {
    fn new() -> Self {
        let folder = std::env::var_os("BGTASK_APP_DATA");
        Self(folder.and_then(|folder| File::create(Path::new(&folder).join("count")).ok()), Mutex::default())
    }
}

impl BackgroundTask for Counts {
    async fn run(&self, instance: TaskInstance) -> Result<(), TaskError> {
        let file = self.0.as_ref().ok_or("no file in the data folder")?;
        let told = instance.trigger_events().details::<RawNotification>().len() as u64;
        let mut counts = self.1.lock().expect("nobody panics");
        *counts = [counts[0] + told, counts[1] + 1];
        Ok(file.write_all_at(&counts.map(u64::to_ne_bytes).concat(), 0)?)
    }
}

async fn measure() {
    println!("push (one run, this machine)\n");
    row("12 KiB appended durably (part of every acknowledgement)", &millis(durable_append()), "", "");
    let folder = TempDir::new().expect("a folder");
    let mosquitto = Mosquitto::start(folder.path());
    let server = Server::at(&mosquitto.address(), "bench").expect("an address");
    let programs = Programs::new();
    let apps = [APP.to_owned()];
    let config = format!(
        "warm_linger_seconds = 600\ncpu_budget_seconds = \"unlimited\"\n[push.mqtt]\nserver = \"{server}\"\nmachine = \"bench\"\n"
    );
    let broker = Broker::start(&programs.install(&apps), &config);
    let client = broker.connect().await;
    client.request_access(APP, "").await.expect("access");
    client.create_push_channel(APP).await.expect("a channel");
    let trigger = ("PushNotificationTrigger", HashMap::new());
    client.register(APP, "push", "Bench.Task", trigger, &[], RegisterOptions::default()).await.expect("registered");
    // The first starts the host.
    send(&server, 1).await;
    let count = broker.root().join("data").join(APP).join("count");
    until(&count, 1).await;
    for round in 1..=ROUNDS as u64 {
        client.set_background(false).await.expect("off");
        send(&server, MESSAGES).await;
        let (runs, cpu) = (read(&count)[1], broker.cpu());
        let begin = Instant::now();
        client.set_background(true).await.expect("on");
        until(&count, 1 + round * MESSAGES).await;
        let took = begin.elapsed();
        let rate = MESSAGES as f64 / took.as_secs_f64();
        let runs = read(&count)[1] - runs;
        let cpu = (broker.cpu() - cpu).as_secs_f64() / took.as_secs_f64() * 100.0;
        let what = format!("{MESSAGES} messages of {PAYLOAD} B, round {round}");
        row(&what, &format!("{rate:.0}/s"), &format!("{runs} runs, broker at {cpu:.0} % of a core"), "≥ 5000/s");
    }
    row("memory of the broker afterwards", &format!("{} KiB", broker.status("VmRSS")), "", "");
}

async fn send(server: &Server, count: u64) {
    let mut sender = Client::connect(server, "sender").await.expect("the server takes a sender");
    for number in 0..count {
        let mut payload = number.to_string().into_bytes();
        payload.resize(PAYLOAD, b' ');
        let outgoing = Outgoing { topic: server.topic_of(APP), payload, ..Outgoing::default() };
        sender.publish(outgoing).await.expect("sent");
    }
    sender.settle().await.expect("the server has them");
}

fn read(path: &Path) -> [u64; 2] {
    let bytes = std::fs::read(path).unwrap_or_default();
    let number =
        |at: usize| bytes.get(at..at + 8).map_or(0, |part| u64::from_ne_bytes(part.try_into().expect("eight")));
    [number(0), number(8)]
}

async fn until(path: &Path, count: u64) {
    let begin = Instant::now();
    while read(path)[0] < count {
        assert!(begin.elapsed() < Duration::from_secs(120), "not drained: {:?} of {count}", read(path));
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    assert_eq!(read(path)[0], count, "each message once");
}
