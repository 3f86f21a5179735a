//! What sources report: levels and states, their edges, and what is derived from them (D14).

use std::sync::Arc;

use bgtask_core::{AppId, Fact, Registration, Report, Standing, Subject, SystemTriggerType, TaskId, Trigger, Zone};

use super::{Model, Owed, access};

/// What the cost of background work is derived from.
const OF_COST: [Fact; 4] = [Fact::ExternalPower, Fact::Screen, Fact::EnergySaver, Fact::MemoryPressure];

impl Model {
    pub(super) fn reported(&mut self, report: &Report, owed: &mut Owed) {
        let fact = report.fact();
        if !self.watched.contains(&fact) {
            return;
        }
        match report {
            Report::TimeZone { zone, .. } => self.zone_read(zone, owed),
            Report::State(_, state) => self.state_read(fact, state, owed),
            Report::Level(_, level) => {
                self.level_read(fact, *level, owed);
                self.cost_read(owed);
            }
        }
    }

    fn level_read(&mut self, fact: Fact, level: bool, owed: &mut Owed) {
        let before = self.levels.insert(fact, level);
        if before == Some(level) {
            return;
        }
        let edge = match (fact, level) {
            (Fact::Internet, true) => Some(SystemTriggerType::InternetAvailable),
            (Fact::UserPresence, true) => Some(SystemTriggerType::UserPresent),
            (Fact::UserPresence, false) => Some(SystemTriggerType::UserAway),
            (Fact::SessionConnected, true) => Some(SystemTriggerType::SessionConnected),
            _ => None,
        };
        // What was not known before has not changed.
        if before.is_some() {
            edge.into_iter().for_each(|kind| self.all_fire(kind, owed));
            let begins = self.waiting_for(fact, level);
            self.edge_comes(begins, owed);
        }
        self.level_lost(fact, level, owed);
    }

    /// Somebody stands on the cost of background work from now on, or nobody any more.
    pub(super) fn cost_is_wanted(&mut self, owed: &mut Owed) {
        let wanted = self.registrations.values().any(|its| self.stands_on_cost(its));
        if !wanted {
            self.cost = None;
            self.levels.remove(&Fact::WorkCost);
        }
        self.wants_cost = wanted;
        self.cost_read(owed);
    }

    fn stands_on_cost(&self, its: &Registration) -> bool {
        let by_trigger = Fact::behind(&its.trigger) == Some(Fact::WorkCost);
        by_trigger || its.conditions.iter().any(|condition| condition.fact() == Fact::WorkCost)
    }

    /// D14, as a sum: on battery one step, with the screen off or energy saved there one more, short of memory one more.
    fn cost_read(&mut self, owed: &mut Owed) {
        let read = OF_COST.map(|fact| self.levels.get(&fact).copied());
        let [Some(power), Some(screen), Some(saver), Some(pressure)] = read else { return };
        if !self.wants_cost {
            return;
        }
        let on_battery = if power { 0 } else { 1 + u8::from(!screen || saver) };
        let cost = (on_battery + u8::from(pressure)).min(2);
        let before = self.cost.replace(cost);
        if before == Some(cost) {
            return;
        }
        if before.is_some() {
            self.all_fire(SystemTriggerType::BackgroundWorkCostChange, owed);
        }
        self.level_read(Fact::WorkCost, cost != 2, owed);
    }

    /// Every change of a state is an edge; the first report is one only where the last life had read something else.
    fn state_read(&mut self, fact: Fact, state: &Arc<str>, owed: &mut Owed) {
        let before = self.states.insert(fact, Arc::clone(state));
        // What an account was is remembered over the lives of a broker: a change meanwhile is one.
        if matches!(fact, Fact::OnlineAccounts | Fact::DefaultAccount) {
            self.settings.states.insert(fact, Arc::clone(state));
        }
        if before.is_none() || before.as_ref() == Some(state) {
            return;
        }
        let kind = match fact {
            Fact::NetworkState => SystemTriggerType::NetworkStateChange,
            Fact::PowerState => SystemTriggerType::PowerStateChange,
            Fact::OnlineAccounts => SystemTriggerType::OnlineIdConnectedStateChange,
            _ => SystemTriggerType::DefaultSignInAccountChange,
        };
        self.all_fire(kind, owed);
    }

    /// What nobody cares for any more must not decide later, also where it was last cared for in another life.
    pub(super) fn forget_what_nobody_needs(&mut self) {
        if self.begun {
            let watched = &self.watched;
            self.states.retain(|fact, _| watched.contains(fact));
            self.settings.states.retain(|fact, _| watched.contains(fact));
            self.settings.zone.take_if(|_| !watched.contains(&Fact::TimeZone));
        }
    }

    /// Another zone than the known one may fire, and moves the calendars that follow it.
    fn zone_read(&mut self, zone: &Zone, owed: &mut Owed) {
        let listening = self.listening(SystemTriggerType::TimeZoneChange, None).into_iter();
        owed.may_fire = listening.filter(|task| !self.registrations[task].paused).collect();
        if self.settings.zone.as_ref() != Some(zone) {
            self.settings.zone = Some(zone.clone());
            self.plan_again(|its| matches!(its.trigger, Trigger::Calendar { zone: None, .. }), owed);
        }
    }

    /// The registrations that a condition fires which begins to hold.
    fn waiting_for(&self, fact: Fact, level: bool) -> Vec<TaskId> {
        let begins = |it: &&Registration| match it.trigger {
            Trigger::Condition { condition, .. } => {
                condition.fact() == fact && access::wanted(condition) == level && it.standing == Standing::Active
            }
            _ => false,
        };
        self.registrations.values().filter(begins).map(|it| it.id).collect()
    }

    fn all_fire(&mut self, kind: SystemTriggerType, owed: &mut Owed) {
        let listening = self.listening(kind, None);
        self.edge_comes(listening, owed);
    }

    /// The registrations a system trigger fires.
    pub(super) fn listening(&self, wanted: SystemTriggerType, only: Option<&AppId>) -> Vec<TaskId> {
        let listens = |it: &&Registration| {
            matches!(it.trigger, Trigger::System { kind, .. } if kind == wanted)
                && it.standing == Standing::Active
                && only.is_none_or(|app| *app == it.app)
        };
        self.registrations.values().filter(listens).map(|it| it.id).collect()
    }
}

/// Whether that is what a trigger listens to.
pub(super) fn is_about(subject: &Subject, trigger: &Trigger) -> bool {
    match (subject, trigger) {
        (Subject::Path(watch), Trigger::Path { watch: its, .. }) => watch == its,
        (Subject::Events { class, properties }, Trigger::Event { class: its, properties: named, .. }) => {
            class == its && properties == named
        }
        (Subject::Events { class, properties }, Trigger::System { kind: SystemTriggerType::SmsReceived, .. }) => {
            *class == bgtask_core::EventClass::SmsMessageReceived && properties.is_empty()
        }
        _ => false,
    }
}
