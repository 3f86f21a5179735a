//! Scenario 2, a condition (§16.2).

use crate::stage::{Sample, Stage};
use crate::terminal::{TENS, name};

/// S16.2-1, S16.2-2, S16.2-4, and CO-7.
#[tokio::test]
async fn scenario_2_runs_online_and_waits_offline() {
    let stage = Stage::new(Sample::OutOfProcess).await;
    let (world, user) = (&stage.home.world, &stage.user);
    let mut app = stage.open();
    app.enter("tick 50");
    let task = stage.register(&mut app, 2).await;
    world.zone("Asia/Tokyo");
    assert_eq!(app.run(2), (TENS.to_vec(), "Registered - Completed".into()), "step 1");

    world.online(false);
    user.reads("internet", "false").await;
    for zone in ["Europe/Berlin", "Asia/Tokyo", "America/Lima"] {
        world.zone(zone);
        user.reads("time-zone", zone).await;
    }
    user.phase(&task, "latched").await;
    assert_eq!(app.status(2), "Registered - Completed", "step 2: it stays as it was");
    assert_eq!(user.words(&task).await.matches("started").count(), 1, "step 2: not started");
    world.online(true);
    assert_eq!(app.run(2), (TENS.to_vec(), "Registered - Completed".into()), "step 2: back online, it runs");
    user.phase(&task, "idle").await;
    assert_eq!(
        user.words(&task).await.matches("started").count(),
        2,
        "step 4: three changes while offline are one run"
    );
}

/// S16.2-3. The tick is the sample's second.
#[tokio::test]
async fn scenario_2_going_offline_in_its_middle_is_the_loss_of_its_condition() {
    let stage = Stage::new(Sample::OutOfProcess).await;
    let mut app = stage.open();
    stage.register(&mut app, 2).await;
    stage.home.world.zone("Asia/Tokyo");
    app.hears_progress(2, 40);
    stage.home.world.online(false);
    let (progress, status) = app.run(2);
    assert_eq!(status, "Registered - Canceled with reason: ConditionLoss");
    assert_eq!(stage.setting(name(2)).as_deref(), Some("Canceled with reason: ConditionLoss"));
    assert!(progress.last().is_none_or(|last| *last < 100), "it stopped where it was: {progress:?}");
}
