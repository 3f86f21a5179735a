//! When a burst is told, and what is in it.

use std::time::Duration;

use bgtask_sources::ChangeKind::{Created, Written};
use bgtask_sources::PathSpec;

use crate::common::pass;
use crate::scene::{Scene, spec, text};

const HOUR: Duration = Duration::from_secs(3600);

/// All that one look at the kernel's queue gives is one burst, in its order.
#[tokio::test]
async fn at_once_means_all_that_is_there_in_one_burst() {
    let scene = Scene::new();
    scene.make("in");
    let mut inbox = scene.watch(spec("/in")).await;
    for n in 0..100 {
        scene.write(&format!("in/{n}"));
    }
    let burst = inbox.burst().await;
    let told = burst.changes.iter().map(|change| (change.kind, text(&change.path)));
    let expected = (0..100).flat_map(|n| [(Created, format!("/in/{n}")), (Written, format!("/in/{n}"))]);
    assert_eq!(told.collect::<Vec<_>>(), expected.collect::<Vec<_>>());
    assert!(burst.changes.is_sorted_by_key(|change| change.at_micros));
    assert_eq!(burst.lost, 0);
}

/// The promise of the path trigger: fifty changes half a millisecond apart, and none is missing.
#[tokio::test]
async fn fifty_changes_half_a_millisecond_apart_are_all_listed() {
    let scene = Scene::new();
    scene.make("in");
    let mut inbox = scene.watch(spec("/in")).await;
    let folder = scene.path("in");
    let writer = std::thread::spawn(move || {
        for n in 0..50 {
            std::fs::write(folder.join(n.to_string()), "").unwrap();
            std::thread::sleep(Duration::from_micros(500));
        }
    });
    let told = inbox.until((Written, "/in/49")).await;
    writer.join().unwrap();
    let expected = (0..50).flat_map(|n| [(Created, format!("/in/{n}")), (Written, format!("/in/{n}"))]);
    assert_eq!(told, expected.collect::<Vec<_>>());
}

/// A second watch that tells at once shows that the first has heard what it waits with.
#[tokio::test]
async fn a_burst_is_told_when_it_has_been_quiet_for_so_long() {
    let scene = Scene::new();
    scene.make("in");
    let mut settled = scene.watch(PathSpec { settle: HOUR, ..spec("/in") }).await;
    let mut at_once = scene.watch(spec("/in")).await;
    let files = ["/in/1", "/in/2", "/in/3"];
    for file in files {
        scene.write(&file[1..]);
        at_once.expect(&[(Created, file), (Written, file)]).await;
        pass(HOUR * 2 / 3).await;
    }
    assert!(settled.reports.is_empty(), "no hour was quiet");
    pass(HOUR / 3).await;
    let burst = settled.burst().await;
    let told: Vec<_> = burst.changes.iter().map(|change| (change.kind, text(&change.path))).collect();
    let expected = files.iter().flat_map(|file| [(Created, (*file).to_owned()), (Written, (*file).to_owned())]);
    assert_eq!(told, expected.collect::<Vec<_>>(), "all of it in one");
}
