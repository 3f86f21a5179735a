//! Registered tasks.

use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;

use bgtask_wire::TaskInfo;

use crate::builder::BackgroundTaskBuilder;
use crate::event_args::time_of;
use crate::ids::read_class;
use crate::session::{EventRegistrationToken, Session};
use crate::{
    BackgroundTaskCompletedEventArgs, BackgroundTaskProgressEventArgs, BackgroundTaskRegistrationGroup, Error,
    SystemCondition, SystemConditionType, TaskId, Trigger, Uuid,
};

/// A registered task of this app. Clones are the same registration.
///
/// It outlives the process and the machine's restarts (RE-5). Its handlers do not: an app that starts looks through
/// [`all_tasks`](Self::all_tasks) and attaches them again (PR-4). It then hears of every completion since it last listened.
///
/// # Handlers
///
/// All handlers of a process are called one after the other, on the tokio runtime that first used this library. They should not
/// block; what takes long belongs in a task they spawn. A completion counts as handled when every handler of it has
/// returned; only then does the broker forget it, so an app that crashes in a handler hears of the completion again (D4). A
/// handler that panics counts as returned.
#[derive(Clone)]
pub struct BackgroundTaskRegistration(Arc<Registration>);

struct Registration {
    session: Arc<Session>,
    task_id: TaskId,
    facts: BackgroundTaskBuilder,
}

impl BackgroundTaskRegistration {
    /// The tasks this app has registered and not unregistered, oldest first, without those in a group (REG-1, GR-2). To find one by name, as the guide does:
    ///
    /// ```no_run
    /// # use bgtask::BackgroundTaskRegistration;
    /// # async fn example() -> Result<(), bgtask::Error> {
    /// let tasks = BackgroundTaskRegistration::all_tasks().await?;
    /// let task = tasks.into_iter().find(|task| task.name() == "ExampleBackgroundTask");
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// [`is_no_broker`](Error::is_no_broker), [`is_unknown_app`](Error::is_unknown_app).
    ///
    /// # Cancel safety
    ///
    /// Dropping the future has no effect.
    pub async fn all_tasks() -> Result<Vec<Self>, Error> {
        Session::current().all_tasks().await
    }

    /// The groups in which this app has registered tasks, the one with the oldest task first (GR-2).
    ///
    /// # Errors
    ///
    /// As [`all_tasks`](Self::all_tasks).
    ///
    /// # Cancel safety
    ///
    /// Dropping the future has no effect.
    pub async fn all_task_groups() -> Result<Vec<BackgroundTaskRegistrationGroup>, Error> {
        Session::current().all_task_groups().await
    }

    /// The group of this id, if there are tasks in it (GR-2, GRP-4).
    ///
    /// # Errors
    ///
    /// As [`all_tasks`](Self::all_tasks).
    ///
    /// # Cancel safety
    ///
    /// Dropping the future has no effect.
    pub async fn get_task_group(group_id: &str) -> Result<Option<BackgroundTaskRegistrationGroup>, Error> {
        Ok(Self::all_task_groups().await?.into_iter().find(|group| group.id() == group_id))
    }

    /// Has a handler called for every completion whose registration has none: for those of one-shot tasks above all, which are
    /// no longer among [`all_tasks`](Self::all_tasks) when the app comes back. Attach it after the handlers of single
    /// registrations, or it takes what waits for them. To be called within the runtime.
    ///
    /// ```no_run
    /// # use bgtask::BackgroundTaskRegistration;
    /// BackgroundTaskRegistration::on_any_completed(|args| println!("{} ended: {:?}", args.task_name(), args.check_result()));
    /// ```
    pub fn on_any_completed(
        handler: impl Fn(BackgroundTaskCompletedEventArgs) + Send + Sync + 'static,
    ) -> EventRegistrationToken {
        Session::current().events().on_any_completed(handler)
    }

    /// Which registration.
    pub fn task_id(&self) -> TaskId {
        self.0.task_id
    }

    /// The name given to the builder.
    pub fn name(&self) -> &str {
        &self.0.facts.name
    }

    /// The entry point given to the builder; empty if the app itself or a [class](Self::task_entry_point_clsid) runs the task.
    pub fn task_entry_point(&self) -> &str {
        &self.0.facts.task_entry_point
    }

    /// The class given to the builder (BLD-11).
    pub fn task_entry_point_clsid(&self) -> Option<Uuid> {
        self.0.facts.class_id
    }

    /// The group given to the builder (GR-2).
    pub fn task_group(&self) -> Option<&BackgroundTaskRegistrationGroup> {
        self.0.facts.task_group.as_ref()
    }

    /// The trigger given to the builder, as it was (TR-5); `None` for one that this version of the library does not know (REG-2).
    pub fn trigger(&self) -> Option<&Trigger> {
        self.0.facts.trigger.as_ref()
    }

    /// The conditions given to the builder, without those that this version of the library does not know.
    pub fn conditions(&self) -> &[SystemCondition] {
        &self.0.facts.conditions
    }

    /// See [`BackgroundTaskBuilder::cancel_on_condition_loss`].
    pub fn cancel_on_condition_loss(&self) -> bool {
        self.0.facts.cancel_on_condition_loss
    }

    /// See [`BackgroundTaskBuilder::is_network_requested`].
    pub fn is_network_requested(&self) -> bool {
        self.0.facts.is_network_requested
    }

    /// When a timer is due next, by the wall clock; it fires with the next quarter of an hour (D11). `None` for other triggers.
    ///
    /// # Errors
    ///
    /// [`is_unknown_task`](Error::is_unknown_task): it was taken away. [`is_no_broker`](Error::is_no_broker).
    ///
    /// # Cancel safety
    ///
    /// Dropping the future has no effect.
    pub async fn next_due(&self) -> Result<Option<SystemTime>, Error> {
        let id = &self.task_id().to_string();
        let info = self.0.session.ask("GetTask", |broker, _| async move { broker.get_task(id).await }).await?;
        Ok(info.due.map(time_of))
    }

    /// Takes the registration away (REG-3). With `cancel_task` an activation that runs is told to stop, with
    /// [`Abort`](crate::BackgroundTaskCancellationReason::Abort); without, it may finish (CAN-3). Either way its completion is
    /// told; one that had not begun never begins.
    ///
    /// # Errors
    ///
    /// [`is_unknown_task`](Error::is_unknown_task): it was taken away before. [`is_no_broker`](Error::is_no_broker),
    /// [`is_store_unavailable`](Error::is_store_unavailable). [`is_connection_lost`](Error::is_connection_lost): call it again.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future may leave it taken away or not.
    pub async fn unregister(&self, cancel_task: bool) -> Result<(), Error> {
        let id = self.task_id().to_string();
        self.0.session.order("Unregister", |broker, _| async move { broker.unregister(&id, cancel_task).await }).await
    }

    /// Has a handler called when an activation of this task reports progress (EVT-5); at once with the latest value if one
    /// runs and has. Progress is told to whoever listens and kept for nobody (EVT-1).
    ///
    /// ```no_run
    /// # fn example(task: bgtask::BackgroundTaskRegistration) {
    /// task.on_progress(|task, args| println!("{}: {} %", task.name(), args.progress()));
    /// # }
    /// ```
    pub fn on_progress(
        &self,
        handler: impl Fn(&Self, BackgroundTaskProgressEventArgs) + Send + Sync + 'static,
    ) -> EventRegistrationToken {
        let task = self.clone();
        self.0.session.events().on_progress(self.task_id(), move |args| handler(&task, args))
    }

    /// Has a handler called when an activation of this task ends, and for every one that ended while nobody listened (EVT-8,
    /// D4). See [Handlers](Self#handlers).
    ///
    /// ```no_run
    /// # fn example(task: bgtask::BackgroundTaskRegistration) {
    /// task.on_completed(|task, args| match args.check_result() {
    ///     Ok(()) => println!("{} is done", task.name()),
    ///     Err(failure) => println!("{}: {failure}", task.name()),
    /// });
    /// # }
    /// ```
    pub fn on_completed(
        &self,
        handler: impl Fn(&Self, BackgroundTaskCompletedEventArgs) + Send + Sync + 'static,
    ) -> EventRegistrationToken {
        let task = self.clone();
        self.0.session.events().on_completed(self.task_id(), move |args| handler(&task, args))
    }

    pub(crate) fn registered(session: &Arc<Session>, task_id: TaskId, facts: BackgroundTaskBuilder) -> Self {
        Self(Arc::new(Registration { session: Arc::clone(session), task_id, facts }))
    }

    fn read(session: &Arc<Session>, info: TaskInfo) -> Result<Self, Error> {
        let task_id = TaskId::read(&info.id)?;
        let trigger = Trigger::read(&info);
        let group =
            |id: &String| BackgroundTaskRegistrationGroup::of(session, id, info.group_name.as_deref().unwrap_or(id));
        let task_group = info.group.as_ref().map(group);
        let conditions = info.conditions.iter().filter_map(|name| SystemConditionType::from_name(name));
        let facts = BackgroundTaskBuilder {
            name: info.name,
            task_entry_point: info.entry_point,
            trigger,
            conditions: conditions.map(SystemCondition::new).collect(),
            cancel_on_condition_loss: info.cancel_on_condition_loss,
            is_network_requested: info.is_network_requested,
            task_group,
            class_id: info.class_id.as_deref().map(read_class).transpose()?,
        };
        Ok(Self::registered(session, task_id, facts))
    }
}

impl Session {
    pub(crate) async fn all_tasks(self: &Arc<Self>) -> Result<Vec<BackgroundTaskRegistration>, Error> {
        let mut tasks = self.tasks().await?;
        tasks.retain(|task| task.task_group().is_none());
        Ok(tasks)
    }

    pub(crate) async fn all_task_groups(self: &Arc<Self>) -> Result<Vec<BackgroundTaskRegistrationGroup>, Error> {
        let mut groups: Vec<BackgroundTaskRegistrationGroup> = Vec::new();
        for task in self.tasks().await? {
            groups.extend(task.task_group().filter(|group| !groups.contains(group)).cloned());
        }
        Ok(groups)
    }

    /// Every task of the app, grouped or not, oldest first.
    pub(crate) async fn tasks(self: &Arc<Self>) -> Result<Vec<BackgroundTaskRegistration>, Error> {
        let mut tasks = self.ask("ListTasks", |broker, app| async move { broker.list_tasks(&app).await }).await?;
        tasks.sort_by_key(|task| task.registered_at);
        tasks.into_iter().map(|info| BackgroundTaskRegistration::read(self, info)).collect()
    }
}

impl PartialEq for BackgroundTaskRegistration {
    fn eq(&self, other: &Self) -> bool {
        self.task_id() == other.task_id()
    }
}

impl Eq for BackgroundTaskRegistration {}

impl fmt::Debug for BackgroundTaskRegistration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Registration { task_id, facts, .. } = &*self.0;
        f.debug_struct("BackgroundTaskRegistration")
            .field("task_id", task_id)
            .field("name", &facts.name)
            .field("task_entry_point", &facts.task_entry_point)
            .field("trigger", &facts.trigger)
            .field("conditions", &facts.conditions)
            .field("task_group", &facts.task_group)
            .finish_non_exhaustive()
    }
}
