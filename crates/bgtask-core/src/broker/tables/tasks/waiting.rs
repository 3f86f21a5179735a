//! Who waits, in which order, and whose turn it is.

use std::collections::BTreeMap;
use std::num::NonZeroU64;
use std::ops::RangeInclusive;

use super::Tasks;
use crate::broker::Gate;
use crate::ids::{AppId, TaskId};

impl Tasks {
    pub(super) fn enqueue(&mut self, id: TaskId) {
        let Some(task) = self.by_id.get_mut(&id).filter(|task| task.place.is_none()) else { return };
        self.last_place += 1;
        task.place = NonZeroU64::new(self.last_place);
        self.waiting.insert(self.last_place, id);
        self.sort_in(id);
    }

    pub(super) fn dequeue(&mut self, id: TaskId) {
        let Some(task) = self.by_id.get_mut(&id) else { return };
        let Some(place) = task.place.take().map(NonZeroU64::get) else { return };
        self.waiting.remove(&place);
        take(&mut self.open, &task.registration.app, place);
        self.line.set_first(&task.registration.app, first_of(&self.open, &task.registration.app));
        self.promising.remove(&id);
        self.critical.remove(&(place, id));
    }

    /// Whoever waited behind an activation that has just left goes behind the others of its app.
    pub(in crate::broker) fn queue_anew(&mut self, id: TaskId) {
        self.dequeue(id);
        if self.by_id.get(&id).is_some_and(|task| !task.waiting.is_empty()) {
            self.enqueue(id);
        }
    }

    /// The waiting registrations in the order they fired.
    pub(in crate::broker) fn waiting(&self) -> impl Iterator<Item = TaskId> + '_ {
        self.waiting.values().copied()
    }

    /// Those that wait at these places, not more than so many, and the places of the others.
    pub(in crate::broker) fn waiting_at(
        &self,
        places: RangeInclusive<u64>,
        most: usize,
    ) -> (Vec<TaskId>, Option<RangeInclusive<u64>>) {
        let last = *places.end();
        let mut there = self.waiting.range(places);
        let some = there.by_ref().take(most).map(|(_, id)| *id).collect();
        (some, there.next().map(|(next, _)| *next..=last))
    }

    /// Nobody is open until it has been looked at again: where those are that have to be.
    pub(in crate::broker) fn close_all(&mut self) -> Option<RangeInclusive<u64>> {
        self.open.clear();
        self.line.close_all();
        self.promising.clear();
        self.critical.clear();
        let ((first, _), (last, _)) = self.waiting.first_key_value().zip(self.waiting.last_key_value())?;
        Some(*first..=*last)
    }

    /// The apps with some that were last seen to wait for nothing, or for a slot, in the order in which it is their turn, each with
    /// how many of its instances are on a host.
    pub(in crate::broker) fn line(&self) -> impl Iterator<Item = (&AppId, usize)> {
        self.line.iter()
    }

    /// Nothing waits for a turn: who had the last one counts no longer.
    pub(in crate::broker) fn forget_turns(&mut self) {
        self.line.forget_turns();
    }

    /// Those of an app that were last seen to wait for nothing, or for a slot, in the order they fired.
    pub(in crate::broker) fn open_of(&self, app: &AppId) -> impl Iterator<Item = TaskId> {
        self.open.get(app).into_iter().flat_map(|queue| queue.values().copied())
    }

    /// Keeps the open ones apart.
    pub(super) fn sort_in(&mut self, id: TaskId) {
        let Some((task, place)) = self.by_id.get(&id).and_then(|task| Some((task, task.place?.get()))) else { return };
        let registration = &task.registration;
        let open = matches!(task.gate(), None | Some(Gate::Slot));
        if open {
            self.open.entry(registration.app.clone()).or_default().insert(place, id);
        } else {
            take(&mut self.open, &registration.app, place);
        }
        self.line.set_first(&registration.app, first_of(&self.open, &registration.app));
        if open && registration.fresh_within().is_some() {
            self.promising.insert(id);
        } else {
            self.promising.remove(&id);
        }
        if open && registration.trigger.is_critical() {
            self.critical.insert((place, id));
        } else {
            self.critical.remove(&(place, id));
        }
    }
}

fn first_of(queues: &BTreeMap<AppId, BTreeMap<u64, TaskId>>, app: &AppId) -> Option<u64> {
    queues.get(app)?.keys().next().copied()
}

/// Takes a place out of the queue of an app.
fn take(queues: &mut BTreeMap<AppId, BTreeMap<u64, TaskId>>, app: &AppId, place: u64) {
    let Some(queue) = queues.get_mut(app) else { return };
    queue.remove(&place);
    if queue.is_empty() {
        queues.remove(app);
    }
}
