//! What the broker made durable, and a broker starts from.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bgtask_core::{
    Account, Activation, App, AppAccess, AppId, AppVersion, Change, Completion, Edge, Fact, FleetOrder, InstanceId,
    OrderId, PushChannel, Registration, Snapshot, Socket, SocketKey, TaskId, Zone,
};

#[derive(Default)]
pub(crate) struct Store {
    pub(crate) registrations: BTreeMap<TaskId, Registration>,
    pub(crate) activations: BTreeMap<InstanceId, (TaskId, Activation)>,
    completions: BTreeMap<u64, Completion>,
    last_sequence: u64,
    access: BTreeMap<AppId, AppAccess>,
    versions: BTreeMap<AppId, AppVersion>,
    switched_off: bool,
    zone: Option<Zone>,
    pub(crate) accounts: BTreeMap<AppId, Account>,
    pub(crate) sockets: BTreeMap<SocketKey, Socket>,
    pub(crate) states: BTreeMap<Fact, Arc<str>>,
    channels: BTreeMap<AppId, PushChannel>,
    edges: BTreeMap<u64, Edge>,
    pub(crate) orders: BTreeMap<OrderId, FleetOrder>,
    sessions: u32,
}

impl Store {
    pub(crate) fn new(snapshot: Snapshot) -> Self {
        Self {
            registrations: snapshot.registrations.into_iter().map(|it| (it.id, it)).collect(),
            activations: snapshot.activations.into_iter().map(|(id, it)| (it.instance, (id, it))).collect(),
            completions: snapshot.completions.into_iter().map(|it| (it.sequence, it)).collect(),
            last_sequence: snapshot.last_sequence,
            accounts: snapshot.accounts.into_iter().collect(),
            sockets: snapshot.sockets.into_iter().map(|socket| (socket.key, socket)).collect(),
            ..Self::default()
        }
    }

    /// What the next broker starts from; every third serves another session of the user.
    pub(crate) fn snapshot(&mut self) -> Snapshot {
        self.sessions += 1;
        Snapshot {
            registrations: self.registrations.values().cloned().collect(),
            activations: self.activations.values().cloned().collect(),
            completions: self.completions.values().cloned().collect(),
            last_sequence: self.last_sequence,
            access: self.access.clone().into_iter().collect(),
            switched_off: self.switched_off,
            versions: self.versions.clone().into_iter().collect(),
            zone: self.zone.clone(),
            states: self.states.clone().into_iter().collect(),
            accounts: self.accounts.clone().into_iter().collect(),
            sockets: self.sockets.values().cloned().collect(),
            channels: self.channels.values().cloned().collect(),
            edges: self.edges.values().cloned().collect(),
            orders: self.orders.values().cloned().collect(),
            session: (self.sessions / 3).to_string().into(),
        }
    }

    pub(crate) fn apply(&mut self, change: Change) {
        match change {
            Change::PutRegistration(registration) => {
                self.registrations.insert(registration.id, registration);
            }
            Change::DeleteRegistration(id) => {
                assert!(self.registrations.remove(&id).is_some(), "{id} is deleted twice");
            }
            Change::PutActivation(id, activation) => {
                self.activations.insert(activation.instance, (id, activation));
            }
            Change::PutAccount(app, account) => drop(self.accounts.insert(app, account)),
            Change::DeleteAccount(app) => drop(self.accounts.remove(&app)),
            Change::PutSocket(socket) => drop(self.sockets.insert(socket.key, socket)),
            Change::DeleteSocket(key) => drop(self.sockets.remove(&key)),
            Change::PutChannel(channel) => drop(self.channels.insert(channel.app.clone(), channel)),
            Change::DeleteChannel(app) => drop(self.channels.remove(&app)),
            Change::PutEdge(edge) => drop(self.edges.insert(edge.number, edge)),
            Change::DeleteEdge(number) => drop(self.edges.remove(&number)),
            Change::PutOrder(order) => drop(self.orders.insert(order.id.clone(), order)),
            Change::DeleteOrder(id) => drop(self.orders.remove(&id)),
            Change::DeleteActivation(instance) => drop(self.activations.remove(&instance)),
            Change::PutCompletion(completion) => {
                assert_ne!(completion.app.as_str(), App::COMMANDS, "nobody fetches the completions of commands");
                self.completions.insert(completion.sequence, completion);
            }
            Change::DeleteCompletion(sequence) => drop(self.completions.remove(&sequence)),
            Change::PutSequence(sequence) => self.last_sequence = sequence,
            Change::PutAccess(app, access) => drop(self.access.insert(app, access)),
            Change::DeleteAccess(app) => drop(self.access.remove(&app)),
            Change::PutSwitchedOff(value) => self.switched_off = value,
            Change::PutVersion(app, version) => drop(self.versions.insert(app, version)),
            Change::DeleteVersion(app) => drop(self.versions.remove(&app)),
            Change::PutZone(zone) => self.zone = Some(zone),
            Change::DeleteZone => self.zone = None,
            Change::PutState(fact, state) => drop(self.states.insert(fact, state)),
            Change::DeleteState(fact) => drop(self.states.remove(&fact)),
            Change::Record(_) => {}
        }
    }

    /// The sequences of the completions there ever were, as far as they are known.
    pub(crate) fn sequences(&self) -> Vec<u64> {
        self.completions.keys().copied().chain([0, u64::MAX]).collect()
    }

    pub(crate) fn tasks(&self) -> BTreeSet<TaskId> {
        self.registrations.keys().copied().collect()
    }
}
