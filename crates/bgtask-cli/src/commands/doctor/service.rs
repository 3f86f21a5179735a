//! How the broker is started, and when.

use std::path::PathBuf;

use super::ask::{ask, value};
use super::places::Places;
use super::{Area, Finding};

const AREA: Area = Area("Service");
const INSTALL: &str = "install the package: it brings what starts the broker";

/// Nothing of it concerns a broker that is private to a folder: who wants it starts it.
pub(super) async fn check(places: &Places) -> Vec<Finding> {
    if places.root.is_some() {
        return Vec::new();
    }
    let (unit, socket, lingering) =
        tokio::join!(unit(places, "bgtask.service"), unit(places, "bgtask.socket"), lingering());
    vec![unit, socket, activation(places), lingering]
}

/// A unit of the user's service manager.
async fn unit(places: &Places, name: &str) -> Finding {
    let of_user = [places.config.join("systemd/user"), places.runtime.join("systemd/user")];
    let of_data = places.data.iter().map(|data| data.join("systemd/user"));
    let of_system = ["/etc/systemd/user", "/usr/lib/systemd/user", "/lib/systemd/user"].map(PathBuf::from);
    let folders = of_user.into_iter().chain(of_data).chain(of_system);
    let Some(file) = folders.map(|folder| folder.join(name)).find(|file| file.exists()) else {
        return AREA.warning(name, "there is no such unit: the broker runs only when somebody starts it", INSTALL);
    };
    let file = file.display();
    let asked = ask("systemctl", &["--user", "show", name, "--property=ActiveState,UnitFileState,Result"]).await;
    let answer = match asked {
        Ok(answer) => answer,
        Err(why) => {
            let help =
                "log in again as this user, so that a service manager runs; or start the broker by hand with `bgtaskd`";
            return AREA.warning(name, format!("{file}, but the user's service manager cannot be asked: {why}"), help);
        }
    };
    let property = |key| value(&answer, key).unwrap_or("unknown");
    let (active, enabled, result) = (property("ActiveState"), property("UnitFileState"), property("Result"));
    let what = format!("{file}, {enabled}, {active}");
    match (active, enabled) {
        ("failed", _) => AREA.problem(
            name,
            format!("{what}: {result}"),
            format!("`journalctl --user -u {name}` says why; then `systemctl --user restart {name}`"),
        ),
        (_, "masked" | "masked-runtime") => AREA.problem(name, what, format!("`systemctl --user unmask {name}`")),
        (_, "enabled" | "enabled-runtime" | "static" | "linked") => AREA.ok(name, what),
        _ => AREA.warning(
            name,
            format!("{what}: it does not start at log-in"),
            format!("`systemctl --user enable --now {name}`"),
        ),
    }
}

fn activation(places: &Places) -> Finding {
    let name = "D-Bus activation";
    let file = "dbus-1/services/org.bgtask.Broker1.service";
    match places.data.iter().map(|data| data.join(file)).find(|path| path.exists()) {
        Some(path) => AREA.ok(name, path.display().to_string()),
        None => AREA.warning(
            name,
            format!("{file} is in none of the data folders: no call on the bus starts the broker"),
            INSTALL,
        ),
    }
}

/// Without it, a user's service manager ends with the last log-out, and the broker with it.
async fn lingering() -> Finding {
    let name = "lingering";
    let user = rustix::process::getuid().as_raw().to_string();
    match ask("loginctl", &["show-user", &user, "--property=Linger"]).await {
        Ok(answer) if value(&answer, "Linger") == Some("yes") => {
            AREA.ok(name, "on: tasks run also while you are logged out")
        }
        Ok(_) => AREA.warning(
            name,
            "off: tasks run only while you are logged in",
            "`loginctl enable-linger` lets them run from the start of the machine on",
        ),
        Err(why) => AREA.warning(
            name,
            format!("not known, logind cannot be asked: {why}"),
            "tasks run while the broker runs; with logind, `loginctl enable-linger` keeps it running after log-out",
        ),
    }
}
