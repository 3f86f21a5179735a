//! How long it takes from "run this" to the first byte that the program writes, side by side:
//! a bare spawn, a launch through a waiting launcher, the same behind walls, and a launch without one.
//!
//! `cargo run --release -p bgtask-host --example spawn_latency [LAUNCHER]`, with `bgtask-launcher`
//! for the numbers of an installation.

use std::ffi::OsString;
use std::io::{Read as _, Write as _};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use bgtask_confine::Plan;
use bgtask_host::{HostSpec, Launch, Limits, Spawner, SpawnerConfig, launcher};
use rustix::event::{PollFd, PollFlags, poll};

const ROUNDS: usize = 200;

/// Between two measurements: a trigger finds an idle machine, not one in full swing.
const GAP: Duration = Duration::from_millis(3);

const GIBIBYTE: usize = 1 << 30;

fn main() {
    match std::env::args().nth(1).as_deref() {
        Some("launcher") => launcher::main(),
        Some("hello") => std::io::stdout().write_all(b"!\n").unwrap(),
        path => measure_all(path.map(PathBuf::from)),
    }
}

fn measure_all(launcher: Option<PathBuf>) {
    let data = std::env::temp_dir().join("spawn_latency-data");
    std::fs::create_dir_all(&data).unwrap();
    let mut waiting = spawner(launcher.clone(), 1, false);
    let mut walled = spawner(launcher.clone(), 1, true);
    let mut cold = spawner(launcher, 0, false);
    println!("{:?}", waiting.containment());
    measure("small parent", &mut waiting, &mut walled, &mut cold);
    let ballast = vec![1_u8; GIBIBYTE];
    measure("parent of 1 GiB", &mut waiting, &mut walled, &mut cold);
    drop(std::hint::black_box(ballast));
}

/// All in turns, so that whatever else the machine does hits them alike.
fn measure(title: &str, waiting: &mut Spawner, walled: &mut Spawner, cold: &mut Spawner) {
    let mut times = [const { Vec::new() }; 6];
    for _ in 0..ROUNDS {
        times[0].push(timed(bare));
        times[1].push(timed(|| launch(waiting, None)));
        times[2].push(timed(|| launch(walled, Some(plan()))));
        sleep(GAP);
        let start = Instant::now();
        waiting.refill().unwrap();
        times[4].push(start.elapsed());
        let start = Instant::now();
        walled.refill().unwrap();
        times[5].push(start.elapsed());
        times[3].push(timed(|| launch(cold, None)));
    }
    println!("{title}:");
    let medians = times.map(median);
    let names =
        ["bare spawn", "waiting launcher", "behind walls", "no waiting launcher", "(refill)", "(refill, walls)"];
    for (name, median) in names.iter().zip(&medians) {
        let ratio = median.as_secs_f64() / medians[0].as_secs_f64();
        println!("  {name:20} {median:9.1?}  {ratio:.2}x");
    }
}

fn timed<T>(action: impl FnOnce() -> T) -> Duration {
    sleep(GAP);
    let start = Instant::now();
    let rest = action();
    let elapsed = start.elapsed();
    drop(rest);
    elapsed
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times[times.len() / 2]
}

fn bare() -> impl Drop {
    let mut child = Command::new(own_path())
        .arg("hello")
        .env_clear()
        .envs(environment())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut byte = [0];
    child.stdout.as_mut().unwrap().read_exact(&mut byte).unwrap();
    Reaped(child)
}

struct Reaped(std::process::Child);

impl Drop for Reaped {
    fn drop(&mut self) {
        self.0.wait().unwrap();
    }
}

fn launch(spawner: &mut Spawner, confine: Option<Plan>) -> Launch {
    let spec =
        HostSpec { program: own_path(), args: vec!["hello".into()], env: environment(), dir: "/".into(), confine };
    let mut launch = spawner.launch(&spec, &[], Limits::default()).unwrap();
    poll(&mut [PollFd::new(&launch.output, PollFlags::IN)], None).unwrap();
    launch.output.read_exact(&mut [0]).unwrap();
    launch
}

/// What an ordinary app declares.
fn plan() -> Plan {
    let mut plan = Plan::new("/root".into());
    let dir = std::env::temp_dir();
    plan.read = vec![own_path(), "/srv".into()];
    plan.write = vec![dir.join("spawn_latency-data")];
    plan.sockets = vec![dir.join("spawn_latency-socket")];
    plan.required = true;
    plan
}

fn environment() -> Vec<(OsString, OsString)> {
    (0..30).map(|number| (format!("VARIABLE_{number}").into(), "value".repeat(8).into())).collect()
}

fn spawner(launcher: Option<PathBuf>, spares: usize, walls: bool) -> Spawner {
    let own = launcher.is_none();
    Spawner::new(SpawnerConfig {
        launcher: launcher.unwrap_or_else(own_path),
        launcher_args: own.then(|| "launcher".into()).into_iter().collect(),
        spares,
        records: std::env::temp_dir().join(format!("spawn_latency-{}-{spares}-{walls}", std::process::id())),
        walls,
        priority: bgtask_host::Priority::default(),
        use_cgroups: true,
    })
    .unwrap()
}

fn own_path() -> PathBuf {
    std::env::current_exe().unwrap()
}
