//! Apps and what they may do (D13): registering is always allowed, running needs access.

use super::Core;
use crate::ids::AppId;
use crate::limits::MAX_APPS;
use crate::model::access::BackgroundAccessStatus;
use crate::model::app::App;
use crate::model::cancel::CancellationReason;
use crate::model::registration::Standing;
use crate::output::{Change, EventKind, Limit, Refusal, Reply};

impl Core {
    pub(super) fn app_installed(&mut self, app: App) {
        if self.apps.len() < MAX_APPS || self.apps.get(&app.id).is_some() {
            self.apps.install(app);
            self.retire_outdated();
            self.refresh_gates();
        }
    }

    /// Uninstall: its registrations go, its running instances are told (RE-8, CAN-5).
    ///
    /// The manifest may be gone already: an app removed while the broker was away is removed after the start.
    pub(super) fn app_removed(&mut self, app: &AppId) {
        self.apps.remove(app);
        let its = |task: &&super::tables::Task| task.registration.app == *app;
        let tasks: Vec<_> =
            self.tasks.iter().filter(its).map(|task| (task.registration.id, task.registration.standing)).collect();
        for (id, standing) in tasks {
            if standing != Standing::Unregistered {
                self.record(id, EventKind::Unregistered { cancel: true });
            }
            self.leave(id, Some(CancellationReason::Uninstall));
        }
        self.retire_outdated();
    }

    /// ACC-1, ACC-3: asking shows no prompt and is granted, unless the user or the policy has already decided.
    pub(super) fn request_access(&mut self, app: &AppId) -> Result<Reply, Refusal> {
        if self.apps.get(app).is_none() {
            let full = self.apps.len() >= MAX_APPS;
            return Err(if full { Refusal::LimitReached(Limit::Apps) } else { Refusal::UnknownApp(app.clone()) });
        }
        if self.apps.access(app) == BackgroundAccessStatus::Unspecified {
            self.set_access(app, BackgroundAccessStatus::AllowedSubjectToSystemPolicy);
        }
        Ok(Reply::Access(self.apps.access(app)))
    }

    /// ACC-17: what runs goes on, what fires from now on waits.
    pub(super) fn remove_access(&mut self, app: &AppId) -> Result<Reply, Refusal> {
        if self.apps.get(app).is_none() {
            return Err(Refusal::UnknownApp(app.clone()));
        }
        if self.apps.access(app).allows() {
            self.set_access(app, BackgroundAccessStatus::Unspecified);
        }
        Ok(Reply::Access(self.apps.access(app)))
    }

    fn set_access(&mut self, app: &AppId, access: BackgroundAccessStatus) {
        self.apps.set_access(app, access);
        self.persist(Change::PutAccess(app.clone(), access));
        self.refresh_gates();
    }
}
