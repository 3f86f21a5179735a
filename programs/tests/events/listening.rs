//! Signals and files: what their events carry, who hears them, and what is lost.

use std::fs;

use bgtask::{PropertyValue, ValueSet};

use crate::harness::{Home, New, eventually};
use crate::{Stage, text};

const SIGNAL: &str = "DBusSignalTrigger";
const BELL: &[(&str, &str)] = &[("interface", "org.example.Bell"), ("member", "Rang")];

/// The number that was rung.
fn number(event: &ValueSet) -> u32 {
    let arguments: Vec<PropertyValue> = event.get("arguments").unwrap().unwrap();
    u32::try_from(arguments[0].clone()).unwrap()
}

#[tokio::test]
async fn a_signal_is_told_with_all_that_it_carried() {
    let Some((bus, stage)) = Stage::with_bus().await else { return };
    let task = stage.listens("Bell", SIGNAL, BELL).await;
    bus.ring(7).await;
    let event = &stage.told("Bell", 1).await[0];
    assert_eq!(number(event), 7);
    for (field, value) in
        [("bus", "session"), ("path", "/org/example/bell"), ("interface", "org.example.Bell"), ("member", "Rang")]
    {
        assert_eq!(text(event, field), value);
    }
    assert!(text(event, "sender").starts_with(':'), "its unique name: {event:?}");
    assert!(event.get::<i64>("at").unwrap().unwrap() > 0);
    stage.user.phase(&task, "idle").await;
    assert_eq!(stage.user.words(&task).await, "registered fired started completed");
    let info = stage.user.broker.get_task(&task).await.unwrap();
    assert_eq!((info.trigger.as_str(), info.trigger_properties.unwrap()["member"].as_str()), (SIGNAL, "Rang"));
}

/// D1: what comes while the task runs is told to its next run, in order, none twice.
#[tokio::test]
async fn no_event_is_told_twice_and_none_is_missing() {
    let Some((bus, stage)) = Stage::with_bus().await else { return };
    stage.listens("Bell", SIGNAL, BELL).await;
    for number in 0..30 {
        bus.ring(number).await;
    }
    let told = stage.told("Bell", 30).await;
    assert_eq!(told.iter().map(number).collect::<Vec<_>>(), (0..30).collect::<Vec<_>>());
}

/// Registrations that listen to the same share it; each hears everything, for as long as it stands.
#[tokio::test]
async fn two_tasks_listen_to_the_same() {
    let Some((bus, stage)) = Stage::with_bus().await else { return };
    let first = stage.listens("First", SIGNAL, BELL).await;
    stage.listens("Second", SIGNAL, BELL).await;
    bus.ring(1).await;
    assert_eq!((number(&stage.told("First", 1).await[0]), number(&stage.told("Second", 1).await[0])), (1, 1));
    stage.user.broker.unregister(&first, false).await.unwrap();
    bus.ring(2).await;
    assert_eq!(number(&stage.told("Second", 2).await[1]), 2);
    stage.told("First", 1).await;
}

/// TM-11, LC-11: a one-shot trigger is spent by its first firing.
#[tokio::test]
async fn a_one_shot_listens_once() {
    let Some((bus, stage)) = Stage::with_bus().await else { return };
    stage.listens("Always", SIGNAL, BELL).await;
    let once = New { name: "Once", entry: "Tasks.Tells", one_shot: true, ..New::default() };
    let task = stage.user.register_for(once, SIGNAL, BELL).await.unwrap();
    stage.hears(&task, SIGNAL).await;
    bus.ring(1).await;
    stage.told("Once", 1).await;
    bus.ring(2).await;
    stage.told("Always", 2).await;
    stage.told("Once", 1).await;
    assert!(stage.user.broker.get_task(&task).await.is_err(), "it is gone");
}

#[tokio::test]
async fn a_broker_that_died_hears_the_same_signals_again() {
    let Some((bus, stage)) = Stage::with_bus().await else { return };
    let task = stage.listens("Bell", SIGNAL, BELL).await;
    bus.ring(1).await;
    // What has not ended yet would be done again (D7).
    stage.user.line(&task, "completed", 1).await;
    let stage = stage.after_a_crash().await;
    stage.hears(&task, SIGNAL).await;
    bus.ring(2).await;
    assert_eq!(stage.told("Bell", 2).await.iter().map(number).collect::<Vec<_>>(), [1, 2]);
}

/// A file that is renamed is one event; what an editor does to write one is told in its order.
#[tokio::test]
async fn changes_in_a_library_are_told_with_their_paths() {
    let (home, _app) = Home::with_sample();
    let documents = home.world.path("home/Documents");
    fs::create_dir_all(&documents).unwrap();
    let stage = Stage::in_home(home).await;
    stage.listens("Library", "StorageLibraryContentChangedTrigger", &[("libraries", "documents")]).await;
    fs::create_dir(documents.join("folder")).unwrap();
    fs::rename(documents.join("folder"), documents.join("letters")).unwrap();
    fs::remove_dir(documents.join("letters")).unwrap();
    let told = stage.told("Library", 3).await;
    let changes = told.iter().map(|event| (text(event, "change"), text(event, "path")));
    let expected = [("created", "folder"), ("renamed", "letters"), ("deleted", "letters")]
        .map(|(change, name)| (change.to_owned(), format!("/home/Documents/{name}")));
    assert_eq!(changes.collect::<Vec<_>>(), expected);
    assert_eq!(text(&told[1], "previous_path"), "/home/Documents/folder");
    assert!(told.iter().all(|event| text(event, "library") == "documents"), "{told:?}");
}

/// Windows' `ChangeTrackingLost`: what happened before it was tracked cannot be known, so that comes first for every task, and again
/// when a broker was away.
#[tokio::test]
async fn a_change_tracker_says_what_it_cannot_know() {
    const TRACKER: &str = "StorageLibraryChangeTrackerTrigger";
    let (home, _app) = Home::with_sample();
    let folder = home.world.path("home/notes");
    fs::create_dir_all(&folder).unwrap();
    let properties = &[("folder", "/home/notes")];
    let stage = Stage::in_home(home).await;
    let first = stage.listens("First", TRACKER, properties).await;
    stage.listens("Second", TRACKER, properties).await;
    let changes = |events: &[ValueSet]| events.iter().map(|event| text(event, "change")).collect::<Vec<_>>();
    assert_eq!(changes(&stage.told("First", 1).await), ["reset"]);
    assert_eq!(changes(&stage.told("Second", 1).await), ["reset"]);
    fs::create_dir(folder.join("today")).unwrap();
    let told = stage.told("First", 2).await;
    assert_eq!((text(&told[1], "change"), text(&told[1], "path")), ("created".into(), "/home/notes/today".into()));
    assert_eq!(changes(&stage.told("Second", 2).await), ["reset", "created"]);

    eventually("it has ended", async || {
        (stage.user.words(&first).await.matches("completed").count() >= 2).then_some(())
    })
    .await;
    let stage = stage.after_a_crash().await;
    assert_eq!(changes(&stage.told("First", 3).await), ["reset", "created", "reset"]);
}

#[tokio::test]
async fn a_device_that_comes_and_goes_is_told() {
    const DEVICE: &str = "/sys/devices/virtual/example/camera";
    let (home, _app) = Home::with_sample();
    let place = home.world.path(&DEVICE[1..]);
    let stage = Stage::in_home(home).await;
    stage.listens("Camera", "DeviceConnectionChangeTrigger", &[("device_id", DEVICE)]).await;
    let connected = |event: &ValueSet| (text(event, "device_id"), event.get::<bool>("connected").unwrap().unwrap());
    fs::create_dir_all(place.parent().unwrap()).unwrap();
    let ready = stage.home.root("camera");
    fs::create_dir(&ready).unwrap();
    fs::write(ready.join("uevent"), "").unwrap();
    fs::rename(&ready, &place).unwrap();
    assert_eq!(connected(&stage.told("Camera", 1).await[0]), (DEVICE.to_owned(), true));
    fs::rename(&place, &ready).unwrap();
    assert_eq!(connected(&stage.told("Camera", 2).await[1]), (DEVICE.to_owned(), false));
}
