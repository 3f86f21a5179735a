//! The file that a download is until it is whole.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use crate::fault::Fault;
use crate::folder;
use crate::order::folder_of;
use crate::{Order, Sha256, State};

/// The most bytes of a file's name on Linux.
const MAX_FILE_NAME_BYTES: usize = 255;

/// Where a download is until it is whole: beside its target, so that it can take its place in one step.
#[must_use]
pub fn part_of(order: &Order) -> PathBuf {
    let id = order.id.short();
    let name = order.file.file_name().unwrap_or_default();
    let mut part = OsString::from(".");
    if name.len() + id.len() + ".".len() * 2 + ".part".len() <= MAX_FILE_NAME_BYTES {
        part.push(name);
        part.push(".");
    }
    part.push(format!("{id}.part"));
    folder_of(&order.file).join(part)
}

/// A download that is not whole yet.
pub(crate) struct Part {
    path: PathBuf,
    file: File,
    len: u64,
}

impl Part {
    /// Opens what is there, as far as it can be trusted: after a crash of the machine a file may be longer than what is in it.
    pub(crate) fn open(order: &Order, state: &State, boot: &str) -> Result<Self, Fault> {
        let path = part_of(order);
        let open = || {
            let file =
                OpenOptions::new().write(true).read(true).create(true).truncate(false).mode(0o644).open(&path)?;
            let found = file.metadata()?.len();
            let trusted = if state.boot == boot { found } else { found.min(state.durable) };
            let len = state.total.map_or(trusted, |total| trusted.min(total));
            file.set_len(len)?;
            Ok((file, len))
        };
        let (mut file, len) = open().map_err(|error| Fault::file("cannot write to", &path, &error))?;
        file.seek(SeekFrom::Start(len)).map_err(|error| Fault::file("cannot write to", &path, &error))?;
        Ok(Self { path, file, len })
    }

    pub(crate) const fn len(&self) -> u64 {
        self.len
    }

    pub(crate) fn append(&mut self, bytes: &[u8]) -> Result<(), Fault> {
        let written = self.file.write_all(bytes);
        if let Err(error) = written {
            // How much of it was written is not known.
            let _best_effort = self.file.set_len(self.len).and_then(|()| self.file.seek(SeekFrom::Start(self.len)));
            return Err(self.fault(&error));
        }
        self.len += bytes.len() as u64;
        Ok(())
    }

    /// Begins anew.
    pub(crate) fn clear(&mut self) -> Result<(), Fault> {
        self.len = 0;
        let cleared = self.file.set_len(0).and_then(|()| self.file.rewind());
        cleared.map_err(|error| self.fault(&error))
    }

    /// What was written so far is on the disk when this returns.
    pub(crate) fn sync(&self) -> Result<(), Fault> {
        self.file.sync_data().map_err(|error| self.fault(&error))
    }

    /// Whether it is what was ordered.
    pub(crate) fn has(&mut self, sum: Sha256) -> Result<bool, Fault> {
        let found = self.file.rewind().and_then(|()| Sha256::of(&self.file));
        let back = self.file.seek(SeekFrom::Start(self.len));
        found.and_then(|found| back.map(|_| found == sum)).map_err(|error| self.fault(&error))
    }

    /// Takes the place of the target, in one step.
    pub(crate) fn place(&self, target: &Path) -> Result<(), Fault> {
        fs::rename(&self.path, target).map_err(|error| Fault::file("cannot replace", target, &error))?;
        folder::sync(folder_of(target)).map_err(|error| Fault::Final(error.to_string()))
    }

    fn fault(&self, error: &io::Error) -> Fault {
        Fault::file("cannot write to", &self.path, error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Kind;

    fn order(folder: &Path) -> Order {
        Order::new(Kind::Download, "org.example.Photos", "https://example.org/", folder.join("film.mkv"))
    }

    #[test]
    fn within_a_boot_all_that_was_written_counts_and_after_another_what_was_durable() {
        let temp = tempfile::tempdir().unwrap();
        let order = order(temp.path());
        fs::write(part_of(&order), "0123456789").unwrap();
        let state = State { boot: "this".into(), durable: 4, ..State::default() };
        assert_eq!(Part::open(&order, &state, "this").unwrap().len(), 10);
        assert_eq!(Part::open(&order, &state, "the next").unwrap().len(), 4);
        assert_eq!(fs::read(part_of(&order)).unwrap(), b"0123");
    }

    #[test]
    fn it_goes_on_at_its_end_and_takes_the_place_of_its_target() {
        let temp = tempfile::tempdir().unwrap();
        let order = order(temp.path());
        fs::write(&order.file, "the old one").unwrap();
        let state = State { boot: "b".into(), ..State::default() };
        Part::open(&order, &state, "b").unwrap().append(b"01").unwrap();
        let mut part = Part::open(&order, &state, "b").unwrap();
        part.append(b"23").unwrap();
        assert!(part.has(Sha256::of(&b"0123"[..]).unwrap()).unwrap());
        assert!(!part.has(Sha256::of(&b"0124"[..]).unwrap()).unwrap());
        assert_eq!(fs::read(&order.file).unwrap(), b"the old one");
        part.place(&order.file).unwrap();
        assert_eq!(fs::read(&order.file).unwrap(), b"0123");
        assert!(!part_of(&order).exists());
    }

    #[test]
    fn a_long_name_leaves_room_for_its_part() {
        let mut order = order(Path::new("/tmp"));
        order.file = Path::new("/tmp").join("a".repeat(MAX_FILE_NAME_BYTES));
        assert!(part_of(&order).file_name().unwrap().len() <= MAX_FILE_NAME_BYTES);
    }
}
