//! Who may run (AC-7), and what ends because it may not any more (CAN-6).

use std::collections::{BTreeMap, BTreeSet};

use bgtask_core::{
    AccessSetting, App, AppId, BackgroundAccessRequestKind, BackgroundAccessStatus as Status, CancellationReason,
    Condition, Consent, Fact, PolicyRule, Registration, RequestId, SystemConditionType, SystemTriggerType, Trigger,
};

use super::held::{By, Occasion};
use super::requests::Answer;
use super::{Model, Owed, Run};

impl Model {
    pub(super) fn status(&self, app: &AppId, application: &str, standby: bool) -> Status {
        let entry = self.policy.apps.get(app).or(self.policy.default.as_ref());
        let rule = entry.map_or(PolicyRule::UserInControl, |entry| entry.rule);
        let kept = self.settings.access.get(app).cloned().unwrap_or_default();
        let grant = kept.grants.get(application).copied().unwrap_or_default();
        let granted = if standby { grant.standby } else { grant.awake };
        let always = granted == Some(BackgroundAccessRequestKind::AlwaysAllowed);
        // Who adds a command is the user.
        let granted = granted.is_some() || app.as_str() == bgtask_core::App::COMMANDS;
        match (rule, kept.setting) {
            (PolicyRule::ForceDeny, _) => Status::DeniedBySystemPolicy,
            (PolicyRule::ForceAllow, Some(AccessSetting::Always)) => Status::AlwaysAllowed,
            (PolicyRule::ForceAllow, _) if always => Status::AlwaysAllowed,
            (PolicyRule::ForceAllow, _) => Status::AllowedSubjectToSystemPolicy,
            (PolicyRule::UserInControl, _) if self.settings.switched_off => Status::DeniedByUser,
            (PolicyRule::UserInControl, Some(AccessSetting::Never)) => Status::DeniedByUser,
            (PolicyRule::UserInControl, Some(AccessSetting::Always)) => Status::AlwaysAllowed,
            (PolicyRule::UserInControl, Some(AccessSetting::Managed)) => Status::AllowedSubjectToSystemPolicy,
            (PolicyRule::UserInControl, None) if always => Status::AlwaysAllowed,
            (PolicyRule::UserInControl, None) if granted => Status::AllowedSubjectToSystemPolicy,
            (PolicyRule::UserInControl, None) => Status::Unspecified,
        }
    }

    /// The user or the policy has decided about the app: nobody has to be asked any more.
    pub(super) fn is_decided(&self, app: &AppId) -> bool {
        let entry = self.policy.apps.get(app).or(self.policy.default.as_ref());
        let forced = entry.is_some_and(|entry| entry.rule != PolicyRule::UserInControl);
        forced || self.settings.access.get(app).is_some_and(|kept| kept.setting.is_some())
    }

    pub(super) fn status_of(&self, registration: &Registration) -> Status {
        let server = self.apps.get(&registration.app).and_then(|app| app.server(&registration.entry));
        self.status(&registration.app, server.map_or("", |server| &server.application), false)
    }

    /// An app that may always run from now on has been put on the lock screen, one that may no more has been taken off it. What
    /// an app may do that has just come is no change.
    pub(super) fn lock_screen_changes(&mut self, begun: bool, known: &BTreeMap<AppId, App>, owed: &mut Owed) {
        let always = |app: &&AppId| self.status(app, "", false) == Status::AlwaysAllowed;
        let always: BTreeSet<_> = self.apps.keys().filter(always).cloned().collect();
        let before = std::mem::replace(&mut self.always, always);
        for app in self.apps.keys().filter(|app| begun && known.contains_key(*app)) {
            let kind = match (before.contains(app), self.always.contains(app)) {
                (false, true) => SystemTriggerType::LockScreenApplicationAdded,
                (true, false) => SystemTriggerType::LockScreenApplicationRemoved,
                _ => continue,
            };
            let told = self.listening(kind, Some(app));
            told.into_iter().for_each(|task| self.set_off(task, Occasion::once(By::World), owed));
        }
    }

    pub(super) fn grant(&mut self, app: &AppId, application: &str, standby: bool, kind: BackgroundAccessRequestKind) {
        let access = self.settings.access.entry(app.clone()).or_default();
        let grant = access.grants.entry(application.into()).or_default();
        if standby {
            grant.standby = Some(kind);
        } else {
            grant.awake = Some(kind);
        }
    }

    pub(super) fn consented(&mut self, id: RequestId, consent: &Consent, owed: &mut Owed) {
        let Some((app, application, standby)) = self.questions.remove(&id) else { return };
        let answer = if *consent != Consent::Granted {
            Answer::Approved(false)
        } else if !self.has_application(&app, &application) {
            // The app, or that part of it, was removed while the user was asked.
            Answer::Refused
        } else {
            self.grant(&app, &application, standby, BackgroundAccessRequestKind::AlwaysAllowed);
            // What the user or the policy decided meanwhile counts.
            Answer::Approved(self.status(&app, &application, standby) == Status::AlwaysAllowed)
        };
        owed.answer = Some((id, answer));
    }

    /// A no ends what runs; access that is only lacking does not (ACC-17).
    pub(super) fn end_what_is_denied(&mut self, owed: &mut Owed) {
        self.cancel_where(owed, CancellationReason::SystemPolicy, |model, run| {
            let status = model.status_of(&model.registrations[&run.task]);
            matches!(status, Status::DeniedByUser | Status::DeniedBySystemPolicy)
        });
    }

    /// A level is another one than before.
    pub(super) fn level_lost(&mut self, fact: Fact, level: bool, owed: &mut Owed) {
        match (fact, level) {
            (Fact::EnergySaver, true) => self.cancel_where(owed, CancellationReason::EnergySaver, |model, run| {
                !run.held.firing.by_hand && model.status_of(&model.registrations[&run.task]) != Status::AlwaysAllowed
            }),
            (Fact::MemoryPressure, true) => {
                let not_by_hand = |_: &Self, run: &Run| !run.held.firing.by_hand;
                self.cancel_where(owed, CancellationReason::ResourceRevocation, not_by_hand);
            }
            (Fact::ExternalPower, false) => self.end_maintenance(owed),
            _ => {}
        }
        self.end_what_lost_its_condition(owed);
    }

    pub(super) fn holds_all(&self, conditions: &[Condition]) -> bool {
        conditions.iter().all(|condition| {
            let level = self.levels.get(&condition.fact()).filter(|_| !self.is_unknowable(*condition));
            level == Some(&wanted(*condition))
        })
    }

    /// Nobody can know it: then it does not hold, and its opposite neither. Without a source nothing is saved or short.
    fn is_unknowable(&self, condition: Condition) -> bool {
        match condition {
            Condition::System(_)
            | Condition::Fact { fact: Fact::EnergySaver | Fact::MemoryPressure | Fact::CpuPressure, .. } => false,
            Condition::Fact { fact, .. } => self.missing.contains(&fact),
        }
    }

    pub(super) fn end_what_lost_its_condition(&mut self, owed: &mut Owed) {
        self.cancel_where(owed, CancellationReason::ConditionLoss, |model, run| {
            let its = &model.registrations[&run.task];
            !run.held.firing.by_hand && its.cancel_on_condition_loss && !model.holds_all(&its.conditions)
        });
    }

    /// TM-8, D12: it is told to stop and is due again, unless the app or the user took it away meanwhile. What runs by hand
    /// goes on.
    fn end_maintenance(&mut self, owed: &mut Owed) {
        let is_one = |model: &Self, run: &Run| {
            matches!(model.registrations[&run.task].trigger, Trigger::Maintenance { .. }) && !run.held.firing.by_hand
        };
        let running = self.running.values().filter(|run| run.cancelled.is_none() && is_one(self, run));
        let again: Vec<_> = running.map(|run| run.task).filter(|task| self.is_listed(*task)).collect();
        again.into_iter().for_each(|task| self.set_off(task, Occasion::once(By::World), owed));
        self.cancel_where(owed, CancellationReason::Abort, is_one);
    }
}

/// What its fact has to read for a condition to hold.
pub(super) const fn wanted(condition: Condition) -> bool {
    use SystemConditionType::{InternetNotAvailable, SessionDisconnected, UserNotPresent};
    match condition {
        Condition::System(kind) => !matches!(kind, InternetNotAvailable | UserNotPresent | SessionDisconnected),
        Condition::Fact { holds, .. } => holds,
    }
}
