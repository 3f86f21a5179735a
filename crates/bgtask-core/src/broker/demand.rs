//! Triggers that a program asks for: the app's own, and custom events.

use std::sync::Arc;

use super::fire::Occurrence;
use super::tables::Occasion;
use super::{Core, Task};
use crate::ids::{AppId, TaskId};
use crate::limits::{MAX_DETAILS_BYTES, MAX_EVENT_ID_BYTES};
use crate::model::edge::EdgeKind;
use crate::model::registration::Standing;
use crate::model::trigger::{CustomSystemEventTriggerRecurrence, Demand, Details, Trigger};
use crate::output::{ApplicationTriggerResult, Reply};
use crate::refusal::{Limit, Refusal};

impl Core {
    /// REQ-1 to REQ-3, D3: it fires or it does not, nothing is queued.
    pub(super) fn activate(&mut self, app: &AppId, demand: Demand, details: Option<Details>) -> Result<Reply, Refusal> {
        use ApplicationTriggerResult as Result;
        if self.apps.get(app).is_none() {
            return Err(Refusal::UnknownApp(app.clone()));
        }
        if details.as_ref().is_some_and(|details| details.0.len() > MAX_DETAILS_BYTES) {
            return Err(Refusal::LimitReached(Limit::DetailsBytes));
        }
        if demand == Demand::DeviceUse {
            return self.use_device(app, details);
        }
        let trigger = demand.trigger();
        let answer = |result, why: String| Ok(Reply::Activated(result, why));
        let task = match self.demanded(app, &trigger) {
            Ok(task) => task,
            Err(why) => return answer(Result::UnknownError, why),
        };
        let status = self.status_of(&task.registration);
        if !status.allows() {
            return answer(Result::DisabledByPolicy, format!("{status}, says {}", self.apps.decided_by(app)));
        }
        if let Some(why) = busy(task) {
            return answer(Result::CurrentlyRunning, why);
        }
        let id = task.registration.id;
        self.accept(id, Occurrence { details, ..Occurrence::default() });
        answer(Result::Allowed, "the trigger fired".to_owned())
    }

    /// The task that the app's trigger of that kind fires; or why there is none.
    pub(super) fn demanded<'a>(&'a self, app: &AppId, trigger: &Trigger) -> Result<&'a Task, String> {
        let wanted =
            |task: &&Task| task.registration.trigger == *trigger && task.registration.standing == Standing::Active;
        if self.stopping {
            return Err("the broker is about to end".to_owned());
        }
        let task = self.tasks.of_app(app).find(wanted).map(|task| task.registration.id);
        let task = task.and_then(|id| self.tasks.get(id));
        task.ok_or_else(|| format!("the app has no task with a trigger of the class {}: register one", trigger.class()))
    }

    /// A custom event: every registration that waits for it hears it, of whatever app.
    pub(super) fn raise(&mut self, by: Option<&AppId>, event: &str) -> Result<Reply, Refusal> {
        if event.is_empty() {
            return Err(Refusal::InvalidArgument("the custom event has no id: name the event to raise".into()));
        }
        if event.len() > MAX_EVENT_ID_BYTES {
            return Err(Refusal::LimitReached(Limit::EventIdBytes));
        }
        if let Some(app) = by {
            let installed = self.apps.get(app).ok_or_else(|| Refusal::UnknownApp(app.clone()))?;
            if !installed.raises.iter().any(|its| **its == *event) {
                return Err(Refusal::MayNotRaise { app: app.clone(), event: event.to_owned() });
            }
        }
        let event: Arc<str> = event.into();
        let occasion = Occasion::Custom(Arc::clone(&event));
        let count = self.tasks.concerned(&occasion).filter(|task| self.hears(task)).count();
        let count = count.try_into().unwrap_or(u32::MAX);
        self.edge(EdgeKind::Custom(event));
        Ok(Reply::Raised(count))
    }

    pub(super) fn hears(&self, task: &Task) -> bool {
        let its = &task.registration;
        let heard = counts_once(&its.trigger) && its.counted_in.as_ref() == Some(&self.session);
        its.fires() && !heard
    }

    /// What it waits for has happened: it fires.
    pub(super) fn reach(&mut self, id: TaskId) {
        if let Some(task) = self.tasks.get_mut(id)
            && counts_once(&task.registration.trigger)
        {
            task.registration.counted_in = Some(Arc::clone(&self.session));
            self.persist_registration(id);
        }
        self.accept(id, Occurrence::default());
    }
}

/// D3: why it is not fired again.
pub(super) fn busy(task: &Task) -> Option<String> {
    let state = if task.running.is_empty() { "waits to run" } else { "runs" };
    (!task.is_quiet()).then(|| format!("the task {state} already"))
}

/// SYS-6: only of such an event it is kept in which session it was heard.
fn counts_once(trigger: &Trigger) -> bool {
    matches!(trigger, Trigger::CustomSystemEvent { recurrence: CustomSystemEventTriggerRecurrence::Once, .. })
}
