//! A hundred thousand timers in a real broker: what each takes, what all of them at once do to others, and how late one is.
//!
//! This program is the apps' task, the command whose lateness is measured, and the callers.

#[allow(dead_code, reason = "each benchmark uses a part of it")]
mod common;

use std::collections::HashMap;
use std::fs::File;
use std::io::{Read as _, Write as _};
use std::path::Path;
use std::process::{Command, ExitCode, Stdio};
use std::time::{Duration, Instant, SystemTime};

use bgtask::host::{BackgroundTask, Host, TaskError, TaskInstance};
use bgtask_wire::{BrokerProxy, HistoryQuery, RegisterOptions};
use common::caller::{CALL_EVERY, Caller};
use common::{Broker, GAP, Programs, median, millis, monotonic, ratio, row};
use futures_util::future::join_all;
use zbus::{OwnedVariant, Variant};

const ENTRY_POINT: &str = "Bench.Task";
/// The app whose task is not one of the many.
const PROBE: &str = "org.example.Probe";
const APPS: usize = 100;
const ALL: usize = 100_000;
const CLIENTS: usize = 32;
/// How often the probe is started.
const ROUNDS: usize = 100;
/// The commands whose lateness is measured, each every second, and for how long.
const TIMERS: usize = 10;
const WATCHED: Duration = Duration::from_secs(20);

fn main() -> ExitCode {
    if Host::is_host() {
        return Host::new().entry_point(ENTRY_POINT, FirstLine).run();
    }
    match std::env::args().nth(1).as_deref() {
        Some("began") => began(),
        _ => {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
            runtime.block_on(measure());
        }
    }
    ExitCode::SUCCESS
}

/// Says when it began, if anybody wants to hear it.
struct FirstLine;

impl BackgroundTask for FirstLine {
    async fn run(&self, _: TaskInstance) -> Result<(), TaskError> {
        let now = monotonic();
        let data = std::env::var_os("BGTASK_APP_DATA").ok_or("no data folder")?;
        if let Ok(mut line) = File::options().write(true).open(Path::new(&data).join("first-line")) {
            line.write_all(&now.to_ne_bytes())?;
        }
        Ok(())
    }
}

/// As a command: which it is and when it began to run.
fn began() {
    let now = wall();
    let number: u64 = std::env::args().nth(2).and_then(|it| it.parse().ok()).expect("its number");
    let pipe = std::env::args().nth(3).expect("a pipe");
    let line = [number.to_ne_bytes(), now.to_ne_bytes()].concat();
    File::options().write(true).open(pipe).and_then(|mut pipe| pipe.write_all(&line)).expect("somebody reads");
}

async fn measure() {
    println!("{ALL} timers of {APPS} apps (one run, this machine)\n");
    lateness().await;
    if std::env::args().nth(1).as_deref() == Some("lateness") {
        return;
    }
    let apps: Vec<String> = (0..APPS).map(|i| format!("org.example.App{i:02}")).collect();
    at_once(&apps, &["InternetAvailable"]).await;
    at_once(&apps, &[]).await;
}

/// All that is measured with a broker of its own: first empty, then full, then all of it due at once.
async fn at_once(apps: &[String], conditions: &[&str]) {
    let latched = !conditions.is_empty();
    println!("\n{}", if latched { "their condition does not hold" } else { "they all run" });
    let programs = Programs::new();
    let mut names = apps.to_vec();
    names.push(PROBE.to_owned());
    let tick = next_tick();
    let mut broker = Broker::start(
        &programs.install(&names),
        &format!("timer_tick_seconds = {tick}\nmin_freshness_minutes = 1\nwarm_linger_seconds = 0\n"),
    );
    let empty = broker.status("VmRSS");
    let alone = if latched { Some(activation(&broker).await) } else { None };
    let begin = Instant::now();
    let tasks = register_all(&broker, apps, conditions).await;
    let rate = ALL as f64 / begin.elapsed().as_secs_f64();
    row(&format!("registered, {CLIENTS} clients at once"), &format!("{rate:.0}/s"), "", "");
    if let Some(alone) = alone {
        row("resident, each", &each(&broker, empty), "", "");
        start_up("start-up until it answers", &mut broker);
        row("resident after that, each", &each(&broker, empty), "", "≤ 600 B");
        let among = activation(&broker).await;
        let against = format!("{:.2}× of {} when empty", ratio(among, alone), millis(alone));
        row("zone change → run of another app's task", &millis(among), &against, "≤ 2×");
    }
    let last = tasks.iter().max().expect("tasks").clone();
    tick_at_once(&broker, apps, &tasks, &last).await;
    if latched {
        start_up("start-up with all of them waiting", &mut broker);
        row("resident after that, each with what waits", &each(&broker, empty), "", "");
    }
}

fn start_up(what: &str, broker: &mut Broker) {
    let (times, cpu): (Vec<_>, Vec<_>) = (0..3).map(|_| (broker.restart(), broker.cpu())).unzip();
    row(what, &format!("{:.0?}", median(times)), &format!("{:.0?} of a processor", median(cpu)), "≤ 1 s");
}

/// Somebody asks this and that while all of them fire, and, where they run, while the first of them do.
async fn tick_at_once(broker: &Broker, apps: &[String], tasks: &[String], last: &str) {
    let client = broker.connect().await;
    let due = client.get_task(last).await.expect("a task").due.expect("a timer");
    assert!(due > wall(), "registering took longer than there was time");
    let first = tasks.iter().min().expect("tasks");
    while wall() < due - 1_000_000 || client.get_task(first).await.expect("a task").phase == "idle" {
        tokio::time::sleep(Duration::from_millis(if wall() < due - 1_000_000 { 100 } else { 1 })).await;
    }
    let (begin, cpu) = (Instant::now(), broker.cpu());
    let caller = Caller::start(broker.connect().await, apps, tasks);
    while client.get_task(last).await.expect("a task").phase == "idle" {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let (took, cpu) = (begin.elapsed(), broker.cpu() - cpu);
    tell("until the last has fired", took, cpu, caller.stop().await);
    let query = HistoryQuery { task: Some(last.to_owned()), limit: Some(20), ..HistoryQuery::default() };
    let history = client.history(query).await.expect("the history");
    let fired = history.iter().find(|line| line.event == "fired").expect("it fired");
    row("the wake ledger of the last", &format!("1/{}", shared(&fired.detail)), "", &format!("1/{ALL}"));
    let (begin, cpu) = (Instant::now(), broker.cpu());
    let caller = Caller::start(broker.connect().await, apps, tasks);
    tokio::time::sleep(Duration::from_secs(10)).await;
    tell("the ten seconds after that", begin.elapsed(), broker.cpu() - cpu, caller.stop().await);
}

fn tell(what: &str, took: Duration, cpu: Duration, mut times: Vec<Duration>) {
    times.sort();
    let at = |part: f64| millis(times[((times.len() - 1) as f64 * part) as usize]);
    let against = format!("{cpu:.2?} of a processor, {} calls, one every {CALL_EVERY:?}", times.len());
    row(what, &format!("{took:.2?}"), &against, "");
    row("  p50, p99, the slowest call", &at(0.5), &format!("{}, {}", at(0.99), at(1.0)), "p99 ≤ 20 ms");
}

/// With how many others it shared its wake-up.
fn shared(detail: &str) -> String {
    let after = detail.split("\"shared\":").nth(1).unwrap_or("?");
    after.chars().take_while(char::is_ascii_digit).collect()
}

fn each(broker: &Broker, empty: u64) -> String {
    format!("{} B", (broker.status("VmRSS") - empty) * 1_024 / ALL as u64)
}

/// A grid on which the next tick comes when all is registered and measured, and the one after that much later.
fn next_tick() -> u64 {
    let now = u64::try_from(wall() / 1_000_000).expect("after the epoch");
    (600..86_400).find(|tick| (120..150).contains(&(tick - now % tick))).expect("one of so many")
}

/// How soon the task of an app that has one only runs after the zone has changed; cold, the median.
async fn activation(broker: &Broker) -> Duration {
    let client = broker.connect().await;
    client.request_access(PROBE, "").await.expect("access");
    let zones = [broker.zone("Bench/East", 3_600), broker.zone("Bench/West", -3_600)];
    broker.change_zone(&zones[1]);
    let trigger = ("SystemTrigger", HashMap::from([("type", value("TimeZoneChange"))]));
    let task = client.register(PROBE, "probe", ENTRY_POINT, trigger, &[], RegisterOptions::default()).await;
    let task = task.expect("registered");
    let mut line = broker.first_line(PROBE);
    while client.list_sources().await.expect("sources").iter().all(|it| it.name != "time-zone" || it.value.is_none()) {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let mut times = Vec::new();
    for round in 0..ROUNDS + 10 {
        tokio::time::sleep(GAP).await;
        let begin = monotonic();
        broker.change_zone(&zones[round % 2]);
        times.push(Duration::from_nanos(next(&mut line) - begin));
    }
    client.unregister(&task, false).await.expect("unregistered");
    drop(line);
    std::fs::remove_file(broker.root().join("data").join(PROBE).join("first-line")).expect("its pipe");
    median(times.split_off(10))
}

async fn register_all(broker: &Broker, apps: &[String], conditions: &[&str]) -> Vec<String> {
    let client = broker.connect().await;
    for app in apps {
        client.request_access(app, "").await.expect("access");
    }
    let mut working = Vec::new();
    for number in 0..CLIENTS {
        let client = broker.connect().await;
        working.push(async move {
            let mut tasks = Vec::new();
            for i in (number..ALL).step_by(CLIENTS) {
                let freshness = Variant::from(1_u32).try_to_owned().expect("no descriptors");
                let trigger = ("TimeTrigger", HashMap::from([("freshness", freshness)]));
                let (app, name) = (&apps[i % apps.len()], format!("task {i}"));
                let options = RegisterOptions::default();
                tasks.push(client.register(app, &name, ENTRY_POINT, trigger, conditions, options).await.expect("room"));
            }
            tasks
        });
    }
    join_all(working).await.concat()
}

fn value(text: &str) -> OwnedVariant {
    Variant::from(text).try_to_owned().expect("no descriptors")
}

/// How much later than due a command without slack begins, against the same command started by hand in between, and both against
/// a bare spawn of its program.
async fn lateness() {
    let broker = Broker::start(&[] as &[(&str, &str)], "");
    let client = broker.connect().await;
    let pipe = broker.root().join("began");
    let mode = rustix::fs::Mode::from_raw_mode(0o600);
    rustix::fs::mknodat(rustix::fs::CWD, &pipe, rustix::fs::FileType::Fifo, mode, 0).expect("a pipe");
    let mut lines = File::options().read(true).write(true).open(&pipe).expect("the pipe");
    let program = std::env::current_exe().expect("its own path");
    let file = |number: usize, every: &str| {
        let argv = [program.to_string_lossy(), "began".into(), number.to_string().into(), pipe.to_string_lossy()];
        format!("command = {argv:?}\nevery = {every:?}\n")
    };
    let (by_hand, _) = client.add_task("by-hand", &file(TIMERS, "1d"), false).await.expect("added");
    let mut due = Vec::new();
    for number in 0..TIMERS {
        let (task, _) = client.add_task(&format!("timer-{number}"), &file(number, "1s"), false).await.expect("added");
        due.push(client.get_task(&task).await.expect("a task").due.expect("a timer"));
        tokio::time::sleep(Duration::from_millis(93)).await;
    }
    let (mut late, mut cold, mut begun) = (Vec::new(), Vec::new(), None);
    let end = Instant::now() + WATCHED;
    while Instant::now() < end {
        let (number, at) = (next(&mut lines), next(&mut lines));
        let at = i64::try_from(at).expect("in this age");
        match due.get(usize::try_from(number).expect("a number of ours")) {
            Some(due) => late.push(micros((at - due).rem_euclid(1_000_000))),
            None => cold.push(micros(at - begun.take().expect("it was started"))),
        }
        if begun.is_none() {
            std::thread::sleep(GAP);
            begun = Some(wall());
            client.run_now(&by_hand, false).await.expect("it runs");
        }
    }
    end_all(&client, &mut lines).await;
    let floor = (0..late.len()).map(|_| {
        std::thread::sleep(GAP);
        let begin = wall();
        let mut child = Command::new(&program);
        let child = child.args(["began", "0"]).arg(&pipe).stdin(Stdio::null()).status();
        assert!(child.expect("itself").success());
        let (_, at) = (next(&mut lines), next(&mut lines));
        Duration::from_micros(at - begin.unsigned_abs())
    });
    let floor = floor.collect();
    let (late, cold, floor) = (median(late), median(cold), median(floor));
    let over = |time: Duration, other: Duration| format!("{:+.3} ms", (time.as_secs_f64() - other.as_secs_f64()) * 1e3);
    row("bare spawn of the command to its main (the floor)", &millis(floor), "", "");
    row("the call to run it by hand → its main", &millis(cold), &format!("{} over the floor", over(cold, floor)), "");
    let more = format!("{} over by hand", over(late, cold));
    row("due → main of the command", &millis(late), &more, "≤ 1 ms over by hand");
}

/// Nothing is left of the commands, nor of what they wrote.
async fn end_all(client: &BrokerProxy<'_>, lines: &mut File) {
    for task in client.list_tasks("").await.expect("a list") {
        client.unregister(&task.id, true).await.expect("unregistered");
    }
    while !client.list_tasks("").await.expect("a list").is_empty() {
        tokio::time::sleep(GAP).await;
    }
    rustix::fs::fcntl_setfl(&*lines, rustix::fs::OFlags::NONBLOCK).expect("a pipe");
    while lines.read(&mut [0; 16]).is_ok() {}
    rustix::fs::fcntl_setfl(&*lines, rustix::fs::OFlags::empty()).expect("a pipe");
}

fn micros(micros: i64) -> Duration {
    Duration::from_micros(micros.unsigned_abs())
}

fn next(pipe: &mut File) -> u64 {
    let mut bytes = [0; 8];
    pipe.read_exact(&mut bytes).expect("a number");
    u64::from_ne_bytes(bytes)
}

/// Microseconds since the Unix epoch.
fn wall() -> i64 {
    let since_epoch = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).expect("after the epoch");
    since_epoch.as_micros().try_into().expect("in this age")
}
