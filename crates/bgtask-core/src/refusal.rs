use std::fmt;

use crate::ids::{AppId, ClassId, TaskId};
use crate::limits::{
    MAX_APP_SERVICE_CONNECTIONS, MAX_APPS, MAX_ARGUMENTS, MAX_CALENDAR_BYTES, MAX_COMMAND_BYTES, MAX_CONDITIONS,
    MAX_CONSENTS, MAX_DETAILS_BYTES, MAX_ENTRY_POINT_BYTES, MAX_EVENT_ID_BYTES, MAX_GROUP_BYTES, MAX_NAME_BYTES,
    MAX_PATH_BYTES, MAX_PROPERTIES, MAX_PUSH_CHANNELS, MAX_REGISTRATIONS, MAX_REGISTRATIONS_PER_APP,
    MAX_SOCKET_CONTEXT_BYTES, MAX_SOCKET_ID_BYTES, MAX_SOCKETS, MAX_SOCKETS_PER_APP, MAX_SOURCES,
};
use crate::model::app::TaskType;

/// The answer to a request that was not granted: what was asked, what is wrong, what to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// No manifest of that app is installed.
    UnknownApp(AppId),
    /// The caller's app has no such registration.
    UnknownTask(TaskId),
    /// The app's manifest has no such application (ACC-15).
    UnknownApplication(AppId, String),
    /// The manifest does not declare the class (BLD-11).
    ClassNotDeclared {
        /// The app.
        app: AppId,
        /// What was asked for.
        class: ClassId,
    },
    /// The manifest names no program for the app itself, so that nothing could run a task without an entry point.
    NoProgram(AppId),
    /// The manifest does not let the app raise the event.
    MayNotRaise {
        /// The app.
        app: AppId,
        /// The event.
        event: String,
    },
    /// The trigger is for the user's own commands only.
    OnlyForCommands(String),
    /// The user has a command of that name.
    NameTaken(String),
    /// The activation is not running (any more), or is none of a command.
    NotRunning(crate::ids::InstanceId),
    /// Only a command can be asked for that.
    NotACommand(TaskId),
    /// The broker is about to end.
    Stopping,
    /// A property is empty, too long or does not fit the others.
    InvalidArgument(String),
    /// The manifest does not declare the entry point (MA-1).
    EntryPointNotDeclared {
        /// The app.
        app: AppId,
        /// What was asked for.
        entry_point: String,
        /// Task types that would do.
        wanted: Vec<TaskType>,
        /// What is declared.
        declared: Vec<String>,
    },
    /// The manifest declares the entry point, but not for this kind of trigger (MA-1).
    TaskTypeNotDeclared {
        /// The app.
        app: AppId,
        /// The entry point.
        entry_point: String,
        /// Task types that would do.
        wanted: Vec<TaskType>,
    },
    /// This machine or this build cannot serve it (D16).
    NotSupported {
        /// What was asked for.
        what: String,
        /// Why it cannot be served.
        why: String,
        /// What would bring it.
        help: String,
    },
    /// A bound was reached.
    LimitReached(Limit),
    /// The app has handed over a socket of that id (SOC-10).
    SocketIdTaken(String),
    /// The broker has no socket of that id for the app.
    UnknownSocket(String),
    /// The task of the socket runs with it.
    SocketInUse(String),
}

/// A bound a request can reach.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Limit {
    /// [`MAX_REGISTRATIONS_PER_APP`]
    RegistrationsPerApp,
    /// [`MAX_REGISTRATIONS`]
    Registrations,
    /// [`MAX_APPS`]
    Apps,
    /// [`MAX_NAME_BYTES`]
    NameBytes,
    /// [`MAX_ENTRY_POINT_BYTES`]
    EntryPointBytes,
    /// [`MAX_CONDITIONS`]
    Conditions,
    /// [`MAX_GROUP_BYTES`]
    GroupBytes,
    /// [`MAX_EVENT_ID_BYTES`]
    EventIdBytes,
    /// [`MAX_DETAILS_BYTES`]
    DetailsBytes,
    /// One `ApplicationTrigger` for each app (TR-1).
    ApplicationTriggers,
    /// One `MediaProcessingTrigger` for each app (TR-1).
    MediaProcessingTriggers,
    /// One `DeviceUseTrigger` for each app (TR-1).
    DeviceUseTriggers,
    /// [`MAX_PROPERTIES`]
    Properties,
    /// The name or the value of a property.
    PropertyBytes,
    /// [`MAX_APP_SERVICE_CONNECTIONS`]
    AppServiceConnections,
    /// [`MAX_CONSENTS`]
    Consents,
    /// [`MAX_ARGUMENTS`]
    Arguments,
    /// [`MAX_COMMAND_BYTES`]
    CommandBytes,
    /// [`MAX_PATH_BYTES`]
    PathBytes,
    /// [`MAX_CALENDAR_BYTES`]
    CalendarBytes,
    /// [`MAX_SOURCES`]
    Sources,
    /// [`MAX_SOCKET_ID_BYTES`]
    SocketIdBytes,
    /// [`MAX_SOCKET_CONTEXT_BYTES`]
    SocketContextBytes,
    /// [`MAX_SOCKETS_PER_APP`]
    SocketsPerApp,
    /// [`MAX_SOCKETS`]
    Sockets,
    /// [`MAX_PUSH_CHANNELS`]
    PushChannels,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnknownApp(app) => write!(
                f,
                "no manifest of the app {app} is installed: put {app}.toml or a Package.appxmanifest into the broker's apps folder"
            ),
            Self::UnknownTask(task) => {
                write!(f, "there is no task {task} of this app: it may have been unregistered, see `bgtask list`")
            }
            Self::UnknownApplication(app, application) => {
                write!(f, "the manifest of {app} has no application {application:?}: name one of its own, or none")
            }
            Self::ClassNotDeclared { app, class } => write!(
                f,
                "the manifest of {app} declares no program for the class {class}: add [[class]] with \
                 id = \"{class}\" and executable = \"the program\""
            ),
            Self::NoProgram(app) => write!(
                f,
                "the manifest of {app} names no executable for the app itself: add one, or register the task with an entry point"
            ),
            Self::MayNotRaise { app, event } => {
                write!(f, "the manifest of {app} does not let it raise the event {event:?}: add raises = [{event:?}]")
            }
            Self::OnlyForCommands(class) => write!(
                f,
                "a {class} is for the user's own commands: an app takes a SystemTrigger, a TimeTrigger or a MaintenanceTrigger"
            ),
            Self::NameTaken(name) => {
                write!(f, "there is a command {name:?} already: choose another name, replace it, or remove it first")
            }
            Self::NotRunning(instance) => {
                write!(f, "no command runs as {instance}: it has ended, or was told to another broker")
            }
            Self::NotACommand(task) => {
                write!(
                    f,
                    "the task {task} belongs to an app: only the user's own commands are run by hand, paused or cancelled"
                )
            }
            Self::Stopping => f.write_str("the broker is about to end: try again when it is back"),
            Self::InvalidArgument(what) => f.write_str(what),
            Self::EntryPointNotDeclared { app, entry_point, declared, .. } => {
                write!(f, "the manifest of {app} does not declare the entry point {entry_point:?}; ")?;
                match declared.as_slice() {
                    [] => f.write_str("it declares none"),
                    names => write!(f, "it declares {}", names.join(", ")),
                }
            }
            Self::TaskTypeNotDeclared { app, entry_point, wanted } => write!(
                f,
                "the manifest of {app} declares the entry point {entry_point:?}, but not with the task type {}",
                wanted.iter().map(|kind| kind.name()).collect::<Vec<_>>().join(" or ")
            ),
            Self::NotSupported { what, why, help } => {
                write!(f, "{what} is not supported here: {why}; {help}")
            }
            Self::LimitReached(limit) => write!(f, "{limit}"),
            Self::SocketIdTaken(id) => write!(
                f,
                "the app has handed over a socket {id:?} already: choose another id, or take that one back from all_sockets() first"
            ),
            Self::UnknownSocket(id) => write!(
                f,
                "the broker has no socket {id:?} of this app: it was taken back, or its task has it; all_sockets() lists those there are"
            ),
            Self::SocketInUse(id) => {
                write!(
                    f,
                    "the task of the socket {id:?} runs with it now: ask again when that has ended, or take it there"
                )
            }
        }
    }
}

impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::RegistrationsPerApp => write!(
                f,
                "the app has {MAX_REGISTRATIONS_PER_APP} registrations, the most one app may have: \
                 look through all_tasks() before registering, and unregister what is not needed"
            ),
            Self::Registrations => write!(f, "the broker holds {MAX_REGISTRATIONS} registrations, the most it holds"),
            Self::Apps => write!(f, "the broker knows {MAX_APPS} apps, the most it knows"),
            Self::NameBytes => write!(f, "the name is longer than {MAX_NAME_BYTES} bytes"),
            Self::EntryPointBytes => write!(f, "the entry point is longer than {MAX_ENTRY_POINT_BYTES} bytes"),
            Self::Conditions => write!(f, "more than {MAX_CONDITIONS} conditions"),
            Self::GroupBytes => write!(f, "the group's id or name is longer than {MAX_GROUP_BYTES} bytes"),
            Self::EventIdBytes => write!(f, "the event's id is longer than {MAX_EVENT_ID_BYTES} bytes"),
            Self::DetailsBytes => write!(f, "the arguments are longer than {MAX_DETAILS_BYTES} bytes"),
            Self::ApplicationTriggers => f.write_str(
                "the app has a task with an ApplicationTrigger already, and may have one: unregister that first",
            ),
            Self::MediaProcessingTriggers => f.write_str(
                "the app has a task with a MediaProcessingTrigger already, and may have one: unregister that first",
            ),
            Self::DeviceUseTriggers => f.write_str(
                "the app has a task with a DeviceUseTrigger already, and may have one: unregister that first",
            ),
            Self::Properties => write!(f, "the trigger has more than {MAX_PROPERTIES} properties: name fewer"),
            Self::PropertyBytes => write!(
                f,
                "a property of the trigger is too long: names have at most {MAX_EVENT_ID_BYTES} bytes, values {MAX_PATH_BYTES}"
            ),
            Self::Arguments => write!(f, "the command has more than {MAX_ARGUMENTS} arguments: put them into a script"),
            Self::CommandBytes => write!(
                f,
                "the command and its environment are longer than {MAX_COMMAND_BYTES} bytes: put them into a script"
            ),
            Self::PathBytes => write!(f, "the path is longer than {MAX_PATH_BYTES} bytes"),
            Self::CalendarBytes => {
                write!(f, "the calendar expression or its zone is longer than {MAX_CALENDAR_BYTES} bytes")
            }
            Self::Sources => write!(
                f,
                "conditions stand on {MAX_SOURCES} different levels already: use values that other tasks use too, such as battery-above:50"
            ),
            Self::SocketIdBytes => write!(f, "the socket's id is longer than {MAX_SOCKET_ID_BYTES} bytes"),
            Self::SocketContextBytes => write!(
                f,
                "the socket's context is longer than {MAX_SOCKET_CONTEXT_BYTES} bytes: keep it in the app's data folder, and its name here"
            ),
            Self::SocketsPerApp => write!(
                f,
                "the app has handed over {MAX_SOCKETS_PER_APP} sockets, the most one app may: take some back from all_sockets()"
            ),
            Self::Sockets => write!(f, "the broker keeps {MAX_SOCKETS} sockets, the most it keeps"),
            Self::AppServiceConnections => write!(
                f,
                "the app serves {MAX_APP_SERVICE_CONNECTIONS} connections already, the most it may: close one that is done"
            ),
            Self::PushChannels => {
                write!(f, "{MAX_PUSH_CHANNELS} apps have a channel for push messages, the most there may be: close one")
            }
            Self::Consents => {
                write!(f, "{MAX_CONSENTS} questions wait for the user already: ask again when one is answered")
            }
        }
    }
}
