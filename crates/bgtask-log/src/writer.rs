//! What the broker writes with.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{FileExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::sync::Arc;

use crate::files::{Files, Folder};
use crate::line::{Kind, encode, is_instance};

/// The most instances of a task that may be in the middle of a line. The line of the one that was so first is ended for
/// one more.
pub const MAX_INSTANCES: usize = 64;

/// What takes the place of the name of an instance that is none.
const NO_INSTANCE: &str = "-";

/// Writes the log of one task. There is one writer of a log at a time.
///
/// Nothing here fails and nothing waits for the disk to be safe: a log that cannot be written, as on a full disk, loses
/// lines. The first time that happens is told by what is returned; how many lines were lost is written into the log once it
/// can be written again.
#[derive(Debug)]
pub struct Writer {
    folder: Arc<Folder>,
    files: Files,
    /// Open while an instance is being written.
    file: Option<Open>,
    /// What has begun, and the line that each is in the middle of.
    running: Vec<(String, Vec<u8>)>,
    lost: u64,
}

/// A log could not be written. Told once, until it could be written again.
#[derive(Debug, thiserror::Error)]
#[error("cannot write the log {}: lines are lost until it can be", path.display())]
pub struct Trouble {
    /// The file.
    pub path: std::path::PathBuf,
    /// What the system said.
    pub source: io::Error,
}

#[derive(Debug)]
struct Open {
    file: File,
    bytes: u64,
    /// Whether the last write broke off in a line.
    torn: bool,
}

impl Writer {
    pub(crate) fn new(folder: Arc<Folder>, files: Files) -> Self {
        Self { folder, files, file: None, running: vec![], lost: 0 }
    }

    /// An instance begins; `text` says what people want to know of that. Times are microseconds since 1970.
    pub fn begin(&mut self, at: u64, instance: &str, text: &str) -> Option<Trouble> {
        let instance = checked(instance);
        let pushed_out = self.make_running(at, instance);
        let told = encode(at, instance, Kind::Begin, one_line(text, self.folder.bounds.line).as_bytes());
        self.put(at, instance, &[pushed_out, vec![told]].concat())
    }

    /// An instance wrote `bytes`. The line they end in is kept until it is complete.
    pub fn write(&mut self, at: u64, instance: &str, bytes: &[u8]) -> Option<Trouble> {
        let instance = checked(instance);
        let mut lines = self.make_running(at, instance);
        let longest = self.folder.bounds.line.max(1);
        if let Some((_, partial)) = self.running.iter_mut().find(|(name, _)| name == instance) {
            for piece in bytes.split_inclusive(|&byte| byte == b'\n') {
                let (piece, ends) = piece.strip_suffix(b"\n").map_or((piece, false), |line| (line, true));
                partial.extend_from_slice(piece);
                while partial.len() > longest {
                    let rest = partial.split_off(whole_characters(partial, longest));
                    lines.push(encode(at, instance, Kind::Part, partial));
                    *partial = rest;
                }
                if ends {
                    lines.push(encode(at, instance, Kind::Output, partial));
                    partial.clear();
                }
            }
        }
        self.put(at, instance, &lines)
    }

    /// An instance has ended; `text` says how.
    pub fn end(&mut self, at: u64, instance: &str, text: &str) -> Option<Trouble> {
        let instance = checked(instance);
        let place = self.running.iter().position(|(name, _)| name == instance);
        let partial = place.map(|place| self.running.remove(place).1).filter(|partial| !partial.is_empty());
        let rest = partial.map(|partial| encode(at, instance, Kind::Output, &partial));
        let told = encode(at, instance, Kind::End, one_line(text, self.folder.bounds.line).as_bytes());
        let trouble = self.put(at, instance, &rest.into_iter().chain([told]).collect::<Vec<_>>());
        if self.running.is_empty() {
            self.file = None;
        }
        trouble
    }

    /// How many lines were lost since the log could last be written; of a write that broke off, all of them.
    #[must_use]
    pub fn lost(&self) -> u64 {
        self.lost
    }

    /// The lines that had to end for it.
    fn make_running(&mut self, at: u64, instance: &str) -> Vec<Vec<u8>> {
        if self.running.iter().any(|(name, _)| name == instance) {
            return vec![];
        }
        let pushed_out = (self.running.len() == MAX_INSTANCES).then(|| self.running.remove(0));
        self.running.push((instance.to_owned(), vec![]));
        let ended = pushed_out.filter(|(_, partial)| !partial.is_empty());
        ended.map(|(name, partial)| encode(at, &name, Kind::Output, &partial)).into_iter().collect()
    }

    fn put(&mut self, at: u64, instance: &str, lines: &[Vec<u8>]) -> Option<Trouble> {
        if lines.is_empty() {
            return None;
        }
        match self.try_put(at, instance, lines) {
            Ok(()) => None,
            Err((written, source)) => {
                let first = self.lost == 0;
                self.lost += (lines.len() - written) as u64;
                // To begin anew next time, as it may be a file that is no longer any good.
                self.file = None;
                first.then(|| Trouble { path: self.files.newer.clone(), source })
            }
        }
    }

    /// With how many lines were written if not all.
    fn try_put(&mut self, at: u64, instance: &str, lines: &[Vec<u8>]) -> Result<(), (usize, io::Error)> {
        let none = |error| (0, error);
        self.forget_removed();
        if self.lost > 0 {
            let note = format!("up to {} lines were lost: the log could not be written", self.lost);
            let note = encode(at, instance, Kind::Lost, note.as_bytes());
            self.room_for(note.len()).and_then(|_| self.append(&note)).map_err(none)?;
            self.lost = 0;
        }
        let mut written = 0;
        while written < lines.len() {
            let room = self.room_for(lines[written].len()).map_err(|error| (written, error))?;
            let mut batch = Vec::new();
            let mut count = 0;
            for line in &lines[written..] {
                if count > 0 && (batch.len() + line.len()) as u64 > room {
                    break;
                }
                batch.extend_from_slice(line);
                count += 1;
            }
            self.append(&batch).map_err(|error| (written, error))?;
            written += count;
        }
        Ok(())
    }

    /// How many bytes the file has room for, after rotation if it has not even room for these.
    fn room_for(&mut self, bytes: usize) -> io::Result<u64> {
        let bound = self.folder.bounds.file;
        let used = self.open()?.bytes;
        if used > 0 && used + bytes as u64 > bound {
            self.rotate()?;
        }
        Ok(bound.saturating_sub(self.open()?.bytes))
    }

    fn rotate(&mut self) -> io::Result<()> {
        self.file = None;
        self.folder.forget(self.files.older.metadata().map_or(0, |data| data.len()));
        fs::rename(&self.files.newer, &self.files.older)
    }

    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.folder.claim(bytes.len() as u64);
        let open = self.open()?;
        let separated: &[&[u8]] = if open.torn { &[b"\n", bytes] } else { &[bytes] };
        let bytes = separated.concat();
        // What is cut short is noticed below and when the file is opened again.
        open.file.write_all(&bytes)?;
        open.torn = false;
        open.bytes += bytes.len() as u64;
        Ok(())
    }

    /// What was removed meanwhile is written anew.
    fn forget_removed(&mut self) {
        let removed = |open: &mut Open| open.file.metadata().is_ok_and(|data| data.nlink() == 0);
        self.file.take_if(removed);
    }

    /// The newer file.
    fn open(&mut self) -> io::Result<&mut Open> {
        match &mut self.file {
            Some(_) => {}
            none => *none = Some(Open::at(&self.files)?),
        }
        Ok(self.file.as_mut().expect("it was just opened"))
    }
}

impl Open {
    fn at(files: &Files) -> io::Result<Self> {
        let file = OpenOptions::new().read(true).append(true).create(true).mode(0o600).open(&files.newer)?;
        let bytes = file.metadata()?.len();
        let mut last = *b"\n";
        if bytes > 0 {
            file.read_exact_at(&mut last, bytes - 1)?;
        }
        Ok(Self { file, bytes, torn: last != *b"\n" })
    }
}

fn checked(instance: &str) -> &str {
    if is_instance(instance) { instance } else { NO_INSTANCE }
}

/// Words on an instance come from the broker, and what is in them perhaps from anywhere.
fn one_line(text: &str, longest: usize) -> String {
    let end = text.floor_char_boundary(longest);
    text[..end].replace('\n', " ")
}

/// How many of the first `most` bytes are whole characters; all, if there is no telling.
fn whole_characters(bytes: &[u8], most: usize) -> usize {
    let is_start = |&place: &usize| bytes[place] & 0xc0 != 0x80;
    (most.saturating_sub(3).max(1)..=most).rev().find(is_start).unwrap_or(most)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_character_is_not_cut() {
        assert_eq!(whole_characters("aaaa".as_bytes(), 3), 3);
        assert_eq!(whole_characters("a€€".as_bytes(), 3), 1);
        assert_eq!(whole_characters("a€€".as_bytes(), 4), 4);
        assert_eq!(whole_characters(&[0x80; 8], 4), 4, "it is none");
        assert_eq!(whole_characters(&[0x80; 8], 1), 1, "there is always progress");
    }

    #[test]
    fn a_word_is_one_line() {
        assert_eq!(one_line("a\nb", 100), "a b");
        assert_eq!(one_line("a€", 2), "a");
    }
}
