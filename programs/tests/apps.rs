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
    eventually(what, async || user.apps().await.into_iter().find(|app| found(app))).await
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

/// The sample that Windows has for updates (§16.3): its task is for the end of one.
fn serviced() -> New<'static> {
    New { name: "Serviced", entry: "Tasks.ServicingComplete", trigger: "ServicingComplete", ..New::default() }
}

/// LC-11, RE-6, S16.3-4: a new version takes the tasks away that it can no longer serve, with a line of history; the others stay.
#[tokio::test]
async fn an_update_takes_tasks_without_an_entry_point_away() {
    let (home, app, _broker, user) = begin().await;
    let stays = user.ready(New { name: "Stays", entry: "Tasks.Exclusive", ..New::default() }).await;
    let goes = user.register(New::default()).await.unwrap();
    fs::write(home.manifest(SAMPLE), app.manifest("1.1.0").replace("Tasks.Quick", "Tasks.Renamed")).unwrap();
    let line = user.line(&goes, "unregistered", 1).await;
    assert_eq!(line.text, "unregistered: the app's manifest no longer declares its entry point");
    assert_eq!(kind(user.broker.get_task(&goes).await), ErrorKind::UnknownTask);
    home.world.zone("Asia/Tokyo");
    user.line(&stays, "completed", 1).await;
    assert_eq!(user.words(&goes).await, "registered unregistered", "it does not fire any more");

    fs::write(home.manifest(SAMPLE), app.manifest("1.2.0")).unwrap();
    app_when(&user, "version 1.2.0", |app| app.version == "1.2.0").await;
    let left = user.broker.list_tasks(SAMPLE).await.unwrap();
    assert_eq!(left.iter().map(|task| &*task.name).collect::<Vec<_>>(), ["Stays"], "what has gone does not come back");
}

/// An edit is no update: a task whose entry point is away for the moment stays, and waits with a reason until it is back.
#[tokio::test]
async fn an_edit_without_another_version_keeps_every_task() {
    let (home, app, _broker, user) = begin().await;
    let task = user.ready(New::default()).await;
    fs::write(home.manifest(SAMPLE), app.manifest("1.0.0").replace("Tasks.Quick", "Tasks.Renamed")).unwrap();
    app_when(&user, "the edit", |app| app.entry_points.iter().any(|entry| entry == "Tasks.Renamed")).await;
    home.world.zone("Asia/Tokyo");
    user.phase(&task, "buffered").await;
    let why = user.broker.why(&task).await.unwrap();
    assert!(why.sentence.contains("no longer declares the entry point"), "{}", why.sentence);
    assert!(why.gates.iter().any(|gate| gate.name == "Manifest" && !gate.open), "{:?}", why.gates);

    fs::write(home.manifest(SAMPLE), app.manifest("1.0.0")).unwrap();
    user.line(&task, "completed", 1).await;
    assert_eq!(user.words(&task).await, "registered fired buffered started completed");
}

/// RE-6, LC-12, S16.3-2: what runs is told, what fires waits, and when the last of the old version has ended the update is complete, once.
#[tokio::test]
async fn an_update_while_a_task_runs() {
    let (home, app) = Home::with_sample();
    home.configure("wall_budget_seconds = 600\ncancel_grace_seconds = 300\n");
    let broker = home.start().await;
    let user = broker.user().await;
    let update = user.register(serviced()).await.unwrap();
    let old = user.ready(New { name: "Old", entry: "Tasks.Lingers", ..New::default() }).await;
    home.world.zone("Asia/Tokyo");
    user.progress(&old, 1).await;
    let clock = user.register(New::default()).await.unwrap();
    fs::write(home.manifest(SAMPLE), app.manifest("2.0.0")).unwrap();
    user.progress(&old, 2).await;
    assert!(user.line(&old, "cancelled", 1).await.text.contains("ServicingUpdate"));

    home.world.zone("Europe/Berlin");
    user.phase(&clock, "buffered").await;
    let why = user.broker.why(&clock).await.unwrap();
    assert!(why.sentence.contains("the app is being updated"), "{}", why.sentence);
    let manifest = why.gates.iter().find(|gate| gate.name == "Manifest").unwrap();
    assert_eq!((manifest.open, &*manifest.value), (false, "being updated to version 2.0.0"));
    assert_eq!(user.words(&update).await, "registered", "not before the old version has ended");

    fs::write(home.data(SAMPLE).join("leave"), "").unwrap();
    user.line(&update, "completed", 1).await;
    user.line(&clock, "completed", 1).await;
    assert_eq!(user.words(&update).await, "registered fired started completed");
    assert_eq!(app.status("Serviced"), "Registered - Completed", "the next start of the app shows it");
    assert_eq!(user.words(&clock).await, "registered fired buffered started completed");

    fs::write(home.manifest(SAMPLE), app.manifest("1.0.0")).unwrap();
    user.line(&update, "completed", 2).await;
}

/// RE-6, LC-11: an update while no broker ran is noticed by the next one, and only by that.
#[tokio::test]
async fn an_update_while_the_broker_is_away() {
    let (home, app, mut broker, user) = begin().await;
    let update = user.ready(serviced()).await;
    let goes = user.register(New::default()).await.unwrap();
    drop(user);
    assert_eq!(broker.stop(), Some(0));
    fs::write(home.manifest(SAMPLE), app.manifest("2.0.0").replace("Tasks.Quick", "Tasks.Renamed")).unwrap();
    let mut broker = home.start().await;
    let user = broker.user().await;
    user.line(&update, "completed", 1).await;
    assert_eq!(user.words(&goes).await, "registered unregistered");
    drop(user);
    assert_eq!(broker.stop(), Some(0));

    let broker = home.start().await;
    let user = broker.user().await;
    user.sources_know().await;
    assert_eq!(user.words(&update).await, "registered fired started completed", "once");
}

/// RE-6: a broker that dies in the middle of an update leaves it to the next one, which completes it once.
#[tokio::test]
async fn a_broker_dies_during_an_update() {
    let (home, app) = Home::with_sample();
    home.configure("wall_budget_seconds = 600\ncancel_grace_seconds = 300\n");
    let broker = home.start().await;
    let user = broker.user().await;
    let update = user.register(serviced()).await.unwrap();
    let old = user.ready(New { name: "Old", entry: "Tasks.Lingers", ..New::default() }).await;
    home.world.zone("Asia/Tokyo");
    user.progress(&old, 1).await;
    fs::write(home.manifest(SAMPLE), app.manifest("2.0.0")).unwrap();
    user.progress(&old, 2).await;
    assert_eq!(user.words(&update).await, "registered");
    broker.kill();

    for _broker in 0..2 {
        let mut broker = home.start().await;
        let user = broker.user().await;
        user.line(&update, "completed", 1).await;
        assert_eq!(user.words(&update).await, "registered fired started completed", "once");
        drop(user);
        fs::write(home.data(SAMPLE).join("leave"), "").unwrap();
        assert_eq!(broker.stop(), Some(0));
    }
}

/// S16.3-3: the same version again is nothing, whatever else of the manifest is another.
#[tokio::test]
async fn the_same_version_again() {
    let (home, app, _broker, user) = begin().await;
    let update = user.ready(serviced()).await;
    let old = user.ready(New { name: "Old", entry: "Tasks.Blocking", ..New::default() }).await;
    home.world.zone("Asia/Tokyo");
    user.progress(&old, 1).await;
    fs::write(home.manifest(SAMPLE), app.manifest("1.0.0")).unwrap();
    home.install("org.example.Witness");
    app_when(&user, "the folder is read again", |app| app.id == "org.example.Witness").await;
    let edited =
        app.manifest("1.0.0").replacen("version =", "display_name = \"Another\"\nraises = [\"x\"]\nversion =", 1);
    fs::write(home.manifest(SAMPLE), edited).unwrap();
    home.uninstall("org.example.Witness");
    eventually("the folder is read again", async || (user.apps().await.len() == 1).then_some(())).await;
    assert_eq!(user.words(&update).await, "registered");
    assert_eq!(user.words(&old).await, "registered fired started", "what runs goes on");
}

/// A manifest that breaks keeps its app as it was, running tasks too, in whichever way it breaks; a broken one that is new installs nothing.
#[tokio::test]
async fn a_manifest_breaks() {
    let (home, app, _broker, user) = begin().await;
    let old = user.ready(New { name: "Old", entry: "Tasks.Blocking", ..New::default() }).await;
    home.world.zone("Asia/Tokyo");
    user.progress(&old, 1).await;
    let task = user.ready(New::default()).await;
    let whole = app.manifest("2.0.0");
    let broken = [
        String::new(),
        "[app]\nid = ".into(),
        whole[..whole.len() / 2].trim_end_matches(']').to_owned() + "\n[[task",
        whole.replacen("version", "versoin", 1),
        whole.replacen("[app]", "[app]\nid = \"org.example.Twin\"", 1),
        "\0\u{1}\u{2}".repeat(1_000),
        "#".repeat(2 << 20),
    ];
    let complaints = |name: &str| home.log().lines().filter(|line| line.contains(name)).count();
    for text in broken {
        let before = complaints("org.example.Sample.toml");
        replace(&home, SAMPLE, &text);
        let shown: String = text.chars().take(40).collect();
        eventually("the log complains", async || (complaints("org.example.Sample.toml") > before).then_some(())).await;
        let apps = user.apps().await;
        assert_eq!(apps.iter().map(|app| &*app.version).collect::<Vec<_>>(), ["1.0.0"], "{shown}");
    }
    replace(&home, "org.example.Broken", "nonsense");
    eventually("the log complains", async || (complaints("org.example.Broken.toml") > 0).then_some(())).await;
    assert_eq!(user.apps().await.len(), 1);
    assert_eq!(user.words(&old).await, "registered fired started", "what runs goes on");
    home.world.zone("Europe/Berlin");
    user.line(&task, "completed", 1).await;

    replace(&home, SAMPLE, &whole);
    app_when(&user, "the corrected manifest", |app| app.version == "2.0.0").await;
    assert!(user.line(&old, "cancelled", 1).await.text.contains("ServicingUpdate"), "only now it is an update");
    assert_eq!(user.broker.list_tasks(SAMPLE).await.unwrap().len(), 2, "its registrations stayed");
}

/// Puts a manifest in its place as careful tools do: a whole file, renamed over the old.
fn replace(home: &Home, id: &str, text: &str) {
    let new = home.root("new.toml");
    fs::write(&new, text).unwrap();
    fs::rename(new, home.manifest(id)).unwrap();
}

/// A manifest that is written bit by bit is the old one until it is whole.
#[tokio::test]
async fn a_manifest_is_written_slowly() {
    use std::io::Write as _;
    let (home, app, _broker, user) = begin().await;
    let task = user.ready(New::default()).await;
    let text = app.manifest("2.0.0");
    // Cut in the middle of a value, so that what is there is no manifest.
    let cut = text.find("Tasks.Quick").unwrap() + 3;
    let complaints = || home.log().matches("org.example.Sample.toml").count();
    let mut file = fs::File::create(home.manifest(SAMPLE)).unwrap();
    file.write_all(&text.as_bytes()[..cut]).unwrap();
    file.sync_all().unwrap();
    // A file is looked at when it is closed, or when something happens to another one.
    let other = home.install("org.example.Other");
    eventually("the log complains", async || {
        fs::write(home.manifest(&other.id), other.manifest("1.0.0")).unwrap();
        (complaints() > 0).then_some(())
    })
    .await;
    app_when(&user, "the old version", |app| app.id == SAMPLE && app.version == "1.0.0").await;
    file.write_all(&text.as_bytes()[cut..]).unwrap();
    drop(file);
    app_when(&user, "the whole of it", |app| app.id == SAMPLE && app.version == "2.0.0").await;
    assert_eq!(user.words(&task).await, "registered");
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
    assert!(user.broker.list_tasks("").await.unwrap().is_empty() && user.apps().await.is_empty());

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
