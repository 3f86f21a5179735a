//! A logind to play with, and terminals that are files.

use std::fs::{File, FileTimes};
use std::os::unix::fs::MetadataExt;
use std::time::{Duration, SystemTime};

use zbus::interface;
use zbus::wire::{ObjectPath, OwnedObjectPath};

use super::{Sysroot, TestBus};

pub(crate) const MANAGER: &str = "/org/freedesktop/login1";

/// One session as logind shows it.
#[derive(Clone)]
pub(crate) struct Session {
    pub(crate) class: &'static str,
    pub(crate) kind: &'static str,
    pub(crate) state: &'static str,
    pub(crate) active: bool,
    pub(crate) locked: bool,
    pub(crate) idle: bool,
    pub(crate) idle_since: u64,
}

impl Session {
    pub(crate) const DESKTOP: Self = Self {
        class: "user",
        kind: "wayland",
        state: "active",
        active: true,
        locked: false,
        idle: false,
        idle_since: 0,
    };
}

#[interface(name = "org.freedesktop.login1.Session")]
impl Session {
    #[zbus(property)]
    fn class(&self) -> &str {
        self.class
    }

    #[zbus(property, name = "Type")]
    fn kind(&self) -> &str {
        self.kind
    }

    #[zbus(property)]
    fn state(&self) -> &str {
        self.state
    }

    #[zbus(property)]
    fn active(&self) -> bool {
        self.active
    }

    #[zbus(property)]
    fn locked_hint(&self) -> bool {
        self.locked
    }

    #[zbus(property)]
    fn idle_hint(&self) -> bool {
        self.idle
    }

    #[zbus(property)]
    fn idle_since_hint(&self) -> u64 {
        self.idle_since
    }
}

#[derive(Default)]
pub(crate) struct Manager {
    /// Session id and user.
    pub(crate) sessions: Vec<(String, u32)>,
}

/// Session id, user, user name, seat, object.
type Row = (String, u32, String, String, OwnedObjectPath);

#[interface(name = "org.freedesktop.login1.Manager")]
impl Manager {
    fn list_sessions(&self) -> Vec<Row> {
        let row =
            |(id, uid): &(String, u32)| (id.clone(), *uid, "somebody".to_owned(), "seat0".to_owned(), session_path(id));
        self.sessions.iter().map(row).collect()
    }

    #[zbus(signal)]
    async fn session_new(
        emitter: &zbus::object_server::SignalEmitter<'_>,
        id: &str,
        path: ObjectPath<'_>,
    ) -> zbus::Result<()>;

    #[zbus(signal)]
    async fn session_removed(
        emitter: &zbus::object_server::SignalEmitter<'_>,
        id: &str,
        path: ObjectPath<'_>,
    ) -> zbus::Result<()>;
}

pub(crate) fn session_path(id: &str) -> OwnedObjectPath {
    ObjectPath::try_from(format!("/org/freedesktop/login1/session/{id}")).unwrap().into()
}

/// A logind to play with.
pub(crate) struct Logind {
    pub(crate) connection: zbus::Connection,
}

impl Logind {
    pub(crate) async fn start(bus: &TestBus) -> Self {
        let connection = bus.connect().await;
        connection.object_server().at(MANAGER, Manager::default()).await.unwrap();
        connection.request_name("org.freedesktop.login1").await.unwrap();
        Self { connection }
    }

    pub(crate) async fn add(&self, id: &str, uid: u32, session: Session) {
        let path = session_path(id);
        self.connection.object_server().at(&path, session).await.unwrap();
        let manager = self.connection.object_server().interface::<_, Manager>(MANAGER).await.unwrap();
        manager.get_mut().await.sessions.push((id.to_owned(), uid));
        Manager::session_new(manager.signal_emitter(), id, path.as_ref()).await.unwrap();
    }

    pub(crate) async fn remove(&self, id: &str) {
        let path = session_path(id);
        let manager = self.connection.object_server().interface::<_, Manager>(MANAGER).await.unwrap();
        manager.get_mut().await.sessions.retain(|(other, _)| other != id);
        self.connection.object_server().remove::<Session, _>(&path).await.unwrap();
        Manager::session_removed(manager.signal_emitter(), id, path.as_ref()).await.unwrap();
    }

    /// Changes a session and says so, as logind does for every property but the idleness of text sessions.
    pub(crate) async fn change(&self, id: &str, change: impl FnOnce(&mut Session)) {
        let session = self.connection.object_server().interface::<_, Session>(session_path(id)).await.unwrap();
        change(&mut *session.get_mut().await);
        session.get().await.active_changed(session.signal_emitter()).await.unwrap();
    }
}

pub(crate) fn own_uid(sysroot: &Sysroot) -> u32 {
    std::fs::metadata(sysroot.path("")).unwrap().uid()
}

/// A terminal in which a key was struck that long ago.
pub(crate) fn strike(sysroot: &Sysroot, terminal: &str, ago: Duration) {
    let path = sysroot.path(terminal);
    if !path.exists() {
        sysroot.write(terminal, "");
    }
    let file = File::options().write(true).open(path).unwrap();
    file.set_times(FileTimes::new().set_accessed(SystemTime::now() - ago)).unwrap();
}
