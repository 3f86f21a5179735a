//! Registrations and firings: nothing answered is lost, nothing appears unasked, every firing comes to its end.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bgtask_core::{
    Account, Activation, ActivationState, App, AppAccess, AppId, AppVersion, Change, Condition, Core, Details, Edge,
    Event, EventClass, EventKind, Fact, FleetOrder, Input, InstanceId, NewRegistration, OrderId, PushChannel, Refusal,
    Registration, Reply, Request, RequestId, RunOrder, Snapshot, Socket, SocketKey, Standing, TaskId, Trigger,
    Unregistration, WallTime,
};

use super::model::edges::concerns;
use super::{Verdict, check};

/// An accepted firing that has not come to its end.
#[derive(Debug)]
struct Owed {
    task: TaskId,
    /// The batch with which it was durable.
    since: u64,
    started: bool,
}

#[derive(Debug, Default)]
pub(super) struct Ledger {
    max_attempts: u32,
    registrations: BTreeMap<TaskId, Registration>,
    activations: BTreeMap<InstanceId, (TaskId, Activation)>,
    access: BTreeMap<AppId, AppAccess>,
    versions: BTreeMap<AppId, AppVersion>,
    states: BTreeMap<Fact, Arc<str>>,
    accounts: BTreeMap<AppId, Account>,
    switched_off: bool,
    sockets: BTreeMap<SocketKey, Socket>,
    orders: BTreeMap<OrderId, FleetOrder>,
    channels: BTreeMap<AppId, PushChannel>,
    /// To whom each edge that is not done has to come.
    edges: BTreeMap<u64, BTreeSet<TaskId>>,
    /// The lines of push messages that were ever durable.
    pushed: BTreeSet<Arc<[u8]>>,
    ever: BTreeMap<TaskId, Registration>,
    owed: BTreeMap<InstanceId, Owed>,
    /// Each attempt that was ever durable.
    attempts: BTreeSet<(InstanceId, u32)>,
    /// The next attempt of each instance that was interrupted by the end of a broker.
    next_attempts: BTreeMap<InstanceId, u32>,
    /// How many tries of an instance have failed.
    failures: BTreeMap<InstanceId, u32>,
    /// The promises that were said to be broken, each with the last success.
    breaches: BTreeSet<(TaskId, WallTime)>,
    outcomes: BTreeMap<InstanceId, (AppId, u32)>,
    kept: BTreeMap<InstanceId, u32>,
    asked: BTreeMap<RequestId, (AppId, NewRegistration)>,
    /// Registrations that are durable and whose request may not be answered yet.
    unanswered: Vec<Registration>,
    unregistering: BTreeSet<TaskId>,
    updating: BTreeSet<(AppId, String)>,
    /// Apps whose manifest came or changed, and apps that were removed.
    serviced: BTreeSet<AppId>,
    uninstalled: BTreeSet<AppId>,
    leaving: BTreeSet<TaskId>,
    batches: u64,
    quiet_since: u64,
}

impl Ledger {
    pub(super) fn new(max_attempts: u32) -> Self {
        Self { max_attempts, ..Self::default() }
    }

    pub(super) fn told(&mut self, input: &Input) {
        match input {
            Input::Request(id, Request::Register(app, new)) => {
                self.asked.insert(*id, (app.clone(), new.clone()));
            }
            Input::Request(id, Request::RegisterOrUpdate(app, new)) => {
                self.asked.insert(*id, (app.clone(), new.clone()));
                self.updating.insert((app.clone(), new.name.clone()));
            }
            Input::Request(_, Request::Unregister { scope, task, .. }) => {
                let owner = self.registrations.get(task).map(|registration| &registration.app);
                if scope.is_none() || scope.as_ref() == owner {
                    self.unregistering.insert(*task);
                }
            }
            Input::AppInstalled(app) => {
                self.serviced.insert(app.id.clone());
            }
            Input::AppRemoved(app) => {
                self.uninstalled.insert(app.clone());
            }
            _ => {}
        }
    }

    pub(super) fn committed(&mut self, change: &Change) -> Verdict {
        match change {
            Change::PutRegistration(registration) => return self.put(registration),
            Change::DeleteRegistration(id) => return self.delete(*id),
            Change::PutActivation(id, activation) => {
                self.attempts.insert((activation.instance, activation.attempt));
                self.pushes_are_kept(*id, activation);
                self.activations.insert(activation.instance, (*id, activation.clone()));
                // A command that is edited takes over what waited for it.
                if let Some(owed) = self.owed.get_mut(&activation.instance) {
                    owed.task = *id;
                }
            }
            Change::DeleteActivation(instance) => drop(self.activations.remove(instance)),
            Change::PutCompletion(completion) => *self.kept.entry(completion.instance).or_default() += 1,
            Change::PutAccess(app, access) => drop(self.access.insert(app.clone(), access.clone())),
            Change::DeleteAccess(app) => drop(self.access.remove(app)),
            Change::PutSwitchedOff(value) => self.switched_off = *value,
            Change::PutVersion(app, version) => drop(self.versions.insert(app.clone(), version.clone())),
            Change::DeleteVersion(app) => drop(self.versions.remove(app)),
            Change::PutState(fact, state) => drop(self.states.insert(*fact, Arc::clone(state))),
            Change::DeleteState(fact) => drop(self.states.remove(fact)),
            Change::PutAccount(app, account) => drop(self.accounts.insert(app.clone(), *account)),
            Change::DeleteAccount(app) => drop(self.accounts.remove(app)),
            Change::PutSocket(socket) => drop(self.sockets.insert(socket.key, socket.clone())),
            Change::DeleteSocket(key) => drop(self.sockets.remove(key)),
            Change::PutOrder(order) => drop(self.orders.insert(order.id.clone(), order.clone())),
            Change::PutEdge(edge) => self.edge_goes_on(edge),
            Change::DeleteEdge(number) => return self.edge_is_done(*number),
            Change::PutChannel(channel) => drop(self.channels.insert(channel.app.clone(), channel.clone())),
            Change::DeleteChannel(app) => drop(self.channels.remove(app)),
            Change::DeleteOrder(id) => drop(self.orders.remove(id)),
            Change::Record(event) => return self.recorded(event),
            _ => {}
        }
        Ok(())
    }

    /// An outcome and the completion that tells of it are durable together, once; only of a removed app nobody may read.
    pub(super) fn batch_is_whole(&mut self) -> Verdict {
        self.batches += 1;
        let twice = self.outcomes.iter().find(|(_, (_, count))| *count != 1);
        check(twice.is_none(), || format!("an instance has more than one outcome: {twice:?}"))?;
        let told = |instance, app: &AppId| match self.kept.get(instance) {
            // Nobody reads what a command has come to but the history.
            None => app.as_str() == App::COMMANDS || self.uninstalled.contains(app),
            Some(count) => *count == 1 && app.as_str() != App::COMMANDS,
        };
        let silent = self.outcomes.iter().find(|(instance, (app, _))| !told(*instance, app));
        check(silent.is_none(), || format!("an outcome without its completion: {silent:?}"))?;
        let odd = self.kept.keys().find(|instance| !self.outcomes.contains_key(instance));
        check(odd.is_none(), || format!("a completion without its outcome: {odd:?}"))?;
        let lost = self.owed.iter().find(|(_, owed)| !self.registrations.contains_key(&owed.task));
        check(lost.is_none(), || format!("its registration is gone, and this is still owed: {lost:?}"))?;
        let active: BTreeSet<_> = self.activations.values().map(|(task, _)| *task).collect();
        let done = |it: &&Registration| it.standing != Standing::Active && !active.contains(&it.id);
        let left = self.registrations.values().find(done);
        check(left.is_none(), || format!("a registration outlived its last activation: {left:?}"))?;
        let orphan = active.iter().find(|id| !self.registrations.contains_key(id));
        check(orphan.is_none(), || format!("an activation without its registration is durable: {orphan:?}"))
    }

    pub(super) fn answers(&mut self, id: RequestId, reply: &Result<Reply, Refusal>) -> Verdict {
        let Some((app, new)) = self.asked.remove(&id) else {
            return Ok(());
        };
        let Ok(reply) = reply else {
            return self.not_more_than_asked();
        };
        let (Reply::Registered(task) | Reply::Updated(task, _)) = reply else {
            return Err(format!("{id:?} asked to register and was answered {reply:?}"));
        };
        let durable = self.ever.get(task).ok_or_else(|| format!("{task} was answered before it was durable"))?;
        check(durable.app == app && fits(durable, &new), || format!("{durable:?} is not what was asked: {new:?}"))?;
        self.unanswered.retain(|registration| registration.id != *task);
        self.not_more_than_asked()
    }

    /// How many activations came to an outcome.
    pub(super) fn outcomes(&self) -> usize {
        self.outcomes.len()
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

    /// What its server may forget is durable here.
    pub(super) fn orders_are_safe(&self, orders: &[OrderId]) -> Verdict {
        let lost = orders.iter().find(|id| !self.orders.contains_key(id));
        check(lost.is_none(), || format!("the order {lost:?} is acknowledged and not durable"))
    }

    fn edge_goes_on(&mut self, edge: &Edge) {
        let waits = |its: &&Registration| concerns(&edge.kind, its) && its.id >= edge.next;
        let waits = || self.registrations.values().filter(waits).map(|its| its.id).collect();
        let left = self.edges.entry(edge.number).or_insert_with(waits);
        left.retain(|task| !edge.spared.contains(task));
    }

    /// It has come to everybody who still waits for a thing that comes again and again.
    fn edge_is_done(&mut self, number: u64) -> Verdict {
        let mut left = self.edges.remove(&number).ok_or_else(|| format!("the edge {number} was done before"))?;
        left.retain(|task| self.registrations.get(task).is_some_and(|its| its.name.starts_with("crowd")));
        check(left.is_empty(), || format!("the edge {number} is done and has not come to {left:?}"))
    }

    fn edge_comes_to(&mut self, task: TaskId) {
        if let Some(left) = self.edges.values_mut().find(|left| left.contains(&task)) {
            left.remove(&task);
        }
    }

    fn pushes_are_kept(&mut self, id: TaskId, activation: &Activation) {
        let trigger = self.registrations.get(&id).map(|its| &its.trigger);
        let Some(Trigger::Event { class: EventClass::PushNotification, .. }) = trigger else { return };
        let lines =
            activation.firing.details.iter().flat_map(|details| details.0.split_inclusive(|byte| *byte == b'\n'));
        self.pushed.extend(lines.map(Arc::from));
    }

    pub(super) fn pushes_are_safe(&self, lines: &[Details]) -> Verdict {
        let lost = lines.iter().find(|line| !self.pushed.contains(&line.0));
        check(lost.is_none(), || "a message is acknowledged and not durable".into())
    }

    pub(super) fn agrees_with(&self, core: &Core) -> Verdict {
        let listed: BTreeMap<_, _> = core.registrations(None).into_iter().map(|it| (it.id, it)).collect();
        let durable = self.registrations.iter().filter(|(_, it)| it.standing != Standing::Unregistered);
        let durable: BTreeMap<_, _> = durable.map(|(id, it)| (*id, it)).collect();
        check(listed == durable, || format!("listed are {listed:?}, durable are {durable:?}"))?;
        let needed: BTreeSet<_> = self.registrations.values().flat_map(facts).collect();
        let watched: BTreeSet<_> = core.sources().map(|(fact, _)| fact).collect();
        check(needed == watched, || format!("needed are {needed:?}, watched are {watched:?}"))?;
        let live: BTreeSet<_> = core.activations().map(|(_, activation)| activation.instance).collect();
        let durable: BTreeSet<_> = self.activations.keys().copied().collect();
        check(live == durable, || format!("activations are {live:?}, durable are {durable:?}"))
    }

    pub(super) fn broker_died(&mut self, snapshot: &Snapshot) -> Verdict {
        for (_, activation) in self.activations.values() {
            if matches!(activation.state, ActivationState::Starting { .. } | ActivationState::Running { .. }) {
                self.next_attempts.insert(activation.instance, activation.attempt + 1);
            }
        }
        self.asked.clear();
        self.unanswered.clear();
        self.loaded(snapshot)
    }

    fn loaded(&self, snapshot: &Snapshot) -> Verdict {
        let registrations = snapshot.registrations.iter().eq(self.registrations.values());
        check(registrations, || "the store came back with other registrations".into())?;
        let activations = snapshot.activations.iter().eq(self.activations.values());
        check(activations, || "the store came back with other activations".into())?;
        let access = snapshot.access.iter().map(|(app, access)| (app, access)).eq(&self.access);
        check(access, || "the store came back with other access".into())?;
        let versions = snapshot.versions.iter().map(|(app, version)| (app, version)).eq(&self.versions);
        check(versions, || "the store came back with other versions".into())?;
        let states = snapshot.states.iter().map(|(fact, state)| (fact, state)).eq(&self.states);
        check(states, || "the store came back with other states".into())?;
        let accounts = snapshot.accounts.iter().map(|(app, account)| (app, account)).eq(&self.accounts);
        check(accounts, || "the store came back with other accounts".into())?;
        let sockets = snapshot.sockets.iter().eq(self.sockets.values());
        check(sockets, || "the store came back with other sockets".into())?;
        let orders = snapshot.orders.iter().eq(self.orders.values());
        check(orders, || "the store came back with other orders".into())?;
        let channels = snapshot.channels.iter().eq(self.channels.values());
        check(channels, || "the store came back with other channels".into())?;
        check(snapshot.switched_off == self.switched_off, || "the store forgot the user's switch".into())
    }

    pub(super) fn quiet_begins(&mut self) {
        self.quiet_since = self.batches;
    }

    /// What fired in the quiet phase itself may wait for a level that does not come again.
    pub(super) fn rests(&self) -> Verdict {
        for (instance, owed) in &self.owed {
            let Some(registration) = self.registrations.get(&owed.task) else {
                return Err(format!("{instance} is owed {owed:?} and its registration is gone"));
            };
            let done = owed.since >= self.quiet_since && !owed.started;
            check(done || is_impossible(&registration.conditions), || {
                format!("{} fired and {instance} never came to an end: {owed:?}", registration.name)
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
            let alike = |other: &&Registration| other.name == registration.name && other.entry == registration.entry;
            let appeared = self.unanswered.iter().filter(alike).count();
            let asked = self
                .asked
                .values()
                .filter(|(_, new)| new.name == *registration.name && new.entry == registration.entry);
            check(appeared <= asked.count(), || format!("nobody asked for {registration:?}"))?;
        }
        Ok(())
    }

    fn delete(&mut self, id: TaskId) -> Verdict {
        let gone = self.registrations.remove(&id).ok_or_else(|| format!("{id} was deleted twice"))?;
        let asked = self.leaving.contains(&id) || gone.standing == Standing::Spent;
        check(asked, || format!("{gone:?} was deleted and nobody asked for it"))
    }

    fn recorded(&mut self, event: &Event) -> Verdict {
        let instance = || event.instance.ok_or_else(|| format!("{event:?} is about no instance"));
        match &event.kind {
            EventKind::Fired { .. } => {
                self.edge_comes_to(event.task);
                let fired = Owed { task: event.task, since: self.batches, started: false };
                self.owed.entry(instance()?).or_insert(fired);
            }
            EventKind::Started { attempt, .. } => self.started(instance()?, event, *attempt)?,
            EventKind::Completed { .. } => {
                let owed = self.owed.remove(&instance()?).ok_or_else(|| format!("{event:?} of what was not owed"))?;
                check(owed.started, || format!("{event:?} of what was never started"))?;
                self.outcomes.entry(instance()?).or_insert((event.app.clone(), 0)).1 += 1;
            }
            EventKind::Retrying { attempt, .. } => {
                let owed = self.owed.get(&instance()?).ok_or_else(|| format!("{event:?} of what was not owed"))?;
                check(owed.started, || format!("{event:?} of what was never started"))?;
                self.next_attempts.insert(instance()?, *attempt);
                *self.failures.entry(instance()?).or_default() += 1;
            }
            EventKind::Overdue { since } => {
                let new = self.breaches.insert((event.task, *since));
                check(new, || format!("{event:?} was said before"))?;
            }
            EventKind::Dropped => {
                self.owed.remove(&instance()?).ok_or_else(|| format!("{event:?} of what was not owed"))?;
            }
            EventKind::Unregistered(why) => self.unregistered(event, *why)?,
            _ => {}
        }
        Ok(())
    }

    fn started(&mut self, instance: InstanceId, event: &Event, attempt: u32) -> Verdict {
        let owed = self.owed.get_mut(&instance).ok_or_else(|| format!("{} started unasked", event.name))?;
        owed.started = true;
        let failures = self.failures.get(&instance).copied().unwrap_or(0);
        check(attempt.saturating_sub(failures) <= self.max_attempts, || {
            format!("{} was started as attempt {attempt}", event.name)
        })?;
        let due = self.next_attempts.get(&instance).copied().unwrap_or(1);
        check(attempt == due, || format!("{instance} is started as attempt {attempt}, which is {due}"))
    }

    fn unregistered(&mut self, event: &Event, why: Unregistration) -> Verdict {
        let asked = match why {
            Unregistration::Explicit { .. } => self.unregistering.contains(&event.task),
            Unregistration::Replaced => self.updating.contains(&(event.app.clone(), event.name.to_string())),
            Unregistration::EntryPointGone => self.serviced.contains(&event.app),
            Unregistration::Uninstalled => self.uninstalled.contains(&event.app),
        };
        check(asked, || format!("{event:?} and nobody asked for it"))?;
        check(self.leaving.insert(event.task), || format!("{event:?} a second time"))
    }
}

fn fits(registration: &Registration, new: &NewRegistration) -> bool {
    *registration.name == *new.name
        && registration.entry == new.entry
        && registration.trigger == new.trigger
        && *registration.conditions == *new.conditions
        && registration.cancel_on_condition_loss == new.cancel_on_condition_loss
        && registration.is_network_requested == new.is_network_requested
        && registration.group == new.group
}

/// What a registration stands on.
fn facts(registration: &Registration) -> impl Iterator<Item = Fact> + '_ {
    let conditions = registration.conditions.iter().copied().map(Condition::fact);
    let always = [Fact::EnergySaver, Fact::MemoryPressure, Fact::Standby, Fact::CpuPressure];
    // AC-10: whether a device may be used depends on the battery.
    let of_device = [Fact::BatteryAbove(33), Fact::ExternalPower].into_iter();
    let of_device = of_device.filter(|_| registration.trigger == Trigger::DeviceUse);
    let its = Fact::behind(&registration.trigger).into_iter().chain(of_device).chain(conditions).chain(always);
    its.flat_map(|fact| {
        // D14: the cost of background work is not read but derived.
        let cost = [Fact::ExternalPower, Fact::Screen, Fact::EnergySaver, Fact::MemoryPressure].into_iter();
        std::iter::once(fact).chain(cost.filter(move |_| fact == Fact::WorkCost))
    })
}

/// Conditions that can never hold together: such a task waits for ever, as on Windows (CO-1).
fn is_impossible(conditions: &[Condition]) -> bool {
    let clash = |a: Condition, b: Condition| a.fact() == b.fact() && a.holds_at(true) != b.holds_at(true);
    conditions.iter().any(|a| conditions.iter().any(|b| clash(*a, *b)))
}
