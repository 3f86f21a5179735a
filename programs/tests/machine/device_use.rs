//! Tasks that use a device: the app asks, and the task ends with the device or with the app (CA-8).

use std::collections::HashMap;
use std::fs;
use std::path::PathBuf;

use bgtask::{ApplicationDataContainer, DeviceTriggerResult, PropertyValue, ValueSet};
use bgtask_wire::{AttachOptions, ErrorKind};
use zbus::Variant;

use crate::Stage;
use crate::harness::{Home, New, SAMPLE, User, eventually, kind};

const CLASS: &str = "DeviceUseTrigger";
const DEVICE: &str = "/sys/devices/virtual/example/camera";

/// A machine with a camera, and a task that uses it until it is told to stop.
async fn with_camera() -> (Stage, String) {
    let home = Home::with_sample().0;
    home.world.power(true, 80);
    plug_in(&home);
    let stage = Stage::in_home(home).await;
    stage.user.broker.request_access(SAMPLE, "").await.unwrap();
    let new = New { name: "Camera", entry: "Tasks.Uses", ..New::default() };
    let task = stage.user.register_for(new, CLASS, &[]).await.unwrap();
    stage.user.sources_know().await;
    (stage, task)
}

fn place(home: &Home) -> PathBuf {
    home.world.path(&DEVICE[1..])
}

fn plug_in(home: &Home) {
    fs::create_dir_all(place(home)).unwrap();
    fs::write(place(home).join("uevent"), "").unwrap();
}

fn unplug(home: &Home) {
    fs::rename(place(home), home.root("unplugged")).unwrap();
}

/// What the broker answers the app that asks, and why.
async fn request(user: &User, device: &str) -> (DeviceTriggerResult, String) {
    let details = HashMap::from([("device_id", Variant::from(device.to_owned()).try_into().unwrap())]);
    let (result, why) = user.broker.request_trigger(SAMPLE, CLASS, details).await.unwrap();
    (DeviceTriggerResult::from_number(result).unwrap(), why)
}

impl Stage {
    async fn uses(&self, task: &str) {
        assert_eq!(request(&self.user, DEVICE).await, (DeviceTriggerResult::Allowed, "the trigger fired".to_owned()));
        self.user.progress(task, 1).await;
    }

    /// Waits for the word that the task leaves when it has been told to stop.
    async fn ended(&self) -> String {
        let settings = ApplicationDataContainer::open(self.home.data(SAMPLE)).unwrap();
        eventually("the task is told to stop", async || settings.get("Camera ended").unwrap()).await
    }
}

#[tokio::test]
async fn a_device_that_goes_takes_the_task_along() {
    let (stage, task) = with_camera().await;
    stage.uses(&task).await;
    let settings = ApplicationDataContainer::open(stage.home.data(SAMPLE)).unwrap();
    let runs: Vec<PropertyValue> = settings.get("Camera").unwrap().unwrap();
    let told: ValueSet = runs[0].clone().try_into().unwrap();
    assert_eq!(told.get::<String>("device_id").unwrap().as_deref(), Some(DEVICE));

    let (result, why) = request(&stage.user, DEVICE).await;
    assert_eq!((result, why.as_str()), (DeviceTriggerResult::DeniedBySystem, "the task runs already"), "REQ-1");
    unplug(&stage.home);
    assert_eq!(stage.ended().await, "ResourceRevocation");
    assert!(stage.user.line(&task, "cancelled", 1).await.text.contains("ResourceRevocation"));
    stage.user.line(&task, "completed", 1).await;
    assert_eq!(stage.user.words(&task).await, "registered fired started cancelled completed");
}

/// A device that is not there is gone already.
#[tokio::test]
async fn a_device_that_is_not_there_is_not_used_for_long() {
    let (stage, task) = with_camera().await;
    unplug(&stage.home);
    assert_eq!(request(&stage.user, DEVICE).await.0, DeviceTriggerResult::Allowed);
    stage.user.line(&task, "completed", 1).await;
    assert!(stage.user.words(&task).await.contains("cancelled"), "{}", stage.user.words(&task).await);
    plug_in(&stage.home);
    stage.uses(&task).await;
}

#[tokio::test]
async fn the_task_ends_with_the_last_connection_of_its_app() {
    let (stage, task) = with_camera().await;
    let (first, last) = (stage.broker.user().await, stage.broker.user().await);
    for app in [&first, &last] {
        app.broker.attach(SAMPLE, AttachOptions::default()).await.unwrap();
    }
    assert_eq!(request(&last, DEVICE).await.0, DeviceTriggerResult::Allowed);
    stage.user.progress(&task, 1).await;
    drop(first);
    drop(last);
    assert_eq!(stage.ended().await, "Abort");
    stage.user.line(&task, "completed", 1).await;
    assert_eq!(stage.user.words(&task).await, "registered fired started cancelled completed");
}

/// AC-10: who does not let it run is told apart.
#[tokio::test]
async fn what_stands_against_it_is_told() {
    let (stage, task) = with_camera().await;
    let broker = &stage.user.broker;
    broker.set_access(SAMPLE, "never").await.unwrap();
    let (result, why) = request(&stage.user, DEVICE).await;
    assert_eq!(result, DeviceTriggerResult::DeniedByUser, "{why}");
    broker.set_access(SAMPLE, "default").await.unwrap();

    stage.home.world.power(false, 20);
    stage.user.reads("external-power", "false").await;
    stage.user.reads("battery-above:33", "false").await;
    let (result, why) = request(&stage.user, DEVICE).await;
    assert_eq!((result, why.contains("33 %")), (DeviceTriggerResult::LowBattery, true), "{why}");
    stage.home.world.power(true, 20);
    stage.user.reads("external-power", "true").await;
    assert_eq!(stage.user.words(&task).await, "registered", "nothing of that fired");
    stage.uses(&task).await;

    broker.unregister(&task, true).await.unwrap();
    let (result, why) = request(&stage.user, DEVICE).await;
    assert_eq!((result, why.contains("register one")), (DeviceTriggerResult::DeniedBySystem, true), "{why}");
    let unknown = broker.request_trigger("org.example.Nobody", CLASS, HashMap::new()).await;
    assert_eq!(kind(unknown), ErrorKind::UnknownApp);
}

/// The policy of the machine's owner.
#[tokio::test]
async fn the_policy_denies() {
    let (stage, task) = with_camera().await;
    stage.home.world.set_policy("50-deny.toml", &format!("[background]\nforce_deny = [{SAMPLE:?}]\n"));
    eventually("the policy is in force", async || {
        let apps = stage.user.apps().await;
        apps.iter().any(|app| app.policy.as_deref() == Some("ForceDeny")).then_some(())
    })
    .await;
    let (result, why) = request(&stage.user, DEVICE).await;
    assert_eq!(result, DeviceTriggerResult::DeniedBySystem, "{why}");
    assert_eq!(stage.user.words(&task).await, "registered");
}

/// The next broker goes on with the task (D7), and finds that the device has gone meanwhile.
#[tokio::test]
async fn a_device_goes_while_no_broker_runs() {
    let (stage, task) = with_camera().await;
    stage.uses(&task).await;
    let stage = stage.after_a_crash(async |home| unplug(home)).await;
    stage.user.line(&task, "completed", 1).await;
    let words = stage.user.words(&task).await;
    assert!(words.contains("interrupted") && words.contains("cancelled"), "{words}");
}
