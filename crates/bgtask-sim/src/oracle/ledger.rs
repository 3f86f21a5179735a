//! Registrations and firings: nothing answered is lost, nothing appears unasked, every firing comes to its end.

use std::collections::{BTreeMap, BTreeSet};

use bgtask_core::{
    Activation, ActivationState, AppId, Change, Core, Event, EventKind, Fact, Input, InstanceId, NewRegistration,
    Refusal, Registration, Reply, Request, RequestId, RunOrder, Snapshot, Standing, SystemConditionType, TaskId,
    Trigger,
};

use super::{Verdict, check};

/// What a registration is still owed.
#[derive(Debug, Default)]
struct Owed {
    /// It fired and was not started since; the first of these firings was durable with that batch.
    fired: Option<u64>,
    /// An instance was started and has no outcome.
    open: Option<InstanceId>,
}

#[derive(Debug)]
pub(super) struct Ledger {
    max_attempts: u32,
    registrations: BTreeMap<TaskId, Registration>,
    activations: BTreeMap<TaskId, Activation>,
    ever: BTreeMap<TaskId, Registration>,
    owed: BTreeMap<TaskId, Owed>,
    /// Each attempt that was ever durable.
    attempts: BTreeSet<(InstanceId, u32)>,
    /// The next attempt of each instance that was interrupted by the end of a broker.
    next_attempts: BTreeMap<InstanceId, u32>,
    outcomes: BTreeMap<InstanceId, u32>,
    kept: BTreeMap<InstanceId, u32>,
    asked: BTreeMap<RequestId, (AppId, NewRegistration)>,
    /// Registrations that are durable and whose request may not be answered yet.
    unanswered: Vec<Registration>,
    unregistering: BTreeSet<TaskId>,
    uninstalled: BTreeSet<AppId>,
    batches: u64,
    quiet_since: u64,
}

impl Ledger {
    pub(super) fn new(max_attempts: u32) -> Self {
        Self {
            max_attempts,
            registrations: BTreeMap::new(),
            activations: BTreeMap::new(),
            ever: BTreeMap::new(),
            owed: BTreeMap::new(),
            attempts: BTreeSet::new(),
            next_attempts: BTreeMap::new(),
            outcomes: BTreeMap::new(),
            kept: BTreeMap::new(),
            asked: BTreeMap::new(),
            unanswered: Vec::new(),
            unregistering: BTreeSet::new(),
            uninstalled: BTreeSet::new(),
            batches: 0,
            quiet_since: 0,
        }
    }

    pub(super) fn told(&mut self, input: &Input) {
        match input {
            Input::Request(id, Request::Register(app, new)) => {
                self.asked.insert(*id, (app.clone(), new.clone()));
            }
            Input::Request(_, Request::Unregister { scope, task, .. }) => {
                let owner = self.registrations.get(task).map(|registration| &registration.app);
                if scope.is_none() || scope.as_ref() == owner {
                    self.unregistering.insert(*task);
                }
            }
            Input::AppRemoved(app) => {
                self.uninstalled.insert(app.clone());
            }
            _ => {}
        }
    }

    pub(super) fn committed(&mut self, change: &Change) -> Verdict {
        match change {
            Change::PutRegistration(registration) => self.put(registration),
            Change::DeleteRegistration(id) => self.delete(*id),
            Change::PutActivation(id, activation) => {
                self.attempts.insert((activation.instance, activation.attempt));
                self.activations.insert(*id, activation.clone());
                Ok(())
            }
            Change::DeleteActivation(id) => {
                self.activations.remove(id);
                Ok(())
            }
            Change::PutCompletion(completion) => {
                *self.kept.entry(completion.instance).or_default() += 1;
                Ok(())
            }
            Change::Record(event) => self.recorded(event),
            _ => Ok(()),
        }
    }

    /// An outcome and the completion that tells of it are durable together, once.
    pub(super) fn batch_is_whole(&mut self) -> Verdict {
        self.batches += 1;
        check(self.outcomes == self.kept, || "an outcome without its completion, or the reverse".into())?;
        let twice = self.outcomes.iter().find(|(_, count)| **count != 1);
        check(twice.is_none(), || format!("an instance has more than one outcome: {twice:?}"))?;
        let done = |it: &&Registration| it.standing != Standing::Active && !self.activations.contains_key(&it.id);
        let left = self.registrations.values().find(done);
        check(left.is_none(), || format!("a registration outlived its last activation: {left:?}"))?;
        let orphan = self.activations.keys().find(|id| !self.registrations.contains_key(id));
        check(orphan.is_none(), || format!("an activation without its registration is durable: {orphan:?}"))
    }

    pub(super) fn answers(&mut self, id: RequestId, reply: &Result<Reply, Refusal>) -> Verdict {
        let Some((app, new)) = self.asked.remove(&id) else {
            return Ok(());
        };
        let Ok(reply) = reply else {
            return self.not_more_than_asked();
        };
        let Reply::Registered(task) = reply else {
            return Err(format!("{id:?} asked to register and was answered {reply:?}"));
        };
        let durable = self.ever.get(task).ok_or_else(|| format!("{task} was answered before it was durable"))?;
        check(durable.app == app && fits(durable, &new), || format!("{durable:?} is not what was asked: {new:?}"))?;
        self.unanswered.retain(|registration| registration.id != *task);
        self.not_more_than_asked()
    }

    /// Whose the task is or was.
    pub(super) fn owner(&self, task: TaskId) -> Option<&AppId> {
        self.ever.get(&task).map(|registration| &registration.app)
    }

    pub(super) fn runs(&self, order: &RunOrder) -> Verdict {
        check(self.attempts.contains(&(order.instance, order.attempt)), || {
            format!("instance {} was run as attempt {} before that was durable", order.instance, order.attempt)
        })
    }

    pub(super) fn agrees_with(&self, core: &Core) -> Verdict {
        let listed: BTreeSet<_> = core.registrations(None).iter().map(|registration| registration.id).collect();
        let durable: BTreeSet<_> =
            self.registrations.values().filter(|it| it.standing != Standing::Unregistered).map(|it| it.id).collect();
        check(listed == durable, || format!("listed are {listed:?}, durable are {durable:?}"))?;
        let needed: BTreeSet<_> = self.registrations.values().flat_map(facts).collect();
        let watched: BTreeSet<_> = core.sources().map(|(fact, _)| fact).collect();
        check(needed == watched, || format!("needed are {needed:?}, watched are {watched:?}"))?;
        for (registration, activation) in core.activations() {
            let durable = self.activations.get(&registration.id).map(|it| it.instance);
            check(durable == Some(activation.instance), || format!("{activation:?} is not durable: {durable:?}"))?;
        }
        check(core.activations().count() == self.activations.len(), || "a durable activation is forgotten".into())
    }

    pub(super) fn broker_died(&mut self) {
        for activation in self.activations.values() {
            if matches!(activation.state, ActivationState::Starting { .. } | ActivationState::Running { .. }) {
                self.next_attempts.insert(activation.instance, activation.attempt + 1);
            }
        }
        self.asked.clear();
        self.unanswered.clear();
    }

    pub(super) fn loaded(&self, snapshot: &Snapshot) -> Verdict {
        let registrations = snapshot.registrations.iter().eq(self.registrations.values());
        check(registrations, || "the store came back with other registrations".into())?;
        let activations = snapshot.activations.iter().map(|(id, it)| (id, it)).eq(self.activations.iter());
        check(activations, || "the store came back with other activations".into())
    }

    pub(super) fn quiet_begins(&mut self) {
        self.quiet_since = self.batches;
    }

    /// What fired in the quiet phase itself may wait for a level that does not come again.
    pub(super) fn rests(&self) -> Verdict {
        for (id, owed) in &self.owed {
            let Some(registration) = self.registrations.get(id) else {
                continue;
            };
            let done = owed.fired.is_none_or(|batch| batch >= self.quiet_since) && owed.open.is_none();
            check(done || is_impossible(&registration.conditions), || {
                format!("{} ({id}) fired and never came to an end: {owed:?}", registration.name)
            })?;
        }
        Ok(())
    }

    fn put(&mut self, registration: &Registration) -> Verdict {
        self.registrations.insert(registration.id, registration.clone());
        let known = self.ever.insert(registration.id, registration.clone());
        if let Some(known) = known {
            return check(known.registered_at == registration.registered_at && known.name == registration.name, || {
                format!("one id for two registrations: {known:?} and {registration:?}")
            });
        }
        self.unanswered.push(registration.clone());
        self.not_more_than_asked()
    }

    /// Every registration that appears was asked for, and the request was not refused.
    fn not_more_than_asked(&self) -> Verdict {
        for registration in &self.unanswered {
            let alike = |other: &&Registration| {
                other.name == registration.name && other.entry_point == registration.entry_point
            };
            let appeared = self.unanswered.iter().filter(alike).count();
            let asked = self
                .asked
                .values()
                .filter(|(_, new)| new.name == *registration.name && new.entry_point == *registration.entry_point);
            check(appeared <= asked.count(), || format!("nobody asked for {registration:?}"))?;
        }
        Ok(())
    }

    fn delete(&mut self, id: TaskId) -> Verdict {
        let gone = self.registrations.remove(&id).ok_or_else(|| format!("{id} was deleted twice"))?;
        let asked = self.unregistering.contains(&id) || self.uninstalled.contains(&gone.app);
        check(asked || gone.standing == Standing::Spent, || format!("{gone:?} was deleted and nobody asked for it"))?;
        let owed = self.owed.remove(&id).unwrap_or_default();
        check(owed.fired.is_none() && owed.open.is_none(), || format!("{id} was deleted and was still owed {owed:?}"))
    }

    fn recorded(&mut self, event: &Event) -> Verdict {
        let owed = self.owed.entry(event.task).or_default();
        match &event.kind {
            EventKind::Fired { .. } => owed.fired = owed.fired.or(Some(self.batches)),
            EventKind::Started { attempt, .. } => {
                check(owed.open.is_none() || owed.open == event.instance, || {
                    format!("{} was started while {:?} has no outcome", event.name, owed.open)
                })?;
                check(*attempt <= self.max_attempts, || format!("{} was started as attempt {attempt}", event.name))?;
                *owed = Owed { fired: None, open: event.instance };
                let instance = event.instance.ok_or("a start without an instance")?;
                let due = self.next_attempts.get(&instance).copied().unwrap_or(1);
                check(*attempt == due, || format!("{instance} is started as attempt {attempt}, which is {due}"))?;
            }
            EventKind::Completed { .. } => {
                let instance = event.instance.ok_or("an outcome without an instance")?;
                check(owed.open == Some(instance), || format!("{instance} ended without having been started"))?;
                owed.open = None;
                *self.outcomes.entry(instance).or_default() += 1;
            }
            EventKind::Dropped => *owed = Owed::default(),
            EventKind::Unregistered { .. } => owed.fired = None,
            _ => {}
        }
        Ok(())
    }
}

fn fits(registration: &Registration, new: &NewRegistration) -> bool {
    *registration.name == *new.name
        && *registration.entry_point == *new.entry_point
        && registration.trigger == new.trigger
        && *registration.conditions == *new.conditions
        && registration.cancel_on_condition_loss == new.cancel_on_condition_loss
}

/// What a registration stands on.
fn facts(registration: &Registration) -> impl Iterator<Item = Fact> + '_ {
    let Trigger::System { kind, .. } = registration.trigger;
    let conditions = registration.conditions.iter().copied();
    Fact::of_trigger(kind).into_iter().chain(conditions.filter_map(Fact::of_condition))
}

/// Conditions that can never hold together: such a task waits for ever, as on Windows (CO-1).
fn is_impossible(conditions: &[SystemConditionType]) -> bool {
    let clash = |a, b| Fact::of_condition(a) == Fact::of_condition(b) && a != b;
    conditions.iter().any(|a| conditions.iter().any(|b| clash(*a, *b)))
}
