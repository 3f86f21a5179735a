//! The one task that reads the kernel's events and hands them to the watches they concern.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rustix::fs::inotify::ReadFlags;
use tokio::sync::Notify;
use tokio::task::yield_now;
use tokio::time::{Instant, sleep, sleep_until};

use crate::inotify::{BLIND_REREAD, WATCH_HELP};
use crate::outbox::Outbox;
use crate::report::Status;
use crate::watch_path::marks::{Marks, WatchId};
use crate::watch_path::tree::Tree;
use crate::watch_path::{PathChange, PathSpec};
use crate::world::World;

/// Events that are taken from the kernel at once, and folder entries that are looked at at once, before everything else on
/// this thread gets its turn.
const SLICE: usize = 1024;

/// All path watches of a world.
#[derive(Debug, Default)]
pub(crate) struct Hub {
    wanted: Mutex<Wanted>,
    nudge: Notify,
}

#[derive(Debug, Default)]
struct Wanted {
    watches: BTreeMap<WatchId, Watch>,
    next: WatchId,
    /// Whether any came or went since the reader looked.
    changed: bool,
    /// The number of the task that reads, and of the last that was started.
    reader: Option<u64>,
    last_reader: u64,
}

#[derive(Clone, Debug)]
struct Watch {
    spec: PathSpec,
    world: World,
    outbox: Arc<Outbox<PathChange>>,
}

impl Hub {
    /// Adds a watch, and starts reading for the first one.
    pub(super) fn add(self: &Arc<Self>, spec: PathSpec, world: World, outbox: Arc<Outbox<PathChange>>) -> WatchId {
        let mut wanted = self.lock();
        let id = wanted.next;
        wanted.next += 1;
        wanted.watches.insert(id, Watch { spec, world, outbox });
        wanted.changed = true;
        if wanted.reader.is_none() {
            wanted.last_reader += 1;
            wanted.reader = Some(wanted.last_reader);
            // Made here, so that it is dropped even where the runtime ends before the task began.
            let reading = Reading { hub: self.clone(), number: wanted.last_reader };
            tokio::spawn(async move { reading.run().await });
        }
        self.nudge.notify_one();
        id
    }

    pub(super) fn remove(&self, id: WatchId) {
        let mut wanted = self.lock();
        let gone = wanted.watches.remove(&id);
        wanted.changed = true;
        drop(wanted);
        self.nudge.notify_one();
        // What it held goes last: it may be the last clone of a world, and of this hub with it.
        drop(gone);
    }

    fn lock(&self) -> MutexGuard<'_, Wanted> {
        self.wanted.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Says that somebody reads, for as long as that is true.
struct Reading {
    hub: Arc<Hub>,
    number: u64,
}

impl Drop for Reading {
    fn drop(&mut self) {
        let mut wanted = self.hub.lock();
        wanted.reader = wanted.reader.filter(|reader| *reader != self.number);
    }
}

impl Reading {
    async fn run(self) {
        let Some(marks) = self.marks().await else { return };
        let mut reader = Reader { marks, trees: BTreeMap::new() };
        self.hub.lock().changed = true;
        while reader.adopt(&self) {
            let more = reader.work();
            tokio::select! {
                () = self.hub.nudge.notified() => {}
                () = reader.marks.inotify.readable() => {}
                () = yield_now(), if more => {}
                () = sleep(BLIND_REREAD), if reader.is_refused() => reader.retry(),
                () = sleep_until(reader.waits_until().unwrap_or_else(Instant::now)), if reader.waits_until().is_some() => {}
            }
        }
    }

    /// The inotify instance, as soon as the kernel gives one; `None` if nobody wants it any more.
    async fn marks(&self) -> Option<Marks> {
        loop {
            let refused = match Marks::new() {
                Ok(marks) => return Some(marks),
                Err(error) => error,
            };
            if self.is_over() {
                return None;
            }
            let why = format!("the kernel gives no inotify instance: {refused}");
            for watch in self.hub.lock().watches.values() {
                watch.outbox.set_status(Status::Missing { why: why.clone(), help: WATCH_HELP.to_owned() });
            }
            tokio::select! {
                () = self.hub.nudge.notified() => {}
                () = sleep(BLIND_REREAD) => {}
            }
        }
    }

    /// Whether there is nothing left to read for. Whoever comes later starts another.
    fn is_over(&self) -> bool {
        let mut wanted = self.hub.lock();
        let over = wanted.watches.is_empty();
        if over {
            wanted.reader = None;
        }
        over
    }
}

/// What the task works on.
struct Reader {
    marks: Marks,
    trees: BTreeMap<WatchId, Tree>,
}

impl Reader {
    /// Takes up watches that were added and leaves those that are gone. False when there are none.
    fn adopt(&mut self, reading: &Reading) -> bool {
        if reading.is_over() {
            return false;
        }
        let mut wanted = reading.hub.lock();
        if !std::mem::take(&mut wanted.changed) {
            return true;
        }
        let gone: Vec<_> = self.trees.keys().copied().filter(|id| !wanted.watches.contains_key(id)).collect();
        let added = wanted.watches.iter().filter(|(id, _)| !self.trees.contains_key(id));
        let added: Vec<_> = added.map(|(id, watch)| (*id, watch.clone())).collect();
        drop(wanted);
        for id in gone {
            if let Some(tree) = self.trees.remove(&id) {
                tree.release(&mut self.marks);
            }
        }
        for (id, watch) in added {
            self.trees.insert(id, Tree::new(id, watch.spec, watch.world, watch.outbox));
        }
        true
    }

    /// Hears what waits and looks around for a while. True if there is more to do at once.
    fn work(&mut self) -> bool {
        let all_heard = self.hear();
        let mut left = SLICE;
        for tree in self.trees.values_mut() {
            tree.look_again(&mut self.marks);
            left = tree.scan(&mut self.marks, left);
        }
        // What is in a folder that was scanned just now may wait as an event too: it is told only once.
        let all_heard = self.hear() && all_heard;
        let mut more = !all_heard;
        for tree in self.trees.values_mut() {
            tree.settle_moves(&mut self.marks);
            if all_heard {
                tree.all_is_heard();
            }
            more |= tree.has_work();
            tree.publish();
        }
        more
    }

    fn hear(&mut self) -> bool {
        let (events, all) = self.marks.inotify.take(SLICE);
        for event in events {
            if event.what.contains(ReadFlags::QUEUE_OVERFLOW) {
                self.trees.values_mut().for_each(Tree::lost_some);
                continue;
            }
            for id in self.marks.holders(event.watch) {
                if let Some(tree) = self.trees.get_mut(&id) {
                    tree.hear(&mut self.marks, &event);
                }
            }
            if event.what.contains(ReadFlags::IGNORED) {
                self.marks.forget(event.watch);
            }
        }
        all
    }

    fn waits_until(&self) -> Option<Instant> {
        self.trees.values().filter_map(Tree::waits_until).min()
    }

    fn is_refused(&self) -> bool {
        self.trees.values().any(Tree::is_refused)
    }

    fn retry(&mut self) {
        self.trees.values_mut().filter(|tree| tree.is_refused()).for_each(Tree::rescan);
    }
}
