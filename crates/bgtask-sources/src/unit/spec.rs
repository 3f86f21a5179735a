//! Which unit is to reach which state.

use std::collections::BTreeMap;

use crate::bus::BusKind;
use crate::given::Given;

/// The longest name of a unit, in bytes; systemd allows no longer one.
const MAX_UNIT_BYTES: usize = 255;

/// The types of units, with the interface that tells how it went, for types that have such a thing.
const TYPES: [(&str, Option<&str>); 11] = [
    (".service", Some("org.freedesktop.systemd1.Service")),
    (".socket", Some("org.freedesktop.systemd1.Socket")),
    (".target", None),
    (".device", None),
    (".mount", Some("org.freedesktop.systemd1.Mount")),
    (".automount", Some("org.freedesktop.systemd1.Automount")),
    (".swap", Some("org.freedesktop.systemd1.Swap")),
    (".timer", Some("org.freedesktop.systemd1.Timer")),
    (".path", Some("org.freedesktop.systemd1.Path")),
    (".slice", None),
    (".scope", Some("org.freedesktop.systemd1.Scope")),
];

/// Which unit is to reach which state. Class `UnitStateTrigger`.
///
/// Fields of an event: `unit`, `state`, `sub_state` (in the words of the unit's type), `result` (how its last run went, such
/// as `success` or `exit-code`; null for types that have none), `manager`.
///
/// ```
/// use std::collections::BTreeMap;
///
/// use bgtask_sources::{Subject, UnitManager, UnitState};
///
/// let properties = [("unit", "backup.service"), ("state", "failed"), ("manager", "user")];
/// let properties = BTreeMap::from(properties.map(|(name, value)| (name.to_owned(), value.to_owned())));
/// let Ok(Subject::Unit(spec)) = Subject::read("UnitStateTrigger", &properties) else { panic!() };
/// assert_eq!((spec.state, spec.manager), (UnitState::Failed, UnitManager::User));
/// ```
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct UnitSpec {
    /// Its full name, such as `backup.service`.
    pub unit: String,
    /// The state that is waited for.
    pub state: UnitState,
    /// Whose unit it is. The system's where nothing is said.
    pub manager: UnitManager,
}

/// The states that every unit has, whatever its type.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[allow(missing_docs, reason = "the words are systemd's own")]
pub enum UnitState {
    Active,
    Inactive,
    Failed,
    Activating,
    Deactivating,
    Reloading,
    Maintenance,
}

impl UnitState {
    const ALL: [Self; 7] = [
        Self::Active,
        Self::Inactive,
        Self::Failed,
        Self::Activating,
        Self::Deactivating,
        Self::Reloading,
        Self::Maintenance,
    ];

    /// The word of systemd for it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Inactive => "inactive",
            Self::Failed => "failed",
            Self::Activating => "activating",
            Self::Deactivating => "deactivating",
            Self::Reloading => "reloading",
            Self::Maintenance => "maintenance",
        }
    }
}

/// Which of the two managers a unit belongs to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum UnitManager {
    /// The one of the machine, on the system bus.
    System,
    /// The user's own, on the session bus.
    User,
}

impl UnitManager {
    pub(super) fn bus(self) -> BusKind {
        match self {
            Self::System => BusKind::System,
            Self::User => BusKind::Session,
        }
    }

    /// The word for it in a trigger.
    pub fn word(self) -> &'static str {
        match self {
            Self::System => "system",
            Self::User => "user",
        }
    }

    pub(super) fn how(self) -> &'static str {
        match self {
            Self::System => "the system's systemd",
            Self::User => "the user's systemd",
        }
    }
}

impl UnitSpec {
    /// What the properties of a trigger ask for, or a sentence about what is wrong with them.
    pub fn read(properties: &BTreeMap<String, String>) -> Result<Self, String> {
        let given = Given::of(&["unit", "state", "manager"], properties)?;
        Ok(Self {
            unit: unit(given.need("unit", "backup.service")?)?,
            state: state(given.need("state", "failed")?)?,
            manager: manager(properties.get("manager").map(String::as_str))?,
        })
    }

    /// The interface on which units of its type tell how it went.
    pub(super) fn interface_of_type(&self) -> Option<&'static str> {
        TYPES.iter().find(|(suffix, _)| self.unit.ends_with(suffix)).and_then(|(_, interface)| *interface)
    }
}

fn unit(name: &str) -> Result<String, String> {
    let Some((suffix, _)) = TYPES.iter().find(|(suffix, _)| name.ends_with(suffix)) else {
        return Err(format!(
            "`unit={name}` does not say of which type it is; write it in full, as in `{name}.service`"
        ));
    };
    let prefix = name.strip_suffix(suffix).unwrap_or_default();
    let may = |c: char| c.is_ascii_alphanumeric() || ":-_.\\@".contains(c);
    if prefix.is_empty() || !prefix.chars().all(may) || name.len() > MAX_UNIT_BYTES {
        let rule = format!("letters, digits and :-_.\\@, at most {MAX_UNIT_BYTES} bytes");
        return Err(format!("`unit={name}` is no name of a unit ({rule}); `systemctl list-units` shows the names"));
    }
    if prefix.ends_with('@') {
        let example = format!("{prefix}name{suffix}");
        return Err(format!("`unit={name}` is a template, which has no state; write an instance, as in `{example}`"));
    }
    Ok(name.to_owned())
}

fn state(word: &str) -> Result<UnitState, String> {
    UnitState::ALL.into_iter().find(|state| state.word() == word).ok_or_else(|| {
        let known = UnitState::ALL.map(UnitState::word).join(", ");
        format!("`state={word}` is no state of a unit; write one of {known}")
    })
}

fn manager(word: Option<&str>) -> Result<UnitManager, String> {
    match word {
        None | Some("system") => Ok(UnitManager::System),
        Some("user") => Ok(UnitManager::User),
        Some(other) => Err(format!("`manager={other}`: there is no such manager; write system or user")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(properties: &[(&str, &str)]) -> Result<UnitSpec, String> {
        let owned = properties.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        UnitSpec::read(&owned.collect())
    }

    #[test]
    fn names_of_all_types_are_taken() {
        for (name, interface) in [
            ("backup.service", Some("org.freedesktop.systemd1.Service")),
            ("getty@tty1.service", Some("org.freedesktop.systemd1.Service")),
            ("dev-disk-by\\x2duuid-1.swap", Some("org.freedesktop.systemd1.Swap")),
            ("-.mount", Some("org.freedesktop.systemd1.Mount")),
            ("x.automount", Some("org.freedesktop.systemd1.Automount")),
            ("multi-user.target", None),
        ] {
            let spec = read(&[("unit", name), ("state", "active")]).unwrap();
            assert_eq!((spec.unit.as_str(), spec.interface_of_type()), (name, interface));
            assert_eq!(spec.manager, UnitManager::System);
        }
        for state in UnitState::ALL {
            assert_eq!(read(&[("unit", "a.service"), ("state", state.word())]).unwrap().state, state);
        }
    }

    #[test]
    fn what_is_wrong_is_said_with_what_to_write() {
        let long = format!("{}.service", "x".repeat(MAX_UNIT_BYTES - ".service".len() + 1));
        for (properties, why) in [
            (&[("state", "failed")][..], "`unit` is missing; write it as in `unit=backup.service`"),
            (&[("unit", "a.service")], "`state` is missing; write it as in `state=failed`"),
            (&[("unit", "a"), ("state", "failed")], "write it in full, as in `a.service`"),
            (&[("unit", "a b.service"), ("state", "failed")], "is no name of a unit"),
            (&[("unit", "a'.service"), ("state", "failed")], "is no name of a unit"),
            (&[("unit", ".service"), ("state", "failed")], "is no name of a unit"),
            (&[("unit", &long), ("state", "failed")], "at most 255 bytes"),
            (&[("unit", "a@.service"), ("state", "failed")], "write an instance, as in `a@name.service`"),
            (&[("unit", "a.service"), ("state", "dead")], "write one of active, inactive, failed, activating"),
            (&[("unit", "a.service"), ("state", "failed"), ("manager", "me")], "write system or user"),
            (&[("Unit", "a.service")], "there is no property `Unit`: this trigger takes `unit`, `state`, `manager`"),
        ] {
            let error = read(properties).unwrap_err();
            assert!(error.contains(why), "{properties:?}: {error}");
        }
    }
}
