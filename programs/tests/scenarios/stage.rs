//! A home with the sample installed, a broker, and somebody who looks on.

use std::fs::{self, File};
use std::os::unix::fs::symlink;
use std::process::Command;
use std::time::Duration;

use bgtask::ApplicationDataContainer;
use bgtask_wire::TaskInfo;

use crate::harness::{Broker, Home, User, copy_program, example};
use crate::terminal::Terminal;

/// No run of a story is stopped, and no host leaves, because the machine is busy.
/// Timers are released every second.
const CONFIGURATION: &str =
    "wall_budget_seconds = 600\ncancel_grace_seconds = 60\nwarm_linger_seconds = 600\ntimer_tick_seconds = 1\n";

/// Where the manifests of the sample look for its programs, each from its own folder.
const PROGRAMS: [&str; 2] = ["../../../target/debug", "../../target/debug"];

/// The two apps of the sample. They share their program.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Sample {
    OutOfProcess,
    InProcess,
}

impl Sample {
    pub(crate) const fn id(self) -> &'static str {
        match self {
            Self::OutOfProcess => "org.example.BackgroundTaskSample",
            Self::InProcess => "org.example.BackgroundActivationSample",
        }
    }

    const fn manifest(self) -> &'static str {
        match self {
            Self::OutOfProcess => include_str!("../../../examples/sample-app/bgtask.toml"),
            Self::InProcess => include_str!("../../../examples/sample-app/in-process/bgtask.toml"),
        }
    }

    const fn windows_manifest(self) -> &'static str {
        match self {
            Self::OutOfProcess => include_str!("../../../examples/sample-app/Package.appxmanifest"),
            Self::InProcess => include_str!("../../../examples/sample-app/in-process/Package.appxmanifest"),
        }
    }
}

pub(crate) struct Stage {
    pub(crate) user: User,
    broker: Option<Broker>,
    pub(crate) home: Home,
    pub(crate) sample: Sample,
}

impl Stage {
    pub(crate) async fn new(sample: Sample) -> Self {
        Self::in_home(Self::prepare(sample), sample).await
    }

    /// As it comes on Windows: with `Package.appxmanifest`, beside which its programs lie.
    pub(crate) async fn with_windows_manifest(sample: Sample) -> Self {
        let home = Self::prepare(sample);
        fs::remove_file(home.manifest(sample.id())).unwrap();
        let package = home.root("bin/Package.appxmanifest");
        fs::write(&package, sample.windows_manifest()).unwrap();
        symlink(package, home.manifest(sample.id()).with_extension("appxmanifest")).unwrap();
        Self::in_home(home, sample).await
    }

    /// A home in which no broker runs yet.
    pub(crate) fn prepare(sample: Sample) -> Home {
        let home = Home::new();
        home.configure(CONFIGURATION);
        fs::create_dir_all(home.root("bin")).unwrap();
        for (program, built) in [("sample-app", "scenarios_app"), ("sample-tasks", "scenarios_tasks")] {
            let (from, to) = (example(built), home.root("bin").join(program));
            fs::hard_link(&from, &to).unwrap_or_else(|_| copy_program(&from, &to));
        }
        fs::write(home.manifest(sample.id()), manifest(&home, sample, "1.0.0.0")).unwrap();
        home
    }

    pub(crate) async fn in_home(home: Home, sample: Sample) -> Self {
        let broker = home.start().await;
        Self { user: broker.user().await, broker: Some(broker), home, sample }
    }

    /// Opens the app as a person does.
    pub(crate) fn open(&self) -> Terminal {
        let mut command = Command::new(self.home.root("bin/sample-app"));
        command.args((self.sample == Sample::InProcess).then_some("--in-process"));
        command.env("BGTASK_ADDRESS", self.home.address()).env_remove("BGTASK_APP_ID");
        Terminal::open(command.stderr(File::options().append(true).open(self.home.log_file()).unwrap()))
    }

    /// Presses a register button, and waits until the world is known, so that the next change is one. Gives the task's id.
    pub(crate) async fn register(&self, app: &mut Terminal, scenario: usize) -> String {
        let page = app.press(&format!("register {scenario}"), scenario);
        assert_eq!(page[0], "Registered", "the setting of before is removed");
        self.user.sources_know().await;
        self.task(crate::terminal::name(scenario)).await.expect("it is registered").id
    }

    pub(crate) async fn task(&self, name: &str) -> Option<TaskInfo> {
        let tasks = self.user.broker.list_tasks(self.sample.id()).await.unwrap();
        tasks.into_iter().find(|task| task.name == name)
    }

    /// Waits until the app has been told of every completion.
    pub(crate) async fn all_acknowledged(&self) {
        self.broker.as_ref().expect("one runs").all_acknowledged(self.sample.id()).await;
    }

    /// A setting, as it is on the disk.
    pub(crate) fn setting(&self, key: &str) -> Option<String> {
        self.settings().get(key).unwrap()
    }

    pub(crate) fn settings(&self) -> ApplicationDataContainer {
        ApplicationDataContainer::open(self.home.data(self.sample.id())).unwrap()
    }

    /// Installs a version of the app, with the manifest's text changed as said.
    pub(crate) fn install(&self, version: &str, change: impl Fn(String) -> String) {
        let text = change(manifest(&self.home, self.sample, version));
        fs::write(self.home.manifest(self.sample.id()), text).unwrap();
    }

    /// Lets time pass for the timers: the broker goes away, and comes back when they are due that much sooner.
    pub(crate) async fn time_passes(&mut self, time: Duration) {
        let mut broker = self.broker.take().expect("one runs");
        assert_eq!(broker.stop(), Some(0));
        let store = rusqlite::Connection::open(self.home.root("state/broker.db")).unwrap();
        let sooner = "UPDATE state SET value = json_set(value, '$.due', json_extract(value, '$.due') - ?1)
                      WHERE kind = 'registration' AND json_extract(value, '$.due') IS NOT NULL";
        let moved = store.execute(sooner, [i64::try_from(time.as_micros()).unwrap()]).unwrap();
        assert!(moved > 0, "there is no timer");
        drop(store);
        let broker = self.home.start().await;
        self.user = broker.user().await;
        self.broker = Some(broker);
    }
}

/// The manifest of the sample as it is in the repository, for the programs of this home.
fn manifest(home: &Home, sample: Sample, version: &str) -> String {
    let text = sample.manifest().replace("1.0.0.0", version);
    let programs = home.root("bin").display().to_string();
    PROGRAMS.iter().fold(text, |text, folder| text.replace(folder, &programs))
}
