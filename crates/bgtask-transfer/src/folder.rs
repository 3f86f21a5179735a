//! Where orders and states are kept: a folder for each transfer, in a folder that is the user's alone.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::{GroupId, Order, State, TransferId};

/// The most bytes of one of the files: an order at its bounds has fewer.
const MAX_FILE_BYTES: u64 = 128 * 1024;

const ORDER: &str = "order.json";
const STATE: &str = "state.json";
/// An empty file that is there while its owner wants it to rest.
const PAUSED: &str = "paused";

/// The folder of the groups that are enabled, with a folder for each app: an empty file for each group.
const GROUPS: &str = "groups";

/// The folder of all transfers of a user.
#[derive(Clone, Debug)]
pub struct Folder(PathBuf);

/// A transfer as it was found in its folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kept {
    /// What is to be transferred.
    pub order: Order,
    /// How far it is.
    pub state: State,
    /// Whether its owner wants it to rest.
    pub paused: bool,
}

impl Folder {
    /// The folder, which is made with the first transfer.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self(path.into())
    }

    /// The folder of one transfer.
    #[must_use]
    pub fn of(&self, id: TransferId) -> PathBuf {
        self.0.join(id.to_string())
    }

    /// Keeps a new order; it is durable when this returns.
    ///
    /// # Errors
    ///
    /// A file cannot be written.
    pub fn put(&self, order: &Order) -> Result<(), FolderError> {
        let folder = self.of(order.id);
        let made = DirBuilder::new().recursive(true).mode(0o700).create(&folder);
        made.map_err(|error| FolderError::new("make", &folder, error))?;
        write(&folder, ORDER, order)?;
        sync(&self.0)
    }

    /// Every transfer that is kept. What cannot be read is left as it is, and told.
    ///
    /// # Errors
    ///
    /// The folder cannot be read.
    pub fn all(&self) -> Result<(Vec<Kept>, Vec<FolderError>), FolderError> {
        let (mut kept, mut wrong) = (Vec::new(), Vec::new());
        for name in names(&self.0)? {
            let Ok(id) = name.parse() else { continue };
            match self.get(id) {
                Ok(one) => kept.push(one),
                // Its order was never answered: the machine went down while it was written.
                Err(error) if error.is_missing() => self.remove(id)?,
                Err(error) => wrong.push(error),
            }
        }
        kept.sort_by_key(|one| (one.order.created, one.order.id));
        Ok((kept, wrong))
    }

    /// One transfer.
    ///
    /// # Errors
    ///
    /// There is none, or what is there cannot be read.
    pub fn get(&self, id: TransferId) -> Result<Kept, FolderError> {
        let paused = self.of(id).join(PAUSED).exists();
        Ok(Kept { order: read(&self.of(id), ORDER)?, state: self.state(id)?, paused })
    }

    /// Keeps whether its owner wants it to rest; it is durable when this returns.
    ///
    /// # Errors
    ///
    /// The file cannot be written.
    pub fn set_paused(&self, id: TransferId, paused: bool) -> Result<(), FolderError> {
        let folder = self.of(id);
        let path = folder.join(PAUSED);
        let set = if paused { File::create(&path).map(drop) } else { fs::remove_file(&path) };
        match set {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(FolderError::new("write", &path, error)),
            _ => sync(&folder),
        }
    }

    /// How far one is; one that has not begun is at its beginning.
    ///
    /// # Errors
    ///
    /// The file cannot be read.
    pub fn state(&self, id: TransferId) -> Result<State, FolderError> {
        match read(&self.of(id), STATE) {
            Err(error) if error.is_missing() => Ok(State::default()),
            other => other,
        }
    }

    /// Keeps how far one is; it is durable when this returns.
    ///
    /// # Errors
    ///
    /// The file cannot be written, or the transfer was removed.
    pub fn keep(&self, id: TransferId, state: &State) -> Result<(), FolderError> {
        write(&self.of(id), STATE, state)
    }

    /// Keeps that nothing is added to a group of an app any more; it is durable when this returns.
    ///
    /// # Errors
    ///
    /// A file cannot be written.
    pub fn enable(&self, app: &str, group: GroupId) -> Result<(), FolderError> {
        let folder = self.0.join(GROUPS).join(app);
        let made = DirBuilder::new().recursive(true).mode(0o700).create(&folder);
        made.map_err(|error| FolderError::new("make", &folder, error))?;
        let path = folder.join(group.to_string());
        File::create(&path).map_err(|error| FolderError::new("write", &path, error))?;
        sync(&folder)?;
        sync(&self.0.join(GROUPS))?;
        sync(&self.0)
    }

    /// Every group that is enabled, with its app.
    ///
    /// # Errors
    ///
    /// A folder cannot be read.
    pub fn enabled(&self) -> Result<Vec<(String, GroupId)>, FolderError> {
        let groups = self.0.join(GROUPS);
        let mut all = Vec::new();
        for app in names(&groups)? {
            let its = names(&groups.join(&app))?.into_iter().filter_map(|name| name.parse().ok());
            all.extend(its.map(|group| (app.clone(), group)));
        }
        Ok(all)
    }

    /// Forgets that a group is enabled.
    ///
    /// # Errors
    ///
    /// The file cannot be removed.
    pub fn remove_group(&self, app: &str, group: GroupId) -> Result<(), FolderError> {
        let path = self.0.join(GROUPS).join(app).join(group.to_string());
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(FolderError::new("remove", &path, error)),
            _ => Ok(()),
        }
    }

    /// Forgets one, whatever is there of it.
    ///
    /// # Errors
    ///
    /// A file cannot be removed.
    pub fn remove(&self, id: TransferId) -> Result<(), FolderError> {
        let folder = self.of(id);
        match fs::remove_dir_all(&folder) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(FolderError::new("remove", &folder, error)),
            _ => Ok(()),
        }
    }
}

/// What is in a folder; nothing, where there is none.
fn names(folder: &Path) -> Result<Vec<String>, FolderError> {
    match fs::read_dir(folder) {
        Ok(entries) => Ok(entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok()).collect()),
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => Ok(Vec::new()),
        Err(error) => Err(FolderError::new("read", folder, error)),
    }
}

/// Writes a file so that a crash at any moment leaves the old one or the new one.
fn write<T: Serialize>(folder: &Path, name: &str, value: &T) -> Result<(), FolderError> {
    let (path, fresh) = (folder.join(name), folder.join(format!(".{name}")));
    let written = || {
        let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&fresh)?;
        file.write_all(&serde_json::to_vec(value).map_err(io::Error::other)?)?;
        file.sync_data()?;
        fs::rename(&fresh, &path)
    };
    written().map_err(|error| FolderError::new("write", &path, error))?;
    sync(folder)
}

fn read<T: DeserializeOwned>(folder: &Path, name: &str) -> Result<T, FolderError> {
    let path = folder.join(name);
    let text = || {
        let mut text = Vec::new();
        File::open(&path)?.take(MAX_FILE_BYTES + 1).read_to_end(&mut text)?;
        if text.len() as u64 > MAX_FILE_BYTES {
            return Err(io::Error::other(format!("it has more than {MAX_FILE_BYTES} bytes")));
        }
        serde_json::from_slice(&text).map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))
    };
    text().map_err(|error| FolderError::new("read", &path, error))
}

/// A name in a folder is durable when the folder is.
pub(crate) fn sync(folder: &Path) -> Result<(), FolderError> {
    let synced = File::open(folder).and_then(|folder| folder.sync_all());
    synced.map_err(|error| FolderError::new("write", folder, error))
}

/// What is kept of transfers cannot be read or written.
#[derive(Debug, thiserror::Error)]
#[error("cannot {what} {}", .path.display())]
pub struct FolderError {
    what: &'static str,
    path: PathBuf,
    source: io::Error,
}

impl FolderError {
    fn new(what: &'static str, path: &Path, source: io::Error) -> Self {
        Self { what, path: path.to_owned(), source }
    }

    /// Whether it is not there at all.
    #[must_use]
    pub fn is_missing(&self) -> bool {
        self.source.kind() == io::ErrorKind::NotFound
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Kind, Phase};

    fn order() -> Order {
        Order::new(Kind::Download, "org.example.Photos", "https://example.org/", "/home/ada/f")
    }

    #[test]
    fn what_is_kept_is_found_again_and_only_the_user_sees_it() {
        use std::os::unix::fs::PermissionsExt as _;
        let temp = tempfile::tempdir().unwrap();
        let folder = Folder::new(temp.path().join("transfers"));
        assert!(folder.all().unwrap().0.is_empty(), "there is no folder yet");
        let order = order();
        folder.put(&order).unwrap();
        let state = State { done: 7, phase: Phase::Failed, ..State::default() };
        assert_eq!(folder.all().unwrap().0, [Kept { order: order.clone(), state: State::default(), paused: false }]);
        folder.keep(order.id, &state).unwrap();
        folder.set_paused(order.id, true).unwrap();
        folder.set_paused(order.id, true).unwrap();
        assert_eq!(folder.all().unwrap().0, [Kept { order: order.clone(), state, paused: true }]);
        folder.set_paused(order.id, false).unwrap();
        assert!(!folder.get(order.id).unwrap().paused);
        let mode = |path: PathBuf| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(folder.of(order.id)), 0o700);
        assert_eq!(mode(folder.of(order.id).join(ORDER)), 0o600, "an order may have a password in its headers");
        folder.remove(order.id).unwrap();
        folder.remove(order.id).unwrap();
        assert!(folder.all().unwrap().0.is_empty());
    }

    #[test]
    fn a_group_is_enabled_until_it_is_forgotten() {
        let temp = tempfile::tempdir().unwrap();
        let folder = Folder::new(temp.path().join("transfers"));
        assert!(folder.enabled().unwrap().is_empty(), "there is no folder yet");
        let (one, other) = (GroupId::new(), GroupId::new());
        for (app, group) in [("org.example.Photos", one), ("org.example.Mail", one), ("org.example.Photos", other)] {
            folder.enable(app, group).unwrap();
        }
        let enabled = |app: &str| {
            let all = folder.enabled().unwrap().into_iter();
            all.filter(|(its, _)| its == app).map(|(_, group)| group).collect::<std::collections::BTreeSet<_>>()
        };
        assert_eq!(enabled("org.example.Photos"), [one, other].into());
        folder.remove_group("org.example.Photos", one).unwrap();
        folder.remove_group("org.example.Photos", one).unwrap();
        assert_eq!((enabled("org.example.Photos"), enabled("org.example.Mail")), ([other].into(), [one].into()));
        assert!(folder.all().unwrap().0.is_empty(), "a group is no transfer");
    }

    #[test]
    fn what_was_half_written_goes_and_what_is_damaged_stays_and_is_told() {
        let temp = tempfile::tempdir().unwrap();
        let folder = Folder::new(temp.path());
        let (half, damaged) = (TransferId::new(), TransferId::new());
        fs::create_dir(folder.of(half)).unwrap();
        fs::create_dir(folder.of(damaged)).unwrap();
        fs::write(folder.of(damaged).join(ORDER), "{").unwrap();
        fs::create_dir(temp.path().join("somebody else's")).unwrap();
        let (kept, wrong) = folder.all().unwrap();
        assert!(kept.is_empty());
        assert_eq!(wrong.len(), 1, "{wrong:?}");
        assert!(!folder.of(half).exists() && folder.of(damaged).exists());
    }

    #[test]
    fn a_file_beyond_its_bound_is_not_read() {
        let temp = tempfile::tempdir().unwrap();
        let folder = Folder::new(temp.path());
        let order = order();
        folder.put(&order).unwrap();
        fs::write(folder.of(order.id).join(STATE), " ".repeat(MAX_FILE_BYTES as usize + 1)).unwrap();
        let error = folder.get(order.id).unwrap_err();
        assert!(std::error::Error::source(&error).unwrap().to_string().contains("more than"), "{error:?}");
    }
}
