//! The same scenarios in the app itself (§17, the `BackgroundActivation` sample): where it is open, or started for it.

use crate::application::signal;
use crate::stage::{Sample, Stage};
use crate::terminal::TENS;
use crate::timer::QUARTER;

/// Scenario 1, BLD-9: what its tasks left is lost with the process, and nothing is written.
#[tokio::test]
async fn an_open_app_runs_its_task_itself() {
    let stage = Stage::new(Sample::InProcess).await;
    let mut app = stage.open();
    app.enter("tick 50");
    stage.register(&mut app, 1).await;
    stage.home.world.zone("Asia/Tokyo");
    assert_eq!(app.run(1), (TENS.to_vec(), "Registered - Completed".into()));
    assert_eq!(stage.settings().keys().unwrap(), ["TickMilliseconds"], "nothing but what was typed");
    assert!(stage.home.log().contains("Background SampleBackgroundTask Starting..."), "its word on the error stream");
    app.quit();

    let mut app = stage.open();
    assert_eq!(app.status(1), "Registered", "it was in memory");
    stage.home.world.zone("Europe/Berlin");
    assert_eq!(app.run(1), (TENS.to_vec(), "Registered - Completed".into()), "the next process runs it too");
}

/// Scenarios 1, 4 and 6, BLD-9: the broker starts the app, which nobody sees, and their ends are told when a person opens it.
#[tokio::test]
async fn a_closed_app_is_started_for_its_tasks() {
    let mut stage = Stage::with_windows_manifest(Sample::InProcess).await;
    let mut app = stage.open();
    app.enter("tick 50");
    let zone = stage.register(&mut app, 1).await;
    let timer = stage.register(&mut app, 4).await;
    let grouped = stage.register(&mut app, 6).await;
    app.quit();
    stage.home.world.zone("Asia/Tokyo");
    for task in [&zone, &grouped] {
        assert_eq!(stage.user.line(task, "completed", 1).await.text, "succeeded (last progress 100)");
    }
    stage.time_passes(QUARTER).await;
    assert_eq!(stage.user.line(&timer, "completed", 1).await.text, "succeeded (last progress 100)");

    let mut app = stage.open();
    stage.all_acknowledged().await;
    for scenario in [1, 4, 6] {
        assert_eq!(app.status(scenario), "Registered", "what the other process remembered went with it");
    }
    stage.home.world.zone("Europe/Berlin");
    assert_eq!(
        app.run(1),
        (TENS.to_vec(), "Registered - Completed".into()),
        "from now on they run where a person sees them"
    );
}

/// Scenarios 1 and 2, side by side in one process. The tick is the sample's second.
#[tokio::test]
async fn what_the_app_runs_is_cancelled_with_its_reason() {
    let stage = Stage::new(Sample::InProcess).await;
    let mut app = stage.open();
    stage.register(&mut app, 1).await;
    stage.register(&mut app, 2).await;
    stage.home.world.zone("Asia/Tokyo");
    app.hears_progress(1, 20);
    app.press("unregister 1", 1);
    assert_eq!(app.run(1).1, "Unregistered - Canceled with reason: Abort");
    stage.home.world.online(false);
    assert_eq!(app.run(2).1, "Registered - Canceled with reason: ConditionLoss");
}

/// Scenario 3, which has the same body as the others here, so that an update can be seen and cancelled.
#[tokio::test]
async fn an_update_runs_the_ordinary_body() {
    let stage = Stage::new(Sample::InProcess).await;
    let mut app = stage.open();
    app.enter("tick 50");
    stage.register(&mut app, 3).await;
    stage.install("1.1.0.0", |manifest| manifest);
    assert_eq!(app.run(3), (TENS.to_vec(), "Registered - Completed".into()));
    app.enter("tick 1000");
    app.page(3);
    stage.install("1.2.0.0", |manifest| manifest);
    app.hears_progress(3, 10);
    app.press("unregister 3", 3);
    assert_eq!(app.run(3).1, "Unregistered - Canceled with reason: Abort");
}

/// Scenario 5. The tick is the sample's second.
#[tokio::test]
async fn the_app_signals_itself() {
    let stage = Stage::new(Sample::InProcess).await;
    let mut app = stage.open();
    let task = stage.register(&mut app, 5).await;
    assert_eq!(signal(&mut app, ""), "Allowed");
    assert_eq!(signal(&mut app, ""), "CurrentlyRunning");
    let (progress, status) = app.run(5);
    assert_eq!((progress.last(), status.as_str()), (Some(&100), "Registered - Completed"));
    stage.user.phase(&task, "idle").await;
    assert_eq!(stage.user.words(&task).await, "registered fired started completed");
    app.press("unregister 5", 5);
    assert!(app.refused("signal").contains("register 5"));
    stage.register(&mut app, 5).await;
    assert_eq!(signal(&mut app, ""), "Allowed", "the same trigger object works again");
}

/// Scenario 6, GRP-5, GR-4: through the event of its group.
#[tokio::test]
async fn a_grouped_task_comes_by_the_event_of_its_group() {
    let stage = Stage::new(Sample::InProcess).await;
    let mut app = stage.open();
    app.enter("tick 50");
    stage.register(&mut app, 1).await;
    stage.register(&mut app, 6).await;
    assert_eq!(app.press("unregister-ungrouped", 1)[0], "Unregistered");
    stage.home.world.zone("Asia/Tokyo");
    assert_eq!(app.run(6), (TENS.to_vec(), "Registered - Completed".into()));
    assert_eq!(app.press("unregister 6", 6)[0], "Unregistered - Completed");
}
