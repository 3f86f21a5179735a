use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

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
    /// When keep-alives are over.
    due: BTreeSet<(WallTime, SocketKey)>,
    /// When that has to be told at the latest.
    latest: BTreeSet<(WallTime, SocketKey)>,
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
        self.arm(&socket);
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
        if let Some(due) = socket.due {
            self.due.remove(&(due, key));
            self.latest.remove(&(latest(&socket, due), key));
        }
        self.leave_queue(key, socket.task);
        Some(socket)
    }

    fn arm(&mut self, socket: &Socket) {
        if let Some(due) = socket.due {
            self.due.insert((due, socket.key));
            self.latest.insert((latest(socket, due), socket.key));
        }
    }

    /// Waits for its task to have room for another activation.
    pub(in crate::broker) fn queue(&mut self, key: SocketKey, reason: SocketActivityTriggerReason) {
        let Some(socket) = self.by_key.get(&key) else { return };
        let task = socket.task;
        if let Some(due) = socket.due {
            self.due.remove(&(due, key));
            self.latest.remove(&(latest(socket, due), key));
        }
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
        let (at, key) = self.latest.first()?;
        Some((*at, self.get(*key)?.task))
    }

    /// Whose keep-alive is over by then, the earliest first, and not more than so many.
    pub(in crate::broker) fn due_by(&self, now: WallTime, most: usize) -> Vec<SocketKey> {
        self.due.iter().take_while(|(at, _)| *at <= now).take(most).map(|(_, key)| *key).collect()
    }
}

/// A keep-alive may be told so much later, so that one wake-up serves several: a tenth of it, and a minute at most.
fn latest(socket: &Socket, due: WallTime) -> WallTime {
    due + socket.keep_alive.map_or(Duration::ZERO, |time| (time / 10).min(Duration::from_secs(60)))
}
