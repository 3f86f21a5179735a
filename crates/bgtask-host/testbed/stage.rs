//! The world a task wants to get out into, and the broker that confines it. Runs as root or as anybody.

use std::fs;
use std::io::{self, BufRead as _, BufReader};
use std::net::TcpListener;
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::net::{SocketAddr, UnixListener};
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use bgtask_confine::Plan;
use bgtask_host::{HostSpec, Limits};

/// The most processes of the task.
const PROCESSES: u32 = 100;

pub(crate) fn stage(world: &Path, use_cgroups: bool, required: bool) {
    for folder in ["home/.ssh", "home/Pictures", "home/Downloads", "state", "run", "data/own", "data/other"] {
        fs::create_dir_all(world.join(folder)).unwrap();
    }
    for file in ["home/.ssh/id", "home/Pictures/picture", "state/store", "data/other/secret"] {
        fs::write(world.join(file), "secret").unwrap();
    }
    let sockets =
        ["run/broker", "data/other/socket", "loose"].map(|path| UnixListener::bind(world.join(path)).unwrap());
    let network = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = network.local_addr().unwrap().port();
    let name = SocketAddr::from_abstract_name(format!("bgtask-escape-{port}")).unwrap();
    let abstract_socket = UnixListener::bind_addr(&name).unwrap();
    let mut victim = Command::new("/bin/sleep").arg("600").spawn().unwrap();

    let mut spawner = super::spawner(&world.join("hosts"), true, use_cgroups);
    let program = std::env::current_exe().unwrap();
    let mut plan = Plan::new(world.join("home"));
    plan.read = vec![program.clone(), world.join("home/Pictures"), world.join("missing")];
    plan.write = vec![world.join("data/own"), world.join("home/Downloads")];
    plan.sockets = vec![world.join("run/broker")];
    plan.processes = Some(PROCESSES);
    plan.required = required;
    let (text, pid) = (world.to_str().unwrap().to_owned(), victim.id().to_string());
    let args = ["escape".to_owned(), text, pid, port.to_string()].map(Into::into).to_vec();
    let env = vec![("PATH".into(), "/usr/bin:/bin".into())];
    let spec = HostSpec { program, args, env, dir: world.join("home"), confine: Some(plan) };
    let launch = spawner.launch(&spec, &[], Limits::default()).unwrap();
    super::wait_readable(&launch.start);
    if let std::task::Poll::Ready(Err(error)) = launch.start.outcome() {
        println!("NOT STARTED {error}: {}", std::error::Error::source(&error).unwrap());
    }
    rustix::io::ioctl_fionbio(&launch.output, false).unwrap();
    for line in BufReader::new(launch.output).lines() {
        let line = line.unwrap();
        println!("{line}");
        if line == "done" {
            break;
        }
    }
    end(launch.host, port);
    match fs::metadata(world.join("home/.profile")) {
        Ok(_) => println!("BROKEN become another program at log-in"),
        Err(error) => println!("held become another program at log-in: {error}"),
    }
    println!("the victim lives: {}", victim.try_wait().unwrap().is_none());
    victim.kill().and_then(|()| victim.wait()).unwrap();
    drop((sockets, network, abstract_socket));
}

/// Kills it and says what is left.
fn end(mut host: bgtask_host::Host, port: u16) {
    host.kill().unwrap();
    let deadline = Instant::now() + Duration::from_secs(30);
    while !host.try_close().unwrap() {
        assert!(Instant::now() < deadline, "it does not end");
        super::wait_readable(&host.closing().unwrap());
    }
    let left = fs::read_dir("/proc").unwrap().filter_map(Result::ok).filter(|entry| {
        let words = fs::read(entry.path().join("cmdline")).unwrap_or_default();
        words == format!("sleep\0777.{port}\0").as_bytes()
    });
    println!("left over: {}", left.count());
    let _shown = io::Write::flush(&mut io::stdout());
}
