//! Moves within what is watched, told as one change.

use std::fs;

use bgtask_sources::ChangeKind::{Created, Deleted, MovedIn, MovedOut, Written};
use bgtask_sources::{ChangeKind, PathEvents, PathSpec};

use crate::scene::{Inbox, Scene, recursive, text};

/// A kind, a path, and the path before.
type Told = (ChangeKind, String, Option<String>);

async fn until(inbox: &mut Inbox, last: &str) -> Vec<Told> {
    let mut told: Vec<Told> = Vec::new();
    while told.last().is_none_or(|(_, path, _)| path != last) {
        let burst = inbox.burst().await;
        assert_eq!(burst.lost, 0);
        let changes = burst.changes.into_iter();
        told.extend(changes.map(|change| (change.kind, text(&change.path), change.previous.as_deref().map(text))));
    }
    told
}

fn plain(kind: ChangeKind, path: &str) -> Told {
    (kind, path.to_owned(), None)
}

fn renamed(from: &str, to: &str) -> Told {
    (MovedIn, to.to_owned(), Some(from.to_owned()))
}

async fn watch(scene: &Scene) -> Inbox {
    let on = PathEvents::default() | PathEvents::RENAMED;
    scene.watch(PathSpec { on, ..recursive("/in") }).await
}

#[tokio::test]
async fn a_file_is_renamed_and_moved_between_folders() {
    let scene = Scene::new();
    scene.make("in/sub");
    scene.make("out");
    scene.write("in/a");
    let mut inbox = watch(&scene).await;
    scene.rename("in/a", "in/b");
    scene.rename("in/b", "in/sub/c");
    scene.rename("in/sub/c", "out/c");
    scene.rename("out/c", "in/d");
    scene.make("in/last");
    let expected = [
        renamed("/in/a", "/in/b"),
        renamed("/in/b", "/in/sub/c"),
        plain(MovedOut, "/in/sub/c"),
        plain(MovedIn, "/in/d"),
        plain(Created, "/in/last"),
    ];
    assert_eq!(until(&mut inbox, "/in/last").await, expected);
}

#[tokio::test]
async fn what_is_in_a_folder_comes_along_untold_and_is_heard_at_its_new_place() {
    let scene = Scene::new();
    scene.make("in/old/deep");
    scene.write("in/old/deep/file");
    let mut inbox = watch(&scene).await;
    scene.rename("in/old", "in/new");
    scene.rename("in/new/deep/file", "in/new/deep/other");
    let expected = [renamed("/in/old", "/in/new"), renamed("/in/new/deep/file", "/in/new/deep/other")];
    assert_eq!(until(&mut inbox, "/in/new/deep/other").await, expected);
    scene.remove("in/new/deep/other");
    assert_eq!(until(&mut inbox, "/in/new/deep/other").await, [plain(Deleted, "/in/new/deep/other")]);
}

/// A careful program writes a new file beside the old one and renames it.
#[tokio::test]
async fn a_file_that_replaces_another_is_renamed() {
    let scene = Scene::new();
    scene.make("in");
    scene.write("in/file");
    let mut inbox = watch(&scene).await;
    scene.write("in/.new");
    scene.rename("in/.new", "in/file");
    let expected = [plain(Created, "/in/.new"), plain(Written, "/in/.new"), renamed("/in/.new", "/in/file")];
    assert_eq!(until(&mut inbox, "/in/file").await, expected);
}

/// All of it happened before anybody looked, so the folder could not be watched under its first name.
#[tokio::test]
async fn a_folder_that_was_renamed_before_it_could_be_watched_is_read() {
    let scene = Scene::new();
    scene.make("in");
    let mut inbox = watch(&scene).await;
    fs::create_dir(scene.path("in/first")).unwrap();
    scene.write("in/first/file");
    scene.rename("in/first", "in/second");
    let expected = [plain(Created, "/in/first"), renamed("/in/first", "/in/second"), plain(Created, "/in/second/file")];
    assert_eq!(until(&mut inbox, "/in/second/file").await, expected);
    scene.write("in/second/later");
    until(&mut inbox, "/in/second/later").await;
}

/// A move away ends what was watched below, as soon as it is clear that it went elsewhere.
#[tokio::test]
async fn a_folder_that_left_is_not_heard_any_more() {
    let scene = Scene::new();
    scene.make("in/sub");
    scene.make("out");
    let mut inbox = watch(&scene).await;
    scene.rename("in/sub", "out/sub");
    assert_eq!(until(&mut inbox, "/in/sub").await, [plain(MovedOut, "/in/sub")]);
    scene.write("out/sub/unheard");
    scene.write("in/heard");
    assert_eq!(until(&mut inbox, "/in/heard").await[0], plain(Created, "/in/heard"));
}

/// More than are remembered at a time leave in one go; each is told once, in its order.
#[tokio::test]
async fn many_that_leave_at_once_are_all_told() {
    let scene = Scene::new();
    scene.make("in");
    scene.make("out");
    for n in 0..100 {
        scene.make(&format!("in/{n}"));
    }
    let mut inbox = watch(&scene).await;
    for n in 0..100 {
        scene.rename(&format!("in/{n}"), &format!("out/{n}"));
    }
    let expected: Vec<_> = (0..100).map(|n| plain(MovedOut, &format!("/in/{n}"))).collect();
    assert_eq!(until(&mut inbox, "/in/99").await, expected);
}
