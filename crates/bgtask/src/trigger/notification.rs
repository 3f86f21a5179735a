//! What becomes of the app's notifications.

use super::event::event_trigger;
use crate::events::{EventDetails, TriggerEvent};
use crate::windows_enum::windows_enum;

event_trigger! {
    /// A trigger that fires when the user acts on a [notification](crate::notify) of the app: chooses it or one of its actions. Its
    /// task gets [`ToastNotificationActionTriggerDetail`]s.
    ///
    /// ```
    /// use bgtask::{BackgroundTaskBuilder, ToastNotificationActionTrigger};
    /// let builder = BackgroundTaskBuilder::new()
    ///     .name("Reply")
    ///     .task_entry_point("Tasks.Reply")
    ///     .trigger(ToastNotificationActionTrigger::new());
    /// # drop(builder);
    /// ```
    #[derive(Default)]
    ToastNotificationActionTrigger
}

impl ToastNotificationActionTrigger {
    /// A trigger for the app's own notifications.
    pub fn new() -> Self {
        Self::of([])
    }
}

/// What the user chose.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ToastNotificationActionTriggerDetail {
    /// The notification, by the number that [`show`](crate::notify::ToastNotification::show) answered.
    pub id: u32,
    /// Its tag; empty where it has none.
    pub tag: String,
    /// The action that was chosen, `default` for the notification itself and `inline-reply` for an answer (Windows' `Argument`).
    pub action: String,
    /// What the user [answered](crate::notify::ToastNotification::reply) (Windows' `UserInput`); empty where nothing was.
    pub text: String,
    /// What a window that the app shows now needs to come to the front (the `XDG_ACTIVATION_TOKEN` of its environment); empty where
    /// the desktop gives none.
    pub activation_token: String,
}

impl EventDetails for ToastNotificationActionTriggerDetail {
    fn read(event: &TriggerEvent) -> Option<Self> {
        Some(Self {
            id: event.number("id").unwrap_or_default(),
            tag: event.text("tag"),
            action: event.word("action")?,
            text: event.text("text"),
            activation_token: event.text("activation_token"),
        })
    }
}

event_trigger! {
    /// A trigger that fires when a [notification](crate::notify) of the app appears or goes. Its task gets
    /// [`ToastNotificationHistoryChangedTriggerDetail`]s.
    ///
    /// ```
    /// let trigger = bgtask::ToastNotificationHistoryChangedTrigger::new();
    /// assert!(!trigger.is_one_shot());
    /// ```
    #[derive(Default)]
    ToastNotificationHistoryChangedTrigger
}

impl ToastNotificationHistoryChangedTrigger {
    /// A trigger for the app's own notifications.
    pub fn new() -> Self {
        Self::of([])
    }
}

windows_enum! {
    /// What became of a notification.
    ToastHistoryChangedType {
        /// The app took it away, or the server that showed it ended.
        Cleared = 0,
        /// The user took it away.
        Removed = 1,
        /// Its time was over.
        Expired = 2,
        /// It appeared.
        Added = 3,
    }
}

/// A notification appeared or went.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ToastNotificationHistoryChangedTriggerDetail {
    /// What became of it.
    pub change_type: ToastHistoryChangedType,
    /// The notification, by the number that [`show`](crate::notify::ToastNotification::show) answered.
    pub id: u32,
    /// Its tag; empty where it has none.
    pub tag: String,
}

impl EventDetails for ToastNotificationHistoryChangedTriggerDetail {
    fn read(event: &TriggerEvent) -> Option<Self> {
        Some(Self {
            change_type: ToastHistoryChangedType::from_name(&event.text("change"))?,
            id: event.number("id").unwrap_or_default(),
            tag: event.text("tag"),
        })
    }
}
