//! What clients ask to see.

use std::collections::HashMap;
use std::time::Duration;

use bgtask_core::{
    AccessSetting, AppId, Condition, Core, CustomSystemEventTriggerRecurrence, Entry, EventClass, Fact, GateReading,
    InvalidId, NewRegistration, Now, PushChannel, Registration, Resource, SourceStatus, SystemTriggerType, TaskGroup,
    Trigger, Why,
};
use bgtask_wire::{BudgetInfo, GateInfo, PushChannelInfo, SourceInfo, TaskInfo, WhyInfo};

/// A registration as it stands, without the places that only its broker knows: see [`TaskInfo::log`].
pub fn task_info(core: &Core, registration: &Registration) -> TaskInfo {
    let activation = core.task(registration.id).and_then(|(_, activation)| activation);
    let parts = trigger_parts(&registration.trigger);
    let recurrence = match &registration.trigger {
        Trigger::CustomSystemEvent { recurrence, .. } => Some(*recurrence),
        _ => None,
    };
    let group = registration.group.as_ref();
    let command = registration.entry.command();
    TaskInfo {
        id: registration.id.to_string(),
        app: registration.app.to_string(),
        name: registration.name.to_string(),
        entry_point: entry_point(&registration.entry),
        class_id: class_id(&registration.entry),
        group: group.map(|group| group.id.to_string()),
        group_name: group.map(|group| group.name.to_string()),
        trigger: registration.trigger.class().to_owned(),
        trigger_type: parts.kind.to_owned(),
        trigger_properties: properties(&registration.trigger),
        freshness: parts.freshness,
        due: registration.due.map(|due| due.as_micros()),
        event_id: parts.event,
        recurrence: recurrence.map(CustomSystemEventTriggerRecurrence::name).map(str::to_owned),
        one_shot: registration.trigger.one_shot(),
        conditions: registration.conditions.iter().map(|condition| condition.name().into_owned()).collect(),
        cancel_on_condition_loss: registration.cancel_on_condition_loss,
        is_network_requested: registration.is_network_requested,
        registered_at: registration.registered_at.as_micros(),
        phase: core.phase(registration.id).expect("the registration was just listed").to_owned(),
        instance: activation.map(|activation| activation.instance.to_string()),
        attempt: activation.map(|activation| activation.attempt),
        progress: activation.and_then(|activation| activation.state.progress()),
        message: activation.and_then(|activation| activation.message.as_ref()).map(ToString::to_string),
        word: bgtask_taskfile::trigger_word(&registration.trigger),
        definition: command.map(|_| bgtask_taskfile::write(&definition(registration))),
        file: command.and_then(|command| command.file.as_ref()).map(ToString::to_string),
        log: None,
        paused: registration.paused,
        retry_at: activation.and_then(|activation| activation.not_before).map(|at| at.as_micros()),
        last_at: registration.last.map(|last| last.at.as_micros()),
        last_ok: registration.last.map(|last| last.ok),
        fresh_since: promised(registration).map(|since| since.as_micros()),
        overdue: registration.overdue,
    }
}

fn promised(registration: &Registration) -> Option<bgtask_core::WallTime> {
    registration.entry.command()?.fresh_within.and(registration.fresh_since)
}

/// What stands in the task file of a command.
fn definition(registration: &Registration) -> bgtask_taskfile::Task {
    bgtask_taskfile::Task {
        registration: NewRegistration {
            name: registration.name.to_string(),
            entry: registration.entry.clone(),
            trigger: registration.trigger.clone(),
            conditions: registration.conditions.to_vec(),
            cancel_on_condition_loss: registration.cancel_on_condition_loss,
            is_network_requested: registration.is_network_requested,
            group: registration.group.clone(),
        },
        paused: registration.paused,
    }
}

/// The registration behind what clients see of it.
///
/// # Errors
///
/// It is not of this version: the text says what is not.
pub fn registration_of(info: &TaskInfo) -> Result<NewRegistration, String> {
    if let Some(definition) = &info.definition {
        let parsed = bgtask_taskfile::parse(&info.name, definition);
        return parsed
            .map(|task| task.registration)
            .map_err(|problems| problems.first().map_or_else(String::new, ToString::to_string));
    }
    let class = info.class_id.as_deref().map(str::parse).transpose().map_err(|error: InvalidId| error.to_string())?;
    let condition = |name: &String| Condition::from_name(name).ok_or_else(|| format!("{name:?} is no condition"));
    let group = |id: &String| TaskGroup {
        id: id.as_str().into(),
        name: info.group_name.as_ref().unwrap_or(id).as_str().into(),
    };
    Ok(NewRegistration {
        name: info.name.clone(),
        entry: match class {
            Some(class) => Entry::Class(class),
            None if info.entry_point.is_empty() => Entry::InProcess,
            None => Entry::Component(info.entry_point.as_str().into()),
        },
        trigger: trigger_of(info).ok_or_else(|| format!("{} {} is no trigger", info.trigger, info.trigger_type))?,
        conditions: info.conditions.iter().map(condition).collect::<Result<_, _>>()?,
        cancel_on_condition_loss: info.cancel_on_condition_loss,
        is_network_requested: info.is_network_requested,
        group: info.group.as_ref().map(group).map(Box::new),
    })
}

fn trigger_of(info: &TaskInfo) -> Option<Trigger> {
    let one_shot = info.one_shot;
    Some(match info.trigger.as_str() {
        "SystemTrigger" => Trigger::System { kind: SystemTriggerType::from_name(&info.trigger_type)?, one_shot },
        "TimeTrigger" => Trigger::Time { freshness: info.freshness?, one_shot },
        "MaintenanceTrigger" => Trigger::Maintenance { freshness: info.freshness?, one_shot },
        "ApplicationTrigger" => Trigger::Application,
        "MediaProcessingTrigger" => Trigger::MediaProcessing,
        "DeviceUseTrigger" => Trigger::DeviceUse,
        // It is registered under the name of the service.
        "AppServiceTrigger" => Trigger::AppService { name: info.name.as_str().into() },
        "CustomSystemEventTrigger" => Trigger::CustomSystemEvent {
            id: info.event_id.as_deref()?.into(),
            recurrence: CustomSystemEventTriggerRecurrence::from_name(info.recurrence.as_deref()?)?,
        },
        name if let Some(class) = EventClass::from_name(name) => {
            let given = info.trigger_properties.iter().flatten();
            let properties = given.map(|(name, value)| (name.as_str().into(), value.as_str().into())).collect();
            Trigger::Event { class, properties, one_shot }
        }
        _ => return None,
    })
}

/// What a trigger says of itself besides its class.
pub(crate) struct TriggerParts {
    /// The event of a system trigger by name; empty for the others.
    pub(crate) kind: &'static str,
    pub(crate) freshness: Option<u32>,
    pub(crate) event: Option<String>,
}

pub(crate) fn trigger_parts(trigger: &Trigger) -> TriggerParts {
    let (mut kind, mut freshness, mut event) = ("", None, None);
    match trigger {
        Trigger::System { kind: its, .. } => kind = its.name(),
        Trigger::Time { freshness: its, .. } | Trigger::Maintenance { freshness: its, .. } => freshness = Some(*its),
        Trigger::CustomSystemEvent { id, .. } => event = Some(id.to_string()),
        _ => {}
    }
    TriggerParts { kind, freshness, event }
}

/// The properties of a trigger that listens to events.
fn properties(trigger: &Trigger) -> Option<HashMap<String, String>> {
    let Trigger::Event { properties, .. } = trigger else { return None };
    Some(properties.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect())
}

/// The entry point on the wire: empty for the app itself and for a class.
pub(crate) fn entry_point(entry: &Entry) -> String {
    match entry {
        Entry::Component(name) => name.to_string(),
        Entry::Class(_) | Entry::InProcess | Entry::Command(_) => String::new(),
    }
}

pub(crate) fn class_id(entry: &Entry) -> Option<String> {
    match entry {
        Entry::Class(class) => Some(class.to_string()),
        Entry::Component(_) | Entry::InProcess | Entry::Command(_) => None,
    }
}

/// Why a task is where it is.
pub fn why_info(why: Why) -> WhyInfo {
    let gate = |gate: GateReading| GateInfo {
        name: gate.name,
        open: gate.open,
        value: gate.value,
        since: gate.since.map(|since| since.as_micros()),
        source: gate.source,
    };
    WhyInfo {
        sentence: why.sentence,
        phase: why.phase.to_owned(),
        since: why.since.map(|since| since.as_micros()),
        gates: why.gates.into_iter().map(gate).collect(),
        remedy: why.remedy,
        next: why.next.map(|next| next.as_micros()),
        used: why.used.map(micros),
        budget: why.budget.map(micros),
    }
}

/// What an app may use in the background, and what of that is left.
pub fn budget_info(core: &Core, app: &AppId, now: Now) -> BudgetInfo {
    let left = core.budget_left(app, now);
    let word = |resource| match resource {
        Resource::Cpu => "cpu".to_owned(),
        Resource::Network => "network".to_owned(),
    };
    BudgetInfo {
        percent: left.percent,
        window: micros(left.window),
        cpu: left.cpu.map(micros),
        cpu_left: left.cpu_left.map(micros),
        network: left.network,
        network_left: left.network_left,
        throttled: left.throttled.map(word),
        refill: left.refill.map(|refill| refill.as_micros()),
    }
}

/// What the user decided, in the word of the contract.
pub const fn setting_word(setting: AccessSetting) -> &'static str {
    match setting {
        AccessSetting::Always => "always",
        AccessSetting::Managed => "managed",
        AccessSetting::Never => "never",
    }
}

/// A source and how well it works.
pub fn source_info(fact: Fact, status: Option<&SourceStatus>, core: &Core) -> SourceInfo {
    let level = core.levels().get(fact).map(|(value, _)| value.to_string());
    SourceInfo {
        value: match fact {
            Fact::TimeZone => core.zone().map(|zone| zone.identity.clone()),
            Fact::WorkCost => core.work_cost().map(|cost| cost.name().to_lowercase()),
            fact if fact.is_state() => core.state_of(fact).map(str::to_owned),
            // Who has logged off is not disconnected: the word for that stands beside the level.
            Fact::SessionConnected => core.state_of(fact).map(str::to_owned).or(level),
            _ => level,
        },
        ..status_info(fact.name().into_owned(), status)
    }
}

/// A channel for push messages, and how well it works.
pub fn push_channel_info(channel: &PushChannel, held: usize, status: &SourceStatus) -> PushChannelInfo {
    let SourceInfo { status, how, why, help, .. } = status_info(String::new(), Some(status));
    PushChannelInfo {
        app: channel.app.to_string(),
        uri: channel.uri.as_deref().map(str::to_owned),
        expires: channel.expires.as_micros(),
        status,
        how,
        why,
        help,
        held: held as u64,
    }
}

/// What is listened to, by the word of its trigger, and how well it is heard.
pub fn listened_info(trigger: &Trigger, status: Option<&SourceStatus>) -> SourceInfo {
    status_info(bgtask_taskfile::trigger_word(trigger), status)
}

/// Anything that works more or less well, under its own name.
pub fn status_info(name: String, status: Option<&SourceStatus>) -> SourceInfo {
    let (word, how, why, help) = match status {
        None => ("starting", None, None, None),
        Some(SourceStatus::Available { how }) => ("available", Some(how), None, None),
        Some(SourceStatus::Degraded { how, why, help }) => ("degraded", Some(how), Some(why), Some(help)),
        Some(SourceStatus::Missing { why, help }) => ("missing", None, Some(why), Some(help)),
    };
    let status = word.to_owned();
    SourceInfo { name, status, how: how.cloned(), why: why.cloned(), help: help.cloned(), value: None }
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}
