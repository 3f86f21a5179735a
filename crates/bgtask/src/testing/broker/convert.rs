//! Between the library, the wire and the core.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use bgtask_core::{
    CancelNotice, CustomSystemEventTriggerRecurrence, Details, Entry, NewRegistration, Outcome, Refusal, RunOrder,
    SystemConditionType, SystemTriggerType, TaskGroup, WallTime,
};
use bgtask_manifest::App;
use bgtask_wire::{CancelInfo, ErrorKind, HostCall, InstanceInfo, OutcomeInfo};
use zbus::message::Type;
use zbus::wire::serialized::{Context, Data};
use zbus::wire::{LE, to_bytes};
use zbus::{Message, OwnedVariant};

use crate::{BackgroundTaskBuilder, Error, TaskId, Trigger, ValueSet};

/// What a builder asks for.
pub(super) fn new_registration(builder: &BackgroundTaskBuilder) -> Result<NewRegistration, Error> {
    let group =
        |group: &crate::BackgroundTaskRegistrationGroup| TaskGroup { id: group.id().into(), name: group.name().into() };
    Ok(NewRegistration {
        name: builder.name.clone(),
        entry: entry(builder)?,
        trigger: trigger(builder.checked_trigger()?),
        conditions: builder.conditions.iter().map(|one| condition(one.condition_type())).collect(),
        cancel_on_condition_loss: builder.cancel_on_condition_loss,
        is_network_requested: builder.is_network_requested,
        group: builder.task_group.as_ref().map(group),
    })
}

fn entry(builder: &BackgroundTaskBuilder) -> Result<Entry, Error> {
    match (builder.task_entry_point.as_str(), builder.class_id) {
        ("", None) => Ok(Entry::InProcess),
        ("", Some(class)) => Ok(Entry::Class(class.to_string().parse().map_err(invalid)?)),
        (name, None) => Ok(Entry::Component(name.into())),
        (name, Some(class)) => Err(Error::invalid(format!(
            "a task has either an entry point or a class, this one has {name:?} and \"{class}\": leave one out"
        ))),
    }
}

fn trigger(trigger: &Trigger) -> bgtask_core::Trigger {
    use bgtask_core::Trigger as Core;
    match trigger {
        Trigger::System(its) => Core::System { kind: event(its.trigger_type()), one_shot: its.one_shot() },
        Trigger::Time(its) => Core::Time { freshness: its.freshness_time(), one_shot: its.one_shot() },
        Trigger::Maintenance(its) => Core::Maintenance { freshness: its.freshness_time(), one_shot: its.one_shot() },
        Trigger::Application(_) => Core::Application,
        Trigger::MediaProcessing(_) => Core::MediaProcessing,
        Trigger::CustomSystemEvent(its) => Core::CustomSystemEvent {
            id: its.trigger_id().into(),
            recurrence: same(CustomSystemEventTriggerRecurrence::from_number(its.recurrence().number())),
        },
    }
}

pub(super) fn event(kind: crate::SystemTriggerType) -> SystemTriggerType {
    same(SystemTriggerType::from_number(kind.number()))
}

pub(super) fn condition(kind: crate::SystemConditionType) -> SystemConditionType {
    same(SystemConditionType::from_number(kind.number()))
}

/// A value of an enumeration of Windows, which the library and the core both have whole.
pub(super) fn same<T>(found: Option<T>) -> T {
    found.expect("the library and the core have the same values")
}

/// The arguments of a trigger as the core keeps them; none at all is nothing carried.
pub(super) fn details(arguments: &ValueSet) -> Result<Option<Details>, Error> {
    if arguments.is_empty() {
        return Ok(None);
    }
    let ordered: BTreeMap<_, _> = arguments.to_wire()?.into_iter().collect();
    let data = to_bytes(context(), &ordered).map_err(invalid)?;
    Ok(Some(Details(data.bytes().into())))
}

fn read_details(kept: &Details) -> zbus::Result<HashMap<String, OwnedVariant>> {
    Ok(Data::new(&*kept.0, context()).deserialize()?.0)
}

fn context() -> Context {
    Context::new(LE, 0)
}

/// The order to run an instance.
pub(super) fn run_call(order: &RunOrder) -> zbus::Result<Message> {
    let (entry_point, class_id) = entry_names(&order.entry);
    let mut info = InstanceInfo {
        instance: order.instance.to_string(),
        task: order.task.to_string(),
        name: order.name.to_string(),
        entry_point,
        class_id,
        group: order.group.as_ref().map(ToString::to_string),
        trigger: order.trigger.class().to_owned(),
        trigger_type: String::new(),
        event_id: None,
        trigger_details: order.firing.details.as_ref().map(read_details).transpose()?.unwrap_or_default(),
        fired_at: order.firing.at.as_micros(),
        fired_count: order.firing.count,
        attempt: order.attempt,
        budget: micros(order.budget),
    };
    match &order.trigger {
        bgtask_core::Trigger::System { kind, .. } => info.trigger_type = kind.name().to_owned(),
        bgtask_core::Trigger::CustomSystemEvent { id, .. } => info.event_id = Some(id.to_string()),
        _ => {}
    }
    HostCall::Run(Box::new(info)).message()
}

/// The entry point and the class of a registration, as the library has them.
pub(super) fn entry_names(entry: &Entry) -> (String, Option<String>) {
    match entry {
        Entry::Component(name) => (name.to_string(), None),
        Entry::Class(class) => (String::new(), Some(class.to_string())),
        Entry::InProcess => (String::new(), None),
    }
}

/// The notice that an instance has to stop.
pub(super) fn cancel_call(instance: bgtask_core::InstanceId, notice: &CancelNotice) -> zbus::Result<Message> {
    let info = CancelInfo { budget: micros(notice.budget), used: micros(notice.used), grace: micros(notice.grace) };
    HostCall::Cancel { instance: instance.to_string(), reason: notice.reason.number(), info }.message()
}

/// What a host's reply says of its task: nothing for success, the task's own words for failure.
pub(super) fn failure(reply: &Message) -> Option<String> {
    (reply.message_type() == Type::Error).then(|| reply.body().deserialize().unwrap_or_default())
}

/// An outcome as the app hears of it.
pub(super) fn outcome_info(outcome: &Outcome, progress: Option<u32>, at: WallTime) -> OutcomeInfo {
    let (reason, output_tail) = match outcome {
        Outcome::Cancelled { reason, .. } => (Some(*reason), None),
        Outcome::Killed { reason, output_tail } => (Some(*reason), Some(output_tail)),
        Outcome::HostFailed { output_tail, .. } => (None, Some(output_tail)),
        Outcome::Succeeded | Outcome::TaskFailed { .. } | Outcome::Abandoned { .. } => (None, None),
    };
    OutcomeInfo {
        outcome: outcome.word().to_owned(),
        ok: outcome.is_ok(),
        message: match outcome {
            Outcome::TaskFailed { message } => message.clone(),
            other => other.to_string(),
        },
        reason: reason.map(|reason| reason.number()),
        progress,
        output_tail: output_tail.cloned(),
        at: at.as_micros(),
    }
}

/// A refusal as the app gets it; what the manifest lacks comes with the lines to add.
pub(super) fn refused(refusal: &Refusal, app: Option<&App>, trigger: &str) -> Error {
    let mut text = refusal.to_string();
    let kind = match refusal {
        Refusal::UnknownApp(_) => ErrorKind::UnknownApp,
        Refusal::UnknownTask(_) => ErrorKind::UnknownTask,
        Refusal::UnknownApplication(..) | Refusal::InvalidArgument(_) => ErrorKind::InvalidArgument,
        Refusal::EntryPointNotDeclared { entry_point, .. } | Refusal::TaskTypeNotDeclared { entry_point, .. } => {
            if let Some(lacking) = app.and_then(|app| app.require(entry_point, trigger).err()) {
                text = lacking.to_string();
            }
            ErrorKind::NotDeclared
        }
        Refusal::ClassNotDeclared { .. } | Refusal::NoProgram(_) => ErrorKind::NotDeclared,
        Refusal::MayNotRaise { .. } => ErrorKind::AccessDenied,
        Refusal::NotSupported { .. } => ErrorKind::NotSupported,
        Refusal::LimitReached(_) => ErrorKind::LimitReached,
    };
    bgtask_wire::Error::new(kind, text).into()
}

pub(super) fn task_id(id: bgtask_core::TaskId) -> TaskId {
    id.to_string().parse().expect("an id is read as it is written")
}

pub(super) fn core_id(id: TaskId) -> bgtask_core::TaskId {
    id.to_string().parse().expect("an id is read as it is written")
}

pub(super) fn instance_id(id: bgtask_core::InstanceId) -> crate::InstanceId {
    id.to_string().parse().expect("an id is read as it is written")
}

pub(super) fn invalid(error: impl std::fmt::Display) -> Error {
    Error::invalid(error.to_string())
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_library_and_the_core_have_the_same_values() {
        for kind in crate::SystemTriggerType::ALL {
            assert_eq!(event(*kind).name(), kind.name());
        }
        for kind in crate::SystemConditionType::ALL {
            assert_eq!(condition(*kind).name(), kind.name());
        }
        for value in crate::ApplicationTriggerResult::ALL {
            let core = bgtask_core::ApplicationTriggerResult::from_number(value.number());
            assert_eq!(core.map(|core| core.name()), Some(value.name()));
        }
        for reason in bgtask_core::CancellationReason::ALL {
            let library = crate::BackgroundTaskCancellationReason::from_number(reason.number());
            assert_eq!(library.map(|library| library.name()), Some(reason.name()));
        }
    }
}
