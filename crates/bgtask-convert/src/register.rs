//! Out of the arguments of `Register` and `RegisterOrUpdate`: a registration, or what is wrong with them.

use std::collections::HashMap;
use std::sync::Arc;

use bgtask_core::{
    Condition, CustomSystemEventTriggerRecurrence as Recurrence, Entry, EventClass, NewRegistration,
    Properties as EventProperties, Support, SystemConditionType, SystemTriggerType, TaskGroup, Trigger,
};
use bgtask_wire::{Error, ErrorKind, RegisterOptions, Registering, TriggerInfo};
use zbus::{OwnedVariant, Variant};

/// Every class of trigger that does not listen to events, with the properties it has.
const CLASSES: [(&str, &[&str]); 7] = [
    ("SystemTrigger", &["type", "one_shot"]),
    ("TimeTrigger", &["freshness", "one_shot"]),
    ("MaintenanceTrigger", &["freshness", "one_shot"]),
    ("ApplicationTrigger", &[]),
    ("MediaProcessingTrigger", &[]),
    ("DeviceUseTrigger", &[]),
    ("CustomSystemEventTrigger", &["id", "recurrence"]),
];

/// What is to be registered. Whose it is stands beside it.
///
/// # Errors
///
/// An argument is not of the contract, or does not fit the others; the error says what would.
pub fn new_registration(given: &Registering) -> Result<NewRegistration, Error> {
    let Registering { name, entry_point, trigger, conditions, options, .. } = given;
    Ok(NewRegistration {
        name: name.clone(),
        entry: entry(entry_point, options)?,
        trigger: new_trigger(trigger)?,
        conditions: conditions.iter().map(|name| condition(name)).collect::<Result<_, _>>()?,
        cancel_on_condition_loss: options.cancel_on_condition_loss.unwrap_or(false),
        is_network_requested: options.is_network_requested.unwrap_or(false),
        group: group(options)?,
    })
}

/// BLD-9, BLD-11: a class, an entry point, or the app itself.
fn entry(entry_point: &str, options: &RegisterOptions) -> Result<Entry, Error> {
    match (entry_point, options.class_id.as_deref()) {
        ("", None) => Ok(Entry::InProcess),
        ("", Some(class)) => {
            class.parse().map(Entry::Class).map_err(|error| invalid(format!("the option \"class_id\": {error}")))
        }
        (name, None) => Ok(Entry::Component(name.into())),
        (name, Some(class)) => Err(invalid(format!(
            "a task has either an entry point or a class, this one has {name:?} and {class:?}: leave one out"
        ))),
    }
}

/// GRP-2, GRP-3: a group without a name is shown by its id.
fn group(options: &RegisterOptions) -> Result<Option<Box<TaskGroup>>, Error> {
    match (&options.group, &options.group_name) {
        (None, None) => Ok(None),
        (None, Some(name)) => {
            Err(invalid(format!("the option \"group_name\" {name:?} names no group: give \"group\", its id, too")))
        }
        (Some(id), name) => {
            let name = name.as_ref().unwrap_or(id);
            Ok(Some(TaskGroup { id: id.as_str().into(), name: name.as_str().into() }.into()))
        }
    }
}

/// One of Windows by its name, or one beyond Windows by its word.
fn condition(name: &str) -> Result<Condition, Error> {
    Condition::from_name(name).ok_or_else(|| {
        let names: Vec<_> = SystemConditionType::ALL.iter().map(|condition| condition.name()).collect();
        invalid(format!("{name:?} is no SystemConditionType: it is one of {}", names.join(", ")))
    })
}

fn new_trigger(trigger: &TriggerInfo) -> Result<Trigger, Error> {
    if let Some(class) = EventClass::from_name(&trigger.class) {
        return event_trigger(class, &trigger.properties);
    }
    let Some((class, known)) = CLASSES.into_iter().find(|(class, _)| *class == trigger.class) else {
        let heard = EventClass::ALL.iter().filter(|class| matches!(class.support(), Support::Heard { .. }));
        let classes: Vec<_> = CLASSES.iter().map(|(class, _)| *class).chain(heard.map(|class| class.name())).collect();
        let text = format!("{:?} is no trigger of this version: it has {}", trigger.class, classes.join(", "));
        return Err(Error::new(ErrorKind::NotSupported, text));
    };
    let given = Properties { class, known, values: &trigger.properties };
    given.check_names()?;
    Ok(match class {
        "SystemTrigger" => Trigger::System { kind: given.system_trigger_type()?, one_shot: given.one_shot()? },
        "TimeTrigger" => Trigger::Time { freshness: given.freshness()?, one_shot: given.one_shot()? },
        "MaintenanceTrigger" => Trigger::Maintenance { freshness: given.freshness()?, one_shot: given.one_shot()? },
        "ApplicationTrigger" => Trigger::Application,
        "MediaProcessingTrigger" => Trigger::MediaProcessing,
        "DeviceUseTrigger" => Trigger::DeviceUse,
        _ => Trigger::CustomSystemEvent { id: given.event_id()?, recurrence: given.recurrence()? },
    })
}

/// A trigger that listens: all its properties are texts, but for `one_shot`. Which there are, the core knows; what they have to
/// be, their source.
fn event_trigger(class: EventClass, given: &HashMap<String, OwnedVariant>) -> Result<Trigger, Error> {
    let mut properties = EventProperties::new();
    let mut one_shot = false;
    for (name, value) in given {
        match (name.as_str(), &**value) {
            ("one_shot", Variant::Bool(value)) => one_shot = *value,
            ("one_shot", _) => return Err(invalid(format!("the property \"one_shot\" of a {class} is a boolean (b)"))),
            (name, Variant::Str(text)) => drop(properties.insert(name.into(), text.as_str().into())),
            (name, _) => return Err(invalid(format!("the property {name:?} of a {class} is a string (s)"))),
        }
    }
    Ok(Trigger::Event { class, properties, one_shot })
}

/// The properties of a trigger as they came.
struct Properties<'a> {
    class: &'static str,
    known: &'static [&'static str],
    values: &'a HashMap<String, OwnedVariant>,
}

impl Properties<'_> {
    fn check_names(&self) -> Result<(), Error> {
        // The first by name, so that the same mistake always gives the same error.
        let Some(unknown) = self.values.keys().filter(|key| !self.known.contains(&key.as_str())).min() else {
            return Ok(());
        };
        let class = self.class;
        let known: Vec<_> = self.known.iter().map(|key| format!("{key:?}")).collect();
        let has = if known.is_empty() { "none at all".to_owned() } else { known.join(" and ") };
        Err(invalid(format!("the {class} has no property {unknown:?}: it has {has}")))
    }

    fn system_trigger_type(&self) -> Result<SystemTriggerType, Error> {
        let name = self.text("type")?.ok_or_else(|| self.lacks("type", "the name of a SystemTriggerType"))?;
        SystemTriggerType::from_name(name).ok_or_else(|| {
            let names: Vec<_> = SystemTriggerType::ALL.iter().map(|kind| kind.name()).collect();
            invalid(format!("{name:?} is no SystemTriggerType: it is one of {}", names.join(", ")))
        })
    }

    fn freshness(&self) -> Result<u32, Error> {
        match self.get("freshness") {
            Some(Variant::U32(minutes)) => Ok(*minutes),
            Some(_) => Err(self.wrong("freshness", "an unsigned 32-bit number of minutes (u)")),
            None => Err(self.lacks("freshness", "its interval in minutes")),
        }
    }

    fn event_id(&self) -> Result<Arc<str>, Error> {
        let id = self.text("id")?.ok_or_else(|| self.lacks("id", "the id of the event"))?;
        Ok(id.into())
    }

    fn recurrence(&self) -> Result<Recurrence, Error> {
        let names = Recurrence::ALL.iter().map(|value| value.name()).collect::<Vec<_>>().join(" or ");
        let name = self.text("recurrence")?.ok_or_else(|| self.lacks("recurrence", &names))?;
        Recurrence::from_name(name)
            .ok_or_else(|| invalid(format!("{name:?} is no CustomSystemEventTriggerRecurrence: it is {names}")))
    }

    fn one_shot(&self) -> Result<bool, Error> {
        match self.get("one_shot") {
            None => Ok(false),
            Some(Variant::Bool(one_shot)) => Ok(*one_shot),
            Some(_) => Err(self.wrong("one_shot", "a boolean (b)")),
        }
    }

    fn text(&self, key: &str) -> Result<Option<&str>, Error> {
        match self.get(key) {
            None => Ok(None),
            Some(Variant::Str(text)) => Ok(Some(text.as_str())),
            Some(_) => Err(self.wrong(key, "a string (s)")),
        }
    }

    fn get(&self, key: &str) -> Option<&Variant<'static>> {
        self.values.get(key).map(|value| &**value)
    }

    fn lacks(&self, key: &str, what: &str) -> Error {
        invalid(format!("a {} needs the property {key:?}: {what}", self.class))
    }

    fn wrong(&self, key: &str, wanted: &str) -> Error {
        invalid(format!("the property {key:?} of a {} is {wanted}", self.class))
    }
}

fn invalid(text: String) -> Error {
    Error::new(ErrorKind::InvalidArgument, text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trigger(class: &str, properties: &[(&str, Variant<'_>)]) -> TriggerInfo {
        let owned = |value: &Variant<'_>| value.try_to_owned().expect("no descriptors");
        let properties = properties.iter().map(|(name, value)| ((*name).to_owned(), owned(value))).collect();
        TriggerInfo { class: class.to_owned(), properties }
    }

    fn registering(entry_point: &str, options: RegisterOptions) -> Registering {
        Registering {
            app: String::new(),
            name: "a".into(),
            entry_point: entry_point.into(),
            trigger: trigger("ApplicationTrigger", &[]),
            conditions: vec!["UserPresent".into()],
            options,
        }
    }

    #[test]
    fn a_trigger_is_read_from_its_properties() {
        let kind = SystemTriggerType::TimeZoneChange;
        let event = |recurrence| Trigger::CustomSystemEvent { id: "org.example.event".into(), recurrence };
        let id = ("id", "org.example.event".into());
        for (given, wanted) in [
            (
                trigger("SystemTrigger", &[("type", "TimeZoneChange".into()), ("one_shot", true.into())]),
                Trigger::System { kind, one_shot: true },
            ),
            (trigger("SystemTrigger", &[("type", "TimeZoneChange".into())]), Trigger::System { kind, one_shot: false }),
            (trigger("TimeTrigger", &[("freshness", 15u32.into())]), Trigger::Time { freshness: 15, one_shot: false }),
            (
                trigger("MaintenanceTrigger", &[("freshness", 60u32.into()), ("one_shot", true.into())]),
                Trigger::Maintenance { freshness: 60, one_shot: true },
            ),
            (trigger("ApplicationTrigger", &[]), Trigger::Application),
            (trigger("MediaProcessingTrigger", &[]), Trigger::MediaProcessing),
            (trigger("CustomSystemEventTrigger", &[id, ("recurrence", "Once".into())]), event(Recurrence::Once)),
        ] {
            assert_eq!(new_trigger(&given), Ok(wanted));
        }
    }

    #[test]
    fn a_trigger_that_is_wrong_is_told_what_is_right() {
        for (given, words) in [
            (trigger("RainTrigger", &[]), &["RainTrigger", "SystemTrigger, TimeTrigger", "DeviceWatcherTrigger"][..]),
            (trigger("DeviceWatcherTrigger", &[("subsystem", 1u32.into())]), &["\"subsystem\"", "a string"]),
            (trigger("SystemTrigger", &[]), &["needs the property \"type\""]),
            (trigger("SystemTrigger", &[("type", "TimeZone".into())]), &["\"TimeZone\"", "TimeZoneChange"]),
            (trigger("SystemTrigger", &[("type", 11u32.into())]), &["\"type\"", "a string"]),
            (
                trigger("SystemTrigger", &[("type", "UserPresent".into()), ("one_shot", "yes".into())]),
                &["\"one_shot\"", "a boolean"],
            ),
            (trigger("SystemTrigger", &[("typ", "x".into())]), &["\"typ\"", "\"type\" and \"one_shot\""]),
            (trigger("TimeTrigger", &[]), &["TimeTrigger needs the property \"freshness\"", "minutes"]),
            (trigger("TimeTrigger", &[("freshness", 15i32.into())]), &["\"freshness\"", "unsigned"]),
            (trigger("TimeTrigger", &[("type", "x".into())]), &["\"freshness\" and \"one_shot\""]),
            (trigger("ApplicationTrigger", &[("id", "x".into())]), &["\"id\"", "none at all"]),
            (trigger("CustomSystemEventTrigger", &[("id", "x".into())]), &["\"recurrence\"", "Once or Always"]),
            (
                trigger("CustomSystemEventTrigger", &[("id", "x".into()), ("recurrence", "Twice".into())]),
                &["\"Twice\"", "Once or Always"],
            ),
            (trigger("CustomSystemEventTrigger", &[("recurrence", "Once".into())]), &["needs the property \"id\""]),
        ] {
            let error = new_trigger(&given).expect_err("wrong");
            assert!(words.iter().all(|word| error.message.contains(word)), "{words:?} in {error}");
        }
        assert!(condition("Internet").is_err_and(|error| error.message.contains("InternetAvailable")));
    }

    /// BLD-9, BLD-11: no entry point is the app itself, unless there is a class.
    #[test]
    fn who_runs_a_task_is_one_of_three() {
        let class = "87654321-1234-1234-1234-1234567890ae";
        let with = |class: Option<&str>| RegisterOptions { class_id: class.map(Into::into), ..Default::default() };
        let read = |entry_point: &str, class| new_registration(&registering(entry_point, with(class)));
        assert_eq!(read("", None).map(|new| new.entry), Ok(Entry::InProcess));
        assert_eq!(read("Tasks.A", None).map(|new| new.entry), Ok(Entry::Component("Tasks.A".into())));
        assert_eq!(read("", Some(class)).map(|new| new.entry.to_string()), Ok(class.to_owned()));
        let both = read("Tasks.A", Some(class)).expect_err("both");
        assert!(both.message.contains("Tasks.A") && both.message.contains(class), "{both}");
        let none = read("", Some("{nonsense}")).expect_err("no class");
        assert!(none.message.contains("\"class_id\"") && none.message.contains("it looks like"), "{none}");
    }

    /// GRP-2, GRP-3
    #[test]
    fn a_group_is_named_by_its_id_unless_it_has_a_name() {
        let read = |group: Option<&str>, name: Option<&str>| {
            let (group, group_name) = (group.map(Into::into), name.map(Into::into));
            let options = RegisterOptions { group, group_name, ..RegisterOptions::default() };
            new_registration(&registering("", options)).map(|new| new.group)
        };
        let group = |name: &str| Ok(Some(TaskGroup { id: "sync".into(), name: name.into() }.into()));
        assert_eq!(read(Some("sync"), None), group("sync"));
        assert_eq!(read(Some("sync"), Some("Synchronization")), group("Synchronization"));
        assert_eq!(read(None, None), Ok(None));
        assert!(read(None, Some("x")).is_err_and(|error| error.message.contains("\"group\"")));
    }
}
