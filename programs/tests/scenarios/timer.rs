//! Scenario 4, a timer (§16.4). The tick of the broker is a second here, and the quarters of an hour are moved.

use std::time::Duration;

use crate::harness::SystemBus;
use crate::stage::{Sample, Stage};
use crate::terminal::{TENS, Terminal, name};

const MINUTE: Duration = Duration::from_secs(60);
pub(crate) const QUARTER: Duration = Duration::from_secs(15 * 60);

/// When the timer is due next, in minutes after its registration.
async fn due(stage: &Stage) -> i64 {
    let task = stage.task(name(4)).await.unwrap();
    (task.due.unwrap() - task.registered_at) / 60_000_000
}

/// Waits until the app has found the new broker: from then on it hears of everything.
fn attaches(app: &mut Terminal) {
    assert_eq!(app.tasks(0), [name(4)]);
}

/// S16.4-1, S16.4-3, TIM-12.
#[tokio::test]
async fn scenario_4_runs_a_quarter_of_an_hour_later_and_then_every_quarter() {
    let mut stage = Stage::new(Sample::OutOfProcess).await;
    let mut app = stage.open();
    app.enter("tick 50");
    let error = app.refused("register 4 14");
    assert!(error.contains("14 min") && error.contains("takes 15 to"), "step 3: {error}");
    let task = stage.register(&mut app, 4).await;
    assert_eq!(due(&stage).await, 15, "step 1");

    stage.time_passes(14 * MINUTE).await;
    attaches(&mut app);
    assert_eq!(stage.user.words(&task).await, "registered", "step 1: not before its time");
    stage.time_passes(MINUTE).await;
    assert_eq!(app.run(4).1, "Registered - Completed", "step 1");
    stage.user.phase(&task, "idle").await;
    stage.time_passes(QUARTER).await;
    assert_eq!(app.run(4).1, "Registered - Completed", "step 1: and then every 15");
    stage.user.phase(&task, "idle").await;
    assert_eq!(stage.user.words(&task).await.matches("started").count(), 2);
    assert_eq!(due(&stage).await, 15, "step 1: the phase stays, two quarters passed and two runs");
    assert!(!stage.settings().contains("TriggerDetails").unwrap(), "TIM-12: it leaves what it finds, and left nothing");
}

/// S16.4-4, S16.4-2.
#[tokio::test]
async fn scenario_4_waits_until_the_user_allows_it() {
    let mut stage = Stage::new(Sample::OutOfProcess).await;
    let sample = stage.sample.id();
    stage.user.broker.set_access(sample, "never").await.unwrap();
    let mut app = stage.open();
    app.enter("tick 50");
    let task = stage.register(&mut app, 4).await;
    stage.time_passes(QUARTER).await;
    stage.user.phase(&task, "buffered").await;
    attaches(&mut app);
    assert_eq!(app.status(4), "Registered", "step 4: denied, it does not run");
    stage.user.broker.set_access(sample, "default").await.unwrap();
    assert_eq!(app.run(4), (TENS.to_vec(), "Registered - Completed".into()), "steps 4 and 2");
}

/// S16.4-5.
#[tokio::test]
async fn scenario_4_waits_for_the_battery_saver_unless_always_allowed() {
    let home = Stage::prepare(Sample::OutOfProcess);
    let Some(bus) = SystemBus::start(&home.world).await else { return };
    bus.choose("power-saver").await;
    let mut stage = Stage::in_home(home, Sample::OutOfProcess).await;
    let mut app = stage.open();
    app.enter("tick 50");
    let task = stage.register(&mut app, 4).await;
    let sample = stage.sample.id();
    stage.time_passes(QUARTER).await;
    stage.user.phase(&task, "buffered").await;
    stage.user.reads("energy-saver", "true").await;
    let why = stage.user.broker.why(&task).await.unwrap();
    assert!(why.phase == "buffered" && why.sentence.contains("saves energy"), "{why:?}");
    attaches(&mut app);
    stage.user.broker.set_access(sample, "always").await.unwrap();
    assert_eq!(app.run(4), (TENS.to_vec(), "Registered - Completed".into()));
}
