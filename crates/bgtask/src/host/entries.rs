//! What a process can run, and which of it an activation is for.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bgtask_wire::{Error, ErrorKind, InstanceInfo};

use super::Entry;
use crate::Uuid;

/// Everything one process runs.
pub(crate) struct Entries {
    pub(super) named: BTreeMap<String, Entry>,
    pub(super) classes: BTreeMap<Uuid, Entry>,
    activated: Arc<Activated>,
}

/// What the app itself runs: the handlers of its event and of its groups' events (BLD-9, GRP-5).
#[derive(Default)]
pub(crate) struct Activated(Mutex<Handlers>);

#[derive(Default)]
struct Handlers {
    app: Option<Entry>,
    groups: HashMap<String, Entry>,
}

impl Activated {
    /// Sets the handler of a group, or of the app.
    pub(crate) fn set(&self, group: Option<&str>, handler: Entry) {
        let mut handlers = self.lock();
        match group {
            Some(group) => drop(handlers.groups.insert(group.to_owned(), handler)),
            None => handlers.app = Some(handler),
        }
    }

    fn find(&self, group: Option<&str>) -> Result<Entry, String> {
        let handlers = self.lock();
        match group {
            Some(group) => handlers.groups.get(group).cloned().ok_or_else(|| {
                format!(
                    "the app handles no activations of the group {group:?}; set a handler with \
                     BackgroundTaskRegistrationGroup::background_activated before anything else"
                )
            }),
            None => handlers.app.clone().ok_or_else(|| {
                "the app handles no activations; set a handler with CoreApplication::background_activated before anything else"
                    .to_owned()
            }),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Handlers> {
        // No code of others runs while it is locked, and every state is valid.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Entries {
    /// What the app itself runs, and nothing else yet.
    pub(crate) fn of(activated: &Arc<Activated>) -> Self {
        Self { named: BTreeMap::new(), classes: BTreeMap::new(), activated: Arc::clone(activated) }
    }

    /// Adds the entry points and classes of another program.
    #[cfg(feature = "testing")]
    pub(crate) fn add(&mut self, other: Self) {
        self.named.extend(other.named);
        self.classes.extend(other.classes);
    }

    /// The same entries as they are now, each wrapped.
    #[cfg(feature = "testing")]
    pub(crate) fn wrapped(&self, wrap: impl Fn(&Entry) -> Entry) -> Self {
        let handlers = self.activated.lock();
        let app = handlers.app.as_ref().map(&wrap);
        let groups = handlers.groups.iter().map(|(group, entry)| (group.clone(), wrap(entry))).collect();
        Self {
            named: self.named.iter().map(|(name, entry)| (name.clone(), wrap(entry))).collect(),
            classes: self.classes.iter().map(|(id, entry)| (*id, wrap(entry))).collect(),
            activated: Arc::new(Activated(Mutex::new(Handlers { app, groups }))),
        }
    }

    /// What runs this activation.
    pub(super) fn find(&self, info: &InstanceInfo) -> Result<Entry, Error> {
        let found = match (&info.class_id, info.entry_point.as_str()) {
            (Some(class), _) => self.class(class),
            (None, "") => self.activated.find(info.group.as_deref()),
            (None, name) => self.named.get(name).cloned().ok_or_else(|| self.unknown("entry point", name)),
        };
        found.map_err(|problem| Error::new(ErrorKind::UnknownEntryPoint, problem))
    }

    /// The names of entry points and the ids of classes.
    pub(super) fn names(&self) -> Vec<String> {
        self.named.keys().cloned().chain(self.classes.keys().map(Uuid::to_string)).collect()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.named.is_empty() && self.classes.is_empty()
    }

    fn class(&self, id: &str) -> Result<Entry, String> {
        let found = Uuid::try_parse(id).ok().and_then(|id| self.classes.get(&id));
        found.cloned().ok_or_else(|| self.unknown("class", id))
    }

    fn unknown(&self, what: &str, name: &str) -> String {
        match self.is_empty() {
            true => format!("the program has no {what} {name:?}, nor any other"),
            false => format!("the program has no {what} {name:?}; it has {}", self.names().join(", ")),
        }
    }
}
