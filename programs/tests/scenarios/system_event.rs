//! Scenario 1, a system event (§16.1).

use crate::harness::New;
use crate::stage::{Sample, Stage};
use crate::terminal::{TENS, name};

/// S16.1-1, S16.1-2, S16.1-3, S16.1-4, S16.1-5, S16.1-6, and what all scenarios share: S16.0-2, S16.0-4, S16.0-5, S16.0-6.
#[tokio::test]
async fn scenario_1_registers_runs_runs_again_and_outlives_its_app() {
    let stage = Stage::new(Sample::OutOfProcess).await;
    let mut app = stage.open();
    assert_eq!(app.page(1), ["Unregistered", "Buttons: register 1"], "step 1");

    app.enter("tick 50");
    stage.settings().set(name(1), "of an earlier registration").unwrap();
    stage.register(&mut app, 1).await;
    assert_eq!(app.page(1), ["Registered", "Buttons: unregister 1"], "step 2");
    assert_eq!(stage.setting(name(1)), None, "step 2");
    assert!(app.refused("register 1").contains("unregister 1"), "its button is off");

    stage.home.world.zone("Asia/Tokyo");
    assert_eq!(app.run(1), (TENS.to_vec(), "Registered - Completed".into()), "steps 3 and 4");
    assert_eq!(stage.setting(name(1)).as_deref(), Some("Completed"), "step 4");
    let cost = stage.setting("BackgroundWorkCost").expect("step 3: it is left in the settings");
    assert!(["Low", "Medium", "High"].contains(&cost.as_str()), "{cost}");
    stage.home.world.zone("Europe/Berlin");
    assert_eq!(app.run(1), (TENS.to_vec(), "Registered - Completed".into()), "step 5: progress begins anew");
    app.quit();

    let mut app = stage.open();
    assert_eq!(app.page(1), ["Registered - Completed", "Buttons: unregister 1"], "step 6");
    stage.home.world.zone("Asia/Tokyo");
    assert_eq!(app.run(1), (TENS.to_vec(), "Registered - Completed".into()), "step 6: the handlers work");
}

/// S16.1-7, S16.1-9, S16.0-3.
#[tokio::test]
async fn scenario_1_does_nothing_after_it_was_unregistered_or_for_an_equal_offset() {
    let stage = Stage::new(Sample::OutOfProcess).await;
    let sample = stage.sample.id();
    let mut app = stage.open();
    app.enter("tick 50");
    let witness = New { app: sample, name: "Witness", entry: "Tasks.ServicingComplete", ..New::default() };
    let witness = stage.user.register(witness).await.unwrap();
    let task = stage.register(&mut app, 1).await;
    stage.home.world.zone("Europe/Paris");
    stage.user.reads("time-zone", "Europe/Paris").await;
    assert_eq!(stage.user.words(&task).await, "registered", "step 9");

    stage.home.world.zone("Asia/Tokyo");
    assert_eq!(app.run(1).1, "Registered - Completed");
    stage.user.phase(&task, "idle").await;
    assert_eq!(app.press("unregister 1", 1)[0], "Unregistered - Completed", "step 7: the setting stays");
    stage.home.world.zone("Europe/Berlin");
    stage.user.line(&witness, "completed", 2).await;
    assert_eq!(stage.user.words(&task).await, "registered fired started completed unregistered", "step 7");
    assert!(app.refused("unregister 1").contains("register 1"), "its button is off");
}

/// S16.1-8. The tick is the sample's second.
#[tokio::test]
async fn scenario_1_unregistered_while_it_runs_is_cancelled_with_abort() {
    let stage = Stage::new(Sample::OutOfProcess).await;
    let mut app = stage.open();
    stage.register(&mut app, 1).await;
    stage.home.world.zone("Asia/Tokyo");
    app.hears_progress(1, 30);
    app.press("unregister 1", 1);
    app.run(1);
    assert_eq!(app.status(1), "Unregistered - Canceled with reason: Abort");
    assert_eq!(stage.setting(name(1)).as_deref(), Some("Canceled with reason: Abort"));
}
