use std::collections::HashMap;

use zbus::message::Flags;
use zbus::{DeserializeDict, Message, OwnedFd, OwnedVariant, SerializeDict, Type};

use crate::error::{Error, ErrorKind};

/// Names of the host channel.
pub mod host_names {
    /// The interface a host offers.
    pub const INTERFACE: &str = "org.bgtask.Host1";
    /// The object that has it.
    pub const PATH: &str = "/org/bgtask/Host1";
    /// The environment variable with the number of the descriptor that is the host channel.
    pub const CHANNEL_VARIABLE: &str = "BGTASK_HOST_FD";
    /// The environment variable with the app id.
    pub const APP_VARIABLE: &str = "BGTASK_APP_ID";
    /// The environment variable with the app's data folder.
    pub const DATA_VARIABLE: &str = "BGTASK_APP_DATA";
}

/// One activation as its host hears of it.
#[derive(Debug, SerializeDict, DeserializeDict, Type)]
#[zbus(signature = "dict")]
pub struct InstanceInfo {
    /// The `InstanceId`.
    pub instance: String,
    /// The `TaskId` of the registration.
    pub task: String,
    /// Its name.
    pub name: String,
    /// The entry point to call; empty for the app itself, or a class.
    pub entry_point: String,
    /// The class to call.
    pub class_id: Option<String>,
    /// The group the task was registered in: in the app itself the group hears of it (GRP-5).
    pub group: Option<String>,
    /// The class of the trigger that fired.
    pub trigger: String,
    /// The event of a `SystemTrigger` by name; empty for other classes.
    pub trigger_type: String,
    /// The id of a custom event.
    pub event_id: Option<String>,
    /// What the trigger carries: the arguments of an `ApplicationTrigger`, `MediaProcessingTrigger` or `DeviceUseTrigger`; of
    /// one that listens `events` (aa{sv}), each with `at` (x) and the fields of its class, and `lost` (u); empty for all others
    /// (RUN-3).
    pub trigger_details: HashMap<String, OwnedVariant>,
    /// When it fired, microseconds since the Unix epoch.
    pub fired_at: i64,
    /// How many firings are served by this one activation (D1).
    pub fired_count: u32,
    /// Which try this is, from 1 (D7).
    pub attempt: u32,
    /// How long it may run, microseconds (D10).
    pub budget: u64,
    /// How often an earlier try of it was suspended for processor time, if it was (POL-2).
    pub throttled_cpu: Option<u32>,
    /// The same for the network.
    pub throttled_network: Option<u32>,
    /// The descriptor that goes with it: the broker has a copy, until it hears [`Took`](HostSignal::Took).
    pub socket: Option<OwnedFd>,
}

/// The numbers of a cancellation (U-9), microseconds.
#[derive(Clone, Debug, PartialEq, Eq, SerializeDict, DeserializeDict, Type)]
#[zbus(signature = "dict")]
pub struct CancelInfo {
    /// How long the instance might have run.
    pub budget: u64,
    /// How long it has run.
    pub used: u64,
    /// How long it may still take.
    pub grace: u64,
}

/// What a broker calls on a host.
#[derive(Debug)]
pub enum HostCall {
    /// `Run(a{sv})`: run it; the reply is the completion.
    Run(Box<InstanceInfo>),
    /// `Cancel(sua{sv})`: stop it, for this reason.
    Cancel {
        /// Which instance.
        instance: String,
        /// The `BackgroundTaskCancellationReason` by number.
        reason: u32,
        /// The numbers.
        info: CancelInfo,
    },
    /// `Throttled(suu)`: it was suspended, and goes on; so often by now (POL-2).
    Throttled {
        /// Which instance.
        instance: String,
        /// For processor time.
        cpu: u32,
        /// For the network.
        network: u32,
    },
}

impl HostCall {
    /// Reads a call on the host's side.
    ///
    /// # Errors
    ///
    /// The method or its arguments are not of the contract.
    pub fn read(message: &Message) -> Result<Self, Error> {
        let invalid = |error: zbus::Error| Error::new(ErrorKind::InvalidSignature, error.to_string());
        let header = message.header();
        match header.member().map(|member| member.as_str()) {
            Some("Run") => Ok(Self::Run(Box::new(message.body().deserialize().map_err(invalid)?))),
            Some("Cancel") => {
                let (instance, reason, info) = message.body().deserialize().map_err(invalid)?;
                Ok(Self::Cancel { instance, reason, info })
            }
            Some("Throttled") => {
                let (instance, cpu, network) = message.body().deserialize().map_err(invalid)?;
                Ok(Self::Throttled { instance, cpu, network })
            }
            _ => Err(Error::new(ErrorKind::UnknownMethod, "a host has the methods Run, Cancel and Throttled")),
        }
    }

    /// The message of a call, on the broker's side.
    ///
    /// # Errors
    ///
    /// The message cannot be built: a bug.
    pub fn message(&self) -> zbus::Result<Message> {
        let call = |member| Message::method_call(host_names::PATH, member).interface(host_names::INTERFACE);
        let notice = |member| call(member).with_flags(Flags::NO_REPLY_EXPECTED);
        match self {
            Self::Run(info) => call("Run").build(&**info),
            Self::Cancel { instance, reason, info } => notice("Cancel").build(&(instance, reason, info)),
            Self::Throttled { instance, cpu, network } => notice("Throttled").build(&(instance, cpu, network)),
        }
    }
}

/// What a host tells its broker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HostSignal {
    /// `Started(s)`: `run` of this instance began.
    Started(String),
    /// `Progress(su)`
    Progress(String, u32),
    /// `Took(s)`: the task of this instance has taken the descriptor that came with it.
    Took(String),
}

impl HostSignal {
    /// Reads a signal on the broker's side; `None` for one that is not of the contract.
    pub fn read(message: &Message) -> Option<Self> {
        let header = message.header();
        match header.member()?.as_str() {
            "Started" => message.body().deserialize().ok().map(Self::Started),
            "Progress" => message.body().deserialize().ok().map(|(instance, value)| Self::Progress(instance, value)),
            "Took" => message.body().deserialize().ok().map(Self::Took),
            _ => None,
        }
    }

    /// The message of a signal, on the host's side.
    ///
    /// # Errors
    ///
    /// The message cannot be built: a bug.
    pub fn message(&self) -> zbus::Result<Message> {
        let signal = |member| Message::signal(host_names::PATH, host_names::INTERFACE, member);
        match self {
            Self::Started(instance) => signal("Started").build(instance),
            Self::Progress(instance, value) => signal("Progress").build(&(instance, value)),
            Self::Took(instance) => signal("Took").build(instance),
        }
    }
}
