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

/// The sessions of user `uid`.
pub(crate) async fn sessions(link: &Link, uid: u32) -> Result<Vec<Session>, CallError> {
    let connection = link.connection()?;
    let rows: Vec<Row> = MANAGER.call(connection, "ListSessions", None).await?;
    let mut sessions = Vec::new();
    for (_, _, _, _, path) in rows.into_iter().filter(|row| row.1 == uid).take(MAX_SESSIONS) {
        let object = Object { service: SERVICE, path: path.as_str(), interface: "org.freedesktop.login1.Session" };
        match object.properties(connection).await {
            Ok(properties) => sessions.extend(of_person(&properties)?),
            // It ended since the list was made.
            Err(CallError::NoObject) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(sessions)
}

fn of_person(properties: &Properties) -> Result<Option<Session>, CallError> {
    if properties.require::<String>("Class")? != "user" {
        return Ok(None);
    }
    let foreground = properties.require("Active")? && properties.require::<String>("State")? == "active";
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
