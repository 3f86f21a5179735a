//! Triggers that the app fires itself.

use std::sync::Arc;

use super::wire::{APPLICATION, MEDIA_PROCESSING};
use crate::session::Session;
use crate::windows_enum::windows_enum;
use crate::{Error, ValueSet};

windows_enum! {
    /// What became of a request to an [`ApplicationTrigger`].
    ApplicationTriggerResult {
        /// It fired: the task will run (REQ-2).
        Allowed = 0,
        /// It did not fire: an earlier request still runs, or waits to, and nothing is queued (REQ-3, D3).
        CurrentlyRunning = 1,
        /// The user or the policy does not let the app run in the background.
        DisabledByPolicy = 2,
        /// It did not fire for another reason, such as no task being registered with it.
        UnknownError = 3,
    }
}

windows_enum! {
    /// What became of a request to a [`MediaProcessingTrigger`] (REQ-7).
    MediaProcessingTriggerResult {
        /// It fired: the task will run.
        Allowed = 0,
        /// It did not fire: an earlier request still runs, or waits to, and nothing is queued (D3).
        CurrentlyRunning = 1,
        /// The user or the policy does not let the app run in the background.
        DisabledByPolicy = 2,
        /// It did not fire for another reason, such as no task being registered with it.
        UnknownError = 3,
    }
}

/// What became of a request, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TriggerResponse<R> {
    pub(crate) result: R,
    pub(crate) why: String,
}

impl<R: Copy> TriggerResponse<R> {
    /// What became of it.
    pub fn result(&self) -> R {
        self.result
    }

    /// Why, in a sentence for a person.
    pub fn why(&self) -> &str {
        &self.why
    }
}

/// A trigger that the app fires itself, whenever it wants (REQ-1). An app may have one task with it (TR-1); all such triggers of an app
/// are the same.
///
/// ```no_run
/// use bgtask::{ApplicationTrigger, ApplicationTriggerResult, BackgroundTaskBuilder, ValueSet};
///
/// # async fn example() -> Result<(), bgtask::Error> {
/// let trigger = ApplicationTrigger::new();
/// BackgroundTaskBuilder::new().name("Export").task_entry_point("Tasks.Export").trigger(&trigger).register().await?;
///
/// let response = trigger.request_async_with(ValueSet::from([("folder", "/home/me/Pictures")])).await?;
/// if response.result() != ApplicationTriggerResult::Allowed {
///     println!("not now: {}", response.why());
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct ApplicationTrigger {}

/// As an [`ApplicationTrigger`], for work on media, such as encoding a video (REQ-7). The manifest declares its task with the type
/// `mediaProcessing`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct MediaProcessingTrigger {}

macro_rules! demand {
    ($trigger:ident, $result:ident, $class:ident) => {
        impl $trigger {
            /// A trigger.
            pub const fn new() -> Self {
                Self {}
            }

            /// Fires the trigger: the task that is registered with it runs, as soon as its conditions hold. The answer comes when that
            /// is decided and durable, not when the task has run.
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
            pub async fn request_async(&self) -> Result<TriggerResponse<$result>, Error> {
                self.request_async_with(ValueSet::new()).await
            }

            /// Fires the trigger with arguments, which the task finds in
            /// [`trigger_details`](crate::host::TaskInstance::trigger_details) (REQ-4).
            ///
            /// # Errors
            ///
            /// As [`request_async`](Self::request_async). [`is_limit_reached`](Error::is_limit_reached): the arguments are more than
            /// [`MAX_VALUE_SET_BYTES`](crate::MAX_VALUE_SET_BYTES), or nested too deep. [`is_invalid_argument`](Error::is_invalid_argument):
            /// a text in them has a NUL character, which D-Bus cannot carry.
            ///
            /// # Cancel safety
            ///
            /// Dropping the future may leave it fired.
            pub async fn request_async_with(&self, arguments: ValueSet) -> Result<TriggerResponse<$result>, Error> {
                let (result, why) = Session::current().request_trigger($class, &arguments).await?;
                let unknown = || Error::protocol(format!("the broker sent {result} as the result of a request"));
                let result = $result::from_number(result).ok_or_else(unknown)?;
                Ok(TriggerResponse { result, why })
            }
        }
    };
}

demand!(ApplicationTrigger, ApplicationTriggerResult, APPLICATION);
demand!(MediaProcessingTrigger, MediaProcessingTriggerResult, MEDIA_PROCESSING);

impl Session {
    pub(crate) async fn request_trigger(
        self: &Arc<Self>,
        class: &str,
        arguments: &ValueSet,
    ) -> Result<(u32, String), Error> {
        let details = arguments.to_wire()?;
        let request = |broker: crate::session::Broker, app: Arc<str>| async move {
            broker.request_trigger(&app, class, details).await
        };
        self.order("RequestTrigger", request).await
    }
}
