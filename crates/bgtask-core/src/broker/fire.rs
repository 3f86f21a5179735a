//! From a report of a source to accepted firings and lost conditions.

use super::{Core, Task};
use crate::activation::{Activation, ActivationState, Firing};
use crate::event::EventKind;
use crate::ids::{AppId, TaskId};
use crate::model::fact::{Fact, Report, Zone};
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
            Report::Internet(value)
            | Report::UserPresence(value)
            | Report::ExternalPower(value)
            | Report::EnergySaver(value)
            | Report::MemoryPressure(value) => self.level_read(report.fact(), value),
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
        }
        if known_before.is_some() && offset_before.is_some_and(|offset| offset != zone.offset_seconds) {
            self.fire(SystemTriggerType::TimeZoneChange, None);
        }
    }

    fn level_read(&mut self, fact: Fact, value: bool) {
        let before = self.facts.set_level(fact, value, self.now.wall);
        if before == Some(value) {
            return;
        }
        if before.is_some()
            && let Some(kind) = edge(fact, value)
        {
            self.fire(kind, None);
        }
        match (fact, value) {
            (Fact::EnergySaver, true) => self.cancel_for_energy_saver(),
            (Fact::MemoryPressure, true) => self.cancel_for_memory(),
            (Fact::ExternalPower, false) => self.cancel_maintenance(),
            _ => {}
        }
        self.cancel_on_condition_loss();
        self.refresh_gates();
    }

    /// Fires a system trigger: for everybody, or for one app.
    pub(super) fn fire(&mut self, fired: SystemTriggerType, only: Option<&AppId>) {
        let listens = |task: &&Task| {
            let its = &task.registration;
            matches!(its.trigger, Trigger::System { kind, .. } if kind == fired)
                && its.standing == Standing::Active
                && only.is_none_or(|app| *app == its.app)
        };
        let ids: Vec<_> = self.tasks.iter().filter(listens).map(|task| task.registration.id).collect();
        for id in ids {
            self.accept(id, None);
        }
    }

    /// Accepts one firing of one registration. Triggers that carry nothing collapse to one that waits (D1).
    pub(super) fn accept(&mut self, id: TaskId, details: Option<Details>) {
        let instance = self.ids.instance();
        let now = self.now.wall;
        let Some(task) = self.tasks.get_mut(id) else {
            return;
        };
        let trigger = task.registration.trigger.clone();
        let spent = trigger.one_shot() && task.registration.standing == Standing::Active;
        if spent {
            task.registration.standing = Standing::Spent;
        }
        let (instance, count) = match self.tasks.last_waiting_mut(id) {
            Some(waiting) if details.is_none() => {
                waiting.firing.count = waiting.firing.count.saturating_add(1);
                (waiting.instance, waiting.firing.count)
            }
            _ => {
                let firing = Firing { at: now, count: 1, details };
                let state = ActivationState::Waiting { since: now };
                self.tasks.wait(id, Activation { instance, firing, attempt: 1, state });
                (instance, 1)
            }
        };
        if spent {
            self.persist_registration(id);
        }
        self.record(id, Some(instance), EventKind::Fired { trigger, count });
        self.fresh_gate(id);
    }

    /// Starts and stops sources so that exactly the needed facts are watched.
    pub(super) fn settle_sources(&mut self) {
        let (started, stopped) = self.facts.settle();
        self.outputs.extend(started.into_iter().map(Output::Watch));
        for fact in stopped {
            if fact == Fact::TimeZone && self.facts.zone.take().is_some() {
                self.persist(Change::DeleteZone);
            }
            self.outputs.push_back(Output::Unwatch(fact));
        }
    }
}

/// The system trigger that a level fires when it becomes this.
const fn edge(fact: Fact, value: bool) -> Option<SystemTriggerType> {
    match (fact, value) {
        (Fact::Internet, true) => Some(SystemTriggerType::InternetAvailable),
        (Fact::UserPresence, true) => Some(SystemTriggerType::UserPresent),
        (Fact::UserPresence, false) => Some(SystemTriggerType::UserAway),
        _ => None,
    }
}
