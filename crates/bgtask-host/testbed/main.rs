//! The other processes of the integration tests, in one program: launcher, host and broker.

mod escape;
mod greedy;
mod stage;

use std::ffi::OsString;
use std::fs;
use std::io::{self, Read as _};
use std::path::Path;
use std::task::Poll;

use bgtask_host::{CommandSpec, HostSpec, Limits, Spawner, SpawnerConfig, launcher};

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    match *args {
        ["launcher", ..] => launcher::main(),
        ["probe", ..] => probe(),
        ["escape", world, pid, port] => escape::escape(Path::new(world), pid.parse().unwrap(), port.parse().unwrap()),
        ["stage", world, use_cgroups, required] => {
            stage::stage(Path::new(world), use_cgroups == "true", required == "true");
        }
        ["network", port] => network(port.parse().unwrap()),
        ["allocate", mebibytes] => allocate(mebibytes.parse().unwrap()),
        ["spin", milliseconds] => greedy::spin(milliseconds.parse().unwrap()),
        ["hog", mebibytes] => greedy::hog(mebibytes.parse().unwrap()),
        ["breed", most] => greedy::breed(most.parse().unwrap()),
        ["send", to, bytes] => greedy::send(to.parse().unwrap(), bytes.parse().unwrap()),
        ["without-network", records, port] => without_network(Path::new(records), port),
        ["broker", what, records, use_cgroups] => broker(what, Path::new(records), use_cgroups == "true"),
        _ => panic!("unknown arguments: {args:?}"),
    }
}

/// A host that tells what it finds, a fact a line.
fn probe() {
    // First, as everything else may open something.
    let fds = fs::read_dir("/proc/self/fd").unwrap();
    let mut fds: Vec<_> = fds
        .map(|entry| entry.unwrap().path())
        .map(|path| (path.clone(), fs::read_link(path).unwrap()))
        .filter(|(_, target)| !target.ends_with("fd"))
        .collect();
    fds.sort();
    for (path, target) in fds {
        let number = path.file_name().unwrap().to_str().unwrap();
        let kind = target.to_str().unwrap().split(':').next().unwrap().to_owned();
        println!("fd {number} {kind}");
    }
    for (name, value) in std::env::vars() {
        println!("env {name}={value}");
    }
    println!("args {:?}", std::env::args().skip(2).collect::<Vec<_>>());
    println!("dir {}", std::env::current_dir().unwrap().display());
    let status = fs::read_to_string("/proc/self/status").unwrap();
    for line in status.lines() {
        let field = line.split(':').next().unwrap();
        if ["NoNewPrivs", "Umask"].contains(&field) {
            println!("{}", line.replace('\t', " "));
        }
    }
    let stat = fs::read_to_string("/proc/self/stat").unwrap();
    let fields: Vec<_> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
    let own = std::process::id().to_string();
    println!("leads its group: {}", fields[2] == own);
    println!("leads its session: {}", fields[3] == own);
    println!("terminal: {}", fields[4] != "0");
    let limits = fs::read_to_string("/proc/self/limits").unwrap();
    let core = limits.lines().find(|line| line.starts_with("Max core"));
    let core = core.unwrap().split_whitespace().collect::<Vec<_>>();
    println!("{}", core.join(" "));
    print!("oom {}", fs::read_to_string("/proc/self/oom_score_adj").unwrap());
    print!("cgroup {}", fs::read_to_string("/proc/self/cgroup").unwrap().lines().last().unwrap());
    println!();
}

/// A command that tells what network there is.
fn network(port: u16) {
    let devices = fs::read_to_string("/proc/self/net/dev").unwrap();
    let names: Vec<_> = devices.lines().filter_map(|line| Some(line.split_once(':')?.0.trim().to_owned())).collect();
    println!("interfaces {names:?}");
    // A route to the loopback is there when it is up.
    let routes = fs::read_to_string("/proc/self/net/fib_trie").unwrap_or_default();
    println!("lo {}", if routes.contains("127.0.0.1") { "up" } else { "down" });
    match std::net::TcpStream::connect(("127.0.0.1", port)) {
        Ok(_) => println!("connected"),
        Err(_) => println!("no connection"),
    }
    println!("user {}", rustix::process::getuid().as_raw());
}

/// A command that uses memory.
fn allocate(mebibytes: usize) {
    let memory = vec![1_u8; mebibytes << 20];
    println!("allocated");
    drop(std::hint::black_box(memory));
}

/// A broker, perhaps of a user with few rights, that runs a command without the network.
fn without_network(records: &Path, port: &str) {
    let own = std::env::current_exe().unwrap();
    let argv = vec![own.into(), "network".into(), port.into()];
    let spec = CommandSpec { network: false, ..CommandSpec::new(argv, vec![], "/".into()) };
    match spawner(records, false, false).prepare(spec).unwrap().start() {
        Err(error) => println!("refused: {error}"),
        Ok(mut running) => {
            wait_readable(&running.host);
            io::copy(&mut running.output, &mut io::stdout()).unwrap();
        }
    }
}

/// A broker that starts one host or command, tells its number and then waits to be killed.
fn broker(what: &str, records: &Path, use_cgroups: bool) {
    let mut spawner = spawner(records, false, use_cgroups);
    let script = ["-c", "sleep 1000 & echo $!; wait"].map(OsString::from);
    let env = vec![("PATH".into(), "/usr/bin:/bin".into())];
    let (host, output) = if what == "command" {
        let argv = [vec!["sh".into()], script.to_vec()].concat();
        let running = spawner.prepare(CommandSpec::new(argv, env, "/".into())).unwrap().start().unwrap();
        (running.host, running.output)
    } else {
        let spec = HostSpec { program: "/bin/sh".into(), args: script.to_vec(), env, dir: "/".into(), confine: None };
        let launch = spawner.launch(&spec, &[], Limits::default()).unwrap();
        spawner.refill().unwrap();
        wait_readable(&launch.start);
        assert!(matches!(launch.start.outcome(), Poll::Ready(Ok(()))));
        (launch.host, launch.output)
    };
    wait_readable(&output);
    let mut child = [0; 16];
    let length = (&output).read(&mut child).unwrap();
    let child = str::from_utf8(&child[..length]).unwrap().trim();
    println!("{} {child}", host.pid());
    io::stdin().read_to_end(&mut Vec::new()).unwrap();
}

fn spawner(records: &Path, walls: bool, use_cgroups: bool) -> Spawner {
    Spawner::new(SpawnerConfig {
        launcher: std::env::current_exe().unwrap(),
        launcher_args: vec!["launcher".into()],
        spares: 1,
        records: records.to_owned(),
        walls,
        priority: bgtask_host::Priority::default(),
        use_cgroups,
    })
    .unwrap()
}

fn wait_readable(fd: &impl std::os::fd::AsFd) {
    use rustix::event::{PollFd, PollFlags, poll};
    poll(&mut [PollFd::new(fd, PollFlags::IN)], None).unwrap();
}
