use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::broker::device_use::facts_of;
use crate::input::SourceStatus;
use crate::model::condition::{Condition, Levels};
use crate::model::fact::{BackgroundWorkCost, Fact, Zone};
use crate::model::trigger::Trigger;

/// What is known about the machine, and who needs to know.
#[derive(Default)]
pub(in crate::broker) struct Facts {
    levels: Levels,
    statuses: BTreeMap<Fact, SourceStatus>,
    needed: BTreeMap<Fact, usize>,
    /// The last zone seen while somebody cared: kept durably, so that a change while the broker was away is noticed.
    pub(in crate::broker) zone: Option<Zone>,
    /// The last state of each fact that is one, while somebody cares.
    pub(in crate::broker) states: BTreeMap<Fact, Arc<str>>,
    /// The last known cost of background work.
    pub(in crate::broker) cost: Option<BackgroundWorkCost>,
    watched: BTreeSet<Fact>,
}

impl Facts {
    pub(super) fn need(&mut self, facts: impl Iterator<Item = Fact>) {
        for fact in facts {
            *self.needed.entry(fact).or_default() += 1;
        }
    }

    pub(super) fn release(&mut self, facts: impl Iterator<Item = Fact>) {
        for fact in facts {
            if let Some(count) = self.needed.get_mut(&fact) {
                *count -= 1;
                if *count == 0 {
                    self.needed.remove(&fact);
                }
            }
        }
    }

    /// The sources to start and to stop since the last call.
    pub(in crate::broker) fn settle(&mut self) -> (Vec<Fact>, Vec<Fact>) {
        let started: Vec<_> = self.needed.keys().copied().filter(|fact| !self.watched.contains(fact)).collect();
        let stopped: Vec<_> = self.watched.iter().copied().filter(|fact| !self.needed.contains_key(fact)).collect();
        self.watched.extend(&started);
        for fact in &stopped {
            self.watched.remove(fact);
            self.levels.forget(*fact);
            self.statuses.remove(fact);
        }
        if !self.is_watched(Fact::WorkCost) {
            self.cost = None;
        } else if started.contains(&Fact::WorkCost) {
            let how = "external power, the screen, energy saving and free memory".to_owned();
            self.statuses.insert(Fact::WorkCost, SourceStatus::Available { how });
        }
        (started, stopped)
    }

    pub(in crate::broker) fn is_watched(&self, fact: Fact) -> bool {
        self.watched.contains(&fact)
    }

    pub(in crate::broker) fn watched(&self) -> impl Iterator<Item = (Fact, Option<&SourceStatus>)> {
        self.watched.iter().map(|fact| (*fact, self.statuses.get(fact)))
    }

    pub(in crate::broker) fn status(&self, fact: Fact) -> Option<&SourceStatus> {
        self.statuses.get(&fact)
    }

    pub(in crate::broker) fn set_status(&mut self, fact: Fact, status: SourceStatus) {
        if self.watched.contains(&fact) {
            self.statuses.insert(fact, status);
        }
    }

    pub(in crate::broker) fn levels(&self) -> &Levels {
        &self.levels
    }

    pub(in crate::broker) fn set_level(&mut self, fact: Fact, value: bool, now: crate::WallTime) -> Option<bool> {
        self.levels.set(fact, value, now)
    }

    /// The conditions that do not hold, in the order given.
    pub(in crate::broker) fn missing(&self, conditions: &[Condition]) -> Vec<Condition> {
        conditions.iter().copied().filter(|condition| !self.holds(*condition)).collect()
    }

    /// Whether a condition holds. What nobody can know does not, not even negated; a saver and a pressure that nobody can
    /// know are none.
    pub(in crate::broker) fn holds(&self, condition: Condition) -> bool {
        let unknowable = match condition {
            Condition::Fact { fact: Fact::EnergySaver | Fact::MemoryPressure | Fact::CpuPressure, .. }
            | Condition::System(_) => false,
            Condition::Fact { fact, .. } => matches!(self.status(fact), Some(SourceStatus::Missing { .. })),
        };
        !unknowable && self.levels.holds(condition)
    }
}

/// Every fact that is watched for a registration, with what it is derived from; a fact counts once for each use.
pub(in crate::broker) fn stands_on(trigger: &Trigger, conditions: &[Condition]) -> impl Iterator<Item = Fact> {
    let of_trigger = Fact::behind(trigger).into_iter().chain(facts_of(trigger).iter().copied());
    let its = of_trigger.chain(conditions.iter().map(|condition| condition.fact())).chain(Fact::OF_EVERY_TASK);
    let its = its.chain(Fact::OF_EVERY_START);
    its.flat_map(|fact| std::iter::once(fact).chain(fact.ingredients().iter().copied()))
}
