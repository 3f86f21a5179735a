//! How long a task program takes from its `main` to the first line of a task, with the call already waiting in its channel.
//!
//! ```sh
//! cargo run --release -p bgtask --example host_start_up
//! ```

use std::io::Read;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::process::{Command, ExitCode, Stdio};
use std::sync::OnceLock;
use std::time::Instant;

use bgtask::host::{BackgroundTask, Host, TaskError, TaskInstance};
use bgtask_wire::{HostCall, InstanceInfo, host_names};

const RUNS: usize = 300;

static MAIN: OnceLock<Instant> = OnceLock::new();

struct Measured;

impl BackgroundTask for Measured {
    async fn run(&self, _: TaskInstance) -> Result<(), TaskError> {
        let elapsed = MAIN.get().ok_or("main did not run")?.elapsed();
        println!("{}", elapsed.as_nanos());
        std::process::exit(0);
    }
}

fn main() -> ExitCode {
    let _ = MAIN.set(Instant::now());
    if Host::is_host() {
        return Host::new().entry_point("Tasks.Measured", Measured).run();
    }
    let mut times: Vec<f64> = (0..RUNS).map(|_| start()).collect();
    times.sort_by(f64::total_cmp);
    let at = |share: f64| times[(share * (RUNS - 1) as f64) as usize];
    println!("main to the first line of run, {RUNS} cold starts: median {:.0} µs, 90 % {:.0} µs", at(0.5), at(0.9));
    ExitCode::SUCCESS
}

/// Starts this program as a host; microseconds from its `main` to its task.
fn start() -> f64 {
    let (mut ours, theirs) = UnixStream::pair().expect("a socket pair");
    let run = HostCall::Run(Box::new(info())).message().expect("a message");
    std::io::Write::write_all(&mut ours, run.data()).expect("room in the socket");
    let program = std::env::current_exe().expect("a path");
    let child = Command::new(program)
        .env(host_names::CHANNEL_VARIABLE, "0")
        .stdin(OwnedFd::from(theirs))
        .stdout(Stdio::piped())
        .spawn();
    let mut child = child.expect("a child");
    let mut nanos = String::new();
    child.stdout.take().expect("a pipe").read_to_string(&mut nanos).expect("a number");
    child.wait().expect("an end");
    nanos.trim().parse::<f64>().expect("a number") / 1000.0
}

fn info() -> InstanceInfo {
    InstanceInfo {
        instance: "67e55044-10b1-426f-9247-bb680e5fe0c8".into(),
        task: "00000000-0000-0000-0000-000000000001".into(),
        name: "Example".into(),
        entry_point: "Tasks.Measured".into(),
        class_id: None,
        group: None,
        event_id: None,
        budget: 25_000_000,
        trigger: "SystemTrigger".into(),
        trigger_type: "TimeZoneChange".into(),
        trigger_details: Default::default(),
        fired_at: 0,
        fired_count: 1,
        attempt: 1,
        throttled_cpu: None,
        throttled_network: None,
        socket: None,
    }
}
