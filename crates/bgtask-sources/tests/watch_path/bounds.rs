//! What is too much.

use std::fs;
use std::time::Duration;

use bgtask_sources::ChangeKind::{Created, Written};
use bgtask_sources::{MAX_PATH_CHANGES, MAX_PATH_FOLDERS, PathEvents, PathSpec, Status};

use crate::scene::{Scene, recursive, spec};

/// All that is made in one go comes in one burst, however busy the machine is.
const SETTLE: Duration = Duration::from_secs(1);

/// Whoever does not read keeps nobody waiting: what exceeds the bound is counted.
#[tokio::test]
async fn of_too_many_changes_the_first_are_kept_and_the_rest_counted() {
    let scene = Scene::new();
    scene.make("in");
    let on = PathEvents::CREATED;
    let mut inbox = scene.watch(PathSpec { on, settle: SETTLE, ..spec("/in") }).await;
    let more = 8;
    for n in 0..MAX_PATH_CHANGES + more {
        fs::File::create(scene.path(format!("in/{n}"))).unwrap();
    }
    let burst = inbox.burst().await;
    assert_eq!((burst.changes.len(), burst.lost), (MAX_PATH_CHANGES, more as u64));
    let last = format!("/in/{}", MAX_PATH_CHANGES - 1);
    assert_eq!(burst.changes.last().unwrap().path.to_str(), Some(last.as_str()));
    scene.write("in/next");
    inbox.expect(&[(Created, "/in/next")]).await;
}

/// The kernel's own queue is full while nobody reads it: this thread makes the changes and is the one that would.
#[tokio::test]
async fn what_the_kernel_dropped_is_marked_and_new_folders_are_found() {
    let queue: usize = fs::read_to_string("/proc/sys/fs/inotify/max_queued_events").unwrap().trim().parse().unwrap();
    if queue > 1 << 20 {
        return println!("SKIPPED: the kernel's queue holds {queue} events here");
    }
    let scene = Scene::new();
    scene.make("in/gone/deep");
    let mut inbox = scene.watch(PathSpec { settle: SETTLE, ..recursive("/in") }).await;
    scene.write("in/0");
    scene.write("in/1");
    // To close is an event; that nothing was written spares the disk.
    for n in 0..=queue {
        drop(fs::File::options().write(true).open(scene.path(format!("in/{}", n % 2))).unwrap());
    }
    scene.make("in/new/deep");
    scene.write("in/new/deep/file");
    scene.remove("in/gone");
    let burst = inbox.burst().await;
    assert_eq!(burst.changes.len(), MAX_PATH_CHANGES);
    assert!(burst.lost > (queue - MAX_PATH_CHANGES) as u64, "{}", burst.lost);
    scene.write("in/new/deep/later");
    let path = "/in/new/deep/later";
    inbox.expect(&[(Created, path), (Written, path)]).await;
    scene.make("in/gone/deep");
    inbox.expect_in_any_order(&[(Created, "/in/gone"), (Created, "/in/gone/deep")]).await;
}

#[tokio::test]
async fn of_too_many_folders_the_rest_is_said_not_to_be_seen_until_there_is_room() {
    let scene = Scene::new();
    // With the watched folder itself, as many as may be.
    for n in 1..MAX_PATH_FOLDERS {
        fs::create_dir_all(scene.path(format!("in/{n}"))).unwrap();
    }
    let mut inbox = scene.watch(PathSpec { settle: SETTLE, ..recursive("/in") }).await;
    assert_eq!(inbox.first_status, Status::Available { how: "inotify".into() });
    scene.make("in/beyond");
    let Status::Degraded { why, help, .. } = inbox.status().await else { panic!("must be degraded") };
    assert_eq!(why, format!("/in has more than {MAX_PATH_FOLDERS} folders: what happens in the rest is not seen"));
    assert_eq!(help, "watch a folder with fewer folders in it");
    scene.remove("in/1");
    assert_eq!(inbox.status().await, Status::Available { how: "inotify".into() });
    scene.write("in/beyond/file");
    inbox.until((Written, "/in/beyond/file")).await;
}
