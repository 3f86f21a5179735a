//! What the benchmarks share: a real broker in a root of its own, and numbers as a table.

pub(crate) mod app_service;
pub(crate) mod caller;
pub(crate) mod floor;

use std::io::Write as _;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use bgtask_wire::{BrokerProxy, PeerSocket};
use rustix::time::{ClockId, clock_gettime};
use tempfile::TempDir;

/// How often a time is measured, of which the median counts.
pub(crate) const ROUNDS: usize = 200;

/// The rounds before those that count.
pub(crate) const WARM_UP: usize = 10;

/// Between two rounds: a trigger finds a machine that rests, but not a disk that has gone to sleep.
pub(crate) const GAP: Duration = Duration::from_millis(6);

/// A broker of its own, with a private root and private system facts.
pub(crate) struct Broker {
    dir: TempDir,
    program: PathBuf,
    process: Child,
}

impl Broker {
    /// Starts a broker for which these apps are installed; the program of each is given.
    pub(crate) fn start(apps: &[(&str, impl AsRef<Path>)], config: &str) -> Self {
        Self::start_with(apps, config, None)
    }

    /// The same with another program as the broker.
    pub(crate) fn start_with(apps: &[(&str, impl AsRef<Path>)], config: &str, program: Option<&Path>) -> Self {
        let dir = tempfile::Builder::new().prefix("bgtask-bench").tempdir().expect("a folder");
        for folder in ["root/apps", "sys/etc", "sys/proc/net"] {
            std::fs::create_dir_all(dir.path().join(folder)).expect("a folder");
        }
        // No route: the machine is offline.
        std::fs::write(dir.path().join("sys/proc/net/route"), "Iface\tDestination\n").expect("a route table");
        for (app, program) in apps {
            let program = program.as_ref();
            let manifest = format!(
                "[app]\nid = {app:?}\nversion = \"1\"\nexecutable = {program:?}\n\
                 capabilities = [\"pushNotifications\"]\n\
                 [[task]]\nentry_point = \"Bench.Task\"\ntypes = [\"systemEvent\", \"timer\", \"pushNotification\"]\n"
            );
            std::fs::write(dir.path().join("root/apps").join(format!("{app}.toml")), manifest).expect("a manifest");
        }
        std::fs::write(dir.path().join("root/config.toml"), config).expect("a configuration");
        let program = program.map_or_else(|| env!("CARGO_BIN_EXE_bgtaskd").into(), |other| install(other, dir.path()));
        let process = spawn(&program, dir.path());
        let mut broker = Self { dir, program, process };
        broker.wait_until_it_answers();
        broker
    }

    /// Kills the broker and starts it again on the same state; answers how long it took until it answered.
    pub(crate) fn restart(&mut self) -> Duration {
        self.end();
        let begin = Instant::now();
        self.process = spawn(&self.program, self.dir.path());
        self.wait_until_it_answers();
        begin.elapsed()
    }

    /// Writes a zone that is always so many seconds east of UTC; answers its path below the system's root.
    pub(crate) fn zone(&self, name: &str, offset: i32) -> PathBuf {
        let path = self.dir.path().join("sys/usr/share/zoneinfo").join(name);
        std::fs::create_dir_all(path.parent().expect("below the root")).expect("a folder");
        std::fs::write(&path, fixed_zone(offset)).expect("a zone");
        Path::new("/usr/share/zoneinfo").join(name)
    }

    /// Replaces the link as `timedatectl set-timezone` does.
    pub(crate) fn change_zone(&self, zone: &Path) {
        let etc = self.dir.path().join("sys/etc");
        std::os::unix::fs::symlink(zone, etc.join("new")).expect("a link");
        std::fs::rename(etc.join("new"), etc.join("localtime")).expect("a rename");
    }

    /// The pipe in an app's data folder to which its task writes.
    pub(crate) fn first_line(&self, app: &str) -> std::fs::File {
        let folder = self.root().join("data").join(app);
        std::fs::create_dir_all(&folder).expect("a folder");
        let path = folder.join("first-line");
        let mode = rustix::fs::Mode::from_raw_mode(0o600);
        rustix::fs::mknodat(rustix::fs::CWD, &path, rustix::fs::FileType::Fifo, mode, 0).expect("a pipe");
        std::fs::File::options().read(true).write(true).open(path).expect("the pipe")
    }

    /// The folder everything of this broker is below.
    pub(crate) fn root(&self) -> PathBuf {
        self.dir.path().join("root")
    }

    /// A new connection.
    pub(crate) async fn connect(&self) -> BrokerProxy<'static> {
        connect(&self.root().join("run/broker")).await
    }

    /// A number out of `/proc/PID/status`.
    pub(crate) fn status(&self, field: &str) -> u64 {
        let path = format!("/proc/{}/status", self.process.id());
        let status = std::fs::read_to_string(path).expect("it runs");
        let line = status.lines().find_map(|line| line.strip_prefix(field)).expect("the field");
        line.trim_start_matches(':').split_whitespace().next().and_then(|n| n.parse().ok()).expect("a number")
    }

    /// How many descriptors it has: asking it would cost it more than the kernel.
    pub(crate) fn open_files(&self) -> usize {
        std::fs::read_dir(format!("/proc/{}/fd", self.process.id())).expect("it runs").count()
    }

    /// The processor time it has used so far.
    pub(crate) fn cpu(&self) -> Duration {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.process.id())).expect("it runs");
        let fields: Vec<_> = stat.rsplit(')').next().expect("after its name").split_whitespace().collect();
        let ticks: u64 = fields[11..=12].iter().map(|field| field.parse::<u64>().expect("ticks")).sum();
        Duration::from_millis(ticks * 1_000 / rustix::param::clock_ticks_per_second())
    }

    fn wait_until_it_answers(&mut self) {
        let socket = self.root().join("run/broker");
        let begin = Instant::now();
        while UnixStream::connect(&socket).is_err() {
            assert!(begin.elapsed() < Duration::from_secs(20), "the broker does not come up");
            assert!(self.process.try_wait().expect("a child").is_none(), "the broker ended");
            std::thread::sleep(Duration::from_micros(500));
        }
    }

    fn end(&mut self) {
        let _gone = self.process.kill();
        let _reaped = self.process.wait();
    }
}

/// Programs of apps under paths that are not this program's, so that it acts for the user and not for one of them.
pub(crate) struct Programs(TempDir);

impl Programs {
    pub(crate) fn new() -> Self {
        let dir = tempfile::Builder::new().prefix("bgtask-bench").tempdir().expect("a folder");
        std::fs::copy(std::env::current_exe().expect("its own path"), dir.path().join("task")).expect("a copy");
        Self(dir)
    }

    pub(crate) fn install<'a>(&self, apps: &'a [String]) -> Vec<(&'a str, PathBuf)> {
        apps.iter().map(|app| (app.as_str(), self.0.path().join("task"))).collect()
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        self.end();
    }
}

/// Puts another program in the broker's place, with a launcher beside it.
fn install(program: &Path, dir: &Path) -> PathBuf {
    let bin = dir.join("bin");
    std::fs::create_dir_all(&bin).expect("a folder");
    std::fs::copy(program, bin.join("bgtaskd")).expect("a copy");
    std::fs::copy(env!("CARGO_BIN_EXE_bgtask-launcher"), bin.join("bgtask-launcher")).expect("a copy");
    bin.join("bgtaskd")
}

/// A time-zone file (RFC 9636, version 2) of one type and no transition.
fn fixed_zone(offset: i32) -> Vec<u8> {
    let counts = [0_u32, 0, 0, 0, 1, 4];
    let mut block = [b"TZif2".as_slice(), &[0; 15]].concat();
    block.extend(counts.iter().flat_map(|count| count.to_be_bytes()));
    block.extend(offset.to_be_bytes());
    block.extend([0, 0]);
    block.extend(b"FIX\0");
    let (sign, hours) = if offset < 0 { ("", -offset / 3_600) } else { ("-", offset / 3_600) };
    [block.clone(), block, format!("\n<FIX>{sign}{hours}\n").into_bytes()].concat()
}

fn spawn(program: &Path, dir: &Path) -> Child {
    Command::new(program)
        .args(["--log", "error", "--root"])
        .arg(dir.join("root"))
        .arg("--sysroot")
        .arg(dir.join("sys"))
        .stdin(Stdio::null())
        .spawn()
        .expect("bgtaskd")
}

/// A new connection to the broker at this socket.
pub(crate) async fn connect(socket: &Path) -> BrokerProxy<'static> {
    let socket = PeerSocket::connect(socket).await.expect("the broker listens");
    let connection = zbus::connection::Builder::socket(socket).p2p();
    BrokerProxy::new(&connection.build().await.expect("a connection")).await.expect("a proxy")
}

/// What the disk asks for one commit, whoever writes it.
pub(crate) fn durable_append() -> Duration {
    let mut file = tempfile::tempfile().expect("a file");
    let page = [b'x'; 12 * 1024];
    let mut times = Vec::new();
    for _ in 0..ROUNDS {
        std::thread::sleep(GAP);
        let begin = Instant::now();
        file.write_all(&page).and_then(|()| file.sync_data()).expect("durable");
        times.push(begin.elapsed());
    }
    median(times)
}

/// Nanoseconds on the clock that all processes share.
pub(crate) fn monotonic() -> u64 {
    let now = clock_gettime(ClockId::Monotonic);
    u64::try_from(now.tv_sec * 1_000_000_000 + now.tv_nsec).expect("after boot")
}

/// The middle one.
pub(crate) fn median(mut values: Vec<Duration>) -> Duration {
    values.sort();
    values[values.len() / 2]
}

/// `a / b`
pub(crate) fn ratio(a: Duration, b: Duration) -> f64 {
    a.as_secs_f64() / b.as_secs_f64()
}

pub(crate) fn millis(time: Duration) -> String {
    format!("{:.3} ms", time.as_secs_f64() * 1e3)
}

/// One line of a table.
pub(crate) fn row(what: &str, measured: &str, against: &str, target: &str) {
    println!("{what:<58} {measured:>14}   {against:<34} {target}");
}
