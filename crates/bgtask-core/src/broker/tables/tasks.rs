mod waiting;

use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroU64;
use std::ops::Bound;

use super::{Agenda, Alarm, Facts, Few, IdMap, Line, Occasion, Occasions, Times, stands_on};
use crate::activation::{Activation, ActivationEvent};
use crate::broker::{Gate, Occupancy};
use crate::ids::{AppId, HostId, InstanceId, TaskId};
use crate::input::SourceStatus;
use crate::limits::MAX_PER_TURN;
use crate::model::fact::Fact;
use crate::model::registration::Registration;
use crate::shared::Shared;
use crate::time::{BootTime, WallTime};

/// One registration and what is going on with it.
pub(in crate::broker) struct Task {
    pub(in crate::broker) registration: Registration,
    /// Accepted and not yet given to a host, in the order they go.
    pub(in crate::broker) waiting: Few<Activation>,
    /// Given to a host.
    pub(in crate::broker) running: Few<Activation>,
    /// What its first waiting activation was last seen to wait for: only a change of it is news.
    gate: Option<Box<Gate>>,
    /// Where it stands among those that wait, in the order they fired.
    place: Option<NonZeroU64>,
    /// What it wants to be woken for.
    times: Times,
    /// Since when nothing holds what waits first but the load and the slots.
    pub(in crate::broker) ready_since: Option<WallTime>,
    /// It came due together with more than can run at once: they start one after the other.
    pub(in crate::broker) in_storm: bool,
    /// How many orders to plan its calendar have not been answered.
    pub(in crate::broker) plans: u16,
    /// Thousandths of wake-ups that served it beside those of its timer, since it was last told what it came to cost.
    pub(in crate::broker) wakes: u32,
    /// How well it is listened for it.
    pub(in crate::broker) heard: Option<Box<SourceStatus>>,
}

impl Task {
    /// What its first waiting activation was last seen to wait for.
    pub(in crate::broker) fn gate(&self) -> Option<Gate> {
        self.gate.as_deref().copied()
    }

    /// Every fact it stands on.
    fn facts(&self) -> impl Iterator<Item = Fact> + '_ {
        stands_on(&self.registration.trigger, &self.registration.conditions)
    }

    /// The activation a person asks about: the one that runs, else the next that waits.
    pub(in crate::broker) fn current(&self) -> Option<&Activation> {
        self.running.first().or_else(|| self.waiting.front())
    }

    pub(in crate::broker) fn is_quiet(&self) -> bool {
        self.running.is_empty() && self.waiting.is_empty()
    }

    fn find(&self, instance: InstanceId) -> Option<&Activation> {
        self.running.iter().chain(&self.waiting).find(|activation| activation.instance == instance)
    }
}

/// All registrations, the waiting ones by app in the order they fired, and what time brings about in its order.
#[derive(Default)]
pub(in crate::broker) struct Tasks {
    by_id: IdMap<TaskId, Box<Task>>,
    /// Their order, which must not hang on a hash.
    of_app: BTreeMap<AppId, BTreeSet<TaskId>>,
    occasions: Occasions,
    shared: Shared,
    /// All that wait, in the order they fired.
    waiting: BTreeMap<u64, TaskId>,
    /// Those of them that were last seen to wait for nothing, or for a slot.
    open: BTreeMap<AppId, BTreeMap<u64, TaskId>>,
    line: Line,
    last_place: u64,
    occupied: BTreeMap<InstanceId, TaskId>,
    agenda: Agenda,
    /// Those of the open ones that promise to succeed within some time.
    promising: BTreeSet<TaskId>,
    /// Those of the open ones that go before all others, in the order they fired.
    critical: BTreeSet<(u64, TaskId)>,
    dirty: BTreeMap<InstanceId, TaskId>,
    ready: BTreeSet<TaskId>,
    looks: Cell<u64>,
}

impl Tasks {
    pub(in crate::broker) fn get(&self, id: TaskId) -> Option<&Task> {
        self.looks.set(self.looks.get() + 1);
        self.by_id.get(&id).map(|task| &**task)
    }

    /// For the registration and the gate; activations change through the methods below.
    pub(in crate::broker) fn get_mut(&mut self, id: TaskId) -> Option<&mut Task> {
        self.by_id.get_mut(&id).map(|task| &mut **task)
    }

    /// All of them. What concerns only some is found by [`of_app`](Self::of_app) and [`concerned`](Self::concerned).
    pub(in crate::broker) fn iter(&self) -> impl Iterator<Item = &Task> {
        self.of_app.values().flatten().filter_map(|id| self.get(*id))
    }

    pub(in crate::broker) fn of_app(&self, app: &AppId) -> impl Iterator<Item = &Task> {
        self.of_app.get(app).into_iter().flatten().filter_map(|id| self.get(*id))
    }

    /// All, from one of an app on.
    pub(in crate::broker) fn all_from(&self, app: &AppId, from: TaskId) -> impl Iterator<Item = &Task> {
        let others = self.of_app.range::<AppId, _>((Bound::Excluded(app), Bound::Unbounded));
        let others = others.flat_map(|(_, ids)| ids).filter_map(|id| self.get(*id));
        self.of_app_from(app, from).chain(others)
    }

    /// Those of an app, from an id on.
    pub(in crate::broker) fn of_app_from(&self, app: &AppId, from: TaskId) -> impl Iterator<Item = &Task> {
        let ids = self.of_app.get(app).into_iter().flat_map(move |ids| ids.range(from..));
        ids.filter_map(|id| self.get(*id))
    }

    /// Those that something concerns at once.
    pub(in crate::broker) fn concerned(&self, occasion: &Occasion) -> impl Iterator<Item = &Task> {
        self.occasions.concerned(occasion).filter_map(|id| self.get(id))
    }

    /// Those that something concerns, from an id on.
    pub(in crate::broker) fn concerned_from(&self, occasion: &Occasion, from: TaskId) -> impl Iterator<Item = &Task> {
        self.occasions.concerned_from(occasion, from).filter_map(|id| self.get(id))
    }

    /// How often one of them was looked at so far.
    pub(in crate::broker) fn looks(&self) -> u64 {
        self.looks.get()
    }

    pub(in crate::broker) fn len(&self) -> usize {
        self.by_id.len()
    }

    pub(in crate::broker) fn count_of(&self, app: &AppId) -> usize {
        self.of_app.get(app).map_or(0, BTreeSet::len)
    }

    /// These are about to come, and nobody has come before: what is put in order at once takes less room.
    pub(in crate::broker) fn expect(&mut self, coming: &[Registration]) {
        self.by_id.reserve(coming.len());
        let mut of_app = BTreeMap::<_, Vec<_>>::new();
        coming.iter().for_each(|its| of_app.entry(&its.app).or_default().push(its.id));
        self.of_app = of_app.into_iter().map(|(app, ids)| (app.clone(), ids.into_iter().collect())).collect();
    }

    pub(in crate::broker) fn insert(&mut self, mut registration: Registration, facts: &mut Facts) {
        let id = registration.id;
        self.shared.share_in(&mut registration);
        self.of_app.entry(registration.app.clone()).or_default().insert(id);
        self.occasions.insert(id, &registration.trigger);
        let task = Task {
            registration,
            waiting: Few::NONE,
            running: Few::NONE,
            gate: None,
            place: None,
            times: Times::NONE,
            ready_since: None,
            in_storm: false,
            plans: 0,
            wakes: 0,
            heard: None,
        };
        facts.need(task.facts());
        self.by_id.insert(id, Box::new(task));
    }

    pub(in crate::broker) fn remove(&mut self, id: TaskId, facts: &mut Facts) -> Option<Registration> {
        let mut task = self.by_id.remove(&id)?;
        self.agenda.forget(id, &mut task.times);
        facts.release(task.facts());
        let Registration { app, trigger, .. } = &task.registration;
        self.occasions.remove(id, trigger);
        if let Some(its) = self.of_app.get_mut(app) {
            its.remove(&id);
            if its.is_empty() {
                self.of_app.remove(app);
            }
        }
        Some(task.registration)
    }

    /// The last waiting activation of a task, to change it.
    pub(in crate::broker) fn last_waiting_mut(&mut self, id: TaskId) -> Option<&mut Activation> {
        let last = self.by_id.get_mut(&id)?.waiting.last_mut()?;
        self.dirty.insert(last.instance, id);
        Some(last)
    }

    /// The first waiting activation of a task, to change it.
    pub(in crate::broker) fn first_waiting_mut(&mut self, id: TaskId) -> Option<&mut Activation> {
        let first = self.by_id.get_mut(&id)?.waiting.first_mut()?;
        self.dirty.insert(first.instance, id);
        Some(first)
    }

    /// Another activation waits, behind those that do already.
    pub(in crate::broker) fn wait(&mut self, id: TaskId, activation: Activation) {
        self.dirty.insert(activation.instance, id);
        if let Some(task) = self.by_id.get_mut(&id) {
            task.waiting.push(activation);
            self.enqueue(id);
        }
    }

    /// Takes what waits away, to let it wait elsewhere.
    pub(in crate::broker) fn take_waiting(&mut self, id: TaskId) -> Vec<Activation> {
        let waiting = self.by_id.get_mut(&id).map(|task| task.waiting.take());
        self.forget_load(id);
        self.dequeue(id);
        waiting.unwrap_or_default()
    }

    /// A running activation waits again, before all others of its task.
    pub(in crate::broker) fn wait_again(&mut self, instance: InstanceId, event: ActivationEvent) {
        let Some((id, mut activation)) = self.take_running(instance) else { return };
        activation.apply(event);
        self.wait_first(id, activation);
    }

    /// An activation waits before all others of its task.
    pub(in crate::broker) fn wait_first(&mut self, id: TaskId, activation: Activation) {
        self.dirty.insert(activation.instance, id);
        if let Some(task) = self.by_id.get_mut(&id) {
            task.waiting.push_front(activation);
            self.enqueue(id);
        }
    }

    /// The first waiting activation of a task goes to a host.
    pub(in crate::broker) fn launch(
        &mut self,
        id: TaskId,
        event: ActivationEvent,
        now: BootTime,
    ) -> Option<&Activation> {
        let task = self.by_id.get_mut(&id)?;
        let mut activation = task.waiting.pop_front()?;
        activation.apply(event);
        (activation.started, activation.not_before) = (Some(now), None);
        task.gate = None;
        self.dirty.insert(activation.instance, id);
        self.occupied.insert(activation.instance, id);
        self.line.occupy(&task.registration.app);
        task.running.push(activation);
        self.forget_load(id);
        self.left_the_queue(id);
        self.by_id[&id].running.last()
    }

    /// Takes an activation away, wherever it stands.
    pub(in crate::broker) fn end(&mut self, instance: InstanceId, id: TaskId) -> Option<Activation> {
        if let Some((_, activation)) = self.take_running(instance) {
            return Some(activation);
        }
        let task = self.by_id.get_mut(&id)?;
        let place = task.waiting.iter().position(|activation| activation.instance == instance)?;
        let ended = Some(task.waiting.remove(place));
        task.gate = None;
        self.dirty.insert(instance, id);
        self.left_the_queue(id);
        ended
    }

    /// What waited first has gone: the load begins anew for the next.
    fn forget_load(&mut self, id: TaskId) {
        if let Some(task) = self.by_id.get_mut(&id) {
            (task.ready_since, task.in_storm) = (None, false);
        }
        self.set_alarm(id, Alarm::Load, None);
    }

    fn left_the_queue(&mut self, id: TaskId) {
        if self.by_id.get(&id).is_some_and(|task| task.waiting.is_empty()) {
            self.forget_load(id);
            self.dequeue(id);
        } else {
            self.sort_in(id);
        }
    }

    /// Notes what the first waiting activation of a task waits for; answers what that was before.
    pub(in crate::broker) fn set_gate(&mut self, id: TaskId, gate: Option<Gate>) -> Option<Gate> {
        let its = &mut self.by_id.get_mut(&id)?.gate;
        let before = its.as_deref().copied();
        if before != gate {
            *its = gate.map(Box::new);
        }
        self.sort_in(id);
        before
    }

    fn take_running(&mut self, instance: InstanceId) -> Option<(TaskId, Activation)> {
        let id = self.occupied.remove(&instance)?;
        self.dirty.insert(instance, id);
        let task = self.by_id.get_mut(&id)?;
        self.line.release(&task.registration.app);
        let running = &mut task.running;
        let place = running.iter().position(|activation| activation.instance == instance)?;
        Some((id, running.remove(place)))
    }

    /// The task of an instance that is on a host.
    pub(in crate::broker) fn of_running(&self, instance: InstanceId) -> Option<(&Task, &Activation)> {
        let task = self.get(*self.occupied.get(&instance)?)?;
        Some((task, task.find(instance)?))
    }

    /// An activation on a host, to change it; [`touch`](Self::touch) it where the change has to last.
    pub(in crate::broker) fn running_mut(&mut self, instance: InstanceId) -> Option<&mut Activation> {
        let task = self.by_id.get_mut(self.occupied.get(&instance)?)?;
        task.running.iter_mut().find(|activation| activation.instance == instance)
    }

    /// Remembers to write an activation.
    pub(in crate::broker) fn touch(&mut self, id: TaskId, instance: InstanceId) {
        self.dirty.insert(instance, id);
    }

    /// Its timer may fire from the first time on and does at the latest at the second, or not at all.
    pub(in crate::broker) fn set_timer(&mut self, id: TaskId, window: Option<(WallTime, WallTime)>) {
        if let Some(task) = self.by_id.get_mut(&id) {
            let rouses = task.registration.trigger.pace().is_some_and(|pace| pace.wake);
            self.agenda.set_timer(id, &mut task.times, window, rouses);
        }
    }

    /// When the machine is first to be woken.
    pub(in crate::broker) fn first_rousing(&self) -> Option<WallTime> {
        self.agenda.first_rousing()
    }

    /// Rings then, or not at all. Not for timers.
    pub(in crate::broker) fn set_alarm(&mut self, id: TaskId, alarm: Alarm, at: Option<WallTime>) {
        if let Some(task) = self.by_id.get_mut(&id) {
            self.agenda.set_alarm(id, &mut task.times, alarm, at);
        }
    }

    /// The timers that may fire by then, the earliest first; the others in the next turn.
    pub(in crate::broker) fn timers_until(&self, now: WallTime) -> Vec<TaskId> {
        self.agenda.timers_until(now, MAX_PER_TURN)
    }

    /// How many timers may fire by then.
    pub(in crate::broker) fn due_by(&self, now: WallTime) -> usize {
        self.agenda.due_by(now)
    }

    /// What time brings about first.
    pub(in crate::broker) fn first_alarm(&self) -> Option<(WallTime, TaskId, Alarm)> {
        self.agenda.first()
    }

    /// What else than a timer rings by then, the earliest first; the others in the next turn.
    pub(in crate::broker) fn alarms_until(&self, now: WallTime) -> Vec<(TaskId, Alarm)> {
        self.agenda.alarms_until(now, MAX_PER_TURN)
    }

    /// The open registrations that promise to succeed within some time.
    pub(in crate::broker) fn promising(&self) -> impl Iterator<Item = &Task> {
        self.promising.iter().filter_map(|id| self.get(*id))
    }

    /// The open registrations that go before all others, in the order they fired.
    pub(in crate::broker) fn critical(&self) -> impl Iterator<Item = TaskId> {
        self.critical.iter().map(|(_, id)| *id)
    }

    /// How many instances are on a host.
    pub(in crate::broker) fn running(&self) -> usize {
        self.occupied.len()
    }

    /// Every activation on a host, with its registration.
    pub(in crate::broker) fn occupied(&self) -> impl Iterator<Item = (&Task, &Activation)> {
        self.occupied.keys().filter_map(|instance| self.of_running(*instance))
    }

    /// The same for one host.
    pub(in crate::broker) fn occupying(&self, host: HostId) -> impl Iterator<Item = (&Task, &Activation)> {
        self.occupied().filter(move |(_, activation)| activation.state.host() == Some(host))
    }

    /// The instances on a host.
    pub(in crate::broker) fn on_host(&self, host: HostId) -> Vec<InstanceId> {
        self.occupying(host).map(|(_, activation)| activation.instance).collect()
    }

    pub(in crate::broker) fn occupancy(&self) -> Occupancy {
        let mut occupancy = Occupancy::new();
        for (task, _) in self.occupied() {
            *occupancy.entry(task.registration.app.clone()).or_default() += 1;
        }
        occupancy
    }

    /// Notes that every gate of a waiting registration is open, so that it runs or waits for a slot.
    pub(in crate::broker) fn mark_ready(&mut self, id: TaskId) {
        self.ready.insert(id);
    }

    pub(in crate::broker) fn take_ready(&mut self) -> BTreeSet<TaskId> {
        std::mem::take(&mut self.ready)
    }

    /// Those from this one on are still to be noted.
    pub(in crate::broker) fn put_back_ready(&mut self, ready: BTreeSet<TaskId>) {
        self.ready = ready;
    }

    /// The activations that changed, with what they are now; `None` for those that ended.
    pub(in crate::broker) fn take_dirty(&mut self) -> Vec<(TaskId, InstanceId, Option<Activation>)> {
        let dirty = std::mem::take(&mut self.dirty);
        let now = |id, instance| self.get(id).and_then(|task| task.find(instance)).cloned();
        dirty.into_iter().map(|(instance, id)| (id, instance, now(id, instance))).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::Task;

    /// A registration takes this, its name, and its places in the tables: together they may be 600 bytes.
    #[test]
    fn a_task_is_small() {
        let size = std::mem::size_of::<Task>();
        assert!(size <= 320, "{size} bytes");
    }
}
