//! Every decision a second time: what one input must bring about, and that nothing else comes of it.
//!
//! It is written from the rules, not from the core: plain sets, everything looked at anew for every input.

mod access;
mod ends;
mod requests;
mod servicing;
mod starts;
mod timers;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bgtask_core::{
    Activation, ActivationState, App, AppAccess, AppId, AppVersion, BootTime, CancellationReason, Change, ClientId,
    Config, Details, Event, EventKind, Fact, Firing, HostId, Input, InstanceId, Now, Outcome, Output, Policy,
    Registration, Report, RequestId, Snapshot, SourceStatus, Standing, SystemTriggerType, TaskId, Trigger,
};

use super::{Verdict, check};
use crate::driver::Turn;

/// An instance that was given to a host.
#[derive(Clone, Debug)]
struct Run {
    task: TaskId,
    app: AppId,
    host: HostId,
    warm: bool,
    started: bool,
    /// Its budget, later its grace, ends then.
    ends: BootTime,
    cancelled: Option<CancellationReason>,
    killing: bool,
}

/// A host as the core has to know it.
#[derive(Clone, Debug)]
struct Place {
    app: AppId,
    /// The program that was launched; `None` is the app itself.
    program: Option<Arc<str>>,
    client: Option<ClientId>,
    /// It has not had an instance yet.
    fresh: bool,
    /// It was asked to leave, and is killed then.
    retired: Option<BootTime>,
    killed: bool,
    condemned_by: Option<Arc<str>>,
    /// What it had used, and until when it did something.
    cpu: std::time::Duration,
    io: u64,
    active: BootTime,
    asked: bool,
}

/// What is kept besides registrations and activations.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Settings {
    versions: BTreeMap<AppId, AppVersion>,
    access: BTreeMap<AppId, AppAccess>,
    switched_off: bool,
}

/// What one input must bring about. Everything is taken off when it comes; what is left at the end did not come.
#[derive(Debug, Default)]
struct Owed {
    cancels: BTreeMap<InstanceId, CancellationReason>,
    outcomes: BTreeMap<InstanceId, Outcome>,
    fired: BTreeMap<TaskId, u32>,
    /// These may fire, all or none.
    may_fire: BTreeSet<TaskId>,
    details: Option<Details>,
    leaving: BTreeSet<TaskId>,
    adopts: Option<(ClientId, AppId)>,
    answer: Option<(RequestId, requests::Answer)>,
    samples: BTreeSet<HostId>,
    kills: BTreeSet<HostId>,
}

#[derive(Debug, Default)]
pub(super) struct Model {
    config: Config,
    now: Now,
    begun: bool,
    stopping: bool,
    apps: BTreeMap<AppId, App>,
    policy: Policy,
    settings: Settings,
    /// The same as the core has written it.
    kept: Settings,
    session: Arc<str>,
    levels: BTreeMap<Fact, bool>,
    watched: BTreeSet<Fact>,
    /// Facts whose source says that it cannot know them.
    missing: BTreeSet<Fact>,
    registrations: BTreeMap<TaskId, Registration>,
    rows: BTreeMap<InstanceId, (TaskId, Activation)>,
    waiting: BTreeMap<InstanceId, (TaskId, Firing)>,
    running: BTreeMap<InstanceId, Run>,
    hosts: BTreeMap<HostId, Place>,
    questions: BTreeMap<RequestId, (AppId, String, bool)>,
    /// Whether the last start recorded was in a host that was there already.
    warm: bool,
}

impl Model {
    pub(super) fn new(config: Config) -> Self {
        Self { config, ..Self::default() }
    }

    /// Only what is durable is known to a new broker, and what the world tells it.
    pub(super) fn life_begins(&mut self, policy: &Policy, snapshot: &Snapshot) {
        let rows = snapshot.activations.iter().map(|(task, it)| (it.instance, (*task, it.clone())));
        let settings = Settings {
            versions: snapshot.versions.iter().cloned().collect(),
            access: snapshot.access.iter().cloned().collect(),
            switched_off: snapshot.switched_off,
        };
        *self = Self {
            config: self.config.clone(),
            policy: policy.clone(),
            kept: settings.clone(),
            settings,
            session: Arc::clone(&snapshot.session),
            registrations: snapshot.registrations.iter().map(|it| (it.id, it.clone())).collect(),
            rows: rows.collect(),
            ..Self::default()
        };
    }

    pub(super) fn decided(&mut self, turn: &Turn) -> Verdict {
        self.now = turn.now;
        let mut owed = Owed::default();
        self.expect(&turn.input, &mut owed);
        for output in &turn.outputs {
            self.came(output, &mut owed)?;
        }
        owed.is_settled()?;
        if self.begun { self.is_consistent() } else { Ok(()) }
    }

    /// What is true whenever everything that waited was handled.
    pub(super) fn turn_is_over(&self) -> Verdict {
        let stays = |it: &&Registration| it.standing != Standing::Unregistered && !self.apps.contains_key(&it.app);
        let stays = self.registrations.values().find(stays);
        check(stays.is_none(), || format!("its app is removed, and it is still listed: {stays:?}"))
    }

    /// Takes in what happened and notes what has to come of it.
    fn expect(&mut self, input: &Input, owed: &mut Owed) {
        match input {
            Input::Restore(_) => self.restored(owed),
            Input::Tick => self.time_passed(owed),
            Input::CaughtUp => self.caught_up(),
            Input::Stop => {
                self.stopping = true;
                self.cancel_where(owed, CancellationReason::LoggingOff, |_, _| true);
                let idle = |host: &HostId| !self.running.values().any(|run| run.host == *host);
                let gone: Vec<_> = self.hosts.keys().copied().filter(idle).collect();
                self.hosts.retain(|host, place| place.client.is_none() || !gone.contains(host));
            }
            Input::AppInstalled(app) => self.installed(app, owed),
            Input::AppRemoved(app) => self.removed(app, owed),
            Input::Policy(policy) => {
                self.policy = policy.clone();
                self.end_what_is_denied(owed);
            }
            Input::Consent(id, consent) => self.consented(*id, consent, owed),
            Input::Report(report) => self.reported(report, owed),
            Input::Request(id, request) => self.requested(*id, request, owed),
            Input::Attach { client, app, activates } => {
                let known = self.hosts.values().any(|place| place.client == Some(*client));
                let adopts = *activates && !self.stopping && !known && self.apps.contains_key(app);
                owed.adopts = adopts.then(|| (*client, app.clone()));
            }
            Input::Detach(client) => self.client_gone(*client, owed),
            Input::HostStarted(host, instance) => self.started(*host, *instance),
            Input::HostProgress(host, instance, _) => self.progressed(*host, *instance),
            Input::HostFinished(host, instance, result) => self.finished(*host, *instance, result, owed),
            Input::HostUsage { host, cpu, io } => self.used(*host, *cpu, *io, owed),
            Input::HostExited { host, exit, output_tail } => self.exited(*host, exit, output_tail, owed),
            Input::SourceStatus(fact, SourceStatus::Missing { .. }) if self.watched.contains(fact) => {
                self.missing.insert(*fact);
            }
            Input::SourceStatus(fact, _) => drop(self.missing.remove(fact)),
        }
    }

    fn reported(&mut self, report: &Report, owed: &mut Owed) {
        let fact = report.fact();
        if !self.watched.contains(&fact) {
            return;
        }
        let level = match *report {
            Report::TimeZone { .. } => {
                owed.may_fire = self.listening(SystemTriggerType::TimeZoneChange, None).into_iter().collect();
                return;
            }
            Report::Internet(level)
            | Report::UserPresence(level)
            | Report::ExternalPower(level)
            | Report::EnergySaver(level)
            | Report::MemoryPressure(level) => level,
        };
        let before = self.levels.insert(fact, level);
        if before == Some(level) {
            return;
        }
        let edge = match (fact, level) {
            (Fact::Internet, true) => Some(SystemTriggerType::InternetAvailable),
            (Fact::UserPresence, true) => Some(SystemTriggerType::UserPresent),
            (Fact::UserPresence, false) => Some(SystemTriggerType::UserAway),
            _ => None,
        };
        for task in edge.filter(|_| before.is_some()).map(|kind| self.listening(kind, None)).unwrap_or_default() {
            owed.fires(task);
        }
        self.level_lost(fact, level, owed);
    }

    /// The registrations a system trigger fires.
    fn listening(&self, wanted: SystemTriggerType, only: Option<&AppId>) -> Vec<TaskId> {
        let listens = |it: &&Registration| {
            matches!(it.trigger, Trigger::System { kind, .. } if kind == wanted)
                && it.standing == Standing::Active
                && only.is_none_or(|app| *app == it.app)
        };
        self.registrations.values().filter(listens).map(|it| it.id).collect()
    }

    /// Takes in what the core made of it.
    fn came(&mut self, output: &Output, owed: &mut Owed) -> Verdict {
        match output {
            Output::Persist(change) => self.changed(change, owed),
            Output::Reply(id, reply) => owed.answers(*id, reply),
            Output::Watch(fact) => check(self.watched.insert(*fact), || format!("{fact} is watched twice")),
            Output::Unwatch(fact) => {
                self.levels.remove(fact);
                self.missing.remove(fact);
                check(self.watched.remove(fact), || format!("{fact} was not watched"))
            }
            Output::Launch { host, app, program } => self.launches(*host, app, Some(program), None),
            Output::Adopt { host, client } => match owed.adopts.take() {
                Some((wanted, app)) if wanted == *client => self.launches(*host, &app, None, Some(*client)),
                other => Err(format!("{client:?} is adopted, {other:?} is to be")),
            },
            Output::Run(host, order) => self.runs(*host, order),
            Output::Cancel(host, instance, notice) => {
                let wanted = owed.cancels.remove(instance);
                check(wanted == Some(notice.reason), || format!("told to stop: {notice}; to be is {wanted:?}"))?;
                let place = self.running.get(instance).map(|run| run.host);
                check(place == Some(*host), || format!("{instance} is told to stop on {host:?} and runs on {place:?}"))
            }
            Output::Sample(host) => check(owed.samples.remove(host), || format!("{host:?} is not silent")),
            Output::Ask { request, .. } => match owed.answer.take() {
                Some((id, requests::Answer::Question)) if id == *request => Ok(()),
                other => Err(format!("the user is asked about {request:?}, to be is {other:?}")),
            },
            Output::Retire(host) | Output::Kill(host) => self.leaves(*host, matches!(output, Output::Kill(_)), owed),
            Output::Deliver(..) | Output::Wake(_) => Ok(()),
        }
    }

    fn changed(&mut self, change: &Change, owed: &mut Owed) -> Verdict {
        match change {
            Change::PutRegistration(registration) => {
                self.due_is_right(registration)?;
                self.registrations.insert(registration.id, registration.clone());
            }
            Change::DeleteRegistration(id) => drop(self.registrations.remove(id)),
            Change::PutActivation(id, activation) => {
                let details = &activation.firing.details;
                let kept = self.waiting.get(&activation.instance).is_none_or(|(_, firing)| firing.details == *details);
                check(kept, || format!("its details changed: {activation:?}"))?;
                self.rows.insert(activation.instance, (*id, activation.clone()));
            }
            Change::DeleteActivation(instance) => drop(self.rows.remove(instance)),
            Change::PutAccess(app, access) => drop(self.kept.access.insert(app.clone(), access.clone())),
            Change::DeleteAccess(app) => drop(self.kept.access.remove(app)),
            Change::PutSwitchedOff(value) => self.kept.switched_off = *value,
            Change::PutVersion(app, version) => drop(self.kept.versions.insert(app.clone(), version.clone())),
            Change::DeleteVersion(app) => drop(self.kept.versions.remove(app)),
            Change::Record(event) => self.recorded(event, owed)?,
            _ => {}
        }
        Ok(())
    }

    fn recorded(&mut self, event: &Event, owed: &mut Owed) -> Verdict {
        let instance = || event.instance.ok_or_else(|| format!("{event:?} is about no instance"));
        match &event.kind {
            EventKind::Fired { count, .. } => self.fired(event.task, instance()?, *count, owed)?,
            EventKind::Started { warm, .. } => self.warm = *warm,
            EventKind::Completed { outcome, .. } => {
                let wanted = owed.outcomes.remove(&instance()?);
                check(wanted.as_ref() == Some(outcome), || format!("the outcome is {outcome:?}, to be is {wanted:?}"))?;
            }
            EventKind::Dropped => {
                let standing = self.registrations.get(&event.task).map(|it| it.standing);
                let left = standing == Some(Standing::Unregistered);
                check(left && self.waiting.remove(&instance()?).is_some(), || format!("{event:?} without a reason"))?;
            }
            EventKind::Unregistered(_) => {
                check(owed.leaving.remove(&event.task), || format!("{event:?} without a reason"))?;
                self.registrations.get_mut(&event.task).expect("it leaves").standing = Standing::Unregistered;
            }
            _ => {}
        }
        Ok(())
    }

    fn is_consistent(&self) -> Verdict {
        let waits = |activation: &Activation| matches!(activation.state, ActivationState::Waiting { .. });
        let waiting: BTreeSet<_> = self.rows.values().filter(|(_, it)| waits(it)).map(|(_, it)| it.instance).collect();
        check(waiting.iter().eq(self.waiting.keys()), || {
            format!("written as waiting are {waiting:?}, waiting are {:?}", self.waiting)
        })?;
        let running: Vec<_> = self.rows.values().filter_map(|(_, it)| Some((it.instance, it.state.host()?))).collect();
        check(running.iter().copied().eq(self.running.iter().map(|(id, run)| (*id, run.host))), || {
            format!("written as running are {running:?}, running are {:?}", self.running)
        })?;
        check(self.settings == self.kept, || format!("kept is {:?}, right is {:?}", self.kept, self.settings))?;
        self.nothing_waits_in_vain()
    }
}

impl Owed {
    fn fires(&mut self, task: TaskId) {
        *self.fired.entry(task).or_default() += 1;
    }

    fn is_settled(&self) -> Verdict {
        let nothing = self.cancels.is_empty()
            && self.outcomes.is_empty()
            && self.fired.is_empty()
            && self.leaving.is_empty()
            && self.adopts.is_none()
            && self.answer.is_none()
            && self.samples.is_empty()
            && self.kills.is_empty();
        check(nothing, || format!("this was to come and did not: {self:?}"))
    }
}
