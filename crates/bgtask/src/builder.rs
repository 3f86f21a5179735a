//! Registers tasks.

use std::sync::Arc;

use bgtask_wire::RegisterOptions;

use crate::session::{Broker, Session};
use crate::trigger::WireTrigger;
use crate::{
    BackgroundTaskRegistration, BackgroundTaskRegistrationGroup, Error, SystemCondition, TaskId, Trigger, Uuid,
};

/// Registers a task: a name, an entry point, one trigger, conditions, flags.
///
/// Setting something again replaces it, except [`condition`](Self::condition), which adds one. Nothing is checked before
/// [`register`](Self::register); a builder can register as often as wanted.
///
/// ```no_run
/// use bgtask::{BackgroundTaskBuilder, SystemCondition, SystemConditionType, SystemTrigger, SystemTriggerType};
///
/// # async fn example() -> Result<(), bgtask::Error> {
/// let task = BackgroundTaskBuilder::new()
///     .name("ExampleBackgroundTask")
///     .task_entry_point("Tasks.ExampleBackgroundTask")
///     .trigger(SystemTrigger::new(SystemTriggerType::TimeZoneChange, false))
///     .condition(SystemCondition::new(SystemConditionType::UserPresent))
///     .register()
///     .await?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, Default)]
#[must_use = "nothing is registered until `register`"]
pub struct BackgroundTaskBuilder {
    pub(crate) name: String,
    pub(crate) task_entry_point: String,
    pub(crate) trigger: Option<Trigger>,
    pub(crate) conditions: Vec<SystemCondition>,
    pub(crate) cancel_on_condition_loss: bool,
    pub(crate) is_network_requested: bool,
    pub(crate) task_group: Option<BackgroundTaskRegistrationGroup>,
    pub(crate) class_id: Option<Uuid>,
}

/// What [`register_or_update`](BackgroundTaskBuilder::register_or_update) came to (D5).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RegistrationUpdate {
    /// There was no task of that name: it is registered.
    Registered,
    /// It was registered just so: nothing changed, and a timer goes on as it was.
    Unchanged,
    /// It was registered otherwise: this took its place, in one step.
    Replaced,
}

impl BackgroundTaskBuilder {
    /// An empty builder.
    pub fn new() -> Self {
        Self::default()
    }

    /// The name, for the app to find its task again: 1 to 255 bytes. It need not be unique: two registrations of one name are two
    /// tasks (RE-1).
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = name.into();
        self
    }

    /// The entry point: what the app's manifest and the task program call the task (BLD-7). Without one, and without a
    /// [class](Self::set_task_entry_point_clsid), the app itself runs the task: its group's
    /// [handler](BackgroundTaskRegistrationGroup::background_activated), or that of
    /// [the app](crate::CoreApplication::background_activated) (BLD-9).
    pub fn task_entry_point(mut self, entry_point: impl Into<String>) -> Self {
        self.task_entry_point = entry_point.into();
        self
    }

    /// The class whose program runs the task, in place of an entry point: the app's manifest says which program serves it
    /// (BLD-11), and [`Host::class`](crate::host::Host::class) there names the task.
    pub fn set_task_entry_point_clsid(mut self, class_id: Uuid) -> Self {
        self.class_id = Some(class_id);
        self
    }

    /// The group that the task belongs to (GRP-2). By default it belongs to none.
    pub fn task_group(mut self, group: &BackgroundTaskRegistrationGroup) -> Self {
        self.task_group = Some(group.clone());
        self
    }

    /// The trigger, of whichever class, or a reference to one. There must be one (BLD-1).
    pub fn trigger(mut self, trigger: impl Into<Trigger>) -> Self {
        self.trigger = Some(trigger.into());
        self
    }

    /// Adds a condition, at most 16; every one must hold for the task to run (CND-1).
    pub fn condition(mut self, condition: SystemCondition) -> Self {
        self.conditions.push(condition);
        self
    }

    /// Whether the running task is cancelled, with [`ConditionLoss`](crate::BackgroundTaskCancellationReason::ConditionLoss), when a
    /// condition stops holding (CND-6). By default it is not.
    pub fn cancel_on_condition_loss(mut self, cancel: bool) -> Self {
        self.cancel_on_condition_loss = cancel;
        self
    }

    /// Whether the network must stay up while the task runs (D15). By default it need not.
    pub fn is_network_requested(mut self, requested: bool) -> Self {
        self.is_network_requested = requested;
        self
    }

    /// Registers the task. It is durable when this returns: it survives the app, the broker and a restart of the machine.
    ///
    /// A trigger that listens is tried first: where nothing can be heard here it is refused, which may take three seconds to find out.
    ///
    /// Every call makes a new registration, of the same name too (BLD-12): look through
    /// [`all_tasks`](BackgroundTaskRegistration::all_tasks) first, or [`register_or_update`](Self::register_or_update).
    ///
    /// # Errors
    ///
    /// [`is_invalid_argument`](Error::is_invalid_argument): there is no trigger (BLD-1), there is both an entry point and a class, or
    /// the broker finds fault with something.
    /// [`is_not_declared`](Error::is_not_declared): the manifest lacks the entry point or its type (BLD-7), or the class.
    /// [`is_not_supported`](Error::is_not_supported): this machine cannot report the trigger or a condition (D16).
    /// [`is_limit_reached`](Error::is_limit_reached): the app has 1024 registrations already, or one with the trigger of which it may
    /// have one (TR-1).
    /// Further [`is_unknown_app`](Error::is_unknown_app), [`is_store_unavailable`](Error::is_store_unavailable),
    /// [`is_no_broker`](Error::is_no_broker) and [`is_connection_lost`](Error::is_connection_lost).
    ///
    /// # Cancel safety
    ///
    /// Dropping the future may leave the task registered.
    pub async fn register(&self) -> Result<BackgroundTaskRegistration, Error> {
        Session::current().register(self).await
    }

    /// Registers the task under a name that may be taken, within its group: the same again changes nothing, another takes its place
    /// in one step (D5). What an app needs that wants its tasks as its present version has them, called at every start:
    ///
    /// ```no_run
    /// # use bgtask::{BackgroundTaskBuilder, TimeTrigger};
    /// # async fn example() -> Result<(), bgtask::Error> {
    /// let (task, update) = BackgroundTaskBuilder::new()
    ///     .name("Sync")
    ///     .task_entry_point("Tasks.Sync")
    ///     .trigger(TimeTrigger::new(60, false))
    ///     .register_or_update()
    ///     .await?;
    /// println!("{}: {update:?}", task.name());
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// A connection that ends on the way is no error here: it is asked again, and may then answer
    /// [`Unchanged`](RegistrationUpdate::Unchanged) for what the first call did.
    ///
    /// # Errors
    ///
    /// As [`register`](Self::register).
    ///
    /// # Cancel safety
    ///
    /// Dropping the future may leave it done. Repeating it is fine.
    pub async fn register_or_update(&self) -> Result<(BackgroundTaskRegistration, RegistrationUpdate), Error> {
        Session::current().register_or_update(self).await
    }

    /// BLD-1
    pub(crate) fn checked_trigger(&self) -> Result<&Trigger, Error> {
        self.trigger.as_ref().ok_or_else(|| {
            Error::invalid(format!(
                "the task {:?} has no trigger; set one with BackgroundTaskBuilder::trigger",
                self.name
            ))
        })
    }
}

impl Session {
    pub(crate) async fn register(
        self: &Arc<Self>,
        builder: &BackgroundTaskBuilder,
    ) -> Result<BackgroundTaskRegistration, Error> {
        let Arguments { trigger, conditions, options } = Arguments::of(builder)?;
        let register = |broker: Broker, app: Arc<str>| async move {
            let BackgroundTaskBuilder { name, task_entry_point, .. } = builder;
            broker.register(&app, name, task_entry_point, trigger, &conditions, options).await
        };
        let task_id = self.order("Register", register).await?;
        Ok(BackgroundTaskRegistration::registered(self, TaskId::read(&task_id)?, builder.clone()))
    }

    pub(crate) async fn register_or_update(
        self: &Arc<Self>,
        builder: &BackgroundTaskBuilder,
    ) -> Result<(BackgroundTaskRegistration, RegistrationUpdate), Error> {
        Arguments::of(builder)?;
        let register = |broker: Broker, app: Arc<str>| async move {
            // Made anew for each attempt: values of the wire cannot be copied.
            let made = Arguments::of(builder).map_err(|error| zbus::Error::Failure(error.to_string()));
            let Arguments { trigger, conditions, options } = made?;
            let BackgroundTaskBuilder { name, task_entry_point, .. } = builder;
            broker.register_or_update(&app, name, task_entry_point, trigger, &conditions, options).await
        };
        let (task_id, update) = self.ask("RegisterOrUpdate", register).await?;
        let update = match update.as_str() {
            "registered" => RegistrationUpdate::Registered,
            "unchanged" => RegistrationUpdate::Unchanged,
            "replaced" => RegistrationUpdate::Replaced,
            other => {
                return Err(Error::protocol(format!("the broker sent {other:?} as what became of a registration")));
            }
        };
        Ok((BackgroundTaskRegistration::registered(self, TaskId::read(&task_id)?, builder.clone()), update))
    }
}

/// A builder as it goes to the broker, where it is checked: here only what the call cannot carry is.
struct Arguments<'a> {
    trigger: WireTrigger<'a>,
    conditions: Vec<&'a str>,
    options: RegisterOptions,
}

impl<'a> Arguments<'a> {
    fn of(builder: &'a BackgroundTaskBuilder) -> Result<Self, Error> {
        let group = builder.task_group.as_ref();
        Ok(Self {
            trigger: builder.checked_trigger()?.to_wire()?,
            conditions: builder.conditions.iter().map(|condition| condition.condition_type().name()).collect(),
            options: RegisterOptions {
                cancel_on_condition_loss: Some(builder.cancel_on_condition_loss),
                is_network_requested: Some(builder.is_network_requested),
                class_id: builder.class_id.map(|id| id.to_string()),
                group: group.map(|group| group.id().to_owned()),
                group_name: group.map(|group| group.name().to_owned()),
            },
        })
    }
}
