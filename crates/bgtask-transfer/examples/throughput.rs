//! How fast a large file is fetched, and with how much memory: the engine in a process of its own, side by side with curl.
//!
//! ```text
//! cargo run --release -p bgtask-transfer --example throughput -- [MIB]
//! ```

#[path = "../tests/flawed/mod.rs"]
mod flawed;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use bgtask_transfer::{End, Folder, Kind, Order, Settings, TransferId, carry};
use flawed::{Content, Server};

const ROUNDS: usize = 5;

fn main() {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    match arguments.as_slice() {
        [folder, id] => engine(Path::new(folder), id.parse().expect("an id")),
        [mib] => compare(mib.parse().expect("a number of MiB")),
        _ => compare(1_024),
    }
}

/// The engine, as the worker runs it.
fn engine(folder: &Path, id: TransferId) {
    let folder = Folder::new(folder);
    let order = folder.get(id).expect("its order").order;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let end = runtime.block_on(carry(&order, &folder, &Settings::default(), &mut |_| {}, std::future::pending()));
    assert_eq!(end, End::Completed);
    println!("{}", status("VmHWM:"));
}

fn compare(mib: u64) {
    let server = Server::start(Content { len: mib << 20, seed: 3 });
    let temp = tempfile::tempdir().expect("a folder");
    let (mut ours, mut curls, mut memory) = (Vec::new(), Vec::new(), 0);
    for _ in 0..ROUNDS {
        let (seconds, peak) = fetch(&server.uri("/large"), temp.path());
        ours.push(seconds);
        memory = memory.max(peak);
        curls.extend(curl(&server.uri("/large"), &temp.path().join("curl")));
    }
    let rate = |times: &mut Vec<f64>| {
        times.sort_by(f64::total_cmp);
        times.get(times.len() / 2).map(|seconds| mib as f64 / seconds)
    };
    let (ours, curls) = (rate(&mut ours).expect("it ran"), rate(&mut curls));
    println!("{mib} MiB: {ours:.0} MiB/s, at most {memory} KiB resident");
    if let Some(curls) = curls {
        println!("curl: {curls:.0} MiB/s; ratio {:.2}", ours / curls);
    }
}

fn fetch(uri: &str, temp: &Path) -> (f64, u64) {
    let folder = Folder::new(temp.join("state"));
    let order = Order::new(Kind::Download, "org.example.Photos", uri, temp.join("ours"));
    folder.put(&order).expect("it is kept");
    let own = std::env::current_exe().expect("this program");
    let began = Instant::now();
    let output = Command::new(own).arg(temp.join("state")).arg(order.id.to_string()).output().expect("it runs");
    let seconds = began.elapsed().as_secs_f64();
    assert!(output.status.success(), "{output:?}");
    (seconds, String::from_utf8_lossy(&output.stdout).trim().parse().expect("its memory"))
}

fn curl(uri: &str, file: &PathBuf) -> Option<f64> {
    let began = Instant::now();
    let fetched = Command::new("curl").args(["-s", "-o"]).arg(file).arg(uri).status().ok()?;
    fetched.success().then(|| began.elapsed().as_secs_f64())
}

/// A number of `/proc/self/status`, in KiB.
fn status(name: &str) -> u64 {
    let text = std::fs::read_to_string("/proc/self/status").expect("it is there");
    let line = text.lines().find_map(|line| line.strip_prefix(name)).expect("it is told");
    line.trim().trim_end_matches(" kB").parse().expect("a number")
}
