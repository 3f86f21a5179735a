//! The model, the state machines and the policy of bgtask, without I/O, clock or runtime.
//!
//! # How it is driven
//!
//! [`Core`] has one way in and one way out.
//! The driver calls [`Core::handle`] with the time and one [`Input`]: something the world, an app or a host did.
//! It then calls [`Core::poll`] until the answer is [`Output::Wake`], which says when the core wants to be called again and **why**.
//! Every output is an order to the driver: make a change durable, launch a host, answer a request, tell an app.
//!
//! ```
//! use bgtask_core::{Config, Core, Input, Now, Output};
//!
//! let mut core = Core::new(Config::default(), 42);
//! core.handle(Now::ZERO, Input::Tick);
//! assert_eq!(core.poll(), Output::Wake(None), "an empty broker never wakes by itself");
//! ```
//!
//! # What is deliberately absent
//!
//! No I/O, no clock, no runtime, no serialization, no randomness of its own and no locks.
//! Time comes in as [`Now`], identifiers come from the seed, so the same inputs always give the same outputs:
//! that is what the simulator, the recordings and `bgtask replay` stand on.
//!
//! # Panics
//!
//! Input never panics: what a caller, a host or the system did wrong is a [`Refusal`] or an [`Outcome`].
//! A panic here means a broken invariant of the core itself.
#![forbid(unsafe_code)]
#![warn(missing_docs)]

mod activation;
mod broker;
mod config;
mod event;
mod host;
mod ids;
mod input;
pub mod limits;
mod model;
mod output;
mod refusal;
mod shared;
mod time;

pub use activation::{Activation, ActivationEvent, ActivationState, Firing, IllegalTransition};
pub use broker::{Core, Gate, GateReading, Why};
pub use config::{Config, Stretch};
pub use event::{CancelNotice, Cause, Event, EventKind};
pub use host::{Activity, Host, HostEvent, HostKind, HostState, Look, Meter};
pub use ids::{
    AppId, ClassId, ClientId, HostId, InstanceId, InvalidId, PushTicket, RequestId, SocketKey, TaskId, TransferGroupId,
};
pub use input::{AppVersion, HostExit, Input, NewControlChannel, NewSocket, Request, Snapshot, SourceStatus};
pub use model::access::{
    AccessSetting, AppAccess, BackgroundAccessRequestKind, BackgroundAccessStatus, Consent, Grant, Policy, PolicyEntry,
    PolicyRule,
};
pub use model::app::{App, AppService, Class, EntryPoint, Server, Sharing, TaskType};
pub use model::budget::{
    Account, BackgroundTaskThrottleCounter, BudgetLeft, Budgets, EnergyLevel, EnergyUsage, Limits, Resource,
    ThrottleCounts,
};
pub use model::cancel::CancellationReason;
pub use model::command::{Command, LastRun, Retry, Usage, Used};
pub use model::condition::{Condition, Levels, SystemConditionType};
pub use model::control_channel::{
    ChannelEvent, ChannelSide, ChannelState, ControlChannel, ControlChannelTriggerResetReason,
    ControlChannelTriggerResourceType, ControlChannelTriggerStatus, IllegalChannelEvent,
};
pub use model::edge::{Edge, EdgeKind};
pub use model::fact::{BackgroundWorkCost, DayWindow, Fact, LOGGED_OFF, Report, Zone};
pub use model::fleet::{FleetOrder, NewOrder, OrderEvent, OrderId, OrderResult, OrderState};
pub use model::outcome::{Completion, Outcome};
pub use model::push::{Push, PushChannel};
pub use model::registration::{Entry, NewRegistration, Registration, Standing, TaskGroup, Unregistration};
pub use model::socket::{
    IllegalSocketEvent, Readiness, Socket, SocketActivityConnectedStandbyAction, SocketActivityTriggerReason,
    SocketEvent, SocketKind, SocketState,
};
pub use model::subject::{EventClass, Properties, Subject, Support};
pub use model::trigger::{
    CustomSystemEventTriggerRecurrence, Demand, Details, Pace, PathEvents, PathWatch, SystemTriggerType, Trigger,
};
pub use model::words;
pub use output::{
    AppServiceConnectionStatus, ApplicationTriggerResult, Change, DeviceTriggerResult, Notice, Output, Reply, RunOrder,
    Update, Wake, WakeReason,
};
pub use refusal::{Limit, Refusal};
pub use shared::Shared;
pub use time::{BootTime, Now, WallTime};
