//! Ids: texts to people, numbers to programs.

use std::fmt;
use std::str::FromStr;

use uuid::Uuid;

use crate::Error;

macro_rules! id {
    ($(#[$doc:meta])* $name:ident, $what:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Uuid);

        impl $name {
            /// The id as a number.
            pub const fn as_u128(self) -> u128 {
                self.0.as_u128()
            }

            pub(crate) fn read(text: &str) -> Result<Self, Error> {
                text.parse().map_err(|_| Error::protocol(format!("the broker sent {text:?} as {}", $what)))
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.hyphenated().fmt(f)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({self})", stringify!($name))
            }
        }

        impl FromStr for $name {
            type Err = Error;

            /// Reads what `to_string` wrote.
            fn from_str(text: &str) -> Result<Self, Error> {
                let wrong = |_| Error::invalid(format!(
                    "{text:?} is no {}: it has 32 hexadecimal digits, as in 67e55044-10b1-426f-9247-bb680e5fe0c8", $what
                ));
                Uuid::try_parse(text).map(Self).map_err(wrong)
            }
        }
    };
}

id! {
    /// Which registration: made by the broker when the task is registered, the same until it is unregistered (RUN-2).
    TaskId, "task id"
}

id! {
    /// Which activation: made by the broker for each time a task is activated (RUN-2).
    InstanceId, "instance id"
}

impl InstanceId {
    pub(crate) fn new() -> Self {
        Self(Uuid::new_v4())
    }
}

impl TaskId {
    pub(crate) fn new() -> Self {
        Self(Uuid::new_v4())
    }
}

/// Reads the id of a class that the broker sent.
pub(crate) fn read_class(text: &str) -> Result<Uuid, Error> {
    Uuid::try_parse(text).map_err(|_| Error::protocol(format!("the broker sent {text:?} as a class id")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_read_as_it_is_written() {
        let id = TaskId::new();
        assert_eq!(id.to_string().parse::<TaskId>().unwrap(), id);
        for text in ["", "x", "67e55044-10b1-426f-9247-bb680e5fe0c8 ", "\u{0}"] {
            let error = text.parse::<InstanceId>().unwrap_err();
            assert!(error.is_invalid_argument(), "{error}");
        }
    }
}
