use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

macro_rules! id {
    ($(#[$doc:meta])* $name:ident, $(#[$invalid_doc:meta])* $invalid:ident, $says:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(Uuid);

        impl $name {
            /// One that nobody has yet.
            #[must_use]
            pub fn new() -> Self {
                Self(Uuid::new_v4())
            }

            /// The beginning of it, which people see and type.
            #[must_use]
            pub fn short(self) -> String {
                self.0.simple().to_string()[..8].to_owned()
            }
        }

        impl Default for $name {
            fn default() -> Self {
                Self::new()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.hyphenated().fmt(f)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }

        impl FromStr for $name {
            type Err = $invalid;

            fn from_str(text: &str) -> Result<Self, $invalid> {
                Uuid::parse_str(text).map(Self).map_err(|_| $invalid(text.chars().take(64).collect()))
            }
        }

        impl TryFrom<String> for $name {
            type Error = $invalid;

            fn try_from(text: String) -> Result<Self, $invalid> {
                text.parse()
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> Self {
                id.to_string()
            }
        }

        $(#[$invalid_doc])*
        #[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
        #[error($says)]
        pub struct $invalid(String);
    };
}

id! {
    /// Which transfer: the `Guid` of its operation.
    TransferId,
    /// A text that is no [`TransferId`].
    InvalidTransferId, "{0:?} is no id of a transfer: it is a UUID, as `bgtask transfers` shows it"
}

id! {
    /// Which group of transfers that one task hears the end of (NEI-4).
    GroupId,
    /// A text that is no [`GroupId`].
    InvalidGroupId, "{0:?} is no id of a group of transfers: it is a UUID that the app has made"
}
