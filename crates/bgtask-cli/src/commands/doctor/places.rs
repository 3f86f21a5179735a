//! Where a broker keeps what: as `docs/operating.md` says.

use std::path::{Path, PathBuf};

use crate::connection::Target;
use crate::failure::{Exit, Failure};

/// The places of the broker that is meant.
pub(super) struct Places {
    /// The folder of one that is private to it.
    pub(super) root: Option<PathBuf>,
    pub(super) socket: PathBuf,
    pub(super) state: PathBuf,
    /// Folders with configuration, data and runtime files of this user and of the system, where units and activation files lie.
    pub(super) config: PathBuf,
    pub(super) data: Vec<PathBuf>,
    pub(super) runtime: PathBuf,
}

impl Places {
    pub(super) fn of(target: &Target) -> Result<Self, Failure> {
        let variable = |name| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        let home = variable("HOME").ok_or_else(|| Failure::new(Exit::Failed, "$HOME is not set: set it"))?;
        let uid = rustix::process::getuid().as_raw();
        let data_home = variable("XDG_DATA_HOME").unwrap_or_else(|| home.join(".local/share"));
        let data = variable("XDG_DATA_DIRS").unwrap_or_else(|| "/usr/local/share:/usr/share".into());
        let root = target.root().map(Path::to_owned);
        let of_user = || variable("XDG_STATE_HOME").unwrap_or_else(|| home.join(".local/state")).join("bgtask");
        Ok(Self {
            socket: target.address()?.path().to_owned(),
            state: root.as_ref().map_or_else(of_user, |root| root.join("state")),
            root,
            config: variable("XDG_CONFIG_HOME").unwrap_or_else(|| home.join(".config")),
            data: [data_home].into_iter().chain(std::env::split_paths(&data)).collect(),
            runtime: variable("XDG_RUNTIME_DIR").unwrap_or_else(|| format!("/run/user/{uid}").into()),
        })
    }

    /// The process of the broker, if one runs.
    pub(super) fn broker_process(&self) -> Option<u32> {
        let text = std::fs::read_to_string(self.socket.with_file_name("broker.lock")).ok()?;
        let process = text.trim().parse().ok()?;
        let name = std::fs::read_to_string(format!("/proc/{process}/comm")).ok()?;
        name.starts_with("bgtaskd").then_some(process)
    }
}
