use std::fmt;

use zbus::{DeserializeDict, SerializeDict, Type};

/// What is to be transferred in the background.
#[derive(Clone, Debug, Default, PartialEq, Eq, SerializeDict, DeserializeDict, Type)]
#[zbus(signature = "dict", deny_unknown_fields)]
pub struct TransferOrder {
    /// Its id, a UUID, where the caller gives it one: the same order twice is one transfer.
    pub id: Option<String>,
    /// `download` or `upload`.
    pub kind: String,
    /// From where or where to: `http` or `https`.
    pub uri: String,
    /// The file on this machine: an absolute path.
    pub file: String,
    /// The method of the request; default `GET` for a download and `PUT` for an upload.
    pub method: Option<String>,
    /// Headers, besides those of HTTP itself.
    pub headers: Option<Vec<(String, String)>>,
    /// A `BackgroundTransferCostPolicy` by number; default 0.
    pub cost: Option<u32>,
    /// A `BackgroundTransferPriority` by number; default 0.
    pub priority: Option<u32>,
    /// The group it belongs to.
    pub group: Option<String>,
    /// The completion group whose end its own belongs to (NEI-4): a UUID that the app has made.
    pub completion_group: Option<String>,
    /// The SHA-256 that a download has to have, in hexadecimal digits.
    pub sha256: Option<String>,
    /// Whether an upload goes on where it broke, for which its server has to speak tus 1.0; default is not.
    pub resumable: Option<bool>,
}

/// A background transfer as it stands.
#[derive(Clone, Debug, Default, PartialEq, Eq, SerializeDict, DeserializeDict, Type)]
#[zbus(signature = "dict")]
pub struct TransferInfo {
    /// Its id.
    pub id: String,
    /// Whose it is.
    pub app: String,
    /// `download` or `upload`.
    pub kind: String,
    /// From where or where to.
    pub uri: String,
    /// The file on this machine.
    pub file: String,
    /// Its `BackgroundTransferStatus` by number.
    pub status: u32,
    /// Bytes that have gone over the network and count.
    pub done: u64,
    /// Of how many, where that is known.
    pub total: Option<u64>,
    /// Why it is where it is, for a person.
    pub why: String,
    /// What the server answered last, as HTTP numbers it.
    pub answer: Option<u32>,
    /// Its `BackgroundTransferCostPolicy` by number.
    pub cost: u32,
    /// Its `BackgroundTransferPriority` by number.
    pub priority: u32,
    /// The group it belongs to; empty is none.
    pub group: String,
    /// The completion group it belongs to, where it belongs to one.
    pub completion_group: Option<String>,
    /// When it was ordered, microseconds since the Unix epoch.
    pub created: i64,
    /// The task that carries it, until it is over.
    pub task: Option<String>,
}

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
