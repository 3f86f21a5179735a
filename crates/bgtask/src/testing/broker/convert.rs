//! Between the library, the wire and the core.

use bgtask_core::{
    CustomSystemEventTriggerRecurrence, Details, Entry, EventClass, NewRegistration, Refusal, SystemConditionType,
    SystemTriggerType, TaskGroup,
};
use bgtask_manifest::App;

use crate::{BackgroundTaskBuilder, Error, TaskId, Trigger, ValueSet};

/// What a builder asks for.
pub(super) fn new_registration(builder: &BackgroundTaskBuilder) -> Result<NewRegistration, Error> {
    let group = |group: &crate::BackgroundTaskRegistrationGroup| {
        TaskGroup { id: group.id().into(), name: group.name().into() }.into()
    };
    Ok(NewRegistration {
        name: builder.name.clone(),
        entry: entry(builder)?,
        trigger: trigger(builder.checked_trigger()?),
        conditions: builder.conditions.iter().map(|one| condition(one.condition_type()).into()).collect(),
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
        Trigger::DeviceUse(_) => Core::DeviceUse,
        Trigger::CustomSystemEvent(its) => Core::CustomSystemEvent {
            id: its.trigger_id().into(),
            recurrence: same(CustomSystemEventTriggerRecurrence::from_number(its.recurrence().number())),
        },
        listening => listener(listening),
    }
}

fn listener(trigger: &Trigger) -> bgtask_core::Trigger {
    let (class, its) = trigger.listens_to().expect("all others listen");
    bgtask_core::Trigger::Event {
        class: same(EventClass::from_name(class)),
        properties: its.texts.iter().map(|(name, value)| (name.as_str().into(), value.as_str().into())).collect(),
        one_shot: its.one_shot,
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
    let owned = arguments.to_wire()?.into_iter().map(|(name, value)| (name.to_owned(), value));
    Ok(bgtask_convert::details(owned.collect())?)
}

/// The entry point and the class of a registration, as the library has them.
pub(super) fn entry_names(entry: &Entry) -> (String, Option<String>) {
    match entry {
        Entry::Component(name) => (name.to_string(), None),
        Entry::Class(class) => (String::new(), Some(class.to_string())),
        Entry::InProcess | Entry::Command(_) => (String::new(), None),
    }
}

/// A refusal as the app gets it; what the manifest lacks comes with the lines to add.
pub(super) fn refused(refusal: &Refusal, app: Option<&App>, trigger: &str) -> Error {
    let mut text = refusal.to_string();
    if let Refusal::EntryPointNotDeclared { entry_point, .. } | Refusal::TaskTypeNotDeclared { entry_point, .. } =
        refusal
        && let Some(lacking) = app.and_then(|app| app.require(entry_point, trigger).err())
    {
        text = lacking.to_string();
    }
    bgtask_wire::Error::new(bgtask_convert::error_kind(refusal), text).into()
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

#[cfg(test)]
mod tests {
    use super::*;

    /// What the builders write is what the sources read.
    #[test]
    fn every_trigger_that_listens_is_one_that_its_source_understands() {
        let app = bgtask_core::AppId::new("org.example.App").unwrap();
        let heard = |class: &&EventClass| matches!(class.support(), bgtask_core::Support::Heard { .. });
        let mut classes: Vec<_> = EventClass::ALL.iter().filter(heard).map(|class| class.name()).collect();
        for listening in crate::trigger::examples() {
            let core = trigger(&listening);
            assert_eq!(bgtask_convert::check_subject(&core, &app), Ok(()), "{core}");
            let bgtask_core::Trigger::Event { class, properties, .. } = &core else { panic!("{core}") };
            let bgtask_core::Support::Heard { properties: known } = class.support() else { panic!("{core}") };
            let unknown: Vec<_> = properties.keys().filter(|name| !known.contains(&&***name)).collect();
            assert!(
                unknown.iter().all(|name| known.contains(&"*") && !name.contains(char::is_lowercase)),
                "{unknown:?}"
            );
            classes.retain(|class| *class != core.class());
        }
        assert!(classes.is_empty(), "the library has no trigger for {classes:?}");
    }

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
        for value in crate::DeviceTriggerResult::ALL {
            let core = bgtask_core::DeviceTriggerResult::from_number(value.number());
            assert_eq!(core.map(|core| core.name()), Some(value.name()));
        }
        for value in crate::DeviceTriggerResult::ALL {
            let core = bgtask_core::DeviceTriggerResult::from_number(value.number());
            assert_eq!(core.map(|core| core.name()), Some(value.name()));
        }
        for status in bgtask_core::AppServiceConnectionStatus::ALL {
            let library = crate::AppServiceConnectionStatus::from_number(status.number());
            assert_eq!(library.map(|library| library.name()), Some(status.name()));
        }
        for kind in bgtask_core::SocketKind::ALL {
            let library = crate::network::SocketActivityKind::from_number(kind.number());
            assert_eq!(library.map(|library| library.name()), Some(kind.name()));
        }
        for reason in bgtask_core::SocketActivityTriggerReason::ALL {
            let library = crate::network::SocketActivityTriggerReason::from_number(reason.number());
            assert_eq!(library.map(|library| library.name()), Some(reason.name()));
        }
        for action in bgtask_core::SocketActivityConnectedStandbyAction::ALL {
            let library = crate::network::SocketActivityConnectedStandbyAction::from_number(action.number());
            assert_eq!(library.map(|library| library.name()), Some(action.name()));
        }
        for status in bgtask_wire::TransferStatus::ALL {
            let library = crate::transfer::BackgroundTransferStatus::from_number(status.number());
            assert_eq!(library.map(|library| library.name().to_owned()), Some(status.to_string()));
            assert_eq!(library.map(crate::transfer::BackgroundTransferStatus::is_over), Some(status.is_over()));
        }
        assert_eq!(bgtask_wire::TransferStatus::ALL.len(), crate::transfer::BackgroundTransferStatus::ALL.len());
        for reason in bgtask_core::CancellationReason::ALL {
            let library = crate::BackgroundTaskCancellationReason::from_number(reason.number());
            assert_eq!(library.map(|library| library.name()), Some(reason.name()));
        }
    }
}
