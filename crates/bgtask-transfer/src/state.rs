use serde::{Deserialize, Serialize};

/// How far a transfer is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct State {
    /// Where it is in its life.
    pub phase: Phase,
    /// Bytes that have gone over the network and count.
    pub done: u64,
    /// Of how many, where that is known.
    pub total: Option<u64>,
    /// How many of the bytes of a download are on the disk for sure, whatever happens to the machine.
    pub durable: u64,
    /// The boot in which it was last written: within one, all that was written to a file is there.
    pub boot: String,
    /// By what the server tells this version of the file from others.
    pub validator: Option<Validator>,
    /// Where the server takes an upload that goes on after a break.
    pub begun: Option<Begun>,
    /// What the server answered last, as HTTP numbers it.
    pub status: Option<u16>,
    /// How often in a row it was the server's fault, without a byte of progress.
    pub faults: u32,
    /// How often it had to begin anew: the file was another one, or the server had forgotten what it had.
    pub restarts: u32,
    /// What went wrong last: why it failed, or what it waits for.
    pub error: Option<String>,
}

/// Where a transfer is in its life.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Phase {
    /// There is more to do.
    #[default]
    Going,
    /// All bytes are there; what is left is to put them into their place.
    Placing,
    /// It is done.
    Completed,
    /// It will never be done.
    Failed,
}

impl Phase {
    /// Whether nothing more comes.
    #[must_use]
    pub const fn is_over(self) -> bool {
        matches!(self, Self::Completed | Self::Failed)
    }
}

/// An upload that a server has begun to take.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Begun {
    /// The address at which it does.
    pub place: String,
    /// How many bytes the file had then.
    pub total: u64,
    /// When the file had been changed last, in microseconds since 1970: another one is not gone on with.
    pub modified: i64,
}

/// By what a server tells one version of a file from another.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Validator {
    /// A strong entity tag, as it was sent.
    Etag(String),
    /// The date of its last change, as it was sent.
    LastModified(String),
}

impl Validator {
    /// What `If-Range` says.
    pub(crate) fn value(&self) -> &str {
        match self {
            Self::Etag(value) | Self::LastModified(value) => value,
        }
    }
}
