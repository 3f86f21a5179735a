//! What changes in the user's folders.

use std::fmt;
use std::path::PathBuf;

use super::event::{event_trigger, joined};
use crate::events::{EventDetails, TriggerEvent};
use crate::windows_enum::windows_enum;

event_trigger! {
    /// A trigger that fires when something changes in a library of the user: a file is created, written, deleted or moved. Its task
    /// gets [`StorageLibraryChange`]s.
    ///
    /// The libraries are the folders that `user-dirs.dirs` names, with all folders in them, by inotify. Registrations that watch the
    /// same share the watch.
    ///
    /// ```
    /// use bgtask::{KnownLibrary, StorageLibraryContentChangedTrigger};
    /// let media = [KnownLibrary::Pictures, KnownLibrary::Videos];
    /// let trigger = StorageLibraryContentChangedTrigger::create_from_libraries(media);
    /// assert!(trigger.properties().eq([("libraries", "pictures+videos")]));
    /// ```
    StorageLibraryContentChangedTrigger
}

impl StorageLibraryContentChangedTrigger {
    /// A trigger for one library.
    pub fn create(library: KnownLibrary) -> Self {
        Self::create_from_libraries([library])
    }

    /// A trigger for several libraries, at least one.
    pub fn create_from_libraries(libraries: impl IntoIterator<Item = KnownLibrary>) -> Self {
        Self::of([("libraries", joined(libraries.into_iter().map(KnownLibrary::word)))])
    }
}

/// A library of the user: one of the folders that every desktop has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum KnownLibrary {
    /// The user's documents.
    Documents,
    /// The user's pictures.
    Pictures,
    /// The user's music.
    Music,
    /// The user's videos.
    Videos,
    /// What the user downloaded. Beyond Windows.
    Downloads,
    /// What lies on the user's desktop. Beyond Windows.
    Desktop,
}

impl KnownLibrary {
    const ALL: [Self; 6] = [Self::Documents, Self::Pictures, Self::Music, Self::Videos, Self::Downloads, Self::Desktop];

    const fn word(self) -> &'static str {
        match self {
            Self::Documents => "documents",
            Self::Pictures => "pictures",
            Self::Music => "music",
            Self::Videos => "videos",
            Self::Downloads => "downloads",
            Self::Desktop => "desktop",
        }
    }
}

/// The word it has in a task file.
impl fmt::Display for KnownLibrary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

event_trigger! {
    /// A trigger that fires when something changes in a folder or in one below it, and tells each change since the last run, in order,
    /// also over a restart of the broker. Its task gets [`StorageLibraryChange`]s.
    ///
    /// Where it cannot be known what happened, while the broker was away for example, there is a change of the type
    /// [`ChangeTrackingLost`](StorageLibraryChangeType::ChangeTrackingLost), as on Windows: the task then looks at the folder itself. So
    /// it does where events were [lost](crate::TriggerEvents::lost).
    ///
    /// ```
    /// use bgtask::StorageLibraryChangeTrackerTrigger;
    /// let notes = StorageLibraryChangeTrackerTrigger::new("/home/me/notes");
    /// assert!(notes.properties().eq([("folder", "/home/me/notes")]));
    /// ```
    StorageLibraryChangeTrackerTrigger
}

impl StorageLibraryChangeTrackerTrigger {
    /// A trigger for this folder, by its absolute path. It need not exist.
    pub fn new(folder: impl Into<String>) -> Self {
        Self::of([("folder", folder.into())])
    }
}

windows_enum! {
    /// What changed.
    StorageLibraryChangeType {
        /// It was created.
        Created = 0,
        /// It was deleted.
        Deleted = 1,
        /// It was moved or renamed within what is watched.
        MovedOrRenamed = 2,
        /// Its content was written.
        ContentsChanged = 3,
        /// It was moved out of what is watched.
        MovedOutOfLibrary = 4,
        /// It was moved into what is watched.
        MovedIntoLibrary = 5,
        /// What changed is not known: look at all of it.
        ChangeTrackingLost = 9,
    }
}

impl StorageLibraryChangeType {
    fn of_word(word: &str) -> Option<Self> {
        Some(match word {
            "created" => Self::Created,
            "deleted" => Self::Deleted,
            "renamed" => Self::MovedOrRenamed,
            "written" => Self::ContentsChanged,
            "moved-out" => Self::MovedOutOfLibrary,
            "moved-in" => Self::MovedIntoLibrary,
            "reset" => Self::ChangeTrackingLost,
            _ => return None,
        })
    }
}

/// A change, for the task of a [`StorageLibraryContentChangedTrigger`] or a [`StorageLibraryChangeTrackerTrigger`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct StorageLibraryChange {
    /// What changed.
    pub change_type: StorageLibraryChangeType,
    /// Of which file or folder; empty where that is not known.
    pub path: PathBuf,
    /// Where it was before it was moved or renamed.
    pub previous_path: Option<PathBuf>,
    /// In which library, where libraries are watched.
    pub library: Option<KnownLibrary>,
}

impl EventDetails for StorageLibraryChange {
    fn read(event: &TriggerEvent) -> Option<Self> {
        let library = event.text("library");
        Some(Self {
            change_type: StorageLibraryChangeType::of_word(&event.text("change"))?,
            path: event.text("path").into(),
            previous_path: event.word("previous_path").map(Into::into),
            library: KnownLibrary::ALL.into_iter().find(|known| known.word() == library),
        })
    }
}
