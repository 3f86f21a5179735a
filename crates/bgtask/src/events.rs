//! What a trigger that listens hands to its task: events.

use std::time::SystemTime;

use crate::event_args::time_of;
use crate::{PropertyValue, ValueSet};

/// What happened since the task last ran, in its order: what the trigger of a task gathered while the activation waited, which is why
/// a hundred events are one run and not a hundred (D1).
///
/// ```
/// use bgtask::{DeviceWatcherEvent, DeviceWatcherEventKind};
/// use bgtask::host::{TaskError, TaskInstance};
///
/// async fn run(instance: TaskInstance) -> Result<(), TaskError> {
///     let happened = instance.trigger_events();
///     for event in happened.details::<DeviceWatcherEvent>() {
///         if event.kind == DeviceWatcherEventKind::Add {
///             println!("{} is there, as {}", event.id, event.node);
///         }
///     }
///     if happened.lost() > 0 {
///         println!("more happened: look at all devices");
///     }
///     Ok(())
/// }
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TriggerEvents {
    events: Vec<TriggerEvent>,
    lost: u32,
}

/// One event.
#[derive(Clone, Debug, PartialEq)]
pub struct TriggerEvent {
    fields: ValueSet,
}

/// What an event tells, in a type of its own: that of the trigger's class, or one that an app makes for its own signals on a bus.
///
/// ```
/// use bgtask::{EventDetails, TriggerEvent};
///
/// /// `org.freedesktop.ScreenSaver.ActiveChanged`
/// struct ActiveChanged(bool);
///
/// impl EventDetails for ActiveChanged {
///     fn read(event: &TriggerEvent) -> Option<Self> {
///         let signal: bgtask::DBusSignalEvent = event.details()?;
///         Some(Self(signal.arguments.into_iter().next()?.try_into().ok()?))
///     }
/// }
/// ```
pub trait EventDetails: Sized {
    /// Reads an event; `None` where it is of another kind, or of one that a later version brought. What is missing besides is empty.
    fn read(event: &TriggerEvent) -> Option<Self>;
}

impl TriggerEvents {
    /// Reads [`trigger_details`](crate::host::TaskInstance::trigger_details). Where the trigger is none that listens there are none.
    pub(crate) fn of(details: &ValueSet) -> Self {
        let events: Vec<PropertyValue> = details.get("events").ok().flatten().unwrap_or_default();
        let fields = events.into_iter().filter_map(|event| ValueSet::try_from(event).ok());
        let lost = details.get("lost").ok().flatten().unwrap_or_default();
        Self { events: fields.map(|fields| TriggerEvent { fields }).collect(), lost }
    }

    /// The events, the oldest first.
    pub fn events(&self) -> &[TriggerEvent] {
        &self.events
    }

    /// What the events tell, without those that are of another kind.
    pub fn details<T: EventDetails>(&self) -> Vec<T> {
        self.events.iter().filter_map(TriggerEvent::details).collect()
    }

    /// How many events more there were that nobody can tell: they came too fast, or were too many for one run. A task that has to know
    /// everything looks at the whole then.
    pub fn lost(&self) -> u32 {
        self.lost
    }
}

impl TriggerEvent {
    /// When it was heard of, by the wall clock of that moment.
    pub fn at(&self) -> SystemTime {
        self.number("at").map_or(SystemTime::UNIX_EPOCH, time_of)
    }

    /// Everything that is known of it, by the names that `docs/triggers.md` lists.
    pub fn fields(&self) -> &ValueSet {
        &self.fields
    }

    /// What it tells; `None` where it is of another kind, or of one that a later version brought.
    pub fn details<T: EventDetails>(&self) -> Option<T> {
        T::read(self)
    }

    /// A text, empty where there is none.
    pub(crate) fn text(&self, name: &str) -> String {
        self.word(name).unwrap_or_default()
    }

    /// A text that is not empty.
    pub(crate) fn word(&self, name: &str) -> Option<String> {
        self.value::<String>(name).filter(|text| !text.is_empty())
    }

    pub(crate) fn flag(&self, name: &str) -> Option<bool> {
        self.value(name)
    }

    /// An integer.
    pub(crate) fn number<T: TryFrom<PropertyValue, Error = crate::WrongType>>(&self, name: &str) -> Option<T> {
        self.value(name)
    }

    /// A number that may have been written without a fraction.
    pub(crate) fn real(&self, name: &str) -> Option<f64> {
        let whole = || self.number::<i64>(name).map(|number| number as f64);
        self.value(name).or_else(whole)
    }

    /// Bytes, which events write in hexadecimal digits; none where it is something else.
    pub(crate) fn bytes(&self, name: &str) -> Vec<u8> {
        hexadecimal(&self.text(name)).unwrap_or_default()
    }

    /// Bytes by numbers, which are written as in `0x004c`.
    pub(crate) fn bytes_by_number(&self, name: &str) -> Vec<(u16, Vec<u8>)> {
        let set: ValueSet = self.value(name).unwrap_or_default();
        let number = |text: &str| u16::from_str_radix(text.strip_prefix("0x")?, 16).ok();
        set.iter().filter_map(|(name, value)| Some((number(name)?, bytes_of(value)?))).collect()
    }

    /// Several byte strings.
    pub(crate) fn bytes_in_list(&self, name: &str) -> Vec<Vec<u8>> {
        self.list(name).iter().filter_map(bytes_of).collect()
    }

    pub(crate) fn list(&self, name: &str) -> Vec<PropertyValue> {
        self.value(name).unwrap_or_default()
    }

    fn value<T: TryFrom<PropertyValue, Error = crate::WrongType>>(&self, name: &str) -> Option<T> {
        self.fields.get(name).ok().flatten()
    }
}

fn bytes_of(value: &PropertyValue) -> Option<Vec<u8>> {
    let PropertyValue::Str(digits) = value else { return None };
    hexadecimal(digits)
}

fn hexadecimal(text: &str) -> Option<Vec<u8>> {
    let (pairs, []) = text.as_bytes().as_chunks::<2>() else { return None };
    let digit = |digit: u8| char::from(digit).to_digit(16).map(|value| value as u8);
    pairs.iter().map(|[high, low]| Some(digit(*high)? << 4 | digit(*low)?)).collect()
}
