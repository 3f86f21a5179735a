//! Values in a row, each of any type.

use serde_json::Value as Json;

use super::{PropertyValue, file};

/// The name of its type in files.
pub(super) const NAME: &str = "list";
/// What an element costs besides its value, towards the bounds of settings.
const ELEMENT_BYTES: usize = 16;

pub(super) fn size(list: &[PropertyValue]) -> usize {
    list.iter().map(|value| ELEMENT_BYTES + value.size()).sum()
}

pub(super) fn to_json(list: &[PropertyValue]) -> Json {
    list.iter().map(PropertyValue::to_tagged_json).collect()
}

pub(super) fn from_json(json: &Json) -> Option<Vec<PropertyValue>> {
    json.as_array()?.iter().map(file::from_tagged_json).collect()
}
