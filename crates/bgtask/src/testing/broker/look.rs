//! What a test looks at.

use std::fmt;
use std::time::SystemTime;

use bgtask_core::{ActivationState, AppId, Event, EventKind, Registration, Request};

use super::TestBroker;
use super::convert::{core_id, entry_names, instance_id, same, task_id};
use crate::event_args::time_of;
use crate::host::RegisteredTask;
use crate::storage::{ApplicationDataContainer, SettingsError};
use crate::{BackgroundTaskCancellationReason, BackgroundTaskCompletedEventArgs, InstanceId, TaskId};

/// An activation without an outcome, as [`TestBroker::activations`] found it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TestActivation {
    instance_id: InstanceId,
    phase: ActivationPhase,
    attempt: u32,
    fired_count: u32,
    progress: Option<u32>,
    cancellation_reason: Option<BackgroundTaskCancellationReason>,
}

/// Where an activation stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ActivationPhase {
    /// It fired and may not run yet; [`TestBroker::why`] says why.
    Waiting,
    /// Its process was told to run it, and has not yet said that it began.
    Starting,
    /// It runs.
    Running,
    /// It runs, but its process is suspended, because its app has used up what it may (POL-1).
    Suspended,
    /// It was told to stop.
    Cancelling,
}

/// One line of a task's history.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TestEvent {
    at: SystemTime,
    event: &'static str,
    text: String,
    instance_id: Option<InstanceId>,
}

impl TestBroker {
    /// The time on the wall. A test begins on 2030-01-01 at 00:00 UTC, which is on a tick of the timers.
    pub fn now(&self) -> SystemTime {
        time_of(self.clock.now().wall.as_micros())
    }

    /// The tasks an app has registered, those in groups included, oldest first.
    pub fn registrations(&self, app: &str) -> Vec<RegisteredTask> {
        let (Ok(app), Some(core)) = (AppId::new(app), &self.core) else { return Vec::new() };
        core.registrations(Some(&app)).into_iter().map(registered).collect()
    }

    /// Every activation of a task that has no outcome yet: what runs first, then what waits, in the order it fired.
    pub fn activations(&self, task: TaskId) -> Vec<TestActivation> {
        let Some(core) = &self.core else { return Vec::new() };
        let its = core.activations().filter(|(registration, _)| registration.id == core_id(task));
        let suspended = |host| core.hosts().any(|one| Some(one.id) == host && one.frozen.is_some());
        its.filter_map(|(_, activation)| activation_of(activation, suspended(activation.state.host()))).collect()
    }

    /// Why a task is not running now, or what it does: the sentence of `bgtask why`.
    pub fn why(&self, task: TaskId) -> String {
        let Some(core) = &self.core else { return "The broker has crashed and was not restarted.".to_owned() };
        match core.why(core_id(task), self.clock.now()) {
            Some(why) => why.sentence,
            None => format!("There is no task {task}: it is unregistered."),
        }
    }

    /// Everything that happened to a task, over all lives of the broker: the lines of `bgtask history`.
    pub fn history(&self, task: TaskId) -> Vec<TestEvent> {
        self.events(task).map(line).collect()
    }

    /// How every activation of a task ended, oldest first, whether or not the app has heard of it.
    pub fn outcomes(&self, task: TaskId) -> Vec<BackgroundTaskCompletedEventArgs> {
        self.events(task).filter_map(outcome).collect()
    }

    /// How the last activation of a task ended, if one has.
    pub fn last_outcome(&self, task: TaskId) -> Option<BackgroundTaskCompletedEventArgs> {
        self.outcomes(task).pop()
    }

    /// Every progress of a task that the app heard of, oldest first. The app listens all the time.
    pub fn progress(&self, task: TaskId) -> Vec<u32> {
        let its = self.heard.progress.iter().filter(|(of, _)| *of == core_id(task));
        its.map(|(_, value)| *value).collect()
    }

    /// What the app hears when it handles its completions now: those since the last call, each once, also over a
    /// [crash](Self::crash) (D4).
    pub fn completions(&mut self, app: &str) -> Vec<BackgroundTaskCompletedEventArgs> {
        let (its, others) =
            std::mem::take(&mut self.heard.completions).into_iter().partition(|one| one.app.as_str() == app);
        self.heard.completions = others;
        let its: Vec<bgtask_core::Completion> = its;
        for completion in &its {
            let acknowledged = self.ask(Request::Acknowledge(completion.app.clone(), completion.sequence));
            acknowledged.expect("what was delivered can be acknowledged");
        }
        let heard = |one: bgtask_core::Completion| {
            let info = bgtask_convert::outcome_info(&one.outcome, one.progress, one.at);
            let (task, instance) = (task_id(one.task), instance_id(one.instance));
            BackgroundTaskCompletedEventArgs::new(task, one.name.to_string(), instance, info)
        };
        its.into_iter().map(heard).collect()
    }

    /// The settings an app shares with its tasks. They are in a folder of this broker's own, which goes with it.
    ///
    /// # Errors
    ///
    /// [`SettingsError::Io`]: the folder cannot be made.
    pub fn local_settings(&self, app: &str) -> Result<ApplicationDataContainer, SettingsError> {
        ApplicationDataContainer::open(self.data_dir(app))
    }

    fn events(&self, task: TaskId) -> impl Iterator<Item = &Event> {
        self.store.history().iter().filter(move |event| event.task == core_id(task))
    }
}

fn registered(registration: &Registration) -> RegisteredTask {
    let (task_entry_point, class) = entry_names(&registration.entry);
    RegisteredTask {
        task_id: task_id(registration.id),
        name: registration.name.to_string(),
        task_entry_point,
        class_id: class.and_then(|class| class.parse().ok()),
        group: registration.group.as_ref().map(|group| group.id.to_string()),
    }
}

fn activation_of(activation: &bgtask_core::Activation, suspended: bool) -> Option<TestActivation> {
    let (phase, reason) = match activation.state {
        ActivationState::Waiting { .. } => (ActivationPhase::Waiting, None),
        ActivationState::Starting { .. } | ActivationState::Running { .. } if suspended => {
            (ActivationPhase::Suspended, None)
        }
        ActivationState::Starting { .. } => (ActivationPhase::Starting, None),
        ActivationState::Running { .. } => (ActivationPhase::Running, None),
        ActivationState::Cancelling { reason, .. } | ActivationState::Killing { reason, .. } => {
            (ActivationPhase::Cancelling, Some(reason))
        }
        ActivationState::Ended => return None,
    };
    Some(TestActivation {
        instance_id: instance_id(activation.instance),
        phase,
        attempt: activation.attempt,
        fired_count: activation.firing.count,
        progress: activation.state.progress(),
        cancellation_reason: reason.map(|it| same(BackgroundTaskCancellationReason::from_number(it.number()))),
    })
}

fn line(event: &Event) -> TestEvent {
    TestEvent {
        at: time_of(event.at.as_micros()),
        event: event.kind.word(),
        text: event.kind.to_string(),
        instance_id: event.instance.map(instance_id),
    }
}

fn outcome(event: &Event) -> Option<BackgroundTaskCompletedEventArgs> {
    let (EventKind::Completed { outcome, progress, .. }, Some(instance)) = (&event.kind, event.instance) else {
        return None;
    };
    let info = bgtask_convert::outcome_info(outcome, *progress, event.at);
    let (task, instance) = (task_id(event.task), instance_id(instance));
    Some(BackgroundTaskCompletedEventArgs::new(task, event.name.to_string(), instance, info))
}

impl TestActivation {
    /// Which activation.
    pub fn instance_id(&self) -> InstanceId {
        self.instance_id
    }

    /// Where it stands.
    pub fn phase(&self) -> ActivationPhase {
        self.phase
    }

    /// Which attempt at it this is, from 1 (D7).
    pub fn attempt(&self) -> u32 {
        self.attempt
    }

    /// How many firings it stands for (D1).
    pub fn fired_count(&self) -> u32 {
        self.fired_count
    }

    /// The last progress it reported in this attempt.
    pub fn progress(&self) -> Option<u32> {
        self.progress
    }

    /// Why it was told to stop, if it was.
    pub fn cancellation_reason(&self) -> Option<BackgroundTaskCancellationReason> {
        self.cancellation_reason
    }
}

impl TestEvent {
    /// When it happened.
    pub fn at(&self) -> SystemTime {
        self.at
    }

    /// What happened, one word: `registered`, `unregistered`, `fired`, `latched`, `buffered`, `started`, `cancelled`,
    /// `interrupted`, `dropped`, `completed` or `completion-lost`.
    pub fn event(&self) -> &'static str {
        self.event
    }

    /// What happened, for a person.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Which activation it happened to, if it was one.
    pub fn instance_id(&self) -> Option<InstanceId> {
        self.instance_id
    }
}

impl fmt::Display for TestEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}
