//! Manifests that come, change and go (RE-6, RE-8), and the first moments of a life (D7).

use bgtask_core::{
    ActivationState, App, AppId, AppVersion, CancellationReason, Outcome, Registration, Standing, SystemTriggerType,
    TaskId,
};

use super::{Model, Owed};

impl Model {
    pub(super) fn restored(&mut self, owed: &mut Owed) {
        for (instance, (task, activation)) in self.rows.clone() {
            match activation.state {
                ActivationState::Cancelling { reason, .. } | ActivationState::Killing { reason, .. } => {
                    owed.outcomes.insert(instance, Outcome::Killed { reason, output_tail: String::new() });
                }
                ActivationState::Waiting { .. } => drop(self.waiting.insert(instance, (task, activation.firing))),
                _ if activation.attempt >= self.config.max_attempts => {
                    owed.outcomes.insert(instance, Outcome::Abandoned { attempts: activation.attempt });
                }
                _ => drop(self.waiting.insert(instance, (task, activation.firing))),
            }
        }
        self.begun = true;
        for app in self.apps.clone().values() {
            self.installed(app, owed);
        }
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
        let version = AppVersion { version: app.version.clone(), servicing };
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
        let waits = |task: TaskId| self.waiting.values().any(|(its, _)| *its == task);
        let is_left = |it: &&Registration| match it.standing {
            Standing::Active => true,
            Standing::Spent => waits(it.id),
            Standing::Unregistered => false,
        };
        let its = self.registrations.values().filter(|it| it.app == *id).filter(is_left);
        let gone: Vec<_> = its.filter(|it| !served(&it.entry)).map(|it| it.id).collect();
        for task in self.listening(SystemTriggerType::ServicingComplete, Some(id)) {
            if !gone.contains(&task) {
                owed.fires(task);
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
    }

    pub(super) fn is_in_servicing(&self, app: &AppId) -> bool {
        self.settings.versions.get(app).is_some_and(|version| version.servicing)
    }
}
