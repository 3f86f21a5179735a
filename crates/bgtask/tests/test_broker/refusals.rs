//! What an app may not do is refused with the error that it would get from the real broker.

use bgtask::testing::TestBroker;
use bgtask::{BackgroundTaskBuilder, RegistrationUpdate, SystemTrigger, SystemTriggerType, TimeTrigger};

use crate::sample::{APP, broker, builder, manifest};

fn zone_change() -> SystemTrigger {
    SystemTrigger::new(SystemTriggerType::TimeZoneChange, false)
}

/// MA-1, BLD-7: what the manifest lacks is told with the lines to add.
#[tokio::test(start_paused = true)]
async fn what_is_not_declared_is_refused_with_the_lines_to_add() {
    let mut broker = broker();
    let error = broker.register(APP, &builder("Task", zone_change(), None).task_entry_point("Tasks.New")).unwrap_err();
    assert!(error.is_not_declared(), "{error}");
    assert!(error.to_string().contains("entry_point = \"Tasks.New\""), "{error}");

    let timer = builder("Task", TimeTrigger::new(15, false), None).task_entry_point("Tasks.ServicingComplete");
    let error = broker.register(APP, &timer).unwrap_err();
    assert!(error.is_not_declared(), "{error}");
    assert!(error.to_string().contains("\"timer\""), "{error}");
}

#[tokio::test(start_paused = true)]
async fn what_makes_no_sense_is_refused() {
    let mut broker = broker();
    let error = broker.register(APP, &BackgroundTaskBuilder::new().name("Task")).unwrap_err();
    assert!(error.is_invalid_argument() && error.to_string().contains("has no trigger"), "BLD-1: {error}");
    let error = broker.register(APP, &builder("", zone_change(), None)).unwrap_err();
    assert!(error.is_invalid_argument(), "{error}");
    let error = broker.register("org.example.Nobody", &builder("Task", zone_change(), None)).unwrap_err();
    assert!(error.is_unknown_app(), "{error}");
    let error = broker.uninstall("org.example.Nobody").unwrap_err();
    assert!(error.is_unknown_app(), "{error}");
    let disk = bgtask::DeviceWatcherTrigger::new().property("ID_FS_LABEL", "backup").property("colour", "red");
    let error = broker.register(APP, &builder("Task", disk, None)).unwrap_err();
    assert!(error.is_invalid_argument() && error.to_string().contains("colour"), "{error}");
    let nothing = bgtask::DeviceWatcherTrigger::new().actions([bgtask::DeviceAction::Add]);
    let error = broker.register(APP, &builder("Task", nothing, None)).unwrap_err();
    assert!(error.is_invalid_argument() && error.to_string().contains("which devices"), "{error}");
    let busy = BackgroundTaskBuilder::new().name("Use").trigger(bgtask::DeviceUseTrigger::new());
    let error = broker.register(APP, &busy).unwrap_err();
    assert!(error.is_invalid_argument() && error.to_string().contains("entry point"), "CO-6: {error}");
    let error = broker.request(APP, zone_change(), &bgtask::ValueSet::new()).unwrap_err();
    assert!(error.is_invalid_argument(), "{error}");

    let task = broker.register(APP, &builder("Task", zone_change(), None)).unwrap();
    broker.unregister(task, false).unwrap();
    assert!(broker.unregister(task, false).unwrap_err().is_unknown_task());
}

#[tokio::test(start_paused = true)]
async fn a_manifest_with_mistakes_is_refused_with_their_places() {
    let mut broker = TestBroker::new();
    let error = broker.install("[app]\nid = \"a b\"\nversion = \"1\"\ncolour = \"red\"\n").unwrap_err();
    assert!(error.is_invalid_argument());
    let text = error.to_string();
    assert!(text.starts_with("bgtask.toml cannot be installed:\n"), "{text}");
    assert!(text.contains("\n2:") && text.contains("\n4:1: error[manifest/unknown-key]"), "{text}");
    assert!(broker.install("<Package").unwrap_err().to_string().starts_with("Package.appxmanifest"));
}

/// The Windows form is read as it is.
#[tokio::test(start_paused = true)]
async fn a_windows_manifest_is_installed() {
    let app = TestBroker::new().install(
        r#"<Package xmlns="http://schemas.microsoft.com/appx/manifest/foundation/windows10">
          <Identity Name="Example.Photos" Publisher="CN=Example" Version="1.0.0.0" />
          <Applications><Application Id="App" Executable="Photos.exe" EntryPoint="Photos.App"><Extensions>
            <Extension Category="windows.backgroundTasks" EntryPoint="Tasks.Thumbnails">
              <BackgroundTasks><Task Type="timer" /></BackgroundTasks>
            </Extension>
          </Extensions></Application></Applications>
        </Package>"#,
    );
    assert_eq!(app.unwrap(), "Example.Photos");
}

/// D16: what no program could run is refused at once, as by the real broker.
#[tokio::test(start_paused = true)]
async fn what_nothing_can_run_is_refused() {
    let mut broker = TestBroker::new();
    let app = broker
        .install(
            r#"<Package xmlns="http://schemas.microsoft.com/appx/manifest/foundation/windows10">
              <Identity Name="Example.Web" Publisher="CN=Example" Version="1.0.0.0" />
              <Applications><Application Id="App" StartPage="index.html"><Extensions>
                <Extension Category="windows.backgroundTasks" StartPage="task.js">
                  <BackgroundTasks><Task Type="systemEvent" /></BackgroundTasks>
                </Extension>
              </Extensions></Application></Applications>
            </Package>"#,
        )
        .unwrap();
    let error = broker.register(&app, &builder("Task", zone_change(), None).task_entry_point("task.js")).unwrap_err();
    assert!(error.is_not_supported() && error.to_string().contains("JavaScript"), "{error}");
}

/// D5: the same again changes nothing, another takes its place.
#[tokio::test(start_paused = true)]
async fn register_or_update_keeps_what_is_the_same() {
    let mut broker = broker();
    let (first, update) = broker.register_or_update(APP, &builder("Task", zone_change(), None)).unwrap();
    assert_eq!(update, RegistrationUpdate::Registered);
    let same = broker.register_or_update(APP, &builder("Task", zone_change(), None)).unwrap();
    assert_eq!(same, (first, RegistrationUpdate::Unchanged));
    let (second, update) = broker.register_or_update(APP, &builder("Task", TimeTrigger::new(15, false), None)).unwrap();
    assert_eq!(update, RegistrationUpdate::Replaced);
    let listed: Vec<_> = broker.registrations(APP).iter().map(|task| task.task_id()).collect();
    assert_eq!(listed, [second]);
}

#[tokio::test(start_paused = true)]
#[should_panic(expected = "install the manifest with another version")]
async fn what_cannot_be_fired_says_how_it_comes_about() {
    broker().fire(SystemTriggerType::ServicingComplete);
}

#[tokio::test(start_paused = true)]
#[should_panic(expected = "does not listen to anything")]
async fn nothing_happens_to_who_does_not_listen() {
    let mut broker = broker();
    let task = broker.register(APP, &builder("Task", zone_change(), None)).unwrap();
    broker.happens(task, bgtask::ValueSet::new());
}

#[tokio::test(start_paused = true)]
#[should_panic(expected = "\"org.example.Nobody\" is not installed")]
async fn the_access_of_nobody_cannot_be_set() {
    broker().set_access("org.example.Nobody", bgtask::BackgroundAccessStatus::DeniedByUser);
}

/// RE-8: an app that is removed takes its tasks with it.
#[tokio::test(start_paused = true)]
async fn an_uninstalled_app_stops() {
    let mut broker = broker();
    let task = broker.register(APP, &builder("Task", zone_change(), None)).unwrap();
    broker.fire(SystemTriggerType::TimeZoneChange);
    broker.advance(std::time::Duration::from_secs(2)).await;
    broker.uninstall(APP).unwrap();
    broker.advance(std::time::Duration::from_secs(1)).await;
    let outcome = broker.last_outcome(task).unwrap();
    assert_eq!(outcome.cancellation_reason(), Some(bgtask::BackgroundTaskCancellationReason::Uninstall));
    assert!(broker.why(task).contains("no task"), "{}", broker.why(task));
    broker.install(&manifest("1.0.0")).unwrap();
    assert!(broker.registrations(APP).is_empty());
}
