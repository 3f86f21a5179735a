use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::harness::{Broker, Home, UserBus, write_program};

/// Programs that the book's examples call and a test must not: each says how it was called.
const HARMLESS: [&str; 8] = ["git", "mbsync", "notify-send", "paplay", "restic", "rsync", "xdg-open", "youtube-dl"];

/// A reader: a home, a machine in Berlin that is online and plugged in, a session bus, and a broker that runs as a package would
/// have it.
pub(crate) struct World {
    // Dropped first: it looks whether anything is left.
    _broker: Broker,
    bus: Option<UserBus>,
    home: Home,
}

impl World {
    pub(crate) async fn new() -> Self {
        let home = Home::new();
        let dir = |name: &str| home.root(name);
        for folder in ["home/notes", "home/.config/bgtask/tasks", "home/.local/share/bgtask/apps", "run", "bin"] {
            fs::create_dir_all(dir(folder)).unwrap();
        }
        for name in HARMLESS {
            write_program(&dir("bin").join(name), "#!/bin/sh\necho \"${0##*/} $*\"\n");
        }
        machine(&home);
        let bus = UserBus::start(&home.world).await;
        let mut command = Command::new(env!("CARGO_BIN_EXE_bgtaskd"));
        command.arg("--sysroot").arg(home.world.path("")).args(["--log", "warn"]);
        home.isolate(&mut command);
        environment(&home, &mut command);
        let mut broker = Broker::spawn(&home, &mut command).at(home.root("run/bgtask/broker"));
        broker.answers().await;
        Self { _broker: broker, bus, home }
    }

    /// A program as the reader starts it.
    pub(crate) fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        self.home.isolate(&mut command);
        environment(&self.home, &mut command);
        if let Some(bus) = &self.bus {
            command.env("DBUS_SESSION_BUS_ADDRESS", bus.address());
        }
        command.current_dir(self.home.root("home"));
        command
    }

    /// A file of the test, which the reader does not see.
    pub(crate) fn private(&self, name: &str) -> PathBuf {
        self.home.root(name)
    }

    /// A text with the paths that a reader would see.
    pub(crate) fn as_shown(&self, text: &str) -> String {
        let path = |name: &str| self.home.root(name).to_string_lossy().into_owned();
        let programs = Path::new(env!("CARGO_BIN_EXE_bgtask")).parent().unwrap().to_string_lossy().into_owned();
        let text = text.replace(&path("home"), "/home/me").replace(&path("bin"), "/usr/bin");
        text.replace(&path("run"), "/run/user/1000").replace(&programs, "/usr/bin")
    }
}

/// A laptop that is plugged in, full, and has little to do.
fn machine(home: &Home) {
    let files = [
        ("sys/class/power_supply/AC/type", "Mains"),
        ("sys/class/power_supply/AC/online", "1"),
        ("sys/class/power_supply/BAT0/type", "Battery"),
        ("sys/class/power_supply/BAT0/status", "Full"),
        ("sys/class/power_supply/BAT0/capacity", "100"),
        ("proc/loadavg", "0.20 0.20 0.20 1/200 1000"),
        ("home/README", "the disk of the home folder"),
    ];
    for (name, text) in files {
        let path = home.world.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, format!("{text}\n")).unwrap();
    }
    home.world.memory_pressure(0);
    home.world.cpu_pressure(0);
}

/// What the reader's session sets, and nothing of the tester's.
fn environment(home: &Home, command: &mut Command) {
    let programs = Path::new(env!("CARGO_BIN_EXE_bgtask")).parent().unwrap();
    let path = [home.root("bin").as_path(), programs, Path::new("/usr/bin"), Path::new("/bin")]
        .map(|folder| folder.to_string_lossy().into_owned())
        .join(":");
    command
        .env_clear()
        .env("NO_COLOR", "1")
        .env("HOME", home.root("home"))
        .env("USER", "me")
        .env("LANG", "C.UTF-8")
        .env("PATH", path)
        .env("TZ", "Europe/Berlin")
        .env("XDG_RUNTIME_DIR", home.root("run"))
        // What a page shows is as wide as a page.
        .env("COLUMNS", "100");
}
