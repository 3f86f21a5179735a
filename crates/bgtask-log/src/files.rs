//! The files of a folder: names, generations, and how much they may be together.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use crate::{Bounds, LogError, MAX_NAME_BYTES};

/// The two generations of a task's log.
#[derive(Clone, Debug)]
pub(crate) struct Files {
    pub(crate) newer: PathBuf,
    pub(crate) older: PathBuf,
}

/// Both generations as they were at one moment. Either may be missing.
#[derive(Debug)]
pub(crate) struct Generations {
    pub(crate) older: Option<File>,
    pub(crate) newer: Option<File>,
}

impl Files {
    pub(crate) fn of(dir: &Path, task: &str) -> Result<Self, LogError> {
        let may_begin = task.bytes().next().is_some_and(|byte| byte.is_ascii_alphanumeric());
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
        if !may_begin || task.len() > MAX_NAME_BYTES || !task.bytes().all(allowed) {
            return Err(LogError::Name { name: task.to_owned() });
        }
        Ok(Self { newer: dir.join(format!("{task}.log")), older: dir.join(format!("{task}.log.1")) })
    }

    /// Opens both, though a writer may rotate them meanwhile.
    pub(crate) fn generations(&self) -> Result<Generations, LogError> {
        loop {
            let newer = existing(&self.newer)?;
            let older = existing(&self.older)?;
            // The same file is still the newer one: so the older one belongs to it.
            if number_of(newer.as_ref())? == number_of(existing(&self.newer)?.as_ref())? {
                return Ok(Generations { older, newer });
            }
        }
    }
}

pub(crate) fn existing(path: &Path) -> Result<Option<File>, LogError> {
    match File::open(path) {
        Ok(file) => Ok(Some(file)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(LogError::system("open", path, error)),
    }
}

/// What tells a file that is open from every other one.
pub(crate) fn number_of(file: Option<&File>) -> Result<Option<(u64, u64)>, LogError> {
    let Some(file) = file else { return Ok(None) };
    let data = file.metadata().map_err(|error| LogError::system("look at", "a log", error))?;
    Ok(Some((data.dev(), data.ino())))
}

/// A folder, with an idea of how much is in it.
#[derive(Debug)]
pub(crate) struct Folder {
    dir: PathBuf,
    pub(crate) bounds: Bounds,
    /// At least what the writers of this process wrote since it was counted; counted again when it reaches the bound.
    bytes: AtomicU64,
}

impl Folder {
    pub(crate) fn new(dir: PathBuf, bounds: Bounds) -> Result<Self, LogError> {
        let folder = Self { dir, bounds, bytes: AtomicU64::new(0) };
        let listed = folder.list().map_err(|error| LogError::system("list", &folder.dir, error))?;
        folder.bytes.store(listed.iter().map(|log| log.bytes).sum(), Ordering::Relaxed);
        Ok(folder)
    }

    pub(crate) fn dir(&self) -> &Path {
        &self.dir
    }

    /// So many bytes are about to be written: makes room for them if need be.
    pub(crate) fn claim(&self, bytes: u64) {
        let now = self.bytes.fetch_add(bytes, Ordering::Relaxed).saturating_add(bytes);
        if now > self.bounds.folder {
            self.make_room(bytes);
        }
    }

    pub(crate) fn remove(&self, files: &Files) -> Result<(), LogError> {
        for path in [&files.older, &files.newer] {
            let bytes = path.metadata().map_or(0, |data| data.len());
            match fs::remove_file(path) {
                Ok(()) => self.forget(bytes),
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(LogError::system("remove", path, error)),
            }
        }
        Ok(())
    }

    pub(crate) fn forget(&self, bytes: u64) {
        let less = |now: u64| Some(now.saturating_sub(bytes));
        let _always = self.bytes.fetch_update(Ordering::Relaxed, Ordering::Relaxed, less);
    }

    /// Removes what was written to least recently, and somewhat more than is needed, as this takes a while.
    fn make_room(&self, needed: u64) {
        let Ok(mut logs) = self.list() else { return };
        logs.sort_by_key(|log| log.written);
        let mut total = logs.iter().map(|log| log.bytes).sum::<u64>() + needed;
        let enough = self.bounds.folder - self.bounds.folder / 8;
        if total > self.bounds.folder {
            for log in logs {
                if total <= enough {
                    break;
                }
                if fs::remove_file(&log.path).is_ok() {
                    total -= log.bytes;
                }
            }
        }
        self.bytes.store(total, Ordering::Relaxed);
    }

    fn list(&self) -> io::Result<Vec<Log>> {
        let entries = fs::read_dir(&self.dir)?.flatten();
        Ok(entries.filter_map(|entry| Log::of(&entry)).collect())
    }
}

/// A file in the folder.
struct Log {
    path: PathBuf,
    bytes: u64,
    /// Seconds and nanoseconds since 1970.
    written: (i64, i64),
}

impl Log {
    /// Nothing else that somebody put there is counted, or ever removed.
    fn of(entry: &fs::DirEntry) -> Option<Self> {
        let path = entry.path();
        let name = path.file_name()?.to_str()?;
        let data = entry.metadata().ok()?;
        let is_log = data.is_file() && (name.ends_with(".log") || name.ends_with(".log.1"));
        is_log.then_some(Self { bytes: data.len(), written: (data.mtime(), data.mtime_nsec()), path })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_a_file_in_the_folder_and_nothing_else() {
        let dir = Path::new("/logs");
        let longest = "a".repeat(MAX_NAME_BYTES);
        for name in ["backup", "1c9e4d0e-58f4-4d6f-a1b5-1a3b6f2d0c11", "a.b_c", &longest] {
            assert_eq!(Files::of(dir, name).unwrap().newer, dir.join(format!("{name}.log")));
        }
        let too_long = format!("{longest}a");
        for name in ["", ".", "..", ".hidden", "-x", "a/b", "a b", "ä", "a\n", "a\0", &too_long] {
            let error = Files::of(dir, name).unwrap_err();
            assert!(error.to_string().contains("cannot be the name of a log"), "{error}");
        }
    }
}
