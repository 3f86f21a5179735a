//! From a real zone change to the first line of a task's `run`, against a bare spawn of the same program to its `main`.
//!
//! The way measured: the link `etc/localtime` is replaced; the source notices and reads the zone; the core decides; the
//! firing is made durable; the host is started, or a lingering one told; `run` begins. This program is the broker's
//! client, the host and (for the broker of 1 GiB) the broker.
//!
//! Then the way to another app's task and back: an app service, beside a round trip to the broker.

#[allow(dead_code, reason = "each benchmark uses a part of it")]
mod common;

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::time::Duration;

use bgtask::host::{BackgroundTask, Host, TaskError, TaskInstance};
use common::{Broker, GAP, ROUNDS, WARM_UP, app_service, durable_append, median, millis, monotonic, ratio, row};

const APP: &str = "org.example.Bench";
const GIBIBYTE: usize = 1 << 30;

fn main() -> ExitCode {
    let role = std::env::args().next().map(PathBuf::from);
    if Host::is_host() {
        return Host::new()
            .entry_point("Bench.Task", FirstLine)
            .entry_point(app_service::ENTRY, app_service::Echo)
            .run();
    }
    if role.as_deref().and_then(Path::file_name).is_some_and(|name| name == "bgtaskd") {
        let ballast = vec![1_u8; GIBIBYTE];
        std::hint::black_box(&ballast);
        return bgtaskd::main();
    }
    if std::env::args().nth(1).as_deref() == Some("floor") {
        return common::floor::begin();
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let mut arguments = std::env::args_os().skip(1);
    if arguments.next().is_some_and(|word| word == app_service::ASKS) {
        runtime.block_on(app_service::asks(Path::new(&arguments.next().expect("the broker's socket"))));
        return ExitCode::SUCCESS;
    }
    runtime.block_on(measure());
    app_service::measure();
    ExitCode::SUCCESS
}

/// Says when it began.
struct FirstLine;

impl BackgroundTask for FirstLine {
    async fn run(&self, _: TaskInstance) -> Result<(), TaskError> {
        let now = monotonic();
        let data = std::env::var_os("BGTASK_APP_DATA").ok_or("no data folder")?;
        File::options().write(true).open(Path::new(&data).join("first-line"))?.write_all(&now.to_ne_bytes())?;
        Ok(())
    }
}

async fn measure() {
    println!("zone change → first line of run, medians of {ROUNDS} (one run, this machine)\n");
    let floor = common::floor::measure();
    row("bare spawn of the host program to its main (the floor)", &millis(floor), "", "");
    let append = durable_append();
    row("12 KiB appended durably (part of every row below)", &millis(append), &against_floor(append, floor), "");
    let mut first = [Duration::ZERO; 2];
    for (i, (size, big)) in [("", false), (", broker of 1 GiB", true)].into_iter().enumerate() {
        for (j, (kind, linger, target)) in [("cold", 0, "≤ 1.6×"), ("warm", 600, "≤ 0.3×")].into_iter().enumerate()
        {
            let config = format!("warm_linger_seconds = {linger}\n");
            let time = run(&config, big).await;
            let mut against = against_floor(time, floor);
            if i == 0 {
                first[j] = time;
            } else {
                against += &format!(", {:.2}× the small one", ratio(time, first[j]));
            }
            row(&format!("{kind} host{size}"), &millis(time), &against, target);
        }
    }
    systemd();
}

fn against_floor(time: Duration, floor: Duration) -> String {
    format!("{:.2}× the floor", ratio(time, floor))
}

async fn run(config: &str, big: bool) -> Duration {
    let program = std::env::current_exe().expect("its own path");
    let broker = Broker::start_with(&[(APP, &program)], config, big.then_some(&*program));
    let client = broker.connect().await;
    client.request_access(APP, "").await.expect("access");
    let zones = [broker.zone("Bench/East", 3_600), broker.zone("Bench/West", -3_600)];
    broker.change_zone(&zones[1]);
    let type_ = zbus::Variant::from("TimeZoneChange").try_to_owned().expect("no descriptors");
    let trigger = ("SystemTrigger", std::collections::HashMap::from([("type", type_)]));
    let options = bgtask_wire::RegisterOptions::default();
    client.register(APP, "bench", "Bench.Task", trigger, &[], options).await.expect("registered");
    let mut line = broker.first_line(APP);
    // The source has to have read the zone before it changes.
    while client.list_sources().await.expect("sources").iter().all(|source| source.value.is_none()) {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let mut times = Vec::new();
    for round in 0..ROUNDS + WARM_UP {
        tokio::time::sleep(GAP).await;
        let begin = monotonic();
        broker.change_zone(&zones[round % 2]);
        let mut bytes = [0; 8];
        line.read_exact(&mut bytes).expect("its time");
        times.push(Duration::from_nanos(u64::from_ne_bytes(bytes) - begin));
    }
    median(times.split_off(WARM_UP))
}

/// The same job by systemd, where it runs: a transient unit, started and waited for.
fn systemd() {
    if !Path::new("/run/systemd/system").exists() {
        println!("\nsystemd does not run here: its transient and path units are not measured");
        return;
    }
    let mut times = Vec::new();
    for _ in 0..20 {
        let begin = std::time::Instant::now();
        let ran = Command::new("systemd-run").args(["--user", "--wait", "--quiet", "/bin/true"]).status();
        if !ran.is_ok_and(|status| status.success()) {
            println!("\nsystemd-run --user does not work here: its units are not measured");
            return;
        }
        times.push(begin.elapsed());
    }
    row("systemd-run --user --wait /bin/true", &millis(median(times)), "", "");
}
