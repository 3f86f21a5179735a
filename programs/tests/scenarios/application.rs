//! Scenario 5, the app's own trigger (§16.5).

use std::collections::HashMap;

use bgtask::ValueSet;
use bgtask_wire::{ErrorKind, RegisterOptions};

use crate::harness::kind;
use crate::stage::{Sample, Stage};
use crate::terminal::{TENS, Terminal, name};

/// Presses the button and gives what it answers.
pub(crate) fn signal(app: &mut Terminal, arguments: &str) -> String {
    let page = app.press(format!("signal {arguments}").trim(), 5);
    page.iter().find_map(|line| line.strip_prefix("Signal result: ")).expect("an answer").to_owned()
}

/// S16.5-1, S16.5-2, S16.5-3. The tick is the sample's second.
#[tokio::test]
async fn scenario_5_is_signalled_and_runs_once_at_a_time() {
    let stage = Stage::new(Sample::OutOfProcess).await;
    let mut app = stage.open();
    assert!(app.refused("signal").contains("register 5"), "its button is off");
    let task = stage.register(&mut app, 5).await;
    assert_eq!(app.page(5), ["Registered", "Buttons: unregister 5, signal"], "step 1");
    assert_eq!(signal(&mut app, ""), "Allowed", "step 2");
    app.hears_progress(5, 10);
    assert_eq!(signal(&mut app, ""), "CurrentlyRunning", "step 3");
    let (progress, status) = app.run(5);
    assert_eq!(
        (progress.last(), status.as_str()),
        (Some(&100), "Registered - Completed"),
        "steps 2 and 3: undisturbed"
    );
    assert_eq!(stage.setting(name(5)).as_deref(), Some("Completed"));
    stage.user.phase(&task, "idle").await;
    assert_eq!(stage.user.words(&task).await, "registered fired started completed", "step 3: nothing follows");
}

/// S16.5-4, S16.5-5, S16.5-6, S16.5-7, S16.5-8, S16.0-1: its manifest lists only types for system events and timers.
#[tokio::test]
async fn scenario_5_is_denied_unregistered_registered_again_and_given_arguments() {
    let stage = Stage::with_windows_manifest(Sample::OutOfProcess).await;
    let (sample, broker) = (stage.sample.id(), &stage.user.broker);
    let mut app = stage.open();
    app.enter("tick 50");
    stage.register(&mut app, 5).await;
    broker.set_access(sample, "never").await.unwrap();
    assert_eq!(signal(&mut app, ""), "DisabledByPolicy", "step 4");
    broker.set_access(sample, "default").await.unwrap();
    assert_eq!(app.press("unregister 5", 5), ["Unregistered", "Buttons: register 5"], "step 5");
    assert!(app.refused("signal").contains("register 5"), "step 5");

    stage.register(&mut app, 5).await;
    let another = ("ApplicationTrigger", HashMap::new());
    let entry = "Tasks.SampleBackgroundTask";
    let refused = broker.register(sample, "Another", entry, another, &[], RegisterOptions::default()).await;
    assert_eq!(kind(refused), ErrorKind::LimitReached, "step 7");

    assert_eq!(signal(&mut app, "album=Berlin size=320"), "Allowed", "step 6: the same trigger object works");
    assert_eq!(app.run(5), (TENS.to_vec(), "Registered - Completed".into()));
    let arguments = ValueSet::from([("album", "Berlin"), ("size", "320")]);
    assert_eq!(stage.settings().get::<ValueSet>("TriggerDetails").unwrap(), Some(arguments), "step 8");
}
