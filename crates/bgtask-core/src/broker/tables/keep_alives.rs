use std::collections::BTreeSet;
use std::time::Duration;

use crate::ids::SocketKey;
use crate::time::WallTime;

/// How much later than due a keep-alive is told at most.
const MOST_SLACK: Duration = Duration::from_secs(60);

/// From when on, and until when, something is to be done for a connection.
pub(super) type Window = (WallTime, WallTime);

/// A keep-alive may be told a tenth of its time later, and a minute at most, so that one wake-up serves several.
pub(super) fn window(due: WallTime, keep_alive: Duration) -> Window {
    (due, due + (keep_alive / 10).min(MOST_SLACK))
}

/// What time brings about for connections, in both its orders.
#[derive(Default)]
pub(super) struct KeepAlives {
    due: BTreeSet<(WallTime, SocketKey)>,
    latest: BTreeSet<(WallTime, SocketKey)>,
}

impl KeepAlives {
    pub(super) fn insert(&mut self, key: SocketKey, window: Option<Window>) {
        let Some((due, latest)) = window else { return };
        self.due.insert((due, key));
        self.latest.insert((latest, key));
    }

    pub(super) fn remove(&mut self, key: SocketKey, window: Option<Window>) {
        let Some((due, latest)) = window else { return };
        self.due.remove(&(due, key));
        self.latest.remove(&(latest, key));
    }

    /// When something has to be done at the latest, and for which.
    pub(super) fn first_latest(&self) -> Option<(WallTime, SocketKey)> {
        self.latest.first().copied()
    }

    /// For which there is something to do by then, the earliest first, and not more than so many.
    pub(super) fn due_by(&self, now: WallTime, most: usize) -> Vec<SocketKey> {
        self.due.iter().take_while(|(at, _)| *at <= now).take(most).map(|(_, key)| *key).collect()
    }
}
