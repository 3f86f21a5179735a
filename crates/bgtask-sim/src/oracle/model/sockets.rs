//! Sockets that apps hand over (SOC, NW-2): each has one place at a time, and what happens at one comes to its task.

use std::collections::BTreeSet;

use bgtask_core::{
    AppId, HostId, InstanceId, NewSocket, Readiness, Reply, RunOrder, Socket,
    SocketActivityConnectedStandbyAction as Action, SocketActivityTriggerReason as Reason, SocketEvent, SocketKey,
    SocketKind, SocketState, Standing, TaskId, WallTime, limits,
};

use super::super::{Verdict, check};
use super::held::{By, Occasion};
use super::requests::Answer;
use super::{Model, Owed};
use crate::sockets::is_for_sockets;

impl Model {
    pub(super) fn socket_transferred(&mut self, app: &AppId, new: &NewSocket) -> Answer {
        self.descriptors.insert(new.key);
        // Whoever hands over what his task was told of has taken it.
        if let Some(key) = new.again.filter(|key| self.sockets.get(key).is_some_and(|its| its.app == *app)) {
            self.step_socket(key, SocketEvent::Taken);
        }
        if !self.may_be_handed_over(app, new) {
            return Answer::Refused;
        }
        let due = new.keep_alive.map(|time| self.now.wall + time);
        let socket = Socket {
            key: new.key,
            app: app.clone(),
            task: new.task,
            id: new.id.as_str().into(),
            kind: new.kind,
            context: new.context.clone(),
            keep_alive: new.keep_alive,
            due,
            action: new.action,
            state: SocketState::Watched,
        };
        self.sockets.insert(new.key, socket);
        Answer::Exactly(Reply::Transferred)
    }

    fn may_be_handed_over(&self, app: &AppId, new: &NewSocket) -> bool {
        let its = self.registrations.get(&new.task);
        let its = its.filter(|its| its.app == *app && its.standing == Standing::Active && is_for_sockets(&its.trigger));
        let named = !new.id.is_empty() && new.id.len() <= limits::MAX_SOCKET_ID_BYTES;
        let slim = new.context.0.len() <= limits::MAX_SOCKET_CONTEXT_BYTES;
        let in_time = new
            .keep_alive
            .is_none_or(|time| time >= limits::MIN_KEEP_ALIVE && new.kind != SocketKind::StreamSocketListener);
        let again = new.again.and_then(|key| self.sockets.get(&key));
        let twice = again.is_some_and(|known| known.app == *app && known.state.is_held());
        let taken = self.named_socket(app, &new.id).is_some();
        let installed = self.apps.contains_key(app);
        installed && its.is_some() && named && slim && in_time && new.action == Action::DoNotWake && !twice && !taken
    }

    /// SOC-10: of one name an app has one socket at the broker.
    fn named_socket(&self, app: &AppId, id: &str) -> Option<&Socket> {
        self.sockets.values().find(|its| its.app == *app && *its.id == *id && its.state != SocketState::Taken)
    }

    /// SOC-13: what its task is busy with is not taken back; what waits to tell of it is given up.
    pub(super) fn socket_reclaimed(&mut self, app: &AppId, id: &str, owed: &mut Owed) -> Answer {
        let Some(socket) = self.named_socket(app, id).filter(|its| its.state.is_held()).cloned() else {
            return Answer::Refused;
        };
        if self.running.values().any(|run| run.held.firing.socket == Some(socket.key)) {
            return Answer::Refused;
        }
        let carries = self.waiting.iter().find(|(_, held)| held.firing.socket == Some(socket.key));
        owed.drops.extend(carries.map(|(instance, _)| *instance));
        self.sockets.remove(&socket.key);
        Answer::Exactly(Reply::Socket(Box::new(socket)))
    }

    pub(super) fn socket_ready(&mut self, key: SocketKey, readiness: Readiness, owed: &mut Owed) {
        self.watching.remove(&key);
        let Some(kind) = self.sockets.get(&key).map(|its| its.kind) else { return };
        let reason = match (readiness, kind) {
            (Readiness::Closed, _) => Reason::SocketClosed,
            (_, SocketKind::StreamSocketListener) => Reason::ConnectionAccepted,
            _ => Reason::SocketActivity,
        };
        self.tell_of_socket(key, SocketEvent::Happened(reason), owed);
    }

    pub(super) fn sockets_gone(&mut self, keys: &[SocketKey], owed: &mut Owed) {
        for key in keys {
            self.descriptors.remove(key);
            self.watching.remove(key);
            match self.sockets.get(key).map(|its| its.state) {
                Some(SocketState::Watched) => self.tell_of_socket(*key, SocketEvent::Lost, owed),
                _ => self.step_socket(*key, SocketEvent::Lost),
            }
        }
    }

    /// SOC-12: nothing came for so long.
    pub(super) fn keep_alives_end(&mut self, owed: &mut Owed) {
        let due = self.sockets.values().filter_map(|its| Some((its.due?, its.key)));
        let mut due: Vec<_> = due.filter(|(at, _)| *at <= self.now.wall).collect();
        due.sort();
        for (_, key) in due {
            self.tell_of_socket(key, SocketEvent::Happened(Reason::KeepAliveTimerExpired), owed);
        }
    }

    fn tell_of_socket(&mut self, key: SocketKey, event: SocketEvent, owed: &mut Owed) {
        let Some(task) = self.sockets.get(&key).filter(|its| its.state == SocketState::Watched).map(|its| its.task)
        else {
            return;
        };
        self.step_socket(key, event);
        owed.fires(task, Occasion { socket: Some(key), ..Occasion::once(By::World) });
        // It is spent with this, and hears of no other.
        if self.registrations.get(&task).is_some_and(|its| its.trigger.one_shot()) {
            self.orphan_sockets(task);
        }
    }

    pub(super) fn socket_taken(&mut self, host: HostId, instance: InstanceId) {
        let carries = self.running.get(&instance).filter(|run| run.host == host);
        let Some(key) = carries.and_then(|run| run.held.firing.socket) else { return };
        if self.sockets.get(&key).is_some_and(|its| its.state.next(SocketEvent::Taken).is_ok()) {
            self.step_socket(key, SocketEvent::Taken);
            self.heard_of(host);
        }
    }

    /// NW-2: what its task has not taken stays with the broker, unwatched; what it has is its own.
    pub(super) fn socket_ended(&mut self, key: Option<SocketKey>) {
        key.into_iter().for_each(|key| self.step_socket(key, SocketEvent::Ended));
    }

    /// Nobody is to be told of them any more.
    pub(super) fn orphan_sockets(&mut self, task: TaskId) {
        let its = self.sockets.values().filter(|its| its.task == task && its.state == SocketState::Watched);
        let its: Vec<_> = its.map(|its| its.key).collect();
        its.into_iter().for_each(|key| self.step_socket(key, SocketEvent::Orphaned));
    }

    /// One task takes the place of another.
    pub(super) fn sockets_inherited(&mut self, before: TaskId, now: TaskId) {
        let busy: BTreeSet<_> = self.running.values().filter_map(|run| run.held.firing.socket).collect();
        for its in self.sockets.values_mut().filter(|its| its.task == before && !busy.contains(&its.key)) {
            its.task = now;
        }
    }

    /// The app is removed: the broker closes what it has of it.
    pub(super) fn sockets_closed(&mut self, app: &AppId) {
        self.sockets.retain(|_, its| its.app != *app || its.state == SocketState::Taken);
    }

    /// A new life: who is told no more keeps nothing watched, and what no activation carries has come to its end.
    pub(super) fn sockets_restored(&mut self) {
        self.descriptors = self.sockets.values().filter(|its| its.state.is_held()).map(|its| its.key).collect();
        let carried: BTreeSet<_> = self.waiting.values().filter_map(|held| held.firing.socket).collect();
        for (key, task, state) in self.sockets.values().map(|it| (it.key, it.task, it.state)).collect::<Vec<_>>() {
            let active = self.registrations.get(&task).is_some_and(|its| its.standing == Standing::Active);
            match state {
                SocketState::Watched if !active => self.step_socket(key, SocketEvent::Orphaned),
                SocketState::Told { .. } | SocketState::Taken if !carried.contains(&key) => {
                    self.step_socket(key, SocketEvent::Ended);
                }
                _ => {}
            }
        }
    }

    /// The clock was set back: nobody waits for longer than was said.
    pub(super) fn keep_alives_are_near(&mut self) {
        let now = self.now.wall;
        for its in self.sockets.values_mut() {
            its.due = its.due.zip(its.keep_alive).map(|(due, time)| due.min(now + time));
        }
    }

    fn step_socket(&mut self, key: SocketKey, event: SocketEvent) {
        let Some(socket) = self.sockets.get_mut(&key) else { return };
        let Ok(state) = socket.state.next(event) else { return };
        (socket.state, socket.due) = (state, socket.due.filter(|_| state == SocketState::Watched));
        if state == SocketState::Gone {
            self.sockets.remove(&key);
        }
    }

    pub(super) fn closes(&mut self, key: SocketKey) {
        self.watching.remove(&key);
        self.descriptors.remove(&key);
    }

    /// What a task that runs is told of its socket is what is so.
    pub(super) fn socket_is_carried(&self, order: &RunOrder) -> Verdict {
        let right = order.firing.socket.and_then(|key| self.sockets.get(&key));
        check(order.brokered.as_ref() == right, || format!("it is told of {:?}, right is {right:?}", order.brokered))
    }

    /// What is written is what is right; the broker has the descriptors of what it holds and no others, and watches what it is to.
    pub(super) fn sockets_are_right(&self) -> Verdict {
        check(self.sockets == self.kept_sockets, || {
            format!("written are the sockets {:?}, right are {:?}", self.kept_sockets, self.sockets)
        })?;
        let its =
            |holds: fn(SocketState) -> bool| self.sockets.values().filter(move |it| holds(it.state)).map(|it| it.key);
        check(its(SocketState::is_held).eq(self.descriptors.iter().copied()), || {
            format!("held are {:?}, to be held are {:?}", self.descriptors, self.sockets)
        })?;
        let watched: BTreeSet<_> = its(|state| state == SocketState::Watched).collect();
        check(watched.is_subset(&self.watching), || {
            format!("watched are {:?}, to be watched are {watched:?}", self.watching)
        })?;
        let carried = self.waiting.values().chain(self.running.values().map(|run| &run.held));
        // Of an app that was removed nothing is known any more, whatever still runs of it.
        let known = |key: &SocketKey| self.sockets.contains_key(key);
        let mut carried: Vec<_> = carried.filter_map(|held| held.firing.socket).filter(known).collect();
        carried.sort();
        let told = its(|state| state.reason().is_some());
        check(told.eq(carried.iter().copied()), || {
            format!("activations carry {carried:?}, told are {:?}", self.sockets)
        })
    }

    pub(super) fn no_keep_alive_is_late(&self, now: WallTime) -> Verdict {
        let latest = |its: &Socket| Some(its.due? + (its.keep_alive? / 10).min(std::time::Duration::from_secs(60)));
        let late = self.sockets.values().find(|its| latest(its).is_some_and(|at| at <= now));
        check(late.is_none(), || format!("nobody is told that nothing came: {late:?}"))
    }
}
