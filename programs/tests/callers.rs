//! Bad callers: each is told what is wrong, and everybody else is served meanwhile.

mod harness;

use bgtask_wire::{AttachOptions, BROKER_PATH, Error, ErrorKind};
use futures_util::future::join_all;
use harness::{App, Broker, Home, New, SAMPLE, User, kind};
use serde_json::Value;

async fn begin() -> (Home, App, Broker, User) {
    let (home, app) = Home::with_sample();
    let broker = home.start().await;
    let user = broker.user().await;
    (home, app, broker, user)
}

async fn refusal(user: &User, new: New<'_>) -> Error {
    user.register(new).await.expect_err("the broker refuses")
}

/// RE-3: an id that nobody has, and one that is none.
#[tokio::test]
async fn unknown_and_malformed_ids() {
    let (_home, _app, _broker, user) = begin().await;
    let nobody = "01234567-89ab-4def-8123-456789abcdef";
    assert_eq!(kind(user.broker.get_task(nobody).await), ErrorKind::UnknownTask);
    assert_eq!(kind(user.broker.why(nobody).await), ErrorKind::UnknownTask);
    assert_eq!(kind(user.broker.unregister(nobody, true).await), ErrorKind::UnknownTask);
    for malformed in ["", "x", "01234567", "../../etc/passwd", &"0".repeat(10_000)] {
        assert_eq!(kind(user.broker.get_task(malformed).await), ErrorKind::InvalidArgument, "{malformed}");
        assert_eq!(kind(user.broker.unregister(malformed, false).await), ErrorKind::InvalidArgument, "{malformed}");
    }
    assert_eq!(kind(user.broker.attach("org.example.Nobody", AttachOptions::default()).await), ErrorKind::UnknownApp);
    assert_eq!(kind(user.broker.request_access("org.example.Nobody", "").await), ErrorKind::UnknownApp);
    assert_eq!(kind(user.broker.attach("../escape", AttachOptions::default()).await), ErrorKind::InvalidArgument);
    assert_eq!(
        kind(user.broker.attach("", AttachOptions::default()).await),
        ErrorKind::UnknownApp,
        "the user has to name an app"
    );
    user.broker.acknowledge(SAMPLE, 99).await.expect("repeating an acknowledgement is no error");
}

/// An app sees and changes its own tasks only, whatever it says it is.
#[tokio::test]
async fn another_apps_task() {
    let (home, app) = Home::with_sample();
    let other = home.install("org.example.Other");
    let broker = home.start().await;
    let user = broker.user().await;
    let mine = app.call(&["register", "Mine"]);
    assert_eq!(mine["new"], true);
    user.line(mine["task"].as_str().unwrap(), "registered", 1).await;
    assert_eq!(other.lines(&["list"]), [Value::Null; 0], "the other app sees nothing of it");
    assert_eq!(other.call(&["unregister", "Mine"])["unregistered"], 0);
    let pretender = other.call_as(SAMPLE, &["list"]);
    let error = pretender["error"].as_str().unwrap();
    assert!(error.contains("org.example.Other") && error.contains("cannot act for org.example.Sample"), "{error}");
    assert_eq!(user.broker.list_tasks("").await.unwrap().len(), 1);
}

/// BLD-5, BLD-21: names that are empty, too long, or not fit to be shown.
#[tokio::test]
async fn names_that_are_no_names() {
    let (_home, _app, _broker, user) = begin().await;
    let long = "x".repeat(256);
    let name = async |name: &str| refusal(&user, New { name, ..New::default() }).await;
    assert_eq!(name(&long).await.kind, ErrorKind::LimitReached);
    assert!(name(&long).await.message.contains("255 bytes"), "the bound is named");
    assert_eq!(name("").await.kind, ErrorKind::InvalidArgument);
    assert_eq!(name("a\u{1b}[2J").await.kind, ErrorKind::InvalidArgument);
    let entry = refusal(&user, New { entry: &long, ..New::default() }).await;
    assert!(matches!(entry.kind, ErrorKind::NotDeclared | ErrorKind::LimitReached), "{entry:?}");
    let conditions = ["InternetAvailable"; 17];
    assert_eq!(refusal(&user, New { conditions: &conditions, ..New::default() }).await.kind, ErrorKind::LimitReached);
    user.register(New { name: &"x".repeat(255), ..New::default() }).await.expect("the bound itself is allowed");
}

/// MA-1, BLD-7: what the manifest lacks is shown as the lines to add.
#[tokio::test]
async fn what_is_not_declared() {
    let (_home, _app, _broker, user) = begin().await;
    let error = refusal(&user, New { entry: "Tasks.Forgotten", ..New::default() }).await;
    assert_eq!(error.kind, ErrorKind::NotDeclared);
    for line in ["[[task]]", "entry_point = \"Tasks.Forgotten\"", "systemEvent"] {
        assert!(error.message.contains(line), "{line} in {}", error.message);
    }
    let error = refusal(&user, New { entry: "Tasks.TimerOnly", ..New::default() }).await;
    assert_eq!(error.kind, ErrorKind::NotDeclared);
    assert!(error.message.contains("Tasks.TimerOnly") && error.message.contains("systemEvent"), "{}", error.message);
}

/// D16: what cannot work here fails when it is registered, and says what would bring it, or what there is.
#[tokio::test]
async fn what_is_not_supported() {
    let (_home, _app, _broker, user) = begin().await;
    let error = refusal(&user, New { trigger: "SmsReceived", ..New::default() }).await;
    assert_eq!(error.kind, ErrorKind::NotSupported);
    assert!(error.message.contains("SmsReceived") && error.message.contains("install"), "{}", error.message);
    let error = refusal(&user, New { trigger: "FullMoon", ..New::default() }).await;
    assert_eq!(error.kind, ErrorKind::InvalidArgument);
    assert!(error.message.contains("FullMoon"), "{}", error.message);
    let error = refusal(&user, New { conditions: &["FullMoon"], ..New::default() }).await;
    assert_eq!(error.kind, ErrorKind::InvalidArgument);
    let reset = New { trigger: "ControlChannelReset", one_shot: true, ..New::default() };
    assert_eq!(refusal(&user, reset).await.kind, ErrorKind::InvalidArgument, "SYS-2");
}

/// Ten thousand registrations of one app: 1024 are made, the rest is told of the bound, another app is not concerned.
#[tokio::test]
async fn ten_thousand_registrations() {
    let (home, _app, broker, user) = begin().await;
    home.install("org.example.Other");
    let mut made = 0;
    for _hundred in 0..100 {
        let answers = join_all((0..100).map(|_| user.register(New::default()))).await;
        for answer in answers {
            match answer {
                Ok(_) => made += 1,
                Err(error) => {
                    assert_eq!(error.kind, ErrorKind::LimitReached);
                    assert!(error.message.contains("1024"), "{}", error.message);
                }
            }
        }
    }
    assert_eq!(made, 1_024);
    assert_eq!(user.broker.list_tasks(SAMPLE).await.unwrap().len(), 1_024);
    let other = New { app: "org.example.Other", ..New::default() };
    harness::eventually("another app is served", async || user.register(other).await.ok()).await;
    assert!(broker.resident() < 64 * 1024, "{} KiB", broker.resident());
}

/// A call with other types, another method, another object: a D-Bus error that says what there is.
#[tokio::test]
async fn calls_that_do_not_exist() {
    let (_home, _app, _broker, user) = begin().await;
    let connection = user.broker.inner().connection().clone();
    let call = async |path: &str, interface: &str, method: &str| {
        let answer = connection.call_method(None::<&str>, path, Some(interface), method, &(7u32,)).await;
        Error::from(answer.expect_err("there is no such thing"))
    };
    let broker = "org.bgtask.Broker1";
    let error = call(BROKER_PATH, broker, "ListTasks").await;
    assert_eq!(error.kind, ErrorKind::InvalidSignature);
    assert!(error.message.contains("\"s\"") && error.message.contains("\"u\""), "{}", error.message);
    assert_eq!(call(BROKER_PATH, broker, "Explode").await.kind, ErrorKind::UnknownMethod);
    assert_eq!(call(BROKER_PATH, "org.example.Other", "ListTasks").await.kind, ErrorKind::UnknownMethod);
    let error = call("/", broker, "ListTasks").await;
    assert_eq!(error.kind, ErrorKind::UnknownMethod);
    assert!(error.message.contains(BROKER_PATH), "{}", error.message);
    assert_eq!(call(BROKER_PATH, "org.freedesktop.DBus", "RequestName").await.kind, ErrorKind::UnknownMethod);
    user.broker.list_apps().await.expect("the same connection is served on");
}

/// The manifest decides who a program is: one that two apps share has to say which it is.
#[tokio::test]
async fn a_program_of_two_apps() {
    let (home, app, _broker, user) = begin().await;
    let twin = app.manifest("1.0.0").replace(SAMPLE, "org.example.Twin");
    let twin = twin.replace(&format!("bin/{}", "org.example.Twin"), &format!("bin/{SAMPLE}"));
    std::fs::write(home.manifest("org.example.Twin"), twin).unwrap();
    harness::eventually("both are installed", async || (user.apps().await.len() == 2).then_some(())).await;
    assert!(app.call(&["list"])["error"].is_string(), "it is one of the two, and does not say which");
    assert_eq!(app.call_as("org.example.Twin", &["register", "Twin's"])["new"], true);
    assert_eq!(user.broker.list_tasks("org.example.Twin").await.unwrap().len(), 1);
}
