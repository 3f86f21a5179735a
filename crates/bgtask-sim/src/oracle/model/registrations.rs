//! Registrations as the rules have them, against those that the core has written.

use std::sync::Arc;

use bgtask_core::{AppId, Entry, NewRegistration, Registration, Standing, TaskId, Trigger};

use super::super::{Verdict, check};
use super::held::listens;
use super::{Model, Owed};

/// What may be registered by a request.
#[derive(Clone, Debug)]
pub(super) struct Registering {
    pub(super) app: AppId,
    pub(super) new: NewRegistration,
    /// The command whose place it takes: what that has come to is not forgotten.
    pub(super) before: Option<Registration>,
    /// The tasks whose sockets it takes over, and that whose firings it does.
    pub(super) sockets_of: Vec<TaskId>,
    pub(super) firings_of: Option<TaskId>,
}

impl Registering {
    pub(super) fn new(app: &AppId, new: &NewRegistration) -> Self {
        Self { app: app.clone(), new: new.clone(), before: None, sockets_of: Vec::new(), firings_of: None }
    }
}

impl Model {
    pub(super) fn written(&mut self, written: &Registration, owed: &mut Owed) -> Verdict {
        let id = written.id;
        if !self.registrations.contains_key(&id) {
            let asked = owed.registering.take();
            let asked = asked.ok_or_else(|| format!("nobody asked for this: {written:?}"))?;
            self.enters(id, asked, owed);
        } else if owed.may_come_due.contains_key(&id) && written.due != self.registrations[&id].due {
            self.comes_due(id, owed);
        }
        self.kept_registrations.insert(id, written.clone());
        Ok(())
    }

    fn enters(&mut self, id: TaskId, asked: Registering, owed: &mut Owed) {
        let Registering { app, new, before, sockets_of, firings_of } = asked;
        let is_command = new.entry.command().is_some();
        let promise = |entry: &Entry| entry.command().and_then(|command| command.fresh_within);
        let in_this_session = matches!(new.trigger, Trigger::SessionStart { .. });
        // What a command has come to is not forgotten when it is edited, nor when it fires next, if that is as before.
        let before = before.as_ref();
        let alike = before.filter(|before| before.trigger == new.trigger);
        let same_promise = before.filter(|before| promise(&before.entry) == promise(&new.entry));
        let from_now = new.trigger.interval().map(|interval| self.now.wall + interval);
        let its = Registration {
            id,
            app,
            due: alike.and_then(|before| before.due).or(from_now),
            name: new.name.into(),
            entry: new.entry,
            trigger: new.trigger,
            conditions: new.conditions.into(),
            cancel_on_condition_loss: new.cancel_on_condition_loss,
            is_network_requested: new.is_network_requested,
            group: new.group,
            registered_at: self.now.wall,
            counted_in: alike
                .and_then(|before| before.counted_in.clone())
                .or(in_this_session.then(|| Arc::clone(&self.session))),
            standing: Standing::Active,
            paused: before.is_some_and(|before| before.paused),
            last: before.and_then(|before| before.last),
            fresh_since: before.map_or(is_command.then_some(self.now.wall), |before| before.fresh_since),
            overdue: same_promise.is_some_and(|before| before.overdue),
        };
        let firings_of = alike.map(|before| before.id).or(firings_of);
        let waiting = self.waiting.values_mut().filter(|held| firings_of == Some(held.task));
        waiting.for_each(|held| held.task = id);
        if matches!(its.trigger, Trigger::Calendar { .. }) && its.due.is_none() {
            self.order_plan(id, self.now.wall, owed);
        }
        self.registrations.insert(id, its);
        sockets_of.into_iter().for_each(|before| self.sockets_inherited(before, id));
        self.cost_is_wanted(owed);
    }

    /// What is written is what is right, and what is to be listened to is.
    pub(super) fn registrations_are_right(&self) -> Verdict {
        let all = self.registrations.keys().chain(self.kept_registrations.keys());
        for id in all {
            let (right, written) = (self.registrations.get(id), self.kept_registrations.get(id));
            check(right == written, || format!("written is {written:?}, right is {right:?}"))?;
        }
        let listed = self.registrations.values().filter(|it| it.standing != Standing::Unregistered);
        let mut commands: Vec<_> = listed.filter(|it| it.entry.command().is_some()).map(|it| &it.name).collect();
        commands.sort();
        let twice = commands.windows(2).find(|pair| pair[0] == pair[1]);
        check(twice.is_none(), || format!("two commands are of one name: {twice:?}"))?;
        let active = self.registrations.values().filter(|it| it.standing == Standing::Active && !it.paused);
        let wanted: Vec<_> = active.filter(|it| listens(&it.trigger)).map(|it| it.id).collect();
        check(wanted.iter().eq(&self.listening), || {
            format!("listened is for {:?}, to be listened is for {wanted:?}", self.listening)
        })
    }

    /// In the end every calendar that comes true again has a time.
    pub(in crate::oracle) fn calendars_are_planned(&self) -> Verdict {
        let active = self.registrations.values().filter(|it| it.standing == Standing::Active && it.due.is_none());
        let sleeps = active.filter(|it| matches!(it.trigger, Trigger::Calendar { .. }));
        let forgotten = sleeps.map(|it| (it.id, &it.name)).find(|(id, _)| !self.never_again.contains(id));
        check(forgotten.is_none(), || format!("a calendar waits for nothing: {forgotten:?}"))
    }
}
