//! Manifests that come, change and go (RE-6, RE-8), and the first moments of a life (D7).

use bgtask_core::{
    Activation, ActivationState, App, AppId, AppVersion, CancellationReason, Outcome, Registration, Standing,
    SystemTriggerType, TaskId, Trigger,
};

use super::held::{By, Occasion};
use super::{Model, Owed};

impl Model {
    pub(super) fn restored(&mut self, owed: &mut Owed) {
        self.purses_restored(owed);
        let mut rows: Vec<_> = self.rows.values().cloned().collect();
        rows.sort_by_key(|(_, row)| row.firing.at);
        for (task, row) in rows {
            self.resumed(task, &row, owed);
        }
        owed.opens.extend(self.channels_to_open());
        self.sockets_restored();
        self.orders_restored(owed);
        self.begun = true;
        self.cost_is_wanted(owed);
        for app in self.apps.clone().values() {
            self.installed(app, owed);
        }
        self.nothing_is_too_far();
        self.session_begins(owed);
        self.plan_again(|_| true, owed);
    }

    /// What was told to stop did not live to say how that went; what ran is tried again, if not too often.
    fn resumed(&mut self, task: TaskId, row: &Activation, owed: &mut Owed) {
        let instance = row.instance;
        let (interrupted, outcome) = match row.state {
            ActivationState::Waiting { .. } => (false, None),
            ActivationState::Cancelling { reason, .. } | ActivationState::Killing { reason, .. } => {
                (false, Some(Outcome::Killed { reason, output_tail: String::new() }))
            }
            _ if row.attempt - row.failures >= self.config.max_attempts => {
                (false, Some(Outcome::Abandoned { attempts: row.attempt - row.failures }))
            }
            _ => (true, None),
        };
        self.waits_again(instance, task, row, interrupted);
        if let Some(outcome) = outcome {
            let held = self.waiting.remove(&instance).expect("just held");
            self.ends(instance, held, outcome, owed);
        }
    }

    /// What waits for a session of the user fires once in each.
    fn session_begins(&mut self, owed: &mut Owed) {
        let session = self.session.clone();
        let waits = |it: &&mut Registration| {
            matches!(it.trigger, Trigger::SessionStart { .. }) && it.standing == Standing::Active
        };
        let mut new = Vec::new();
        for its in self.registrations.values_mut().filter(waits) {
            if its.counted_in.as_ref() != Some(&session) {
                its.counted_in = Some(session.clone());
                new.push(its.id);
            }
        }
        new.into_iter().for_each(|task| self.set_off(task, Occasion::once(By::World), owed));
    }

    pub(super) fn installed(&mut self, app: &App, owed: &mut Owed) {
        self.apps.insert(app.id.clone(), app.clone());
        if !self.begun {
            return;
        }
        let known = self.settings.versions.get(&app.id);
        let servicing = match known {
            Some(known) if known.version == app.version => known.servicing,
            known => known.is_some(),
        };
        let changed = known.is_none_or(|known| known.version != app.version);
        let version = AppVersion { version: app.version.clone(), servicing, used: None };
        self.settings.versions.insert(app.id.clone(), version);
        if servicing && changed {
            self.cancel_where(owed, CancellationReason::ServicingUpdate, |_, run| run.app == app.id);
        }
        self.finish_servicing(&app.id, owed);
    }

    /// Once nothing of it runs: what it can no longer serve goes, and the rest hears of the update.
    pub(super) fn finish_servicing(&mut self, id: &AppId, owed: &mut Owed) {
        let busy = self.running.values().any(|run| run.app == *id);
        let Some(version) = self.settings.versions.get_mut(id).filter(|version| version.servicing && !busy) else {
            return;
        };
        version.servicing = false;
        let app = &self.apps[id];
        let served = |entry| app.server(entry).is_some();
        let waits = |task: TaskId| self.waiting.values().any(|held| held.task == task);
        let is_left = |it: &&Registration| match it.standing {
            Standing::Active => true,
            Standing::Spent => waits(it.id),
            Standing::Unregistered => false,
        };
        let its = self.registrations.values().filter(|it| it.app == *id).filter(is_left);
        let gone: Vec<_> = its.filter(|it| !served(&it.entry)).map(|it| it.id).collect();
        for task in self.listening(SystemTriggerType::ServicingComplete, Some(id)) {
            if !gone.contains(&task) {
                self.set_off(task, Occasion::once(By::World), owed);
            }
        }
        owed.leaving.extend(gone);
    }

    pub(super) fn removed(&mut self, id: &AppId, owed: &mut Owed) {
        self.apps.remove(id);
        self.settings.versions.remove(id);
        let its = self.registrations.values().filter(|it| it.app == *id && it.standing != Standing::Unregistered);
        owed.leaving.extend(its.map(|it| it.id));
        self.cancel_where(owed, CancellationReason::Uninstall, |_, run| run.app == *id);
        self.sockets_closed(id);
        self.channel_closed(id, owed);
        self.purses.remove(id);
        owed.keeps.insert(id.clone());
    }

    pub(super) fn is_in_servicing(&self, app: &AppId) -> bool {
        self.settings.versions.get(app).is_some_and(|version| version.servicing)
    }
}
