//! Sockets that apps hand over: what happens at them, and what the tasks do that are told.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use bgtask_core::{
    AppId, BootTime, Details, EventClass, HostId, Input, NewSocket, Readiness, Registration, Request, RunOrder,
    Snapshot, SocketActivityConnectedStandbyAction as Action, SocketKey, SocketKind, SocketState, TaskId, Trigger,
};

use crate::agenda::Agenda;
use crate::asks::Ask;
use crate::chance::Chance;
use crate::hosts::Word;

/// Few names, so that they are often taken.
const NAMES: u64 = 6;

/// A descriptor that the driver has.
#[derive(Clone, Debug)]
struct Descriptor {
    app: AppId,
    task: TaskId,
    id: String,
    kind: SocketKind,
    /// What there is to see.
    shows: Option<Readiness>,
}

#[derive(Debug)]
enum Says {
    Ready(SocketKey, Readiness),
    Taken(HostId, bgtask_core::InstanceId),
    /// The task hands over again what it has taken.
    Again(SocketKey, Descriptor),
}

#[derive(Debug, Default)]
pub(crate) struct Sockets {
    held: BTreeMap<SocketKey, Descriptor>,
    watched: BTreeSet<SocketKey>,
    agenda: Agenda<Says>,
    last_key: u64,
    /// In the quiet phase every task takes its socket and keeps it.
    pub(crate) tame: bool,
}

impl Sockets {
    pub(crate) fn next(&self) -> Option<BootTime> {
        self.agenda.next()
    }

    /// The descriptors that the driver has.
    pub(crate) fn held(&self) -> impl Iterator<Item = SocketKey> + '_ {
        self.held.keys().copied()
    }

    /// Something can be seen at a socket that is watched, and nobody says so.
    pub(crate) fn unsaid(&self) -> Option<SocketKey> {
        self.watched.iter().copied().find(|key| self.held.get(key).is_some_and(|it| it.shows.is_some()))
    }

    /// An app hands a socket over, to one of its tasks or by mistake to another, takes one back, or says nonsense.
    pub(crate) fn ask(&mut self, registrations: &[&Registration], chance: &mut Chance) -> Option<Ask> {
        let wakes = |it: &&&Registration| is_for_sockets(&it.trigger);
        let tasks: Vec<_> = registrations.iter().filter(wakes).collect();
        let its = chance.pick(&tasks)?;
        let id = format!("socket {}", chance.below(NAMES));
        if chance.percent(25) {
            return Some(Request::ReclaimSocket { app: its.app.clone(), id }.into());
        }
        let stranger = chance.pick(registrations).filter(|_| chance.percent(5));
        let task = stranger.map_or(its.id, |stranger| stranger.id);
        let kinds = [SocketKind::StreamSocket, SocketKind::DatagramSocket, SocketKind::StreamSocketListener];
        let kind = *chance.pick(&kinds).expect("three");
        let descriptor = Descriptor { app: its.app.clone(), task, id, kind, shows: None };
        let mut new = self.new_socket(descriptor, None, chance);
        let must_fail = chance.percent(8);
        if must_fail {
            spoil(&mut new, chance);
        }
        Some(Ask { request: Request::TransferSocket(its.app.clone(), new), must_fail })
    }

    fn new_socket(&mut self, descriptor: Descriptor, again: Option<SocketKey>, chance: &mut Chance) -> NewSocket {
        self.last_key += 1;
        let key = SocketKey(self.last_key);
        let listens = descriptor.kind == SocketKind::StreamSocketListener;
        let keep_alive = (!listens && chance.percent(40)).then(|| Duration::from_secs(1 + chance.below(30)));
        let new = NewSocket {
            key,
            task: descriptor.task,
            id: descriptor.id.clone(),
            kind: descriptor.kind,
            context: Details(b"context".as_slice().into()),
            keep_alive,
            action: Action::DoNotWake,
            again,
        };
        self.held.insert(key, descriptor);
        new
    }

    /// Something arrives at one of them, or it is closed.
    pub(crate) fn disturb(&mut self, now: BootTime, chance: &mut Chance) {
        let keys: Vec<_> = self.held.keys().copied().collect();
        let Some(key) = chance.pick(&keys) else { return };
        let what = if chance.percent(80) { Readiness::Readable } else { Readiness::Closed };
        self.held.get_mut(key).expect("just seen").shows.get_or_insert(what);
        self.look(*key, now, chance);
    }

    pub(crate) fn watch(&mut self, key: SocketKey, now: BootTime, chance: &mut Chance) {
        self.watched.insert(key);
        self.look(key, now, chance);
    }

    /// What was seen before may still be told.
    pub(crate) fn unwatch(&mut self, key: SocketKey, chance: &mut Chance) {
        self.watched.remove(&key);
        if chance.percent(70) {
            self.agenda.cancel(|says| matches!(says, Says::Ready(its, _) if *its == key));
        }
    }

    /// The driver closes its descriptor; twice is once.
    pub(crate) fn close(&mut self, key: SocketKey) {
        self.watched.remove(&key);
        self.held.remove(&key);
    }

    /// The driver gives its descriptor to the app.
    pub(crate) fn let_go(&mut self, key: SocketKey) -> Result<(), String> {
        self.watched.remove(&key);
        self.held.remove(&key).map(drop).ok_or_else(|| format!("{key:?} is given back and the broker has it no more"))
    }

    /// A socket that is watched is told of once.
    fn look(&mut self, key: SocketKey, now: BootTime, chance: &mut Chance) {
        let shows = self.held.get(&key).and_then(|it| it.shows);
        if let Some(shows) = shows.filter(|_| self.watched.remove(&key)) {
            self.agenda.plan(now + chance.millis(200), Says::Ready(key, shows));
        }
    }

    /// A task is given the descriptor: it takes it or not, and some hand it over again before it is known that they have it.
    pub(crate) fn run(&mut self, host: HostId, order: &RunOrder, now: BootTime, chance: &mut Chance) {
        let Some(key) = order.firing.socket else { return };
        let Some(descriptor) = self.held.get(&key).cloned() else { return };
        if !self.tame && chance.percent(35) {
            return;
        }
        if !self.tame && chance.percent(60) {
            let again = Descriptor { shows: descriptor.shows.filter(|_| chance.percent(40)), ..descriptor };
            self.agenda.plan(now + chance.millis(1_500), Says::Again(key, again));
        }
        if self.tame || chance.percent(90) {
            self.agenda.plan(now + chance.millis(1_000), Says::Taken(host, order.instance));
        }
    }

    /// The service manager keeps the descriptors, or nobody does. What is in no row is closed.
    pub(crate) fn broker_died(&mut self, kept: bool) {
        self.watched.clear();
        self.agenda.clear();
        if !kept {
            self.held.clear();
        }
    }

    /// What the new broker finds of what the store says that there is: answers what got lost.
    pub(crate) fn found_again(&mut self, snapshot: &Snapshot) -> Vec<SocketKey> {
        let rows: BTreeMap<SocketKey, SocketState> = snapshot.sockets.iter().map(|it| (it.key, it.state)).collect();
        self.held.retain(|key, _| rows.get(key).is_some_and(|state| state.is_held()));
        let lost = rows.iter().filter(|(key, state)| state.is_held() && !self.held.contains_key(key));
        lost.map(|(key, _)| *key).collect()
    }

    pub(crate) fn speak(&mut self, now: BootTime, chance: &mut Chance) -> Option<Word> {
        Some(match self.agenda.take_due(now)? {
            Says::Ready(key, readiness) => Word::Heard(Input::SocketReady(key, readiness)),
            Says::Taken(host, instance) => Word::Heard(Input::SocketTaken(host, instance)),
            Says::Again(key, descriptor) => {
                let app = descriptor.app.clone();
                let again = Some(key).filter(|key| self.held.contains_key(key));
                Word::Asks(Request::TransferSocket(app, self.new_socket(descriptor, again, chance)))
            }
        })
    }
}

/// Whether sockets may be handed to such a task (SOC-3).
pub(crate) fn is_for_sockets(trigger: &Trigger) -> bool {
    matches!(trigger, Trigger::Event { class: EventClass::SocketActivity, .. })
}

fn spoil(new: &mut NewSocket, chance: &mut Chance) {
    match chance.below(5) {
        0 => new.id = String::new(),
        1 => new.id = "s".repeat(256),
        2 => new.action = Action::Wake,
        3 => new.context = Details(vec![0; 5_000].into()),
        _ => (new.kind, new.keep_alive) = (SocketKind::StreamSocket, Some(Duration::ZERO)),
    }
}
