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
    /// An app that runs by itself is not made a host.
    ForgetsToAdopt,
    /// The versions of apps are not kept.
    LosesVersions,
    /// Nobody looks what a silent host has used.
    IgnoresTheSample,
    /// The user is not asked.
    ForgetsToAsk,
    /// The user is asked twice.
    AsksTwice,
    /// A host that should leave is not asked to.
    ForgetsToRetire,
    /// Nobody notices that the wall clock was set.
    MissesTheClock,
    /// The policy is not read at the start.
    StartsWithoutPolicy,
    /// Apps that were removed while no broker ran are not noticed.
    MissesTheRemoved,
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
        Self::ForgetsToAdopt,
        Self::LosesVersions,
        Self::IgnoresTheSample,
        Self::ForgetsToAsk,
        Self::AsksTwice,
        Self::ForgetsToRetire,
        Self::MissesTheClock,
        Self::StartsWithoutPolicy,
        Self::MissesTheRemoved,
    ];
}
