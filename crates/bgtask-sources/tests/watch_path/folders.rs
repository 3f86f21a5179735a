//! Folders, and folders in folders.

use bgtask_sources::ChangeKind::{Created, Deleted, MovedIn, MovedOut, Written};
use bgtask_sources::{PathEvents, PathSpec, Status};

use crate::scene::{Scene, recursive, spec};

#[tokio::test]
async fn what_happens_in_a_folder_is_told_and_not_what_was_there() {
    let scene = Scene::new();
    scene.make("in");
    scene.write("in/old");
    let mut inbox = scene.watch(spec("/in")).await;
    assert_eq!(inbox.first_status, Status::Available { how: "inotify".into() });
    scene.write("in/new");
    scene.rename("in/new", "in/newer");
    scene.remove("in/old");
    let (old, new, newer) = ("/in/old", "/in/new", "/in/newer");
    inbox.expect(&[(Created, new), (Written, new), (MovedOut, new), (MovedIn, newer), (Deleted, old)]).await;
}

#[tokio::test]
async fn without_recursion_a_folder_in_it_is_only_a_name() {
    let scene = Scene::new();
    scene.make("in/sub");
    let mut inbox = scene.watch(spec("/in")).await;
    scene.write("in/sub/unseen");
    scene.make("in/new");
    scene.write("in/new/unseen");
    scene.write("in/last");
    inbox.expect(&[(Created, "/in/new"), (Created, "/in/last"), (Written, "/in/last")]).await;
}

#[tokio::test]
async fn recursion_sees_what_was_there_below() {
    let scene = Scene::new();
    scene.make("in/a/b/c");
    let mut inbox = scene.watch(recursive("/in")).await;
    scene.write("in/a/b/c/deep");
    inbox.expect(&[(Created, "/in/a/b/c/deep"), (Written, "/in/a/b/c/deep")]).await;
}

/// A folder is made, and a file in it before anybody could have watched it.
#[tokio::test]
async fn what_came_into_a_new_folder_before_it_was_watched_is_told_once() {
    let scene = Scene::new();
    scene.make("in");
    let mut inbox = scene.watch(recursive("/in")).await;
    for round in ["1", "2", "3"] {
        let (top, sub) = (format!("in/{round}"), format!("in/{round}/sub"));
        scene.make(&sub);
        scene.write(&format!("{top}/file"));
        scene.write(&format!("{sub}/file"));
        let paths = ["", "/file", "/sub", "/sub/file"].map(|path| format!("/{top}{path}"));
        inbox.expect_in_any_order(&paths.each_ref().map(|path| (Created, path.as_str()))).await;
    }
}

/// The same while the watch is awake between the steps.
#[tokio::test]
async fn a_folder_that_fills_while_it_is_read_is_told_once() {
    let scene = Scene::new();
    scene.make("in");
    let mut inbox = scene.watch(recursive("/in")).await;
    for round in 0..50 {
        let folder = format!("in/{round}");
        scene.make(&folder);
        for _ in 0..round % 5 {
            tokio::task::yield_now().await;
        }
        scene.write(&format!("{folder}/a"));
        for _ in 0..round % 3 {
            tokio::task::yield_now().await;
        }
        scene.make(&format!("{folder}/sub"));
        scene.write(&format!("{folder}/sub/b"));
        let last = format!("/{folder}/sub/b");
        let told = inbox.until((Created, &last)).await;
        for path in [format!("/{folder}"), format!("/{folder}/a"), format!("/{folder}/sub"), last] {
            let times = told.iter().filter(|told| **told == (Created, path.clone())).count();
            assert_eq!(times, 1, "{path} in {told:?}");
        }
    }
}

#[tokio::test]
async fn a_file_in_a_new_folder_is_told_to_who_waits_for_written_files() {
    let scene = Scene::new();
    scene.make("in");
    scene.make("out/sub");
    scene.write("out/sub/file");
    let mut inbox = scene.watch(PathSpec { on: PathEvents::WRITTEN, ..recursive("/in") }).await;
    scene.rename("out/sub", "in/sub");
    inbox.expect(&[(Written, "/in/sub/file")]).await;
    scene.rename("in/sub/file", "in/file");
    inbox.expect(&[(Written, "/in/file")]).await;
}

#[tokio::test]
async fn a_folder_that_is_moved_in_brings_its_content() {
    let scene = Scene::new();
    scene.make("in");
    scene.make("out/sub");
    scene.write("out/sub/file");
    let mut inbox = scene.watch(recursive("/in")).await;
    scene.rename("out", "in/out");
    let (out, sub, file) = ("/in/out", "/in/out/sub", "/in/out/sub/file");
    inbox.expect(&[(MovedIn, out), (Created, sub), (Created, file)]).await;
    scene.write("in/out/sub/file");
    inbox.expect(&[(Written, file)]).await;
}

#[tokio::test]
async fn a_folder_that_is_moved_out_is_heard_no_more() {
    let scene = Scene::new();
    scene.make("in/sub/deep");
    let mut inbox = scene.watch(recursive("/in")).await;
    scene.rename("in/sub", "out");
    inbox.expect(&[(MovedOut, "/in/sub")]).await;
    scene.write("out/unseen");
    scene.write("out/deep/unseen");
    scene.write("in/seen");
    inbox.expect(&[(Created, "/in/seen"), (Written, "/in/seen")]).await;
}

#[tokio::test]
async fn a_folder_that_is_moved_within_is_followed_to_its_new_place() {
    let scene = Scene::new();
    scene.make("in/sub/deep");
    let mut inbox = scene.watch(recursive("/in")).await;
    scene.rename("in/sub", "in/new");
    inbox.expect(&[(MovedOut, "/in/sub"), (MovedIn, "/in/new"), (Created, "/in/new/deep")]).await;
    scene.write("in/new/deep/file");
    inbox.expect(&[(Created, "/in/new/deep/file"), (Written, "/in/new/deep/file")]).await;
}

#[tokio::test]
async fn a_folder_that_is_deleted_and_made_again_is_watched_again() {
    let scene = Scene::new();
    scene.make("in/sub");
    let mut inbox = scene.watch(recursive("/in")).await;
    for _ in 0..5 {
        scene.remove("in/sub");
        inbox.expect(&[(Deleted, "/in/sub")]).await;
        scene.make("in/sub");
        inbox.expect(&[(Created, "/in/sub")]).await;
        scene.write("in/sub/file");
        inbox.expect(&[(Created, "/in/sub/file"), (Written, "/in/sub/file")]).await;
        scene.remove("in/sub/file");
        inbox.expect(&[(Deleted, "/in/sub/file")]).await;
    }
}

/// A link to a folder is a name, whatever is behind it: so a tree has no loops.
#[tokio::test]
async fn links_below_are_not_followed() {
    let scene = Scene::new();
    scene.make("in");
    scene.make("out");
    std::os::unix::fs::symlink("..", scene.path("in/loop")).unwrap();
    let mut inbox = scene.watch(recursive("/in")).await;
    std::os::unix::fs::symlink("../out", scene.path("in/link")).unwrap();
    inbox.expect(&[(Created, "/in/link")]).await;
    scene.write("out/unseen");
    scene.write("in/seen");
    inbox.expect(&[(Created, "/in/seen"), (Written, "/in/seen")]).await;
}
