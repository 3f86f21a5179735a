use std::fmt;

/// Where a background transfer stands (`BackgroundTransferStatus`): the number is that of Windows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TransferStatus {
    /// It waits for its turn.
    Idle = 0,
    /// It is carried.
    Running = 1,
    /// Its owner wants it to rest.
    PausedByApplication = 2,
    /// The network costs something, and it may not.
    PausedCostedNetwork = 3,
    /// There is no network.
    PausedNoNetwork = 4,
    /// It is done.
    Completed = 5,
    /// It was given up by its owner.
    Canceled = 6,
    /// It will never be done.
    Error = 7,
    /// The server, or the way to it, failed, and is asked again.
    PausedRecoverableWebErrorStatus = 8,
    /// The machine, or its owner, does not want it now.
    PausedSystemPolicy = 32,
}

impl TransferStatus {
    /// Every status.
    pub const ALL: [Self; 10] = [
        Self::Idle,
        Self::Running,
        Self::PausedByApplication,
        Self::PausedCostedNetwork,
        Self::PausedNoNetwork,
        Self::Completed,
        Self::Canceled,
        Self::Error,
        Self::PausedRecoverableWebErrorStatus,
        Self::PausedSystemPolicy,
    ];

    /// The number of Windows.
    pub const fn number(self) -> u32 {
        self as u32
    }

    /// The status of that number.
    pub fn from_number(number: u32) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.number() == number)
    }

    /// Whether nothing more comes.
    pub const fn is_over(self) -> bool {
        matches!(self, Self::Completed | Self::Canceled | Self::Error)
    }
}

/// Its name in Windows.
impl fmt::Display for TransferStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_status_is_known_by_its_number() {
        for status in TransferStatus::ALL {
            assert_eq!(TransferStatus::from_number(status.number()), Some(status));
        }
        assert_eq!(TransferStatus::from_number(9), None);
    }
}
