//! Devices: those that come and go, and those that a task uses.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use super::demand::TriggerResponse;
use super::event::{event_trigger, joined, property};
use super::wire::DEVICE_USE;
use crate::events::{EventDetails, TriggerEvent};
use crate::session::Session;
use crate::windows_enum::windows_enum;
use crate::{Error, PropertyValue, ValueSet};

event_trigger! {
    /// A trigger that fires when a device comes, changes or goes: what `DeviceWatcher.GetBackgroundTrigger` makes on Windows. Its
    /// task gets [`DeviceWatcherEvent`]s.
    ///
    /// It hears udev, or where that does not run, the kernel's uevents. Everything that is given must be so, and something besides
    /// [actions](Self::actions) must be given. What is there when the trigger begins to listen is no event.
    ///
    /// ```
    /// use bgtask::{DeviceAction, DeviceWatcherTrigger};
    /// let stick = DeviceWatcherTrigger::new()
    ///     .subsystem("block")
    ///     .device_type("partition")
    ///     .property("ID_FS_LABEL", "backup*")
    ///     .actions([DeviceAction::Add]);
    /// assert!(stick.properties().any(|property| property == ("action", "add")));
    /// ```
    DeviceWatcherTrigger
}

impl DeviceWatcherTrigger {
    /// A trigger for every device, which still has to be told which.
    #[expect(clippy::new_without_default, reason = "by itself it cannot be registered")]
    pub fn new() -> Self {
        Self::of([])
    }

    property! {
        /// The subsystem, such as `block`, `net` or `usb`.
        subsystem: &str;
        /// The type within the subsystem, such as `partition` or `usb_device`.
        device_type: &str;
        /// The device: its path below `/sys`, such as `/sys/class/net/usb0`. A `*` stands for any letters.
        id: &str;
    }

    /// What happens to it; by default it comes, changes or goes.
    #[must_use]
    pub fn actions(self, actions: impl IntoIterator<Item = DeviceAction>) -> Self {
        let words = joined(actions.into_iter().map(DeviceAction::word));
        Self(self.0.with("action", words))
    }

    /// A property that udev or the kernel tells with it, such as `ID_FS_LABEL`, and its value, in which a `*` stands for any
    /// letters. The name is in capitals. At most 16 of them.
    #[must_use]
    pub fn property(self, name: &str, value: &str) -> Self {
        Self(self.0.with(name, value))
    }
}

/// What happens to a device, in the kernel's words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum DeviceAction {
    /// It came.
    Add,
    /// Something of it changed: a disk was put into a drive, a battery has other values.
    Change,
    /// It went.
    Remove,
    /// A driver took it.
    Bind,
    /// A driver left it.
    Unbind,
    /// It has another name.
    Move,
    /// It can be used.
    Online,
    /// It cannot be used.
    Offline,
}

impl DeviceAction {
    const fn word(self) -> &'static str {
        match self {
            Self::Add => "add",
            Self::Change => "change",
            Self::Remove => "remove",
            Self::Bind => "bind",
            Self::Unbind => "unbind",
            Self::Move => "move",
            Self::Online => "online",
            Self::Offline => "offline",
        }
    }
}

/// The kernel's word.
impl fmt::Display for DeviceAction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

windows_enum! {
    /// What happened to a device, in Windows' words.
    DeviceWatcherEventKind {
        /// It came.
        Add = 0,
        /// Anything else.
        Update = 1,
        /// It went.
        Remove = 2,
    }
}

/// What happened to a device, for the task of a [`DeviceWatcherTrigger`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct DeviceWatcherEvent {
    /// What happened.
    pub kind: DeviceWatcherEventKind,
    /// What happened in the kernel's word, which knows more: `bind`, `online`.
    pub action: String,
    /// The device: its path below `/sys`.
    pub id: String,
    /// Its subsystem.
    pub subsystem: String,
    /// Its type within the subsystem; empty where it has none.
    pub device_type: String,
    /// The file to open it by, such as `/dev/sdb1`; empty where it has none.
    pub node: String,
    /// Everything that was told with it.
    pub properties: BTreeMap<String, String>,
}

impl EventDetails for DeviceWatcherEvent {
    fn read(event: &TriggerEvent) -> Option<Self> {
        let told: ValueSet = event.fields().get("properties").ok().flatten().unwrap_or_default();
        let text = |value: &PropertyValue| if let PropertyValue::Str(text) = value { Some(text.clone()) } else { None };
        Some(Self {
            kind: DeviceWatcherEventKind::from_name(&event.text("kind"))?,
            action: event.text("action"),
            id: event.text("id"),
            subsystem: event.text("subsystem"),
            device_type: event.text("device_type"),
            node: event.text("node"),
            properties: told.iter().filter_map(|(name, value)| Some((name.to_owned(), text(value)?))).collect(),
        })
    }
}

event_trigger! {
    /// A trigger that fires when one device is connected or disconnected. Its task gets
    /// [`DeviceConnectionChangeTriggerDetails`].
    ///
    /// Its task is declared in the manifest with the type `deviceConnectionChange`, or `general`. The system is never asked to keep
    /// the device connected: `MaintainConnection` of Windows has no counterpart.
    ///
    /// ```
    /// use bgtask::DeviceConnectionChangeTrigger;
    /// let headphones = DeviceConnectionChangeTrigger::from_id("4C:87:5D:01:02:03");
    /// let adapter = DeviceConnectionChangeTrigger::from_id("/sys/class/net/usb0");
    /// assert_ne!(headphones, adapter);
    /// ```
    DeviceConnectionChangeTrigger
}

impl DeviceConnectionChangeTrigger {
    /// A trigger for this device: its path below `/sys`, in which a `*` stands for any letters, or its Bluetooth address. It need not
    /// be there.
    pub fn from_id(device_id: impl Into<String>) -> Self {
        Self::of([("device_id", device_id.into())])
    }
}

/// A device was connected or disconnected.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct DeviceConnectionChangeTriggerDetails {
    /// The device: its path below `/sys`, or its Bluetooth address.
    pub device_id: String,
    /// Whether it is connected now.
    pub connected: bool,
}

impl EventDetails for DeviceConnectionChangeTriggerDetails {
    fn read(event: &TriggerEvent) -> Option<Self> {
        Some(Self { device_id: event.text("device_id"), connected: event.flag("connected")? })
    }
}

windows_enum! {
    /// What became of a request to a [`DeviceUseTrigger`] (AC-10).
    DeviceTriggerResult {
        /// It fired: the task will run.
        Allowed = 0,
        /// It did not fire: the user does not let the app run in the background.
        DeniedByUser = 1,
        /// It did not fire for another reason: the policy, no task registered with it, or one that runs already.
        DeniedBySystem = 2,
        /// It did not fire: the machine is on battery with less than 33 %.
        LowBattery = 3,
    }
}

/// A trigger that the app fires itself, for a task that uses a device longer than others may run (REQ-1, CA-8). An app may have one
/// task with it, without conditions, with an entry point of its own, declared with the type `deviceUse` or `general` (CO-6).
///
/// The task is told to stop with [`Abort`](crate::BackgroundTaskCancellationReason::Abort) when the last program of its app goes away,
/// and with [`ResourceRevocation`](crate::BackgroundTaskCancellationReason::ResourceRevocation) when the device does (CA-8).
///
/// ```no_run
/// use bgtask::{BackgroundTaskBuilder, DeviceTriggerResult, DeviceUseTrigger};
///
/// # async fn example() -> Result<(), bgtask::Error> {
/// let trigger = DeviceUseTrigger::new();
/// BackgroundTaskBuilder::new().name("Sync").task_entry_point("Tasks.SyncWatch").trigger(&trigger).register().await?;
///
/// let response = trigger.request_async("/sys/class/tty/ttyACM0").await?;
/// if response.result() != DeviceTriggerResult::Allowed {
///     println!("not now: {}", response.why());
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct DeviceUseTrigger {}

impl DeviceUseTrigger {
    /// A trigger. All of an app are the same.
    pub const fn new() -> Self {
        Self {}
    }

    /// Fires the trigger for a device: its path below `/sys`, or its Bluetooth address. The answer comes when that is decided and
    /// durable, not when the task has run; nothing is queued (D3).
    ///
    /// # Errors
    ///
    /// [`is_unknown_app`](Error::is_unknown_app), [`is_store_unavailable`](Error::is_store_unavailable),
    /// [`is_no_broker`](Error::is_no_broker). [`is_connection_lost`](Error::is_connection_lost): it may have fired or not.
    /// That the task may not run now is no error but a result.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future may leave it fired.
    pub async fn request_async(&self, device_id: &str) -> Result<TriggerResponse<DeviceTriggerResult>, Error> {
        self.request_async_with(device_id, "").await
    }

    /// Fires the trigger with a text for its task, which finds both in [`DeviceUseDetails`].
    ///
    /// # Errors
    ///
    /// As [`request_async`](Self::request_async). [`is_limit_reached`](Error::is_limit_reached): the text is more than
    /// [`MAX_VALUE_SET_BYTES`](crate::MAX_VALUE_SET_BYTES). [`is_invalid_argument`](Error::is_invalid_argument): it has a NUL
    /// character, which D-Bus cannot carry.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future may leave it fired.
    pub async fn request_async_with(
        &self,
        device_id: &str,
        arguments: &str,
    ) -> Result<TriggerResponse<DeviceTriggerResult>, Error> {
        Session::current().use_device(device_id, arguments).await
    }
}

impl Session {
    pub(crate) async fn use_device(
        self: &Arc<Self>,
        device_id: &str,
        arguments: &str,
    ) -> Result<TriggerResponse<DeviceTriggerResult>, Error> {
        let details = DeviceUseDetails { device_id: device_id.to_owned(), arguments: arguments.to_owned() };
        let (result, why) = self.request_trigger(DEVICE_USE, &details.into()).await?;
        let unknown = || Error::protocol(format!("the broker sent {result} as the result of a request"));
        Ok(TriggerResponse { result: DeviceTriggerResult::from_number(result).ok_or_else(unknown)?, why })
    }
}

/// What a task uses, for the task of a [`DeviceUseTrigger`].
///
/// ```
/// use bgtask::DeviceUseDetails;
/// use bgtask::host::{TaskError, TaskInstance};
///
/// async fn run(instance: TaskInstance) -> Result<(), TaskError> {
///     let uses = DeviceUseDetails::of(instance.trigger_details()).ok_or("no device")?;
///     println!("{} for {}", uses.device_id, uses.arguments);
///     Ok(())
/// }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct DeviceUseDetails {
    /// The device, as the app named it.
    pub device_id: String,
    /// The app's text; empty where it gave none.
    pub arguments: String,
}

impl DeviceUseDetails {
    /// What the app gave to [`request_async`](DeviceUseTrigger::request_async); `None` where another trigger fired.
    pub fn of(trigger_details: &ValueSet) -> Option<Self> {
        let text = |name| trigger_details.get::<String>(name).ok().flatten();
        Some(Self { device_id: text("device_id")?, arguments: text("arguments").unwrap_or_default() })
    }
}

impl From<DeviceUseDetails> for ValueSet {
    fn from(details: DeviceUseDetails) -> Self {
        Self::from([("device_id", details.device_id), ("arguments", details.arguments)])
    }
}
