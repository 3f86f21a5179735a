//! The folder of task files: an equal way to add commands, read at start and again whenever something in it changes.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bgtask_core::{Command, Entry, TaskId};
use bgtask_taskfile::{Diagnostic, Task};
use tokio::sync::mpsc;

use crate::apps;
use crate::failure::Failure;
use crate::inbox::Incoming;

/// How many task files are read; what is beyond is not, and the log says so.
pub(crate) const MAX_TASK_FILES: usize = 1_024;

/// The task files as they were last read.
pub(crate) struct TaskFiles {
    folder: PathBuf,
    files: BTreeMap<PathBuf, TaskFile>,
}

/// One of them.
pub(crate) struct TaskFile {
    /// What it holds, byte for byte: the same again is not read again.
    text: Vec<u8>,
    pub(crate) outcome: Outcome,
}

/// What reading one came to.
pub(crate) enum Outcome {
    /// It registers this.
    Registered(TaskId),
    /// It is wrong; what it registered before stays.
    Wrong(String),
}

/// What the folder asks for since it was last read.
pub(crate) struct Changes {
    /// Files that are new or say something else.
    pub(crate) put: Vec<(PathBuf, Vec<u8>)>,
    /// Whether every file could be read, so that what is in none of them is gone.
    pub(crate) complete: bool,
}

impl TaskFiles {
    pub(crate) fn new(folder: PathBuf) -> Self {
        Self { folder, files: BTreeMap::new() }
    }

    /// Every file with what it came to.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&Path, &Outcome)> {
        self.files.iter().map(|(path, file)| (path.as_path(), &file.outcome))
    }

    /// Whether it is a file of the folder.
    pub(crate) fn has(&self, path: &str) -> bool {
        self.files.contains_key(Path::new(path))
    }

    /// Reads the folder again.
    pub(crate) fn read(&mut self) -> Changes {
        let mut complete = true;
        let mut put = Vec::new();
        let paths: BTreeSet<_> = task_files(&self.folder).into_iter().collect();
        self.files.retain(|path, _| paths.contains(path));
        for path in paths {
            match read_bounded(&path) {
                Ok(text) if self.files.get(&path).is_some_and(|known| known.text == text) => {}
                Ok(text) => put.push((path, text)),
                Err(why) => {
                    complete = false;
                    tracing::warn!(file = %path.display(), "task file not used: {why}");
                    self.files.insert(path, TaskFile { text: Vec::new(), outcome: Outcome::Wrong(why) });
                }
            }
        }
        Changes { put, complete }
    }

    /// Keeps what a file came to.
    pub(crate) fn keep(&mut self, path: PathBuf, text: Vec<u8>, outcome: Outcome) {
        if let Outcome::Wrong(why) = &outcome {
            tracing::warn!(file = %path.display(), "task file not used:\n{why}");
        }
        self.files.insert(path, TaskFile { text, outcome });
    }
}

/// What a task file registers.
pub(crate) fn parse(path: &Path, text: &[u8]) -> Result<Task, String> {
    let text = std::str::from_utf8(text).map_err(|error| format!("it is not UTF-8: {error}"))?;
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let mut task = bgtask_taskfile::parse(&name, text).map_err(|problems| described(&name, text, &problems))?;
    if let Entry::Command(command) = &task.registration.entry {
        let file = Some(Arc::from(&*path.to_string_lossy()));
        task.registration.entry = Entry::Command(Arc::new(Command { file, ..Command::clone(command) }));
    }
    Ok(task)
}

/// What is wrong with a task file, with the lines it is wrong in.
pub(crate) fn described(name: &str, text: &str, problems: &[Diagnostic]) -> String {
    let place = |found: &Diagnostic| {
        let before = found.span.as_ref().and_then(|span| text.get(..span.start));
        before.map_or(String::new(), |before| format!(":{}", before.matches('\n').count() + 1))
    };
    let line = |found: &Diagnostic| {
        let help = found.help.as_ref().map_or(String::new(), |help| format!(" ({help})"));
        format!("{name}{}: {}{help}", place(found), found.message)
    };
    problems.iter().map(line).collect::<Vec<_>>().join("\n")
}

/// Sends [`Incoming::TaskFiles`] after every change in the folder.
pub(crate) fn watch(folder: &Path, inbox: mpsc::Sender<Incoming>) -> Result<(), Failure> {
    apps::watch_folders(&[folder.to_owned()], inbox, || Incoming::TaskFiles)
}

fn read_bounded(path: &Path) -> Result<Vec<u8>, String> {
    let cannot = |error: std::io::Error| format!("it cannot be read: {error}");
    let size = std::fs::metadata(path).map_err(cannot)?.len();
    if size > bgtask_taskfile::MAX_TASK_FILE_BYTES as u64 {
        return Err(format!("it has {size} bytes, the most is {}", bgtask_taskfile::MAX_TASK_FILE_BYTES));
    }
    std::fs::read(path).map_err(cannot)
}

fn task_files(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    // An editor's half-written file is hidden, or has another ending.
    let counts = |path: &PathBuf| {
        let hidden = path.file_name().is_none_or(|name| name.as_encoded_bytes().starts_with(b"."));
        !hidden && path.extension().and_then(OsStr::to_str) == Some("toml")
    };
    let mut paths: Vec<_> = entries.filter_map(|entry| Some(entry.ok()?.path())).filter(counts).collect();
    paths.sort();
    if paths.len() > MAX_TASK_FILES {
        tracing::warn!(folder = %folder.display(), "only the first {MAX_TASK_FILES} task files are read");
        paths.truncate(MAX_TASK_FILES);
    }
    paths
}
