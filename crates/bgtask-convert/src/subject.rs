use std::collections::BTreeMap;

use bgtask_core::{AppId, EventClass, Properties, Support, TransferGroupId, Trigger};
use bgtask_sources::Subject;

/// Whether the properties of a trigger that listens make sense to what listens. Which there are, and whether anything listens to
/// its class, the core says.
///
/// # Errors
///
/// As [`subject`].
pub fn check_subject(trigger: &Trigger, app: &AppId) -> Result<(), String> {
    match trigger {
        // Its sockets are handed over, its connections held by the app, and no source listens.
        Trigger::Event { class: EventClass::SocketActivity | EventClass::ControlChannel, .. } => Ok(()),
        // What is pushed comes by the app's own channel, and has no properties.
        Trigger::Event { class: EventClass::PushNotification, .. } => Ok(()),
        Trigger::Event { class: EventClass::BackgroundTransferCompletionGroup, properties, .. } => {
            transfer_group(properties).map(drop)
        }
        Trigger::Event { class, properties, .. } if matches!(class.support(), Support::Heard { .. }) => {
            subject(*class, properties, Some(app)).map(drop)
        }
        _ => Ok(()),
    }
}

/// Which group of transfers is meant, in the one form in which that is written.
///
/// # Errors
///
/// The property is missing, or is none: the text says so.
fn transfer_group(properties: &Properties) -> Result<TransferGroupId, String> {
    let given = properties.get("group").map_or("", |given| given);
    let read = given.parse().ok().filter(|id: &TransferGroupId| id.to_string() == *given);
    read.ok_or_else(|| {
        format!(
            "{given:?} is no group of transfers: a BackgroundTransferCompletionGroupTrigger has the property group, a UUID in \
             small letters such as 7b2d9a54-9b2f-4b39-8a39-4f4f4c1c2d11"
        )
    })
}

/// What is listened to for such a trigger. Where events belong to an app, it is the app's own that are heard.
///
/// # Errors
///
/// A property is missing or makes no sense: the text says which, and what would.
pub fn subject(class: EventClass, properties: &Properties, app: Option<&AppId>) -> Result<Subject, String> {
    let is_of_an_app =
        matches!(class, EventClass::ToastNotificationAction | EventClass::ToastNotificationHistoryChanged);
    let own = properties.iter().map(|(name, value)| (name.to_string(), value.to_string()));
    let of_app = app.filter(|_| is_of_an_app).map(|app| ("app".to_owned(), app.to_string()));
    Subject::read(class.name(), &own.chain(of_app).collect::<BTreeMap<_, _>>())
}
