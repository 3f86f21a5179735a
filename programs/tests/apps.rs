//! Manifests come, change, break and go while the broker runs (LC-11, RE-8, CAN-5), and access holds tasks back (ACC, D13).

mod harness;

use std::fs;

use bgtask_wire::{AppInfo, AttachOptions, ErrorKind};
use harness::{App, Broker, Home, New, SAMPLE, User, eventually, kind};

const UNINSTALL: u32 = 5;

async fn begin() -> (Home, App, Broker, User) {
    let (home, app) = Home::with_sample();
    let broker = home.start().await;
    let user = broker.user().await;
    (home, app, broker, user)
}

async fn app_when(user: &User, what: &str, found: impl Fn(&AppInfo) -> bool) -> AppInfo {
    eventually(what, async || user.broker.list_apps().await.unwrap().into_iter().find(|app| found(app))).await
}

#[tokio::test]
async fn a_manifest_appears() {
    let home = Home::new();
    let broker = home.start().await;
    let user = broker.user().await;
    assert_eq!(kind(user.register(New::default()).await), ErrorKind::UnknownApp);
    home.install(SAMPLE);
    let app = app_when(&user, "the app is installed", |_| true).await;
    assert_eq!((app.id.as_str(), app.access.as_str()), (SAMPLE, "Unspecified"));
    assert!(app.entry_points.contains(&"Tasks.SampleBackgroundTask".to_owned()));
    user.register(New::default()).await.unwrap();
}

/// LC-11: a new version that no longer declares the entry point holds its tasks back; one that does again lets them go.
#[tokio::test]
async fn a_manifest_changes() {
    let (home, app, _broker, user) = begin().await;
    let task = user.ready(New::default()).await;
    let less = app.manifest("1.1.0").replace("Tasks.Quick", "Tasks.Renamed");
    fs::write(home.manifest(SAMPLE), less).unwrap();
    app_when(&user, "version 1.1.0", |app| app.version == "1.1.0").await;
    home.world.zone("Asia/Tokyo");
    user.phase(&task, "buffered").await;
    let why = user.broker.why(&task).await.unwrap();
    assert!(why.sentence.contains("no longer declares the entry point"), "{}", why.sentence);
    assert!(why.gates.iter().any(|gate| gate.name == "Manifest" && !gate.open));

    fs::write(home.manifest(SAMPLE), app.manifest("1.2.0")).unwrap();
    user.line(&task, "completed", 1).await;
    assert_eq!(user.words(&task).await, "registered fired buffered started completed");
}

/// A manifest that breaks while it is edited keeps its app as it was; a broken one that is new installs nothing.
#[tokio::test]
async fn a_manifest_breaks() {
    let (home, app, _broker, user) = begin().await;
    let task = user.ready(New::default()).await;
    fs::write(home.manifest(SAMPLE), "[app]\nid = ").unwrap();
    fs::write(home.manifest("org.example.Broken"), "nonsense").unwrap();
    eventually("the log complains of both", async || {
        let log = home.log();
        (log.contains("org.example.Sample.toml") && log.contains("org.example.Broken.toml")).then_some(())
    })
    .await;
    let apps = user.broker.list_apps().await.unwrap();
    assert_eq!(apps.iter().map(|app| app.version.as_str()).collect::<Vec<_>>(), ["1.0.0"]);
    home.world.zone("Asia/Tokyo");
    user.line(&task, "completed", 1).await;

    fs::write(home.manifest(SAMPLE), app.manifest("2.0.0")).unwrap();
    app_when(&user, "the corrected manifest", |app| app.version == "2.0.0").await;
    assert_eq!(user.broker.list_tasks(SAMPLE).await.unwrap().len(), 1, "its registration stayed");
}

/// RE-8, CAN-5: uninstalling takes the registrations away and tells a running instance so, with `Uninstall` and nothing else (D9).
#[tokio::test]
async fn a_manifest_goes_away() {
    let (home, app, _broker, mut user) = begin().await;
    user.broker.attach(SAMPLE, AttachOptions::default()).await.unwrap();
    let idle = user.register(New::default()).await.unwrap();
    let task = user.ready(New { name: "Running", entry: "Tasks.Blocking", ..New::default() }).await;
    home.world.zone("Asia/Tokyo");
    user.progress(&task, 1).await;
    user.line(&idle, "completed", 1).await;
    home.uninstall(SAMPLE);
    user.line(&task, "completed", 1).await;
    assert_eq!(user.words(&task).await, "registered fired started unregistered cancelled completed");
    let cancelled = loop {
        let (_, name, outcome) = user.completion().await;
        if name == "Running" {
            break outcome;
        }
    };
    assert_eq!((cancelled.outcome.as_str(), cancelled.reason), ("cancelled", Some(UNINSTALL)));
    assert!(user.broker.list_tasks("").await.unwrap().is_empty() && user.broker.list_apps().await.unwrap().is_empty());

    fs::write(home.manifest(SAMPLE), app.manifest("1.0.0")).unwrap();
    app_when(&user, "it is installed again", |_| true).await;
    assert!(user.broker.list_tasks("").await.unwrap().is_empty(), "what was uninstalled does not come back");
}

/// An app that was removed while no broker ran is removed when one starts.
#[tokio::test]
async fn a_manifest_goes_away_unseen() {
    let (home, app, mut broker, user) = begin().await;
    user.ready(New::default()).await;
    drop(user);
    assert_eq!(broker.stop(), Some(0));
    home.uninstall(SAMPLE);
    let broker = home.start().await;
    let user = broker.user().await;
    let listed = user.broker.list_tasks("").await.unwrap();
    assert!(listed.is_empty(), "{listed:?}");
    fs::write(home.manifest(SAMPLE), app.manifest("1.0.0")).unwrap();
    app_when(&user, "it is installed again", |_| true).await;
    assert!(user.broker.list_tasks("").await.unwrap().is_empty());
}

/// A manifest that cannot be read when the broker starts is no uninstall: its tasks wait for it.
#[tokio::test]
async fn a_manifest_is_broken_at_the_start() {
    let (home, app, mut broker, user) = begin().await;
    let task = user.ready(New::default()).await;
    drop(user);
    assert_eq!(broker.stop(), Some(0));
    fs::write(home.manifest(SAMPLE), "[app]\nid = ").unwrap();
    home.world.zone("Asia/Tokyo");
    let broker = home.start().await;
    let user = broker.user().await;
    user.phase(&task, "buffered").await;
    let why = user.broker.why(&task).await.unwrap().sentence;
    assert!(why.contains("manifest is not installed"), "{why}");
    fs::write(home.manifest(SAMPLE), app.manifest("1.0.1")).unwrap();
    user.line(&task, "completed", 1).await;
}

/// A developer links the manifest of a working tree: programs are found beside the file, not beside the link.
#[tokio::test]
async fn a_manifest_that_is_a_link() {
    let (home, app) = Home::with_sample();
    home.uninstall(SAMPLE);
    let project = app.program().with_file_name("bgtask.toml");
    let folder = app.program().parent().unwrap().display().to_string();
    fs::write(&project, app.manifest("1.0.0").replace(&format!("{folder}/"), "")).unwrap();
    std::os::unix::fs::symlink(&project, home.manifest(SAMPLE)).unwrap();
    let broker = home.start().await;
    let user = broker.user().await;
    assert_eq!(app.call(&["register", "Linked", "entry=Tasks.Quick"])["new"], true, "the app is known by its program");
    user.sources_know().await;
    let task = user.broker.list_tasks(SAMPLE).await.unwrap().remove(0).id;
    home.world.zone("Asia/Tokyo");
    let line = user.line(&task, "completed", 1).await;
    assert_eq!(line.text, "succeeded", "and the task's program is found too");
}

/// The same app in the form Windows uses (MA-1, MAN rules).
#[tokio::test]
async fn a_windows_manifest() {
    let (home, app) = Home::with_sample();
    home.uninstall(SAMPLE);
    let project = app.program().with_file_name("Package.appxmanifest");
    fs::write(&project, windows_manifest()).unwrap();
    std::os::unix::fs::symlink(&project, home.manifest(SAMPLE).with_extension("appxmanifest")).unwrap();
    let broker = home.start().await;
    let user = broker.user().await;
    let task = user.ready(New::default()).await;
    home.world.zone("Asia/Tokyo");
    assert_eq!(user.line(&task, "completed", 1).await.text, "succeeded");
    let error = user.register(New { entry: "Tasks.Forgotten", ..New::default() }).await.expect_err("not declared");
    assert_eq!(error.kind, ErrorKind::NotDeclared);
    assert!(error.message.contains("<Extension") && error.message.contains("Tasks.Forgotten"), "{}", error.message);
}

fn windows_manifest() -> String {
    format!(
        r#"<?xml version="1.0" encoding="utf-8"?>
<Package xmlns="http://schemas.microsoft.com/appx/manifest/foundation/windows10">
  <Identity Name="{SAMPLE}" Publisher="CN=Example" Version="1.0.0.0"/>
  <Properties>
    <DisplayName>Sample</DisplayName><PublisherDisplayName>Example</PublisherDisplayName><Logo>logo.png</Logo>
  </Properties>
  <Applications>
    <Application Id="App" Executable="sample_app" EntryPoint="Sample.App">
      <Extensions>
        <Extension Category="windows.backgroundTasks" Executable="sample_tasks" EntryPoint="Tasks.Quick">
          <BackgroundTasks><Task Type="systemEvent"/></BackgroundTasks>
        </Extension>
      </Extensions>
    </Application>
  </Applications>
</Package>
"#
    )
}

/// ACC-8, D13: without access a task may be registered and fires, but waits; asking lets it run, giving back holds the next one.
#[tokio::test]
async fn access_not_requested_then_requested() {
    let (home, _app, _broker, user) = begin().await;
    let task = user.register(New::default()).await.unwrap();
    user.sources_know().await;
    assert_eq!(user.broker.get_access_status(SAMPLE, "", false).await.unwrap(), 0, "Unspecified");
    home.world.zone("Asia/Tokyo");
    user.phase(&task, "buffered").await;
    let why = user.broker.why(&task).await.unwrap().sentence;
    assert!(why.contains("has not asked for background access"), "{why}");

    assert_eq!(user.broker.request_access(SAMPLE, "").await.unwrap(), 5, "AllowedSubjectToSystemPolicy");
    user.line(&task, "completed", 1).await;

    user.broker.remove_access(SAMPLE, "").await.unwrap();
    home.world.zone("Europe/Berlin");
    user.phase(&task, "buffered").await;
    user.broker.request_access(SAMPLE, "").await.unwrap();
    user.line(&task, "completed", 2).await;
}
