//! The libraries of the user: the folders for documents, pictures and so on, wherever the user has them.

mod user_dirs;

use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::sync::mpsc;

use crate::event::EventTeller;
use crate::folder_changes::{MAX_REPORTS, everything_in, fields};
use crate::given::Given;
pub use crate::library::user_dirs::MAX_USER_DIRS_BYTES;
use crate::library::user_dirs::UserDirs;
use crate::report::Status;
use crate::watch_path::{PathEvents, PathReport, PathSpec, PathWatching, watch_path};
use crate::world::World;

/// How long the file that names the folders must be quiet until it is read again.
const USER_DIRS_SETTLE: Duration = Duration::from_millis(250);

/// Which libraries are watched: `StorageLibraryContentChangedTrigger`.
///
/// ```
/// # use std::collections::BTreeMap;
/// use bgtask_sources::{Library, LibrarySpec};
///
/// let properties = BTreeMap::from([("libraries".to_owned(), "pictures+videos".to_owned())]);
/// let spec = LibrarySpec::read(&properties).unwrap();
/// assert!(spec.libraries.iter().eq(&[Library::Pictures, Library::Videos]));
/// ```
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LibrarySpec {
    /// One or more.
    pub libraries: BTreeSet<Library>,
}

/// A folder of the user that has a meaning, by the XDG user directories.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Library {
    /// What opens as the desktop.
    Desktop,
    /// Documents.
    Documents,
    /// What came from the network.
    Downloads,
    /// Music.
    Music,
    /// Pictures.
    Pictures,
    /// Videos.
    Videos,
}

impl Library {
    /// All of them.
    pub const ALL: [Self; 6] =
        [Self::Desktop, Self::Documents, Self::Downloads, Self::Music, Self::Pictures, Self::Videos];

    /// The word for it.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Desktop => "desktop",
            Self::Documents => "documents",
            Self::Downloads => "downloads",
            Self::Music => "music",
            Self::Pictures => "pictures",
            Self::Videos => "videos",
        }
    }

    /// The library of that word.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|library| library.word() == word)
    }
}

impl LibrarySpec {
    /// Reads `libraries`: words joined by `+`.
    ///
    /// # Errors
    ///
    /// Where none or an unknown one is given, with a sentence that says what to write.
    pub fn read(properties: &BTreeMap<String, String>) -> Result<Self, String> {
        let given = Given::of(&["libraries"], properties)?;
        let known = || Library::ALL.map(Library::word).join(", ");
        let read = |word| Library::from_word(word).ok_or_else(|| format!("`{word}` is no library; use {}", known()));
        let words = given.need("libraries", "documents+pictures")?.split('+');
        Ok(Self { libraries: words.map(|word| read(word.trim())).collect::<Result<_, _>>()? })
    }
}

/// Listens for ever.
pub(crate) async fn run(spec: LibrarySpec, world: &World, teller: EventTeller) -> Infallible {
    let mut watches = Watches::new(spec, world);
    while let Some((key, report)) = watches.reports.recv().await {
        watches.hear(key, report, &teller);
        if let Some(status) = watches.status() {
            teller.status(status);
        }
    }
    // Only at the end of the runtime.
    std::future::pending().await
}

/// A watch of the file that names the folders, and one of each folder.
struct Watches {
    spec: LibrarySpec,
    world: World,
    sender: mpsc::Sender<(u128, PathReport)>,
    reports: mpsc::Receiver<(u128, PathReport)>,
    last_key: u128,
    _user_dirs: PathWatching,
    /// By the key of the watch; nothing before the file was read.
    folders: Option<BTreeMap<u128, Folder>>,
    /// Libraries without a folder.
    homeless: Vec<Library>,
}

/// A library that is watched.
struct Folder {
    library: Library,
    path: PathBuf,
    status: Option<Status>,
    _watching: PathWatching,
}

/// The key of the watch of the file.
const USER_DIRS: u128 = 0;

impl Watches {
    fn new(spec: LibrarySpec, world: &World) -> Self {
        let (sender, reports) = mpsc::channel(MAX_REPORTS);
        let (path, on) = (UserDirs::path(world), PathEvents::default());
        let file = PathSpec { path, recursive: false, on, settle: USER_DIRS_SETTLE };
        Self {
            spec,
            world: world.clone(),
            _user_dirs: watch_path(USER_DIRS, file, world, sender.clone()),
            sender,
            reports,
            last_key: USER_DIRS,
            folders: None,
            homeless: Vec::new(),
        }
    }

    fn hear(&mut self, key: u128, report: PathReport, teller: &EventTeller) {
        if key == USER_DIRS {
            return self.find_folders();
        }
        // What a watch says that has ended meanwhile is of no interest.
        let Some(folder) = self.folders.as_mut().and_then(|folders| folders.get_mut(&key)) else { return };
        match report {
            PathReport::Status(status) => folder.status = Some(status),
            PathReport::Burst(burst) => {
                let library = ("library", folder.library.word().into());
                burst
                    .changes
                    .iter()
                    .for_each(|change| teller.event([library.clone()].into_iter().chain(fields(change))));
                if burst.lost > 0 {
                    teller.lost(burst.lost);
                }
            }
        }
    }

    /// Watches the folders that the file names now, and no others.
    fn find_folders(&mut self) {
        let user_dirs = UserDirs::read(&self.world);
        let mut before = self.folders.take().unwrap_or_default();
        self.homeless.clear();
        let mut folders = BTreeMap::new();
        for library in self.spec.libraries.clone() {
            let Some(path) = user_dirs.folder(library) else {
                self.homeless.push(library);
                continue;
            };
            let same = before.extract_if(.., |_, folder| folder.library == library && folder.path == path).next();
            let (key, folder) = same.unwrap_or_else(|| self.watch(library, path));
            folders.insert(key, folder);
        }
        self.folders = Some(folders);
    }

    fn watch(&mut self, library: Library, path: PathBuf) -> (u128, Folder) {
        self.last_key += 1;
        let watching = watch_path(self.last_key, everything_in(&path), &self.world, self.sender.clone());
        (self.last_key, Folder { library, path, status: None, _watching: watching })
    }

    /// How well all of them are seen, as soon as that is known of each.
    fn status(&self) -> Option<Status> {
        let (mut seen, mut problem) = (Vec::new(), None);
        for folder in self.folders.as_ref()?.values() {
            let library = folder.library.word();
            match folder.status.clone()? {
                Status::Available { how } => seen.push(format!("{library} by {how}")),
                Status::Degraded { how, why, help } => {
                    seen.push(format!("{library} by {how}"));
                    problem.get_or_insert((why, help));
                }
                Status::Missing { why, help } => drop(problem.get_or_insert((why, help))),
            }
        }
        if let Some(library) = self.homeless.first() {
            problem.get_or_insert(no_folder(*library, &UserDirs::path(&self.world)));
        }
        let how = seen.join("; ");
        Some(match problem {
            None => Status::Available { how },
            Some((why, help)) if seen.is_empty() => Status::Missing { why, help },
            Some((why, help)) => Status::Degraded { how, why, help },
        })
    }
}

fn no_folder(library: Library, file: &Path) -> (String, String) {
    let why = format!("{} has no folder, says {}", library.word(), file.display());
    let help = format!("name one there: {}=\"$HOME/{}\"", user_dirs::variable(library), user_dirs::usual(library));
    (why, help)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(libraries: &str) -> Result<LibrarySpec, String> {
        LibrarySpec::read(&BTreeMap::from([("libraries".to_owned(), libraries.to_owned())]))
    }

    #[test]
    fn libraries_have_words() {
        let all = Library::ALL.map(Library::word).join("+");
        assert!(read(&all).unwrap().libraries.iter().eq(&Library::ALL));
        let error = read("documents+photos").unwrap_err();
        assert_eq!(error, "`photos` is no library; use desktop, documents, downloads, music, pictures, videos");
        assert!(read("").unwrap_err().starts_with("`libraries` is missing"));
        assert!(LibrarySpec::read(&BTreeMap::new()).unwrap_err().starts_with("`libraries` is missing"));
    }
}
