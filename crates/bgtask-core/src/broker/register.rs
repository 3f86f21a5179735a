//! Registering and unregistering: everything a caller can get wrong is refused here (BLD-5, RE-3).

use super::Core;
use crate::activation::ActivationEvent;
use crate::ids::{AppId, TaskId};
use crate::input::SourceStatus;
use crate::limits::{
    MAX_CONDITIONS, MAX_ENTRY_POINT_BYTES, MAX_NAME_BYTES, MAX_REGISTRATIONS, MAX_REGISTRATIONS_PER_APP,
};
use crate::model::app::TaskType;
use crate::model::cancel::CancellationReason;
use crate::model::condition::SystemConditionType;
use crate::model::fact::Fact;
use crate::model::registration::{NewRegistration, Registration, Standing};
use crate::model::trigger::{SystemTriggerType, Trigger};
use crate::output::{Change, EventKind, Limit, Refusal, Reply};

impl Core {
    pub(super) fn register(&mut self, app: &AppId, new: NewRegistration) -> Result<Reply, Refusal> {
        check_shape(&new)?;
        self.check_declared(app, &new)?;
        self.check_supported(&new)?;
        self.check_limits(app)?;
        let id = self.ids.task();
        let registration = Registration {
            id,
            app: app.clone(),
            name: new.name.into(),
            entry_point: new.entry_point.into(),
            trigger: new.trigger,
            conditions: new.conditions.into(),
            cancel_on_condition_loss: new.cancel_on_condition_loss,
            is_network_requested: new.is_network_requested,
            registered_at: self.now.wall,
            standing: Standing::Active,
        };
        self.persist(Change::PutRegistration(registration.clone()));
        self.tasks.insert(registration, &mut self.facts);
        self.settle_sources();
        self.record(id, EventKind::Registered);
        Ok(Reply::Registered(id))
    }

    pub(super) fn unregister(&mut self, scope: Option<&AppId>, id: TaskId, cancel: bool) -> Result<Reply, Refusal> {
        let listed = self.tasks.get(id).is_some_and(|task| {
            let registration = &task.registration;
            registration.standing != Standing::Unregistered && scope.is_none_or(|app| *app == registration.app)
        });
        if !listed {
            return Err(Refusal::UnknownTask(id));
        }
        self.record(id, EventKind::Unregistered { cancel });
        self.leave(id, cancel.then_some(CancellationReason::Abort));
        Ok(Reply::Unregistered)
    }

    /// Takes a registration off the list: now if nothing of it runs, else when its instance has ended.
    pub(super) fn leave(&mut self, id: TaskId, cancel: Option<CancellationReason>) {
        let Some(task) = self.tasks.get_mut(id) else {
            return;
        };
        match &mut task.activation {
            None => self.forget(id),
            Some(activation) if activation.is_waiting() => {
                activation.apply(ActivationEvent::Ended);
                self.record(id, EventKind::Dropped);
                self.clear_activation(id);
                self.forget(id);
            }
            Some(activation) => {
                activation.next = None;
                task.registration.standing = Standing::Unregistered;
                let registration = task.registration.clone();
                self.tasks.touch(id);
                self.persist(Change::PutRegistration(registration));
                if let Some(reason) = cancel {
                    self.cancel(id, reason);
                }
            }
        }
    }

    /// Deletes a registration that has no activation left.
    pub(super) fn forget(&mut self, id: TaskId) {
        if self.tasks.remove(id, &mut self.facts).is_some() {
            self.persist(Change::DeleteRegistration(id));
            self.settle_sources();
        }
    }

    fn check_declared(&self, app: &AppId, new: &NewRegistration) -> Result<(), Refusal> {
        let declared = self.apps.get(app).ok_or_else(|| Refusal::UnknownApp(app.clone()))?;
        let wanted = task_types(&new.trigger);
        let Some(entry) = declared.entry_point(&new.entry_point) else {
            return Err(Refusal::EntryPointNotDeclared {
                app: app.clone(),
                entry_point: new.entry_point.clone(),
                wanted: wanted.to_vec(),
                declared: declared.entry_points.iter().map(|entry| entry.name.clone()).collect(),
            });
        };
        if entry.types.iter().any(|kind| wanted.contains(kind)) {
            return Ok(());
        }
        Err(Refusal::TaskTypeNotDeclared {
            app: app.clone(),
            entry_point: new.entry_point.clone(),
            wanted: wanted.to_vec(),
        })
    }

    fn check_supported(&self, new: &NewRegistration) -> Result<(), Refusal> {
        let Trigger::System { kind, .. } = new.trigger;
        self.check_fact(Fact::of_trigger(kind), || format!("the system trigger {kind}"))?;
        for condition in &new.conditions {
            self.check_fact(Fact::of_condition(*condition), || format!("the condition {condition}"))?;
        }
        Ok(())
    }

    fn check_fact(&self, fact: Option<Fact>, what: impl Fn() -> String) -> Result<(), Refusal> {
        let Some(fact) = fact else {
            return Err(Refusal::NotSupported {
                what: what(),
                why: "this version of bgtask has no source for it".into(),
                help: format!(
                    "it has TimeZoneChange, InternetAvailable, UserPresent and UserAway as system triggers, and {} as conditions",
                    supported_conditions()
                ),
            });
        };
        match self.facts.status(fact) {
            Some(SourceStatus::Missing { why, help }) => {
                Err(Refusal::NotSupported { what: what(), why: why.clone(), help: help.clone() })
            }
            _ => Ok(()),
        }
    }

    fn check_limits(&self, app: &AppId) -> Result<(), Refusal> {
        if self.tasks.count_of(app) >= MAX_REGISTRATIONS_PER_APP {
            return Err(Refusal::LimitReached(Limit::RegistrationsPerApp));
        }
        if self.tasks.len() >= MAX_REGISTRATIONS {
            return Err(Refusal::LimitReached(Limit::Registrations));
        }
        Ok(())
    }
}

fn check_shape(new: &NewRegistration) -> Result<(), Refusal> {
    let invalid = |text: &str| Err(Refusal::InvalidArgument(text.into()));
    if new.name.is_empty() {
        return invalid("the task has no name: set one with BackgroundTaskBuilder::name");
    }
    if new.name.chars().any(char::is_control) {
        return invalid("the task's name has control characters: it is shown to people");
    }
    if new.entry_point.is_empty() {
        return invalid(
            "the task has no entry point: name one that the manifest declares, such as \"Tasks.ExampleBackgroundTask\" \
             (in-process activation, which needs none, is not in this version)",
        );
    }
    if new.name.len() > MAX_NAME_BYTES {
        return Err(Refusal::LimitReached(Limit::NameBytes));
    }
    if new.entry_point.len() > MAX_ENTRY_POINT_BYTES {
        return Err(Refusal::LimitReached(Limit::EntryPointBytes));
    }
    if new.conditions.len() > MAX_CONDITIONS {
        return Err(Refusal::LimitReached(Limit::Conditions));
    }
    let Trigger::System { kind, one_shot } = new.trigger;
    if one_shot && kind == SystemTriggerType::ControlChannelReset {
        return invalid("ControlChannelReset cannot be one-shot (SYS-2): pass one_shot = false");
    }
    Ok(())
}

/// The task types that allow a trigger (§13.2, and decision 9 of §18: both words are accepted).
fn task_types(trigger: &Trigger) -> &'static [TaskType] {
    match trigger {
        Trigger::System { .. } => &[TaskType::SystemEvent, TaskType::General],
    }
}

fn supported_conditions() -> String {
    let supported = SystemConditionType::ALL.iter().filter(|condition| Fact::of_condition(**condition).is_some());
    supported.map(|condition| condition.name()).collect::<Vec<_>>().join(", ")
}
