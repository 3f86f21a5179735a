//! Apps that take more than they may (`examples/greedy_tasks.rs`): how each is suspended, told to stop or ended, for real.

mod harness;

use std::fs;
use std::io::Read as _;
use std::net::{IpAddr, SocketAddr, TcpListener, UdpSocket};

use harness::{Broker, Home, New, SAMPLE, User, example, skipped};

/// Nothing ends for another reason than the one a test is about.
const PATIENT: &str = "wall_budget_seconds = 600\nidle_after_seconds = \"never\"\npool = \"conservative\"\n";

const ENTRY_POINTS: [&str; 4] = ["Greedy.Spins", "Greedy.Hogs", "Greedy.Breeds", "Greedy.Sends"];

async fn begin(config: &str) -> (Home, Broker, User) {
    let home = Home::new();
    home.configure(&format!("{PATIENT}{config}"));
    let program = example("greedy_tasks");
    let mut manifest = format!(
        "[app]\nid = {SAMPLE:?}\nversion = \"1\"\nexecutable = \"/no/such/program\"\ncapabilities = [\"internetClient\"]\n"
    );
    for entry in ENTRY_POINTS {
        manifest +=
            &format!("[[task]]\nentry_point = {entry:?}\ntypes = [\"systemEvent\"]\nexecutable = {program:?}\n");
    }
    fs::write(home.manifest(SAMPLE), manifest).unwrap();
    let broker = home.start().await;
    let user = broker.user().await;
    (home, broker, user)
}

/// Registers a task and lets it run.
async fn run(home: &Home, user: &User, entry: &str) -> String {
    let task = user.ready(New { name: entry, entry, ..New::default() }).await;
    home.world.zone("Asia/Tokyo");
    task
}

/// POL-1, Q-1: an app stands still when it has used its processor time, not much earlier or later, and can be ended then.
#[tokio::test]
async fn a_spinner_is_suspended_when_its_budget_is_used_up() {
    let (home, _broker, user) = begin("cpu_budget_seconds = 2\n").await;
    let task = run(&home, &user, "Greedy.Spins").await;
    let line = user.line(&task, "suspended", 1).await;
    assert!(line.text.contains("processor time"), "{}", line.text);
    let process = user.broker.get_task(&task).await.unwrap().progress.expect("it said who it is");
    let used = processor_time(process);
    println!("suspended after {used} ms of processor time");
    // To a clock tick each of its own and the kernel's time, and what a busy machine keeps the broker waiting.
    assert!((1_970..2_500).contains(&used), "a budget of 2 s, suspended after {used} ms");
    user.broker.unregister(&task, true).await.unwrap();
    let line = user.line(&task, "completed", 1).await;
    assert!(line.text.contains("Abort"), "it is released to hear that it has to stop: {}", line.text);
}

/// POL-2: an app goes on with its next window, and its task hears how often it was suspended, and for want of what.
#[tokio::test]
async fn a_spinner_is_released_with_the_next_window() {
    // A window is enough for a tenth of a second of a processor on any machine.
    let (home, _broker, user) = begin("cpu_budget_seconds = 1\nbudget_window_seconds = 5\n").await;
    home.world.set_policy("10-less.toml", "[budget]\ndefault = 10\n");
    let task = run(&home, &user, "Greedy.Spins").await;
    let suspended = user.line(&task, "suspended", 1).await;
    assert!(user.line(&task, "released", 1).await.at > suspended.at);
    succeeds(&user, &task).await;
}

/// A task that heard that it was suspended, and for want of what.
async fn succeeds(user: &User, task: &str) {
    let line = user.line(task, "completed", 1).await;
    assert!(line.text.starts_with("succeeded"), "{}", line.text);
}

/// Of a process and its threads, in milliseconds.
fn processor_time(process: u32) -> u64 {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).expect("it is suspended, not dead");
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap().split_ascii_whitespace().collect();
    fields[11..13].iter().map(|ticks| ticks.parse::<u64>().unwrap() * 10).sum()
}

/// the memory of a host is bounded: the kernel ends it, or the broker tells its task to stop.
#[tokio::test]
async fn a_hog_loses_its_task() {
    let (home, _broker, user) = begin("memory_mib = 64\n").await;
    let task = run(&home, &user, "Greedy.Hogs").await;
    let line = user.line(&task, "completed", 1).await;
    let watched = line.text.contains("ResourceRevocation");
    let kept = line.text.contains("signal 9");
    assert!(watched || kept, "{}", line.text);
}

/// a host that has become a crowd is ended with all of it. Where the kernel keeps it small, it never becomes one.
#[tokio::test]
async fn a_breeder_is_ended_or_kept_small() {
    let (home, _broker, user) = begin("max_processes = 40\ncancel_grace_seconds = 1\n").await;
    let task = run(&home, &user, "Greedy.Breeds").await;
    harness::eventually("it is ended, or has what it may", async || {
        let ended = user.words(&task).await.ends_with("completed");
        let info = user.broker.get_task(&task).await.ok()?;
        (ended || info.progress.is_some_and(|children| children < 40)).then_some(())
    })
    .await;
    if user.words(&task).await.ends_with("completed") {
        let line = user.line(&task, "completed", 1).await;
        assert!(line.text.contains("ResourceRevocation"), "{}", line.text);
        let log = home.log();
        assert!(log.contains("processes and threads, the most is 40"), "{log}");
    }
}

/// an app that has sent what it may stands still until its window ends.
#[tokio::test]
async fn a_sender_is_suspended_until_the_next_window() {
    let Some(address) = outside() else { return skipped("this machine has no network") };
    let (home, _broker, user) = begin("network_budget_mib = 1\nbudget_window_seconds = 5\n").await;
    let listener = TcpListener::bind((address, 0)).unwrap();
    let to = listener.local_addr().unwrap().to_string();
    let reader = std::thread::spawn(move || {
        let (mut peer, _) = listener.accept().unwrap();
        let mut bytes = [0; 1 << 16];
        while peer.read(&mut bytes).is_ok_and(|read| read > 0) {}
    });
    fs::create_dir_all(home.data(SAMPLE)).unwrap();
    bgtask::ApplicationDataContainer::open(home.data(SAMPLE)).unwrap().set("To", to).unwrap();
    let task = run(&home, &user, "Greedy.Sends").await;
    let line = user.line(&task, "suspended", 1).await;
    assert!(line.text.contains("network"), "{}", line.text);
    user.line(&task, "released", 1).await;
    succeeds(&user, &task).await;
    reader.join().unwrap();
}

/// An address of this machine that is not its loopback's.
fn outside() -> Option<IpAddr> {
    ["192.0.2.1:9", "[2001:db8::1]:9"].into_iter().find_map(|far| {
        let far: SocketAddr = far.parse().unwrap();
        let socket = UdpSocket::bind(if far.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" }).ok()?;
        socket.connect(far).ok()?;
        Some(socket.local_addr().ok()?.ip())
    })
}
