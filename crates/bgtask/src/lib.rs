//! Background tasks for Linux: register tasks, write task programs, hear what they did.
//!
//! An app *registers* a task: a name, an entry point, a trigger, conditions. The broker, `bgtaskd`, waits for the trigger, holds the
//! task until the conditions are met, runs it in a process of its own under a time budget, or in the app itself, and tells the app how it ended, also
//! if that was while the app was closed. The names are those of `Windows.ApplicationModel.Background`.
//!
//! # The app
//!
//! ```no_run
//! use bgtask::{
//!     ApplicationData, BackgroundExecutionManager, BackgroundTaskBuilder, BackgroundTaskRegistration, SystemCondition,
//!     SystemConditionType, SystemTrigger, SystemTriggerType,
//! };
//!
//! #[tokio::main(flavor = "current_thread")]
//! async fn main() -> Result<(), Box<dyn std::error::Error>> {
//!     let name = "ExampleBackgroundTask";
//!     let registered = BackgroundTaskRegistration::all_tasks().await?.into_iter().find(|task| task.name() == name);
//!     let task = match registered {
//!         Some(task) => task,
//!         None => {
//!             BackgroundExecutionManager::request_access().await?;
//!             BackgroundTaskBuilder::new()
//!                 .name(name)
//!                 .task_entry_point("Tasks.ExampleBackgroundTask")
//!                 .trigger(SystemTrigger::new(SystemTriggerType::TimeZoneChange, false))
//!                 .condition(SystemCondition::new(SystemConditionType::UserPresent))
//!                 .register()
//!                 .await?
//!         }
//!     };
//!
//!     let settings = ApplicationData::local_settings().await?;
//!     task.on_progress(|task, args| println!("{}: {} %", task.name(), args.progress()));
//!     task.on_completed(move |task, args| match args.check_result() {
//!         Ok(()) => println!("{}: {:?}", task.name(), settings.get::<String>(task.name())),
//!         Err(failure) => println!("{}: {failure}", task.name()),
//!     });
//!
//!     std::future::pending().await
//! }
//! ```
//!
//! # The task
//!
//! In the task program, which the app's manifest names, the entry point is a [`host::BackgroundTask`], served by a
//! [`host::Host`]. Its tests run it without a broker, with [`testing`].
//!
//! A task without an entry point runs in the app itself: see [`CoreApplication`].
//!
//! # What happens
//!
//! A trigger that listens hands its task *events*: what happened since it last ran, in order, each in a type of its own.
//!
//! | to | with | its task reads |
//! |---|---|---|
//! | devices | [`DeviceWatcherTrigger`], [`DeviceConnectionChangeTrigger`] | [`DeviceWatcherEvent`], [`DeviceConnectionChangeTriggerDetails`] |
//! | files | [`StorageLibraryContentChangedTrigger`], [`StorageLibraryChangeTrackerTrigger`] | [`StorageLibraryChange`] |
//! | notifications of the app | [`ToastNotificationActionTrigger`], [`ToastNotificationHistoryChangedTrigger`] | [`ToastNotificationActionTriggerDetail`], [`ToastNotificationHistoryChangedTriggerDetail`] |
//! | text messages | [`SmsMessageReceivedTrigger`] | [`SmsMessageReceivedTriggerDetails`] |
//! | places | [`LocationTrigger`], [`GeovisitTrigger`] | [`GeofenceStateChangeReport`], [`GeovisitStateChange`] |
//! | sensors | [`SensorDataThresholdTrigger`] | [`SensorDataThresholdTriggerDetails`] |
//! | Bluetooth | [`BluetoothLEAdvertisementWatcherTrigger`], [`GattCharacteristicNotificationTrigger`] | [`BluetoothLEAdvertisement`], [`GattCharacteristicNotification`] |
//! | messages of a server | [`PushNotificationTrigger`] | [`RawNotification`] |
//! | transfers that were started together | [`BackgroundTransferCompletionGroupTrigger`] | [`transfer::BackgroundTransferCompletionGroupTriggerDetails`] |
//! | smart cards | [`SmartCardTrigger`] | [`SmartCardTriggerDetails`] |
//! | calendars, contacts | [`AppointmentStoreNotificationTrigger`], [`ContactStoreNotificationTrigger`] | [`StoreChange`] |
//! | systemd, and anything on a message bus | [`UnitStateTrigger`], [`DBusSignalTrigger`] | [`UnitStateEvent`], [`DBusSignalEvent`] |
//!
//! See [`TriggerEvents`]. The table of all triggers of Windows is `docs/triggers.md`. A task that uses a device for longer has a
//! [`DeviceUseTrigger`], and one that has something to say to the user [notifies](notify) them.
//!
//! An app that asks another for something, or is asked, does so through an [app service](app_service).
//!
//! # The runtime
//!
//! The app's side needs a [tokio](https://docs.rs/tokio) runtime with I/O and time enabled, of either flavor. One process has one
//! session with the broker, made at first use in the runtime of that use. It survives a restart of the broker, and is made anew where
//! it is needed next if that runtime ends. A call waits up to [`BROKER_WAIT`] for a broker that is not there.
//!
//! The broker's socket is `$BGTASK_ADDRESS`, or else `$XDG_RUNTIME_DIR/bgtask/broker`. The broker knows the app by its program,
//! which the app's manifest names; other programs say whom they [act for](act_for).
#![deny(unsafe_code)] // `host::channel` takes over the descriptor that the broker left open, and `network::unsent` asks the kernel.
#![warn(missing_docs)]

mod access;
pub mod app_service;
mod application_data;
mod builder;
mod cancellation;
mod condition;
mod core_application;
mod energy;
mod error;
mod event_args;
mod events;
mod group;
pub mod host;
mod ids;
pub mod network;
pub mod notify;
mod push;
mod registration;
mod session;
pub mod storage;
pub mod testing;
mod throttle;
pub mod transfer;
mod trigger;
mod value;
mod windows_enum;
mod work_cost;

pub use access::{BackgroundAccessRequestKind, BackgroundAccessStatus, BackgroundExecutionManager};
pub use app_service::{
    AppServiceClosedStatus, AppServiceConnection, AppServiceConnectionStatus, AppServiceFailure, AppServiceRequest,
    AppServiceResponseStatus, AppServiceTriggerDetails, MAX_UNANSWERED_REQUESTS,
};
pub use application_data::ApplicationData;
pub use builder::{BackgroundTaskBuilder, RegistrationUpdate};
pub use cancellation::BackgroundTaskCancellationReason;
pub use condition::{SystemCondition, SystemConditionType};
pub use core_application::{BackgroundActivatedEventArgs, CoreApplication};
pub use energy::{BackgroundEnergyManager, EnergyUsage, EnergyUsageLevel};
pub use error::Error;
pub use event_args::{BackgroundTaskCompletedEventArgs, BackgroundTaskProgressEventArgs, TaskFailure, TaskFailureKind};
pub use events::{EventDetails, TriggerEvent, TriggerEvents};
pub use group::BackgroundTaskRegistrationGroup;
pub use ids::{InstanceId, TaskId};
pub use push::{PushNotificationChannel, PushNotificationChannelManager};
pub use registration::BackgroundTaskRegistration;
pub use session::{
    BROKER_WAIT, CALL_TIMEOUT, EventRegistrationToken, MAX_HELD_COMPLETIONS, MAX_QUEUED_PROGRESS_EVENTS, act_for,
};
pub use storage::ApplicationDataContainer;
pub use throttle::BackgroundTaskThrottleCounter;
pub use trigger::{
    AdvertiserState, ApplicationTrigger, ApplicationTriggerResult, AppointmentStoreNotificationTrigger,
    BackgroundTransferCompletionGroupTrigger, BluetoothEventTriggeringMode, BluetoothLEAdvertisement,
    BluetoothLEAdvertisementWatcherTrigger, ContactStoreNotificationTrigger, CustomSystemEvent,
    CustomSystemEventTrigger, CustomSystemEventTriggerRecurrence, DBusSignalEvent, DBusSignalTrigger, DeviceAction,
    DeviceConnectionChangeTrigger, DeviceConnectionChangeTriggerDetails, DeviceTriggerResult, DeviceUseDetails,
    DeviceUseTrigger, DeviceWatcherEvent, DeviceWatcherEventKind, DeviceWatcherTrigger, GattCharacteristicNotification,
    GattCharacteristicNotificationTrigger, GeofenceState, GeofenceStateChangeReport, GeovisitStateChange,
    GeovisitTrigger, KnownLibrary, LocationTrigger, MaintenanceTrigger, MediaProcessingTrigger,
    MediaProcessingTriggerResult, MessageBus, MonitoredGeofenceStates, PushNotificationTrigger, RawNotification,
    SensorDataThresholdTrigger, SensorDataThresholdTriggerDetails, SmartCardTrigger, SmartCardTriggerDetails,
    SmartCardTriggerType, SmsMessageReceivedTrigger, SmsMessageReceivedTriggerDetails, SocketActivityTrigger,
    StorageLibraryChange, StorageLibraryChangeTrackerTrigger, StorageLibraryChangeType,
    StorageLibraryContentChangedTrigger, StoreChange, StoreChangeKind, SystemTrigger, SystemTriggerType, TimeTrigger,
    ToastHistoryChangedType, ToastNotificationActionTrigger, ToastNotificationActionTriggerDetail,
    ToastNotificationHistoryChangedTrigger, ToastNotificationHistoryChangedTriggerDetail, Trigger, TriggerResponse,
    UnitManager, UnitState, UnitStateEvent, UnitStateTrigger, VisitMonitoringScope, VisitStateChange,
};
pub use uuid::Uuid;
pub use value::{Char16, MAX_SET_DEPTH, MAX_VALUE_SET_BYTES, Point, PropertyValue, Rect, Size, ValueSet, WrongType};
pub use work_cost::{BackgroundWorkCost, BackgroundWorkCostValue};

/// The examples of the README compile.
#[cfg(doctest)]
#[doc = include_str!("../../../README.md")]
struct Readme;

/// So do those of the guide.
#[cfg(doctest)]
#[doc = include_str!("../../../docs/writing-a-task.md")]
struct Guide;

/// So do those of the page about app services.
#[cfg(doctest)]
#[doc = include_str!("../../../docs/app-services.md")]
struct AppServices;

/// So do those of the page about control channels.
#[cfg(doctest)]
#[doc = include_str!("../../../docs/control-channels.md")]
struct ControlChannels;

/// So do those of the page about push messages.
#[cfg(doctest)]
#[doc = include_str!("../../../docs/push.md")]
struct Push;

/// So do those of the page about transfers.
#[cfg(doctest)]
#[doc = include_str!("../../../docs/transfers.md")]
struct Transfers;

/// The book's page for porters compiles.
#[cfg(doctest)]
#[doc = include_str!("../../../docs/book/src/from-windows.md")]
struct FromWindows;
