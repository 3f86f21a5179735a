//! Values from and into Rust's types.

use std::convert::Infallible;
use std::fmt;
use std::time::{Duration, SystemTime};

use uuid::Uuid;

use super::{Char16, Point, PropertyValue, Rect, Size, ValueSet};

/// A [`PropertyValue`] is not of the wanted type, or is an integer outside its range.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WrongType {
    found: &'static str,
    wanted: &'static str,
}

impl fmt::Display for WrongType {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { found, wanted } = self;
        write!(formatter, "holds {found} that is no {wanted}; read it as what it holds, or set it again")
    }
}

impl std::error::Error for WrongType {}

impl From<Infallible> for WrongType {
    fn from(never: Infallible) -> Self {
        match never {}
    }
}

impl From<&str> for PropertyValue {
    fn from(text: &str) -> Self {
        Self::Str(text.to_owned())
    }
}

impl From<&[u8]> for PropertyValue {
    fn from(bytes: &[u8]) -> Self {
        Self::Bytes(bytes.to_owned())
    }
}

impl From<ValueSet> for PropertyValue {
    fn from(set: ValueSet) -> Self {
        Self::Set(set)
    }
}

impl From<Vec<Self>> for PropertyValue {
    fn from(list: Vec<Self>) -> Self {
        Self::List(list)
    }
}

impl PropertyValue {
    /// It as an integer, of whatever type it is.
    fn integer(&self) -> Option<i128> {
        Some(match *self {
            Self::U8(value) => value.into(),
            Self::I16(value) => value.into(),
            Self::U16(value) => value.into(),
            Self::I32(value) => value.into(),
            Self::U32(value) => value.into(),
            Self::I64(value) => value.into(),
            Self::U64(value) => value.into(),
            _ => return None,
        })
    }
}

macro_rules! integers_back {
    ($($type:ty)*) => {$(
        impl TryFrom<PropertyValue> for $type {
            type Error = WrongType;

            fn try_from(value: PropertyValue) -> Result<Self, WrongType> {
                let fits = value.integer().and_then(|integer| integer.try_into().ok());
                fits.ok_or(WrongType { found: value.words(), wanted: stringify!($type) })
            }
        }
    )*};
}

integers_back!(u8 i16 u16 i32 u32 i64 u64);

macro_rules! converts_back {
    ($($type:ty: $($pattern:pat => $value:expr),*;)*) => {$(
        impl TryFrom<PropertyValue> for $type {
            type Error = WrongType;

            fn try_from(value: PropertyValue) -> Result<Self, WrongType> {
                let found = value.words();
                match value {
                    $($pattern => Ok($value),)*
                    _ => Err(WrongType { found, wanted: stringify!($type) }),
                }
            }
        }
    )*};
}

converts_back! {
    bool: PropertyValue::Bool(value) => value;
    f32: PropertyValue::F32(value) => value;
    f64: PropertyValue::F64(value) => value, PropertyValue::F32(value) => value.into();
    Char16: PropertyValue::Char16(value) => value;
    String: PropertyValue::Str(value) => value;
    Uuid: PropertyValue::Guid(value) => value;
    SystemTime: PropertyValue::DateTime(value) => value;
    Duration: PropertyValue::TimeSpan(value) => value;
    Point: PropertyValue::Point(value) => value;
    Size: PropertyValue::Size(value) => value;
    Rect: PropertyValue::Rect(value) => value;
    ValueSet: PropertyValue::Set(value) => value;
    Vec<PropertyValue>: PropertyValue::List(list) => list;
    Vec<bool>: PropertyValue::BoolList(list) => list;
    Vec<u8>: PropertyValue::Bytes(list) => list;
    Vec<i16>: PropertyValue::I16List(list) => list;
    Vec<u16>: PropertyValue::U16List(list) => list;
    Vec<i32>: PropertyValue::I32List(list) => list;
    Vec<u32>: PropertyValue::U32List(list) => list;
    Vec<i64>: PropertyValue::I64List(list) => list;
    Vec<u64>: PropertyValue::U64List(list) => list;
    Vec<f32>: PropertyValue::F32List(list) => list;
    Vec<f64>: PropertyValue::F64List(list) => list;
    Vec<Char16>: PropertyValue::Char16List(list) => list;
    Vec<String>: PropertyValue::StrList(list) => list;
    Vec<Uuid>: PropertyValue::GuidList(list) => list;
    Vec<SystemTime>: PropertyValue::DateTimeList(list) => list;
    Vec<Duration>: PropertyValue::TimeSpanList(list) => list;
    Vec<Point>: PropertyValue::PointList(list) => list;
    Vec<Size>: PropertyValue::SizeList(list) => list;
    Vec<Rect>: PropertyValue::RectList(list) => list;
}
