//! The one place that shows notifications and hears of them.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde_json::{Value, json};
use tokio::sync::{mpsc, oneshot, watch};
use zbus::Message;

use crate::bus::ear::{Ear, Heard};
use crate::bus::{BusKind, CallError, Connector, Retry};
use crate::event::EventTeller;
use crate::notifications::history::{History, MAX_SHOWN, Shown};
use crate::notifications::notification::{Can, Notification, REPLY};
use crate::notifications::server;
use crate::report::Status;
use crate::world::World;

/// What apps may ask before anything of it is done. Who asks more waits.
pub const MAX_NOTICES_WAITING: usize = 64;

// Why a notification closed, in the words of the specification.
const EXPIRED: u32 = 1;
const CLOSED_BY_CALL: u32 = 3;

/// What a listener wants to hear of.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Topic {
    Action,
    History,
}

/// Shared by all clones of a world. Opens for the first who asks or listens.
#[derive(Default, Debug)]
pub(crate) struct Desk {
    open: Mutex<Option<Open>>,
    folder: Mutex<Option<PathBuf>>,
    listeners: Arc<Listeners>,
}

#[derive(Debug)]
struct Open {
    notices: mpsc::Sender<Notice>,
    status: watch::Receiver<Option<Status>>,
}

/// What an app asks.
#[derive(Debug)]
enum Notice {
    Show { app: String, notification: Notification, reply: oneshot::Sender<Result<u32, String>> },
    TakeAway { app: String, tag: String, reply: oneshot::Sender<Result<bool, String>> },
}

impl Desk {
    pub(super) fn keep_in(&self, folder: PathBuf) {
        *lock(&self.folder) = Some(folder);
    }

    pub(super) async fn notify(&self, world: &World, app: &str, notification: Notification) -> Result<u32, String> {
        let app = app.to_owned();
        self.ask(world, |reply| Notice::Show { app, notification, reply }).await
    }

    pub(super) async fn close(&self, world: &World, app: &str, tag: &str) -> Result<bool, String> {
        let (app, tag) = (app.to_owned(), tag.to_owned());
        self.ask(world, |reply| Notice::TakeAway { app, tag, reply }).await
    }

    async fn ask<T>(
        &self,
        world: &World,
        notice: impl FnOnce(oneshot::Sender<Result<T, String>>) -> Notice,
    ) -> Result<T, String> {
        let ended = || "nobody shows notifications any more: the broker is ending".to_owned();
        let notices = self.opened(world, |open| open.notices.clone());
        let (reply, answer) = oneshot::channel();
        notices.send(notice(reply)).await.map_err(|_| ended())?;
        answer.await.map_err(|_| ended())?
    }

    /// How well notifications are shown and heard of, once that is known.
    pub(super) fn status(&self, world: &World) -> watch::Receiver<Option<Status>> {
        self.opened(world, |open| open.status.clone())
    }

    /// Hears until what is returned is dropped.
    pub(super) fn listen(&self, app: String, topic: Topic, teller: EventTeller) -> Registered {
        let registered = &mut *lock(&self.listeners.registered);
        registered.0 += 1;
        registered.1.insert(registered.0, Listener { app, topic, teller });
        Registered { number: registered.0, listeners: self.listeners.clone() }
    }

    fn opened<T>(&self, world: &World, get: impl FnOnce(&Open) -> T) -> T {
        let open = &mut *lock(&self.open);
        match open {
            Some(open) if !open.notices.is_closed() => get(open),
            // A runtime that ended took the clerk along.
            _ => get(open.insert(self.open_anew(world))),
        }
    }

    fn open_anew(&self, world: &World) -> Open {
        let (notices, inbox) = mpsc::channel(MAX_NOTICES_WAITING);
        let (teller, status) = watch::channel(None);
        let clerk = Clerk {
            listeners: self.listeners.clone(),
            history: History::load(lock(&self.folder).clone()),
            status: teller,
            bus: String::new(),
            server: String::new(),
            can: Can::default(),
            meet: true,
        };
        // With a desk of its own, since it must not keep this one: it ends with the last who could ask.
        tokio::spawn(clerk.work(world.with_another_desk(), inbox));
        Open { notices, status }
    }
}

/// Who hears what becomes of notifications.
#[derive(Default, Debug)]
struct Listeners {
    registered: Mutex<(u64, BTreeMap<u64, Listener>)>,
}

#[derive(Debug)]
struct Listener {
    app: String,
    topic: Topic,
    teller: EventTeller,
}

/// Ends the listening of one.
pub(super) struct Registered {
    number: u64,
    listeners: Arc<Listeners>,
}

impl Drop for Registered {
    fn drop(&mut self) {
        lock(&self.listeners.registered).1.remove(&self.number);
    }
}

impl Listeners {
    fn tell(&self, topic: Topic, shown: &Shown, more: &[(&'static str, Value)]) {
        for listener in lock(&self.registered).1.values() {
            if listener.topic == topic && listener.app == shown.app {
                let own = [("id", json!(shown.id)), ("tag", json!(shown.tag))];
                listener.teller.event(own.into_iter().chain(more.iter().cloned()));
            }
        }
    }

    fn lost(&self, count: u64) {
        lock(&self.registered).1.values().for_each(|listener| listener.teller.lost(count));
    }
}

/// Does the work, one thing at a time.
struct Clerk {
    listeners: Arc<Listeners>,
    history: History,
    status: watch::Sender<Option<Status>>,
    bus: String,
    /// The unique name of the server, empty where none runs.
    server: String,
    can: Can,
    /// Whether the server is to be asked what it can do.
    meet: bool,
}

impl Clerk {
    async fn work(mut self, world: World, mut notices: mpsc::Receiver<Notice>) {
        let mut connector = Connector::new(BusKind::Session, &world);
        while let Some(ear) = self.connect(&mut connector, &mut notices).await {
            if self.attend(ear, &mut notices).await.is_break() {
                return;
            }
        }
    }

    /// A connection; meanwhile everything is refused, as soon as it is known that there is none. `None` once nobody can
    /// ask any more.
    async fn connect(&self, connector: &mut Connector, notices: &mut mpsc::Receiver<Notice>) -> Option<Ear> {
        let without_bus = server::without(&CallError::NoService);
        let mut known = self.status.subscribe();
        let rules = server::rules();
        let connecting = connector.connect(&rules, || self.say(without_bus.clone()));
        tokio::pin!(connecting);
        loop {
            let is_known = known.borrow_and_update().is_some();
            tokio::select! {
                ear = &mut connecting => return Some(ear),
                notice = notices.recv(), if is_known => refuse(notice?, &CallError::NoService),
                _ = known.changed() => {}
            }
        }
    }

    async fn attend(&mut self, mut ear: Ear, notices: &mut mpsc::Receiver<Notice>) -> ControlFlow<()> {
        self.meet = true;
        let mut retry = Retry::default();
        loop {
            if std::mem::take(&mut self.meet) {
                retry.after(&self.meet_server(&mut ear).await);
            }
            tokio::select! {
                heard = ear.next() => match heard {
                    Some(heard) => self.hear(heard),
                    None => return ControlFlow::Continue(()),
                },
                notice = notices.recv() => match notice {
                    Some(notice) => self.serve(notice, &mut ear).await,
                    None => return ControlFlow::Break(()),
                },
                () = retry.due() => self.meet = true,
            }
        }
    }

    /// Gets to know the server that runs, if any.
    async fn meet_server(&mut self, ear: &mut Ear) -> Result<(), CallError> {
        let met = async {
            let (bus, server) = server::find(ear).await?;
            self.bus = bus;
            self.served_by(server);
            match self.server.is_empty() {
                true => Ok((Can::default(), server::absent(ear).await)),
                false => server::ask(ear).await,
            }
        };
        let met: Result<(Can, Status), CallError> = met.await;
        match met {
            Ok((can, status)) => {
                self.can = can;
                self.say(status);
                Ok(())
            }
            Err(error) => {
                self.can = Can::default();
                self.say(server::without(&error));
                Err(error)
            }
        }
    }

    /// What another server showed is shown no longer.
    fn served_by(&mut self, server: String) {
        self.server = server;
        for gone in self.history.shown_by(&format!("{} {}", self.bus, self.server)) {
            self.listeners.tell(Topic::History, &gone, &[("change", json!("Cleared"))]);
        }
    }

    fn say(&self, status: Status) {
        self.status.send_if_modified(|known| {
            let news = known.as_ref() != Some(&status);
            *known = Some(status);
            news
        });
    }

    fn hear(&mut self, heard: Heard) {
        let signal = match heard {
            Heard::Missed(count) => return self.listeners.lost(count),
            Heard::Signal(signal) => signal,
        };
        if let Some(owner) = new_owner(&signal) {
            self.meet = true;
            return self.served_by(owner);
        }
        let header = signal.header();
        // Some servers tell only us, as anybody could: so who it was is what counts.
        if header.sender().is_none_or(|sender| sender.as_str() != self.server) {
            return;
        }
        let body = signal.body();
        match header.member().map(|member| member.as_str()) {
            Some("ActivationToken") => {
                let Ok((id, token)) = body.deserialize::<(u32, String)>() else { return };
                if let Some(shown) = self.history.get(id) {
                    shown.token = Some(token);
                }
            }
            Some("ActionInvoked") => {
                let Ok((id, action)) = body.deserialize::<(u32, String)>() else { return };
                self.acted(id, &action, None);
            }
            Some("NotificationReplied") => {
                let Ok((id, text)) = body.deserialize::<(u32, String)>() else { return };
                self.acted(id, REPLY, Some(&text));
            }
            Some("NotificationClosed") => {
                let Ok((id, reason)) = body.deserialize::<(u32, u32)>() else { return };
                self.closed(id, reason);
            }
            _ => {}
        }
    }

    fn acted(&mut self, id: u32, action: &str, text: Option<&str>) {
        let Some(shown) = self.history.get(id) else { return };
        let token = shown.token.take();
        let fields = [("action", json!(action)), ("text", json!(text)), ("activation_token", json!(token))];
        self.listeners.tell(Topic::Action, shown, &fields);
    }

    fn closed(&mut self, id: u32, reason: u32) {
        let Some(shown) = self.history.remove(id) else { return };
        let change = match reason {
            EXPIRED => "Expired",
            CLOSED_BY_CALL => "Cleared",
            _ => "Removed",
        };
        self.listeners.tell(Topic::History, &shown, &[("change", json!(change))]);
    }

    async fn serve(&mut self, notice: Notice, ear: &mut Ear) {
        match notice {
            // Who does not wait for the answer any more has had what was asked all the same.
            Notice::Show { app, notification, reply } => drop(reply.send(self.show(ear, &app, &notification).await)),
            Notice::TakeAway { app, tag, reply } => drop(reply.send(self.take_away(ear, &app, &tag).await)),
        }
    }

    async fn show(&mut self, ear: &mut Ear, app: &str, notification: &Notification) -> Result<u32, String> {
        if self.server.is_empty() {
            server::start(ear).await.map_err(|error| sentence(&error))?;
            self.meet_server(ear).await.map_err(|error| sentence(&error))?;
        }
        let replaces = self.history.of_tag(app, &notification.tag);
        if replaces.is_none() {
            self.make_room(ear, app).await?;
        }
        let shown = server::show(ear, app, replaces.unwrap_or(0), notification, self.can).await;
        let mut before = ear.held();
        // A server that came meanwhile shows it: what was shown before ended with the other one.
        let change =
            before.iter().rposition(|heard| matches!(heard, Heard::Signal(signal) if new_owner(signal).is_some()));
        let after = before.split_off(change.map_or(0, |change| change + 1));
        before.into_iter().for_each(|heard| self.hear(heard));
        if let Ok(id) = shown {
            self.history.add(id, app, &notification.tag);
            if replaces.is_none()
                && let Some(shown) = self.history.get(id)
            {
                self.listeners.tell(Topic::History, shown, &[("change", json!("Added"))]);
            }
        }
        after.into_iter().for_each(|heard| self.hear(heard));
        shown.map_err(|error| sentence(&error))
    }

    async fn make_room(&mut self, ear: &mut Ear, app: &str) -> Result<(), String> {
        if let Some(oldest) = self.history.oldest_of_too_many(app) {
            server::take_away(ear, oldest).await.map_err(|error| sentence(&error))?;
            self.closed(oldest, CLOSED_BY_CALL);
        }
        match self.history.is_full() {
            true => Err(format!("{MAX_SHOWN} notifications are shown already; take some of them away first")),
            false => Ok(()),
        }
    }

    async fn take_away(&mut self, ear: &mut Ear, app: &str, tag: &str) -> Result<bool, String> {
        let Some(id) = self.history.of_tag(app, tag) else { return Ok(false) };
        server::take_away(ear, id).await.map_err(|error| sentence(&error))?;
        // What its user did before counts first. Some servers say nothing of one they do not know any more.
        ear.held().into_iter().for_each(|heard| self.hear(heard));
        self.closed(id, CLOSED_BY_CALL);
        Ok(true)
    }
}

/// The unique name of the server that there is now, if that is what a signal tells: empty for none.
fn new_owner(signal: &Message) -> Option<String> {
    let header = signal.header();
    let is_of_bus = header.sender().is_some_and(|sender| sender.as_str() == "org.freedesktop.DBus");
    if !is_of_bus || header.member().is_none_or(|member| member.as_str() != "NameOwnerChanged") {
        return None;
    }
    let body = signal.body();
    let (name, _, new): (String, String, String) = body.deserialize().ok()?;
    (name == server::SERVICE).then_some(new)
}

fn refuse(notice: Notice, error: &CallError) {
    let why = sentence(error);
    match notice {
        Notice::Show { reply, .. } => drop(reply.send(Err(why))),
        Notice::TakeAway { reply, .. } => drop(reply.send(Err(why))),
    }
}

fn sentence(error: &CallError) -> String {
    match server::without(error) {
        Status::Missing { why, help } => format!("{why}; {help}"),
        status => status.to_string(),
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
