//! Asking the user, from an app's call to its answer (ACC-18): a real session bus, on which the test plays the desktop.

mod harness;

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use futures_util::StreamExt as _;
use harness::{Home, SAMPLE, SessionBus};
use zbus::message::Type as MessageType;
use zbus::{Connection, Message, MessageStream, ObjectPath, Variant};

const PORTAL: &str = "org.freedesktop.portal.Desktop";
const NOTIFICATIONS: &str = "org.freedesktop.Notifications";

/// `BackgroundAccessRequestKind.AlwaysAllowed`.
const ALWAYS: u32 = 0;

/// Values of `BackgroundAccessStatus`.
const UNSPECIFIED: u32 = 0;
const ALWAYS_ALLOWED: u32 = 4;

/// What a desktop has, and how it and its user answer.
#[derive(Clone, Copy, Debug)]
struct Desktop {
    /// What the portal says, if there is one.
    portal: Option<bool>,
    /// The button the user presses, if notifications are shown.
    button: Option<&'static str>,
}

/// Services of the desktop that run, and how often the user was asked.
struct Running {
    shown: Arc<AtomicUsize>,
    _services: Vec<Connection>,
}

impl Desktop {
    async fn start(self, bus: &SessionBus) -> Running {
        let shown = Arc::new(AtomicUsize::new(0));
        let mut services = Vec::new();
        if let Some(background) = self.portal {
            services.push(serve(bus, PORTAL, async move |bus, call| portal(bus, call, background).await).await);
        }
        if let Some(button) = self.button {
            let shown = Arc::clone(&shown);
            let notify = async move |bus: &Connection, call: &Message| {
                shown.fetch_add(usize::from(is(call, "Notify")), Ordering::Relaxed);
                notifications(bus, call, button).await
            };
            services.push(serve(bus, NOTIFICATIONS, notify).await);
        }
        Running { shown, _services: services }
    }
}

/// A service under this name.
async fn serve(
    bus: &SessionBus,
    name: &'static str,
    answer: impl AsyncFn(&Connection, &Message) -> zbus::Result<()> + 'static,
) -> Connection {
    let builder = zbus::connection::Builder::address(bus.address.as_str());
    let mut messages: MessageStream = builder.build_message_stream().await.unwrap();
    let connection = Connection::from(&messages);
    connection.request_name(name).await.unwrap();
    let service = connection.clone();
    tokio::task::spawn_local(async move {
        while let Some(Ok(message)) = messages.next().await {
            if message.header().message_type() == MessageType::MethodCall {
                answer(&service, &message).await.unwrap();
            }
        }
    });
    connection
}

fn is(call: &Message, member: &str) -> bool {
    call.header().member().is_some_and(|its| its == member)
}

/// As `xdg-desktop-portal`: takes the app's name, then answers for it.
async fn portal(bus: &Connection, call: &Message, background: bool) -> zbus::Result<()> {
    let header = call.header();
    if is(call, "Register") {
        return bus.reply(&header, &()).await;
    }
    let handle = ObjectPath::try_from("/org/freedesktop/portal/desktop/request/1/bgtask")?;
    bus.reply(&header, &handle).await?;
    let results = HashMap::from([("background", Variant::from(background))]);
    let answer = (0_u32, results);
    bus.emit_signal(header.sender(), &handle, "org.freedesktop.portal.Request", "Response", &answer).await
}

/// As a desktop with buttons, one of which its user presses.
async fn notifications(bus: &Connection, call: &Message, button: &str) -> zbus::Result<()> {
    let header = call.header();
    if is(call, "GetCapabilities") {
        return bus.reply(&header, &(["actions", "body"].as_slice(),)).await;
    }
    let id = 1_u32;
    bus.reply(&header, &id).await?;
    let path = "/org/freedesktop/Notifications";
    bus.emit_signal(header.sender(), path, NOTIFICATIONS, "ActionInvoked", &(id, button)).await
}

/// A broker on that desktop: whether an app that asks may always run, its status then, and how often the user was asked.
async fn asked(desktop: Desktop) -> Option<(bool, u32, usize)> {
    let (home, _app) = Home::with_sample();
    let bus = SessionBus::start(&home).await?;
    let running = desktop.start(&bus).await;
    let broker = bus.broker(&home).await;
    let user = broker.user().await.broker.clone();
    let approved = user.request_access_kind(SAMPLE, "", ALWAYS, false, "Alarms ring on time only so.").await.unwrap();
    let status = user.get_access_status(SAMPLE, "", false).await.unwrap();
    assert_eq!(user.get_access_status(SAMPLE, "", true).await.unwrap(), UNSPECIFIED, "ACC-21: not for standby");
    Some((approved, status, running.shown.load(Ordering::Relaxed)))
}

/// Plays on this thread what runs beside the test.
async fn locally<T>(test: impl Future<Output = T>) -> T {
    tokio::task::LocalSet::new().run_until(test).await
}

/// ACC-18: what nobody was asked for is confirmed by the user.
#[tokio::test]
async fn the_portals_yes_is_confirmed_by_the_user() {
    for (button, expected) in [("allow", (true, ALWAYS_ALLOWED, 1)), ("deny", (false, UNSPECIFIED, 1))] {
        let desktop = Desktop { portal: Some(true), button: Some(button) };
        let Some(answer) = locally(asked(desktop)).await else { return };
        assert_eq!(answer, expected, "{desktop:?}");
    }
}

/// ACC-18: what is decided is not asked again, not even on another way.
#[tokio::test]
async fn the_portals_no_is_a_no() {
    let desktop = Desktop { portal: Some(false), button: Some("allow") };
    let Some(answer) = locally(asked(desktop)).await else { return };
    assert_eq!(answer, (false, UNSPECIFIED, 0));
}

/// ACC-18: the user or the system approves.
#[tokio::test]
async fn where_one_of_the_two_is_missing_the_other_decides() {
    for (portal, button, expected) in [
        (Some(true), None, (true, ALWAYS_ALLOWED, 0)),
        (None, Some("allow"), (true, ALWAYS_ALLOWED, 1)),
        (None, Some("deny"), (false, UNSPECIFIED, 1)),
    ] {
        let desktop = Desktop { portal, button };
        let Some(answer) = locally(asked(desktop)).await else { return };
        assert_eq!(answer, expected, "{desktop:?}");
    }
}

/// Where nobody can be asked the answer is no, the log says what is missing, and the user can say yes by hand.
#[tokio::test]
async fn where_nobody_can_be_asked_the_user_says_so_himself() {
    let (home, _app) = Home::with_sample();
    let Some(bus) = SessionBus::start(&home).await else { return };
    let broker = bus.broker(&home).await;
    let user = broker.user().await.broker.clone();
    assert!(!user.request_access_kind(SAMPLE, "", ALWAYS, false, "").await.unwrap());
    let log = home.log();
    assert!(log.contains("install xdg-desktop-portal") && log.contains("nothing shows notifications"), "{log}");
    user.set_access(SAMPLE, "always").await.unwrap();
    assert!(user.request_access_kind(SAMPLE, "", ALWAYS, false, "").await.unwrap());
    assert_eq!(user.get_access_status(SAMPLE, "", false).await.unwrap(), ALWAYS_ALLOWED);
}
