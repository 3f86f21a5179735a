use bgtask_core::{Change, Event, Snapshot};
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
        Change::Record(event) => Row::History(history(event)),
    }
}

/// The state a broker starts from, out of the rows of the store in any order.
///
/// # Errors
///
/// A row is not what this version writes: the store is newer, or somebody edited it.
pub fn snapshot<'a>(rows: impl IntoIterator<Item = (&'a str, &'a str, &'a str)>) -> Result<Snapshot, RecordError> {
    let mut snapshot = Snapshot::default();
    for (kind, key, value) in rows {
        let place = |error: RecordError| error.at(&format!("{kind} {key}"));
        let json: Value = serde_json::from_str(value).map_err(|error| place(RecordError::new(error.to_string())))?;
        match kind {
            REGISTRATION => snapshot.registrations.push(Record::from_json(&json).map_err(place)?),
            ACTIVATION => snapshot.activations.push(Record::from_json(&json).map_err(place)?),
            COMPLETION => snapshot.completions.push(Record::from_json(&json).map_err(place)?),
            SEQUENCE => snapshot.last_sequence = Record::from_json(&json).map_err(place)?,
            ACCESS => {
                let app = Record::from_json(&Value::from(key)).map_err(place)?;
                snapshot.access.push((app, Record::from_json(&json).map_err(place)?));
            }
            SWITCHED_OFF => snapshot.switched_off = Record::from_json(&json).map_err(place)?,
            VERSION => {
                let app = Record::from_json(&Value::from(key)).map_err(place)?;
                snapshot.versions.push((app, Record::from_json(&json).map_err(place)?));
            }
            ACCOUNT => {
                let app = Record::from_json(&Value::from(key)).map_err(place)?;
                snapshot.accounts.push((app, Record::from_json(&json).map_err(place)?));
            }
            ZONE => snapshot.zone = Some(Record::from_json(&json).map_err(place)?),
            STATE => {
                let fact = Record::from_json(&Value::from(key)).map_err(place)?;
                snapshot.states.push((fact, Record::from_json(&json).map_err(place)?));
            }
            _ => return Err(place(RecordError::new("no such kind of row is known"))),
        }
    }
    snapshot.registrations.sort_by_key(|registration| registration.id);
    snapshot.activations.sort_by_key(|(_, activation)| activation.instance);
    snapshot.completions.sort_by_key(|completion| completion.sequence);
    snapshot.access.sort_by(|(one, _), (other, _)| one.cmp(other));
    snapshot.versions.sort_by(|(one, _), (other, _)| one.cmp(other));
    snapshot.states.sort_by_key(|(fact, _)| *fact);
    Ok(snapshot)
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
