use std::collections::HashMap;

use serde::{Deserialize, Serialize};
use zbus::{DeserializeDict, OwnedVariant, SerializeDict, Type};

/// A trigger: its Windows class name and its properties, `(sa{sv})`.
///
/// `("SystemTrigger", {"type": <"TimeZoneChange">, "one_shot": <false>})`
#[derive(Debug, Serialize, Deserialize, Type)]
pub struct TriggerInfo {
    /// `SystemTrigger`, `TimeTrigger`, `MaintenanceTrigger`, `ApplicationTrigger`, `MediaProcessingTrigger`,
    /// `DeviceUseTrigger`, `CustomSystemEventTrigger`, or one that listens to events (`docs/triggers.md` lists them).
    pub class: String,
    /// Its properties.
    ///
    /// * `SystemTrigger`: `type` (s), the name of a `SystemTriggerType`, and `one_shot` (b).
    /// * `TimeTrigger`, `MaintenanceTrigger`: `freshness` (u), minutes, and `one_shot` (b).
    /// * What listens to events: those of its class, each a text (s), and `one_shot` (b).
    /// * `CustomSystemEventTrigger`: `id` (s), and `recurrence` (s), `Once` or `Always`.
    pub properties: HashMap<String, OwnedVariant>,
}

/// The optional properties of a registration.
#[derive(Clone, Debug, Default, PartialEq, Eq, SerializeDict, DeserializeDict, Type)]
#[zbus(signature = "dict", deny_unknown_fields)]
pub struct RegisterOptions {
    /// Whether a running instance is cancelled when a condition stops holding; default `false` (CO-3).
    pub cancel_on_condition_loss: Option<bool>,
    /// Whether the network must stay up while it runs; default `false` (NW-1).
    pub is_network_requested: Option<bool>,
    /// The class whose program runs it, a UUID, instead of an entry point (BLD-11).
    pub class_id: Option<String>,
    /// The id of the group it belongs to (GRP-2).
    pub group: Option<String>,
    /// The group's name for people; default its id (GRP-3).
    pub group_name: Option<String>,
}

/// How a client attaches.
#[derive(Clone, Debug, Default, PartialEq, Eq, SerializeDict, DeserializeDict, Type)]
#[zbus(signature = "dict", deny_unknown_fields)]
pub struct AttachOptions {
    /// Whether the client is the app's own program and runs its tasks without an entry point: it then offers
    /// `org.bgtask.Host1` on this connection; default `false` (BLD-9).
    pub activates: Option<bool>,
}

/// What an attached client learns about itself.
#[derive(Clone, Debug, PartialEq, Eq, SerializeDict, DeserializeDict, Type)]
#[zbus(signature = "dict")]
pub struct AttachInfo {
    /// The app it acts for.
    pub app: String,
    /// The app's data folder, shared by the app and its tasks.
    pub data_dir: String,
    /// The broker's version.
    pub version: String,
}

/// An installed app.
#[derive(Clone, Debug, PartialEq, Eq, SerializeDict, DeserializeDict, Type)]
#[zbus(signature = "dict")]
pub struct AppInfo {
    /// Its id.
    pub id: String,
    /// Its version.
    pub version: String,
    /// The file that declares it.
    pub manifest: String,
    /// Its entry points.
    pub entry_points: Vec<String>,
    /// The ids of its applications, the first one first (ACC-15).
    pub applications: Vec<String>,
    /// Its access, a `BackgroundAccessStatus` by name.
    pub access: String,
    /// Who decided that.
    pub decided_by: String,
    /// What the user decided, if anything: `always`, `managed` or `never` (AC-7).
    pub setting: Option<String>,
    /// What the policy says, if anything: `UserInControl`, `ForceAllow` or `ForceDeny`.
    pub policy: Option<String>,
    /// The file that says so.
    pub policy_file: Option<String>,
}

/// What an app has used of its energy: percent of what is normal, the level by number (POL-6), and when the period ends,
/// microseconds since the Unix epoch.
pub type EnergyUsageInfo = (u32, u32, i64);

/// What an app may use in the background, and what of that is left. What is absent is not bounded.
#[derive(Clone, Debug, Default, PartialEq, Eq, SerializeDict, DeserializeDict, Type)]
#[zbus(signature = "dict")]
pub struct BudgetInfo {
    /// Percent of the usual that the policy gives it.
    pub percent: u32,
    /// How long a window is, microseconds.
    pub window: u64,
    /// Processor time of its own in a window, microseconds.
    pub cpu: Option<u64>,
    /// What is left of that, and of what it may borrow.
    pub cpu_left: Option<u64>,
    /// Bytes that it may send and receive in a window.
    pub network: Option<u64>,
    /// What is left of that, and of what it may borrow.
    pub network_left: Option<u64>,
    /// What it has used up, so that its tasks are suspended: `cpu` or `network`.
    pub throttled: Option<String>,
    /// When all of it is there again, microseconds since the Unix epoch, where something was used.
    pub refill: Option<i64>,
}

/// A registration as it stands.
#[derive(Clone, Debug, Default, PartialEq, Eq, SerializeDict, DeserializeDict, Type)]
#[zbus(signature = "dict")]
pub struct TaskInfo {
    /// Its `TaskId`.
    pub id: String,
    /// Whose it is.
    pub app: String,
    /// Its name.
    pub name: String,
    /// Its entry point; empty for a task that the app itself runs, or a class.
    pub entry_point: String,
    /// The class whose program runs it.
    pub class_id: Option<String>,
    /// The id of its group.
    pub group: Option<String>,
    /// The name of its group.
    pub group_name: Option<String>,
    /// The class of its trigger, such as `SystemTrigger`.
    pub trigger: String,
    /// The event of a `SystemTrigger` by name; empty for other classes.
    pub trigger_type: String,
    /// The properties of a trigger that listens to events.
    pub trigger_properties: Option<HashMap<String, String>>,
    /// The interval of a timer in minutes.
    pub freshness: Option<u32>,
    /// When a timer is released next, microseconds since the Unix epoch.
    pub due: Option<i64>,
    /// The id of a custom event.
    pub event_id: Option<String>,
    /// How often a custom event counts, by name.
    pub recurrence: Option<String>,
    /// Whether it is spent by its first firing.
    pub one_shot: bool,
    /// Its conditions by name.
    pub conditions: Vec<String>,
    /// See [`RegisterOptions`].
    pub cancel_on_condition_loss: bool,
    /// See [`RegisterOptions`].
    pub is_network_requested: bool,
    /// When it was registered, microseconds since the Unix epoch.
    pub registered_at: i64,
    /// `idle`, `latched`, `buffered`, `starting`, `running`, `suspended` or `cancelling`.
    pub phase: String,
    /// The activation in progress.
    pub instance: Option<String>,
    /// Its attempt, from 1.
    pub attempt: Option<u32>,
    /// Its last progress.
    pub progress: Option<u32>,
    /// What the task said with it.
    pub message: Option<String>,
    /// What fires it in one word, as it is written in a task file: `every:6h`, `path:/home/me/notes`, `time-zone-change`.
    pub word: String,
    /// The task file of a command: TOML, all that it is. Apps' tasks have none.
    pub definition: Option<String>,
    /// The file that a command stands in, where it was not added by a call.
    pub file: Option<String>,
    /// The file with what a command wrote.
    pub log: Option<String>,
    /// Whether the user has switched a command off for a while.
    pub paused: bool,
    /// When a failed try is repeated, microseconds since the Unix epoch.
    pub retry_at: Option<i64>,
    /// When the last run of a command ended, microseconds since the Unix epoch.
    pub last_at: Option<i64>,
    /// Whether it succeeded.
    pub last_ok: Option<bool>,
    /// Since when a command that promises to succeed within some time is fresh, microseconds since the Unix epoch.
    pub fresh_since: Option<i64>,
    /// Whether that promise is broken.
    pub overdue: bool,
}

/// How far a running task has come: what everybody who watches hears besides the events.
#[derive(Clone, Debug, PartialEq, Eq, SerializeDict, DeserializeDict, Type)]
#[zbus(signature = "dict")]
pub struct ProgressInfo {
    /// Whose task.
    pub app: String,
    /// Which registration.
    pub task: String,
    /// Its name.
    pub name: String,
    /// Which activation.
    pub instance: String,
    /// The value: the task's own scale, for a command 0 to 100.
    pub value: u32,
    /// What the task said with it.
    pub message: Option<String>,
}

/// A task file as the broker read it.
#[derive(Clone, Debug, PartialEq, Eq, SerializeDict, DeserializeDict, Type)]
#[zbus(signature = "dict")]
pub struct TaskFileInfo {
    /// The file.
    pub file: String,
    /// The `TaskId` of what it registers, if it does.
    pub task: Option<String>,
    /// What is wrong with it, with the lines it is wrong in, for a person.
    pub problem: Option<String>,
}

/// A notification that an app shows.
#[derive(Clone, Debug, Default, PartialEq, Eq, SerializeDict, DeserializeDict, Type)]
#[zbus(signature = "dict", deny_unknown_fields)]
pub struct NotificationInfo {
    /// Its first line.
    pub title: String,
    /// What it says besides.
    pub body: Option<String>,
    /// The name of an icon of the desktop's theme, or the address of a picture (`file://…`); default the app's.
    pub icon: Option<String>,
    /// What it offers: the id of each action, and its label for people. The action `default` is the notification itself.
    pub actions: Option<Vec<(String, String)>>,
    /// Names it within the app: it takes the place of the one before of the same tag.
    pub tag: Option<String>,
    /// `low`, `normal` or `critical`; default `normal`.
    pub urgency: Option<String>,
    /// How long it is shown, microseconds; default as long as the desktop will, 0 until somebody takes it away.
    pub expiration: Option<u64>,
    /// What stands where people write an answer, if they may and the desktop can take one. The answer is the action
    /// `inline-reply`.
    pub reply: Option<String>,
}

/// What is said of a socket that is handed over.
#[derive(Clone, Debug, Default, PartialEq, Eq, SerializeDict, DeserializeDict, Type)]
#[zbus(signature = "dict", deny_unknown_fields)]
pub struct TransferOptions {
    /// What its task gets along with it (SOC-11); default nothing.
    pub context: Option<Vec<u8>>,
    /// How long it is waited before the task runs although nothing came, microseconds; default for ever (SOC-12).
    pub keep_alive: Option<u64>,
    /// Whether what arrives wakes the machine from its sleep; default `false` (SOC-5).
    pub wake: Option<bool>,
}

/// A socket that an app has handed over.
#[derive(Clone, Debug, Default, PartialEq, Eq, SerializeDict, DeserializeDict, Type)]
#[zbus(signature = "dict")]
pub struct SocketInfo {
    /// Whose it is.
    pub app: String,
    /// The app's name for it.
    pub id: String,
    /// The registration that is told.
    pub task: String,
    /// A `SocketActivityKind` by number: 1 listener, 2 datagram, 3 stream.
    pub kind: u32,
    /// What came along with it; empty in a list of all apps' sockets.
    pub context: Vec<u8>,
    /// `watched`, `told`, `lost` or `kept`: the broker waits, its task waits or runs, the same without the socket, or nobody
    /// took it.
    pub state: String,
    /// How long it is waited before the task runs although nothing came, microseconds.
    pub keep_alive: Option<u64>,
}

/// A control channel of an app.
#[derive(Clone, Debug, Default, PartialEq, Eq, SerializeDict, DeserializeDict, Type)]
#[zbus(signature = "dict")]
pub struct ControlChannelInfo {
    /// Whose it is.
    pub app: String,
    /// The app's name for it.
    pub id: String,
    /// `watched`, `told`, `unread`, `unheard` or `ended`: the broker waits, its tasks wait or run, they have read nothing, no task
    /// is registered for what arrived, or the connection has ended.
    pub state: String,
    /// How often its server wants to hear something, in minutes.
    pub keep_alive: u32,
    /// When that is over next, microseconds since the Unix epoch.
    pub due: i64,
}

/// Why a task is where it is.
#[derive(Clone, Debug, Default, PartialEq, Eq, SerializeDict, DeserializeDict, Type)]
#[zbus(signature = "dict")]
pub struct WhyInfo {
    /// One sentence.
    pub sentence: String,
    /// As [`TaskInfo::phase`].
    pub phase: String,
    /// Since when the activation waits or runs, microseconds since the Unix epoch.
    pub since: Option<i64>,
    /// Every gate.
    pub gates: Vec<GateInfo>,
    /// The one change that would start it now.
    pub remedy: Option<String>,
    /// When time alone can start it at the earliest, microseconds since the Unix epoch.
    pub next: Option<i64>,
    /// How long the running instance has run, microseconds.
    pub used: Option<u64>,
    /// How long it may run, microseconds.
    pub budget: Option<u64>,
}

/// One gate as it reads now.
#[derive(Clone, Debug, PartialEq, Eq, SerializeDict, DeserializeDict, Type)]
#[zbus(signature = "dict")]
pub struct GateInfo {
    /// Its name.
    pub name: String,
    /// Whether it lets the task through.
    pub open: bool,
    /// What it reads.
    pub value: String,
    /// Since when, microseconds since the Unix epoch.
    pub since: Option<i64>,
    /// Where that comes from.
    pub source: String,
}

/// What to look for in the history; what is absent selects nothing away.
#[derive(Clone, Debug, Default, PartialEq, Eq, SerializeDict, DeserializeDict, Type)]
#[zbus(signature = "dict", deny_unknown_fields)]
pub struct HistoryQuery {
    /// Only this app.
    pub app: Option<String>,
    /// Only this registration.
    pub task: Option<String>,
    /// Only registrations of this name.
    pub name: Option<String>,
    /// Only this activation.
    pub instance: Option<String>,
    /// Only from then on, microseconds since the Unix epoch.
    pub since: Option<i64>,
    /// Only before then, microseconds since the Unix epoch.
    pub until: Option<i64>,
    /// Only before that line: the `sequence` of the oldest line already seen.
    pub before: Option<u64>,
    /// How many lines at most, the latest ones; default 100, at most 1000.
    pub limit: Option<u32>,
}

/// One line of history.
#[derive(Clone, Debug, PartialEq, Eq, SerializeDict, DeserializeDict, Type)]
#[zbus(signature = "dict")]
pub struct HistoryInfo {
    /// Its place in the history.
    pub sequence: u64,
    /// When, microseconds since the Unix epoch.
    pub at: i64,
    /// Whose task.
    pub app: String,
    /// Which registration.
    pub task: String,
    /// Its name.
    pub name: String,
    /// Which activation, if one is concerned.
    pub instance: Option<String>,
    /// What happened, one word.
    pub event: String,
    /// What happened, for a person.
    pub text: String,
    /// What happened, for a program: JSON.
    pub detail: String,
}

/// A state change at the moment it is durable: the line of [`HistoryInfo`] that was just written.
#[derive(Clone, Debug, PartialEq, Eq, SerializeDict, DeserializeDict, Type)]
#[zbus(signature = "dict")]
pub struct EventInfo {
    /// When, microseconds since the Unix epoch.
    pub at: i64,
    /// Whose task.
    pub app: String,
    /// Which registration.
    pub task: String,
    /// Its name.
    pub name: String,
    /// Which activation, if one is concerned.
    pub instance: Option<String>,
    /// What happened, one word.
    pub event: String,
    /// What happened, for a person.
    pub text: String,
    /// What happened, for a program: JSON.
    pub detail: String,
}

/// How an activation ended.
#[derive(Clone, Debug, PartialEq, Eq, SerializeDict, DeserializeDict, Type)]
#[zbus(signature = "dict")]
pub struct OutcomeInfo {
    /// `succeeded`, `failed`, `cancelled`, `killed`, `host-failed` or `abandoned`.
    pub outcome: String,
    /// Whether `check_result` returns without an error (EVT-6).
    pub ok: bool,
    /// One sentence.
    pub message: String,
    /// The `BackgroundTaskCancellationReason` by number, if it was cancelled.
    pub reason: Option<u32>,
    /// The last progress reported.
    pub progress: Option<u32>,
    /// What the host wrote last, if it died.
    pub output_tail: Option<String>,
    /// When it ended, microseconds since the Unix epoch.
    pub at: i64,
}

/// A channel for push messages.
#[derive(Clone, Debug, PartialEq, Eq, SerializeDict, DeserializeDict, Type)]
#[zbus(signature = "dict")]
pub struct PushChannelInfo {
    /// The app.
    pub app: String,
    /// What to send to; none until it is known.
    pub uri: Option<String>,
    /// When it expires, microseconds since the Unix epoch.
    pub expires: i64,
    /// `available` or `degraded`.
    pub status: String,
    /// By what means messages arrive.
    pub how: Option<String>,
    /// Why none arrive now.
    pub why: Option<String>,
    /// What to do about it.
    pub help: Option<String>,
    /// How many messages are held because there is no room for them: their server keeps those that follow.
    pub held: u64,
}

/// One source of facts and how well it works here.
#[derive(Clone, Debug, PartialEq, Eq, SerializeDict, DeserializeDict, Type)]
#[zbus(signature = "dict")]
pub struct SourceInfo {
    /// The fact it knows, such as `time-zone` or `internet`; the word of the trigger that is listened to; or, for the user alone, `fleet`: what
    /// orders a fleet may give here, and how well they come.
    pub name: String,
    /// `available`, `degraded`, `missing` or `starting`.
    pub status: String,
    /// Where it knows the fact from.
    pub how: Option<String>,
    /// What is missing.
    pub why: Option<String>,
    /// What would improve it.
    pub help: Option<String>,
    /// What it reads now.
    pub value: Option<String>,
}
