//! How soon a path watch tells of a change, beside inotify itself: `cargo run --release -p bgtask-sources --example path_latency`
//!
//! Both are read on one thread by one runtime, as in the broker. Each change is one file made in a watched folder.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use bgtask_sources::{PathEvents, PathReport, PathSpec, World, watch_path};
use rustix::fs::inotify::{CreateFlags, WatchFlags, add_watch, init};
use tokio::sync::mpsc;

const CHANGES: usize = 2000;

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let root = tempfile::tempdir().expect("a temporary folder");
    let bare = by_inotify(&root.path().join("bare"));
    println!("inotify itself             {bare}");
    for others in [0, 1000] {
        let ours = by_watch(root.path(), others).await;
        println!("a watch beside {others:>4} others  {ours}");
    }
    fifty(root.path()).await;
}

/// The floor: a thread that waits in `read`.
fn by_inotify(folder: &Path) -> Times {
    fs::create_dir(folder).expect("a folder");
    let inotify = init(CreateFlags::CLOEXEC).expect("inotify");
    add_watch(&inotify, folder, WatchFlags::CREATE).expect("a watch");
    let (sender, heard) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let mut buffer = [0u8; 4096];
        while rustix::io::read(&inotify, &mut buffer).is_ok_and(|length| length > 0) {
            if sender.send(Instant::now()).is_err() {
                return;
            }
        }
    });
    Times::of((0..CHANGES).map(|n| {
        let made = make(folder, n);
        heard.recv().expect("an event").duration_since(made)
    }))
}

async fn by_watch(root: &Path, others: u128) -> Times {
    let world = World::new(root);
    let (sender, mut reports) = mpsc::channel(64);
    let watch = |key, path: String| {
        let spec = PathSpec { path: path.into(), recursive: false, on: PathEvents::CREATED, settle: Duration::ZERO };
        watch_path(key, spec, &world, sender.clone())
    };
    let folder = root.join(format!("beside{others}"));
    fs::create_dir(&folder).expect("a folder");
    let _ours = watch(0, format!("/beside{others}"));
    let _others: Vec<_> = (1..=others).map(|n| watch(n, format!("/others/{n}"))).collect();
    for _ in 0..=others {
        reports.recv().await.expect("a status");
    }
    let (makes, mut made) = mpsc::channel(1);
    let (go, next) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        for n in 0..CHANGES {
            std::thread::sleep(Duration::from_micros(200));
            let _ = makes.blocking_send(make(&folder, n));
            let _: Result<(), _> = next.recv();
        }
    });
    let mut times = Vec::new();
    while times.len() < CHANGES {
        if let Some((_, PathReport::Burst(_))) = reports.recv().await {
            let heard = Instant::now();
            times.push(heard.saturating_duration_since(made.recv().await.expect("when it was made")));
            let _ = go.send(());
        }
    }
    Times::of(times.into_iter())
}

/// Fifty changes half a millisecond apart.
async fn fifty(root: &Path) {
    let (sender, mut reports) = mpsc::channel(64);
    let spec = PathSpec { path: "/fifty".into(), recursive: false, on: PathEvents::CREATED, settle: Duration::ZERO };
    let folder = root.join("fifty");
    fs::create_dir(&folder).expect("a folder");
    let _watching = watch_path(1, spec, &World::new(root), sender);
    reports.recv().await.expect("a status");
    std::thread::spawn(move || {
        for n in 0..50 {
            make(&folder, n);
            std::thread::sleep(Duration::from_micros(500));
        }
    });
    let (mut listed, mut bursts) = (0, 0);
    while listed < 50 {
        if let Some((_, PathReport::Burst(burst))) = reports.recv().await {
            (listed, bursts) = (listed + burst.changes.len(), bursts + 1);
        }
    }
    println!("fifty changes              {listed} listed in {bursts} bursts");
}

/// When it was begun.
fn make(folder: &Path, n: usize) -> Instant {
    let begun = Instant::now();
    fs::File::create(folder.join(n.to_string())).expect("a file");
    begun
}

struct Times(Vec<Duration>);

impl Times {
    fn of(times: impl Iterator<Item = Duration>) -> Self {
        let mut times: Vec<_> = times.collect();
        times.sort();
        Self(times)
    }
}

impl std::fmt::Display for Times {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let at = |percent: usize| self.0[(self.0.len() - 1) * percent / 100];
        write!(f, "median {:>9.1?}  p99 {:>9.1?}  worst {:>9.1?}", at(50), at(99), at(100))
    }
}
