//! How many commands a second can be run to their end, side by side with a bare `posix_spawn`.
//!
//! `cargo run --release -p bgtask-host --example spawn_rate`. The bare loop does what nobody can do without: spawn, and
//! wait for the end. The other one does what a broker does: a cgroup for each, a pipe for what it writes, an event loop,
//! no process left over, and the account of what it used. In turns, so that whatever else the machine does hits both.

use std::collections::HashMap;
use std::os::fd::AsFd as _;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use bgtask_host::{CommandSpec, Running, Spawner, SpawnerConfig, launcher, sealed};
use rustix::buffer::spare_capacity;
use rustix::event::epoll;

const COMMANDS: usize = 1000;
const ROUNDS: usize = 7;

/// How many run at a time.
const WIDTHS: [usize; 3] = [1, 8, 16];

const GIBIBYTE: usize = 1 << 30;

fn main() {
    if std::env::args().nth(1).as_deref() == Some("launcher") {
        launcher::main();
    }
    let mut spawner = spawner();
    println!("{:?}", spawner.containment());
    compare_all("small parent", &mut spawner);
    let ballast = vec![1_u8; GIBIBYTE];
    compare_all("parent of 1 GiB", &mut spawner);
    drop(std::hint::black_box(ballast));
}

fn compare_all(title: &str, spawner: &mut Spawner) {
    println!("{title}: `true` a second, medians of {ROUNDS} rounds of {COMMANDS}");
    for width in WIDTHS {
        let mut times = [const { Vec::new() }; 2];
        for _ in 0..ROUNDS {
            times[0].push(timed(|| bare(width)));
            times[1].push(timed(|| commands(spawner, width)));
        }
        // Of each round by itself, as another round may have met a busier machine.
        let mut ratios: Vec<f64> =
            times[0].iter().zip(&times[1]).map(|(bare, ours)| bare.div_duration_f64(*ours)).collect();
        ratios.sort_by(f64::total_cmp);
        let [bare, ours] = times.map(rate);
        println!("  {width:2} at a time: bare {bare:6.0}, commands {ours:6.0}, ratio {:.2}", ratios[ROUNDS / 2]);
    }
}

fn timed(action: impl FnOnce()) -> Duration {
    let start = Instant::now();
    action();
    start.elapsed()
}

fn rate(mut times: Vec<Duration>) -> f64 {
    times.sort();
    COMMANDS as f64 / times[times.len() / 2].as_secs_f64()
}

fn bare(width: usize) {
    let mut children = std::collections::VecDeque::<Child>::new();
    for _ in 0..COMMANDS {
        if children.len() == width {
            assert!(children.pop_front().unwrap().wait().unwrap().success());
        }
        let command =
            Command::new("/bin/true").stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
        children.push_back(command.unwrap());
    }
    for mut child in children {
        assert!(child.wait().unwrap().success());
    }
}

fn commands(spawner: &mut Spawner, width: usize) {
    let epoll = epoll::create(epoll::CreateFlags::CLOEXEC).unwrap();
    let mut running = HashMap::<u64, Running>::new();
    let mut events = Vec::with_capacity(2 * width);
    let (mut started, mut ended) = (0, 0);
    while ended < COMMANDS as u64 {
        while running.len() < width && started < COMMANDS as u64 {
            let command = spawner.prepare(spec()).unwrap().start().unwrap();
            let key = epoll::EventData::new_u64(started);
            epoll::add(&epoll, command.host.as_fd(), key, epoll::EventFlags::IN).unwrap();
            running.insert(started, command);
            started += 1;
        }
        epoll::wait(&epoll, spare_capacity(&mut events), None).unwrap();
        for event in events.drain(..) {
            let key = event.data.u64();
            if finish(running.get_mut(&key).unwrap()) {
                running.remove(&key);
                ended += 1;
            }
        }
    }
}

/// As a broker does; whether nothing is left of it.
fn finish(command: &mut Running) -> bool {
    assert!(command.host.try_exit().unwrap().is_some());
    command.host.kill().unwrap();
    let closed = command.host.try_close().unwrap();
    if closed {
        let mut byte = [0];
        assert_eq!(std::io::Read::read(&mut command.output, &mut byte).unwrap(), 0);
        assert!(command.host.final_usage().is_some());
    }
    closed
}

fn spec() -> CommandSpec {
    let env = (0..30).map(|number| (format!("VARIABLE_{number}").into(), "value".repeat(8).into())).collect();
    let mut spec = CommandSpec::new(vec!["true".into()], env, "/".into());
    spec.descriptors = vec![("BGTASK_DETAILS_FD".into(), sealed(b"{}").unwrap())];
    spec
}

fn spawner() -> Spawner {
    Spawner::new(SpawnerConfig {
        launcher: std::env::current_exe().unwrap(),
        launcher_args: vec!["launcher".into()],
        spares: 1,
        records: std::env::temp_dir().join(format!("spawn_rate-{}", std::process::id())),
        walls: false,
        priority: bgtask_host::Priority::default(),
        use_cgroups: std::env::var_os("NO_CGROUPS").is_none(),
    })
    .unwrap()
}
