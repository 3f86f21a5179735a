//! Calendars and address books: the real Evolution Data Server, with a home of its own.

mod common;

use std::collections::HashMap;
use std::fs;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use bgtask_sources::Status;
use common::Sysroot;
use common::listener::Listener;
use zbus::Connection;
use zbus::wire::DynamicDeserialize;

const PREFIX: &str = "org.gnome.evolution.dataserver.";

const EVENT: &str = "BEGIN:VEVENT\r\nUID:x1\r\nDTSTAMP:20300101T000000Z\r\nDTSTART:20300101T100000Z\r\n\
                     DTEND:20300101T110000Z\r\nSUMMARY:m\r\nEND:VEVENT\r\n";
const CONTACT: &str = "BEGIN:VCARD\r\nVERSION:3.0\r\nFN:Ada\r\nN:Ada;;;;\r\nEND:VCARD\r\n";
const SOURCE: &str =
    "[Data Source]\nDisplayName=Work\nEnabled=true\nParent=local-stub\n\n[Calendar]\nBackendName=local\n";

/// The bus of a user who has nothing but what is new, and starts what is installed.
struct UserBus {
    daemon: Child,
    address: String,
}

impl UserBus {
    fn start(sysroot: &Sysroot) -> Option<Self> {
        if !Path::new("/usr/share/dbus-1/services/org.gnome.evolution.dataserver.Sources5.service").exists() {
            common::skip("evolution-data-server not installed");
            return None;
        }
        let socket = sysroot.path(format!("run/user/{}/bus", sysroot.world().uid()));
        let runtime = socket.parent().unwrap();
        fs::create_dir_all(runtime).unwrap();
        fs::create_dir_all(sysroot.path("home")).unwrap();
        let address = format!("unix:path={}", socket.display());
        let spawned = Command::new("dbus-daemon")
            .args(["--session", "--nofork", "--nopidfile", "--address", &address])
            .env("HOME", sysroot.path("home"))
            .env("XDG_RUNTIME_DIR", runtime)
            .env("GSETTINGS_BACKEND", "memory")
            .env_remove("XDG_CONFIG_HOME")
            .env_remove("XDG_DATA_HOME")
            .env_remove("XDG_CACHE_HOME")
            .env_remove("DISPLAY")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        let Ok(daemon) = spawned else {
            common::skip("dbus-daemon not installed");
            return None;
        };
        while UnixStream::connect(&socket).is_err() {
            std::thread::yield_now();
        }
        Some(Self { daemon, address })
    }

    async fn connect(&self) -> Connection {
        zbus::connection::Builder::address(self.address.as_str()).build().await.unwrap()
    }
}

impl Drop for UserBus {
    fn drop(&mut self) {
        // What it has started ends with it.
        let _ = self.daemon.kill();
        let _ = self.daemon.wait();
    }
}

async fn call<B, R>(user: &Connection, service: &str, path: &str, interface: &str, method: &str, body: &B) -> R
where
    B: serde::Serialize + zbus::wire::DynamicType,
    R: for<'d> DynamicDeserialize<'d>,
{
    let interface = format!("{PREFIX}{interface}");
    let reply = user.call_method(Some(service), path, Some(interface.as_str()), method, body).await.unwrap();
    reply.body().deserialize().unwrap()
}

/// Opens a store and puts something into it.
async fn put(user: &Connection, [service, factory, open, store]: [&str; 4], (uid, create, what): (&str, &str, &str)) {
    let path = format!("/org/gnome/evolution/dataserver/{factory}");
    let (path, service): (String, String) =
        call(user, &format!("{PREFIX}{service}"), &path, factory, open, &(uid,)).await;
    let _: Vec<String> = call(user, &service, &path, store, "Open", &()).await;
    let _: Vec<String> = call(user, &service, &path, store, create, &(vec![what], 0_u32)).await;
}

#[tokio::test]
async fn what_changes_in_the_real_stores_is_told() {
    let sysroot = Sysroot::new();
    let Some(bus) = UserBus::start(&sysroot) else { return };
    let mut calendars = Listener::of(&sysroot, "AppointmentStoreNotificationTrigger", &[]);
    let mut contacts = Listener::of(&sysroot, "ContactStoreNotificationTrigger", &[]);
    for listener in [&mut calendars, &mut contacts] {
        let status = listener.status_that(|status| matches!(status, Status::Available { .. })).await;
        assert_eq!(status, Status::Available { how: "Evolution Data Server".into() });
    }
    let user = bus.connect().await;
    let calendar = ["Calendar8", "CalendarFactory", "OpenCalendar", "Calendar"];
    put(&user, calendar, ("system-calendar", "CreateObjects", EVENT)).await;
    let changed = calendars.event().await;
    assert_eq!((&changed["store"], &changed["change"]), (&"system-calendar".into(), &"changed".into()));
    assert_eq!(changed["name"], "Personal");
    let book = ["AddressBook10", "AddressBookFactory", "OpenAddressBook", "AddressBook"];
    put(&user, book, ("system-address-book", "CreateContacts", CONTACT)).await;
    assert_eq!(contacts.event().await["store"], "system-address-book");

    let manager = "/org/gnome/evolution/dataserver/SourceManager";
    let sources = HashMap::from([("work", SOURCE)]);
    let () = call(&user, &format!("{PREFIX}Sources5"), manager, "SourceManager", "CreateSources", &(sources,)).await;
    // The calendar before may have more to say.
    let mut added = calendars.event().await;
    while added["store"] != "work" {
        added = calendars.event().await;
    }
    assert_eq!((&added["name"], &added["change"]), (&"Work".into(), &"added".into()));
    assert_eq!(contacts.waiting(), 0, "a calendar is no address book");
}
