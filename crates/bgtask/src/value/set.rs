//! Values by name.

use std::collections::{BTreeMap, HashMap};

use serde_json::Value as Json;
use zbus::wire::serialized::Context;
use zbus::wire::{LE, serialized_size};
use zbus::{OwnedVariant, Variant};

use super::{PropertyValue, WrongType, file, wire};
use crate::Error;

/// Bytes of a set as it is marshalled for its way to a task.
pub const MAX_VALUE_SET_BYTES: usize = 64 << 10;
/// How deep sets may be nested; a set without nested ones has depth 1.
pub const MAX_SET_DEPTH: usize = 16;

/// The name of its type in files.
pub(super) const NAME: &str = "set";
/// What an entry costs besides its key and its value, towards the bounds of settings.
const ENTRY_BYTES: usize = 16;

/// Values by name: the arguments of an [`ApplicationTrigger`](crate::ApplicationTrigger) on their way to its task (REQ-4, REQ-5), and
/// settings that belong together.
///
/// At most [`MAX_VALUE_SET_BYTES`] travel with a trigger, and sets are nested no deeper than [`MAX_SET_DEPTH`].
///
/// On D-Bus it is an `a{sv}`. Types that D-Bus has are those of D-Bus: `b y n q i u x t d s`, lists of them (a byte string
/// is `ay`), `a{sv}` for a nested set, and `av` for a list of anything. A type it lacks is a pair `(sv)` of a name and what it is written as: `f32` and a double;
/// `char16` and a UINT16; `guid` and a text; `datetime` and microseconds since the Unix epoch, an INT64; `timespan` and
/// microseconds, a UINT64; `point`, `size`, `rect` and an `ad` of their numbers. The name of a list of them has `[]` after it.
///
/// ```
/// use bgtask::ValueSet;
///
/// # fn main() -> Result<(), bgtask::WrongType> {
/// let mut set = ValueSet::new();
/// set.insert("folder", "/home/me/Pictures");
/// set.insert("sizes", vec![320_u32, 1280]);
/// assert_eq!(set.get::<String>("folder")?.as_deref(), Some("/home/me/Pictures"));
/// assert_eq!(set.get::<Vec<u32>>("sizes")?.unwrap()[1], 1280);
/// assert_eq!(set.get::<bool>("never set")?, None);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ValueSet(BTreeMap<String, PropertyValue>);

impl ValueSet {
    /// An empty set.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets a value and answers the one that it replaces.
    pub fn insert(&mut self, key: impl Into<String>, value: impl Into<PropertyValue>) -> Option<PropertyValue> {
        self.0.insert(key.into(), value.into())
    }

    /// Takes a value out.
    pub fn remove(&mut self, key: &str) -> Option<PropertyValue> {
        self.0.remove(key)
    }

    /// A value as a [`PropertyValue`] or as any type that converts from one; `None` if it is not there.
    ///
    /// # Errors
    ///
    /// It has another type.
    pub fn get<T>(&self, key: &str) -> Result<Option<T>, WrongType>
    where
        T: TryFrom<PropertyValue>,
        T::Error: Into<WrongType>,
    {
        self.0.get(key).cloned().map(T::try_from).transpose().map_err(Into::into)
    }

    /// Whether there is such a value.
    pub fn contains_key(&self, key: &str) -> bool {
        self.0.contains_key(key)
    }

    /// How many values there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// All values, sorted by key.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &PropertyValue)> {
        self.0.iter().map(|(key, value)| (key.as_str(), value))
    }

    /// How deep it is nested.
    fn depth(&self) -> usize {
        1 + self.0.values().map(PropertyValue::depth).max().unwrap_or(0)
    }

    fn has_nul(&self) -> bool {
        self.iter().any(|(key, value)| key.contains('\0') || has_nul(value))
    }

    /// Bytes that count towards the bounds of settings.
    pub(super) fn size(&self) -> usize {
        self.0.iter().map(|(key, value)| ENTRY_BYTES + key.len() + value.size()).sum()
    }

    pub(super) fn to_json(&self) -> Json {
        Json::Object(self.iter().map(|(key, value)| (key.to_owned(), value.to_tagged_json())).collect())
    }

    pub(super) fn from_json(json: &Json) -> Option<Self> {
        let fields = json.as_object()?.iter();
        fields
            .map(|(key, tagged)| Some((key.clone(), file::from_tagged_json(tagged)?)))
            .collect::<Option<_>>()
            .map(Self)
    }

    /// What travels. The bounds are kept here, so that a set that is too large is told to who made it.
    pub(crate) fn to_wire(&self) -> Result<HashMap<&str, OwnedVariant>, Error> {
        if self.depth() > MAX_SET_DEPTH {
            return Err(Error::limit(format!(
                "the arguments are sets within sets, {} deep; at most {MAX_SET_DEPTH} are allowed",
                self.depth()
            )));
        }
        if self.has_nul() {
            return Err(Error::invalid(
                "a text in the arguments has a NUL character, which D-Bus cannot carry; send it as a byte string",
            ));
        }
        let own = |value: &PropertyValue| OwnedVariant::try_from(value.to_wire()).map_err(Error::protocol);
        let set = self.iter().map(|(key, value)| Ok((key, own(value)?))).collect::<Result<HashMap<_, _>, Error>>()?;
        let bytes =
            serialized_size(Context::new(LE, 0), &set).map_err(|error| Error::invalid(error.to_string()))?.size();
        if bytes > MAX_VALUE_SET_BYTES {
            return Err(Error::limit(format!(
                "the arguments have {bytes} bytes, at most {MAX_VALUE_SET_BYTES} travel with a trigger; write them to a \
                 file or a setting and send its name"
            )));
        }
        Ok(set)
    }

    /// Reads what travelled, or says what it is that is no value.
    pub(crate) fn from_wire(set: &HashMap<String, OwnedVariant>) -> Result<Self, String> {
        let read = |(key, value): (&String, &OwnedVariant)| {
            let value: &Variant<'_> = value;
            Ok((key.clone(), wire::read(value).map_err(|found| format!("{key:?} is {found}"))?))
        };
        set.iter().map(read).collect()
    }
}

impl PropertyValue {
    /// How deep sets and lists are nested in it; 0 where it is neither.
    pub(crate) fn depth(&self) -> usize {
        match self {
            Self::Set(set) => set.depth(),
            Self::List(list) => 1 + list.iter().map(Self::depth).max().unwrap_or(0),
            _ => 0,
        }
    }
}

fn has_nul(value: &PropertyValue) -> bool {
    match value {
        PropertyValue::Str(text) => text.contains('\0'),
        PropertyValue::StrList(list) => list.iter().any(|text| text.contains('\0')),
        PropertyValue::Set(set) => set.has_nul(),
        PropertyValue::List(list) => list.iter().any(has_nul),
        _ => false,
    }
}

impl<K: Into<String>, V: Into<PropertyValue>> FromIterator<(K, V)> for ValueSet {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(values: I) -> Self {
        Self(values.into_iter().map(|(key, value)| (key.into(), value.into())).collect())
    }
}

impl<K: Into<String>, V: Into<PropertyValue>, const N: usize> From<[(K, V); N]> for ValueSet {
    fn from(values: [(K, V); N]) -> Self {
        values.into_iter().collect()
    }
}
