//! Whether the file system of the user's home folder has room.
//!
//! Linux tells nobody that space becomes free or scarce: fanotify reports errors and files but no amounts, quotas warn
//! only where an administrator set them, and the rest of the file systems have nothing of the kind. So it is read when
//! it is watched first, and again every [`DISK_REREAD`] for as long as it is watched.

use std::path::Path;
use std::time::Duration;

use rustix::fs::statvfs;

use crate::band::Band;
use crate::report::{Status, Teller, Unheard};
use crate::reread::tick;
use crate::world::World;

/// How often free space is read while it is watched.
pub const DISK_REREAD: Duration = Duration::from_secs(60);

/// The level ends when this part of what was asked is missing: with 20, at 9.5 GiB of 10 GiB.
pub const DISK_BAND: u64 = 20;

/// Watches until nobody listens.
pub(crate) async fn run(bytes: u64, world: &World, teller: Teller) -> Unheard {
    let home = world.home();
    watch(bytes, || free(&home), teller).await
}

async fn watch(bytes: u64, mut free: impl FnMut() -> Result<Free, String>, mut teller: Teller) -> Unheard {
    let mut band = Band::at_least(bytes as f64, (bytes - bytes / DISK_BAND) as f64);
    loop {
        let told = match free() {
            Ok(free) => tell(&mut teller, free.status(), band.judge(free.bytes as f64)).await,
            Err(why) => {
                let help = "make the home folder readable, and set HOME to it".to_owned();
                tell(&mut teller, Status::Missing { why, help }, false).await
            }
        };
        if let Err(unheard) = told {
            return unheard;
        }
        tick(DISK_REREAD).await;
    }
}

async fn tell(teller: &mut Teller, status: Status, holds: bool) -> Result<(), Unheard> {
    teller.status(status).await?;
    teller.level(holds).await
}

/// One reading.
#[derive(Debug)]
struct Free {
    home: String,
    bytes: u64,
}

impl Free {
    fn status(&self) -> Status {
        let how = format!("the file system of {}, read every {} s", self.home, DISK_REREAD.as_secs());
        Status::Available { how }
    }
}

/// What this user may still fill. The broker's own state is on the same file system as a rule, so one that hangs would
/// stop it here no sooner than there.
fn free(home: &Path) -> Result<Free, String> {
    let home_text = home.display().to_string();
    let system = statvfs(home).map_err(|error| format!("the file system of {home_text} cannot be read: {error}"))?;
    Ok(Free { home: home_text, bytes: system.f_bavail.saturating_mul(system.f_frsize) })
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use tokio::sync::mpsc;

    use super::*;
    use crate::{Report, SourceKind};

    const GIB: u64 = 1 << 30;
    const KIND: SourceKind = SourceKind::DiskFree(10 * GIB);

    fn free_of(bytes: u64) -> Result<Free, String> {
        Ok(Free { home: "/home/somebody".to_owned(), bytes })
    }

    /// Runs `story` beside a watch for 10 GiB of what `free` says.
    async fn beside(free: impl FnMut() -> Result<Free, String>, story: impl AsyncFnOnce(&mut mpsc::Receiver<Report>)) {
        let (sender, mut reports) = mpsc::channel(4);
        tokio::select! {
            _ = watch(10 * GIB, free, Teller::new(KIND, sender)) => panic!("it ended"),
            () = story(&mut reports) => {}
        }
    }

    #[tokio::test(start_paused = true)]
    async fn it_begins_at_what_was_asked_and_ends_a_twentieth_below() {
        let bytes = Cell::new(10 * GIB - 1);
        beside(
            || free_of(bytes.get()),
            async |reports| {
                let how = "the file system of /home/somebody, read every 60 s".to_owned();
                assert_eq!(reports.recv().await, Some(Report::Status(KIND, Status::Available { how })));
                assert_eq!(reports.recv().await, Some(Report::Level(KIND, false)));
                bytes.set(10 * GIB);
                assert_eq!(reports.recv().await, Some(Report::Level(KIND, true)));
                bytes.set(10 * GIB - GIB / 2);
                tokio::time::sleep(DISK_REREAD * 2).await;
                assert!(reports.is_empty(), "within the band");
                bytes.set(10 * GIB - GIB / 2 - 1);
                assert_eq!(reports.recv().await, Some(Report::Level(KIND, false)));
                bytes.set(10 * GIB - 1);
                tokio::time::sleep(DISK_REREAD * 2).await;
                assert!(reports.is_empty(), "it begins only where it was asked to");
            },
        )
        .await;
    }

    #[tokio::test(start_paused = true)]
    async fn what_cannot_be_read_is_said_and_healed() {
        let broken = Cell::new(true);
        let read = || if broken.get() { Err("it is gone".to_owned()) } else { free_of(10 * GIB) };
        beside(read, async |reports| {
            let Some(Report::Status(_, Status::Missing { why, help })) = reports.recv().await else { panic!() };
            assert_eq!(
                (why.as_str(), help.as_str()),
                ("it is gone", "make the home folder readable, and set HOME to it")
            );
            assert_eq!(reports.recv().await, Some(Report::Level(KIND, false)));
            broken.set(false);
            assert!(matches!(reports.recv().await, Some(Report::Status(_, Status::Available { .. }))));
            assert_eq!(reports.recv().await, Some(Report::Level(KIND, true)));
        })
        .await;
    }

    #[test]
    fn a_folder_has_a_file_system_and_nothing_has_none() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(free(folder.path()).unwrap().home, folder.path().display().to_string());
        let why = free(&folder.path().join("none")).unwrap_err();
        assert!(why.ends_with("none cannot be read: No such file or directory (os error 2)"), "{why}");
    }
}
