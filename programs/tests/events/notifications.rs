//! Notifications that apps show, and what their tasks hear of them.

use std::sync::Arc;

use bgtask::ValueSet;
use bgtask_wire::{ErrorKind, NotificationInfo};
use serde_json::Value;

use crate::desktop::{Desktop, Gone, Shown};
use crate::harness::{App, Home, SAMPLE, UserBus, eventually, kind};
use crate::{Stage, text};

const ACTION: &str = "ToastNotificationActionTrigger";
const HISTORY: &str = "ToastNotificationHistoryChangedTrigger";
const CHAT: &str = "org.example.Chat";

fn note(tag: &str) -> NotificationInfo {
    NotificationInfo {
        title: "Two new mails".into(),
        actions: Some(vec![("open".into(), "Open".into())]),
        tag: Some(tag.into()),
        ..NotificationInfo::default()
    }
}

/// The sample app and a chat, on a desktop.
async fn on_a_desktop() -> Option<(UserBus, Desktop, Stage)> {
    let (home, _app) = Home::with_sample();
    home.install(CHAT);
    let bus = UserBus::start(&home.world).await?;
    let desktop = Desktop::start(&bus).await;
    Some((bus, desktop, Stage::in_home(home).await))
}

impl Stage {
    async fn shows(&self, app: &str, tag: &str) -> u32 {
        self.user.broker.show_notification(app, note(tag)).await.unwrap()
    }
}

fn choice(event: &ValueSet) -> (u32, String, String) {
    (event.get("id").unwrap().unwrap(), text(event, "tag"), text(event, "action"))
}

fn change(event: &ValueSet) -> (u32, String, String) {
    (event.get("id").unwrap().unwrap(), text(event, "tag"), text(event, "change"))
}

#[tokio::test]
async fn a_choice_of_the_user_wakes_the_task_of_the_app_that_asked_and_of_no_other() {
    let Some((_bus, desktop, stage)) = on_a_desktop().await else { return };
    stage.listens("Choices", ACTION, &[]).await;
    let chats = stage.listens_for(CHAT, "Choices", ACTION, &[]).await;
    let reply = NotificationInfo {
        body: Some("Of Anna".into()),
        reply: Some("Answer".into()),
        urgency: Some("low".into()),
        expiration: Some(10_000_000),
        ..note("inbox")
    };
    let id = stage.user.broker.show_notification(SAMPLE, reply).await.unwrap();
    let actions = ["open", "Open", "inline-reply", "Answer"].map(str::to_owned).into();
    let expected = Shown { id, app: SAMPLE.into(), title: "Two new mails".into(), body: "Of Anna".into(), actions };
    assert_eq!(desktop.shows(), [expected]);
    let other = stage.shows(CHAT, "room").await;

    desktop.click(id, "open").await;
    desktop.answer(id, "Yes").await;
    let told = stage.told("Choices", 2).await;
    assert_eq!(choice(&told[0]), (id, "inbox".into(), "open".into()));
    assert_eq!(told[0].get::<String>("text").unwrap(), None, "nothing was written");
    assert_eq!(choice(&told[1]), (id, "inbox".into(), "inline-reply".into()));
    assert_eq!(text(&told[1], "text"), "Yes");

    // All of the sample's had been heard before this one.
    desktop.click(other, "default").await;
    stage.user.line(&chats, "completed", 1).await;
    let (told, lost) = stage.told_to(CHAT, "Choices");
    assert_eq!(
        (told.iter().map(choice).collect::<Vec<_>>(), lost),
        (vec![(other, "room".into(), "default".into())], 0)
    );
    stage.told("Choices", 2).await;
}

#[tokio::test]
async fn what_becomes_of_a_notification_is_told() {
    let Some((_bus, desktop, stage)) = on_a_desktop().await else { return };
    stage.listens("History", HISTORY, &[]).await;
    let (old, mail, note) =
        (stage.shows(SAMPLE, "old").await, stage.shows(SAMPLE, "mail").await, stage.shows(SAMPLE, "note").await);
    assert_eq!(stage.shows(SAMPLE, "note").await, note, "in the place of the one before");
    let other = stage.shows(CHAT, "room").await;
    desktop.take_away(other, Gone::Dismissed).await;
    desktop.take_away(old, Gone::Expired).await;
    desktop.take_away(mail, Gone::Dismissed).await;
    stage.told("History", 5).await;
    stage.user.broker.remove_notification(SAMPLE, "note").await.unwrap();
    stage.user.broker.remove_notification(SAMPLE, "none of that name").await.unwrap();
    assert_eq!(desktop.shows(), [], "all are gone");
    let expected = [
        (old, "old", "Added"),
        (mail, "mail", "Added"),
        (note, "note", "Added"),
        (old, "old", "Expired"),
        (mail, "mail", "Removed"),
        (note, "note", "Cleared"),
    ];
    let expected = expected.map(|(id, tag, change)| (id, tag.to_owned(), change.to_owned()));
    assert_eq!(stage.told("History", 6).await.iter().map(change).collect::<Vec<_>>(), expected);
}

/// The app's own program shows one, while the desktop goes on.
async fn notify(app: &Arc<App>) -> Value {
    let app = Arc::clone(app);
    tokio::task::spawn_blocking(move || app.call(&["notify", "inbox"])).await.unwrap()
}

/// Who shows is known by its program, whatever it says it is.
#[tokio::test]
async fn an_app_shows_its_own_and_no_others() {
    let (home, mail) = Home::with_sample();
    let chat = home.install(CHAT);
    let Some(bus) = UserBus::start(&home.world).await else { return };
    let desktop = Desktop::start(&bus).await;
    let stage = Stage::in_home(home).await;
    stage.listens("Choices", ACTION, &[]).await;
    let (mail, chat) = (Arc::new(mail), Arc::new(chat));
    let answer = notify(&mail).await;
    let id = answer["shown"].as_u64().unwrap_or_else(|| panic!("{answer}"));
    notify(&chat).await;
    let shown = desktop.shows().into_iter().map(|shown| shown.app);
    assert_eq!(shown.collect::<Vec<_>>(), [SAMPLE, CHAT], "the tag is each one's own");
    let refused = chat.call_as(SAMPLE, &["notify", "inbox"]);
    assert!(refused["error"].is_string(), "{refused}");
    assert_eq!(desktop.shows().len(), 2);
    desktop.click(id.try_into().unwrap(), "open").await;
    assert_eq!(text(&stage.told("Choices", 1).await[0], "action"), "open", "the app has long ended");
}

/// What was registered stays where the desktop is away, says so, and hears again when it is back.
#[tokio::test]
async fn the_desktop_goes_and_comes_back() {
    let Some((bus, desktop, stage)) = on_a_desktop().await else { return };
    let task = stage.listens("Choices", ACTION, &[]).await;
    drop(desktop);
    let stage = stage.after_a_crash().await;
    eventually("it is said", async || {
        let why = stage.user.broker.why(&task).await.unwrap();
        why.gates.iter().any(|gate| gate.name == ACTION && !gate.open && gate.source.contains("nobody")).then_some(())
    })
    .await;
    let desktop = Desktop::start(&bus).await;
    stage.hears(&task, ACTION).await;
    let id = stage.shows(SAMPLE, "inbox").await;
    desktop.click(id, "open").await;
    stage.told("Choices", 1).await;
}

/// What the app showed is still its own when another broker hears of the click.
#[tokio::test]
async fn a_broker_dies_between_the_notification_and_the_click() {
    let Some((_bus, desktop, stage)) = on_a_desktop().await else { return };
    let task = stage.listens("Choices", ACTION, &[]).await;
    let id = stage.shows(SAMPLE, "inbox").await;
    let stage = stage.after_a_crash().await;
    stage.hears(&task, ACTION).await;
    desktop.click(id, "open").await;
    assert_eq!(choice(&stage.told("Choices", 1).await[0]), (id, "inbox".into(), "open".into()));
    assert_eq!(stage.shows(SAMPLE, "inbox").await, id, "its tag is still taken");
}

/// D16: without a desktop nothing is shown, and no task waits for what cannot come.
#[tokio::test]
async fn without_a_server_it_is_said() {
    let Some((bus, stage)) = Stage::with_bus().await else { return };
    let shown = stage.user.broker.show_notification(SAMPLE, note("inbox")).await;
    let error = bgtask_wire::Error::from(shown.expect_err("nobody shows it"));
    assert_eq!(error.kind, ErrorKind::NotSupported, "{error}");
    assert!(error.message.starts_with("nobody shows notifications in this session; "), "{error}");
    assert!(error.message.contains("notification server"), "{error}");
    // The desktop comes later than the broker, which hears of it in its own time.
    let desktop = Desktop::start(&bus).await;
    let show = async || stage.user.broker.show_notification(SAMPLE, note("inbox")).await.ok();
    let id = eventually("it is shown", show).await;
    stage.listens("Choices", ACTION, &[]).await;
    desktop.click(id, "open").await;
    assert_eq!(choice(&stage.told("Choices", 1).await[0]), (id, "inbox".into(), "open".into()));
}

#[tokio::test]
async fn a_notification_that_makes_no_sense_is_refused() {
    let Some((_bus, desktop, stage)) = on_a_desktop().await else { return };
    let show = async |info| kind(stage.user.broker.show_notification(SAMPLE, info).await);
    for info in [
        NotificationInfo { title: String::new(), ..note("x") },
        NotificationInfo { title: "x".repeat(513), ..note("x") },
        NotificationInfo { urgency: Some("panic".into()), ..note("x") },
        NotificationInfo { actions: Some(vec![(String::new(), "Open".into())]), ..note("x") },
        NotificationInfo { actions: Some(vec![("inline-reply".into(), "Open".into())]), ..note("x") },
        NotificationInfo { actions: Some(vec![("open".into(), "Open".into()); 6]), ..note("x") },
        NotificationInfo { tag: Some("x".repeat(65)), ..note("x") },
    ] {
        assert_eq!(show(info.clone()).await, ErrorKind::InvalidArgument, "{info:?}");
    }
    assert_eq!(kind(stage.user.broker.show_notification("org.example.Nobody", note("x")).await), ErrorKind::UnknownApp);
    let removed = stage.user.broker.remove_notification("org.example.Nobody", "x").await;
    assert_eq!(kind(removed), ErrorKind::UnknownApp);
    assert_eq!(desktop.shows(), [], "nothing was shown");
}
