//! Events that programs raise.

use std::sync::Arc;

use crate::Error;
use crate::session::Session;
use crate::windows_enum::windows_enum;

windows_enum! {
    /// How often an event counts (SYS-6).
    CustomSystemEventTriggerRecurrence {
        /// At most once until the user logs out.
        Once = 0,
        /// Every time.
        Always = 1,
    }
}

/// A trigger that fires when a program [raises](CustomSystemEvent::raise) the event of this id (SYS-6).
///
/// ```
/// use bgtask::{CustomSystemEventTrigger, CustomSystemEventTriggerRecurrence};
/// let trigger = CustomSystemEventTrigger::new("org.example.JackPlugged", CustomSystemEventTriggerRecurrence::Always);
/// assert_eq!(trigger.trigger_id(), "org.example.JackPlugged");
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct CustomSystemEventTrigger {
    trigger_id: String,
    recurrence: CustomSystemEventTriggerRecurrence,
}

impl CustomSystemEventTrigger {
    /// A trigger for this event: 1 to 255 bytes, of the form of a domain name or a GUID, so that no two programs mean different things.
    pub fn new(trigger_id: impl Into<String>, recurrence: CustomSystemEventTriggerRecurrence) -> Self {
        Self { trigger_id: trigger_id.into(), recurrence }
    }

    /// The id of the event.
    pub fn trigger_id(&self) -> &str {
        &self.trigger_id
    }

    /// How often it counts.
    pub const fn recurrence(&self) -> CustomSystemEventTriggerRecurrence {
        self.recurrence
    }
}

/// The other side of a [`CustomSystemEventTrigger`]: the program that knows when the event happens.
#[derive(Clone, Copy, Debug)]
pub enum CustomSystemEvent {}

impl CustomSystemEvent {
    /// Fires every task that waits for this event, of whichever app, and answers how many there were. The manifest of the program's
    /// app has to allow it: `raises = ["org.example.JackPlugged"]`.
    ///
    /// ```no_run
    /// # async fn example() -> Result<(), bgtask::Error> {
    /// bgtask::CustomSystemEvent::raise("org.example.JackPlugged").await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// [`is_access_denied`](Error::is_access_denied): the manifest does not allow it.
    /// [`is_invalid_argument`](Error::is_invalid_argument): the id is empty or too long. Further
    /// [`is_unknown_app`](Error::is_unknown_app), [`is_store_unavailable`](Error::is_store_unavailable),
    /// [`is_no_broker`](Error::is_no_broker) and [`is_connection_lost`](Error::is_connection_lost).
    ///
    /// # Cancel safety
    ///
    /// Dropping the future may leave it raised.
    pub async fn raise(trigger_id: &str) -> Result<u32, Error> {
        Session::current().raise(trigger_id).await
    }
}

impl Session {
    pub(crate) async fn raise(self: &Arc<Self>, event: &str) -> Result<u32, Error> {
        self.order("Raise", |broker, _| async move { broker.raise(event).await }).await
    }
}
