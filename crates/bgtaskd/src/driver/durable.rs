//! One durable commit for each turn of the loop, and what happens while that is not possible.

use std::time::{Duration, Instant};

use bgtask_core::{Change, Event, Output};
use bgtask_record::row;
use bgtask_store::{HistoryRow, MAX_BATCH_ROWS, Row, Store, StoreError};

/// How long the first retry of a failed commit waits; each next one twice as long, up to [`MAX_RETRY`].
const FIRST_RETRY: Duration = Duration::from_millis(500);
const MAX_RETRY: Duration = Duration::from_secs(30);

/// What has been decided and is not yet durable, with what must wait for it.
#[derive(Default)]
pub(crate) struct Pending {
    rows: Vec<Row>,
    /// Whether any of it means something after the machine has crashed.
    outlives_the_machine: bool,
    events: Vec<Event>,
    effects: Vec<Output>,
}

/// The store, and the turn that waits for it.
pub(crate) struct Durable {
    store: Store,
    pending: Pending,
    /// Set while commits fail.
    stall: Option<Stall>,
}

/// When to try again. Turns in between neither try nor make the pause longer.
struct Stall {
    pause: Duration,
    until: Instant,
}

/// What may be performed now.
pub(crate) struct Committed {
    pub(crate) events: Vec<Event>,
    pub(crate) effects: Vec<Output>,
    /// Whether it waited for a store that failed.
    pub(crate) late: bool,
    /// Whether the disk has something only after [`Durable::maintain`].
    pub(crate) unflushed: bool,
}

impl Durable {
    pub(crate) fn new(store: Store) -> Self {
        Self { store, pending: Pending::default(), stall: None }
    }

    pub(crate) fn store(&self) -> &Store {
        &self.store
    }

    /// How long to wait before the next try, while commits fail.
    pub(crate) fn retry(&self) -> Option<Duration> {
        self.stall.as_ref().map(|stall| stall.until.saturating_duration_since(Instant::now()))
    }

    pub(crate) fn change(&mut self, change: Change) {
        self.pending.outlives_the_machine |= change.outlives_the_machine();
        self.pending.rows.push(store_row(row(&change)));
        if let Change::Record(event) = change {
            self.pending.events.push(event);
        }
    }

    pub(crate) fn effect(&mut self, effect: Output) {
        self.pending.effects.push(effect);
    }

    /// Whether nothing waits to be made durable.
    pub(crate) fn is_settled(&self) -> bool {
        self.pending.rows.is_empty() && self.pending.effects.is_empty()
    }

    /// Makes the turn durable and hands out what waited for it; while the store fails, nothing is handed out and
    /// everything stays in its order.
    ///
    /// # Errors
    ///
    /// The store can never take it: it is damaged, or too much has piled up.
    pub(crate) fn commit(&mut self) -> Result<Option<Committed>, StoreError> {
        let has_room = self.pending.rows.len() < MAX_BATCH_ROWS / 2;
        if has_room && self.retry().is_some_and(|pause| !pause.is_zero()) {
            return Ok(None);
        }
        let unflushed = !self.pending.outlives_the_machine && !self.pending.rows.is_empty();
        let commit = if self.pending.outlives_the_machine { Store::commit } else { Store::commit_for_this_boot };
        match commit(&mut self.store, &self.pending.rows) {
            Ok(()) => {}
            Err(error) if error.is_worth_retrying() && has_room => {
                self.stall(&error);
                return Ok(None);
            }
            Err(error) => return Err(error),
        }
        let late = self.stall.take().is_some();
        if late {
            tracing::info!("the store takes changes again, everything that waited for it goes on");
        }
        let Pending { events, effects, .. } = std::mem::take(&mut self.pending);
        Ok(Some(Committed { events, effects, late, unflushed }))
    }

    /// Housekeeping for when nobody waits. Answers whether there is more to do.
    pub(crate) fn maintain(&mut self) -> bool {
        if self.stall.is_some() {
            return false;
        }
        match self.store.maintain() {
            Ok(done) => done.more,
            Err(error) => {
                tracing::warn!("the store could not be tidied up: {error}");
                false
            }
        }
    }

    fn stall(&mut self, error: &StoreError) {
        if self.stall.is_none() {
            tracing::error!("nothing can be made durable now, new requests are refused until it can: {error}");
        }
        let pause = self.stall.as_ref().map_or(FIRST_RETRY, |stall| (stall.pause * 2).min(MAX_RETRY));
        self.stall = Some(Stall { pause, until: Instant::now() + pause });
    }
}

fn store_row(row: bgtask_record::Row) -> Row {
    match row {
        bgtask_record::Row::Put { kind, key, value } => Row::Put { kind, key, value },
        bgtask_record::Row::Delete { kind, key } => Row::Delete { kind, key },
        bgtask_record::Row::History(line) => Row::History(HistoryRow {
            wall_us: line.wall_us,
            app: line.app,
            task: line.task,
            name: line.name,
            instance: line.instance,
            event: line.event.to_owned(),
            detail: line.detail,
        }),
    }
}
