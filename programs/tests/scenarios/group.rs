//! Scenario 6, a group (§16.6).

use std::collections::HashMap;

use bgtask_wire::RegisterOptions;
use zbus::{OwnedVariant, Variant};

use crate::stage::{Sample, Stage};
use crate::terminal::{TENS, name};

const GROUP: &str = "Group 3F2504E0-5F89-41D3-9A0C-0405E82C3333 Background Task Group: GroupedBackgroundTask";

/// S16.6-1, S16.6-2, S16.6-3, S16.6-4, S16.6-5, S16.6-6.
#[tokio::test]
async fn scenario_6_a_grouped_task_is_a_task_of_its_own_world() {
    let stage = Stage::new(Sample::OutOfProcess).await;
    let mut app = stage.open();
    app.enter("tick 50");
    let task = stage.register(&mut app, 6).await;
    assert_eq!(app.tasks(1), ["none", GROUP], "step 1: on the group's list, and not among all tasks");

    stage.register(&mut app, 1).await;
    assert_eq!(app.tasks(1), [name(1), GROUP]);
    assert_eq!(app.press("unregister-ungrouped", 1)[0], "Unregistered", "step 2");
    assert_eq!(app.status(6), "Registered", "step 2");
    assert_eq!(app.tasks(1), ["none", GROUP], "step 2");

    let other = same_name_in_another_group(&stage).await;
    assert_eq!(app.tasks(2)[2], "Group org.example.Other org.example.Other: GroupedBackgroundTask");
    stage.home.world.zone("Asia/Tokyo");
    assert_eq!(app.run(6), (TENS.to_vec(), "Registered - Completed".into()), "step 3");
    stage.user.line(&task, "completed", 1).await;
    stage.user.line(&other, "completed", 1).await;
    app.quit();

    let mut app = stage.open();
    assert_eq!(app.status(6), "Registered - Completed", "step 4: found through its group");
    assert_eq!(app.press("unregister 6", 6)[0], "Unregistered - Completed", "step 5");
    assert_eq!(app.tasks(1)[1], "Group org.example.Other org.example.Other: GroupedBackgroundTask", "step 6");
    stage.home.world.zone("Europe/Berlin");
    stage.user.line(&other, "completed", 2).await;
    assert!(stage.user.words(&task).await.ends_with("unregistered"), "step 5: it runs no more");
}

/// As a library of the app does.
async fn same_name_in_another_group(stage: &Stage) -> String {
    let value = |value: Variant<'static>| OwnedVariant::try_from(value).unwrap();
    let details = HashMap::from([("type", value("TimeZoneChange".into())), ("one_shot", value(false.into()))]);
    let options = RegisterOptions { group: Some("org.example.Other".into()), ..RegisterOptions::default() };
    let (app, entry) = (stage.sample.id(), "Tasks.ServicingComplete");
    let registered = stage.user.broker.register(app, name(6), entry, ("SystemTrigger", details), &[], options);
    registered.await.unwrap()
}
