//! Values that cross the border of a process: those of settings, and of what a trigger carries to its task.

mod convert;
mod element;
mod file;
mod list;
mod set;
#[cfg(test)]
mod tests;
mod wire;

use std::time::{Duration, SystemTime};

use serde_json::Value as Json;
use uuid::Uuid;
use zbus::Variant;

pub use convert::WrongType;
use element::Element;
pub(crate) use file::{MAX_FILE_BYTES, from_file, to_file};
pub use set::{MAX_SET_DEPTH, MAX_VALUE_SET_BYTES, ValueSet};

macro_rules! values {
    ($($(#[$doc:meta])* $one:ident, $list:ident: $type:ty;)+) => {
        /// A value of one of the types that Windows' `PropertyValue` has, or a nested [`ValueSet`] (REQ-5).
        ///
        /// Made `from` the Rust types it can hold, and turned back with `try_from`; an integer turns into any integer type
        /// it fits. There is no empty value: what is not there has none.
        ///
        /// ```
        /// use bgtask::PropertyValue;
        /// let value = PropertyValue::from(5);
        /// assert_eq!(value, PropertyValue::I32(5));
        /// assert_eq!(u64::try_from(value), Ok(5));
        /// ```
        #[derive(Clone, Debug, PartialEq)]
        #[non_exhaustive]
        pub enum PropertyValue {
            $(
                $(#[$doc])*
                $one($type),
                #[doc = concat!("Several of [`", stringify!($one), "`](Self::", stringify!($one), ").")]
                $list(Vec<$type>),
            )+
            /// A nested set.
            Set(ValueSet),
            /// Several values, each of any type: what Windows calls an `InspectableArray`.
            List(Vec<PropertyValue>),
        }

        impl PropertyValue {
            /// Bytes that count towards the bounds of settings.
            pub(crate) fn size(&self) -> usize {
                match self {
                    $(
                        Self::$one(value) => value.size(),
                        Self::$list(list) => list.iter().map(Element::size).sum(),
                    )+
                    Self::Set(set) => set.size(),
                    Self::List(list) => list::size(list),
                }
            }

            /// The name of its type, in files and in the tags of the wire.
            fn type_name(&self) -> &'static str {
                match self {
                    $(
                        Self::$one(_) => <$type as Element>::NAME,
                        Self::$list(_) => <$type as Element>::LIST_NAME,
                    )+
                    Self::Set(_) => set::NAME,
                    Self::List(_) => list::NAME,
                }
            }

            /// What it is, for people.
            fn words(&self) -> &'static str {
                match self {
                    $(
                        Self::$one(_) => <$type as Element>::WORDS,
                        Self::$list(_) => <$type as Element>::LIST_WORDS,
                    )+
                    Self::Set(_) => "a set",
                    Self::List(_) => "a list",
                }
            }

            fn to_json(&self) -> Json {
                match self {
                    $(
                        Self::$one(value) => value.to_json(),
                        Self::$list(list) => Element::list_to_json(list),
                    )+
                    Self::Set(set) => set.to_json(),
                    Self::List(list) => list::to_json(list),
                }
            }

            fn from_json(type_name: &str, json: &Json) -> Option<Self> {
                $(
                    if type_name == <$type as Element>::NAME {
                        return Element::from_json(json).map(Self::$one);
                    }
                    if type_name == <$type as Element>::LIST_NAME {
                        return Element::list_from_json(json).map(Self::$list);
                    }
                )+
                match type_name {
                    set::NAME => ValueSet::from_json(json).map(Self::Set),
                    list::NAME => list::from_json(json).map(Self::List),
                    _ => None,
                }
            }

            fn to_wire(&self) -> Variant<'static> {
                match self {
                    $(
                        Self::$one(value) => wire::one(value),
                        Self::$list(list) => wire::list(list),
                    )+
                    Self::Set(set) => wire::set(set),
                    Self::List(list) => wire::any_list(list),
                }
            }

            /// Reads a value of a type the wire has itself.
            fn from_native(variant: &Variant<'_>) -> Option<Self> {
                $(
                    if <$type as Element>::NATIVE && wire::is_one::<$type>(variant) {
                        return wire::read_one(variant).map(Self::$one);
                    }
                    if <$type as Element>::NATIVE && wire::is_list::<$type>(variant) {
                        return wire::read_list(variant).map(Self::$list);
                    }
                )+
                None
            }

            /// Reads a value of a type that the wire lacks, by its name.
            fn from_tagged(type_name: &str, variant: &Variant<'_>) -> Option<Self> {
                $(
                    if !<$type as Element>::NATIVE && type_name == <$type as Element>::NAME {
                        return wire::read_one(variant).map(Self::$one);
                    }
                    if !<$type as Element>::NATIVE && type_name == <$type as Element>::LIST_NAME {
                        return wire::read_list(variant).map(Self::$list);
                    }
                )+
                None
            }
        }

        $(
            impl From<$type> for PropertyValue {
                fn from(value: $type) -> Self {
                    Self::$one(value)
                }
            }

            impl From<Vec<$type>> for PropertyValue {
                fn from(list: Vec<$type>) -> Self {
                    Self::$list(list)
                }
            }
        )+
    };
}

values! {
    /// Yes or no.
    Bool, BoolList: bool;
    /// A byte; a list of them is a byte string.
    U8, Bytes: u8;
    /// A signed integer of 16 bits.
    I16, I16List: i16;
    /// An unsigned integer of 16 bits.
    U16, U16List: u16;
    /// A signed integer of 32 bits.
    I32, I32List: i32;
    /// An unsigned integer of 32 bits.
    U32, U32List: u32;
    /// A signed integer of 64 bits.
    I64, I64List: i64;
    /// An unsigned integer of 64 bits.
    U64, U64List: u64;
    /// A floating-point number of 32 bits; infinities and not-a-number are kept.
    F32, F32List: f32;
    /// A floating-point number of 64 bits; infinities and not-a-number are kept.
    F64, F64List: f64;
    /// A UTF-16 code unit.
    Char16, Char16List: Char16;
    /// A text.
    Str, StrList: String;
    /// A GUID.
    Guid, GuidList: Uuid;
    /// A moment, kept to the microsecond.
    DateTime, DateTimeList: SystemTime;
    /// A span of time, kept to the microsecond.
    TimeSpan, TimeSpanList: Duration;
    /// A point of the plane.
    Point, PointList: Point;
    /// A width and a height.
    Size, SizeList: Size;
    /// A rectangle.
    Rect, RectList: Rect;
}

/// A UTF-16 code unit, the character of Windows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Char16(pub u16);

/// A point of the plane.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Point {
    /// To the right.
    pub x: f32,
    /// Downwards.
    pub y: f32,
}

/// A width and a height.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Size {
    /// The width.
    pub width: f32,
    /// The height.
    pub height: f32,
}

/// A rectangle.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Rect {
    /// The left edge.
    pub x: f32,
    /// The upper edge.
    pub y: f32,
    /// The width.
    pub width: f32,
    /// The height.
    pub height: f32,
}
