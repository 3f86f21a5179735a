use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tempfile::TempDir;

use super::{App, Broker, SAMPLE, SysRoot};

/// What a broker leaves on the disk and finds there again: its root, and the world it sees.
pub(crate) struct Home {
    dir: TempDir,
    pub(crate) world: SysRoot,
}

impl Home {
    pub(crate) fn new() -> Self {
        let dir = tempfile::Builder::new().prefix("bgtask-").tempdir().unwrap();
        let world = SysRoot::new(dir.path().join("world"));
        let home = Self { dir, world };
        fs::create_dir_all(home.root("apps")).unwrap();
        home
    }

    /// A home with the sample app in it.
    pub(crate) fn with_sample() -> (Self, App) {
        let home = Self::new();
        let app = home.install(SAMPLE);
        (home, app)
    }

    /// A path below the broker's root.
    pub(crate) fn root(&self, below: impl AsRef<Path>) -> PathBuf {
        self.dir.path().join("root").join(below)
    }

    pub(crate) fn socket(&self) -> PathBuf {
        self.root("run/broker")
    }

    pub(crate) fn address(&self) -> String {
        format!("unix:path={}", self.socket().display())
    }

    /// The app's data folder.
    pub(crate) fn data(&self, app: &str) -> PathBuf {
        self.root("data").join(app)
    }

    pub(crate) fn configure(&self, lines: &str) {
        fs::write(self.root("config.toml"), lines).unwrap();
    }

    /// Installs the sample app under an id of its own, with programs of its own.
    pub(crate) fn install(&self, id: &str) -> App {
        let app = App::new(id, self.dir.path().join("bin").join(id), self.address());
        fs::write(self.manifest(id), app.manifest("1.0.0")).unwrap();
        app
    }

    pub(crate) fn manifest(&self, id: &str) -> PathBuf {
        self.root("apps").join(format!("{id}.toml"))
    }

    pub(crate) fn uninstall(&self, id: &str) {
        fs::remove_file(self.manifest(id)).unwrap();
    }

    /// The command line of a broker that has nothing from outside but this home.
    pub(crate) fn command(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_bgtaskd"));
        command.arg("--root").arg(self.root("")).arg("--sysroot").arg(self.world.path("")).args(["--log", "warn"]);
        self.isolate(&mut command);
        command
    }

    /// Keeps the tester's own session out of it; what a broker says goes to a file.
    pub(crate) fn isolate(&self, command: &mut Command) {
        let log = fs::File::options().create(true).append(true).open(self.log_file()).unwrap();
        for variable in ["DBUS_SESSION_BUS_ADDRESS", "JOURNAL_STREAM", "BGTASK_ADDRESS", "BGTASK_LOG", "BGTASK_APP_ID"]
        {
            command.env_remove(variable);
        }
        command.env("NO_COLOR", "1").stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
    }

    pub(crate) fn log_file(&self) -> PathBuf {
        self.dir.path().join("log")
    }

    /// Everything brokers of this home have logged.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.log_file()).unwrap_or_default()
    }

    /// Starts a broker and waits until it answers.
    pub(crate) async fn start(&self) -> Broker {
        Broker::start(self, &mut self.command()).await
    }

    /// Runs a broker that is expected to give up: its exit code and its last words.
    pub(crate) fn start_in_vain(&self) -> (Option<i32>, String) {
        self.run_in_vain(&mut self.command())
    }

    /// As [`start_in_vain`](Self::start_in_vain), with another command.
    pub(crate) fn run_in_vain(&self, command: &mut Command) -> (Option<i32>, String) {
        let before = self.log().len();
        let code = Broker::spawn(self, command).ends();
        (code, self.log()[before..].to_owned())
    }
}
