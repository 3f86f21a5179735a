use super::windows_enum;

windows_enum! {
    /// Why a running task is told to stop (CAN-1).
    CancellationReason {
        /// The app itself: the task was unregistered with cancel.
        Abort = 0,
        /// The app is about to be ended by policy.
        Terminating = 1,
        /// The user logs off.
        LoggingOff = 2,
        /// The app is being updated.
        ServicingUpdate = 3,
        /// The task is active but does nothing.
        IdleTask = 4,
        /// The app was removed.
        Uninstall = 5,
        /// A required condition stopped holding.
        ConditionLoss = 6,
        /// A system policy; also what a host assumes when its broker vanishes (D7).
        SystemPolicy = 7,
        /// Quiet hours began; never raised, kept for its number.
        QuietHoursEntered = 8,
        /// The task ran past its budget.
        ExecutionTimeExceeded = 9,
        /// The system takes its resources back.
        ResourceRevocation = 10,
        /// Energy saver policy.
        EnergySaver = 11,
    }
}
