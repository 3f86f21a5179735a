use std::collections::{BTreeMap, BTreeSet};

use crate::ids::TaskId;
use crate::time::WallTime;

/// What time alone brings about for a registration.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::broker) enum Alarm {
    /// Its timer fires at the latest.
    Fire,
    /// A failed try may be repeated.
    Retry,
    /// It has not succeeded for too long.
    Overdue,
    /// It has been held for long enough because of the load.
    Load,
}

impl Alarm {
    const ALL: [Self; 4] = [Self::Fire, Self::Retry, Self::Overdue, Self::Load];
}

/// What one registration wants to be woken for.
pub(super) struct Times {
    /// From when on its timer may fire, with whatever wakes the broker, and when it does at the latest.
    timer: Option<(WallTime, WallTime)>,
    /// What else rings. Few have any of that.
    alarms: Option<Box<[Option<WallTime>; Alarm::ALL.len()]>>,
}

impl Times {
    pub(super) const NONE: Self = Self { timer: None, alarms: None };

    /// Notes when an alarm rings, if it does; answers when it was to ring before.
    fn replace(&mut self, alarm: Alarm, at: Option<WallTime>) -> Option<WallTime> {
        if at.is_none() && self.alarms.is_none() {
            return None;
        }
        let alarms = self.alarms.get_or_insert_default();
        let before = std::mem::replace(&mut alarms[alarm as usize], at);
        if alarms.iter().all(Option::is_none) {
            self.alarms = None;
        }
        before
    }
}

/// What time brings about, in its order: the first of it is found, and one more put in, without looking at the others.
#[derive(Default)]
pub(super) struct Agenda {
    /// Timers that fire at a moment. Those of apps share their ticks: how many one has is known without counting.
    exact: BTreeMap<WallTime, BTreeSet<TaskId>>,
    /// From when on those may fire that have some time for it; until when is an alarm.
    early: BTreeSet<(WallTime, TaskId)>,
    alarms: BTreeSet<(WallTime, TaskId, Alarm)>,
    /// When the machine is to be woken for a timer.
    rousing: BTreeSet<(WallTime, TaskId)>,
}

impl Agenda {
    /// A timer may fire from the first time on and does at the latest at the second, or not at all; `rouses` if the machine is
    /// to be woken for it.
    pub(super) fn set_timer(
        &mut self,
        id: TaskId,
        times: &mut Times,
        window: Option<(WallTime, WallTime)>,
        rouses: bool,
    ) {
        let before = std::mem::replace(&mut times.timer, window);
        if before == window {
            return;
        }
        before.map(|(_, latest)| self.rousing.remove(&(latest, id)));
        self.rousing.extend(window.filter(|_| rouses).map(|(_, latest)| (latest, id)));
        match before {
            Some((early, latest)) if early == latest => self.remove_exact(early, id),
            Some((early, latest)) => {
                self.early.remove(&(early, id));
                self.alarms.remove(&(latest, id, Alarm::Fire));
            }
            None => {}
        }
        match window {
            Some((early, latest)) if early == latest => drop(self.exact.entry(early).or_default().insert(id)),
            Some((early, latest)) => {
                self.early.insert((early, id));
                self.alarms.insert((latest, id, Alarm::Fire));
            }
            None => {}
        }
    }

    fn remove_exact(&mut self, at: WallTime, id: TaskId) {
        let Some(there) = self.exact.get_mut(&at) else { return };
        there.remove(&id);
        if there.is_empty() {
            self.exact.remove(&at);
        }
    }

    /// Rings then, or not at all. Not for timers.
    pub(super) fn set_alarm(&mut self, id: TaskId, times: &mut Times, alarm: Alarm, at: Option<WallTime>) {
        let before = times.replace(alarm, at);
        if before != at {
            before.map(|at| self.alarms.remove(&(at, id, alarm)));
            self.alarms.extend(at.map(|at| (at, id, alarm)));
        }
    }

    /// Wants to be woken no more.
    pub(super) fn forget(&mut self, id: TaskId, times: &mut Times) {
        self.set_timer(id, times, None, false);
        Alarm::ALL.into_iter().skip(1).for_each(|alarm| self.set_alarm(id, times, alarm, None));
    }

    /// The timers that may fire by then, the earliest first, and not more than so many.
    pub(super) fn timers_until(&self, now: WallTime, most: usize) -> Vec<TaskId> {
        let exact = self.exact.range(..=now).flat_map(|(at, ids)| ids.iter().map(|id| (*at, *id)));
        let mut due: Vec<_> = exact.take(most).chain(self.early_by(now).take(most)).collect();
        due.sort_unstable();
        due.into_iter().map(|(_, id)| id).take(most).collect()
    }

    /// How many timers may fire by then.
    pub(super) fn due_by(&self, now: WallTime) -> usize {
        self.exact.range(..=now).map(|(_, ids)| ids.len()).sum::<usize>() + self.early_by(now).count()
    }

    fn early_by(&self, now: WallTime) -> impl Iterator<Item = (WallTime, TaskId)> {
        self.early.iter().copied().take_while(move |(at, _)| *at <= now)
    }

    /// What time brings about first.
    pub(super) fn first(&self) -> Option<(WallTime, TaskId, Alarm)> {
        let exact = self.exact.first_key_value().and_then(|(at, ids)| Some((*at, *ids.first()?, Alarm::Fire)));
        exact.into_iter().chain(self.alarms.first().copied()).min()
    }

    /// What else than a timer rings by then, the earliest first, and not more than so many.
    pub(super) fn alarms_until(&self, now: WallTime, most: usize) -> Vec<(TaskId, Alarm)> {
        let rings = self.alarms.iter().take_while(|(at, ..)| *at <= now).map(|(_, id, alarm)| (*id, *alarm));
        rings.filter(|(_, alarm)| *alarm != Alarm::Fire).take(most).collect()
    }

    /// When the machine is first to be woken.
    pub(super) fn first_rousing(&self) -> Option<WallTime> {
        self.rousing.first().map(|(at, _)| *at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn at(micros: i64) -> WallTime {
        WallTime::from_micros(micros)
    }

    #[test]
    fn timers_come_in_the_order_of_their_time_whether_they_have_some_time_or_none() {
        let mut agenda = Agenda::default();
        let windows = [(at(3), at(3)), (at(1), at(9)), (at(2), at(2)), (at(4), at(5))];
        let ids: Vec<_> = (1..=4).map(TaskId::from_random).collect();
        let mut times = [Times::NONE; 4];
        for ((id, times), window) in ids.iter().zip(&mut times).zip(windows) {
            agenda.set_timer(*id, times, Some(window), false);
        }
        assert_eq!(agenda.timers_until(at(3), 9), [ids[1], ids[2], ids[0]]);
        assert_eq!(agenda.timers_until(at(3), 2), [ids[1], ids[2]]);
        assert_eq!(agenda.due_by(at(3)), 3);
        assert_eq!(agenda.first(), Some((at(2), ids[2], Alarm::Fire)), "who has time until 9 is not waited for");
        agenda.forget(ids[2], &mut times[2]);
        agenda.set_timer(ids[0], &mut times[0], Some((at(7), at(8))), true);
        assert_eq!(agenda.first_rousing(), Some(at(8)));
        assert_eq!(agenda.first(), Some((at(5), ids[3], Alarm::Fire)));
        times.iter_mut().zip(&ids).for_each(|(times, id)| agenda.forget(*id, times));
        assert_eq!(agenda.first(), None);
        assert_eq!((agenda.due_by(at(99)), agenda.first_rousing()), (0, None));
    }
}
