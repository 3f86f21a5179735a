//! Which app a process is. Nobody says so himself: the answer is read from the system.

mod flatpak;
mod units;

use std::fmt;
use std::path::PathBuf;

use bgtask_core::AppId;
use bgtask_host::session_of;
use bgtask_wire::{Error, ErrorKind};

use super::Scope;
use crate::apps::Apps;

/// What the system tells of a process at the moment it connects.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Process {
    /// Its number, for the log.
    pub(crate) pid: i32,
    /// The program it runs.
    program: Option<PathBuf>,
    /// The app id a sandbox gives it, which the process cannot change; empty in a sandbox of no app.
    sandbox: Option<String>,
    /// The app id in the name of its cgroup, by the desktop's convention.
    unit: Option<String>,
    /// Its cgroup, in the hierarchy that has hosts.
    pub(crate) cgroup: String,
    /// The session it is in, if that has a number here.
    pub(crate) session: Option<i32>,
}

/// As whom a client speaks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Identity {
    /// A program that is no app: it acts for the user.
    User,
    /// One of these apps, and nobody else. Several where their manifests name the same program.
    Apps(Vec<AppId>),
}

impl Process {
    /// Reads `/proc`; `None` of a process that has ended, of which nobody can tell any more what it was. Who holds on to the
    /// process looks afterwards whether it still runs: until then its number was its own.
    pub(crate) fn read(pid: i32) -> Option<Self> {
        let proc = PathBuf::from(format!("/proc/{pid}"));
        let cgroups = std::fs::read_to_string(proc.join("cgroup")).unwrap_or_default();
        let sandbox = flatpak::app_of(&proc.join("root")).or_else(|| units::sandbox(&cgroups));
        // Last: what still runs a program now was not gone before, when the rest was read.
        let program = match std::fs::read_link(proc.join("exe")) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return None,
            read => read.ok(),
        };
        let cgroup = cgroups.lines().find_map(|line| line.strip_prefix("0::")).unwrap_or_default().to_owned();
        let unit = units::desktop(&cgroups);
        Some(Self { pid, program, sandbox, unit, cgroup, session: session_of(pid) })
    }

    /// A sandbox's word first, then the host it runs in, then an installed manifest that names the program, then the desktop's
    /// unit name. A unit name counts only for an installed app: a shell in a terminal's scope is the user, not the terminal.
    ///
    /// Whatever a task starts is its app: it would be the user otherwise, who may have anything run without walls.
    pub(crate) fn identify(&self, apps: &Apps, host: Option<AppId>) -> Identity {
        if let Some(app) = self.sandbox.as_deref() {
            return Identity::Apps(AppId::new(app).into_iter().collect());
        }
        if let Some(app) = host {
            return Identity::Apps(vec![app]);
        }
        let by_program = self.program.as_deref().map(|program| apps.of_program(program)).unwrap_or_default();
        if !by_program.is_empty() {
            return Identity::Apps(by_program);
        }
        let by_unit = self.unit.as_deref().and_then(|unit| AppId::new(unit).ok()).filter(|id| apps.get(id).is_some());
        by_unit.map_or(Identity::User, |app| Identity::Apps(vec![app]))
    }
}

/// As whom, for the sentence "the caller is …".
impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::User => f.write_str("the user"),
            Self::Apps(apps) if apps.is_empty() => f.write_str("a sandboxed program that is no app"),
            Self::Apps(apps) => {
                let names: Vec<_> = apps.iter().map(AppId::as_str).collect();
                write!(f, "the app {}", names.join(" or "))
            }
        }
    }
}

impl Identity {
    /// The app a call is about, which has to be exactly one.
    pub(crate) fn one(&self, named: &str) -> Result<AppId, Error> {
        match self.scope(named)? {
            Scope::App(app) => Ok(app),
            Scope::All => Err(Error::new(
                ErrorKind::UnknownApp,
                "this call needs an app id: the caller is no installed app, so it acts for the user and has to name one",
            )),
        }
    }

    /// The app or apps a call is about.
    pub(crate) fn scope(&self, named: &str) -> Result<Scope, Error> {
        let parsed = || AppId::new(named).map_err(|error| Error::new(ErrorKind::InvalidArgument, error.to_string()));
        match self {
            Self::User if named.is_empty() => Ok(Scope::All),
            Self::User => parsed().map(Scope::App),
            Self::Apps(apps) if named.is_empty() => match apps.as_slice() {
                [app] => Ok(Scope::App(app.clone())),
                [] => Err(Error::new(ErrorKind::AccessDenied, format!("the caller is {self} and cannot act for any"))),
                several => Err(Error::new(
                    ErrorKind::InvalidArgument,
                    format!("the program belongs to {} installed apps: name one of them", several.len()),
                )),
            },
            Self::Apps(apps) => {
                let app = parsed()?;
                if apps.contains(&app) {
                    return Ok(Scope::App(app));
                }
                Err(Error::new(ErrorKind::AccessDenied, format!("the caller is {self} and cannot act for {app}")))
            }
        }
    }

    /// Whether it may see or change what belongs to an app.
    pub(crate) fn may_act_for(&self, app: &AppId) -> bool {
        match self {
            Self::User => true,
            Self::Apps(apps) => apps.contains(app),
        }
    }
}

#[cfg(test)]
mod tests;
