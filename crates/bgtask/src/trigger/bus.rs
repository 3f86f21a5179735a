//! The generic door, beyond Windows: signals on a message bus, and states of systemd's units.

use std::fmt;

use super::event::{event_trigger, property};
use crate::PropertyValue;
use crate::events::{EventDetails, TriggerEvent};

event_trigger! {
    /// A trigger that fires on a signal on a message bus, beyond Windows: the door for whatever no other trigger names.
    ///
    /// At least one of [sender](Self::sender), [path](Self::path), [path namespace](Self::path_namespace),
    /// [interface](Self::interface) and [member](Self::member) must be given, and everything that is given must be so. Only signals
    /// that are sent to everybody count. Its task gets [`DBusSignalEvent`]s.
    ///
    /// ```
    /// use bgtask::{DBusSignalTrigger, MessageBus};
    /// let added = DBusSignalTrigger::new(MessageBus::System)
    ///     .sender("org.freedesktop.UDisks2")
    ///     .interface("org.freedesktop.DBus.ObjectManager")
    ///     .member("InterfacesAdded");
    /// assert!(added.properties().any(|property| property == ("bus", "system")));
    /// ```
    DBusSignalTrigger
}

/// A message bus of the machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum MessageBus {
    /// The bus of the user's session.
    Session,
    /// The bus of the whole machine.
    System,
}

/// Which systemd manages a unit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum UnitManager {
    /// The machine's own.
    #[default]
    System,
    /// The user's.
    User,
}

/// The states of a unit of systemd: what `systemctl` shows as its active state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum UnitState {
    /// It runs, or did what it was to do.
    Active,
    /// It does not run.
    Inactive,
    /// It ended otherwise than it should.
    Failed,
    /// It is about to run.
    Activating,
    /// It is about to end.
    Deactivating,
    /// It runs and reads its configuration again.
    Reloading,
    /// It does not run because it is being maintained.
    Maintenance,
}

impl DBusSignalTrigger {
    /// A trigger for signals on this bus.
    pub fn new(bus: MessageBus) -> Self {
        Self::of([("bus", bus.to_string())])
    }

    property! {
        /// The well-known name of who sends it, such as `org.freedesktop.UPower`.
        sender: &str;
        /// The object it is about, such as `/org/freedesktop/UPower`. Not together with a [namespace](Self::path_namespace).
        path: &str;
        /// The object it is about, or any below it.
        path_namespace: &str;
        /// The interface it belongs to.
        interface: &str;
        /// Its name.
        member: &str;
        /// Its first argument, where that is a text.
        arg0: &str;
        /// How many are told singly in any one minute, 1 to 600, by default 60. The rest is [lost](crate::TriggerEvents::lost).
        most: u16;
    }
}

/// A signal that a [`DBusSignalTrigger`] fired on.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct DBusSignalEvent {
    /// The bus.
    pub bus: MessageBus,
    /// Who sent it: the name that was asked for, else the unique one.
    pub sender: String,
    /// The object it is about.
    pub path: String,
    /// The interface it belongs to.
    pub interface: String,
    /// Its name.
    pub member: String,
    /// Its arguments. A structure is a list, a dictionary with texts as keys a set; a number is an `I64`, `U64` or `F64`.
    pub arguments: Vec<PropertyValue>,
}

impl EventDetails for DBusSignalEvent {
    fn read(event: &TriggerEvent) -> Option<Self> {
        let bus = if event.text("bus") == "system" { MessageBus::System } else { MessageBus::Session };
        let (sender, path) = (event.text("sender"), event.text("path"));
        let (interface, member) = (event.text("interface"), event.word("member")?);
        Some(Self { bus, sender, path, interface, member, arguments: event.list("arguments") })
    }
}

event_trigger! {
    /// A trigger that fires when a unit of systemd reaches a state, beyond Windows. Its task gets [`UnitStateEvent`]s.
    ///
    /// What the unit is in when the trigger begins to listen is no event: only what becomes so is.
    ///
    /// ```
    /// use bgtask::{UnitManager, UnitState, UnitStateTrigger};
    /// let failed = UnitStateTrigger::new("backup.service", UnitState::Failed).manager(UnitManager::User);
    /// assert!(failed.properties().any(|property| property == ("state", "failed")));
    /// ```
    UnitStateTrigger
}

impl UnitStateTrigger {
    /// A trigger for this unit, by its full name as in `backup.service`, and this state.
    pub fn new(unit: impl Into<String>, state: UnitState) -> Self {
        Self::of([("unit", unit.into()), ("state", state.to_string())])
    }

    property! {
        /// Which systemd manages it; by default the machine's.
        manager: UnitManager;
    }
}

/// A unit of systemd reached a state.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct UnitStateEvent {
    /// The unit.
    pub unit: String,
    /// The state.
    pub state: UnitState,
    /// The state in the words of the unit's own kind: `exited`, `dead`.
    pub sub_state: String,
    /// What its last run came to, such as `success` or `exit-code`; empty for units that do not run.
    pub result: String,
    /// Which systemd manages it.
    pub manager: UnitManager,
}

impl EventDetails for UnitStateEvent {
    fn read(event: &TriggerEvent) -> Option<Self> {
        let (sub_state, result) = (event.text("sub_state"), event.text("result"));
        let manager = if event.text("manager") == "user" { UnitManager::User } else { UnitManager::System };
        let state = event.text("state");
        let state = UnitState::ALL.into_iter().find(|known| known.to_string() == state)?;
        Some(Self { unit: event.word("unit")?, state, sub_state, result, manager })
    }
}

impl UnitState {
    const ALL: [Self; 7] = {
        use UnitState::{Activating, Active, Deactivating, Failed, Inactive, Maintenance, Reloading};
        [Active, Inactive, Failed, Activating, Deactivating, Reloading, Maintenance]
    };
}

/// As systemd writes it.
impl fmt::Display for UnitState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Active => "active",
            Self::Inactive => "inactive",
            Self::Failed => "failed",
            Self::Activating => "activating",
            Self::Deactivating => "deactivating",
            Self::Reloading => "reloading",
            Self::Maintenance => "maintenance",
        })
    }
}

/// `session` or `system`.
impl fmt::Display for MessageBus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if *self == Self::Session { "session" } else { "system" })
    }
}

/// `system` or `user`.
impl fmt::Display for UnitManager {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if *self == Self::System { "system" } else { "user" })
    }
}
