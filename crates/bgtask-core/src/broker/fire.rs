//! From a report of a source to accepted firings and lost conditions.

use std::sync::Arc;
use std::time::Duration;

use super::tables::Occasion;
use super::{Core, Task};
use crate::activation::{Activation, Firing};
use crate::event::{Cause, EventKind};
use crate::ids::{AppId, InstanceId, SocketKey, TaskId};
use crate::model::edge::EdgeKind;
use crate::model::fact::{Fact, LOGGED_OFF, Report, Zone};
use crate::model::registration::Standing;
use crate::model::trigger::{Details, SystemTriggerType, Trigger};
use crate::output::{Change, Output};

impl Core {
    pub(super) fn report(&mut self, report: &Report) {
        if !self.facts.is_watched(report.fact()) {
            return;
        }
        match *report {
            Report::TimeZone { ref zone, previous_offset_seconds } => self.zone_read(zone, previous_offset_seconds),
            Report::Level(fact, value) => {
                self.level_read(fact, value);
                if Fact::WorkCost.ingredients().contains(&fact) {
                    self.cost_read();
                }
            }
            Report::State(Fact::SessionConnected, ref word) => self.session_read(word),
            Report::State(fact, ref state) => self.state_read(fact, state),
        }
    }

    /// SYS-3: only a zone that makes the wall clock show another time is an edge.
    ///
    /// The first report of a source says nothing about before; then the zone remembered from the broker's last life decides.
    fn zone_read(&mut self, zone: &Zone, previous_offset_seconds: Option<i32>) {
        let before = self.facts.zone.replace(zone.clone());
        let known_before = before.as_ref().filter(|before| before.identity != zone.identity);
        let offset_before = previous_offset_seconds.or(known_before.map(|before| before.offset_seconds));
        if before.as_ref() != Some(zone) {
            self.persist(Change::PutZone(zone.clone()));
            self.plan_again(true);
        }
        if known_before.is_some() && offset_before.is_some_and(|offset| offset != zone.offset_seconds) {
            self.fire(SystemTriggerType::TimeZoneChange, None);
        }
    }

    pub(super) fn level_read(&mut self, fact: Fact, value: bool) {
        let before = self.facts.set_level(fact, value, self.now.wall);
        let logs_in = fact == Fact::SessionConnected && self.facts.states.remove(&fact).is_some();
        if before == Some(value) {
            if logs_in && value {
                self.fire(SystemTriggerType::SessionConnected, None);
            }
            return;
        }
        if before.is_some()
            && let Some(kind) = edge(fact, value)
        {
            self.fire(kind, None);
        }
        if before.is_some() {
            self.edge(EdgeKind::Condition(fact, value));
        }
        match (fact, value) {
            (Fact::EnergySaver, saving) => {
                if saving {
                    self.cancel_for_energy_saver();
                }
                self.stretch_anew();
            }
            (Fact::MemoryPressure, true) => self.cancel_for_memory(),
            (Fact::ExternalPower, false) => self.cancel_maintenance(),
            (Fact::Standby, false) => {
                self.look_at_sockets();
                self.look_at_channels();
            }
            _ => {}
        }
        self.cancel_on_condition_loss();
        self.refresh_gates();
    }

    /// CND-3: to log off is not to disconnect, so the level stays; but whoever is connected next has logged in.
    fn session_read(&mut self, word: &Arc<str>) {
        if &**word == LOGGED_OFF && self.facts.levels().get(Fact::SessionConnected).is_some() {
            self.facts.states.insert(Fact::SessionConnected, Arc::clone(word));
        }
    }

    /// Fires a system trigger: for everybody, or for one app.
    pub(super) fn fire(&mut self, fired: SystemTriggerType, only: Option<&AppId>) {
        self.edge(EdgeKind::System(fired, only.cloned()));
    }

    /// Fires what waits for a new session of the user, once in each.
    pub(super) fn begin_session(&mut self) {
        let new = |task: &&Task| {
            let its = &task.registration;
            its.standing == Standing::Active && its.counted_in.as_ref() != Some(&self.session)
        };
        let ids: Vec<_> =
            self.tasks.concerned(&Occasion::Session).filter(new).map(|task| task.registration.id).collect();
        for id in ids {
            self.tasks.get_mut(id).expect("just seen").registration.counted_in = Some(self.session.clone());
            self.persist_registration(id);
            self.accept(id, Occurrence::default());
        }
    }

    /// Accepts one firing of one registration. Triggers that carry nothing collapse to one that waits (D1); what others carry
    /// is gathered there, in order, as far as there is room. Answers which activation it is.
    pub(super) fn accept(&mut self, id: TaskId, what: Occurrence) -> Option<InstanceId> {
        let by_hand = what.cause == Cause::Hand;
        if self.tasks.get(id).is_some_and(|task| task.registration.paused && !by_hand) {
            return None;
        }
        let now = self.now.wall;
        let new = self.ids.instance(now);
        let registration = &self.tasks.get(id)?.registration;
        let trigger = registration.trigger.clone();
        let spent = trigger.one_shot() && !by_hand && registration.standing == Standing::Active;
        let cause = what.cause;
        let (instance, count) = match self.tasks.last_waiting_mut(id) {
            Some(waiting) if waiting.firing.may_gather(&what, &trigger) => {
                waiting.firing.gather(what);
                (waiting.instance, waiting.firing.count)
            }
            _ => {
                let mut firing =
                    Firing { at: now, count: 0, details: None, lost: 0, by_hand: false, socket: what.socket };
                firing.gather(what);
                let count = firing.count;
                self.tasks.wait(id, Activation::new(new, firing, now));
                (new, count)
            }
        };
        if spent {
            self.spend(id);
        }
        // A short interval that is held for long would push everything else out of the history.
        let often =
            matches!((&trigger, cause), (Trigger::Interval { every, .. }, Cause::Timer { .. }) if *every < OFTEN);
        let again = count > 1 && often;
        if !again {
            self.record(id, Some(instance), EventKind::Fired { trigger, count, cause });
        }
        if let Cause::Timer { shared } = cause {
            self.charge_energy_of_wake(id, shared);
        }
        self.fresh_gate(id);
        Some(instance)
    }

    /// D6: a one-shot has fired, and fires no more.
    fn spend(&mut self, id: TaskId) {
        self.tasks.get_mut(id).expect("it has fired").registration.standing = Standing::Spent;
        self.unlisten(id);
        self.orphan_sockets(id);
        self.arm(id);
        self.persist_registration(id);
    }

    /// Starts and stops sources so that exactly the needed facts are watched.
    pub(super) fn settle_sources(&mut self) {
        let (started, stopped) = self.facts.settle();
        let with_source = |fact: &Fact| fact.ingredients().is_empty();
        self.outputs.extend(started.iter().copied().filter(with_source).map(Output::Watch));
        if started.contains(&Fact::WorkCost) {
            self.cost_read();
        }
        for fact in stopped {
            self.forget_fact(fact);
            if with_source(&fact) {
                self.outputs.push_back(Output::Unwatch(fact));
            }
        }
    }

    /// Nobody cares any more: what it was then must not decide later.
    pub(super) fn forget_fact(&mut self, fact: Fact) {
        if fact == Fact::TimeZone && self.facts.zone.take().is_some() {
            self.persist(Change::DeleteZone);
        }
        self.forget_state(fact);
    }
}

/// A shorter interval is not told again while it is held.
const OFTEN: Duration = Duration::from_secs(900);

/// What fired, once or several times.
pub(super) struct Occurrence {
    pub(super) details: Option<Details>,
    pub(super) count: u32,
    pub(super) lost: u32,
    pub(super) cause: Cause,
    /// The user asked for it, whatever it would wait for.
    pub(super) by_hand: bool,
    /// The descriptor that goes with it.
    pub(super) socket: Option<SocketKey>,
}

impl Default for Occurrence {
    fn default() -> Self {
        Self { details: None, count: 1, lost: 0, cause: Cause::World, by_hand: false, socket: None }
    }
}

/// The system trigger that a level fires when it becomes this.
const fn edge(fact: Fact, value: bool) -> Option<SystemTriggerType> {
    match (fact, value) {
        (Fact::Internet, true) => Some(SystemTriggerType::InternetAvailable),
        (Fact::UserPresence, true) => Some(SystemTriggerType::UserPresent),
        (Fact::UserPresence, false) => Some(SystemTriggerType::UserAway),
        (Fact::SessionConnected, true) => Some(SystemTriggerType::SessionConnected),
        _ => None,
    }
}
