//! The libraries of the user, and folders whose changes are tracked.

mod common;

use std::fs;

use bgtask_sources::{MAX_EVENTS, Status};
use common::Sysroot;
use common::events::{Ear, subject};
use serde_json::{Value, json};

const LIBRARY: &str = "StorageLibraryContentChangedTrigger";
const TRACKER: &str = "StorageLibraryChangeTrackerTrigger";

/// A home with the folders it usually has.
fn home() -> Sysroot {
    let sysroot = Sysroot::new();
    for folder in ["home/.config", "home/Documents/sub", "home/Pictures", "elsewhere"] {
        fs::create_dir_all(sysroot.path(folder)).unwrap();
    }
    sysroot
}

fn rename(sysroot: &Sysroot, from: &str, to: &str) {
    fs::rename(sysroot.path(from), sysroot.path(to)).unwrap();
}

/// As xdg-user-dirs-update writes it.
fn name_folders(sysroot: &Sysroot, content: &str) {
    sysroot.write("home/.config/user-dirs.new", content);
    rename(sysroot, "home/.config/user-dirs.new", "home/.config/user-dirs.dirs");
}

async fn listen(sysroot: &Sysroot, libraries: &str) -> (Ear, Status) {
    Ear::ready(subject(LIBRARY, &[("libraries", libraries)]), &sysroot.world()).await
}

/// The next events, until one of that path: each as JSON.
async fn until(ear: &mut Ear, path: &str) -> Vec<Value> {
    let mut told: Vec<Value> = Vec::new();
    while told.last().is_none_or(|event| event["path"] != path) {
        told.push(Value::Object(ear.event().await.fields));
    }
    told
}

#[tokio::test]
async fn what_happens_in_libraries_is_told_in_its_order_and_with_the_library() {
    let sysroot = home();
    sysroot.write("home/Documents/old", "");
    let (mut ear, status) = listen(&sysroot, "documents+pictures").await;
    assert_eq!(status, Status::Available { how: "documents by inotify; pictures by inotify".to_owned() });
    sysroot.write("home/Documents/sub/new", "text");
    rename(&sysroot, "home/Documents/old", "home/Documents/sub/renamed");
    rename(&sysroot, "home/Documents/sub/renamed", "elsewhere/x");
    rename(&sysroot, "elsewhere/x", "home/Documents/back");
    fs::remove_file(sysroot.path("home/Documents/back")).unwrap();
    sysroot.write("elsewhere/unheard", "");
    fs::create_dir(sysroot.path("home/Documents/last")).unwrap();
    let event = |change: &str, path: &str| json!({"library": "documents", "change": change, "path": path});
    let mut renamed = event("renamed", "/home/Documents/sub/renamed");
    renamed["previous_path"] = "/home/Documents/old".into();
    let expected = [
        event("created", "/home/Documents/sub/new"),
        event("written", "/home/Documents/sub/new"),
        renamed,
        event("moved-out", "/home/Documents/sub/renamed"),
        event("moved-in", "/home/Documents/back"),
        event("deleted", "/home/Documents/back"),
        event("created", "/home/Documents/last"),
    ];
    assert_eq!(until(&mut ear, "/home/Documents/last").await, expected);

    fs::create_dir(sysroot.path("home/Pictures/last")).unwrap();
    let picture = json!({"library": "pictures", "change": "created", "path": "/home/Pictures/last"});
    assert_eq!(until(&mut ear, "/home/Pictures/last").await, [picture]);
}

#[tokio::test]
async fn who_moves_a_library_is_followed() {
    let sysroot = home();
    let (mut ear, status) = listen(&sysroot, "documents+music").await;
    let Status::Available { how } = status else { panic!("{status:?}") };
    assert_eq!(how, "documents by inotify; music by inotify, waiting for /home/Music to appear");

    fs::create_dir(sysroot.path("home/Dokumente")).unwrap();
    name_folders(&sysroot, "XDG_DOCUMENTS_DIR=\"$HOME/Dokumente\"\nXDG_MUSIC_DIR=\"$HOME\"\n");
    let status = ear.status_that(|status| matches!(status, Status::Degraded { .. })).await;
    let Status::Degraded { how, why, help } = status else { unreachable!() };
    assert_eq!(how, "documents by inotify");
    assert_eq!(why, "music has no folder, says /home/.config/user-dirs.dirs");
    assert_eq!(help, "name one there: XDG_MUSIC_DIR=\"$HOME/Music\"");
    sysroot.write("home/Documents/unheard", "");
    fs::create_dir(sysroot.path("home/Dokumente/heard")).unwrap();
    assert_eq!(until(&mut ear, "/home/Dokumente/heard").await.len(), 1);

    // Without the file they are where they usually are.
    fs::remove_file(sysroot.path("home/.config/user-dirs.dirs")).unwrap();
    ear.status_that(|status| *status == Status::Available { how: how_usual() }).await;
    fs::create_dir(sysroot.path("home/Documents/heard")).unwrap();
    assert_eq!(until(&mut ear, "/home/Documents/heard").await.len(), 1);
}

fn how_usual() -> String {
    "documents by inotify; music by inotify, waiting for /home/Music to appear".to_owned()
}

#[tokio::test]
async fn a_user_without_any_of_the_libraries_is_told_how_to_name_one() {
    let sysroot = home();
    name_folders(&sysroot, "XDG_MUSIC_DIR=\"$HOME/\"\n");
    let (mut ear, status) = listen(&sysroot, "music").await;
    assert!(matches!(status, Status::Missing { .. }), "{status:?}");
    name_folders(&sysroot, "XDG_MUSIC_DIR=\"/elsewhere\"\n");
    ear.status_that(|status| *status == Status::Available { how: "music by inotify".to_owned() }).await;
    fs::create_dir(sysroot.path("elsewhere/album")).unwrap();
    assert_eq!(until(&mut ear, "/elsewhere/album").await.len(), 1);
}

/// A library that is moved to a place where it was heard of already is one stream of changes.
#[tokio::test]
async fn a_file_that_is_rewritten_without_a_difference_disturbs_nothing() {
    let sysroot = home();
    let (mut ear, _) = listen(&sysroot, "documents").await;
    for _ in 0..3 {
        name_folders(&sysroot, "XDG_DOCUMENTS_DIR=\"$HOME/Documents\"\n");
        fs::create_dir(sysroot.path("home/Documents/dir")).unwrap();
        assert_eq!(until(&mut ear, "/home/Documents/dir").await.len(), 1);
        fs::remove_dir(sysroot.path("home/Documents/dir")).unwrap();
        assert_eq!(until(&mut ear, "/home/Documents/dir").await.len(), 1);
    }
}

/// The first thing a tracker says is that it cannot know what happened before it.
#[tokio::test]
async fn a_tracker_begins_with_a_reset_and_tells_everything_after_it() {
    let sysroot = home();
    sysroot.write("home/Documents/before", "");
    let folder = [("folder", "/home/Documents")];
    let (mut ear, status) = Ear::ready(subject(TRACKER, &folder), &sysroot.world()).await;
    assert_eq!(status, Status::Available { how: "inotify".to_owned() });
    assert_eq!(until(&mut ear, "/home/Documents").await, [json!({"path": "/home/Documents", "change": "reset"})]);
    rename(&sysroot, "home/Documents/before", "home/Documents/after");
    sysroot.write("home/Documents/after", "text");
    let expected = [
        json!({"path": "/home/Documents/after", "change": "renamed", "previous_path": "/home/Documents/before"}),
        json!({"path": "/home/Documents/after", "change": "written"}),
    ];
    for event in expected {
        assert_eq!(until(&mut ear, "/home/Documents/after").await, [event]);
    }
    // The folder itself may go and come again.
    for (from, to, change) in [("home", "elsewhere", "moved-out"), ("elsewhere", "home", "moved-in")] {
        rename(&sysroot, &format!("{from}/Documents"), &format!("{to}/Documents"));
        assert_eq!(until(&mut ear, "/home/Documents").await[0]["change"], change);
    }
    fs::create_dir(sysroot.path("home/Documents/sub/last")).unwrap();
    until(&mut ear, "/home/Documents/sub/last").await;
}

/// More changes than are held are lost as a whole: an index that misses one is as wrong as one that misses all.
#[tokio::test]
async fn a_tracker_that_lost_changes_says_so_and_resets() {
    let sysroot = home();
    let folder = [("folder", "/home/Pictures")];
    let (mut ear, _) = Ear::ready(subject(TRACKER, &folder), &sysroot.world()).await;
    until(&mut ear, "/home/Pictures").await;
    // Nobody reads while this thread makes them.
    for n in 0..=MAX_EVENTS {
        fs::create_dir(sysroot.path(format!("home/Pictures/{n}"))).unwrap();
    }
    assert_eq!(until(&mut ear, "/home/Pictures").await, [json!({"path": "/home/Pictures", "change": "reset"})]);
    assert_eq!(ear.lost, MAX_EVENTS as u64 + 1);
    fs::create_dir(sysroot.path("home/Pictures/next")).unwrap();
    assert_eq!(until(&mut ear, "/home/Pictures/next").await.len(), 1);
}

/// What is too much for a library is counted; the first are told.
#[tokio::test]
async fn a_library_that_lost_changes_says_how_many() {
    let sysroot = home();
    let (mut ear, _) = listen(&sysroot, "pictures").await;
    for n in 0..=MAX_EVENTS {
        fs::create_dir(sysroot.path(format!("home/Pictures/{n}"))).unwrap();
    }
    let last = format!("/home/Pictures/{}", MAX_EVENTS - 1);
    assert_eq!(until(&mut ear, &last).await.len(), MAX_EVENTS);
    assert_eq!(ear.lost, 1);
}

#[test]
fn a_tracked_folder_is_an_absolute_path() {
    let read = |folder: &str| {
        let properties = [("folder".to_owned(), folder.to_owned())].into();
        bgtask_sources::Subject::read(TRACKER, &properties).map(drop)
    };
    assert_eq!(read("/x"), Ok(()));
    let expected = "`notes` is no absolute path; write it as in `folder=/home/me/notes`";
    assert_eq!(read("notes").unwrap_err(), expected);
    assert!(read("").is_err() && read("/a\0b").is_err());
}
