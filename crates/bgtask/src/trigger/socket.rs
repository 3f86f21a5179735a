//! What arrives at sockets that were handed over.

use super::event::event_trigger;

event_trigger! {
    /// A trigger that fires when something arrives at a socket that the app has [handed over](crate::network) for its task: each
    /// time for one socket, which the task gets with its [details](crate::network::SocketActivityTriggerDetails).
    ///
    /// The manifest declares its entry point with the type `systemEvent`, and the app has the capability `pushNotifications` (SOC-2).
    ///
    /// ```
    /// use bgtask::{BackgroundTaskBuilder, SocketActivityTrigger};
    /// let builder = BackgroundTaskBuilder::new()
    ///     .name("Chat")
    ///     .task_entry_point("Tasks.Chat")
    ///     .trigger(SocketActivityTrigger::new());
    /// # drop(builder);
    /// ```
    #[derive(Default)]
    SocketActivityTrigger
}

impl SocketActivityTrigger {
    /// A trigger for the sockets that will be handed over for its task.
    pub fn new() -> Self {
        Self::of([])
    }

    /// Whether what arrives can wake a sleeping machine: never, as Linux wakes none for a single connection (SOC-16). Sockets are
    /// handed over with [`DoNotWake`](crate::network::SocketActivityConnectedStandbyAction::DoNotWake).
    pub const fn is_wake_from_low_power_supported(&self) -> bool {
        false
    }
}
