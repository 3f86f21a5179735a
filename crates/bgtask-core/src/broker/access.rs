//! What apps may do (D13): registering is always allowed, running needs access.

use std::collections::BTreeSet;

use super::Core;
use crate::ids::AppId;
use crate::limits::MAX_APPS;
use crate::model::access::{AccessSetting, BackgroundAccessRequestKind, BackgroundAccessStatus, Policy};
use crate::model::app::App;
use crate::model::cancel::CancellationReason;
use crate::model::trigger::SystemTriggerType;
use crate::output::{Change, Reply};
use crate::refusal::{Limit, Refusal};

impl Core {
    /// ACC-1, ACC-3: asking shows no prompt and is granted, unless the user or the policy has already decided.
    pub(super) fn request_access(&mut self, app: &AppId, application: &str) -> Result<Reply, Refusal> {
        self.check_application(app, application)?;
        self.check_room(app)?;
        let grant = self.apps.access_mut(app).grants.entry(application.into()).or_default();
        if grant.awake.is_none() {
            grant.awake = Some(BackgroundAccessRequestKind::AllowedSubjectToSystemPolicy);
            self.keep_access(app);
        }
        Ok(Reply::Access(self.apps.status(app, application, false)))
    }

    /// ACC-17: what runs goes on, what fires from now on waits. The grant for standby goes with it.
    pub(super) fn remove_access(&mut self, app: &AppId, application: &str) -> Result<Reply, Refusal> {
        self.check_application(app, application)?;
        let known = self.apps.kept_access(app).is_some_and(|kept| kept.grants.contains_key(application));
        if known {
            self.apps.access_mut(app).grants.remove(application);
            self.keep_access(app);
        }
        Ok(Reply::Access(self.apps.status(app, application, false)))
    }

    /// The user may decide about an app before it asks, and before it is installed.
    pub(super) fn set_access(&mut self, app: &AppId, setting: Option<AccessSetting>) -> Result<Reply, Refusal> {
        self.check_room(app)?;
        self.apps.access_mut(app).setting = setting;
        self.keep_access(app);
        self.enforce_access();
        Ok(Reply::Set)
    }

    pub(super) fn set_background(&mut self, enabled: bool) -> Reply {
        if std::mem::replace(&mut self.apps.switched_off, !enabled) == enabled {
            self.persist(Change::PutSwitchedOff(!enabled));
            self.enforce_access();
            self.tell_lock_screen();
            self.refresh_gates();
        }
        Reply::Set
    }

    pub(super) fn policy_changed(&mut self, policy: Policy) {
        self.apps.policy = policy;
        self.enforce_access();
        self.weigh_all();
        self.tell_lock_screen();
        self.refresh_gates();
    }

    /// Ends what the user or the policy says no to: that is a system policy (CAN-6).
    /// What only lacks access goes on, as its app may have given it up itself (ACC-17).
    fn enforce_access(&mut self) {
        use BackgroundAccessStatus::{DeniedBySystemPolicy, DeniedByUser};
        self.cancel_where(CancellationReason::SystemPolicy, |core, task, _| {
            matches!(core.status_of(&task.registration), DeniedByUser | DeniedBySystemPolicy)
        });
    }

    /// What the application that declares a registration's program may do.
    pub(super) fn status_of(&self, registration: &crate::Registration) -> BackgroundAccessStatus {
        let server = self.apps.get(&registration.app).and_then(|app| app.server(&registration.entry));
        let application = server.map_or("", |server| &server.application);
        self.apps.status(&registration.app, application, false)
    }

    /// Why the access of its app holds a task, if it does. For what the manifest registers, and for the end of transfers (ACC-27),
    /// nobody has to ask: it is held where it was denied.
    pub(super) fn denied(&self, registration: &crate::Registration) -> Option<BackgroundAccessStatus> {
        let status = self.status_of(registration);
        let unasked = registration.trigger.needs_no_request() && status == BackgroundAccessStatus::Unspecified;
        (!status.allows() && !unasked).then_some(status)
    }

    pub(super) fn check_application(&self, app: &AppId, application: &str) -> Result<(), Refusal> {
        let full = self.apps.len() >= MAX_APPS;
        let unknown = || if full { Refusal::LimitReached(Limit::Apps) } else { Refusal::UnknownApp(app.clone()) };
        let installed = self.apps.get(app).ok_or_else(unknown)?;
        if application.is_empty() || installed.applications.iter().any(|known| **known == *application) {
            return Ok(());
        }
        Err(Refusal::UnknownApplication(app.clone(), application.to_owned()))
    }

    /// Access outlives the manifest; where too much of it is kept, that of apps that are gone makes room.
    pub(super) fn check_room(&mut self, app: &AppId) -> Result<(), Refusal> {
        if self.apps.kept_access(app).is_some() || self.apps.known_access() < MAX_APPS {
            return Ok(());
        }
        let gone = self.apps.access_of_gone().cloned();
        match gone {
            Some(gone) => {
                self.apps.forget_access(&gone);
                self.persist(Change::DeleteAccess(gone));
                Ok(())
            }
            None => Err(Refusal::LimitReached(Limit::Apps)),
        }
    }

    pub(super) fn keep_access(&mut self, app: &AppId) {
        let access = self.apps.access_mut(app).clone();
        self.persist(Change::PutAccess(app.clone(), access));
        self.tell_lock_screen();
        self.refresh_gates();
    }

    /// Windows tells an app when it is put on the lock screen or taken off it, which there decides what it may do. Here what
    /// it may do is decided in itself: to be put there is to become [`AlwaysAllowed`](BackgroundAccessStatus::AlwaysAllowed).
    fn tell_lock_screen(&mut self) {
        let always = self.always_allowed();
        let before = std::mem::replace(&mut self.apps.always, always.clone());
        if !self.begun {
            return;
        }
        for app in always.difference(&before) {
            self.fire(SystemTriggerType::LockScreenApplicationAdded, Some(app));
        }
        for app in before.difference(&always) {
            self.fire(SystemTriggerType::LockScreenApplicationRemoved, Some(app));
        }
    }

    /// What an app that has just been seen may do is no change.
    pub(super) fn note_lock_screen(&mut self) {
        self.apps.always = self.always_allowed();
    }

    fn always_allowed(&self) -> BTreeSet<AppId> {
        let always = |app: &&App| self.access(&app.id) == BackgroundAccessStatus::AlwaysAllowed;
        self.apps.installed().filter(always).map(|app| app.id.clone()).collect()
    }
}
