//! What may start, where, and that nothing waits that could run.

use std::sync::Arc;

use bgtask_core::{
    AppId, BackgroundAccessStatus, ClientId, Entry, Fact, Firing, HostId, InstanceId, Registration, RunOrder, Server,
    Sharing, Standing, TaskId, Trigger,
};

use super::super::{Verdict, check};
use super::{Model, Owed, Place, Run};

impl Model {
    pub(super) fn fired(&mut self, task: TaskId, instance: InstanceId, count: u32, owed: &mut Owed) -> Verdict {
        if owed.may_fire.contains(&task) {
            std::mem::take(&mut owed.may_fire).into_iter().for_each(|task| owed.fires(task));
        }
        let left = owed.fired.get_mut(&task).ok_or_else(|| format!("{task} fires without a reason"))?;
        *left -= 1;
        owed.fired.retain(|_, left| *left > 0);
        let standing = self.registrations.get(&task).map(|it| it.standing);
        check(standing.is_some_and(|it| it != Standing::Unregistered), || format!("{task} fires and is {standing:?}"))?;
        if count == 1 {
            let details = owed.details.take();
            let firing = Firing { at: self.now.wall, count, details };
            let fresh = !self.rows.contains_key(&instance) && !self.waiting.contains_key(&instance);
            self.waiting.insert(instance, (task, firing));
            return check(fresh, || format!("{instance} is taken for a new firing and is an old one"));
        }
        let (its, firing) = self.waiting.get_mut(&instance).ok_or_else(|| format!("{instance} does not wait"))?;
        firing.count += 1;
        check(*its == task && firing.count == count, || format!("{count} firings are held in one, right is {firing:?}"))
    }

    pub(super) fn launches(
        &mut self,
        host: HostId,
        app: &AppId,
        program: Option<&Arc<str>>,
        client: Option<ClientId>,
    ) -> Verdict {
        let place = Place {
            app: app.clone(),
            program: program.cloned(),
            client,
            fresh: client.is_none(),
            retired: None,
            killed: false,
            condemned_by: None,
            cpu: std::time::Duration::ZERO,
            io: 0,
            active: self.now.boot,
            asked: false,
        };
        check(self.hosts.insert(host, place).is_none(), || format!("{host:?} is there already"))
    }

    pub(super) fn runs(&mut self, host: HostId, order: &RunOrder) -> Verdict {
        let waiting = self.waiting.remove(&order.instance);
        let (task, firing) = waiting.ok_or_else(|| format!("{} is run and did not wait", order.instance))?;
        let its = self.registrations.get(&task).ok_or("what is run is not registered")?.clone();
        let same =
            (order.task, &order.firing, &order.trigger, &order.entry) == (task, &firing, &its.trigger, &its.entry);
        let group = its.group.as_ref().map(|group| Arc::clone(&group.id));
        check(same && order.name == its.name && order.group == group, || {
            format!("the order is {order:?}, right is {its:?} with {firing:?}")
        })?;
        if let Some(gate) = self.gate(&its) {
            return Err(format!("{} starts although {gate}", its.name));
        }
        check(self.running.len() < self.config.max_running, || "more run than may".into())?;
        check(order.budget == self.budget(&its.trigger), || format!("its budget is {:?}", order.budget))?;
        self.place_fits(host, &its)?;
        let place = self.hosts.get_mut(&host).expect("it fits");
        check(place.fresh != self.warm, || format!("{host:?} is said to be warm: {}", self.warm))?;
        place.fresh = false;
        place.active = self.now.boot;
        let run = Run {
            task,
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
        if place.client.is_some() {
            return Ok(());
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
    pub(super) fn nothing_waits_in_vain(&self) -> Verdict {
        if self.stopping || self.running.len() >= self.config.max_running {
            return Ok(());
        }
        for (instance, (task, _)) in &self.waiting {
            let its = self.registrations.get(task).ok_or_else(|| format!("{instance} waits for no registration"))?;
            check(self.gate(its).is_some(), || format!("{} waits, and nothing holds it", its.name))?;
        }
        Ok(())
    }

    /// What holds a task, the slot left out.
    fn gate(&self, its: &Registration) -> Option<&'static str> {
        let Some(server) = self.server(its) else { return Some("nobody serves it") };
        let access = self.status(&its.app, &server.application, false);
        let level = |fact| self.levels.get(&fact).copied();
        let unknown = [Fact::EnergySaver, Fact::MemoryPressure].into_iter().any(|fact| level(fact).is_none());
        let saving = level(Fact::EnergySaver) == Some(true) && access != BackgroundAccessStatus::AlwaysAllowed;
        let maintains = matches!(its.trigger, Trigger::Maintenance { .. });
        let runs = self.running.values().any(|run| run.task == its.id);
        let gates = [
            (self.is_in_servicing(&its.app), "its app is being updated"),
            (!access.allows(), "it may not run"),
            (unknown, "whether energy is saved or memory is short is not known yet"),
            (saving, "energy is saved"),
            (!self.holds_all(&its.conditions), "a condition does not hold"),
            (maintains && level(Fact::ExternalPower) != Some(true), "the machine runs on battery"),
            (level(Fact::MemoryPressure) == Some(true), "memory is short"),
            (runs && server.sharing != Sharing::Apart, "it runs already"),
        ];
        gates.into_iter().find(|(closed, _)| *closed).map(|(_, why)| why)
    }

    fn server(&self, its: &Registration) -> Option<&Server> {
        self.apps.get(&its.app).and_then(|app| app.server(&its.entry))
    }

    pub(super) fn budget(&self, trigger: &Trigger) -> std::time::Duration {
        let long = matches!(trigger, Trigger::Application | Trigger::MediaProcessing | Trigger::Maintenance { .. });
        if long { self.config.long_wall_budget } else { self.config.wall_budget }
    }
}
