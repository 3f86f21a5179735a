mod command;

use std::collections::BTreeSet;

use crate::broker::tables::stands_on;
use crate::broker::{Core, Task};
use crate::ids::{AppId, TaskId};
use crate::input::SourceStatus;
use crate::limits::{
    MAX_CONDITIONS, MAX_ENTRY_POINT_BYTES, MAX_EVENT_ID_BYTES, MAX_FRESHNESS, MAX_GROUP_BYTES, MAX_NAME_BYTES,
    MAX_PATH_BYTES, MAX_PROPERTIES, MAX_REGISTRATIONS, MAX_REGISTRATIONS_PER_APP, MAX_SOURCES,
};
use crate::model::app::TaskType;
use crate::model::condition::Condition;
use crate::model::control_channel::{CHANNEL, ChannelSide, ON, check_channel_id};
use crate::model::fact::Fact;
use crate::model::registration::{Entry, NewRegistration, Standing};
use crate::model::subject::{EventClass, Properties, Support};
use crate::model::trigger::{SystemTriggerType, Trigger};
use crate::refusal::{Limit, Refusal};

impl Core {
    pub(super) fn check(&self, app: &AppId, new: &NewRegistration) -> Result<(), Refusal> {
        self.check_replacing(app, new, &[])
    }

    /// Whether it may be registered once those are gone.
    pub(super) fn check_replacing(
        &self,
        app: &AppId,
        new: &NewRegistration,
        leaving: &[TaskId],
    ) -> Result<(), Refusal> {
        check_shape(new)?;
        self.check_freshness(&new.trigger)?;
        self.check_declared(app, new)?;
        self.check_supported(new)?;
        self.check_only_one(app, &new.trigger, leaving)?;
        self.check_limits(app, &new.trigger, leaving)
    }

    /// TM-2: out of range is refused when it is registered, not before.
    fn check_freshness(&self, trigger: &Trigger) -> Result<(), Refusal> {
        let (Trigger::Time { freshness, .. } | Trigger::Maintenance { freshness, .. }) = trigger else {
            return Ok(());
        };
        let least = self.config.min_freshness;
        if (least..=MAX_FRESHNESS).contains(freshness) {
            return Ok(());
        }
        Err(Refusal::InvalidArgument(format!(
            "the interval of {freshness} min is out of range: a {} takes {least} to {MAX_FRESHNESS} minutes",
            trigger.class()
        )))
    }

    fn check_declared(&self, app: &AppId, new: &NewRegistration) -> Result<(), Refusal> {
        let declared = self.apps.get(app).ok_or_else(|| Refusal::UnknownApp(app.clone()))?;
        let name = match &new.entry {
            Entry::Component(name) => name,
            Entry::Class(class) if declared.server(&new.entry).is_none() => {
                return Err(Refusal::ClassNotDeclared { app: app.clone(), class: *class });
            }
            Entry::InProcess if declared.itself.is_none() => return Err(Refusal::NoProgram(app.clone())),
            Entry::Command(_) if declared.commands.is_none() => {
                return Err(Refusal::InvalidArgument(format!("{app} is an app: only the user has commands")));
            }
            Entry::Class(_) | Entry::InProcess | Entry::Command(_) => return Ok(()),
        };
        let wanted = task_types(&new.trigger);
        let Some(entry) = declared.entry_point(name) else {
            return Err(Refusal::EntryPointNotDeclared {
                app: app.clone(),
                entry_point: name.to_string(),
                wanted: wanted.to_vec(),
                declared: declared.entry_points.iter().map(|entry| entry.name.clone()).collect(),
            });
        };
        if entry.types.iter().any(|kind| wanted.contains(kind)) {
            return Ok(());
        }
        Err(Refusal::TaskTypeNotDeclared { app: app.clone(), entry_point: name.to_string(), wanted: wanted.to_vec() })
    }

    fn check_supported(&self, new: &NewRegistration) -> Result<(), Refusal> {
        self.check_waking(&new.trigger)?;
        match new.trigger {
            Trigger::System { kind, .. } => {
                if let Some(fact) = Fact::of_trigger(kind) {
                    self.check_fact(fact, || format!("the system trigger {kind}"))?;
                }
            }
            Trigger::Maintenance { .. } => {
                self.check_fact(Fact::ExternalPower, || "a MaintenanceTrigger".to_owned())?;
            }
            Trigger::Event { class, .. } => check_class(class)?,
            Trigger::Condition { condition, .. } => {
                self.check_fact(condition.fact(), || format!("the beginning of {}", condition.word()))?;
            }
            Trigger::Time { .. }
            | Trigger::Application
            | Trigger::MediaProcessing
            | Trigger::DeviceUse
            | Trigger::AppService { .. }
            | Trigger::CustomSystemEvent { .. }
            | Trigger::Interval { .. }
            | Trigger::Calendar { .. }
            | Trigger::Path { .. }
            | Trigger::SessionStart { .. } => {}
        }
        for condition in &new.conditions {
            self.check_fact(condition.fact(), || format!("the condition {condition}"))?;
        }
        self.check_sources(new)
    }

    /// BLD-16: a group of transfers tells one task of its end.
    fn check_only_one(&self, app: &AppId, trigger: &Trigger, leaving: &[TaskId]) -> Result<(), Refusal> {
        if !is_of_transfers(trigger) {
            return Ok(());
        }
        let has_it = |task: &&Task| {
            let its = &task.registration;
            its.trigger == *trigger && its.standing != Standing::Unregistered && !leaving.contains(&its.id)
        };
        match self.tasks.of_app(app).find(has_it) {
            None => Ok(()),
            Some(task) => Err(Refusal::InvalidArgument(format!(
                "the trigger of this group of transfers belongs to the task {:?} already, and to one only (BLD-16): make \
                 another group",
                task.registration.name
            ))),
        }
    }

    /// Waking the machine is said to be impossible when it is asked for, not when it does not happen (D16).
    fn check_waking(&self, trigger: &Trigger) -> Result<(), Refusal> {
        if self.config.may_wake || !trigger.pace().is_some_and(|pace| pace.wake) {
            return Ok(());
        }
        Err(Refusal::NotSupported {
            what: "waking the machine from its sleep".into(),
            why: "tasks may not wake this machine".into(),
            help: "set `may_wake = true` in config.toml, or leave the waking out: it then runs when the machine wakes"
                .into(),
        })
    }

    /// Every fact with a parameter is a source of its own.
    fn check_sources(&self, new: &NewRegistration) -> Result<(), Refusal> {
        let wanted: BTreeSet<_> = stands_on(&new.trigger, &new.conditions).collect();
        let more = wanted.into_iter().filter(|fact| !self.facts.is_watched(*fact)).count();
        let room = more == 0 || self.facts.watched().count() + more <= MAX_SOURCES;
        if room { Ok(()) } else { Err(Refusal::LimitReached(Limit::Sources)) }
    }

    fn check_fact(&self, fact: Fact, what: impl Fn() -> String) -> Result<(), Refusal> {
        match self.facts.status(fact) {
            Some(SourceStatus::Missing { why, help }) => {
                Err(Refusal::NotSupported { what: what(), why: why.clone(), help: help.clone() })
            }
            _ => Ok(()),
        }
    }

    fn check_limits(&self, app: &AppId, trigger: &Trigger, leaving: &[TaskId]) -> Result<(), Refusal> {
        // Who runs stays until the end of that, and takes its place with it.
        let room = leaving.iter().filter(|id| self.running_of(**id).is_empty()).count();
        if self.tasks.count_of(app) >= MAX_REGISTRATIONS_PER_APP + room {
            return Err(Refusal::LimitReached(Limit::RegistrationsPerApp));
        }
        if self.tasks.len() >= MAX_REGISTRATIONS + room {
            return Err(Refusal::LimitReached(Limit::Registrations));
        }
        let limit = match trigger {
            Trigger::Application => Limit::ApplicationTriggers,
            Trigger::MediaProcessing => Limit::MediaProcessingTriggers,
            Trigger::DeviceUse => Limit::DeviceUseTriggers,
            _ => return Ok(()),
        };
        let another = |task: &Task| {
            let its = &task.registration;
            its.trigger == *trigger && its.standing == Standing::Active && !leaving.contains(&its.id)
        };
        if self.tasks.of_app(app).any(another) { Err(Refusal::LimitReached(limit)) } else { Ok(()) }
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
    if new.name.len() > MAX_NAME_BYTES {
        return Err(Refusal::LimitReached(Limit::NameBytes));
    }
    if let Entry::Component(name) = &new.entry {
        if name.is_empty() {
            return invalid("the task's entry point is empty: name one, or none at all for a task in the app itself");
        }
        if name.len() > MAX_ENTRY_POINT_BYTES {
            return Err(Refusal::LimitReached(Limit::EntryPointBytes));
        }
    }
    if new.conditions.len() > MAX_CONDITIONS {
        return Err(Refusal::LimitReached(Limit::Conditions));
    }
    new.conditions.iter().copied().try_for_each(check_condition)?;
    check_group(new)?;
    check_trigger(&new.trigger)?;
    check_device_use(new)?;
    check_is_of_an_app(new)?;
    match &new.entry {
        Entry::Command(command) => command::check(command, &new.trigger),
        _ if new.trigger.is_for_commands() => Err(Refusal::OnlyForCommands(new.trigger.class().to_owned())),
        _ => Ok(()),
    }
}

/// What only an app can have.
fn check_is_of_an_app(new: &NewRegistration) -> Result<(), Refusal> {
    let (why, help) = match new.trigger {
        Trigger::Event { class: EventClass::ControlChannel, .. } => (
            "only the process that holds a connection can run the tasks of its channel",
            "use a socket unit of systemd, which holds a connection for a command",
        ),
        Trigger::Event { class: EventClass::SocketActivity, .. } => (
            "only the app that opened a socket can hand it over",
            "use a socket unit of systemd, which opens one for a command",
        ),
        Trigger::Event { class: EventClass::BackgroundTransferCompletionGroup, .. } => (
            "only an app has groups of transfers",
            "run `bgtask transfers add --wait` in a script, and what comes after it",
        ),
        _ => return Ok(()),
    };
    if new.entry.command().is_none() {
        return Ok(());
    }
    let what = format!("a command with a {}", new.trigger.class());
    Err(Refusal::NotSupported { what, why: why.into(), help: help.into() })
}

fn is_of_transfers(trigger: &Trigger) -> bool {
    matches!(trigger, Trigger::Event { class: EventClass::BackgroundTransferCompletionGroup, .. })
}

fn check_group(new: &NewRegistration) -> Result<(), Refusal> {
    let Some(group) = &new.group else { return Ok(()) };
    if group.id.is_empty() {
        return Err(Refusal::InvalidArgument("the task's group has no id: give it one (GRP-2)".into()));
    }
    if group.id.chars().chain(group.name.chars()).any(char::is_control) {
        return Err(Refusal::InvalidArgument("the task's group has control characters: it is shown to people".into()));
    }
    if group.id.len() > MAX_GROUP_BYTES || group.name.len() > MAX_GROUP_BYTES {
        return Err(Refusal::LimitReached(Limit::GroupBytes));
    }
    Ok(())
}

/// A condition that its own name does not lead back to could not be kept: it is out of range, or of no level.
fn check_condition(condition: Condition) -> Result<(), Refusal> {
    if Condition::from_name(&condition.name()) == Some(condition) {
        return Ok(());
    }
    Err(Refusal::InvalidArgument(format!("{} is no condition: `bgtask conditions` lists them", condition.name())))
}

fn check_trigger(trigger: &Trigger) -> Result<(), Refusal> {
    match trigger {
        Trigger::Condition { condition, .. } => check_condition(*condition),
        Trigger::Event { class, properties, .. } => {
            check_properties(*class, properties)?;
            if *class == EventClass::ControlChannel { check_channel(properties) } else { Ok(()) }
        }
        Trigger::AppService { .. } => {
            let text = "an app service is declared in the manifest, under [[app_service]]: no app registers one";
            Err(Refusal::InvalidArgument(text.into()))
        }
        Trigger::System { kind: SystemTriggerType::ControlChannelReset, one_shot: true } => Err(
            Refusal::InvalidArgument("ControlChannelReset cannot be one-shot (SYS-2): pass one_shot = false".into()),
        ),
        Trigger::CustomSystemEvent { id, .. } if id.is_empty() => {
            Err(Refusal::InvalidArgument("the custom event has no id: give it one (SYS-6)".into()))
        }
        Trigger::CustomSystemEvent { id, .. } if id.len() > MAX_EVENT_ID_BYTES => {
            Err(Refusal::LimitReached(Limit::EventIdBytes))
        }
        Trigger::CustomSystemEvent { id, .. } if id.chars().any(char::is_control) => {
            Err(Refusal::InvalidArgument("the event's id has control characters: it is shown to people".into()))
        }
        _ => Ok(()),
    }
}

/// CCT-7: which channel, and what of it.
fn check_channel(properties: &Properties) -> Result<(), Refusal> {
    let property = |name| properties.get(name).map(|value| &**value).unwrap_or_default();
    check_channel_id(property(CHANNEL))?;
    if ChannelSide::from_word(property(ON)).is_some() {
        return Ok(());
    }
    let text = format!("a ControlChannelTrigger with {ON}={:?}: it is push or keep-alive", property(ON));
    Err(Refusal::InvalidArgument(text))
}

/// The task types that allow a trigger (§13.2, and decision 9 of §18: both words are accepted).
fn task_types(trigger: &Trigger) -> &'static [TaskType] {
    match trigger {
        Trigger::DeviceUse => &[TaskType::DeviceUse, TaskType::General],
        Trigger::Event { class, .. } => class.task_types(),
        Trigger::Time { .. } => &[TaskType::Timer],
        Trigger::MediaProcessing => &[TaskType::MediaProcessing],
        Trigger::System { .. }
        | Trigger::Maintenance { .. }
        | Trigger::Application
        | Trigger::AppService { .. }
        | Trigger::CustomSystemEvent { .. }
        | Trigger::Interval { .. }
        | Trigger::Calendar { .. }
        | Trigger::Path { .. }
        | Trigger::Condition { .. }
        | Trigger::SessionStart { .. } => &[TaskType::SystemEvent, TaskType::General],
    }
}

/// Every class of Windows can be named; some have no source on Linux (D16).
fn check_class(class: EventClass) -> Result<(), Refusal> {
    match class.support() {
        Support::Heard { .. } => Ok(()),
        Support::Never { why, help } => {
            Err(Refusal::NotSupported { what: format!("the trigger {class}"), why: why.into(), help: help.into() })
        }
    }
}

/// Which properties there may be. What they have to be, their source says before.
fn check_properties(class: EventClass, properties: &Properties) -> Result<(), Refusal> {
    if properties.iter().any(|(name, value)| name.len() > MAX_EVENT_ID_BYTES || value.len() > MAX_PATH_BYTES) {
        return Err(Refusal::LimitReached(Limit::PropertyBytes));
    }
    if properties.len() > MAX_PROPERTIES {
        return Err(Refusal::LimitReached(Limit::Properties));
    }
    let Support::Heard { properties: known } = class.support() else { return Ok(()) };
    if properties.iter().any(|(name, value)| name.chars().chain(value.chars()).any(char::is_control)) {
        let text = "a property of the trigger has control characters: it is shown to people";
        return Err(Refusal::InvalidArgument(text.into()));
    }
    let is_capital = |letter: char| letter.is_ascii_uppercase() || letter.is_ascii_digit() || letter == '_';
    let in_capitals = |name: &str| known.contains(&"*") && !name.is_empty() && name.chars().all(is_capital);
    let unknown = properties.keys().find(|name| !known.contains(&&***name) && !in_capitals(name));
    let Some(unknown) = unknown else { return Ok(()) };
    let named: Vec<_> = known.iter().filter(|name| **name != "*").copied().collect();
    let has = if named.is_empty() { "none at all".to_owned() } else { named.join(", ") };
    Err(Refusal::InvalidArgument(format!("a {class} has no property {unknown:?}: it has {has}")))
}

/// CO-6: a device is used when its app asks, or not at all; and by a program of its own.
fn check_device_use(new: &NewRegistration) -> Result<(), Refusal> {
    if new.trigger != Trigger::DeviceUse {
        return Ok(());
    }
    if !new.conditions.is_empty() {
        return Err(Refusal::InvalidArgument("a DeviceUseTrigger takes no conditions (CO-6): leave them out".into()));
    }
    if matches!(new.entry, Entry::InProcess) {
        let text = "a DeviceUseTrigger takes a task with an entry point: the app itself cannot run it";
        return Err(Refusal::InvalidArgument(text.into()));
    }
    Ok(())
}
