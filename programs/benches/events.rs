//! Events on their way to many: a completion to the app that waits for it, and to nobody else; a burst of firings beside calls.
//!
//! This program is the live app, its task, the other apps and the callers.

#[allow(dead_code, reason = "each benchmark uses a part of it")]
mod common;

use std::collections::HashMap;
use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::process::{Command, ExitCode};
use std::time::{Duration, Instant, SystemTime};

use bgtask::host::{BackgroundTask, Host, TaskError, TaskInstance};
use bgtask::{ApplicationTrigger, BackgroundExecutionManager, BackgroundTaskBuilder};
use bgtask_wire::{ADDRESS_VARIABLE, AttachOptions, BrokerProxy, HistoryQuery, RegisterOptions};
use common::caller::{CALL_EVERY, Caller, ping};
use common::{Broker, GAP, Programs, ROUNDS, durable_append, median, millis, monotonic, ratio, row};
use futures_util::StreamExt as _;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::sync::mpsc;
use zbus::message::Type as MessageType;
use zbus::{Message, MessageStream, OwnedVariant, Variant};

const APP: &str = "org.example.Bench";
const ENTRY_POINT: &str = "Bench.Task";
const WARM_UP: usize = 20;

/// How many apps are attached when one task ends, and how often one does.
const ATTACHED: usize = 1_000;
const ENDS: usize = 50;

/// The burst: so many apps with so many registrations, all fired so often, and what is asked meanwhile.
const APPS: usize = 8;
const REGISTRATIONS: usize = 125;
const RAISES: usize = 10;
const BURSTS: usize = 5;
const EVENT: &str = "org.example.burst";

fn main() -> ExitCode {
    if Host::is_host() {
        return Host::new().entry_point(ENTRY_POINT, Ends(last_line_file())).run();
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    match std::env::args().nth(1).as_deref() {
        Some("app") => runtime.block_on(live_app()),
        _ => runtime.block_on(measure()),
    }
    ExitCode::SUCCESS
}

/// Says when it ended, in a file: nobody is woken by that.
struct Ends(Option<File>);

impl BackgroundTask for Ends {
    async fn run(&self, _: TaskInstance) -> Result<(), TaskError> {
        let file = self.0.as_ref().ok_or("no file in the data folder")?;
        Ok(file.write_all_at(&monotonic().to_ne_bytes(), 0)?)
    }
}

fn last_line_file() -> Option<File> {
    File::create(Path::new(&std::env::var_os("BGTASK_APP_DATA")?).join("last-line")).ok()
}

async fn measure() {
    println!("events (one run, this machine)\n");
    let append = durable_append();
    row("12 KiB appended durably (part of every completion)", &millis(append), "", "");
    completion();
    others().await;
    burst().await;
}

/// From the last statement of a task's `run` to its app's handler, against a round trip to the broker from the same app.
fn completion() {
    let program = std::env::current_exe().expect("its own path");
    let broker = Broker::start(&[(APP, &program)], "warm_linger_seconds = 600\n");
    let mut app = Command::new(program);
    app.arg("app").env(ADDRESS_VARIABLE, format!("unix:path={}", broker.root().join("run/broker").display()));
    let status = app.env("LAST_LINE", broker.root().join("data").join(APP).join("last-line")).status();
    assert!(status.expect("itself").success(), "the live app fails");
}

async fn live_app() {
    BackgroundExecutionManager::request_access().await.expect("access");
    let trigger = ApplicationTrigger::new();
    let task = BackgroundTaskBuilder::new().name("bench").task_entry_point(ENTRY_POINT).trigger(&trigger);
    let task = task.register().await.expect("registered");
    let (handler, mut called) = mpsc::unbounded_channel();
    task.on_completed(move |_, _| handler.send(monotonic()).expect("somebody waits"));
    let socket = std::env::var(ADDRESS_VARIABLE).expect("the broker's address");
    let peer = common::connect(Path::new(socket.trim_start_matches("unix:path="))).await;
    let (mut completions, mut round_trips) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS + WARM_UP {
        tokio::time::sleep(GAP).await;
        trigger.request_async().await.expect("fired");
        let called = called.recv().await.expect("its completion");
        completions.push(Duration::from_nanos(called - last_line()));
        tokio::time::sleep(GAP).await;
        let begin = Instant::now();
        ping(&peer).await;
        round_trips.push(begin.elapsed());
    }
    let (completion, round_trip) = (median(completions.split_off(WARM_UP)), median(round_trips.split_off(WARM_UP)));
    row("round trip of Peer.Ping (the floor)", &millis(round_trip), "", "");
    let against = format!("{:.2}× the round trip", ratio(completion, round_trip));
    row("last line of run → handler in the app", &millis(completion), &against, "≤ 5×");
}

fn last_line() -> u64 {
    let path = std::env::var_os("LAST_LINE").expect("the file of the task");
    let bytes = std::fs::read(path).expect("the task ran");
    u64::from_ne_bytes(bytes.try_into().expect("its time"))
}

/// What reaches the apps that are attached when another's task ends.
async fn others() {
    allow_files(2 * ATTACHED as u64);
    let programs = Programs::new();
    let apps: Vec<String> = (0..ATTACHED).map(|i| format!("org.example.App{i}")).collect();
    let broker = Broker::start(&programs.install(&apps), "");
    let (app, others) = apps.split_first().expect("apps");
    let mut attached = Vec::new();
    for other in others {
        let client = broker.connect().await;
        client.attach(other, AttachOptions::default()).await.expect("attached");
        attached.push((MessageStream::from(client.inner().connection()), client));
    }
    let client = broker.connect().await;
    let mut messages = MessageStream::from(client.inner().connection());
    client.request_access(app, "").await.expect("access");
    client.attach(app, AttachOptions::default()).await.expect("attached");
    let trigger = ("ApplicationTrigger", HashMap::new());
    let options = RegisterOptions::default();
    client.register(app, "bench", ENTRY_POINT, trigger, &[], options).await.expect("registered");
    for _ in 0..ENDS {
        client.request_trigger(app, "ApplicationTrigger", HashMap::new()).await.expect("fired");
        while next(&mut messages).await.header().member().is_none_or(|its| its != "Completed") {}
    }
    // What the broker writes to one client it writes in order: its answer comes after everything else for that client.
    let mut heard = 0;
    for (messages, client) in &mut attached {
        ping(client).await;
        while next(messages).await.header().message_type() != MessageType::MethodReturn {
            heard += 1;
        }
    }
    row(&format!("messages to {} other apps at {ENDS} completions", others.len()), &heard.to_string(), "", "0");
}

async fn next(messages: &mut MessageStream) -> Message {
    messages.next().await.expect("connected").expect("connected")
}

/// Every registration fires again and again, while somebody else asks this and that.
async fn burst() {
    println!();
    let programs = Programs::new();
    let apps: Vec<String> = (0..APPS).map(|i| format!("org.example.App{i}")).collect();
    let broker = Broker::start(&programs.install(&apps), "");
    let raiser = broker.connect().await;
    let tasks = register_all(&raiser, &apps).await;
    let firings = RAISES * tasks.len();
    println!("{firings} firings on {} registrations of {APPS} apps, a call every {CALL_EVERY:?}", tasks.len());
    // The first starts the hosts.
    drain(&raiser, &apps, 1).await;
    for i in 1..=BURSTS {
        let since = now();
        let caller = Caller::start(broker.connect().await, &apps, &tasks);
        let begin = Instant::now();
        drain(&raiser, &apps, RAISES).await;
        let took = begin.elapsed();
        let mut times = caller.stop().await;
        times.sort();
        let at = |part: f64| millis(times[((times.len() - 1) as f64 * part) as usize]);
        let runs = ended(&raiser, since).await;
        row(&format!("burst {i}: drained, {runs} runs"), &millis(took), &format!("{} calls", times.len()), "");
        row("  p50, p99, the slowest call", &at(0.5), &format!("{}, {}", at(0.99), at(1.0)), "p99 ≤ 20 ms");
    }
}

async fn register_all(client: &BrokerProxy<'_>, apps: &[String]) -> Vec<String> {
    let mut tasks = Vec::new();
    for app in apps {
        client.request_access(app, "").await.expect("access");
        for i in 0..REGISTRATIONS {
            let value = |text: &'static str| OwnedVariant::try_from(Variant::from(text)).expect("no descriptors");
            let properties = HashMap::from([("id", value(EVENT)), ("recurrence", value("Always"))]);
            let trigger = ("CustomSystemEventTrigger", properties);
            let options = RegisterOptions::default();
            let name = format!("task {i}");
            tasks.push(client.register(app, &name, ENTRY_POINT, trigger, &[], options).await.expect("registered"));
        }
    }
    tasks
}

/// Raises the event so often, one right after the other, and waits until nothing of it is left to run.
async fn drain(client: &BrokerProxy<'_>, apps: &[String], raises: usize) {
    for _ in 0..raises {
        let heard = client.raise(EVENT).await.expect("raised");
        assert_eq!(heard as usize, APPS * REGISTRATIONS, "every registration hears it");
    }
    for app in apps {
        while client.list_tasks(app).await.expect("a list").iter().any(|task| task.phase != "idle") {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

/// How many activations have ended since then, by the history.
async fn ended(client: &BrokerProxy<'_>, since: i64) -> usize {
    let (mut count, mut before) = (0, None);
    loop {
        let query = HistoryQuery { limit: Some(1_000), before, ..HistoryQuery::default() };
        let page = client.history(query).await.expect("the history");
        count += page.iter().filter(|line| line.at >= since && line.event == "completed").count();
        match page.first() {
            Some(oldest) if oldest.at >= since => before = Some(oldest.sequence),
            _ => return count,
        }
    }
}

/// Microseconds since the Unix epoch.
fn now() -> i64 {
    let since_epoch = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).expect("after the epoch");
    since_epoch.as_micros().try_into().expect("in this age")
}

fn allow_files(wanted: u64) {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    if current.is_some_and(|current| current < wanted) {
        setrlimit(Resource::Nofile, Rlimit { current: Some(wanted), maximum }).expect("so many files may be open");
    }
}
