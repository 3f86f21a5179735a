//! Behind which walls the tasks of apps run here.

use std::path::{Path, PathBuf};

use bgtask_confine::Plan;
use bgtask_convert::Grounds;
use bgtask_core::Limits;
use bgtask_manifest::App;

use crate::places::Places;

/// Whether the tasks of apps run behind walls.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Confinement {
    /// All of them, and one that could not be behind every wall does not run.
    Required,
    /// As far as this machine has walls, unless the app asks for none.
    #[default]
    BestEffort,
    /// None of them.
    Off,
}

impl Confinement {
    const WORDS: [(&str, Self); 3] =
        [("required", Self::Required), ("best-effort", Self::BestEffort), ("off", Self::Off)];

    /// What the configuration says.
    pub(crate) fn of(word: Option<&str>) -> Result<Self, String> {
        let Some(word) = word else { return Ok(Self::default()) };
        let found = Self::WORDS.into_iter().find(|(known, _)| *known == word).map(|(_, confinement)| confinement);
        found.ok_or_else(|| format!("confinement = {word:?}: it has to be \"required\", \"best-effort\" or \"off\""))
    }

    /// Whether launchers prepare walls while they wait.
    pub(crate) const fn has_walls(self) -> bool {
        !matches!(self, Self::Off)
    }
}

/// What the walls of every host are made from.
pub(crate) struct Walls {
    confinement: Confinement,
    broker: PathBuf,
    session_bus: Option<String>,
    user_dirs: PathBuf,
}

impl Walls {
    pub(crate) fn new(confinement: Confinement, places: &Places) -> Self {
        let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
        let settings = variable("XDG_CONFIG_HOME").map(PathBuf::from);
        let settings = settings.or_else(|| Some(PathBuf::from(variable("HOME")?).join(".config")));
        Self {
            confinement,
            broker: places.socket(),
            session_bus: variable("DBUS_SESSION_BUS_ADDRESS"),
            user_dirs: settings.unwrap_or_default().join("user-dirs.dirs"),
        }
    }

    /// Whether there are any.
    pub(crate) const fn are_there(&self) -> bool {
        self.confinement.has_walls()
    }

    /// The walls around a command, by the word of its sandbox; `own` are the files that it has from the broker, to read and to
    /// write.
    pub(crate) fn around_command(
        sandbox: &str,
        home: &Path,
        dir: &Path,
        program: &Path,
        own: [Option<&Path>; 2],
    ) -> Plan {
        let mut plan = Plan::new(dir.to_owned());
        // Who asks for walls wants them.
        plan.required = true;
        plan.network = !matches!(sandbox, "strict" | "no-network");
        plan.all_files = sandbox == "no-network";
        [plan.read, plan.write] = own.map(|path| path.map(Path::to_owned).into_iter().collect());
        if program.is_absolute() {
            plan.read.push(program.to_owned());
        }
        match sandbox {
            "home-read" => plan.read.push(home.to_owned()),
            "home-write" => plan.write.push(home.to_owned()),
            _ => {}
        }
        plan
    }

    /// The walls around a host; `None` if it has none. What the policy requires nobody else switches off.
    pub(crate) fn around(
        &self,
        app: &App,
        by_policy: bool,
        program: &Path,
        data: &Path,
        home: &Path,
        limits: Limits,
    ) -> Option<Plan> {
        if !self.confinement.has_walls() && !by_policy {
            return None;
        }
        let grounds = Grounds {
            home,
            data,
            program,
            broker: &self.broker,
            session_bus: self.session_bus.as_deref(),
            user_dirs: &std::fs::read_to_string(&self.user_dirs).unwrap_or_default(),
            required: by_policy || self.confinement == Confinement::Required,
        };
        let mut plan = bgtask_convert::plan(app, &grounds)?;
        plan.processes = limits.processes;
        Some(plan)
    }
}
