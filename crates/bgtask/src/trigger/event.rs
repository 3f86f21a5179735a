//! Triggers that listen: what they have in common.

use std::collections::BTreeMap;
use std::fmt::Display;

/// What a trigger listens to, as the broker keeps it: texts by name, which the source of its events reads.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct EventProperties {
    pub(crate) texts: BTreeMap<String, String>,
    pub(crate) one_shot: bool,
}

impl EventProperties {
    /// The same and this.
    pub(super) fn with(mut self, name: &str, value: impl Display) -> Self {
        self.texts.insert(name.to_owned(), value.to_string());
        self
    }
}

/// Words joined as the sources read several of them.
pub(super) fn joined<'a>(words: impl IntoIterator<Item = &'a str>) -> String {
    words.into_iter().collect::<Vec<_>>().join("+")
}

/// A class of triggers that listen, made by the constructors in its module.
macro_rules! event_trigger {
    ($(#[$doc:meta])* $class:ident) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, Hash)]
        pub struct $class(pub(super) crate::trigger::event::EventProperties);

        impl $class {
            /// Whether the registration is spent by its first firing, and leaves
            /// [`all_tasks`](crate::BackgroundTaskRegistration::all_tasks) when that activation ends. By default it fires every time.
            #[must_use]
            pub fn one_shot(mut self, one_shot: bool) -> Self {
                self.0.one_shot = one_shot;
                self
            }

            /// Whether it fires only once.
            pub const fn is_one_shot(&self) -> bool {
                self.0.one_shot
            }

            /// Its properties as the broker keeps them and `bgtask list` shows them: texts by name.
            pub fn properties(&self) -> impl Iterator<Item = (&str, &str)> {
                self.0.texts.iter().map(|(name, value)| (name.as_str(), value.as_str()))
            }

            fn of(properties: impl IntoIterator<Item = (&'static str, String)>) -> Self {
                let made = crate::trigger::event::EventProperties::default();
                Self(properties.into_iter().fold(made, |made, (name, value)| made.with(name, value)))
            }
        }
    };
}
pub(super) use event_trigger;

/// A builder method of such a class: another property, or another value of one.
macro_rules! property {
    ($($(#[$doc:meta])* $name:ident: $type:ty;)+) => {$(
        $(#[$doc])*
        #[must_use]
        pub fn $name(self, $name: $type) -> Self {
            Self(self.0.with(stringify!($name), $name))
        }
    )+};
}
pub(super) use property;
