//! What happens to the watched folder itself, and to those on the way to it.

use std::os::unix::fs::symlink;

use bgtask_sources::ChangeKind::{Created, Deleted, MovedIn, MovedOut, Written};
use bgtask_sources::Status;

use crate::scene::{Inbox, Scene, recursive, spec};

/// The watch works.
async fn is_followed(scene: &Scene, inbox: &mut Inbox, folder: &str) {
    let path = format!("/{folder}/probe");
    scene.write(&path[1..]);
    inbox.expect(&[(Created, &path), (Written, &path)]).await;
    scene.remove(&path[1..]);
    inbox.expect(&[(Deleted, &path)]).await;
}

#[tokio::test]
async fn a_path_that_does_not_exist_is_waited_for_step_by_step() {
    let scene = Scene::new();
    let mut inbox = scene.watch(spec("/a/b/c")).await;
    let how = "inotify, waiting for /a/b/c to appear".to_owned();
    assert_eq!(inbox.first_status, Status::Available { how });
    scene.make("a");
    scene.make("a/b");
    scene.make("a/b/other");
    scene.make("a/b/c");
    inbox.expect(&[(Created, "/a/b/c")]).await;
    is_followed(&scene, &mut inbox, "a/b/c").await;
}

#[tokio::test]
async fn a_path_that_appears_at_once_brings_its_content() {
    let scene = Scene::new();
    scene.make("new/b/c/d");
    scene.write("new/b/c/d/file");
    let mut inbox = scene.watch(recursive("/a/b/c")).await;
    scene.rename("new", "a");
    inbox.expect(&[(Created, "/a/b/c"), (Created, "/a/b/c/d"), (Created, "/a/b/c/d/file")]).await;
    is_followed(&scene, &mut inbox, "a/b/c/d").await;
}

#[tokio::test]
async fn a_path_that_is_made_in_one_breath_is_told_once() {
    let scene = Scene::new();
    let mut inbox = scene.watch(recursive("/a/b/c")).await;
    for _ in 0..20 {
        scene.make("a/b/c");
        inbox.expect(&[(Created, "/a/b/c")]).await;
        is_followed(&scene, &mut inbox, "a/b/c").await;
        scene.remove("a");
        inbox.expect(&[(Deleted, "/a/b/c")]).await;
    }
}

#[tokio::test]
async fn a_folder_that_is_renamed_is_let_go_and_taken_up_when_it_comes_back() {
    let scene = Scene::new();
    scene.make("in/sub");
    let mut inbox = scene.watch(recursive("/in")).await;
    scene.rename("in", "away");
    inbox.expect(&[(MovedOut, "/in")]).await;
    scene.write("away/unseen");
    scene.write("away/sub/unseen");
    scene.rename("away", "in");
    inbox
        .expect_in_any_order(&[
            (MovedIn, "/in"),
            (Created, "/in/unseen"),
            (Created, "/in/sub"),
            (Created, "/in/sub/unseen"),
        ])
        .await;
    is_followed(&scene, &mut inbox, "in").await;
    is_followed(&scene, &mut inbox, "in/sub").await;
}

#[tokio::test]
async fn a_folder_that_is_deleted_is_waited_for() {
    let scene = Scene::new();
    scene.make("in");
    let mut inbox = scene.watch(spec("/in")).await;
    for _ in 0..3 {
        scene.remove("in");
        assert!(matches!(inbox.status().await, Status::Available { how } if how.contains("waiting")));
        scene.make("in");
        assert_eq!(inbox.status().await, Status::Available { how: "inotify".into() });
        is_followed_at_last(&scene, &mut inbox).await;
    }
}

async fn is_followed_at_last(scene: &Scene, inbox: &mut Inbox) {
    scene.write("in/probe");
    inbox.until((Written, "/in/probe")).await;
}

/// What appears counts as created, whether or not the like of it was there before.
#[tokio::test]
async fn a_folder_that_takes_the_place_of_another_brings_its_content() {
    let scene = Scene::new();
    scene.make("in");
    scene.write("in/file");
    scene.make("next");
    scene.write("next/file");
    let mut inbox = scene.watch(spec("/in")).await;
    scene.rename("in", "old");
    scene.rename("next", "in");
    inbox.expect(&[(MovedOut, "/in"), (MovedIn, "/in"), (Created, "/in/file")]).await;
    scene.write("old/unseen");
    is_followed(&scene, &mut inbox, "in").await;
}

#[tokio::test]
async fn a_folder_on_the_way_is_renamed_and_replaced() {
    let scene = Scene::new();
    scene.make("a/b/in");
    let mut inbox = scene.watch(spec("/a/b/in")).await;
    scene.rename("a", "old");
    inbox.expect(&[(Deleted, "/a/b/in")]).await;
    scene.write("old/b/in/unseen");
    scene.make("new/b/in");
    scene.write("new/b/in/file");
    scene.rename("new", "a");
    inbox.expect(&[(Created, "/a/b/in"), (Created, "/a/b/in/file")]).await;
    is_followed(&scene, &mut inbox, "a/b/in").await;
    scene.rename("a/b", "a/x");
    inbox.expect(&[(Deleted, "/a/b/in")]).await;
    scene.rename("a/x", "a/b");
    inbox.until((Created, "/a/b/in/file")).await;
    is_followed(&scene, &mut inbox, "a/b/in").await;
}

#[tokio::test]
async fn a_file_whose_folder_is_replaced_is_written() {
    let scene = Scene::new();
    scene.make("a");
    scene.write("a/file");
    scene.make("next");
    scene.write("next/file");
    let mut inbox = scene.watch(spec("/a/file")).await;
    // Both before the watch can look: the file is another, and was there all the time.
    scene.rename("a", "old");
    scene.rename("next", "a");
    inbox.expect(&[(Written, "/a/file")]).await;
    scene.write("a/file");
    inbox.expect(&[(Written, "/a/file")]).await;
}

#[tokio::test]
async fn a_link_is_followed_and_named_as_asked() {
    let scene = Scene::new();
    scene.make("one");
    scene.make("two");
    scene.write("two/file");
    symlink("/one", scene.path("current")).unwrap();
    let mut inbox = scene.watch(spec("/current")).await;
    scene.write("one/file");
    inbox.expect(&[(Created, "/current/file"), (Written, "/current/file")]).await;
    symlink("two", scene.path("next")).unwrap();
    scene.rename("next", "current");
    inbox.expect(&[(MovedIn, "/current"), (Created, "/current/file")]).await;
    scene.write("one/unseen");
    scene.write("two/file");
    inbox.expect(&[(Written, "/current/file")]).await;
}

#[tokio::test]
async fn a_link_that_leads_in_circles_is_said_and_healed() {
    let scene = Scene::new();
    symlink("b", scene.path("a")).unwrap();
    symlink("a", scene.path("b")).unwrap();
    let mut inbox = scene.watch(spec("/a")).await;
    let Status::Degraded { why, help, .. } = &inbox.first_status else { panic!("{:?}", inbox.first_status) };
    assert!(why.contains("/a leads through more than 16 links"), "{why}");
    assert!(help.contains("correct the path"), "{help}");
    scene.remove("b");
    scene.make("b");
    inbox.expect(&[(Created, "/a")]).await;
    scene.write("b/file");
    inbox.expect(&[(Created, "/a/file"), (Written, "/a/file")]).await;
}

#[tokio::test]
async fn the_root_itself_can_be_watched() {
    let scene = Scene::new();
    let mut inbox = scene.watch(spec("/")).await;
    scene.write("file");
    inbox.expect(&[(Created, "/file"), (Written, "/file")]).await;
}
