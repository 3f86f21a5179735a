//! Sockets that apps hand over: who may, what happens to them, and which task is told (SOC, NW-2).

use std::collections::BTreeSet;
use std::time::Duration;

use super::Core;
use super::fire::Occurrence;
use crate::ids::{AppId, SocketKey, TaskId};
use crate::input::NewSocket;
use crate::limits::{
    MAX_INTERVAL, MAX_PER_TURN, MAX_SOCKET_CONTEXT_BYTES, MAX_SOCKET_FIRINGS, MAX_SOCKET_ID_BYTES, MAX_SOCKETS,
    MAX_SOCKETS_PER_APP, MIN_KEEP_ALIVE,
};
use crate::model::registration::Standing;
use crate::model::socket::{
    Readiness, Socket, SocketActivityConnectedStandbyAction, SocketActivityTriggerReason, SocketEvent, SocketKind,
    SocketState,
};
use crate::model::subject::EventClass;
use crate::model::trigger::Trigger;
use crate::output::{Change, Output, Reply, Wake, WakeReason};
use crate::refusal::{Limit, Refusal};

impl Core {
    /// The sockets that an app has handed over and not got back, by its names for them (`AllSockets`, SOC-14).
    pub fn sockets_of(&self, app: &AppId) -> impl Iterator<Item = &Socket> {
        self.sockets.of_app(app)
    }

    /// Every socket the broker knows of.
    pub fn sockets(&self) -> impl Iterator<Item = &Socket> {
        self.sockets.iter()
    }

    /// `TransferOwnership`. A socket that is refused is the caller's own affair: the broker closes its copy.
    pub(super) fn transfer_socket(&mut self, app: &AppId, new: NewSocket) -> Result<Reply, Refusal> {
        self.note_taken(app, &new);
        if let Err(refusal) = self.check_socket(app, &new) {
            self.outputs.push_back(Output::DropSocket(new.key));
            return Err(refusal);
        }
        let socket = Socket {
            key: new.key,
            app: app.clone(),
            task: new.task,
            id: new.id.into(),
            kind: new.kind,
            context: new.context,
            keep_alive: new.keep_alive,
            due: new.keep_alive.map(|time| self.now.wall + time),
            action: new.action,
            state: SocketState::Watched,
        };
        self.persist(Change::PutSocket(socket.clone()));
        self.sockets.insert(socket);
        self.outputs.push_back(Output::WatchSocket(new.key));
        Ok(Reply::Transferred)
    }

    /// Who hands over the very socket that its task was told of has taken it: word of that goes another way and may come later.
    fn note_taken(&mut self, app: &AppId, new: &NewSocket) {
        let Some(key) = new.again else { return };
        let own = self.sockets.get(key).is_some_and(|socket| socket.app == *app);
        if own && self.step_socket(key, SocketEvent::Taken).is_some() {
            self.outputs.push_back(Output::DropSocket(key));
        }
    }

    fn check_socket(&self, app: &AppId, new: &NewSocket) -> Result<(), Refusal> {
        let invalid = |text: String| Err(Refusal::InvalidArgument(text));
        if self.apps.get(app).is_none() {
            return Err(Refusal::UnknownApp(app.clone()));
        }
        let its = self.tasks.get(new.task).map(|task| &task.registration);
        let its = its.filter(|its| its.app == *app && its.standing == Standing::Active);
        let registration = its.ok_or(Refusal::UnknownTask(new.task))?;
        if !wakes_for_sockets(&registration.trigger) {
            let class = registration.trigger.class();
            return invalid(format!(
                "the task {:?} has a {class}: hand sockets to a task with a SocketActivityTrigger (SOC-3)",
                registration.name
            ));
        }
        if new.id.is_empty() || new.id.chars().any(char::is_control) {
            return invalid("the socket's id is empty or has control characters: give it a name of its own".into());
        }
        if new.id.len() > MAX_SOCKET_ID_BYTES {
            return Err(Refusal::LimitReached(Limit::SocketIdBytes));
        }
        if new.context.0.len() > MAX_SOCKET_CONTEXT_BYTES {
            return Err(Refusal::LimitReached(Limit::SocketContextBytes));
        }
        check_keep_alive(new)?;
        if new.action == SocketActivityConnectedStandbyAction::Wake {
            return Err(Refusal::NotSupported {
                what: "waking the machine for what arrives at a socket".into(),
                why: "Linux wakes no sleeping machine for a single connection (SOC-5)".into(),
                help: "hand it over with DoNotWake: its task runs when the machine is awake again".into(),
            });
        }
        let known = new.again.and_then(|key| self.sockets.get(key));
        if let Some(known) = known.filter(|known| known.app == *app && known.state.is_held()) {
            return invalid(format!("the socket was handed over already, as {:?}: take it back first", known.id));
        }
        if self.sockets.named(app, &new.id).is_some() {
            return Err(Refusal::SocketIdTaken(new.id.clone()));
        }
        if self.sockets.count_of(app) >= MAX_SOCKETS_PER_APP {
            return Err(Refusal::LimitReached(Limit::SocketsPerApp));
        }
        if self.sockets.len() >= MAX_SOCKETS { Err(Refusal::LimitReached(Limit::Sockets)) } else { Ok(()) }
    }

    /// The app takes a socket back (SOC-13, SOC-14, NW-5). What waited to tell its task of it is given up.
    pub(super) fn reclaim_socket(&mut self, app: &AppId, id: &str) -> Result<Reply, Refusal> {
        let socket = self.sockets.named(app, id).filter(|socket| socket.state.is_held());
        let socket = socket.cloned().ok_or_else(|| Refusal::UnknownSocket(id.to_owned()))?;
        let running = self.tasks.get(socket.task).into_iter().flat_map(|task| &task.running);
        if running.into_iter().any(|activation| activation.firing.socket == Some(socket.key)) {
            return Err(Refusal::SocketInUse(id.to_owned()));
        }
        // What is given up must not close what the app is given.
        self.drop_carrying(socket.task, socket.key);
        self.step_socket(socket.key, SocketEvent::Released);
        Ok(Reply::Socket(Box::new(socket)))
    }

    /// What the store held is known again: before the activations, of which some end at once and leave their sockets with the broker.
    pub(super) fn restore_sockets(&mut self, sockets: Vec<Socket>) {
        sockets.into_iter().for_each(|socket| self.sockets.insert(socket));
    }

    /// After the activations are there again: what is to be watched is. Where nobody is to be told any more, it stays with the broker.
    pub(super) fn settle_sockets(&mut self) {
        let carried: BTreeSet<_> = self.activations().filter_map(|(_, activation)| activation.firing.socket).collect();
        let known: Vec<_> = self.sockets.iter().map(|socket| (socket.key, socket.task, socket.state)).collect();
        for (key, task, state) in known {
            match state {
                SocketState::Watched if self.tasks.get(task).is_some_and(|task| task.registration.fires()) => {
                    self.outputs.push_back(Output::WatchSocket(key));
                }
                SocketState::Watched => drop(self.step_socket(key, SocketEvent::Orphaned)),
                SocketState::Told { .. } | SocketState::Taken if !carried.contains(&key) => self.socket_ended(key),
                _ => {}
            }
        }
    }

    /// Something was seen at a socket that is watched. A late word of who is not watched any more is nothing.
    pub(super) fn socket_ready(&mut self, key: SocketKey, readiness: Readiness) {
        let Some(socket) = self.sockets.get(key) else { return };
        let reason = match (readiness, socket.kind) {
            (Readiness::Readable, SocketKind::StreamSocketListener) => SocketActivityTriggerReason::ConnectionAccepted,
            (Readiness::Readable, _) => SocketActivityTriggerReason::SocketActivity,
            (Readiness::Closed, _) => SocketActivityTriggerReason::SocketClosed,
        };
        self.tell_of_socket(key, reason);
    }

    /// The broker has lost these descriptors: it was started anew where nobody keeps them for it.
    pub(super) fn sockets_gone(&mut self, keys: Vec<SocketKey>) {
        for key in keys {
            let watched = self.sockets.get(key).is_some_and(|socket| socket.state == SocketState::Watched);
            let Some(socket) = self.step_socket(key, SocketEvent::Lost) else { continue };
            if watched {
                self.accept(socket.task, Occurrence { socket: Some(key), ..Occurrence::default() });
            }
        }
    }

    /// The activation that a descriptor came with has its outcome, or was given up. A socket that an app has handed over and its
    /// task has not taken stays with the broker, unwatched; what the broker made for the activation is closed.
    pub(super) fn socket_ended(&mut self, key: SocketKey) {
        if self.sockets.get(key).is_none() {
            self.outputs.push_back(Output::DropSocket(key));
        } else {
            self.step_socket(key, SocketEvent::Ended);
        }
    }

    /// Nobody is to be told of the sockets of a task any more: they stay with the broker until the app takes them back.
    pub(super) fn orphan_sockets(&mut self, task: TaskId) {
        for key in self.sockets.of_task(task) {
            if self.step_socket(key, SocketEvent::Orphaned).is_some() {
                self.outputs.push_back(Output::UnwatchSocket(key));
            }
        }
    }

    /// One registration took the place of another: what it had handed over is its own now.
    pub(super) fn inherit_sockets(&mut self, before: TaskId, now: TaskId) {
        let inherits = self.tasks.get(now).is_some_and(|task| wakes_for_sockets(&task.registration.trigger));
        for key in self.sockets.of_task(before) {
            let running = self.tasks.get(before).into_iter().flat_map(|task| &task.running);
            if inherits && !running.into_iter().any(|activation| activation.firing.socket == Some(key)) {
                let socket = self.sockets.give_to(key, now).cloned();
                self.outputs.extend(socket.map(|socket| Output::Persist(Change::PutSocket(socket))));
            }
        }
    }

    /// The app was removed: its sockets are closed.
    pub(super) fn close_sockets(&mut self, app: &AppId) {
        let keys: Vec<_> = self.sockets.of_app(app).map(|socket| socket.key).collect();
        for key in keys {
            self.step_socket(key, SocketEvent::Released);
            self.outputs.push_back(Output::DropSocket(key));
        }
    }

    /// Every socket that is watched is looked at again: the machine has slept, and what it missed it may only notice now.
    pub(super) fn look_at_sockets(&mut self) {
        let watched = self.sockets.iter().filter(|socket| self.is_watched(socket)).map(|socket| socket.key);
        let orders: Vec<_> = watched.map(Output::WatchSocket).collect();
        self.outputs.extend(orders);
    }

    fn is_watched(&self, socket: &Socket) -> bool {
        socket.state == SocketState::Watched && !self.sockets.is_queued(socket.key)
    }

    /// The keep-alives that are over (SOC-12). Whoever has some time left shares this wake-up (`latest`).
    pub(super) fn expire_sockets(&mut self) {
        for key in self.sockets.due_by(self.now.wall, MAX_PER_TURN) {
            self.outputs.push_back(Output::UnwatchSocket(key));
            self.tell_of_socket(key, SocketActivityTriggerReason::KeepAliveTimerExpired);
        }
    }

    pub(super) fn keep_alive_wake(&self) -> Option<Wake> {
        let (at, task) = self.sockets.first_alarm()?;
        Some(Wake { at: self.now.boot + (at - self.now.wall), why: WakeReason::KeepAlive(task) })
    }

    /// The clock was set back: what would be waited for longer than was said begins anew.
    pub(super) fn keep_alives_anew(&mut self) {
        let later = |socket: &&Socket| {
            let most = socket.keep_alive.map(|time| self.now.wall + time);
            socket.due.zip(most).is_some_and(|(due, most)| due > most)
        };
        let later: Vec<_> = self.sockets.iter().filter(later).map(|socket| (socket.key, socket.keep_alive)).collect();
        for (key, keep_alive) in later {
            let due = self.now.wall + keep_alive.unwrap_or_default();
            let socket = self.sockets.set_due(key, due).cloned();
            self.outputs.extend(socket.map(|socket| Output::Persist(Change::PutSocket(socket))));
        }
    }

    /// Tells the task of a socket, unless as many activations of it wait as may: then when one of them has gone.
    fn tell_of_socket(&mut self, key: SocketKey, reason: SocketActivityTriggerReason) {
        let Some(socket) = self.sockets.get(key).filter(|socket| self.is_watched(socket)) else { return };
        let task = socket.task;
        if self.has_room_for_socket(task) {
            self.carry_socket(key, reason);
        } else {
            self.sockets.queue(key, reason);
        }
    }

    /// What waited for room becomes activations, in its order.
    pub(super) fn admit_sockets(&mut self) {
        for task in self.sockets.take_roomy() {
            while self.has_room_for_socket(task)
                && let Some((key, reason)) = self.sockets.first_queued(task)
            {
                self.carry_socket(key, reason);
            }
        }
    }

    fn has_room_for_socket(&self, task: TaskId) -> bool {
        self.tasks.get(task).is_some_and(|task| task.waiting.len() < MAX_SOCKET_FIRINGS)
    }

    fn carry_socket(&mut self, key: SocketKey, reason: SocketActivityTriggerReason) {
        if let Some(socket) = self.step_socket(key, SocketEvent::Happened(reason)) {
            self.accept(socket.task, Occurrence { socket: Some(key), ..Occurrence::default() });
        }
    }

    /// What the broker has of a task's sockets, for a person.
    pub(super) fn say_sockets(&self, task: TaskId) -> String {
        let all = self.sockets.of_task(task);
        let stands = |state| {
            let its = |key: &&SocketKey| self.sockets.get(**key).is_some_and(|socket| socket.state == state);
            all.iter().filter(its).count()
        };
        let (watched, kept) = (stands(SocketState::Watched), stands(SocketState::Kept));
        let of = |count: usize| if count == 1 { "1 socket".to_owned() } else { format!("{count} sockets") };
        let mut text = match watched {
            0 => " No socket is watched for it: the app hands one over with transfer_ownership().".to_owned(),
            _ => format!(" For it the broker watches {}.", of(watched)),
        };
        if kept > 0 {
            text.push_str(&format!(
                " It has not taken {} that it was told of: the broker keeps what the app finds in all_sockets(), unwatched.",
                of(kept)
            ));
        }
        text
    }

    /// Applies an event that can happen, and makes durable what comes of it.
    pub(super) fn step_socket(&mut self, key: SocketKey, event: SocketEvent) -> Option<Socket> {
        let socket = self.sockets.apply(key, event)?;
        self.persist(match socket.state {
            SocketState::Gone => Change::DeleteSocket(key),
            _ => Change::PutSocket(socket.clone()),
        });
        Some(socket)
    }

    /// Gives up what waits with this socket.
    fn drop_carrying(&mut self, task: TaskId, key: SocketKey) {
        let waiting = self.tasks.get(task).into_iter().flat_map(|task| &task.waiting);
        let carrying = waiting.into_iter().find(|activation| activation.firing.socket == Some(key));
        if let Some(instance) = carrying.map(|activation| activation.instance) {
            self.drop_one(task, instance);
            self.fresh_gate(task);
            self.tidy(task);
        }
    }
}

/// Whether sockets may be handed to such a task.
pub(super) fn wakes_for_sockets(trigger: &Trigger) -> bool {
    matches!(trigger, Trigger::Event { class: EventClass::SocketActivity, .. })
}

/// SOC-12: a listener takes none. What is waited for is neither a moment nor for ever.
fn check_keep_alive(new: &NewSocket) -> Result<(), Refusal> {
    let Some(time) = new.keep_alive else { return Ok(()) };
    if new.kind == SocketKind::StreamSocketListener {
        return Err(Refusal::InvalidArgument("a listener takes no keep-alive time: hand it over without one".into()));
    }
    if (MIN_KEEP_ALIVE..=MAX_INTERVAL).contains(&time) {
        return Ok(());
    }
    let text = |time: Duration| crate::model::words::duration_word(time);
    Err(Refusal::InvalidArgument(format!(
        "the keep-alive time of {} is out of range: it is {} to {}",
        text(time),
        text(MIN_KEEP_ALIVE),
        text(MAX_INTERVAL)
    )))
}
