/// A mistake planted into the model of the driver, to see that the simulator can fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bug {
    /// `Run` does not wait for the commit.
    RunsBeforeCommit,
    /// Replies do not wait for the commit.
    AnswersBeforeCommit,
    /// The store comes back with a row less.
    LosesARow,
    /// A completion goes to a client of another app.
    DeliversToTheWrongApp,
    /// What an attaching client missed is not sent.
    ForgetsToRedeliver,
    /// A host hears the same order twice.
    RunsTwice,
    /// The alarm is never set.
    ForgetsTheWake,
    /// Every life draws the same identifiers.
    ReusesTheSeed,
}

impl Bug {
    /// Every planted mistake.
    pub const ALL: &'static [Self] = &[
        Self::RunsBeforeCommit,
        Self::AnswersBeforeCommit,
        Self::LosesARow,
        Self::DeliversToTheWrongApp,
        Self::ForgetsToRedeliver,
        Self::RunsTwice,
        Self::ForgetsTheWake,
        Self::ReusesTheSeed,
    ];
}
