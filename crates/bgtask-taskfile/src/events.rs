//! The words of triggers that listen to events: `unit:backup.service=failed`, `device:subsystem=block,action=add`.
//!
//! Behind the colon stand properties, `NAME=VALUE`, with commas between them; a backslash takes a comma or a backslash for
//! itself. The property that matters most may come first without its name.

use bgtask_core::{EventClass, Properties, Support, Trigger};

use crate::error::{WordError, quoted};
use crate::quantity;
use crate::suggest::nearest;

/// The trigger of a class, of what stands behind the colon of its word.
pub(crate) fn event_trigger(class: EventClass, text: &str, home: &str, one_shot: bool) -> Result<Trigger, WordError> {
    let mut properties = Properties::new();
    let items = if text.is_empty() { Vec::new() } else { items(text) };
    for (place, item) in items.into_iter().enumerate() {
        for (name, value) in named(class, &item, place == 0)? {
            let value = if name == "folder" { quantity::path(&value, home)? } else { value };
            if properties.insert(name.as_str().into(), value.into()).is_some() {
                return Err(WordError::new(format!("{name} is there twice"), "keep one of them"));
            }
        }
    }
    Ok(Trigger::Event { class, properties, one_shot })
}

/// The word of such a trigger, which [`event_trigger`] reads again.
pub(crate) fn event_word(class: EventClass, properties: &Properties) -> String {
    let word = if class.word().is_empty() { class.name() } else { class.word() };
    let first = main(class).and_then(|name| Some((name, properties.get(name)?)));
    let mut items: Vec<String> = Vec::new();
    let mut left_out = vec![];
    match (class, first) {
        (EventClass::UnitState, Some((_, unit))) if let Some(state) = properties.get("state") => {
            items.push(format!("{}={}", escaped(unit), escaped(state)));
            left_out.extend(["unit", "state"]);
        }
        (_, Some((name, value))) if !value.contains('=') => {
            items.push(escaped(value));
            left_out.push(name);
        }
        _ => {}
    }
    let others = properties.iter().filter(|(name, _)| !left_out.contains(&&***name));
    items.extend(others.map(|(name, value)| format!("{name}={}", escaped(value))));
    if items.is_empty() { word.to_owned() } else { format!("{word}:{}", items.join(",")) }
}

/// What an item says: one property, or of a unit two.
fn named(class: EventClass, item: &str, is_first: bool) -> Result<Vec<(String, String)>, WordError> {
    let known: &[&str] = match class.support() {
        Support::Heard { properties } => properties,
        Support::Never { .. } => &[],
    };
    let is_known = |name: &str| {
        let capitals = known.contains(&"*") && !name.is_empty() && !name.chars().any(|c| c.is_ascii_lowercase());
        known.contains(&name) || capitals
    };
    match (item.split_once('='), main(class)) {
        (Some((name, value)), _) if is_known(name) => Ok(vec![(name.to_owned(), value.to_owned())]),
        (Some((unit, state)), _) if class == EventClass::UnitState && is_first => {
            Ok(vec![("unit".to_owned(), unit.to_owned()), ("state".to_owned(), state.to_owned())])
        }
        (None, Some(main)) if is_first && !item.is_empty() => Ok(vec![(main.to_owned(), item.to_owned())]),
        (named, _) => Err(no_property(class, named.map_or(item, |(name, _)| name), known)),
    }
}

fn no_property(class: EventClass, name: &str, known: &[&str]) -> WordError {
    let word = class.word();
    let known: Vec<_> = known.iter().copied().filter(|name| *name != "*").collect();
    let help = match nearest(name, known.iter().copied()) {
        Some(meant) => format!("did you mean {meant}=…?"),
        None if known.is_empty() => "write it alone".to_owned(),
        None => format!("write {word}:NAME=VALUE,… with {}", known.join(", ")),
    };
    WordError::new(format!("{} is no property of {word}", quoted(name)), help)
}

/// The property that needs no name.
const fn main(class: EventClass) -> Option<&'static str> {
    Some(match class {
        EventClass::UnitState => "unit",
        EventClass::DeviceConnectionChange => "device_id",
        EventClass::StorageLibraryContentChanged => "libraries",
        EventClass::StorageLibraryChangeTracker => "folder",
        EventClass::SmsMessageReceived => "from",
        EventClass::Geovisit => "scope",
        EventClass::SensorDataThreshold => "sensor",
        EventClass::SmartCard => "reader",
        EventClass::AppointmentStoreNotification | EventClass::ContactStoreNotification => "store",
        _ => return None,
    })
}

fn items(text: &str) -> Vec<String> {
    let mut items = vec![String::new()];
    let mut letters = text.chars();
    while let Some(letter) = letters.next() {
        let last = items.last_mut().expect("there is one");
        match letter {
            '\\' => last.extend(letters.next()),
            ',' => items.push(String::new()),
            letter => last.push(letter),
        }
    }
    items
}

fn escaped(value: &str) -> String {
    value.replace('\\', "\\\\").replace(',', "\\,")
}

#[cfg(test)]
mod tests {
    use crate::{Options, trigger, trigger_word};

    #[test]
    fn a_word_says_its_properties_and_is_written_as_it_is_read() {
        let words = [
            "unit:backup.service=failed",
            "unit:backup.service=failed,manager=user",
            "device:action=add,subsystem=block",
            "device:ID_BUS=usb",
            "library:documents+pictures",
            "folder-changes:/home/me/in\\,out",
            "sms",
            "sms:+49",
            "signal:bus=system,interface=org.example.A",
            "smart-card",
        ];
        for word in words {
            let read = trigger(word, &Options::at_home("/home/me")).unwrap_or_else(|error| panic!("{word}: {error}"));
            assert_eq!(trigger_word(&read), word);
        }
        let tilde = trigger("folder-changes:~/notes", &Options::at_home("/home/me")).expect("it is one");
        assert_eq!(trigger_word(&tilde), "folder-changes:/home/me/notes");
    }

    #[test]
    fn what_is_no_property_is_said_with_what_is() {
        let wrong = |word: &str| trigger(word, &Options::at_home("/home/me")).expect_err(word).to_string();
        assert!(
            wrong("device:subsytem=block").contains("did you mean subsystem=…?"),
            "{}",
            wrong("device:subsytem=block")
        );
        assert!(wrong("device:block").contains("NAME=VALUE"), "{}", wrong("device:block"));
        assert!(wrong("library:music,libraries=music").contains("twice"));
    }
}
