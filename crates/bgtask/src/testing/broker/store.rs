//! What would be on the disk.

use std::sync::Arc;

use bgtask_core::{Change, Event, Snapshot};

/// The session of the user that every life of the broker serves.
const SESSION: &str = "test";

/// Everything that outlives a crash.
pub(super) struct Store {
    snapshot: Snapshot,
    history: Vec<Event>,
}

impl Store {
    pub(super) fn new() -> Self {
        let snapshot = Snapshot { session: Arc::from(SESSION), ..Snapshot::default() };
        Self { snapshot, history: Vec::new() }
    }

    /// What a broker starts from.
    pub(super) fn snapshot(&self) -> Snapshot {
        self.snapshot.clone()
    }

    /// Everything that was recorded, in order.
    pub(super) fn history(&self) -> &[Event] {
        &self.history
    }

    pub(super) fn apply(&mut self, change: Change) {
        let kept = &mut self.snapshot;
        match change {
            Change::PutRegistration(new) => put(&mut kept.registrations, new, |one| one.id),
            Change::DeleteRegistration(id) => kept.registrations.retain(|one| one.id != id),
            Change::PutActivation(task, new) => put(&mut kept.activations, (task, new), |(_, one)| one.instance),
            Change::DeleteActivation(instance) => kept.activations.retain(|(_, one)| one.instance != instance),
            Change::PutCompletion(new) => put(&mut kept.completions, new, |one| one.sequence),
            Change::DeleteCompletion(sequence) => kept.completions.retain(|one| one.sequence != sequence),
            Change::PutSequence(sequence) => kept.last_sequence = sequence,
            Change::PutAccess(app, access) => put(&mut kept.access, (app, access), |(app, _)| app.clone()),
            Change::DeleteAccess(gone) => kept.access.retain(|(app, _)| *app != gone),
            Change::PutSwitchedOff(off) => kept.switched_off = off,
            Change::PutVersion(app, version) => put(&mut kept.versions, (app, version), |(app, _)| app.clone()),
            Change::DeleteVersion(gone) => kept.versions.retain(|(app, _)| *app != gone),
            Change::PutAccount(app, account) => put(&mut kept.accounts, (app, account), |(app, _)| app.clone()),
            Change::DeleteAccount(gone) => kept.accounts.retain(|(app, _)| *app != gone),
            Change::PutChannel(new) => put(&mut kept.channels, new, |one| one.app.clone()),
            Change::DeleteChannel(gone) => kept.channels.retain(|one| one.app != gone),
            Change::PutEdge(new) => put(&mut kept.edges, new, |one| one.number),
            Change::DeleteEdge(gone) => kept.edges.retain(|one| one.number != gone),
            Change::PutOrder(new) => put(&mut kept.orders, new, |one| one.id.clone()),
            Change::DeleteOrder(gone) => kept.orders.retain(|one| one.id != gone),
            Change::PutZone(zone) => kept.zone = Some(zone),
            Change::DeleteZone => kept.zone = None,
            Change::PutState(fact, state) => put(&mut kept.states, (fact, state), |(fact, _)| *fact),
            Change::DeleteState(gone) => kept.states.retain(|(fact, _)| *fact != gone),
            Change::PutSocket(new) => put(&mut kept.sockets, new, |one| one.key),
            Change::DeleteSocket(gone) => kept.sockets.retain(|one| one.key != gone),
            Change::Record(event) => self.history.push(event),
        }
    }
}

/// Inserts or replaces, by key.
fn put<T, K: PartialEq>(rows: &mut Vec<T>, new: T, key: impl Fn(&T) -> K) {
    match rows.iter_mut().find(|row| key(row) == key(&new)) {
        Some(row) => *row = new,
        None => rows.push(new),
    }
}
