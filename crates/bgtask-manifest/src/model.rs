//! The one model of both manifest forms.

/// The category of every background-task extension (MA-1).
pub const BACKGROUND_TASKS: &str = "windows.backgroundTasks";

/// The category of every app-service extension (HO-6).
pub const APP_SERVICE: &str = "windows.appService";

/// Which of the two manifest forms a text has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Form {
    /// `bgtask.toml`, the native form.
    Toml,
    /// `Package.appxmanifest`, the Windows form.
    Appx,
}

/// A manifest as written: document order, nothing trimmed, nothing resolved, `None` for what is absent.
///
/// Reading it is [`parse`](crate::parse); what it means on this system is [`declare`](crate::declare).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Manifest {
    /// The form it was read from.
    pub form: Form,
    /// Who the app is.
    pub package: Package,
    /// The programs of the app. `bgtask.toml` has exactly one, with the app id as its id.
    pub applications: Vec<Application>,
    /// The declared out-of-process tasks (MA-1). Extensions of other categories are not tasks.
    pub background_tasks: Vec<BackgroundTask>,
    /// The programs that serve class ids (BLD-11, HO-3).
    pub com_servers: Vec<ComServer>,
    /// What the app does for other apps (HO-6).
    pub app_services: Vec<AppService>,
    /// What the app may use (MA-6).
    pub capabilities: Vec<Capability>,
    /// The custom events the app may raise; always empty in `Package.appxmanifest`, which has no word for it.
    pub raises: Vec<String>,
    /// What its tasks may touch besides; always the default in `Package.appxmanifest`, which has capabilities for it.
    pub sandbox: Sandbox,
}

impl Manifest {
    /// The program that hosts a task, as written: its own, else that of its application.
    ///
    /// A task under `Package/Extensions` takes the first application that names one.
    pub fn program_of<'a>(&'a self, task: &'a BackgroundTask) -> Option<&'a str> {
        self.named_or_of(task.executable.as_deref(), task.application_id.as_deref())
    }

    /// The same of an app service.
    pub fn program_of_service<'a>(&'a self, service: &'a AppService) -> Option<&'a str> {
        self.named_or_of(service.executable.as_deref(), service.application_id.as_deref())
    }

    fn named_or_of<'a>(&'a self, named: Option<&'a str>, application: Option<&str>) -> Option<&'a str> {
        named.or_else(|| self.program_of_application(application))
    }

    /// The program of the application with this id, or of the first one that names any.
    pub(crate) fn program_of_application(&self, id: Option<&str>) -> Option<&str> {
        let mut applications = self.applications.iter();
        match id {
            Some(_) => applications.find(|one| one.id.as_deref() == id)?.executable.as_deref(),
            None => applications.find_map(|one| one.executable.as_deref()),
        }
    }
}

/// `[sandbox]`: files that no capability names. `docs/confinement.md` tells the whole of it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sandbox {
    /// Files and folders the tasks may read, as written: absolute, or from the home folder on (`~/Photos`).
    pub read: Vec<String>,
    /// Files and folders they may write, too.
    pub write: Vec<String>,
    /// Whether they run without walls, as far as the machine's owner lets them.
    pub none: bool,
}

/// `[app]`, or `Package/Identity` with `Package/Properties`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Package {
    /// `id`, or `Identity/@Name`: the app id.
    pub name: Option<String>,
    /// `publisher`, or `Identity/@Publisher`.
    pub publisher: Option<String>,
    /// `version`, or `Identity/@Version`: one to four numbers with dots.
    pub version: Option<String>,
    /// `display_name`, or the text of `Properties/DisplayName`.
    pub display_name: Option<String>,
}

/// One program of the app: `[app]`, or an `Application` element.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Application {
    /// The app id, or `@Id`.
    pub id: Option<String>,
    /// The program.
    pub executable: Option<String>,
    /// `@EntryPoint`: the class Windows activates. Without meaning here.
    pub entry_point: Option<String>,
    /// `@StartPage`: the page of a web app. Without meaning here.
    pub start_page: Option<String>,
}

/// One declared task: `[[task]]`, or an `Extension` of category [`BACKGROUND_TASKS`].
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct BackgroundTask {
    /// The [`Application::id`] it stands under; `None` under `Package/Extensions`.
    pub application_id: Option<String>,
    /// Always [`BACKGROUND_TASKS`].
    pub category: String,
    /// The name a registration must use (MA-2, BLD-7).
    pub entry_point: Option<String>,
    /// The program that hosts it, where not that of its application (MA-3).
    pub executable: Option<String>,
    /// The script of a JavaScript task (MA-2, MAN-6).
    pub start_page: Option<String>,
    /// The named server all tasks of this name share (MA-5).
    pub server_name: Option<String>,
    /// Tasks of one group may share a process (HO-5).
    pub resource_group: Option<String>,
    /// Whether every firing gets a process of its own (HO-5).
    pub supports_multiple_instances: bool,
    /// The most seconds it asks for, where that is less than it would get (D10); `None` in `Package.appxmanifest`.
    pub wall_seconds: Option<i64>,
    /// The task types: 1 to [`MAX_TYPES_PER_TASK`](crate::MAX_TYPES_PER_TASK) (MA-4).
    pub types: Vec<DeclaredType>,
}

/// One entry of `types`, or a `Task` element.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DeclaredType {
    /// The type as written, known or not; see [`TaskType`](crate::TaskType).
    pub name: Option<String>,
    /// The namespace URI of the `Task` element; `None` in `bgtask.toml`.
    pub namespace: Option<String>,
}

/// One program that serves class ids: `[[class]]`, or a `com:ExeServer`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ComServer {
    /// The [`Application::id`] it stands under; `None` under `Package/Extensions`.
    pub application_id: Option<String>,
    /// The program.
    pub executable: Option<String>,
    /// Its arguments as one string; see [`declare`](crate::declare) for how it is split.
    pub arguments: Option<String>,
    /// As [`BackgroundTask::wall_seconds`].
    pub wall_seconds: Option<i64>,
    /// The class ids as written.
    pub classes: Vec<String>,
}

/// One app service: `[[app_service]]`, or a `uap:AppService` (HO-6).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AppService {
    /// The [`Application::id`] it stands under; `None` under `Package/Extensions`.
    pub application_id: Option<String>,
    /// The name by which callers ask for it.
    pub name: Option<String>,
    /// The entry point that serves a connection; the app itself where there is none.
    pub entry_point: Option<String>,
    /// The program that hosts it, where not that of its application.
    pub executable: Option<String>,
    /// The named server it shares with tasks (MA-5).
    pub server_name: Option<String>,
    /// Whether every connection gets a process of its own (HO-5).
    pub supports_multiple_instances: bool,
    /// As [`BackgroundTask::wall_seconds`].
    pub wall_seconds: Option<i64>,
    /// The apps that may connect, besides the app itself; `*` is every program of the user. What a `Package.appxmanifest`
    /// offers is for all, as on Windows.
    pub allow: Vec<String>,
}

/// One entry of `capabilities`, or any child of `Package/Capabilities`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Capability {
    /// The element's local name, such as `Capability` or `DeviceCapability`; always `Capability` in `bgtask.toml`.
    pub element: String,
    /// The capability as written.
    pub name: Option<String>,
}
