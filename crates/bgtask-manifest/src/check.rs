//! The rules of a manifest, the same for both forms.

use std::collections::HashMap;

use crate::appx::namespace;
use crate::diagnostic::{Diagnostic, Findings, quoted};
use crate::model::{AppService, BackgroundTask, Capability, ComServer, DeclaredType, Form, Manifest};
use crate::places::{Field, Places, Section};
use crate::program::{self, Refused};
use crate::suggest::did_you_mean;
use crate::task_type::TaskType;

/// Longest app id, in bytes: it also names files.
pub const MAX_APP_ID_BYTES: usize = 255;
/// Longest entry point, in bytes.
pub const MAX_ENTRY_POINT_BYTES: usize = 255;
/// Longest other value, in bytes: that of a path.
pub const MAX_VALUE_BYTES: usize = 4_096;
/// Most task types of one entry point (MA-4, Q-23).
pub const MAX_TYPES_PER_TASK: usize = 17;
/// Longest server name, in characters.
pub const MAX_SERVER_NAME_CHARS: usize = 255;
/// Longest id of a custom event, in bytes.
pub const MAX_EVENT_ID_BYTES: usize = 255;
/// Most applications, tasks, class-id servers, capabilities and events, each.
pub const MAX_LISTED: usize = 512;
/// Most files and folders of `[sandbox]`, those to read and those to write together.
pub const MAX_FOLDERS: usize = 64;
/// Most app services of one app.
pub const MAX_APP_SERVICES: usize = 64;
/// Longest name of an app service, in characters.
pub const MAX_APP_SERVICE_NAME_CHARS: usize = 255;
/// Most apps that one app service allows by name.
pub const MAX_ALLOWED_CALLERS: usize = 64;
/// Longest time a task may ask for, in seconds.
pub const MAX_WALL_SECONDS: i64 = 24 * 3_600;
/// Most numbers of a version.
pub const MAX_VERSION_PARTS: usize = 4;

/// Checks every rule that needs no more than the model.
pub(crate) fn check(manifest: &Manifest, places: &Places, findings: &mut Findings) {
    let mut checker = Checker { form: manifest.form, places, findings };
    checker.lengths(manifest);
    checker.package(manifest);
    for (index, application) in manifest.applications.iter().enumerate() {
        checker.executable(Section::Application, index, application.executable.as_deref());
    }
    for (index, task) in manifest.background_tasks.iter().enumerate() {
        checker.task(index, task);
        if manifest.program_of(task).is_none() && task.entry_point.is_some() {
            checker.no_program(index);
        }
    }
    checker.duplicate_entry_points(&manifest.background_tasks);
    for (index, server) in manifest.com_servers.iter().enumerate() {
        checker.server(index, server);
    }
    checker.app_services(manifest);
    for (index, capability) in manifest.capabilities.iter().enumerate() {
        checker.capability(index, capability);
    }
    for (index, event) in manifest.raises.iter().enumerate() {
        checker.event(index, event);
    }
    checker.folders(manifest);
}

struct Checker<'a> {
    form: Form,
    places: &'a Places,
    findings: &'a mut Findings,
}

impl Checker<'_> {
    fn report(&mut self, found: Diagnostic, section: Section, index: usize, field: Field) {
        self.findings.push(found.at(self.places.of(section, index, field)));
    }

    /// The words of the form the author writes.
    fn word(&self, toml: &'static str, appx: &'static str) -> &'static str {
        match self.form {
            Form::Toml => toml,
            Form::Appx => appx,
        }
    }

    fn folders(&mut self, manifest: &Manifest) {
        let folders: Vec<_> = manifest.sandbox.read.iter().chain(&manifest.sandbox.write).collect();
        if folders.len() > MAX_FOLDERS {
            let error = Diagnostic::error("manifest/too-many", format!("[sandbox] lists {} folders", folders.len()));
            self.report(
                error.help(format!("at most {MAX_FOLDERS} are allowed")),
                Section::Folder,
                MAX_FOLDERS,
                Field::Whole,
            );
        }
        for (index, folder) in folders.into_iter().enumerate() {
            self.length(Section::Folder, index, "folder", Some(folder), MAX_VALUE_BYTES);
            let is_placed = folder.starts_with('/') || folder == "~" || folder.starts_with("~/");
            if !is_placed || folder.split('/').any(|name| name == "..") || folder.contains('\0') {
                let error = Diagnostic::error("manifest/folder", format!("[sandbox] names {}", quoted(folder)));
                let help = "give a whole path, such as /srv/music, or one from the home folder on, such as ~/Music";
                self.report(error.help(help), Section::Folder, index, Field::Whole);
            }
        }
    }

    fn lengths(&mut self, manifest: &Manifest) {
        let counts = [
            (Section::Application, manifest.applications.len(), "applications"),
            (Section::Task, manifest.background_tasks.len(), "tasks"),
            (Section::Server, manifest.com_servers.len(), "class-id servers"),
            (Section::Capability, manifest.capabilities.len(), "capabilities"),
            (Section::Event, manifest.raises.len(), "events"),
        ];
        for (section, count, what) in counts {
            self.count(section, count, MAX_LISTED, what);
        }
        self.count(Section::AppService, manifest.app_services.len(), MAX_APP_SERVICES, "app services");
    }

    fn count(&mut self, section: Section, count: usize, most: usize, what: &str) {
        if count > most {
            let error = Diagnostic::error("manifest/too-many", format!("the manifest lists {count} {what}"));
            self.report(error.help(format!("at most {most} are allowed")), section, most, Field::Whole);
        }
    }

    fn package(&mut self, manifest: &Manifest) {
        let package = &manifest.package;
        let id = self.word("id", "Identity/@Name");
        match package.name.as_deref() {
            // A manifest without [app] has been told so by its reader.
            None if manifest.form == Form::Toml && manifest.applications.is_empty() => return,
            None => {
                let error =
                    Diagnostic::error("manifest/app-id", format!("the manifest has no {id}, so the app has no id"));
                self.report(error.help(APP_ID_HELP), Section::Package, 0, Field::Whole);
            }
            Some(name) => self.app_id(id, name),
        }
        self.version(package.version.as_deref());
        let texts = [("publisher", &package.publisher), ("display_name", &package.display_name)];
        for (field, value) in texts {
            self.length(Section::Package, 0, field, value.as_deref(), MAX_VALUE_BYTES);
        }
    }

    fn app_id(&mut self, id: &str, name: &str) {
        if !is_app_id(name) {
            let error = Diagnostic::error("manifest/app-id", format!("{id} {} is no app id", quoted(name)));
            self.report(error.help(APP_ID_HELP), Section::Package, 0, Field::Named("name"));
        } else if self.form == Form::Toml && !name.contains('.') {
            let message =
                format!("the app id {} is not in reverse-domain form, so another app may choose it too", quoted(name));
            let warning = Diagnostic::warning("manifest/app-id", message)
                .help("begin it with a domain you own: org.example.Photos");
            self.report(warning, Section::Package, 0, Field::Named("name"));
        }
    }

    fn version(&mut self, version: Option<&str>) {
        let name = self.word("version", "Identity/@Version");
        let message = match version {
            None => format!("the manifest has no {name}, so an update could not be told from a restart"),
            Some(version) if is_version(version) => return,
            Some(version) => format!("{name} {} is no version", quoted(version)),
        };
        let help = format!("write 1 to {MAX_VERSION_PARTS} numbers with dots, such as 1.0.0");
        self.report(
            Diagnostic::error("manifest/version", message).help(help),
            Section::Package,
            0,
            Field::Named("version"),
        );
    }

    fn task(&mut self, index: usize, task: &BackgroundTask) {
        self.entry_point(index, task);
        self.types(index, task);
        self.server_name(Section::Task, index, task.server_name.as_deref());
        let shared = task.server_name.is_some() || task.resource_group.is_some();
        self.sharing(Section::Task, index, task.supports_multiple_instances && shared);
        self.wall_seconds(Section::Task, index, task.wall_seconds);
        self.length(Section::Task, index, "resource_group", task.resource_group.as_deref(), MAX_VALUE_BYTES);
        self.executable(Section::Task, index, task.executable.as_deref());
        if self.form == Form::Appx && task.executable.is_some() && !runs_in_the_app(task) {
            let message = "Executable is set on a task whose types do not need it; Windows wants it left out";
            let help =
                "here it names the program that hosts the task, which is fine; leave it out to use the application's";
            self.report(Diagnostic::note("MA-3", message).help(help), Section::Task, index, Field::Named("executable"));
        }
    }

    fn no_program(&mut self, index: usize) {
        let message = "neither this task nor its application names an executable, so it cannot run";
        let help = self.word("add executable to [app]", "add Executable to Application");
        let warning = Diagnostic::warning("manifest/no-program", message).help(help);
        self.report(warning, Section::Task, index, Field::Named("entry_point"));
    }

    /// MA-2, MAN-6.
    fn entry_point(&mut self, index: usize, task: &BackgroundTask) {
        self.length(Section::Task, index, "entry_point", task.entry_point.as_deref(), MAX_ENTRY_POINT_BYTES);
        self.length(Section::Task, index, "start_page", task.start_page.as_deref(), MAX_ENTRY_POINT_BYTES);
        if task.entry_point.as_deref().is_some_and(|name| !name.is_empty()) {
            return;
        }
        if task.start_page.is_some() {
            let message = "this task is a JavaScript page, which cannot run here";
            let help = "write its body as a program and name it with EntryPoint; the rest of the manifest is used";
            self.report(
                Diagnostic::warning("MAN-6", message).help(help),
                Section::Task,
                index,
                Field::Named("start_page"),
            );
            return;
        }
        let name = self.word("entry_point", "EntryPoint or StartPage");
        let help = self.word(
            "add entry_point = \"Tasks.MyTask\", the name registrations use",
            "add EntryPoint=\"Tasks.MyTask\", the name registrations use",
        );
        let error = Diagnostic::error("MA-2", format!("this task has no {name}")).help(help);
        self.report(error, Section::Task, index, Field::Named("entry_point"));
    }

    /// MA-4, MAN-1.
    fn types(&mut self, index: usize, task: &BackgroundTask) {
        let count = task.types.len();
        if !(1..=MAX_TYPES_PER_TASK).contains(&count) {
            let message = format!("this task declares {count} task types, not 1 to {MAX_TYPES_PER_TASK}");
            let help = self.word(
                "list what triggers it: types = [\"systemEvent\"]",
                "add <Task Type=\"systemEvent\" /> to BackgroundTasks",
            );
            self.report(Diagnostic::error("MA-4", message).help(help), Section::Task, index, Field::Whole);
        }
        for (position, declared) in task.types.iter().enumerate() {
            if let Some(found) = self.declared_type(declared) {
                self.report(found, Section::Task, index, Field::Item(position));
            }
        }
    }

    fn declared_type(&self, declared: &DeclaredType) -> Option<Diagnostic> {
        let Some(name) = declared.name.as_deref() else {
            return Some(Diagnostic::error("MA-1", "this Task element has no Type").help("add Type=\"systemEvent\""));
        };
        let Some(known) = TaskType::from_name(name) else {
            let names = TaskType::ALL.map(TaskType::name);
            let help = did_you_mean(name, names).unwrap_or_else(|| format!("the types are {}", names.join(", ")));
            let message = format!("{} is no known task type, so it allows no trigger", quoted(name));
            return Some(Diagnostic::warning("MAN-1", message).help(help));
        };
        let (home, prefix) = known.home();
        let written = declared.namespace.as_deref()?;
        let windows_10 = [namespace::FOUNDATION, namespace::UAP, namespace::IOT];
        if namespace::in_family(written, home) || !windows_10.iter().any(|family| namespace::in_family(written, family))
        {
            return None;
        }
        let element = prefix.map_or_else(|| "Task".to_owned(), |prefix| format!("{prefix}:Task"));
        let message = format!("the task type {name} belongs to another namespace; Windows refuses it here");
        Some(Diagnostic::note("manifest/type-namespace", message).help(format!("write {element} with xmlns {home:?}")))
    }

    /// MA-5, Q-23.
    fn server_name(&mut self, section: Section, index: usize, named: Option<&str>) {
        let Some(name) = named.filter(|name| !is_server_name(name)) else { return };
        let error = Diagnostic::error("MA-5", format!("the server name {} is not allowed", quoted(name)));
        let help = format!("use 1 to {MAX_SERVER_NAME_CHARS} letters and digits, a letter first");
        self.report(error.help(help), section, index, Field::Named("server_name"));
    }

    /// HO-5.
    fn sharing(&mut self, section: Section, index: usize, both: bool) {
        if both {
            let message = "a process for every firing excludes a process that is shared";
            let help = self.word(
                "keep either supports_multiple_instances or server_name and resource_group",
                "keep either SupportsMultipleInstances or ServerName and ResourceGroup",
            );
            let error = Diagnostic::error("HO-5", message).help(help);
            self.report(error, section, index, Field::Named("supports_multiple_instances"));
        }
    }

    /// HO-6.
    fn app_services(&mut self, manifest: &Manifest) {
        let mut seen = HashMap::new();
        for (index, service) in manifest.app_services.iter().enumerate() {
            self.app_service(index, service);
            let twice = service.name.as_deref().is_some_and(|name| seen.insert(name, index).is_some());
            if twice {
                let error = Diagnostic::error("HO-6", "this app service is declared more than once");
                let help = "give each a name of its own";
                self.report(error.help(help), Section::AppService, index, Field::Named("name"));
            }
            if manifest.program_of_service(service).is_none() {
                let warning = Diagnostic::warning("manifest/no-program", "no program serves this app service");
                let help = self.word("add executable to [app]", "add Executable to Application");
                self.report(warning.help(help), Section::AppService, index, Field::Whole);
            }
        }
    }

    fn app_service(&mut self, index: usize, service: &AppService) {
        const SECTION: Section = Section::AppService;
        match service.name.as_deref() {
            Some(name) if is_service_name(name) => {}
            Some(name) => {
                let error = Diagnostic::error("HO-6", format!("{} is no name of an app service", quoted(name)));
                self.report(error.help(SERVICE_NAME_HELP), SECTION, index, Field::Named("name"));
            }
            None => {
                let name = self.word("name", "Name");
                let error = Diagnostic::error("HO-6", format!("this app service has no {name}"));
                self.report(error.help(SERVICE_NAME_HELP), SECTION, index, Field::Whole);
            }
        }
        if service.entry_point.as_deref() == Some("") {
            let error = Diagnostic::error("HO-6", "the entry point of this app service is empty");
            let help = "name one, or leave it out for the app itself to serve it";
            self.report(error.help(help), SECTION, index, Field::Named("entry_point"));
        }
        self.length(SECTION, index, "entry_point", service.entry_point.as_deref(), MAX_ENTRY_POINT_BYTES);
        self.executable(SECTION, index, service.executable.as_deref());
        self.server_name(SECTION, index, service.server_name.as_deref());
        self.sharing(SECTION, index, service.supports_multiple_instances && service.server_name.is_some());
        self.wall_seconds(SECTION, index, service.wall_seconds);
        self.count(SECTION, service.allow.len(), MAX_ALLOWED_CALLERS, "apps that one service allows");
        for (position, app) in service.allow.iter().enumerate().filter(|(_, app)| *app != "*" && !is_app_id(app)) {
            let error = Diagnostic::error("HO-6", format!("{} is no app that could be allowed", quoted(app)));
            let help = "name app ids, such as \"org.example.Mail\", or \"*\" for every program";
            self.report(error.help(help), SECTION, index, Field::Item(position));
        }
    }

    fn duplicate_entry_points(&mut self, tasks: &[BackgroundTask]) {
        let mut seen = HashMap::new();
        for (index, task) in tasks.iter().enumerate() {
            let Some(name) = task.entry_point.as_deref() else { continue };
            if seen.insert(name, index).is_some() {
                let message = format!("the entry point {} is declared more than once", quoted(name));
                let help = "list all its types in one place; here they are joined, and the first program is used";
                let warning = Diagnostic::warning("MA-4", message).help(help);
                self.report(warning, Section::Task, index, Field::Named("entry_point"));
            }
        }
    }

    /// BLD-11, HO-3.
    fn server(&mut self, index: usize, server: &ComServer) {
        if server.executable.is_none() {
            let name = self.word("executable", "Executable");
            let error = Diagnostic::error("BLD-11", format!("this class-id server has no {name}"));
            self.report(error.help("name the program that serves the class id"), Section::Server, index, Field::Whole);
        }
        self.executable(Section::Server, index, server.executable.as_deref());
        self.wall_seconds(Section::Server, index, server.wall_seconds);
        self.length(Section::Server, index, "arguments", server.arguments.as_deref(), MAX_VALUE_BYTES);
        if server.arguments.as_deref().is_some_and(|arguments| arguments.contains('\0')) {
            let error =
                Diagnostic::error("BLD-11", "the arguments contain a NUL character, which no program can be given");
            self.report(error.help("leave it out"), Section::Server, index, Field::Named("arguments"));
        }
        if server.classes.is_empty() {
            let name = self.word("id", "Class element with an Id");
            let error = Diagnostic::error("BLD-11", format!("this class-id server has no {name}"));
            self.report(error.help(CLASS_ID_HELP), Section::Server, index, Field::Whole);
        }
        for (position, class) in server.classes.iter().enumerate() {
            if class_id(class).is_none() {
                let error = Diagnostic::error("BLD-11", format!("{} is no class id", quoted(class)));
                self.report(error.help(CLASS_ID_HELP), Section::Server, index, Field::Item(position));
            }
        }
    }

    /// D10
    fn wall_seconds(&mut self, section: Section, index: usize, seconds: Option<i64>) {
        let Some(seconds) = seconds.filter(|seconds| !(1..=MAX_WALL_SECONDS).contains(seconds)) else { return };
        let error = Diagnostic::error("D10", format!("a task cannot run for {seconds} s"));
        let help = format!("write 1 to {MAX_WALL_SECONDS}, or leave it out for as long as tasks of its class may run");
        self.report(error.help(help), section, index, Field::Named("wall_seconds"));
    }

    fn capability(&mut self, index: usize, capability: &Capability) {
        self.length(Section::Capability, index, "name", capability.name.as_deref(), MAX_VALUE_BYTES);
        if capability.name.as_deref().is_none_or(str::is_empty) {
            let warning = Diagnostic::warning("MA-6", "this capability has no name, so it grants nothing");
            self.report(warning, Section::Capability, index, Field::Whole);
        }
    }

    /// SYS-6: the ids that registrations of a `CustomSystemEventTrigger` may name.
    fn event(&mut self, index: usize, event: &str) {
        let legal = (1..=MAX_EVENT_ID_BYTES).contains(&event.len()) && !event.contains(char::is_control);
        if !legal {
            let error = Diagnostic::error("manifest/raises", format!("{} is no id of a custom event", quoted(event)));
            let help = format!("an event id is 1 to {MAX_EVENT_ID_BYTES} bytes without control characters");
            self.report(error.help(help), Section::Event, index, Field::Whole);
        }
    }

    fn executable(&mut self, section: Section, index: usize, executable: Option<&str>) {
        self.length(section, index, "executable", executable, MAX_VALUE_BYTES);
        let found = match executable.and_then(|written| program::refused(self.form, written)) {
            None => return,
            Some(Refused::Never(why)) => Diagnostic::error("manifest/executable", why),
            Some(Refused::Token { message, help }) => Diagnostic::warning("manifest/token", message).help(help),
        };
        self.report(found, section, index, Field::Named("executable"));
    }

    fn length(&mut self, section: Section, index: usize, field: &'static str, value: Option<&str>, max: usize) {
        if value.is_some_and(|value| value.len() > max) {
            let error = Diagnostic::error("manifest/too-long", format!("this value is longer than {max} bytes"));
            self.report(error.help("shorten it"), section, index, Field::Named(field));
        }
    }
}

const APP_ID_HELP: &str =
    "an app id is 1 to 255 letters, digits, '.', '_' and '-', with no '.' at either end, such as org.example.Photos";
const CLASS_ID_HELP: &str = "write a UUID, such as 87654321-1234-1234-1234-1234567890ae";

const SERVICE_NAME_HELP: &str =
    "name it as \"org.example.photos.resize\": 1 to 255 letters, digits, '.', '_' and '-', with no '.' at either end";

/// The tasks that run inside their app on Windows, and therefore name its program (MA-3).
fn runs_in_the_app(task: &BackgroundTask) -> bool {
    let inside = [TaskType::ControlChannel, TaskType::PushNotification].map(TaskType::name);
    task.types.iter().filter_map(|declared| declared.name.as_deref()).any(|name| inside.contains(&name))
}

fn is_app_id(name: &str) -> bool {
    let legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    (1..=MAX_APP_ID_BYTES).contains(&name.len())
        && name.chars().all(legal)
        && !name.starts_with('.')
        && !name.ends_with('.')
}

fn is_version(version: &str) -> bool {
    version.split('.').count() <= MAX_VERSION_PARTS
        && version.split('.').all(|part| part.parse::<u32>().is_ok_and(|_| !part.starts_with('+')))
}

/// Callers write it, and it is shown to people: as an app id is.
fn is_service_name(name: &str) -> bool {
    name.len() <= MAX_APP_SERVICE_NAME_CHARS && is_app_id(name)
}

fn is_server_name(name: &str) -> bool {
    name.len() <= MAX_SERVER_NAME_CHARS
        && name.starts_with(|first: char| first.is_ascii_alphabetic())
        && name.chars().all(|c| c.is_ascii_alphanumeric())
}

/// A class id in lower case and without braces, or `None` if it is not a UUID.
pub(crate) fn class_id(written: &str) -> Option<String> {
    let bare = written.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')).unwrap_or(written);
    let groups: Vec<&str> = bare.splitn(6, '-').collect();
    let lengths_fit = groups.iter().map(|group| group.len()).eq([8, 4, 4, 4, 12]);
    let digits_fit = groups.iter().all(|group| group.bytes().all(|byte| byte.is_ascii_hexdigit()));
    (lengths_fit && digits_fit).then(|| bare.to_ascii_lowercase())
}
