//! Smart cards.

use super::event::{event_trigger, property};
use crate::events::{EventDetails, TriggerEvent};

event_trigger! {
    /// A trigger that fires when a smart card is put into a reader or taken out, through pcscd. Its task gets
    /// [`SmartCardTriggerDetails`].
    ///
    /// Of Windows' kinds there is the one of readers; cards that the machine itself plays (`Emulator…`) have no counterpart.
    ///
    /// ```
    /// use bgtask::{SmartCardTrigger, SmartCardTriggerType};
    /// let trigger = SmartCardTrigger::new(SmartCardTriggerType::ReaderCardAdded).reader("Alcor*");
    /// assert!(trigger.properties().eq([("on", "added"), ("reader", "Alcor*")]));
    /// ```
    SmartCardTrigger
}

/// What happens to a card in a reader.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum SmartCardTriggerType {
    /// It is put in.
    ReaderCardAdded,
    /// It is taken out. Beyond Windows.
    ReaderCardRemoved,
    /// Either. Beyond Windows.
    ReaderCardAddedOrRemoved,
}

impl SmartCardTrigger {
    /// A trigger for every card in every reader.
    pub fn new(trigger_type: SmartCardTriggerType) -> Self {
        let on = match trigger_type {
            SmartCardTriggerType::ReaderCardAdded => "added",
            SmartCardTriggerType::ReaderCardRemoved => "removed",
            SmartCardTriggerType::ReaderCardAddedOrRemoved => "both",
        };
        Self::of([("on", on.to_owned())])
    }

    property! {
        /// The name of the reader, in which a `*` stands for any letters.
        reader: &str;
    }
}

/// A card was put into a reader or taken out.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SmartCardTriggerDetails {
    /// The name of the reader.
    pub reader: String,
    /// Whether the card was put in; else it was taken out.
    pub added: bool,
    /// What the card says of itself (its answer to reset); empty where it was taken out.
    pub atr: Vec<u8>,
}

impl EventDetails for SmartCardTriggerDetails {
    fn read(event: &TriggerEvent) -> Option<Self> {
        let added = match event.text("change").as_str() {
            "added" => true,
            "removed" => false,
            _ => return None,
        };
        Some(Self { reader: event.text("reader"), added, atr: event.bytes("atr") })
    }
}
