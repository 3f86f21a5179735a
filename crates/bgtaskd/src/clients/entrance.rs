//! The way in, the same behind both doors.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bgtask_core::ClientId;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};

use crate::inbox::Incoming;

/// How many clients may be connected at the same time, over the socket and the session bus together.
pub(crate) const MAX_CLIENTS: usize = 2_048;

/// Numbers clients, at every door.
static LAST_CLIENT: AtomicU64 = AtomicU64::new(0);

/// Gives everybody who comes in a place and a number.
#[derive(Clone)]
pub(crate) struct Entrance {
    pub(super) inbox: mpsc::Sender<Incoming>,
    places: Arc<Semaphore>,
}

/// A client's place, free again when this is dropped.
pub(super) type Place = OwnedSemaphorePermit;

impl Entrance {
    pub(crate) fn new(inbox: mpsc::Sender<Incoming>) -> Self {
        Self { inbox, places: Arc::new(Semaphore::new(MAX_CLIENTS)) }
    }

    /// A place for one more, unless the house is full.
    pub(super) fn place(&self) -> Option<Place> {
        let place = Arc::clone(&self.places).try_acquire_owned().ok();
        if place.is_none() {
            tracing::warn!("a client was turned away: {MAX_CLIENTS} are connected, the most the broker serves");
        }
        place
    }
}

pub(super) fn next_client() -> ClientId {
    ClientId(LAST_CLIENT.fetch_add(1, Ordering::Relaxed) + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The bound is one for both doors, and a place that is left is free again.
    #[test]
    fn a_full_house_has_no_place() {
        let entrance = Entrance::new(mpsc::channel(1).0);
        let other_door = entrance.clone();
        let mut places: Vec<_> = (0..MAX_CLIENTS).map(|_| entrance.place()).collect();
        assert!(places.iter().all(Option::is_some));
        assert!(other_door.place().is_none());
        places.pop();
        assert!(other_door.place().is_some());
    }
}
