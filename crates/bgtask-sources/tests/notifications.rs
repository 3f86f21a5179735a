//! Notifications: a server of our own on a private session bus, and what its user does.

mod common;

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bgtask_sources::{MAX_SHOWN_BY_APP, Notification, Status, Subject, World};
use common::{Ear, Sysroot, TestBus, is_available, is_degraded, pass};
use serde::Serialize;
use serde_json::{Value, json};
use zbus::interface;
use zbus::wire::{DynamicType, OwnedVariant};

const NAME: &str = "org.freedesktop.Notifications";
const PATH: &str = "/org/freedesktop/Notifications";
const MAIL: &str = "org.example.Mail";
const CHAT: &str = "org.example.Chat";

/// Why one closed, in the words of the specification.
const EXPIRED: u32 = 1;
const DISMISSED: u32 = 2;

/// What was shown: number, app, title, body, actions.
type Shown = (u32, String, String, String, Vec<String>);

#[derive(Clone, Default)]
struct Screen {
    shown: Arc<Mutex<Vec<Shown>>>,
    closed: Arc<Mutex<Vec<u32>>>,
    capabilities: Vec<&'static str>,
    hangs: Arc<AtomicBool>,
}

struct Server(Screen);

#[interface(name = "org.freedesktop.Notifications")]
impl Server {
    #[allow(clippy::too_many_arguments, reason = "as the specification has it")]
    async fn notify(
        &self,
        app: String,
        replaces: u32,
        _icon: String,
        title: String,
        body: String,
        actions: Vec<String>,
        _hints: HashMap<String, OwnedVariant>,
        _timeout: i32,
    ) -> u32 {
        if self.0.hangs.load(Ordering::Relaxed) {
            std::future::pending::<()>().await;
        }
        let shown = &mut *self.0.shown.lock().unwrap();
        let id = if replaces == 0 { u32::try_from(shown.len()).unwrap() + 1 } else { replaces };
        shown.push((id, app, title, body, actions));
        id
    }

    fn close_notification(&self, id: u32) {
        self.0.closed.lock().unwrap().push(id);
    }

    fn get_capabilities(&self) -> Vec<&str> {
        self.0.capabilities.clone()
    }

    fn get_server_information(&self) -> (&str, &str, &str, &str) {
        ("Screen", "Example", "1", "1.2")
    }
}

struct Desktop {
    connection: zbus::Connection,
    screen: Screen,
}

impl Desktop {
    async fn start(bus: &TestBus) -> Self {
        Self::start_that(bus, &["actions", "body-markup", "inline-reply"]).await
    }

    async fn start_that(bus: &TestBus, can: &[&'static str]) -> Self {
        let connection = bus.connect().await;
        let screen = Screen { capabilities: can.to_vec(), ..Screen::default() };
        connection.object_server().at(PATH, Server(screen.clone())).await.unwrap();
        connection.request_name(NAME).await.unwrap();
        Self { connection, screen }
    }

    async fn tell(&self, member: &str, body: &(impl Serialize + DynamicType)) {
        self.connection.emit_signal(None::<&str>, PATH, NAME, member, body).await.unwrap();
    }
}

fn subject(class: &str, app: &str) -> Subject {
    Subject::read(class, &BTreeMap::from([("app".to_owned(), app.to_owned())])).unwrap()
}

fn actions_of(app: &str) -> Subject {
    subject("ToastNotificationActionTrigger", app)
}

fn history_of(app: &str) -> Subject {
    subject("ToastNotificationHistoryChangedTrigger", app)
}

async fn listening(world: &World, subject: Subject) -> Ear {
    let mut ear = Ear::listen(subject, world);
    assert_eq!(ear.status().await, Status::Available { how: "the notification server Screen".into() });
    ear
}

fn note(tag: &str) -> Notification {
    let actions = vec![("open".to_owned(), "Open".to_owned())];
    Notification { tag: tag.to_owned(), title: "A title".to_owned(), actions, ..Notification::default() }
}

async fn show(world: &World, app: &str, tag: &str) -> u32 {
    world.notifications().notify(app, note(tag)).await.unwrap()
}

async fn change(ear: &mut Ear) -> (Value, Value) {
    let mut event = ear.event().await;
    (event["tag"].take(), event["change"].take())
}

#[tokio::test]
async fn who_acts_on_a_notification_wakes_its_app_and_no_other() {
    let sysroot = Sysroot::new();
    let Some(bus) = TestBus::start_session(&sysroot) else { return };
    let desktop = Desktop::start(&bus).await;
    let world = sysroot.world();
    let (mut mail, mut chat) = (listening(&world, actions_of(MAIL)).await, listening(&world, actions_of(CHAT)).await);
    let text = Notification { body: "1 < 2".to_owned(), reply: Some("Answer".to_owned()), ..note("inbox") };
    let first = world.notifications().notify(MAIL, text).await.unwrap();
    let second = show(&world, CHAT, "room").await;
    let expected = (first, MAIL.to_owned(), "A title".to_owned(), "1 &lt; 2".to_owned());
    let (id, app, title, body, buttons) = desktop.screen.shown.lock().unwrap()[0].clone();
    assert_eq!((id, app, title, body), expected);
    assert_eq!(buttons, ["open", "Open", "inline-reply", "Answer"]);
    // One of another program comes first.
    desktop.tell("ActionInvoked", &(999u32, "open")).await;
    desktop.tell("ActivationToken", &(first, "token-1")).await;
    desktop.tell("ActionInvoked", &(first, "open")).await;
    desktop.tell("NotificationReplied", &(first, "Yes")).await;
    desktop.tell("ActionInvoked", &(second, "default")).await;
    let opened = json!({"id": first, "tag": "inbox", "action": "open", "text": null, "activation_token": "token-1"});
    assert_eq!(mail.event().await, opened);
    let replied =
        json!({"id": first, "tag": "inbox", "action": "inline-reply", "text": "Yes", "activation_token": null});
    assert_eq!(mail.event().await, replied);
    let event = chat.event().await;
    assert_eq!((&event["tag"], &event["action"]), (&json!("room"), &json!("default")));
}

#[tokio::test]
async fn what_becomes_of_a_notification_is_told() {
    let sysroot = Sysroot::new();
    let Some(bus) = TestBus::start_session(&sysroot) else { return };
    let desktop = Desktop::start(&bus).await;
    let world = sysroot.world();
    let mut history = listening(&world, history_of(MAIL)).await;
    let mut ids = Vec::new();
    for tag in ["a", "b", "c", ""] {
        ids.push(show(&world, MAIL, tag).await);
        assert_eq!(change(&mut history).await, (json!(tag), json!("Added")));
    }
    assert_eq!(show(&world, MAIL, "a").await, ids[0], "in place of the one before, and not added");
    desktop.tell("NotificationClosed", &(ids[0], EXPIRED)).await;
    assert_eq!(change(&mut history).await, (json!("a"), json!("Expired")));
    desktop.tell("NotificationClosed", &(ids[0], EXPIRED)).await;
    desktop.tell("NotificationClosed", &(ids[1], DISMISSED)).await;
    assert_eq!(change(&mut history).await, (json!("b"), json!("Removed")));
    let centre = world.notifications();
    assert_eq!(centre.close(CHAT, "c").await, Ok(false), "another app has none of that name");
    assert_eq!(centre.close(MAIL, "").await, Ok(false), "what has no name cannot be named");
    assert_eq!(centre.close(MAIL, "c").await, Ok(true));
    assert_eq!(change(&mut history).await, (json!("c"), json!("Cleared")));
    assert_eq!(*desktop.screen.closed.lock().unwrap(), [ids[2]]);
    assert_eq!(centre.close(MAIL, "c").await, Ok(false));
}

/// dunst tells only who showed it, and anybody may pretend to be dunst.
#[tokio::test]
async fn what_is_told_to_us_alone_counts_if_the_server_says_it() {
    let sysroot = Sysroot::new();
    let Some(bus) = TestBus::start_session(&sysroot) else { return };
    let desktop = Desktop::start(&bus).await;
    let world = sysroot.world();
    let mut mail = listening(&world, actions_of(MAIL)).await;
    let id = show(&world, MAIL, "inbox").await;
    let liar = bus.connect().await;
    let names = zbus::fdo::DBusProxy::new(&liar).await.unwrap().list_names().await.unwrap();
    for (from, action) in [(&liar, "a lie"), (&desktop.connection, "the truth")] {
        for name in names.iter().filter(|name| name.starts_with(':')) {
            from.emit_signal(Some(name), PATH, NAME, "ActionInvoked", &(id, action)).await.unwrap();
        }
        // The bus has passed on all of these before it answers.
        zbus::fdo::DBusProxy::new(from).await.unwrap().get_id().await.unwrap();
    }
    assert_eq!(mail.event().await["action"], json!("the truth"));
}

/// A broker that starts again still knows what is shown. The file lasts as long as the log-in.
#[tokio::test]
async fn a_new_broker_loses_no_click() {
    let sysroot = Sysroot::new();
    let Some(bus) = TestBus::start_session(&sysroot) else { return };
    let desktop = Desktop::start(&bus).await;
    let folder = sysroot.path("");
    let before = sysroot.world();
    before.notifications().keep_in(&folder);
    let id = show(&before, MAIL, "inbox").await;
    drop(before);
    let after = sysroot.world();
    after.notifications().keep_in(&folder);
    let mut mail = listening(&after, actions_of(MAIL)).await;
    desktop.tell("ActionInvoked", &(id, "open")).await;
    assert_eq!(mail.event().await["tag"], json!("inbox"));
    assert_eq!(show(&after, MAIL, "inbox").await, id, "and replaces what it did not show");
}

/// Another server counts from one again: what it says is not about what the one before showed.
#[tokio::test]
async fn the_server_restarts_and_what_it_showed_is_gone() {
    let sysroot = Sysroot::new();
    let Some(bus) = TestBus::start_session(&sysroot) else { return };
    let desktop = Desktop::start(&bus).await;
    let world = sysroot.world();
    let mut history = listening(&world, history_of(MAIL)).await;
    let mut clicks = listening(&world, actions_of(MAIL)).await;
    let id = show(&world, MAIL, "old").await;
    assert_eq!(change(&mut history).await, (json!("old"), json!("Added")));
    desktop.connection.close().await.unwrap();
    let Status::Missing { why, help } = clicks.status().await else { panic!("must be missing") };
    assert_eq!(why, "nobody shows notifications in this session");
    assert_eq!(help, "log in to a desktop, or install a notification server such as dunst or mako");
    assert_eq!(change(&mut history).await, (json!("old"), json!("Cleared")));
    let error = world.notifications().notify(MAIL, note("none")).await.unwrap_err();
    assert!(error.starts_with("nobody shows notifications in this session; log in"), "{error}");
    let desktop = Desktop::start(&bus).await;
    clicks.status_that(is_available).await;
    assert_eq!(show(&world, CHAT, "room").await, id);
    desktop.tell("ActionInvoked", &(id, "of the other app")).await;
    let id = show(&world, MAIL, "new").await;
    assert_eq!(change(&mut history).await, (json!("new"), json!("Added")));
    desktop.tell("ActionInvoked", &(id, "open")).await;
    let event = clicks.event().await;
    assert_eq!((&event["tag"], &event["action"]), (&json!("new"), &json!("open")));
}

#[tokio::test]
async fn a_bus_that_appears_later_and_restarts_is_heard() {
    let sysroot = Sysroot::new();
    let world = sysroot.world();
    let mut clicks = Ear::listen(actions_of(MAIL), &world);
    assert!(matches!(clicks.status().await, Status::Missing { .. }));
    let error = world.notifications().notify(MAIL, note("none")).await.unwrap_err();
    assert!(error.starts_with("nobody shows notifications in this session"), "{error}");
    pass(Duration::from_secs(3600)).await;
    for _ in 0..2 {
        let Some(bus) = TestBus::start_session(&sysroot) else { return };
        let desktop = Desktop::start(&bus).await;
        clicks.status_that(is_available).await;
        let id = show(&world, MAIL, "inbox").await;
        desktop.tell("ActionInvoked", &(id, "open")).await;
        assert_eq!(clicks.event().await["id"], json!(id));
        drop(bus);
        clicks.status_that(|status| !is_available(status)).await;
    }
}

#[tokio::test]
async fn a_server_without_buttons_is_said_so() {
    let sysroot = Sysroot::new();
    let Some(bus) = TestBus::start_session(&sysroot) else { return };
    let desktop = Desktop::start_that(&bus, &[]).await;
    let world = sysroot.world();
    let mut clicks = Ear::listen(actions_of(MAIL), &world);
    let Status::Degraded { how, why, .. } = clicks.status_that(is_degraded).await else { unreachable!() };
    assert_eq!(how, "the notification server Screen");
    assert_eq!(why, "it shows no buttons, so nobody can act on a notification");
    let text = Notification { body: "1 < 2".to_owned(), reply: Some("Answer".to_owned()), ..note("") };
    world.notifications().notify(MAIL, text).await.unwrap();
    let shown = desktop.screen.shown.lock().unwrap()[0].clone();
    assert_eq!((shown.3.as_str(), shown.4.len()), ("1 < 2", 2), "no markup, and nothing to answer with");
}

#[tokio::test]
async fn a_server_that_hangs_keeps_nobody_waiting_for_ever() {
    let sysroot = Sysroot::new();
    let Some(bus) = TestBus::start_session(&sysroot) else { return };
    let desktop = Desktop::start(&bus).await;
    let world = sysroot.world();
    let mut clicks = listening(&world, actions_of(MAIL)).await;
    let id = show(&world, MAIL, "inbox").await;
    desktop.screen.hangs.store(true, Ordering::Relaxed);
    let centre = world.notifications();
    let hung = tokio::spawn(async move { centre.notify(MAIL, note("late")).await });
    tokio::task::yield_now().await;
    desktop.tell("ActionInvoked", &(id, "meanwhile")).await;
    let error = hung.await.unwrap().unwrap_err();
    assert!(error.contains("it does not answer: Notify took more than 3 s; restart"), "{error}");
    assert_eq!(clicks.event().await["action"], json!("meanwhile"));
    desktop.screen.hangs.store(false, Ordering::Relaxed);
    show(&world, MAIL, "again").await;
}

struct Nonsense;

#[interface(name = "org.freedesktop.Notifications")]
impl Nonsense {
    fn get_capabilities(&self) -> u32 {
        7
    }
}

#[tokio::test]
async fn nonsense_is_named_and_healed_by_a_restart() {
    let sysroot = Sysroot::new();
    let Some(bus) = TestBus::start_session(&sysroot) else { return };
    let mad = bus.connect().await;
    mad.object_server().at(PATH, Nonsense).await.unwrap();
    mad.request_name(NAME).await.unwrap();
    let world = sysroot.world();
    let mut clicks = Ear::listen(actions_of(MAIL), &world);
    let Status::Missing { why, .. } = clicks.status().await else { panic!("must be missing") };
    assert!(why.contains("GetCapabilities answered what cannot be read"), "{why}");
    mad.close().await.unwrap();
    let desktop = Desktop::start(&bus).await;
    clicks.status_that(is_available).await;
    let id = show(&world, MAIL, "inbox").await;
    desktop.tell("ActionInvoked", &"not even a number").await;
    desktop.tell("ActionInvoked", &(id, "open")).await;
    assert_eq!(clicks.event().await["action"], json!("open"));
}

/// [`MAX_SHOWN_BY_APP`]
#[tokio::test]
async fn of_too_many_the_oldest_is_taken_away() {
    let sysroot = Sysroot::new();
    let Some(bus) = TestBus::start_session(&sysroot) else { return };
    let desktop = Desktop::start(&bus).await;
    let world = sysroot.world();
    let other = show(&world, CHAT, "room").await;
    let oldest = show(&world, MAIL, "0").await;
    for tag in 1..MAX_SHOWN_BY_APP {
        show(&world, MAIL, &tag.to_string()).await;
    }
    assert!(desktop.screen.closed.lock().unwrap().is_empty());
    let mut history = listening(&world, history_of(MAIL)).await;
    show(&world, MAIL, "one more").await;
    assert_eq!(change(&mut history).await, (json!("0"), json!("Cleared")));
    assert_eq!(*desktop.screen.closed.lock().unwrap(), [oldest]);
    assert_ne!(oldest, other);
}

#[tokio::test]
async fn what_is_wrong_is_refused_before_anybody_is_asked() {
    let sysroot = Sysroot::new();
    let error = sysroot.world().notifications().notify(MAIL, Notification::default()).await.unwrap_err();
    assert_eq!(error, "a notification needs a title; write one line that says what happened");
    let properties = BTreeMap::new();
    let error = Subject::read("ToastNotificationActionTrigger", &properties).unwrap_err();
    assert_eq!(error, "`app` is missing; write it as in `app=org.example.Mail`");
}

#[tokio::test]
async fn a_click_is_heard_through_ten_thousand_signals() {
    let sysroot = Sysroot::new();
    let Some(bus) = TestBus::start_session(&sysroot) else { return };
    let desktop = Desktop::start(&bus).await;
    let world = sysroot.world();
    let mut clicks = listening(&world, actions_of(MAIL)).await;
    let id = show(&world, MAIL, "inbox").await;
    for _ in 0..10_000 {
        desktop.tell("ActionInvoked", &(4_000_000_000u32, "of another program")).await;
    }
    desktop.tell("ActionInvoked", &(id, "open")).await;
    assert_eq!(clicks.event().await["action"], json!("open"));
    assert_eq!(clicks.lost, 0);
}
