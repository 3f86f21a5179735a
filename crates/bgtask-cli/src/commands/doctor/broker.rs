//! Whether a broker answers, of which version, and what it makes of the user's task files.

use std::path::{Path, PathBuf};

use bgtask_core::App;
use bgtask_wire::{AttachOptions, BUS_NAME, BrokerProxy};
use zbus::fdo::DBusProxy;

use super::places::Places;
use super::{Area, Finding};
use crate::connection::Target;
use crate::find::quoted;
use crate::output::text::counted;

const AREA: Area = Area("Broker");

/// Where a package puts the launcher; a build has it beside the other programs.
const LAUNCHER_PLACES: [&str; 2] = ["/usr/libexec/bgtask", "/usr/lib/bgtask"];

/// Most task files that are named.
const MAX_FILES: usize = 20;

pub(super) async fn check(target: &Target, places: &Places) -> Vec<Finding> {
    let mut findings = match target.connect().await {
        Ok(broker) => {
            let answers = AREA.ok("socket", format!("answers at {}", places.socket.display()));
            let (version, files, sockets) =
                tokio::join!(version(&broker, places), task_files(&broker), sockets(&broker, places));
            [vec![answers, version, sockets], files].concat()
        }
        Err(failure) => {
            let (what, help) =
                failure.message.split_once('\n').unwrap_or((&failure.message, "see `journalctl --user -u bgtask`"));
            vec![AREA.problem("socket", what, help)]
        }
    };
    findings.push(launcher());
    if places.root.is_none() {
        findings.push(bus().await);
    }
    findings
}

async fn version(broker: &BrokerProxy<'_>, places: &Places) -> Finding {
    let name = "version";
    let own = env!("CARGO_PKG_VERSION");
    let restart = match &places.root {
        Some(_) => "start it again",
        None => "`systemctl --user restart bgtask`",
    };
    let its = match broker.attach(App::COMMANDS, AttachOptions::default()).await {
        Ok(info) => info.version,
        Err(error) => return AREA.warning(name, format!("the broker does not say its version: {error}"), restart),
    };
    let program = places.broker_process().and_then(|it| std::fs::read_link(format!("/proc/{it}/exe")).ok());
    let replaced = program.is_some_and(|program| program.to_string_lossy().ends_with(" (deleted)"));
    match (its == own, replaced) {
        (true, false) => AREA.ok(name, format!("{own}, as this program")),
        (true, true) => {
            AREA.warning(name, format!("{own}, but its program has been replaced since it was started"), restart)
        }
        (false, _) => AREA.warning(name, format!("the broker is of version {its}, this program of {own}"), restart),
    }
}

async fn task_files(broker: &BrokerProxy<'_>) -> Vec<Finding> {
    let name = "task files";
    let files = match broker.list_task_files().await {
        Ok(files) => files,
        Err(error) => return vec![AREA.warning(name, format!("the broker does not list them: {error}"), "try again")],
    };
    let mut findings: Vec<_> = files
        .iter()
        .filter_map(|file| {
            let problem = file.problem.as_deref()?;
            let first = problem.lines().next().unwrap_or_default();
            let help = format!("correct {}: the broker reads it again at once", file.file);
            Some(AREA.problem(name, format!("{}: {first}", quoted(&file.file)), help))
        })
        .take(MAX_FILES)
        .collect();
    if findings.is_empty() {
        let what = match files.len() {
            0 => "none".to_owned(),
            count => format!("{}, nothing wrong in any", counted(count, "file")),
        };
        findings.push(AREA.ok(name, what));
    }
    findings
}

/// The sockets of apps, and whether somebody keeps them while the broker is started anew.
async fn sockets(broker: &BrokerProxy<'_>, places: &Places) -> Finding {
    let name = "sockets of apps";
    let held = match broker.list_sockets("").await {
        Ok(sockets) => sockets.iter().filter(|socket| socket.state != "lost").count(),
        Err(error) => return AREA.warning(name, format!("the broker does not list them: {error}"), "try again"),
    };
    let process = places.broker_process().map(|process| format!("/proc/{process}"));
    let read = |file: &str| process.as_ref().and_then(|process| std::fs::read(format!("{process}/{file}")).ok());
    let (environment, limits) = (read("environ").unwrap_or_default(), read("limits").unwrap_or_default());
    let kept = environment.split(|byte| *byte == 0).any(|it| it.starts_with(b"NOTIFY_SOCKET="));
    let limits = String::from_utf8_lossy(&limits);
    let files = limits.lines().find_map(|line| line.strip_prefix("Max open files")?.split_whitespace().next());
    let room = files.map_or(String::new(), |files| format!(", and it may have {files} files open"));
    match (held, kept) {
        (_, true) => AREA
            .ok(name, format!("the broker has {held}{room}; its service manager keeps them while it is started anew")),
        (0, false) => AREA.ok(name, format!("the broker has none{room}; without a service manager they end with it")),
        (_, false) => AREA.warning(
            name,
            format!("the broker has {held}{room}: without a service manager they end with it"),
            "let systemd start the broker: `systemctl --user start bgtask`",
        ),
    }
}

/// The launcher of this installation.
pub(super) fn launcher_path() -> Option<PathBuf> {
    let beside = std::env::current_exe().ok().and_then(|program| Some(program.parent()?.join("bgtask-launcher")));
    let installed = LAUNCHER_PLACES.iter().map(|place| Path::new(place).join("bgtask-launcher"));
    beside.into_iter().chain(installed).find(|path| path.is_file())
}

fn launcher() -> Finding {
    let name = "launcher";
    match launcher_path() {
        Some(path) => AREA.ok(name, path.display().to_string()),
        None => AREA.problem(
            name,
            format!("bgtask-launcher is neither beside this program nor in {}", LAUNCHER_PLACES.join(" or ")),
            "install the package again, or build it: tasks of apps cannot be started without it",
        ),
    }
}

/// The name on the session bus, which apps may call instead of the socket.
async fn bus() -> Finding {
    let name = "session bus";
    let help = "apps reach the broker by its socket; a desktop session, or the package dbus-user-session, has a bus";
    let asked = async {
        let connection = zbus::connection::Builder::session().build().await?;
        let bus = DBusProxy::new(&connection).await?;
        let owned = bus.name_has_owner(BUS_NAME.try_into()?).await?;
        let activatable = bus.list_activatable_names().await?;
        zbus::Result::Ok((owned, activatable.iter().any(|it| it.as_str() == BUS_NAME)))
    };
    let answer = tokio::time::timeout(std::time::Duration::from_secs(5), asked).await;
    match answer {
        Ok(Ok((true, _))) => AREA.ok(name, format!("the broker has the name {BUS_NAME}")),
        Ok(Ok((false, true))) => AREA.ok(name, format!("the first call to {BUS_NAME} starts the broker")),
        Ok(Ok((false, false))) => {
            let what = format!("nobody has the name {BUS_NAME}, and no call would start the broker");
            AREA.warning(name, what, "start the broker within the session: `systemctl --user restart bgtask`")
        }
        Ok(Err(error)) => AREA.warning(name, format!("there is none: {error}"), help),
        Err(_elapsed) => AREA.warning(name, "it does not answer", help),
    }
}
