//! logind's sessions of one user.

use std::time::{Duration, SystemTime};

use zbus::wire::OwnedObjectPath;

use crate::bus::{CallError, Link, Object, Properties, Rules};

/// What logind is heard for: coming, going, sessions that come and go and change, and the machine waking up.
pub(crate) const RULES: Rules = &[
    "type='signal',sender='org.freedesktop.DBus',path='/org/freedesktop/DBus',\
     interface='org.freedesktop.DBus',member='NameOwnerChanged',arg0='org.freedesktop.login1'",
    "type='signal',sender='org.freedesktop.login1',path='/org/freedesktop/login1',\
     interface='org.freedesktop.login1.Manager',member='SessionNew'",
    "type='signal',sender='org.freedesktop.login1',path='/org/freedesktop/login1',\
     interface='org.freedesktop.login1.Manager',member='SessionRemoved'",
    "type='signal',sender='org.freedesktop.login1',path='/org/freedesktop/login1',\
     interface='org.freedesktop.login1.Manager',member='PrepareForSleep'",
    "type='signal',sender='org.freedesktop.login1',path_namespace='/org/freedesktop/login1/session',\
     interface='org.freedesktop.DBus.Properties',member='PropertiesChanged',\
     arg0='org.freedesktop.login1.Session'",
];

/// Sessions of one user that are looked at; people have one to five. Each costs a call.
const MAX_SESSIONS: usize = 64;

const SERVICE: &str = "org.freedesktop.login1";
const MANAGER: Object<'static> =
    Object { service: SERVICE, path: "/org/freedesktop/login1", interface: "org.freedesktop.login1.Manager" };

/// A session of a person.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Session {
    /// One that its user sits at: its desktop tells logind about idleness, and says there is none.
    Graphical,
    /// One on a terminal that its user may sit at; last typed in at this moment, if logind knows which terminal it is.
    Text { last_input: Option<SystemTime> },
    /// One that nobody sits at: idle, locked, in the background or about to end. Since when, if logind knows.
    Away { since: Option<SystemTime> },
}

/// One row of `ListSessions`: id, uid, user name, seat, object.
type Row = (String, u32, String, String, OwnedObjectPath);

/// The sessions of user `uid`, and whether anybody sits at them.
pub(crate) async fn sessions(link: &Link, uid: u32) -> Result<Vec<Session>, CallError> {
    each(link, uid, attendance).await
}

/// For each session of user `uid` that is not about to end, whether somebody is connected to it: it is in front on its
/// seat. One without a seat, such as a remote one, is in front as long as it lasts.
pub(crate) async fn connections(link: &Link, uid: u32) -> Result<Vec<bool>, CallError> {
    each(link, uid, connected).await
}

/// What `read` says of each session of a person that is user `uid`.
async fn each<T>(
    link: &Link,
    uid: u32,
    read: fn(&Properties) -> Result<Option<T>, CallError>,
) -> Result<Vec<T>, CallError> {
    let connection = link.connection()?;
    let rows: Vec<Row> = MANAGER.call(connection, "ListSessions", None).await?;
    let mut sessions = Vec::new();
    for (_, _, _, _, path) in rows.into_iter().filter(|row| row.1 == uid).take(MAX_SESSIONS) {
        let object = Object { service: SERVICE, path: path.as_str(), interface: "org.freedesktop.login1.Session" };
        match object.properties(connection).await {
            Ok(properties) if is_of_person(&properties)? => sessions.extend(read(&properties)?),
            Ok(_) => {}
            // It ended since the list was made.
            Err(CallError::NoObject) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(sessions)
}

/// Whether a person logged in for it: `user`, and its kinds `user-early` and `user-light`. One that is only logging in is
/// `user-incomplete`; others belong to greeters, lock screens and jobs.
fn is_of_person(properties: &Properties) -> Result<bool, CallError> {
    let class: String = properties.require("Class")?;
    Ok(class == "user" || class.starts_with("user-") && class != "user-incomplete")
}

fn connected(properties: &Properties) -> Result<Option<bool>, CallError> {
    let ends = properties.require::<String>("State")? == "closing";
    let in_front = properties.require("Active")?;
    Ok((!ends).then_some(in_front))
}

fn attendance(properties: &Properties) -> Result<Option<Session>, CallError> {
    // One that is "opening" is there already: logind does not tell when it is done with that.
    let foreground = properties.require("Active")? && properties.require::<String>("State")? != "closing";
    // elogind and old versions of systemd know no lock.
    let locked = properties.get("LockedHint")?.unwrap_or(false);
    let idle = properties.require("IdleHint")?;
    let kind: Option<String> = properties.get("Type")?;
    let text = matches!(kind.as_deref(), Some("tty" | "unspecified"));
    // For a session on a terminal this is when it was last typed in, idle or not; zero if logind does not know.
    let since = properties.get("IdleSinceHint")?.unwrap_or(0);
    let since = (since > 0).then(|| SystemTime::UNIX_EPOCH.checked_add(Duration::from_micros(since))).flatten();
    Ok(Some(match text {
        _ if !foreground || locked => Session::Away { since: since.filter(|_| text || idle) },
        // logind calls it idle after half an hour, and says nothing when a key is struck then: its terminal does.
        true if since.is_some() || !idle => Session::Text { last_input: since },
        _ if idle => Session::Away { since },
        _ => Session::Graphical,
    }))
}
