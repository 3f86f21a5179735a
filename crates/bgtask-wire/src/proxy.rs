use std::collections::HashMap;

use zbus::OwnedVariant;

use crate::transfer::{TransferInfo, TransferOrder};
use crate::types::{
    AppInfo, AttachInfo, AttachOptions, BudgetInfo, ControlChannelInfo, EnergyUsageInfo, EventInfo, HistoryInfo,
    HistoryQuery, NotificationInfo, OutcomeInfo, ProgressInfo, PushChannelInfo, RegisterOptions, SocketInfo,
    SourceInfo, TaskFileInfo, TaskInfo, TransferOptions, WhyInfo,
};

/// The broker as a client sees it. What each call means stands in `xml/org.bgtask.Broker1.xml`.
#[zbus::proxy(
    interface = "org.bgtask.Broker1",
    default_service = "org.bgtask.Broker1",
    default_path = "/org/bgtask/Broker1"
)]
pub trait Broker {
    /// Acts for an app from now on and hears its progress and completions.
    fn attach(&self, app: &str, options: AttachOptions) -> zbus::Result<AttachInfo>;

    /// Hears every state change of an app, or of all apps.
    fn watch(&self, app: &str) -> zbus::Result<()>;

    /// Registers a task; durable before it answers with the `TaskId`.
    fn register(
        &self,
        app: &str,
        name: &str,
        entry_point: &str,
        trigger: (&str, HashMap<&str, OwnedVariant>),
        conditions: &[&str],
        options: RegisterOptions,
    ) -> zbus::Result<String>;

    /// Registers a task under a name that may be taken: the same again changes nothing, another takes its place (D5).
    /// Answers the `TaskId` and `registered`, `unchanged` or `replaced`.
    fn register_or_update(
        &self,
        app: &str,
        name: &str,
        entry_point: &str,
        trigger: (&str, HashMap<&str, OwnedVariant>),
        conditions: &[&str],
        options: RegisterOptions,
    ) -> zbus::Result<(String, String)>;

    /// Unregisters a task.
    fn unregister(&self, task: &str, cancel: bool) -> zbus::Result<()>;

    /// The registrations of an app, or of all apps.
    fn list_tasks(&self, app: &str) -> zbus::Result<Vec<TaskInfo>>;

    /// One registration.
    fn get_task(&self, task: &str) -> zbus::Result<TaskInfo>;

    /// Why a task is where it is.
    fn why(&self, task: &str) -> zbus::Result<WhyInfo>;

    /// Lines of the history, oldest first.
    fn history(&self, query: HistoryQuery) -> zbus::Result<Vec<HistoryInfo>>;

    /// Asks for background access; answers a `BackgroundAccessStatus`.
    fn request_access(&self, app: &str, application: &str) -> zbus::Result<u32>;

    /// Asks for a level of background access; answers whether the user or the system approved (ACC-18).
    fn request_access_kind(
        &self,
        app: &str,
        application: &str,
        kind: u32,
        standby: bool,
        reason: &str,
    ) -> zbus::Result<bool>;

    /// The `BackgroundAccessStatus` of an app.
    fn get_access_status(&self, app: &str, application: &str, standby: bool) -> zbus::Result<u32>;

    /// What an app has used of its energy in the present period: percent of what is normal, the level, when the period ends.
    fn get_energy_usage(&self, app: &str) -> zbus::Result<EnergyUsageInfo>;

    /// What an app may use in the background, and what is left of that.
    fn get_budget(&self, app: &str) -> zbus::Result<BudgetInfo>;

    /// Whether the broker watches what background work costs, and the `BackgroundWorkCostValue` then.
    fn get_work_cost(&self) -> zbus::Result<(bool, u32)>;

    /// Gives background access back.
    fn remove_access(&self, app: &str, application: &str) -> zbus::Result<()>;

    /// The user decides about an app: `always`, `managed`, `never`, or `default` to take that back.
    fn set_access(&self, app: &str, setting: &str) -> zbus::Result<()>;

    /// The user switches all background work on or off.
    fn set_background(&self, enabled: bool) -> zbus::Result<()>;

    /// The user ends everything of an app that runs in the background; answers how many instances were told.
    fn terminate(&self, app: &str) -> zbus::Result<u32>;

    /// The app fires its own `ApplicationTrigger`, `MediaProcessingTrigger` or `DeviceUseTrigger`; answers its
    /// `ApplicationTriggerResult`, `MediaProcessingTriggerResult` or `DeviceTriggerResult`, and why.
    fn request_trigger(
        &self,
        app: &str,
        class: &str,
        details: HashMap<&str, OwnedVariant>,
    ) -> zbus::Result<(u32, String)>;

    /// Raises a custom event; answers how many tasks heard it.
    fn raise(&self, event: &str) -> zbus::Result<u32>;

    /// Tells that a completion was handled.
    fn acknowledge(&self, app: &str, sequence: u64) -> zbus::Result<()>;

    /// The sources that are watched.
    fn list_sources(&self) -> zbus::Result<Vec<SourceInfo>>;

    /// The installed apps.
    fn list_apps(&self) -> zbus::Result<Vec<AppInfo>>;

    /// Adds a command, by a task file; answers the `TaskId` and `registered`, `unchanged` or `replaced`.
    fn add_task(&self, name: &str, definition: &str, replace: bool) -> zbus::Result<(String, String)>;

    /// Runs a command now; answers the instance.
    fn run_now(&self, task: &str, respect_conditions: bool) -> zbus::Result<String>;

    /// Switches a command off for a while, or on again.
    fn set_paused(&self, task: &str, paused: bool) -> zbus::Result<()>;

    /// Ends what runs of a command and gives up what waits; answers how many instances that were.
    fn cancel(&self, task: &str) -> zbus::Result<u32>;

    /// A command says how far it is.
    fn report_progress(&self, instance: &str, value: u32, message: &str) -> zbus::Result<()>;

    /// The task files as the broker read them.
    fn list_task_files(&self) -> zbus::Result<Vec<TaskFileInfo>>;

    /// Shows a notification of the app; answers its number.
    fn show_notification(&self, app: &str, notification: NotificationInfo) -> zbus::Result<u32>;

    /// Takes a notification of the app away.
    fn remove_notification(&self, app: &str, tag: &str) -> zbus::Result<()>;

    /// Hands a socket over to the broker, for a task with a `SocketActivityTrigger`; durable before it answers.
    fn transfer_socket(
        &self,
        app: &str,
        task: &str,
        id: &str,
        socket: zbus::Fd<'_>,
        options: TransferOptions,
    ) -> zbus::Result<()>;

    /// The sockets that the broker has of an app.
    fn list_sockets(&self, app: &str) -> zbus::Result<Vec<SocketInfo>>;

    /// Takes a socket back.
    fn reclaim_socket(&self, app: &str, id: &str) -> zbus::Result<(zbus::OwnedFd, SocketInfo)>;
    /// Opens a connection to a service of another app: the `AppServiceConnectionStatus`, why, and where it is open the caller's
    /// end of the connection and its lifeline.
    fn open_app_service(
        &self,
        app: &str,
        provider: &str,
        service: &str,
    ) -> zbus::Result<(u32, String, Vec<zbus::OwnedFd>)>;
    /// Orders a background transfer, durable before it answers; answers its id.
    fn create_transfer(&self, app: &str, order: TransferOrder) -> zbus::Result<String>;

    /// Pauses, resumes or cancels a background transfer, or forgets one that is over.
    fn control_transfer(&self, transfer: &str, what: &str) -> zbus::Result<()>;

    /// Adds nothing more to a group of transfers: its task runs when all of them have ended (NEI-4).
    fn enable_transfer_group(&self, app: &str, group: &str) -> zbus::Result<()>;

    /// The background transfers of an app, or of all, oldest first.
    fn list_transfers(&self, app: &str) -> zbus::Result<Vec<TransferInfo>>;
    /// The channel for push messages of an app: its address, and when it expires.
    fn create_push_channel(&self, app: &str) -> zbus::Result<(String, i64)>;

    /// Gives it up.
    fn close_push_channel(&self, app: &str) -> zbus::Result<()>;

    /// The channels of an app, or of all apps.
    fn list_push_channels(&self, app: &str) -> zbus::Result<Vec<PushChannelInfo>>;

    /// Opens a control channel for a connection that the caller holds: the `ControlChannelTriggerStatus`, and why.
    fn enable_control_channel(
        &self,
        app: &str,
        id: &str,
        transport: zbus::Fd<'_>,
        keep_alive: u32,
        resource: u32,
    ) -> zbus::Result<(u32, String)>;

    /// Closes a control channel; that there is none is no error.
    fn close_control_channel(&self, app: &str, id: &str) -> zbus::Result<()>;

    /// The control channels of an app.
    fn list_control_channels(&self, app: &str) -> zbus::Result<Vec<ControlChannelInfo>>;

    /// A task of the attached app reported progress.
    #[zbus(signal)]
    fn progress(&self, task: &str, instance: &str, value: u32) -> zbus::Result<()>;

    /// An activation of the attached app ended.
    #[zbus(signal)]
    fn completed(
        &self,
        sequence: u64,
        task: &str,
        name: &str,
        instance: &str,
        outcome: OutcomeInfo,
    ) -> zbus::Result<()>;

    /// The attached app uses more energy than before, or little again.
    #[zbus(signal)]
    fn energy_usage_changed(&self, percent: u32, level: u32, until: i64) -> zbus::Result<()>;

    /// A watched task has come further.
    #[zbus(signal)]
    fn progressed(&self, progress: ProgressInfo) -> zbus::Result<()>;

    /// A watched background transfer has come further, or changed its status.
    #[zbus(signal)]
    fn transfer_changed(&self, transfer: TransferInfo) -> zbus::Result<()>;

    /// A watched state change.
    #[zbus(signal)]
    fn event(&self, event: EventInfo) -> zbus::Result<()>;
}
