//! One file.

use std::fs::{self, File};
use std::io::Write;

use bgtask_sources::ChangeKind::{Changed, Created, Deleted, MovedIn, MovedOut, Written};
use bgtask_sources::{PathEvents, PathSpec, Status};

use crate::scene::{Scene, spec};

#[tokio::test]
async fn a_file_is_made_written_moved_and_deleted() {
    let scene = Scene::new();
    let mut inbox = scene.watch(spec("/notes.txt")).await;
    let how = "inotify, waiting for /notes.txt to appear".to_owned();
    assert_eq!(inbox.first_status, Status::Available { how });
    scene.write("notes.txt");
    scene.rename("notes.txt", "elsewhere");
    scene.rename("elsewhere", "notes.txt");
    scene.remove("notes.txt");
    let file = "/notes.txt";
    inbox.expect(&[(Created, file), (Written, file), (MovedOut, file), (MovedIn, file), (Deleted, file)]).await;
}

#[tokio::test]
async fn the_status_says_whether_it_is_there() {
    let scene = Scene::new();
    scene.write("file");
    let mut inbox = scene.watch(spec("/file")).await;
    assert_eq!(inbox.first_status, Status::Available { how: "inotify".into() });
    scene.remove("file");
    assert_eq!(inbox.status().await, Status::Available { how: "inotify, waiting for /file to appear".into() });
    scene.write("file");
    assert_eq!(inbox.status().await, Status::Available { how: "inotify".into() });
}

/// An editor writes another file and renames it over the one that is watched.
#[tokio::test]
async fn an_atomic_save_is_one_change() {
    let scene = Scene::new();
    scene.write("file");
    let mut inbox = scene.watch(spec("/file")).await;
    for _ in 0..3 {
        scene.write(".file.swp");
        scene.rename(".file.swp", "file");
        inbox.expect(&[(Written, "/file")]).await;
    }
    scene.write("file");
    inbox.expect(&[(Written, "/file")]).await;
}

/// A save in two steps leaves no trace of an inode in the way.
#[tokio::test]
async fn a_save_that_moves_the_old_file_away_first_is_followed() {
    let scene = Scene::new();
    scene.write("file");
    let mut inbox = scene.watch(spec("/file")).await;
    scene.rename("file", "file~");
    scene.write("file");
    scene.remove("file~");
    inbox.expect(&[(MovedOut, "/file"), (Created, "/file"), (Written, "/file")]).await;
    scene.write("file");
    inbox.expect(&[(Written, "/file")]).await;
}

#[tokio::test]
async fn what_happens_beside_it_is_not_told() {
    let scene = Scene::new();
    scene.write("file");
    let mut inbox = scene.watch(spec("/file")).await;
    scene.write("file.2");
    scene.make("folder");
    scene.rename("file.2", "folder/file");
    scene.write("file");
    inbox.expect(&[(Written, "/file")]).await;
}

#[tokio::test]
async fn only_what_was_asked_for_is_told() {
    let scene = Scene::new();
    scene.write("file");
    let watch = |on| scene.watch(PathSpec { on, ..spec("/file") });
    let mut created = watch(PathEvents::CREATED).await;
    let mut changed = watch(PathEvents::CHANGED).await;
    let mut written = watch(PathEvents::WRITTEN).await;
    let mut deleted = watch(PathEvents::DELETED).await;
    let mut moved = watch(PathEvents::MOVED).await;
    let mut nothing = watch(PathEvents::NONE).await;
    scene.write("file");
    scene.rename("file", "away");
    scene.rename("away", "file");
    scene.remove("file");
    let file = "/file";
    created.expect(&[(Created, file)]).await;
    changed.expect(&[(Changed, file)]).await;
    written.expect(&[(Written, file), (Written, file)]).await;
    deleted.expect(&[(Deleted, file), (Deleted, file)]).await;
    moved.expect(&[(MovedOut, file), (MovedIn, file)]).await;
    assert!(matches!(nothing.status().await, Status::Available { how } if how.contains("waiting")));
    assert!(nothing.reports.is_empty());
}

#[tokio::test]
async fn a_file_that_is_being_written_changes_before_it_is_written() {
    let scene = Scene::new();
    scene.write("file");
    let on = PathEvents::CHANGED | PathEvents::WRITTEN;
    let mut inbox = scene.watch(PathSpec { on, ..spec("/file") }).await;
    let mut file = File::options().append(true).open(scene.path("file")).unwrap();
    file.write_all(b"first").unwrap();
    inbox.expect(&[(Changed, "/file")]).await;
    file.write_all(b"second").unwrap();
    drop(file);
    inbox.expect(&[(Changed, "/file"), (Written, "/file")]).await;
}

#[tokio::test]
async fn a_file_and_a_folder_take_each_others_place() {
    let scene = Scene::new();
    scene.write("it");
    let mut inbox = scene.watch(spec("/it")).await;
    scene.remove("it");
    scene.make("it");
    inbox.expect(&[(Deleted, "/it"), (Created, "/it")]).await;
    scene.write("it/inside");
    inbox.until((Written, "/it/inside")).await;
    scene.remove("it");
    inbox.expect(&[(Deleted, "/it/inside"), (Deleted, "/it")]).await;
    scene.write("it");
    inbox.expect(&[(Created, "/it"), (Written, "/it")]).await;
}

#[tokio::test]
async fn names_may_be_anything_but_a_slash() {
    let scene = Scene::new();
    scene.make("all");
    let mut inbox = scene.watch(spec("/all")).await;
    for name in ["two words", "\"quoted\"", "new\nline", "日本語", "-rf", "…"] {
        fs::write(scene.path("all").join(name), "").unwrap();
        let path = format!("/all/{name}");
        inbox.expect(&[(Created, &path), (Written, &path)]).await;
    }
}
