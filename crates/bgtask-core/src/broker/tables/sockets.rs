use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::keep_alives::{KeepAlives, Window, window};
use crate::ids::{AppId, SocketKey, TaskId};
use crate::model::socket::{Socket, SocketActivityTriggerReason, SocketEvent, SocketState};
use crate::time::WallTime;

/// The sockets that apps have handed over, by key, by the app's name for them, by task, and what time brings about.
#[derive(Default)]
pub(in crate::broker) struct Sockets {
    by_key: BTreeMap<SocketKey, Socket>,
    /// Those that the broker has, or has lost: a name is free again once the task has taken its socket.
    by_name: BTreeMap<AppId, BTreeMap<Arc<str>, SocketKey>>,
    of_task: BTreeMap<TaskId, BTreeSet<SocketKey>>,
    keep_alives: KeepAlives,
    /// What happened while as many activations of the task waited as may, in order.
    queues: BTreeMap<TaskId, BTreeMap<u64, (SocketKey, SocketActivityTriggerReason)>>,
    places: BTreeMap<SocketKey, u64>,
    last_place: u64,
    /// The tasks with a queue that may have room for another activation.
    roomy: BTreeSet<TaskId>,
}

impl Sockets {
    pub(in crate::broker) fn get(&self, key: SocketKey) -> Option<&Socket> {
        self.by_key.get(&key)
    }

    pub(in crate::broker) fn iter(&self) -> impl Iterator<Item = &Socket> {
        self.by_key.values()
    }

    pub(in crate::broker) fn len(&self) -> usize {
        self.by_key.len()
    }

    /// Those of an app, by its names for them.
    pub(in crate::broker) fn of_app(&self, app: &AppId) -> impl Iterator<Item = &Socket> {
        self.by_name.get(app).into_iter().flatten().filter_map(|(_, key)| self.get(*key))
    }

    pub(in crate::broker) fn count_of(&self, app: &AppId) -> usize {
        self.by_name.get(app).map_or(0, BTreeMap::len)
    }

    pub(in crate::broker) fn named(&self, app: &AppId, id: &str) -> Option<&Socket> {
        self.get(*self.by_name.get(app)?.get(id)?)
    }

    pub(in crate::broker) fn of_task(&self, task: TaskId) -> Vec<SocketKey> {
        self.of_task.get(&task).into_iter().flatten().copied().collect()
    }

    pub(in crate::broker) fn insert(&mut self, socket: Socket) {
        self.of_task.entry(socket.task).or_default().insert(socket.key);
        if socket.state != SocketState::Taken {
            self.by_name.entry(socket.app.clone()).or_default().insert(Arc::clone(&socket.id), socket.key);
        }
        self.keep_alives.insert(socket.key, alarm(&socket));
        self.by_key.insert(socket.key, socket);
    }

    /// Applies an event; `None` where it cannot happen (any more). Who is gone is in no table afterwards.
    pub(in crate::broker) fn apply(&mut self, key: SocketKey, event: SocketEvent) -> Option<Socket> {
        let state = self.by_key.get(&key)?.state.next(event).ok()?;
        let mut socket = self.remove(key)?;
        socket.state = state;
        if state != SocketState::Watched {
            socket.due = None;
        }
        if state != SocketState::Gone {
            self.insert(socket.clone());
        }
        Some(socket)
    }

    /// Its task is another one from now on.
    pub(in crate::broker) fn give_to(&mut self, key: SocketKey, task: TaskId) -> Option<&Socket> {
        let mut socket = self.remove(key)?;
        socket.task = task;
        self.insert(socket);
        self.get(key)
    }

    /// Its keep-alive is over then.
    pub(in crate::broker) fn set_due(&mut self, key: SocketKey, due: WallTime) -> Option<&Socket> {
        let mut socket = self.remove(key)?;
        socket.due = Some(due);
        self.insert(socket);
        self.get(key)
    }

    fn remove(&mut self, key: SocketKey) -> Option<Socket> {
        let socket = self.by_key.remove(&key)?;
        if let Some(keys) = self.of_task.get_mut(&socket.task) {
            keys.remove(&key);
            if keys.is_empty() {
                self.of_task.remove(&socket.task);
            }
        }
        if let Some(names) = self.by_name.get_mut(&socket.app).filter(|names| names.get(&socket.id) == Some(&key)) {
            names.remove(&socket.id);
            if names.is_empty() {
                self.by_name.remove(&socket.app);
            }
        }
        self.keep_alives.remove(key, alarm(&socket));
        self.leave_queue(key, socket.task);
        Some(socket)
    }

    /// Waits for its task to have room for another activation.
    pub(in crate::broker) fn queue(&mut self, key: SocketKey, reason: SocketActivityTriggerReason) {
        let Some(socket) = self.by_key.get(&key) else { return };
        let task = socket.task;
        self.keep_alives.remove(key, alarm(socket));
        if !self.is_queued(key) {
            self.last_place += 1;
            self.places.insert(key, self.last_place);
            self.queues.entry(task).or_default().insert(self.last_place, (key, reason));
        }
    }

    pub(in crate::broker) fn is_queued(&self, key: SocketKey) -> bool {
        self.places.contains_key(&key)
    }

    fn leave_queue(&mut self, key: SocketKey, task: TaskId) {
        let Some(place) = self.places.remove(&key) else { return };
        let Some(queue) = self.queues.get_mut(&task) else { return };
        queue.remove(&place);
        if queue.is_empty() {
            self.queues.remove(&task);
        }
    }

    /// An activation of this task waits no longer.
    pub(in crate::broker) fn note_room(&mut self, task: TaskId) {
        if self.queues.contains_key(&task) {
            self.roomy.insert(task);
        }
    }

    pub(in crate::broker) fn take_roomy(&mut self) -> BTreeSet<TaskId> {
        std::mem::take(&mut self.roomy)
    }

    /// What is first in the queue of a task.
    pub(in crate::broker) fn first_queued(&self, task: TaskId) -> Option<(SocketKey, SocketActivityTriggerReason)> {
        self.queues.get(&task)?.values().next().copied()
    }

    /// When a keep-alive has to be told at the latest, and whose.
    pub(in crate::broker) fn first_alarm(&self) -> Option<(WallTime, TaskId)> {
        let (at, key) = self.keep_alives.first_latest()?;
        Some((at, self.get(key)?.task))
    }

    /// Whose keep-alive is over by then, the earliest first, and not more than so many.
    pub(in crate::broker) fn due_by(&self, now: WallTime, most: usize) -> Vec<SocketKey> {
        self.keep_alives.due_by(now, most)
    }
}

fn alarm(socket: &Socket) -> Option<Window> {
    socket.due.zip(socket.keep_alive).map(|(due, keep_alive)| window(due, keep_alive))
}
