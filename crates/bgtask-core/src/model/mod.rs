//! The words of the design as types: what an app, a registration, a trigger, a condition and an outcome are.

pub(crate) mod access;
pub(crate) mod app;
pub(crate) mod budget;
pub(crate) mod cancel;
pub(crate) mod command;
pub(crate) mod condition;
pub(crate) mod control_channel;
pub(crate) mod edge;
pub(crate) mod fact;
pub(crate) mod fleet;
pub(crate) mod outcome;
pub(crate) mod push;
pub(crate) mod registration;
pub(crate) mod socket;
pub(crate) mod subject;
pub(crate) mod trigger;
pub mod words;

/// A fieldless enum whose variants have the names and numbers of a Windows enumeration.
macro_rules! windows_enum {
    ($(#[$doc:meta])* $name:ident { $($(#[$vdoc:meta])* $variant:ident = $number:literal,)+ }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(u32)]
        pub enum $name { $($(#[$vdoc])* $variant = $number,)+ }

        impl $name {
            /// Every value, in the order of its number.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+];

            /// The name Windows gives it.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => stringify!($variant),)+ }
            }

            /// The number Windows gives it.
            pub const fn number(self) -> u32 {
                self as u32
            }

            /// The value of that name, as [`name`](Self::name) writes it.
            pub fn from_name(name: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|value| value.name() == name)
            }

            /// The value of that number.
            pub fn from_number(number: u32) -> Option<Self> {
                Self::ALL.iter().copied().find(|value| value.number() == number)
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.name())
            }
        }
    };
}
pub(crate) use windows_enum;

#[cfg(test)]
mod tests {
    use crate::{BackgroundAccessStatus, CancellationReason, SystemConditionType, SystemTriggerType};

    #[test]
    fn enumerations_have_the_names_and_numbers_of_windows() {
        assert_eq!(SystemTriggerType::TimeZoneChange.number(), 11);
        assert_eq!(SystemTriggerType::ALL.len(), 15);
        assert_eq!(SystemConditionType::ALL.len(), 8);
        assert_eq!(CancellationReason::ALL.len(), 12);
        assert_eq!(SystemConditionType::from_number(0), None, "0 is Invalid");
        assert_eq!(BackgroundAccessStatus::from_number(5), Some(BackgroundAccessStatus::AllowedSubjectToSystemPolicy));
        for value in SystemTriggerType::ALL {
            assert_eq!(SystemTriggerType::from_name(value.name()), Some(*value));
            assert_eq!(SystemTriggerType::from_number(value.number()), Some(*value));
        }
    }
}
