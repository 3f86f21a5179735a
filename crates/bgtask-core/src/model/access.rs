use std::collections::BTreeMap;
use std::sync::Arc;

use super::windows_enum;
use crate::ids::AppId;

windows_enum! {
    /// Whether the user and the policy let an app run in the background (AC-2).
    ///
    /// The values 1 to 3, deprecated in Windows since 1607, do not exist here.
    BackgroundAccessStatus {
        /// The app never asked: it may register, nothing runs (ACC-8).
        Unspecified = 0,
        /// The user lets it run even in battery saver.
        AlwaysAllowed = 4,
        /// The usual answer: it runs unless a policy holds it.
        AllowedSubjectToSystemPolicy = 5,
        /// A policy says no.
        DeniedBySystemPolicy = 6,
        /// The user says no.
        DeniedByUser = 7,
    }
}

impl BackgroundAccessStatus {
    /// Whether tasks of the app may run at all.
    pub const fn allows(self) -> bool {
        matches!(self, Self::AlwaysAllowed | Self::AllowedSubjectToSystemPolicy)
    }
}

windows_enum! {
    /// What an app may ask for (`BackgroundAccessRequestKind`, ACC-20).
    BackgroundAccessRequestKind {
        /// To run even in battery saver.
        AlwaysAllowed = 0,
        /// To run as far as the battery allows.
        AllowedSubjectToSystemPolicy = 1,
    }
}

windows_enum! {
    /// What the user decided for an app (AC-7).
    AccessSetting {
        /// It may run whenever it wants, battery saver included.
        Always = 0,
        /// The system decides.
        Managed = 1,
        /// It may not run.
        Never = 2,
    }
}

/// What is kept about the access of one app. It outlives the manifest (RE-8).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AppAccess {
    /// The user's own decision, if there is one.
    pub setting: Option<AccessSetting>,
    /// What its applications were granted; the empty id is the first application (ACC-15).
    pub grants: BTreeMap<Arc<str>, Grant>,
}

/// What one application asked for and got.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Grant {
    /// For the machine awake.
    pub awake: Option<BackgroundAccessRequestKind>,
    /// For modern standby: a grant of its own (ACC-21).
    pub standby: Option<BackgroundAccessRequestKind>,
}

/// What the owner of the machine decided: it wins over the user (AC-7).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Policy {
    /// For every app that is not named.
    pub default: Option<PolicyEntry>,
    /// For single apps.
    pub apps: BTreeMap<AppId, PolicyEntry>,
}

impl Policy {
    /// What it says of an app, if it does not leave it to the user.
    pub(crate) fn forces(&self, app: &AppId) -> Option<&PolicyEntry> {
        self.entry(app).filter(|entry| entry.rule != PolicyRule::UserInControl)
    }

    /// What it says of an app.
    pub(crate) fn entry(&self, app: &AppId) -> Option<&PolicyEntry> {
        self.apps.get(app).or(self.default.as_ref())
    }
}

/// One decision of the policy, and where it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PolicyEntry {
    /// What is decided.
    pub rule: PolicyRule,
    /// The file that says so, for people.
    pub file: Arc<str>,
    /// Percent of the usual budgets that the app may use: of wall time, processor time, network and energy.
    pub budget: u32,
}

windows_enum! {
    /// What a policy may say (`LetAppsRunInBackground`).
    PolicyRule {
        /// The user decides.
        UserInControl = 0,
        /// It may run, whatever the user says.
        ForceAllow = 1,
        /// It may not run, whatever the user says.
        ForceDeny = 2,
    }
}

/// How the user answered a question for consent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Consent {
    /// Yes.
    Granted,
    /// No.
    Refused,
    /// Nobody could be asked: the text says why.
    Unavailable(String),
}
