//! Enumerations with the names and numbers of Windows.

macro_rules! windows_enum {
    ($(#[$doc:meta])* $name:ident { $($(#[$value_doc:meta])* $value:ident = $number:literal,)+ }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(u32)]
        #[non_exhaustive]
        pub enum $name { $($(#[$value_doc])* $value = $number,)+ }

        impl $name {
            /// Every value, in the order of its number.
            pub const ALL: &'static [Self] = &[$(Self::$value,)+];

            /// The name Windows gives it.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$value => stringify!($value),)+ }
            }

            /// The number Windows gives it.
            pub const fn number(self) -> u32 {
                self as u32
            }

            /// The value of that name, exactly as [`name`](Self::name) writes it.
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
    use crate::{BackgroundAccessStatus, BackgroundTaskCancellationReason, SystemConditionType, SystemTriggerType};

    #[test]
    fn names_and_numbers_are_those_of_windows() {
        assert_eq!(SystemTriggerType::ALL.len(), 15);
        assert_eq!(SystemTriggerType::TimeZoneChange.number(), 11);
        assert_eq!(SystemConditionType::ALL.len(), 8);
        assert_eq!(SystemConditionType::from_number(0), None, "0 is Invalid");
        assert_eq!(BackgroundTaskCancellationReason::ALL.len(), 12);
        assert_eq!(
            BackgroundTaskCancellationReason::from_number(7),
            Some(BackgroundTaskCancellationReason::SystemPolicy)
        );
        assert_eq!(BackgroundAccessStatus::from_name("DeniedByUser"), Some(BackgroundAccessStatus::DeniedByUser));
        for value in SystemTriggerType::ALL {
            assert_eq!(SystemTriggerType::from_name(value.name()), Some(*value));
            assert_eq!(SystemTriggerType::from_number(value.number()), Some(*value));
        }
    }
}
