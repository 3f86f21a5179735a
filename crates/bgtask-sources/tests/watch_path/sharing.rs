//! Many watches, one reader.

use std::collections::BTreeMap;
use std::fs;
use std::time::Duration;

use bgtask_sources::ChangeKind::{Created, Deleted, Written};
use bgtask_sources::{PathReport, watch_path};
use tokio::sync::mpsc;
use tokio::time::timeout;

use crate::common::DEADLINE;
use crate::scene::{Scene, recursive, spec};

/// inotify instances of this process. Each test is a thread of it, so only what a watch of this test adds is counted where
/// it matters, by a number that no other test comes near.
fn instances() -> usize {
    let links = fs::read_dir("/proc/self/fd").unwrap().flatten().filter_map(|fd| fs::read_link(fd.path()).ok());
    links.filter(|link| link.to_str().is_some_and(|link| link.contains("inotify"))).count()
}

/// A kernel gives a user 128 inotify instances.
#[tokio::test]
async fn a_thousand_watches_share_one_inotify_instance() {
    const WATCHES: u128 = 1000;
    let scene = Scene::new();
    scene.make("in");
    let (sender, mut reports) = mpsc::channel(16);
    let start = |n| watch_path(n, spec(&format!("/in/{n}")), &scene.world, sender.clone());
    let watches: Vec<_> = (0..WATCHES).map(start).collect();
    let mut next = async || timeout(DEADLINE, reports.recv()).await.expect("nothing is said").unwrap();
    for _ in 0..WATCHES {
        assert!(matches!(next().await, (_, PathReport::Status(_))));
    }
    assert!(instances() < 128, "{}", instances());
    for n in 0..WATCHES {
        scene.write(&format!("in/{n}"));
    }
    let mut told = BTreeMap::new();
    while told.values().sum::<usize>() < WATCHES as usize * 2 {
        if let (n, PathReport::Burst(burst)) = next().await {
            assert!(burst.changes.iter().all(|change| change.path.to_str() == Some(&format!("/in/{n}"))));
            *told.entry(n).or_default() += burst.changes.len();
        }
    }
    assert!(told.len() == WATCHES as usize && told.values().all(|changes| *changes == 2));
    drop(watches);
}

/// What one of them asks for does not change what the others hear.
#[tokio::test]
async fn a_folder_can_be_watched_twice_and_be_on_the_way_of_a_third() {
    let scene = Scene::new();
    scene.make("in/sub");
    let mut plain = scene.watch(spec("/in")).await;
    let mut tree = scene.watch(recursive("/in")).await;
    let mut file = scene.watch(spec("/in/sub/file")).await;
    scene.write("in/sub/file");
    tree.expect(&[(Created, "/in/sub/file"), (Written, "/in/sub/file")]).await;
    file.expect(&[(Created, "/in/sub/file"), (Written, "/in/sub/file")]).await;
    scene.write("in/top");
    plain.expect(&[(Created, "/in/top"), (Written, "/in/top")]).await;
    tree.expect(&[(Created, "/in/top"), (Written, "/in/top")]).await;
    drop(tree);
    scene.write("in/sub/file");
    file.expect(&[(Written, "/in/sub/file")]).await;
    scene.remove("in/top");
    plain.expect(&[(Deleted, "/in/top")]).await;
    assert!(plain.reports.is_empty() && file.reports.is_empty());
}

#[tokio::test]
async fn the_last_watch_closes_the_instance_and_the_next_opens_one() {
    let scene = Scene::new();
    scene.make("in");
    for _ in 0..10 {
        let mut inbox = scene.watch(spec("/in")).await;
        scene.write("in/file");
        inbox.until((Written, "/in/file")).await;
        drop(inbox);
    }
}

/// Who does not read what is said keeps the others from nothing.
#[tokio::test]
async fn a_watch_that_nobody_reads_harms_no_other() {
    let scene = Scene::new();
    scene.make("in");
    let (sender, mut full) = mpsc::channel(1);
    let _unread = watch_path(1, spec("/in"), &scene.world, sender);
    let mut inbox = scene.watch(spec("/in")).await;
    for n in 0..100 {
        let path = format!("/in/{n}");
        scene.write(&path[1..]);
        inbox.expect(&[(Created, &path), (Written, &path)]).await;
    }
    let mut changes = 0;
    while changes < 200 {
        let (_, report) = timeout(DEADLINE, full.recv()).await.expect("nothing is said").unwrap();
        if let PathReport::Burst(burst) = report {
            changes += burst.changes.len();
            assert_eq!(burst.lost, 0);
        }
    }
}

#[tokio::test]
async fn a_dropped_watch_is_silent() {
    let scene = Scene::new();
    scene.make("in");
    let mut other = scene.watch(spec("/in")).await;
    let inbox = scene.watch(spec("/in")).await;
    let mut reports = inbox.reports;
    drop(inbox.watching);
    scene.write("in/file");
    other.expect(&[(Created, "/in/file"), (Written, "/in/file")]).await;
    let end = timeout(Duration::from_secs(60), reports.recv()).await.expect("it goes on");
    assert_eq!(end, None);
}
