//! Views of stores: by them Evolution Data Server tells that a content changed.

use std::collections::BTreeMap;
use std::time::Duration;

use zbus::wire::OwnedObjectPath;
use zbus::{Connection, Message};

use crate::bus::{CallError, Object};
use crate::service::started;
use crate::store::{Keeping, MAX_STORES};

/// How long a store may take to be opened: one on the internet is waited for.
const OPEN_TIMEOUT: Duration = Duration::from_secs(30);

impl Keeping {
    /// The service that opens stores.
    pub(super) const fn factory(self) -> &'static str {
        match self {
            Self::Appointments => "org.gnome.evolution.dataserver.Calendar8",
            Self::Contacts => "org.gnome.evolution.dataserver.AddressBook10",
        }
    }

    /// The interface of a view.
    pub(super) const fn view(self) -> &'static str {
        match self {
            Self::Appointments => "org.gnome.evolution.dataserver.CalendarView",
            Self::Contacts => "org.gnome.evolution.dataserver.AddressBookView",
        }
    }

    const fn factory_object(self) -> Object<'static> {
        match self {
            Self::Appointments => Object {
                service: self.factory(),
                path: "/org/gnome/evolution/dataserver/CalendarFactory",
                interface: "org.gnome.evolution.dataserver.CalendarFactory",
            },
            Self::Contacts => Object {
                service: self.factory(),
                path: "/org/gnome/evolution/dataserver/AddressBookFactory",
                interface: "org.gnome.evolution.dataserver.AddressBookFactory",
            },
        }
    }

    const fn store(self) -> &'static str {
        match self {
            Self::Appointments => "org.gnome.evolution.dataserver.Calendar",
            Self::Contacts => "org.gnome.evolution.dataserver.AddressBook",
        }
    }

    /// The call that opens one, and the question that everything answers.
    const fn words(self) -> (&'static str, &'static str) {
        match self {
            Self::Appointments => ("OpenCalendar", "#t"),
            Self::Contacts => ("OpenAddressBook", "(contains \"x-evolution-any-field\" \"\")"),
        }
    }
}

/// The views that are open, each with its store.
#[derive(Debug)]
pub(super) struct Views {
    keeping: Keeping,
    open: BTreeMap<String, View>,
}

#[derive(Debug)]
struct View {
    service: String,
    path: String,
}

impl Views {
    pub(super) fn new(keeping: Keeping) -> Self {
        Self { keeping, open: BTreeMap::new() }
    }

    /// Opens a view of each of `stores` that has none, and closes what is of no others. A sentence about one that cannot
    /// be opened, if there is any.
    pub(super) async fn open(&mut self, stores: Vec<String>, connection: &Connection) -> Option<String> {
        let gone: Vec<_> = self.open.keys().filter(|store| !stores.contains(store)).cloned().collect();
        for store in gone {
            if let Some(View { service, path }) = self.open.remove(&store) {
                let view = Object { service: &service, path: &path, interface: self.keeping.view() };
                // It is of no use any more, whatever it answers.
                let _: Result<(), _> = view.call(connection, "Dispose", None).await;
            }
        }
        let mut refused = None;
        for store in stores {
            if self.open.contains_key(&store) {
                continue;
            }
            if self.open.len() >= MAX_STORES {
                return Some(format!("only {MAX_STORES} are watched, and there are more"));
            }
            match view(self.keeping, &store, connection).await {
                Ok(view) => drop(self.open.insert(store, view)),
                Err(error) => refused = Some(format!("`{store}`: {error}")),
            }
        }
        refused
    }

    /// The service that kept them is gone.
    pub(super) fn forget(&mut self) {
        self.open.clear();
    }

    pub(super) fn store_of(&self, path: &str) -> Option<String> {
        self.open.iter().find(|(_, view)| view.path == path).map(|(store, _)| store.clone())
    }

    pub(super) fn stores(&self) -> Vec<String> {
        self.open.keys().cloned().collect()
    }
}

/// Whether a change of a name's owner is the end of one, and with it of all that it kept.
pub(super) fn closes(message: &Message) -> bool {
    let owners: Result<(String, String, String), _> = message.body().deserialize();
    owners.is_ok_and(|(_, old, _)| !old.is_empty())
}

async fn view(keeping: Keeping, store: &str, connection: &Connection) -> Result<View, CallError> {
    let (open, everything) = keeping.words();
    started(connection, keeping.factory()).await?;
    let factory = keeping.factory_object();
    let (path, service): (String, String) = factory.call_within(OPEN_TIMEOUT, connection, open, &(store,)).await?;
    let object = Object { service: &service, path: &path, interface: keeping.store() };
    let _properties: Vec<String> = object.call_within(OPEN_TIMEOUT, connection, "Open", &()).await?;
    let path: OwnedObjectPath = object.call(connection, "GetView", Some(everything)).await?;
    let view = Object { service: &service, path: path.as_str(), interface: keeping.view() };
    // What is in it already is not told, and of what is new little more than that.
    let () = view.call_with(connection, "SetFlags", &(0_u32,)).await?;
    let () = view.call_with(connection, "SetFieldsOfInterest", &(["UID"].as_slice(),)).await?;
    let () = view.call(connection, "Start", None).await?;
    let path = path.to_string();
    Ok(View { service, path })
}
