//! Calendars and address books, by Evolution Data Server: stores that come and go, and what changes in them.
//!
//! The registry of sources says which stores there are. What is in one is heard of by a *view* of it, which has to be
//! opened, and which only a service keeps that was started for that (GNOME's own programs keep it running as well).

mod view;

use std::collections::{BTreeMap, HashMap};
use std::convert::Infallible;
use std::time::Duration;

use tokio::time::{Instant, sleep, sleep_until};
use zbus::Message;
use zbus::wire::{OwnedObjectPath, OwnedVariant};

use crate::bus::{BusKind, CallError, Properties};
use crate::event::EventTeller;
use crate::given::Given;
use crate::outbox::Happening;
use crate::report::Status;
use crate::service::{Follower, Heard, Service, Signals, Visit, follow};
use crate::store::view::{Views, closes};
use crate::world::World;

/// The shortest time between two looks at the stores: all that changes in a store within it is one event.
pub const STORE_SETTLE: Duration = Duration::from_secs(1);

/// Stores whose content is watched. Of more only coming and going is told, and the status says so.
pub const MAX_STORES: usize = 64;

const REGISTRY: &str = "org.gnome.evolution.dataserver.Sources5";
const MANAGER: &str = "/org/gnome/evolution/dataserver/SourceManager";
const SOURCE: &str = "org.gnome.evolution.dataserver.Source";

/// What is kept in a store.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Keeping {
    Appointments,
    Contacts,
}

impl Keeping {
    /// The group in the description of a source that makes it such a store.
    const fn group(self) -> &'static str {
        match self {
            Self::Appointments => "[Calendar]",
            Self::Contacts => "[Address Book]",
        }
    }
}

/// Which stores are watched. Serves the `AppointmentStoreNotificationTrigger` and the `ContactStoreNotificationTrigger`.
///
/// The fields of an event are `store`, the identity that Evolution Data Server gives it, `name`, what people call it, and
/// `change`: `added`, `removed` or `changed`, which is its content or its name. As on Windows it is not said what changed
/// in it. What a server on the internet holds changes here when Evolution Data Server has fetched it, by its own settings.
///
/// Lists of tasks and notes are no stores of appointments. The stores there are first are no events; that holds over a
/// restart of the service, too, but a change of content meanwhile is not heard.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct StoreSpec {
    /// The identity of the one store to watch; all of them without.
    pub store: Option<String>,
}

impl StoreSpec {
    /// Reads `store`, which may be left out.
    ///
    /// # Errors
    ///
    /// One sentence: what is wrong, and what to write.
    pub fn read(properties: &BTreeMap<String, String>) -> Result<Self, String> {
        let given = Given::of(&["store"], properties)?;
        match given.text("store") {
            Some("") => Err("`store` is empty; write the identity of one, or leave it out for all".to_owned()),
            store => Ok(Self { store: store.map(str::to_owned) }),
        }
    }
}

/// Listens for ever.
pub(crate) async fn run(keeping: Keeping, spec: StoreSpec, world: &World, teller: EventTeller) -> Infallible {
    follow(Librarian { keeping, spec, known: None }, world, teller).await
}

struct Librarian {
    keeping: Keeping,
    spec: StoreSpec,
    /// The names of the stores by their identities; None before the first look.
    known: Option<BTreeMap<String, String>>,
}

/// What is heard.
#[derive(Clone, PartialEq, Eq, Debug)]
enum News {
    /// Sources came, went or changed.
    Sources,
    /// The service that kept the views is gone, or another one.
    Keeper,
    /// What this view shows changed.
    Content(String),
}

impl Happening for News {
    fn repeats(&self, before: &Self) -> bool {
        self == before
    }
}

impl Follower for Librarian {
    const SERVICE: Service = Service { bus: BusKind::Session, name: REGISTRY, start: true };

    async fn follow(&mut self, visit: &Visit<'_>, teller: &EventTeller) -> Result<Infallible, CallError> {
        let signals = self.signals(visit).await?;
        let mut views = Views::new(self.keeping);
        loop {
            let read = Instant::now();
            self.look(visit, teller).await?;
            let stores = self.known.as_ref().map(|known| known.keys().cloned().collect()).unwrap_or_default();
            let refused = views.open(stores, visit.connection).await;
            teller.status(status(self.keeping, refused));
            while !self.listen(&signals, &mut views, teller).await? {
                sleep(STORE_SETTLE).await;
            }
            sleep_until(read + STORE_SETTLE).await;
        }
    }

    fn missing(&self, error: &CallError) -> Status {
        let help = match error {
            CallError::NoService => "install evolution-data-server",
            _ => "restart evolution-source-registry",
        };
        let why = format!("Evolution Data Server cannot be asked: {error}");
        Status::Missing { why, help: help.to_owned() }
    }
}

impl Librarian {
    async fn signals(&self, visit: &Visit<'_>) -> Result<Signals<News>, CallError> {
        let owner = &visit.owner;
        let rules = [
            format!("type='signal',sender='{owner}',path='{MANAGER}',interface='org.freedesktop.DBus.ObjectManager'"),
            format!(
                "type='signal',sender='{owner}',path_namespace='{MANAGER}',\
                 interface='org.freedesktop.DBus.Properties',member='PropertiesChanged',arg0='{SOURCE}'"
            ),
            format!(
                "type='signal',sender='org.freedesktop.DBus',interface='org.freedesktop.DBus',\
                 member='NameOwnerChanged',arg0='{}'",
                self.keeping.factory()
            ),
            format!("type='signal',interface='{}'", self.keeping.view()),
        ];
        Signals::subscribe(visit.connection, rules.into_iter(), read).await
    }

    /// Looks which stores there are, and tells what is new.
    async fn look(&mut self, visit: &Visit<'_>, teller: &EventTeller) -> Result<(), CallError> {
        let now = stores(visit, self.keeping, self.spec.store.as_deref()).await?;
        let tell = |store: &String, name: &String, change: &'static str| {
            teller.event([("store", store.as_str().into()), ("name", name.as_str().into()), ("change", change.into())]);
        };
        if let Some(before) = &self.known {
            for (store, name) in before.iter().filter(|(store, _)| !now.contains_key(*store)) {
                tell(store, name, "removed");
            }
            for (store, name) in &now {
                match before.get(store) {
                    None => tell(store, name, "added"),
                    Some(known) if known != name => tell(store, name, "changed"),
                    Some(_) => {}
                }
            }
        }
        self.known = Some(now);
        Ok(())
    }

    /// Waits for news and tells of the content that changed. Whether the stores themselves may have changed.
    async fn listen(
        &self,
        signals: &Signals<News>,
        views: &mut Views,
        teller: &EventTeller,
    ) -> Result<bool, CallError> {
        let mut heard = vec![signals.next().await?];
        heard.extend(signals.waiting());
        let mut look = false;
        let mut contents = Vec::new();
        for news in heard {
            match news {
                Heard::Signal(News::Sources) => look = true,
                Heard::Signal(News::Keeper) => {
                    views.forget();
                    look = true;
                }
                Heard::Signal(News::Content(path)) => contents.extend(views.store_of(&path)),
                // Whatever it was, it is not missed.
                Heard::Lost(_) => {
                    contents.extend(views.stores());
                    look = true;
                }
            }
        }
        contents.sort_unstable();
        contents.dedup();
        for store in contents {
            let name = self.known.as_ref().and_then(|known| known.get(&store)).cloned().unwrap_or_default();
            teller.event([("store", store.into()), ("name", name.into()), ("change", "changed".into())]);
        }
        Ok(look)
    }
}

fn read(message: &Message) -> Option<News> {
    let header = message.header();
    match header.member()?.as_str() {
        "InterfacesAdded" | "InterfacesRemoved" | "PropertiesChanged" => Some(News::Sources),
        // One that came keeps nothing yet, but may open what could not be opened before.
        "NameOwnerChanged" => Some(if closes(message) { News::Keeper } else { News::Sources }),
        "ObjectsAdded" | "ObjectsModified" | "ObjectsRemoved" | "ContentChanged" => {
            Some(News::Content(header.path()?.to_string()))
        }
        _ => None,
    }
}

/// The stores that keep such things, and their names.
async fn stores(
    visit: &Visit<'_>,
    keeping: Keeping,
    only: Option<&str>,
) -> Result<BTreeMap<String, String>, CallError> {
    type Tree = HashMap<OwnedObjectPath, HashMap<String, HashMap<String, OwnedVariant>>>;
    let manager = visit.object(MANAGER, "org.freedesktop.DBus.ObjectManager");
    let tree: Tree = manager.call(visit.connection, "GetManagedObjects", None).await?;
    let mut stores = BTreeMap::new();
    for mut interfaces in tree.into_values() {
        let Some(source) = interfaces.remove(SOURCE).map(Properties::of) else { continue };
        let (uid, description): (String, String) = (source.require("UID")?, source.require("Data")?);
        if let Some(name) = name_of(&description, keeping).filter(|_| only.is_none_or(|only| only == uid)) {
            stores.insert(uid, name);
        }
    }
    Ok(stores)
}

/// The name in the description of a source, if it is a store that keeps such things and is in use.
fn name_of(description: &str, keeping: Keeping) -> Option<String> {
    let lines = || description.lines().map(str::trim_end);
    let general =
        || lines().skip_while(|line| *line != "[Data Source]").skip(1).take_while(|line| !line.starts_with('['));
    if !lines().any(|line| line == keeping.group()) || general().any(|line| line == "Enabled=false") {
        return None;
    }
    Some(general().find_map(|line| line.strip_prefix("DisplayName=")).unwrap_or_default().to_owned())
}

fn status(keeping: Keeping, refused: Option<String>) -> Status {
    let how = "Evolution Data Server".to_owned();
    let Some(why) = refused else { return Status::Available { how } };
    let program = match keeping {
        Keeping::Appointments => "calendar",
        Keeping::Contacts => "address book",
    };
    let help = format!("look whether it can be opened in a {program} program; then it is tried again");
    Status::Degraded { how, why: format!("the content of one is not seen: {why}"), help }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_store_is_what_has_the_group_and_is_in_use() {
        let calendar =
            "\n[Data Source]\nDisplayName[de]=Persönlich\nDisplayName=Personal\nEnabled=true\n\n[Calendar]\n";
        assert_eq!(name_of(calendar, Keeping::Appointments).as_deref(), Some("Personal"));
        assert_eq!(name_of(calendar, Keeping::Contacts), None);
        assert_eq!(name_of(&calendar.replace("=true", "=false"), Keeping::Appointments), None);
        assert_eq!(name_of("[Calendar]\nDisplayName=x\n", Keeping::Appointments).as_deref(), Some(""));
        assert_eq!(name_of("", Keeping::Appointments), None);
    }

    #[test]
    fn what_is_written_is_read_or_refused_in_a_sentence() {
        let read = |pairs: &[(&str, &str)]| {
            StoreSpec::read(&pairs.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect())
        };
        assert_eq!(read(&[]), Ok(StoreSpec::default()));
        assert_eq!(read(&[("store", "system-calendar")]).unwrap().store.as_deref(), Some("system-calendar"));
        assert_eq!(read(&[("uid", "x")]).unwrap_err(), "there is no property `uid`: this trigger takes `store`");
        assert!(read(&[("store", "")]).unwrap_err().contains("leave it out for all"));
    }
}
