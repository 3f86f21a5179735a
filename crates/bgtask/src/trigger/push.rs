//! Messages that a server pushes to the app.

use std::collections::BTreeMap;

use super::event::event_trigger;
use crate::events::{EventDetails, TriggerEvent};
use crate::{PropertyValue, ValueSet};

event_trigger! {
    /// A trigger that fires when a raw notification arrives on the app's [channel](crate::PushNotificationChannel). Its task gets
    /// [`RawNotification`]s.
    ///
    /// The manifest declares the entry point with the type `pushNotification` (or `general`). The trigger may be registered before the
    /// channel is created. Messages are kept while the task waits, in their order; `docs/push.md` says how many, and what becomes of the
    /// others.
    ///
    /// ```
    /// use bgtask::{BackgroundTaskBuilder, PushNotificationTrigger};
    /// let builder = BackgroundTaskBuilder::new()
    ///     .name("New mail")
    ///     .task_entry_point("Tasks.NewMail")
    ///     .trigger(PushNotificationTrigger::new());
    /// # drop(builder);
    /// ```
    #[derive(Default)]
    PushNotificationTrigger
}

impl PushNotificationTrigger {
    /// A trigger for the app's own channel.
    pub fn new() -> Self {
        Self::of([])
    }
}

/// A message that was pushed.
///
/// ```
/// use bgtask::RawNotification;
/// use bgtask::host::{TaskError, TaskInstance};
///
/// async fn run(instance: TaskInstance) -> Result<(), TaskError> {
///     let pushed = instance.trigger_events();
///     for message in pushed.details::<RawNotification>() {
///         println!("{} {:?}", message.content, message.headers.get("subject"));
///     }
///     if pushed.lost() > 0 {
///         println!("more was pushed than could be kept: ask the server for all of it");
///     }
///     Ok(())
/// }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct RawNotification {
    /// What it says as text; empty where it is none.
    pub content: String,
    /// What it says as bytes, at most 5 KB: those of the text, where it is one.
    pub content_bytes: Vec<u8>,
    /// The address it was sent to.
    pub channel_id: String,
    /// What its sender said beside it, by name. Of several with one name the last is left.
    pub headers: BTreeMap<String, String>,
}

impl EventDetails for RawNotification {
    fn read(event: &TriggerEvent) -> Option<Self> {
        let content = event.text("content");
        let bytes = event.bytes("bytes");
        let headers: ValueSet = event.fields().get("headers").ok().flatten().unwrap_or_default();
        let text = |value: &PropertyValue| if let PropertyValue::Str(text) = value { Some(text.clone()) } else { None };
        let headers = headers.iter().filter_map(|(name, value)| Some((name.to_owned(), text(value)?))).collect();
        let content_bytes = if content.is_empty() { bytes } else { content.clone().into_bytes() };
        let says_something =
            ["content", "bytes"].iter().any(|field| event.fields().iter().any(|(name, _)| name == *field));
        says_something.then(|| Self { content, content_bytes, channel_id: event.text("channel"), headers })
    }
}
