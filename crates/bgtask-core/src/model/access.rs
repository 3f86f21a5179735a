use super::windows_enum;

windows_enum! {
    /// Whether the user and the policy let an app run in the background (AC-2).
    ///
    /// The values 1 to 3, deprecated in Windows since 1607, do not exist here.
    BackgroundAccessStatus {
        /// The app never asked: it may register, nothing runs (ACC-8).
        Unspecified = 0,
        /// The user lets it run even in battery saver.
        AlwaysAllowed = 4,
        /// The usual answer: it runs unless a policy holds it.
        AllowedSubjectToSystemPolicy = 5,
        /// A policy says no.
        DeniedBySystemPolicy = 6,
        /// The user says no.
        DeniedByUser = 7,
    }
}

impl BackgroundAccessStatus {
    /// Whether tasks of the app may run at all.
    pub const fn allows(self) -> bool {
        matches!(self, Self::AlwaysAllowed | Self::AllowedSubjectToSystemPolicy)
    }
}
