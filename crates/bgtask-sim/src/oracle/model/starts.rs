//! What may start, where, and that nothing waits that could run.

use std::sync::Arc;

use bgtask_core::{
    AppId, BackgroundAccessStatus, ClientId, Entry, Fact, HostId, Registration, RunOrder, Server, Sharing, Standing,
    Trigger, WallTime,
};

use super::super::{Verdict, check};
use super::held::listens;
use super::{Model, Place, Run};

/// Until time has been looked at, whatever waits for it goes on waiting.
pub(super) const BEFORE_ANY_LOOK: WallTime = WallTime::from_micros(i64::MIN);

/// What holds the tasks of an app that has used up what it may.
pub(super) const USED_UP: &str = "its app has used up its budget";
pub(super) const TOO_MUCH_ENERGY: &str = "its app has used too much energy";

impl Model {
    pub(super) fn launches(
        &mut self,
        host: HostId,
        app: &AppId,
        program: Option<&Arc<str>>,
        client: Option<ClientId>,
    ) -> Verdict {
        let program = program.cloned();
        let place = Place { program, client, fresh: client.is_none(), ..Place::new(app.clone(), self.now.boot) };
        check(self.hosts.insert(host, place).is_none(), || format!("{host:?} is there already"))
    }

    pub(super) fn runs(&mut self, host: HostId, order: &RunOrder) -> Verdict {
        let held = self.waiting.get(&order.instance).cloned();
        let held = held.ok_or_else(|| format!("{} is run and did not wait", order.instance))?;
        let its = self.registrations.get(&held.task).ok_or("what is run is not registered")?.clone();
        let same = (order.task, &order.trigger, &order.entry) == (held.task, &its.trigger, &its.entry);
        let group = its.group.as_ref().map(|group| Arc::clone(&group.id));
        let same = same && order.name == its.name && order.group == group && order.attempt == held.attempt;
        let same = same && order.throttled == held.throttled;
        check(same, || format!("the order is {order:?}, right is {its:?} with {held:?}"))?;
        held.is_carried_by(&order.firing, listens(&its.trigger))?;
        self.socket_is_carried(order)?;
        if let Some(gate) = self.gate(&its) {
            return Err(format!("{} starts although {gate}", its.name));
        }
        let first = self.first_of(held.task).map(|(instance, _)| instance);
        check(first == Some(order.instance), || format!("{} runs, and {first:?} is first", order.instance))?;
        self.load_lets_it_start(&its)?;
        self.unfair = self.nothing_is_more_urgent(held.task).err().or(self.unfair.take());
        self.ready.remove(&held.task);
        self.stormy.remove(&held.task);
        self.waiting.remove(&order.instance);
        self.command_starts(host, held.task)?;
        check(self.running.len() < self.config.max_running, || "more run than may".into())?;
        check(order.budget == self.budget(&its), || format!("its budget is {:?}", order.budget))?;
        self.place_fits(host, &its)?;
        let place = self.hosts.get_mut(&host).expect("it fits");
        check(place.fresh != self.warm, || format!("{host:?} is said to be warm: {}", self.warm))?;
        place.fresh = false;
        (place.active, place.seen) = (self.now.boot, self.now.boot);
        let run = Run {
            task: held.task,
            since: self.now.boot,
            held,
            message: None,
            app: its.app,
            host,
            warm: self.warm,
            started: false,
            ends: self.now.boot + order.budget,
            cancelled: None,
            killing: false,
        };
        self.running.insert(order.instance, run);
        Ok(())
    }

    /// HO-5, LC-6, LC-8: one app, a program that serves the entry, and shared the way the manifest says.
    fn place_fits(&self, host: HostId, its: &Registration) -> Verdict {
        let place = self.hosts.get(&host).ok_or_else(|| format!("{host:?} is no host"))?;
        check(place.app == its.app, || format!("{host:?} is of {} and runs a task of {}", place.app, its.app))?;
        check(place.retired.is_none() && !place.killed, || format!("{host:?} is leaving and gets work"))?;
        let server = self.server(its).ok_or("nobody serves it")?;
        let own = |place: &Place| place.app == its.app && place.client.is_some() && !place.killed;
        let runs_itself = its.entry == Entry::InProcess && self.hosts.values().any(own);
        check(runs_itself == place.client.is_some(), || {
            format!("the app itself is to run it: {runs_itself}; {place:?}")
        })?;
        if place.client.is_some() || place.is_command {
            return check(!place.is_command || place.fresh, || format!("{host:?} is no host for a command: {place:?}"));
        }
        check(place.program.as_ref() == Some(&server.program), || format!("{place:?} does not serve {its:?}"))?;
        let others: Vec<_> = self.running.values().filter(|run| run.host == host).collect();
        let shared = match server.sharing {
            Sharing::InTurn => others.is_empty(),
            Sharing::Together(_) => others.iter().all(|run| run.cancelled.is_none()),
            Sharing::Apart => place.fresh,
        };
        check(shared, || format!("{host:?} cannot take {}: it has {others:?}", its.name))
    }

    /// Whatever could run does: there is no slot left, or a gate is closed.
    /// A try that failed may be repeated when time has been looked at: until then its time has not come.
    pub(super) fn nothing_waits_in_vain(&self, looked_at: WallTime) -> Verdict {
        // What is looked at in portions has its turn at once.
        if self.stopping || self.goes_on || self.running.len() >= self.config.max_running {
            return Ok(());
        }
        for (instance, held) in &self.waiting {
            let its = self.registrations.get(&held.task);
            let its = its.ok_or_else(|| format!("{instance} waits for no registration"))?;
            let held = self.gate_at(its, looked_at).is_some() || self.load_may_hold(its, looked_at);
            check(held, || format!("{} waits, and nothing holds it", its.name))?;
        }
        Ok(())
    }

    /// What holds a task, the slot left out.
    pub(super) fn gate(&self, its: &Registration) -> Option<&'static str> {
        self.gate_at(its, self.now.wall)
    }

    pub(super) fn gate_at(&self, its: &Registration, now: WallTime) -> Option<&'static str> {
        let Some(server) = self.server(its) else { return Some("nobody serves it") };
        let access = self.status(&its.app, &server.application, false);
        let level = |fact| self.levels.get(&fact).copied();
        let unknown = [Fact::EnergySaver, Fact::MemoryPressure].into_iter().any(|fact| level(fact).is_none());
        let saving = level(Fact::EnergySaver) == Some(true) && access != BackgroundAccessStatus::AlwaysAllowed;
        let maintains = matches!(its.trigger, Trigger::Maintenance { .. });
        let runs = self.running.values().any(|run| run.task == its.id);
        let first = self.first_of(its.id).map(|(_, held)| held);
        let by_hand = first.is_some_and(|held| held.firing.by_hand);
        let backs_off = first.and_then(|held| held.not_before).is_some_and(|at| at > now);
        let gates = [
            (self.is_in_servicing(&its.app), "its app is being updated"),
            (!access.allows(), "it may not run"),
            (its.paused && !by_hand && its.standing != Standing::Unregistered, "it is paused"),
            (backs_off, "it has failed and its next try comes later"),
            (unknown && !by_hand, "whether energy is saved or memory is short is not known yet"),
            (saving && !by_hand, "energy is saved"),
            (!by_hand && !self.holds_all(&its.conditions), "a condition does not hold"),
            (!by_hand && maintains && level(Fact::ExternalPower) != Some(true), "the machine runs on battery"),
            (!by_hand && level(Fact::MemoryPressure) == Some(true), "memory is short"),
            (self.throttled(&its.app).is_some() && self.is_held_by_budgets(its), USED_UP),
            (self.is_held_by_energy(its), TOO_MUCH_ENERGY),
            (!by_hand && self.is_held_in_standby(its), "the machine goes to sleep"),
            (runs && server.sharing != Sharing::Apart, "it runs already"),
        ];
        gates.into_iter().find(|(closed, _)| *closed).map(|(_, why)| why)
    }

    fn server(&self, its: &Registration) -> Option<&Server> {
        self.apps.get(&its.app).and_then(|app| app.server(&its.entry))
    }

    pub(super) fn budget(&self, its: &Registration) -> std::time::Duration {
        if let Entry::Command(command) = &its.entry {
            return command.timeout;
        }
        let trigger = &its.trigger;
        let asked = matches!(trigger, Trigger::Application | Trigger::MediaProcessing | Trigger::DeviceUse);
        let long = asked || matches!(trigger, Trigger::Maintenance { .. });
        let usual = if long { self.config.long_wall_budget } else { self.config.wall_budget };
        let granted = usual * self.policy_percent(&its.app) / 100;
        self.server(its).and_then(|server| server.budget).map_or(granted, |asked| asked.min(granted))
    }
}
