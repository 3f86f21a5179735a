//! Activations that wait: which there are, what is gathered in them, and which of a task goes first.

use std::collections::VecDeque;
use std::sync::Arc;

use bgtask_core::{
    Activation, Cause, Details, Event, Firing, InstanceId, SocketKey, Standing, Subject, TaskId, ThrottleCounts,
    Trigger, WallTime, limits,
};

use super::super::{Verdict, check};
use super::pushes::hears_pushes;
use super::{Model, Owed};

/// An activation that waits.
#[derive(Clone, Debug)]
pub(super) struct Held {
    pub(super) task: TaskId,
    /// What set it off. What is gathered is in `told` instead.
    pub(super) firing: Firing,
    /// The events it was told of, in order, and how many more there were that nobody can tell.
    pub(super) told: Vec<Arc<[u8]>>,
    pub(super) untold: u32,
    /// Its place among all that ever waited.
    pub(super) place: u64,
    /// It was given to a host before.
    pub(super) given: bool,
    pub(super) attempt: u32,
    pub(super) failures: u32,
    pub(super) not_before: Option<WallTime>,
    /// How often it was suspended.
    pub(super) throttled: ThrottleCounts,
}

/// One reason to fire.
#[derive(Clone, Debug)]
pub(super) struct Occasion {
    pub(super) by: By,
    pub(super) details: Option<Details>,
    pub(super) count: u32,
    pub(super) lost: u32,
    /// The descriptor that goes with it.
    pub(super) socket: Option<SocketKey>,
    /// It joins what waits, and nobody is told.
    pub(super) silent: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum By {
    World,
    Timer,
    Hand,
    Fleet,
}

impl Occasion {
    pub(super) const fn once(by: By) -> Self {
        Self { by, details: None, count: 1, lost: 0, socket: None, silent: false }
    }
}

impl Owed {
    pub(super) fn fires(&mut self, task: TaskId, occasion: Occasion) {
        self.fired.entry(task).or_default().push_back(occasion);
    }
}

impl Model {
    /// Fires what is not paused; whether it may fire at all is the caller's to know.
    pub(super) fn set_off(&self, task: TaskId, occasion: Occasion, owed: &mut Owed) {
        if self.registrations.get(&task).is_some_and(|its| !its.paused) {
            owed.fires(task, occasion);
        }
    }

    /// A firing that came has a reason, is taken in by what waits or waits itself, and spends what fires once.
    pub(super) fn fired(&mut self, event: &Event, count: u32, cause: Cause, owed: &mut Owed) -> Verdict {
        let (task, instance) = (event.task, event.instance.ok_or_else(|| format!("{event:?} is about no instance"))?);
        if owed.may_fire.contains(&task) {
            std::mem::take(&mut owed.may_fire).into_iter().for_each(|it| owed.fires(it, Occasion::once(By::World)));
        }
        let hears = self.registrations.get(&task).is_some_and(|its| hears_pushes(&its.trigger));
        if hears && !owed.fired.contains_key(&task) {
            self.pushes_fire(task, count, owed)?;
        }
        let occasion = owed.fired.get_mut(&task).and_then(VecDeque::pop_front);
        let occasion = occasion.ok_or_else(|| format!("{} fires without a reason: {cause:?}", event.name))?;
        owed.fired.retain(|_, occasions| !occasions.is_empty());
        check(!occasion.silent, || format!("{} fires with a word for each time", event.name))?;
        owed.cause_is_right(occasion.by, cause)?;
        let its = self.registrations.get_mut(&task).ok_or_else(|| format!("{event:?} of what is not registered"))?;
        check(its.standing != Standing::Unregistered, || format!("{} fires and is unregistered", its.name))?;
        if its.trigger.one_shot() && its.standing == Standing::Active && occasion.by != By::Hand {
            its.standing = Standing::Spent;
        }
        let spent = its.standing == Standing::Spent;
        // A descriptor goes to an activation of its own.
        let gathers = (listens(&its.trigger) || occasion.details.is_none()) && occasion.socket.is_none();
        if spent {
            self.orphan_sockets(task);
        }
        let first = self.first_of(task).map(|(instance, _)| instance);
        let target = if occasion.by == By::Hand { first } else { self.last_of(task).filter(|_| gathers) };
        check(target.is_none_or(|target| target == instance), || {
            format!("{} fires as {instance}, to be taken in by {target:?}", event.name)
        })?;
        if target.is_none() {
            let fresh = !self.rows.contains_key(&instance) && !self.running.contains_key(&instance);
            check(fresh, || format!("{instance} is taken for a new firing and is an old one"))?;
            self.wait(instance, task);
        }
        let held = self.waiting.get_mut(&instance).expect("it waits now");
        held.takes(occasion);
        if let Cause::Timer { shared } = cause {
            self.wakes(&event.app, shared, owed);
        }
        let held = &self.waiting[&instance];
        check(held.firing.count == count, || format!("{count} firings are held in one, right is {held:?}"))?;
        self.silent_ones_join(task, owed);
        Ok(())
    }

    fn silent_ones_join(&mut self, task: TaskId, owed: &mut Owed) {
        let Some(occasions) = owed.fired.get_mut(&task) else { return };
        while occasions.front().is_some_and(|occasion| occasion.silent) {
            occasions.pop_front();
            self.joins(task);
        }
        owed.fired.retain(|_, occasions| !occasions.is_empty());
    }

    /// A short interval joins what waits without a word: one that is held for long would fill the history.
    pub(super) fn joins(&mut self, task: TaskId) {
        let last = self.last_of(task).expect("it waits");
        self.waiting.get_mut(&last).expect("just seen").takes(Occasion::once(By::Timer));
        let its = self.registrations.get_mut(&task).expect("it waits");
        if its.trigger.one_shot() && its.standing == Standing::Active {
            its.standing = Standing::Spent;
        }
    }

    fn wait(&mut self, instance: InstanceId, task: TaskId) {
        let firing = Firing { at: self.now.wall, count: 0, details: None, lost: 0, by_hand: false, socket: None };
        self.places += 1;
        let (told, place) = (Vec::new(), self.places);
        let (given, attempt, failures, not_before) = (false, 1, 0, None);
        let throttled = ThrottleCounts::default();
        let held = Held { task, firing, told, untold: 0, place, given, attempt, failures, not_before, throttled };
        self.waiting.insert(instance, held);
    }

    /// What was written is what waits again in a new life.
    pub(super) fn waits_again(&mut self, instance: InstanceId, task: TaskId, row: &Activation, interrupted: bool) {
        let carries_events = listens(&self.registrations[&task].trigger);
        let told = if carries_events { lines(row.firing.details.as_ref()).map(Arc::from).collect() } else { vec![] };
        self.places += 1;
        let held = Held {
            task,
            firing: row.firing.clone(),
            told,
            untold: row.firing.lost,
            place: self.places,
            given: interrupted || row.attempt > 1,
            attempt: row.attempt + u32::from(interrupted),
            failures: row.failures,
            not_before: row.not_before.filter(|_| !interrupted),
            throttled: row.throttled,
        };
        self.waiting.insert(instance, held);
    }

    /// What was tried before goes before what was not, then what fired first.
    pub(super) fn first_of(&self, task: TaskId) -> Option<(InstanceId, &Held)> {
        let its = self.waiting.iter().filter(|(_, held)| held.task == task);
        its.min_by_key(|(_, held)| (!held.given, held.place)).map(|(instance, held)| (*instance, held))
    }

    pub(super) fn last_of(&self, task: TaskId) -> Option<InstanceId> {
        let its = self.waiting.iter().filter(|(_, held)| held.task == task);
        its.max_by_key(|(_, held)| (!held.given, held.place)).map(|(instance, _)| *instance)
    }
}

impl Held {
    fn takes(&mut self, occasion: Occasion) {
        self.firing.count += occasion.count;
        self.untold += occasion.lost;
        self.firing.socket = self.firing.socket.or(occasion.socket);
        if occasion.details.is_some() {
            self.told.extend(lines(occasion.details.as_ref()).map(Arc::<[u8]>::from));
            self.firing.details = occasion.details;
        }
    }

    /// Every event is listed in its order, or counted as lost; and there is never more than there is room for.
    pub(super) fn is_carried_by(&self, firing: &Firing, carries_events: bool) -> Verdict {
        let right = &self.firing;
        let alike = (firing.at, firing.count, firing.by_hand) == (right.at, right.count, right.by_hand)
            && firing.socket == right.socket;
        check(alike, || format!("it is held as {firing:?}, right is {right:?}"))?;
        if !carries_events {
            return check(firing.details == right.details && firing.lost == 0, || {
                format!("it carries {:?}, right is {:?}", firing.details, right.details)
            });
        }
        let bytes = firing.details.as_ref().map_or(0, |details| details.0.len());
        check(bytes <= limits::MAX_DETAILS_BYTES, || format!("it carries {bytes} bytes"))?;
        let mut told = self.told.iter();
        let mut listed = 0;
        for line in lines(firing.details.as_ref()) {
            listed += 1;
            let known = told.any(|its| **its == *line);
            check(known, || format!("an event is listed out of order: {:?}", String::from_utf8_lossy(line)))?;
        }
        let lost = self.untold as usize + self.told.len() - listed;
        check(firing.lost as usize == lost, || format!("{} events are said to be lost, {lost} are", firing.lost))
    }
}

/// Whether it listens to events, which are gathered.
pub(super) const fn listens(trigger: &Trigger) -> bool {
    Subject::is_behind(trigger)
}

fn lines(details: Option<&Details>) -> impl Iterator<Item = &[u8]> {
    details.into_iter().flat_map(|details| details.0.split(|byte| *byte == b'\n')).filter(|line| !line.is_empty())
}
