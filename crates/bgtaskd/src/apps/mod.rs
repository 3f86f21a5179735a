//! Installed apps: the folders with manifests, read at start and again whenever something in them changes.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use bgtask_convert::core_app;
use bgtask_core::{AppId, Input};
use bgtask_manifest::{App, NotDeclared};
use rustix::fs::inotify;
use tokio::sync::mpsc;

use crate::failure::Failure;
use crate::inbox::Incoming;
use crate::ready;

/// How many manifests one folder may hold; what is beyond is not read, and the log says so.
const MAX_MANIFESTS: usize = 4_096;

/// A folder is read again this long after its last change: a package manager writes several files.
const SETTLE: Duration = Duration::from_millis(50);

/// One installed app with the file that declares it.
pub(crate) struct Installed {
    pub(crate) app: App,
    pub(crate) manifest: PathBuf,
    /// The programs that are this app, as the kernel names them.
    programs: Vec<PathBuf>,
}

/// Every installed app.
pub(crate) struct Apps {
    folders: Vec<PathBuf>,
    installed: BTreeMap<AppId, Installed>,
    /// Whether every manifest could be used when they were last read.
    all_usable: bool,
}

impl Apps {
    pub(crate) fn new(folders: Vec<PathBuf>) -> Self {
        Self { folders, installed: BTreeMap::new(), all_usable: false }
    }

    pub(crate) fn get(&self, id: &AppId) -> Option<&Installed> {
        self.installed.get(id)
    }

    /// Whether an app is known to have no manifest. One that cannot be read may be anybody's.
    pub(crate) fn is_gone(&self, id: &AppId) -> bool {
        self.all_usable && self.get(id).is_none()
    }

    /// The apps one of whose programs this is.
    pub(crate) fn of_program(&self, program: &Path) -> Vec<AppId> {
        let its = self.installed.iter().filter(|(_, installed)| installed.programs.iter().any(|its| its == program));
        its.map(|(id, _)| id.clone()).collect()
    }

    /// Why an entry point that the core refused for a trigger of this class is not declared, with the lines to add.
    pub(crate) fn lines_to_add(&self, id: &AppId, entry_point: &str, trigger: &str) -> Option<NotDeclared> {
        self.get(id)?.app.require(entry_point, trigger).err()
    }

    /// Reads the folders again and tells what changed. A manifest that became unreadable keeps its app as it was.
    pub(crate) fn read(&mut self) -> Vec<Input> {
        let mut found = BTreeMap::new();
        self.all_usable = true;
        for path in self.folders.iter().flat_map(|folder| manifests(folder)) {
            match self.install(&path) {
                Ok((id, installed)) => match found.entry(id) {
                    Entry::Vacant(free) => drop(free.insert(installed)),
                    Entry::Occupied(first) => tracing::info!(
                        manifest = %path.display(),
                        "manifest not used: {} is the app of {}, which comes first",
                        first.key(),
                        first.get().manifest.display()
                    ),
                },
                Err(problem) => {
                    let check = format_args!("`bgtask manifest check {}` shows all of it", path.display());
                    tracing::warn!(manifest = %path.display(), "manifest not used: {problem}; {check}");
                    self.all_usable = false;
                    let kept = self.installed.extract_if(.., |_, installed| installed.manifest == path);
                    found.extend(kept.collect::<Vec<_>>());
                }
            }
        }
        let before = std::mem::replace(&mut self.installed, found);
        let gone = before.keys().filter(|id| !self.installed.contains_key(id)).cloned().map(Input::AppRemoved);
        let new = self.installed.iter().filter(|(id, now)| before.get(id).is_none_or(|it| it.app != now.app));
        new.map(|(id, installed)| Input::AppInstalled(core_app(id, &installed.app, Path::is_file)))
            .chain(gone)
            .collect()
    }

    fn install(&self, path: &Path) -> Result<(AppId, Installed), String> {
        // A link to the manifest in a project's folder stands for that folder.
        let real = path.canonicalize().map_err(|error| error.to_string())?;
        let bytes = bgtask_manifest::read(&real).map_err(|error| error.to_string())?;
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let app = bgtask_manifest::parse(&name, &bytes)
            .declare(real.parent().unwrap_or(Path::new("/")))
            .map_err(|errors| errors.first().map_or_else(String::new, |error| error.message.clone()))?;
        let id = AppId::new(&app.id).map_err(|error| error.to_string())?;
        let of_tasks = app.entry_points.iter().flat_map(|entry| &entry.executables);
        let of_classes = app.class_servers.iter().flat_map(|server| &server.executables);
        let programs = of_tasks.chain(of_classes).chain(&app.executables);
        let programs = programs.filter_map(|program| program.canonicalize().ok()).collect();
        Ok((id, Installed { app, manifest: path.to_owned(), programs }))
    }
}

/// Sends [`Incoming::Apps`] after every change in a folder that exists now.
pub(crate) fn watch(folders: &[PathBuf], inbox: mpsc::Sender<Incoming>) -> Result<(), Failure> {
    watch_folders(folders, inbox, || Incoming::Apps)
}

/// Sends what `news` makes after every change in a folder that exists now.
pub(crate) fn watch_folders(
    folders: &[PathBuf],
    inbox: mpsc::Sender<Incoming>,
    news: fn() -> Incoming,
) -> Result<(), Failure> {
    let cannot = |errno: rustix::io::Errno| Failure::new("the watched folders cannot be watched", errno);
    let flags = inotify::CreateFlags::NONBLOCK | inotify::CreateFlags::CLOEXEC;
    let watcher = inotify::init(flags).map_err(cannot)?;
    let events = inotify::WatchFlags::CLOSE_WRITE
        | inotify::WatchFlags::CREATE
        | inotify::WatchFlags::DELETE
        | inotify::WatchFlags::MOVED_FROM
        | inotify::WatchFlags::MOVED_TO;
    for folder in folders.iter().filter(|folder| folder.is_dir()) {
        inotify::add_watch(&watcher, folder, events).map_err(|errno| {
            Failure::new(format!("the folder {} cannot be watched, it has to be readable", folder.display()), errno)
        })?;
    }
    let watcher =
        ready::watch(watcher).map_err(|error| Failure::new("the watched folders cannot be watched", error))?;
    tokio::spawn(async move {
        let mut buffer = [const { std::mem::MaybeUninit::uninit() }; 4096];
        loop {
            let Ok(mut ready) = watcher.readable().await else { return };
            tokio::time::sleep(SETTLE).await;
            let mut reader = inotify::Reader::new(watcher.get_ref(), &mut buffer);
            let mut changed = false;
            while reader.next().is_ok() {
                changed = true;
            }
            ready.clear_ready();
            // What came while the folder settled wakes once more, and has been taken then.
            if changed && inbox.send(news()).await.is_err() {
                return;
            }
        }
    });
    Ok(())
}

fn manifests(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    let is_manifest = |path: &PathBuf| {
        let ending = path.extension().and_then(OsStr::to_str);
        matches!(ending, Some("toml" | "appxmanifest"))
    };
    let mut paths: Vec<_> = entries.filter_map(|entry| Some(entry.ok()?.path())).filter(is_manifest).collect();
    paths.sort();
    if paths.len() > MAX_MANIFESTS {
        tracing::warn!(folder = %folder.display(), "only the first {MAX_MANIFESTS} manifests of this folder are read");
        paths.truncate(MAX_MANIFESTS);
    }
    paths
}
