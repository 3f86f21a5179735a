//! A task that tries to get out: one attempt at each wall, and then what an ordinary task does. A line for each.

use std::fs;
use std::io::{self, Read as _, Write as _};
use std::net::{TcpStream, UdpSocket};
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::net::{SocketAddr, UnixListener, UnixStream};
use std::path::Path;
use std::process::{Command, Stdio};

use rustix::process::{Pid, PidfdFlags, Signal, kill_process, pidfd_open};

/// More than a task may have, and few enough for a machine on which nothing stops them.
const BOMB: usize = 150;

/// More than its own `/tmp` holds.
const FLOOD_MEBIBYTES: usize = 80;

pub(crate) fn escape(world: &Path, victim: i32, port: u16) {
    read_and_write(world, victim);
    connect(world, port);
    meddle(victim);
    work(world);
    // Last: where nothing stops it, little else can start.
    held("a fork bomb", bomb());
    daemonize(port);
    println!("done");
    let _until_it_is_killed = io::stdin().read_to_end(&mut Vec::new());
    std::thread::sleep(std::time::Duration::from_secs(600));
}

fn read_and_write(world: &Path, victim: i32) {
    held("read ~/.ssh", fs::read(world.join("home/.ssh/id")));
    held("list the home folder", fs::read_dir(world.join("home/.ssh")));
    held("open the broker's store", fs::File::open(world.join("state/store")));
    held("read another app's data", fs::read(world.join("data/other/secret")));
    held("write a declared folder that is only read", fs::write(world.join("home/Pictures/new"), ""));
    held("write the system", fs::write("/etc/bgtask-escape", ""));
    held("change its own program", fs::File::options().append(true).open(std::env::current_exe().unwrap()));
    // It may find a file system of its own there: whoever looks afterwards sees whether it was this one.
    let _of_its_own = fs::create_dir_all(world.join("home")).and_then(|()| fs::write(world.join("home/.profile"), ""));
    for file in ["environ", "mem", "maps"] {
        let read = fs::File::open(format!("/proc/{victim}/{file}")).and_then(|mut file| file.read(&mut [0; 1]));
        held(&format!("look into another task: {file}"), read);
    }
    for link in ["root", "cwd", "exe", "fd/0"] {
        held(&format!("look into another task: {link}"), fs::read_link(format!("/proc/{victim}/{link}")));
    }
    held("leave its cgroup", fs::write("/sys/fs/cgroup/cgroup.procs", "0"));
    held("change the kernel", fs::write("/proc/sys/kernel/core_pattern", "|/tmp/x"));
    held("fill the disk's /tmp", flood(world));
}

/// Its own `/tmp` is bounded, and what it writes there is nowhere else.
fn flood(world: &Path) -> io::Result<()> {
    let mut file = fs::File::create("/tmp/flood")?;
    let written = (0..FLOOD_MEBIBYTES).try_for_each(|_| file.write_all(&[1; 1 << 20]));
    let _room_again = fs::remove_file("/tmp/flood");
    fs::write("/tmp/mine", "")?;
    written.and_then(|()| fs::metadata(world).map(drop))
}

fn connect(world: &Path, port: u16) {
    held("connect to loopback", TcpStream::connect(("127.0.0.1", port)));
    held("connect out", TcpStream::connect(("192.0.2.1", 80)));
    held("send a datagram", UdpSocket::bind("0.0.0.0:0").and_then(|socket| socket.send_to(b"x", ("127.0.0.1", port))));
    held("reach another task's socket", UnixStream::connect(world.join("data/other/socket")));
    held("reach a socket in /tmp", UnixStream::connect(world.join("loose")));
    let name = SocketAddr::from_abstract_name(format!("bgtask-escape-{port}")).unwrap();
    held("reach an abstract socket", UnixStream::connect_addr(&name));
}

fn meddle(victim: i32) {
    let broker = rustix::process::getppid().unwrap_or(Pid::from_raw(victim).unwrap());
    held("signal the broker", kill_process(broker, Signal::CONT));
    let victim = Pid::from_raw(victim).unwrap();
    held("signal another task", kill_process(victim, Signal::CONT));
    let number = victim.as_raw_nonzero();
    held("trace another task", perl(&format!("syscall(101, 16, {number}, 0, 0)")));
    let descriptor = pidfd_open(victim, PidfdFlags::empty())
        .and_then(|pidfd| rustix::process::pidfd_getfd(pidfd, 0, rustix::process::PidfdGetfdFlags::empty()));
    held("take a descriptor of another task", descriptor);
    held("mount", perl("syscall(165, \"none\", \"/tmp\", \"tmpfs\", 0, 0)"));
    held("make a user namespace", perl("syscall(272, 0x10000000)"));
    held("make one by clone", perl("syscall(56, 0x10000000 | 17, 0, 0, 0, 0)"));
    held("change its root", perl("syscall(161, \"/tmp\")"));
    held("use io_uring", perl("syscall(425, 1, 0)"));
    held("load a program into the kernel", perl("syscall(321, 0, 0, 0)"));
    held("make a call by its other number", perl("syscall(0x40000000 | 39)"));
    held(
        "become root",
        Command::new("/bin/sh").args(["-c", "test $(id -u) = 0 && chown 1:1 /tmp/mine"]).status().and_then(succeeds),
    );
}

/// By number, on the one architecture whose numbers these are: there is no safe way to make such calls from here.
fn perl(call: &str) -> io::Result<()> {
    if !cfg!(target_arch = "x86_64") {
        return Err(io::ErrorKind::Unsupported.into());
    }
    let script = format!("exit({call} < 0 ? 1 : 0)");
    Command::new("perl").args(["-e", &script]).stderr(Stdio::null()).status().and_then(succeeds)
}

fn succeeds(status: std::process::ExitStatus) -> io::Result<()> {
    if status.success() { Ok(()) } else { Err(io::Error::other(status.to_string())) }
}

/// Succeeds if as many processes as it wants can be there at a time.
fn bomb() -> io::Result<()> {
    let mut children = Vec::new();
    let mut last = Ok(());
    for _ in 0..BOMB {
        match Command::new("/bin/sleep").arg("60").stdin(Stdio::null()).spawn() {
            Ok(child) => children.push(child),
            Err(error) => {
                last = Err(error);
                break;
            }
        }
    }
    for mut child in children {
        let _ended = child.kill().and_then(|()| child.wait());
    }
    last
}

/// A grandchild that nobody waits for, in a session of its own if it can.
fn daemonize(port: u16) {
    let sleep = format!("sleep 777.{port}");
    let script = format!("(setsid {sleep} || {sleep}) >/dev/null 2>&1 &");
    let started = Command::new("/bin/sh").args(["-c", &script]).stdin(Stdio::null()).status();
    works("leave a daemon", started.and_then(succeeds));
}

/// What every task may do.
fn work(world: &Path) {
    let data = world.join("data/own");
    works(
        "write its own data",
        fs::write(data.join("file"), "x").and_then(|()| fs::rename(data.join("file"), data.join("kept"))),
    );
    works("lock and list its own data", fs::read_dir(&data));
    works("read a declared folder", fs::read(world.join("home/Pictures/picture")));
    works("write a declared folder", fs::write(world.join("home/Downloads/new"), "x"));
    works("use its own /tmp", fs::write("/tmp/x", "x").and_then(|()| fs::read("/tmp/x")));
    works("reach the broker", UnixStream::connect(world.join("run/broker")));
    works("read the time zone", fs::metadata("/usr/share/zoneinfo").and_then(|_| fs::metadata("/etc")));
    works(
        "run programs",
        Command::new("/bin/sh").args(["-c", "echo hello | grep -q hello"]).status().and_then(succeeds),
    );
    works("read its own program", fs::read(std::env::current_exe().unwrap()));
    works("know itself", fs::read_to_string("/proc/self/status"));
    works("use its channel", rustix::io::fcntl_getfd(channel()));
    works(
        "have sockets of its own",
        UnixListener::bind(data.join("socket")).and_then(|_| UnixStream::connect(data.join("socket"))),
    );
    works("use threads", std::thread::spawn(|| ()).join().map_err(|_| io::Error::other("it panicked")));
    works("write to /dev/null", fs::write("/dev/null", "x"));
    works(
        "signal its own",
        Command::new("/bin/sleep").arg("60").spawn().and_then(|mut child| child.kill().and_then(|()| child.wait())),
    );
}

fn channel() -> std::os::fd::OwnedFd {
    fs::File::open("/proc/self/fd").map(Into::into).unwrap()
}

fn held<T>(what: &str, tried: Result<T, impl std::fmt::Display>) {
    match tried {
        Ok(_) => println!("BROKEN {what}"),
        Err(error) => println!("held {what}: {error}"),
    }
}

fn works<T>(what: &str, tried: Result<T, impl std::fmt::Display>) {
    match tried {
        Ok(_) => println!("works {what}"),
        Err(error) => println!("FAILS {what}: {error}"),
    }
}
