//! Why a running task has to stop.

use crate::windows_enum::windows_enum;

windows_enum! {
    /// Why a running task was told to stop (CAN-1).
    ///
    /// The task has [`CANCEL_GRACE`](crate::host::CANCEL_GRACE) to end; then its process is killed.
    BackgroundTaskCancellationReason {
        /// The app took the registration away and asked for this, or a maintenance task lost AC power (CAN-2, D9).
        Abort = 0,
        /// The app is about to be ended by policy.
        Terminating = 1,
        /// The user logs out.
        LoggingOff = 2,
        /// The app is being updated.
        ServicingUpdate = 3,
        /// It was active but did no work.
        IdleTask = 4,
        /// The app is being removed.
        Uninstall = 5,
        /// A condition stopped holding, and the registration asked to be cancelled then (CND-6).
        ConditionLoss = 6,
        /// The system's policy, or the broker went away (D7).
        SystemPolicy = 7,
        /// Quiet hours began.
        QuietHoursEntered = 8,
        /// It ran longer than it may (D10).
        ExecutionTimeExceeded = 9,
        /// The system needs the resources back.
        ResourceRevocation = 10,
        /// Energy is being saved.
        EnergySaver = 11,
    }
}
