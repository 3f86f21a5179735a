//! The part of a desktop that shows notifications.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use zbus::object_server::SignalEmitter;
use zbus::{Connection, OwnedVariant, interface};

use crate::harness::UserBus;

const NAME: &str = "org.freedesktop.Notifications";
const PATH: &str = "/org/freedesktop/Notifications";

/// Why a notification is gone, in the numbers of the specification.
#[derive(Clone, Copy)]
pub(crate) enum Gone {
    Expired = 1,
    Dismissed = 2,
    Closed = 3,
}

/// A notification that is shown.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Shown {
    pub(crate) id: u32,
    pub(crate) app: String,
    pub(crate) title: String,
    pub(crate) body: String,
    /// Id and label of each, one after the other.
    pub(crate) actions: Vec<String>,
}

type Screen = Arc<Mutex<Vec<Shown>>>;

struct Server {
    screen: Screen,
    last: u32,
}

#[interface(name = "org.freedesktop.Notifications")]
impl Server {
    #[expect(clippy::too_many_arguments, reason = "as the specification has it")]
    fn notify(
        &mut self,
        app: String,
        replaces: u32,
        _icon: String,
        title: String,
        body: String,
        actions: Vec<String>,
        _hints: HashMap<String, OwnedVariant>,
        _timeout: i32,
    ) -> u32 {
        let mut screen = self.screen.lock().unwrap();
        screen.retain(|shown| shown.id != replaces);
        self.last += u32::from(replaces == 0);
        let id = if replaces == 0 { self.last } else { replaces };
        screen.push(Shown { id, app, title, body, actions });
        id
    }

    async fn close_notification(&self, id: u32, #[zbus(signal_emitter)] emitter: SignalEmitter<'_>) {
        self.screen.lock().unwrap().retain(|shown| shown.id != id);
        Self::notification_closed(&emitter, id, Gone::Closed as u32).await.unwrap();
    }

    #[zbus(signal)]
    async fn notification_closed(emitter: &SignalEmitter<'_>, id: u32, reason: u32) -> zbus::Result<()>;

    #[zbus(signal)]
    async fn action_invoked(emitter: &SignalEmitter<'_>, id: u32, action_key: &str) -> zbus::Result<()>;

    #[zbus(signal)]
    async fn notification_replied(emitter: &SignalEmitter<'_>, id: u32, text: &str) -> zbus::Result<()>;

    fn get_capabilities(&self) -> &[&str] {
        &["actions", "inline-reply"]
    }

    fn get_server_information(&self) -> (&str, &str, &str, &str) {
        ("Desktop", "Example", "1", "1.2")
    }
}

pub(crate) struct Desktop {
    connection: Connection,
    screen: Screen,
}

impl Desktop {
    pub(crate) async fn start(bus: &UserBus) -> Self {
        let (connection, screen) = (bus.connect().await, Screen::default());
        let server = Server { screen: screen.clone(), last: 0 };
        connection.object_server().at(PATH, server).await.unwrap();
        connection.request_name(NAME).await.unwrap();
        Self { connection, screen }
    }

    /// What it shows now, the oldest first.
    pub(crate) fn shows(&self) -> Vec<Shown> {
        self.screen.lock().unwrap().clone()
    }

    /// Its user presses a button.
    pub(crate) async fn click(&self, id: u32, action: &str) {
        Server::action_invoked(&self.emitter(), id, action).await.unwrap();
    }

    /// Its user writes an answer.
    pub(crate) async fn answer(&self, id: u32, text: &str) {
        Server::notification_replied(&self.emitter(), id, text).await.unwrap();
    }

    pub(crate) async fn take_away(&self, id: u32, why: Gone) {
        self.screen.lock().unwrap().retain(|shown| shown.id != id);
        Server::notification_closed(&self.emitter(), id, why as u32).await.unwrap();
    }

    fn emitter(&self) -> SignalEmitter<'_> {
        SignalEmitter::new(&self.connection, PATH).unwrap()
    }
}
