//! The end of a group of transfers.

use super::event::EventProperties;
use crate::Uuid;

/// What fires when all transfers of a [`BackgroundTransferCompletionGroup`](crate::transfer::BackgroundTransferCompletionGroup) have
/// ended, well or not: once, and then the registration is spent (SYS-9). The group [gives it](crate::transfer::BackgroundTransferCompletionGroup::trigger).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct BackgroundTransferCompletionGroupTrigger(pub(super) EventProperties);

impl BackgroundTransferCompletionGroupTrigger {
    pub(crate) fn of_group(group: Uuid) -> Self {
        Self(EventProperties { one_shot: true, ..EventProperties::default() }.with("group", group))
    }

    /// Its properties as the broker keeps them and `bgtask list` shows them: the group's id, under the name `group`.
    pub fn properties(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.texts.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }
}
