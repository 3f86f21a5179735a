//! What a manifest declares on this system: programs instead of Windows paths, known types instead of names.

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::check::{check, class_id};
use crate::diagnostic::{Diagnostic, Findings, Severity, quoted};
use crate::lines::lines_to_add;
use crate::model::{self, BackgroundTask, ComServer, Form, Manifest, Sandbox};
use crate::places::Places;
use crate::program::{candidates, split_arguments};
use crate::task_type::TaskType;

/// An app as its manifest declares it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct App {
    /// The app id; for a Windows manifest the name of its package.
    pub id: String,
    /// One to four numbers with dots.
    pub version: String,
    /// The name to show to people.
    pub display_name: Option<String>,
    /// The form of its manifest.
    pub form: Form,
    /// The ids of its applications, in document order, each once (ACC-15). One without an id, which nothing could name, is
    /// left out unless it is the first, which has the empty id then.
    pub applications: Vec<String>,
    /// The files the app itself may be, in the order to try them. Empty if the manifest names no program.
    pub executables: Vec<PathBuf>,
    /// The entry points, in document order, each name once.
    pub entry_points: Vec<EntryPoint>,
    /// The programs that serve class ids.
    pub class_servers: Vec<ClassServer>,
    /// What it does for other apps.
    pub app_services: Vec<AppService>,
    /// The names of what the app may use, as written (MA-6).
    pub capabilities: Vec<String>,
    /// The custom events it may raise.
    pub raises: Vec<String>,
    /// The files its tasks may touch besides, as written.
    pub sandbox: Sandbox,
}

/// An entry point that registrations may name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EntryPoint {
    /// The name, compared exactly (MA-2, BLD-7). For a JavaScript task the page (BLD-10).
    pub name: String,
    /// The application that declares it; `None` for the first one (ACC-15).
    pub application: Option<String>,
    /// The files its program may be, in the order to try them. Empty if it cannot run here.
    pub executables: Vec<PathBuf>,
    /// The types it declares, without those nobody knows. One that only serves an [`AppService`] has none: nothing can be
    /// registered with it.
    pub types: Vec<TaskType>,
    /// The named server it shares with others: at most one instance of that server runs (MA-5).
    pub server_name: Option<String>,
    /// The group it may share a process with (HO-5).
    pub resource_group: Option<String>,
    /// Whether every firing gets a process of its own (HO-5).
    pub supports_multiple_instances: bool,
    /// The most time it asks for, where that is less than it would get (D10).
    pub wall: Option<Duration>,
    /// Why it cannot run here, as one sentence without a final stop, if it cannot.
    pub cannot_run: Option<String>,
}

/// What an app does for other apps (HO-6).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AppService {
    /// The name by which callers ask for it.
    pub name: String,
    /// The entry point that serves a connection, which is among [`App::entry_points`]; `None` for the app itself.
    pub entry_point: Option<String>,
    /// The apps that may connect besides the app itself.
    pub allow: Vec<String>,
    /// Whether every program of the user may connect.
    pub allow_all: bool,
}

/// A program that serves class ids (BLD-11, HO-3).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClassServer {
    /// The class ids, in lower case without braces.
    pub ids: Vec<String>,
    /// The application that declares it; `None` for the first one (ACC-15).
    pub application: Option<String>,
    /// The files it may be, in the order to try them. Empty if it cannot run here.
    pub executables: Vec<PathBuf>,
    /// The arguments it is started with.
    pub arguments: Vec<String>,
    /// As [`EntryPoint::wall`].
    pub wall: Option<Duration>,
    /// Why it cannot run here, as one sentence without a final stop, if it cannot.
    pub cannot_run: Option<String>,
}

/// Why an entry point may not be registered with a trigger (MA-1, MAN-3).
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotDeclared {
    /// No trigger class has this name.
    #[error("no trigger is named {trigger:?}; the documentation of task types lists them all")]
    UnknownTrigger {
        /// The name that was asked for.
        trigger: String,
    },
    /// The manifest does not name the entry point.
    #[error("the manifest of {app} does not declare the entry point {entry_point:?}; add to it:\n{add}")]
    EntryPoint {
        /// The app id.
        app: String,
        /// The entry point that was asked for.
        entry_point: String,
        /// The lines to add, in the manifest's own form.
        add: String,
    },
    /// The manifest names the entry point, but no type that covers the trigger.
    #[error(
        "the manifest of {app} does not allow a {trigger} for the entry point {entry_point:?}; change it to:\n{add}"
    )]
    Type {
        /// The app id.
        app: String,
        /// The entry point that was asked for.
        entry_point: String,
        /// The trigger that was asked for.
        trigger: String,
        /// The lines to add, in the manifest's own form.
        add: String,
    },
}

/// What a manifest declares. Touches no file: whether a program exists is for the caller to see.
///
/// `base` is the folder of the manifest file. From there executables resolve like this:
///
/// * `bgtask.toml`: an absolute path is taken as it is; any other is relative to `base`. A bare name in a manifest installed
///   under `PREFIX/share/bgtask/apps` is also looked for in `PREFIX/bin`.
/// * `Package.appxmanifest`: `\` becomes `/`, and each path is tried as written and then without `.exe`; bare names also in
///   `PREFIX/bin`. `$targetnametoken$` stands for the package name. Paths out of the package are refused.
///
/// The program of an entry point is the one its task names, else the one of its application: Windows hosts such tasks in a
/// program of its own and loads the class there, which has no counterpart here. A task under `Package/Extensions` belongs to
/// the first application.
///
/// Arguments of class-id servers split at blanks; double quotes keep blanks together, `\"` is a quote.
///
/// # Errors
///
/// Every rule the model breaks, without places. [`Parsed::declare`](crate::Parsed::declare) gives them with their places.
///
/// ```
/// use std::path::Path;
/// let text = r#"
///     [app]
///     id = "org.example.Photos"
///     version = "1.0.0"
///     executable = "photos"
///     [[task]]
///     entry_point = "Tasks.Thumbnails"
///     types = ["timer"]
/// "#;
/// let manifest = bgtask_manifest::parse("bgtask.toml", text.as_bytes()).manifest.unwrap();
/// let app = bgtask_manifest::declare(&manifest, Path::new("/usr/share/bgtask/apps")).unwrap();
/// let thumbnails = app.require("Tasks.Thumbnails", "TimeTrigger").unwrap();
/// assert_eq!(thumbnails.executables[1], Path::new("/usr/bin/photos"));
/// assert!(app.require("Tasks.Thumbnails", "SystemTrigger").is_err());
/// ```
pub fn declare(manifest: &Manifest, base: &Path) -> Result<App, Vec<Diagnostic>> {
    let mut findings = Findings::default();
    check(manifest, &Places::default(), &mut findings);
    let mut errors = findings.into_vec();
    errors.retain(|found| found.severity == Severity::Error);
    let (Some(id), Some(version), []) = (&manifest.package.name, &manifest.package.version, &errors[..]) else {
        if errors.is_empty() {
            errors.push(Diagnostic::error("manifest/app-id", "the manifest does not say which app it is of"));
        }
        return Err(errors);
    };
    let programs = Programs { manifest, id, base };
    Ok(App {
        id: id.clone(),
        version: version.clone(),
        display_name: manifest.package.display_name.clone(),
        form: manifest.form,
        applications: applications(manifest),
        executables: manifest.program_of_application(None).map(|written| programs.files(written)).unwrap_or_default(),
        entry_points: entry_points(&programs),
        class_servers: manifest.com_servers.iter().map(|server| class_server(&programs, server)).collect(),
        app_services: manifest.app_services.iter().filter_map(app_service).collect(),
        capabilities: manifest.capabilities.iter().filter_map(|capability| capability.name.clone()).collect(),
        raises: manifest.raises.clone(),
        sandbox: manifest.sandbox.clone(),
    })
}

impl App {
    /// The entry point of this name.
    pub fn entry_point(&self, name: &str) -> Option<&EntryPoint> {
        self.entry_points.iter().find(|entry_point| entry_point.name == name)
    }

    /// The program that serves a class id, written in either case, with or without braces.
    pub fn class_server(&self, id: &str) -> Option<&ClassServer> {
        let id = class_id(id)?;
        self.class_servers.iter().find(|server| server.ids.contains(&id))
    }

    /// The entry point, if the manifest allows this trigger for it (MA-1, MAN-3).
    ///
    /// `trigger` is a class name as in [`TaskType::for_trigger`]. Whether the entry point can run here is in
    /// [`EntryPoint::cannot_run`]; that is another question.
    ///
    /// # Errors
    ///
    /// The entry point or a fitting type is missing; the error shows the lines to add.
    pub fn require(&self, entry_point: &str, trigger: &str) -> Result<&EntryPoint, NotDeclared> {
        let Some(covering) = TaskType::for_trigger(trigger) else {
            return Err(NotDeclared::UnknownTrigger { trigger: trigger.to_owned() });
        };
        let app = self.id.clone();
        let name = entry_point.to_owned();
        match self.entry_point(entry_point) {
            None => {
                let add = lines_to_add(self.form, entry_point, None, covering[0]);
                Err(NotDeclared::EntryPoint { app, entry_point: name, add })
            }
            Some(found) if found.types.iter().any(|declared| covering.contains(declared)) => Ok(found),
            Some(found) => {
                let add = lines_to_add(self.form, entry_point, Some(&found.types), covering[0]);
                Err(NotDeclared::Type { app, entry_point: name, trigger: trigger.to_owned(), add })
            }
        }
    }
}

/// The programs a manifest names, resolved.
struct Programs<'a> {
    manifest: &'a Manifest,
    id: &'a str,
    base: &'a Path,
}

impl Programs<'_> {
    fn files(&self, written: &str) -> Vec<PathBuf> {
        candidates(self.manifest.form, written, self.id, self.base)
    }

    /// The files a written executable may mean, or why there are none.
    fn some_files(&self, written: &str) -> Result<Vec<PathBuf>, String> {
        let files = self.files(written);
        if files.is_empty() {
            return Err(format!("its executable {} holds a token that only a Windows build replaces", quoted(written)));
        }
        Ok(files)
    }

    /// The application of this id, unless it is the first.
    fn other_application(&self, id: Option<&String>) -> Option<String> {
        let first = self.manifest.applications.first().and_then(|first| first.id.as_ref());
        id.filter(|id| Some(*id) != first).cloned()
    }

    /// The files that may host a task, or why there are none.
    fn of_task(&self, task: &BackgroundTask) -> Result<Vec<PathBuf>, String> {
        self.written(self.manifest.program_of(task))
    }

    fn written(&self, program: Option<&str>) -> Result<Vec<PathBuf>, String> {
        match program {
            Some(written) => self.some_files(written),
            None => Err("neither the task nor its application names an executable".to_owned()),
        }
    }
}

fn applications(manifest: &Manifest) -> Vec<String> {
    let mut ids: Vec<String> = Vec::new();
    for (index, application) in manifest.applications.iter().enumerate() {
        let id = application.id.clone().unwrap_or_default();
        let nameless = id.is_empty() && index > 0;
        if !nameless && !ids.contains(&id) {
            ids.push(id);
        }
    }
    ids
}

fn entry_points(programs: &Programs<'_>) -> Vec<EntryPoint> {
    let mut entry_points: Vec<EntryPoint> = Vec::new();
    for task in &programs.manifest.background_tasks {
        let Some(found) = entry_point(programs, task) else { continue };
        match entry_points.iter_mut().find(|known| known.name == found.name) {
            Some(known) => {
                let new = found.types.into_iter().filter(|one| !known.types.contains(one)).collect::<Vec<_>>();
                known.types.extend(new);
            }
            None => entry_points.push(found),
        }
    }
    for service in &programs.manifest.app_services {
        let Some(found) = entry_point_of_service(programs, service) else { continue };
        if entry_points.iter().all(|known| known.name != found.name) {
            entry_points.push(found);
        }
    }
    entry_points
}

fn entry_point_of_service(programs: &Programs<'_>, service: &model::AppService) -> Option<EntryPoint> {
    let name = service.entry_point.clone()?;
    let (executables, cannot_run) = split(programs.written(programs.manifest.program_of_service(service)));
    Some(EntryPoint {
        name,
        application: programs.other_application(service.application_id.as_ref()),
        executables,
        types: Vec::new(),
        server_name: service.server_name.clone(),
        resource_group: None,
        supports_multiple_instances: service.supports_multiple_instances,
        wall: wall(service.wall_seconds),
        cannot_run,
    })
}

fn app_service(service: &model::AppService) -> Option<AppService> {
    Some(AppService {
        name: service.name.clone()?,
        entry_point: service.entry_point.clone(),
        allow: service.allow.iter().filter(|app| *app != "*").cloned().collect(),
        allow_all: service.allow.iter().any(|app| app == "*"),
    })
}

/// The files of a program, or why there are none.
fn split(program: Result<Vec<PathBuf>, String>) -> (Vec<PathBuf>, Option<String>) {
    match program {
        Ok(files) => (files, None),
        Err(why) => (Vec::new(), Some(why)),
    }
}

fn entry_point(programs: &Programs<'_>, task: &BackgroundTask) -> Option<EntryPoint> {
    let class = task.entry_point.as_ref().filter(|name| !name.is_empty());
    let name = class.or(task.start_page.as_ref())?;
    let program = match class {
        Some(_) => programs.of_task(task),
        None => Err("it is a JavaScript page, and there is no host for those".to_owned()),
    };
    let (executables, cannot_run) = split(program);
    Some(EntryPoint {
        name: name.clone(),
        application: programs.other_application(task.application_id.as_ref()),
        executables,
        types: known_types(task),
        server_name: task.server_name.clone(),
        resource_group: task.resource_group.clone(),
        supports_multiple_instances: task.supports_multiple_instances,
        wall: wall(task.wall_seconds),
        cannot_run,
    })
}

fn wall(seconds: Option<i64>) -> Option<Duration> {
    seconds.and_then(|seconds| u64::try_from(seconds).ok()).map(Duration::from_secs)
}

fn known_types(task: &BackgroundTask) -> Vec<TaskType> {
    let mut known = Vec::new();
    for found in task.types.iter().filter_map(|declared| TaskType::from_name(declared.name.as_deref()?)) {
        if !known.contains(&found) {
            known.push(found);
        }
    }
    known
}

fn class_server(programs: &Programs<'_>, server: &ComServer) -> ClassServer {
    let written = server.executable.as_deref().unwrap_or_default();
    let (executables, cannot_run) = split(programs.some_files(written));
    ClassServer {
        ids: server.classes.iter().filter_map(|class| class_id(class)).collect(),
        application: programs.other_application(server.application_id.as_ref()),
        executables,
        arguments: server.arguments.as_deref().map(split_arguments).unwrap_or_default(),
        wall: wall(server.wall_seconds),
        cannot_run,
    }
}
