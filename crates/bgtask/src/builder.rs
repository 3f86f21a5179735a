//! Registers tasks.

use std::collections::HashMap;
use std::sync::Arc;

use bgtask_wire::RegisterOptions;
use zbus::{OwnedVariant, Variant};

use crate::session::Session;
use crate::trigger::SYSTEM_TRIGGER;
use crate::{BackgroundTaskRegistration, Error, SystemCondition, TaskId, Trigger};

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

    /// The entry point: what the app's manifest and the task program call the task (BLD-7).
    pub fn task_entry_point(mut self, entry_point: impl Into<String>) -> Self {
        self.task_entry_point = entry_point.into();
        self
    }

    /// The trigger. There must be one (BLD-1).
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
    /// Every call makes a new registration, of the same name too (BLD-12): look through
    /// [`all_tasks`](BackgroundTaskRegistration::all_tasks) first.
    ///
    /// # Errors
    ///
    /// [`is_invalid_argument`](Error::is_invalid_argument): there is no trigger (BLD-1), or the broker finds fault with something.
    /// [`is_not_declared`](Error::is_not_declared): the manifest lacks the entry point or its type (BLD-7).
    /// [`is_not_supported`](Error::is_not_supported): this machine cannot report the trigger or a condition (D16).
    /// [`is_limit_reached`](Error::is_limit_reached): the app has 1024 registrations already.
    /// Further [`is_unknown_app`](Error::is_unknown_app), [`is_store_unavailable`](Error::is_store_unavailable),
    /// [`is_no_broker`](Error::is_no_broker) and [`is_connection_lost`](Error::is_connection_lost).
    ///
    /// # Cancel safety
    ///
    /// Dropping the future may leave the task registered.
    pub async fn register(&self) -> Result<BackgroundTaskRegistration, Error> {
        Session::current().register(self).await
    }
}

impl Session {
    pub(crate) async fn register(
        self: &Arc<Self>,
        builder: &BackgroundTaskBuilder,
    ) -> Result<BackgroundTaskRegistration, Error> {
        let Some(trigger) = &builder.trigger else {
            return Err(Error::invalid(format!(
                "the task {:?} has no trigger; set one with BackgroundTaskBuilder::trigger",
                builder.name
            )));
        };
        let trigger = to_wire(trigger)?;
        let conditions: Vec<_> = builder.conditions.iter().map(|condition| condition.condition_type().name()).collect();
        let options = RegisterOptions {
            cancel_on_condition_loss: Some(builder.cancel_on_condition_loss),
            is_network_requested: Some(builder.is_network_requested),
            ..RegisterOptions::default()
        };
        let register = |broker: crate::session::Broker, app: Arc<str>| async move {
            let BackgroundTaskBuilder { name, task_entry_point, .. } = builder;
            broker.register(&app, name, task_entry_point, trigger, &conditions, options).await
        };
        let task_id = self.order("Register", register).await?;
        Ok(BackgroundTaskRegistration::registered(self, TaskId::read(&task_id)?, builder.clone()))
    }
}

type WireTrigger = (&'static str, HashMap<&'static str, OwnedVariant>);

fn to_wire(trigger: &Trigger) -> Result<WireTrigger, Error> {
    let Trigger::System(trigger) = trigger;
    let value = |value: Variant<'static>| OwnedVariant::try_from(value).map_err(Error::protocol);
    let kind = value(trigger.trigger_type().name().into())?;
    let one_shot = value(trigger.one_shot().into())?;
    Ok((SYSTEM_TRIGGER, HashMap::from([("type", kind), ("one_shot", one_shot)])))
}
