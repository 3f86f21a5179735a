use std::collections::{BTreeMap, BTreeSet};

use crate::ids::AppId;
use crate::input::AppVersion;
use crate::model::access::{
    AccessSetting, AppAccess, BackgroundAccessRequestKind, BackgroundAccessStatus, Policy, PolicyRule,
};
use crate::model::app::App;

/// Installed apps and what each may do. Access outlives the manifest (RE-8).
#[derive(Default)]
pub(in crate::broker) struct Apps {
    installed: BTreeMap<AppId, App>,
    pub(in crate::broker) versions: BTreeMap<AppId, AppVersion>,
    access: BTreeMap<AppId, AppAccess>,
    pub(in crate::broker) policy: Policy,
    pub(in crate::broker) switched_off: bool,
    /// The apps that are always allowed, as far as they have been told so.
    pub(in crate::broker) always: BTreeSet<AppId>,
}

impl Apps {
    pub(in crate::broker) fn get(&self, id: &AppId) -> Option<&App> {
        self.installed.get(id)
    }

    pub(in crate::broker) fn installed(&self) -> impl Iterator<Item = &App> {
        self.installed.values()
    }

    pub(in crate::broker) fn len(&self) -> usize {
        self.installed.len()
    }

    pub(in crate::broker) fn install(&mut self, app: App) {
        self.installed.insert(app.id.clone(), app);
    }

    pub(in crate::broker) fn remove(&mut self, id: &AppId) {
        self.installed.remove(id);
    }

    /// Whether the app is being updated: nothing of it starts (RE-6).
    pub(in crate::broker) fn in_servicing(&self, id: &AppId) -> bool {
        self.versions.get(id).is_some_and(|version| version.servicing)
    }

    pub(in crate::broker) fn kept_access(&self, id: &AppId) -> Option<&AppAccess> {
        self.access.get(id)
    }

    pub(in crate::broker) fn access_mut(&mut self, id: &AppId) -> &mut AppAccess {
        self.access.entry(id.clone()).or_default()
    }

    pub(in crate::broker) fn known_access(&self) -> usize {
        self.access.len()
    }

    /// An app that is not installed and has access all the same.
    pub(in crate::broker) fn access_of_gone(&self) -> Option<&AppId> {
        self.access.keys().find(|id| !self.installed.contains_key(*id))
    }

    pub(in crate::broker) fn forget_access(&mut self, id: &AppId) {
        self.access.remove(id);
    }

    pub(in crate::broker) fn restore_access(&mut self, id: AppId, access: AppAccess) {
        self.access.insert(id, access);
    }

    /// What an application may do: the policy decides before the user, the user before what was granted (AC-7).
    pub(in crate::broker) fn status(&self, id: &AppId, application: &str, standby: bool) -> BackgroundAccessStatus {
        use BackgroundAccessStatus as Status;
        let kept = self.access.get(id);
        let setting = kept.and_then(|kept| kept.setting);
        let grant = kept.and_then(|kept| kept.grants.get(application));
        let granted = grant.and_then(|grant| if standby { grant.standby } else { grant.awake });
        let by_grant = match granted {
            // The user's own commands are asked for by the user.
            None if self.get(id).is_some_and(|app| app.commands.is_some()) => Status::AllowedSubjectToSystemPolicy,
            None => Status::Unspecified,
            Some(BackgroundAccessRequestKind::AlwaysAllowed) => Status::AlwaysAllowed,
            Some(BackgroundAccessRequestKind::AllowedSubjectToSystemPolicy) => Status::AllowedSubjectToSystemPolicy,
        };
        let forced = self.policy.forces(id).map(|entry| entry.rule);
        match (forced, setting) {
            (Some(PolicyRule::ForceDeny), _) => Status::DeniedBySystemPolicy,
            (Some(_), Some(AccessSetting::Always)) => Status::AlwaysAllowed,
            (Some(_), _) if by_grant == Status::AlwaysAllowed => by_grant,
            (Some(_), _) => Status::AllowedSubjectToSystemPolicy,
            (None, _) if self.switched_off => Status::DeniedByUser,
            (None, Some(AccessSetting::Always)) => Status::AlwaysAllowed,
            (None, Some(AccessSetting::Managed)) => Status::AllowedSubjectToSystemPolicy,
            (None, Some(AccessSetting::Never)) => Status::DeniedByUser,
            (None, None) => by_grant,
        }
    }

    /// Who decided it, for people.
    pub(in crate::broker) fn decided_by(&self, id: &AppId) -> String {
        let setting = self.access.get(id).and_then(|kept| kept.setting);
        match (self.policy.forces(id), setting) {
            (Some(entry), _) => format!("the policy {}", entry.file),
            (None, _) if self.switched_off => "the user's switch for all background work".to_owned(),
            (None, Some(_)) => "the user's setting".to_owned(),
            (None, None) if self.get(id).is_some_and(|app| app.commands.is_some()) => {
                "the user, who added it".to_owned()
            }
            (None, None) => "BackgroundExecutionManager".to_owned(),
        }
    }
}
