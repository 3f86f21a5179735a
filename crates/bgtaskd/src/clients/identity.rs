//! Which app a process is. Nobody says so himself: the answer is read from the system.

use std::fmt;
use std::path::PathBuf;

use bgtask_core::AppId;
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
    /// The app id a sandbox gives it, which the process cannot change.
    sandbox: Option<String>,
    /// The app id in the name of its cgroup, by the desktop's convention.
    unit: Option<String>,
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
    /// Reads `/proc`. The caller holds on to the process, so that the number is not another one's by now.
    pub(crate) fn read(pid: i32) -> Self {
        let proc = PathBuf::from(format!("/proc/{pid}"));
        let cgroup = std::fs::read_to_string(proc.join("cgroup")).unwrap_or_default();
        let unit = cgroup.lines().find_map(|line| line.strip_prefix("0::")).and_then(|path| path.rsplit('/').next());
        let flatpak = std::fs::read_to_string(proc.join("root/.flatpak-info")).ok();
        Self {
            pid,
            program: std::fs::read_link(proc.join("exe")).ok(),
            sandbox: flatpak.as_deref().and_then(flatpak_app).or_else(|| unit.and_then(sandbox_unit)),
            unit: unit.and_then(desktop_app),
        }
    }

    /// A sandbox's word first, then an installed manifest that names the program, then the desktop's unit name. A unit
    /// name counts only for an installed app: a shell in a terminal's scope is the user, not the terminal.
    pub(crate) fn identify(&self, apps: &Apps) -> Identity {
        if let Some(app) = self.sandbox.as_deref() {
            return Identity::Apps(AppId::new(app).into_iter().collect());
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

/// `name=` of the section `[Application]` in `.flatpak-info`.
fn flatpak_app(info: &str) -> Option<String> {
    let section = info.lines().skip_while(|line| line.trim() != "[Application]").skip(1);
    let mut lines = section.take_while(|line| !line.starts_with('['));
    lines.find_map(|line| line.strip_prefix("name=")).map(str::to_owned)
}

/// The app of a sandbox by its cgroup, which a process can neither change nor hide, as it can hide its files.
fn sandbox_unit(unit: &str) -> Option<String> {
    if unit.starts_with("app-flatpak-") { desktop_app(unit) } else { snap_app(unit) }
}

/// `snap.NAME.PROGRAM-RANDOM.scope` or `snap.NAME.PROGRAM.service`.
fn snap_app(unit: &str) -> Option<String> {
    let mut parts = unit.strip_prefix("snap.")?.split('.');
    parts.next().map(str::to_owned)
}

/// `app[-LAUNCHER]-APPID-RANDOM.scope` or `app[-LAUNCHER]-APPID[@RANDOM].service`, escaped by systemd's rules.
fn desktop_app(unit: &str) -> Option<String> {
    let name = unit.strip_prefix("app-")?;
    let name = match (name.strip_suffix(".scope"), name.strip_suffix(".service")) {
        (Some(scope), _) => scope.rsplit_once('-')?.0,
        (_, Some(service)) => service.split('@').next()?,
        _ => return None,
    };
    let app = name.rsplit('-').next()?;
    Some(app.replace("\\x2d", "-"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_desktop_names_an_app_in_its_cgroup() {
        for (unit, app) in [
            ("app-gnome-org.example.Photos-1234.scope", Some("org.example.Photos")),
            ("app-org.example.Photos-1234.scope", Some("org.example.Photos")),
            ("app-org.example.Photos@9f1c.service", Some("org.example.Photos")),
            ("app-org.example.Photos.service", Some("org.example.Photos")),
            ("app-gnome-org.example.My\\x2dPhotos-1.scope", Some("org.example.My-Photos")),
            ("session-2.scope", None),
            ("app-.scope", None),
        ] {
            assert_eq!(desktop_app(unit).as_deref(), app, "{unit}");
        }
        assert_eq!(sandbox_unit("app-flatpak-org.example.P-7.scope").as_deref(), Some("org.example.P"));
        assert_eq!(sandbox_unit("app-gnome-org.example.P-7.scope"), None, "a launcher's word is no sandbox");
        assert_eq!(snap_app("snap.photos.viewer-1f.scope").as_deref(), Some("photos"));
        assert_eq!(
            flatpak_app("[Application]\nname=org.example.P\n[Instance]\nname=x").as_deref(),
            Some("org.example.P")
        );
        assert_eq!(flatpak_app("[Instance]\nname=x"), None);
    }

    #[test]
    fn a_program_without_a_manifest_is_the_user() {
        let apps = Apps::new(Vec::new());
        let busctl = Process { program: Some("/usr/bin/busctl".into()), ..Process::default() };
        assert_eq!(busctl.identify(&apps), Identity::User);
        let shell = Process { unit: Some("org.gnome.Terminal".into()), ..Process::default() };
        assert_eq!(shell.identify(&apps), Identity::User, "a terminal's shell is not the terminal");
    }

    #[test]
    fn an_app_names_itself_and_nobody_else() {
        let app = AppId::new("org.example.Photos").expect("legal");
        let identity = Identity::Apps(vec![app.clone()]);
        assert_eq!(identity.one(""), Ok(app.clone()));
        assert_eq!(identity.one("org.example.Photos"), Ok(app));
        let denied = identity.one("org.example.Mail").expect_err("another app");
        assert_eq!(denied.kind, ErrorKind::AccessDenied);
        assert_eq!(Identity::User.one("").map_err(|error| error.kind), Err(ErrorKind::UnknownApp));
        assert_eq!(Identity::User.scope(""), Ok(Scope::All));
    }
}
