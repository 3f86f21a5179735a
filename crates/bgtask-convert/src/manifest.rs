//! A manifest as the core sees it: what may be registered, and which program runs it.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use bgtask_core::{AppId, AppService, Class, Entry, EntryPoint, Server, Sharing, TaskType};
use bgtask_manifest::App;

/// An installed app. A manifest names several places for a program; the first that `is_there` is taken, or the first of all,
/// for an error to name.
pub fn core_app(id: &AppId, app: &App, is_there: fn(&Path) -> bool) -> bgtask_core::App {
    bgtask_core::App {
        id: id.clone(),
        version: app.version.as_str().into(),
        entry_points: app.entry_points.iter().map(|entry| entry_point(entry, is_there)).collect(),
        classes: app.class_servers.iter().flat_map(|server| classes(server, is_there)).collect(),
        itself: itself(app, is_there),
        applications: app.applications.iter().skip(1).map(|id| id.as_str().into()).collect(),
        raises: app.raises.iter().map(|event| event.as_str().into()).collect(),
        services: app.app_services.iter().map(service).collect(),
        commands: None,
    }
}

/// D16: why nothing here could run it, if nothing could.
pub fn cannot_run<'a>(app: &'a App, entry: &Entry) -> Option<&'a str> {
    match entry {
        Entry::Component(name) => app.entry_point(name)?.cannot_run.as_deref(),
        Entry::Class(class) => app.class_server(&class.to_string())?.cannot_run.as_deref(),
        Entry::InProcess | Entry::Command(_) => None,
    }
}

/// HO-5: how its instances share processes is the manifest's word.
fn entry_point(entry: &bgtask_manifest::EntryPoint, is_there: fn(&Path) -> bool) -> EntryPoint {
    let sharing = match (&entry.server_name, &entry.resource_group) {
        _ if entry.supports_multiple_instances => Sharing::Apart,
        (Some(server), _) => Sharing::Together(format!("server {server}").into()),
        (None, Some(group)) => Sharing::Together(format!("group {group}").into()),
        (None, None) => Sharing::InTurn,
    };
    let program = Program::of(&entry.executables, &[], is_there).key();
    EntryPoint {
        name: entry.name.clone(),
        server: Server { program, application: application(entry.application.as_deref()), sharing, budget: entry.wall },
        types: entry.types.iter().map(|kind| TaskType::from_name(kind.name())).collect(),
    }
}

/// HO-6: one that names no entry point is served by the app itself. What is no app id allows nobody, and was found when the
/// manifest was read.
fn service(service: &bgtask_manifest::DeclaredAppService) -> AppService {
    let entry = service.entry_point.as_deref().map_or(Entry::InProcess, |name| Entry::Component(name.into()));
    let named = || service.allow.iter().filter_map(|app| AppId::new(app).ok()).collect();
    AppService { name: service.name.as_str().into(), entry, allow: (!service.allow_all).then(named) }
}

/// BLD-11: one program serves its classes side by side, as a server does on Windows.
fn classes(server: &bgtask_manifest::ClassServer, is_there: fn(&Path) -> bool) -> impl Iterator<Item = Class> {
    let program = Program::of(&server.executables, &server.arguments, is_there).key();
    let sharing = Sharing::Together(Arc::clone(&program));
    let server_of_all =
        Server { program, application: application(server.application.as_deref()), sharing, budget: server.wall };
    server.ids.iter().filter_map(move |id| Some(Class { id: id.parse().ok()?, server: server_of_all.clone() }))
}

/// BLD-9: the app's own program is one process for all its tasks.
fn itself(app: &App, is_there: fn(&Path) -> bool) -> Option<Server> {
    let program = (!app.executables.is_empty()).then(|| Program::of(&app.executables, &[], is_there))?;
    Some(Server { program: program.key(), application: "".into(), sharing: Sharing::Together("".into()), budget: None })
}

fn application(id: Option<&str>) -> Arc<str> {
    id.unwrap_or_default().into()
}

/// What is started. The core passes it on unread, so it is whole in one text: the command line as `/proc/PID/cmdline` has it,
/// which stays right even if the manifest changes on the way.
#[derive(Debug, PartialEq, Eq)]
pub struct Program {
    /// The program.
    pub path: PathBuf,
    /// Its arguments.
    pub arguments: Vec<String>,
}

impl Program {
    /// The first of the places a program may be in that has it; the first of all where none has, for the error to name.
    fn of(places: &[PathBuf], arguments: &[String], is_there: fn(&Path) -> bool) -> Self {
        let found = places.iter().find(|place| is_there(place)).or(places.first());
        Self { path: found.cloned().unwrap_or_default(), arguments: arguments.to_vec() }
    }

    fn key(&self) -> Arc<str> {
        let mut key = self.path.to_string_lossy().into_owned();
        for argument in &self.arguments {
            key.push('\0');
            key.push_str(argument);
        }
        key.into()
    }

    /// The program of [`Server::program`].
    pub fn from_key(key: &str) -> Self {
        let mut words = key.split('\0');
        let path = words.next().unwrap_or_default().into();
        Self { path, arguments: words.map(str::to_owned).collect() }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    const HOSTING: &[u8] = include_bytes!("../../bgtask-manifest/tests/fixtures/hosting.appxmanifest");

    fn app(name: &str, text: &[u8]) -> bgtask_core::App {
        let app = bgtask_manifest::parse(name, text).declare(Path::new("/opt/h")).expect("a sound manifest");
        core_app(&AppId::new(&app.id).expect("legal"), &app, Path::is_file)
    }

    /// HO-5, MA-5: what the manifest says of processes.
    #[test]
    fn instances_share_processes_as_the_manifest_says() {
        let app = app("Package.appxmanifest", HOSTING);
        let sharing = |name: &str| app.entry_point(name).expect("declared").server.sharing.clone();
        assert_eq!(sharing("Tasks.OfThePackage"), Sharing::InTurn);
        assert_eq!(sharing("Tasks.Shared"), Sharing::Together("server Shared".into()));
        assert_eq!(sharing("Tasks.Grouped"), Sharing::Together("group background".into()));
        assert_eq!((sharing("Tasks.Many"), sharing("Tasks.ManyToo")), (Sharing::Apart, Sharing::Apart));
        assert_eq!(app.itself.map(|server| server.sharing), Some(Sharing::Together("".into())));
    }

    /// BLD-11: a class leads to its program with the declared arguments; two classes of one program share it.
    #[test]
    fn a_class_is_served_by_its_program_with_its_arguments() {
        let app = app("Package.appxmanifest", HOSTING);
        let server = |id: &str| {
            let id = id.parse().expect("an id");
            app.classes.iter().find(|class| class.id == id).expect("declared").server.clone()
        };
        let first = server("87654321-1234-1234-1234-1234567890ae");
        let program = Program::from_key(&first.program);
        assert_eq!(program.path, Path::new("/opt/h/bin/Server.exe"));
        assert_eq!(program.arguments, ["-Embedding", "a b"]);
        assert_eq!(first, server("11111111-2222-3333-4444-555555555555"));
        assert_ne!(first.sharing, server("22222222-2222-3333-4444-555555555555").sharing);
    }

    /// ACC-15: the first application has no id for the core, whatever the manifest calls it.
    #[test]
    fn only_further_applications_have_an_id() {
        let text = r#"<Package xmlns="http://schemas.microsoft.com/appx/manifest/foundation/windows10">
          <Identity Name="Example.Two" Publisher="CN=Example" Version="1.0.0.0" />
          <Applications>
            <Application Id="First" Executable="First.exe"><Extensions>
              <Extension Category="windows.backgroundTasks" EntryPoint="Tasks.One"><BackgroundTasks><Task Type="general" /></BackgroundTasks></Extension>
            </Extensions></Application>
            <Application Id="Second" Executable="Second.exe"><Extensions>
              <Extension Category="windows.backgroundTasks" EntryPoint="Tasks.Two"><BackgroundTasks><Task Type="general" /></BackgroundTasks></Extension>
            </Extensions></Application>
          </Applications>
        </Package>"#;
        let app = app("Package.appxmanifest", text.as_bytes());
        assert_eq!(app.applications, ["Second".into()]);
        let of = |name: &str| app.entry_point(name).expect("declared").server.application.to_string();
        assert_eq!((of("Tasks.One"), of("Tasks.Two")), (String::new(), "Second".to_owned()));
    }

    /// D10: a manifest may ask for less time.
    #[test]
    fn the_time_a_task_asks_for_is_its_budget() {
        let text = b"[app]\nid = \"org.example.A\"\nversion = \"1\"\nexecutable = \"a\"\n\
                     [[task]]\nentry_point = \"Short\"\ntypes = [\"timer\"]\nwall_seconds = 3\n\
                     [[task]]\nentry_point = \"Usual\"\ntypes = [\"timer\"]\n";
        let app = app("bgtask.toml", text);
        let budget = |name: &str| app.entry_point(name).expect("declared").server.budget;
        assert_eq!((budget("Short"), budget("Usual")), (Some(std::time::Duration::from_secs(3)), None));
    }

    #[test]
    fn an_app_without_a_program_runs_nothing_itself() {
        let text = b"[app]\nid = \"org.example.A\"\nversion = \"1\"\nraises = [\"org.example.event\"]\n";
        let app = app("bgtask.toml", text);
        assert_eq!(app.itself, None);
        assert_eq!(app.raises, ["org.example.event".into()]);
        assert!(app.applications.is_empty());
    }
}
