//! The text of a setting in its file.

use serde_json::{Map, Value as Json, json};

use super::PropertyValue;

/// Bytes of a file, all of which may be escapes (six for a byte), the key's among them.
pub(crate) const MAX_FILE_BYTES: usize = 512 << 10;

/// Writes the content of a file: the key, for keys too long to be a file name, and the value under the name of its type.
pub(crate) fn to_file(key: &str, value: &PropertyValue) -> String {
    format!("{}\n", json!({ "key": key, value.type_name(): value.to_json() }))
}

/// Reads the content of a file, or says what is wrong with it.
pub(crate) fn from_file(content: &[u8]) -> Result<(String, PropertyValue), String> {
    if content.len() > MAX_FILE_BYTES {
        return Err(format!("it is larger than {MAX_FILE_BYTES} bytes"));
    }
    let mut fields: Map<String, Json> = serde_json::from_slice(content).map_err(|error| error.to_string())?;
    let Some(Json::String(key)) = fields.remove("key") else {
        return Err("it names no key".to_owned());
    };
    match single(&fields) {
        None => Err("it does not hold exactly one value".to_owned()),
        Some((kind, json)) => match PropertyValue::from_json(kind, json) {
            Some(value) => Ok((key, value)),
            None => Err(format!("its value is not a {kind:?}, or that type needs a newer bgtask")),
        },
    }
}

impl PropertyValue {
    /// A value within a set.
    pub(super) fn to_tagged_json(&self) -> Json {
        json!({ self.type_name(): self.to_json() })
    }
}

pub(super) fn from_tagged_json(json: &Json) -> Option<PropertyValue> {
    let (kind, json) = single(json.as_object()?)?;
    PropertyValue::from_json(kind, json)
}

fn single(fields: &Map<String, Json>) -> Option<(&String, &Json)> {
    let mut fields = fields.iter();
    fields.next().filter(|_| fields.next().is_none())
}
