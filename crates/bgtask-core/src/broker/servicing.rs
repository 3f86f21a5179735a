//! Install, update and uninstall (RE-6, RE-8): what a manifest that comes, changes or goes means for its tasks.

use super::Core;
use crate::ids::AppId;
use crate::input::AppVersion;
use crate::limits::MAX_APPS;
use crate::model::app::App;
use crate::model::cancel::CancellationReason;
use crate::model::registration::Unregistration;
use crate::model::trigger::SystemTriggerType;
use crate::output::Change;

impl Core {
    pub(super) fn app_installed(&mut self, app: App) {
        if self.apps.len() >= MAX_APPS && self.apps.get(&app.id).is_none() {
            return;
        }
        let id = app.id.clone();
        self.apps.install(app);
        if self.begun {
            self.note_lock_screen();
            self.version_seen(&id);
            self.begin_to_count_use(&id);
            self.settle_app_services(&id);
            self.retire_outdated();
            self.refresh_gates();
        }
    }

    /// What was installed before the broker knew its past is compared with it now: an update meanwhile is noticed.
    pub(super) fn begin(&mut self) {
        self.begun = true;
        self.note_lock_screen();
        let installed: Vec<_> = self.apps.installed().map(|app| app.id.clone()).collect();
        for app in installed {
            self.version_seen(&app);
            self.begin_to_count_use(&app);
            self.settle_app_services(&app);
        }
        self.refresh_gates();
    }

    /// Another version than the known one is an update; the same again is nothing.
    fn version_seen(&mut self, id: &AppId) {
        let Some(app) = self.apps.get(id) else { return };
        let version = std::sync::Arc::clone(&app.version);
        let known = self.apps.versions.get(id);
        let used = known.and_then(|known| known.used);
        let servicing = match known {
            None => false,
            Some(known) if known.version == version => return self.finish_servicing(id),
            Some(_) => true,
        };
        self.put_version(id, AppVersion { version, servicing, used });
        if servicing {
            self.cancel_all_of(id, CancellationReason::ServicingUpdate);
            self.finish_servicing(id);
        }
    }

    /// Once nothing of the old version runs: registrations it can no longer serve go, then `ServicingComplete` fires.
    pub(super) fn finish_servicing(&mut self, id: &AppId) {
        let busy = self.tasks.occupied().any(|(task, _)| task.registration.app == *id);
        let Some(known) = self.apps.versions.get(id).filter(|known| known.servicing && !busy) else {
            return;
        };
        let version = AppVersion { servicing: false, ..known.clone() };
        self.put_version(id, version);
        let Some(app) = self.apps.get(id) else { return };
        let gone = |task: &&super::Task| app.server(&task.registration.entry).is_none();
        let gone: Vec<_> = self.tasks.of_app(id).filter(gone).map(|task| task.registration.id).collect();
        for task in gone {
            self.leave(task, Unregistration::EntryPointGone, None);
        }
        self.fire(SystemTriggerType::ServicingComplete, Some(id));
        self.refresh_gates();
    }

    pub(super) fn put_version(&mut self, id: &AppId, version: AppVersion) {
        self.apps.versions.insert(id.clone(), version.clone());
        self.persist(Change::PutVersion(id.clone(), version));
    }

    /// Uninstall: its registrations go, its running instances are told (RE-8, CAN-5), nobody is left to read its mail.
    ///
    /// The manifest may be gone already: an app removed while the broker was away is removed after the start.
    pub(super) fn app_removed(&mut self, app: &AppId) {
        self.apps.remove(app);
        if self.apps.versions.remove(app).is_some() {
            self.persist(Change::DeleteVersion(app.clone()));
        }
        let tasks: Vec<_> = self.tasks.of_app(app).map(|task| task.registration.id).collect();
        for id in tasks {
            self.leave(id, Unregistration::Uninstalled, Some(CancellationReason::Uninstall));
        }
        self.close_sockets(app);
        self.close_control_channels(app);
        self.forget_mail(app);
        self.forget_account(app);
        self.close_channel(app);
        self.retire_outdated();
    }
}
