//! Everything that happens in a folder and below, in its order: for who keeps an index or a copy of it.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::Value;
use tokio::sync::mpsc;

use crate::event::EventTeller;
use crate::given::Given;
use crate::watch_path::{ChangeKind, PathBurst, PathChange, PathEvents, PathReport, PathSpec, watch_path};
use crate::world::World;

/// Reports of watches that wait.
pub(crate) const MAX_REPORTS: usize = 16;

/// Which folder's changes are tracked: `StorageLibraryChangeTrackerTrigger`.
///
/// The first event says `reset`: what happened before anybody listened cannot be known, so the folder is to be read. The
/// same is said wherever changes were lost, as `ChangeTrackingLost` says it on Windows.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct FolderChangesSpec {
    /// An absolute path, which need not exist yet.
    pub folder: PathBuf,
}

impl FolderChangesSpec {
    /// Reads `folder`.
    ///
    /// # Errors
    ///
    /// Where it is missing or no absolute path, with a sentence that says what to write.
    pub fn read(properties: &BTreeMap<String, String>) -> Result<Self, String> {
        let given = Given::of(&["folder"], properties)?;
        let folder = given.need("folder", "/home/me/notes")?;
        match Path::new(folder).is_absolute() && !folder.contains('\0') {
            true => Ok(Self { folder: folder.into() }),
            false => Err(format!("`{folder}` is no absolute path; write it as in `folder=/home/me/notes`")),
        }
    }
}

/// Listens for ever.
pub(crate) async fn run(spec: FolderChangesSpec, world: &World, teller: EventTeller) -> Infallible {
    let (sender, mut reports) = mpsc::channel(MAX_REPORTS);
    let _watching = watch_path(0, everything_in(&spec.folder), world, sender);
    let reset = || teller.event([("path", text(&spec.folder)), ("change", "reset".into())]);
    let mut has_begun = false;
    while let Some((_, report)) = reports.recv().await {
        match report {
            PathReport::Status(status) => {
                teller.status(status);
                if !std::mem::replace(&mut has_begun, true) {
                    reset();
                }
            }
            PathReport::Burst(PathBurst { changes, lost: 0 }) => {
                changes.iter().for_each(|change| teller.event(fields(change)));
            }
            PathReport::Burst(PathBurst { changes, lost }) => {
                teller.lost(lost + changes.len() as u64);
                reset();
            }
        }
    }
    // Only at the end of the runtime.
    std::future::pending().await
}

/// Every change but writes that are not finished, below a folder, at once.
pub(crate) fn everything_in(folder: &Path) -> PathSpec {
    let on = PathEvents::default() | PathEvents::RENAMED;
    PathSpec { path: folder.to_owned(), recursive: true, on, settle: Duration::ZERO }
}

/// What a change says, as fields of an event.
pub(crate) fn fields(change: &PathChange) -> impl Iterator<Item = (&'static str, Value)> {
    let word = match change.kind {
        ChangeKind::Created => "created",
        ChangeKind::Changed | ChangeKind::Written => "written",
        ChangeKind::Deleted => "deleted",
        ChangeKind::MovedIn if change.previous.is_some() => "renamed",
        ChangeKind::MovedIn => "moved-in",
        ChangeKind::MovedOut => "moved-out",
    };
    let previous = change.previous.as_deref().map(|previous| ("previous_path", text(previous)));
    [("path", text(&change.path)), ("change", word.into())].into_iter().chain(previous)
}

fn text(path: &Path) -> Value {
    path.to_string_lossy().into()
}
