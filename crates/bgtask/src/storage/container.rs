//! The settings of an app, one file for each.

use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::name::{Named, file_name, key_of};
use super::{DataChanges, SettingsError};
use crate::value::{MAX_FILE_BYTES, MAX_SET_DEPTH, from_file, to_file};
use crate::{PropertyValue, WrongType};

/// Bytes of a value that is no set.
pub const MAX_VALUE_BYTES: usize = 8 << 10;
/// Bytes of a set: of its keys, its values, and 16 for each entry.
pub const MAX_COMPOSITE_BYTES: usize = 64 << 10;
/// Settings one app may have.
pub const MAX_KEYS: usize = 1024;
/// How long a writer waits for the writers before it. Each needs only milliseconds, so one that takes this long is stuck.
pub const LOCK_WAIT: Duration = Duration::from_secs(10);

/// Waits between two attempts to get the lock: as short as a write first, then longer and longer up to this.
const LOCK_PAUSE_MAX: Duration = Duration::from_millis(20);
/// Neither name can be that of a key.
const LOCK_NAME: &str = ".lock";
const NEW_NAME: &str = ".new";

/// The local settings of an app: typed values by key, shared by all its processes.
///
/// Reading waits for nobody. Writing waits for other writers of the same app and for one flush to the disk, about a millisecond;
/// in an async program that writes often, do it on a blocking thread. When a writing call has returned, its
/// effect survives a crash of the program, the kernel or the power. A reader, or a process started after a crash, finds
/// the old value or the new one, never a mixture. (A reader may be handed a value just before it is safe from a power cut.)
///
/// The bounds: a key of [`MAX_KEY_CHARS`](super::MAX_KEY_CHARS), a value of [`MAX_VALUE_BYTES`], a set of
/// [`MAX_COMPOSITE_BYTES`], [`MAX_KEYS`] keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApplicationDataContainer {
    folder: PathBuf,
}

impl ApplicationDataContainer {
    /// Opens the local settings in an app's data folder, making `settings/local` in it, with mode 0700, if it is missing.
    ///
    /// # Errors
    ///
    /// [`SettingsError::Io`] if the folder cannot be made.
    pub fn open(data_folder: impl AsRef<Path>) -> Result<Self, SettingsError> {
        let folder = data_folder.as_ref().join("settings/local");
        if folder.is_dir() {
            return Ok(Self { folder });
        }
        let made = DirBuilder::new().recursive(true).mode(0o700).create(&folder);
        made.map_err(|error| io_error(&folder, "create the folder", error))?;
        // Any of the first three may be new. One this user may not open existed before.
        folder.ancestors().skip(1).take(3).for_each(|above| drop(flush_folder(above)));
        Ok(Self { folder })
    }

    /// Reads a setting as a [`PropertyValue`] or as any type that converts from one. `None` if it is not set.
    ///
    /// # Errors
    ///
    /// [`WrongType`](SettingsError::WrongType) if it holds another type, [`Damaged`](SettingsError::Damaged) if its file holds no
    /// value, an error about the key, or [`Io`](SettingsError::Io).
    pub fn get<T>(&self, key: &str) -> Result<Option<T>, SettingsError>
    where
        T: TryFrom<PropertyValue>,
        T::Error: Into<WrongType>,
    {
        let Some(value) = self.read(key)? else { return Ok(None) };
        let converted = T::try_from(value);
        let wrong = |wrong: T::Error| SettingsError::WrongType { key: key.to_owned(), wrong: wrong.into() };
        converted.map(Some).map_err(wrong)
    }

    /// Whether a setting is set, be it readable or not.
    ///
    /// # Errors
    ///
    /// An error about the key, or [`Io`](SettingsError::Io).
    pub fn contains(&self, key: &str) -> Result<bool, SettingsError> {
        let path = self.path(key)?;
        path.try_exists().map_err(|error| io_error(&path, "look for the setting", error))
    }

    /// The keys of all settings, sorted.
    ///
    /// # Errors
    ///
    /// [`Damaged`](SettingsError::Damaged) if the file of a key too long for a file name does not tell it, or [`Io`](SettingsError::Io).
    pub fn keys(&self) -> Result<Vec<String>, SettingsError> {
        let mut keys = Vec::new();
        for name in self.names()? {
            match key_of(&name) {
                Named::Key(key) => keys.push(key),
                Named::Inside => keys.extend(read_file(&self.folder.join(name))?.map(|(key, _)| key)),
                Named::Nothing => {}
            }
        }
        keys.sort();
        Ok(keys)
    }

    /// Sets a setting, also over one that is damaged.
    ///
    /// # Errors
    ///
    /// An error about the key or the value, [`TooManyKeys`](SettingsError::TooManyKeys), [`Busy`](SettingsError::Busy) or
    /// [`Io`](SettingsError::Io).
    pub fn set(&self, key: &str, value: impl Into<PropertyValue>) -> Result<(), SettingsError> {
        let path = self.path(key)?;
        let _lock = self.lock()?;
        self.write(key, &path, &value.into())
    }

    /// Removes a setting, also one that is damaged, and says whether there was one.
    ///
    /// # Errors
    ///
    /// An error about the key, [`Busy`](SettingsError::Busy) or [`Io`](SettingsError::Io).
    pub fn remove(&self, key: &str) -> Result<bool, SettingsError> {
        let path = self.path(key)?;
        let _lock = self.lock()?;
        self.unlink(&path)
    }

    /// Replaces a setting by what `change` makes of it, with no other writer in between. `None` stands for "not set" both ways.
    /// Returns the new value.
    ///
    /// `change` runs while every other writer waits: it must be quick, and must not write settings of the same app itself.
    ///
    /// # Errors
    ///
    /// [`Damaged`](SettingsError::Damaged) if the old value cannot be read, without calling `change`; else as [`set`](Self::set).
    pub fn update(
        &self,
        key: &str,
        change: impl FnOnce(Option<PropertyValue>) -> Option<PropertyValue>,
    ) -> Result<Option<PropertyValue>, SettingsError> {
        let path = self.path(key)?;
        let _lock = self.lock()?;
        let old = self.read(key)?;
        let new = change(old.clone());
        match &new {
            _ if new == old => {}
            Some(value) => self.write(key, &path, value)?,
            None => drop(self.unlink(&path)?),
        }
        Ok(new)
    }

    /// Removes all settings. A crash on the way may leave some of them.
    ///
    /// # Errors
    ///
    /// [`Busy`](SettingsError::Busy) or [`Io`](SettingsError::Io).
    pub fn clear(&self) -> Result<(), SettingsError> {
        let _lock = self.lock()?;
        for name in self.names()? {
            let path = self.folder.join(name);
            remove_file(&path)?;
        }
        self.flush_folder()
    }

    /// Hears of settings that change from now on, by whichever process of the app, this one too.
    ///
    /// To be called within a tokio runtime with I/O enabled. Nothing polls: the kernel tells.
    ///
    /// ```no_run
    /// # async fn example(settings: bgtask::ApplicationDataContainer) -> Result<(), bgtask::storage::SettingsError> {
    /// let mut changes = settings.data_changed()?;
    /// loop {
    ///     changes.next().await;
    ///     println!("{:?}", settings.get::<String>("Status")?);
    /// }
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// [`Io`](SettingsError::Io): the kernel watches no more folders for this user.
    pub fn data_changed(&self) -> Result<DataChanges, SettingsError> {
        DataChanges::of(&self.folder).map_err(|error| io_error(&self.folder, "watch the settings", error))
    }

    fn path(&self, key: &str) -> Result<PathBuf, SettingsError> {
        Ok(self.folder.join(file_name(key)?))
    }

    /// The names of the files of all settings.
    fn names(&self) -> Result<Vec<String>, SettingsError> {
        let failed = |error| io_error(&self.folder, "list the settings", error);
        let mut names = Vec::new();
        for entry in fs::read_dir(&self.folder).map_err(failed)? {
            let name = entry.map_err(failed)?.file_name();
            names.extend(name.into_string().ok().filter(|name| key_of(name) != Named::Nothing));
        }
        Ok(names)
    }

    fn read(&self, key: &str) -> Result<Option<PropertyValue>, SettingsError> {
        let path = self.path(key)?;
        match read_file(&path)? {
            Some((found, _)) if found != key => {
                Err(SettingsError::Damaged { path, what: "it belongs to another key".to_owned() })
            }
            found => Ok(found.map(|(_, value)| value)),
        }
    }

    /// Writes beside the old file and renames over it. There is only one writer at a time, so one name serves all
    /// of them, and what a killed one left behind under it is overwritten by the next.
    fn write(&self, key: &str, path: &Path, value: &PropertyValue) -> Result<(), SettingsError> {
        check_bounds(key, value)?;
        if !self.contains(key)? && self.names()?.len() >= MAX_KEYS {
            return Err(SettingsError::TooManyKeys { key: key.to_owned() });
        }
        let new = self.folder.join(NEW_NAME);
        write_file(&new, &to_file(key, value)).map_err(|error| io_error(&new, "write the setting", error))?;
        fs::rename(&new, path).map_err(|error| io_error(path, "replace the setting", error))?;
        self.flush_folder()
    }

    fn unlink(&self, path: &Path) -> Result<bool, SettingsError> {
        let removed = remove_file(path)?;
        if removed {
            self.flush_folder()?;
        }
        Ok(removed)
    }

    fn flush_folder(&self) -> Result<(), SettingsError> {
        flush_folder(&self.folder).map_err(|error| io_error(&self.folder, "flush the folder", error))
    }

    /// Waits until no other process or thread writes. Closing the file ends the lock, and so does dying.
    fn lock(&self) -> Result<File, SettingsError> {
        self.lock_within(LOCK_WAIT)
    }

    fn lock_within(&self, wait: Duration) -> Result<File, SettingsError> {
        let path = self.folder.join(LOCK_NAME);
        let failed = |error| io_error(&path, "lock the settings", error);
        let file =
            OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(&path).map_err(failed)?;
        let begun = Instant::now();
        let mut pause = Duration::from_micros(500);
        // Not a lock that blocks: its holder may be a task that was frozen, and then this must end.
        while let Err(error) = file.try_lock() {
            if let TryLockError::Error(error) = error {
                return Err(failed(error));
            }
            if begun.elapsed() >= wait {
                return Err(SettingsError::Busy { path });
            }
            std::thread::sleep(pause);
            pause = (pause * 2).min(LOCK_PAUSE_MAX);
        }
        Ok(file)
    }
}

fn check_bounds(key: &str, value: &PropertyValue) -> Result<(), SettingsError> {
    let (depth, most) = match value {
        PropertyValue::Set(_) => (value.depth(), MAX_COMPOSITE_BYTES),
        _ => (value.depth(), MAX_VALUE_BYTES),
    };
    if depth > MAX_SET_DEPTH {
        return Err(SettingsError::ValueTooDeep { key: key.to_owned(), depth });
    }
    match value.size() {
        bytes if bytes > most => Err(SettingsError::ValueTooLarge { key: key.to_owned(), bytes, most }),
        _ => Ok(()),
    }
}

fn read_file(path: &Path) -> Result<Option<(String, PropertyValue)>, SettingsError> {
    let mut content = Vec::new();
    let read = File::open(path).and_then(|file| file.take(MAX_FILE_BYTES as u64 + 1).read_to_end(&mut content));
    match read {
        Ok(_) => {}
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(io_error(path, "read the setting", error)),
    }
    let damaged = |what| SettingsError::Damaged { path: path.to_owned(), what };
    from_file(&content).map(Some).map_err(damaged)
}

fn write_file(path: &Path, content: &str) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)?;
    file.write_all(content.as_bytes())?;
    file.sync_data()
}

fn flush_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

fn remove_file(path: &Path) -> Result<bool, SettingsError> {
    match fs::remove_file(path) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
        Err(error) => Err(io_error(path, "remove the setting", error)),
    }
}

#[cold]
fn io_error(path: &Path, operation: &'static str, source: io::Error) -> SettingsError {
    SettingsError::Io { path: path.to_owned(), operation, source }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_writer_that_never_ends_is_not_waited_for_for_ever() {
        let folder = tempfile::tempdir().unwrap();
        let settings = ApplicationDataContainer::open(folder.path()).unwrap();
        settings.set("a", 1).unwrap();
        let held = settings.lock().unwrap();
        let error = settings.lock_within(Duration::from_millis(2)).unwrap_err();
        assert!(matches!(error, SettingsError::Busy { .. }), "{error}");
        assert!(error.to_string().contains("after 10 s"), "{error}");
        assert_eq!(settings.get::<i32>("a").unwrap(), Some(1), "readers do not wait");
        drop(held);
        settings.lock_within(Duration::ZERO).unwrap();
    }
}
