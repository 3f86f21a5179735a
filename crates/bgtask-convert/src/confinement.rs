//! What a manifest's capabilities mean for the walls around an app's hosts.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use bgtask_confine::Plan;
use bgtask_manifest::App;

/// Capabilities that mean the network.
const NETWORK: &[&str] = &["internetClient", "internetClientServer", "privateNetworkClientServer"];

/// Capabilities that mean devices: those of Windows for devices, each of which is one kind here.
const DEVICES: &[&str] = &[
    "bluetooth",
    "humaninterfacedevice",
    "lowLevel",
    "lowLevelDevices",
    "microphone",
    "pointOfService",
    "serialcommunication",
    "usb",
    "webcam",
];

/// Capabilities that mean a folder of the user's, each with its name in `user-dirs.dirs` and what it is called without one.
const LIBRARIES: &[(&str, &str, &str)] = &[
    ("documentsLibrary", "XDG_DOCUMENTS_DIR", "Documents"),
    ("musicLibrary", "XDG_MUSIC_DIR", "Music"),
    ("picturesLibrary", "XDG_PICTURES_DIR", "Pictures"),
    ("videosLibrary", "XDG_VIDEOS_DIR", "Videos"),
];

/// Where removable drives are found.
const REMOVABLE: &[&str] = &["/media", "/run/media"];

/// Where the system bus is.
const SYSTEM_BUS: &str = "/run/dbus/system_bus_socket";

/// The world that an app's words are about.
#[derive(Clone, Debug)]
pub struct Grounds<'a> {
    /// The user's home folder.
    pub home: &'a Path,
    /// The app's data folder.
    pub data: &'a Path,
    /// The program that is started.
    pub program: &'a Path,
    /// The broker's socket.
    pub broker: &'a Path,
    /// The address of the session bus, if there is one.
    pub session_bus: Option<&'a str>,
    /// `user-dirs.dirs`, or nothing.
    pub user_dirs: &'a str,
    /// Whether an app that would be without walls gets them all the same, and none may be missing.
    pub required: bool,
}

/// The walls around the hosts of an app; `None` if it is to have none.
pub fn plan(app: &App, grounds: &Grounds<'_>) -> Option<Plan> {
    let has = |names: &[&str]| app.capabilities.iter().any(|name| names.contains(&name.as_str()));
    if (app.sandbox.none || has(&["runFullTrust"])) && !grounds.required {
        return None;
    }
    let mut plan = Plan::new(grounds.home.to_owned());
    plan.required = grounds.required;
    plan.network = has(NETWORK);
    plan.devices = has(DEVICES);
    plan.all_files = has(&["broadFileSystemAccess"]);
    plan.read = programs(app, grounds);
    plan.read.extend(app.sandbox.read.iter().map(|folder| placed(folder, grounds.home)));
    plan.write = vec![grounds.data.to_owned()];
    plan.write.extend(app.sandbox.write.iter().map(|folder| placed(folder, grounds.home)));
    plan.write.extend(libraries(app, grounds));
    if has(&["removableStorage"]) {
        plan.write.extend(REMOVABLE.iter().map(PathBuf::from));
    }
    plan.sockets = vec![grounds.broker.to_owned()];
    if has(&["systemBus"]) {
        plan.sockets.push(SYSTEM_BUS.into());
    }
    if let Some(address) = grounds.session_bus.filter(|_| has(&["sessionBus"])) {
        plan.sockets.extend(sockets_of(address));
        plan.abstract_sockets = address.contains("abstract=");
    }
    Some(plan)
}

/// The folders of the app's programs. One that holds the home folder, or everybody's files, is no folder of an app: there it is
/// the program alone.
fn programs(app: &App, grounds: &Grounds<'_>) -> Vec<PathBuf> {
    let of_tasks = app.entry_points.iter().flat_map(|entry| &entry.executables);
    let of_classes = app.class_servers.iter().flat_map(|server| &server.executables);
    let all = of_tasks.chain(of_classes).chain(&app.executables).map(PathBuf::as_path);
    // Of the places where a program may be, only those in which one is.
    let all = all.filter(|program| program.is_file()).chain([grounds.program]);
    let of_others = |folder: &Path| {
        grounds.home.starts_with(folder) || grounds.data.starts_with(folder) || folder == Path::new("/tmp")
    };
    let mut programs: Vec<_> = all
        .map(|program| match program.parent() {
            Some(folder) if !of_others(folder) => folder.to_owned(),
            _ => program.to_owned(),
        })
        .collect();
    programs.sort();
    programs.dedup();
    programs
}

/// A path of `[sandbox]`.
fn placed(written: &str, home: &Path) -> PathBuf {
    match written.strip_prefix('~') {
        Some(below) => home.join(below.trim_start_matches('/')),
        None => written.into(),
    }
}

fn libraries(app: &App, grounds: &Grounds<'_>) -> impl Iterator<Item = PathBuf> {
    let declared = LIBRARIES.iter().filter(|(capability, ..)| app.capabilities.iter().any(|name| name == capability));
    declared.map(|(_, variable, usual)| user_dir(grounds.user_dirs, variable, grounds.home, usual))
}

/// `XDG_MUSIC_DIR="$HOME/Music"`: the home folder itself stands for none.
fn user_dir(file: &str, variable: &str, home: &Path, usual: &str) -> PathBuf {
    let line = file.lines().find_map(|line| line.trim().strip_prefix(variable)?.strip_prefix('='));
    let value = line.map(|value| value.trim().trim_matches('"'));
    let folder = value.and_then(|value| match value.strip_prefix("$HOME/") {
        Some(below) => Some(home.join(below)),
        None => Some(PathBuf::from(value)).filter(|path| path.is_absolute()),
    });
    folder.filter(|folder| folder != home).unwrap_or_else(|| home.join(usual))
}

/// The paths in the address of a bus.
fn sockets_of(address: &str) -> impl Iterator<Item = PathBuf> {
    let parts = address.split(';').filter_map(|one| one.strip_prefix("unix:")).flat_map(|one| one.split(','));
    parts.filter_map(|part| part.strip_prefix("path=")).map(|path| PathBuf::from(OsStr::new(path)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grounds() -> Grounds<'static> {
        Grounds {
            home: Path::new("/home/ada"),
            data: Path::new("/home/ada/.local/share/bgtask/data/org.example.A"),
            program: Path::new("/opt/a/bin/a"),
            broker: Path::new("/run/user/1/bgtask/broker"),
            session_bus: Some("unix:path=/run/user/1/bus,guid=1"),
            user_dirs: "# comment\nXDG_MUSIC_DIR=\"$HOME/Lieder\"\nXDG_VIDEOS_DIR=\"$HOME/\"\n",
            required: false,
        }
    }

    fn app(more: &str) -> App {
        let text = format!("[app]\nid = \"org.example.A\"\nversion = \"1\"\nexecutable = \"/opt/a/bin/a\"\n{more}");
        bgtask_manifest::parse("bgtask.toml", text.as_bytes()).declare(Path::new("/")).expect("a sound manifest")
    }

    fn paths(paths: &[&str]) -> Vec<PathBuf> {
        paths.iter().map(PathBuf::from).collect()
    }

    #[test]
    fn an_app_that_declares_nothing_has_its_program_its_data_and_the_broker() {
        let plan = plan(&app(""), &grounds()).expect("walls");
        assert_eq!(plan.read, paths(&["/opt/a/bin"]));
        assert_eq!(plan.write, paths(&["/home/ada/.local/share/bgtask/data/org.example.A"]));
        assert_eq!(plan.sockets, paths(&["/run/user/1/bgtask/broker"]));
        assert!(!plan.network && !plan.devices && !plan.all_files && !plan.abstract_sockets && !plan.required);
    }

    /// MA-6: what a capability names.
    #[test]
    fn a_capability_opens_what_it_names() {
        let words = "capabilities = [\"internetClient\", \"musicLibrary\", \"videosLibrary\", \"sessionBus\", \"usb\"]\n\
                     [sandbox]\nread = [\"~/Notes\", \"/srv/x\"]\n";
        let plan = plan(&app(words), &grounds()).expect("walls");
        assert!(plan.network && plan.devices);
        assert_eq!(plan.read, paths(&["/opt/a/bin", "/home/ada/Notes", "/srv/x"]));
        assert_eq!(plan.write[1..], paths(&["/home/ada/Lieder", "/home/ada/Videos"]));
        assert_eq!(plan.sockets[1..], paths(&["/run/user/1/bus"]));
    }

    #[test]
    fn an_app_without_walls_has_them_all_the_same_where_they_are_required() {
        for none in ["capabilities = [\"runFullTrust\"]\n", "[sandbox]\nnone = true\n"] {
            assert_eq!(plan(&app(none), &grounds()), None);
            let required = plan(&app(none), &Grounds { required: true, ..grounds() });
            assert!(required.is_some_and(|plan| plan.required));
        }
    }

    /// A program in the home folder opens itself, and not the home folder.
    #[test]
    fn a_program_in_a_folder_of_others_stands_for_itself() {
        for (program, opened) in
            [("/home/ada/a", "/home/ada/a"), ("/tmp/a", "/tmp/a"), ("/home/ada/bin/a", "/home/ada/bin")]
        {
            let grounds = Grounds { program: Path::new(program), ..grounds() };
            let plan = plan(&app(""), &grounds).expect("walls");
            assert!(plan.read.contains(&opened.into()), "{:?}", plan.read);
        }
    }
}
