//! The D-Bus contract of bgtask: interfaces, wire types, introspection XML.
//!
//! One contract, two doors: peer-to-peer on the broker's own socket, and on a session bus as `org.bgtask.Broker1`.
//! [`xml`] holds the introspection data that people write clients from; a test keeps it equal to what [`Call`] reads
//! and [`BrokerProxy`] sends. Wire types are converted to and from the core's by hand, in the broker: a change of the core
//! never changes the contract by accident.
#![forbid(unsafe_code)]
#![warn(missing_docs)]

mod address;
mod app_service;
mod call;
mod error;
mod host;
mod proxy;
mod socket;
mod transfer;
mod types;

pub use address::{ADDRESS_VARIABLE, Address, InvalidAddress};
pub use app_service::{AppServiceCall, app_service_names};
pub use call::{Call, EnablingChannel, HandingOver, Registering, Standard};
pub use error::{Error, ErrorKind};
pub use host::{CancelInfo, HostCall, HostSignal, InstanceInfo, host_names};
pub use proxy::BrokerProxy;
pub use socket::PeerSocket;
pub use transfer::{TransferInfo, TransferOrder, TransferStatus};
pub use types::{
    AppInfo, AttachInfo, AttachOptions, BudgetInfo, ControlChannelInfo, EnergyUsageInfo, EventInfo, GateInfo,
    HistoryInfo, HistoryQuery, NotificationInfo, OutcomeInfo, ProgressInfo, PushChannelInfo, RegisterOptions,
    SocketInfo, SourceInfo, TaskFileInfo, TaskInfo, TransferOptions, TriggerInfo, WhyInfo,
};

/// The broker's name on a session bus.
pub const BUS_NAME: &str = "org.bgtask.Broker1";
/// The broker's unique name on its own socket, where there is no bus to give one.
pub const PEER_NAME: &str = ":bgtask.1";
/// The broker's object.
pub const BROKER_PATH: &str = "/org/bgtask/Broker1";
/// The broker's interface.
pub const BROKER_INTERFACE: &str = "org.bgtask.Broker1";

/// Longest message a peer may send before it is cut off, in bytes.
pub const MAX_MESSAGE_BYTES: usize = 256 * 1024;

/// Longest message a host takes from its broker, in bytes. What a trigger gathered for a task is kept as at most 64 KiB of JSON, and a
/// list of numbers takes eight times as much on D-Bus.
pub const MAX_ORDER_BYTES: usize = 1024 * 1024;

/// The introspection XML of the contract.
pub mod xml {
    /// What the broker offers to apps and to the user.
    pub const BROKER: &str = include_str!("../xml/org.bgtask.Broker1.xml");
    /// What both ends of a connection to an app service offer each other.
    pub const APP_SERVICE: &str = include_str!("../xml/org.bgtask.AppService1.xml");
    /// What a host offers to the broker, on the socket it inherits.
    pub const HOST: &str = include_str!("../xml/org.bgtask.Host1.xml");
}
