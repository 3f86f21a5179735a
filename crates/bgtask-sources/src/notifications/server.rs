//! The program that shows notifications, and what it is asked.

use zbus::Connection;

use crate::bus::ear::Ear;
use crate::bus::{CallError, Object};
use crate::notifications::notification::{Can, Notification};
use crate::report::Status;

pub(super) const SERVICE: &str = "org.freedesktop.Notifications";
const SERVER: Object<'static> = Object { service: SERVICE, path: "/org/freedesktop/Notifications", interface: SERVICE };
const BUS: Object<'static> =
    Object { service: "org.freedesktop.DBus", path: "/org/freedesktop/DBus", interface: "org.freedesktop.DBus" };

/// What is heard: the server coming and going, and what becomes of notifications.
pub(super) fn rules() -> Vec<String> {
    vec![
        format!(
            "type='signal',sender='org.freedesktop.DBus',path='/org/freedesktop/DBus',\
             interface='org.freedesktop.DBus',member='NameOwnerChanged',arg0='{SERVICE}'"
        ),
        format!("type='signal',sender='{SERVICE}',path='{}',interface='{SERVICE}'", SERVER.path),
    ]
}

/// The id of the bus and the unique name of the server on it, empty where none runs.
pub(super) async fn find(ear: &mut Ear) -> Result<(String, String), CallError> {
    let connection = ear.connection().clone();
    let bus: String = ear.during(BUS.call(&connection, "GetId", None)).await?;
    match ear.during(BUS.call(&connection, "GetNameOwner", Some(SERVICE))).await {
        Err(CallError::NoService) => Ok((bus, String::new())),
        owner => Ok((bus, owner?)),
    }
}

/// Starts one, where one can be started.
pub(super) async fn start(ear: &mut Ear) -> Result<(), CallError> {
    let connection = ear.connection().clone();
    let started: u32 = ear.during(BUS.call_with(&connection, "StartServiceByName", &(SERVICE, 0u32))).await?;
    tracing::debug!(started, "notification server");
    Ok(())
}

/// What the server can do, and how well that serves us.
pub(super) async fn ask(ear: &mut Ear) -> Result<(Can, Status), CallError> {
    let connection = ear.connection().clone();
    let words: Vec<String> = ear.during(SERVER.call(&connection, "GetCapabilities", None)).await?;
    let (name, _, _, _): (String, String, String, String) =
        ear.during(SERVER.call(&connection, "GetServerInformation", None)).await?;
    let has = |word: &str| words.iter().any(|known| known == word);
    let can = Can { actions: has("actions"), markup: has("body-markup"), reply: has("inline-reply") };
    let how = format!("the notification server {name}");
    let status = match can.actions {
        true => Status::Available { how },
        false => Status::Degraded {
            how,
            why: "it shows no buttons, so nobody can act on a notification".to_owned(),
            help: "use a server that has the capability `actions`, as those of the large desktops do".to_owned(),
        },
    };
    Ok((can, status))
}

/// How it stands while no server runs.
pub(super) async fn absent(ear: &mut Ear) -> Status {
    let connection = ear.connection().clone();
    let names: Result<Vec<String>, _> = ear.during(BUS.call(&connection, "ListActivatableNames", None)).await;
    match names.is_ok_and(|names| names.iter().any(|name| name == SERVICE)) {
        true => Status::Available { how: "a notification server that is started when it is needed".to_owned() },
        false => without(&CallError::NoService),
    }
}

pub(super) async fn show(
    ear: &mut Ear,
    app: &str,
    replaces: u32,
    notification: &Notification,
    can: Can,
) -> Result<u32, CallError> {
    let connection: Connection = ear.connection().clone();
    let (title, body, actions, hints, timeout) = notification.in_words(app, can);
    let words = (app, replaces, notification.icon.as_str(), title, body, actions, hints, timeout);
    ear.during(SERVER.call_with(&connection, "Notify", &words)).await
}

pub(super) async fn take_away(ear: &mut Ear, id: u32) -> Result<(), CallError> {
    let connection = ear.connection().clone();
    ear.during(SERVER.call_with(&connection, "CloseNotification", &(id,))).await
}

pub(super) fn without(error: &CallError) -> Status {
    let (why, help) = match error {
        CallError::NoService => (
            "nobody shows notifications in this session".to_owned(),
            "log in to a desktop, or install a notification server such as dunst or mako",
        ),
        error => (format!("the notification server cannot be asked: {error}"), "restart the notification server"),
    };
    Status::Missing { why, help: help.to_owned() }
}
