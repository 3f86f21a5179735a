//! From a report of a source to accepted firings and lost conditions.

use super::Core;
use crate::activation::{Activation, ActivationState, Firing};
use crate::ids::TaskId;
use crate::model::cancel::CancellationReason;
use crate::model::fact::{Fact, Report, Zone};
use crate::model::registration::Standing;
use crate::model::trigger::{SystemTriggerType, Trigger};
use crate::output::{Change, EventKind, Output};

impl Core {
    pub(super) fn report(&mut self, report: Report) {
        if !self.facts.is_watched(report.fact()) {
            return;
        }
        match report {
            Report::TimeZone { zone, previous_offset_seconds } => self.zone_read(&zone, previous_offset_seconds),
            Report::Internet(value) => {
                self.level_read(Fact::Internet, value, Some(SystemTriggerType::InternetAvailable), None);
            }
            Report::UserPresence(value) => {
                let (up, down) = (SystemTriggerType::UserPresent, SystemTriggerType::UserAway);
                self.level_read(Fact::UserPresence, value, Some(up), Some(down));
            }
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
            self.fire(SystemTriggerType::TimeZoneChange);
        }
    }

    fn level_read(&mut self, fact: Fact, value: bool, up: Option<SystemTriggerType>, down: Option<SystemTriggerType>) {
        let before = self.facts.set_level(fact, value, self.now.wall);
        if before == Some(value) {
            return;
        }
        if before.is_some()
            && let Some(kind) = if value { up } else { down }
        {
            self.fire(kind);
        }
        self.cancel_on_condition_loss();
        self.refresh_gates();
    }

    fn fire(&mut self, fired: SystemTriggerType) {
        let listens = |task: &&super::tables::Task| {
            let Trigger::System { kind, .. } = task.registration.trigger;
            kind == fired && task.registration.standing == Standing::Active
        };
        let ids: Vec<_> = self.tasks.iter().filter(listens).map(|task| task.registration.id).collect();
        for id in ids {
            self.accept(id);
        }
    }

    /// Accepts one firing of one registration. System triggers carry nothing, so several collapse to one (D1).
    fn accept(&mut self, id: TaskId) {
        let firing = Firing::once(self.now.wall);
        let instance = self.ids.instance();
        let Some(task) = self.tasks.get_mut(id) else {
            return;
        };
        let trigger = task.registration.trigger.clone();
        let count = match &mut task.activation {
            None => {
                let state = ActivationState::Waiting { since: self.now.wall };
                task.activation = Some(Activation { instance, firing, attempt: 1, state, next: None });
                1
            }
            Some(activation) if activation.is_waiting() => {
                activation.firing = activation.firing.and_again();
                activation.firing.count
            }
            Some(activation) => {
                let next = activation.next.map_or(firing, Firing::and_again);
                activation.next = Some(next);
                next.count
            }
        };
        if trigger.one_shot() {
            task.registration.standing = Standing::Spent;
            let registration = task.registration.clone();
            self.persist(Change::PutRegistration(registration));
        }
        self.tasks.touch(id);
        self.record(id, EventKind::Fired { trigger, count });
        self.fresh_gate(id);
    }

    /// CO-3, CND-6: running instances that asked for it end with the first condition that stops holding.
    fn cancel_on_condition_loss(&mut self) {
        let lost: Vec<_> = self
            .tasks
            .occupied()
            .filter(|task| task.registration.cancel_on_condition_loss)
            .filter(|task| !self.facts.missing(&task.registration.conditions).is_empty())
            .map(|task| task.registration.id)
            .collect();
        for id in lost {
            self.cancel(id, CancellationReason::ConditionLoss);
        }
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
