//! Who may run in the background: the owner of the machine before the user, the user before the app (ACC, AC-7, D13).

mod harness;

use std::collections::HashMap;
use std::fs;
use std::process::{Command, Stdio};

use bgtask_wire::{AppInfo, ErrorKind, GateInfo};
use harness::{App, Broker, Home, New, SAMPLE, User, eventually, kind};
use serde_json::Value;

/// The numbers of `BackgroundAccessStatus`.
const UNSPECIFIED: u32 = 0;
const ALWAYS: u32 = 4;
const ALLOWED: u32 = 5;
const DENIED_BY_POLICY: u32 = 6;
const DENIED_BY_USER: u32 = 7;

/// The numbers of `ApplicationTriggerResult`.
const FIRED: u32 = 0;
const DISABLED_BY_POLICY: u32 = 2;

const FILE: &str = "50-site.toml";

async fn begin() -> (Home, App, Broker, User) {
    let (home, app) = Home::with_sample();
    home.configure("wall_budget_seconds = 600\ncancel_grace_seconds = 300\n");
    let broker = home.start().await;
    let user = broker.user().await;
    (home, app, broker, user)
}

async fn status(user: &User, app: &str) -> u32 {
    user.broker.get_access_status(app, "", false).await.unwrap()
}

async fn becomes(user: &User, app: &str, wanted: u32) {
    eventually(&format!("status {wanted}"), async || (status(user, app).await == wanted).then_some(())).await;
}

async fn shown(user: &User, id: &str) -> AppInfo {
    user.apps().await.into_iter().find(|app| app.id == id).unwrap()
}

async fn access_gate(user: &User, task: &str) -> GateInfo {
    user.broker.why(task).await.unwrap().gates.into_iter().find(|gate| gate.name == "Access").unwrap()
}

/// A task that has fired and waits, with the words that say why.
async fn waits(user: &User, task: &str, because: &[&str]) {
    user.phase(task, "buffered").await;
    let why = user.broker.why(task).await.unwrap().sentence;
    for words in because {
        assert!(why.contains(words), "{words:?} in {why:?}");
    }
    assert!(!access_gate(user, task).await.open);
}

/// ACC-10: every decision of the user gives its status, whatever the app was granted, and taking it back gives the grant back.
#[tokio::test]
async fn what_the_user_decides_is_the_status() {
    let (home, _app, mut broker, mut user) = begin().await;
    let decisions = [("always", ALWAYS), ("managed", ALLOWED), ("never", DENIED_BY_USER)];
    for granted in [UNSPECIFIED, ALLOWED] {
        for (word, wanted) in decisions {
            user.broker.set_access(SAMPLE, word).await.unwrap();
            assert_eq!(status(&user, SAMPLE).await, wanted, "{word}");
            drop(user);
            assert_eq!(broker.stop(), Some(0));
            broker = home.start().await;
            user = broker.user().await;
            let app = shown(&user, SAMPLE).await;
            assert_eq!(status(&user, SAMPLE).await, wanted, "{word} outlives the broker");
            assert_eq!((app.setting.as_deref(), &*app.decided_by), (Some(word), "the user's setting"));
        }
        user.broker.set_access(SAMPLE, "default").await.unwrap();
        assert_eq!(status(&user, SAMPLE).await, granted, "what the app was granted itself");
        assert_eq!(user.broker.request_access(SAMPLE, "").await.unwrap(), ALLOWED);
    }
}

/// ACC-8, AC-5, D13: an app that is denied registers all the same; what fires waits, over the death of the broker, and runs when the
/// user allows it.
#[tokio::test]
async fn a_denied_app_registers_and_waits() {
    let (home, app, broker, user) = begin().await;
    user.broker.set_access(SAMPLE, "never").await.unwrap();
    let registered = app.call(&["register", "Denied", "entry=Tasks.Quick"]);
    assert_eq!((&registered["new"], &registered["access"]), (&true.into(), &"DeniedByUser".into()), "{registered}");
    let task = registered["task"].as_str().unwrap().to_owned();
    user.sources_know().await;
    home.world.zone("Asia/Tokyo");
    waits(&user, &task, &["TimeZoneChange fired", "DeniedByUser", "the user's setting"]).await;
    drop(user);
    broker.kill();

    let broker = home.start().await;
    let user = broker.user().await;
    waits(&user, &task, &["DeniedByUser", "the user's setting"]).await;
    user.broker.set_access(SAMPLE, "managed").await.unwrap();
    user.line(&task, "completed", 1).await;
    assert_eq!(user.words(&task).await.matches("started").count(), 1, "it did not run before");
}

/// AC-7, AC-10: a policy that appears counts at once and over the user, who is told which file it is; one that goes away lets go.
#[tokio::test]
async fn a_policy_that_denies_appears_and_goes() {
    let (home, _app, mut broker, user) = begin().await;
    user.broker.set_access(SAMPLE, "always").await.unwrap();
    let task = user.ready(New::default()).await;
    let demand = ("ApplicationTrigger", HashMap::new());
    user.broker.register(SAMPLE, "demand", "Tasks.Quick", demand, &[], Default::default()).await.unwrap();
    home.world.set_policy(FILE, &format!("[background]\nforce_deny = [{SAMPLE:?}]\n"));
    becomes(&user, SAMPLE, DENIED_BY_POLICY).await;

    let file = home.world.policy(FILE).display().to_string();
    let app = shown(&user, SAMPLE).await;
    assert_eq!((app.access.as_str(), app.decided_by), ("DeniedBySystemPolicy", format!("the policy {file}")));
    assert_eq!((app.policy.as_deref(), app.policy_file), (Some("ForceDeny"), Some(file.clone())));
    assert_eq!(app.setting.as_deref(), Some("always"), "what the user decided is kept");
    home.world.zone("Asia/Tokyo");
    waits(&user, &task, &["DeniedBySystemPolicy", &file]).await;
    assert!(access_gate(&user, &task).await.source.contains(&file));
    let (result, why) = user.broker.request_trigger(SAMPLE, "ApplicationTrigger", HashMap::new()).await.unwrap();
    assert_eq!(result, DISABLED_BY_POLICY, "{why}");
    assert_eq!(user.broker.request_access(SAMPLE, "").await.unwrap(), DENIED_BY_POLICY, "asking does not help");
    assert!(!user.broker.request_access_kind(SAMPLE, "", 0, false, "please").await.unwrap());

    drop(user);
    assert_eq!(broker.stop(), Some(0));
    let broker = home.start().await;
    let user = broker.user().await;
    waits(&user, &task, &["DeniedBySystemPolicy", &file]).await;
    assert!(!user.words(&task).await.contains("started"), "nothing of it ran before the policy was read");

    fs::remove_file(&file).unwrap();
    user.line(&task, "completed", 1).await;
    assert_eq!(status(&user, SAMPLE).await, ALWAYS, "the user's word counts again");
    let (result, why) = user.broker.request_trigger(SAMPLE, "ApplicationTrigger", HashMap::new()).await.unwrap();
    assert_eq!(result, FIRED, "{why}");
}

/// AC-7: what a policy allows runs over the user's no and his switch; what it denies to all it may leave to the user for one.
#[tokio::test]
async fn a_policy_allows_and_leaves_to_the_user() {
    let (home, _app, _broker, user) = begin().await;
    let (other, third) = (home.install("org.example.Other").id, home.install("org.example.Third").id);
    eventually("all are installed", async || (user.apps().await.len() == 3).then_some(())).await;
    user.broker.set_access(SAMPLE, "never").await.unwrap();
    user.broker.set_background(false).await.unwrap();
    let task = user.register(New::default()).await.unwrap();
    user.sources_know().await;
    home.world.zone("Asia/Tokyo");
    waits(&user, &task, &["DeniedByUser", "the user's switch"]).await;

    let policy =
        format!("[background]\ndefault = \"deny\"\nforce_allow = [{SAMPLE:?}]\nuser_in_control = [{other:?}]\n");
    home.world.set_policy(FILE, &policy);
    user.line(&task, "completed", 1).await;
    assert_eq!(status(&user, SAMPLE).await, ALLOWED);
    assert_eq!(status(&user, &other).await, DENIED_BY_USER, "his switch");
    assert_eq!(status(&user, &third).await, DENIED_BY_POLICY);
    user.broker.set_background(true).await.unwrap();
    assert_eq!(status(&user, &other).await, UNSPECIFIED);

    home.world.set_policy("60-later.toml", &format!("[background]\nforce_deny = [{SAMPLE:?}]\n"));
    becomes(&user, SAMPLE, DENIED_BY_POLICY).await;
    let file = shown(&user, SAMPLE).await.policy_file.unwrap();
    assert!(file.ends_with("60-later.toml"), "the later file wins: {file}");
}

/// A policy that cannot be used never allows: one that breaks goes on saying what it said, one that was never whole denies.
#[tokio::test]
async fn a_policy_breaks() {
    let (home, _app, mut broker, user) = begin().await;
    user.broker.request_access(SAMPLE, "").await.unwrap();
    home.world.set_policy(FILE, "[background]\ndefault = \"deny\"\n");
    becomes(&user, SAMPLE, DENIED_BY_POLICY).await;
    home.world.set_policy(FILE, "[background]\ndefualt = \"allow\"\n");
    eventually("the log complains", async || home.log().contains("still counts").then_some(())).await;
    assert_eq!(status(&user, SAMPLE).await, DENIED_BY_POLICY);
    home.world.set_policy(FILE, "[background]\ndefault = \"user\"\n");
    becomes(&user, SAMPLE, ALLOWED).await;

    home.world.set_policy(FILE, "[backgr");
    drop(user);
    assert_eq!(broker.stop(), Some(0));
    let broker = home.start().await;
    let user = broker.user().await;
    assert_eq!(status(&user, SAMPLE).await, DENIED_BY_POLICY, "who never read it cannot know what it allows");
    home.world.set_policy(FILE, "[background]\n");
    becomes(&user, SAMPLE, ALLOWED).await;
}

/// AC-7, AC-8: the switch holds back every app, is shown where it is, outlives the broker, and can be turned back.
#[tokio::test]
async fn the_switch_for_everything() {
    let (home, _app, mut broker, user) = begin().await;
    let other = home.install("org.example.Other").id;
    eventually("both are installed", async || (user.apps().await.len() == 2).then_some(())).await;
    user.broker.set_access(&other, "always").await.unwrap();
    user.broker.set_background(false).await.unwrap();
    let tasks = [user.ready(New::default()).await, user.ready(New { app: &other, ..New::default() }).await];
    home.world.zone("Asia/Tokyo");
    for task in &tasks {
        waits(&user, task, &["DeniedByUser", "the user's switch for all background work"]).await;
    }
    drop(user);
    assert_eq!(broker.stop(), Some(0));
    let broker = home.start().await;
    let user = broker.user().await;
    for task in &tasks {
        waits(&user, task, &["the user's switch for all background work"]).await;
    }
    user.broker.set_background(true).await.unwrap();
    for task in &tasks {
        user.line(task, "completed", 1).await;
    }
    assert_eq!(status(&user, &other).await, ALWAYS, "what he decided for one app is as it was");
}

/// ACC-18, ACC-21, ACC-22: the usual level is granted, the higher one is a question, here with nobody to answer it; standby is apart.
#[tokio::test]
async fn levels_of_access_are_asked_for() {
    let (home, _app, mut broker, user) = begin().await;
    let ask = async |user: &User, kind: u32, standby: bool| {
        user.broker.request_access_kind(SAMPLE, "", kind, standby, "to keep your photos safe").await.unwrap()
    };
    let both = async |user: &User| {
        let standby = user.broker.get_access_status(SAMPLE, "", true).await.unwrap();
        (status(user, SAMPLE).await, standby)
    };
    assert!(!ask(&user, 0, false).await, "nobody can be asked");
    assert_eq!(both(&user).await, (UNSPECIFIED, UNSPECIFIED), "which is remembered by nobody");
    assert!(ask(&user, 1, true).await);
    assert_eq!(both(&user).await, (UNSPECIFIED, ALLOWED));
    assert!(ask(&user, 1, false).await);
    assert!(!ask(&user, 0, false).await, "it may ask again");
    assert_eq!(both(&user).await, (ALLOWED, ALLOWED), "a no takes nothing away");
    drop(user);
    assert_eq!(broker.stop(), Some(0));

    let broker = home.start().await;
    let user = broker.user().await;
    assert_eq!(both(&user).await, (ALLOWED, ALLOWED));
    user.broker.remove_access(SAMPLE, "").await.unwrap();
    assert_eq!(both(&user).await, (UNSPECIFIED, UNSPECIFIED), "ACC-17");
    for (word, approved) in [("always", true), ("managed", false), ("never", false)] {
        user.broker.set_access(SAMPLE, word).await.unwrap();
        assert_eq!(ask(&user, 0, false).await, approved, "what is decided is not asked: {word}");
    }
}

/// ACC-15, ACC-16: further applications of a package are granted access by their ids, and tasks go by that of the one that declares them.
#[tokio::test]
async fn applications_of_a_package() {
    let (home, app) = Home::with_sample();
    home.uninstall(SAMPLE);
    let project = app.program().with_file_name("Package.appxmanifest");
    fs::write(&project, two_applications()).unwrap();
    std::os::unix::fs::symlink(&project, home.manifest(SAMPLE).with_extension("appxmanifest")).unwrap();
    let broker = home.start().await;
    let user = broker.user().await;
    assert_eq!(shown(&user, SAMPLE).await.applications, ["First", "Second"]);
    let first = user.register(New::default()).await.unwrap();
    let second = user.register(New { entry: "Tasks.Exclusive", ..New::default() }).await.unwrap();
    user.sources_know().await;
    assert_eq!(kind(user.broker.request_access(SAMPLE, "Third").await), ErrorKind::InvalidArgument);
    assert_eq!(user.broker.request_access(SAMPLE, "Second").await.unwrap(), ALLOWED);
    assert_eq!(user.broker.get_access_status(SAMPLE, "First", false).await.unwrap(), UNSPECIFIED);
    home.world.zone("Asia/Tokyo");
    user.line(&second, "completed", 1).await;
    waits(&user, &first, &["has not asked for background access"]).await;

    assert_eq!(user.broker.request_access(SAMPLE, "First").await.unwrap(), ALLOWED);
    user.line(&first, "completed", 1).await;
    user.broker.remove_access(SAMPLE, "Second").await.unwrap();
    home.world.zone("Europe/Berlin");
    user.line(&first, "completed", 2).await;
    waits(&user, &second, &["has not asked for background access"]).await;
}

fn two_applications() -> String {
    let application = |id: &str, entry: &str| {
        format!(
            r#"<Application Id="{id}" Executable="sample_app" EntryPoint="Sample.App"><Extensions>
      <Extension Category="windows.backgroundTasks" Executable="sample_tasks" EntryPoint="{entry}">
        <BackgroundTasks><Task Type="systemEvent"/></BackgroundTasks>
      </Extension></Extensions></Application>"#
        )
    };
    format!(
        r#"<?xml version="1.0" encoding="utf-8"?>
<Package xmlns="http://schemas.microsoft.com/appx/manifest/foundation/windows10">
  <Identity Name="{SAMPLE}" Publisher="CN=Example" Version="1.0.0.0"/>
  <Properties>
    <DisplayName>Sample</DisplayName><PublisherDisplayName>Example</PublisherDisplayName><Logo>logo.png</Logo>
  </Properties>
  <Applications>{}{}</Applications>
</Package>
"#,
        application("First", "Tasks.Quick"),
        application("Second", "Tasks.Exclusive")
    )
}

/// ACC-17: giving access back lets what runs go on and holds what fires.
#[tokio::test]
async fn access_is_given_back_while_a_task_runs() {
    let (home, _app, _broker, user) = begin().await;
    let task = user.ready(New { entry: "Tasks.Blocking", ..New::default() }).await;
    home.world.zone("Asia/Tokyo");
    user.progress(&task, 1).await;
    user.broker.remove_access(SAMPLE, "").await.unwrap();
    let next = user.register(New::default()).await.unwrap();
    home.world.zone("Europe/Berlin");
    waits(&user, &next, &["has not asked for background access"]).await;
    assert_eq!(user.broker.get_task(&task).await.unwrap().phase, "running");
    assert!(!user.words(&task).await.contains("cancelled"));
}

/// RE-8, RE-7: what the user decided outlives the app and its versions.
#[tokio::test]
async fn a_decision_outlives_the_app() {
    let (home, app, mut broker, user) = begin().await;
    user.broker.set_access(SAMPLE, "never").await.unwrap();
    home.uninstall(SAMPLE);
    eventually("it is gone", async || user.apps().await.is_empty().then_some(())).await;
    drop(user);
    assert_eq!(broker.stop(), Some(0));
    fs::write(home.manifest(SAMPLE), app.manifest("2.0.0")).unwrap();
    let broker = home.start().await;
    let user = broker.user().await;
    assert_eq!(status(&user, SAMPLE).await, DENIED_BY_USER);
}

/// AC-7: an app that calls what is the user's is refused, and nothing of what he decided is another. This very program is the app.
#[tokio::test]
async fn an_app_is_refused_what_is_the_users() {
    let home = Home::new();
    let own = std::env::current_exe().unwrap();
    let manifest = format!("[app]\nid = {SAMPLE:?}\nversion = \"1\"\nexecutable = {own:?}\n");
    fs::write(home.manifest(SAMPLE), manifest).unwrap();
    home.install("org.example.Other");
    let broker = home.start().await;
    by_hand(&home, &["access", "set", SAMPLE, "never"]);
    by_hand(&home, &["access", "off"]);
    let app = broker.user().await.broker.clone();
    for word in ["always", "managed", "never", "default"] {
        assert_eq!(kind(app.set_access(SAMPLE, word).await), ErrorKind::AccessDenied, "{word}");
    }
    for enabled in [true, false] {
        assert_eq!(kind(app.set_background(enabled).await), ErrorKind::AccessDenied);
    }
    assert_eq!(kind(app.terminate(SAMPLE).await), ErrorKind::AccessDenied);
    assert_eq!(kind(app.request_access("org.example.Other", "").await), ErrorKind::AccessDenied);
    assert_eq!(kind(app.get_access_status("org.example.Other", "", false).await), ErrorKind::AccessDenied);
    assert_eq!(app.request_access(SAMPLE, "").await.unwrap(), DENIED_BY_USER);
    assert!(!app.request_access_kind(SAMPLE, "", 0, false, "please").await.unwrap());
    assert_eq!(app.list_apps().await.unwrap().len(), 1, "it sees itself");

    by_hand(&home, &["access", "on"]);
    let told: Value = serde_json::from_str(&by_hand(&home, &["access", SAMPLE, "--json"])).unwrap();
    assert_eq!((&told["access"], &told["setting"]), (&"DeniedByUser".into(), &"never".into()), "{told}");
}

/// The user at a shell.
fn by_hand(home: &Home, arguments: &[&str]) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_bgtask"));
    let output = command.args(arguments).env("BGTASK_ADDRESS", home.address()).stdin(Stdio::null()).output().unwrap();
    assert!(output.status.success(), "bgtask {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}
