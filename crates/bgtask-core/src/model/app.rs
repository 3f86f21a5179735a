use std::sync::Arc;
use std::time::Duration;

use super::registration::Entry;
use crate::ids::{AppId, ClassId};

/// An installed app as its manifest declares it, reduced to what decisions need.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct App {
    /// Who it is.
    pub id: AppId,
    /// Its version, as written.
    pub version: Arc<str>,
    /// The component entry points that may be registered.
    pub entry_points: Vec<EntryPoint>,
    /// The classes its programs serve.
    pub classes: Vec<Class>,
    /// The app's own program: what runs tasks without an entry point. `None` where the manifest names none.
    pub itself: Option<Server>,
    /// The ids of its applications, besides the first, which is the empty text here.
    pub applications: Vec<Arc<str>>,
    /// The custom events it may raise.
    pub raises: Vec<Arc<str>>,
    /// What it does for other apps.
    pub services: Vec<AppService>,
    /// How commands run: only in [`App::commands`].
    pub commands: Option<Server>,
}

impl App {
    /// The id under which the user's own commands are registered.
    pub const COMMANDS: &str = "org.bgtask.Commands";

    /// The id under which background transfers are carried (NW-7): each is a command that the broker itself gives.
    pub const TRANSFERS: &str = "org.bgtask.Transfers";

    /// The apps that every broker has, without a manifest.
    pub const BUILT_IN: [&str; 2] = [Self::COMMANDS, Self::TRANSFERS];

    /// How many transfers are carried at the same time: they may take days, and others want to run, too.
    pub const MAX_TRANSFERS_AT_ONCE: usize = 4;

    /// The app that every broker has: the user's own commands. It need not ask for access.
    pub fn of_commands() -> Self {
        Self::built_in(Self::COMMANDS)
    }

    /// The app that carries background transfers, which every broker has, too.
    pub fn of_transfers() -> Self {
        Self::built_in(Self::TRANSFERS)
    }

    /// How many of its tasks may run at the same time, where that is less than the machine may.
    pub(crate) fn slots(&self) -> usize {
        if self.id.as_str() == Self::TRANSFERS { Self::MAX_TRANSFERS_AT_ONCE } else { usize::MAX }
    }

    fn built_in(id: &str) -> Self {
        Self {
            id: AppId::new(id).expect("it is an app id"),
            version: "1".into(),
            entry_points: Vec::new(),
            classes: Vec::new(),
            itself: None,
            applications: Vec::new(),
            raises: Vec::new(),
            services: Vec::new(),
            commands: Some(Server {
                program: "command".into(),
                application: "".into(),
                sharing: Sharing::InTurn,
                budget: None,
            }),
        }
    }

    /// The declared entry point of that name; names are case-sensitive.
    pub fn entry_point(&self, name: &str) -> Option<&EntryPoint> {
        self.entry_points.iter().find(|entry| entry.name == name)
    }

    /// The program that runs such a task.
    pub fn server(&self, entry: &Entry) -> Option<&Server> {
        match entry {
            Entry::Component(name) => self.entry_point(name).map(|entry| &entry.server),
            Entry::Class(wanted) => self.classes.iter().find(|class| class.id == *wanted).map(|class| &class.server),
            Entry::InProcess => self.itself.as_ref(),
            Entry::Command(_) => self.commands.as_ref(),
        }
    }
}

/// One declared entry point.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EntryPoint {
    /// The name given at registration, such as `Tasks.ExampleBackgroundTask`.
    pub name: String,
    /// The program that hosts it.
    pub server: Server,
    /// The task types it may be registered with (MA-1).
    pub types: Vec<TaskType>,
}

/// One declared app service (HO-6).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AppService {
    /// The name by which callers ask for it.
    pub name: Arc<str>,
    /// Who serves a connection.
    pub entry: Entry,
    /// The apps that may connect besides the app itself; `None` is every program of the user.
    pub allow: Option<Vec<AppId>>,
}

impl AppService {
    /// Whether that caller may connect to the service of this app; a caller without an app is a program of the user.
    pub(crate) fn allows(&self, app: &AppId, caller: Option<&AppId>) -> bool {
        let named = |allowed: &Vec<AppId>| caller.is_some_and(|caller| caller == app || allowed.contains(caller));
        self.allow.as_ref().is_none_or(named)
    }
}

/// One declared class.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Class {
    /// Its id.
    pub id: ClassId,
    /// The program that serves it.
    pub server: Server,
}

/// A program that runs tasks, and how they share its processes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Server {
    /// What is started: opaque here; processes are shared by it.
    pub program: Arc<str>,
    /// Which application of the manifest declares it; empty is the first.
    pub application: Arc<str>,
    /// How its instances share processes.
    pub sharing: Sharing,
    /// The most time it asks for, where that is less than it would get (D10).
    pub budget: Option<Duration>,
}

/// How the instances of a program share processes (HO-5).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Sharing {
    /// One instance at a time in a process, which may linger for the next.
    InTurn,
    /// All instances with the same key run side by side in one process (`ResourceGroup`, `ServerName`, the app itself).
    Together(Arc<str>),
    /// Every firing has an instance and a process of its own, side by side (`SupportsMultipleInstances`, LC-8).
    Apart,
}

/// A manifest's task type, as far as triggers exist for it (§13.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TaskType {
    /// `general`
    General,
    /// `systemEvent`
    SystemEvent,
    /// `timer`
    Timer,
    /// `mediaProcessing`
    MediaProcessing,
    /// `pushNotification`
    PushNotification,
    /// `location`
    Location,
    /// `bluetooth`
    Bluetooth,
    /// `deviceUse`
    DeviceUse,
    /// `deviceServicing`
    DeviceServicing,
    /// `deviceConnectionChange`
    DeviceConnectionChange,
    /// `phoneCall`
    PhoneCall,
    /// `chatMessageNotification`
    ChatMessageNotification,
    /// `controlChannel`
    ControlChannel,
    /// Any other declared type: no trigger of this build needs it.
    Other,
}

impl TaskType {
    const ALL: [Self; 13] = [
        Self::General,
        Self::SystemEvent,
        Self::Timer,
        Self::MediaProcessing,
        Self::PushNotification,
        Self::Location,
        Self::Bluetooth,
        Self::DeviceUse,
        Self::DeviceServicing,
        Self::DeviceConnectionChange,
        Self::PhoneCall,
        Self::ChatMessageNotification,
        Self::ControlChannel,
    ];

    /// The word of the manifest.
    pub const fn name(self) -> &'static str {
        match self {
            Self::General => "general",
            Self::SystemEvent => "systemEvent",
            Self::Timer => "timer",
            Self::MediaProcessing => "mediaProcessing",
            Self::PushNotification => "pushNotification",
            Self::Location => "location",
            Self::Bluetooth => "bluetooth",
            Self::DeviceUse => "deviceUse",
            Self::DeviceServicing => "deviceServicing",
            Self::DeviceConnectionChange => "deviceConnectionChange",
            Self::PhoneCall => "phoneCall",
            Self::ChatMessageNotification => "chatMessageNotification",
            Self::ControlChannel => "controlChannel",
            Self::Other => "other",
        }
    }

    /// The type of that word; unknown words are [`TaskType::Other`].
    pub fn from_name(name: &str) -> Self {
        Self::ALL.into_iter().find(|kind| kind.name() == name).unwrap_or(Self::Other)
    }
}
