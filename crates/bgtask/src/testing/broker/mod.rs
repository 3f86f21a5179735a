//! A broker in the test process.

mod clock;
mod control_channels;
mod convert;
mod costs;
mod ears;
mod happen;
mod look;
mod machine;
mod manifest;
mod process;
mod services;
mod sockets;
mod store;
mod turn;
mod world;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bgtask_core::{
    AppId, ClientId, Completion, Core, Demand, Entry, HostId, Input, Policy, Refusal, Reply, Request, RequestId, Update,
};
use bgtask_wire::ErrorKind;
use tempfile::TempDir;
use tokio::task::AbortHandle;

use bgtask_convert::{cannot_run, check_subject, core_app};

use crate::core_application::{BackgroundActivatedEventArgs, entry};
use crate::host::{Activated, Entries, Host, TaskError};
use crate::{
    ApplicationTriggerResult, BackgroundTaskBuilder, EnergyUsage, Error, RegistrationUpdate, TaskId, Trigger,
    TriggerResponse, ValueSet,
};
use clock::Clock;
use convert::{core_id, invalid, new_registration, refused, same, task_id};
use ears::Ears;
pub use look::{ActivationPhase, TestActivation, TestEvent};
use process::Processes;
use services::Services;
use sockets::Sockets;
use store::Store;
use world::World;

/// A broker in the test process, on virtual time.
///
/// It decides with the same code as the real one. Its processes are played in memory by the code of [`host`](crate::host), its
/// machine by the test. Time is tokio's, which the test pauses with `#[tokio::test(start_paused = true)]`: it passes in
/// [`advance`](Self::advance) and nowhere else, so a day takes milliseconds, and the same test always makes the same history.
///
/// Use what the app really uses: its manifest, the [`Host`] of its task program, its builders.
///
/// ```
/// use std::time::Duration;
/// use bgtask::host::{BackgroundTask, Host, TaskError, TaskInstance};
/// use bgtask::testing::TestBroker;
/// use bgtask::{
///     BackgroundTaskBuilder, BackgroundTaskCancellationReason, SystemCondition, SystemConditionType, SystemTrigger,
///     SystemTriggerType, TimeTrigger,
/// };
///
/// // The task program, as in its `main`:
/// struct Upload;
///
/// impl BackgroundTask for Upload {
///     async fn run(&self, instance: TaskInstance) -> Result<(), TaskError> {
///         for step in 1..=10 {
///             tokio::select! {
///                 () = tokio::time::sleep(Duration::from_secs(1)) => instance.progress(step * 10),
///                 reason = instance.cancelled() => {
///                     instance.local_settings()?.set("Upload", format!("Canceled: {reason}"))?;
///                     return Ok(());
///                 }
///             }
///         }
///         instance.local_settings()?.set("Upload", "Completed")?;
///         Ok(())
///     }
/// }
///
/// fn host() -> Host {
///     Host::new().entry_point("Tasks.Upload", Upload)
/// }
///
/// // The app, which registers it:
/// fn upload(trigger: impl Into<bgtask::Trigger>) -> BackgroundTaskBuilder {
///     BackgroundTaskBuilder::new()
///         .name("Upload")
///         .task_entry_point("Tasks.Upload")
///         .trigger(trigger)
///         .condition(SystemCondition::new(SystemConditionType::InternetAvailable))
///         .cancel_on_condition_loss(true)
/// }
///
/// # tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap().block_on(async {
/// // The test, a #[tokio::test(start_paused = true)]:
/// let mut broker = TestBroker::new();
/// let app = broker.install( // include_str!("../bgtask.toml")
///     r#"
///     [app]
///     id = "org.example.Photos"
///     version = "1.0.0"
///     executable = "photos"
///     [[task]]
///     entry_point = "Tasks.Upload"
///     executable = "photos-tasks"
///     types = ["systemEvent", "timer"]
///     "#,
/// )?;
/// broker.implement(host());
///
/// // The trigger fires while there is no network: the task is held until there is (CO-2).
/// let task = broker.register(&app, &upload(SystemTrigger::new(SystemTriggerType::TimeZoneChange, false)))?;
/// broker.set(SystemConditionType::InternetAvailable, false);
/// broker.fire(SystemTriggerType::TimeZoneChange);
/// broker.advance(Duration::from_secs(3600)).await;
/// assert!(broker.why(task).contains("until InternetAvailable holds"));
///
/// broker.set(SystemConditionType::InternetAvailable, true);
/// broker.advance(Duration::from_secs(10)).await;
/// assert!(broker.last_outcome(task).unwrap().check_result().is_ok());
/// assert_eq!(broker.progress(task), [10, 20, 30, 40, 50, 60, 70, 80, 90, 100]);
/// assert_eq!(broker.local_settings(&app)?.get::<String>("Upload")?.as_deref(), Some("Completed"));
///
/// // The network goes while it runs: it is told to stop, and why (CO-3).
/// broker.fire(SystemTriggerType::TimeZoneChange);
/// broker.advance(Duration::from_secs(4)).await;
/// broker.set(SystemConditionType::InternetAvailable, false);
/// broker.settle().await;
/// let outcome = broker.last_outcome(task).unwrap();
/// assert_eq!(outcome.cancellation_reason(), Some(BackgroundTaskCancellationReason::ConditionLoss));
/// assert_eq!(outcome.progress(), Some(40));
/// broker.set(SystemConditionType::InternetAvailable, true);
///
/// // A timer fires on the first tick of a quarter of an hour after its time (TM-1).
/// let timer = broker.register(&app, &upload(TimeTrigger::new(15, false)))?;
/// broker.advance(Duration::from_secs(30 * 60)).await;
/// assert_eq!(broker.activations(timer).len() + broker.outcomes(timer).len(), 1);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # }).unwrap();
/// ```
///
/// # What is so until the test says otherwise
///
/// The Internet is available and free, the user is present and their session connected, the screen is on, the machine is on external
/// power with a full battery and saves no energy, memory is not short, the time zone is UTC, it is midnight of 2030-01-01, every app
/// may run in the background, and the limits are the broker's own defaults. Everything can be listened to, and nothing happens.
///
/// # What is refused
///
/// What an app may ask, such as [`register`](Self::register), is refused with the [`Error`] that the app would get. What only a test
/// can do, such as [`set`](Self::set), panics where it makes no sense.
///
/// # What cannot be tested with it
///
/// * [`BlockingTask`](crate::host::BlockingTask)s wait in real time, while the virtual goes on: test them with
///   [`TaskTest::blocking`](super::TaskTest::blocking).
/// * Notifications that a task [shows](crate::notify), and whatever else asks the broker through its socket. Sockets that a task hands over
///   within its `run` are taken, not those of what it has spawned. Control channels are opened by the test, not by a task.
/// * Real input and output of a task does not hold the virtual time either, but for tokio's file operations and `spawn_blocking`.
/// * A killed task is dropped at its next `await`; what it spawned itself goes on, as it would not in a real process.
/// * Whether the programs are where the manifest says: `bgtask check` looks.
pub struct TestBroker {
    clock: Clock,
    /// `None` after a crash.
    core: Option<Core>,
    lives: u64,
    store: Store,
    world: World,
    policy: Policy,
    apps: BTreeMap<AppId, bgtask_manifest::App>,
    /// The apps that were ever installed: each of them has asked for access once.
    known: BTreeSet<AppId>,
    /// The apps that listen, each as one client.
    clients: BTreeMap<AppId, ClientId>,
    /// The apps that run by themselves, each as the process of its client.
    running: BTreeMap<AppId, HostId>,
    heard: Heard,
    activated: Arc<Activated>,
    entries: Entries,
    processes: Processes,
    services: Services,
    sockets: Sockets,
    ears: Ears,
    /// What a dead broker left running.
    orphans: Vec<AbortHandle>,
    /// The last number given to a request or a client.
    last_number: u64,
    replies: BTreeMap<RequestId, Result<Reply, Refusal>>,
    data: TempDir,
}

/// What the apps were told.
#[derive(Default)]
struct Heard {
    progress: Vec<(bgtask_core::TaskId, u32)>,
    energy: Vec<(ClientId, EnergyUsage)>,
    /// Those that no app has handled yet.
    completions: Vec<Completion>,
}

impl TestBroker {
    /// A broker that knows no app.
    ///
    /// # Panics
    ///
    /// No temporary folder can be made.
    pub fn new() -> Self {
        let activated = Arc::default();
        let entries = Entries::of(&activated);
        let mut broker = Self {
            clock: Clock::new(),
            core: None,
            lives: 0,
            store: Store::new(),
            world: World::new(),
            policy: Policy::default(),
            apps: BTreeMap::new(),
            known: BTreeSet::new(),
            clients: BTreeMap::new(),
            running: BTreeMap::new(),
            heard: Heard::default(),
            activated,
            entries,
            processes: Processes::new(),
            services: Services::default(),
            sockets: Sockets::new(),
            ears: Ears::default(),
            orphans: Vec::new(),
            last_number: 0,
            replies: BTreeMap::new(),
            data: TempDir::with_prefix("bgtask-").expect("a temporary folder for the settings of apps"),
        };
        broker.restart();
        broker
    }

    /// Installs an app from the text of its `bgtask.toml` or `Package.appxmanifest`, and answers its id. Programs it names need not
    /// exist.
    ///
    /// Another version of an installed app updates it: what runs is told to stop with `ServicingUpdate`, then tasks that wait for
    /// `ServicingComplete` fire, and those whose entry point is gone are unregistered (RE-6, LC-11).
    ///
    /// # Errors
    ///
    /// [`is_invalid_argument`](Error::is_invalid_argument): the manifest has mistakes; the text tells each, with its place.
    pub fn install(&mut self, manifest: &str) -> Result<String, Error> {
        let (id, app) = manifest::read(manifest)?;
        let installed = core_app(&id, &app, |_| true);
        self.apps.insert(id.clone(), app);
        self.tell(Input::AppInstalled(installed));
        self.welcome(&id);
        Ok(id.to_string())
    }

    /// Removes an app: its tasks are unregistered, and what runs is told to stop with `Uninstall` (RE-8). The process of an app that
    /// runs by itself ends at once.
    ///
    /// # Errors
    ///
    /// [`is_unknown_app`](Error::is_unknown_app): it is not installed.
    pub fn uninstall(&mut self, app: &str) -> Result<(), Error> {
        let id = app_id(app)?;
        if self.apps.remove(&id).is_none() {
            return Err(refused(&Refusal::UnknownApp(id), None, ""));
        }
        self.end_app(&id);
        self.tell(Input::AppRemoved(id));
        Ok(())
    }

    /// Adds a task program: what its `main` would [run](Host::run), its entry points and classes. They serve every app; of two of
    /// one name the later one stays. A task that nothing was given for fails and says so.
    ///
    /// It is used by processes that start from then on.
    pub fn implement(&mut self, program: Host) {
        self.entries.add(program.entries);
    }

    /// Sets what the apps themselves run, for tasks without an entry point: the handler that the app gives to
    /// [`CoreApplication::background_activated`](crate::CoreApplication::background_activated). The app does not run by itself
    /// here, unless it [holds a control channel](Self::open_control_channel): the broker starts it.
    pub fn background_activated<R>(
        &mut self,
        handler: impl Fn(BackgroundActivatedEventArgs) -> R + Send + Sync + 'static,
    ) where
        R: Future<Output = Result<(), TaskError>> + Send + 'static,
    {
        self.activated.set(None, entry(handler));
    }

    /// The same for the tasks of a group: the handler for
    /// [`BackgroundTaskRegistrationGroup::background_activated`](crate::BackgroundTaskRegistrationGroup::background_activated).
    pub fn group_background_activated<R>(
        &mut self,
        group: &str,
        handler: impl Fn(BackgroundActivatedEventArgs) -> R + Send + Sync + 'static,
    ) where
        R: Future<Output = Result<(), TaskError>> + Send + 'static,
    {
        self.activated.set(Some(group), entry(handler));
    }

    /// Registers a task of an app, as [`BackgroundTaskBuilder::register`] does.
    ///
    /// # Errors
    ///
    /// As there.
    pub fn register(&mut self, app: &str, builder: &BackgroundTaskBuilder) -> Result<TaskId, Error> {
        let (app, new) = self.registering(app, builder)?;
        let class = new.trigger.class();
        match self.ask_for(Request::Register(app.clone(), new), &app, class)? {
            Reply::Registered(task) => Ok(task_id(task)),
            other => unreachable!("asked to register, answered {other:?}"),
        }
    }

    /// Registers a task of an app, or brings the one of that name up to date, as
    /// [`BackgroundTaskBuilder::register_or_update`] does.
    ///
    /// # Errors
    ///
    /// As there.
    pub fn register_or_update(
        &mut self,
        app: &str,
        builder: &BackgroundTaskBuilder,
    ) -> Result<(TaskId, RegistrationUpdate), Error> {
        let (app, new) = self.registering(app, builder)?;
        let class = new.trigger.class();
        match self.ask_for(Request::RegisterOrUpdate(app.clone(), new), &app, class)? {
            Reply::Updated(task, Update::Registered) => Ok((task_id(task), RegistrationUpdate::Registered)),
            Reply::Updated(task, Update::Unchanged) => Ok((task_id(task), RegistrationUpdate::Unchanged)),
            Reply::Updated(task, Update::Replaced) => Ok((task_id(task), RegistrationUpdate::Replaced)),
            other => unreachable!("asked to register, answered {other:?}"),
        }
    }

    /// Takes a registration away, as [`BackgroundTaskRegistration::unregister`](crate::BackgroundTaskRegistration::unregister) does.
    ///
    /// # Errors
    ///
    /// [`is_unknown_task`](Error::is_unknown_task): it was taken away before.
    pub fn unregister(&mut self, task: TaskId, cancel_task: bool) -> Result<(), Error> {
        self.ask(Request::Unregister { scope: None, task: core_id(task), cancel: cancel_task }).map(drop)
    }

    /// Fires the app's own trigger, an [`ApplicationTrigger`](crate::ApplicationTrigger) or a
    /// [`MediaProcessingTrigger`](crate::MediaProcessingTrigger), as their `request_async_with` do; the results of both have the
    /// same values. A [`DeviceUseTrigger`](crate::DeviceUseTrigger) is fired by [`use_device`](Self::use_device).
    ///
    /// # Errors
    ///
    /// [`is_unknown_app`](Error::is_unknown_app), [`is_limit_reached`](Error::is_limit_reached): the arguments are too large.
    /// [`is_invalid_argument`](Error::is_invalid_argument): a trigger of another class.
    pub fn request(
        &mut self,
        app: &str,
        trigger: impl Into<Trigger>,
        arguments: &ValueSet,
    ) -> Result<TriggerResponse<ApplicationTriggerResult>, Error> {
        let demand = match trigger.into() {
            Trigger::Application(_) => Demand::Application,
            Trigger::MediaProcessing(_) => Demand::MediaProcessing,
            other => return Err(Error::invalid(format!("an app does not fire {other:?} itself"))),
        };
        let details = convert::details(arguments)?;
        match self.ask(Request::Activate { app: app_id(app)?, demand, details })? {
            Reply::Activated(result, why) => {
                Ok(TriggerResponse { result: same(ApplicationTriggerResult::from_number(result.number())), why })
            }
            other => unreachable!("asked for a trigger, answered {other:?}"),
        }
    }

    /// Raises a custom event, as any program of the user's may; how many tasks wait for it.
    ///
    /// # Errors
    ///
    /// [`is_invalid_argument`](Error::is_invalid_argument): the id is empty. [`is_limit_reached`](Error::is_limit_reached): it is
    /// longer than 255 bytes.
    pub fn raise(&mut self, trigger_id: &str) -> Result<u32, Error> {
        match self.ask(Request::Raise { by: None, event: trigger_id.to_owned() })? {
            Reply::Raised(count) => Ok(count),
            other => unreachable!("asked to raise an event, answered {other:?}"),
        }
    }

    fn registering(
        &self,
        app: &str,
        builder: &BackgroundTaskBuilder,
    ) -> Result<(AppId, bgtask_core::NewRegistration), Error> {
        let (id, new) = (app_id(app)?, new_registration(builder)?);
        if let Some(why) = self.apps.get(&id).and_then(|app| cannot_run(app, &new.entry)) {
            let what = match &new.entry {
                Entry::Component(name) => format!("{name:?}"),
                other => format!("the class {other}"),
            };
            let text = format!("{what} cannot run here: {why}");
            return Err(bgtask_wire::Error::new(ErrorKind::NotSupported, text).into());
        }
        check_subject(&new.trigger, &id).map_err(Error::invalid)?;
        Ok((id, new))
    }

    /// Asks for a registration with a trigger of that class.
    fn ask_for(&mut self, request: Request, app: &AppId, class: &str) -> Result<Reply, Error> {
        self.answer(request)?.map_err(|refusal| refused(&refusal, self.apps.get(app), class))
    }

    fn ask(&mut self, request: Request) -> Result<Reply, Error> {
        self.answer(request)?.map_err(|refusal| refused(&refusal, None, ""))
    }

    fn answer(&mut self, request: Request) -> Result<Result<Reply, Refusal>, Error> {
        if self.core.is_none() {
            return Err(Self::has_crashed());
        }
        let id = RequestId(self.number());
        self.tell(Input::Request(id, request));
        Ok(self.replies.remove(&id).expect("every request is answered"))
    }

    /// An app listens from now on; one that was never seen before asks for access.
    fn welcome(&mut self, app: &AppId) {
        if self.core.is_none() {
            return;
        }
        if !self.clients.contains_key(app) {
            let client = ClientId(self.number());
            self.clients.insert(app.clone(), client);
            self.tell(Input::Attach { client, app: app.clone(), activates: false });
        }
        if self.known.insert(app.clone()) {
            let asked = self.ask(Request::RequestAccess { app: app.clone(), application: String::new() });
            asked.expect("an installed app may ask");
        }
    }

    fn has_crashed() -> Error {
        Error::no_broker(Path::new("TestBroker"), "it has crashed and was not restarted")
    }

    fn number(&mut self) -> u64 {
        self.last_number += 1;
        self.last_number
    }

    fn data_dir(&self, app: &str) -> PathBuf {
        self.data.path().join(app)
    }
}

impl Default for TestBroker {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for TestBroker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let apps: Vec<_> = self.apps.keys().map(AppId::as_str).collect();
        f.debug_struct("TestBroker").field("now", &self.now()).field("apps", &apps).finish_non_exhaustive()
    }
}

fn app_id(text: &str) -> Result<AppId, Error> {
    AppId::new(text).map_err(invalid)
}
