use std::collections::HashMap;
use std::os::fd::OwnedFd;

use zbus::{Message, OwnedVariant, Type};

use crate::error::{Error, ErrorKind};
use crate::transfer::TransferOrder;
use crate::types::{AttachOptions, HistoryQuery, NotificationInfo, RegisterOptions, TransferOptions, TriggerInfo};
use crate::{BROKER_INTERFACE, BROKER_PATH};

/// A call of the broker's interface, read from a message. An empty app id means "my own" or, for the user, "all".
#[derive(Debug)]
pub enum Call {
    /// `Attach(sa{sv})`
    Attach(String, AttachOptions),
    /// `Watch(s)`
    Watch(String),
    /// `Register(sss(sa{sv})asa{sv})`
    Register(Box<Registering>),
    /// `RegisterOrUpdate(sss(sa{sv})asa{sv})`
    RegisterOrUpdate(Box<Registering>),
    /// `Unregister(sb)`
    Unregister(String, bool),
    /// `ListTasks(s)`
    ListTasks(String),
    /// `GetTask(s)`
    GetTask(String),
    /// `Why(s)`
    Why(String),
    /// `History(a{sv})`
    History(HistoryQuery),
    /// `RequestAccess(ss)`
    RequestAccess(String, String),
    /// `RequestAccessKind(ssubs)`
    RequestAccessKind {
        /// The app.
        app: String,
        /// Which of its applications.
        application: String,
        /// The `BackgroundAccessRequestKind` by number.
        kind: u32,
        /// Whether for modern standby.
        standby: bool,
        /// The app's words to the user.
        reason: String,
    },
    /// `GetAccessStatus(ssb)`
    GetAccessStatus {
        /// The app.
        app: String,
        /// Which of its applications.
        application: String,
        /// Whether for modern standby.
        standby: bool,
    },
    /// `GetEnergyUsage(s)`
    GetEnergyUsage(String),
    /// `GetBudget(s)`
    GetBudget(String),
    /// `GetWorkCost()`
    GetWorkCost,
    /// `RemoveAccess(ss)`
    RemoveAccess(String, String),
    /// `SetAccess(ss)`
    SetAccess(String, String),
    /// `SetBackground(b)`
    SetBackground(bool),
    /// `Terminate(s)`
    Terminate(String),
    /// `RequestTrigger(ssa{sv})`
    RequestTrigger {
        /// The app.
        app: String,
        /// `ApplicationTrigger`, `MediaProcessingTrigger` or `DeviceUseTrigger`.
        class: String,
        /// What the trigger carries.
        details: HashMap<String, OwnedVariant>,
    },
    /// `Raise(s)`
    Raise(String),
    /// `Acknowledge(st)`
    Acknowledge(String, u64),
    /// `ListSources()`
    ListSources,
    /// `ListApps()`
    ListApps,
    /// `AddTask(ssb)`
    AddTask {
        /// The name; empty is the one in the definition.
        name: String,
        /// A task file.
        definition: String,
        /// Whether it may take the place of another of its name.
        replace: bool,
    },
    /// `RunNow(sb)`
    RunNow {
        /// Which command.
        task: String,
        /// Whether its conditions count nevertheless.
        respect_conditions: bool,
    },
    /// `SetPaused(sb)`
    SetPaused(String, bool),
    /// `Cancel(s)`
    Cancel(String),
    /// `ReportProgress(sus)`
    ReportProgress {
        /// Which activation.
        instance: String,
        /// The value.
        value: u32,
        /// What the task says with it.
        message: String,
    },
    /// `ListTaskFiles()`
    ListTaskFiles,
    /// `ShowNotification(sa{sv})`
    ShowNotification(String, Box<NotificationInfo>),
    /// `RemoveNotification(ss)`
    RemoveNotification {
        /// The app.
        app: String,
        /// Which of its notifications.
        tag: String,
    },
    /// `OpenAppService(sss)`
    OpenAppService {
        /// The caller's app.
        app: String,
        /// The app that is asked.
        provider: String,
        /// Which of its services.
        service: String,
    },
    /// `CreateTransfer(sa{sv})`
    CreateTransfer(String, Box<TransferOrder>),
    /// `ControlTransfer(ss)`
    ControlTransfer {
        /// Which.
        transfer: String,
        /// `pause`, `resume`, `cancel` or `forget`.
        what: String,
    },
    /// `ListTransfers(s)`
    ListTransfers(String),
    /// `EnableTransferGroup(ss)`
    EnableTransferGroup {
        /// The app.
        app: String,
        /// Which of its groups.
        group: String,
    },
    /// `CreatePushChannel(s)`
    CreatePushChannel(String),
    /// `ClosePushChannel(s)`
    ClosePushChannel(String),
    /// `ListPushChannels(s)`
    ListPushChannels(String),
    /// A call every D-Bus object answers.
    Standard(Standard),
    /// `TransferSocket(sssha{sv})`
    TransferSocket(Box<HandingOver>),
    /// `ListSockets(s)`
    ListSockets(String),
    /// `ReclaimSocket(ss)`
    ReclaimSocket {
        /// The app.
        app: String,
        /// Its name for the socket.
        id: String,
    },
    /// `EnableControlChannel(sshuu)`
    EnableControlChannel(Box<EnablingChannel>),
    /// `CloseControlChannel(ss)`
    CloseControlChannel {
        /// The app.
        app: String,
        /// Its name for the channel.
        id: String,
    },
    /// `ListControlChannels(s)`
    ListControlChannels(String),
}

/// The arguments of `EnableControlChannel`.
#[derive(Debug)]
pub struct EnablingChannel {
    /// The app.
    pub app: String,
    /// The app's name for the channel.
    pub id: String,
    /// A copy of its connection.
    pub transport: OwnedFd,
    /// How often its server wants to hear something, in minutes.
    pub keep_alive: u32,
    /// The `ControlChannelTriggerResourceType` by number.
    pub resource: u32,
}

/// The arguments of `TransferSocket`.
#[derive(Debug)]
pub struct HandingOver {
    /// The app.
    pub app: String,
    /// The registration to tell.
    pub task: String,
    /// The app's name for the socket.
    pub id: String,
    /// The socket.
    pub socket: OwnedFd,
    /// What else there is to say.
    pub options: TransferOptions,
}

/// The arguments of `Register` and `RegisterOrUpdate`.
#[derive(Debug)]
pub struct Registering {
    /// The app.
    pub app: String,
    /// The name.
    pub name: String,
    /// The entry point; empty for the app itself, or a class.
    pub entry_point: String,
    /// The trigger.
    pub trigger: TriggerInfo,
    /// The conditions by name.
    pub conditions: Vec<String>,
    /// The optional properties.
    pub options: RegisterOptions,
}

/// The calls every D-Bus object answers, and those a bus would answer: generic tools send them to a peer too.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Standard {
    /// `org.freedesktop.DBus.Introspectable.Introspect` of this path.
    Introspect(String),
    /// `org.freedesktop.DBus.Peer.Ping`
    Ping,
    /// `org.freedesktop.DBus.Peer.GetMachineId`
    GetMachineId,
    /// `org.freedesktop.DBus.Properties.Get` of this property.
    GetProperty(String),
    /// `org.freedesktop.DBus.Properties.GetAll`
    GetAllProperties,
    /// `org.freedesktop.DBus.Hello`, as busctl sends it to any address.
    Hello,
    /// `org.freedesktop.DBus.GetNameOwner`: on a peer connection the broker owns its name.
    NameOwner,
    /// `org.freedesktop.DBus.AddMatch` and `Monitoring.BecomeMonitor`: how generic tools ask to hear signals.
    Listen,
    /// `org.freedesktop.DBus.RemoveMatch`
    RemoveMatch,
}

impl Call {
    /// Reads a method call.
    ///
    /// # Errors
    ///
    /// There is no such object, interface or method, or its arguments are of other types.
    pub fn read(message: &Message) -> Result<Self, Error> {
        let header = message.header();
        let path = header.path().map(ToString::to_string).unwrap_or_default();
        let interface = header.interface().map(ToString::to_string);
        let member = header.member().map(ToString::to_string).unwrap_or_default();
        match interface.as_deref() {
            Some(BROKER_INTERFACE) | None if path == BROKER_PATH => Self::read_broker(&member, message),
            Some(standard) if standard.starts_with("org.freedesktop.DBus") => {
                read_standard(standard, &member, &path, message).map(Self::Standard)
            }
            _ => Err(unknown(&path, interface.as_deref(), &member)),
        }
    }

    fn read_broker(member: &str, message: &Message) -> Result<Self, Error> {
        Ok(match member {
            "Attach" => {
                let (app, options) = body(message)?;
                Self::Attach(app, options)
            }
            "Watch" => Self::Watch(body(message)?),
            "Register" => Self::Register(registering(message)?),
            "RegisterOrUpdate" => Self::RegisterOrUpdate(registering(message)?),
            "Unregister" => {
                let (task, cancel) = body(message)?;
                Self::Unregister(task, cancel)
            }
            "ListTasks" => Self::ListTasks(body(message)?),
            "GetTask" => Self::GetTask(body(message)?),
            "Why" => Self::Why(body(message)?),
            "History" => Self::History(body(message)?),
            "RequestAccess" => {
                let (app, application) = body(message)?;
                Self::RequestAccess(app, application)
            }
            "RequestAccessKind" => {
                let (app, application, kind, standby, reason) = body(message)?;
                Self::RequestAccessKind { app, application, kind, standby, reason }
            }
            "GetAccessStatus" => {
                let (app, application, standby) = body(message)?;
                Self::GetAccessStatus { app, application, standby }
            }
            "GetEnergyUsage" => Self::GetEnergyUsage(body(message)?),
            "GetBudget" => Self::GetBudget(body(message)?),
            "GetWorkCost" => {
                body::<()>(message)?;
                Self::GetWorkCost
            }
            "RemoveAccess" => {
                let (app, application) = body(message)?;
                Self::RemoveAccess(app, application)
            }
            "SetAccess" => {
                let (app, setting) = body(message)?;
                Self::SetAccess(app, setting)
            }
            "SetBackground" => Self::SetBackground(body(message)?),
            "Terminate" => Self::Terminate(body(message)?),
            "RequestTrigger" => {
                let (app, class, details) = body(message)?;
                Self::RequestTrigger { app, class, details }
            }
            "Raise" => Self::Raise(body(message)?),
            "Acknowledge" => {
                let (app, sequence) = body(message)?;
                Self::Acknowledge(app, sequence)
            }
            "ListSources" => Self::ListSources,
            "ListApps" => Self::ListApps,
            "AddTask" => {
                let (name, definition, replace) = body(message)?;
                Self::AddTask { name, definition, replace }
            }
            "RunNow" => {
                let (task, respect_conditions) = body(message)?;
                Self::RunNow { task, respect_conditions }
            }
            "SetPaused" => {
                let (task, paused) = body(message)?;
                Self::SetPaused(task, paused)
            }
            "Cancel" => Self::Cancel(body(message)?),
            "ReportProgress" => {
                let (instance, value, message) = body(message)?;
                Self::ReportProgress { instance, value, message }
            }
            "ListTaskFiles" => {
                body::<()>(message)?;
                Self::ListTaskFiles
            }
            "ShowNotification" => {
                let (app, notification) = body(message)?;
                Self::ShowNotification(app, Box::new(notification))
            }
            "RemoveNotification" => {
                let (app, tag) = body(message)?;
                Self::RemoveNotification { app, tag }
            }
            "TransferSocket" => {
                let (app, task, id, socket, options) = body::<(_, _, _, zbus::OwnedFd, _)>(message)?;
                Self::TransferSocket(Box::new(HandingOver { app, task, id, socket: socket.into(), options }))
            }
            "ListSockets" => Self::ListSockets(body(message)?),
            "ReclaimSocket" => {
                let (app, id) = body(message)?;
                Self::ReclaimSocket { app, id }
            }
            "OpenAppService" => {
                let (app, provider, service) = body(message)?;
                Self::OpenAppService { app, provider, service }
            }
            "CreateTransfer" => {
                let (app, order) = body(message)?;
                Self::CreateTransfer(app, Box::new(order))
            }
            "ControlTransfer" => {
                let (transfer, what) = body(message)?;
                Self::ControlTransfer { transfer, what }
            }
            "EnableTransferGroup" => {
                let (app, group) = body(message)?;
                Self::EnableTransferGroup { app, group }
            }
            "ListTransfers" => Self::ListTransfers(body(message)?),
            "CreatePushChannel" => Self::CreatePushChannel(body(message)?),
            "ClosePushChannel" => Self::ClosePushChannel(body(message)?),
            "EnableControlChannel" => {
                let (app, id, transport, keep_alive, resource) = body::<(_, _, zbus::OwnedFd, _, _)>(message)?;
                let transport = transport.into();
                Self::EnableControlChannel(Box::new(EnablingChannel { app, id, transport, keep_alive, resource }))
            }
            "CloseControlChannel" => {
                let (app, id) = body(message)?;
                Self::CloseControlChannel { app, id }
            }
            "ListControlChannels" => Self::ListControlChannels(body(message)?),
            "ListPushChannels" => Self::ListPushChannels(body(message)?),
            _ => return Err(unknown(BROKER_PATH, Some(BROKER_INTERFACE), member)),
        })
    }
}

fn registering(message: &Message) -> Result<Box<Registering>, Error> {
    type Arguments = (String, String, String, (String, HashMap<String, OwnedVariant>), Vec<String>, RegisterOptions);
    let (app, name, entry_point, (class, properties), conditions, options) = body::<Arguments>(message)?;
    let trigger = TriggerInfo { class, properties };
    Ok(Box::new(Registering { app, name, entry_point, trigger, conditions, options }))
}

fn read_standard(interface: &str, member: &str, path: &str, message: &Message) -> Result<Standard, Error> {
    Ok(match (interface, member) {
        ("org.freedesktop.DBus.Introspectable", "Introspect") => Standard::Introspect(path.to_owned()),
        ("org.freedesktop.DBus.Peer", "Ping") => Standard::Ping,
        ("org.freedesktop.DBus.Peer", "GetMachineId") => Standard::GetMachineId,
        ("org.freedesktop.DBus.Properties", "Get") => Standard::GetProperty(body::<(String, String)>(message)?.1),
        ("org.freedesktop.DBus.Properties", "GetAll") => Standard::GetAllProperties,
        ("org.freedesktop.DBus", "Hello") => Standard::Hello,
        ("org.freedesktop.DBus", "GetNameOwner") => Standard::NameOwner,
        ("org.freedesktop.DBus", "AddMatch") | ("org.freedesktop.DBus.Monitoring", "BecomeMonitor") => Standard::Listen,
        ("org.freedesktop.DBus", "RemoveMatch") => Standard::RemoveMatch,
        _ => return Err(unknown(path, Some(interface), member)),
    })
}

/// `EMFILE`
const TOO_MANY_FILES: i32 = 24;

fn body<T: for<'de> serde::Deserialize<'de> + Type>(message: &Message) -> Result<T, Error> {
    message.body().deserialize().map_err(|error| {
        // The reader takes a copy of each descriptor, and tells only in words why it cannot.
        let exhausted = std::io::Error::from_raw_os_error(TOO_MANY_FILES).to_string();
        if error.to_string().contains(&exhausted) {
            return Error::new(
                ErrorKind::LimitReached,
                format!("the broker has no room for the descriptor: {exhausted}"),
            );
        }
        let header = message.header();
        let member = header.member().map(ToString::to_string).unwrap_or_default();
        let (wanted, found) = (T::SIGNATURE.to_string_no_parens(), message.body().signature().to_string_no_parens());
        let problem = if wanted == found {
            format!("an argument of {member} is not as the contract has it: {error}")
        } else {
            format!("{member} takes the arguments {wanted:?}, it was called with {found:?}")
        };
        Error::new(ErrorKind::InvalidSignature, problem)
    })
}

fn unknown(path: &str, interface: Option<&str>, member: &str) -> Error {
    let interface = interface.unwrap_or("(no interface)");
    let message = format!(
        "there is no method {interface}.{member} at {path:?}; the broker is {BROKER_INTERFACE} at {BROKER_PATH:?}, \
         its introspection data lists every method"
    );
    Error::new(ErrorKind::UnknownMethod, message)
}
