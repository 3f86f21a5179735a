//! The user's calendars and contacts.

use super::event::{event_trigger, property};
use crate::events::{EventDetails, TriggerEvent};

event_trigger! {
    /// A trigger that fires when a calendar of the user changes, comes or goes, through Evolution Data Server. Its task gets
    /// [`StoreChange`]s, at most one a second of each calendar.
    ///
    /// As on Windows it is not said what changed in it. What a server on the internet keeps changes here when Evolution Data Server has
    /// fetched it. Lists of tasks and notes are no calendars.
    ///
    /// ```
    /// use bgtask::AppointmentStoreNotificationTrigger;
    /// let any = AppointmentStoreNotificationTrigger::new();
    /// let one = AppointmentStoreNotificationTrigger::new().store("system-calendar");
    /// assert_ne!(any, one);
    /// ```
    #[derive(Default)]
    AppointmentStoreNotificationTrigger
}

impl AppointmentStoreNotificationTrigger {
    /// A trigger for every calendar.
    pub fn new() -> Self {
        Self::of([])
    }

    property! {
        /// Only this calendar, by its id.
        store: &str;
    }
}

event_trigger! {
    /// A trigger that fires when an address book of the user changes, comes or goes, through Evolution Data Server. Its task gets
    /// [`StoreChange`]s, at most one a second of each address book; what changed in it is not said.
    ///
    /// ```
    /// let trigger = bgtask::ContactStoreNotificationTrigger::new().store("system-address-book");
    /// assert!(trigger.properties().eq([("store", "system-address-book")]));
    /// ```
    #[derive(Default)]
    ContactStoreNotificationTrigger
}

impl ContactStoreNotificationTrigger {
    /// A trigger for every address book.
    pub fn new() -> Self {
        Self::of([])
    }

    property! {
        /// Only this address book, by its id.
        store: &str;
    }
}

/// What became of a calendar or an address book.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum StoreChangeKind {
    /// Something in it changed, or its name.
    Changed,
    /// It is new.
    Added,
    /// It is gone.
    Removed,
}

/// A calendar or an address book changed.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct StoreChange {
    /// Its id.
    pub store: String,
    /// Its name for people.
    pub name: String,
    /// What became of it.
    pub change: StoreChangeKind,
}

impl EventDetails for StoreChange {
    fn read(event: &TriggerEvent) -> Option<Self> {
        let change = match event.text("change").as_str() {
            "changed" => StoreChangeKind::Changed,
            "added" => StoreChangeKind::Added,
            "removed" => StoreChangeKind::Removed,
            _ => return None,
        };
        Some(Self { store: event.text("store"), name: event.text("name"), change })
    }
}
