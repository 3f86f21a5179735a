use bgtask_core::{Change, Event, Shared, Snapshot};
use serde_json::Value;

use crate::json::{Record, RecordError};

/// A change as the store keeps it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Row {
    /// Insert or replace.
    Put {
        /// Which table of the state.
        kind: &'static str,
        /// Which row.
        key: String,
        /// The value, JSON.
        value: String,
    },
    /// Remove.
    Delete {
        /// Which table of the state.
        kind: &'static str,
        /// Which row.
        key: String,
    },
    /// Append to the history.
    History(HistoryRow),
}

/// One line of history: the columns a query selects by, and the whole event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HistoryRow {
    /// When, microseconds since the Unix epoch.
    pub wall_us: i64,
    /// Whose task.
    pub app: String,
    /// Which registration.
    pub task: String,
    /// Its name.
    pub name: String,
    /// Which activation.
    pub instance: Option<String>,
    /// The event in one word, as [`EventKind::word`](bgtask_core::EventKind::word) gives it.
    pub event: &'static str,
    /// The event for programs, JSON.
    pub detail: String,
}

const REGISTRATION: &str = "registration";
const ACTIVATION: &str = "activation";
const COMPLETION: &str = "completion";
const SEQUENCE: &str = "sequence";
const ACCESS: &str = "access";
const SWITCHED_OFF: &str = "switched-off";
const VERSION: &str = "version";
const ZONE: &str = "zone";
const STATE: &str = "state";
const ACCOUNT: &str = "account";
const SOCKET: &str = "socket";
const CHANNEL: &str = "channel";
const EDGE: &str = "edge";
const ORDER: &str = "order";

/// The row of a change.
pub fn row(change: &Change) -> Row {
    let put = |kind, key: String, value: Value| Row::Put { kind, key, value: value.to_string() };
    match change {
        Change::PutRegistration(registration) => put(REGISTRATION, registration.id.to_string(), registration.to_json()),
        Change::DeleteRegistration(id) => Row::Delete { kind: REGISTRATION, key: id.to_string() },
        Change::PutActivation(id, activation) => {
            put(ACTIVATION, activation.instance.to_string(), (*id, activation.clone()).to_json())
        }
        Change::DeleteActivation(instance) => Row::Delete { kind: ACTIVATION, key: instance.to_string() },
        Change::PutCompletion(completion) => put(COMPLETION, sequence_key(completion.sequence), completion.to_json()),
        Change::DeleteCompletion(sequence) => Row::Delete { kind: COMPLETION, key: sequence_key(*sequence) },
        Change::PutSequence(sequence) => put(SEQUENCE, String::new(), sequence.to_json()),
        Change::PutAccess(app, access) => put(ACCESS, app.to_string(), access.to_json()),
        Change::DeleteAccess(app) => Row::Delete { kind: ACCESS, key: app.to_string() },
        Change::PutSwitchedOff(value) => put(SWITCHED_OFF, String::new(), value.to_json()),
        Change::PutVersion(app, version) => put(VERSION, app.to_string(), version.to_json()),
        Change::DeleteVersion(app) => Row::Delete { kind: VERSION, key: app.to_string() },
        Change::PutZone(zone) => put(ZONE, String::new(), zone.to_json()),
        Change::DeleteZone => Row::Delete { kind: ZONE, key: String::new() },
        Change::PutState(fact, state) => put(STATE, fact.name().into_owned(), state.to_json()),
        Change::DeleteState(fact) => Row::Delete { kind: STATE, key: fact.name().into_owned() },
        Change::PutAccount(app, account) => put(ACCOUNT, app.to_string(), account.to_json()),
        Change::DeleteAccount(app) => Row::Delete { kind: ACCOUNT, key: app.to_string() },
        Change::PutSocket(socket) => put(SOCKET, sequence_key(socket.key.0), socket.to_json()),
        Change::DeleteSocket(key) => Row::Delete { kind: SOCKET, key: sequence_key(key.0) },
        Change::PutChannel(channel) => put(CHANNEL, channel.app.to_string(), channel.to_json()),
        Change::DeleteChannel(app) => Row::Delete { kind: CHANNEL, key: app.to_string() },
        Change::PutEdge(edge) => put(EDGE, sequence_key(edge.number), edge.to_json()),
        Change::DeleteEdge(number) => Row::Delete { kind: EDGE, key: sequence_key(*number) },
        Change::PutOrder(order) => put(ORDER, order.id.to_string(), order.to_json()),
        Change::DeleteOrder(id) => Row::Delete { kind: ORDER, key: id.to_string() },
        Change::Record(event) => Row::History(history(event)),
    }
}

/// The state a broker starts from, out of the rows of the store in any order.
///
/// # Errors
///
/// A row is not what this version writes: the store is newer, or somebody edited it.
pub fn snapshot<'a>(rows: impl IntoIterator<Item = (&'a str, &'a str, &'a str)>) -> Result<Snapshot, RecordError> {
    let mut loading = Loading::default();
    rows.into_iter().try_for_each(|(kind, key, value)| loading.take(kind, key, value))?;
    Ok(loading.done())
}

/// A [`snapshot`] that is being read, row by row, as the store hands them out: there may be very many.
#[derive(Debug, Default)]
pub struct Loading {
    snapshot: Snapshot,
    shared: Shared,
}

impl Loading {
    /// Takes in one row.
    ///
    /// # Errors
    ///
    /// As [`snapshot`].
    pub fn take(&mut self, kind: &str, key: &str, value: &str) -> Result<(), RecordError> {
        self.put(kind, key, value).map_err(|error| error.at(&format!("{kind} {key}")))
    }

    fn put(&mut self, kind: &str, key: &str, value: &str) -> Result<(), RecordError> {
        let snapshot = &mut self.snapshot;
        let json: Value = serde_json::from_str(value).map_err(|error| RecordError::new(error.to_string()))?;
        let of = || Value::from(key);
        match kind {
            REGISTRATION => {
                let mut registration = Record::from_json(&json)?;
                self.shared.share_in(&mut registration);
                snapshot.registrations.push(registration);
            }
            ACTIVATION => snapshot.activations.push(Record::from_json(&json)?),
            COMPLETION => snapshot.completions.push(Record::from_json(&json)?),
            SEQUENCE => snapshot.last_sequence = Record::from_json(&json)?,
            ACCESS => snapshot.access.push((Record::from_json(&of())?, Record::from_json(&json)?)),
            SWITCHED_OFF => snapshot.switched_off = Record::from_json(&json)?,
            VERSION => snapshot.versions.push((Record::from_json(&of())?, Record::from_json(&json)?)),
            ACCOUNT => snapshot.accounts.push((Record::from_json(&of())?, Record::from_json(&json)?)),
            SOCKET => snapshot.sockets.push(Record::from_json(&json)?),
            CHANNEL => snapshot.channels.push(Record::from_json(&json)?),
            EDGE => snapshot.edges.push(Record::from_json(&json)?),
            ORDER => snapshot.orders.push(Record::from_json(&json)?),
            ZONE => snapshot.zone = Some(Record::from_json(&json)?),
            STATE => snapshot.states.push((Record::from_json(&of())?, Record::from_json(&json)?)),
            _ => return Err(RecordError::new("no such kind of row is known")),
        }
        Ok(())
    }

    /// What all rows together say, in an order that does not depend on theirs.
    pub fn done(self) -> Snapshot {
        let mut snapshot = self.snapshot;
        snapshot.registrations.sort_unstable_by_key(|registration| registration.id);
        snapshot.activations.sort_unstable_by_key(|(_, activation)| activation.instance);
        snapshot.completions.sort_by_key(|completion| completion.sequence);
        snapshot.access.sort_by(|(one, _), (other, _)| one.cmp(other));
        snapshot.versions.sort_by(|(one, _), (other, _)| one.cmp(other));
        snapshot.accounts.sort_by(|(one, _), (other, _)| one.cmp(other));
        snapshot.sockets.sort_by_key(|socket| socket.key);
        snapshot.edges.sort_by_key(|edge| edge.number);
        snapshot.states.sort_by_key(|(fact, _)| *fact);
        snapshot.channels.sort_by(|one, other| one.app.cmp(&other.app));
        snapshot.orders.sort_by(|one, other| one.id.cmp(&other.id));
        snapshot
    }
}

fn history(event: &Event) -> HistoryRow {
    HistoryRow {
        wall_us: event.at.as_micros(),
        app: event.app.to_string(),
        task: event.task.to_string(),
        name: event.name.to_string(),
        instance: event.instance.map(|instance| instance.to_string()),
        event: event.kind.word(),
        detail: event.kind.to_json().to_string(),
    }
}

/// Sorts as text the way it sorts as a number.
fn sequence_key(sequence: u64) -> String {
    format!("{sequence:020}")
}
