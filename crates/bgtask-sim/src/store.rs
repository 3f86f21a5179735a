use std::collections::BTreeMap;

use bgtask_core::{Change, Snapshot};
use bgtask_record::{RecordError, Row, row, snapshot};

use crate::chance::Chance;

/// A store in memory: it knows rows, never their meaning, and only whole batches.
#[derive(Debug, Default)]
pub(crate) struct Store {
    rows: BTreeMap<(&'static str, String), String>,
}

impl Store {
    pub(crate) fn commit<'a>(&mut self, changes: impl Iterator<Item = &'a Change>) {
        for change in changes {
            match row(change) {
                Row::Put { kind, key, value } => {
                    self.rows.insert((kind, key), value);
                }
                Row::Delete { kind, key } => {
                    self.rows.remove(&(kind, key));
                }
                Row::History(_) => {}
            }
        }
    }

    pub(crate) fn load(&self) -> Result<Snapshot, RecordError> {
        snapshot(self.rows.iter().map(|((kind, key), value)| (*kind, key.as_str(), value.as_str())))
    }

    /// What no store may do; planted to see that it is noticed.
    pub(crate) fn lose_a_row(&mut self, chance: &mut Chance) {
        let keys: Vec<_> = self.rows.keys().cloned().collect();
        if let Some(key) = chance.pick(&keys) {
            self.rows.remove(key);
        }
    }
}
