//! Scenario 3, an update (§16.3).

use std::fs;

use crate::harness::eventually;
use crate::stage::{Sample, Stage};
use crate::terminal::name;

/// S16.3-1, S16.3-2, S16.3-3, S16.0-7.
#[tokio::test]
async fn scenario_3_an_update_runs_it_once_and_the_same_version_again_does_not() {
    let stage = Stage::new(Sample::OutOfProcess).await;
    let mut app = stage.open();
    let task = stage.register(&mut app, 3).await;
    app.quit();
    stage.install("1.1.0.0", |manifest| manifest);
    stage.user.line(&task, "completed", 1).await;
    assert_eq!(stage.setting(name(3)).as_deref(), Some("Completed"), "step 2: without the app");
    let mut app = stage.open();
    assert_eq!(app.status(3), "Registered - Completed", "step 2: the next start shows it");
    stage.all_acknowledged().await;
    app.page(3);

    stage.install("1.2.0.0", |manifest| manifest);
    let elevens: Vec<_> = (0..=10).map(|tens| tens * 10).collect();
    assert_eq!(app.run(3), (elevens, "Registered - Completed".into()), "step 2: eleven values");

    stage.install("1.2.0.0", |manifest| manifest);
    was_read(&stage).await;
    let once = " fired started completed";
    assert_eq!(stage.user.words(&task).await, format!("registered{once}{once}"), "step 3");
}

/// S16.3-4, LC-11.
#[tokio::test]
async fn scenario_3_goes_with_an_update_that_lacks_its_entry_point() {
    let stage = Stage::new(Sample::OutOfProcess).await;
    let mut app = stage.open();
    let task = stage.register(&mut app, 3).await;
    app.quit();
    stage.install("1.1.0.0", |manifest| manifest.replace("Tasks.ServicingComplete", "Tasks.Renamed"));
    stage.user.line(&task, "unregistered", 1).await;
    assert_eq!(stage.user.words(&task).await, "registered unregistered", "it does not run");
    assert!(stage.task(name(3)).await.is_none());
    assert_eq!(stage.open().status(3), "Unregistered");
}

/// Waits until the broker has read its folder of manifests again: one more app in it is known.
async fn was_read(stage: &Stage) {
    let other = "org.example.Other";
    fs::write(stage.home.manifest(other), format!("[app]\nid = {other:?}\nversion = \"1\"\n")).unwrap();
    eventually("the folder is read", async || stage.user.apps().await.into_iter().find(|app| app.id == other)).await;
}
