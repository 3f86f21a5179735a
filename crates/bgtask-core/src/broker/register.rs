//! Registering and unregistering: everything a caller can get wrong is refused in `check` (BLD-5, RE-3).

mod check;

use std::sync::Arc;

use super::sockets::wakes_for_sockets;
use super::{Core, Task};
use crate::event::EventKind;
use crate::ids::{AppId, TaskId};
use crate::input::Request;
use crate::model::cancel::CancellationReason;
use crate::model::fleet::OrderResult;
use crate::model::registration::{NewRegistration, Registration, Standing, Unregistration};
use crate::model::trigger::Trigger;
use crate::output::{Change, Reply, Update};
use crate::refusal::Refusal;

impl Core {
    /// Whether a request to register would be refused for what is known already, however well its events can be heard.
    pub fn refuses(&self, request: &Request) -> bool {
        match request {
            Request::Register(app, new) => self.check(app, new).is_err(),
            Request::RegisterOrUpdate(app, new) => {
                self.check_replacing(app, new, &self.of_that_name(app, new)).is_err()
            }
            _ => false,
        }
    }

    pub(super) fn register(&mut self, app: &AppId, new: NewRegistration) -> Result<TaskId, Refusal> {
        self.check(app, &new)?;
        let is_command = new.entry.command().is_some();
        if is_command && self.tasks.of_app(app).any(|task| *task.registration.name == *new.name && is_listed(task)) {
            return Err(Refusal::NameTaken(new.name));
        }
        Ok(self.enter(app, new, None))
    }

    pub(super) fn enter(&mut self, app: &AppId, new: NewRegistration, before: Option<&Registration>) -> TaskId {
        let mut registration = self.made(app, new);
        if let Some(before) = before {
            inherit(&mut registration, before);
        }
        let id = registration.id;
        let unplanned = registration.due.is_none();
        self.persist(Change::PutRegistration(registration.clone()));
        self.tasks.insert(registration, &mut self.facts);
        self.spare(id);
        self.arm(id);
        if unplanned {
            self.plan(id, self.now.wall);
        }
        self.listen(id);
        self.channel_has_task(id);
        self.settle_sources();
        self.record(id, None, EventKind::Registered);
        id
    }

    fn made(&mut self, app: &AppId, new: NewRegistration) -> Registration {
        let is_command = new.entry.command().is_some();
        // The session in which it is added has begun already.
        let counted = matches!(new.trigger, Trigger::SessionStart { .. });
        Registration {
            id: self.ids.task(),
            app: app.clone(),
            name: new.name.into(),
            due: new.trigger.interval().map(|interval| self.now.wall + interval),
            entry: new.entry,
            trigger: new.trigger,
            conditions: new.conditions.into(),
            cancel_on_condition_loss: new.cancel_on_condition_loss,
            is_network_requested: new.is_network_requested,
            group: new.group,
            registered_at: self.now.wall,
            counted_in: counted.then(|| Arc::clone(&self.session)),
            standing: Standing::Active,
            paused: false,
            last: None,
            fresh_since: is_command.then_some(self.now.wall),
            overdue: false,
        }
    }

    /// D5: the same again changes nothing and keeps the phase of a timer; another takes its place in one step.
    pub(super) fn register_or_update(&mut self, app: &AppId, new: NewRegistration) -> Result<Reply, Refusal> {
        let known = self.of_that_name(app, &new);
        let same = |id: &&TaskId| {
            let its = self.tasks.get(**id).map(|task| &task.registration);
            its.is_some_and(|its| its.standing == Standing::Active && its.is(&new))
        };
        if let Some(same) = known.iter().find(same).copied() {
            known.into_iter().filter(|id| *id != same).for_each(|id| self.replaced(id));
            return Ok(Reply::Updated(same, Update::Unchanged));
        }
        self.check_replacing(app, &new, &known)?;
        let before = known.first().and_then(|id| self.tasks.get(*id)).map(|task| task.registration.clone());
        let keeps = |before: &&Registration| before.entry.command().is_some() || wakes_for_sockets(&before.trigger);
        let fired_alike = before.as_ref().filter(keeps).filter(|before| before.trigger == new.trigger);
        let old = fired_alike.as_ref().map(|before| before.id);
        old.into_iter().for_each(|id| self.fire_owed(id));
        let waiting = fired_alike.map(|before| self.tasks.take_waiting(before.id)).unwrap_or_default();
        let update = if known.is_empty() { Update::Registered } else { Update::Replaced };
        // First the new one: what both stand on goes on being watched.
        let before = before.filter(|before| before.entry.command().is_some());
        let id = self.enter(app, new, before.as_ref());
        for old in known {
            self.inherit_sockets(old, id);
            self.replaced(old);
        }
        waiting.into_iter().for_each(|activation| self.tasks.wait(id, activation));
        self.arm(id);
        self.fresh_gate(id);
        Ok(Reply::Updated(id, update))
    }

    /// Whom another of that name replaces. The name of a command is its own for as long as it is listed.
    fn of_that_name(&self, app: &AppId, new: &NewRegistration) -> Vec<TaskId> {
        let is_command = new.entry.command().is_some();
        let group = new.group.as_ref().map(|group| &group.id);
        let same_name = |task: &&Task| {
            let its = &task.registration;
            let replaceable = if is_command {
                is_listed(task)
            } else {
                its.standing == Standing::Active && its.group.as_ref().map(|group| &group.id) == group
            };
            *its.name == *new.name && replaceable
        };
        self.tasks.of_app(app).filter(same_name).map(|task| task.registration.id).collect()
    }

    fn replaced(&mut self, id: TaskId) {
        self.leave(id, Unregistration::Replaced, None);
    }

    pub(super) fn unregister(&mut self, scope: Option<&AppId>, id: TaskId, cancel: bool) -> Result<Reply, Refusal> {
        let listed = self.tasks.get(id).is_some_and(|task| {
            let registration = &task.registration;
            registration.standing != Standing::Unregistered && scope.is_none_or(|app| *app == registration.app)
        });
        if !listed {
            return Err(Refusal::UnknownTask(id));
        }
        self.check_not_of_manifest(id)?;
        self.leave(id, Unregistration::Explicit { cancel }, cancel.then_some(CancellationReason::Abort));
        Ok(Reply::Unregistered)
    }

    /// Takes a registration off the list: now if nothing of it runs, else when its last instance has ended.
    pub(super) fn leave(&mut self, id: TaskId, why: Unregistration, cancel: Option<CancellationReason>) {
        let Some(task) = self.tasks.get_mut(id) else {
            return;
        };
        let fired = task.registration.fires();
        if std::mem::replace(&mut task.registration.standing, Standing::Unregistered) != Standing::Unregistered {
            self.record(id, None, EventKind::Unregistered(why));
        }
        if fired {
            self.unlisten(id);
        }
        self.set_due(id, None);
        self.drop_waiting(id);
        self.orphan_sockets(id);
        let running = self.running_of(id);
        if running.is_empty() {
            return self.forget(id);
        }
        self.persist_registration(id);
        if let Some(reason) = cancel {
            for instance in running {
                self.cancel(instance, reason);
            }
        }
    }

    pub(super) fn drop_waiting(&mut self, id: TaskId) {
        let Some(task) = self.tasks.get(id) else { return };
        let waiting: Vec<_> = task.waiting.iter().map(|activation| activation.instance).collect();
        waiting.into_iter().for_each(|instance| self.drop_one(id, instance));
        self.arm(id);
    }

    /// Gives up an activation that waits.
    pub(super) fn drop_one(&mut self, id: TaskId, instance: crate::InstanceId) {
        if let Some(mut dropped) = self.tasks.end(instance, id) {
            self.let_go(&mut dropped);
        }
        self.channel_served(id);
        self.record(id, Some(instance), EventKind::Dropped);
        self.conclude_orders(instance, &OrderResult::Dropped);
    }

    pub(super) fn running_of(&self, id: TaskId) -> Vec<crate::InstanceId> {
        let running = self.tasks.get(id).map(|task| task.running.iter().map(|it| it.instance).collect());
        running.unwrap_or_default()
    }

    /// Deletes a registration that has no activation left.
    pub(super) fn forget(&mut self, id: TaskId) {
        if self.tasks.remove(id, &mut self.facts).is_some() {
            self.persist(Change::DeleteRegistration(id));
            self.settle_sources();
        }
    }
}

/// What a command of the same name has come to is not forgotten; what fires it alike keeps its phase.
fn inherit(registration: &mut Registration, from: &Registration) {
    (registration.paused, registration.last) = (from.paused, from.last);
    registration.fresh_since = from.fresh_since.or(registration.fresh_since);
    registration.overdue = from.overdue && from.fresh_within() == registration.fresh_within();
    if from.trigger == registration.trigger {
        registration.due = from.due.or(registration.due);
        registration.counted_in = from.counted_in.clone().or(registration.counted_in.take());
    }
}

fn is_listed(task: &Task) -> bool {
    task.registration.standing != Standing::Unregistered
}
