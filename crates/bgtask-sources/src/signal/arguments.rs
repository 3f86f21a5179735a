//! What a D-Bus message carries, as JSON.

use serde_json::{Map, Value};
use zbus::wire::{Structure, Variant};
use zbus::{Message, message};

use crate::event::MAX_FIELD_BYTES;

/// The arguments of a message in their order, or `None` where its body cannot be read.
///
/// Bytes become lower-case hex, structures arrays, file descriptors null. All of it takes at most about
/// [`MAX_FIELD_BYTES`]: longer texts are cut, and elements beyond that left off.
pub(super) fn of(message: &Message) -> Option<Value> {
    let body: message::Body = message.body();
    if body.is_empty() {
        return Some(Value::Array(Vec::new()));
    }
    let arguments: Structure<'_> = body.deserialize().ok()?;
    let mut room = MAX_FIELD_BYTES;
    Some(list(arguments.fields(), &mut room))
}

fn list(elements: &[Variant<'_>], room: &mut usize) -> Value {
    let mut values = Vec::new();
    for element in elements {
        if *room == 0 {
            break;
        }
        values.push(json(element, room));
    }
    Value::Array(values)
}

fn json(value: &Variant<'_>, room: &mut usize) -> Value {
    // What every value takes: a comma and a few digits or a pair of signs around it.
    *room = room.saturating_sub(4);
    match value {
        Variant::Bool(truth) => Value::from(*truth),
        Variant::U8(number) => Value::from(*number),
        Variant::I16(number) => Value::from(*number),
        Variant::U16(number) => Value::from(*number),
        Variant::I32(number) => Value::from(*number),
        Variant::U32(number) => Value::from(*number),
        Variant::I64(number) => Value::from(*number),
        Variant::U64(number) => Value::from(*number),
        // JSON has no infinities: they are null.
        Variant::F64(number) => Value::from(*number),
        Variant::Str(text) => Value::from(cut(text, room)),
        Variant::ObjectPath(path) => Value::from(cut(path.as_str(), room)),
        Variant::Signature(signature) => Value::from(cut(&signature.to_string(), room)),
        Variant::Variant(inner) => json(inner, room),
        Variant::Structure(structure) => list(structure.fields(), room),
        Variant::Array(array) => bytes(array.inner(), room).unwrap_or_else(|| list(array.inner(), room)),
        Variant::Dict(entries) => dictionary(entries.iter(), room),
        _ => Value::Null,
    }
}

/// Bytes as hex; `None` for everything else, and for nothing at all.
fn bytes(elements: &[Variant<'_>], room: &mut usize) -> Option<Value> {
    let Some(Variant::U8(_)) = elements.first() else { return None };
    let mut hex = String::new();
    for element in elements {
        let Variant::U8(byte) = element else { return None };
        if *room < 2 {
            break;
        }
        hex.push_str(&format!("{byte:02x}"));
        *room -= 2;
    }
    Some(Value::from(hex))
}

fn dictionary<'v>(entries: impl Iterator<Item = (&'v Variant<'v>, &'v Variant<'v>)>, room: &mut usize) -> Value {
    let mut values = Map::new();
    for (key, value) in entries {
        if *room == 0 {
            break;
        }
        let key = match json(key, room) {
            Value::String(key) => key,
            other => other.to_string(),
        };
        values.insert(key, json(value, room));
    }
    Value::Object(values)
}

fn cut(text: &str, room: &mut usize) -> String {
    let kept = &text[..text.floor_char_boundary(*room)];
    *room -= kept.len();
    kept.to_owned()
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use serde::Serialize;
    use serde_json::json;
    use zbus::wire::{DynamicType, ObjectPath};

    use super::*;

    fn arguments(body: &(impl Serialize + DynamicType)) -> Value {
        of(&Message::signal("/", "org.example.A", "B").build(body).unwrap()).unwrap()
    }

    #[test]
    fn every_type_has_its_place_in_json() {
        assert_eq!(arguments(&()), json!([]));
        assert_eq!(arguments(&("a",)), json!(["a"]));
        assert_eq!(arguments(&"a"), json!(["a"]));
        let path = ObjectPath::try_from("/a").unwrap();
        let numbers = (true, 7u8, -8i16, 9u16, -10i32, 11u32, i64::MIN, u64::MAX, 0.5);
        let told = arguments(&(numbers, path, Variant::from("v"), ("s", 1), f64::NAN));
        let numbers = json!([true, 7, -8, 9, -10, 11, i64::MIN, u64::MAX, 0.5]);
        assert_eq!(told, json!([numbers, "/a", "v", ["s", 1], null]));
        assert_eq!(arguments(&(vec![0u8, 255], vec!["a", "b"])), json!(["00ff", ["a", "b"]]));
        let words = HashMap::from([("word", Variant::from(3i32))]);
        assert_eq!(arguments(&(words, HashMap::from([(1u32, "x")]))), json!([{"word": 3}, {"1": "x"}]));
    }

    /// [`MAX_FIELD_BYTES`], whatever there is too much of.
    #[test]
    fn what_is_too_much_is_cut() {
        let told = arguments(&("ä".repeat(MAX_FIELD_BYTES), "left off"));
        assert_eq!(told[0].as_str().unwrap().len(), MAX_FIELD_BYTES - 4);
        assert_eq!(told.as_array().unwrap().len(), 1);
        let told = arguments(&(vec![1u8; 50_000], 5));
        assert!(told.to_string().len() <= MAX_FIELD_BYTES, "{}", told.to_string().len());
        let told = arguments(&(vec![1u32; 50_000], 5));
        assert!(told.to_string().len() <= MAX_FIELD_BYTES, "{}", told.to_string().len());
    }
}
