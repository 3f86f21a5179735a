use std::fs;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use bgtask_core::InstanceId;
use bgtask_lock::{Lock, LockError};

use crate::failure::Failure;
use crate::options::Options;

/// Longest path a Unix socket can have, in bytes, its end mark included.
const MAX_SOCKET_PATH_BYTES: usize = 108;

/// Where a broker keeps what.
#[derive(Clone, Debug)]
pub(crate) struct Places {
    /// Socket, and what must not survive a reboot.
    pub(crate) runtime: PathBuf,
    /// The store.
    pub(crate) state: PathBuf,
    /// `config.toml`, which need not exist.
    pub(crate) config: PathBuf,
    /// Folders with manifests; the first wins where two declare the same app.
    pub(crate) apps: Vec<PathBuf>,
    /// One folder for each app's own data.
    pub(crate) data: PathBuf,
    /// Whether the session bus is part of it.
    pub(crate) private: bool,
}

impl Places {
    pub(crate) fn of(options: &Options) -> Result<Self, Failure> {
        if !options.sysroot.is_dir() {
            let sysroot = options.sysroot.display();
            return Err(Failure::plain(format!("the folder {sysroot} of --sysroot does not exist")));
        }
        match &options.root {
            Some(root) => Self::below(root),
            None => Self::of_user(),
        }
    }

    fn below(root: &Path) -> Result<Self, Failure> {
        make(root)?;
        let cannot = |error| Failure::new(format!("the root {} cannot be used", root.display()), error);
        let root = root.canonicalize().map_err(cannot)?;
        Ok(Self {
            runtime: root.join("run"),
            state: root.join("state"),
            config: root.join("config.toml"),
            apps: vec![root.join("apps")],
            data: root.join("data"),
            private: true,
        })
    }

    fn of_user() -> Result<Self, Failure> {
        let variable = |name| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        let Some(home) = variable("HOME") else {
            return Err(Failure::plain("$HOME is not set: set it, or give the broker a folder with --root DIR"));
        };
        let uid = rustix::process::getuid().as_raw();
        let runtime = variable("XDG_RUNTIME_DIR").unwrap_or_else(|| format!("/run/user/{uid}").into());
        let data = variable("XDG_DATA_HOME").unwrap_or_else(|| home.join(".local/share"));
        let system = variable("XDG_DATA_DIRS").unwrap_or_else(|| "/usr/local/share:/usr/share".into());
        let mut apps = vec![data.join("bgtask/apps")];
        apps.extend(std::env::split_paths(&system).map(|dir| dir.join("bgtask/apps")));
        Ok(Self {
            runtime: runtime.join("bgtask"),
            state: variable("XDG_STATE_HOME").unwrap_or_else(|| home.join(".local/state")).join("bgtask"),
            config: variable("XDG_CONFIG_HOME").unwrap_or_else(|| home.join(".config")).join("bgtask/config.toml"),
            apps,
            data: data.join("bgtask/data"),
            private: false,
        })
    }

    pub(crate) fn socket(&self) -> PathBuf {
        self.runtime.join("broker")
    }

    /// Where a running command reads why it has to stop.
    pub(crate) fn cancel_reason_of(&self, instance: InstanceId) -> PathBuf {
        self.runtime.join("cancel").join(instance.to_string())
    }

    /// What a command has left for its next try.
    pub(crate) fn checkpoint_of(&self, log_name: &str) -> PathBuf {
        self.state.join("checkpoints").join(log_name)
    }

    /// What commands wrote.
    pub(crate) fn logs(&self) -> PathBuf {
        self.state.join("logs")
    }

    /// What is kept of background transfers.
    pub(crate) fn transfers(&self) -> PathBuf {
        self.state.join("transfers")
    }

    /// The user's task files.
    pub(crate) fn task_files(&self) -> PathBuf {
        self.config.parent().unwrap_or(Path::new("/")).join("tasks")
    }

    pub(crate) fn data_of(&self, app: &str) -> PathBuf {
        self.data.join(app)
    }

    /// Makes the folders and takes the broker's place: at most one broker per socket.
    pub(crate) fn occupy(&self) -> Result<Occupied, Failure> {
        for dir in [&self.runtime, &self.state, &self.data, &self.apps[0], &self.task_files()] {
            make(dir)?;
        }
        let socket = self.socket();
        if socket.as_os_str().len() >= MAX_SOCKET_PATH_BYTES {
            let (path, most) = (socket.display(), MAX_SOCKET_PATH_BYTES - 1);
            return Err(Failure::plain(format!(
                "the socket's path {path} is longer than the {most} bytes the system allows: choose a shorter --root"
            )));
        }
        lock(&self.runtime).map(|lock| Occupied { _lock: lock })
    }
}

/// Holds the socket's place; the store holds the state's.
#[derive(Debug)]
pub(crate) struct Occupied {
    _lock: Lock,
}

fn make(dir: &Path) -> Result<(), Failure> {
    let cannot = |error| {
        let place = "it needs a folder above it that this user may write";
        Failure::new(format!("the folder {} cannot be made, {place}", dir.display()), error)
    };
    fs::DirBuilder::new().recursive(true).mode(0o700).create(dir).map_err(cannot)
}

fn lock(dir: &Path) -> Result<Lock, Failure> {
    let path = dir.join("broker.lock");
    Lock::take(&path).map_err(|error| match error {
        LockError::Held { by } => Failure::plain(format!(
            "another broker (process {by}) already uses {}: stop it first, or give this one a --root of its own",
            dir.display()
        )),
        LockError::System(error) => Failure::new(format!("the lock {} cannot be taken", path.display()), error),
    })
}
