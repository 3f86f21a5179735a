//! Clients: who is connected, as whom they speak, and how answers and news reach them.

mod bus;
mod entrance;
mod identity;
mod peer;
mod serve;

use std::collections::HashMap;
use std::convert::Infallible;
use std::os::fd::OwnedFd;
use std::sync::Arc;

use bgtask_core::{AppId, ClientId, Event, HostId, InstanceId, Notice, Registration};
use bgtask_wire::{BROKER_INTERFACE, BROKER_PATH, PEER_NAME, TransferInfo};
use tokio::sync::{mpsc, oneshot};
use zbus::Message;

pub(crate) use bus::SessionBus;
pub(crate) use entrance::{Entrance, MAX_CLIENTS};
pub(crate) use identity::{Identity, Process};
pub(crate) use peer::listen;
pub(crate) use serve::{Answer, Asked, Control, HandOver, Transferring, answer, answered, given_back, refusal, reply};

use crate::hosts::AppProcess;

/// How many messages may wait for a client that does not read. One more and it is cut off: what matters is kept
/// durably and delivered when it comes back (D4).
pub(crate) const MAX_OUTBOX: usize = 2_048;

/// Somebody at the door.
#[derive(Debug)]
pub(crate) struct Visitor {
    /// The process, as far as the system tells.
    pub(crate) process: Process,
    /// How it came in.
    pub(crate) door: Door,
    /// Its process, held so that it can be killed as a host: only what comes in by the socket can become one.
    pub(crate) held: Option<OwnedFd>,
    /// The way back.
    pub(crate) outbox: mpsc::Sender<Message>,
    /// Closes the connection when it is dropped, whatever still waits to be written.
    pub(crate) hold: Hold,
}

/// How a client came in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Door {
    /// By the broker's own socket: the connection is the client's alone.
    Socket,
    /// By the session bus, which only passes messages on.
    SessionBus,
}

/// Held as long as a client is served.
pub(crate) type Hold = oneshot::Sender<Infallible>;

/// One connected client.
pub(crate) struct Client {
    pub(crate) identity: Identity,
    pub(crate) door: Door,
    /// The host that it is in, where the broker started that.
    pub(crate) host: Option<HostId>,
    pid: i32,
    held: Option<OwnedFd>,
    outbox: mpsc::Sender<Message>,
    _hold: Hold,
    /// Whose events it watches.
    watching: Option<Scope>,
}

/// One app, or all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Scope {
    All,
    App(AppId),
}

impl Scope {
    fn covers(&self, app: &str) -> bool {
        match self {
            Self::All => true,
            Self::App(its) => its.as_str() == app,
        }
    }
}

/// The connected clients.
pub(crate) struct Clients {
    connected: HashMap<ClientId, Client>,
    bus: Option<SessionBus>,
}

impl Clients {
    pub(crate) fn new(bus: Option<SessionBus>) -> Self {
        Self { connected: HashMap::new(), bus }
    }

    pub(crate) fn enter(&mut self, id: ClientId, identity: Identity, host: Option<HostId>, visitor: Visitor) {
        let Visitor { process, door, held, outbox, hold } = visitor;
        let client = Client { identity, door, host, pid: process.pid, held, outbox, _hold: hold, watching: None };
        self.connected.insert(id, client);
    }

    /// The process of a client that becomes a host.
    pub(crate) fn process(&mut self, id: ClientId) -> Option<AppProcess> {
        let client = self.connected.get_mut(&id)?;
        Some(AppProcess::new(client.pid, client.held.take()))
    }

    pub(crate) fn leave(&mut self, id: ClientId) {
        self.connected.remove(&id);
    }

    pub(crate) fn get(&self, id: ClientId) -> Option<&Client> {
        self.connected.get(&id)
    }

    pub(crate) fn watch(&mut self, id: ClientId, scope: Scope) {
        if let Some(client) = self.connected.get_mut(&id) {
            client.watching = Some(scope);
        }
    }

    /// Sends without waiting: a client that does not read its messages loses its connection, never the broker its time.
    pub(crate) fn send(&mut self, id: ClientId, message: Message) {
        let Some(client) = self.connected.get(&id) else { return };
        if client.outbox.try_send(message).is_err() {
            tracing::debug!(client = id.0, "a client that does not read was cut off");
            self.leave(id);
        }
    }

    pub(crate) fn deliver(&mut self, id: ClientId, notice: &Notice) {
        match bgtask_convert::notice_message(notice) {
            Ok(message) => self.send(id, message),
            Err(error) => tracing::error!("a notice cannot be written: {error}"),
        }
    }

    /// Tells everybody who watches.
    pub(crate) fn announce(&mut self, event: &Event) {
        let watching = self.watching(event.app.as_str());
        if watching.is_empty() && self.bus.is_none() {
            return;
        }
        let message = Message::signal(BROKER_PATH, BROKER_INTERFACE, "Event")
            .sender(PEER_NAME)
            .build(&bgtask_convert::event_info(event));
        let Ok(message) = message.inspect_err(|error| tracing::error!("an event cannot be written: {error}")) else {
            return;
        };
        self.tell_all(watching, message);
    }

    /// Tells everybody who watches how far a task has come.
    pub(crate) fn announce_progress(
        &mut self,
        of: &Registration,
        instance: InstanceId,
        value: u32,
        words: Option<&Arc<str>>,
    ) {
        let watching = self.watching(of.app.as_str());
        if watching.is_empty() && self.bus.is_none() {
            return;
        }
        match bgtask_convert::progress_message(of, instance, value, words) {
            Ok(message) => self.tell_all(watching, message),
            Err(error) => tracing::error!("a progress cannot be written: {error}"),
        }
    }

    /// Tells everybody who watches how far a transfer of this app is; where nobody does, that is not found out.
    pub(crate) fn announce_transfer(&mut self, owner: &str, describe: impl FnOnce() -> TransferInfo) {
        let watching = self.watching(owner);
        if watching.is_empty() && self.bus.is_none() {
            return;
        }
        let message =
            Message::signal(BROKER_PATH, BROKER_INTERFACE, "TransferChanged").sender(PEER_NAME).build(&describe());
        match message {
            Ok(message) => self.tell_all(watching, message),
            Err(error) => tracing::error!("a transfer cannot be told of: {error}"),
        }
    }

    fn watching(&self, app: &str) -> Vec<ClientId> {
        let watches = |client: &Client| client.watching.as_ref().is_some_and(|scope| scope.covers(app));
        self.connected.iter().filter(|(_, client)| watches(client)).map(|(id, _)| *id).collect()
    }

    fn tell_all(&mut self, watching: Vec<ClientId>, message: Message) {
        for id in watching {
            self.send(id, message.clone());
        }
        if let Some(bus) = &self.bus {
            bus.broadcast(message);
        }
    }
}
