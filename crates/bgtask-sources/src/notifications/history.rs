//! Which notifications are shown, and whose they are, kept in a file.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

/// Notifications of one app that are shown at a time, as many as Windows keeps. Of more, the oldest is taken away.
pub const MAX_SHOWN_BY_APP: usize = 20;
/// Notifications of all apps that are shown at a time. More are refused.
pub const MAX_SHOWN: usize = 1024;

/// The largest file that is read, in bytes.
const MAX_FILE_BYTES: u64 = 1024 * 1024;
const FILE: &str = "notifications.json";

/// What is shown, the oldest first.
#[derive(Default, Debug, Serialize, Deserialize)]
pub(super) struct History {
    /// Who shows them: the id of the bus and the unique name on it, which no other server ever has.
    server: String,
    shown: Vec<Shown>,
    #[serde(skip)]
    file: Option<PathBuf>,
}

/// One notification that is shown.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(super) struct Shown {
    pub(super) id: u32,
    pub(super) app: String,
    pub(super) tag: String,
    /// With which a window of the app may come to the front, once somebody acts on the notification.
    #[serde(skip)]
    pub(super) token: Option<String>,
}

impl History {
    /// What is in the file of `folder`, or nothing where it has none that can be read.
    pub(super) fn load(folder: Option<PathBuf>) -> Self {
        let Some(file) = folder.map(|folder| folder.join(FILE)) else { return Self::default() };
        let mut history = match read(&file) {
            Ok(history) => history,
            Err(error) if error.kind() == io::ErrorKind::NotFound => Self::default(),
            Err(error) => {
                tracing::warn!(file = %file.display(), %error, "what was shown before is not known");
                Self::default()
            }
        };
        history.shown.truncate(MAX_SHOWN);
        history.file = Some(file);
        history
    }

    /// Begins anew where another server shows notifications now. Returns those that nobody shows any more.
    pub(super) fn shown_by(&mut self, server: &str) -> Vec<Shown> {
        if self.server == server {
            return Vec::new();
        }
        server.clone_into(&mut self.server);
        let gone = std::mem::take(&mut self.shown);
        self.save();
        gone
    }

    pub(super) fn is_full(&self) -> bool {
        self.shown.len() >= MAX_SHOWN
    }

    pub(super) fn get(&mut self, id: u32) -> Option<&mut Shown> {
        self.shown.iter_mut().find(|shown| shown.id == id)
    }

    /// The number under which `app` shows what has this tag.
    pub(super) fn of_tag(&self, app: &str, tag: &str) -> Option<u32> {
        let found = self.shown.iter().find(|shown| shown.app == app && shown.tag == tag && !tag.is_empty());
        found.map(|shown| shown.id)
    }

    /// Of an app that shows as many as it may, the oldest.
    pub(super) fn oldest_of_too_many(&self, app: &str) -> Option<u32> {
        let mut own = self.shown.iter().filter(|shown| shown.app == app);
        let oldest = own.next()?.id;
        (own.count() + 1 >= MAX_SHOWN_BY_APP).then_some(oldest)
    }

    pub(super) fn add(&mut self, id: u32, app: &str, tag: &str) {
        self.shown.retain(|shown| shown.id != id);
        self.shown.push(Shown { id, app: app.to_owned(), tag: tag.to_owned(), token: None });
        self.save();
    }

    pub(super) fn remove(&mut self, id: u32) -> Option<Shown> {
        let place = self.shown.iter().position(|shown| shown.id == id)?;
        let shown = self.shown.remove(place);
        self.save();
        Some(shown)
    }

    /// What cannot be written is known to this process all the same.
    fn save(&self) {
        let Some(file) = &self.file else { return };
        if let Err(error) = write(file, self) {
            tracing::warn!(file = %file.display(), %error, "what is shown will not be known to the next broker");
        }
    }
}

fn read(file: &Path) -> io::Result<History> {
    if fs::metadata(file)?.len() > MAX_FILE_BYTES {
        return Err(io::Error::other(format!("it has more than {MAX_FILE_BYTES} bytes")));
    }
    serde_json::from_slice(&fs::read(file)?).map_err(io::Error::other)
}

fn write(file: &Path, history: &History) -> io::Result<()> {
    let new = file.with_extension("new");
    fs::write(&new, serde_json::to_vec(history)?)?;
    fs::rename(new, file)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_shown_outlives_the_process_and_not_the_server() {
        let folder = tempfile::tempdir().unwrap();
        let load = || History::load(Some(folder.path().to_owned()));
        let mut history = load();
        assert_eq!(history.shown_by("bus :1.5"), []);
        history.add(7, "a", "tag");
        history.add(8, "a", "");
        let mut again = load();
        assert_eq!(again.shown_by("bus :1.5"), []);
        assert_eq!((again.of_tag("a", "tag"), again.of_tag("b", "tag"), again.of_tag("a", "")), (Some(7), None, None));
        let gone = again.shown_by("bus :1.9");
        assert_eq!(gone.iter().map(|shown| shown.id).collect::<Vec<_>>(), [7, 8]);
        assert!(load().shown.is_empty());
    }

    #[test]
    fn a_damaged_file_is_no_history() {
        let folder = tempfile::tempdir().unwrap();
        for damaged in ["", "{", "[]", "{\"server\":1}", "\0"] {
            fs::write(folder.path().join(FILE), damaged).unwrap();
            let mut history = History::load(Some(folder.path().to_owned()));
            assert_eq!(history.shown_by("x"), [], "{damaged:?}");
        }
        fs::write(folder.path().join(FILE), vec![b' '; 1 << 21]).unwrap();
        assert!(read(&folder.path().join(FILE)).unwrap_err().to_string().contains("more than 1048576 bytes"));
    }

    /// [`MAX_SHOWN_BY_APP`], [`MAX_SHOWN`]
    #[test]
    fn there_is_room_for_so_many() {
        let mut history = History::default();
        for id in 1..20 {
            history.add(id, "a", "");
            assert_eq!(history.oldest_of_too_many("a"), None);
        }
        history.add(20, "a", "");
        assert_eq!((history.oldest_of_too_many("a"), history.oldest_of_too_many("b")), (Some(1), None));
        for id in 21..=1024 {
            assert!(!history.is_full());
            history.add(id, "b", "");
        }
        assert!(history.is_full());
        assert_eq!(history.remove(1).map(|shown| shown.app), Some("a".to_owned()));
        assert_eq!(history.remove(1), None);
    }
}
