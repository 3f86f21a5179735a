//! The types a value may have: how each is written in files and on the wire.

use std::time::{Duration, SystemTime};

use serde_json::{Value as Json, json};
use uuid::Uuid;
use zbus::{Type, Variant};

use super::{Char16, Point, Rect, Size};

/// One type of value, for single values and for lists of it.
pub(super) trait Element: Sized {
    /// Its name in files and in the tags of the wire.
    const NAME: &'static str;
    /// The name of a list of it.
    const LIST_NAME: &'static str;
    /// What people call it.
    const WORDS: &'static str;
    /// What people call a list of it.
    const LIST_WORDS: &'static str = "a list";
    /// Whether the wire has the type itself; one that it lacks travels with its name.
    const NATIVE: bool = true;
    /// How the wire carries it.
    type Wire: Type + Into<Variant<'static>> + TryFrom<Variant<'static>>;

    /// Bytes that count towards the bounds.
    fn size(&self) -> usize {
        size_of::<Self>()
    }

    fn to_wire(&self) -> Self::Wire;
    fn from_wire(wire: Self::Wire) -> Option<Self>;

    fn to_json(&self) -> Json;
    fn from_json(json: &Json) -> Option<Self>;

    fn list_to_json(list: &[Self]) -> Json {
        list.iter().map(Self::to_json).collect()
    }

    fn list_from_json(json: &Json) -> Option<Vec<Self>> {
        json.as_array()?.iter().map(Self::from_json).collect()
    }
}

macro_rules! names {
    ($name:literal, $words:literal) => {
        const NAME: &'static str = $name;
        const LIST_NAME: &'static str = concat!($name, "[]");
        const WORDS: &'static str = $words;
    };
}

/// A type that goes onto the wire as it is.
macro_rules! same_on_the_wire {
    ($type:ty) => {
        type Wire = $type;

        fn to_wire(&self) -> $type {
            self.clone()
        }

        fn from_wire(wire: $type) -> Option<Self> {
            Some(wire)
        }
    };
}

macro_rules! integers {
    ($($type:ty = $name:literal, $read:ident;)*) => {$(
        impl Element for $type {
            names!($name, "an integer");
            same_on_the_wire!($type);

            fn to_json(&self) -> Json {
                json!(self)
            }

            fn from_json(json: &Json) -> Option<Self> {
                json.$read()?.try_into().ok()
            }
        }
    )*};
}

integers! {
    i16 = "i16", as_i64; u16 = "u16", as_u64;
    i32 = "i32", as_i64; u32 = "u32", as_u64;
    i64 = "i64", as_i64; u64 = "u64", as_u64;
}

impl Element for u8 {
    const NAME: &'static str = "u8";
    const LIST_NAME: &'static str = "bytes";
    const LIST_WORDS: &'static str = "a byte string";
    const WORDS: &'static str = "an integer";
    same_on_the_wire!(Self);

    fn to_json(&self) -> Json {
        json!(self)
    }

    fn from_json(json: &Json) -> Option<Self> {
        json.as_u64()?.try_into().ok()
    }

    fn list_to_json(list: &[Self]) -> Json {
        let digit = |value: Self| char::from_digit(value.into(), 16).expect("four bits are one digit");
        list.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect::<String>().into()
    }

    fn list_from_json(json: &Json) -> Option<Vec<Self>> {
        let digit = |digit: char| digit.to_digit(16).map(|value| value as Self);
        let digits: Vec<Self> = json.as_str()?.chars().map(digit).collect::<Option<_>>()?;
        let (pairs, []) = digits.as_chunks::<2>() else { return None };
        Some(pairs.iter().map(|[high, low]| high << 4 | low).collect())
    }
}

impl Element for bool {
    names!("bool", "a bool");
    same_on_the_wire!(Self);

    fn to_json(&self) -> Json {
        json!(self)
    }

    fn from_json(json: &Json) -> Option<Self> {
        json.as_bool()
    }
}

impl Element for String {
    names!("str", "a text");
    same_on_the_wire!(Self);

    fn size(&self) -> usize {
        self.len()
    }

    fn to_json(&self) -> Json {
        json!(self)
    }

    fn from_json(json: &Json) -> Option<Self> {
        json.as_str().map(Self::from)
    }
}

impl Element for f64 {
    names!("f64", "a floating-point number");
    same_on_the_wire!(Self);

    fn to_json(&self) -> Json {
        // As text: JSON numbers have no infinities, and not every reader of them is exact.
        format!("{self:?}").into()
    }

    fn from_json(json: &Json) -> Option<Self> {
        json.as_str()?.parse().ok()
    }
}

impl Element for f32 {
    names!("f32", "a floating-point number");
    const NATIVE: bool = false;
    type Wire = f64;

    fn to_wire(&self) -> f64 {
        (*self).into()
    }

    fn from_wire(wire: f64) -> Option<Self> {
        Some(wire as Self)
    }

    fn to_json(&self) -> Json {
        format!("{self:?}").into()
    }

    fn from_json(json: &Json) -> Option<Self> {
        json.as_str()?.parse().ok()
    }
}

/// Types that are written as another one is, on the wire and in files.
macro_rules! written_as {
    ($($type:ty = $name:literal, $words:literal, $as:ty: $to:expr, $from:expr;)*) => {$(
        impl Element for $type {
            names!($name, $words);
            const NATIVE: bool = false;
            type Wire = $as;

            fn to_wire(&self) -> $as {
                let to: fn(&Self) -> $as = $to;
                to(self)
            }

            fn from_wire(wire: $as) -> Option<Self> {
                let from: fn($as) -> Option<Self> = $from;
                from(wire)
            }

            fn to_json(&self) -> Json {
                Written::to_json(&self.to_wire())
            }

            fn from_json(json: &Json) -> Option<Self> {
                Self::from_wire(Written::from_json(json)?)
            }
        }
    )*};
}

written_as! {
    Char16 = "char16", "a character", u16: |it| it.0, |wire| Some(Self(wire));
    Uuid = "guid", "a GUID", String: |it| it.hyphenated().to_string(), |wire| Self::try_parse(&wire).ok();
    SystemTime = "datetime", "a time", i64: |it| micros_since_epoch(*it), time_of;
    Duration = "timespan", "a span of time", u64: |it| it.as_micros().try_into().unwrap_or(u64::MAX),
        |wire| Some(Self::from_micros(wire));
    Point = "point", "a point", Vec<f64>: |it| wide(&[it.x, it.y]),
        |wire| narrow(&wire).map(|[x, y]| Self { x, y });
    Size = "size", "a size", Vec<f64>: |it| wide(&[it.width, it.height]),
        |wire| narrow(&wire).map(|[width, height]| Self { width, height });
    Rect = "rect", "a rectangle", Vec<f64>: |it| wide(&[it.x, it.y, it.width, it.height]),
        |wire| narrow(&wire).map(|[x, y, width, height]| Self { x, y, width, height });
}

/// What [`written_as`] writes types as.
trait Written: Sized {
    fn to_json(&self) -> Json;
    fn from_json(json: &Json) -> Option<Self>;
}

impl<E: Element> Written for E {
    fn to_json(&self) -> Json {
        Element::to_json(self)
    }

    fn from_json(json: &Json) -> Option<Self> {
        Element::from_json(json)
    }
}

impl Written for Vec<f64> {
    fn to_json(&self) -> Json {
        f64::list_to_json(self)
    }

    fn from_json(json: &Json) -> Option<Self> {
        f64::list_from_json(json)
    }
}

fn wide(numbers: &[f32]) -> Vec<f64> {
    numbers.iter().map(|number| f64::from(*number)).collect()
}

fn narrow<const N: usize>(numbers: &[f64]) -> Option<[f32; N]> {
    let numbers: [f64; N] = numbers.try_into().ok()?;
    Some(numbers.map(|number| number as f32))
}

fn micros_since_epoch(time: SystemTime) -> i64 {
    let clamp = |distance: Duration| i64::try_from(distance.as_micros()).unwrap_or(i64::MAX);
    match time.duration_since(SystemTime::UNIX_EPOCH) {
        Ok(after) => clamp(after),
        Err(before) => -clamp(before.duration()),
    }
}

fn time_of(micros: i64) -> Option<SystemTime> {
    let distance = Duration::from_micros(micros.unsigned_abs());
    match micros < 0 {
        true => SystemTime::UNIX_EPOCH.checked_sub(distance),
        false => SystemTime::UNIX_EPOCH.checked_add(distance),
    }
}
